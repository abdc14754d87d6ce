"""What is sent for a call, and what becomes of the answer: one class for each way of asking."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Generator, Mapping
from dataclasses import replace
from typing import Any, ClassVar

from nbinfer.answers import TextAnswer
from nbinfer.dialects import chat, completion, native, streaming_problems
from nbinfer.errors import ParameterError, without_secrets
from nbinfer.flows import Request, Steps, opened
from nbinfer.reading import ChatReading, Reading, TextReading
from nbinfer.replies import ChatAnswer
from nbinfer.services.base import Call
from nbinfer.services.hugging_face.routes import (
    NAMELESS,
    OWN,
    Target,
    for_chat,
    for_text,
    is_billed,
    is_completions,
    is_endpoint,
    is_native,
    is_ours,
    is_url,
    split_id,
)
from nbinfer.services.hugging_face.servers import Known, is_tgi, learnt

TOKENS_PAGE = "https://huggingface.co/settings/tokens"

_PLACEHOLDER = re.compile(r"<.*>|.*YOUR_?\w*(TOKEN|KEY).*|(hf_|sk-)?([x*.]{3,}|…+)", re.IGNORECASE)


class Asked(ABC):
    """One call: what is sent, and what becomes of the answer."""

    reading: ClassVar[type[Reading]]

    def __init__(self, call: Call) -> None:
        self.call = call
        self.answer = self.awaited()

    @abstractmethod
    def awaited(self) -> Any:
        """Return what collects the answer."""

    @abstractmethod
    def request(self, known: Known) -> Request:
        """Return the request to a server of which this is known."""

    def preview(self) -> dict[str, Any]:
        """Return the request as data, key hidden, without sending it."""
        return self.request(known={}).shown()

    def steps(self, *, again: bool) -> Steps:
        """Ask, and read the answer."""
        request = self.patient(self.request((yield from self.learnt()) if self.depends else {}), again=again)
        response = yield from opened(request)
        yield from self.reading(self.answer, request, response).steps()

    def patient(self, request: Request, *, again: bool) -> Request:
        """Return a request that, when it is a retry, asks to be held: until the model is loaded, the endpoint up."""
        if not again:
            return request
        patience = {"x-wait-for-model": "true"}
        if is_endpoint(request.url):
            patience["x-scale-up-timeout"] = str(int(request.timeout.first_byte))
        return replace(request, headers={**request.headers, **patience})

    def learnt(self) -> Generator[Any, Any, Known]:
        """Ask the server what it is, once in the life of a client."""
        return (yield from learnt(self.call.servers, self.sent(Target(self.call.model), None)))

    @property
    def depends(self) -> bool:
        """Say whether the request depends on what kind of server it goes to."""
        return False

    def sent(self, target: Target, body: Mapping[str, Any] | None) -> Request:
        """Put a request together."""
        call = self.call
        key = key_for(call.key, target.url)
        own = {"authorization": f"Bearer {key}"} if key else {}
        if call.bill_to and is_billed(target.url):
            own["x-hf-bill-to"] = call.bill_to
        return Request(url=target.url, json=body, headers=own | dict(call.headers), timeout=call.timeout)


class Text(Asked):
    """A text generation, in TGI's form or as a plain completion."""

    reading = TextReading

    def __init__(self, call: Call) -> None:
        problems = streaming_problems(call.parameters)
        if call.stream and problems:
            raise ParameterError("\n".join(problems))
        self.streams = call.stream is not False and not problems
        self.target = for_text(call.model, provider=call.provider, stream=self.streams)
        write = completion if is_completions(self.target.url) else native
        self.parameters, self.notices = write(call.parameters)
        self.parameters |= call.extra
        super().__init__(call)

    def awaited(self) -> TextAnswer:
        """Return what collects the text."""
        given = self.call.parameters
        return TextAnswer(
            self.call.inputs,
            self.parameters,
            model=shown(self.call),
            full_text=bool(given.get("return_full_text")),
            keep_stop=bool(given.get("keep_stop")),
            may_echo=not is_native(self.target.url),
            notices=[*self.target.notices, *self.notices],
        )

    def request(self, known: Known) -> Request:
        """Return the request; nothing of it depends on the server."""
        del known
        call, parameters = self.call, self.parameters
        if is_completions(self.target.url):
            streaming = {"stream": True} if self.streams else {}
            body = {"model": call.name or NAMELESS, "prompt": call.inputs, **parameters, **streaming}
        else:
            streaming = {} if is_native(self.target.url) else {"stream": self.streams}
            details = {"details": call.details or self.streams}
            body = {"inputs": call.inputs, "parameters": parameters | details, **streaming}
        return self.sent(self.target, body)


class Chat(Asked):
    """A chat completion."""

    reading = ChatReading

    def __init__(self, call: Call) -> None:
        self.target = for_chat(call.model, name=call.name, provider=call.provider)
        super().__init__(call)

    @property
    def depends(self) -> bool:
        """Say that a server given by its address may know its model by a name, and TGI has its own grammars."""
        return is_url(self.call.model) and ("response_format" in self.call.parameters or not self.call.name)

    def awaited(self) -> ChatAnswer:
        """Return what collects the messages."""
        return ChatAnswer(
            self.call.messages,
            chat(self.call.parameters) | dict(self.call.extra),
            model=shown(self.call),
            keep_stop=bool(self.call.parameters.get("keep_stop")),
            notices=self.target.notices,
        )

    def request(self, known: Known) -> Request:
        """Return the request."""
        call = self.call
        tgi = is_tgi(known) or (not is_url(call.model) and call.provider == "hf-inference")
        name = next(iter(known.get("models", ())), self.target.model) if not call.name else self.target.model
        body = {"model": name, "messages": list(call.messages), **chat(call.parameters, tgi=tgi)}
        if call.stream is not False:
            # The count of tokens is worth a last event that brings nothing else.
            body = {"stream_options": {"include_usage": True}, **body, "stream": True}
        request = self.sent(self.target, body | dict(call.extra))
        self._check_key()
        return request

    def _check_key(self) -> None:
        """Refuse a provider's own key, which is not for Hugging Face's router."""
        call = self.call
        if is_url(call.model) or not call.key or not is_ours(self.target.url):
            return
        _, provider = split_id(call.model, call.provider)
        if provider not in ("", *OWN) and not call.key.strip().startswith("hf_"):
            hint = "Give one, or with the provider's own key its address as `base_url`."
            raise ParameterError(f"the provider {provider} is reached with a token of Hugging Face", hint=hint)


def shown(call: Call) -> str:
    """Return what the reader knows the model by."""
    address = without_secrets(call.model)
    return f"{call.name} at {address}" if call.name else address


def key_for(given: str | None, url: str) -> str | None:
    """Return the key for this URL: the one given for it, or on Hugging Face's own hosts the stored token."""
    if given is not None:
        key = given.strip()
        if _PLACEHOLDER.fullmatch(key):
            raise ParameterError("the key is a placeholder, not a key", hint=f"Get a token at {TOKENS_PAGE}")
        if not (key.isascii() and key.isprintable()):
            raise ParameterError("the key holds characters that no key has", hint=f"Copy it again from {TOKENS_PAGE}")
        return key or None
    if not is_ours(url):
        return None
    from huggingface_hub import get_token

    return get_token()
