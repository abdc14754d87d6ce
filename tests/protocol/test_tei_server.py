"""The look-alikes of TEI and of Hugging Face's front end, seen through raw HTTP and huggingface_hub's client."""

import base64
import math
import re
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from huggingface_hub import InferenceClient, constants
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.inference._providers import PROVIDERS, _common, hf_inference

from .tei import DIMENSIONS, TASKS, FrontEnd, Model, Serverless, Tei, flac, jpeg, png
from .wire.replies import Reply

TEXT = "The robot counts the waves."
NEAR = "A robot counts waves by the sea."
FAR = "Taxes rise in spring?"
LONG = "word " * 600
BAD_TYPE = "Failed to deserialize the JSON body into the target type: "
LEVELS = np.arange(0, 256, 16, np.uint8).reshape(4, 4)
PICTURE = png(LEVELS)
SOUND = flac([0, 1000])


@pytest.fixture(scope="module")
def tei_session() -> Iterator[Tei]:
    """Run one TEI look-alike for all tests."""
    with Tei() as server:
        yield server


@pytest.fixture(scope="module")
def serverless_session() -> Iterator[Serverless]:
    """Run one look-alike of the front end for all tests."""
    with Serverless() as server:
        yield server


@pytest.fixture
def tei(tei_session: Tei) -> Tei:
    """Return the TEI look-alike, which has forgotten all other tests."""
    tei_session.clear()
    return tei_session


@pytest.fixture
def serverless(serverless_session: Serverless) -> Serverless:
    """Return the look-alike of the front end, which has forgotten all other tests."""
    serverless_session.clear()
    return serverless_session


@pytest.fixture
def http(tei: Tei) -> Iterator[httpx.Client]:
    """Speak plain HTTP to TEI."""
    with httpx.Client(base_url=tei.url, timeout=5) as client:
        yield client


@pytest.fixture
def front(serverless: Serverless) -> Iterator[httpx.Client]:
    """Speak plain HTTP to the front end."""
    with httpx.Client(base_url=f"{serverless.url}/hf-inference/models", timeout=5) as client:
        yield client


@pytest.fixture
def hub() -> Iterator[InferenceClient]:
    """Speak as huggingface_hub does, to the URL that each call names."""
    with InferenceClient(token="hf_test", timeout=5) as client:
        yield client


def url(server: Serverless, task: str) -> str:
    """Return where the model of a task is."""
    return f"{server.url}/hf-inference/models/nbinfer/{task}"


def near(one: Any, other: Any) -> float:
    """Return the cosine of two vectors."""
    one, other = np.asarray(one), np.asarray(other)
    return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))


# TEI: vectors


@pytest.mark.parametrize(("inputs", "count"), [(TEXT, 1), ([TEXT], 1), ([TEXT, FAR, NEAR], 3)])
def test_embed_answers_two_levels(http: httpx.Client, inputs: Any, count: int) -> None:
    """One text or several, the answer is a list of vectors."""
    assert np.array(http.post("/embed", json={"inputs": inputs}).json()).shape == (count, DIMENSIONS)


def test_texts_that_share_words_are_near(http: httpx.Client) -> None:
    """Vectors stay the same from request to request, and common words draw texts together."""
    text, same, similar, other = http.post("/embed", json={"inputs": [TEXT, TEXT, NEAR, FAR]}).json()
    assert text == same == http.post("/embed", json={"inputs": TEXT}).json()[0]
    assert near(text, similar) > near(text, other) + 0.3


def test_vectors_have_length_one_unless_told_otherwise(http: httpx.Client) -> None:
    """`normalize` is on by default."""
    lengths = [
        np.linalg.norm(http.post("/embed", json={"inputs": TEXT} | options).json()[0])
        for options in ({}, {"normalize": True}, {"normalize": False})
    ]
    assert lengths[:2] == pytest.approx([1, 1])
    assert lengths[2] > 2


def test_numbers_are_the_shortest_of_their_kind(http: httpx.Client) -> None:
    """Numbers of 32 bits are written with as few digits as needed, as serde writes them."""
    body = http.post("/embed", json={"inputs": TEXT})
    assert all(len(number.strip("-[]").lstrip("0.")) <= 9 for number in body.text.split(","))
    assert body.json()[0] == [float(str(np.float32(number))) for number in body.json()[0]]


def test_dimensions_cut_before_the_vector_is_scaled(http: httpx.Client) -> None:
    """`dimensions` keeps the first numbers, and the vector has length one after that."""
    whole = http.post("/embed", json={"inputs": TEXT}).json()[0]
    short = http.post("/embed", json={"inputs": TEXT, "dimensions": 4}).json()[0]
    assert short == pytest.approx(np.array(whole[:4]) / np.linalg.norm(whole[:4]), abs=1e-6)


def test_embed_all_answers_a_vector_for_each_token(http: httpx.Client) -> None:
    """Token vectors come in three levels, control tokens among them, and their mean is the vector of the text."""
    (tokens,) = http.post("/embed_all", json={"inputs": TEXT}).json()
    assert len(tokens) == len(http.post("/tokenize", json={"inputs": TEXT}).json()[0])
    (whole,) = http.post("/embed", json={"inputs": TEXT, "normalize": False}).json()
    assert np.mean(tokens, axis=0) == pytest.approx(whole, abs=1e-6)


def test_ids_of_tokens_can_be_embedded(http: httpx.Client) -> None:
    """A text and the ids of its tokens get the same vector, alone and in a batch; control tokens are among the ids."""
    ids = [row["id"] for row in http.post("/tokenize", json={"inputs": TEXT}).json()[0]]
    text = http.post("/embed", json={"inputs": TEXT}).json()[0]
    bare = http.post("/embed_all", json={"inputs": ids[1:-1]}).json()[0]
    assert bare == http.post("/embed_all", json={"inputs": ids}).json()[0][1:-1]
    assert http.post("/embed", json={"inputs": ids}).json() == [text]
    assert http.post("/embed", json={"inputs": [ids, TEXT]}).json() == [text, text]


@pytest.mark.parametrize(("direction", "kept"), [("Right", "word " * 510), ("Left", "word " * 509 + "robot")])
def test_long_texts_are_cut_by_default(http: httpx.Client, direction: str, kept: str) -> None:
    """A text that is too long loses its end or its beginning."""
    body = {"inputs": LONG + "robot", "truncation_direction": direction}
    cut = http.post("/embed", json=body)
    assert cut.headers["x-compute-tokens"] == "512"
    assert cut.json()[0] == pytest.approx(http.post("/embed", json={"inputs": kept.strip()}).json()[0], abs=1e-5)


@pytest.mark.parametrize(
    ("auto", "asked", "cut"), [(True, None, True), (True, False, False), (False, None, False), (False, True, True)]
)
def test_cutting_can_be_switched_off(tei: Tei, http: httpx.Client, *, auto: bool, asked: bool, cut: bool) -> None:
    """`truncate` beats the habit of the server; without cutting a long text is refused."""
    tei.model.auto_truncate = auto
    answer = http.post("/embed", json={"inputs": LONG.strip(), "truncate": asked})
    assert answer.status_code == (200 if cut else 422)
    if not cut:
        message = "Input validation error: `inputs` must have less than 512 tokens. Given: 602"
        assert answer.json() == {"error": message, "error_type": "Validation"}


