import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from huggingface_hub import InferenceClient as HubClient

from nbinfer import AsyncInferenceClient, InferenceClient
from nbinfer.errors import (
    BadAnswerError,
    GenerationError,
    ModelLoadingError,
    OverloadedError,
    UnauthorizedError,
    UnprocessableError,
    UnsupportedTaskError,
)
from nbinfer.flows import Wait
from nbinfer.results import Progress

from .tei import DIMENSIONS, Serverless, Tei
from .wire.replies import Reply

TEXTS = ["a red fox", "the blue sea", "a red dog"]
Run = Callable[..., Any]
Made = Callable[..., InferenceClient]


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[Tei, Serverless]]:
    """Run the look-alikes for all tests of this file."""
    with Tei() as tei, Serverless() as serverless:
        yield tei, serverless


@pytest.fixture
def tei(servers: tuple[Tei, Serverless]) -> Tei:
    """Return the TEI look-alike, which has forgotten all other tests."""
    servers[0].clear()
    return servers[0]


@pytest.fixture
def hub(servers: tuple[Tei, Serverless], monkeypatch: pytest.MonkeyPatch) -> Serverless:
    """Return the look-alike of Hugging Face, which all hub ids go to."""
    servers[1].clear()
    monkeypatch.setenv("NBINFER_HF_BASE", servers[1].url)
    return servers[1]


@pytest.fixture
def made() -> Iterator[Made]:
    """Return what makes clients, which are closed after the test."""
    clients: list[InferenceClient] = []

    def make(*args: Any, **options: Any) -> InferenceClient:
        clients.append(InferenceClient(*args, **options))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture(params=["sync", "async"])
def run(request: pytest.FixtureRequest) -> Run:
    """Return what runs one call on a client of its own, sync or async."""

    async def awaited(model: str, task: str, inputs: Any, options: Any, parameters: Any) -> Any:
        async with AsyncInferenceClient(model, **options) as client:
            return await client.run(task, inputs, **parameters)

    def make(model: str, task: str, inputs: Any, options: Any = None, **parameters: Any) -> Any:
        if request.param == "async":
            return asyncio.run(awaited(model, task, inputs, options or {}, parameters))
        with InferenceClient(model, **(options or {})) as client:
            return client.run(task, inputs, **parameters)

    return make


def paths(server: Tei | Serverless) -> list[str]:
    """Return what was asked for."""
    return [request.path for request in server.requests]


@pytest.mark.parametrize("route", ["", "/", "/embed", "/v1/embeddings"])
def test_every_route_gives_the_same_vectors(tei: Tei, run: Run, route: str) -> None:
    """Root, native and OpenAI route of TEI give the same unit vectors, one for each text."""
    vectors = run(tei.url + route, "text-embedding", TEXTS).vectors
    assert vectors.shape == (3, DIMENSIONS)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert np.allclose(vectors, run(f"{tei.url}/embed", "text-embedding", TEXTS).vectors, atol=1e-6)
    assert vectors[0] @ vectors[2] > vectors[0] @ vectors[1]


def test_vectors_are_those_that_hubs_client_gets(made: Made, tei: Tei) -> None:
    """One text gives huggingface_hub's client the same numbers, there as (1, d) too."""
    theirs = HubClient(model=f"{tei.url}/embed", token="hf_x").feature_extraction(TEXTS[0])
    assert np.allclose(made(tei.url).feature_extraction(TEXTS[0]), theirs, atol=1e-6)


def test_a_server_is_asked_once_what_it_is(made: Made, tei: Tei) -> None:
    """A bare address costs one question in the life of a client, whatever is asked then."""
    client = made(tei.url)
    client.feature_extraction(TEXTS)
    client.feature_extraction(TEXTS)
    assert paths(tei) == ["/info", "/embed", "/embed"]


def test_many_texts_go_in_batches_that_the_server_takes(made: Made, tei: Tei, run: Run) -> None:
    """No request holds more texts than the server allows, order is kept, and each batch is progress."""
    tei.model.max_client_batch_size = 8
    texts = [f"word{number}" for number in range(20)]
    assert np.allclose(
        run(tei.url, "text-embedding", texts).vectors,
        [run(f"{tei.url}/embed", "text-embedding", text).vectors[0] for text in texts],
        atol=1e-6,
    )
    tei.requests.clear()
    chunks = list(made(tei.url).stream("text-embedding", texts))
    assert [(chunk.done, chunk.total) for chunk in chunks if isinstance(chunk, Progress)] == [
        (8, 20),
        (16, 20),
        (20, 20),
    ]


def test_what_came_before_a_batch_failed_is_kept(made: Made, tei: Tei) -> None:
    """When a later batch is refused, the error keeps the rows of those before."""
    tei.model.max_client_batch_size = 2
    tei.script(tei.model.reply, "/embed")
    tei.script(Reply(413, text="too much"), "/embed")
    with pytest.raises(Exception, match="too much") as raised:
        made(tei.url).feature_extraction(TEXTS)
    assert raised.value.partial.vectors.shape == (2, DIMENSIONS)


