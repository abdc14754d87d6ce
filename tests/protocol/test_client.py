import asyncio
import gc
import gzip
import json
import os
import re
import signal
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from nbinfer.client import AsyncInferenceClient, InferenceClient
from nbinfer.errors import (
    ApiError,
    BadAnswerError,
    BadRequestError,
    ConnectionFailedError,
    GenerationError,
    InferError,
    ModelLoadingError,
    ModelNotFoundError,
    NotFoundError,
    OverloadedError,
    ParameterError,
    RateLimitedError,
    StreamInterruptedError,
    TemplateError,
    TimedOutError,
    UnprocessableError,
    UnsupportedTaskError,
)
from nbinfer.flows import LARGEST_BODY, Timeout, Wait
from nbinfer.results import Chunk, TextResult

from .tgi import ANSWER, RANDOM_SEED, Drop, Model, Recorded, Reply, Server, Stream, burst, pieces, token_event
from .wire import BROKEN_STREAMS, STREAMS, wire
from .wire.replies import Wire

PROMPT = "What is it?"
TASK = "text-generation"
KEY = "hf_abcdefghijklmnopqrstuvwxyz0123456789"
SENT = {"max_new_tokens": 256, "return_full_text": False, "do_sample": False}


class Sync:
    """The client as it is."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self.client = InferenceClient(*args, **options)

    def text_generation(self, prompt: str = PROMPT, **parameters: Any) -> Any:
        """Ask for text, details or a stream."""
        return self.client.text_generation(prompt, **parameters)

    def run(self, prompt: str = PROMPT, **parameters: Any) -> TextResult:
        """Ask for a result."""
        return self.client.run(TASK, prompt, **parameters)

    def stream(self, prompt: str = PROMPT, **parameters: Any) -> Any:
        """Start a call."""
        return self.client.stream(TASK, prompt, **parameters)

    def get_endpoint_info(self) -> Any:
        """Ask what the server is."""
        return self.client.get_endpoint_info()

    def health_check(self) -> Any:
        """Ask how the server is."""
        return self.client.health_check()

    def close(self) -> None:
        """Close what is open."""
        self.client.close()


class AsyncSteps:
    """Something async, taken step by step from ordinary code."""

    def __init__(self, runner: asyncio.Runner, steps: Any) -> None:
        self._runner = runner
        self.steps = steps

    def __iter__(self) -> Iterator[Any]:
        iterator = aiter(self.steps)

        async def step() -> Any:
            return await anext(iterator)

        while True:
            try:
                yield self._runner.run(step())
            except StopAsyncIteration:
                return

    def close(self) -> None:
        """Close what is open."""
        self._runner.run(self.steps.close())

    def drain(self) -> TextResult:
        """Read to the end."""
        return self._runner.run(self.steps.drain())

    @property
    def result(self) -> TextResult:
        """Return what arrived."""
        return self.steps.result

    @property
    def waiting(self) -> Callable[[Wait], None]:
        """Return who is told of waits."""
        return self.steps.waiting

    @waiting.setter
    def waiting(self, told: Callable[[Wait], None]) -> None:
        """Return who is told of waits."""
        self.steps.waiting = told


class Async:
    """The async client, each call of which runs in one event loop of its own."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self.client = AsyncInferenceClient(*args, **options)
        self._runner = asyncio.Runner()

    def text_generation(self, prompt: str = PROMPT, **parameters: Any) -> Any:
        """Ask for text, details or a stream."""
        answer = self._runner.run(self.client.text_generation(prompt, **parameters))
        return AsyncSteps(self._runner, answer) if hasattr(answer, "__aiter__") else answer

    def run(self, prompt: str = PROMPT, **parameters: Any) -> TextResult:
        """Ask for a result."""
        return self._runner.run(self.client.run(TASK, prompt, **parameters))

    def stream(self, prompt: str = PROMPT, **parameters: Any) -> AsyncSteps:
        """Start a call."""
        return AsyncSteps(self._runner, self.client.stream(TASK, prompt, **parameters))

    def get_endpoint_info(self) -> Any:
        """Ask what the server is."""
        return self._runner.run(self.client.get_endpoint_info())

    def health_check(self) -> Any:
        """Ask how the server is."""
        return self._runner.run(self.client.health_check())

    def close(self) -> None:
        """Close what is open."""
        self._runner.run(self.client.close())
        self._runner.close()


Ask = Callable[..., Any]


@pytest.fixture(params=[Sync, Async], ids=["sync", "async"])
def ask(request: pytest.FixtureRequest) -> Iterator[Ask]:
    """Return what makes a client, sync or async, that asks as ordinary code does; all are closed after the test."""
    made: list[Any] = []

    def make(*args: Any, **options: Any) -> Any:
        made.append(request.param(*args, **options))
        return made[-1]

    yield make
    for client in made:
        client.close()


def sent(tgi: Server) -> dict[str, Any]:
    """Return the parameters of the last request, less the question whether details are wanted."""
    return {name: value for name, value in tgi.requests[-1].body["parameters"].items() if name != "details"}


def caught(kind: type[InferError], call: Callable[[], Any]) -> Any:
    """Return the error that a call raises."""
    with pytest.raises(kind) as raised:
        call()
    assert 1 <= len(raised.value.lines()) <= 4
    return raised.value


def collected(stream: Any, into: list[str]) -> None:
    """Read a stream to its end and keep what it shows, also when it fails."""
    for chunk in stream:
        into.append(chunk.text)  # noqa: PERF401 - what came before an error must stay


def plain(text: str = "It is.", **more: Any) -> Reply:
    """Return a whole answer."""
    return Reply(json=[{"generated_text": text}], **more)


def loading(**headers: str) -> Reply:
    """Return the refusal of a model that is being loaded, without an estimate."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(503, json={"error": "Model org/name is currently loading"}, headers=named)


def free_port() -> int:
    """Return a port on which nobody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


# --- the same text, whatever the way


@pytest.mark.parametrize("chunk", [None, 1, 7, 64])
@pytest.mark.parametrize(("name", "texts", "whole"), STREAMS, ids=[row[0] for row in STREAMS])
def test_streams_are_read_however_bytes_are_cut(
    tgi: Server, ask: Ask, name: str, texts: tuple[str, ...], whole: str, chunk: int | None
) -> None:
    """Every recorded stream gives its tokens and its text, in whatever pieces it arrives."""
    tgi.script(Stream([wire(name)], chunk=chunk))
    stream = ask(tgi.url).stream()
    chunks: list[Chunk] = list(stream)
    expected = whole.removeprefix(PROMPT)
    assert stream.result.text == expected
    assert [one.token.text for one in chunks if one.token] == list(texts)
    assert [token.text for token in stream.result.token_list] == list(texts)
    shown = "".join(one.text for one in chunks)
    # T5's leading blank has been shown when the server takes it back.
    assert shown == (" " + expected if name == "tgi/stream_t5.sse" else expected)
    assert len(tgi.requests) == 1


@pytest.mark.parametrize("chunk", [None, 1, 7])
@pytest.mark.parametrize(("name", "texts", "error_type"), BROKEN_STREAMS, ids=[row[0] for row in BROKEN_STREAMS])
def test_broken_streams_give_what_came_and_say_why(
    tgi: Server, ask: Ask, name: str, texts: tuple[str, ...], error_type: str | None, chunk: int | None
) -> None:
    """All tokens before the break are shown, whatever pieces they came in, and kept on the error and in the result."""
    tgi.script(Stream([wire(name)], chunk=chunk))
    stream = ask(tgi.url).stream(retries=0)
    shown: list[str] = []
    error = caught(InferError, lambda: collected(stream, shown))
    assert "".join(shown) == "".join(texts)
    if texts:
        assert error.partial.text == "".join(texts)
        assert stream.result is error.partial
        assert (stream.result.finish_reason, len(stream.result.token_list)) == ("error", len(texts))
    if error_type is None and name != "tgi/stream_chat_error.sse":
        assert type(error) is StreamInterruptedError
    else:
        assert isinstance(error, ApiError)
        assert error.error_type == (error_type or "")
    assert len(tgi.requests) == 1


