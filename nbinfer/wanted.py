"""What a call is about, checked, as a service is asked for it; code with a hole becomes a prompt."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from nbinfer.chats import Message
from nbinfer.conversation import checked
from nbinfer.errors import ParameterError
from nbinfer.files import File
from nbinfer.filled import InfillResult
from nbinfer.infilling import at_hole, form_of, infill, open_form
from nbinfer.params import Continuation, table
from nbinfer.results import TextResult
from nbinfer.tasks import TASKS, Task
from nbinfer.templates import form_called

Texts = str | Iterable[str]
"""One text, or several."""
Messages = str | Iterable[Mapping[str, Any]]
"""The messages of a conversation in OpenAI's form; a text is the user's only one."""
Inputs = Texts | Messages | File
"""What a call is about: each task says what it takes."""


@dataclass(frozen=True)
class Wanted:
    """What a service is asked for: a task, what it is about, its options; and what becomes of the result."""

    task: str
    content: dict[str, Any]
    parameters: dict[str, Any]
    notices: tuple[str, ...] = ()
    made: Callable[[Any], Any] | None = None


def wanted(row: Task, inputs: Any, parameters: dict[str, Any], *, model: str, is_local: bool) -> Wanted:
    """Return what a service is to be asked for."""
    if row.name == "infill":
        return infilling(inputs, parameters, model)
    content = _content(row, inputs)
    if row.against:
        content["texts"] = (parameters[row.against], *content["texts"])
    asked = Wanted(row.name, content, parameters)
    if row.name != "text-generation":
        return asked
    asked = formed(asked)
    return asked if is_local else ended(asked)


def infilling(inputs: Any, given: Mapping[str, Any], model: str) -> Wanted:
    """Turn code with a hole into the prompt of a text generation, and its result into the code that was missing."""
    prefix, suffix = at_hole(_prompt(inputs)) if isinstance(inputs, str) else inputs
    options = {name: value for name, value in given.items() if name in table(Continuation)}
    form = form_of(model, given.get("form"))
    prompt = infill(prefix, suffix, form, suffix_first=bool(given.get("suffix_first")))
    parameters = {**options, "stop": [*options.get("stop", ()), *form.ends]}

    def made(result: TextResult) -> InfillResult:
        return InfillResult.of(result, prefix, suffix)

    return Wanted("text-generation", {"inputs": prompt}, parameters, made=made)


def formed(asked: Wanted) -> Wanted:
    """Put a prompt into the form that was asked for, as the user's message."""
    parameters = dict(asked.parameters)
    template, escape = parameters.pop("template", None), bool(parameters.pop("escape", False))
    if template is None:
        if escape:
            raise ParameterError("`escape` needs `template`: in a bare text no tags are special")
        return asked
    prompt = form_called(template).sent([{"role": "user", "content": asked.content["inputs"]}], escape=escape)
    return replace(asked, content={"inputs": prompt}, parameters=parameters)


def ended(asked: Wanted) -> Wanted:
    """Give a prompt that waits for the middle of code the stop text that ends it, unless one was given."""
    form = open_form(asked.content["inputs"])
    if form is None or "stop" in asked.parameters:
        return asked
    said = f"stopped at {form.stop[0]}, because the prompt ends in {form.markers[-1]}"
    return replace(asked, parameters={**asked.parameters, "stop": list(form.ends)}, notices=(said,))


def _content(row: Task, inputs: Any) -> dict[str, Any]:
    """Return what a call is about, under the name that its task has for it."""
    if row.name not in TASKS:
        return {"arguments": inputs}
    if row.turns:
        return {"messages": _messages(inputs)}
    if row.file:
        return {"file": inputs}
    return {"texts": _texts(inputs)} if row.several else {"inputs": _prompt(inputs)}


def _messages(inputs: Messages) -> tuple[Message, ...]:
    """Return the messages of a conversation; ParameterError names the first that is none."""
    if isinstance(inputs, str):
        return ({"role": "user", "content": _prompt(inputs)},)
    messages = tuple(checked(place, message) for place, message in enumerate(inputs))
    if not messages:
        raise ParameterError("`messages` cannot be empty", hint='Give a list such as [{"role": "user", "content": …}].')
    return messages


def _prompt(inputs: Inputs) -> str:
    if not isinstance(inputs, str) or not inputs:
        raise ParameterError("`inputs` cannot be empty" if inputs == "" else "the prompt must be a text")
    return str(inputs)


def _texts(inputs: Inputs) -> tuple[str, ...]:
    """Return the texts of a task that takes several; ParameterError names the first that is none."""
    texts = (inputs,) if isinstance(inputs, str) else tuple(inputs) if isinstance(inputs, Iterable) else (inputs,)
    if not texts:
        raise ParameterError("`inputs` cannot be empty", hint="Give one text or a list of texts.")
    for place, text in enumerate(texts):
        if not isinstance(text, str) or not text.strip():
            raise ParameterError(f"text {place} is {'empty' if isinstance(text, str) else f'no text: {text!r}'}")
    return tuple(map(str, texts))
