"""`InferenceClient` and `AsyncInferenceClient`: the public face of the core.

A drop-in for `huggingface_hub.InferenceClient`: the same names, arguments and return types. Where nbinfer differs on
purpose, `DIFFERENCES` says how.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, TypedDict, Unpack, cast, overload

import msgspec

from nbinfer.cache import AnswerCache
from nbinfer.chats import ChatChunk, ChatResult, Message
from nbinfer.conversation import fitted
from nbinfer.drivers import AsyncResultStream, Clients, ResultStream
from nbinfer.errors import ParameterError, UnsupportedTaskError, nearest, without_secrets
from nbinfer.flows import SECRET_HEADERS, Flow, Timeout, turned
from nbinfer.hub_methods import AsyncHubMethods, HubMethods, SyncHubMethods, bound
from nbinfer.params import (
    DEFAULT_MAX_NEW_TOKENS,
    ChatCall,
    InfillCall,
    RerankCall,
    SparseEmbeddingCall,
    TextEmbeddingCall,
    TextGenerationCall,
    defaults,
    resolve,
    split,
    table,
)
from nbinfer.params import Call as CallOptions
from nbinfer.records import RecordsResult
from nbinfer.results import Chunk, Result, TextResult
from nbinfer.services import Call, Service, home, is_url, locate
from nbinfer.services.hugging_face.borrowed import methods
from nbinfer.snippets import written
from nbinfer.tasks import TASKS, Task
from nbinfer.vectors import EmbeddingResult, Ranked, RankResult, SparseResult, nearness
from nbinfer.wanted import Inputs, Messages, Texts, wanted

if TYPE_CHECKING:
    import numpy as np
    from huggingface_hub import ChatCompletionOutput, TextGenerationOutput
    from numpy.typing import NDArray


class Unchecked(TypedDict):
    """Options of what is left to huggingface_hub altogether: none of ours."""


DEFAULT_MODEL = "local"
RETRIES = table(CallOptions)["retries"].default

DIFFERENCES: Mapping[str, str] = {
    "stop text": "removed from the answer, and found wherever token borders fall; `keep_stop=True` leaves it",
    "prompt": "never in the answer unless `return_full_text=True`",
    "special tokens": "not shown: `</s>` is no part of a text",
    "`max_new_tokens`": f"{DEFAULT_MAX_NEW_TOKENS} unless given; it is always sent, so that every server does the same",
    "`do_sample`": "always sent: on when temperature, top_k, top_p or typical_p is given",
    "`temperature=0`": "means no sampling, where the server itself refuses it",
    "`stop_sequences`": "a second name of `stop`",
    "unknown names": "refused, with the nearest known name",
    "waiting": (
        f"{Timeout.connect:g} s for a connection, {Timeout.first_byte:g} s for the first byte, "
        f"{Timeout.idle:g} s between bytes, {Timeout.total:g} s for all; `timeout=` changes it"
    ),
    "retries": f"{RETRIES}, when the model is loading or busy, never after a part of the answer came",
    "models for chats": "a text goes to them as the user's message, and the result says so; `bridge=False` refuses",
    "models for texts": "a chat goes to them in the form that their name tells, or `template`; `bridge=False` refuses",
    "the first `<s>`": "left out where the server puts it there by itself, and the result says so",
    "streams": "sent when they are first iterated, not when they are made; leaving one hangs up",
    "counts of a streamed chat": "always asked for; a last chunk without a choice comes only with `stream_options`",
    "`feature_extraction`": "(n, d) float32 for any number of texts, of length 1 unless `normalize=False`",
    "`sentence_similarity`": "the cosine of embeddings, on every server that embeds",
    "`provider`": "a chat goes to Hugging Face's router, which is told the provider; nothing is looked up on the Hub",
    "`response_format`": "in OpenAI's spelling, TGI's, or a bare schema; sent in the server's own",
    "`token`": "goes with the client's own model; the stored Hugging Face token to Hugging Face's hosts only",
    "`model`": (
        "a hub id, a URL, or `local`, which needs neither key nor network and is the default; beside `base_url` the "
        "server's own name of a model"
    ),
}
"""What differs from huggingface_hub's client, on purpose; each has a test."""


