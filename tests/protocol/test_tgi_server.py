"""The TGI look-alike itself, seen through raw HTTP and through huggingface_hub's client."""

import asyncio
import json
import re
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from huggingface_hub import AsyncInferenceClient, InferenceClient
from huggingface_hub.errors import (
    GenerationError,
    HfHubHTTPError,
    IncompleteGenerationError,
    OverloadedError,
    TextGenerationError,
    ValidationError,
)

from .tgi import ANSWER, RANDOM_SEED, Drop, Recorded, Reply, Server, Stream, burst, pieces, token_event
from .wire import ANSWERS, BROKEN_STREAMS, REFUSALS, STREAMS, wire

PROMPT = "Tell me a story."
FIRST = {"id": 12851, "text": "Once", "logprob": -0.8125, "special": False}
SECOND = {"id": 6874, "text": " upon", "logprob": -0.421875, "special": False}
WHOLE_ROUTES = [("/generate", False), ("/", True), ("/models/gpt2", True), ("/hf-inference/models/org/name", True)]


@pytest.fixture(scope="module")
def connections(tgi_session: Server) -> Iterator[httpx.Client]:
    """Keep connections open from test to test."""
    with httpx.Client(base_url=tgi_session.url, timeout=5) as client:
        yield client


@pytest.fixture
def http(tgi: Server, connections: httpx.Client) -> httpx.Client:
    """Speak plain HTTP to a server that has forgotten all other tests."""
    assert not tgi.requests
    return connections


@pytest.fixture
def hub(tgi: Server) -> Iterator[InferenceClient]:
    """Speak to the server as huggingface_hub does."""
    with InferenceClient(model=tgi.url, token="hf_test", timeout=5) as client:
        yield client


def asked(**parameters: Any) -> dict[str, Any]:
    """Return a request with parameters."""
    return {"inputs": PROMPT, "parameters": parameters}


def streamed(body: bytes) -> Iterator[Any]:
    """Yield the events of a stream, read by the rules of the standard; the last may be unterminated."""
    data: list[str] = []
    for line in [*re.split("\r\n|\r|\n", body.decode("utf-8-sig")), ""]:
        if line.startswith("data:"):
            data.append(line.removeprefix("data:").removeprefix(" "))
        elif not line and data:
            event, data = "\n".join(data), []
            if event != "[DONE]":
                yield json.loads(event)


@pytest.mark.parametrize(("path", "compat"), WHOLE_ROUTES)
def test_the_prompt_comes_back_on_compat_routes_only(http: httpx.Client, path: str, *, compat: bool) -> None:
    """`/generate` answers an object without the prompt, the compat routes a list of one with it."""
    answer = http.post(path, json=asked()).json()
    assert answer == ([{"generated_text": PROMPT + ANSWER}] if compat else {"generated_text": ANSWER})


@pytest.mark.parametrize(("path", "compat"), WHOLE_ROUTES)
@pytest.mark.parametrize("full", [True, False])
def test_return_full_text_is_obeyed(http: httpx.Client, path: str, *, compat: bool, full: bool) -> None:
    """An explicit return_full_text beats the habit of the route."""
    answer = http.post(path, json=asked(return_full_text=full)).json()
    assert (answer[0] if compat else answer)["generated_text"] == PROMPT * full + ANSWER


def test_the_body_is_what_serde_writes(http: httpx.Client) -> None:
    """The answer is compact JSON in raw UTF-8 with TGI's keys in TGI's order, absent ones absent."""
    answer = http.post("/generate", json=asked(details=True, max_new_tokens=1))
    assert answer.headers["content-type"] == "application/json"
    assert answer.text == (
        '{"generated_text":"Once","details":{"finish_reason":"length","generated_tokens":1,"seed":null,"prefill":[],'
        '"tokens":[{"id":12851,"text":"Once","logprob":-0.8125,"special":false}]}}'
    )
    assert "é" in http.post("/generate", json=asked()).text


def test_every_key_of_details_is_in_its_place(http: httpx.Client) -> None:
    """Prefill, best_of_sequences and top_tokens appear when asked for, in TGI's order."""
    parameters = {"best_of": 2, "do_sample": True, "top_n_tokens": 2, "decoder_input_details": True}
    details = http.post("/generate", json=asked(**parameters, max_new_tokens=2)).json()["details"]
    shared = ["finish_reason", "generated_tokens", "seed", "prefill", "tokens"]
    assert list(details) == [*shared, "best_of_sequences", "top_tokens"]
    assert list(details["best_of_sequences"][0]) == ["generated_text", *shared, "top_tokens"]
    assert details["prefill"][0] == {"id": 1, "text": "<s>", "logprob": None}
    assert "".join(token["text"] for token in details["prefill"][1:]) == PROMPT
    assert [alternatives[0] for alternatives in details["top_tokens"]] == details["tokens"] == [FIRST, SECOND]
    assert [len(alternatives) for alternatives in details["top_tokens"]] == [2, 2]


def test_the_best_of_several_is_on_top(http: httpx.Client) -> None:
    """The run with the highest mean log probability wins."""
    details = http.post("/generate", json=asked(best_of=2, do_sample=True, details=True)).json()["details"]
    means = [sum(token["logprob"] for token in run["tokens"]) for run in (details, *details["best_of_sequences"])]
    assert means == sorted(means, reverse=True)


