import asyncio
import base64
import inspect
import io
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import huggingface_hub
import numpy as np
import pandas as pd
import pytest
from huggingface_hub.hf_api import InferenceProviderMapping
from huggingface_hub.inference import _common
from huggingface_hub.inference._providers import _common as providers
from IPython.core.interactiveshell import InteractiveShell
from PIL import Image
from traitlets.config import Config

import nbinfer
from nbinfer.client import AsyncInferenceClient, InferenceClient
from nbinfer.errors import (
    ApiError,
    BadAnswerError,
    BadRequestError,
    ConnectionFailedError,
    GatedError,
    ModelLoadingError,
    NotFoundError,
    ParameterError,
    RateLimitedError,
    TimedOutError,
    UnauthorizedError,
    UnsupportedTaskError,
)
from nbinfer.notebook.magics import InferMagics
from nbinfer.params import table
from nbinfer.records import AudioResult, RecordsResult
from nbinfer.results import TextResult
from nbinfer.services.hugging_face import borrowed
from nbinfer.services.hugging_face.about import ABOUT
from nbinfer.tasks import BORROWED, TASKS

from .tei import Serverless, flac, png
from .wire.replies import Recorded, Reply

KEY = "hf_abcdefghijklmnopqrstuvwxyz0123456789"
OTHER_KEY = "hf_zyxwvutsrqponmlkjihgfedcba9876543210"
IMAGE = png(np.arange(64, dtype=np.uint8).reshape(8, 8))
SOUND = flac([1, 2, 3])
COLUMNS = {"city": ["Paris", "Rome"], "people": ["2", "3"]}
TEXT = "Ada lived in Paris. It was a good time."

# What is asked of each task, and beside it some options.
CASES: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
    "text-classification": ((TEXT,), {"top_k": 1, "function_to_apply": "softmax"}),
    "zero-shot-classification": ((TEXT, ["travel", "food"]), {"multi_label": True, "hypothesis_template": "About {}."}),
    "token-classification": ((TEXT,), {"aggregation_strategy": "none", "ignore_labels": ["O"], "stride": 2}),
    "fill-mask": (("Paris is a [MASK] city.",), {"top_k": 2, "targets": ["big", "small"]}),
    "summarization": ((TEXT,), {"truncation": "only_first", "generate_parameters": {"max_length": 5}}),
    "translation": (("The cat and the dog",), {"src_lang": "en", "tgt_lang": "fr"}),
    "question-answering": (("Who lived there?", TEXT), {"top_k": 2, "max_answer_len": 9, "align_to_words": False}),
    "table-question-answering": ((COLUMNS, "How many people in Rome?"), {"padding": "longest", "truncation": True}),
    "text-to-image": (("A cat",), {"width": 16, "height": 16, "num_inference_steps": 2, "seed": 3}),
    "image-to-image": ((IMAGE,), {"prompt": "A cat", "guidance_scale": 2.0, "target_size": {"width": 8, "height": 8}}),
    "image-classification": ((IMAGE,), {"top_k": 2}),
    "object-detection": ((IMAGE,), {"threshold": 0.1}),
    "image-to-text": ((IMAGE,), {}),
    "automatic-speech-recognition": ((SOUND,), {"extra_body": {"return_timestamps": True}}),
    "text-to-speech": ((TEXT,), {"do_sample": True, "use_cache": False, "early_stopping": "never"}),
}
# What `run` is given for the same: the input, and options.
INPUTS: dict[str, tuple[Any, dict[str, Any]]] = {
    **{task: (given[0], {}) for task, (given, _) in CASES.items()},
    "zero-shot-classification": (TEXT, {"candidate_labels": ["travel", "food"]}),
    "question-answering": ("Who lived there?", {"context": TEXT}),
    "table-question-answering": ("How many people in Rome?", {"table": COLUMNS}),
}
# Methods that are no task of ours: what they are asked, and an answer of Hugging Face's.
OTHERS: dict[str, tuple[tuple[Any, ...], dict[str, Any], Reply]] = {
    "audio_classification": ((SOUND,), {"top_k": 1}, Reply(json=[{"score": 0.5, "label": "hap"}])),
    "audio_to_audio": (
        (SOUND,),
        {},
        Reply(json=[{"label": "voice", "content-type": "audio/flac", "blob": "ZkxhQw=="}]),
    ),
    "document_question_answering": (
        (IMAGE, "How much?"),
        {"top_k": 2},
        Reply(json=[{"answer": "5", "score": 0.5, "start": 1, "end": 1}]),
    ),
    "visual_question_answering": ((IMAGE, "What?"), {"top_k": 2}, Reply(json=[{"score": 0.5, "answer": "a cat"}])),
    "zero_shot_image_classification": ((IMAGE, ["cat", "dog"]), {}, Reply(json=[{"score": 0.5, "label": "cat"}])),
    "tabular_classification": (({"a": ["1"]},), {}, Reply(json=["yes"])),
}