@pytest.mark.parametrize(
    "route", ["", "/", "/generate", "/generate_stream", "/models/gpt2", "/hf-inference/models/org/name"]
)
def test_all_forms_of_a_call_give_the_same(tgi: Server, ask: Ask, route: str) -> None:
    """Text, details, text stream, chunk stream, run and stream agree on the text, on every route."""
    client = ask(tgi.url + route)
    details = client.text_generation(details=True)
    stream = client.stream()
    assert client.text_generation() == ANSWER
    assert details.generated_text == ANSWER
    assert "".join(client.text_generation(stream=True)) == ANSWER
    assert "".join(chunk.text for chunk in client.text_generation(stream=True, details=True)) == ANSWER
    assert str(client.run()) == "".join(chunk.text for chunk in stream) == stream.result.text == ANSWER
    assert [token.text for token in details.details.tokens] == [token.text for token in stream.result.token_list]
    assert "".join(token.text for token in details.details.tokens) == ANSWER + "</s>"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("generate", " Deep learning is a subset of machine learning"),
        ("generate_details", " Deep learning"),
        ("generate_nulls", " Deep learning"),
        ("generate_best_of", " Deep learning"),
        ("generate_t5", "to 4"),
        ("serverless", " Deep learning is a subset of machine learning"),
        ("serverless_details", " Deep learning"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_recorded_whole_answers_are_read(tgi: Server, ask: Ask, name: str, text: str, *, stream: bool) -> None:
    """Lists and objects, with details or without, are understood by what they hold, also where a stream was wanted."""
    tgi.script(Reply(body=wire(f"tgi/{name}.json"), headers={"content-type": "application/json"}))
    client = ask(tgi.url)
    prompt = "What is Deep Learning?"
    if stream:
        assert "".join(client.text_generation(prompt, stream=True)) == text
    else:
        assert client.text_generation(prompt) == text


def test_details_of_a_whole_answer_are_all_there(tgi: Server, ask: Ask) -> None:
    """Finish reason, seed, prompt tokens, tokens, alternatives and other generations come through."""
    client = ask(tgi.url)
    tgi.script(Reply(body=wire("tgi/generate_details.json")))
    details = client.text_generation(details=True).details
    assert (details.finish_reason, details.generated_tokens, details.seed) == ("eos_token", 3, 18435558523380366744)
    assert [(token.text, token.logprob) for token in details.prefill] == [("<s>", None), ("What", -10.734375)]
    tgi.script(Reply(body=wire("tgi/generate_best_of.json")))
    result = client.run(best_of=2, do_sample=True)
    assert [one.generated_text for one in result.best_of_sequences] == [" Machine learning"]
    assert [[token.text for token in step] for step in result.top_tokens] == [
        [" Deep", " Machine"],
        [" learning", " vision"],
    ]


def test_coded_answers_are_read(tgi: Server, ask: Ask) -> None:
    """A proxy that compresses although nobody asked is understood, whole and streamed."""
    client = ask(tgi.url)
    tgi.script(Reply(body=gzip.compress(b'[{"generated_text": "It is."}]'), headers={"content-encoding": "gzip"}))
    assert client.text_generation() == "It is."
    tgi.script(Stream([gzip.compress(wire("tgi/stream.sse"))], chunk=5, headers={"content-encoding": "gzip"}))
    assert "".join(client.text_generation(stream=True)) == " Deep learning"


def test_thousands_of_tokens_arrive(tgi: Server, ask: Ask) -> None:
    """A long stream, many events at a time, loses nothing."""
    tgi.script(burst(3000))
    result = ask(tgi.url).run()
    assert result.text == "".join(f" word{index}" for index in range(1, 3001))
    assert len(result.token_list) == 3000


# --- routes and bodies


@pytest.mark.parametrize(
    ("given", "whole", "streamed"),
    [
        ("", "/", "/"),
        ("/", "/", "/"),
        ("/generate", "/generate", "/generate_stream"),
        ("/generate_stream", "/generate", "/generate_stream"),
        ("/generate/", "/generate", "/generate_stream"),
        ("/behind/proxy/generate", "/behind/proxy/generate", "/behind/proxy/generate_stream"),
        ("/anything/else", "/anything/else", "/anything/else"),
    ],
)
def test_routes_are_swapped_as_needed(tgi: Server, ask: Ask, given: str, whole: str, streamed: str) -> None:
    """`/generate` and `/generate_stream` stand for each other, every other address is called as given."""
    client = ask(tgi.url + given)
    tgi.script(plain())
    client.text_generation()
    tgi.script(Stream([wire("tgi/stream.sse")]))
    client.run()
    assert [request.path for request in tgi.requests] == [whole, streamed]
    native = "generate" in given
    assert [request.body.get("stream") for request in tgi.requests] == ([None, None] if native else [False, True])


def test_a_query_is_kept(tgi: Server, ask: Ask) -> None:
    """What follows the question mark of an address goes along."""
    ask(f"{tgi.url}/generate?replica=2").run()
    assert (tgi.requests[0].path, tgi.requests[0].query) == ("/generate_stream", "replica=2")


@pytest.mark.parametrize("model", ["org/name", "gpt2"])
def test_a_hub_id_goes_to_hugging_face(tgi: Server, ask: Ask, monkeypatch: pytest.MonkeyPatch, model: str) -> None:
    """An id of the hub is asked from Hugging Face's address, which NBINFER_HF_BASE moves."""
    monkeypatch.setenv("NBINFER_HF_BASE", tgi.url + "/")
    result = ask(model).run()
    assert tgi.requests[0].path == f"/hf-inference/models/{model}"
    assert (result.text, result.model) == (ANSWER, model)


def test_the_model_of_a_call_beats_the_clients(tgi: Server, ask: Ask) -> None:
    """`model=` on a call names another model for this call alone."""
    client = ask(f"{tgi.url}/generate")
    client.run(model=f"{tgi.url}/models/gpt2")
    client.run()
    assert [request.path for request in tgi.requests] == ["/models/gpt2", "/generate_stream"]


@pytest.mark.parametrize(
    "model", ["org/name/more", "a b", "/etc/passwd", "ftp://host/x", "local/nothing", "org/", "", "<url_endpoint>"]
)
def test_what_is_no_model_is_refused(ask: Ask, model: str) -> None:
    """A name that cannot be resolved is an error that says what could stand there."""
    client = ask(f"http://127.0.0.1:{free_port()}")
    if model:
        assert caught(ModelNotFoundError, lambda: client.run(model=model)).hint
    else:
        caught(ConnectionFailedError, lambda: client.run(model=model))


def test_a_task_that_is_not_offered_is_refused(tgi: Server) -> None:
    """A task that the service does not know is an error before anything is sent."""
    with InferenceClient(tgi.url) as client:
        caught(UnsupportedTaskError, lambda: client.run("text-to-poem", PROMPT))
    assert not tgi.requests


@pytest.mark.parametrize("prompt", ["", None, 7, ["a"], b"a"])
def test_a_prompt_is_a_text(tgi: Server, ask: Ask, prompt: Any) -> None:
    """An empty prompt, or what is no text, is refused before anything is sent."""
    caught(ParameterError, lambda: ask(tgi.url).run(prompt))
    assert not tgi.requests


def test_the_usual_request(tgi: Server, ask: Ask) -> None:
    """Length, sampling and whether the prompt comes back are always said; nothing else is, unless asked for."""
    ask(tgi.url).text_generation()
    assert tgi.requests[0].body == {"inputs": PROMPT, "parameters": SENT | {"details": False}, "stream": False}
    assert tgi.requests[0].headers["content-type"] == "application/json"


def test_none_is_never_sent(tgi: Server, ask: Ask) -> None:
    """None means not given, for every parameter."""
    names = [
        *("best_of", "temperature", "repetition_penalty", "frequency_penalty", "top_p", "typical_p", "top_k", "seed"),
        *("max_new_tokens", "stop", "stop_sequences", "top_n_tokens", "truncate", "do_sample", "return_full_text"),
        *("decoder_input_details", "watermark", "grammar", "adapter_id", "keep_stop", "use_cache", "timeout"),
        "retries",
    ]
    ask(tgi.url).text_generation(**dict.fromkeys(names))
    assert sent(tgi) == SENT


def test_every_parameter_arrives_as_given(tgi: Server, ask: Ask) -> None:
    """All of the server's parameters go out under its names with their values, and the server takes them."""
    given = {
        "best_of": 2, "temperature": 0.5, "repetition_penalty": 1.5, "frequency_penalty": -1.0, "top_p": 0.5,
        "typical_p": 0.5, "top_k": 5, "max_new_tokens": 7, "stop": ["zzz"], "top_n_tokens": 2, "truncate": 3,
        "do_sample": True, "return_full_text": True, "decoder_input_details": True, "watermark": True,
        "grammar": {"type": "json", "value": {"properties": {"a": {"const": None}}}}, "adapter_id": "x",
    }  # fmt: skip
    result = ask(tgi.url).run(**given)
    assert sent(tgi) == given
    assert result.parameters == given


@pytest.mark.parametrize("seed", [0, 2**63, 2**64 - 1])
def test_seeds_are_exact(tgi: Server, ask: Ask, seed: int) -> None:
    """Seeds beyond 2^63 go out and come back to the last digit."""
    result = ask(tgi.url).run(seed=seed, do_sample=True)
    assert f'"seed":{seed}'.encode() in tgi.requests[0].content
    assert result.seed == seed


def test_the_server_tells_the_seed_it_drew(tgi: Server, ask: Ask) -> None:
    """Without a seed the result holds the one that the server drew."""
    client = ask(tgi.url)
    assert client.run(temperature=0.5).seed == RANDOM_SEED
    assert client.text_generation(temperature=0.5, details=True).details.seed == RANDOM_SEED - 1
    assert client.run().seed is None


def test_numbers_of_numpy_can_be_sent(tgi: Server, ask: Ask) -> None:
    """Values out of arrays and frames are numbers, texts and lists like others."""
    ask(tgi.url).run(np.str_("Why?"), top_k=np.int64(5), temperature=np.float32(0.5), stop=np.array(["zzz"]))
    assert tgi.requests[0].body["inputs"] == "Why?"
    assert sent(tgi) == SENT | {"top_k": 5, "temperature": 0.5, "stop": ["zzz"], "do_sample": True}


@pytest.mark.parametrize("temperature", [0, 0.0])
def test_temperature_zero_is_no_sampling(tgi: Server, ask: Ask, temperature: float) -> None:
    """The server refuses temperature 0, so it is not sent; what it makes useless is said in the footer."""
    result = ask(tgi.url).run(temperature=temperature, top_k=5)
    assert sent(tgi) == SENT
    assert result.notices == ("no effect at temperature 0: top_k",)
    assert "no effect at temperature 0" in result.footer


def test_unknown_parameters_are_refused_before_they_are_sent(tgi: Server, ask: Ask) -> None:
    """What a server would ignore in silence is an error that names the nearest."""
    error = caught(ParameterError, lambda: ask(tgi.url).text_generation(temprature=0.5))
    assert "temperature" in error.hint
    assert not tgi.requests


def test_unknown_parameters_can_be_sent_on_purpose(tgi: Server, ask: Ask) -> None:
    """`extra` goes out as it is, and is part of the account."""
    result = ask(tgi.url).run(extra={"min_p": 0.1})
    assert sent(tgi) == SENT | {"min_p": 0.1}
    assert result.parameters["min_p"] == 0.1


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"best_of": 2, "do_sample": True}, "`best_of` != 1 is not supported when streaming tokens"),
        ({"decoder_input_details": True}, "`decoder_input_details` == true is not supported when streaming tokens"),
    ],
)
def test_what_cannot_be_streamed_comes_whole_unless_a_stream_was_asked_for(
    tgi: Server, ask: Ask, given: dict[str, Any], says: str
) -> None:
    """An explicit stream is refused in the server's words; `run` and `stream` fall back to a whole answer."""
    client = ask(tgi.url)
    assert says in str(caught(ParameterError, lambda: list(client.text_generation(stream=True, **given))))
    assert not tgi.requests
    result = client.run(**given)
    assert tgi.requests[0].body["stream"] is False
    assert result.text == ANSWER
    assert result.best_of_sequences or result.prefill
    assert "".join(chunk.text for chunk in client.stream(**given)) == ANSWER


