"""The two drivers that perform a flow, one blocking, one async: the only module that talks HTTP.

httpx is imported on the first request, never for embedded models. Plain http gets no TLS set-up; https shares one
context per process, because loading the certificates is nine tenths of opening a first connection.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import math
import re
import ssl
import time
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, cast
from urllib.parse import urlsplit

import msgspec

from nbinfer.errors import (
    BadAnswerError,
    ConnectionFailedError,
    InferError,
    ParameterError,
    TimedOutError,
    without_secrets,
)
from nbinfer.flows import LARGEST_BODY, Ask, Flow, Interrupted, Produce, Read, Relay, Request, Response, Timeout, Wait
from nbinfer.results import Chunk, Result

if TYPE_CHECKING:
    import httpx

HEADERS = {"accept-encoding": "identity", "user-agent": "nbinfer"}
KEPT_ALIVE = 8
COUNTDOWN = 1.0

Waiting = Callable[[Wait], None]
"""Told about once a second, while a flow waits, how much is left and why."""


R = TypeVar("R", bound=Result)


class _Stream(Generic[R]):
    """What both drivers share: the flow, the clients, the request under way and the outcome."""

    def __init__(self, flow: Flow[R], clients: Clients[Any], *, total: float) -> None:
        self.waiting: Waiting = lambda _: None
        self._flow = flow
        self._clients = clients
        self._total, self._until = total, math.inf
        self._request = Request(url="", json=None)
        self._outcome: R | None = None

    @property
    def result(self) -> R:
        """Return what arrived: complete after the last chunk, partial after an interrupt or an error."""
        if self._outcome is None:
            raise InferError("there is no result yet", hint="Iterate the stream to its end, or close it.")
        return self._outcome

    def _left(self, needed: float = 0.0) -> float:
        """Return how many seconds are left of all that the call may take; raise when less than is needed."""
        left = self._until - time.monotonic()
        if left <= needed:
            raise TimedOutError(f"no whole answer within {self._total:g} s")
        return left

    def _advance(self, step: Callable[[], Ask]) -> Ask | None:
        """Take the flow one step on; None when it is over and the outcome is set."""
        try:
            return step()
        except StopIteration as done:
            self._outcome = done.value
        except InferError as error:
            self._outcome = error.partial
            raise
        return None

    def _keep(self) -> None:
        """Let the flow say what had arrived when its reader left."""
        with suppress(InferError, Interrupted):
            if inspect.getgeneratorstate(self._flow) == inspect.GEN_CREATED:
                next(self._flow)
            self._advance(functools.partial(self._flow.throw, Interrupted()))


class ResultStream(_Stream[R]):
    """The chunks of an answer as they arrive; then, in `.result`, the whole.

    Iterate it, or use it as a context manager. `close()` hangs up, which makes the server stop, and keeps what
    arrived. Set `waiting` to be told of waits, for a model that is loading, say.
    """

    def __init__(self, flow: Flow[R], clients: Clients[httpx.Client], *, total: float = Timeout.total) -> None:
        super().__init__(flow, clients, total=total)
        self._response: httpx.Response | None = None
        self._chunks = self._run()

    def __iter__(self) -> Iterator[Chunk]:
        """Yield chunks as they come; raises the errors of `nbinfer.errors`."""
        return self._chunks

    def __enter__(self) -> Self:
        """Return the stream itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Hang up."""
        self.close()

    def close(self) -> None:
        """Hang up; what arrived is in `.result`."""
        self._chunks.close()
        if inspect.getgeneratorstate(self._flow) == inspect.GEN_CREATED:
            self._keep()

    def drain(self) -> R:
        """Read to the end and return the result."""
        for _ in self._chunks:
            pass
        return self.result

    def _run(self) -> Generator[Chunk]:
        step: Callable[[], Ask] = functools.partial(next, self._flow)
        self._until = time.monotonic() + self._total
        try:
            while (ask := self._advance(step)) is not None:
                try:
                    if isinstance(ask, Relay | Produce):
                        yield from self._chunks_of(ask)
                        step = functools.partial(next, self._flow)
                    else:
                        step = functools.partial(self._flow.send, self._reply(ask))
                except InferError as error:
                    step = functools.partial(self._flow.throw, error)
        except InferError:
            raise
        except BaseException:
            self._keep()
            raise
        finally:
            if self._response is not None:
                self._response.close()

    def _chunks_of(self, ask: Relay | Produce) -> Iterator[Chunk]:
        if isinstance(ask, Produce):
            for made in ask.chunks:
                yield made
                self._left()
            return
        for piece in self._pieces():
            self._left()
            yield from ask.decode(piece)
            if ask.finished:
                return

    def _reply(self, ask: Request | Read | Wait) -> Response | bytes | None:
        match ask:
            case Request():
                return self._send(ask)
            case Read():
                body = _Body()
                for piece in self._pieces():
                    self._left()
                    body.add(piece)
                return body.content()
            case Wait():
                self._left(ask.seconds)
                for left in _countdown(ask):
                    self.waiting(left)
                    time.sleep(min(left.seconds, COUNTDOWN))
                return None

    def _send(self, request: Request) -> Response:
        if self._response is not None:
            self._response.close()
        self._request = request = replace(request, timeout=request.timeout.within(self._left()))
        with translated(request):
            client = self._clients.client(request.url)
            self._response = client.send(_built(client, request), stream=True)
        return _head(self._response, request)

    def _pieces(self) -> Iterator[bytes]:
        response = cast("httpx.Response", self._response)
        with translated(self._request, began=True):
            # The raw stream: httpx's own iterators cost a third of a microsecond a token.
            yield from response.iter_bytes() if _is_coded(response) else cast("Iterable[bytes]", response.stream)


class AsyncResultStream(_Stream[R]):
    """`ResultStream` for `async for` and `async with`."""

    def __init__(self, flow: Flow[R], clients: Clients[httpx.AsyncClient], *, total: float = Timeout.total) -> None:
        super().__init__(flow, clients, total=total)
        self._response: httpx.Response | None = None
        self._chunks = self._run()

    def __aiter__(self) -> AsyncIterator[Chunk]:
        """Yield chunks as they come; raises the errors of `nbinfer.errors`."""
        return self._chunks

    async def __aenter__(self) -> Self:
        """Return the stream itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Hang up."""
        await self.close()

    async def close(self) -> None:
        """Hang up; what arrived is in `.result`."""
        await self._chunks.aclose()
        if inspect.getgeneratorstate(self._flow) == inspect.GEN_CREATED:
            self._keep()

    async def drain(self) -> R:
        """Read to the end and return the result."""
        async for _ in self._chunks:
            pass
        return self.result

    async def _run(self) -> AsyncGenerator[Chunk]:
        step: Callable[[], Ask] = functools.partial(next, self._flow)
        self._until = time.monotonic() + self._total
        try:
            while (ask := self._advance(step)) is not None:
                try:
                    if isinstance(ask, Relay | Produce):
                        async for chunk in self._chunks_of(ask):
                            yield chunk
                        step = functools.partial(next, self._flow)
                    else:
                        step = functools.partial(self._flow.send, await self._reply(ask))
                except InferError as error:
                    step = functools.partial(self._flow.throw, error)
        except InferError:
            raise
        except BaseException:
            self._keep()
            raise
        finally:
            if self._response is not None:
                await self._response.aclose()

    async def _chunks_of(self, ask: Relay | Produce) -> AsyncIterator[Chunk]:
        if isinstance(ask, Produce):
            # A model computes: in a thread, so that the event loop stays free.
            while (made := await asyncio.to_thread(next, ask.chunks, None)) is not None:
                yield made
                self._left()
            return
        async for piece in self._pieces():
            self._left()
            for chunk in ask.decode(piece):
                yield chunk
            if ask.finished:
                return

    async def _reply(self, ask: Request | Read | Wait) -> Response | bytes | None:
        match ask:
            case Request():
                return await self._send(ask)
            case Read():
                body = _Body()
                async for piece in self._pieces():
                    self._left()
                    body.add(piece)
                return body.content()
            case Wait():
                self._left(ask.seconds)
                for left in _countdown(ask):
                    self.waiting(left)
                    await asyncio.sleep(min(left.seconds, COUNTDOWN))
                return None

    async def _send(self, request: Request) -> Response:
        if self._response is not None:
            await self._response.aclose()
        self._request = request = replace(request, timeout=request.timeout.within(self._left()))
        with translated(request):
            # Connections belong to the event loop that opened them.
            client = self._clients.client(request.url, owner=asyncio.get_running_loop())
            self._response = await client.send(_built(client, request), stream=True)
        return _head(self._response, request)

    async def _pieces(self) -> AsyncIterator[bytes]:
        response = cast("httpx.Response", self._response)
        with translated(self._request, began=True):
            pieces = response.aiter_bytes() if _is_coded(response) else cast("AsyncIterable[bytes]", response.stream)
            async for piece in pieces:
                yield piece


def reached(url: str, seconds: float) -> str:
    """Ask an address for anything at all; return "" if it answers in time, else what went wrong."""
    import httpx

    request = Request(url=url, json=None, method="HEAD", timeout=Timeout.of(seconds))
    try:
        with translated(request), httpx.Client(headers=HEADERS, verify=_tls(urlsplit(url).scheme)) as client:
            client.send(_built(client, request))
    except InferError as error:
        return str(error)
    return ""


C = TypeVar("C")


class Clients(Generic[C]):
    """httpx clients, one for http and one for https, opened when first needed."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._open: dict[str, tuple[object, C]] = {}

    def client(self, url: str, *, owner: object = None) -> C:
        """Return the client for a URL; one that another owner opened is replaced."""
        import httpx

        scheme = urlsplit(url).scheme
        known = self._open.get(scheme)
        if known is None or known[0] is not owner:
            limits = httpx.Limits(max_keepalive_connections=KEPT_ALIVE)
            make = getattr(httpx, self._kind)
            known = self._open[scheme] = (owner, make(headers=HEADERS, verify=_tls(scheme), limits=limits))
        return known[1]

    def taken(self, *, owner: object = None) -> list[C]:
        """Return the owner's open clients, to be closed, and forget all: an event loop that is gone closed its own."""
        clients = [client for opener, client in self._open.values() if opener is owner]
        self._open.clear()
        return clients


