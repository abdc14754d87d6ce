"""Models that run in this process: those in the wheel, and ONNX models of the hub or of a folder."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, ClassVar, cast

from nbinfer.answers import RowsAnswer, TextAnswer
from nbinfer.errors import ParameterError
from nbinfer.flows import Flow, Produce, Steps, answered
from nbinfer.local import MODELS, load
from nbinfer.params import DEFAULT_MAX_NEW_TOKENS, TextGeneration, defaults, native, resolve, streaming_problems
from nbinfer.results import Chunk, TextResult
from nbinfer.services.base import Call, Service
from nbinfer.tasks import TASKS
from nbinfer.vectors import RowsResult

UNUSED = ("watermark", "adapter_id")

ROWS: Mapping[str, Callable[[Any, tuple[str, ...], Mapping[str, Any]], Iterable[Any]]] = {
    "text-embedding": lambda model, texts, options: model.embed(texts, **options),
    "sparse-embedding": lambda model, texts, _: model.weigh(texts),
    "rerank": lambda model, texts, options: model.score(options["query"], texts).tolist(),
}
"""Task → what a model of it makes of some texts, a row for each."""


class Local(Service):
    """Embedded models, and ONNX models from the hub; the text models behave like a TGI server."""

    name = "local"
    label = "Embedded models and ONNX models"
    tasks: ClassVar[Collection[str]] = ("text-generation", *ROWS)

    def flow(self, call: Call) -> Flow[Any]:
        """Return the flow of a call; the model is loaded when its first step is asked for."""
        return _text(call) if call.task == "text-generation" else _rows(call)

    def preview(self, call: Call) -> dict[str, Any]:
        """Return what the model would be given."""
        if call.task == "text-generation":
            return {"model": call.model, "inputs": call.inputs, "parameters": _parameters(call)[0]}
        return {"model": call.model, "texts": list(call.texts), "parameters": _options(call)[0]}


def _text(call: Call) -> Flow[TextResult]:
    if call.stream and (problems := streaming_problems(call.parameters)):
        raise ParameterError("\n".join(problems))
    parameters, notices = _parameters(call)
    keep_stop = bool(call.parameters.get("keep_stop"))
    answer = TextAnswer(call.inputs, parameters, model=call.model, keep_stop=keep_stop, notices=notices)

    def attempt(_again: bool) -> Steps:  # noqa: FBT001 - the shape flows.answered asks for
        yield Produce(_chunks(call, answer, parameters))

    return answered(answer, attempt)


def _parameters(call: Call) -> tuple[dict[str, Any], list[str]]:
    parameters, notices = native(call.parameters)
    unused = [*(name for name in UNUSED if parameters.pop(name, None)), *call.extra]
    return parameters, [*notices, *(f"not used by {call.model}: {name}" for name in unused)]


def _chunks(call: Call, answer: TextAnswer, parameters: dict[str, Any]) -> Iterator[Chunk]:
    """Load the model and generate until a stop text is complete."""
    model = load(_name(call), call.task)
    resolve(TextGeneration, call.parameters, limits=model.limits)
    if "max_new_tokens" not in call.parameters:
        # Nobody asked for 256: a long prompt leaves less, and none leaves the refusal to the model.
        read = min(model.count(call.inputs), call.parameters.get("truncate", math.inf))
        room = int((model.limits.max_total_tokens or 0) - read)
        parameters |= {"max_new_tokens": min(DEFAULT_MAX_NEW_TOKENS, room) if room > 0 else None}
    for chunk in model.generate(call.inputs, parameters):
        yield answer.add(chunk)
        if answer.stopped:
            return


def _rows(call: Call) -> Flow[RowsResult]:
    options, notices = _options(call)
    kind = cast("type[RowsResult]", TASKS[call.task].result)
    answer = RowsAnswer(kind, call.texts, options, model=call.model, notices=notices)

    def attempt(_again: bool) -> Steps:  # noqa: FBT001 - the shape flows.answered asks for
        yield Produce(_batches(call, answer, options))

    return answered(answer, attempt)


def _options(call: Call) -> tuple[dict[str, Any], list[str]]:
    options = defaults(TASKS[call.task].parameters) | dict(call.parameters)
    unused = list(call.extra)
    if _name(call) in MODELS and options.pop("prompt_name", None):
        unused.append("prompt_name")
    return options, [f"not used by {call.model}: {name}" for name in unused]


def _batches(call: Call, answer: RowsAnswer, options: Mapping[str, Any]) -> Iterator[Chunk]:
    """Load the model and take the texts in turn, some at a time, so that a reader can leave in between."""
    model = load(_name(call), call.task)
    for start in range(0, len(call.texts), model.batch):
        yield answer.add(ROWS[call.task](model, call.texts[start : start + model.batch], options))


def _name(call: Call) -> str:
    return call.model.removeprefix("local/")