def test_values_that_json_cannot_hold_are_refused(tgi: Server, ask: Ask) -> None:
    """A half character in the prompt, or an object in a grammar, is an error of ours, told before anything is sent."""
    client = ask(tgi.url)
    for prompt, more in (
        ("a\ud83d", {}),
        ("a", {"grammar": {"type": "regex", "value": object()}}),
        ("a", {"extra": {"x": {1j}}}),
    ):
        caught(ParameterError, lambda prompt=prompt, more=more: client.run(prompt, **more))
    assert not tgi.requests


# --- stop texts, prompts, special tokens


@pytest.mark.parametrize("route", ["/", "/generate"])
def test_stop_texts_are_removed(tgi: Server, ask: Ask, route: str) -> None:
    """The text ends before the stop text, in every form of a call; the server leaves it in."""
    client = ask(tgi.url + route)
    expected = "Once upon a time, a small"
    stop = [" robot"]
    assert client.text_generation(stop=stop) == expected
    assert client.text_generation(stop_sequences=stop) == expected
    assert "".join(client.text_generation(stop=stop, stream=True)) == expected
    result = client.run(stop=stop)
    assert (result.text, result.finish_reason) == (expected, "stop")
    assert client.text_generation(stop=stop, details=True).generated_text == expected
    assert client.text_generation(stop=stop, keep_stop=True) == expected + " robot"
    assert "".join(client.text_generation(stop=stop, keep_stop=True, stream=True)) == expected + " robot"


@pytest.mark.parametrize(
    "stop", [[" tim"], ["e, a"], ["on a t"], ["zzz", "ime"], ["\n"], [" gull 🐦 l"], ["time", "me,"]]
)
def test_stop_texts_are_found_within_tokens(tgi: Server, ask: Ask, stop: list[str]) -> None:
    """Also where token borders cut it, or it ends inside a token, the text ends exactly before the stop text."""
    expected = min((ANSWER.split(word)[0] for word in stop if word in ANSWER), key=len)
    client = ask(tgi.url)
    assert client.text_generation(stop=stop) == expected
    assert client.run(stop=stop).text == expected
    assert "".join(client.text_generation(stop=stop, stream=True)) == expected


def test_the_server_stops_when_a_stop_text_is_found(tgi: Server, ask: Ask) -> None:
    """A stop text that the server misses ends the call at once: the connection is closed, so generation ends."""
    tgi.script(Stream([token_event(1, "One. Tw"), token_event(2, "o. Three.")], hold=True))
    began = time.monotonic()
    result = ask(tgi.url).run(stop=[" Two"])
    assert (result.text, result.finish_reason, result.raw_finish_reason) == ("One.", "stop", "stop_sequence")
    assert tgi.requests[0].closed.wait(2)
    assert time.monotonic() - began < 2


def test_text_that_could_be_a_stop_text_is_held_back_only_so_long(tgi: Server, ask: Ask) -> None:
    """A chunk shows all but what may still become a stop text, and the rest as soon as it is none."""
    words = ["a", " b", " c", " d"]
    tgi.script(
        Stream([*(token_event(n, word) for n, word in enumerate(words)), token_event(9, "", generated_text="a b c d")])
    )
    shown = [chunk.text for chunk in ask(tgi.url).stream(stop=[" b c x"])]
    assert shown == ["a", "", "", " b c d", ""]


def test_special_tokens_are_not_shown(tgi: Server, ask: Ask) -> None:
    """`</s>` is a token of the result but no part of any text."""
    client = ask(tgi.url)
    assert "</s>" not in "".join(client.text_generation(stream=True))
    *_, last = client.text_generation(stream=True, details=True)
    assert (last.token.text, last.token.special, last.text) == ("</s>", True, "")


def test_the_prompt_comes_back_when_asked_for(tgi: Server, ask: Ask) -> None:
    """return_full_text puts the prompt in front, exactly once, in every form of a call."""
    for route in ("/", "/generate"):
        client = ask(tgi.url + route)
        assert client.text_generation(return_full_text=True) == PROMPT + ANSWER
        assert "".join(client.text_generation(return_full_text=True, stream=True)) == PROMPT + ANSWER
        assert client.run(return_full_text=True).text == PROMPT + ANSWER
        assert client.text_generation(return_full_text=True, details=True).generated_text == PROMPT + ANSWER
        assert client.text_generation(return_full_text=True, stop=[" upon"]) == PROMPT + "Once"


def test_an_echoed_prompt_is_cut_and_the_result_says_so(tgi: Server, ask: Ask) -> None:
    """A server that puts the prompt in front although told not to is corrected, with a notice."""
    client = ask(tgi.url)
    tgi.script(plain(PROMPT + " It is."))
    result = client.stream().drain()
    assert result.text == " It is."
    assert "the server put the prompt in front of its answer; it was cut" in result.notices
    tgi.script(Stream([wire("tgi/stream_full_text.sse")]))
    result = client.run()
    assert result.text == " Deep learning"
    assert "it was cut" in result.footer


def test_what_is_no_echo_is_not_cut(tgi: Server, ask: Ask) -> None:
    """A model that repeats the question keeps its words: on native routes, in streams, and where the head differs."""
    words = PROMPT + " It is."
    tgi.script(Reply(json={"generated_text": words}))
    assert ask(f"{tgi.url}/generate").text_generation() == words
    tgi.script(Stream([token_event(1, PROMPT), token_event(2, " It is.", generated_text=words)]))
    assert ask(tgi.url).run().text == words
    tgi.script(plain(words.lower()))
    assert ask(tgi.url).text_generation() == words.lower()


# --- OpenAI's form


def completion(text: str | None, *, form: str = "text", **more: Any) -> dict[str, Any]:
    """Return a chunk of a completion as OpenAI and its likes write it."""
    holder: dict[str, Any] = {"text": text} if form == "text" else {form: {} if text is None else {"content": text}}
    return {"id": "c", "object": "x", "created": 1, "model": "m", "choices": [{"index": 0, **holder, **more}]}


@pytest.mark.parametrize("form", ["text", "delta"])
@pytest.mark.parametrize("done", [[], [b"data: [DONE]\n\n"], [b"data:[DONE]\n\n"], [b"data:  [DONE] \r\n\r\n"]])
def test_openai_streams_are_understood(tgi: Server, ask: Ask, form: str, done: list[bytes]) -> None:
    """Completion and chat chunks give text, reason and usage, with [DONE] or without."""
    usage = {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}}
    events = [
        completion("", form=form),
        completion("Hi", form=form),
        completion(" you", form=form, finish_reason="length"),
    ]
    tgi.script(Stream([*events, usage, *done]))
    stream = ask(tgi.url).stream()
    assert [chunk.text for chunk in stream if chunk.text] == ["Hi", " you"]
    result = stream.result
    assert (result.text, result.finish_reason) == ("Hi you", "length")
    assert (result.usage.input_tokens, result.usage.output_tokens) == (3, 2)


def test_openai_streams_may_end_with_done_alone(tgi: Server, ask: Ask) -> None:
    """Without any finish reason, [DONE] is the end."""
    tgi.script(Stream([completion("Hi"), completion("!", finish_reason=None), b"data: [DONE]\n\n"]))
    assert ask(tgi.url).run().text == "Hi!"


def test_done_ends_a_stream_though_the_connection_stays(tgi: Server, ask: Ask) -> None:
    """After [DONE] nothing is waited for, though the server leaves the connection open."""
    tgi.script(Stream([completion("Hi"), b"data: [DONE]\n\n"], hold=True))
    began = time.monotonic()
    assert ask(tgi.url, timeout=3).run().text == "Hi"
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("form", ["text", "message"])
@pytest.mark.parametrize("more", [{"finish_reason": "stop"}, {"finish_reason": None}, {}])
def test_openai_whole_answers_are_understood(tgi: Server, ask: Ask, form: str, more: dict[str, Any]) -> None:
    """A whole completion gives its text, whether or not it says why it ended."""
    tgi.script(Reply(json=completion("Hi you", form=form, **more)))
    assert ask(tgi.url).text_generation() == "Hi you"