def test_prefill_is_empty_when_it_is_switched_off(tgi: Server, http: httpx.Client) -> None:
    """A server that was started without prefill logprobs shows none."""
    tgi.model.prefill = False
    assert http.post("/generate", json=asked(decoder_input_details=True)).json()["details"]["prefill"] == []


def test_truncate_keeps_the_end_of_the_prompt(http: httpx.Client) -> None:
    """Only the last tokens are seen, yet the whole prompt is returned."""
    answer = http.post("/generate", json=asked(truncate=2, decoder_input_details=True, return_full_text=True))
    assert [token["text"] for token in answer.json()["details"]["prefill"]] == [" story", "."]
    assert answer.json()["generated_text"].startswith(PROMPT)
    assert answer.headers["x-prompt-tokens"] == "2"


def test_a_json_grammar_gives_json(http: httpx.Client) -> None:
    """A JSON grammar is answered by an object that has its properties."""
    schema = {"properties": {"name": {"type": "string"}, "legs": {"type": "integer", "minimum": 4}}}
    for value in (schema, json.dumps(schema)):
        answer = http.post("/generate", json=asked(grammar={"type": "json", "value": value})).json()
        assert json.loads(answer["generated_text"]) == {"name": "robot", "legs": 4}


def test_the_answer_can_be_given_as_tokens(tgi: Server, http: httpx.Client) -> None:
    """A test decides where tokens end."""
    tgi.model.answer = ["", "", "🐦", "STO", "P!"]
    details = http.post("/generate", json=asked(details=True)).json()["details"]
    assert [token["text"] for token in details["tokens"]] == ["", "", "🐦", "STO", "P!", "</s>"]


def test_plain_answers_carry_the_timing_headers(http: httpx.Client) -> None:
    """Whole answers tell times, tokens and characters."""
    headers = http.post("/generate", json=asked(max_new_tokens=3)).headers
    assert headers["x-compute-type"] == "1-a10-g"
    assert headers["x-compute-time"] == "0.032"
    assert headers["x-compute-characters"] == str(len(PROMPT))
    assert headers["x-prompt-tokens"] == str(1 + len(pieces(PROMPT)))
    assert headers["x-generated-tokens"] == "3"
    assert {"x-total-time", "x-validation-time", "x-queue-time", "x-inference-time", "x-time-per-token"} <= set(headers)


@pytest.mark.parametrize(
    ("body", "seed"),
    [
        ({"inputs": PROMPT, "parameters": {"details": True}}, None),
        (asked(details=True, seed=7), None),
        (asked(details=True, temperature=1.0, seed=7), None),
        (asked(details=True, temperature=0.5, seed=7), 7),
        (asked(details=True, do_sample=True, seed=2**64 - 1), 2**64 - 1),
        (asked(details=True, do_sample=True), RANDOM_SEED),
        (asked(details=True, top_k=5), RANDOM_SEED),
        (asked(details=True, top_p=0.9), RANDOM_SEED),
        (asked(details=True, typical_p=0.9), RANDOM_SEED),
    ],
)
def test_the_seed_is_told_when_sampling(http: httpx.Client, body: dict[str, Any], seed: int | None) -> None:
    """`details.seed` is the seed, given or drawn, when the model samples, else null."""
    assert http.post("/generate", json=body).json()["details"]["seed"] == seed


@pytest.mark.parametrize(("body", "draws"), [({"inputs": PROMPT}, 1), ({"inputs": PROMPT, "parameters": {}}, 0)])
def test_without_parameters_the_model_samples(http: httpx.Client, body: dict[str, Any], draws: int) -> None:
    """A request without `parameters` draws a seed, one with empty `parameters` does not."""
    http.post("/generate", json=body)
    seed = http.post("/generate", json=asked(details=True, do_sample=True)).json()["details"]["seed"]
    assert RANDOM_SEED - seed == draws


@pytest.mark.parametrize(
    ("parameters", "text", "reason", "count"),
    [
        ({"max_new_tokens": 3}, "Once upon a", "length", 3),
        ({"stop": ["upon"]}, "Once upon", "stop_sequence", 2),
        ({"stop": ["nothing", " a time"]}, "Once upon a time", "stop_sequence", 4),
        ({"stop": ["upon"], "max_new_tokens": 2}, "Once upon", "length", 2),
        ({"stop": ["pon"]}, "Once upon", "stop_sequence", 2),
        ({"stop": ["upo"]}, ANSWER, "eos_token", len(pieces(ANSWER)) + 1),
        ({}, ANSWER, "eos_token", len(pieces(ANSWER)) + 1),
        ({"max_new_tokens": len(pieces(ANSWER)) + 1}, ANSWER, "length", len(pieces(ANSWER)) + 1),
        ({"max_new_tokens": len(pieces(ANSWER))}, ANSWER, "length", len(pieces(ANSWER))),
    ],
)
def test_why_a_run_ends(http: httpx.Client, parameters: dict[str, Any], text: str, reason: str, count: int) -> None:
    """The count comes first, then the end token, then stop texts, which stay and must end with a token."""
    answer = http.post("/generate", json=asked(details=True, **parameters)).json()
    assert answer["generated_text"] == text
    assert answer["details"]["finish_reason"] == reason
    assert answer["details"]["generated_tokens"] == len(answer["details"]["tokens"]) == count
    assert answer["details"]["tokens"][-1]["special"] is (count > len(pieces(ANSWER)))


def test_a_newline_after_a_stop_text_does_not_hide_it(tgi: Server, http: httpx.Client) -> None:
    """The stop test allows for one newline at the end."""
    tgi.model.answer = ["one", " END\n", "two"]
    assert http.post("/generate", json=asked(stop=["END"])).json() == {"generated_text": "one END\n"}