def unused_address() -> str:
    """Return an address where nobody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture(scope="module")
def session() -> Iterator[Serverless]:
    with Serverless() as server:
        yield server


@pytest.fixture
def server(session: Serverless, monkeypatch: pytest.MonkeyPatch) -> Serverless:
    session.clear()
    monkeypatch.setenv("NBINFER_HF_BASE", session.url)
    return session


def asked_sync(model: str | None, name: str, /, *args: Any, key: str | None = KEY, **options: Any) -> Any:
    with InferenceClient(model, token=key, timeout=5) as client:
        return getattr(client, name)(*args, **options)


def asked_async(model: str | None, name: str, /, *args: Any, key: str | None = KEY, **options: Any) -> Any:
    async def ask() -> Any:
        async with AsyncInferenceClient(model, token=key, timeout=5) as client:
            return await getattr(client, name)(*args, **options)

    return asyncio.run(ask())


@pytest.fixture(params=[asked_sync, asked_async], ids=["sync", "async"])
def asked(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Call a method of one client or the other."""
    return request.param


def of_hub(url: str, name: str, *args: Any, **options: Any) -> Any:
    with huggingface_hub.InferenceClient(url, token=KEY) as client:
        return getattr(client, name)(*args, **options)


def address(server: Serverless, task: str) -> str:
    return f"{server.url}/hf-inference/models/nbinfer/{task}"


def method(task: str) -> str:
    return task.replace("-", "_")


def same_request(ours: Recorded, hubs: Recorded) -> None:
    """Check that a server sees no difference but in what it does not look at."""
    assert (ours.method, ours.path, ours.query, ours.body) == (hubs.method, hubs.path, hubs.query, hubs.body)
    told = {"authorization", "accept", "user-agent"} | ({"content-type"} & hubs.headers.keys())
    assert {name: ours.headers.get(name) for name in told} == {name: hubs.headers.get(name) for name in told}


# --- hub's private part


def test_hub_is_still_what_we_borrow_from() -> None:
    """Hub's methods send by `_inner_post(request_parameters, *, stream)`, and a request has the fields we read."""
    parameters = inspect.signature(huggingface_hub.InferenceClient._inner_post).parameters
    assert list(parameters) == ["self", "request_parameters", "stream"]
    assert parameters["stream"].default is False
    assert {"url", "json", "data", "headers"} <= {field.name for field in fields(_common.RequestParameters)}
    for name, code in borrowed.methods().items():
        assert ("self._inner_post(" in inspect.getsource(code)) is (name.replace("_", "-") not in ABOUT), name


def test_hub_in_another_way_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hub that would send by itself, and with its own keys, is not used."""
    monkeypatch.delattr(huggingface_hub.InferenceClient, "_inner_post")
    borrowed.lent.cache_clear()
    try:
        with pytest.raises(nbinfer.errors.InferError, match="works in another way"):
            InferenceClient("http://127.0.0.1:9").summarization("a")
    finally:
        borrowed.lent.cache_clear()


@pytest.mark.parametrize("task", BORROWED)
def test_options_are_hubs_arguments(task: str) -> None:
    """Each option has the name of an argument of hub's method, and each argument an option."""
    own = set(inspect.signature(borrowed.methods()[method(task)]).parameters)
    assert own - {"self", "model", "extra_body", "kwargs", TASKS[task].takes} == set(table(TASKS[task].parameters))
    for row in table(TASKS[task].parameters).values():
        assert row.description.endswith(".")
        assert all(row.check(value) == value for value in row.usual)


# --- the same as hub


@pytest.mark.parametrize("options", ["plain", "options"])
@pytest.mark.parametrize("task", CASES)
def test_answers_and_requests_are_hubs(task: str, options: str, server: Serverless, asked: Callable[..., Any]) -> None:
    """Each method returns what hub's own client returns from the same server, and sends the same."""
    args, given = CASES[task]
    given = given if options == "options" else {}
    expected = of_hub(address(server, task), method(task), *args, **given)
    found = asked(address(server, task), method(task), *args, **given)
    assert (found, type(found)) == (expected, type(expected))
    same_request(*reversed(server.requests))


