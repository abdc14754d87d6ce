"""Chat: the wire's structures in OpenAI's form, and the result of a chat completion.

Attribute names are those of huggingface_hub's `ChatCompletionStreamOutput`; msgspec reads them straight from bytes.
Servers differ in nearly every optional field (a table of them is in `docs/servers.md`), so that nothing is required.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from nbinfer.results import Chunk, TextResult

Message = dict[str, Any]
"""One turn: `role`, `content`, and what else OpenAI's form allows."""


class Function(msgspec.Struct, omit_defaults=True):
    """The function that a model calls: its name in the first piece, its arguments as JSON text in all of them."""

    name: str | None = None
    arguments: Any = ""


class ToolCall(msgspec.Struct, omit_defaults=True):
    """A call of a tool, or in a stream a piece of it; `index` says of which."""

    function: Function = msgspec.field(default_factory=Function)
    id: str | int | None = None
    index: int = 0
    type: str = "function"


class Delta(msgspec.Struct, omit_defaults=True):
    """A message, or in a stream a piece of it."""

    role: str | None = None
    content: Any = None
    reasoning: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[ToolCall] | None = None


class TopLogprob(msgspec.Struct):
    """A token that could have stood there, and the natural logarithm of its probability."""

    token: str = ""
    logprob: float | None = None


class Logprob(TopLogprob):
    """A token of the answer, with its alternatives."""

    top_logprobs: list[TopLogprob] = []


class Logprobs(msgspec.Struct):
    """The tokens of an answer, or of a piece of it."""

    content: list[Logprob] | None = None


class Choice(msgspec.Struct, omit_defaults=True):
    """One answer, or in a stream a piece of it; `text` is where plain completions have it."""

    index: int = 0
    delta: Delta | None = None
    message: Delta | None = None
    text: str | None = None
    finish_reason: str | None = None
    logprobs: Any = None


class ChatUsage(msgspec.Struct):
    """Tokens read and written."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None


class ChatChunk(Chunk):
    """One step of a chat: what of each choice came with it. `text` is what to show for the first choice."""

    choices: list[Choice] | None = None
    created: int | None = None
    id: str | int | None = None
    model: str | None = None
    system_fingerprint: str | None = None
    usage: ChatUsage | None = None
    error: Any = None


@dataclass(frozen=True, eq=False, repr=False)
class ChatResult(TextResult):
    """The answer in a chat. `str(result)` is its text alone; `messages` is what was asked.

    `choices` are whole answers as messages in OpenAI's form, one unless `n` asked for more; `envelope` is what the
    server said of itself: id, created, model, system_fingerprint.
    """

    messages: tuple[Message, ...] = field(default=(), kw_only=True)
    choices: tuple[Mapping[str, Any], ...] = field(default=(), kw_only=True)
    envelope: Mapping[str, Any] = field(default_factory=dict, kw_only=True)

    @property
    def message(self) -> Message:
        """Return the answer as a message, with its tool calls if there are any."""
        return dict(self.choices[0]["message"]) if self.choices else {"role": "assistant", "content": self.text}

    @property
    def conversation(self) -> list[Message]:
        """Return what was asked and the answer, ready to be sent on with the next question."""
        spoken = {name: value for name, value in self.message.items() if name != "reasoning"}
        return [*self.messages, spoken]

    @property
    def tool_calls(self) -> list[dict[str, Any]]:
        """Return the calls that the model asks for: `id`, `type`, and `function` with `name` and `arguments`."""
        return list(self.message.get("tool_calls", ()))

    @property
    def reasoning(self) -> str:
        """Return what the model thought before it answered, where the server tells."""
        return str(self.message.get("reasoning") or "")


def plain(messages: Iterable[Message]) -> list[Message]:
    """Return messages whose contents are texts, not lists of parts."""
    return [{**message, "content": content_text(message.get("content"))} for message in messages]


END_TOKENS: Mapping[str, frozenset[str]] = {
    "eos_token": frozenset({"</s>", "<|im_end|>", "<|eot_id|>", "<|end|>", "<eos>", "<end_of_turn>", "<|endoftext|>"})
}
"""Finish reason → control tokens that TGI puts into the last piece of a completion, and before 2.1 of a chat."""


def shown_at_end(piece: str, finish_reason: Any) -> str:
    """Return what of a piece is text: a control token that came with the reason of the end is none."""
    return "" if piece.strip() in END_TOKENS.get(str(finish_reason), ()) else piece


def content_text(content: Any) -> str:
    """Return the text of a message's content: a text, or a list of parts."""
    if isinstance(content, str):
        return content
    if isinstance(content, Sequence):
        parts: Iterable[Any] = (part.get("text", "") if isinstance(part, Mapping) else part for part in content)
        return "".join(part for part in parts if isinstance(part, str))
    return ""