VALIDATION = [
    ({"best_of": 3}, "`best_of` must be > 0 and <= 2. Given: 3"),
    ({"best_of": 2}, "you must use sampling when `best_of` is > 1"),
    ({"temperature": 0}, "`temperature` must be strictly positive"),
    ({"repetition_penalty": 0.0}, "`repetition_penalty` must be strictly positive"),
    ({"frequency_penalty": 2.5}, "`frequency_penalty` must be >= -2.0 and <= 2.0"),
    ({"top_p": 1.0}, "`top_p` must be > 0.0 and < 1.0"),
    ({"typical_p": 0}, "`typical_p` must be > 0.0 and < 1.0"),
    ({"top_k": 0}, "`top_k` must be strictly positive"),
    ({"max_new_tokens": 0}, "`max_new_tokens` must be strictly positive"),
    ({"stop": list("abcde")}, "`stop` supports up to 4 stop sequences. Given: 5"),
    ({"best_of": 2, "do_sample": True, "seed": 1}, "`seed` must not be set when `best_of` > 1"),
    ({"top_n_tokens": 6}, "`top_n_tokens` must be >= 0 and <= 5. Given: 6"),
    ({"truncate": 0}, "`truncate` must be strictly positive and less than 4095. Given: 0"),
    ({"truncate": 4096}, "`truncate` must be strictly positive and less than 4095. Given: 4096"),
    (
        {"max_new_tokens": 4096},
        "`inputs` tokens + `max_new_tokens` must be <= 4096. Given: 6 `inputs` tokens and 4096 `max_new_tokens`",
    ),
    ({"grammar": {"type": "json", "value": {}}}, "grammar is not valid: Grammar must have a 'properties' field"),
    ({"temperature": -1, "top_p": 5, "max_new_tokens": 0}, "`temperature` must be strictly positive"),
]


@pytest.mark.parametrize("path", ["/generate", "/", "/models/gpt2"])
@pytest.mark.parametrize(("parameters", "message"), VALIDATION)
def test_validation_says_what_is_wrong_first(
    http: httpx.Client, path: str, parameters: dict[str, Any], message: str
) -> None:
    """Plain routes refuse with 422, TGI's words and the type `validation`."""
    answer = http.post(path, json=asked(**parameters))
    assert answer.status_code == 422
    assert answer.text == json.dumps(
        {"error": f"Input validation error: {message}", "error_type": "validation"}, separators=(",", ":")
    )


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"best_of": 0}, "`best_of` != 1 is not supported when streaming tokens"),
        ({"best_of": 3}, "`best_of` != 1 is not supported when streaming tokens"),
        (
            {"decoder_input_details": True, "temperature": 0},
            "`decoder_input_details` == true is not supported when streaming tokens",
        ),
        *VALIDATION[2:10],
    ],
)
def test_streams_refuse_inside_the_stream(http: httpx.Client, parameters: dict[str, Any], message: str) -> None:
    """A stream begins with 200 and tells what is wrong as its only event."""
    answer = http.post("/generate_stream", json=asked(**parameters))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/event-stream"
    assert answer.text == f'data: {{"error":"Input validation error: {message}","error_type":"validation"}}\n\n'


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ("", "`inputs` cannot be empty"),
        ("a " * 4095, "`inputs` must have less than 4095 tokens. Given: 4096"),
        (
            "a " * 5000,
            "`inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5002 `inputs` tokens and 0 `max_new_tokens`",
        ),
    ],
)
def test_the_prompt_must_have_the_right_length(http: httpx.Client, inputs: str, message: str) -> None:
    """Empty and long prompts are refused."""
    answer = http.post("/generate", json={"inputs": inputs.strip() if len(inputs) < 9000 else inputs})
    assert answer.json()["error"] == f"Input validation error: {message}"


@pytest.mark.parametrize("parameters", [{"best_of": 0}, {"top_n_tokens": 0}, {"truncate": 4095}, {"unheard_of": 1}])
def test_odd_requests_that_pass(http: httpx.Client, parameters: dict[str, Any]) -> None:
    """Zero best_of, zero top_n_tokens, truncation at the limit and unknown names are accepted."""
    assert http.post("/generate", json=asked(**parameters)).json() == {"generated_text": ANSWER}


def test_null_is_the_same_as_absent_for_optional_parameters(http: httpx.Client) -> None:
    """Optional parameters may be null."""
    names = ("best_of", "temperature", "top_k", "max_new_tokens", "return_full_text", "seed", "grammar", "adapter_id")
    assert http.post("/", json=asked(**dict.fromkeys(names))).json() == [{"generated_text": PROMPT + ANSWER}]