class _Client(HubMethods):
    """What both clients share: defaults, and how a call is put together."""

    _kind: ClassVar[str]
    """Which of httpx's clients performs the calls."""

    def __init__(  # noqa: PLR0913 - huggingface_hub's arguments, all but one by keyword
        self,
        model: str | None = None,
        *,
        token: str | Mapping[str, str] | None = None,
        provider: str | None = None,
        timeout: float | Timeout | None = None,
        headers: Mapping[str, str] | None = None,
        base_url: str | None = None,
        api_key: str | Mapping[str, str] | None = None,
        bill_to: str | None = None,
        cache: bool = False,
    ) -> None:
        if model and base_url:
            raise ParameterError("`model` and `base_url` say the same thing: give one of them")
        if token and api_key:
            raise ParameterError("`token` and `api_key` are the same: give one of them")
        self.model = model or base_url
        self.base_url, self.provider, self.bill_to = base_url, provider, bill_to
        self.timeout = (
            timeout if isinstance(timeout, Timeout) else resolve(CallOptions, {"timeout": timeout}).get("timeout")
        )
        self.headers: dict[str, str] = dict(headers or {})
        self._key = key_of(token or api_key)
        self._clients: Clients[Any] = Clients(self._kind)
        self._servers: dict[str, Mapping[str, Any]] = {}
        self._cache = AnswerCache() if cache else None

    def __repr__(self) -> str:
        """Show the model, never the key."""
        return f"{type(self).__name__}(model={without_secrets(self.model or DEFAULT_MODEL)!r})"

    def preview(self, task: str, inputs: Inputs, *, model: str | None = None, **parameters: Any) -> dict[str, Any]:
        """Return the request that a call would send, keys hidden, without sending it."""
        service, call = self._call(task, inputs, parameters, model=model)
        return service.preview(call)

    def snippet(
        self, task: str, inputs: Inputs, *, language: str = "curl", model: str | None = None, **parameters: Any
    ) -> str:
        """Return the request that a call would send as code for curl, python or javascript.

        The key stands in it as an environment variable, HF_TOKEN for Hugging Face's hosts.
        """
        service, call = self._call(task, inputs, parameters, model=model)
        return written(service.request(call), language)

    def fitted(
        self, messages: Messages, *, model: str | None = None, budget: int | None = None, **parameters: Any
    ) -> tuple[list[Message], int]:
        """Leave out the oldest turns of a conversation that is too long; return the rest, and how many turns are gone.

        It may take `budget` tokens, else what the model holds less `max_tokens` for the answer; where nobody knows how
        much that is, nothing is left out. On `local` tokens are counted, elsewhere estimated.
        """
        service, call = self._call("chat", messages, parameters, model=model)
        room = service.room(call)
        wanted = int(call.parameters.get("max_tokens", DEFAULT_MAX_NEW_TOKENS))
        most = budget if budget is not None else room.tokens and max(room.tokens - wanted, 1)
        return fitted(call.messages, most, room.count) if most else (list(call.messages), 0)

    def _placed(self, model: str | None, base_url: str | None) -> tuple[str, str]:
        """Return where a call goes, and what the server there calls the model: a name beside an address is its own."""
        if base_url and model and is_url(model):
            raise ParameterError("`model` and `base_url` are both addresses: give one of them")
        address = base_url or self.base_url
        if address and not (model and is_url(model)):
            return address, model or ""
        return model or self.model or DEFAULT_MODEL, ""

    def _key_for(self, model: str) -> str | None:
        """Return the client's key where it belongs: with its own model, or others of the same host."""
        return self._key if home(model) == home(self.model or "") else None

    def _headers_for(self, model: str) -> dict[str, str]:
        """Return the client's headers; those that hold keys only where the key belongs."""
        headers, at_home = header_texts(self.headers), home(model) == home(self.model or "")
        return {name: text for name, text in headers.items() if at_home or name not in SECRET_HEADERS}

    def _call(
        self,
        task: str | Task,
        inputs: Any,
        given: Mapping[str, Any],
        *,
        model: str | None,
        stream: bool | None = None,
        details: bool = True,
    ) -> tuple[Service, Call]:
        """Check everything that can be checked before anything is sent."""
        row = task if isinstance(task, Task) else TASKS.get(task)
        if row is None:
            raise UnsupportedTaskError(f"there is no task `{task}`", hint=nearest(str(task), TASKS))
        for_task, for_call = split(given, row.parameters, CallOptions)
        options = defaults(CallOptions) | resolve(CallOptions, for_call)
        place, served = self._placed(model, options.get("base_url"))
        service, name = locate(place, task=row.done_as or row.name)
        offered = row.done_as or row.name
        if offered not in service.tasks and (row.name in TASKS or not service.borrows):
            raise UnsupportedTaskError(f"{name} does not offer `{row.name}`", hint=nearest(row.name, service.tasks))
        parameters = resolve(row.parameters, for_task)
        asked = wanted(row, inputs, parameters, model=served or name, is_local=service.name == "local")
        fresh = {"x-use-cache": "0"} if options.get("use_cache") is False else {}
        headers = {**self._headers_for(name), **header_texts(options.get("headers", {})), **fresh}
        call = Call(
            task=asked.task,
            **asked.content,
            model=name,
            name=served,
            provider=options.get("provider", self.provider),
            bill_to=options.get("bill_to", self.bill_to),
            servers=self._servers,
            cache=None if headers.get("x-use-cache", "").lower() in {"0", "false"} else self._cache,
            parameters=asked.parameters,
            notices=asked.notices,
            made=asked.made,
            key=options.get("api_key") or self._key_for(name),
            headers=headers,
            extra=options.get("extra", {}),
            timeout=Timeout.of(options.get("timeout", self.timeout)),
            retries=options["retries"],
            bridge=options["bridge"],
            stream=stream,
            details=details,
        )
        return service, call

    def _hub_call(self, name: str, *args: Any, **kwargs: Any) -> tuple[Service, Call]:
        """Return the call that a method of huggingface_hub's client stands for."""
        arguments, options = bound(methods()[name], *args, **kwargs)
        model, task = arguments.pop("model", None), name.replace("_", "-")
        if task not in TASKS:
            row = Task(name=task, description="", parameters=Unchecked, result=RecordsResult)
            return self._call(row, arguments, options, model=model)
        inputs = arguments.pop(TASKS[task].takes)
        return self._call(task, inputs, {**arguments, **options}, model=model)