def test_stop_texts_end_openai_streams_too(tgi: Server, ask: Ask) -> None:
    """The stop text is found in any form of stream."""
    tgi.script(Stream([completion("One. T"), completion("wo. Three")], hold=True))
    assert ask(tgi.url).run(stop=[" Two"]).text == "One."
    assert tgi.requests[0].closed.wait(2)


@pytest.mark.parametrize("more", [{"text": "Hi"}, {"index": 3}, {"details": None, "token": None}, {"error": None}])
def test_other_keys_beside_choices_do_not_matter(tgi: Server, ask: Ask, more: dict[str, Any]) -> None:
    """What providers add to a chunk is not taken for text."""
    tgi.script(Stream([completion("Hi") | more, completion("!", finish_reason="stop") | more]))
    assert ask(tgi.url).run().text == "Hi!"


# --- errors in the middle, hanging up


@pytest.mark.parametrize("broken", [{"cut": True}, {"reset": True}])
def test_a_cut_stream_keeps_what_came(tgi: Server, ask: Ask, broken: dict[str, bool]) -> None:
    """A connection that breaks raises StreamInterruptedError with the partial result, and is not tried again."""
    tgi.script(Stream([token_event(1, "One"), token_event(2, " two")], delay=0.02, **broken))
    stream = ask(tgi.url).stream()
    shown: list[str] = []
    error = caught(StreamInterruptedError, lambda: collected(stream, shown))
    assert shown == ["One", " two"]
    assert error.partial is stream.result
    assert (stream.result.text, stream.result.finish_reason) == ("One two", "error")
    assert "broke off" in stream.result.footer
    assert len(tgi.requests) == 1


def test_text_that_was_held_back_is_kept_when_a_stream_breaks(tgi: Server, ask: Ask) -> None:
    """What waited to become a stop text belongs to the partial result."""
    tgi.script(Stream([token_event(1, "One"), token_event(2, " tw")], cut=True))
    error = caught(StreamInterruptedError, ask(tgi.url).stream(stop=[" two"]).drain)
    assert error.partial.text == "One tw"


def test_a_cut_after_the_end_does_no_harm(tgi: Server, ask: Ask) -> None:
    """An answer that is complete stays complete when the connection then breaks."""
    tgi.script(Stream([wire("tgi/stream.sse")], cut=True))
    assert ask(tgi.url).run().text == " Deep learning"


@pytest.mark.parametrize("drop", [Drop(), Drop(reset=True)])
def test_a_server_that_hangs_up_at_once_is_named(tgi: Server, ask: Ask, drop: Drop) -> None:
    """No answer at all is an error that names the host."""
    tgi.script(drop)
    error = caught(ConnectionFailedError, ask(tgi.url).run)
    assert tgi.url.removeprefix("http://") in str(error)
    assert error.partial is None


def test_a_whole_answer_that_is_cut_is_an_error(tgi: Server, ask: Ask) -> None:
    """Half of an answer is not taken for all of it."""
    tgi.script(Reply(json={"generated_text": "It is."}, cut=True))
    caught(ConnectionFailedError, lambda: ask(tgi.url).text_generation())


def test_an_error_in_the_stream_keeps_its_class_and_the_text(tgi: Server, ask: Ask) -> None:
    """An error event raises the class of its type, with the text so far."""
    tgi.script(Stream([wire("tgi/stream_failed.sse")]))
    error = caught(GenerationError, ask(tgi.url).run)
    assert "CUDA out of memory" in str(error)
    assert error.partial.text == " Deep learning"
    assert error.status == 200


def test_closing_hangs_up(tgi: Server, ask: Ask) -> None:
    """`close()` in the middle makes the server stop; the result holds what arrived."""
    tgi.script(Stream([token_event(1, "One"), token_event(2, " two")], hold=True))
    stream = ask(tgi.url).stream()
    steps = iter(stream)
    assert [next(steps).text, next(steps).text] == ["One", " two"]
    assert not tgi.requests[0].closed.is_set()
    stream.close()
    assert tgi.requests[0].closed.wait(2)
    assert (stream.result.text, stream.result.finish_reason) == ("One two", "interrupted")
    assert "interrupted" in stream.result.footer
    stream.close()


def test_closing_before_the_first_step_asks_nothing(tgi: Server, ask: Ask) -> None:
    """A stream that is closed untouched sends nothing and has an empty result."""
    stream = ask(tgi.url).stream()
    stream.close()
    assert not tgi.requests
    assert (stream.result.text, stream.result.finish_reason) == ("", "interrupted")


def test_there_is_no_result_before_the_end(tgi: Server, ask: Ask) -> None:
    """To ask for the result of a stream that was not read is an error that says what to do."""
    stream = ask(tgi.url).stream()
    with pytest.raises(InferError, match="there is no result yet"):
        _ = stream.result
    stream.close()


@pytest.mark.parametrize("details", [False, True])
def test_leaving_a_loop_hangs_up(tgi: Server, *, details: bool) -> None:
    """`break` out of a stream that nobody keeps makes the server stop, without waiting for garbage collection."""
    tgi.script(Stream([token_event(1, "One")], hold=True))
    gc.disable()
    try:
        with InferenceClient(tgi.url) as client:
            for _ in client.text_generation(PROMPT, stream=True, details=details):
                break
            assert tgi.requests[0].closed.wait(2)
    finally:
        gc.enable()


def test_leaving_a_block_hangs_up(tgi: Server) -> None:
    """A stream used as a context manager is closed at its end, whatever happened in it."""
    for error in (None, RuntimeError("no more")):
        tgi.clear()
        tgi.script(Stream([token_event(1, "One")], hold=True))
        with InferenceClient(tgi.url) as client:
            try:
                with client.stream(TASK, PROMPT) as stream:
                    next(iter(stream))
                    if error:
                        raise error
            except RuntimeError:
                pass
            assert tgi.requests[0].closed.wait(2)
            assert stream.result.text == "One"


@pytest.mark.parametrize("details", [False, True])
def test_leaving_an_async_loop_hangs_up(tgi: Server, *, details: bool) -> None:
    """`break` out of an async stream makes the server stop while the program goes on."""
    tgi.script(Stream([token_event(1, "One")], hold=True))

    async def leave() -> bool:
        async with AsyncInferenceClient(tgi.url) as client:
            async for _ in await client.text_generation(PROMPT, stream=True, details=details):
                break
            return await asyncio.to_thread(tgi.requests[0].closed.wait, 2)

    gc.disable()
    try:
        assert asyncio.run(leave())
    finally:
        gc.enable()


def test_cancelling_hangs_up(tgi: Server) -> None:
    """A task that is cancelled in the middle of an answer makes the server stop and keeps what arrived."""
    tgi.script(Stream([token_event(1, "One")], hold=True))

    async def cancelled() -> TextResult:
        async with AsyncInferenceClient(tgi.url) as client:
            arrived = asyncio.Event()
            stream = client.stream(TASK, PROMPT)

            async def read() -> None:
                async for _ in stream:
                    arrived.set()

            task = asyncio.create_task(read())
            await arrived.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await asyncio.to_thread(tgi.requests[0].closed.wait, 2)
            return stream.result

    result = asyncio.run(cancelled())
    assert (result.text, result.finish_reason) == ("One", "interrupted")


def test_interrupting_hangs_up(tgi: Server) -> None:
    """KeyboardInterrupt, which comes while bytes are waited for, makes the server stop and keeps what arrived."""
    tgi.script(Stream([token_event(1, "One")], hold=True))
    with InferenceClient(tgi.url) as client:
        stream = client.stream(TASK, PROMPT)
        shown: list[str] = []
        timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            collected(stream, shown)
        timer.join()
        assert tgi.requests[0].closed.wait(2)
    assert shown == ["One"]
    assert (stream.result.text, stream.result.finish_reason) == ("One", "interrupted")


# --- trying again


def test_a_loading_model_is_asked_again_with_patience(tgi: Server, ask: Ask) -> None:
    """503 "loading" is waited for; the retry, and it alone, asks the server to hold the request."""
    tgi.script(loading(retry_after="0.05"), times=2)
    stream = ask(tgi.url).stream()
    told: list[Wait] = []
    stream.waiting = told.append
    assert stream.drain().text == ANSWER
    assert [request.headers.get("x-wait-for-model") for request in tgi.requests] == [None, "true", "true"]
    assert [wait.reason for wait in told] == ["Model org/name is currently loading"] * 2
    assert all(0 < wait.seconds <= 0.05 for wait in told)


def test_loading_said_with_status_200_is_loading(tgi: Server, ask: Ask) -> None:
    """The same body with status 200 is no answer."""
    tgi.script(Reply(body=wire("tgi/loading.json"), headers={"retry-after": "0"}))
    assert type(caught(ModelLoadingError, lambda: ask(tgi.url).run(retries=0))) is ModelLoadingError


class EnoughError(Exception):
    """Stop waiting: the test has seen what it wanted."""