BAD_TYPE = "Failed to deserialize the JSON body into the target type: "
BAD_JSON = "Failed to parse the request body as JSON: "


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        ("{}", 422, BAD_TYPE + "missing field `inputs` at line 1 column 2"),
        (
            '{"inputs":["a"]}',
            422,
            BAD_TYPE + "inputs: invalid type: sequence, expected a string at line 1 column 11",
        ),
        (
            '{"inputs":null}',
            422,
            BAD_TYPE + "inputs: invalid type: null, expected a string at line 1 column 14",
        ),
        (
            '{"inputs":"a","parameters":null}',
            422,
            BAD_TYPE + "parameters: invalid type: null, expected struct GenerateParameters at line 1 column 31",
        ),
        (
            '{"inputs":"a",\n"parameters":{"top_k":2.5}}',
            422,
            BAD_TYPE + "parameters.top_k: invalid type: floating point `2.5`, expected i32 at line 2 column 25",
        ),
        (
            '{"inputs":"a","parameters":{"seed":-1}}',
            422,
            BAD_TYPE + "parameters.seed: invalid value: integer `-1`, expected u64 at line 1 column 37",
        ),
        (
            '{"inputs":"a","parameters":{"seed":18446744073709551616}}',
            422,
            BAD_TYPE + "parameters.seed: invalid type: floating point `18446744073709551616.0`, expected u64"
            " at line 1 column 55",
        ),
        (
            '{"inputs":"a","parameters":{"do_sample":null}}',
            422,
            BAD_TYPE + "parameters.do_sample: invalid type: null, expected a boolean at line 1 column 44",
        ),
        (
            '{"inputs":"a","parameters":{"stop":"x"}}',
            422,
            BAD_TYPE + 'parameters.stop: invalid type: string "x", expected a sequence at line 1 column 38',
        ),
        (
            '{"inputs":"a","parameters":{"stop":[1]}}',
            422,
            BAD_TYPE + "parameters.stop[0]: invalid type: integer `1`, expected a string at line 1 column 37",
        ),
        (
            '{"inputs":"a","parameters":{"grammar":{"type":"xml","value":1}}}',
            422,
            BAD_TYPE + "parameters.grammar.type: unknown variant `xml`, expected one of "
            "`json`, `json_object`, `regex`, `json_schema` at line 1 column 62",
        ),
        ("", 400, BAD_JSON + "EOF while parsing a value at line 1 column 0"),
        ("hello", 400, BAD_JSON + "expected value at line 1 column 1"),
        ('{"inputs":', 400, BAD_JSON + "EOF while parsing an object at line 1 column 10"),
        ('{"inputs":"a', 400, BAD_JSON + "EOF while parsing a string at line 1 column 12"),
        ('{"inputs":"a"} x', 400, BAD_JSON + "trailing characters at line 1 column 16"),
    ],
)
def test_malformed_bodies_are_refused_as_text(http: httpx.Client, body: str, status: int, text: str) -> None:
    """What is no JSON or has the wrong types is refused as text/plain, on every route, before anything else."""
    for path in ("/generate", "/generate_stream", "/", "/models/gpt2"):
        answer = http.post(path, content=body, headers={"content-type": "application/json; charset=utf-8"})
        assert (answer.status_code, answer.text) == (status, text)
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"


def test_the_content_type_must_be_json(http: httpx.Client) -> None:
    """A body under another content type is refused with 415."""
    answer = http.post("/generate", content=b'{"inputs":"a"}')
    assert (answer.status_code, answer.text) == (415, "Expected request with `Content-Type: application/json`")


def test_a_body_over_two_million_bytes_is_refused(http: httpx.Client) -> None:
    """A body over the limit is refused with 413."""
    answer = http.post("/generate", json={"inputs": "a" * 2_000_000})
    assert (answer.status_code, answer.text) == (413, "Failed to buffer the request body: length limit exceeded")


def test_a_key_can_be_required(tgi: Server, http: httpx.Client) -> None:
    """With a key, generating routes answer 401 with an empty body unless it is given; open routes stay open."""
    tgi.model.api_key = "Secret"
    refused = http.post("/generate", json=asked())
    assert (refused.status_code, refused.content) == (401, b"")
    assert http.post("/generate", json=asked(), headers={"authorization": "bearer secret"}).status_code == 200
    assert http.get("/info").status_code == http.get("/health").status_code == 200


def test_a_stream_is_tgi_events_and_nothing_else(http: httpx.Client) -> None:
    """Each token is one event, the last holds the text, and there is no [DONE]."""
    answer = http.post("/generate_stream", json=asked(max_new_tokens=2, details=True))
    assert answer.text == (
        'data: {"index":1,"token":{"id":12851,"text":"Once","logprob":-0.8125,"special":false},'
        '"generated_text":null,"details":null}\n\n'
        'data: {"index":2,"token":{"id":6874,"text":" upon","logprob":-0.421875,"special":false},'
        '"generated_text":"Once upon",'
        '"details":{"finish_reason":"length","generated_tokens":2,"seed":null,"input_length":6}}\n\n'
    )


def test_the_headers_of_a_stream(http: httpx.Client) -> None:
    """Streams carry no times, since they are not known yet."""
    headers = http.post("/generate_stream", json=asked()).headers
    expected = {
        "content-type": "text/event-stream",
        "cache-control": "no-cache",
        "x-accel-buffering": "no",
        "x-compute-type": "1-a10-g",
        "x-compute-characters": str(len(PROMPT)),
    }
    assert expected.items() <= dict(headers).items()
    assert not {"x-compute-time", "x-total-time", "x-generated-tokens"} & set(headers)


@pytest.mark.parametrize("path", ["/", "/models/gpt2", "/hf-inference/models/org/name"])
def test_compat_routes_stream_on_request(http: httpx.Client, path: str) -> None:
    """`stream` turns a compat route into an event stream whose end brings the prompt back."""
    *_, last = streamed(http.post(path, json=asked() | {"stream": True}).content)
    assert last["generated_text"] == PROMPT + ANSWER
    assert last["token"] == {"id": 2, "text": "</s>", "logprob": -0.015625, "special": True}


