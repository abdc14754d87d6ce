"""Prompts: `{{ name }}` filled in from variables, and chat templates that put messages into a model's own form."""

from __future__ import annotations

import ast
import functools
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nbinfer.errors import TemplateError, nearest

if TYPE_CHECKING:
    from jinja2 import Environment

BOS, EOS = "<s>", "</s>"
LLAMA2_TAGS = ("[INST]", "[/INST]", "<<SYS>>", "<</SYS>>", BOS, EOS, "<unk>")

_HOLE = re.compile(r"\{\{([^\n]*?)\}\}")


def interpolate(text: str, variables: Mapping[str, Any]) -> str:
    """Replace each `{{ expression }}` by its value, once: values are not looked at again, single braces stay.

    An expression is a name, its attributes and items: `{{ df.shape }}`, `{{ rows[0]["title"] }}`. Raises
    TemplateError for anything else and for names that are not defined.
    """
    return _HOLE.sub(lambda hole: _text(hole.group(1).strip(), variables), text)


def llama2_chat(messages: Sequence[Mapping[str, str]]) -> str:
    """Render messages as Llama 2's chat models read them (Meta's `chat_completion`; Code Llama Instruct alike).

    An optional system message comes first, then user and assistant in turn, a user last. Raises TemplateError for
    any other order, and for texts that contain the format's own tags.
    """
    turns = _folded(messages)
    text = "".join(
        f"{BOS}[INST] {question.strip()} [/INST] {answer.strip()} {EOS}"
        for question, answer in zip(turns[0:-1:2], turns[1::2], strict=True)
    )
    return f"{text}{BOS}[INST] {turns[-1].strip()} [/INST]"


def render_chat(messages: Sequence[Mapping[str, Any]], template: str, **variables: Any) -> str:
    """Render messages with a model's own chat template, a Jinja text, as transformers' `apply_chat_template` does.

    `variables` are what the template may name beside the messages: bos_token, eos_token, tools, documents. It runs in
    jinja2's immutable sandbox. Raises TemplateError when it refuses the messages or cannot be read.
    """
    import jinja2

    try:
        text = _sandbox().from_string(template).render(messages=messages, **{"add_generation_prompt": True} | variables)
    except (jinja2.TemplateError, TypeError, ValueError, RecursionError) as error:
        raise TemplateError(f"the model's chat template refuses these messages: {error}") from error
    return str(text)


@functools.cache
def _sandbox() -> Environment:
    """Return the environment that models' templates expect: two functions, one filter, no way out."""
    import datetime as dt

    import jinja2
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    def refuse(message: str) -> str:
        raise jinja2.TemplateError(message)

    def tojson(value: Any, **options: Any) -> str:
        return json.dumps(value, **{"ensure_ascii": False} | options)

    sandbox = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    sandbox.filters["tojson"] = tojson
    sandbox.globals["raise_exception"] = refuse
    # A prompt has the reader's own date.
    sandbox.globals["strftime_now"] = lambda form: dt.datetime.now().astimezone().strftime(form)
    return sandbox


def _one_question(template: Callable[[Sequence[Mapping[str, str]]], str]) -> Callable[[str], str]:
    # The tokenizer of the server puts the first <s> in front by itself.
    return lambda prompt: template([{"role": "user", "content": prompt}]).removeprefix(BOS)


TEMPLATES: Mapping[str, Callable[[str], str]] = {"llama2-chat": _one_question(llama2_chat)}
"""What `--template` knows: name → the prompt as one user message in that form, ready to send."""


def wrapped(name: str, prompt: str) -> str:
    """Put a prompt into the template called `name`; raise TemplateError when there is none."""
    if name not in TEMPLATES:
        raise TemplateError(f"no template is called `{name}`", hint=nearest(name, TEMPLATES))
    return TEMPLATES[name](prompt)


def _folded(messages: Sequence[Mapping[str, str]]) -> list[str]:
    """Check the order of roles and fold the system text into the first question."""
    for message in messages:
        _refuse_tags(message["content"])
    system, turns = "", list(messages)
    if turns and turns[0]["role"] == "system":
        system = f"<<SYS>>\n{turns.pop(0)['content']}\n<</SYS>>\n\n"
    if [turn["role"] for turn in turns] != ["user", "assistant"] * (len(turns) // 2) + ["user"]:
        raise TemplateError(
            "model only supports 'system', 'user' and 'assistant' roles, "
            "starting with 'system', then 'user' and alternating (u/a/u/a/u...), and the last message from 'user'"
        )
    first, *rest = (turn["content"] for turn in turns)
    return [system + first, *rest]


def _refuse_tags(text: str) -> None:
    for tag in LLAMA2_TAGS:
        if (position := text.find(tag)) >= 0:
            raise TemplateError(f"the text contains the tag {tag} at position {position}, which the format uses itself")


def _text(expression: str, variables: Mapping[str, Any]) -> str:
    shown = "{{ " + expression + " }}"
    try:
        tree = ast.parse(expression, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise TemplateError(f"{shown} is no name", hint="--raw sends the prompt as typed.") from None
    try:
        return str(_read(tree, variables))
    except _UndefinedError as undefined:
        near = nearest(undefined.args[0], (name for name in variables if not name.startswith("_")))
        hint = near if near.startswith("Did") else "Define it in a cell above, or send the prompt as typed with --raw."
        raise TemplateError(f"`{undefined.args[0]}` in {shown} is not defined", hint=hint) from None
    except _NotAllowedError:
        hint = "Only names, attributes and items can stand here; --raw sends the prompt as typed."
        raise TemplateError(f"{shown} cannot be filled in", hint=hint) from None
    except Exception as error:
        raise TemplateError(f"{shown} failed: {type(error).__name__}: {error}") from error


class _UndefinedError(Exception):
    pass


class _NotAllowedError(Exception):
    pass


def _read(node: ast.expr, variables: Mapping[str, Any]) -> Any:
    match node:
        case ast.Name(name):
            if name not in variables:
                raise _UndefinedError(name)
            return variables[name]
        case ast.Attribute(value, name) if not name.startswith("_"):
            return getattr(_read(value, variables), name)
        case ast.Subscript(value, index):
            return _read(value, variables)[_read(index, variables)]
        case ast.Slice(lower, upper, step):
            return slice(*(part and _read(part, variables) for part in (lower, upper, step)))
        case ast.UnaryOp(ast.USub(), ast.Constant(int(number))):
            return -number
        case ast.Constant(constant):
            return constant
    raise _NotAllowedError


__all__ = ["TEMPLATES", "interpolate", "llama2_chat", "render_chat", "wrapped"]
