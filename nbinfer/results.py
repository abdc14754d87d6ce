"""What comes back: the wire's token structures, and results that are text and data at once.

The structures have the attribute names of huggingface_hub's output classes, which are text-generation-inference's
JSON fields; msgspec reads them straight from bytes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from nbinfer.errors import BadAnswerError, ParameterError, request_id_of
from nbinfer.markdown import code_block, fenced, safe

if TYPE_CHECKING:
    import pandas as pd

FINISH_REASONS = {
    "eos_token": "stop",
    "stop_sequence": "stop",
    "end_turn": "stop",
    "max_tokens": "length",
    "tool_use": "tool_calls",
}
"""Raw finish reason → the one word a Result uses; what is not listed stays as it is."""


class Token(msgspec.Struct, gc=False):
    """One token: its id, text and natural logarithm of probability; `special` marks control tokens.

    OpenAI's form tells no ids: there it is None.
    """

    id: int | None
    text: str
    logprob: float | None = None
    special: bool = False


class Sequence(msgspec.Struct):
    """One of several generations of `best_of`."""

    generated_text: str = ""
    finish_reason: str = ""
    generated_tokens: int = 0
    seed: int | None = None
    prefill: list[Token] = []
    tokens: list[Token] = []
    top_tokens: list[list[Token]] = []


class Details(msgspec.Struct):
    """What the server tells beside the text: why it ended, counts, tokens of prompt and answer."""

    finish_reason: str = ""
    generated_tokens: int = 0
    seed: int | None = None
    input_length: int | None = None
    prefill: list[Token] = []
    tokens: list[Token] = []
    top_tokens: list[list[Token]] | None = None
    best_of_sequences: list[Sequence] | None = None


class Chunk(msgspec.Struct, gc=False):
    """One step of a stream: a token, its alternatives, and at the end the whole text with its details.

    `text` is what to show for this step: empty for special tokens, and held back while it may belong to a stop
    string. The texts of all chunks joined are the text of the result.
    """

    token: Token | None = None
    top_tokens: list[Token] | None = None
    generated_text: str | None = None
    details: Details | None = None
    index: int | None = None
    text: str = msgspec.field(default="", name="(shown)")  # ours, under a name that no server sends


class Progress(Chunk, gc=False):
    """A step that brings no text: so many of the inputs are done."""

    done: int = 0
    total: int = 0


@dataclass(frozen=True)
class Usage:
    """Tokens read and written; None where the service does not say."""

    input_tokens: int | None = None
    output_tokens: int | None = None


@dataclass(frozen=True)
class Timings:
    """Seconds from the call to the first text and to the end."""

    first: float | None = None
    total: float | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Result(ABC):
    """What every call leaves, whatever its task: an answer, and all that is known about how it came to be.

    `parameters` are as sent, `headers` the service's own, `notices` what the caller should know. The forms that it
    can be shown in are listed in `forms`, the usual one first.
    """

    model: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    finish_reason: str | None = None
    usage: Usage = Usage()
    timings: Timings = Timings()
    headers: Mapping[str, str] = field(default_factory=dict)
    notices: tuple[str, ...] = ()

    forms: ClassVar[Mapping[str, Callable[[Any], dict[str, Any]]]]

    @abstractmethod
    def to_frame(self) -> pd.DataFrame:
        """Return the answer as data."""

    @property
    @abstractmethod
    def amount(self) -> str:
        """Return in a few words how much there is, for the footer."""

    @property
    def cached(self) -> bool:
        """Say whether Hugging Face answered from its cache."""
        return self.headers.get("x-compute-type") == "cache"

    @property
    def request_id(self) -> str:
        """Return the service's name for the request, "" if it gave none."""
        return request_id_of(self.headers)

    @property
    def footer(self) -> str:
        """Return one line: model, how much, time, why it ended, and what the caller should notice."""
        seconds = self.timings.total
        parts = [
            self.model,
            self.amount,
            "" if seconds is None else f"{seconds:.1f} s" if seconds >= 0.1 else f"{seconds * 1000:.0f} ms",
            _ENDINGS.get(self.finish_reason or "", ""),
            "cached" if self.cached else "",
            *self.notices,
        ]
        return " · ".join(filter(None, parts))

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, str], dict[str, Any]]:
        """Show the answer in its usual form, as text and as what cannot run anything, with the footer below."""
        return self.bundle()

    def bundle(self, form: str = "") -> tuple[dict[str, Any], dict[str, Any]]:
        """Return MIME data and metadata for one of the forms; ParameterError for a form that this result lacks."""
        form = form or next(iter(self.forms))
        if form not in self.forms:
            hint = f"It has the forms {', '.join(self.forms)}."
            raise ParameterError(f"this result cannot be shown as {form}", hint=hint)
        data = self.forms[form](self)
        if "text/markdown" in data:
            data["text/markdown"] += f"\n\n<sub>{safe(self.footer)}</sub>"
        return data, {"nbinfer": self._account()}

    def _account(self) -> dict[str, Any]:
        """Return what the saved notebook should know beside the answer."""
        account = {
            "model": self.model,
            "finish_reason": self.finish_reason,
            "input_tokens": self.usage.input_tokens,
            "output_tokens": self.usage.output_tokens,
            "notices": list(self.notices),
        }
        return {name: value for name, value in account.items() if value not in (None, [])}