def test_streams_can_show_alternatives(http: httpx.Client) -> None:
    """top_tokens stands between the token and the text."""
    first, *_ = streamed(http.post("/generate_stream", json=asked(top_n_tokens=3)).content)
    assert list(first) == ["index", "token", "top_tokens", "generated_text", "details"]
    assert len(first["top_tokens"]) == 3


def test_the_old_dialect(tgi: Server, http: httpx.Client) -> None:
    """The old dialect has no blank after `data:`, no index and no input_length, and counts milliseconds."""
    tgi.model.old_dialect = True
    body = http.post("/generate_stream", json=asked(max_new_tokens=1, details=True)).text
    assert body == (
        'data:{"token":{"id":12851,"text":"Once","logprob":-0.8125,"special":false},"generated_text":"Once",'
        '"details":{"finish_reason":"length","generated_tokens":1,"seed":null}}\n\n'
    )
    assert http.post("/generate", json=asked(max_new_tokens=3)).headers["x-compute-time"] == "32"
    assert "max_input_length" in http.get("/info").json()


def test_pace_and_comments(tgi: Server, http: httpx.Client) -> None:
    """Tokens come at the set pace, and silence is broken by comments."""
    tgi.pace, tgi.keep_alive = 0.05, 0.02
    began = time.monotonic()
    body = http.post("/generate_stream", json=asked(max_new_tokens=2)).text
    assert time.monotonic() - began >= 0.1
    assert body.startswith(":\n\n:\n\ndata: {")
    assert body.count(":\n\n") == 4


def test_serverless_headers(http: httpx.Client) -> None:
    """The front end adds a request id and the commit of the model."""
    headers = http.post("/models/gpt2", json=asked()).headers
    assert headers["x-compute-type"] == "gpu"
    assert headers["x-request-id"] == "request-1"
    assert re.fullmatch("[0-9a-f]{40}", headers["x-sha"])
    assert headers["x-generated-tokens"] == str(len(pieces(ANSWER)) + 1)


@pytest.mark.parametrize("stream", [False, True])
def test_the_same_request_is_answered_from_the_cache(http: httpx.Client, *, stream: bool) -> None:
    """A repeated request gets the same bytes, sampled ones and streams too, and the headers show it."""
    body = asked(do_sample=True, details=True) | {"stream": stream}
    fresh, cached = (http.post("/models/gpt2", json=body) for _ in range(2))
    assert cached.content == fresh.content
    assert cached.headers["content-type"] == fresh.headers["content-type"]
    assert (fresh.headers["x-compute-type"], cached.headers["x-compute-type"]) == ("gpu", "cache")
    assert not {"x-prompt-tokens", "x-generated-tokens", "x-compute-time", "x-total-time"} & set(cached.headers)


@pytest.mark.parametrize(
    ("value", "kept"), [("0", False), ("false", False), ("False", False), ("1", True), ("no", True)]
)
def test_the_cache_can_be_avoided(http: httpx.Client, value: str, *, kept: bool) -> None:
    """`x-use-cache` of 0 or false asks for a fresh answer, any other value does not."""
    body = asked(do_sample=True, details=True)
    first = http.post("/models/gpt2", json=body)
    second = http.post("/models/gpt2", json=body, headers={"x-use-cache": value})
    assert (second.content == first.content) is kept
    assert (second.headers["x-compute-type"] == "cache") is kept


def test_the_cache_is_keyed_on_model_and_body(tgi: Server, http: httpx.Client) -> None:
    """Another model, another parameter or a cleared server miss the cache, and TGI itself has none."""
    for path, body in (("/models/a", asked()), ("/models/b", asked()), ("/models/a", asked(seed=1))):
        assert http.post(path, json=body).headers["x-compute-type"] == "gpu"
    assert [http.post("/", json=asked()).headers["x-compute-type"] for _ in range(2)] == ["1-a10-g"] * 2
    tgi.clear()
    assert http.post("/models/a", json=asked()).headers["x-compute-type"] == "gpu"


def test_refusals_are_not_cached(http: httpx.Client) -> None:
    """An error is answered afresh, in a stream too."""
    for body in (asked(temperature=0), asked(temperature=0) | {"stream": True}):
        answers = [http.post("/models/gpt2", json=body) for _ in range(2)]
        assert all(answer.headers.get("x-compute-type") != "cache" for answer in answers)


def test_open_routes(http: httpx.Client) -> None:
    """Health answers are empty, `/info` tells the limits, and unknown routes are not there."""
    for path in ("/", "/health", "/ping"):
        answer = http.get(path)
        assert (answer.status_code, answer.content) == (200, b"")
    info = http.get("/info").json()
    assert (info["max_input_tokens"], info["max_total_tokens"], info["max_best_of"]) == (4095, 4096, 2)
    assert http.get("/generate").status_code == 405
    assert http.post("/unknown", json={}).status_code == 404


def test_tokenize_tells_where_tokens_are(http: httpx.Client) -> None:
    """Token texts join to the prompt and their offsets count characters."""
    prompt = "Où est 🐦 ?\n"
    rows = http.post("/tokenize", json={"inputs": prompt}).json()
    assert rows[0] == {"id": 1, "text": "", "start": 0, "stop": 0}
    assert "".join(row["text"] for row in rows) == prompt
    assert [prompt[row["start"] : row["stop"]] for row in rows] == [row["text"] for row in rows]


