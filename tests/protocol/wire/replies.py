"""What a test server can answer: whole bodies, event streams and broken connections."""

import asyncio
import json
import math
import socket
import struct
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

JSON = Any
Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]

STREAM_HEADERS = {"content-type": "text/event-stream", "cache-control": "no-cache", "x-accel-buffering": "no"}


def encoded(value: JSON) -> bytes:
    """Encode JSON as serde does: compact, raw UTF-8, keys in the given order."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def sse(event: Mapping[str, JSON] | bytes, prefix: bytes = b"data: ") -> bytes:
    """Encode an event of a stream; bytes stay what they are."""
    return event if isinstance(event, bytes) else prefix + encoded(event) + b"\n\n"


@dataclass
class Recorded:
    """One request as it arrived, and what became of its answer.

    `body` is the decoded JSON, or the bytes if they are none; `sent` counts what a stream has written so far;
    `closed` is set when the client left before the end of the answer.
    """

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: JSON
    content: bytes = field(repr=False)
    at: float = field(default_factory=time.monotonic, repr=False)
    sent: int = 0
    closed: threading.Event = field(default_factory=threading.Event, repr=False)


class Wire:
    """The way out for one answer."""

    def __init__(self, send: Send, transport: asyncio.Transport, record: Recorded, *, keep_alive: float) -> None:
        self._send = send
        self._transport = transport
        self._keep_alive = keep_alive
        self.record = record
        self.dropped = False

    async def start(self, status: int, headers: Mapping[str, str]) -> None:
        """Send the status line and the headers."""
        raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": raw})

    async def write(self, data: bytes) -> None:
        """Send a piece of the body."""
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def end(self, data: bytes = b"") -> None:
        """Send the last piece of the body."""
        await self._send({"type": "http.response.body", "body": data, "more_body": False})

    async def silence(self, seconds: float) -> None:
        """Wait, and send a comment each time the keep-alive interval has passed."""
        while seconds > self._keep_alive:
            await asyncio.sleep(self._keep_alive)
            await self.write(b":\n\n")
            seconds -= self._keep_alive
        await asyncio.sleep(seconds)

    def drop(self, *, reset: bool = False) -> None:
        """Close the connection as it stands, with a TCP reset if asked."""
        self.dropped = True
        if reset:
            linger_for_no_time = struct.pack("ii", 1, 0)
            connection = self._transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_for_no_time)
            self._transport.abort()
        else:
            self._transport.close()


@dataclass(frozen=True)
class Reply:
    """A whole answer of JSON, text or bytes; `cut` sends half of the announced body and closes the connection."""

    status: int = 200
    _: KW_ONLY
    json: JSON = None
    text: str | None = None
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    cut: bool = False

    async def write(self, wire: Wire) -> None:
        """Send the answer after the delay."""
        body, content_type = self._content()
        await asyncio.sleep(self.delay)
        await wire.start(self.status, content_type | {"content-length": str(len(body))} | dict(self.headers))
        if self.cut:
            await wire.write(body[: len(body) // 2])
            wire.drop()
        else:
            await wire.end(body)

    def _content(self) -> tuple[bytes, dict[str, str]]:
        if self.json is not None:
            return encoded(self.json), {"content-type": "application/json"}
        if self.text is not None:
            return self.text.encode(), {"content-type": "text/plain; charset=utf-8"}
        return self.body, {}


@dataclass(frozen=True)
class Stream:
    """An event stream, `delay` seconds before each event; dicts become events, bytes go out as they are.

    `chunk` cuts the whole body into pieces of that many bytes, wherever events end. After the last one, `hold` says
    nothing more until the client leaves, `cut` closes the connection inside the chunked body and `reset` resets it.
    """

    events: Sequence[Mapping[str, JSON] | bytes]
    _: KW_ONLY
    prefix: bytes = b"data: "
    delay: float = 0.0
    chunk: int | None = None
    hold: bool = False
    cut: bool = False
    reset: bool = False
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)

    async def write(self, wire: Wire) -> None:
        """Send the events one by one."""
        await wire.start(self.status, STREAM_HEADERS | dict(self.headers))
        for piece in self._pieces():
            await wire.silence(self.delay)
            await wire.write(piece)
            wire.record.sent += 1
        if self.hold:
            await wire.silence(math.inf)
        if self.cut or self.reset:
            wire.drop(reset=self.reset)
        else:
            await wire.end()

    def _pieces(self) -> Iterable[bytes]:
        events = [sse(event, self.prefix) for event in self.events]
        if self.chunk is None:
            return events
        body = b"".join(events)
        return [body[start : start + self.chunk] for start in range(0, len(body), self.chunk)]


@dataclass(frozen=True, kw_only=True)
class Drop:
    """No answer at all: the connection is closed before any header, with a TCP reset if asked."""

    delay: float = 0.0
    reset: bool = False

    async def write(self, wire: Wire) -> None:
        """Close the connection after the delay."""
        await asyncio.sleep(self.delay)
        wire.drop(reset=self.reset)


Answer = Reply | Stream | Drop
