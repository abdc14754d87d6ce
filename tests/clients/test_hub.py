import asyncio
import inspect
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import huggingface_hub
import numpy as np
import pytest
from huggingface_hub import TextGenerationOutput
from huggingface_hub.errors import HfHubHTTPError, ValidationError
from protocol.tei import DIMENSIONS, Tei
from protocol.tgi import ANSWER, Reply, Server, Stream, token_event

import nbinfer
from nbinfer.client import DIFFERENCES
from nbinfer.errors import ParameterError, TimedOutError
from nbinfer.flows import Timeout
from nbinfer.params import TextGenerationCall, names

PROMPT = "Tell me a story."
KEY = "hf_abcdefghijklmnopqrstuvwxyz0123456789"
ROUTES = ["", "/generate", "/models/gpt2"]
tested: set[str] = set()


@pytest.fixture
def hub(tgi: Server) -> Iterator[huggingface_hub.InferenceClient]:
    """Ask the look-alike as huggingface_hub does."""
    with huggingface_hub.InferenceClient(model=tgi.url, token=KEY, timeout=5) as client:
        yield client


@pytest.fixture
def ours(tgi: Server) -> Iterator[nbinfer.InferenceClient]:
    """Ask the look-alike as nbinfer does."""
    with nbinfer.InferenceClient(model=tgi.url, token=KEY, timeout=5) as client:
        yield client


def parameters(tgi: Server) -> dict[str, Any]:
    """Return the parameters of the last request."""
    found: dict[str, Any] = tgi.requests[-1].body["parameters"]
    return found


# --- what is the same


CALLS: list[dict[str, Any]] = [
    {},
    {"max_new_tokens": 7},
    {"do_sample": True, "seed": 2**64 - 1},
    {"temperature": 0.5, "top_k": 10, "top_p": 0.9, "typical_p": 0.9, "seed": 1},
    {"repetition_penalty": 1.1, "frequency_penalty": 0.5, "watermark": True, "truncate": 3, "adapter_id": "x"},
    {"top_n_tokens": 2, "max_new_tokens": 3},
    {"return_full_text": True, "max_new_tokens": 3},
    {"stop": ["no such text"]},
    {"grammar": {"type": "regex", "value": "[a-z]+"}},
]


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("given", CALLS, ids=str)
def test_texts_are_the_same(tgi: Server, route: str, given: dict[str, Any]) -> None:
    """The same call gives the same text, in one piece and as a stream, less what only hub shows."""
    asked = {"return_full_text": False} | given
    with (
        huggingface_hub.InferenceClient(model=tgi.url + route, token=KEY) as hub,
        nbinfer.InferenceClient(model=tgi.url + route, token=KEY) as ours,
    ):
        assert ours.text_generation(PROMPT, **given) == hub.text_generation(PROMPT, **asked)
        if route != "/generate":
            streamed = "".join(hub.text_generation(PROMPT, stream=True, **asked)).removesuffix("</s>")
            lead = PROMPT if given.get("return_full_text") else ""
            assert "".join(ours.text_generation(PROMPT, stream=True, **given)) == lead + streamed


@pytest.mark.parametrize(
    "given",
    [
        *CALLS,
        {"best_of": 2, "do_sample": True, "max_new_tokens": 3},
        {"decoder_input_details": True, "max_new_tokens": 3},
    ],
    ids=str,
)
def test_details_are_the_same(
    tgi: Server, hub: huggingface_hub.InferenceClient, ours: nbinfer.InferenceClient, given: dict[str, Any]
) -> None:
    """With details the output is hub's own class with the same tokens, counts, reason, seeds and other generations."""
    theirs = hub.text_generation(PROMPT, details=True, **({"return_full_text": False} | given))
    tgi.model = type(tgi.model)()
    mine = ours.text_generation(PROMPT, details=True, **given)
    assert type(mine) is type(theirs) is TextGenerationOutput
    assert mine.generated_text == theirs.generated_text
    assert mine.details is not None
    assert theirs.details is not None
    for name in ("finish_reason", "generated_tokens", "seed", "tokens", "top_tokens"):
        assert getattr(mine.details, name) == getattr(theirs.details, name), name
        assert type(getattr(mine.details, name)) is type(getattr(theirs.details, name))
    assert [(token.id, token.text, token.logprob) for token in mine.details.prefill] == [
        (token.id, token.text, token.logprob) for token in theirs.details.prefill
    ]
    for ours_too, theirs_too in zip(
        mine.details.best_of_sequences or [], theirs.details.best_of_sequences or [], strict=True
    ):
        assert type(ours_too) is type(theirs_too)
        for name in ("generated_text", "finish_reason", "generated_tokens", "seed", "tokens"):
            assert getattr(ours_too, name) == getattr(theirs_too, name), name


