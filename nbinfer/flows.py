"""What a call asks of the wire, as generators without I/O, and the one place that retries.

A flow yields what it needs (`Request`, `Read`, `Relay`, `Produce`, `Wait`), is sent the answer, and returns the
result: httpx's auth flow, widened to streams. The two drivers perform it, one blocking, one async.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlsplit

from nbinfer.answers import Answer
from nbinfer.errors import (
    ApiError,
    InferError,
    ModelLoadingError,
    StartingError,
    StreamInterruptedError,
    api_error,
    redact,
    without_secrets,
)
from nbinfer.results import Chunk, Result

LONGEST_WAIT = 60.0
LONGEST_LOADING_WAIT = 30.0
BETWEEN_LOOKS = 5.0
JITTER = 0.25
LARGEST_BODY = 64 * 2**20
SECRET_HEADERS = frozenset({"authorization", "api-key", "x-api-key", "cookie", "proxy-authorization"})


@dataclass(frozen=True)
class Timeout:
    """Seconds to wait for a connection, for the first byte of an answer, between two bytes of it, and for the whole.

    The whole of a call is all of it: its retries, the pauses between them, the answer to its end.
    """

    connect: float = 10.0
    first_byte: float = 120.0
    idle: float = 60.0
    total: float = 3600.0

    @classmethod
    def of(cls, seconds: float | Timeout | None) -> Timeout:
        """Read one number as the longest that any single wait may take."""
        if isinstance(seconds, Timeout):
            return seconds
        if seconds is None:
            return cls()
        return cls(min(cls.connect, seconds), seconds, seconds, max(cls.total, seconds))

    def within(self, seconds: float) -> Timeout:
        """Return the same with no wait longer than what is left."""
        return replace(
            self,
            connect=min(self.connect, seconds),
            first_byte=min(self.first_byte, seconds),
            idle=min(self.idle, seconds),
        )


DEFAULT_TIMEOUT = Timeout()


@dataclass(frozen=True, kw_only=True)
class Request:
    """Ask: send this and wait for the head of the answer. The flow is sent a Response.

    The body is `json`, or `content`, bytes whose kind is among the headers.
    """

    url: str
    json: Any = None
    content: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = "POST"
    timeout: Timeout = DEFAULT_TIMEOUT

    @property
    def secrets(self) -> tuple[str, ...]:
        """Return the keys in headers and address, which nothing may show."""
        values = [value for name, value in self.headers.items() if name.lower() in SECRET_HEADERS]
        parts = urlsplit(self.url)
        in_address = [parts.password or "", *(value for _, value in parse_qsl(parts.query))]
        return tuple(filter(None, [*values, *(value.partition(" ")[2] for value in values), *in_address]))

    def shown(self) -> dict[str, Any]:
        """Return the request as data, keys hidden."""
        headers = {name: redact(value, self.secrets) for name, value in self.headers.items()}
        content = self.content
        body = {"json": self.json} if content is None else {"content": f"{len(content):,} bytes"}
        return {"method": self.method, "url": without_secrets(self.url), "headers": headers, **body}


@dataclass(frozen=True)
class Response:
    """The head of an answer; header names in lower case."""

    status: int
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Read:
    """Ask: the whole body. The flow is sent bytes."""


@dataclass
class Relay:
    """Ask: pass the body piece by piece through `decode` and hand on what comes out, until `finished` is set."""

    decode: Callable[[bytes], Iterable[Chunk]]
    finished: bool = False


@dataclass(frozen=True)
class Produce:
    """Ask: hand on the chunks of an iterator that computes."""

    chunks: Iterator[Chunk]


@dataclass(frozen=True)
class Wait:
    """Ask: let time pass."""

    seconds: float
    reason: str


class Interrupted(BaseException):
    """Thrown into a flow when its reader leaves: the flow returns what it has."""


Ask = Request | Read | Relay | Produce | Wait
Steps = Generator[Ask, Any, None]
R = TypeVar("R", bound=Result)
Flow = Generator[Ask, Any, R]


def answered(answer: Answer[R], attempt: Callable[[bool], Steps], *, retries: int = 0) -> Flow[R]:
    """Run `attempt` until it succeeds and return what it collected in `answer`.

    `attempt` is told whether it is a retry. A service that asks for patience is asked again, but never after a
    part was delivered. Whatever stops the answer, what arrived is kept: in the result when its reader leaves, in
    the error's `.partial` when it breaks.
    """
    tries, start = 0, 0.0
    try:
        while True:
            try:
                yield from attempt(tries > 0)
                break
            except InferError as error:
                if answer.complete:
                    break
                if answer.began:
                    raise broken_off(error, answer.result("error")) from error
                start = start or time.monotonic()
                waited = time.monotonic() - start
                if (seconds := pause(error, tries, retries, waited=waited)) is None:
                    raise
                reason = str(error)
                if isinstance(error, StartingError):
                    reason += f" (for {waited:.0f} s; at most {error.patience:.0f} s)"
            tries += 1
            yield Wait(seconds, reason)
    except Interrupted:
        return answer.result(None if answer.complete else "interrupted")
    if not (answer.complete or answer.stopped):
        raise StreamInterruptedError("the answer broke off before its end", partial=answer.result("error"))
    return answer.result()


def turned(flow: Flow[Any], make: Callable[[Any], R]) -> Flow[R]:
    """Run a flow and make another result of its own, also of what had come when it broke off."""
    try:
        return make((yield from flow))
    except InferError as error:
        if error.partial is not None:
            error.partial = make(error.partial)
        raise


def broken_off(error: InferError, so_far: Result) -> InferError:
    """Attach what had arrived; an error that the service did not name becomes StreamInterruptedError."""
    if isinstance(error, ApiError):
        error.partial = so_far
        return error
    return StreamInterruptedError(f"the answer broke off: {error}", hint=error.hint, partial=so_far)


def pause(error: InferError, tries: int, retries: int, *, waited: float = 0.0) -> float | None:
    """Return how long to wait before the next try: as the service asks, else about 1, 2, 4 … s; None for no more.

    About, so that those who were refused together do not all come back together.

    `waited` is how long the call has been refused. Where time counts and not tries, only 0 retries mean none.
    """
    if isinstance(error, StartingError):
        return BETWEEN_LOOKS if retries and waited < error.patience else None
    if not isinstance(error, ApiError) or tries >= min(retries, retries if error.retries is None else error.retries):
        return None
    if isinstance(error, ModelLoadingError) and error.estimated_time is not None:
        return min(max(error.estimated_time, 1.0), LONGEST_LOADING_WAIT)
    seconds = _retry_after(error.headers)
    seconds = 2**tries * random.uniform(1 - JITTER, 1 + JITTER) if seconds is None else seconds  # noqa: S311
    return seconds if seconds <= LONGEST_WAIT else None


def opened(request: Request) -> Generator[Ask, Any, Response]:
    """Send a request and return the head of its answer; raise the fitting ApiError when the service refuses."""
    response: Response = yield request
    if 200 <= response.status < 300:
        return response
    body: bytes = yield Read()
    raise api_error(response.status, body, url=request.url, headers=response.headers, secrets=request.secrets)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Read `Retry-After`, or the reset time of Hugging Face's `ratelimit` header when nothing remains."""
    try:
        if value := headers.get("retry-after"):
            return _seconds(value)
        fields = dict(part.strip().split("=", 1) for part in headers.get("ratelimit", "").split(";") if "=" in part)
        return float(fields["t"]) if fields.get("r") == "0" else None
    except (KeyError, ValueError):
        return None


def _seconds(value: str) -> float:
    """Read `Retry-After`: seconds, or a date."""
    try:
        return max(float(value), 0.0)
    except ValueError:
        from email.utils import parsedate_to_datetime

        return max(parsedate_to_datetime(value).timestamp() - time.time(), 0.0)