@pytest.mark.parametrize(
    ("reply", "longest"),
    [
        (Reply(503, json={"error": "Model x is currently loading", "estimated_time": 500.0}), 30),
        (Reply(503, json={"error": "Model x is currently loading", "estimated_time": 7.5}), 7.5),
        (Reply(503, json={"error": "Model x is currently loading", "estimated_time": 0.01}), 1),
        (Reply(429, text="slow down", headers={"retry-after": "50"}), 50),
        (Reply(429, text="slow down", headers={"ratelimit": '"api";r=0;t=55'}), 55),
        (Reply(429, text="slow down", headers={"ratelimit": '"api";r=5;t=55'}), 1),
        (Reply(429, text="slow down"), 1),
        (Reply(500, text="oops"), 1),
        (Reply(502, text="bad gateway"), 1),
    ],
)
def test_waits_are_as_long_as_the_server_says_within_bounds(
    tgi: Server, ask: Ask, reply: Reply, longest: float
) -> None:
    """Estimates are kept within 1 and 30 seconds, Retry-After and rate limits are honoured, else it is about 1."""

    def told(wait: Wait) -> None:
        waits.append(wait.seconds)
        raise EnoughError

    waits: list[float] = []
    tgi.script(reply)
    stream = ask(tgi.url).stream()
    stream.waiting = told
    with pytest.raises(EnoughError):
        stream.drain()
    assert waits == [pytest.approx(longest, abs=0.3)]


def test_waits_grow(tgi: Server, ask: Ask) -> None:
    """Without advice from the server the second wait is about 2 seconds, twice the first."""

    def told(wait: Wait) -> None:
        waits.append(wait.seconds)
        raise EnoughError

    waits: list[float] = []
    tgi.script(Reply(500, text="oops", headers={"retry-after": "0"}))
    tgi.script(Reply(500, text="oops"))
    stream = ask(tgi.url).stream()
    stream.waiting = told
    with pytest.raises(EnoughError):
        stream.drain()
    assert waits == [pytest.approx(2, abs=0.6)]


@pytest.mark.parametrize("header", ["3600", "61", "inf", "nan"])
def test_a_wait_that_is_too_long_is_not_begun(tgi: Server, ask: Ask, header: str) -> None:
    """A server that asks for an hour gets no request after an hour: the error is raised at once."""
    tgi.script(Reply(429, text="slow down", headers={"retry-after": header}))
    caught(RateLimitedError, ask(tgi.url).run)
    assert len(tgi.requests) == 1


def test_a_date_to_retry_after_is_honoured(tgi: Server, ask: Ask) -> None:
    """Retry-After may be a date: one far away is not waited for."""
    tgi.script(Reply(429, text="slow down", headers={"retry-after": "Fri, 31 Dec 2100 23:59:59 GMT"}))
    began = time.monotonic()
    caught(RateLimitedError, ask(tgi.url).run)
    assert time.monotonic() - began < 0.9
    assert len(tgi.requests) == 1


@pytest.mark.parametrize("retries", [0, 1, 3])
def test_retries_are_bounded(tgi: Server, ask: Ask, retries: int) -> None:
    """`retries` says how often to ask again; 0 never."""
    tgi.script(Reply(429, text="slow down", headers={"retry-after": "0"}), times=9)
    caught(RateLimitedError, lambda: ask(tgi.url).run(retries=retries))
    assert len(tgi.requests) == 1 + retries


def test_three_retries_are_usual(tgi: Server, ask: Ask) -> None:
    """Without being told, the client asks four times in all."""
    tgi.script(Reply(503, text="busy", headers={"retry-after": "0"}), times=9)
    caught(ApiError, lambda: ask(tgi.url).text_generation())
    assert len(tgi.requests) == 4


def test_a_failed_generation_is_tried_once_more(tgi: Server, ask: Ask) -> None:
    """424 is tried again once, whatever `retries` allows."""
    tgi.script(Reply(424, body=wire("tgi/generation.json"), headers={"retry-after": "0"}), times=9)
    caught(GenerationError, lambda: ask(tgi.url).run(retries=5))
    assert len(tgi.requests) == 2


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 413, 422])
def test_refusals_are_final(tgi: Server, ask: Ask, status: int) -> None:
    """What cannot get better is not asked again."""
    tgi.script(Reply(status, text="no", headers={"retry-after": "0"}), times=9)
    assert caught(ApiError, ask(f"{tgi.url}/generate").run).status == status
    assert len(tgi.requests) == 1


def test_a_stream_that_fails_before_any_text_is_tried_again(tgi: Server, ask: Ask) -> None:
    """An error event in the place of the first token counts like a status."""
    tgi.script(Stream([wire("tgi/stream_overloaded.sse")], headers={"retry-after": "0"}))
    stream = ask(tgi.url).stream()
    assert stream.drain().text == ANSWER
    assert len(tgi.requests) == 2


def test_nothing_is_tried_again_after_text_came(tgi: Server, ask: Ask) -> None:
    """An error after the first token is raised, with the text, whatever its class allows."""
    tgi.script(Stream([token_event(1, "One"), wire("tgi/stream_overloaded.sse")], headers={"retry-after": "0"}))
    error = caught(OverloadedError, ask(tgi.url).run)
    assert error.partial.text == "One"
    assert len(tgi.requests) == 1


def test_closing_during_a_wait_ends_it(tgi: Server) -> None:
    """An interrupt while a model loads ends the wait at once."""
    tgi.script(Reply(503, body=wire("tgi/loading.json")))
    with InferenceClient(tgi.url) as client:
        stream = client.stream(TASK, PROMPT)
        timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        began = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            stream.drain()
        timer.join()
        assert time.monotonic() - began < 3
    assert len(tgi.requests) == 1


# --- waiting


def test_nobody_listens(ask: Ask) -> None:
    """A refused connection is an error of one line that names the host, without a number of the system."""
    address = f"127.0.0.1:{free_port()}"
    error = caught(ConnectionFailedError, ask(f"http://{address}").run)
    assert str(error).startswith(f"cannot connect to {address}: ")
    assert "Errno" not in str(error)
    assert "local" in error.hint


@pytest.mark.parametrize(
    "url",
    ["http://no-such-host.invalid", "http://127.0.0.1:99999", "http://", "https://:80", "http://[::1", "http://<url>"],
)
def test_an_address_that_leads_nowhere_is_an_error_of_ours(ask: Ask, url: str) -> None:
    """Hosts that do not exist and addresses that are none are told in a few lines."""
    caught(InferError, lambda: ask(url, timeout=2).run())


def test_the_first_byte_is_waited_for_so_long(tgi: Server, ask: Ask) -> None:
    """A server that says nothing is left after `timeout` seconds, and sees it."""
    tgi.script(Reply(delay=5))
    error = caught(TimedOutError, lambda: ask(tgi.url, timeout=0.2).run())
    assert "for 0.2 s" in str(error)
    assert tgi.requests[0].closed.wait(2)
    assert len(tgi.requests) == 1


def test_a_call_may_have_its_own_timeout(tgi: Server, ask: Ask) -> None:
    """`timeout=` on a call beats the client's."""
    tgi.script(Reply(delay=5), times=2)
    client = ask(tgi.url, timeout=30)
    caught(TimedOutError, lambda: client.run(timeout=0.1))
    caught(TimedOutError, lambda: client.text_generation(timeout=0.1))


def test_silence_in_a_stream_is_waited_for_so_long(tgi: Server, ask: Ask) -> None:
    """A stream that falls silent is an interrupted one, with what had come."""
    tgi.script(Stream([token_event(1, "One")], hold=True))
    error = caught(StreamInterruptedError, lambda: ask(tgi.url, timeout=0.2).run())
    assert error.partial.text == "One"
    assert "0.2 s" in str(error)
    assert tgi.requests[0].closed.wait(2)


def test_a_stream_that_never_says_a_word_times_out(tgi: Server, ask: Ask) -> None:
    """Headers alone are no answer."""
    tgi.script(Stream([], hold=True))
    caught(TimedOutError, lambda: ask(tgi.url, timeout=0.2).run())


def test_each_kind_of_wait_has_its_time(tgi: Server, ask: Ask) -> None:
    """The first byte may take longer than silence in between, and the other way round."""
    tgi.script(Stream([token_event(1, "One")], hold=True))
    began = time.monotonic()
    caught(StreamInterruptedError, lambda: ask(tgi.url, timeout=Timeout(first_byte=5, idle=0.2)).run())
    assert time.monotonic() - began < 2
    tgi.script(Reply(delay=5))
    caught(TimedOutError, lambda: ask(tgi.url, timeout=Timeout(first_byte=0.2, idle=5)).run())
    tgi.script(plain(delay=0.4))
    assert ask(tgi.url, timeout=Timeout(first_byte=5, idle=0.2)).text_generation() == "It is."


def test_keep_alive_comments_are_life(tgi: Server, ask: Ask) -> None:
    """A stream that says nothing but comments for longer than the timeout is not given up."""
    tgi.keep_alive = 0.1
    tgi.script(Stream([token_event(1, "One", generated_text="One")], delay=0.8))
    assert ask(tgi.url, timeout=0.4).run().text == "One"


def test_an_answer_may_take_longer_than_any_wait(tgi: Server, ask: Ask) -> None:
    """An answer may take longer than the timeout as long as it goes on."""
    tgi.pace = 0.05
    assert ask(tgi.url, timeout=0.4).run(max_new_tokens=12).text == "".join(pieces(ANSWER)[:12])


def test_the_whole_has_its_time_too(tgi: Server, ask: Ask) -> None:
    """A stream that goes on and on is left after the time for the whole, with what had come."""
    tgi.pace = 0.05
    error = caught(StreamInterruptedError, lambda: ask(tgi.url, timeout=Timeout(total=0.4)).run(max_new_tokens=40))
    assert "no whole answer within 0.4 s" in str(error)
    assert ANSWER.startswith(error.partial.text)
    assert tgi.requests[0].closed.wait(2)


