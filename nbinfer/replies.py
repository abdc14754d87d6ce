"""How the pieces of a chat become its result, at any moment."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from nbinfer.answers import StopText
from nbinfer.chats import (
    ChatChunk,
    ChatResult,
    ChatUsage,
    Choice,
    Delta,
    Logprob,
    Logprobs,
    Message,
    ToolCall,
    TopLogprob,
    content_text,
    shown_at_end,
)
from nbinfer.results import Chunk, Timings, Token, Usage, normalised


class ChatAnswer:
    """Collects the pieces of a chat completion: of each choice its text, reasoning, tool calls and tokens.

    Stop texts are cut as in TextAnswer. A reader sees the pieces in OpenAI's form, with what to show in them.
    """

    def __init__(
        self,
        messages: Iterable[Message],
        parameters: Mapping[str, Any],
        *,
        model: str,
        keep_stop: bool = False,
        notices: Iterable[str] = (),
    ) -> None:
        self.headers: Mapping[str, str] = {}
        self.usage = Usage()
        self.done = False
        self.prompt = ""
        self.logprobs = bool(parameters.get("logprobs"))
        self.notices = list(notices)
        self.envelope: dict[str, Any] = {}
        self._messages, self._model, self._parameters = tuple(messages), model, parameters
        self._stop, self._keep_stop = tuple(parameters.get("stop", ())), keep_stop
        self._replies: dict[int, _Reply] = {}
        self._began = time.perf_counter()
        self._first: float | None = None

    def asked(self, parameters: Mapping[str, Any], notices: Iterable[str]) -> None:
        """Take in what was sent, and what the reader should know of it."""
        self._parameters, self.notices = parameters, list(notices)

    @property
    def began(self) -> bool:
        """Say whether anything arrived."""
        return any(reply.began for reply in self._replies.values())

    @property
    def stopped(self) -> bool:
        """Say whether every answer ended at a stop text, so that nothing is worth waiting for."""
        return len(self._replies) >= self._wanted and all(reply.stopped for reply in self._replies.values())

    @property
    def complete(self) -> bool:
        """Say whether nothing more is to come."""
        return self.done or (len(self._replies) >= self._wanted and self.finished)

    @property
    def finished(self) -> bool:
        """Say whether every answer that began has a finish reason."""
        return bool(self._replies) and all(reply.finish_reason for reply in self._replies.values())

    @property
    def _wanted(self) -> int:
        return int(self._parameters.get("n", 1))

    def add(self, chunk: ChatChunk) -> ChatChunk:
        """Take one step in and put into it what to show; a whole answer becomes one step."""
        if chunk.usage is not None:
            self.usage = Usage(chunk.usage.prompt_tokens, chunk.usage.completion_tokens)
        said = {name: getattr(chunk, name) for name in ("id", "created", "model", "system_fingerprint")}
        self.envelope |= {name: value for name, value in said.items() if value not in (None, "")}
        for choice in chunk.choices or ():
            reply = self._replies.setdefault(choice.index, _Reply(StopText(self._stop, keep=self._keep_stop)))
            shown = reply.add(choice)
            if choice.index == 0:
                chunk.text += shown
        if self._first is None and self.began:
            self._first = time.perf_counter() - self._began
        return chunk

    def result(self, finish_reason: str | None = None) -> ChatResult:
        """Return what has arrived, complete or not."""
        replies = [self._replies[index] for index in sorted(self._replies)] or [_Reply(StopText(()))]
        first = replies[0]
        raw = finish_reason or first.reason
        written = self.usage.output_tokens or sum(len(reply.tokens) for reply in replies) or None
        return ChatResult(
            text=first.text,
            model=self._model,
            prompt=self.prompt or content_text(self._messages[-1].get("content") if self._messages else ""),
            parameters=dict(self._parameters),
            finish_reason=normalised(raw),
            raw_finish_reason=raw or "",
            usage=Usage(self.usage.input_tokens, written),
            timings=Timings(self._first, time.perf_counter() - self._began),
            headers=dict(self.headers),
            token_list=tuple(first.tokens),
            top_tokens=tuple(first.top_tokens),
            notices=tuple(self.notices),
            messages=self._messages,
            choices=tuple(reply.whole(index, finish_reason) for index, reply in enumerate(replies)),
            envelope=dict(self.envelope),
        )


class Trimmed:
    """Leaves out the blanks that a chat's form puts around an answer: before its first piece, and after its last."""

    def __init__(self) -> None:
        self._begun = False
        self._held = ""

    def feed(self, piece: str) -> str:
        """Return what of a piece is surely inside the answer."""
        text = self._held + (piece if self._begun else piece.lstrip())
        inside = text.rstrip()
        self._begun, self._held = self._begun or bool(inside), text[len(inside) :]
        return inside


