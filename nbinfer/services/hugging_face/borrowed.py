"""Tasks that nbinfer does not speak itself: huggingface_hub prepares the request and reads the answer.

The HTTP between the two is ours, with our keys, timeouts, retries and errors. hub's method runs twice: the first run
ends where it would send, and tells what; the second is handed the bytes that came, and returns what hub makes of them.
"""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, is_dataclass, replace
from typing import Any
from urllib.parse import urljoin

import msgspec

from nbinfer.answers import WholeAnswer
from nbinfer.errors import (
    BadAnswerError,
    ConnectionFailedError,
    InferError,
    MissingExtraError,
    ParameterError,
    TimedOutError,
    api_error,
    clip,
    redact,
    without_secrets,
)
from nbinfer.files import media_type, read
from nbinfer.flows import Ask, Produce, Read, Request, Response, Steps, Timeout
from nbinfer.records import AudioResult, RecordsResult, WrittenResult, written
from nbinfer.results import Chunk
from nbinfer.services.base import Call
from nbinfer.services.hugging_face.asked import Asked, Chat, key_for, shown
from nbinfer.services.hugging_face.routes import OWN, POLICIES, ROUTER, Target, base, is_url, moved, split_id
from nbinfer.services.hugging_face.servers import Known
from nbinfer.tasks import TASKS, Task

FILES = ("image", "audio")
"""What hub's methods call their file."""
NO_TASKS = ("close",)
"""Public methods of hub's client that ask nothing."""
AS_IMAGES = ("text_to_image", "image_to_image")
"""Methods whose answer hub asks for in a form of its own."""
REDIRECTS = 5
PLACES = ("start", "end")
"""What some tokenizers do not tell, and null says."""
NO_TOKEN = "none"  # noqa: S105 - what keeps hub from looking for one


class _Prepared(BaseException):
    """Carries the request out of hub's method."""

    def __init__(self, request: Any) -> None:
        super().__init__()
        self.request = request


@functools.cache
def methods() -> Mapping[str, Callable[..., Any]]:
    """Return the methods of hub's client that ask a server."""
    from huggingface_hub import InferenceClient

    found = inspect.getmembers(InferenceClient, inspect.isfunction)
    return {name: method for name, method in found if not name.startswith("_") and name not in NO_TASKS}


@functools.cache
def lent() -> Any:
    """Return hub's client without its HTTP, and without the keys that go with it."""
    from huggingface_hub import InferenceClient

    if not hasattr(InferenceClient, "_inner_post"):
        raise InferError(
            "this version of huggingface_hub works in another way", hint="pip install 'huggingface_hub<3' is known."
        )

    class Lent(InferenceClient):
        answer: bytes | None = None

        # The one private name of hub that nbinfer uses: test_borrowed.py says what it must be like.
        def _inner_post(self, request_parameters: Any, *, stream: bool = False) -> Any:
            if self.answer is None or stream:
                raise _Prepared(request_parameters)
            return self.answer

    return Lent