def test_prompts_stand_before_the_text(tei: Tei, http: httpx.Client) -> None:
    """`prompt_name` puts the named text in front; an unknown name is refused."""
    plain, unknown = ({"inputs": "query: robot"}, {"inputs": "robot", "prompt_name": "query"})
    assert "no prompts were found" in http.post("/embed", json=unknown).json()["error"]
    tei.model.prompts = {"passage": "passage: "}
    assert 'Available prompts: ["passage"]' in http.post("/embed", json=unknown).json()["error"]
    tei.model.prompts = {"query": "query: "}
    assert http.post("/embed", json=unknown).json() == http.post("/embed", json=plain).json()


def test_sparse_vectors_weigh_words(tei: Tei, http: httpx.Client) -> None:
    """A SPLADE model gives each word a weight under its number, in rising order."""
    tei.model.kind = "splade"
    (one,), (two,) = (http.post("/embed_sparse", json={"inputs": text}).json() for text in ("robot", "The robot robot"))
    assert one == [{"index": one[0]["index"], "value": pytest.approx(math.log(2))}]
    assert [row["index"] for row in two] == sorted(row["index"] for row in two)
    assert {row["index"]: row["value"] for row in two}[one[0]["index"]] == pytest.approx(math.log(3))


def test_a_splade_model_can_give_its_whole_row(tei: Tei, http: httpx.Client) -> None:
    """`/embed` of a SPLADE model works without scaling, with a number for each word of the vocabulary."""
    tei.model.kind = "splade"
    (row,) = http.post("/embed", json={"inputs": "robot", "normalize": False}).json()
    assert len(row) == 32000
    assert np.count_nonzero(row) == 1


# TEI: scores


def test_rerank_puts_the_nearest_first(tei: Tei, http: httpx.Client) -> None:
    """Ranks come by falling score between 0 and 1, with the place of each text in the request."""
    tei.model.kind = "reranker"
    ranks = http.post("/rerank", json={"query": TEXT, "texts": [FAR, TEXT, NEAR]}).json()
    assert [rank["index"] for rank in ranks] == [1, 2, 0]
    assert [list(rank) for rank in ranks] == [["index", "score"]] * 3
    assert 1 > ranks[0]["score"] > ranks[1]["score"] > ranks[2]["score"] > 0


def test_equal_scores_come_in_reverse(tei: Tei, http: httpx.Client) -> None:
    """Texts with equal scores change their order."""
    tei.model.kind = "reranker"
    ranks = http.post("/rerank", json={"query": TEXT, "texts": [NEAR, FAR, NEAR, NEAR]}).json()
    assert [rank["index"] for rank in ranks] == [3, 2, 0, 1]


def test_rerank_obeys_its_options(tei: Tei, http: httpx.Client) -> None:
    """`return_text` adds the text before the score, `raw_scores` leaves the score unsqueezed."""
    tei.model.kind = "reranker"
    body = {"query": TEXT, "texts": [NEAR]}
    (plain,) = http.post("/rerank", json=body).json()
    (rank,) = http.post("/rerank", json=body | {"return_text": True, "raw_scores": True}).json()
    assert list(rank) == ["index", "text", "score"]
    assert rank["text"] == NEAR
    assert plain["score"] == pytest.approx(1 / (1 + math.exp(-rank["score"])))


@pytest.mark.parametrize("path", ["/similarity", "/"])
def test_similarity_is_the_cosine(tei: Tei, http: httpx.Client, path: str) -> None:
    """Each sentence is compared with the source, on `/` too when the server was started for that."""
    tei.model.task = "sentence-similarity"
    body = {"inputs": {"source_sentence": TEXT, "sentences": [NEAR, FAR, TEXT]}}
    scores = http.post(path, json=body).json()
    rows = http.post("/embed", json={"inputs": [TEXT, NEAR, FAR, TEXT]}).json()
    assert scores == pytest.approx([near(rows[0], row) for row in rows[1:]], abs=1e-6)


@pytest.mark.parametrize(
    ("inputs", "labels"),
    [
        ("I love it", ["POSITIVE", "NEGATIVE"]),
        (["I hate", "it"], ["NEGATIVE", "POSITIVE"]),
        (["bad"], ["NEGATIVE", "POSITIVE"]),
    ],
)
def test_predict_answers_one_level_for_one_input(tei: Tei, http: httpx.Client, inputs: Any, labels: list[str]) -> None:
    """A text or a pair gets a list of labels, best first, whose scores sum to one."""
    tei.model.kind = "classifier"
    rows = http.post("/predict", json={"inputs": inputs}).json()
    assert [row["label"] for row in rows] == labels
    assert list(rows[0]) == ["score", "label"]
    assert sum(row["score"] for row in rows) == pytest.approx(1)


def test_predict_answers_two_levels_for_a_batch(tei: Tei, http: httpx.Client) -> None:
    """A list of lists gets a list of labels each; raw scores are logits."""
    tei.model.kind = "classifier"
    rows = http.post("/predict", json={"inputs": [["good"], ["bad", "awful"]], "raw_scores": True}).json()
    assert [row[0] for row in rows] == [{"score": 1.25, "label": "POSITIVE"}, {"score": 1.75, "label": "NEGATIVE"}]


def test_a_reranker_predicts_its_one_label(tei: Tei, http: httpx.Client) -> None:
    """`/predict` of a re-ranker gives the score of a pair under its only label."""
    tei.model.kind = "reranker"
    (rank,) = http.post("/rerank", json={"query": TEXT, "texts": [NEAR]}).json()
    expected = {"score": rank["score"], "label": "LABEL_0"}
    assert http.post("/predict", json={"inputs": [TEXT, NEAR]}).json() == [expected]


def test_a_pair_loses_its_longer_text_first(tei: Tei, http: httpx.Client) -> None:
    """A long document is cut and a short query is not, so the query still counts."""
    tei.model.kind = "reranker"
    answer = http.post("/rerank", json={"query": "robot", "texts": ["robot " * 600, LONG]})
    assert answer.headers["x-compute-tokens"] == "1024"
    assert [rank["index"] for rank in answer.json()] == [0, 1]
    refused = http.post("/rerank", json={"query": "robot", "texts": [LONG.strip()], "truncate": False})
    assert "Given: 604" in refused.json()["error"]


# TEI: OpenAI's dialect, tokens, information


@pytest.mark.parametrize("path", ["/v1/embeddings", "/embeddings"])
def test_openai_embeddings(http: httpx.Client, path: str) -> None:
    """OpenAI's form holds the same vectors as `/embed`, numbered, with the tokens that were read."""
    answer = http.post(path, json={"input": [TEXT, FAR], "model": "any", "user": None}).json()
    assert list(answer) == ["object", "data", "model", "usage"]
    assert [list(row) for row in answer["data"]] == [["object", "embedding", "index"]] * 2
    rows = http.post("/embed", json={"inputs": [TEXT, FAR]})
    assert [row["embedding"] for row in answer["data"]] == rows.json()
    assert [row["index"] for row in answer["data"]] == [0, 1]
    tokens = int(rows.headers["x-compute-tokens"])
    assert answer["usage"] == {"prompt_tokens": tokens, "total_tokens": tokens}


def test_openai_embeddings_as_base64(http: httpx.Client) -> None:
    """Base64 holds the numbers as little-endian floats of 32 bits."""
    body = {"input": TEXT, "dimensions": 4}
    (plain,) = http.post("/v1/embeddings", json=body).json()["data"]
    (coded,) = http.post("/v1/embeddings", json=body | {"encoding_format": "base64"}).json()["data"]
    assert np.frombuffer(base64.b64decode(coded["embedding"]), "<f4").tolist() == pytest.approx(plain["embedding"])