@pytest.mark.parametrize("name", OTHERS)
def test_other_methods_of_hub_are_passed_on(name: str, server: Serverless, asked: Callable[..., Any]) -> None:
    """What is no task of ours works all the same, as hub's own client does it."""
    args, given, reply = OTHERS[name]
    server.script(reply, times=2)
    expected = of_hub(f"{server.url}/x", name, *args, **given)
    found = asked(f"{server.url}/x", name, *args, **given)
    assert (found, type(found)) == (expected, type(expected))
    same_request(*reversed(server.requests))


@pytest.mark.parametrize("name", ["text_to_image", "image_to_image"])
def test_images_are_asked_for_as_hub_does(name: str, server: Serverless, asked: Callable[..., Any]) -> None:
    """An image is wished as PNG, and hub's own reader makes it an image of Pillow."""
    args = ("A cat",) if name == "text_to_image" else (IMAGE, "A cat")
    where = address(server, name.replace("_", "-"))
    assert asked(where, name, *args, guidance_scale=2.5) == of_hub(where, name, *args, guidance_scale=2.5)
    same_request(*server.requests)
    assert server.requests[0].headers["accept"] == "image/png"


def test_a_hub_id_goes_to_the_router(server: Serverless, asked: Callable[..., Any]) -> None:
    """A hub id, with or without hf-inference, is asked at its address; the Hub is not asked about it."""
    for model in ("nbinfer/summarization", "nbinfer/summarization:hf-inference"):
        assert asked(model, "summarization", TEXT).summary_text == "Ada lived in Paris."
    assert asked(None, "summarization", TEXT, model="nbinfer/summarization").summary_text == "Ada lived in Paris."
    assert asked(None, "summarization", TEXT, model=address(server, "summarization")).summary_text
    assert {request.path for request in server.requests} == {"/hf-inference/models/nbinfer/summarization"}


def test_without_a_model_nothing_is_looked_up(server: Serverless, asked: Callable[..., Any]) -> None:
    """Hub would ask the Hub for a recommended model; we say that one is needed, and name one."""
    for name, example in (
        ("summarization", "facebook/bart-large-cnn"),
        ("text_to_video", "pipeline_tag=text-to-video"),
    ):
        with pytest.raises(ParameterError, match="needs a model") as caught:
            asked(None, name, TEXT)
        assert example in caught.value.hint
    with pytest.raises(UnsupportedTaskError, match="does not offer `summarization`"):
        asked("local/text", "summarization", TEXT)
    assert not server.requests


def test_older_forms_of_answers_are_read(server: Serverless) -> None:
    """Servers of one's own answer in forms that hub misreads: labels in one list, or in columns."""
    rows = [{"label": "a", "score": 0.75}, {"label": "b", "score": 0.25}]
    server.script(Reply(json=rows))
    assert asked_sync(server.url, "text_classification", TEXT) == rows
    server.model.zero_shot = "columns"
    found = asked_sync(
        address(server, "zero-shot-classification"), "zero_shot_classification", TEXT, ["travel", "food"]
    )
    assert {one.label for one in found} == {"travel", "food"}


# --- the methods


def test_methods_look_like_hubs() -> None:
    """A method has hub's name, signature and description, and `dir` lists it; help and Shift-Tab show them."""
    for client in (InferenceClient(), AsyncInferenceClient()):
        assert set(borrowed.methods()) <= set(dir(client))
        for name, code in borrowed.methods().items():
            own = getattr(client, name)
            if name not in vars(type(client)):
                assert list(inspect.signature(own).parameters) == list(inspect.signature(code).parameters)[1:]
                assert (own.__name__, own.__doc__) == (name, code.__doc__)
                assert inspect.iscoroutinefunction(own) is isinstance(client, AsyncInferenceClient)


def test_types_are_declared_for_every_method() -> None:
    """A type checker knows each method that is looked up at run time, of both clients."""
    source = Path(nbinfer.__file__).with_name("hub_methods.py").read_text("utf-8")
    looked_up = [name for name in borrowed.methods() if name not in vars(InferenceClient)]
    for name in looked_up:
        assert f"{name} = _Same(HubClient.{name})" in source
        assert f"{name} = _Awaited(HubClient.{name})" in source


@pytest.mark.parametrize("name", ["text_classificaton", "_inner_post", "token"])
def test_other_names_are_no_methods(name: str) -> None:
    """A misspelt name and a private one are attribute errors; the nearest name is told."""
    client = InferenceClient()
    assert not hasattr(client, name)
    with pytest.raises(AttributeError, match=name) as caught:
        getattr(client, name)
    assert ("Did you mean text_classification" in str(caught.value)) is (name == "text_classificaton")