@pytest.mark.parametrize("given", [call for call in CALLS if "return_full_text" not in call], ids=str)
def test_streamed_details_have_the_same_attributes(
    tgi: Server, hub: huggingface_hub.InferenceClient, ours: nbinfer.InferenceClient, given: dict[str, Any]
) -> None:
    """The steps of a stream hold the same values under the same names as hub's."""
    theirs = list(hub.text_generation(PROMPT, details=True, stream=True, return_full_text=False, **given))
    tgi.model = type(tgi.model)()
    mine = list(ours.text_generation(PROMPT, details=True, stream=True, **given))
    assert len(mine) == len(theirs)
    for step, other in zip(mine, theirs, strict=True):
        assert (step.index, step.generated_text) == (other.index, other.generated_text)
        for name in ("id", "text", "logprob", "special"):
            assert getattr(step.token, name) == getattr(other.token, name)
        assert [token.text for token in step.top_tokens or []] == [token.text for token in other.top_tokens or []]
    for name in ("finish_reason", "generated_tokens", "seed", "input_length"):
        assert getattr(mine[-1].details, name) == getattr(theirs[-1].details, name)


def test_the_async_clients_agree(tgi: Server) -> None:
    """Awaited, both clients give the same text, details and stream."""

    async def told(kind: Callable[..., Any]) -> list[Any]:
        async with kind(model=tgi.url, token=KEY) as client:
            text = await client.text_generation(PROMPT, return_full_text=False)
            output = await client.text_generation(PROMPT, return_full_text=False, details=True)
            stream = await client.text_generation(PROMPT, return_full_text=False, stream=True)
            return [text, output.details.tokens, "".join([part async for part in stream]).removesuffix("</s>")]

    assert asyncio.run(told(nbinfer.AsyncInferenceClient)) == asyncio.run(told(huggingface_hub.AsyncInferenceClient))


def test_every_argument_of_hub_is_taken() -> None:
    """A call that hub takes is taken: each of its keywords has the same name here."""
    for theirs, mine in (
        (huggingface_hub.InferenceClient, nbinfer.InferenceClient),
        (huggingface_hub.AsyncInferenceClient, nbinfer.AsyncInferenceClient),
    ):
        known = set(inspect.signature(mine.text_generation).parameters) | set(names(TextGenerationCall))
        assert set(inspect.signature(theirs.text_generation).parameters) <= known


@pytest.mark.parametrize("kind", [huggingface_hub.InferenceClient, nbinfer.InferenceClient])
def test_a_notebook_changes_one_import(tgi: Server, kind: Callable[..., Any]) -> None:
    """What a tutorial does with hub's client does the same with ours."""
    client = kind(model=f"{tgi.url}/models/gpt2", token=KEY, headers={"x-a": "b"}, timeout=5)
    client.headers["x-use-cache"] = "0"
    with client:
        prompt = "<s>[INST] Why? [/INST]"
        assert client.text_generation(prompt, max_new_tokens=4, return_full_text=False) == "Once upon a time"
        shown = [part for part in client.text_generation(prompt, max_new_tokens=4, stream=True) if part]
        assert shown == ["Once", " upon", " a", " time"]
        for step in client.text_generation(prompt, max_new_tokens=2, stream=True, details=True):
            assert step.token.text in {"Once", " upon"}
    assert {request.headers["x-use-cache"] for request in tgi.requests} == {"0"}
    assert {request.headers["authorization"] for request in tgi.requests} == {f"Bearer {KEY}"}
    assert client.model == f"{tgi.url}/models/gpt2"


# --- what differs on purpose


