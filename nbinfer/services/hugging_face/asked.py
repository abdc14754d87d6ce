"""What is sent for a call, and what becomes of the answer: one class for each way of asking."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Generator, Mapping
from dataclasses import replace
from typing import Any, ClassVar

from nbinfer.answers import TextAnswer
from nbinfer.chats import content_text
from nbinfer.dialects import chat, completion, native, streaming_problems
from nbinfer.errors import ApiError, ParameterError, ServerError, StartingError, without_secrets
from nbinfer.flows import Ask, Request, Response, Steps, opened
from nbinfer.known import too_long
from nbinfer.params import DEFAULT_MAX_NEW_TOKENS, TextGeneration, resolve
from nbinfer.reading import ChatReading, Reading, TextReading
from nbinfer.replies import ChatAnswer
from nbinfer.services.base import Call
from nbinfer.services.hugging_face.routes import (
    Target,
    completions,
    for_chat,
    for_text,
    is_billed,
    is_completions,
    is_endpoint,
    is_native,
    is_ours,
    is_root,
    is_url,
)
from nbinfer.services.hugging_face.servers import Known, is_tgi, learnt, limits, named, root
from nbinfer.templates import begun

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
        response = yield from self.opened(request)
        yield from self.reading(self.answer, request, response).steps()

    def opened(self, request: Request) -> Generator[Ask, Any, Response]:
        """Send a request; a dedicated endpoint that is asleep wakes up by it, and is to be asked again."""
        try:
            return (yield from opened(request))
        except ServerError as error:
            if error.status == 503 and is_endpoint(request.url):
                raise StartingError.of(error) from error
            raise

    def patient(self, request: Request, *, again: bool) -> Request:
        """Return a request that, when it is a retry, asks to be held until the model is loaded."""
        return replace(request, headers={"x-wait-for-model": "true", **request.headers}) if again else request

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

    reading: ClassVar[type[Reading]] = TextReading

    def __init__(self, call: Call) -> None:
        problems = streaming_problems(call.parameters)
        if call.stream and problems:
            raise ParameterError("\n".join(problems))
        self.streams = call.stream is not False and not problems
        self.target = for_text(call.model, provider=call.provider, stream=self.streams)
        # Where OpenAI's route is asked for, nobody knows what the server puts in front.
        prompt, said = (call.inputs, ()) if is_completions(self.target.url) else begun(call.inputs)
        super().__init__(replace(call, inputs=prompt, notices=(*call.notices, *said)))

    def awaited(self) -> TextAnswer | ChatAnswer:
        """Return what collects the text."""
        given = self.call.parameters
        return TextAnswer(
            self.call.inputs,
            given,
            model=shown(self.call),
            full_text=bool(given.get("return_full_text")),
            keep_stop=bool(given.get("keep_stop")),
            may_echo=not is_native(self.target.url),
        )

    @property
    def depends(self) -> bool:
        """Say that what a server has told of itself is used; unless a name is needed, it is not asked for that."""
        nameless = is_completions(self.target.url) and not self.call.name
        return is_url(self.call.model) and (nameless or root(self.target.url) in self.call.servers)

    def steps(self, *, again: bool) -> Steps:
        """Ask, and read the answer; where the root of a server takes no prompts, learn which route does."""
        try:
            yield from super().steps(again=again)
        except ApiError as error:
            unknown = is_root(self.target.url) and not self.depends and no_route(error)
            if not unknown or "models" not in (yield from self.learnt()):
                raise
            yield from super().steps(again=again)

    def written(self) -> tuple[dict[str, Any], list[str]]:
        """Return the options as the route takes them, and what it does not take."""
        write = completion if is_completions(self.target.url) else native
        parameters, notices = write(self.call.parameters)
        return parameters | dict(self.call.extra), notices

    def request(self, known: Known) -> Request:
        """Return the request: in TGI's form, or to a server that lists its models as a plain completion."""
        call = self.call
        if is_tgi(known):
            resolve(TextGeneration, call.parameters, limits=limits(known))
        if "models" in known and is_root(self.target.url):
            self.target = completions(self.target)
        parameters, notices = self.written()
        wanted = call.parameters.get("max_new_tokens", DEFAULT_MAX_NEW_TOKENS)
        length = too_long(call.name or call.model, call.inputs, wanted)
        self.answer.asked(parameters, [*self.target.notices, *call.notices, *notices, *filter(None, [length])])
        if is_completions(self.target.url):
            streaming = {"stream": True} if self.streams else {}
            body = {**named(known, call.name), "prompt": call.inputs, **parameters, **streaming}
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
            notices=[*self.target.notices, *self.call.notices, *filter(None, [self._too_long()])],
        )

    def _too_long(self) -> str:
        call = self.call
        said = "".join(content_text(message.get("content")) for message in call.messages)
        return too_long(call.name or call.model, said, call.parameters.get("max_tokens", DEFAULT_MAX_NEW_TOKENS))

    def request(self, known: Known) -> Request:
        """Return the request."""
        call = self.call
        tgi = is_tgi(known) or (not is_url(call.model) and call.provider == "hf-inference")
        body = {**named(known, self.target.model), "messages": list(call.messages), **chat(call.parameters, tgi=tgi)}
        if call.stream is not False:
            # The count of tokens is worth a last event that brings nothing else.
            body = {"stream_options": {"include_usage": True}, **body, "stream": True}
        return self.sent(self.target, body | dict(call.extra))


def no_route(error: ApiError) -> bool:
    """Say whether a server says that it has no such route; LM Studio says it with status 200."""
    return error.status in {404, 405} or (error.status == 200 and "unexpected endpoint" in str(error).lower())


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