def test_options_arrive(tei: Tei, run: Run) -> None:
    """What is given is sent under the server's own names, and nothing else."""
    tei.model.prompts["query"] = "query: "
    run(f"{tei.url}/embed", "text-embedding", "a", normalize=False, dimensions=4, truncate=True, prompt_name="query")
    assert tei.requests[-1].body == {
        "inputs": ["a"], "normalize": False, "dimensions": 4, "truncate": True, "prompt_name": "query"
    }  # fmt: skip
    run(f"{tei.url}/embed", "text-embedding", "a")
    assert tei.requests[-1].body == {"inputs": ["a"]}


def test_vectors_are_of_length_one_whatever_the_server_does(tei: Tei, run: Run) -> None:
    """A server that does not normalise gives unit vectors all the same, unless they are not wanted."""
    tei.script(Reply(json=[[3.0, 4.0]]), times=2)
    assert np.allclose(run(f"{tei.url}/embed", "text-embedding", "a").vectors, [[0.6, 0.8]])
    assert np.allclose(run(f"{tei.url}/embed", "text-embedding", "a", normalize=False).vectors, [[3, 4]])


def test_the_closest_text_is_ranked_first(tei: Tei, run: Run) -> None:
    """A reranker's scores come in the order of the texts and the ranking best first, at root and at /rerank."""
    tei.model.kind = "reranker"
    for route in ("", "/rerank"):
        result = run(tei.url + route, "rerank", TEXTS, query="blue sea")
        assert result.ranking[0].text == "the blue sea"
        assert result.scores[1] == max(result.scores)
        assert all(0 <= score <= 1 for score in result.scores)


def test_a_ranking_may_be_shortened(tei: Tei, run: Run) -> None:
    """`top_n` and `return_documents` are ours: the server is not asked for them."""
    tei.model.kind = "reranker"
    result = run(tei.url, "rerank", TEXTS, query="blue sea", top_n=1, return_documents=False)
    assert [(one.index, one.text) for one in result.ranking] == [(1, None)]
    assert tei.requests[-1].body == {"query": "blue sea", "texts": TEXTS, "raw_scores": False}


@pytest.mark.parametrize("route", ["", "/embed", "/v1/embeddings"])
def test_texts_are_compared_with_a_sentence(tei: Tei, run: Run, route: str) -> None:
    """The nearest text comes first, with the cosine that `sentence_similarity` gives."""
    result = run(tei.url + route, "sentence-similarity", TEXTS, sentence="blue sea")
    assert result.ranking[0].text == "the blue sea"
    assert (len(result), result.query) == (len(TEXTS), "blue sea")
    with InferenceClient(tei.url + route) as client:
        assert result.scores == pytest.approx(client.sentence_similarity("blue sea", TEXTS), abs=1e-6)
    assert "sentence" not in tei.requests[-1].body


def test_terms_have_weights(tei: Tei, run: Run) -> None:
    """A sparse encoder's weights come by the number of the term, the heaviest first."""
    tei.model.kind = "splade"
    rows = run(tei.url, "sparse-embedding", ["red red fox", "sea"]).weights
    assert [len(row) for row in rows] == [2, 1]
    assert all(list(row.values()) == sorted(row.values(), reverse=True) for row in rows)


def test_another_kind_of_model_says_so(made: Made, tei: Tei) -> None:
    """A model that cannot do the task is an error in the server's words."""
    with pytest.raises(GenerationError, match="not a re-ranker"):
        made(tei.url, timeout=5).rerank("a", ["b"], retries=0)


def test_refusals_keep_their_class(tei: Tei, run: Run) -> None:
    """TEI's refusals, with types in capitals, are the errors that TGI's are."""
    tei.model.overloaded = True
    with pytest.raises(OverloadedError):
        run(tei.url, "text-embedding", "a", retries=0)
    tei.model.overloaded, tei.model.auto_truncate = False, False
    with pytest.raises(UnprocessableError, match="must have less than"):
        run(f"{tei.url}/embed", "text-embedding", "word " * 600)


def test_a_key_is_sent_with_every_request(tei: Tei, run: Run) -> None:
    """The key opens the question what the server is as well as the task; without it both are refused."""
    tei.model.api_key = "secret-key"
    assert run(tei.url, "text-embedding", "a", {"token": "secret-key"}).vectors.shape == (1, DIMENSIONS)
    with pytest.raises(UnauthorizedError):
        run(tei.url, "text-embedding", "a")


