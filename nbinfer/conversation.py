"""Conversations that go on from cell to cell: kept, looked at, changed, saved."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import msgspec

from nbinfer.chats import Message, content_text
from nbinfer.errors import ParameterError, clip

if TYPE_CHECKING:
    import pandas as pd

ROLES = {"system": "#777", "user": "rgba(31, 119, 180, 0.9)", "assistant": "inherit", "tool": "#777"}


class Conversation:
    """Messages in OpenAI's form: an optional system text, then questions and answers.

    `messages` is a plain list, to be read and changed. A turn is a question with all that follows it.
    """

    def __init__(self, messages: Iterable[Message] = ()) -> None:
        self.messages: list[Message] = [checked(place, message) for place, message in enumerate(messages)]

    def __len__(self) -> int:
        """Return how many messages there are."""
        return len(self.messages)

    def __repr__(self) -> str:
        """Show how long it is."""
        turns = sum(message["role"] == "user" for message in self.messages)
        return f"<Conversation of {turns} turn{'s' * (turns != 1)}>"

    def asked(self, question: str, *, system: str | None = None) -> list[Message]:
        """Return the messages with a question behind them; `system` takes the place of the system text."""
        first, rest = _parted(self.messages)
        if system is not None:
            first = [{"role": "system", "content": system}]
        return [*first, *rest, {"role": "user", "content": question}]

    def edit(self, place: int, content: str) -> Self:
        """Change what a message says; negative places count from the end. What follows it stays."""
        try:
            self.messages[place] = {**self.messages[place], "content": content}
        except IndexError:
            raise ParameterError(f"there is no message {place}: there are {len(self)}") from None
        return self

    def undo(self, turns: int = 1) -> list[Message]:
        """Take back the last turns, and return their messages."""
        asked = [place for place, message in enumerate(self.messages) if message["role"] == "user"]
        if not 1 <= turns <= len(asked):
            raise ParameterError(f"there are {len(asked)} turns: {turns} cannot be taken back")
        self.messages, taken = self.messages[: asked[-turns]], self.messages[asked[-turns] :]
        return taken

    def fork(self) -> Conversation:
        """Return a copy that goes its own way."""
        return Conversation(msgspec.json.decode(msgspec.json.encode(self.messages)))

    def to_frame(self) -> pd.DataFrame:
        """Return a row for each message: role, content as text, and the calls of tools where there are any."""
        import pandas as pd

        rows = [{**message, "content": content_text(message.get("content"))} for message in self.messages]
        names = dict.fromkeys(["role", "content", *(name for row in rows for name in row)])
        return pd.DataFrame(rows, columns=list(names))

    def save(self, path: str | Path) -> Path:
        """Write the messages to a file, as JSON in OpenAI's form, and return where it is."""
        place = Path(path).expanduser()
        part = place.with_name(place.name + ".part")
        # A crash leaves the old file or the new one, never half of one.
        part.write_bytes(msgspec.json.format(msgspec.json.encode(self.messages), indent=2) + b"\n")
        part.replace(place)
        return place

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read what `save` wrote, or any list of messages in OpenAI's form, alone or under `messages`."""
        try:
            found = msgspec.json.decode(Path(path).expanduser().read_bytes())
        except msgspec.DecodeError as error:
            raise ParameterError(f"{path} holds no JSON: {error}") from error
        found = found.get("messages") if isinstance(found, dict) else found
        if not isinstance(found, list):
            raise ParameterError(f"{path} holds no list of messages", hint='It looks like [{"role": …, "content": …}].')
        return cls(found)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        said = [(message["role"], content_text(message.get("content"))) for message in self.messages]
        rows = "".join(
            f"<div style='margin: 0.4em 0'><span style='color: {ROLES.get(role, '#777')}; font-weight: 600'>"
            f"{escape(role)}</span><div style='white-space: pre-wrap'>{escape(text)}</div></div>"
            for role, text in said
        )
        return {"text/plain": "\n\n".join(f"{role}: {text}" for role, text in said) or repr(self), "text/html": rows}


conversations: dict[str, Conversation] = {}
"""The conversations that cells carry on with `--chat NAME`, by name."""


def fitted(
    messages: Sequence[Message], room: int, count: Callable[[Sequence[Message]], int]
) -> tuple[list[Message], int]:
    """Leave out the oldest turns until the rest fits; return it, and how many turns were left out.

    The system text and the last question stay, whether they fit or not.
    """
    first, rest = _parted(messages)
    turns = list(_turns(rest))
    dropped = 0
    while len(turns) - dropped > 1 and count([*first, *(one for turn in turns[dropped:] for one in turn)]) > room:
        dropped += 1
    return [*first, *(one for turn in turns[dropped:] for one in turn)], dropped


def checked(place: int, message: Any) -> Message:
    """Return a message, or raise ParameterError for what is none."""
    if not isinstance(message, Mapping) or not isinstance(message.get("role"), str):
        hint = 'A message is {"role": "user", "content": "…"}.'
        raise ParameterError(f"message {place} has no role: {clip(repr(message), 60)}", hint=hint)
    return dict(message)


def _parted(messages: Sequence[Message]) -> tuple[list[Message], list[Message]]:
    start = 1 if messages and messages[0]["role"] == "system" else 0
    return list(messages[:start]), list(messages[start:])


def _turns(messages: Sequence[Message]) -> Iterator[list[Message]]:
    turn: list[Message] = []
    for message in messages:
        if message["role"] == "user" and turn:
            yield turn
            turn = []
        turn.append(message)
    if turn:
        yield turn
