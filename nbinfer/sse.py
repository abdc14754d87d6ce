"""Server-sent events: bytes in, events out, no I/O.

Follows the WHATWG HTML standard, section "Interpreting an event stream". Lines end at LF, CR or CRLF and nowhere
else: U+2028, U+0085 and their like occur raw inside JSON strings, which is why `str.splitlines` has no place here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from nbinfer.errors import BadAnswerError

LARGEST_EVENT = 16 * 2**20
BOM = b"\xef\xbb\xbf"
LF, CR = b"\n\r"


class Event(msgspec.Struct, frozen=True, gc=False):
    """One event: its data (lines joined by LF), its type, and the last id seen."""

    data: str
    event: str = "message"
    id: str = ""


class Decoder:
    """Collects bytes, however they are cut, and hands out the events they complete."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._size = 0
        self._id = ""
        self._after_cr = False
        self._at_line_end = False
        self._started = False

    def single(self, piece: bytes) -> bytes | None:
        """Return the data of a piece that is exactly one `data: …` event, as nearly all of a token stream are."""
        one = piece[:6] == b"data: " and piece.find(b"\n") == len(piece) - 2 and not self._pieces and self._started
        return piece[6:-2] if one and piece[-1] == LF and CR not in piece else None

    def feed(self, piece: bytes) -> list[Event]:
        """Return the events that `piece` completes; raise BadAnswerError when one grows beyond 16 MiB."""
        if self._after_cr or b"\r" in piece:
            piece = self._with_newlines(piece)
        # An event may come in many pieces: they are joined once, when a blank line ends it.
        if b"\n\n" not in piece and not (self._at_line_end and piece[:1] == b"\n"):
            self._keep(piece)
            return []
        if self._pieces:
            piece = b"".join(self._pieces) + piece
            self._pieces.clear()
            self._size = 0
            self._at_line_end = False
        if not self._started:
            self._started = True
            piece = piece.removeprefix(BOM)
        *blocks, rest = piece.split(b"\n\n")
        if rest:
            self._keep(rest)
        return [event for block in blocks if (event := self._event(block)) is not None]

    def rest(self) -> str:
        """Return the data of a last event that no blank line ended; the standard drops it, some servers send it."""
        block = b"".join(self._pieces).removeprefix(BOM)
        event = self._event(block)
        return event.data if event else ""

    def _keep(self, piece: bytes) -> None:
        self._pieces.append(piece)
        self._at_line_end = piece.endswith(b"\n") if piece else self._at_line_end
        self._size += len(piece)
        if self._size > LARGEST_EVENT:
            raise BadAnswerError(f"an event of the stream is larger than {LARGEST_EVENT // 2**20} MiB")

    def _with_newlines(self, piece: bytes) -> bytes:
        """Turn CR and CRLF into LF, also where the two fall into different pieces."""
        if self._after_cr and piece:
            piece = piece.removeprefix(b"\n")
            self._after_cr = False
        self._after_cr = self._after_cr or piece.endswith(b"\r")
        return piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _event(self, block: bytes) -> Event | None:
        data: list[str] = []
        kind = ""
        for line in block.decode("utf-8", "replace").split("\n"):
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if name == "data":
                data.append(value)
            elif name == "event":
                kind = value
            elif name == "id" and "\0" not in value:
                self._id = value
        return Event("\n".join(data), kind or "message", self._id) if data else None


def events(chunks: Iterable[bytes]) -> Iterator[Event]:
    """Yield the events of a byte stream that arrives in chunks of any size."""
    decoder = Decoder()
    for chunk in chunks:
        yield from decoder.feed(chunk)
