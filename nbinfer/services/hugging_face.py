"""Hugging Face: serverless by hub id, dedicated endpoints and any text-generation-inference server by URL.

Wire facts: TGI router 3.3, recorded traffic of the serverless API, huggingface_hub 2.4.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, ClassVar
from urllib.parse import urlsplit

import msgspec

from nbinfer import sse
from nbinfer.answers import TextAnswer
from nbinfer.errors import BadAnswerError, ParameterError, api_error, clip, redact, without_secrets
from nbinfer.flows import Flow, Produce, Read, Relay, Request, Response, Steps, answered, opened
from nbinfer.params import native, streaming_problems
from nbinfer.results import Chunk, Usage
from nbinfer.services.base import Call, Service

ROUTER = "https://router.huggingface.co"
HOSTS = ("huggingface.co", "hf.co", "endpoints.huggingface.cloud")
TOKENS_PAGE = "https://huggingface.co/settings/tokens"
DONE = "[DONE]"

_PLACEHOLDER = re.compile(r"<.*>|.*YOUR_?\w*(TOKEN|KEY).*|(hf_|sk-)?([x*.]{3,}|…+)", re.IGNORECASE)


class Event(Chunk, gc=False):
    """What a server may put into one event or answer: a TGI step, an error, or an OpenAI completion chunk."""

    error: Any = None
    choices: list[dict[str, Any]] | None = None
    usage: dict[str, Any] | None = None


_decode_event = msgspec.json.Decoder(Event, strict=False).decode
_decode_answer = msgspec.json.Decoder(list[Event] | Event, strict=False).decode


class HuggingFace(Service):
    """Hugging Face's serverless API, its dedicated endpoints, and TGI servers anywhere."""

    name = "hugging_face"
    label = "Hugging Face and TGI servers"
    tasks: ClassVar[Collection[str]] = ("text-generation",)

    def flow(self, call: Call) -> Flow[Any]:
        """Return the flow of a text generation."""
        parameters, notices = _parameters(call)
        request = _request(call, parameters)
        answer = TextAnswer(
            call.inputs,
            parameters,
            model=without_secrets(call.model),
            keep_stop=bool(call.parameters.get("keep_stop")),
            may_echo=not _is_native(request.url),
            notices=notices,
        )

        def attempt(again: bool) -> Steps:  # noqa: FBT001 - the shape flows.answered asks for
            patient = {"x-wait-for-model": "true"} if again else {}
            response = yield from opened(replace(request, headers={**request.headers, **patient}))
            yield from Reading(answer, request, response).steps()

        return answered(answer, attempt, retries=call.retries)

    def preview(self, call: Call) -> dict[str, Any]:
        """Return the request that would be sent, key hidden."""
        return _request(call, _parameters(call)[0]).shown()


class Reading:
    """Reads one answer, whole or streamed, by its content: TGI's forms and OpenAI's completions alike."""

    def __init__(self, answer: TextAnswer, request: Request, response: Response) -> None:
        self._answer, self._request, self._response = answer, request, response
        self._sse = sse.Decoder()
        self._relay = Relay(self._decode)
        answer.headers = response.headers
        answer.usage = Usage(
            _count(response.headers, "x-prompt-tokens"), _count(response.headers, "x-generated-tokens")
        )

    def steps(self) -> Steps:
        """Ask for the body in the form in which it comes, and hand on its chunks."""
        if "text/event-stream" not in self._response.headers.get("content-type", ""):
            body: bytes = yield Read()
            yield Produce(iter([self._whole(body)]))
            return
        yield self._relay
        yield Produce(self._last())

    def _decode(self, piece: bytes) -> Iterable[Chunk]:
        data = self._sse.single(piece)
        return (self._step(data),) if data is not None else self._each(self._sse.feed(piece))

    def _each(self, events: Iterable[sse.Event]) -> Iterator[Chunk]:
        # One by one: what came before an event that is an error has been handed on.
        for event in events:
            yield self._step(event.data)
            if self._relay.finished:
                return

    def _step(self, data: str | bytes) -> Chunk:
        try:
            event = _decode_event(data)
        except (msgspec.DecodeError, RecursionError) as error:
            if isinstance(data, bytes):
                return self._step(data.decode(errors="replace"))
            if data.strip() == DONE:
                self._answer.complete = self._relay.finished = True
                return Chunk(text=self._answer.flush())
            raise BadAnswerError(f"the stream holds something that is no event: {self._quoted(data)}") from error
        if event.error is not None:
            raise self._refusal(data if isinstance(data, bytes) else data.encode())
        chunk = self._answer.add(event) if event.choices is None else self._completion(event)
        self._relay.finished = self._answer.stopped
        return chunk

    def _last(self) -> Iterator[Chunk]:
        """Take an event that the server forgot to end, where it is whole."""
        rest = self._sse.rest()
        if rest and not (self._answer.complete or self._answer.stopped):
            try:
                yield self._step(rest)
            except BadAnswerError:
                return

    def _completion(self, event: Event) -> Chunk:
        """Read OpenAI's form, which some providers send for text generation too."""
        if event.usage:
            self._answer.usage = Usage(event.usage.get("prompt_tokens"), event.usage.get("completion_tokens"))
        for choice in event.choices or ():
            message = choice.get("delta") or choice.get("message") or {}
            if not isinstance(message, dict):
                raise BadAnswerError(f"the answer is no completion: {self._quoted(repr(choice))}")
            event.text += self._answer.show(str(choice.get("text") or message.get("content") or ""))
            if reason := choice.get("finish_reason"):
                self._answer.finish_reason = str(reason)
                self._answer.complete = True
                event.text += self._answer.flush()
        return event

    def _whole(self, body: bytes) -> Chunk:
        try:
            answer = _decode_answer(body)
        except (msgspec.DecodeError, RecursionError) as error:
            raise BadAnswerError(f"the answer is not this service's JSON: {self._quoted(body)}") from error
        event = answer if isinstance(answer, Event) else next(iter(answer), Event())
        if event.error is not None:
            raise self._refusal(body)
        if event.choices is not None:
            chunk = self._completion(event)
            self._answer.complete = True
            return chunk
        if event.generated_text is None:
            raise BadAnswerError(f"the answer has no generated_text: {self._quoted(body)}")
        return self._answer.whole(event.generated_text, event.details)

    def _quoted(self, answer: bytes | str) -> str:
        """Return the beginning of an answer, without the keys that the server may have repeated."""
        text = answer.decode(errors="replace") if isinstance(answer, bytes) else answer
        return clip(redact(text, self._request.secrets), 80)

    def _refusal(self, body: bytes) -> Exception:
        request, response = self._request, self._response
        return api_error(response.status, body, url=request.url, headers=response.headers, secrets=request.secrets)