def test_an_openai_compatible_server_is_known_by_its_models(tei: Tei, run: Run) -> None:
    """A server without /info that lists models gets OpenAI's routes, with the name that it lists."""
    for _ in range(3):
        tei.script(Reply(404), "/info")
        tei.script(Reply(json={"object": "list", "data": [{"id": "bge-small"}]}), "/v1/models")
    assert run(tei.url, "text-embedding", TEXTS).vectors.shape == (3, DIMENSIONS)
    assert tei.requests[-1].path == "/v1/embeddings"
    assert tei.requests[-1].body == {"model": "bge-small", "input": TEXTS, "encoding_format": "float"}
    tei.script(
        Reply(json={"results": [{"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.2}]}),
        "/v1/rerank",
    )
    assert run(tei.url, "rerank", ["a", "b"], query="c").scores == [0.2, 0.9]
    with pytest.raises(UnsupportedTaskError):
        run(tei.url, "sparse-embedding", "a")


def test_a_name_beside_an_address_is_the_servers_own(made: Made, tei: Tei) -> None:
    """`model` beside `base_url` goes into the body, and is what the result names."""
    result = made(base_url=f"{tei.url}/v1/embeddings").run("text-embedding", "a", model="bge-large")
    assert tei.requests[-1].body["model"] == "bge-large"
    assert result.model == f"bge-large at {tei.url}/v1/embeddings"


@pytest.mark.parametrize("shape", ["sentence", "tokens"])
@pytest.mark.parametrize("texts", [["a red fox"], TEXTS])
def test_hugging_faces_pipeline_gives_one_vector_a_text(
    hub: Serverless, run: Run, shape: str, texts: list[str]
) -> None:
    """A hub id goes to the pipeline of its task, and vectors for each token become one for the text."""
    hub.model.shape = shape
    result = run("nbinfer/feature-extraction", "text-embedding", texts)
    assert result.vectors.shape == (len(texts), DIMENSIONS)
    assert ("their mean" in "".join(result.notices)) is (shape == "tokens")
    assert hub.requests[-1].path == "/hf-inference/models/nbinfer/feature-extraction/pipeline/feature-extraction"
    assert len(hub.requests) == 1


def test_a_loading_model_is_waited_for(made: Made, hub: Serverless) -> None:
    """A model that loads is asked again with patience, and the wait can be seen."""
    hub.model.loading, hub.model.estimated_time = 1, 1.0
    waits: list[Wait] = []
    stream = made("nbinfer/feature-extraction").stream("text-embedding", "a")
    stream.waiting = waits.append
    assert stream.drain().vectors.shape == (1, DIMENSIONS)
    assert "loading" in waits[0].reason
    assert hub.requests[-1].headers["x-wait-for-model"] == "true"
    hub.model.loading = 1
    with pytest.raises(ModelLoadingError):
        made("nbinfer/feature-extraction").run("text-embedding", "b", retries=0)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(text="<html>no</html>"),
        Reply(json=[]),
        Reply(json=[[1, 2], [3, 4]]),
        Reply(json=[["a"]]),
        Reply(json={"data": [{"x": 1}]}),
        Reply(json=3),
        Reply(json=[[]]),
    ],
    ids=["page", "nothing", "too much", "words", "other", "number", "empty"],
)
@pytest.mark.parametrize("route", ["/embed", "/v1/embeddings"])
def test_what_is_no_vector_is_told(tei: Tei, run: Run, route: str, reply: Reply) -> None:
    """An answer of another form is an error of ours, not of Python's."""
    tei.script(reply)
    with pytest.raises(BadAnswerError, match="the answer is no text-embedding"):
        run(tei.url + route, "text-embedding", "a")


def test_an_error_with_status_200_is_an_error(tei: Tei, run: Run) -> None:
    """A body that is an error raises, whatever its status."""
    tei.script(Reply(json={"error": "Model is currently loading", "estimated_time": 1}))
    with pytest.raises(ModelLoadingError):
        run(f"{tei.url}/embed", "text-embedding", "a", retries=0)


def test_a_key_that_the_server_repeats_is_hidden(made: Made, tei: Tei) -> None:
    """Neither a refusal nor nonsense shows the key."""
    key = "hf_abcdefghijklmnop"
    for reply in (Reply(401, text=f"bad {key}"), Reply(json={"key": key})):
        tei.script(reply)
        with pytest.raises(Exception, match="hidden") as raised:
            made(f"{tei.url}/embed", token=key).feature_extraction("a")
        assert key not in str(raised.value)


def test_a_preview_is_what_is_sent(made: Made, tei: Tei) -> None:
    """What a dry run shows of a given route is what goes out."""
    client = made(f"{tei.url}/embed")
    shown = client.preview("text-embedding", TEXTS, dimensions=4)
    client.feature_extraction(TEXTS, dimensions=4)
    assert shown["json"] == tei.requests[-1].body
    assert shown["url"] == f"{tei.url}/embed"