class InferenceClient(_Client, SyncHubMethods):
    """Ask a model: in a script, a thread, or an ordinary notebook cell.

    `model` is a hub id, the URL of a server, or `local` (the default: built in, no key, no network). `token` or
    `api_key` is a key, or `{"env": "NAME"}` to read it from the environment. `timeout` is in seconds. `headers` are
    sent with every request and may be changed: `client.headers["x-use-cache"] = "0"`. With `cache` the texts of local
    models are kept in memory and given again for the same request, as Hugging Face does for its own.
    """

    _kind = "Client"

    def __enter__(self) -> Self:
        """Return the client itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the client's connections."""
        self.close()

    def close(self) -> None:
        """Close the client's connections; it can still be used and opens new ones."""
        for client in self._clients.taken():
            client.close()

    def _hub(self, name: str) -> Callable[..., Any]:
        """Return what does the work of hub's method of this name."""

        def ask(*args: Any, **kwargs: Any) -> Any:
            service, call = self._hub_call(name, *args, **kwargs)
            return ResultStream(_flow(service, call), self._clients, total=call.timeout.total).drain().answer

        return ask

    @overload
    def stream(
        self, task: Literal["text-generation"], inputs: str, *, model: str | None = ..., **parameters: Any
    ) -> ResultStream[TextResult]: ...
    @overload
    def stream(
        self, task: Literal["chat"], inputs: Messages, *, model: str | None = ..., **parameters: Any
    ) -> ResultStream[ChatResult]: ...
    @overload
    def stream(
        self, task: str, inputs: Inputs, *, model: str | None = ..., **parameters: Any
    ) -> ResultStream[Result]: ...
    def stream(self, task: str, inputs: Inputs, *, model: str | None = None, **parameters: Any) -> ResultStream[Any]:
        """Start a call and return its chunks as they come; `.result` holds the whole afterwards.

        `task` is a name in `nbinfer.tasks.TASKS`; some take one text, some several. The result is of that task's kind.
        """
        service, call = self._call(task, inputs, parameters, model=model)
        return ResultStream(_flow(service, call), self._clients, total=call.timeout.total)

    @overload
    def run(
        self, task: Literal["text-generation"], inputs: str, *, model: str | None = ..., **parameters: Any
    ) -> TextResult: ...
    @overload
    def run(
        self, task: Literal["chat"], inputs: Messages, *, model: str | None = ..., **parameters: Any
    ) -> ChatResult: ...
    @overload
    def run(self, task: str, inputs: Inputs, *, model: str | None = ..., **parameters: Any) -> Result: ...
    def run(self, task: str, inputs: Inputs, *, model: str | None = None, **parameters: Any) -> Result:
        """Perform a call and return its result."""
        return self.stream(task, inputs, model=model, **parameters).drain()

    def feature_extraction(
        self, text: Texts, *, model: str | None = None, **parameters: Unpack[TextEmbeddingCall]
    ) -> NDArray[np.float32]:
        """Return a vector for each text: (n, d) float32, of length 1 unless `normalize=False`."""
        return cast("EmbeddingResult", self.run("text-embedding", text, model=model, **parameters)).vectors

    def sentence_similarity(
        self,
        sentence: str,
        other_sentences: Iterable[str],
        *,
        model: str | None = None,
        **parameters: Unpack[TextEmbeddingCall],
    ) -> list[float]:
        """Return how near each of the other sentences is to the first: the cosine of their vectors, -1 to 1."""
        return nearness(self.feature_extraction([sentence, *other_sentences], model=model, **parameters))

    def sparse_embedding(
        self, text: Texts, *, model: str | None = None, **parameters: Unpack[SparseEmbeddingCall]
    ) -> list[dict[str, float]]:
        """Return weighted terms for each text, the heaviest first: {term: weight}."""
        return cast("SparseResult", self.run("sparse-embedding", text, model=model, **parameters)).weights

    def rerank(
        self, query: str, texts: Iterable[str], *, model: str | None = None, **parameters: Unpack[RerankCall]
    ) -> list[Ranked]:
        """Return the texts in the order of how well they answer a query, with scores from 0 to 1."""
        return cast("RankResult", self.run("rerank", texts, model=model, query=query, **parameters)).ranking

    def infill(self, prefix: str, suffix: str, *, model: str | None = None, **parameters: Unpack[InfillCall]) -> str:
        """Return the code that is missing between two pieces, in the form that the model has learnt.

        Raises TemplateError for code that contains the form's own tags, and for a model whose form is not known.
        """
        return str(self.run("infill", (prefix, suffix), model=model, **parameters))

    @overload
    def text_generation(
        self,
        prompt: str,
        *,
        details: Literal[False] = ...,
        stream: Literal[False] = ...,
        model: str | None = ...,
        **parameters: Unpack[TextGenerationCall],
    ) -> str: ...
    @overload
    def text_generation(
        self,
        prompt: str,
        *,
        details: Literal[True],
        stream: Literal[False] = ...,
        model: str | None = ...,
        **parameters: Unpack[TextGenerationCall],
    ) -> TextGenerationOutput: ...
    @overload
    def text_generation(
        self,
        prompt: str,
        *,
        details: Literal[False] = ...,
        stream: Literal[True],
        model: str | None = ...,
        **parameters: Unpack[TextGenerationCall],
    ) -> Iterator[str]: ...
    @overload
    def text_generation(
        self,
        prompt: str,
        *,
        details: Literal[True],
        stream: Literal[True],
        model: str | None = ...,
        **parameters: Unpack[TextGenerationCall],
    ) -> Iterator[Chunk]: ...
    def text_generation(
        self,
        prompt: str,
        *,
        details: bool = False,
        stream: bool = False,
        model: str | None = None,
        **parameters: Unpack[TextGenerationCall],
    ) -> str | TextGenerationOutput | Iterator[str] | Iterator[Chunk]:
        """Continue a prompt: the text, with `details` huggingface_hub's output object, with `stream` an iterator.

        Raises ParameterError before anything is sent, then the errors of `nbinfer.errors`.
        """
        service, call = self._call(
            "text-generation", prompt, parameters, model=model, stream=stream, details=details or stream
        )
        chunks = ResultStream[TextResult](service.flow(call), self._clients)
        if stream:
            return _steps(chunks) if details else _pieces(chunks)
        result = chunks.drain()
        return hub_output(result) if details else result.text

    @overload
    def chat_completion(
        self,
        messages: Messages,
        *,
        model: str | None = ...,
        stream: Literal[False] = ...,
        **parameters: Unpack[ChatCall],
    ) -> ChatCompletionOutput: ...
    @overload
    def chat_completion(
        self, messages: Messages, *, model: str | None = ..., stream: Literal[True], **parameters: Unpack[ChatCall]
    ) -> Iterator[ChatChunk]: ...
    def chat_completion(
        self, messages: Messages, *, model: str | None = None, stream: bool = False, **parameters: Unpack[ChatCall]
    ) -> ChatCompletionOutput | Iterator[ChatChunk]:
        """Answer a conversation: huggingface_hub's output object, with `stream` an iterator of its pieces.

        `messages` are in OpenAI's form; a text is the user's only one. `client.chat.completions.create` is the same.
        Raises ParameterError before anything is sent, then the errors of `nbinfer.errors`.
        """
        service, call = self._call("chat", messages, parameters, model=model, stream=stream)
        chunks = ResultStream[ChatResult](service.flow(call), self._clients)
        if stream:
            return _chat_steps(chunks, counts="stream_options" in parameters)
        return hub_chat_output(chunks.drain())

    @property
    def chat(self) -> ChatNames:
        """Return OpenAI's names: `client.chat.completions.create(…)` is `chat_completion`."""
        return ChatNames(self)


