"""Reads answers, whole or streamed, by their content and not by their URL: TGI's forms and OpenAI's alike."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, ClassVar

import msgspec

from nbinfer import sse
from nbinfer.answers import Answer, TextAnswer
from nbinfer.chats import ChatChunk, content_text, shown_at_end
from nbinfer.errors import BadAnswerError, api_error, clip, redact
from nbinfer.flows import Produce, Read, Relay, Request, Response, Steps
from nbinfer.replies import ChatAnswer
from nbinfer.results import Chunk, Usage

DONE = "[DONE]"


class Event(Chunk, gc=False):
    """What a server may put into one event or answer: a TGI step, an error, or an OpenAI completion chunk."""

    error: Any = None
    choices: list[dict[str, Any]] | None = None
    usage: dict[str, Any] | None = None


class Reading(ABC):
    """Reads one answer in the form in which it comes."""

    events: ClassVar[msgspec.json.Decoder[Any]]
    answers: ClassVar[msgspec.json.Decoder[Any]]

    def __init__(self, answer: Answer[Any], request: Request, response: Response) -> None:
        self._request, self._response = request, response
        self._sse = sse.Decoder()
        self._read = self.events.decode
        self._relay = Relay(self._decode)
        self._over: Callable[[], bool] = lambda: answer.complete or answer.stopped

    @abstractmethod
    def event(self, event: Any) -> Chunk:
        """Take in one event of a stream; set `self._relay.finished` when nothing more is worth reading."""

    @abstractmethod
    def whole(self, answer: Any) -> Chunk:
        """Take in an answer that came in one piece."""

    @abstractmethod
    def done(self) -> Chunk:
        """Take in the word that the stream is over."""

    @abstractmethod
    def end(self) -> None:
        """Take in that the body is over."""

    def steps(self) -> Steps:
        """Ask for the body in the form in which it comes, and hand on its chunks."""
        if "text/event-stream" not in self._response.headers.get("content-type", ""):
            body: bytes = yield Read()
            yield Produce(iter([self._whole(body)]))
            return
        yield self._relay
        yield Produce(self._last())
        self.end()

    def _decode(self, piece: bytes) -> Iterable[Chunk]:
        data = self._sse.single(piece)
        return (self._step(data),) if data is not None else self._each(self._sse.feed(piece))

    def _each(self, events: Iterable[sse.Event]) -> Iterator[Chunk]:
        # One by one: what came before an event that is an error has been handed on.
        for event in events:
            yield self._step(event.data)
            if self._relay.finished:
                return

    def _step(self, data: str | bytes) -> Chunk:
        try:
            event = self._read(data)
        except (msgspec.DecodeError, RecursionError) as error:
            if isinstance(data, bytes):
                return self._step(data.decode(errors="replace"))
            if data.strip() == DONE:
                self._relay.finished = True
                return self.done()
            raise BadAnswerError(f"the stream holds something that is no event: {self._quoted(data)}") from error
        if event.error is not None:
            raise self._refusal(data if isinstance(data, bytes) else data.encode())
        return self.event(event)

    def _last(self) -> Iterator[Chunk]:
        """Take an event that the server forgot to end, where it is whole."""
        rest = self._sse.rest()
        if rest and not self._over():
            try:
                yield self._step(rest)
            except BadAnswerError:
                return

    def _whole(self, body: bytes) -> Chunk:
        try:
            answer = self.answers.decode(body)
        except (msgspec.DecodeError, RecursionError) as error:
            raise BadAnswerError(f"the answer is not this service's JSON: {self._quoted(body)}") from error
        if isinstance(answer, list):
            answer = next(iter(answer), None)
        if answer is not None and answer.error is not None:
            raise self._refusal(body)
        chunk = None if answer is None else self.whole(answer)
        if chunk is None or not self._over():
            raise BadAnswerError(f"the answer holds no text: {self._quoted(body)}")
        return chunk

    def _quoted(self, answer: bytes | str) -> str:
        """Return the beginning of an answer, without the keys that the server may have repeated."""
        text = answer.decode(errors="replace") if isinstance(answer, bytes) else answer
        return clip(redact(text, self._request.secrets), 80)

    def _refusal(self, body: bytes) -> Exception:
        request, response = self._request, self._response
        return api_error(response.status, body, url=request.url, headers=response.headers, secrets=request.secrets)


class TextReading(Reading):
    """Reads a text generation: TGI's steps, or completions and chats that some providers send in their place."""

    events = msgspec.json.Decoder(Event, strict=False)
    answers = msgspec.json.Decoder(list[Event] | Event, strict=False)

    def __init__(self, answer: TextAnswer, request: Request, response: Response) -> None:
        super().__init__(answer, request, response)
        self._answer = answer
        answer.headers = response.headers
        answer.usage = Usage(
            _count(response.headers, "x-prompt-tokens"), _count(response.headers, "x-generated-tokens")
        )

    def event(self, event: Event) -> Chunk:
        """Take in a step."""
        chunk = self._answer.add(event) if event.choices is None else self._completion(event)
        self._relay.finished = self._answer.stopped
        return chunk

    def done(self) -> Chunk:
        """Show what was held back."""
        self._answer.complete = True
        return Chunk(text=self._answer.flush())

    def end(self) -> None:
        """Leave it to what came: a text that has no last step broke off."""

    def whole(self, answer: Event) -> Chunk:
        """Take in a whole text."""
        if answer.choices is not None:
            chunk = self._completion(answer)
            self._answer.complete = True
            return chunk
        if answer.generated_text is None:
            return answer
        return self._answer.whole(answer.generated_text, answer.details)

    def _completion(self, event: Event) -> Chunk:
        """Read OpenAI's form."""
        if event.usage:
            self._answer.usage = Usage(event.usage.get("prompt_tokens"), event.usage.get("completion_tokens"))
        for choice in event.choices or ():
            message = choice.get("delta") or choice.get("message") or {}
            if not isinstance(message, dict):
                raise BadAnswerError(f"the answer is no completion: {self._quoted(repr(choice))}")
            reason = choice.get("finish_reason")
            event.text += self._answer.show(
                shown_at_end(choice.get("text") or content_text(message.get("content")), reason)
            )
            if reason:
                self._answer.finish_reason = str(reason)
                self._answer.complete = True
                event.text += self._answer.flush()
        return event


class ChatReading(Reading):
    """Reads a chat completion."""

    events = msgspec.json.Decoder(ChatChunk, strict=False)
    answers = msgspec.json.Decoder(list[ChatChunk] | ChatChunk, strict=False)

    def __init__(self, answer: ChatAnswer, request: Request, response: Response) -> None:
        super().__init__(answer, request, response)
        self._answer = answer
        answer.headers = response.headers

    def event(self, event: ChatChunk) -> Chunk:
        """Take in a piece of each choice."""
        chunk = self._answer.add(event)
        self._relay.finished = self._answer.stopped
        return chunk

    def done(self) -> Chunk:
        """Remember it."""
        self._answer.done = True
        return Chunk()

    def end(self) -> None:
        """Take the end of the body for the end of the answer where every choice has said why it ended."""
        self._answer.done = self._answer.done or self._answer.finished

    def whole(self, answer: ChatChunk) -> Chunk:
        """Take in a whole completion."""
        self._answer.done = bool(answer.choices)
        return self._answer.add(answer)


def _count(headers: Mapping[str, str], name: str) -> int | None:
    value = headers.get(name, "")
    return int(value) if value.isdecimal() else None
