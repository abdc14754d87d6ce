"""How the steps of an answer become a result, at any moment: tokens a text, rows a table."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol, TypeVar

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

    def __init__(
        self,
        prompt: str,
        parameters: Mapping[str, Any],
        *,
        model: str,
        full_text: bool = False,
        keep_stop: bool = False,
        may_echo: bool = False,
    ) -> None:
        self.headers: Mapping[str, str] = {}
        self.complete = False
        self.stopped = False
        self.usage = Usage()
        self.finish_reason: str | None = None
        self.notices: list[str] = []
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

    def asked(self, parameters: Mapping[str, Any], notices: Iterable[str]) -> None:
        """Take in what was sent, and what the reader should know of it."""
        self._parameters, self.notices = parameters, list(notices)

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