class AsyncInferenceClient(_Client, AsyncHubMethods):
    """`InferenceClient` for async code: the same names, awaited."""

    _kind = "AsyncClient"

    @classmethod
    def like(cls, other: InferenceClient) -> Self:
        """Return a client with the settings of a sync one, and with what that has learnt of servers."""
        twin = cls.__new__(cls)
        vars(twin).update(vars(other), _clients=Clients(cls._kind))
        return twin

    async def __aenter__(self) -> Self:
        """Return the client itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the client's connections."""
        await self.close()

    async def close(self) -> None:
        """Close the client's connections; it can still be used and opens new ones."""
        for client in self._clients.taken(owner=asyncio.get_running_loop()):
            await client.aclose()

    def _hub(self, name: str) -> Callable[..., Any]:
        """Return what does the work of hub's method of this name."""

        async def ask(*args: Any, **kwargs: Any) -> Any:
            service, call = self._hub_call(name, *args, **kwargs)
            return (
                await AsyncResultStream(_flow(service, call), self._clients, total=call.timeout.total).drain()
            ).answer

        return ask

    @overload
    def stream(
        self, task: Literal["text-generation"], inputs: str, *, model: str | None = ..., **parameters: Any
    ) -> AsyncResultStream[TextResult]: ...
    @overload
    def stream(
        self, task: Literal["chat"], inputs: Messages, *, model: str | None = ..., **parameters: Any
    ) -> AsyncResultStream[ChatResult]: ...
    @overload
    def stream(
        self, task: str, inputs: Inputs, *, model: str | None = ..., **parameters: Any
    ) -> AsyncResultStream[Result]: ...
    def stream(
        self, task: str, inputs: Inputs, *, model: str | None = None, **parameters: Any
    ) -> AsyncResultStream[Any]:
        """Start a call and return its chunks as they come; `.result` holds the whole afterwards."""
        service, call = self._call(task, inputs, parameters, model=model)
        return AsyncResultStream(_flow(service, call), self._clients, total=call.timeout.total)

    @overload
    async def run(
        self, task: Literal["text-generation"], inputs: str, *, model: str | None = ..., **parameters: Any
    ) -> TextResult: ...
    @overload
    async def run(
        self, task: Literal["chat"], inputs: Messages, *, model: str | None = ..., **parameters: Any
    ) -> ChatResult: ...
    @overload
    async def run(self, task: str, inputs: Inputs, *, model: str | None = ..., **parameters: Any) -> Result: ...
    async def run(self, task: str, inputs: Inputs, *, model: str | None = None, **parameters: Any) -> Result:
        """Perform a call and return its result."""
        return await self.stream(task, inputs, model=model, **parameters).drain()

    async def feature_extraction(
        self, text: Texts, *, model: str | None = None, **parameters: Unpack[TextEmbeddingCall]
    ) -> NDArray[np.float32]:
        """Return a vector for each text, as `InferenceClient.feature_extraction` does."""
        return cast("EmbeddingResult", await self.run("text-embedding", text, model=model, **parameters)).vectors

    async def sentence_similarity(
        self,
        sentence: str,
        other_sentences: Iterable[str],
        *,
        model: str | None = None,
        **parameters: Unpack[TextEmbeddingCall],
    ) -> list[float]:
        """Return how near each of the other sentences is, as `InferenceClient.sentence_similarity` does."""
        return nearness(await self.feature_extraction([sentence, *other_sentences], model=model, **parameters))

    async def sparse_embedding(
        self, text: Texts, *, model: str | None = None, **parameters: Unpack[SparseEmbeddingCall]
    ) -> list[dict[str, float]]:
        """Return weighted terms for each text, as `InferenceClient.sparse_embedding` does."""
        return cast("SparseResult", await self.run("sparse-embedding", text, model=model, **parameters)).weights

    async def rerank(
        self, query: str, texts: Iterable[str], *, model: str | None = None, **parameters: Unpack[RerankCall]
    ) -> list[Ranked]:
        """Return the texts, the best first, as `InferenceClient.rerank` does."""
        return cast("RankResult", await self.run("rerank", texts, model=model, query=query, **parameters)).ranking

    async def infill(
        self, prefix: str, suffix: str, *, model: str | None = None, **parameters: Unpack[InfillCall]
    ) -> str:
        """Return the code that is missing between two pieces, as `InferenceClient.infill` does."""
        return str(await self.run("infill", (prefix, suffix), model=model, **parameters))

    @overload
    async def text_generation(
        self,
        prompt: str,
        *,
        details: Literal[False] = ...,
        stream: Literal[False] = ...,
        model: str | None = ...,
        **parameters: Unpack[TextGenerationCall],
    ) -> str: ...
    @overload
    async def text_generation(
        self,
        prompt: str,
        *,
        details: Literal[True],
        stream: Literal[False] = ...,
        model: str | None = ...,
        **parameters: Unpack[TextGenerationCall],
    ) -> TextGenerationOutput: ...
    @overload
    async def text_generation(
        self,
        prompt: str,
        *,
        details: Literal[False] = ...,
        stream: Literal[True],
        model: str | None = ...,
        **parameters: Unpack[TextGenerationCall],
    ) -> AsyncIterator[str]: ...
    @overload
    async def text_generation(
        self,
        prompt: str,
        *,
        details: Literal[True],
        stream: Literal[True],
        model: str | None = ...,
        **parameters: Unpack[TextGenerationCall],
    ) -> AsyncIterator[Chunk]: ...
    async def text_generation(
        self,
        prompt: str,
        *,
        details: bool = False,
        stream: bool = False,
        model: str | None = None,
        **parameters: Unpack[TextGenerationCall],
    ) -> str | TextGenerationOutput | AsyncIterator[str] | AsyncIterator[Chunk]:
        """Continue a prompt, as `InferenceClient.text_generation` does."""
        service, call = self._call(
            "text-generation", prompt, parameters, model=model, stream=stream, details=details or stream
        )
        chunks = AsyncResultStream[TextResult](service.flow(call), self._clients)
        if stream:
            return _async_steps(chunks) if details else _async_pieces(chunks)
        result = await chunks.drain()
        return hub_output(result) if details else result.text

    @overload
    async def chat_completion(
        self,
        messages: Messages,
        *,
        model: str | None = ...,
        stream: Literal[False] = ...,
        **parameters: Unpack[ChatCall],
    ) -> ChatCompletionOutput: ...
    @overload
    async def chat_completion(
        self, messages: Messages, *, model: str | None = ..., stream: Literal[True], **parameters: Unpack[ChatCall]
    ) -> AsyncIterator[ChatChunk]: ...
    async def chat_completion(
        self, messages: Messages, *, model: str | None = None, stream: bool = False, **parameters: Unpack[ChatCall]
    ) -> ChatCompletionOutput | AsyncIterator[ChatChunk]:
        """Answer a conversation, as `InferenceClient.chat_completion` does."""
        service, call = self._call("chat", messages, parameters, model=model, stream=stream)
        chunks = AsyncResultStream[ChatResult](service.flow(call), self._clients)
        if stream:
            return _async_chat_steps(chunks, counts="stream_options" in parameters)
        return hub_chat_output(await chunks.drain())

    @property
    def chat(self) -> AsyncChatNames:
        """Return OpenAI's names: `client.chat.completions.create(…)` is `chat_completion`."""
        return AsyncChatNames(self)


