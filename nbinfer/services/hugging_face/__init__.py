"""Hugging Face: serverless by hub id, the router, dedicated endpoints; TGI and OpenAI-compatible servers by URL.

Wire facts: TGI router 3.3, recorded traffic of the serverless API and the router, huggingface_hub 2.4.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, ClassVar

from nbinfer.chats import ChatResult, Message
from nbinfer.dialects import as_chat
from nbinfer.errors import ChatOnlyError
from nbinfer.flows import Flow, Request, Steps, answered
from nbinfer.known import context_of
from nbinfer.services.base import Call, Room, Service, estimated
from nbinfer.services.hugging_face.about import ABOUT
from nbinfer.services.hugging_face.asked import Asked, Chat, Text
from nbinfer.services.hugging_face.borrowed import Borrowed, ProvidersChat
from nbinfer.services.hugging_face.rows import BY_PATH, Rows
from nbinfer.services.hugging_face.servers import root
from nbinfer.tasks import BORROWED, TASKS

FORMS: Mapping[str, type[Asked]] = {
    "text-generation": Text,
    "chat": Chat,
    **dict.fromkeys(BY_PATH, Rows),
    **dict.fromkeys(BORROWED, Borrowed),
    **ABOUT,
}
"""Task → the way to ask for it."""


BRIDGED = "sent as a chat, which is all that the model offers"


def asked_as(call: Call) -> Asked:
    """Return the way to ask that a call takes."""
    if call.task == "chat" and ProvidersChat.suits(call):
        return ProvidersChat(call)
    return FORMS.get(call.task, Borrowed)(call)


class HuggingFace(Service):
    """Hugging Face's serverless API and router, its dedicated endpoints, TGI and OpenAI-compatible servers anywhere."""

    name = "hugging_face"
    label = "Hugging Face, TGI and OpenAI-compatible servers"
    tasks: ClassVar[Collection[str]] = tuple(task for task in FORMS if task in TASKS)
    borrows: ClassVar[bool] = True

    def flow(self, call: Call) -> Flow[Any]:
        """Return the flow of a call."""
        asked = asked_as(call)

        def attempt(again: bool) -> Steps:  # noqa: FBT001 - the shape flows.answered asks for
            return asked.steps(again=again)

        flow = answered(asked.answer, attempt, retries=call.retries)
        return self._bridged(flow, call) if call.task == "text-generation" and call.bridge else flow

    def _bridged(self, flow: Flow[Any], call: Call) -> Flow[Any]:
        """Send a text as the user's message of a chat where a model offers only that; the result says so."""
        try:
            return (yield from flow)
        except ChatOnlyError as refusal:
            if refusal.partial is not None:
                raise
            parameters, notices = as_chat(call.parameters)
        messages: tuple[Message, ...] = ({"role": "user", "content": call.inputs},)
        result: ChatResult = yield from self.flow(replace(call, task="chat", messages=messages, parameters=parameters))
        return replace(
            result, notices=("sent as a chat, which is all that the model offers", *notices, *result.notices)
        )

    def preview(self, call: Call) -> dict[str, Any]:
        """Return the request that would be sent, key hidden."""
        return asked_as(call).preview()

    def room(self, call: Call) -> Room:
        """Return what the server told of its limits, or what is known of the model."""
        told = call.servers.get(root(call.model), {}).get("max_total_tokens")
        return Room(told or context_of(call.name or call.model), estimated)

    def request(self, call: Call) -> Request:
        """Return the request that would be sent."""
        return asked_as(call).request(known={})