def test_arguments_are_checked_before_anything_is_sent(server: Serverless, asked: Callable[..., Any]) -> None:
    """Unknown names tell the nearest, wrong values what is allowed, missing ones what they are for."""
    where = server.url
    with pytest.raises(ParameterError, match="unknown parameter `topk`") as caught:
        asked(where, "text_classification", TEXT, topk=1)
    assert "top_k" in caught.value.hint
    for name, args, given, says in (
        ("text_classification", (TEXT,), {"top_k": 0}, "`top_k` must be strictly positive"),
        ("text_classification", ("",), {}, "cannot be empty"),
        ("object_detection", (IMAGE,), {"threshold": 2}, "`threshold` must be >= 0.0 and <= 1.0"),
        ("translation", (TEXT,), {"src_lang": "en"}, "`src_lang` and `tgt_lang` belong together"),
        ("zero_shot_classification", (TEXT, []), {}, "`candidate_labels` is missing"),
        ("text_to_speech", (TEXT,), {"early_stopping": "soon"}, "must be true or false or never"),
        ("image_classification", ("/no/such.png",), {}, "/no/such.png cannot be read"),
        ("image_classification", (7,), {}, "a int is no file"),
        ("zero_shot_image_classification", (IMAGE, ["one"]), {}, "at least 2 classes"),
        ("image_classification", (IMAGE,), {"extra": {"x": 1}}, "takes no other parameters: x"),
    ):
        with pytest.raises(ParameterError) as caught:
            asked(where, name, *args, **given)
        assert says in str(caught.value)
    with pytest.raises(TypeError, match="missing a required argument"):
        asked(where, "text_classification")
    assert not server.requests


def test_options_of_a_call_are_taken_too(server: Serverless, asked: Callable[..., Any]) -> None:
    """Beside hub's arguments a method takes those of every call, and parameters that nobody knows."""
    asked(address(server, "summarization"), "summarization", TEXT, headers={"X-A": "b"}, extra={"fast": True})
    request = server.requests[-1]
    assert request.headers["x-a"] == "b"
    assert request.body["parameters"] == {"fast": True}
    asked(address(server, "summarization"), "summarization", TEXT, use_cache=False, bill_to="org")
    assert server.requests[-1].headers["x-use-cache"] == "0"
    assert server.requests[-1].headers["x-hf-bill-to"] == "org"


# --- waiting, errors, keys


def test_a_loading_model_is_waited_for(server: Serverless, asked: Callable[..., Any]) -> None:
    """503 is asked again, and then the server is told to hold the request until the model is there."""
    server.script(Reply(503, json={"error": "Model is currently loading"}, headers={"retry-after": "0"}))
    assert asked(address(server, "image-to-text"), "image_to_text", IMAGE).generated_text
    first, second = server.requests
    assert "x-wait-for-model" not in first.headers
    assert second.headers["x-wait-for-model"] == "true"
    assert first.content == second.content == IMAGE
    server.script(Reply(503, json={"error": "Model is currently loading"}))
    with pytest.raises(ModelLoadingError):
        asked(address(server, "image-to-text"), "image_to_text", IMAGE, retries=0)


def test_a_refusal_is_an_error_of_ours(server: Serverless, asked: Callable[..., Any]) -> None:
    """What the front end refuses has the class, status and id that it has for every other task."""
    where = address(server, "summarization")
    server.model.api_key = OTHER_KEY
    with pytest.raises(UnauthorizedError) as caught:
        asked(where, "summarization", TEXT)
    assert (caught.value.status, caught.value.request_id) == (401, "request-1")
    server.model.api_key = None
    with pytest.raises(NotFoundError):
        asked("nbinfer/unknown", "summarization", TEXT)
    with pytest.raises(BadRequestError, match="MASK"):
        asked(address(server, "fill-mask"), "fill_mask", TEXT)
    server.model.gated = {"nbinfer/summarization"}
    with pytest.raises(GatedError):
        asked(where, "summarization", TEXT)
    server.model.quota = 0
    with pytest.raises(RateLimitedError):
        asked(where, "summarization", TEXT, retries=0)
    with pytest.raises(ConnectionFailedError):
        asked(unused_address(), "summarization", TEXT)


@pytest.mark.parametrize("task", CASES)
def test_an_error_with_status_200_is_an_error(task: str, server: Serverless) -> None:
    """A refusal that says it is none is one, of the fitting class, and repeats no key."""
    args, _ = CASES[task]
    server.script(Reply(json={"error": f"Model is currently loading for {KEY}", "estimated_time": 20.0}))
    with pytest.raises(ModelLoadingError) as caught:
        asked_sync(server.url, method(task), *args, retries=0)
    assert caught.value.estimated_time == 20
    assert KEY not in str(caught.value)
    server.script(Reply(json={"error": ["Error in `parameters.top_k`"]}))
    with pytest.raises(ApiError, match="top_k"):
        asked_sync(server.url, method(task), *args, retries=0)