class ChatNames:
    """`client.chat.completions.create`, as OpenAI's client has it."""

    def __init__(self, client: InferenceClient) -> None:
        self.completions, self.create = self, client.chat_completion


class AsyncChatNames:
    """`await client.chat.completions.create`, as OpenAI's client has it."""

    def __init__(self, client: AsyncInferenceClient) -> None:
        self.completions, self.create = self, client.chat_completion


def key_of(given: str | Mapping[str, str] | None) -> str | None:
    """Return a key that is given as such, or as `{"env": "NAME"}`."""
    if given is None or isinstance(given, str):
        return given
    name = given.get("env", "")
    if not os.environ.get(name):
        hint = f"import os, getpass; os.environ[{name!r}] = getpass.getpass() asks for it without showing it."
        raise ParameterError(f"the environment variable {name} is not set", hint=hint)
    return os.environ[name]


def hub_output(result: TextResult) -> TextGenerationOutput:
    """Return a result as huggingface_hub's type, with the server's own finish reason."""
    from huggingface_hub import TextGenerationOutput

    details = {
        "finish_reason": result.raw_finish_reason,
        "generated_tokens": result.usage.output_tokens or 0,
        "seed": result.seed,
        "prefill": msgspec.to_builtins(list(result.prefill)),
        "tokens": msgspec.to_builtins(list(result.token_list)),
        "top_tokens": msgspec.to_builtins(list(result.top_tokens)) or None,
        "best_of_sequences": msgspec.to_builtins(list(result.best_of_sequences)) or None,
    }
    output: TextGenerationOutput = TextGenerationOutput.parse_obj_as_instance(
        {"generated_text": result.text, "details": details}
    )
    return output


