"""A chat with a model that only continues texts: put into the model's form here, and read back as an answer."""

from __future__ import annotations

from dataclasses import replace

from nbinfer.answers import TextAnswer
from nbinfer.chats import ChatChunk, plain
from nbinfer.dialects import as_text, chat
from nbinfer.flows import Request, Response
from nbinfer.reading import Event, TextReading
from nbinfer.replies import ChatAnswer, Trimmed, in_chat_form
from nbinfer.results import Chunk, Details
from nbinfer.services.base import Call
from nbinfer.services.hugging_face.asked import Text, shown
from nbinfer.services.hugging_face.routes import is_url
from nbinfer.templates import Form


class RenderedReading(TextReading):
    """Reads a text as the answer in a chat."""

    def __init__(self, answer: ChatAnswer, request: Request, response: Response) -> None:
        super().__init__(TextAnswer(answer.prompt, {}, model=""), request, response)
        self._chat, self._trimmed = answer, Trimmed()
        answer.headers = response.headers

    def event(self, event: Event) -> Chunk:
        """Take in a step."""
        said = self._said(super().event(event))
        self._relay.finished = self._chat.stopped
        return said

    def whole(self, answer: Event) -> Chunk:
        """Take in a whole text."""
        return self._said(super().whole(answer))

    def done(self) -> Chunk:
        """Show what was held back; where the end has been told already, this is no news."""
        return Chunk() if self._chat.done else self._said(super().done())

    def _said(self, step: Chunk) -> ChatChunk:
        """Take in a step in the form of a chat, the last one with what the server told of the end."""
        if self._answer.complete:
            told = self._answer.result()
            read, written = told.usage.input_tokens, told.usage.output_tokens or 0
            step.details = Details(told.raw_finish_reason or "stop", written, input_length=read)
            self._chat.done = True
        return self._chat.add(in_chat_form(step, self._trimmed.feed(step.text), self._chat))


class Rendered(Text):
    """A chat as a text generation, in a form that is rendered here."""

    reading = RenderedReading

    def __init__(self, call: Call, form: Form, *notices: str) -> None:
        self.chat = call
        prompt = form.sent(plain(call.messages), escape=bool(call.parameters.get("escape")))
        parameters, unused = as_text(call.parameters)
        parameters["stop"] = [*parameters.get("stop", ()), *form.stop]
        model = call.model.removesuffix("/").removesuffix("/chat/completions") if is_url(call.model) else call.model
        notices = (*call.notices, *notices, *unused)
        super().__init__(replace(call, model=model, inputs=prompt, parameters=parameters, notices=notices))

    def awaited(self) -> ChatAnswer:
        """Return what collects the answer."""
        asked = self.chat
        keep_stop = bool(asked.parameters.get("keep_stop"))
        told = {**chat(asked.parameters), "stop": self.call.parameters["stop"]}
        answer = ChatAnswer(asked.messages, told, model=shown(asked), keep_stop=keep_stop)
        answer.prompt = self.call.inputs
        return answer