def test_retries_and_pauses_count_as_well(tgi: Server, ask: Ask) -> None:
    """A pause that would exceed the time for the whole is not begun."""
    tgi.script(Reply(503, headers={"retry-after": "20"}))
    began = time.monotonic()
    caught(TimedOutError, lambda: ask(tgi.url, timeout=Timeout(total=5)).run())
    assert time.monotonic() - began < 2


def test_an_embedded_model_has_its_time_too(ask: Ask) -> None:
    """What is computed here ends in time as well."""
    ask("local").run(max_new_tokens=1)
    client = ask("local", timeout=Timeout(total=0.1))
    error = caught(StreamInterruptedError, lambda: client.run("Once upon a time", max_new_tokens=400))
    assert error.partial.text


# --- servers that are no TGI


MODELS = Reply(json={"object": "list", "data": [{"id": "llama3"}, {"id": "other"}]})


@pytest.mark.parametrize(
    "refusal",
    [Reply(404), Reply(405), Reply(404, text="404 page not found"), Reply(json={"error": "Unexpected endpoint"})],
    ids=["vllm", "transformers", "ollama", "lm-studio"],
)
def test_the_root_of_any_server_takes_prompts(tgi: Server, ask: Ask, refusal: Reply) -> None:
    """A server that lists its models gets plain completions, and is asked but once what it is."""
    tgi.script(refusal, "/")
    tgi.script(Reply(404), "/info")
    tgi.script(MODELS, "/v1/models")
    client = ask(tgi.url)
    result = client.run(max_new_tokens=5, watermark=True)
    assert result.text == client.run(max_new_tokens=5).text == "".join(pieces(ANSWER)[:5])
    assert "watermark" in "".join(result.notices)
    assert "watermark" not in result.parameters
    assert [request.path for request in tgi.requests] == [
        *("/", "/info", "/v1/models"),
        *("/v1/completions", "/v1/completions"),
    ]
    assert {request.body["model"] for request in tgi.requests[3:]} == {"llama3"}


def test_a_refusal_stays_one_where_no_models_are_listed(tgi: Server, ask: Ask) -> None:
    """Nothing is made up: what says 404 and lists no models is not found."""
    for path in ("/", "/info", "/v1/models"):
        tgi.script(Reply(404), path)
    caught(NotFoundError, lambda: ask(tgi.url).run())


def test_limits_that_a_server_told_are_checked_here(tgi: Server, ask: Ask) -> None:
    """After `get_endpoint_info` what exceeds the server's limits is refused in its words, and not sent."""
    client = ask(tgi.url)
    told = {"stop": ["a", "b", "c", "d", "e"]}
    caught(UnprocessableError, lambda: client.run(**told))
    assert client.get_endpoint_info()["max_stop_sequences"] == 4
    sent = len(tgi.requests)
    error = caught(ParameterError, lambda: client.run(**told))
    assert str(error) == "`stop` supports up to 4 stop sequences. Given: 5"
    assert "`truncate` must be" in str(caught(ParameterError, lambda: client.run(truncate=5000)))
    assert "`best_of` must be" in str(caught(ParameterError, lambda: client.run(best_of=3, do_sample=True)))
    assert len(tgi.requests) == sent
    client.run(stop=["a"], truncate=4095)


def test_a_server_says_whether_it_is_well(tgi: Server, ask: Ask) -> None:
    """`health_check` is true, false, or an error where nothing answers."""
    client = ask(tgi.url)
    assert client.health_check() is True
    tgi.script(Reply(503, json={"error": "unhealthy", "error_type": "healthcheck"}))
    assert client.health_check() is False
    assert [(request.method, request.path) for request in tgi.requests] == [("GET", "/health")] * 2
    caught(ConnectionFailedError, lambda: ask("http://127.0.0.1:9").health_check())
    caught(ParameterError, lambda: ask("org/name").get_endpoint_info())


# --- cache, headers, account


def test_fresh_answers_are_asked_for_with_a_header(tgi: Server, ask: Ask) -> None:
    """`use_cache=False` and the client's headers say `x-use-cache: 0`; the result knows whether it was cached."""
    client = ask(f"{tgi.url}/models/gpt2")
    first, second = client.run(do_sample=True), client.run(do_sample=True)
    assert (first.cached, second.cached) == (False, True)
    assert first.seed == second.seed
    assert "cached" in second.footer
    fresh = client.run(do_sample=True, use_cache=False)
    assert (fresh.cached, fresh.seed != first.seed) == (False, True)
    client.client.headers["x-use-cache"] = "0"
    assert not client.run(do_sample=True).cached
    assert [request.headers.get("x-use-cache") for request in tgi.requests] == [None, None, "0", "0"]


def test_use_cache_true_says_nothing(tgi: Server, ask: Ask) -> None:
    """To want the usual is to send nothing."""
    ask(tgi.url).run(use_cache=True)
    assert "x-use-cache" not in tgi.requests[0].headers


def test_headers_of_client_and_call_are_sent(tgi: Server, ask: Ask) -> None:
    """Headers given to the client go with every request, those of a call with it alone, which win."""
    client = ask(tgi.url, headers={"X-A": "client", "X-B": "client"})
    client.run(headers={"X-B": "call"})
    client.run()
    assert [(request.headers["x-a"], request.headers["x-b"]) for request in tgi.requests] == [
        ("client", "call"),
        ("client", "client"),
    ]


@pytest.mark.parametrize(
    ("headers", "call"),
    [
        ({"Authorization": "Bearer mine"}, {}),
        ({"X-Use-Cache": "1"}, {"use_cache": False}),
        ({"X-A": "1"}, {"headers": {"x-a": "2"}}),
        ({"CONTENT-TYPE": "application/json"}, {}),
    ],
)
def test_no_header_is_sent_twice(tgi: Server, headers: dict[str, str], call: dict[str, Any]) -> None:
    """Names of headers are the same in any case: the later one takes the place of the earlier."""
    with InferenceClient(tgi.url, api_key=KEY, headers=headers) as client:
        names = [name.lower() for name in client.preview(TASK, PROMPT, **call)["headers"]]
    assert len(names) == len(set(names))


def test_a_users_authorization_wins(tgi: Server, ask: Ask) -> None:
    """Who sets the header by hand means it."""
    ask(tgi.url, api_key=KEY, headers={"Authorization": "Basic abc"}).run()
    assert tgi.requests[0].headers["authorization"] == "Basic abc"


@pytest.mark.parametrize("value", [0, False, None, b"0", 1.5])
def test_header_values_are_texts_or_refused(tgi: Server, ask: Ask, value: Any) -> None:
    """A header that is no text is sent as one or refused, never a failure from inside."""
    client = ask(tgi.url, headers={"x-use-cache": value})
    try:
        client.run()
    except ParameterError:
        assert not tgi.requests
    else:
        assert tgi.requests[0].headers["x-use-cache"] in {"0", "1.5"}


def test_the_result_holds_the_account(tgi: Server, ask: Ask) -> None:
    """Model, prompt, parameters, counts, reason, headers, id and times are all on the result."""
    tgi.pace = 0.01
    result = ask(f"{tgi.url}/models/gpt2").run(max_new_tokens=3, top_n_tokens=2)
    assert result.model == f"{tgi.url}/models/gpt2"
    assert result.prompt == PROMPT
    assert result.parameters == SENT | {"max_new_tokens": 3, "top_n_tokens": 2}
    assert (result.finish_reason, result.raw_finish_reason) == ("length", "length")
    assert (result.usage.input_tokens, result.usage.output_tokens) == (1 + len(pieces(PROMPT)), 3)
    assert result.request_id == "request-1"
    assert result.headers["x-compute-type"] == "gpu"
    assert 0 < result.timings.first < result.timings.total
    assert [len(step) for step in result.top_tokens] == [2, 2, 2]
    assert result.tokens["text"].tolist() == ["Once", " upon", " a"]


def test_a_whole_answer_has_its_counts_from_headers(tgi: Server) -> None:
    """Without details the server's headers tell how many tokens there were."""
    with InferenceClient(f"{tgi.url}/generate") as client:
        tgi.script(Reply(json={"generated_text": "a b"}, headers={"x-prompt-tokens": "5", "x-generated-tokens": "2"}))
        usage = client.run(TASK, PROMPT).usage
    assert (usage.input_tokens, usage.output_tokens) == (5, 2)


def test_counts_of_the_body_beat_those_of_headers(tgi: Server, ask: Ask) -> None:
    """Headers are known to be wrong; what the answer says counts."""
    usage = {"choices": [], "usage": {"prompt_tokens": 13, "completion_tokens": 2}}
    tgi.script(Stream([completion("Hi", finish_reason="stop"), usage], headers={"x-prompt-tokens": "1003"}))
    assert ask(tgi.url).run().usage.input_tokens == 13


@pytest.mark.parametrize(("stop", "reason"), [([], "length"), ([" time"], "stop"), (None, "stop")])
def test_the_reason_of_the_end_is_told(tgi: Server, ask: Ask, stop: list[str] | None, reason: str) -> None:
    """Length, stop text and end token are told apart as length and stop."""
    limit = {"max_new_tokens": 3} if stop == [] else {}
    assert ask(tgi.url).run(stop=stop, **limit).finish_reason == reason