def hub_chat_output(result: ChatResult) -> ChatCompletionOutput:
    """Return a result as huggingface_hub's type, with the server's own finish reason."""
    from huggingface_hub import ChatCompletionOutput

    usage = {"prompt_tokens": result.usage.input_tokens or 0, "completion_tokens": result.usage.output_tokens or 0}
    envelope = {"id": "", "created": 0, "model": result.model, "system_fingerprint": ""} | dict(result.envelope)
    output: ChatCompletionOutput = ChatCompletionOutput.parse_obj_as_instance(
        {**envelope, "choices": list(result.choices), "usage": {**usage, "total_tokens": sum(usage.values())}}
    )
    return output


def header_texts(headers: Mapping[str, Any]) -> dict[str, str]:
    """Return headers as they can be sent, names in lower case; ParameterError for what no header can hold."""
    texts = {}
    for name, value in headers.items():
        text = value.decode("latin-1") if isinstance(value, bytes) else value
        text = str(int(text)) if isinstance(text, bool) else str(text) if isinstance(text, int | float) else text
        if not isinstance(text, str) or not text.isascii() or not text.isprintable():
            # It may be a key: it is not repeated.
            raise ParameterError(f"the value of the header `{name}` cannot be sent: plain text in one line is needed")
        texts[str(name).lower()] = text
    return texts


