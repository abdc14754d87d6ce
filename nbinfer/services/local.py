"""The models that ship with nbinfer: no key, no network."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from nbinfer.answers import TextAnswer
from nbinfer.errors import ParameterError
from nbinfer.flows import Flow, Produce, Steps, answered
from nbinfer.local import load
from nbinfer.params import DEFAULT_MAX_NEW_TOKENS, TextGeneration, native, resolve, streaming_problems
from nbinfer.results import Chunk
from nbinfer.services.base import Call, Service

UNUSED = ("watermark", "adapter_id")


class Local(Service):
    """The embedded text model, which behaves like a TGI server."""

    name = "local"
    label = "Embedded models"
    tasks: ClassVar[Mapping[str, type]] = {"text-generation": TextGeneration}

    def flow(self, call: Call) -> Flow:
        """Return the flow of a text generation; the model is loaded when its first chunk is asked for."""
        if call.stream and (problems := streaming_problems(call.parameters)):
            raise ParameterError("\n".join(problems))
        parameters, notices = _parameters(call)
        keep_stop = bool(call.parameters.get("keep_stop"))
        answer = TextAnswer(call.inputs, parameters, model=call.model, keep_stop=keep_stop, notices=notices)

        def attempt(_again: bool) -> Steps:  # noqa: FBT001 - the shape flows.answered asks for
            yield Produce(_chunks(call, answer, parameters))

        return answered(answer, attempt)

    def preview(self, call: Call) -> dict[str, Any]:
        """Return what the model would be given."""
        return {"model": call.model, "inputs": call.inputs, "parameters": _parameters(call)[0]}


def _parameters(call: Call) -> tuple[dict[str, Any], list[str]]:
    parameters, notices = native(call.parameters)
    unused = [*(name for name in UNUSED if parameters.pop(name, None)), *call.extra]
    return parameters, [*notices, *(f"not used by {call.model}: {name}" for name in unused)]


def _chunks(call: Call, answer: TextAnswer, parameters: dict[str, Any]) -> Iterator[Chunk]:
    """Load the model and generate until a stop text is complete."""
    model = load(call.model.removeprefix("local/"))
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
