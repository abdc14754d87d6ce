"""An HTTP proxy that brings every host of the web to one test server: what runs behind it needs no change."""

import asyncio
import contextlib
import functools
import ssl
import threading
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import trustme


class Proxy:
    """A proxy on a free port, in a thread, that takes CONNECT and hands what is inside TLS to `server`.

    Use it as a context manager. Who trusts `authority`, a file, believes it to be any host; the server reads in the
    Host header who was meant.
    """

    def __init__(self, server: str, authority: Path) -> None:
        self._server, self.authority, self.url = server, authority, ""
        self._ca = trustme.CA()
        self._ca.cert_pem.write_to_path(authority)
        self._certified = functools.cache(self._certificate)
        self._loop, self._ready = asyncio.new_event_loop(), threading.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._listen(),), daemon=True)

    def __enter__(self) -> Self:
        """Listen, and return when connections are taken."""
        self._thread.start()
        if not self._ready.wait(10):
            raise RuntimeError("the proxy did not start")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close every connection and stop."""
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join()
        self._loop.close()

    async def _listen(self) -> None:
        self._stopped = asyncio.Event()
        listener = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        self._ready.set()
        await self._stopped.wait()
        listener.close()
        own = asyncio.current_task()
        open_still = [task for task in asyncio.all_tasks() if task is not own]
        for task in open_still:
            task.cancel()
        await asyncio.gather(*open_still, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            method, place, _ = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split(" ", 2)
            if method != "CONNECT":
                writer.write(b"HTTP/1.1 501 Only CONNECT\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                await writer.drain()
            else:
                writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")
                await writer.start_tls(self._certified(place.rpartition(":")[0]))
                await self._hand_on(reader, writer)
        writer.close()

    async def _hand_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        address = urlsplit(self._server)
        inner_reader, inner_writer = await asyncio.open_connection(address.hostname, address.port)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_pipe(reader, inner_writer))
                group.create_task(_pipe(inner_reader, writer))
        finally:
            inner_writer.close()

    def _certificate(self, host: str) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._ca.issue_cert(host).configure_cert(context)
        return context


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Hand on what comes, and then that no more comes."""
    with contextlib.suppress(OSError):
        while data := await reader.read(2**16):
            writer.write(data)
            await writer.drain()
    writer.close()