def _flow(service: Service, call: Call) -> Flow[Any]:
    return service.flow(call) if call.made is None else turned(service.flow(call), call.made)


def _steps(stream: ResultStream[TextResult]) -> Iterator[Chunk]:
    with stream:
        yield from stream


def _chat_steps(stream: ResultStream[ChatResult], *, counts: bool) -> Iterator[ChatChunk]:
    with stream:
        for chunk in stream:
            if isinstance(chunk, ChatChunk) and (chunk.choices or counts):
                yield chunk


async def _async_chat_steps(stream: AsyncResultStream[ChatResult], *, counts: bool) -> AsyncIterator[ChatChunk]:
    async with stream:
        async for chunk in stream:
            if isinstance(chunk, ChatChunk) and (chunk.choices or counts):
                yield chunk


async def _async_steps(stream: AsyncResultStream[TextResult]) -> AsyncIterator[Chunk]:
    async with stream:
        async for chunk in stream:
            yield chunk


def _pieces(stream: ResultStream[TextResult]) -> Iterator[str]:
    with stream:
        for chunk in stream:
            if chunk.text:
                yield chunk.text


async def _async_pieces(stream: AsyncResultStream[TextResult]) -> AsyncIterator[str]:
    async with stream:
        async for chunk in stream:
            if chunk.text:
                yield chunk.text