class Borrowed(Asked):
    """A call of one of hub's methods."""

    def __init__(self, call: Call) -> None:
        self.place, self.provider, self.notices = _start(call)
        self.method = call.task.replace("-", "_")
        self.arguments, self.beside = _arguments(call, self.method)
        self._file = next((name for name in FILES if name in self.arguments), "")
        self._kind = ""
        self._request: Request | None = None
        super().__init__(call)

    def awaited(self) -> WholeAnswer:
        """Return what holds the answer."""
        call = self.call
        row: Task | None = TASKS.get(call.task)
        kind: Any = row.result if row else RecordsResult
        make = functools.partial(kind.of, unit=row.unit if row else "record", prompt=call.inputs)
        parameters = {**call.parameters, **call.extra}
        return WholeAnswer(make, parameters, model=shown(call), notices=self.notices)

    def request(self, known: Known) -> Request:
        """Return the request that hub prepares; a file at an address must have been fetched."""
        del known
        self._opened()
        secrets = (self.call.key or "",)
        with _explained(lambda error: ParameterError(redact(str(error), secrets)), secrets):
            try:
                self._run()
            except _Prepared as prepared:
                return self._ours(prepared.request)
        raise InferError(f"huggingface_hub's `{self.method}` asks no model")

    def preview(self) -> dict[str, Any]:
        """Return the request as data; a file at an address is not fetched for it."""
        if not self._away:
            return super().preview()
        address, self.arguments[self._file] = self.arguments[self._file], b""
        return {**super().preview(), "content": f"the file at {without_secrets(address)}"}

    def steps(self, *, again: bool) -> Steps:
        """Ask, and let hub read the answer."""
        if self._request is None:
            if self._away:
                yield from self._fetched(self.arguments[self._file])
            # Where hub must ask the Hub who runs a model, an event loop stays free.
            yield Produce(self._prepared())
        request = self.patient(self._request or self.request({}), again=again)
        response = yield from self.opened(request)
        body: bytes = yield Read()
        self.answer.headers = response.headers
        body = yield from self.whole(request, body)
        yield Produce(self._answered(request, response, body))

    def whole(self, request: Request, body: bytes) -> Generator[Ask, Any, bytes]:
        """Return the answer as hub reads it."""
        del request
        yield from ()
        return body

    def _run(self, answer: bytes | None = None) -> Any:
        """Run hub's method: up to its request, or past it."""
        client = lent()(model=self.place, provider=self.provider or None, token=self._token())
        client.answer = answer
        return getattr(client, self.method)(**self.arguments)

    def _token(self) -> str:
        """Return the key with which hub routes to a provider; elsewhere hub needs none, and gets none."""
        if not self.provider:
            return NO_TOKEN
        key = key_for(self.call.key, ROUTER)
        if not key:
            hint = "`hf auth login`, HF_TOKEN, or the provider's own key as `api_key`."
            raise ParameterError(f"the provider {self.provider} needs a key", hint=hint)
        if self.call.key is None and not key.startswith("hf_"):
            # hub would take it for the provider's own key, and send it there.
            raise ParameterError(
                "the stored token is no user's token of Hugging Face", hint="Give the provider's own key as `api_key`."
            )
        return key

    def _prepared(self) -> Iterator[Chunk]:
        self._request = self.request({})
        yield from ()

    def _ours(self, prepared: Any) -> Request:
        """Turn hub's request into one of ours: its headers under the caller's, and the key where it belongs."""
        url = prepared.url
        if self.provider and url.startswith(ROUTER):
            url = base() + url.removeprefix(ROUTER)
        request = self.sent(Target(url), self._body(prepared.json))
        headers = {name.lower(): str(value) for name, value in prepared.headers.items()}
        if not self.provider or key_for(self.call.key, url) is None:
            headers.pop("authorization", None)
        if self.method in AS_IMAGES:
            headers.setdefault("accept", "image/png")
        if prepared.data is not None:
            headers.setdefault("content-type", self._kind or media_type(prepared.data))
        headers = {**request.headers, **headers, **self.call.headers}
        return replace(request, headers=headers, content=prepared.data and bytes(prepared.data))

    def _body(self, body: Any) -> Any:
        """Add what nbinfer does not know to the parameters."""
        if not self.beside:
            return body
        if not isinstance(body, dict):
            raise ParameterError(f"{self.call.task} takes no other parameters: {', '.join(self.beside)}")
        return {**body, "parameters": {**body.get("parameters", {}), **self.beside}}

    @property
    def _away(self) -> bool:
        """Say whether the file is at an address, and must be fetched."""
        file = self.arguments.get(self._file)
        return isinstance(file, str) and is_url(file) and not self.provider

    def _opened(self) -> None:
        """Read the file, since hub's method runs twice; providers may want its path or address instead."""
        file = self.arguments.get(self._file)
        if self._file and not isinstance(file, bytes) and not (self.provider and isinstance(file, str | os.PathLike)):
            self.arguments[self._file], self._kind = read(file)

    def _fetched(self, url: str) -> Generator[Ask, Any, None]:
        """Fetch the file from its address."""
        body, response = yield from fetched(url, self.call.timeout)
        said = response.headers.get("content-type", "").partition(";")[0].strip()
        self.arguments[self._file] = body
        self._kind = said if said.startswith(("image/", "audio/", "video/")) else media_type(body)

    def _answered(self, request: Request, response: Response, body: bytes) -> Iterator[Chunk]:
        """Let hub read the answer, unless it is a refusal."""
        said = read_json(body)
        if isinstance(said, dict) and said.get("error"):
            raise api_error(response.status, body, url=request.url, headers=response.headers, secrets=request.secrets)
        with _explained(lambda _: self._unreadable(request, body), request.secrets):
            answer = self._run(_usual(self.call.task, said, body))
        if not self._fits(answer, response):
            raise self._unreadable(request, body)
        yield self.answer.take(answer)

    def _fits(self, answer: Any, response: Response) -> bool:
        """Say whether this is an answer at all: hub takes any object for one, and any bytes for a sound."""
        row = TASKS.get(self.call.task)
        if row and row.result is AudioResult:
            kinds = (media_type(answer), response.headers.get("content-type", ""))
            return bool(answer) and any(kind.startswith("audio/") for kind in kinds)
        if row and row.result is WrittenResult:
            return written(answer) is not None
        return _is_whole(answer)

    def _unreadable(self, request: Request, body: bytes) -> BadAnswerError:
        text = clip(redact(body.decode(errors="replace"), request.secrets), 80)
        return BadAnswerError(f"the answer is none of {self.call.task}: {text}")


