"""Hugging Face: serverless by hub id, the router, dedicated endpoints; TGI and OpenAI-compatible servers by URL.

Wire facts: TGI router 3.3, recorded traffic of the serverless API and the router, huggingface_hub 2.4.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any, ClassVar

from nbinfer.chats import Message
from nbinfer.dialects import as_chat
from nbinfer.errors import ChatOnlyError, TextOnlyError
from nbinfer.flows import Flow, Request, answered
from nbinfer.known import context_of
from nbinfer.records import ImageResult
from nbinfer.services.base import Call, Room, Service, estimated
from nbinfer.services.hugging_face.about import ABOUT
from nbinfer.services.hugging_face.asked import Asked, Chat, Text
from nbinfer.services.hugging_face.borrowed import Borrowed, ProvidersChat
from nbinfer.services.hugging_face.images import Images
from nbinfer.services.hugging_face.rendered import Rendered
from nbinfer.services.hugging_face.rows import BY_PATH, Rows
from nbinfer.services.hugging_face.servers import root
from nbinfer.tasks import BORROWED, TASKS
from nbinfer.templates import TEMPLATES, form_called, form_of

FORMS: Mapping[str, type[Asked]] = {
    "text-generation": Text,
    "chat": Chat,
    **dict.fromkeys(BY_PATH, Rows),
    **dict.fromkeys(BORROWED, Borrowed),
    **dict.fromkeys((task for task in BORROWED if TASKS[task].result is ImageResult), Images),
    **ABOUT,
}
"""Task → the way to ask for it."""


def asked_as(call: Call) -> Asked:
    """Return the way to ask that a call takes."""
    if call.task == "chat" and (template := call.parameters.get("template")):
        return Rendered(call, form_called(template))
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
        flow = _performed(call)
        bridge = BRIDGES.get(call.task) if call.bridge else None
        return bridge(flow, call) if bridge else flow

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


def _performed(call: Call, asked: Asked | None = None) -> Flow[Any]:
    asked = asked or asked_as(call)
    return answered(asked.answer, lambda again: asked.steps(again=again), retries=call.retries)


def _as_chat(flow: Flow[Any], call: Call) -> Flow[Any]:
    """Send a text as the user's message of a chat where a model offers only that; the result says so."""
    try:
        return (yield from flow)
    except ChatOnlyError as refusal:
        if refusal.partial is not None:
            raise
        parameters, notices = as_chat(call.parameters)
    messages: tuple[Message, ...] = ({"role": "user", "content": call.inputs},)
    told = ("sent as a chat, which is all that the model offers", *notices, *call.notices)
    return (yield from _performed(replace(call, task="chat", messages=messages, parameters=parameters, notices=told)))


def _as_text(flow: Flow[Any], call: Call) -> Flow[Any]:
    """Send a chat as a text where the server has no form for it and the model's name tells one; the result says so."""
    try:
        return (yield from flow)
    except TextOnlyError:
        told = call.servers.get(root(call.model), {}).get("model_id")
        name = form_of(call.name or told or call.model)
        if name is None:
            raise
    notice = f"sent as a text in the form {name}, because the server has none for chats"
    return (yield from _performed(call, Rendered(call, TEMPLATES[name], notice)))


BRIDGES: Mapping[str, Callable[[Flow[Any], Call], Flow[Any]]] = {"text-generation": _as_chat, "chat": _as_text}
"""Task → what becomes of its flow where a model may offer only the other."""