def in_chat_form(chunk: Chunk, piece: str, answer: ChatAnswer) -> ChatChunk:
    """Return a step of a text as one of a chat, of which it says this piece."""
    choice = Choice(delta=Delta(role="assistant", content=piece))
    if answer.logprobs and chunk.token is not None:
        tops = [TopLogprob(token.text, token.logprob) for token in chunk.top_tokens or ()]
        choice.logprobs = {"content": [Logprob(chunk.token.text, chunk.token.logprob, tops)]}
    usage = None
    if (details := chunk.details) is not None:
        choice.finish_reason = normalised(details.finish_reason)
        read = details.input_length or 0
        usage = ChatUsage(read, details.generated_tokens, read + details.generated_tokens)
    return ChatChunk(token=chunk.token, choices=[choice], usage=usage, **answer.envelope)


@dataclass
class _Reply:
    """One of the answers of a chat, as far as it has come."""

    stop: StopText
    pieces: list[str] = field(default_factory=list)
    thoughts: list[str] = field(default_factory=list)
    calls: dict[int, ToolCall] = field(default_factory=dict)
    tokens: list[Token] = field(default_factory=list)
    top_tokens: list[list[Token]] = field(default_factory=list)
    logprobs: list[Any] = field(default_factory=list)
    finish_reason: str | None = None
    stopped: bool = False

    @property
    def began(self) -> bool:
        return bool(self.calls or any(self.pieces) or any(self.thoughts) or self.stop.held)

    @property
    def reason(self) -> str | None:
        return "stop_sequence" if self.stopped else self.finish_reason

    @property
    def text(self) -> str:
        return "".join(self.pieces) + ("" if self.stopped else self.stop.held)

    def add(self, choice: Choice) -> str:
        """Take in a piece, put what may be shown of it back into it, and return that."""
        said = choice.delta or choice.message or Delta(content=choice.text)
        piece = shown_at_end(content_text(said.content), choice.finish_reason)
        if self.stop.active:
            piece, self.stopped = ("", True) if self.stopped else self.stop.feed(piece)
            if choice.finish_reason and not self.stopped:
                piece += self.stop.rest()
        if said.content is not None or piece:
            said.content = piece
        self.pieces.append(piece)
        self.thoughts.append(said.reasoning or said.reasoning_content or "")
        for call in said.tool_calls or ():
            self._call(call)
        self._take_logprobs(choice.logprobs)
        # Some servers send an empty reason with every piece.
        self.finish_reason = choice.finish_reason or self.finish_reason
        return piece

    def _call(self, piece: ToolCall) -> None:
        known = self.calls.setdefault(piece.index, ToolCall(index=piece.index))
        # A name and an id come once; TGI before 2.0 sent arguments as an object and ids as numbers.
        known.id = known.id if piece.id in (None, "") else str(piece.id)
        known.function.name = known.function.name or piece.function.name
        more = piece.function.arguments
        known.function.arguments += more if isinstance(more, str) else msgspec.json.encode(more).decode()

    def _take_logprobs(self, logprobs: Any) -> None:
        try:
            tokens = msgspec.convert(logprobs, Logprobs).content or []
        except msgspec.ValidationError:
            return
        self.logprobs += tokens
        self.tokens += [Token(None, token.token, token.logprob) for token in tokens]
        if any(token.top_logprobs for token in tokens):
            self.top_tokens += [[Token(None, top.token, top.logprob) for top in token.top_logprobs] for token in tokens]

    def whole(self, index: int, finish_reason: str | None) -> dict[str, Any]:
        """Return the answer as a choice of a whole completion in OpenAI's form."""
        message: Message = {"role": "assistant", "content": self.text if self.text or not self.calls else None}
        if thoughts := "".join(self.thoughts):
            message["reasoning"] = thoughts
        if self.calls:
            message["tool_calls"] = [_called(call) for _, call in sorted(self.calls.items())]
        choice = {"index": index, "message": message, "finish_reason": finish_reason or self.reason}
        return choice | ({"logprobs": {"content": msgspec.to_builtins(self.logprobs)}} if self.logprobs else {})


def _called(call: ToolCall) -> dict[str, Any]:
    function = {"name": call.function.name or "", "arguments": call.function.arguments}
    return {"id": str(call.id or call.index), "type": call.type, "function": function}