def home(model: str) -> str:
    """Return whom a key for this model belongs to: Hugging Face, or another server, as scheme and host."""
    if not model.startswith(("http://", "https://")) or _is_ours(model):
        return HOSTS[0]
    parts = urlsplit(model)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def base() -> str:
    """Return the address of Hugging Face's router, which `NBINFER_HF_BASE` moves."""
    return os.environ.get("NBINFER_HF_BASE", ROUTER).rstrip("/")


def _parameters(call: Call) -> tuple[dict[str, Any], list[str]]:
    parameters, notices = native(call.parameters)
    return parameters | dict(call.extra), notices


def _request(call: Call, parameters: Mapping[str, Any]) -> Request:
    problems = streaming_problems(call.parameters)
    if call.stream and problems:
        raise ParameterError("\n".join(problems))
    streams = call.stream is not False and not problems
    url = _route(call.model, stream=streams)
    body: dict[str, Any] = {"inputs": call.inputs, "parameters": {**parameters, "details": call.details or streams}}
    if not _is_native(url):
        body["stream"] = streams
    key = _key(call.key, url)
    own = {"authorization": f"Bearer {key}"} if key else {}
    return Request(url=url, json=body, headers=own | dict(call.headers), timeout=call.timeout)


def _route(model: str, *, stream: bool) -> str:
    """Return the URL for a hub id, or a given URL with TGI's two native routes swapped as needed."""
    if not model.startswith(("http://", "https://")):
        return f"{base()}/hf-inference/models/{model}"
    parts = urlsplit(model)
    head, _, tail = parts.path.rstrip("/").rpartition("/")
    if tail in {"generate", "generate_stream"}:
        parts = parts._replace(path=f"{head}/{'generate_stream' if stream else 'generate'}")
    return parts.geturl()


def _is_native(url: str) -> bool:
    """Say whether the route is /generate or /generate_stream, which take no `stream` and echo no prompt unasked."""
    return urlsplit(url).path.endswith(("/generate", "/generate_stream"))


def _key(given: str | None, url: str) -> str | None:
    """Return the key for this URL: the one given for it, or on Hugging Face's own hosts the stored token."""
    if given is not None:
        key = given.strip()
        if _PLACEHOLDER.fullmatch(key):
            raise ParameterError("the key is a placeholder, not a key", hint=f"Get a token at {TOKENS_PAGE}")
        if not (key.isascii() and key.isprintable()):
            raise ParameterError("the key holds characters that no key has", hint=f"Copy it again from {TOKENS_PAGE}")
        return key or None
    if not _is_ours(url):
        return None
    from huggingface_hub import get_token

    return get_token()


def _is_ours(url: str) -> bool:
    """Say whether this is one of Hugging Face's own hosts, over https."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    return parts.scheme == "https" and any(host == own or host.endswith(f".{own}") for own in HOSTS)


def _count(headers: Mapping[str, str], name: str) -> int | None:
    value = headers.get(name, "")
    return int(value) if value.isdecimal() else None