def test_silence_is_an_answer(server: Serverless) -> None:
    """An empty text is a text; a text that is a number is none."""
    server.script(Reply(json={"text": ""}))
    assert asked_sync(server.url, "automatic_speech_recognition", SOUND).text == ""
    server.script(Reply(json={"text": 5}))
    with pytest.raises(BadAnswerError):
        asked_sync(server.url, "automatic_speech_recognition", SOUND)


NONSENSE = [b"", b"null", b'"x"', b"7", b"[1]", b"<html></html>", b"[[[1]]]", b'{"a": 1}', b'[{"a": 1}]', b"\xff\xfe"]


@pytest.mark.parametrize("task", CASES)
def test_nonsense_is_a_bad_answer(task: str, server: Serverless) -> None:
    """An answer of another shape is an error that quotes its beginning, without keys; hub's reader takes some."""
    args, _ = CASES[task]
    with InferenceClient(server.url, token=KEY) as client:
        for body in NONSENSE:
            server.script(Reply(body=body, headers={"content-type": "application/json"}))
            with pytest.raises(BadAnswerError, match=f"the answer is none of {task}"):
                getattr(client, method(task))(*args)
        server.script(Reply(body=f'{{"you": "{KEY}"}}'.encode()))
        with pytest.raises(BadAnswerError) as caught:
            getattr(client, method(task))(*args)
    assert "<hidden>" in str(caught.value)
    assert KEY not in str(caught.value)