@dataclass(frozen=True, eq=False)
class TextResult(Result):
    """A generated text. `str(result)` is the text alone, `prompt` what was sent, as rendered.

    `finish_reason` is one of stop, length, tool_calls, interrupted, error, or the service's word; None if it gave none.
    """

    text: str
    prompt: str = field(default="", kw_only=True)
    raw_finish_reason: str = field(default="", kw_only=True)
    seed: int | None = field(default=None, kw_only=True)
    token_list: tuple[Token, ...] = field(default=(), kw_only=True)
    top_tokens: tuple[list[Token], ...] = field(default=(), kw_only=True)
    prefill: tuple[Token, ...] = field(default=(), kw_only=True)
    best_of_sequences: tuple[Sequence, ...] = field(default=(), kw_only=True)

    def __str__(self) -> str:
        """Return the text."""
        return self.text

    def __repr__(self) -> str:
        """Show the start of the text and the one-line account of the call."""
        return f"<{type(self).__name__} {self.text[:60]!r}{'…' * (len(self.text) > 60)} ({self.footer})>"

    @property
    def amount(self) -> str:
        """Return how many tokens were written."""
        tokens = self.usage.output_tokens
        return f"{tokens} token{'s' * (tokens != 1)}" if tokens else ""

    @property
    def tokens(self) -> pd.DataFrame:
        """Return the generated tokens, one a row: id, text, logprob, special, and alternatives as {text: logprob}."""
        import pandas as pd

        rows = pd.DataFrame(
            [(token.id, token.text, token.logprob, token.special) for token in self.token_list],
            columns=["id", "text", "logprob", "special"],
        )
        if self.top_tokens:
            steps = ({token.text: token.logprob for token in step} for step in self.top_tokens[: len(rows)])
            rows["alternatives"] = pd.Series(list(steps), dtype=object)
        return rows

    def to_frame(self) -> pd.DataFrame:
        """Return one row: text, model, why it ended, token counts, seconds, and every parameter sent."""
        import pandas as pd

        row = {
            "text": self.text,
            "model": self.model,
            "finish_reason": self.finish_reason,
            "input_tokens": self.usage.input_tokens,
            "output_tokens": self.usage.output_tokens,
            "seconds": self.timings.total,
        }
        return pd.DataFrame([row | {name: value for name, value in self.parameters.items() if name not in row}])


def normalised(reason: str | None) -> str | None:
    """Return the one word a Result uses for a service's finish reason."""
    return FINISH_REASONS.get(reason, reason) if reason else None


def frame_data(frame: pd.DataFrame) -> dict[str, Any]:
    """Return a DataFrame as MIME data, shortened as pandas' own options say."""
    import pandas as pd

    # As in pandas' display: a frame that is too long shows fewer rows than would still fit.
    rows = pd.get_option("display.min_rows") if len(frame) > (pd.get_option("display.max_rows") or len(frame)) else None
    columns = pd.get_option("display.max_columns") or None
    html = frame.to_html(notebook=True, escape=True, max_rows=rows, max_cols=columns, show_dimensions=rows is not None)
    return {"text/plain": str(frame), "text/html": html}


def _json(result: TextResult) -> dict[str, Any]:
    """Read the answer as JSON, alone or inside a fence; raise BadAnswerError when it is none."""
    text = fenced(result.text)
    try:
        value = msgspec.json.decode(text.encode())
    except (msgspec.DecodeError, RecursionError) as error:
        hint = "Its end is missing: raise --max-new-tokens." if result.finish_reason == "length" else ""
        raise BadAnswerError(f"the answer is not JSON: {error}", hint=hint, partial=result) from None
    plain = msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
    return {"text/plain": plain, "application/json": value}


TextResult.forms = {
    "markdown": lambda result: {"text/plain": result.text, "text/markdown": safe(result.text)},
    "text": lambda result: {"text/plain": result.text},
    "json": _json,
    "code": lambda result: {"text/plain": fenced(result.text), "text/markdown": code_block(fenced(result.text))},
    "df": lambda result: frame_data(result.to_frame()),
    "tokens": lambda result: frame_data(result.tokens),
    "none": lambda _: {},
}

_ENDINGS = {
    "length": "ended at max_new_tokens",
    "interrupted": "interrupted",
    "error": "broke off",
}