def difference(row: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Note that a test is about a row of DIFFERENCES."""

    def noted(test: Callable[..., None]) -> Callable[..., None]:
        tested.add(row.strip("`"))
        return test

    return noted


def test_every_difference_has_a_test() -> None:
    """The table of differences and the tests below are about the same."""
    assert tested == {row.strip("`") for row in DIFFERENCES}


@difference("stop text")
def test_stop_texts_are_removed(hub: huggingface_hub.InferenceClient, ours: nbinfer.InferenceClient) -> None:
    """Hub leaves the stop text where the server found it; ours ends before it, and finds it within tokens too."""
    assert hub.text_generation(PROMPT, stop=[" time"], return_full_text=False) == "Once upon a time"
    assert ours.text_generation(PROMPT, stop=[" time"]) == "Once upon a"
    assert ours.text_generation(PROMPT, stop=[" time"], keep_stop=True) == "Once upon a time"
    assert hub.text_generation(PROMPT, stop=["pon a t"], return_full_text=False) == ANSWER
    assert ours.text_generation(PROMPT, stop=["pon a t"]) == "Once u"


@difference("prompt")
def test_the_prompt_is_not_repeated(hub: huggingface_hub.InferenceClient, ours: nbinfer.InferenceClient) -> None:
    """Hub says nothing of the prompt, so a server repeats it; ours asks for the answer alone unless told otherwise."""
    assert hub.text_generation(PROMPT) == PROMPT + ANSWER
    assert ours.text_generation(PROMPT) == ANSWER
    assert ours.text_generation(PROMPT, return_full_text=True) == PROMPT + ANSWER


@difference("special tokens")
def test_special_tokens_are_not_shown(hub: huggingface_hub.InferenceClient, ours: nbinfer.InferenceClient) -> None:
    """Hub streams the text of control tokens; ours does not."""
    assert "".join(hub.text_generation(PROMPT, stream=True)) == ANSWER + "</s>"
    assert "".join(ours.text_generation(PROMPT, stream=True)) == ANSWER


@difference("max_new_tokens")
def test_the_length_is_always_said(
    tgi: Server, hub: huggingface_hub.InferenceClient, ours: nbinfer.InferenceClient
) -> None:
    """Hub leaves the length to the server's version; ours says 256 unless told otherwise."""
    hub.text_generation(PROMPT)
    assert parameters(tgi) == {}
    ours.text_generation(PROMPT)
    assert parameters(tgi)["max_new_tokens"] == 256
    assert DIFFERENCES["`max_new_tokens`"].startswith("256 ")
    ours.text_generation(PROMPT, max_new_tokens=3)
    assert parameters(tgi)["max_new_tokens"] == 3


@difference("do_sample")
def test_sampling_is_always_said(tgi: Server, ours: nbinfer.InferenceClient) -> None:
    """Whether to draw is said: on exactly when something that needs it is given."""
    for given, expected in (({}, False), ({"temperature": 1.0}, True), ({"top_p": 0.9}, True), ({"seed": 1}, False)):
        ours.text_generation(PROMPT, **given)  # type: ignore[arg-type]
        assert parameters(tgi)["do_sample"] is expected


@difference("temperature=0")
def test_temperature_zero_is_greedy(
    tgi: Server, hub: huggingface_hub.InferenceClient, ours: nbinfer.InferenceClient
) -> None:
    """Hub passes on what the server refuses; ours means no sampling."""
    with pytest.raises(ValidationError):
        hub.text_generation(PROMPT, temperature=0)
    assert ours.text_generation(PROMPT, temperature=0) == ANSWER
    assert "temperature" not in parameters(tgi)


@difference("stop_sequences")
def test_stop_sequences_is_stop(
    tgi: Server, hub: huggingface_hub.InferenceClient, ours: nbinfer.InferenceClient
) -> None:
    """The old name, which hub has dropped, is still understood, and sent under the server's name."""
    with pytest.raises(TypeError):
        hub.text_generation(PROMPT, stop_sequences=[" time"])  # type: ignore[call-overload]
    assert ours.text_generation(PROMPT, stop_sequences=[" time"]) == "Once upon a"
    assert parameters(tgi)["stop"] == [" time"]


@difference("unknown names")
def test_unknown_names_are_refused_with_help(
    tgi: Server, hub: huggingface_hub.InferenceClient, ours: nbinfer.InferenceClient
) -> None:
    """Hub's TypeError names the wrong word, ours also the right one."""
    with pytest.raises(TypeError):
        hub.text_generation(PROMPT, temprature=0.5)  # type: ignore[call-overload]
    with pytest.raises(ParameterError) as caught:
        ours.text_generation(PROMPT, temprature=0.5)  # type: ignore[call-overload]
    assert caught.value.hint == "Did you mean temperature?"
    assert not tgi.requests


@difference("waiting")
def test_waiting_is_bounded(tgi: Server, ours: nbinfer.InferenceClient) -> None:
    """Ours waits 10, 120 and 60 seconds at most, and an hour for all; hub waits for ever; `timeout=` changes it."""
    assert huggingface_hub.InferenceClient(tgi.url).timeout is None
    assert Timeout() == Timeout(connect=10, first_byte=120, idle=60, total=3600)
    for seconds in ("10 s", "120 s", "60 s", "3600 s"):
        assert seconds in DIFFERENCES["waiting"]
    tgi.script(Reply(delay=5))
    began = time.monotonic()
    with pytest.raises(TimedOutError):
        ours.text_generation(PROMPT, timeout=0.1)
    assert time.monotonic() - began < 2


@difference("models for chats")
def test_a_text_reaches_a_model_for_chats(tgi: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hub gives up where a model offers chat only; ours asks it as a chat."""
    monkeypatch.setenv("NBINFER_HF_BASE", tgi.url)
    words = "Model org/name is not supported for task text-generation. Supported task: conversational."
    tgi.script(Reply(400, json={"error": words}), "/hf-inference/models/org/name", times=2)
    address = f"{tgi.url}/hf-inference/models/org/name"
    with huggingface_hub.InferenceClient(address) as hub, pytest.raises(huggingface_hub.errors.HfHubHTTPError):
        hub.text_generation(PROMPT)
    with nbinfer.InferenceClient("org/name") as ours:
        assert ours.text_generation(PROMPT, max_new_tokens=5) == "Once upon a time,"


@difference("models for texts")
def test_a_chat_reaches_a_model_for_texts(tgi: Server) -> None:
    """Hub gives up where a server has no form for chats; ours puts the messages into that of its model."""
    tgi.model.template, tgi.model.model_id = False, "codellama/CodeLlama-7b-Instruct-hf"
    said = [{"role": "user", "content": PROMPT}]
    with huggingface_hub.InferenceClient(tgi.url) as hub, pytest.raises(huggingface_hub.errors.HfHubHTTPError):
        hub.chat_completion(said)
    with nbinfer.InferenceClient(tgi.url) as ours:
        assert ours.chat_completion(said, max_tokens=5).choices[0].message.content == "Once upon a time,"
    assert tgi.requests[-1].body["inputs"] == f"[INST] {PROMPT} [/INST]"


@difference("the first `<s>`")
def test_a_begin_token_is_left_to_the_server(
    tgi: Server, hub: huggingface_hub.InferenceClient, ours: nbinfer.InferenceClient
) -> None:
    """Hub sends a typed <s>, which the server's tokenizer doubles; ours does not."""
    hub.text_generation(f"<s>{PROMPT}")
    ours.text_generation(f"<s>{PROMPT}")
    assert [request.body["inputs"] for request in tgi.requests] == [f"<s>{PROMPT}", PROMPT]


@difference("streams")
def test_a_stream_begins_when_it_is_read(
    tgi: Server, hub: huggingface_hub.InferenceClient, ours: nbinfer.InferenceClient
) -> None:
    """Hub asks when a stream is made; ours when it is first read, and hangs up when it is left."""
    tgi.pace = 0.05
    hub.text_generation(PROMPT, stream=True)
    assert len(tgi.requests) == 1
    stream = ours.text_generation(PROMPT, stream=True)
    assert len(tgi.requests) == 1
    next(iter(stream))
    assert len(tgi.requests) == 2
    stream.close()
    assert tgi.requests[1].closed.wait(2)


@difference("retries")
def test_a_busy_model_is_asked_again(
    tgi: Server, hub: huggingface_hub.InferenceClient, ours: nbinfer.InferenceClient
) -> None:
    """Hub gives up at once; ours asks up to three times more, unless some text has come already."""
    busy = Reply(503, json={"error": "Model is currently loading"}, headers={"retry-after": "0"})
    tgi.script(busy, times=4)
    with pytest.raises(HfHubHTTPError):
        hub.text_generation(PROMPT)
    assert ours.text_generation(PROMPT) == ANSWER
    assert len(tgi.requests) == 1 + 4
    tgi.clear()
    tgi.script(Stream([token_event(1, "a"), {"error": "Model is overloaded", "error_type": "overloaded"}]))
    with pytest.raises(nbinfer.errors.OverloadedError):
        list(ours.text_generation(PROMPT, stream=True))
    assert len(tgi.requests) == 1
    assert DIFFERENCES["retries"].startswith("3,")


@difference("token")
def test_the_stored_token_stays_at_home(tgi: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hub sends the stored token to any address; ours to Hugging Face's hosts only, a given one with its own model."""
    monkeypatch.setenv("HF_TOKEN", KEY)
    with huggingface_hub.InferenceClient(model=tgi.url) as hub:
        hub.text_generation(PROMPT)
    assert tgi.requests[-1].headers["authorization"] == f"Bearer {KEY}"
    with nbinfer.InferenceClient(model=tgi.url) as ours:
        ours.text_generation(PROMPT)
    assert "authorization" not in tgi.requests[-1].headers
    with nbinfer.InferenceClient(model="http://localhost:1", token=KEY) as ours:
        ours.text_generation(PROMPT, model=tgi.url)
    assert "authorization" not in tgi.requests[-1].headers


@difference("model")
def test_nothing_is_needed_to_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any argument the embedded model answers: no key, no network."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    with nbinfer.InferenceClient() as client:
        result = client.run("text-generation", "Once upon a time", max_new_tokens=3)
        assert client.text_generation("Once upon a time", max_new_tokens=3) == result.text
    assert result.model.startswith("local/")
    assert result.usage.output_tokens == 3


@difference("counts of a streamed chat")
def test_every_piece_of_a_chat_has_a_choice(tgi: Server) -> None:
    """Hub's stream has no counts unless they are asked for; ours knows them, and shows them only then."""
    with huggingface_hub.InferenceClient(base_url=f"{tgi.url}/v1", token=KEY) as hub:
        list(hub.chat_completion([{"role": "user", "content": PROMPT}], stream=True, max_tokens=3))
    assert "stream_options" not in tgi.requests[-1].body
    with nbinfer.InferenceClient(base_url=f"{tgi.url}/v1", token=KEY) as ours:
        chunks = list(ours.chat_completion(PROMPT, stream=True, max_tokens=3))
        assert tgi.requests[-1].body["stream_options"] == {"include_usage": True}
        assert all(chunk.choices for chunk in chunks)
        assert ours.run("chat", PROMPT, max_tokens=3).usage.output_tokens == 3


@difference("feature_extraction")
def test_vectors_have_one_shape_and_length() -> None:
    """Hub returns what the server sends, of any length; ours a row for each text, of length 1 unless told otherwise."""
    with Tei() as tei, nbinfer.InferenceClient(f"{tei.url}/embed") as ours:
        tei.script(Reply(json=[[3.0, 4.0]]), times=3)
        hub = huggingface_hub.InferenceClient(model=f"{tei.url}/embed", token=KEY)
        assert hub.feature_extraction("a").tolist() == [[3.0, 4.0]]
        assert ours.feature_extraction("a") == pytest.approx(np.array([[0.6, 0.8]]))
        assert ours.feature_extraction("a", normalize=False).tolist() == [[3.0, 4.0]]
        assert ours.feature_extraction(["a", "b", "c"]).shape == (3, DIMENSIONS)


@difference("sentence_similarity")
def test_similarity_is_that_of_embeddings() -> None:
    """Hub needs a server with a route for it; ours gets the same numbers from any that embeds."""
    with Tei() as tei, nbinfer.InferenceClient(f"{tei.url}/embed") as ours:
        hub = huggingface_hub.InferenceClient(model=f"{tei.url}/similarity", token=KEY)
        theirs = hub.sentence_similarity("a red fox", ["a red dog", "the sea"])
        assert ours.sentence_similarity("a red fox", ["a red dog", "the sea"]) == pytest.approx(theirs, abs=1e-5)


@difference("provider")
def test_the_router_finds_the_provider(tgi: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hub asks the Hub who serves a model and goes there; ours is one request, to the router."""
    monkeypatch.setenv("NBINFER_HF_BASE", tgi.url)
    tgi.model.router, tgi.model.chat_form = True, "together"
    with nbinfer.InferenceClient("org/name", provider="together", token=KEY) as ours:
        ours.chat_completion(PROMPT, max_tokens=3)
    assert [request.path for request in tgi.requests] == ["/v1/chat/completions"]
    assert tgi.requests[-1].body["model"] == "org/name:together"


@difference("response_format")
def test_a_schema_reaches_every_server(tgi: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hub sends TGI's spelling to a provider as it is, which refuses it; ours writes what the server reads."""
    monkeypatch.setenv("NBINFER_HF_BASE", tgi.url)
    tgi.model.router, tgi.model.chat_form = True, "together"
    wanted: Any = {"type": "json", "value": {"type": "object", "properties": {"name": {"type": "string"}}}}
    with huggingface_hub.InferenceClient(base_url=f"{tgi.url}/v1", token=KEY) as hub, pytest.raises(HfHubHTTPError):
        hub.chat_completion([{"role": "user", "content": PROMPT}], response_format=wanted)
    with nbinfer.InferenceClient("org/name", token=KEY) as ours:
        said = ours.chat_completion(PROMPT, response_format=wanted).choices[0].message.content
    assert json.loads(said or "").keys() == {"name"}