def test_tokens_go_there_and_back(http: httpx.Client) -> None:
    """`/tokenize` tells ids and places, with control tokens unless told otherwise, and `/decode` undoes it."""
    (rows,) = http.post("/tokenize", json={"inputs": TEXT}).json()
    assert rows[0] == {"id": 1, "text": "<s>", "special": True, "start": None, "stop": None}
    assert [TEXT[row["start"] : row["stop"]] for row in rows[1:-1]] == [row["text"] for row in rows[1:-1]]
    ids = [row["id"] for row in rows]
    assert http.post("/decode", json={"ids": ids}).json() == [TEXT]
    assert http.post("/decode", json={"ids": [ids], "skip_special_tokens": False}).json() == [f"<s>{TEXT}</s>"]
    several = http.post("/tokenize", json={"inputs": [TEXT, FAR], "add_special_tokens": False}).json()
    assert several[0] == rows[1:-1]
    assert http.post("/decode", json={"ids": [[row["id"] for row in text] for text in several]}).json() == [TEXT, FAR]


@pytest.mark.parametrize(
    ("kind", "model_type"),
    [
        ("embedding", {"embedding": {"pooling": "mean"}}),
        ("splade", {"embedding": {"pooling": "splade"}}),
        ("reranker", {"reranker": {"id2label": {"0": "LABEL_0"}, "label2id": {"LABEL_0": 0}}}),
        (
            "classifier",
            {
                "classifier": {
                    "id2label": {"0": "NEGATIVE", "1": "POSITIVE"},
                    "label2id": {"NEGATIVE": 0, "POSITIVE": 1},
                }
            },
        ),
    ],
)
def test_info_tells_what_is_served(tei: Tei, http: httpx.Client, kind: str, model_type: dict[str, Any]) -> None:
    """`/info` names the kind of the model and the limits, in TEI's words."""
    tei.model = Model(kind=kind, max_client_batch_size=8)
    info = http.get("/info").json()
    assert " ".join(info) == (
        "model_id model_sha model_dtype model_type max_concurrent_requests max_input_length max_batch_tokens "
        "max_batch_requests max_client_batch_size auto_truncate tokenization_workers version sha docker_label"
    )
    assert (info["model_type"], info["max_client_batch_size"]) == (model_type, 8)


def test_health_and_metrics(tei: Tei, http: httpx.Client) -> None:
    """Health is an empty answer or 503, and metrics count requests."""
    for path in ("/", "/health", "/ping"):
        assert (http.get(path).status_code, http.get(path).content) == (200, b"")
    http.post("/embed", json={"inputs": [TEXT]})
    assert 'te_request_count{method="batch"} 1\n' in http.get("/metrics").text
    tei.model.healthy = False
    answer = http.get("/health")
    assert (answer.status_code, answer.json()) == (503, {"error": "unhealthy", "error_type": "Unhealthy"})


@pytest.mark.parametrize(
    ("kind", "body", "same"),
    [
        ("embedding", {"inputs": TEXT}, "/embed"),
        ("splade", {"inputs": TEXT}, "/embed_sparse"),
        ("reranker", {"query": TEXT, "texts": [NEAR]}, "/rerank"),
        ("classifier", {"inputs": TEXT}, "/predict"),
    ],
)
def test_the_root_is_what_fits_the_model(
    tei: Tei, http: httpx.Client, kind: str, body: dict[str, Any], same: str
) -> None:
    """`/` and `/invocations` answer as the route that the model is made for."""
    tei.model.kind = kind
    assert http.post("/", json=body).json() == http.post(same, json=body).json()
    assert http.post("/invocations", json=body).json() == http.post(same, json=body).json()


def test_headers_tell_times_in_milliseconds(http: httpx.Client) -> None:
    """Answers of the model tell times as whole milliseconds, characters and tokens."""
    headers = http.post("/embed", json={"inputs": ["ab c", "é"]}).headers
    assert headers["x-compute-type"] == "gpu+optimized"
    assert headers["x-compute-characters"] == "5"
    assert headers["x-compute-tokens"] == "7"
    assert headers["x-compute-time"] == headers["x-total-time"] == "9"
    assert {"x-tokenization-time", "x-queue-time", "x-inference-time"} <= set(headers)


# TEI: refusals


@pytest.mark.parametrize(
    ("kind", "path", "body", "message"),
    [
        ("embedding", "/rerank", {"query": "a", "texts": ["b"]}, "model is not a re-ranker model"),
        ("classifier", "/rerank", {"query": "a", "texts": ["b"]}, "model is not a re-ranker model"),
        ("embedding", "/predict", {"inputs": "a"}, "Model is not a classifier model"),
        ("reranker", "/embed", {"inputs": "a"}, "Model is not an embedding model"),
        ("reranker", "/embed_all", {"inputs": "a"}, "Model is not an embedding model"),
        ("classifier", "/similarity", {"inputs": {"source_sentence": "a", "sentences": ["b"]}}, "Model is not an emb"),
        ("embedding", "/embed_sparse", {"inputs": "a"}, "Model is not an embedding model with SPLADE pooling"),
        ("splade", "/embed", {"inputs": "a"}, "`normalize` is not available for SPLADE models"),
        ("splade", "/embed_all", {"inputs": "a"}, "`embed_all` is not available for SPLADE models"),
    ],
)
def test_a_model_of_another_kind(
    tei: Tei, http: httpx.Client, kind: str, path: str, body: dict[str, Any], message: str
) -> None:
    """What the model was not made for is refused with 424 and the type Backend."""
    tei.model.kind = kind
    answer = http.post(path, json=body)
    assert answer.status_code == 424
    assert answer.json()["error"].startswith(f"Backend error: {message}")
    assert answer.json()["error_type"] == "Backend"


@pytest.mark.parametrize(
    ("kind", "path", "body", "message"),
    [
        ("embedding", "/embed", {"inputs": ""}, "Input validation error: `inputs` cannot be empty"),
        ("embedding", "/embed", {"inputs": []}, "Input validation error: `inputs` cannot be empty"),
        ("embedding", "/embed", {"inputs": ["a", ""]}, "Input validation error: `inputs` cannot be empty"),
        ("embedding", "/tokenize", {"inputs": []}, "`inputs` cannot be empty"),
        ("embedding", "/decode", {"ids": []}, "Input validation error: `input_ids` cannot be empty"),
        ("reranker", "/rerank", {"query": "a", "texts": []}, "`texts` cannot be empty"),
        (
            "embedding",
            "/similarity",
            {"inputs": {"source_sentence": "a", "sentences": []}},
            "`inputs.sentences` cannot be empty",
        ),
    ],
)
def test_nothing_to_do(tei: Tei, http: httpx.Client, kind: str, path: str, body: dict[str, Any], message: str) -> None:
    """Empty inputs are refused with 400 and the type Empty."""
    tei.model.kind = kind
    answer = http.post(path, json=body)
    assert (answer.status_code, answer.json()) == (400, {"error": message, "error_type": "Empty"})


@pytest.mark.parametrize(
    ("kind", "path", "body", "count"),
    [
        ("embedding", "/embed", {"inputs": ["a"] * 33}, 33),
        ("embedding", "/embed_all", {"inputs": ["a"] * 33}, 33),
        ("splade", "/embed_sparse", {"inputs": ["a"] * 40}, 40),
        ("reranker", "/rerank", {"query": "a", "texts": ["b"] * 33}, 33),
        ("classifier", "/predict", {"inputs": [["a"]] * 33}, 33),
        ("embedding", "/similarity", {"inputs": {"source_sentence": "a", "sentences": ["b"] * 32}}, 33),
        ("embedding", "/tokenize", {"inputs": ["a"] * 33}, 33),
        ("embedding", "/decode", {"ids": [[5]] * 33}, 33),
    ],
)
def test_too_many_inputs(tei: Tei, http: httpx.Client, kind: str, path: str, body: dict[str, Any], count: int) -> None:
    """A batch over the limit is refused with the type Validation; the source sentence counts too."""
    tei.model.kind = kind
    answer = http.post(path, json=body)
    message = f"batch size {count} > maximum allowed batch size 32"
    assert (answer.status_code, answer.json()) == (422, {"error": message, "error_type": "Validation"})


