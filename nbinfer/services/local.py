"""Models that run in this process: those in the wheel, and ONNX models of the hub or of a folder."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, cast

from nbinfer.answers import RowsAnswer, TextAnswer
from nbinfer.cache import CACHED
from nbinfer.chats import ChatResult, Message, plain
from nbinfer.dialects import CHAT, chat, native, streaming_problems
from nbinfer.errors import ParameterError
from nbinfer.flows import Flow, Produce, Request, Steps, answered
from nbinfer.local import MODELS, load
from nbinfer.params import DEFAULT_MAX_NEW_TOKENS, TextGeneration, defaults, resolve
from nbinfer.replies import ChatAnswer, Trimmed, in_chat_form
from nbinfer.results import Chunk, TextResult
from nbinfer.services.base import Call, Room, Service
from nbinfer.tasks import TASKS
from nbinfer.templates import BOS, TEMPLATES, ChatTemplate, Form, begun, form_called
from nbinfer.vectors import RowsResult

UNUSED = ("watermark", "adapter_id")
SERVERS_OWN = ("dimensions", "truncate", "truncation_direction")
"""Options of text embedding that only servers have."""
ROWS: Mapping[str, Callable[[Any, tuple[str, ...], Mapping[str, Any]], Iterable[Any]]] = {
    "text-embedding": lambda model, texts, options: model.embed(texts, **options),
    "sparse-embedding": lambda model, texts, _: model.weigh(texts),
    "sentence-similarity": lambda model, texts, _: model.embed(texts),
    "rerank": lambda model, texts, options: model.score(options["query"], texts).tolist(),
}
"""Task → what a model of it makes of some texts, a row for each."""


class Local(Service):
    """Embedded models, and ONNX models from the hub; the text models behave like a TGI server."""

    name = "local"
    label = "Embedded models and ONNX models"
    tasks: ClassVar[Collection[str]] = ("text-generation", "chat", *ROWS)

    def flow(self, call: Call) -> Flow[Any]:
        """Return the flow of a call; the model is loaded when its first step is asked for."""
        return _FLOWS.get(call.task, _rows)(call)

    def preview(self, call: Call) -> dict[str, Any]:
        """Return what the model would be given."""
        if call.task == "text-generation":
            return {"model": call.model, "inputs": call.inputs, "parameters": _parameters(call)[0]}
        if call.task == "chat":
            prompt = _prompt(load(_name(call), call.task), call)
            told = {"messages": list(call.messages), "prompt": prompt, "parameters": chat(call.parameters)}
            return {"model": call.model, **told}
        return {"model": call.model, "texts": list(call.texts), "parameters": _options(call)[0]}

    def room(self, call: Call) -> Room:
        """Return what the model has room for, counted by its own tokenizer."""
        model = load(_name(call), call.task)

        def count(messages: Sequence[Message]) -> int:
            return int(model.count(_prompt(model, replace(call, messages=tuple(messages)))))

        return Room(model.limits.max_total_tokens, count)

    def request(self, call: Call) -> Request:
        """Refuse: there is no wire."""
        hint = "Name a server's model with -m."
        raise ParameterError(f"{call.model} runs in this process: there is no request to show", hint=hint)


def _text(call: Call) -> Flow[TextResult]:
    if call.stream and (problems := streaming_problems(call.parameters)):
        raise ParameterError("\n".join(problems))
    prompt, said = begun(call.inputs) if _name(call) in MODELS else (call.inputs, ())
    call = replace(call, inputs=prompt, notices=(*call.notices, *said))
    parameters, notices = _parameters(call)
    keep_stop = bool(call.parameters.get("keep_stop"))
    full_text = bool(call.parameters.get("return_full_text"))
    answer = TextAnswer(call.inputs, parameters, model=call.model, full_text=full_text, keep_stop=keep_stop)
    answer.asked(parameters, notices)

    def attempt(_again: bool) -> Steps:  # noqa: FBT001 - the shape flows.answered asks for
        yield Produce(_chunks(call, answer, parameters))

    return answered(answer, attempt)


def _parameters(call: Call) -> tuple[dict[str, Any], list[str]]:
    parameters, notices = native(call.parameters)
    unused = [*(name for name in UNUSED if parameters.pop(name, None)), *call.extra]
    return parameters, [*call.notices, *notices, *(f"not used by {call.model}: {name}" for name in unused)]


def _chunks(call: Call, answer: TextAnswer, parameters: dict[str, Any]) -> Iterator[Chunk]:
    """Load the model and generate until a stop text is complete."""
    for chunk in _generated(load(_name(call), call.task), call, parameters, answer):
        yield answer.add(chunk)
        if answer.stopped:
            return


def _generated(model: Any, call: Call, parameters: dict[str, Any], answer: TextAnswer | ChatAnswer) -> Iterator[Chunk]:
    """Return the steps of a generation: new ones, or where the client keeps answers those of the same request."""
    resolve(TextGeneration, call.parameters, limits=model.limits)
    if "max_new_tokens" not in call.parameters:
        # Nobody asked for 256: a long prompt leaves less, and none leaves the refusal to the model.
        read = min(model.count(call.inputs), call.parameters.get("truncate", math.inf))
        room = int((model.limits.max_total_tokens or 0) - read)
        parameters |= {"max_new_tokens": min(DEFAULT_MAX_NEW_TOKENS, room) if room > 0 else None}
    if call.cache is None:
        return iter(model.generate(call.inputs, parameters))

    def told() -> None:
        answer.headers = CACHED

    asked = (call.model, call.inputs, sorted(parameters.items()))
    return call.cache.chunks(asked, lambda: model.generate(call.inputs, parameters), told)


def _chat(call: Call) -> Flow[ChatResult]:
    wanted = chat(call.parameters) | dict(call.extra)
    unused = [name for name in wanted if name not in (*CHAT, "logprobs", "stream_options")]
    notices = [f"not used by {call.model}: {', '.join(unused)}"] if unused else []
    keep_stop = bool(call.parameters.get("keep_stop"))
    answer = ChatAnswer(call.messages, wanted, model=call.model, keep_stop=keep_stop, notices=notices)

    def attempt(_again: bool) -> Steps:  # noqa: FBT001 - the shape flows.answered asks for
        yield Produce(_replies(call, answer))

    return answered(answer, attempt)


def _replies(call: Call, answer: ChatAnswer) -> Iterator[Chunk]:
    """Put the messages into the model's own form, generate, and hand on what comes in OpenAI's form."""
    model = load(_name(call), call.task)
    answer.prompt = _prompt(model, call)
    parameters = {CHAT[name]: value for name, value in call.parameters.items() if name in CHAT and name != "stop"}
    # The tokenizer puts the first <s> in front by itself.
    typed = answer.prompt.removeprefix(model.special_tokens.get("bos_token", BOS))
    as_text = replace(call, inputs=typed, parameters=parameters)
    answer.envelope = {"id": "", "created": int(time.time()), "model": call.model}
    trimmed = Trimmed()
    for chunk in _generated(model, as_text, native(parameters)[0], answer):
        piece = trimmed.feed("" if chunk.token is None or chunk.token.special else chunk.token.text)
        yield answer.add(in_chat_form(chunk, piece, answer))
        if answer.stopped:
            break
    # One answer is all there is, also where `n` asked for more.
    answer.done = True


def _prompt(model: Any, call: Call) -> str:
    """Put the messages into the form that was asked for, else the model's own."""
    return _form(model, call)(plain(call.messages), escape=bool(call.parameters.get("escape")))