class ProvidersChat(Chat):
    """A chat with a key of the provider itself: it goes straight there, to the address and the name that hub knows."""

    @staticmethod
    def suits(call: Call) -> bool:
        """Say whether a call names a provider, and brings a key that is none of Hugging Face's."""
        if is_url(call.model) or not call.key or call.key.strip().startswith("hf_"):
            return False
        return split_id(call.model, call.provider)[1] not in ("", *OWN, *POLICIES)

    def __init__(self, call: Call) -> None:
        super().__init__(call)
        self._located = False

    def request(self, known: Known) -> Request:
        """Return the request, to where hub would send it."""
        if not self._located:
            for _ in self._locate():
                pass
        return super().request(known)

    def steps(self, *, again: bool) -> Steps:
        """Ask, and read the answer; where hub must ask the Hub who runs a model, an event loop stays free."""
        if not self._located:
            yield Produce(self._locate())
        yield from super().steps(again=again)

    def _locate(self) -> Iterator[Chunk]:
        hub_id, provider = split_id(self.call.model, self.call.provider)
        key = key_for(self.call.key, ROUTER) or ""
        with _explained(lambda error: ParameterError(redact(str(error), (key,))), (key,)):
            try:
                lent()(provider=provider, token=key).chat_completion(list(self.call.messages), model=hub_id)
            except _Prepared as prepared:
                self.target = Target(prepared.request.url, prepared.request.json["model"])
        self._located = True
        yield from ()


def fetched(
    url: str, timeout: Timeout, check: Callable[[str], None] = lambda _: None
) -> Generator[Ask, Any, tuple[bytes, Response]]:
    """Fetch what is at an address, to which no key goes; `check` may refuse it, and each to which it sends on."""
    for _ in range(REDIRECTS):
        check(url)
        request = Request(url=url, method="GET", timeout=timeout)
        response: Response = yield request
        if response.status not in {301, 302, 303, 307, 308} or "location" not in response.headers:
            break
        url = urljoin(url, response.headers["location"])
    body: bytes = yield Read()
    if response.status != 200:
        raise api_error(response.status, body, url=url, headers=response.headers, secrets=request.secrets)
    return body, response


def _start(call: Call) -> tuple[str, str, tuple[str, ...]]:
    """Return the model as hub is told it, the provider if it is not Hugging Face itself, and notices."""
    if is_url(call.model):
        url, notices = moved(call.model)
        return url, "", notices
    hub_id, provider = split_id(call.model, call.provider)
    if provider not in ("", *OWN):
        return hub_id, provider, ()
    # As an address, so that hub asks the Hub nothing about the model.
    return f"{base()}/hf-inference/models/{hub_id}", "", ()


def _arguments(call: Call, method: str) -> tuple[dict[str, Any], Mapping[str, Any]]:
    """Return what hub's method is called with, and what it does not take but the server may."""
    row = TASKS.get(call.task)
    given = {row.takes: call.file if row.file else call.inputs, **call.parameters} if row else dict(call.arguments)
    if not call.extra:
        return given, {}
    parameters = inspect.signature(methods()[method]).parameters
    if "extra_body" in parameters:
        return given | {"extra_body": dict(call.extra)}, {}
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return given | dict(call.extra), {}
    return given, call.extra


def _usual(task: str, said: Any, body: bytes) -> bytes:
    """Return an answer in today's form: servers of one's own give older ones, which hub misreads."""
    if task == "text-classification" and isinstance(said, list) and said and isinstance(said[0], dict):
        return msgspec.json.encode([said])
    if task == "zero-shot-classification" and isinstance(said, dict) and {"labels", "scores"} <= said.keys():
        pairs = zip(said["labels"], said["scores"], strict=False)
        return msgspec.json.encode([{"label": label, "score": score} for label, score in pairs])
    return body


def _is_whole(answer: Any) -> bool:
    """Say whether hub's objects hold what they must; it puts None where the server said nothing."""
    if isinstance(answer, list):
        return all(map(_is_whole, answer))
    if not is_dataclass(answer):
        return True
    needed = [field.name for field in fields(answer) if field.default is not None and field.name not in PLACES]
    values = [getattr(answer, name) for name in needed]
    return all(value is not None and _is_whole(value) for value in values)


def read_json(body: bytes) -> Any:
    """Return what JSON holds, None where the bytes are none."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return None


@contextmanager
def _explained(other: Callable[[Exception], InferError], secrets: tuple[str, ...]) -> Iterator[None]:
    """Say in nbinfer's own exceptions what went wrong in hub's code; `other` makes that of all that is left."""
    from huggingface_hub import errors

    try:
        yield
    except InferError:
        raise
    except errors.HfHubHTTPError as error:
        response = error.response
        refusal = str(error).encode() if response is None else response.content
        status = 0 if response is None else response.status_code
        url = "" if response is None else str(response.url)
        raise api_error(status, refusal, url=url, secrets=secrets) from None
    except (errors.HTTPError, ConnectionError) as error:  # type: ignore[attr-defined]  # whichever library it is of
        raise ConnectionFailedError(redact(f"huggingface_hub could not ask: {error}", secrets)) from None
    except TimeoutError as error:
        raise TimedOutError(redact(str(error), secrets)) from None
    except ImportError as error:
        raise MissingExtraError(str(error)) from None
    except (OSError, ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise other(error) from error


__all__ = ["Borrowed", "ProvidersChat", "fetched", "lent", "methods", "read_json"]