@pytest.mark.parametrize(
    ("dimensions", "message"),
    [
        (0, "`dimensions` should be positive"),
        (17, "`dimensions` should be smaller than the maximum embedding dimension."),
    ],
)
def test_dimensions_must_be_there(http: httpx.Client, dimensions: int, message: str) -> None:
    """A vector cannot have no numbers, nor more than the model makes."""
    answer = http.post("/embed", json={"inputs": TEXT, "dimensions": dimensions})
    expected = {"error": f"Input validation error: {message}", "error_type": "Validation"}
    assert (answer.status_code, answer.json()) == (422, expected)


def test_openai_routes_have_their_own_form_of_errors(http: httpx.Client) -> None:
    """Refusals of OpenAI's routes are message, code and type."""
    answer = http.post("/v1/embeddings", json={"input": ["a"] * 33})
    message = "batch size 33 > maximum allowed batch size 32"
    assert (answer.status_code, answer.json()) == (422, {"message": message, "code": 422, "type": "Validation"})


def test_old_versions_say_too_large(tei: Tei, http: httpx.Client) -> None:
    """A test can choose the status of a type of error, such as the 413 of old versions."""
    tei.model.statuses["Validation"] = 413
    assert http.post("/embed", json={"inputs": ["a"] * 33}).status_code == 413


def test_an_overloaded_model(tei: Tei, http: httpx.Client) -> None:
    """When there is no room, every route of the model answers 429."""
    tei.model.overloaded = True
    answer = http.post("/embed", json={"inputs": TEXT})
    expected = {"error": "Model is overloaded", "error_type": "Overloaded"}
    assert (answer.status_code, answer.json()) == (429, expected)
    assert http.post("/v1/embeddings", json={"input": TEXT}).json()["type"] == "Overloaded"


def test_a_key_can_be_required(tei: Tei, http: httpx.Client) -> None:
    """With a key, all but health and metrics answer 401 with an empty body unless it is given exactly."""
    tei.model.api_key = "Secret"
    refused = http.post("/embed", json={"inputs": TEXT})
    assert (refused.status_code, refused.content) == (401, b"")
    assert http.get("/info").status_code == 401
    assert http.get("/health").status_code == http.get("/metrics").status_code == http.get("/").status_code == 200
    for key, status in (("bearer Secret", 401), ("Bearer secret", 401), ("Bearer Secret", 200)):
        answer = http.post("/embed", json={"inputs": TEXT}, headers={"authorization": key})
        assert answer.status_code == status


PAIRS = (
    "a string, a pair of strings [string, string] or a batch of mixed strings and pairs "
    "[[string], [string, string], ...]"
)


