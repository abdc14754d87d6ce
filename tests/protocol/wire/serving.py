"""A test server in a thread: it records what it is asked and answers what a test scripts."""

import asyncio
import json
import socket
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from .replies import Answer, Message, Recorded, Reply, Send, Wire

Receive = Callable[[], Awaitable[Message]]
Script = Answer | Callable[[Recorded], Answer]


@dataclass
class _Scripted:
    reply: Script
    path: str | None
    times: int


class ScriptedServer:
    """A server on a free port of this machine; `requests` holds what was asked.

    A stream says a comment after each `keep_alive` seconds of silence.
    """

    def __init__(self) -> None:
        self.url = ""
        self.clear()

    def clear(self) -> None:
        """Forget requests and scripts and go back to the usual behaviour."""
        self.requests: list[Recorded] = []
        self.keep_alive = 15.0
        self._scripts: list[_Scripted] = []

    def script(self, reply: Script, path: str | None = None, times: int = 1) -> None:
        """Answer the next requests, to this path if one is given, with `reply` or with what it returns when called."""
        self._scripts.append(_Scripted(reply, path, times))

    def answer(self, request: Recorded) -> Answer:
        """Answer what no script answers."""
        return Reply(404, text=f"nothing is scripted for {request.method} {request.path}")

    def __enter__(self) -> Self:
        """Listen, and return when requests can be sent."""
        # asyncio switches Nagle's algorithm off only for sockets that name their protocol; with it, answers take 40 ms.
        listener = socket.socket(proto=socket.IPPROTO_TCP)
        listener.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        self._uvicorn = _Uvicorn(
            uvicorn.Config(
                self._app,
                http=_Protocol,
                loop="asyncio",
                ws="none",
                interface="asgi3",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_keep_alive=75,
            )
        )
        self._thread = threading.Thread(target=self._uvicorn.run, args=([listener],), daemon=True)
        self._thread.start()
        if not self._uvicorn.ready.wait(10):
            raise RuntimeError("the test server did not start")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close every connection, open streams included, and stop."""
        self._uvicorn.loop.call_soon_threadsafe(self._uvicorn.hang_up)
        self._thread.join()

    async def _app(self, scope: Message, receive: Receive, send: Send) -> None:
        request = await _recorded(scope, receive)
        answer = self._scripted(request) or self.answer(request)
        self.requests.append(request)
        wire = Wire(send, scope["state"]["transport"], request, keep_alive=self.keep_alive)
        writing = asyncio.ensure_future(answer.write(wire))
        leaving = asyncio.ensure_future(_left(receive))
        await asyncio.wait({writing, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not writing.done():
            request.closed.set()
            writing.cancel()
        elif wire.dropped:
            await leaving
        else:
            leaving.cancel()
            writing.result()

    def _scripted(self, request: Recorded) -> Answer | None:
        for row in self._scripts:
            if row.times > 0 and row.path in (None, request.path):
                row.times -= 1
                return row.reply(request) if callable(row.reply) else row.reply
        return None


class _Protocol(H11Protocol):
    """uvicorn's protocol, which also shows the app the transport, so that an answer can be broken off."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}


class _Uvicorn(uvicorn.Server):
    """uvicorn, which also says when it listens and can hang up."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.loop = asyncio.get_running_loop()
        self.ready.set()

    def hang_up(self) -> None:
        self.should_exit = True
        for connection in list(self.server_state.connections):
            connection.transport.abort()


async def _recorded(scope: Message, receive: Receive) -> Recorded:
    content, more = b"", True
    while more:
        message = await receive()
        content += message.get("body", b"")
        more = message.get("more_body", False)
    try:
        body: Any = json.loads(content)
    except ValueError:
        body = content
    return Recorded(
        method=scope["method"],
        path=scope["path"],
        query=scope["query_string"].decode(),
        headers={name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]},
        body=body,
        content=content,
    )


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