# --- keys


def test_a_key_is_sent_to_the_server_it_is_given_for(tgi: Server, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    """`token`, `api_key` and a variable's name all say the key, blanks around it apart; without one none is sent."""
    tgi.model = Model(api_key=KEY)
    monkeypatch.setenv("MY_KEY", KEY)
    for given in ({"token": KEY}, {"api_key": KEY}, {"api_key": {"env": "MY_KEY"}}, {"token": f" {KEY}\n"}):
        assert ask(tgi.url, **given).run().text == ANSWER
        assert tgi.requests[-1].headers["authorization"] == f"Bearer {KEY}"
    caught(ApiError, ask(tgi.url).run)
    assert "authorization" not in tgi.requests[-1].headers


def test_a_variable_that_is_not_set_is_named(ask: Ask) -> None:
    """A key that should come from the environment and does not is an error before anything is sent."""
    error = caught(ParameterError, lambda: ask("http://127.0.0.1:1", api_key={"env": "NO_SUCH_KEY"}))
    assert "NO_SUCH_KEY" in str(error)


def test_arguments_that_say_the_same_are_refused() -> None:
    """Two models or two keys are one too many."""
    for given in ({"model": "a/b", "base_url": "http://x"}, {"token": "a", "api_key": "b"}):
        caught(ParameterError, lambda given=given: InferenceClient(**given))


@pytest.mark.parametrize("base", [False, True])
def test_the_stored_token_goes_to_hugging_face_only(
    tgi: Server, ask: Ask, monkeypatch: pytest.MonkeyPatch, *, base: bool
) -> None:
    """HF_TOKEN is not sent to any other host, not even to one that stands in for Hugging Face."""
    monkeypatch.setenv("HF_TOKEN", KEY)
    if base:
        monkeypatch.setenv("NBINFER_HF_BASE", tgi.url)
    ask("org/name" if base else tgi.url).run()
    assert KEY not in json.dumps(tgi.requests[0].headers)


@pytest.mark.parametrize(
    ("model", "has_key"),
    [
        ("org/name", True),
        ("https://huggingface.co/x", True),
        ("https://x.us-east-1.aws.endpoints.huggingface.cloud", True),
        ("https://router.huggingface.co/x", True),
        ("https://x.hf.co", True),
        ("http://huggingface.co/x", False),
        ("https://huggingface.co.evil.com", False),
        ("https://evilhuggingface.co", False),
        ("https://evil.com/huggingface.co", False),
        ("https://huggingface.co@evil.com", False),
        ("https://evil.com?huggingface.co", False),
        ("https://evil.com#huggingface.co", False),
    ],
)
def test_which_hosts_are_hugging_faces(monkeypatch: pytest.MonkeyPatch, model: str, *, has_key: bool) -> None:
    """The stored token goes with https to huggingface.co, hf.co and their endpoints, and is hidden in a preview."""
    monkeypatch.setenv("HF_TOKEN", KEY)
    shown = InferenceClient(model).preview(TASK, PROMPT)
    assert ("authorization" in shown["headers"]) is has_key
    assert KEY not in json.dumps(shown)


def test_a_key_does_not_follow_to_another_host(tgi: Server, ask: Ask) -> None:
    """The client's key belongs to its own model: a call that names another host gets none, unless given one."""
    client = ask("http://localhost:1", api_key=KEY)
    client.run(model=tgi.url)
    assert "authorization" not in tgi.requests[0].headers


def test_a_key_is_not_sent_in_the_clear_where_it_was_given_for_https() -> None:
    """The key of an https address does not go to the same host over plain http."""
    client = InferenceClient("https://host.example", api_key=KEY)
    assert "authorization" in client.preview(TASK, PROMPT)["headers"]
    assert "authorization" not in client.preview(TASK, PROMPT, model="http://host.example")["headers"]


def test_redirects_are_not_followed(tgi: Server, ask: Ask) -> None:
    """A server that points elsewhere gets the key sent nowhere; the error says so."""
    tgi.script(Reply(307, headers={"location": f"{tgi.url}/elsewhere"}))
    caught(BadRequestError, ask(tgi.url, api_key=KEY).run)
    assert [request.path for request in tgi.requests] == ["/"]


@pytest.mark.parametrize(
    "key",
    [
        "<access_token>",
        "YOUR_TOKEN",
        "YOUR_HF_TOKEN",
        "hf_xxx",
        "hf_***",
        "hf_...",
        "sk-xxxx",
        "…",
        "xxx",
        "<your key here>",
    ],
)
def test_placeholders_are_recognised(tgi: Server, ask: Ask, key: str) -> None:
    """What a tutorial writes in the place of a key is an error that says where to get a real one, and is not sent."""
    error = caught(ParameterError, lambda: ask(tgi.url, token=key).run())
    assert "huggingface.co/settings/tokens" in error.hint
    assert not tgi.requests


@pytest.mark.parametrize("key", ["xyz", "hf_axxb", "token", "a", "MY_TOKEN_1"])
def test_odd_keys_are_keys(tgi: Server, ask: Ask, key: str) -> None:
    """A short or strange key of one's own server is sent as it is."""
    ask(tgi.url, api_key=key).run()
    assert tgi.requests[0].headers["authorization"] == f"Bearer {key}"


@pytest.mark.parametrize("key", ["hf_abc…def", "clé-secrète", "hf_secret\nx", "hf_secret\x00", "hf_sec\u200bret"])
def test_keys_that_cannot_be_sent_are_refused_unseen(tgi: Server, ask: Ask, key: str) -> None:
    """A key with characters that no header can hold is an error of ours, which does not show it."""
    error = caught(ParameterError, lambda: ask(tgi.url, api_key=key).run())
    assert "secr" not in "".join(error.lines())
    assert "abc" not in "".join(error.lines())


@pytest.mark.parametrize("name", ["x-api-key", "api-key", "Authorization", "Cookie"])
def test_headers_that_hold_keys_are_never_shown(tgi: Server, ask: Ask, name: str) -> None:
    """A header of that kind which cannot be sent is not repeated in the error."""
    error = caught(InferError, lambda: ask(tgi.url, headers={name: f"{KEY}\n"}).run())
    assert KEY not in "".join(error.lines()) + str(error.__cause__ and "")


def echoes(form: str) -> Callable[[Recorded], Reply | Stream]:
    """Return a script that answers with the key that came, in some form."""

    def answer(request: Recorded) -> Reply | Stream:
        key = request.headers["authorization"]
        return {
            "error": lambda: Reply(401, json={"error": f"{key} is not known"}),
            "plain": lambda: Reply(500, text=f"x {key}"),
            "half": lambda: Reply(500, text="x" * 480 + key),
            "not JSON": lambda: Reply(200, text=f"x {key}"),
            "no text": lambda: Reply(200, json={"key": key}),
            "error 200": lambda: Reply(200, json={"error": key}),
            "event": lambda: Stream([token_event(1, "One"), {"error": key}]),
            "no event": lambda: Stream([token_event(1, "One"), f"data: {key}\n\n".encode()]),
        }[form]()

    return answer


@pytest.mark.parametrize("form", ["error", "plain", "half", "not JSON", "no text", "error 200", "event", "no event"])
@pytest.mark.parametrize("given", [{"api_key": KEY}, {"headers": {"Authorization": f"Bearer {KEY}"}}])
def test_a_key_that_the_server_repeats_is_hidden(tgi: Server, ask: Ask, form: str, given: dict[str, Any]) -> None:
    """Whatever a server does with the key, the error does not show it, nor any beginning of it."""
    tgi.script(echoes(form))
    error = caught(InferError, lambda: ask(tgi.url, **given).run(retries=0))
    assert KEY[:8] not in "".join(error.lines()) + repr(error) + repr(error.partial)


def test_keys_are_nowhere_to_be_seen(tgi: Server, ask: Ask) -> None:
    """Neither client nor preview nor result, in whatever form it is shown, holds the key."""
    client = ask(tgi.url, api_key=KEY, headers={"X-Api-Key": KEY, "Cookie": KEY})
    stream = client.stream()
    result = client.run()
    preview = client.client.preview(TASK, PROMPT)
    for shown in (client.client, preview, stream, result, result.bundle(), result.to_frame().to_dict(), vars(result)):
        assert KEY not in repr(shown)
    assert preview["headers"]["authorization"] == "<hidden>"
    stream.close()


def test_keys_in_addresses_are_nowhere_to_be_seen(tgi: Server, ask: Ask) -> None:
    """User, password and query of an address are used and not shown: in repr, preview, result or error."""
    host = tgi.url.removeprefix("http://")
    client = ask(f"http://user:{KEY}@{host}/generate?api_key={KEY}")
    result = client.run()
    assert tgi.requests[0].query == f"api_key={KEY}"
    tgi.script(Reply(400, json={"error": f"bad key {KEY}"}))
    tgi.script(Drop())
    errors = [caught(InferError, client.run), caught(InferError, client.run)]
    for shown in (
        client.client,
        client.client.preview(TASK, PROMPT),
        result,
        result.bundle(),
        *(error.lines() for error in errors),
    ):
        assert KEY not in repr(shown)


# --- answers that are none


@pytest.mark.parametrize(
    "reply",
    [
        *(Reply(text=text) for text in ("no JSON", "", "[", "null", "[]", "{}", "7", '"text"', '[{"a": 1}]', "[[]]")),
        *(
            Reply(json=body)
            for body in ({"generated_text": None}, {"generated_text": 7}, [{"generated_text": ["a"]}], {"choices": 7})
        ),
        *(
            Reply(json=body)
            for body in ({"choices": [7]}, {"choices": [{"text": None, "message": 7}]}, [{"label": "x", "score": 0.5}])
        ),
        Reply(body=b"\xff\xfe", headers={"content-type": "image/png"}),
        Reply(body=b"[" * 100_000),
        Reply(204),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
def test_what_is_no_answer_is_told(tgi: Server, ask: Ask, reply: Reply, *, stream: bool) -> None:
    """A body that is not this service's form is an error that shows its beginning; it is not asked for again."""
    tgi.script(reply)
    client = ask(tgi.url)
    error = caught(BadAnswerError, client.run if stream else lambda: client.text_generation(details=True))
    assert len(str(error)) < 300
    assert len(tgi.requests) == 1


@pytest.mark.parametrize(
    "data",
    [
        "no JSON",
        "[1]",
        "7",
        '{"token": 7}',
        '{"choices": 7}',
        '{"choices": [7]}',
        "[" * 100_000,
        '{"token": {"id": "a"}}',
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_what_is_no_event_is_told(tgi: Server, ask: Ask, data: str, *, first: bool) -> None:
    """An event of another form is an error; what came before it is kept."""
    before = [] if first else [token_event(1, "One")]
    tgi.script(Stream([*before, f"data: {data}\n\n".encode()]))
    error = caught(BadAnswerError if first else StreamInterruptedError, ask(tgi.url).run)
    assert len(str(error)) < 300
    assert first or error.partial.text == "One"


def test_an_empty_stream_is_no_answer(tgi: Server, ask: Ask) -> None:
    """A stream that ends without a word is interrupted, not empty text."""
    tgi.script(Stream([]))
    assert caught(StreamInterruptedError, ask(tgi.url).run).partial.text == ""


@dataclass(frozen=True)
class Endless:
    """An answer that goes on until the client leaves, or at most for so many pieces."""

    piece: bytes
    most: int
    headers: dict[str, str] = field(default_factory=dict)

    async def write(self, wire: Wire) -> None:
        """Send piece after piece."""
        await wire.start(200, self.headers)
        for _ in range(self.most):
            await wire.write(self.piece)
            wire.record.sent += 1
            await asyncio.sleep(0)
        await wire.end()


def test_a_body_without_end_is_left(tgi: Server, ask: Ask) -> None:
    """A body larger than 64 MiB is given up when it gets there, not read to its end."""
    mib = 2**20
    tgi.script(Endless(b" " * mib, most=2 * LARGEST_BODY // mib))
    error = caught(BadAnswerError, lambda: ask(tgi.url).text_generation())
    assert "larger than 64 MiB" in str(error)
    assert tgi.requests[0].closed.wait(2)
    assert tgi.requests[0].sent < 1.5 * LARGEST_BODY / mib


def test_an_event_without_end_is_left(tgi: Server, ask: Ask) -> None:
    """An event larger than 16 MiB is given up when it gets there; what came before is kept."""
    begin = json.dumps(token_event(1, "One")).encode()
    tgi.script(Stream([b"data: " + begin + b"\n\ndata: ", *[b" " * 2**20] * 24], hold=True))
    error = caught(StreamInterruptedError, ask(tgi.url).run)
    assert "larger than 16 MiB" in str(error)
    assert error.partial.text == "One"
    assert tgi.requests[0].closed.wait(2)


# --- sharing


def test_threads_share_a_client(tgi: Server) -> None:
    """Calls from several threads do not mix."""
    with InferenceClient(tgi.url) as client, ThreadPoolExecutor(8) as pool:
        limits = list(range(1, 41))
        results = list(pool.map(lambda limit: client.run(TASK, PROMPT, max_new_tokens=limit), limits))
    assert [result.text for result in results] == ["".join(pieces(ANSWER)[:limit]) for limit in limits]


def test_tasks_share_a_client(tgi: Server) -> None:
    """Calls from several tasks do not mix."""

    async def all_at_once() -> list[TextResult]:
        async with AsyncInferenceClient(tgi.url) as client:
            return await asyncio.gather(*(client.run(TASK, PROMPT, max_new_tokens=limit) for limit in range(1, 21)))

    texts = [result.text for result in asyncio.run(all_at_once())]
    assert texts == ["".join(pieces(ANSWER)[:limit]) for limit in range(1, 21)]


def used_in_three_loops(url: str, *, closed: bool) -> list[list[str]]:
    """Use one async client in three event loops, close it in a fourth, and return the texts."""
    client = AsyncInferenceClient(url)

    async def ask_twice() -> list[str]:
        texts = [(await client.run(TASK, PROMPT)).text, await client.text_generation(PROMPT)]
        if closed:
            await client.close()
        return texts

    found = [asyncio.run(ask_twice()) for _ in range(3)]
    asyncio.run(client.close())
    return found


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("closed", [True, False])
def test_an_async_client_lives_on_in_another_loop(tgi: Server, *, closed: bool) -> None:
    """An async client that was used in one event loop works in the next, as scripts and notebooks need it."""
    assert used_in_three_loops(tgi.url, closed=closed) == [[ANSWER, ANSWER]] * 3
    # Connections of a loop that is gone can only be forgotten.
    gc.collect()


def test_connections_are_kept() -> None:
    """One client asks again over the same connection, as far as the server lets it."""
    body = b'[{"generated_text": "It is."}]'
    answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)
    opened: list[tuple[str, int]] = []

    class Connection(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            opened.append(self.client_address)
            while self.rfile.readline():
                length = 0
                while (line := self.rfile.readline()) != b"\r\n":
                    length = int(line.split(b":")[1]) if line.lower().startswith(b"content-length") else length
                self.rfile.read(length)
                self.wfile.write(answer)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Connection) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        with InferenceClient(f"http://127.0.0.1:{server.server_address[1]}") as client:
            assert [client.text_generation(PROMPT) for _ in range(3)] == ["It is."] * 3
        server.shutdown()
    assert len(opened) == 1


def test_a_closed_client_can_be_used_again(tgi: Server, ask: Ask) -> None:
    """`close()` closes connections; the next call opens one."""
    client = ask(tgi.url)
    assert client.text_generation() == ANSWER
    if isinstance(client, Sync):
        client.client.close()
    assert client.text_generation() == ANSWER


def test_a_client_says_what_it_asks() -> None:
    """The repr of a client names its class and its model."""
    assert repr(InferenceClient("org/name")) == "InferenceClient(model='org/name')"
    assert repr(AsyncInferenceClient()) == "AsyncInferenceClient(model='local')"
    assert re.fullmatch(r"InferenceClient\(model='http://h/x'\)", repr(InferenceClient(base_url="http://h/x")))


def test_a_preview_is_what_is_sent(tgi: Server) -> None:
    """`preview` shows the address, the headers and the body of the request, and sends nothing."""
    with InferenceClient(f"{tgi.url}/generate", api_key=KEY) as client:
        shown = client.preview(TASK, PROMPT, temperature=0.5, stop="x")
        assert not tgi.requests
        client.run(TASK, PROMPT, temperature=0.5, stop="x")
    assert (shown["method"], shown["url"]) == ("POST", f"{tgi.url}/generate_stream")
    assert shown["json"] == tgi.requests[0].body


# --- templates


@pytest.mark.parametrize("route", ["", "/generate"])
def test_a_begin_token_is_not_sent_twice(tgi: Server, route: str) -> None:
    """A typed <s> is left to the server, which puts it there, and the result says so; elsewhere it goes as typed."""
    typed = "<s>[INST] What is it? [/INST]"
    with InferenceClient(tgi.url + route) as client:
        result = client.run("text-generation", typed)
        assert result.prompt == tgi.requests[-1].body["inputs"] == typed.removeprefix("<s>")
        assert "the first <s> was left out" in result.footer
        assert "left out" not in client.run("text-generation", typed.removeprefix("<s>")).footer
    with InferenceClient(f"{tgi.url}/v1") as client:
        assert client.run("text-generation", typed).prompt == tgi.requests[-1].body["prompt"] == typed


def test_the_embedded_model_reads_one_begin_token() -> None:
    """Typed or not, the prompt and the answer are the same."""
    with InferenceClient() as client:
        typed, bare = (client.run("text-generation", f"{begin}[INST] Hi [/INST]") for begin in ("<s>", ""))
    assert (typed.text, typed.prompt, typed.usage) == (bare.text, bare.prompt, bare.usage)
    assert "the first <s> was left out" in typed.footer


def test_a_prompt_is_put_into_a_form(tgi: Server) -> None:
    """`template` makes the prompt a user's message; what could pose as another's words is refused or broken up."""
    with InferenceClient(tgi.url) as client:
        client.text_generation("Why?", template="llama2-chat")
        assert tgi.requests[-1].body["inputs"] == "[INST] Why? [/INST]"
        client.text_generation("Why [INST]?", template="llama2-chat", escape=True)
        assert tgi.requests[-1].body["inputs"] == "[INST] Why [\u200dINST]? [/INST]"
        assert not {"template", "escape"} & tgi.requests[-1].body["parameters"].keys()
        with pytest.raises(TemplateError, match="contains the tag"):
            client.text_generation("Why [INST]?", template="llama2-chat")
        with pytest.raises(ParameterError, match="`escape` needs `template`"):
            client.text_generation("Why?", escape=True)
