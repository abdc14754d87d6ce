"""Embeddings, term weights and rankings from servers: TEI, Hugging Face's pipelines, OpenAI-compatible routes.

Wire facts: text-embeddings-inference 1.8, recorded answers of the serverless API, OpenAI's `/v1/embeddings`, and the
`/v1/rerank` that vLLM, llama.cpp and others share.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import msgspec

from nbinfer.answers import RowsAnswer
from nbinfer.errors import BadAnswerError, UnsupportedTaskError, api_error, clip, redact
from nbinfer.flows import Produce, Read, Request, Response, Steps
from nbinfer.params import TextEmbedding, defaults, table
from nbinfer.results import Usage
from nbinfer.services.base import Call
from nbinfer.services.hugging_face.asked import Asked, shown
from nbinfer.services.hugging_face.routes import OWN, Target, base, is_url, moved, split_id
from nbinfer.services.hugging_face.servers import NAMELESS, Known, is_tei, named, root
from nbinfer.tasks import TASKS
from nbinfer.vectors import RowsResult

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BATCH = 32
"""So many texts go into one request, unless the server says that it takes another number."""
POOLED = "the model gave a vector for each token: this is their mean"


@dataclass(frozen=True)
class Route:
    """One way to ask for rows: its path, the body for some texts, and how the rows stand in the answer."""

    path: str
    body: Callable[[Call, Sequence[str], str], dict[str, Any]]
    rows: Callable[[Any, int], Iterable[Any]]


def _inputs(call: Call, texts: Sequence[str], _name: str) -> dict[str, Any]:
    asked = {name: value for name, value in call.parameters.items() if name in table(TextEmbedding)}
    return {"inputs": list(texts), **asked, **call.extra}


def _openai_inputs(call: Call, texts: Sequence[str], name: str) -> dict[str, Any]:
    asked = {key: value for key, value in call.parameters.items() if key == "dimensions"}
    return {"model": name, "input": list(texts), "encoding_format": "float", **asked, **call.extra}


def _query(call: Call, texts: Sequence[str], _name: str) -> dict[str, Any]:
    return {"query": call.parameters["query"], "texts": list(texts), "raw_scores": False, **call.extra}


def _documents(call: Call, texts: Sequence[str], name: str) -> dict[str, Any]:
    return {"model": name, "query": call.parameters["query"], "documents": list(texts), **call.extra}


def _vectors(answer: Any, count: int) -> Iterable[Any]:
    """Return a vector for each text; of vectors for each token the mean."""
    found = answer.get("embeddings") if isinstance(answer, dict) else answer
    if isinstance(found, list) and len(found) == count and all(isinstance(row, list) for row in found):
        return [_vector(row) for row in found]
    # One text may come back without a list around it.
    alone = count == 1 and isinstance(found, list) and found and not isinstance(found[0], list)
    return [_vector(found)] if alone else ()


def _by_token(answer: Any) -> bool:
    """Say whether there is a vector for each token, and not one for each text."""
    import numpy as np

    found = answer.get("embeddings") if isinstance(answer, dict) else answer
    first = np.array(found[0] if isinstance(found, list) and found else 0)
    return first.ndim > 1 and first.size > first.shape[-1]


def _openai_vectors(answer: Any, _count: int) -> Iterable[Any]:
    return [_vector(row["embedding"]) for row in sorted(answer["data"], key=lambda row: int(row["index"]))]


def _vector(row: Any) -> NDArray[np.float32]:
    import numpy as np

    numbers = np.array(row, np.float32)
    return cast("NDArray[np.float32]", numbers.reshape(-1, numbers.shape[-1]).mean(axis=0))


def _weights(answer: Any, _count: int) -> Iterable[Any]:
    """Return weights by the number of the term, for want of its name, the heaviest first."""
    for row in answer:
        weights = sorted(((str(one["index"]), float(one["value"])) for one in row), key=lambda pair: -pair[1])
        yield dict(weights)


def _scores(answer: Any, count: int) -> Iterable[Any]:
    """Return a score for each text in the order of the texts; servers send them best first."""
    rows = answer["results"] if isinstance(answer, dict) else answer
    by_place = {int(row["index"]): float(row.get("score", row.get("relevance_score"))) for row in rows}
    return [by_place[place] for place in range(count)]


EMBED = Route("/embed", _inputs, _vectors)
PIPELINE = Route("/pipeline/feature-extraction", _inputs, _vectors)
OPENAI_EMBED = Route("/v1/embeddings", _openai_inputs, _openai_vectors)
SPARSE = Route("/embed_sparse", _inputs, _weights)
RERANK = Route("/rerank", _query, _scores)
OPENAI_RERANK = Route("/v1/rerank", _documents, _scores)

BY_PATH: Mapping[str, tuple[Route, ...]] = {
    **dict.fromkeys(("text-embedding", "sentence-similarity"), (EMBED, PIPELINE, OPENAI_EMBED)),
    "sparse-embedding": (SPARSE,),
    "rerank": (RERANK, OPENAI_RERANK),
}
"""Task → the routes that do it; a URL that ends in one of their paths is called as given."""


class Rows(Asked):
    """One row for each text, asked for in batches."""

    def __init__(self, call: Call) -> None:
        self.start, self.notices = _start(call)
        super().__init__(call)

    @property
    def depends(self) -> bool:
        """Say that a bare address may be any kind of server."""
        return is_url(self.call.model) and _given(self.call) is None

    def awaited(self) -> RowsAnswer:
        """Return what collects the rows."""
        kind = cast("type[RowsResult]", TASKS[self.call.task].result)
        options = defaults(TASKS[self.call.task].parameters) | dict(self.call.parameters)
        return RowsAnswer(kind, self.call.texts, options, model=shown(self.call), notices=self.notices)

    def request(self, known: Known) -> Request:
        """Return the first request."""
        return self._batch(known, self.call.texts[:BATCH])

    def steps(self, *, again: bool) -> Steps:
        """Ask for the rows that are still missing, some at a time."""
        known = yield from self.known()
        size = int(known.get("max_client_batch_size", BATCH))
        # A ranker must see all texts at once where scores are relative; servers that take fewer say so themselves.
        while texts := self.call.texts[self.answer.count :][:size]:
            request = self.patient(self._batch(known, texts), again=again)
            response = yield from self.opened(request)
            body: bytes = yield Read()
            yield Produce(iter([self.answer.add(self._rows(request, response, body, len(texts)))]))

    def _batch(self, known: Known, texts: Sequence[str]) -> Request:
        route, url = self._route(known)
        name = named(known, self.call.name).get("model", NAMELESS)
        return self.sent(Target(url), route.body(self.call, texts, name))

    def _route(self, known: Known) -> tuple[Route, str]:
        """Return how to ask, and where."""
        routes, given = BY_PATH[self.call.task], _given(self.call)
        if given is not None:
            return given, self.start
        if not is_url(self.call.model):
            return (PIPELINE, f"{self.start}{PIPELINE.path}") if PIPELINE in routes else (routes[0], self.start)
        place = root(self.start)
        if is_tei(known):
            return routes[0], f"{place}{routes[0].path}"
        if "models" in known:
            route = next((route for route in routes if route.path.startswith("/v1/")), None)
            if route is None:
                raise UnsupportedTaskError(f"{shown(self.call)} does not offer `{self.call.task}`")
            return route, f"{place}{route.path}"
        return routes[0], self.start

    def _rows(self, request: Request, response: Response, body: bytes, count: int) -> list[Any]:
        """Read the rows of one batch, a row for each text."""
        import numpy as np

        self.answer.headers = response.headers
        try:
            answer = msgspec.json.decode(body)
            if isinstance(answer, dict) and answer.get("error"):
                raise api_error(
                    response.status, body, url=request.url, headers=response.headers, secrets=request.secrets
                )
            rows = list(self._route_of(request).rows(answer, count))
        except (msgspec.DecodeError, LookupError, TypeError, ValueError, AttributeError) as error:
            raise self._unreadable(request, body) from error
        if len(rows) != count:
            raise self._unreadable(request, body)
        if isinstance(answer, dict) and isinstance(answer.get("usage"), dict):
            read = (self.answer.usage.input_tokens or 0) + int(answer["usage"].get("prompt_tokens") or 0)
            self.answer.usage = Usage(read or None, None)
        if self.call.task == "text-embedding" and _by_token(answer) and POOLED not in self.answer.notices:
            self.answer.notices.append(POOLED)
        if self.call.task == "text-embedding" and self.call.parameters.get("normalize", True):
            rows = [row / (float(np.linalg.norm(row)) or 1.0) for row in rows]
        return rows

    def _route_of(self, request: Request) -> Route:
        routes = BY_PATH[self.call.task]
        return next((route for route in routes if request.url.partition("?")[0].endswith(route.path)), routes[0])

    def _unreadable(self, request: Request, body: bytes) -> BadAnswerError:
        text = clip(redact(body.decode(errors="replace"), request.secrets), 80)
        return BadAnswerError(f"the answer is no {self.call.task}: {text}")

    def known(self) -> Generator[Any, Any, Known]:
        """Return what is known of the server."""
        return (yield from self.learnt()) if self.depends else {}


def _start(call: Call) -> tuple[str, tuple[str, ...]]:
    """Return where the model is, without the route of a task."""
    if is_url(call.model):
        return moved(call.model)
    hub_id, provider = split_id(call.model, call.provider)
    if provider not in ("", *OWN):
        raise UnsupportedTaskError(
            f"`{call.task}` by the provider {provider} is not offered", hint="Leave the provider out: hf-inference."
        )
    return f"{base()}/hf-inference/models/{hub_id}", ()


def _given(call: Call) -> Route | None:
    """Return the route that a URL ends in, if it is one of the task's."""
    path = call.model.partition("?")[0].rstrip("/")
    return next((route for route in BY_PATH[call.task] if is_url(call.model) and path.endswith(route.path)), None)