@pytest.mark.parametrize(
    ("path", "body", "why"),
    [
        ("/embed", "{}", "missing field `inputs` at line 1 column 2"),
        (
            "/embed",
            '{"inputs":{"a":1}}',
            "inputs: data did not match any variant of untagged enum Input at line 1 column 17",
        ),
        ("/embed", '{"inputs":"a","normalize":null}', "normalize: invalid type: null, expected a boolean"),
        ("/embed", '{"inputs":"a","dimensions":-1}', "dimensions: invalid value: integer `-1`, expected usize"),
        (
            "/embed",
            '{"inputs":"a","truncation_direction":"left"}',
            "truncation_direction: unknown variant `left`, expected `Left` or `Right`",
        ),
        ("/embed", '{"inputs":"a","truncation_direction":null}', "truncation_direction: expected value"),
        ("/rerank", '{"query":"a","texts":"b"}', 'texts: invalid type: string "b", expected a sequence'),
        ("/rerank", '{"query":"a","texts":[1]}', "texts[0]: invalid type: integer `1`, expected a string"),
        ("/similarity", '{"inputs":{"sentences":[]}}', "inputs: missing field `source_sentence`"),
        ("/similarity", '{"inputs":"a"}', 'inputs: invalid type: string "a", expected struct SimilarityInput'),
        ("/predict", '{"inputs":5}', f"inputs: invalid type: integer `5`, expected {PAIRS}"),
        ("/predict", '{"inputs":["a","b","c"]}', f"inputs: invalid length 3, expected {PAIRS}"),
        ("/predict", '{"inputs":[1]}', "inputs: data did not match any variant of untagged enum Internal"),
        ("/predict", '{"inputs":[["a"],"b"]}', 'inputs: invalid type: string "b", expected a sequence'),
        (
            "/v1/embeddings",
            '{"input":"a","encoding_format":"int8"}',
            "encoding_format: unknown variant `int8`, expected `float` or `base64`",
        ),
        ("/decode", '{"ids":"a"}', "ids: data did not match any variant of untagged enum InputIds"),
    ],
)
def test_malformed_bodies_are_refused_as_text(http: httpx.Client, path: str, body: str, why: str) -> None:
    """What has the wrong types is refused as text/plain, before anything else, on OpenAI's routes too."""
    answer = http.post(path, content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.text.startswith(BAD_TYPE + why)


def test_null_is_the_same_as_absent_for_optional_fields(http: httpx.Client) -> None:
    """Optional fields may be null, and unknown ones are ignored."""
    body = {"inputs": TEXT, "truncate": None, "prompt_name": None, "dimensions": None, "parameters": {"normalize": 0}}
    assert http.post("/embed", json=body).json() == http.post("/embed", json={"inputs": TEXT}).json()


def test_routes_that_are_not_there(http: httpx.Client) -> None:
    """Unknown paths are 404, other methods 405."""
    assert http.post("/generate", json={"inputs": TEXT}).status_code == 404
    assert (http.get("/embed").status_code, http.get("/embed").headers["allow"]) == (405, "POST")
    assert (http.put("/").status_code, http.put("/").headers["allow"]) == (405, "GET,POST")


def test_scripts_come_before_the_model(tei: Tei, http: httpx.Client) -> None:
    """A scripted reply is used up first, and clear() forgets it with everything else."""
    tei.script(Reply(503), times=2)
    tei.model.kind = "reranker"
    assert http.post("/embed", json={"inputs": TEXT}).status_code == 503
    tei.clear()
    assert http.post("/embed", json={"inputs": TEXT}).status_code == 200
    assert len(tei.requests) == 1


# TEI through huggingface_hub


@pytest.mark.parametrize("path", ["", "/embed"])
def test_hub_gets_embeddings_from_tei(tei: Tei, http: httpx.Client, hub: InferenceClient, path: str) -> None:
    """Hub's client sends its options at top level and gets an array of one row."""
    array = hub.feature_extraction(TEXT, model=tei.url + path, normalize=False, dimensions=4)
    assert tei.requests[0].body == {"inputs": TEXT, "normalize": False, "dimensions": 4}
    expected = http.post("/embed", json={"inputs": TEXT, "normalize": False, "dimensions": 4}).json()
    assert array.shape == (1, 4)
    assert array == pytest.approx(np.array(expected, "float32"))


def test_hub_compares_sentences_with_tei(tei: Tei, hub: InferenceClient) -> None:
    """Hub's client gets a score for each sentence."""
    scores = hub.sentence_similarity(TEXT, [NEAR, FAR], model=f"{tei.url}/similarity")
    assert scores[0] > scores[1]


def test_hub_reads_the_info_of_tei(tei: Tei) -> None:
    """Hub's client reads `/info` and `/health`."""
    with InferenceClient(model=tei.url, provider="hf-inference", token="hf_test", timeout=5) as client:
        assert client.get_endpoint_info()["model_type"] == {"embedding": {"pooling": "mean"}}
        assert client.health_check() is True


def test_hub_fails_on_refusals_of_tei(tei: Tei, hub: InferenceClient) -> None:
    """Hub's client raises its HTTP error with TEI's words."""
    tei.model.kind = "reranker"
    with pytest.raises(HfHubHTTPError, match="424") as caught:
        hub.feature_extraction(TEXT, model=tei.url + "/embed")
    assert "Model is not an embedding model" in str(caught.value)


# The front end: embeddings


@pytest.mark.parametrize(
    ("shape", "inputs", "expected"),
    [
        ("sentence", "a robot", (DIMENSIONS,)),
        ("sentence", ["a robot", "sea"], (2, DIMENSIONS)),
        ("tokens", "a robot", (1, 4, DIMENSIONS)),
        ("tokens", ["a robot", "the sea"], (2, 1, 4, DIMENSIONS)),
    ],
)
@pytest.mark.parametrize(
    "path", ["/nbinfer/feature-extraction", "/nbinfer/sentence-similarity/pipeline/feature-extraction"]
)
def test_the_shapes_of_feature_extraction(
    serverless: Serverless, front: httpx.Client, path: str, shape: str, inputs: Any, expected: tuple[int, ...]
) -> None:
    """A sentence model gives a vector for each text, a plain one a vector for each token; one text loses a level."""
    serverless.model.shape = shape
    assert np.array(front.post(path, json={"inputs": inputs}).json()).shape == expected


def test_token_vectors_are_ragged(serverless: Serverless, front: httpx.Client) -> None:
    """Texts of different lengths have different numbers of token vectors, whose mean is that of a sentence model."""
    body = {"inputs": ["a robot by the sea", "sea"], "normalize": False}
    sentences = front.post("/nbinfer/feature-extraction", json=body).json()
    serverless.model.shape = "tokens"
    tokens = front.post("/nbinfer/feature-extraction", json=body, headers={"x-use-cache": "0"}).json()
    assert [len(text[0]) for text in tokens] == [7, 3]
    assert [np.mean(text[0], axis=0) for text in tokens] == pytest.approx(np.array(sentences), abs=1e-6)


def test_options_count_at_top_level_only(serverless: Serverless, front: httpx.Client) -> None:
    """Options beside the inputs are obeyed, the same under `parameters` are not seen."""
    serverless.model.prompts = {"query": "query: "}
    options = {"normalize": False, "dimensions": 4, "prompt_name": "query", "truncation_direction": "left"}
    rows = [
        front.post("/nbinfer/feature-extraction", json={"inputs": TEXT} | body).json()
        for body in ({}, {"parameters": options}, options)
    ]
    assert rows[0] == rows[1]
    assert np.linalg.norm(rows[0]) == pytest.approx(1)
    assert len(rows[2]) == 4


@pytest.mark.parametrize(
    "body",
    [
        {"inputs": {"source_sentence": TEXT, "sentences": [NEAR, FAR]}},
        {"inputs": None, "source_sentence": TEXT, "sentences": [NEAR, FAR]},
    ],
)
def test_sentences_are_compared(front: httpx.Client, body: dict[str, Any]) -> None:
    """Scores come in the order of the sentences, also for the form with null inputs that hub once sent."""
    for path in ("/nbinfer/sentence-similarity", "/nbinfer/feature-extraction/pipeline/sentence-similarity"):
        one, other = front.post(path, json=body).json()
        assert 1 > one > other


# The front end: classic tasks

CONTEXT = "My name is Clara and I live in Berkeley since 1999."
TABLE = {"Repository": ["Transformers", "Datasets"], "Stars": ["36542", "4512"]}


@pytest.mark.parametrize(
    ("task", "body", "expected"),
    [
        ("summarization", {"inputs": "It rained. We slept."}, [{"summary_text": "It rained."}]),
        ("translation", {"inputs": "Hello world!"}, [{"translation_text": "Bonjour monde!"}]),
        (
            "token-classification",
            {"inputs": "Ada Lovelace lived in London."},
            [
                {"entity_group": "PER", "score": 0.9, "word": "Ada Lovelace", "start": 0, "end": 12},
                {"entity_group": "LOC", "score": 0.9, "word": "London", "start": 22, "end": 28},
            ],
        ),
        (
            "token-classification",
            {"inputs": "I saw Ada", "parameters": {"aggregation_strategy": "none"}},
            [{"entity": "I-PER", "score": 0.9, "index": 3, "word": "Ada", "start": 6, "end": 9}],
        ),
        (
            "question-answering",
            {"inputs": {"question": "What is my name?", "context": CONTEXT}},
            {"score": 0.9, "start": 11, "end": 16, "answer": "Clara"},
        ),
        (
            "question-answering",
            {"question": "Where does Clara live?", "context": CONTEXT},
            {"score": 0.9, "start": 31, "end": 39, "answer": "Berkeley"},
        ),
        (
            "table-question-answering",
            {"inputs": {"query": "How many stars does Datasets have?", "table": TABLE}},
            {"answer": "4512", "coordinates": [[1, 1]], "cells": ["4512"], "aggregator": "NONE"},
        ),
    ],
)
def test_what_classic_tasks_answer(front: httpx.Client, task: str, body: dict[str, Any], expected: Any) -> None:
    """Each task answers in its own form."""
    assert front.post(f"/nbinfer/{task}", json=body).json() == expected


def test_every_task_has_a_model() -> None:
    """Unless a test names others, there is one model for each task."""
    assert sorted(FrontEnd().tasks.values()) == sorted(TASKS)


def test_several_answers_to_a_question(front: httpx.Client) -> None:
    """`top_k` turns the answer into a list, the likeliest first."""
    body = {"inputs": {"question": "Who?", "context": CONTEXT}, "parameters": {"top_k": 2}}
    assert [row["answer"] for row in front.post("/nbinfer/question-answering", json=body).json()] == [
        "Clara",
        "Berkeley",
    ]


def test_text_classification_answers_two_levels(front: httpx.Client) -> None:
    """Even one text gets a list in a list, best label first."""
    (rows,) = front.post("/nbinfer/text-classification", json={"inputs": "I hate this bad day"}).json()
    assert [row["label"] for row in rows] == ["NEGATIVE", "POSITIVE"]
    assert sum(row["score"] for row in rows) == pytest.approx(1)
    body = {"inputs": ["good", "bad"], "parameters": {"top_k": 1}}
    several = front.post("/nbinfer/text-classification", json=body).json()
    assert [[row["label"] for row in rows] for rows in several] == [["POSITIVE"], ["NEGATIVE"]]


@pytest.mark.parametrize("labels", [["taxes", "robot"], "taxes, robot"])
def test_both_forms_of_zero_shot(serverless: Serverless, front: httpx.Client, labels: Any) -> None:
    """Labels come as rows today and as columns in the older form, the best first."""
    body = {"inputs": TEXT, "parameters": {"candidate_labels": labels}}
    rows = front.post("/nbinfer/zero-shot-classification", json=body).json()
    assert [row["label"] for row in rows] == ["robot", "taxes"]
    assert sum(row["score"] for row in rows) == pytest.approx(1)
    serverless.model.zero_shot = "columns"
    columns = front.post("/nbinfer/zero-shot-classification", json=body, headers={"x-use-cache": "0"}).json()
    scores = [row["score"] for row in rows]
    assert columns == {"sequence": TEXT, "labels": ["robot", "taxes"], "scores": scores}
    body["parameters"]["multi_label"] = True
    assert sum(front.post("/nbinfer/zero-shot-classification", json=body).json()["scores"]) != pytest.approx(1)


def test_masks_are_filled(front: httpx.Client) -> None:
    """A mask gets five words or the wanted ones, several masks a list each, and a text without one is refused."""
    path = "/nbinfer/fill-mask"
    rows = front.post(path, json={"inputs": "A [MASK] here"}).json()
    assert len(rows) == 5
    assert list(rows[0]) == ["score", "token", "token_str", "sequence"]
    assert rows[0]["sequence"] == f"A {rows[0]['token_str']} here"
    wanted = {"targets": ["cat", "dog"], "top_k": 1}
    assert front.post(path, json={"inputs": "<mask>", "parameters": wanted}).json()[0]["token_str"] == "cat"
    assert [len(rows) for rows in front.post(path, json={"inputs": "[MASK] [MASK]"}).json()] == [5, 5]
    refused = front.post(path, json={"inputs": "none"})
    assert (refused.status_code, refused.json()) == (400, {"error": "No mask_token ([MASK]) found on the input"})


def files(content: bytes, **parameters: Any) -> list[dict[str, Any]]:
    """Return both ways to send a file."""
    coded = {"inputs": base64.b64encode(content).decode(), "parameters": parameters}
    return [{"json": coded}] if parameters else [{"content": content}, {"json": coded}]


def test_images_are_looked_at(front: httpx.Client) -> None:
    """Images come as bytes or as base64, and the answer hangs on the bytes."""
    for way in files(PICTURE):
        labels = front.post("/nbinfer/image-classification", **way).json()
        assert list(labels[0]) == ["label", "score"]
        assert len(labels) == 5
        (caption,) = front.post("/nbinfer/image-to-text", **way).json()
        assert labels[0]["label"] in caption["generated_text"]
        (thing,) = front.post("/nbinfer/object-detection", **way).json()
        assert list(thing) == ["score", "label", "box"]
        assert list(thing["box"]) == ["xmin", "ymin", "xmax", "ymax"]
    (way,) = files(PICTURE, top_k=2)
    assert len(front.post("/nbinfer/image-classification", **way).json()) == 2
    (way,) = files(PICTURE, threshold=0.1)
    assert len(front.post("/nbinfer/object-detection", **way).json()) == 3


def test_sounds_are_heard(front: httpx.Client) -> None:
    """Speech becomes text, with chunks when times are wanted."""
    for way in files(SOUND):
        assert front.post("/nbinfer/automatic-speech-recognition", **way).json() == {
            "text": "A robot lived by the sea."
        }
    (way,) = files(SOUND, return_timestamps=True)
    answer = front.post("/nbinfer/automatic-speech-recognition", **way).json()
    assert answer["chunks"] == [{"text": answer["text"], "timestamp": [0.0, 1.0]}]


def test_text_becomes_sound(front: httpx.Client) -> None:
    """Speech is a FLAC file that hangs on the text."""
    answer = front.post("/nbinfer/text-to-speech", json={"inputs": TEXT})
    assert answer.headers["content-type"] == "audio/flac"
    assert answer.content.startswith(b"fLaC")
    assert front.post("/nbinfer/text-to-speech", json={"inputs": FAR}).content != answer.content


def test_the_accept_header_is_a_wish(serverless: Serverless, front: httpx.Client) -> None:
    """The front end sends a JPEG whatever is accepted; a test can let it obey, or choose."""
    for served, wish, sent in (
        ("image/jpeg", "image/png", "image/jpeg"),
        (None, "image/png;q=0.9", "image/png"),
        (None, "*/*", "image/jpeg"),
        ("image/png", "image/jpeg", "image/png"),
    ):
        serverless.model.image_format = served
        headers = {"accept": wish, "x-use-cache": "0"}
        for answer in (
            front.post("/nbinfer/text-to-image", json={"inputs": TEXT}, headers=headers),
            front.post("/nbinfer/image-to-image", content=PICTURE, headers=headers),
        ):
            assert answer.headers["content-type"] == sent
            assert answer.content.startswith({"image/jpeg": b"\xff\xd8\xff", "image/png": b"\x89PNG"}[sent])


def test_an_image_has_the_size_that_was_asked_for(front: httpx.Client) -> None:
    """Width and height are obeyed where they are multiples of eight, and refused where not."""
    body = {"inputs": TEXT, "parameters": {"width": 128, "height": 16}}
    content = front.post("/nbinfer/text-to-image", json=body).content
    frame = content.index(b"\xff\xc0")
    assert struct.unpack(">HH", content[frame + 5 : frame + 9]) == (16, 128)
    body["parameters"]["width"] = 100
    refused = front.post("/nbinfer/text-to-image", json=body)
    message = "`height` and `width` have to be divisible by 8 but are 16 and 100."
    assert (refused.status_code, refused.json()) == (400, {"error": message})


def test_a_seed_makes_an_image_come_again(front: httpx.Client) -> None:
    """The same seed gives the same image, no seed another one each time."""
    fresh = {"x-use-cache": "0"}
    for parameters, same in (({"seed": 7}, True), ({}, False)):
        body = {"inputs": TEXT, "parameters": parameters}
        one, other = (front.post("/nbinfer/text-to-image", json=body, headers=fresh).content for _ in range(2))
        assert (one == other) is same


def test_the_pictures_are_real() -> None:
    """A PNG holds the grey levels, and a JPEG is a whole file of the right size."""
    data = PICTURE[PICTURE.index(b"IDAT") + 4 :]
    rows = np.frombuffer(zlib.decompress(data), np.uint8).reshape(32, 33)[:, 1:]
    assert np.array_equal(rows[::8, ::8], LEVELS)
    picture = jpeg(LEVELS)
    assert picture[:2] + picture[-2:] == b"\xff\xd8\xff\xd9"


# The front end: refusals


@pytest.mark.parametrize(
    ("task", "body", "errors"),
    [
        (
            "question-answering",
            {"inputs": {}},
            ["Error in `inputs.question`: field required", "Error in `inputs.context`: field required"],
        ),
        ("question-answering", {"inputs": "a"}, ["Error in `inputs`: value is not a valid dict"]),
        ("table-question-answering", {"inputs": {"query": "a"}}, ["Error in `inputs.table`: field required"]),
        (
            "table-question-answering",
            {"inputs": {"query": "a", "table": {"b": ["1"], "c": ["1", "2"]}}},
            ["Error in `inputs.table`: All rows in the table must be the same length"],
        ),
        ("summarization", {}, ["Error in `inputs`: field required"]),
        ("fill-mask", {"inputs": ["a"]}, ["Error in `inputs`: str type expected"]),
        ("text-to-image", {"inputs": 5}, ["Error in `inputs`: str type expected"]),
        ("zero-shot-classification", {"inputs": "a"}, ["Error in `parameters.candidate_labels`: field required"]),
        ("translation", {"inputs": "a", "parameters": 1}, ["Error in `parameters`: value is not a valid dict"]),
        (
            "fill-mask",
            {"inputs": "[MASK]", "parameters": {"top_k": 0}},
            ["Error in `parameters.top_k`: ensure this value is greater than 0"],
        ),
        (
            "sentence-similarity",
            {"inputs": {"source_sentence": "a", "sentences": "b"}},
            ["Error in `inputs.sentences`: value is not a valid list"],
        ),
        ("feature-extraction", {"inputs": []}, ["Error in `inputs`: at least one input is required"]),
        (
            "feature-extraction",
            {"inputs": "a", "normalize": 2, "dimensions": "x", "truncation_direction": "up"},
            [
                "Error in `normalize`: value could not be parsed to a boolean",
                "Error in `truncation_direction`: value is not a valid enumeration member; permitted: 'Left', 'Right'",
                "Error in `dimensions`: value is not a valid integer",
            ],
        ),
    ],
)
def test_bodies_of_the_wrong_shape(front: httpx.Client, task: str, body: dict[str, Any], errors: list[str]) -> None:
    """A body that does not fit the task is refused with 400, and `error` is a list of all that is wrong."""
    answer = front.post(f"/nbinfer/{task}", json=body)
    assert (answer.status_code, answer.json()) == (400, {"error": errors})


@pytest.mark.parametrize("way", [{"content": b"hello"}, {"json": {"inputs": "aGVsbG8="}}, {"json": {}}])
@pytest.mark.parametrize(
    ("task", "why"), [("image-to-text", "cannot identify image file"), ("automatic-speech-recognition", "Malformed")]
)
def test_files_of_the_wrong_kind(front: httpx.Client, task: str, way: dict[str, Any], why: str) -> None:
    """What is no image or no sound is refused with 400, and `error` is a text."""
    answer = front.post(f"/nbinfer/{task}", **way)
    assert answer.status_code == 400
    assert answer.json()["error"].startswith(why)


@pytest.mark.parametrize("content", [b'"Hello world!"', b"Hello world!"])
def test_a_bare_text_is_taken_as_inputs(front: httpx.Client, content: bytes) -> None:
    """A JSON string or plain bytes do for tasks that take a text."""
    answer = front.post("/nbinfer/translation", content=content)
    assert answer.json() == [{"translation_text": "Bonjour monde!"}]


def test_a_loading_model(serverless: Serverless, front: httpx.Client) -> None:
    """The first requests hear 503 with an estimate, and one that waits is answered."""
    serverless.model.loading = 2
    body = {"inputs": "Hello"}
    for _ in range(2):
        answer = front.post("/nbinfer/translation", json=body)
        late = {"error": "Model nbinfer/translation is currently loading", "estimated_time": 20.0}
        assert (answer.status_code, answer.json()) == (503, late)
    assert front.post("/nbinfer/translation", json=body).status_code == 200
    serverless.model.loading = 5
    body = {"inputs": "World"}
    assert front.post("/nbinfer/translation", json=body, headers={"x-wait-for-model": "true"}).status_code == 200
    assert front.post("/nbinfer/summarization", json=body).status_code == 200


def test_models_that_are_not_served(serverless: Serverless, front: httpx.Client) -> None:
    """Unknown, gated and paid models are refused each in their way."""
    serverless.model.gated, serverless.model.pro = {"nbinfer/translation"}, {"nbinfer/summarization"}
    unknown, gated, pro = (
        front.post(f"/{model}", json={"inputs": "a"})
        for model in ("gpt2", "nbinfer/translation", "nbinfer/summarization")
    )
    assert (unknown.status_code, unknown.json()) == (404, {"error": "Model gpt2 does not exist"})
    assert (gated.status_code, gated.headers["x-error-code"]) == (403, "GatedRepo")
    assert "you are not in the authorized list" in gated.json()["error"]
    assert pro.status_code == 400
    assert pro.json()["error"].startswith("Model requires a Pro subscription; check out hf.co/pricing")


def test_the_rate_limit(serverless: Serverless, front: httpx.Client) -> None:
    """Every answer tells what is left, and then there is 429."""
    serverless.model.quota = 1
    first, second = (front.post("/nbinfer/translation", json={"inputs": "a"}) for _ in range(2))
    assert (first.status_code, first.headers["ratelimit"]) == (200, '"api";r=0;t=55')
    assert (second.status_code, second.headers["ratelimit"]) == (429, '"api";r=0;t=55')
    assert second.headers["ratelimit-policy"] == '"fixed window";"api";q=500;w=300'
    assert second.headers["retry-after"] == "55"
    assert second.json()["error"].startswith("Rate limit reached.")


def test_a_token_can_be_required(serverless: Serverless, front: httpx.Client) -> None:
    """A wrong token is 401 with words."""
    serverless.model.api_key = "hf_test"
    refused = front.post("/nbinfer/translation", json={"inputs": "a"})
    assert (refused.status_code, refused.json()) == (401, {"error": "Invalid username or password."})
    headers = {"authorization": "Bearer hf_test"}
    assert front.post("/nbinfer/translation", json={"inputs": "a"}, headers=headers).status_code == 200


def test_a_task_that_the_model_does_not_have(serverless: Serverless, front: httpx.Client) -> None:
    """A pipeline of another task is refused, and so is a task that nothing here can do."""
    serverless.model.tasks["gpt2"] = "text-generation"
    for path in ("/nbinfer/translation/pipeline/feature-extraction", "/gpt2"):
        assert front.post(path, json={"inputs": "a"}).status_code == 400


# The front end: paths, headers, cache


@pytest.mark.parametrize(
    "path",
    [
        "/hf-inference/models/nbinfer/translation",
        "/models/nbinfer/translation",
        "/pipeline/translation/nbinfer/translation",
    ],
)
def test_the_paths_of_a_model(serverless: Serverless, path: str) -> None:
    """The router's path, the old one and the oldest lead to the same model."""
    assert httpx.post(serverless.url + path, json={"inputs": "Hello"}).json() == [{"translation_text": "Bonjour"}]
    assert httpx.get(serverless.url + path).status_code == 405
    assert httpx.post(serverless.url + "/elsewhere").status_code == 404


def test_models_without_an_organisation(serverless: Serverless, front: httpx.Client) -> None:
    """A test names models and their tasks; old names have no organisation."""
    serverless.model.tasks = {"e5": "feature-extraction"}
    for path in ("/e5", "/e5/pipeline/feature-extraction"):
        assert len(front.post(path, json={"inputs": "a"}).json()) == DIMENSIONS


@pytest.mark.parametrize(
    ("task", "way", "name", "value"),
    [
        ("translation", {"json": {"inputs": "Hello"}}, "x-compute-characters", "5"),
        ("question-answering", {"json": {"inputs": {"question": "a?", "context": "b"}}}, "x-compute-characters", "3"),
        ("image-to-text", {"content": PICTURE}, "x-compute-images", "1"),
        ("automatic-speech-recognition", {"content": SOUND}, "x-compute-audio-length", "1.0"),
    ],
)
def test_the_headers_of_an_answer(front: httpx.Client, task: str, way: dict[str, Any], name: str, value: str) -> None:
    """Answers tell the request, the commit, the machine, the time in seconds and what was measured."""
    headers = front.post(f"/nbinfer/{task}", **way).headers
    assert headers["x-request-id"] == "request-1"
    assert re.fullmatch("[0-9a-f]{40}", headers["x-sha"])
    assert (headers["x-compute-type"], headers["x-compute-time"]) == ("cpu", "0.012")
    assert headers[name] == value


@pytest.mark.parametrize("task", ["text-to-image", "text-classification"])
def test_the_same_request_is_answered_from_the_cache(front: httpx.Client, task: str) -> None:
    """A repeated request gets the same bytes, images too, and the headers show it."""
    fresh, cached = (front.post(f"/nbinfer/{task}", json={"inputs": TEXT}) for _ in range(2))
    assert cached.content == fresh.content
    assert cached.headers["content-type"] == fresh.headers["content-type"]
    assert (fresh.headers["x-compute-type"], cached.headers["x-compute-type"]) == ("cpu", "cache")
    assert not {"x-compute-time", "x-compute-characters"} & set(cached.headers)


@pytest.mark.parametrize(("value", "kept"), [("0", False), ("False", False), ("1", True), ("no", True)])
def test_the_cache_can_be_avoided(front: httpx.Client, value: str, *, kept: bool) -> None:
    """`x-use-cache` of 0 or false asks for a fresh answer, any other value does not."""
    body = {"inputs": TEXT}
    first = front.post("/nbinfer/text-to-image", json=body)
    second = front.post("/nbinfer/text-to-image", json=body, headers={"x-use-cache": value})
    assert (second.content == first.content) is kept


def test_the_cache_stands_before_the_model(serverless: Serverless, front: httpx.Client) -> None:
    """A kept answer comes even while the model is loading, errors are not kept, and other bodies miss."""
    front.post("/nbinfer/translation", json={"inputs": "Hello"})
    serverless.model.loading = 1
    assert front.post("/nbinfer/translation", json={"inputs": "Hello"}).headers["x-compute-type"] == "cache"
    assert front.post("/nbinfer/translation", json={"inputs": "World"}).status_code == 503
    for _ in range(2):
        assert front.post("/nbinfer/translation", json={}).headers["x-compute-type"] == "cpu"


# The front end: the Hub's own routes


def test_the_hub_tells_who_serves_a_model(serverless: Serverless) -> None:
    """The mapping names the providers of a model, as an object or as a list, and nothing else is told with it."""
    address = f"{serverless.url}/api/models/nbinfer/translation"
    other = {"status": "staging", "providerId": "t-1", "task": "translation"}
    serverless.model.providers = {"nbinfer/translation": {"together": other}}
    answer = httpx.get(address, params={"expand": "inferenceProviderMapping"}).json()
    own = {"status": "live", "providerId": "nbinfer/translation", "task": "translation"}
    assert list(answer) == ["_id", "id", "inferenceProviderMapping"]
    assert answer["inferenceProviderMapping"] == {"hf-inference": own, "together": other}
    serverless.model.mapping = "list"
    rows = httpx.get(f"{address}?expand[]=inferenceProviderMapping").json()["inferenceProviderMapping"]
    assert rows == [{"provider": "hf-inference"} | own, {"provider": "together"} | other]
    assert httpx.get(address, params={"expand[]": "inference"}).json()["inference"] == "warm"


def test_the_hub_tells_the_task_of_a_model(serverless: Serverless) -> None:
    """Without `expand` the task and the tags are told; unknown models are 404 with the Hub's code."""
    answer = httpx.get(f"{serverless.url}/api/models/nbinfer/feature-extraction").json()
    assert (answer["pipeline_tag"], answer["gated"]) == ("feature-extraction", False)
    assert answer["tags"] == ["feature-extraction", "sentence-similarity"]
    unknown = httpx.get(f"{serverless.url}/api/models/gpt2")
    assert (unknown.status_code, unknown.headers["x-error-code"]) == (404, "RepoNotFound")


# The front end through huggingface_hub


def test_hub_asks_the_front_end_for_a_model(
    serverless: Serverless, hub: InferenceClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hub's client finds the provider and the task of a model id at the Hub's address and then asks the router's."""
    helper = PROVIDERS["hf-inference"]["feature-extraction"]
    monkeypatch.setattr(constants, "ENDPOINT", serverless.url)
    monkeypatch.setattr(helper, "base_url", f"{serverless.url}/hf-inference")
    for remembered in (_common._fetch_inference_provider_mapping, hf_inference._check_supported_task):
        remembered.cache_clear()
    array = hub.feature_extraction([TEXT, FAR], model="nbinfer/sentence-similarity")
    assert array.shape == (2, DIMENSIONS)
    assert [(request.method, request.path, request.query) for request in serverless.requests] == [
        ("GET", "/api/models/nbinfer/sentence-similarity", "expand=inferenceProviderMapping"),
        ("GET", "/api/models/nbinfer/sentence-similarity", ""),
        ("POST", "/hf-inference/models/nbinfer/sentence-similarity/pipeline/feature-extraction", ""),
    ]


def test_hub_gets_embeddings_of_every_shape(serverless: Serverless, hub: InferenceClient) -> None:
    """Hub's client hands on what comes, one level or three."""
    address = url(serverless, "feature-extraction")
    assert hub.feature_extraction(TEXT, model=address).shape == (DIMENSIONS,)
    serverless.model.shape = "tokens"
    serverless.model.cache.clear()
    assert hub.feature_extraction("a robot", model=address).shape == (1, 4, DIMENSIONS)
    scores = hub.sentence_similarity(TEXT, [NEAR, FAR], model=url(serverless, "sentence-similarity"))
    assert scores[0] > scores[1]


def test_hub_reads_answers_about_texts(serverless: Serverless, hub: InferenceClient) -> None:
    """Hub's client reads the answers of the tasks that take a text."""

    def at(task: str) -> dict[str, str]:
        return {"model": url(serverless, task)}

    assert hub.text_classification("I love it", **at("text-classification"))[0].label == "POSITIVE"
    named = hub.token_classification("I saw Ada in Rome", **at("token-classification"))
    assert [(row.word, row.entity_group) for row in named] == [("Ada", "PER"), ("Rome", "LOC")]
    labels = hub.zero_shot_classification(TEXT, ["taxes", "robot"], **at("zero-shot-classification"))
    assert labels[0].label == "robot"
    assert hub.fill_mask("A [MASK]", top_k=2, **at("fill-mask"))[1].token_str == "robot"
    assert hub.summarization("It rained. We slept.", **at("summarization")).summary_text == "It rained."
    assert hub.translation("Hello", **at("translation")).translation_text == "Bonjour"
    answer: Any = hub.question_answering(question="What is my name?", context=CONTEXT, **at("question-answering"))
    assert (answer.answer, answer.start, answer.end) == ("Clara", 11, 16)
    table: Any = TABLE
    cell = hub.table_question_answering(table=table, query="Stars of Datasets?", **at("table-question-answering"))
    assert (cell.answer, cell.coordinates) == ("4512", [[1, 1]])
    assert hub.text_to_speech(TEXT, **at("text-to-speech")).startswith(b"fLaC")


def test_hub_reads_answers_about_files(serverless: Serverless, hub: InferenceClient) -> None:
    """Hub's client reads the answers of the tasks that take a file."""
    labels = hub.image_classification(PICTURE, model=url(serverless, "image-classification"), top_k=3)
    assert len(labels) == 3
    assert hub.object_detection(PICTURE, model=url(serverless, "object-detection"))[0].box.ymax == 40
    assert labels[0].label in str(hub.image_to_text(PICTURE, model=url(serverless, "image-to-text")).generated_text)
    heard = hub.automatic_speech_recognition(SOUND, model=url(serverless, "automatic-speech-recognition"))
    assert heard.text == "A robot lived by the sea."


def test_hub_fails_on_refusals_of_the_front_end(serverless: Serverless, hub: InferenceClient) -> None:
    """Hub's client does not wait for a loading model, and raises on every refusal."""
    serverless.model.loading = 1
    with pytest.raises(HfHubHTTPError, match="503"):
        hub.translation("Hello", model=url(serverless, "translation"))
    with pytest.raises(HfHubHTTPError, match=r"No mask_token \(\[MASK\]\) found on the input"):
        hub.fill_mask("none", model=url(serverless, "fill-mask"))