def _form(model: Any, call: Call) -> Form:
    if source := call.parameters.get("template"):
        return form_called(source)
    template = model.chat_template
    return TEMPLATES["llama2-chat"] if template is None else ChatTemplate(template, model.special_tokens)


_FLOWS: Mapping[str, Callable[[Call], Flow[Any]]] = {"text-generation": _text, "chat": _chat}


def _rows(call: Call) -> Flow[RowsResult]:
    options, notices = _options(call)
    kind = cast("type[RowsResult]", TASKS[call.task].result)
    answer = RowsAnswer(kind, call.texts, options, model=call.model, notices=notices)

    def attempt(_again: bool) -> Steps:  # noqa: FBT001 - the shape flows.answered asks for
        yield Produce(_batches(call, answer, options))

    return answered(answer, attempt)


def _options(call: Call) -> tuple[dict[str, Any], list[str]]:
    options = defaults(TASKS[call.task].parameters) | dict(call.parameters)
    foreign = SERVERS_OWN if _name(call) not in MODELS else (*SERVERS_OWN, "prompt_name")
    unused = [*(name for name in foreign if options.pop(name, None) is not None), *call.extra]
    return options, [f"not used by {call.model}: {name}" for name in unused]


def _batches(call: Call, answer: RowsAnswer, options: Mapping[str, Any]) -> Iterator[Chunk]:
    """Load the model and take the texts in turn, some at a time, so that a reader can leave in between."""
    model = load(_name(call), call.task)
    for start in range(0, len(call.texts), model.batch):
        yield answer.add(ROWS[call.task](model, call.texts[start : start + model.batch], options))


def _name(call: Call) -> str:
    return call.model.removeprefix("local/")