@functools.cache
def _tls(scheme: str) -> ssl.SSLContext:
    """Return the process's TLS context; for plain http an empty one, which trusts nobody and loads nothing."""
    import httpx

    return httpx.create_ssl_context() if scheme == "https" else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@contextmanager
def translated(request: Request, *, began: bool = False) -> Iterator[None]:
    """Raise nbinfer's errors in place of httpx's, without the keys of the request."""
    import httpx

    host = urlsplit(request.url).netloc.rpartition("@")[2] or request.url
    try:
        yield
    except httpx.ConnectTimeout as error:
        raise TimedOutError(f"no connection to {host} within {request.timeout.connect:g} s") from error
    except httpx.TimeoutException as error:
        seconds = request.timeout.idle if began else request.timeout.first_byte
        raise TimedOutError(f"nothing came from {host} for {seconds:g} s", hint="--timeout S waits longer.") from error
    except httpx.ConnectError as error:
        hint = "Is the server running, and the address right? `-m local` needs no network."
        raise ConnectionFailedError(f"cannot connect to {host}: {_reason(error)}", hint=hint) from error
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise ParameterError(f"{host} is no address of a server: {error}") from error
    except httpx.HTTPError as error:
        raise ConnectionFailedError(f"{host} hung up: {_reason(error)}") from error