def test_requests_are_recorded(tgi: Server, http: httpx.Client) -> None:
    """A record holds all of a request: JSON decoded, other bodies as bytes, header names in lower case."""
    http.post("/generate?a=1", json=asked(seed=2**64 - 1), headers={"X-Wait-For-Model": "true"})
    http.post("/generate", content=b"\xff")
    first, second = tgi.requests
    assert (first.method, first.path, first.query) == ("POST", "/generate", "a=1")
    assert first.headers["x-wait-for-model"] == "true"
    assert first.body == asked(seed=2**64 - 1)
    assert second.body == b"\xff"
    assert not first.closed.is_set()


def test_scripts_come_before_the_model_and_in_order(tgi: Server, http: httpx.Client) -> None:
    """Scripted replies are used up in order, for their own path only, and then the model answers."""
    tgi.script(Reply(503, json={"error": "loading"}), times=2)
    tgi.script(Reply(text="other"), path="/elsewhere")
    tgi.script(Reply(429, text="slow down", headers={"retry-after": "1"}))
    answers = [http.post("/generate", json=asked()) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [503, 503, 429, 200]
    assert answers[0].text == '{"error":"loading"}'
    assert (answers[2].text, answers[2].headers["retry-after"]) == ("slow down", "1")
    assert http.get("/elsewhere").text == "other"


def test_a_script_can_look_at_the_request(tgi: Server, http: httpx.Client) -> None:
    """A script that is a function sees the request it answers."""

    def loading(request: Recorded) -> Reply:
        return Reply() if request.headers.get("x-wait-for-model") == "true" else Reply(503)

    tgi.script(loading, times=2)
    assert http.post("/").status_code == 503
    assert http.post("/", headers={"x-wait-for-model": "true"}).status_code == 200


def test_clear_forgets_everything(tgi: Server, http: httpx.Client) -> None:
    """After clear() the server is as new."""
    tgi.script(Reply(500))
    tgi.pace, tgi.model.answer = 9.0, "changed"
    tgi.clear()
    assert http.post("/generate", json=asked()).json() == {"generated_text": ANSWER}
    assert len(tgi.requests) == 1


def test_events_are_sent_as_given(tgi: Server, http: httpx.Client) -> None:
    """Dicts become events behind the prefix, bytes go out as they are."""
    tgi.script(Stream([{"a": "é"}, b": hello\n\n", b"data: [DONE]\n\n"], prefix=b"data:"))
    assert http.post("/").content == 'data:{"a":"é"}\n\n: hello\n\ndata: [DONE]\n\n'.encode()
    assert tgi.requests[0].sent == 3


def test_a_stream_can_be_cut_into_pieces(tgi: Server, http: httpx.Client) -> None:
    """Pieces end where the count says, inside events and characters too."""
    tgi.script(Stream([{"text": "🐦"}, {"text": "é"}], chunk=1, delay=0.002))
    with http.stream("POST", "/") as answer:
        chunks = list(answer.iter_raw())
    assert b"".join(chunks) == 'data: {"text":"🐦"}\n\ndata: {"text":"é"}\n\n'.encode()
    assert len(chunks) > 5


@pytest.mark.parametrize(
    ("script", "error", "message"),
    [
        (Stream([token_event(1, "a")], cut=True), httpx.RemoteProtocolError, "incomplete chunked read"),
        (Stream([token_event(1, "a")], reset=True), httpx.ReadError, "reset by peer"),
        (Reply(json={"a": 1}, cut=True), httpx.RemoteProtocolError, "received 3 bytes, expected 7"),
        (Drop(), httpx.RemoteProtocolError, "disconnected without sending a response"),
        (Drop(reset=True), httpx.ReadError, "reset by peer"),
    ],
)
def test_connections_break_as_scripted(
    tgi: Server, http: httpx.Client, script: Stream | Reply | Drop, error: type[Exception], message: str
) -> None:
    """A broken answer looks broken to the client, and the next request works."""
    tgi.script(script)
    with pytest.raises(error, match=message):
        http.post("/")
    assert http.get("/health").status_code == 200
    assert not tgi.requests[0].closed.is_set()


def test_what_was_sent_before_a_cut_arrives(tgi: Server, http: httpx.Client) -> None:
    """The events before the cut can be read."""
    tgi.script(Stream([token_event(1, "a"), token_event(2, "b")], cut=True))
    received: list[bytes] = []
    with http.stream("POST", "/") as answer, pytest.raises(httpx.RemoteProtocolError):
        received.extend(answer.iter_raw())
    assert [event["token"]["text"] for event in streamed(b"".join(received))] == ["a", "b"]


def test_a_client_that_leaves_is_seen(tgi: Server, http: httpx.Client) -> None:
    """`closed` is set when the client leaves a held stream or one under way, and nothing more is sent."""
    tgi.script(Stream([token_event(1, "a")], hold=True))
    tgi.script(Stream([token_event(index, "a") for index in range(1, 101)], delay=0.05))
    for _ in range(2):
        with http.stream("POST", "/") as answer:
            chunks = answer.iter_raw()
            next(chunks)
            assert not tgi.requests[-1].closed.is_set()
    assert [request.closed.wait(2) for request in tgi.requests] == [True, True]
    assert tgi.requests[1].sent < 10


def test_an_answer_can_be_late(tgi: Server, http: httpx.Client) -> None:
    """A delayed reply makes an impatient client leave."""
    tgi.script(Reply(delay=5))
    with pytest.raises(httpx.ReadTimeout):
        http.post("/", timeout=0.05)
    assert tgi.requests[0].closed.wait(2)


def test_a_burst_is_whole(tgi: Server, http: httpx.Client) -> None:
    """A burst holds the given number of events and ends with the text."""
    tgi.script(burst(1000))
    events = list(streamed(http.post("/").content))
    assert [event["index"] for event in events] == list(range(1, 1001))
    assert events[-1]["generated_text"] == "".join(event["token"]["text"] for event in events)
    assert tgi.requests[0].sent == 16


def test_the_server_stops_with_streams_open() -> None:
    """Leaving the context ends open streams and frees the port at once."""
    with httpx.Client() as client:
        with Server() as server:
            server.script(Stream([token_event(1, "a")], hold=True))
            answer = client.send(client.build_request("POST", server.url), stream=True)
            next(answer.iter_raw())
            began = time.monotonic()
        assert time.monotonic() - began < 2
        answer.close()
        with pytest.raises(httpx.ConnectError):
            client.get(server.url)


@pytest.mark.parametrize(("name", "status", "headers", "body"), REFUSALS, ids=[row[0] for row in REFUSALS])
def test_refusals_are_sent_as_they_are(
    tgi: Server, http: httpx.Client, name: str, status: int, headers: dict[str, str], body: bytes
) -> None:
    """Every sample of a refusal reaches the client with its status, its headers and its bytes."""
    tgi.script(Reply(status, body=body, headers=headers))
    answer = http.post(f"/models/{name}", json=asked())
    assert (answer.status_code, answer.content) == (status, body)
    assert headers.items() <= dict(answer.headers).items()


HUB_TRIES_AGAIN = {"model_kwargs-400"}
HUB_STUMBLES = {"string-500", "latin1-500"}
HUB_FAILS = [row for row in REFUSALS if row[0] not in HUB_TRIES_AGAIN | HUB_STUMBLES]


@pytest.mark.parametrize(("name", "status", "headers", "body"), HUB_FAILS, ids=[row[0] for row in HUB_FAILS])
def test_hub_fails_on_refusals(
    tgi: Server, hub: InferenceClient, name: str, status: int, headers: dict[str, str], body: bytes
) -> None:
    """Samples of refusals make hub's client fail as it does on the real servers."""
    tgi.script(Reply(status, body=body, headers=headers))
    with pytest.raises((HfHubHTTPError, TextGenerationError) if status >= 400 else KeyError):
        hub.text_generation(PROMPT, model=f"{tgi.url}/models/{name}")


@pytest.mark.parametrize(("name", "text", "details"), ANSWERS, ids=[row[0] for row in ANSWERS])
def test_hub_reads_answer_samples(tgi: Server, hub: InferenceClient, name: str, text: str, *, details: bool) -> None:
    """Every sample of a whole answer is read by hub's client as its row says."""
    tgi.script(Reply(body=wire(name), headers={"content-type": "application/json"}), times=2)
    assert hub.text_generation(PROMPT) == text
    output: Any = hub.text_generation(PROMPT, details=True)
    assert output.generated_text == text
    assert bool(output.details) is details


@pytest.mark.parametrize("name", ["tgi/info.json", "tgi/info_2.json", "tgi/tokenize.json"])
def test_other_samples_look_like_the_routes_they_stand_for(name: str) -> None:
    """The samples of `/info`, new and old, and of `/tokenize` hold what these routes tell."""
    rows = json.loads(wire(name))
    if isinstance(rows, list):
        assert all(list(row) == ["id", "text", "start", "stop"] for row in rows)
    else:
        assert {"max_input_tokens", "max_input_length"} & set(rows)
        assert {"model_id", "max_total_tokens", "max_best_of", "max_stop_sequences"} <= set(rows)


@pytest.mark.parametrize(("name", "texts", "whole"), STREAMS, ids=[row[0] for row in STREAMS])
def test_stream_samples_say_what_the_table_says(name: str, texts: tuple[str, ...], whole: str) -> None:
    """Every stream sample holds the tokens and the text of its row."""
    events = list(streamed(wire(name)))
    assert tuple(event["token"]["text"] for event in events) == texts
    assert [event["generated_text"] for event in events] == [None] * (len(events) - 1) + [whole]


@pytest.mark.parametrize(("name", "texts", "error_type"), BROKEN_STREAMS, ids=[row[0] for row in BROKEN_STREAMS])
def test_broken_stream_samples_say_what_the_table_says(
    name: str, texts: tuple[str, ...], error_type: str | None
) -> None:
    """Every sample of a failing stream holds its tokens, no text, and then its error."""
    events: list[dict[str, Any]] = []
    try:
        events.extend(streamed(wire(name)))
    except json.JSONDecodeError:
        assert error_type is None
    tokens = [event["token"]["text"] for event in events if "token" in event]
    assert tuple(tokens) == texts
    assert not any(event.get("generated_text") for event in events)
    assert {event.get("error_type") for event in events if "error" in event} <= {error_type}


def test_hub_gets_a_string(tgi: Server, hub: InferenceClient) -> None:
    """Without details hub returns the text, prompt in front, and sends its usual body."""
    assert hub.text_generation(PROMPT) == PROMPT + ANSWER
    assert tgi.requests[0].body == {"inputs": PROMPT, "parameters": {}}
    assert tgi.requests[0].headers["authorization"] == "Bearer hf_test"


def test_hub_gets_details(hub: InferenceClient) -> None:
    """Hub reads every part of the details."""
    output: Any = hub.text_generation(
        PROMPT, details=True, decoder_input_details=True, best_of=2, do_sample=True, top_n_tokens=2, max_new_tokens=4
    )
    assert output.generated_text == PROMPT + "Once upon a time"
    assert (output.details.finish_reason, output.details.generated_tokens) == ("length", 4)
    assert output.details.seed == RANDOM_SEED
    assert output.details.prefill[0].text == "<s>"
    assert output.details.tokens[1].text == output.details.top_tokens[1][0]["text"] == " upon"
    assert output.details.best_of_sequences[0].generated_text == output.generated_text


def test_hub_streams_texts(hub: InferenceClient) -> None:
    """A stream without details gives the text of every token, the special one too."""
    assert "".join(hub.text_generation(PROMPT, stream=True)) == ANSWER + "</s>"


def test_hub_streams_details(hub: InferenceClient) -> None:
    """A stream with details gives hub's own objects, the last with text and details."""
    asked_for: dict[str, Any] = {"stream": True, "details": True, "do_sample": True, "return_full_text": False}
    first, *_, last = hub.text_generation(PROMPT, **asked_for)
    assert (first.index, first.token.text, first.generated_text) == (1, "Once", None)
    assert (last.generated_text, last.details.finish_reason) == (ANSWER, "eos_token")
    assert (last.details.seed, last.details.input_length) == (RANDOM_SEED, 6)


def test_hub_sends_all_parameters(tgi: Server, hub: InferenceClient) -> None:
    """Every parameter hub knows is accepted and arrives under the name and with the value it was given."""
    parameters: dict[str, Any] = {
        "adapter_id": "lora",
        "best_of": 1,
        "decoder_input_details": True,
        "details": True,
        "do_sample": True,
        "frequency_penalty": 0.5,
        "grammar": {"type": "regex", "value": "[a-z]+"},
        "max_new_tokens": 5,
        "repetition_penalty": 1.1,
        "return_full_text": False,
        "seed": 2**64 - 1,
        "stop": ["upon"],
        "temperature": 0.7,
        "top_k": 10,
        "top_n_tokens": 1,
        "top_p": 0.9,
        "truncate": 3,
        "typical_p": 0.9,
        "watermark": True,
    }
    output = hub.text_generation(PROMPT, **parameters)
    assert tgi.requests[0].body["parameters"] == parameters
    assert (output.generated_text, output.details.finish_reason) == ("Once upon", "stop_sequence")
    assert output.details.seed == 2**64 - 1


@pytest.mark.parametrize("stream", [False, True])
def test_hub_raises_validation_errors(hub: InferenceClient, *, stream: bool) -> None:
    """Hub knows a validation error by its type, in the body or in the stream."""
    with pytest.raises(ValidationError, match="Input validation error: `temperature` must be strictly positive"):
        list(hub.text_generation(PROMPT, temperature=0, stream=stream))


@pytest.mark.parametrize(
    ("sample", "error"),
    [
        ("generation.json", GenerationError),
        ("overloaded.json", OverloadedError),
        ("incomplete.json", IncompleteGenerationError),
    ],
)
def test_hub_knows_tgi_errors_by_type(
    tgi: Server, hub: InferenceClient, sample: str, error: type[TextGenerationError]
) -> None:
    """TGI's own errors are told apart by error_type, in a stream as well."""
    body = wire(f"tgi/{sample}")
    tgi.script(Reply(500, body=body))
    with pytest.raises(error):
        hub.text_generation(PROMPT)
    tgi.script(Stream([token_event(1, "a"), json.loads(body)]))
    with pytest.raises(error):
        list(hub.text_generation(PROMPT, stream=True))


def test_hub_reports_a_cut_stream(tgi: Server, hub: InferenceClient) -> None:
    """Hub gives what came before the cut and then fails with its HTTP library's error."""
    tgi.script(Stream([token_event(1, "a"), token_event(2, "b")], cut=True))
    received: list[str] = []
    with pytest.raises(Exception, match="incomplete chunked read"):
        received.extend(hub.text_generation(PROMPT, stream=True))
    assert received == ["a", "b"]


def test_hub_leaving_is_seen(tgi: Server) -> None:
    """Closing hub's client in the middle of a stream ends the generation."""
    tgi.pace = 0.05
    with InferenceClient(model=tgi.url, token="hf_test", timeout=5) as client:
        assert next(iter(client.text_generation(PROMPT, stream=True))) == "Once"
    assert tgi.requests[0].closed.wait(2)
    assert tgi.requests[0].sent < len(pieces(ANSWER))


def test_hub_sends_the_cache_header(tgi: Server) -> None:
    """A header set on the client reaches the front end and avoids the cache."""
    url = f"{tgi.url}/models/gpt2"
    with InferenceClient(model=url, token="hf_test", timeout=5, headers={"x-use-cache": "0"}) as client:
        seeds = [client.text_generation(PROMPT, do_sample=True, details=True).details.seed for _ in range(2)]
    assert seeds == [RANDOM_SEED, RANDOM_SEED - 1]
    assert tgi.requests[0].headers["x-use-cache"] == "0"


def test_async_hub_streams(tgi: Server) -> None:
    """Hub's async client reads whole answers and streams alike."""

    async def both() -> tuple[str, str]:
        async with AsyncInferenceClient(model=tgi.url, token="hf_test", timeout=5) as client:
            whole = await client.text_generation(PROMPT)
            parts = [text async for text in await client.text_generation(PROMPT, stream=True)]
            return whole, "".join(parts)

    assert asyncio.run(both()) == (PROMPT + ANSWER, ANSWER + "</s>")