def test_the_stored_token_stays_at_home(
    server: Serverless, asked: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hub sends the stored token to any address; we to Hugging Face's alone, a given one with its own model."""
    monkeypatch.setenv("HF_TOKEN", KEY)
    of_hub_without = huggingface_hub.InferenceClient(address(server, "summarization"))
    of_hub_without.summarization(TEXT)
    assert server.requests[-1].headers["authorization"] == f"Bearer {KEY}"
    for model in (address(server, "summarization"), "nbinfer/summarization"):
        asked(model, "summarization", TEXT, key=None)
        assert "authorization" not in server.requests[-1].headers
    asked("http://localhost:1", "summarization", TEXT, model=address(server, "summarization"), key=OTHER_KEY)
    assert "authorization" not in server.requests[-1].headers
    asked(address(server, "summarization"), "summarization", TEXT, key=OTHER_KEY)
    assert server.requests[-1].headers["authorization"] == f"Bearer {OTHER_KEY}"
    asked(address(server, "summarization"), "summarization", TEXT, headers={"Authorization": "Basic x"})
    assert server.requests[-1].headers["authorization"] == "Basic x"
    ours = InferenceClient("https://router.huggingface.co/hf-inference/models/gpt2").preview("summarization", TEXT)
    assert ours["headers"]["authorization"] == "<hidden>"


def test_timeouts_are_ours(server: Serverless, asked: Callable[..., Any]) -> None:
    """Hub waits for ever; a call of ours ends with our error."""
    server.script(Reply(json=[], delay=5))
    began = time.monotonic()
    with pytest.raises(TimedOutError, match=r"0\.2 s"):
        asked(server.url, "summarization", TEXT, timeout=0.2)
    assert time.monotonic() - began < 3


def until(server: Serverless) -> Recorded:
    """Wait for a request."""
    ends = time.monotonic() + 5
    while not server.requests and time.monotonic() < ends:
        time.sleep(0.01)
    return server.requests[-1]


def test_an_interrupt_hangs_up(server: Serverless) -> None:
    """Stopping a long request ends it at the server too, and leaves an empty result."""
    server.script(Reply(json=[], delay=30))

    def interrupt() -> None:
        until(server)
        time.sleep(0.1)
        os.kill(os.getpid(), signal.SIGINT)

    with InferenceClient(server.url) as client:
        stream = client.stream("object-detection", IMAGE)
        threading.Thread(target=interrupt, daemon=True).start()
        with pytest.raises(KeyboardInterrupt):
            stream.drain()
        assert stream.result.finish_reason == "interrupted"
        assert stream.result.amount == "0 objects"
        assert stream.result.to_frame().empty
    assert until(server).closed.wait(5)


def test_cancelling_hangs_up(server: Serverless) -> None:
    """A task of asyncio that is cancelled ends the request."""
    server.script(Reply(json=[], delay=30))

    async def ask() -> None:
        async with AsyncInferenceClient(server.url) as client:
            asking = asyncio.create_task(client.summarization(TEXT))
            await asyncio.to_thread(until, server)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking

    asyncio.run(ask())
    assert until(server).closed.wait(5)


# --- files


class Picture:
    """As much of an image of Pillow as is looked at."""

    format = None

    def save(self, fp: Any, format: str) -> None:  # noqa: A002 - Pillow's name
        """Write the image."""
        assert format == "PNG"
        fp.write(IMAGE)


def test_a_file_may_be_given_in_many_ways(server: Serverless, asked: Callable[..., Any], tmp_path: Path) -> None:
    """A path, an open file, bytes of any kind and an image are the same image to the server, with its kind."""
    path = tmp_path / "cat.png"
    path.write_bytes(IMAGE)
    with path.open("rb") as opened:
        ways = [path, str(path), opened, IMAGE, bytearray(IMAGE), memoryview(IMAGE), Picture()]
        for file in ways:
            asked(address(server, "image-to-text"), "image_to_text", file)
    for request in server.requests:
        assert (request.content, request.headers["content-type"]) == (IMAGE, "image/png")
    assert len(server.requests) == len(ways)
    with path.open() as text, pytest.raises(ParameterError, match="open for text"):
        asked(address(server, "image-to-text"), "image_to_text", text)


def test_a_kind_is_named_even_where_hub_names_none(server: Serverless) -> None:
    """Bytes have no name, but a beginning: servers refuse files of no kind."""
    for name, content, kind in (
        ("automatic_speech_recognition", SOUND, "audio/flac"),
        ("image_to_text", IMAGE, "image/png"),
    ):
        asked_sync(address(server, name.replace("_", "-")), name, content)
        assert server.requests[-1].headers["content-type"] == kind
    asked_sync(address(server, "image-to-text"), "image_to_text", IMAGE, headers={"Content-Type": "image/x"})
    assert server.requests[-1].headers["content-type"] == "image/x"


def test_a_file_at_an_address_is_fetched(server: Serverless, asked: Callable[..., Any]) -> None:
    """It is fetched once, through redirects, with our timeout and errors, and no key goes there."""
    server.script(Reply(302, headers={"location": "/there.png?x=1"}), path="/cat.png")
    server.script(Reply(body=IMAGE, headers={"content-type": "image/png"}), path="/there.png")
    assert asked(address(server, "image-to-text"), "image_to_text", f"{server.url}/cat.png").generated_text
    first, second, third = server.requests
    assert (first.method, second.method, third.method) == ("GET", "GET", "POST")
    assert (second.path, second.query) == ("/there.png", "x=1")
    assert not {"authorization", "content-type"} & {*first.headers, *second.headers}
    assert (third.content, third.headers["content-type"]) == (IMAGE, "image/png")
    with pytest.raises(NotFoundError):
        asked(address(server, "image-to-text"), "image_to_text", f"{server.url}/none.png")
    server.script(Reply(body=IMAGE, delay=5), path="/slow.png")
    with pytest.raises(TimedOutError):
        asked(address(server, "image-to-text"), "image_to_text", f"{server.url}/slow.png", timeout=0.2)


# --- results


@pytest.mark.parametrize("task", CASES)
def test_a_result_is_data(task: str, server: Serverless) -> None:
    """`run` gives a result of the task's kind: hub's answer, a frame, every form, a footer with the model."""
    inputs, given = INPUTS[task]
    expected = of_hub(address(server, task), method(task), *CASES[task][0])
    with InferenceClient(f"nbinfer/{task}") as client:
        result = client.run(task, inputs, **given)
    assert isinstance(result, TASKS[task].result)
    assert result.answer == expected
    assert result.headers["x-compute-type"] in {"cpu", "cache"}
    assert f"nbinfer/{task}" in result.footer
    assert len(result.to_frame()) >= 1
    for form in result.forms:
        if not (isinstance(result, TextResult) and form == "json"):
            json.dumps(result.bundle(form)[0])


FRAMES = {
    "text-classification": ["label", "score"],
    "zero-shot-classification": ["label", "score"],
    "token-classification": ["word", "entity_group", "score", "end", "start"],
    "fill-mask": ["token_str", "score", "sequence", "token"],
    "question-answering": ["answer", "score", "end", "start"],
    "table-question-answering": ["answer", "cells", "coordinates", "aggregator"],
    "image-classification": ["label", "score"],
    "object-detection": ["label", "score", "box_xmax", "box_xmin", "box_ymax", "box_ymin"],
}
UNITS = {
    "text-classification": "2 labels",
    "token-classification": "2 entities",
    "fill-mask": "5 words",
    "question-answering": "1 answer",
    "object-detection": "1 object",
}


def test_a_table_may_be_a_frame(server: Serverless) -> None:
    """A DataFrame is sent as columns of texts, which is what the models read; a dict is left as it is."""
    frame = pd.DataFrame(COLUMNS | {"Size": [index + 0.5 for index in range(len(next(iter(COLUMNS.values()))))]})
    with InferenceClient("nbinfer/table-question-answering") as client:
        client.run("table-question-answering", "How many people in Rome?", table=frame)
        assert client.table_question_answering(frame, "How many people in Rome?")
    assert len(server.requests) == 2
    for request in server.requests:
        columns = request.body["inputs"]["table"]
        assert columns["Size"][0] == "0.5"
        assert {name: columns[name] for name in COLUMNS} == COLUMNS


@pytest.mark.parametrize("task", FRAMES)
def test_records_become_a_frame(task: str, server: Serverless) -> None:
    """A row for each record, what is nested flat, what the server did not say left out."""
    inputs, given = INPUTS[task]
    with InferenceClient(f"nbinfer/{task}") as client:
        result = client.run(task, inputs, **given)
    assert isinstance(result, RecordsResult)
    frame = result.to_frame()
    assert list(frame.columns) == FRAMES[task]
    assert len(frame) == len(result) == len(result.answer if isinstance(result.answer, list) else [1])
    assert frame.notna().all(axis=None)
    assert result.amount == UNITS.get(task, result.amount)


def test_texts_and_sounds(server: Serverless) -> None:
    """What writes gives a text, which a reader of the stream sees; speech gives a sound to press."""
    with InferenceClient("nbinfer/translation") as client:
        stream = client.stream("translation", "The cat")
        shown = "".join(chunk.text for chunk in stream)
        assert shown == str(stream.result) == stream.result.answer.translation_text
        sound = client.run("text-to-speech", "Hello", model="nbinfer/text-to-speech")
    assert isinstance(sound, AudioResult)
    assert sound.media_type == "audio/flac"
    assert sound.audio == sound.answer


def test_an_image_is_shown_and_saved(server: Serverless, tmp_path: Path) -> None:
    """The picture is what a cell shows; it can be saved in any format, and stands in a frame with what was asked."""
    with InferenceClient("nbinfer/text-to-image") as client:
        result = client.run("text-to-image", "A cat", width=16, seed=3)
    shown, _ = result.bundle("image")
    assert Image.open(io.BytesIO(base64.b64decode(shown["image/png"]))).size == result.image.size
    assert f"{result.image.width} × {result.image.height} pixels" in result.footer
    with Image.open(result.save(tmp_path / "cat.jpg")) as saved:
        assert saved.format == "JPEG"
    row = result.to_frame().iloc[0]
    assert (row["prompt"], row["seed"], row["image"]) == ("A cat", 3, result.image)


def test_one_record_and_several_masks(server: Serverless) -> None:
    """Several answers are several rows; of several masks each row names its own."""
    question, given = INPUTS["question-answering"]
    with InferenceClient("nbinfer/question-answering") as client:
        assert len(client.run("question-answering", question, **given, top_k=2)) == 2
        result = client.run("fill-mask", "[MASK] and [MASK]", top_k=2, model="nbinfer/fill-mask")
    assert result.to_frame()["part"].tolist() == [0, 0, 1, 1]


# --- preview


@pytest.mark.parametrize("task", CASES)
def test_a_preview_is_what_is_sent(task: str, server: Serverless) -> None:
    """A preview shows the request, keys hidden, of a file its size, and sends nothing."""
    inputs, given = INPUTS[task]
    with InferenceClient(f"nbinfer/{task}", token=KEY) as client:
        shown = client.preview(task, inputs, **given)
        assert not server.requests
        client.run(task, inputs, **given)
    request = server.requests[-1]
    assert shown["url"] == f"{server.url}{request.path}"
    assert shown["headers"]["authorization"] == "<hidden>"
    assert KEY not in json.dumps(shown)
    if TASKS[task].file:
        assert shown["content"] == f"{len(request.content):,} bytes"
        assert shown["headers"]["content-type"] == request.headers["content-type"]
    else:
        assert shown["json"] == request.body


def test_a_preview_fetches_no_file(server: Serverless) -> None:
    """A file at an address is named, less what may be a key."""
    client = InferenceClient("nbinfer/image-to-text")
    shown = client.preview("image-to-text", f"{server.url}/cat.png?key={KEY}")
    assert shown["content"] == f"the file at {server.url}/cat.png"
    assert not server.requests


# --- providers


@pytest.fixture
def voice(monkeypatch: pytest.MonkeyPatch) -> str:
    """Name a model of a provider that hub knows without asking."""
    mapping = InferenceProviderMapping(
        provider="fal-ai", hf_model_id="org/voice", providerId="fal-ai/voice", status="live", task="text-to-speech"
    )
    monkeypatch.setitem(providers.HARDCODED_MODEL_INFERENCE_MAPPING, "fal-ai", {"org/voice": mapping})
    return "org/voice"


@pytest.mark.parametrize("given", [{}, {"provider": "fal-ai"}], ids=["in the name", "beside it"])
def test_a_provider_is_asked_as_hub_does(
    given: dict[str, Any], voice: str, server: Serverless, asked: Callable[..., Any]
) -> None:
    """Hub knows a provider's way, body and answer; the key goes to the router alone, not to where the sound lies."""
    server.script(Reply(json={"audio": {"url": f"{server.url}/sound"}}), path="/fal-ai/fal-ai/voice")
    server.script(Reply(body=SOUND), path="/sound")
    model = voice if given else f"{voice}:fal-ai"
    assert asked(model, "text_to_speech", TEXT, extra_body={"speed": 2}, **given) == SOUND
    sent, fetched = server.requests
    assert sent.body == {"text": TEXT, "speed": 2}
    assert sent.headers["authorization"] == f"Bearer {KEY}"
    assert "authorization" not in fetched.headers


def test_a_provider_gets_no_stored_token(
    voice: str, server: Serverless, asked: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stored token goes to Hugging Face's router alone; one that hub would send on to the provider is refused."""
    model = f"{voice}:fal-ai"
    with pytest.raises(ParameterError, match="fal-ai needs a key"):
        asked(model, "text_to_speech", TEXT, key=None)
    monkeypatch.setenv("HF_TOKEN", "other-secret")
    with pytest.raises(ParameterError, match="no user's token") as caught:
        asked(model, "text_to_speech", TEXT, key=None)
    assert "other-secret" not in "".join(caught.value.lines())
    assert not server.requests
    monkeypatch.setenv("HF_TOKEN", OTHER_KEY)
    server.script(Reply(json={"audio": {"url": f"{server.url}/sound"}}), path="/fal-ai/fal-ai/voice")
    server.script(Reply(body=SOUND), path="/sound")
    assert asked(model, "text_to_speech", TEXT, key=None) == SOUND
    assert "authorization" not in server.requests[0].headers
    monkeypatch.delenv("NBINFER_HF_BASE")
    shown = InferenceClient(model).preview("text-to-speech", TEXT)
    assert shown["url"] == "https://router.huggingface.co/fal-ai/fal-ai/voice"
    assert shown["headers"]["authorization"] == "<hidden>"
    own = InferenceClient(model, token="fal-key").preview("text-to-speech", TEXT)
    assert own["url"] == "https://fal.run/fal-ai/voice"
    assert "fal-key" not in json.dumps(own)


def test_what_hub_refuses_is_our_error(voice: str, server: Serverless, asked: Callable[..., Any]) -> None:
    """A provider that is none, or that does not do the task, is an error of ours, in hub's words."""
    with pytest.raises(ParameterError, match="nobody"):
        asked(f"{voice}:nobody", "summarization", TEXT)
    with pytest.raises(ParameterError, match="summarization"):
        asked(f"{voice}:fal-ai", "summarization", TEXT)
    server.script(Reply(json={"unknown": 1}))
    with pytest.raises(BadAnswerError):
        asked(f"{voice}:fal-ai", "text_to_speech", TEXT)


# --- magics


@pytest.fixture
def magics() -> Iterator[InferMagics]:
    """Return the magics of a shell of their own."""
    shell = InteractiveShell(config=Config({"HistoryManager": {"enabled": False}}))
    found = InferMagics(shell)
    yield found
    found.client.close()


def test_a_cell_names_a_file(server: Serverless, magics: InferMagics, tmp_path: Path) -> None:
    """Of a task that takes a file the cell holds the path, blanks and line ends around it apart."""
    path = tmp_path / "the cat.png"
    path.write_bytes(IMAGE)
    result = magics.infer("image-classification -m nbinfer/image-classification --top-k 2 -o found", f"\n {path} \n")
    assert isinstance(result, RecordsResult)
    assert len(result) == 2
    assert magics.shell.user_ns["found"] is result


def test_no_cache_is_not_the_models_cache(server: Serverless, magics: InferMagics) -> None:
    """`--no-cache` asks for a fresh answer, also where `use_cache` is an option of the model."""
    magics.infer("speak -m nbinfer/text-to-speech --no-cache --use-cache --header 'X-A: b'", "Hello")
    request = server.requests[-1]
    assert request.body["parameters"] == {"use_cache": True}
    assert (request.headers["x-use-cache"], request.headers["x-a"]) == ("0", "b")
