"""How the steps of an answer become a result, at any moment: tokens a text, rows a table."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import msgspec

from nbinfer.chats import ChatChunk, ChatResult, Choice, Delta, Logprobs, Message, ToolCall, content_text, shown_at_end
from nbinfer.results import Chunk, Details, Progress, Result, Sequence, TextResult, Timings, Token, Usage, normalised
from nbinfer.vectors import RowsResult

R_co = TypeVar("R_co", bound=Result, covariant=True)


class Answer(Protocol[R_co]):
    """What a flow collects: whether it began, is complete, was told to stop, and the result so far."""

    @property
    def stopped(self) -> bool:
        """Say whether a stop text came, so that nothing is worth waiting for."""

    @property
    def complete(self) -> bool:
        """Say whether nothing more is to come."""

    @property
    def began(self) -> bool:
        """Say whether anything arrived."""

    def result(self, finish_reason: str | None = None) -> R_co:
        """Return what has arrived, complete or not."""


class RowsAnswer:
    """Collects one row for each input text: a vector, weights, a score."""

    def __init__(
        self,
        kind: type[RowsResult],
        inputs: Iterable[str],
        parameters: Mapping[str, Any],
        *,
        model: str,
        notices: Iterable[str] = (),
    ) -> None:
        self.headers: Mapping[str, str] = {}
        self.stopped = False
        self.usage = Usage()
        self.notices = list(notices)
        self._kind, self._inputs, self._parameters, self._model = kind, tuple(inputs), parameters, model
        self._rows: list[Any] = []
        self._start = time.perf_counter()

    @property
    def complete(self) -> bool:
        """Say whether every input has its row."""
        return len(self._rows) == len(self._inputs)

    @property
    def began(self) -> bool:
        """Say whether anything arrived."""
        return bool(self._rows)

    @property
    def count(self) -> int:
        """Return how many rows have arrived."""
        return len(self._rows)

    def add(self, rows: Iterable[Any]) -> Progress:
        """Take in the rows of the next inputs and say how far this is."""
        self._rows.extend(rows)
        return Progress(done=len(self._rows), total=len(self._inputs))

    def result(self, finish_reason: str | None = None) -> RowsResult:
        """Return the rows that have arrived."""
        return self._kind.of(
            self._inputs,
            tuple(self._rows),
            model=self._model,
            parameters=dict(self._parameters),
            finish_reason=finish_reason,
            usage=self.usage,
            timings=Timings(None, time.perf_counter() - self._start),
            headers=dict(self.headers),
            notices=tuple(self.notices),
        )


class WholeAnswer:
    """Holds an answer that comes in one piece, whatever it is; `make` turns it, and the facts, into a result."""

    def __init__(
        self, make: Callable[..., Result], parameters: Mapping[str, Any], *, model: str, notices: Iterable[str] = ()
    ) -> None:
        self.headers: Mapping[str, str] = {}
        self.stopped = False
        self.complete = False
        self.notices = list(notices)
        self._make, self._parameters, self._model = make, parameters, model
        self._answer: Any = None
        self._start = time.perf_counter()

    @property
    def began(self) -> bool:
        """Say whether anything arrived."""
        return self.complete

    def take(self, answer: Any) -> Chunk:
        """Take the answer in, and say what to show of it."""
        self._answer, self.complete = answer, True
        result = self.result()
        return Chunk(text=result.text if isinstance(result, TextResult) else "")

    def result(self, finish_reason: str | None = None) -> Result:
        """Return the answer, if it has arrived."""
        return self._make(
            self._answer,
            model=self._model,
            parameters=dict(self._parameters),
            finish_reason=finish_reason,
            timings=Timings(None, time.perf_counter() - self._start),
            headers=dict(self.headers),
            notices=tuple(self.notices),
        )


class TextAnswer:
    """Collects the steps of one generation: what to show of each, and the result at any moment.

    Stop texts are cut exactly, wherever token borders fall: what could become one is held back. Special tokens
    show nothing. The server's `generated_text` has the last word, less a prompt that nobody asked for.
    """

    def __init__(  # noqa: PLR0913 - the facts of a call, all by keyword
        self,
        prompt: str,
        parameters: Mapping[str, Any],
        *,
        model: str,
        full_text: bool = False,
        keep_stop: bool = False,
        may_echo: bool = False,
        notices: Iterable[str] = (),
    ) -> None:
        self.headers: Mapping[str, str] = {}
        self.complete = False
        self.stopped = False
        self.usage = Usage()
        self.finish_reason: str | None = None
        self.notices = list(notices)
        self._prompt, self._model, self._parameters = prompt, model, parameters
        self._may_echo = may_echo
        self._stop = StopText(parameters.get("stop", ()), keep=keep_stop)
        self._lead = prompt if full_text else ""
        self._tokens: list[Token] = []
        self._top_tokens: list[list[Token]] = []
        self._pieces: list[str] = []
        # What is shown is what came, unless something is held back or put in front.
        self._plain = not (self._stop.active or self._lead)
        self._shown: list[str] = self._pieces if self._plain else []
        self._text: str | None = None
        self._details = Details()
        self._began = time.perf_counter()
        self._first: float | None = None

    @property
    def began(self) -> bool:
        """Say whether anything arrived."""
        return bool(self._tokens or any(self._pieces))

    def add(self, chunk: Chunk) -> Chunk:
        """Take one step in and say, in its `text`, what to show for it."""
        token = chunk.token
        if token is not None:
            self._tokens.append(token)
            if chunk.top_tokens:
                self._top_tokens.append(chunk.top_tokens)
        piece = "" if token is None or token.special else token.text
        chunk.text = self.show(piece)
        if chunk.generated_text is not None:
            self._end(chunk)
        return chunk

    def show(self, piece: str) -> str:
        """Return what of a new piece of text may be shown now."""
        self._pieces.append(piece)
        if self._first is None and piece:
            self._first = time.perf_counter() - self._began
        if self._plain:
            return piece
        if self._stop.active and not self.stopped:
            piece, self.stopped = self._stop.feed(piece)
        if self._lead and not self._shown:
            piece = self._lead + piece
        self._shown.append(piece)
        return piece

    def flush(self) -> str:
        """Return what was held back and turned out to be no stop text."""
        held = "" if self.stopped else self._stop.rest()
        if held:
            self._shown.append(held)
        return held

    def whole(self, text: str, details: Details | None) -> Chunk:
        """Take in an answer that came in one piece, as one step."""
        chunk = Chunk(generated_text=text, details=details or Details())
        self._tokens = list(chunk.details.tokens) if chunk.details else []
        self._top_tokens = (chunk.details.top_tokens or []) if chunk.details else []
        self._end(chunk)
        chunk.text = self._text or ""
        self._first = time.perf_counter() - self._began
        return chunk

    def result(self, finish_reason: str | None = None) -> TextResult:
        """Return what has arrived, complete or not."""
        details = self._details
        raw = finish_reason or ("stop_sequence" if self.stopped else details.finish_reason) or self.finish_reason
        written = details.generated_tokens or self.usage.output_tokens or len(self._tokens) or None
        return TextResult(
            text=self._so_far() if self._text is None else self._text,
            model=self._model,
            prompt=self._prompt,
            parameters=dict(self._parameters),
            finish_reason=normalised(raw),
            raw_finish_reason=raw or "",
            usage=Usage(details.input_length or self.usage.input_tokens or len(details.prefill) or None, written),
            timings=Timings(self._first, time.perf_counter() - self._began),
            headers=dict(self.headers),
            seed=details.seed,
            token_list=tuple(self._tokens),
            top_tokens=tuple(self._top_tokens),
            prefill=tuple(details.prefill),
            best_of_sequences=tuple(map(self._cut, details.best_of_sequences or ())),
            notices=tuple(self.notices),
        )

    def _so_far(self) -> str:
        """Return the text without its end: what is held back belongs to it, since no stop text has come."""
        return "".join(self._shown) + ("" if self.stopped else self._stop.held)

    def _end(self, chunk: Chunk) -> None:
        self.complete = True
        self._details = chunk.details or Details()
        text = chunk.generated_text or ""
        if self._echoed(text):
            text = text[len(self._prompt) :]
            if not self._lead:
                self.notices.append("the server put the prompt in front of its answer; it was cut")
        cut, stopped = self._stop.cut(text)
        self.stopped = self.stopped or stopped
        self._text = self._lead + cut
        chunk.text += self.flush()
        chunk.generated_text = self._text

    def _echoed(self, text: str) -> bool:
        """Say whether the text begins with the prompt because the server put it there, not the model."""
        if not self._prompt or not text.startswith(self._prompt):
            return False
        if self._lead:
            return True
        return text == self._prompt + "".join(self._pieces) if any(self._pieces) else self._may_echo

    def _cut(self, sequence: Sequence) -> Sequence:
        text = sequence.generated_text
        sequence.generated_text = self._lead + self._stop.cut(text.removeprefix(self._lead))[0]
        return sequence


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


class StopText:
    """Finds the first stop text in pieces that may cut it anywhere."""

    def __init__(self, stop: Iterable[str], *, keep: bool = False) -> None:
        self._stop = tuple(stop)
        self._keep = keep
        self.held = ""
        self.active = bool(self._stop)

    def feed(self, piece: str) -> tuple[str, bool]:
        """Return what of the text so far is surely no stop text, and whether one was found."""
        text, found = self.cut(self.held + piece)
        if found:
            self.held = ""
            return text, True
        hold = next((n for n in range(min(len(text), self._longest - 1), 0, -1) if self._begins(text[-n:])), 0)
        self.held = text[len(text) - hold :]
        return text[: len(text) - hold], False

    def rest(self) -> str:
        """Return what is still held back, once."""
        held, self.held = self.held, ""
        return held

    def cut(self, text: str) -> tuple[str, bool]:
        """Cut a text at the stop text that is complete first; say whether there was one."""
        ends = [(start + len(stop), start) for stop in self._stop if (start := text.find(stop)) >= 0]
        if not ends:
            return text, False
        end, start = min(ends)
        return text[: end if self._keep else start], True

    @property
    def _longest(self) -> int:
        return max(map(len, self._stop))

    def _begins(self, tail: str) -> bool:
        return any(stop.startswith(tail) for stop in self._stop)