def _built(client: Any, request: Request) -> Any:
    import httpx

    wait = request.timeout
    timeout = httpx.Timeout(connect=wait.connect, read=wait.first_byte, write=wait.idle, pool=wait.connect)
    try:
        content = request.content if request.json is None else msgspec.json.encode(request.json)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise ParameterError(f"the request cannot be written as JSON: {error}") from error
    kind = {} if request.json is None else {"content-type": "application/json"}
    headers = {**kind, **request.headers}
    built = client.build_request(request.method, request.url, headers=headers, content=content, timeout=timeout)
    built.url = _discreet()(built.url)
    return built


@functools.cache
def _discreet() -> type[httpx.URL]:
    """Return a URL that, written out, shows none of the keys it may hold: httpx logs the addresses it asks."""
    import httpx

    class Discreet(httpx.URL):
        def __str__(self) -> str:
            return without_secrets(super().__str__())

    return Discreet


def _head(response: httpx.Response, request: Request) -> Response:
    # httpcore reads the limit anew when the body begins: from here on it is the idle time that counts.
    response.request.extensions["timeout"]["read"] = request.timeout.idle
    return Response(response.status_code, {name.lower(): value for name, value in response.headers.items()})


def _is_coded(response: httpx.Response) -> bool:
    coding: str = response.headers.get("content-encoding", "identity")
    return coding != "identity"


class _Body:
    """Collects a body that has an end."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._size = 0

    def add(self, piece: bytes) -> None:
        self._pieces.append(piece)
        self._size += len(piece)
        if self._size > LARGEST_BODY:
            raise BadAnswerError(f"the answer is larger than {LARGEST_BODY // 2**20} MiB")

    def content(self) -> bytes:
        return b"".join(self._pieces)


def _countdown(wait: Wait) -> Iterator[Wait]:
    until = time.monotonic() + wait.seconds
    while (left := until - time.monotonic()) > 0:
        yield Wait(left, wait.reason)


def _reason(error: Exception) -> str:
    """Return the system's words without its numbers."""
    return re.sub(r"\[Errno -?\d+\]\s*", "", str(error)) or type(error).__name__
