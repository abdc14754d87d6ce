"""The acceptance list of the Hugging Face service: a test for each row of the specification's two checklists.

Section 19 is what a client must do, section 11 which error each refusal is and whether it is tried again. Row by row
and in its order; where the details are tested is in the files beside this one.
"""

import asyncio
import base64
import io
import json
import logging
import time
import traceback
from collections.abc import Callable
from typing import Any

import nbclient
import nbformat
import numpy as np
import pytest
from huggingface_hub.hf_api import InferenceProviderMapping
from huggingface_hub.inference._providers import _common as providers
from PIL import Image

from nbinfer.client import AsyncInferenceClient, InferenceClient
from nbinfer.errors import (
    ApiError,
    BadAnswerError,
    BadRequestError,
    ChatOnlyError,
    ForbiddenError,
    GatedError,
    GatewayError,
    GenerationError,
    InferError,
    ModelLoadingError,
    NotFoundError,
    OverloadedError,
    ParameterError,
    PausedError,
    PaymentRequiredError,
    ProRequiredError,
    RateLimitedError,
    ServerError,
    StreamInterruptedError,
    TextOnlyError,
    UnauthorizedError,
    UnprocessableError,
)
from nbinfer.flows import Timeout, Wait
from nbinfer.params import TextGenerationCall, table
from nbinfer.tasks import TASKS

from .tgi import ANSWER, Model, Recorded, Reply, Server, Stream, token_event
from .wire import REFUSALS, wire

TASK, PROMPT = "text-generation", "What is it?"
CHAT = "/v1/chat/completions"
KEY = "hf_abcdefghijklmnopqrstuvwxyz0123456789"
Run = Callable[..., Any]


@pytest.fixture(params=["sync", "async"])
def run(request: pytest.FixtureRequest) -> Run:
    """Return what performs one call with a client of its own, sync or async, as ordinary code does."""

    async def awaited(options: Any, task: str, inputs: Any, told: Any, parameters: Any) -> Any:
        async with AsyncInferenceClient(**options) as client:
            stream = client.stream(task, inputs, **parameters)
            stream.waiting = told
            return await stream.drain()

    def perform(
        model: str, inputs: Any = PROMPT, *, task: str = TASK, told: Any = repr, client: Any = None, **parameters: Any
    ) -> Any:
        options = {"model": model, **(client or {})}
        if request.param == "async":
            return asyncio.run(awaited(options, task, inputs, told, parameters))
        with InferenceClient(**options) as made:
            stream = made.stream(task, inputs, **parameters)
            stream.waiting = told
            return stream.drain()

    return perform


def bodies(server: Server) -> list[Any]:
    """Return what was posted."""
    return [request.body for request in server.requests if request.method == "POST"]


def caught(kind: type[InferError], call: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """Return the error that a call raises."""
    with pytest.raises(kind) as raised:
        call(*args, **options)
    return raised.value


def picked(text: str, raw: str | None = None, *, form: str = "delta") -> dict[str, Any]:
    """Return a completion, or a piece of one, in OpenAI's form."""
    said = {"text": text} if form == "text" else {form: {"role": "assistant", "content": text}}
    return {"choices": [{"index": 0, **said, "finish_reason": raw}]}


# --- section 19: the client

NATIVE = ("/generate", "/", "/models/org/name")


def test_19_01_nothing_is_null_and_length_and_sampling_are_said(tgi: Server) -> None:
    """What was not given is not sent, least of all as null; length and sampling are sent all the same."""
    tgi.script(Reply(json=[[1.0]]), "/embed")
    with InferenceClient() as client:
        for route in NATIVE:
            nothing = dict.fromkeys(name for name in table(TextGenerationCall) if name != "base_url")
            client.text_generation(PROMPT, model=tgi.url + route, **nothing)
            client.run(TASK, PROMPT, model=tgi.url + route, **nothing)
        for body in bodies(tgi):
            said = {"max_new_tokens": 256, "do_sample": False, "return_full_text": False}
            assert {name: value for name, value in body["parameters"].items() if name != "details"} == said
        for task, route in (("chat", "/v1"), ("text-embedding", "/embed")):
            client.run(task, PROMPT, model=tgi.url + route, **dict.fromkeys(table(TASKS[task].parameters)))
    assert bodies(tgi)[-2]["max_tokens"] == 256
    assert not any(b"null" in request.content for request in tgi.requests)


WRONG: tuple[dict[str, Any], ...] = (
    *({"temperature": -1.0}, {"repetition_penalty": 0.0}, {"frequency_penalty": 2.5}, {"top_p": 1.0}),
    *({"typical_p": 0.0}, {"top_k": 0}, {"max_new_tokens": 0}),
    *({"best_of": 2}, {"best_of": 2, "do_sample": True, "seed": 1}),
)
TOO_MUCH: tuple[dict[str, Any], ...] = (
    *({"best_of": 99, "do_sample": True}, {"stop": [*"abcdefgh"]}, {"truncate": 99_999}),
)


def test_19_02_parameters_are_checked_before_they_are_sent(tgi: Server) -> None:
    """Unknown names tell the nearest, ranges are refused in the server's words, its limits once it has told them."""
    with InferenceClient(f"{tgi.url}/generate") as client:
        error = caught(ParameterError, client.text_generation, PROMPT, temprature=0.5)
        assert "temprature" in str(error)
        assert "temperature" in error.hint
        for given in WRONG:
            ours = str(caught(ParameterError, client.text_generation, PROMPT, **given))
            theirs = str(caught(UnprocessableError, client.text_generation, PROMPT, extra=given))
            assert ours.startswith(theirs.removeprefix("Input validation error: "))
        assert len(tgi.requests) == len(WRONG)
        theirs = [str(caught(UnprocessableError, client.text_generation, PROMPT, **given)) for given in TOO_MUCH]
        client.get_endpoint_info()
        tgi.requests.clear()
        ours = [str(caught(ParameterError, client.text_generation, PROMPT, **given)) for given in TOO_MUCH]
    assert [f"Input validation error: {text}" for text in ours] == theirs
    assert not tgi.requests


def test_19_03_temperature_zero_is_greedy(tgi: Server, run: Run) -> None:
    """Native routes, which refuse temperature 0, are asked not to sample; OpenAI's routes are sent the 0."""
    for route in NATIVE:
        assert run(tgi.url + route, temperature=0).text == ANSWER
        assert bodies(tgi)[-1]["parameters"]["do_sample"] is False
        assert "temperature" not in bodies(tgi)[-1]["parameters"]
    for task in (TASK, "chat"):
        run(f"{tgi.url}/v1", task=task, temperature=0)
        assert bodies(tgi)[-1]["temperature"] == 0


def test_19_04_stop_and_stop_sequences_are_one(tgi: Server, run: Run) -> None:
    """Both names go out as `stop`, and the stop text, which the server leaves, is cut off unless it is to be kept."""
    expected = ANSWER.partition(" robot")[0]
    for task, route in ((TASK, "/generate"), (TASK, "/"), ("chat", "/v1")):
        for name in ("stop", "stop_sequences"):
            assert run(tgi.url + route, task=task, **{name: [" robot"]}).text == expected
            sent = bodies(tgi)[-1].get("parameters", bodies(tgi)[-1])
            assert (sent["stop"], "stop_sequences" in sent) == ([" robot"], False)
            assert run(tgi.url + route, task=task, keep_stop=True, **{name: [" robot"]}).text == expected + " robot"


FORMS: dict[str, Reply | Stream] = {
    "list": Reply(json=[{"generated_text": "It is."}]),
    "object": Reply(json={"generated_text": "It is."}),
    "completion": Reply(json=picked("It is.", "stop", form="text")),
    "chat": Reply(json=picked("It is.", "stop", form="message")),
    "native chunks": Stream([token_event(1, "It"), token_event(2, " is.", generated_text="It is.")]),
    "completion chunks": Stream([picked("It", form="text"), picked(" is.", "stop", form="text")]),
    "chat chunks": Stream([picked("It"), picked(" is.", "stop"), b"data: [DONE]\n\n"]),
}


@pytest.mark.parametrize("form", FORMS)
def test_19_05_answers_are_known_by_their_content(tgi: Server, run: Run, form: str) -> None:
    """Lists and objects, native and OpenAI's chunks are read wherever they come from."""
    for route in ("/generate_stream", "/", "/models/org/name", "/v1/completions", "/any/thing"):
        tgi.script(FORMS[form], route)
        assert run(tgi.url + route).text == "It is."


ERROR_BODIES: tuple[tuple[Any, str], ...] = (
    ({"error": "a", "detail": "b", "message": "c", "title": "d"}, "a"),
    ({"error": ["a", "b"], "message": "c"}, "a; b"),
    ({"error": {"message": "a", "error": "b"}, "message": "c"}, "a"),
    ({"error": {"error": "a"}, "message": "c"}, "a"),
    ({"detail": "a", "message": "b", "title": "c"}, "a"),
    ({"detail": [{"msg": "a"}, {"loc": ["body", "x"], "msg": "b"}], "message": "c"}, "a; body.x: b"),
    ({"title": "b", "message": "a"}, "a"),
    ({"title": "a"}, "a"),
    ({"error": "a", "warnings": ["b", "c"]}, "a; b; c"),
    ("<html><head><style>p { }</style></head><body><h1>Bad</h1><p>Not &amp; now</p></body></html>", "Bad Not & now"),
    ("<html>" + "<br>" * 400 + "late</html>", "late"),
)


def test_19_06_every_form_of_error_is_read(tgi: Server, run: Run) -> None:
    """`error`, `detail`, `message`, `title` in that order and whatever their form, else plain text; warnings too."""
    for body, says in ERROR_BODIES:
        tgi.script(Reply(400, text=body) if isinstance(body, str) else Reply(400, json=body))
        assert str(caught(BadRequestError, run, f"{tgi.url}/generate")) == says
    tgi.script(Reply(400, text="x" * 2000))
    long = str(caught(BadRequestError, run, f"{tgi.url}/generate"))
    assert (len(long), set(long[:-1])) == (500, {"x"})


@pytest.mark.parametrize("page", ["<div>Bad</div>", '<?xml version="1.0"?><Error><Code>Bad</Code></Error>'])
def test_19_06_tags_are_removed_from_any_page(tgi: Server, run: Run, page: str) -> None:
    """A page is reduced to its words also where it is a piece of one, or XML."""
    tgi.script(Reply(400, text=page))
    assert str(caught(BadRequestError, run, f"{tgi.url}/generate")) == "Bad"


@pytest.mark.parametrize(("task", "route"), [(TASK, "/models/gpt2"), ("chat", "/models/gpt2/v1/chat/completions")])
def test_19_07_cached_answers_are_marked_and_can_be_refused(tgi: Server, run: Run, task: str, route: str) -> None:
    """An answer from the cache says so; the header that asks for a fresh one is `0`, however that is said."""
    first, second = (run(tgi.url + route, task=task) for _ in range(2))
    assert (first.cached, "cached" in first.footer) == (False, False)
    assert (second.cached, "cached" in second.footer) == (True, True)
    for client, call in (({}, {"use_cache": False}), ({"headers": {"X-Use-Cache": False}}, {})):
        assert not run(tgi.url + route, task=task, client=client, **call).cached
        assert tgi.requests[-1].headers["x-use-cache"] == "0"


@pytest.mark.parametrize("case", [str.lower, str.upper, str.title])
def test_19_08_a_users_headers_win(
    tgi: Server, run: Run, monkeypatch: pytest.MonkeyPatch, case: Callable[[str], str]
) -> None:
    """In whatever case its name is written, a header of the user's takes the place of ours."""
    monkeypatch.setenv("NBINFER_HF_BASE", tgi.url)
    mine = {"user-agent": "mine", "authorization": "Basic mine", "x-hf-bill-to": "mine", "accept-encoding": "gzip"}
    headers = {case(name): value for name, value in mine.items()}
    options = {"token": KEY, "bill_to": "ours", "headers": headers}
    run("org/name", client=options)
    assert {name: tgi.requests[0].headers[name] for name in mine} == mine
    sent = InferenceClient("org/name", **options).preview(TASK, PROMPT)["headers"]
    assert sorted(map(str.lower, sent)) == sorted(mine)


def test_19_08_a_users_header_wins_on_a_retry_too(tgi: Server, run: Run) -> None:
    """Who has said whether a request may be held while a model loads is not overruled."""
    tgi.script(Reply(503, json={"error": "Model is currently loading"}, headers={"retry-after": "0"}))
    run(f"{tgi.url}/generate", client={"headers": {"X-Wait-For-Model": "false"}})
    assert [request.headers["x-wait-for-model"] for request in tgi.requests] == ["false", "false"]


def test_19_08_a_users_authorization_stays_at_hugging_face(tgi: Server, run: Run) -> None:
    """The header that opens Hugging Face does not go to another host that a call names; all others do."""
    headers = {"Authorization": f"Bearer {KEY}", "X-A": "b"}
    run("org/name", client={"headers": headers}, base_url=tgi.url)
    assert tgi.requests[-1].headers["x-a"] == "b"
    assert KEY not in str(tgi.requests[-1].headers)


@pytest.mark.parametrize("seed", [0, 2**53 + 1, 2**63, 2**64 - 1])
def test_19_09_seeds_are_exact(tgi: Server, run: Run, seed: int) -> None:
    """A seed goes out and comes back to the last digit, whole and streamed, however large it is."""
    for given in (seed, np.uint64(seed)):
        result = run(f"{tgi.url}/generate", seed=given, do_sample=True)
        assert (result.seed, type(result.seed), result.parameters["seed"]) == (seed, int, seed)
        assert f'"seed":{seed},'.encode() in tgi.requests[-1].content.replace(b"}", b",")
    with InferenceClient(tgi.url) as client:
        assert client.text_generation(PROMPT, seed=seed, do_sample=True, details=True).details.seed == seed
    run(f"{tgi.url}/v1", task="chat", seed=seed)
    assert f'"seed":{seed},'.encode() in tgi.requests[-1].content.replace(b"}", b",")


def event(text: str, **more: Any) -> str:
    """Return one native event as raw JSON."""
    return json.dumps(token_event(1, text, **more), ensure_ascii=False)


ODD = "🐦 né\u2028a\x85b\u2029"
LINES = "".join(f"data: {line}\r\n" for line in json.dumps(token_event(2, "!"), indent=1).splitlines())
STREAM = (
    f"\ufeffdata:{event(ODD)}\n\n: a comment\r\rid: 7\rdata\revent: x\r{LINES}\r\nignored: 1\n\n"
    f"data: {event('?', generated_text=ODD + '!?')}"
)


def test_19_10_streams_are_read_as_the_standard_says(tgi: Server, run: Run) -> None:
    """UTF-8, line ends, fields, comments, [DONE] and missing ends are read right, in whatever pieces they come."""
    for chunk in (None, 1, 2, 7):
        tgi.script(Stream([STREAM.encode()], chunk=chunk))
        result = run(tgi.url)
        assert (result.text, [token.text for token in result.token_list]) == (ODD + "!?", [ODD, "!", "?"])
    for done in (b"data:[DONE]\n\n", b"data:  [DONE] \r\n\r\n"):
        tgi.script(Stream([picked("It"), done], hold=True))
        assert run(tgi.url, timeout=5).text == "It"
    tgi.script(Stream([f"data: {event('One')}\n\ndata: {event('Two')[:-9]}".encode()]))
    assert caught(StreamInterruptedError, run, tgi.url).partial.text == "One"
    tgi.script(Reply(json={"error": "no"}))
    assert str(caught(ApiError, run, f"{tgi.url}/generate", retries=0)) == "no"


def test_19_10_silence_has_a_time_of_its_own(tgi: Server, run: Run) -> None:
    """A stream that falls silent is left after the idle time, which is not that of connecting; comments are life."""
    patience = {"timeout": Timeout(connect=9, first_byte=9, idle=0.25)}
    tgi.script(Stream([token_event(1, "One")], hold=True))
    began = time.monotonic()
    assert "0.25 s" in str(caught(StreamInterruptedError, run, tgi.url, client=patience))
    assert time.monotonic() - began < 5
    tgi.keep_alive = 0.05
    tgi.script(Stream([token_event(1, "One", generated_text="One")], delay=0.4))
    assert run(tgi.url, client=patience).text == "One"


CUT = "the server put the prompt in front of its answer; it was cut"
ECHO = PROMPT + " It is."
# The route, what the server says, the text, and whether the prompt was cut off.
ECHOES: tuple[tuple[str, Reply | Stream, str, bool], ...] = (
    ("/", Stream([wire("tgi/stream_t5.sse")]), "to 4", False),
    ("/", Stream([token_event(1, " It"), token_event(2, " is.", generated_text=ECHO)]), " It is.", True),
    ("/generate", Stream([token_event(1, " It is.", generated_text=ECHO)]), " It is.", True),
    ("/", Stream([token_event(1, PROMPT), token_event(2, " It is.", generated_text=ECHO)]), ECHO, False),
    ("/", Stream([token_event(1, "It is.", generated_text=ECHO)]), ECHO, False),
    ("/", Reply(json=[{"generated_text": ECHO}]), " It is.", True),
    ("/models/gpt2", Reply(json=[{"generated_text": ECHO}]), " It is.", True),
    ("/generate", Reply(json={"generated_text": ECHO}), ECHO, False),
    ("/", Reply(json=[{"generated_text": ECHO.lower()}]), ECHO.lower(), False),
    ("/", Reply(json=[{"generated_text": ECHO[2:]}]), ECHO[2:], False),
)


def test_19_11_the_last_word_is_the_servers_less_the_prompt(tgi: Server, run: Run) -> None:
    """The text is `generated_text`; the prompt is cut off, with a notice, where the server put it and not the model."""
    for route, reply, text, cut in ECHOES:
        tgi.script(reply)
        result = run(tgi.url + route)
        assert (result.text, CUT in result.notices) == (text, cut)
        assert bodies(tgi)[-1]["parameters"]["return_full_text"] is False
    result = run(tgi.url, return_full_text=True)
    assert (result.text, result.notices) == (PROMPT + ANSWER, ())
    assert bodies(tgi)[-1]["parameters"]["return_full_text"] is True


REASONS = {
    "length": "length", "stop": "stop", "eos_token": "stop", "stop_sequence": "stop", "end_turn": "stop",
    "tool_calls": "tool_calls",
}  # fmt: skip


@pytest.mark.parametrize(("raw", "reason"), REASONS.items())
def test_19_12_finish_reasons_are_one_language(tgi: Server, run: Run, raw: str, reason: str) -> None:
    """Whatever a server calls the end, a result calls it length, stop or tool_calls, and keeps the server's word."""
    details = {"finish_reason": raw, "generated_tokens": 1, "seed": None}
    for task, path, reply in (
        (TASK, "/generate_stream", Reply(json={"generated_text": "a", "details": details})),
        (TASK, "/generate_stream", Stream([token_event(1, "a", generated_text="a", details=details)])),
        (TASK, "/v1/completions", Stream([picked("a", raw, form="text")])),
        ("chat", CHAT, Reply(json=picked("a", raw, form="message"))),
        ("chat", CHAT, Stream([picked("a", raw)])),
    ):
        tgi.script(reply, path)
        result = run(tgi.url + path, task=task)
        assert (result.finish_reason, result.raw_finish_reason) == (reason, raw)


def drawn(kind: str) -> bytes:
    """Return a small red image as a file of this kind."""
    file = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(file, kind)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "TIFF"])
def test_19_13_images_are_known_by_their_first_bytes(tgi: Server, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """An image is read whatever kind is claimed, JSON in its place is the error in it; no stored token goes along."""
    monkeypatch.setenv("HF_TOKEN", KEY)
    with InferenceClient(tgi.url) as client:
        for claimed in ("image/png", "application/json", "text/html"):
            tgi.script(Reply(body=drawn(kind), headers={"content-type": claimed}))
            image = client.text_to_image("A cat")
            assert (image.format, image.size) == (kind, (8, 8))
        tgi.script(Reply(body=wire("tgi/loading.json"), headers={"content-type": f"image/{kind.lower()}"}))
        assert caught(ModelLoadingError, client.text_to_image, "A cat", retries=0).estimated_time == 20
    assert not any("authorization" in request.headers for request in tgi.requests)


CODED = base64.b64encode(drawn("PNG")).decode()
FORMS_OF_IMAGES: dict[str, Any] = {
    "base64": CODED,
    "base64 in lines": "\n".join(CODED[start : start + 60] for start in range(0, len(CODED), 60)),
    "data URL": f"data:image/png;base64,{CODED}",
    "a list": [CODED],
    "OpenAI": {"created": 1, "data": [{"b64_json": CODED, "revised_prompt": "A cat."}]},
    "hyperbolic": {"images": [{"index": 0, "image": CODED}]},
    "replicate": {"id": "x", "status": "succeeded", "output": [f"data:image/png;base64,{CODED}"]},
    "flux": {"status": "Ready", "result": {"sample": f"data:image/png;base64,{CODED}"}},
}


@pytest.mark.parametrize("form", FORMS_OF_IMAGES)
def test_19_13_images_in_json_are_found(tgi: Server, form: str) -> None:
    """Base64 and data URLs are read wherever servers put them, at the place that was asked."""
    tgi.script(Reply(json=FORMS_OF_IMAGES[form]), times=2)
    with InferenceClient(tgi.url) as client:
        assert client.text_to_image("A cat").getpixel((0, 0)) == (255, 0, 0)
        assert client.run("text-to-image", "A cat").notices == ()


def test_19_13_images_at_addresses_are_fetched_without_a_key(tgi: Server) -> None:
    """An image at the server's own address is fetched, with no token, and known by its bytes."""
    tgi.script(Reply(json={"data": [{"url": f"{tgi.url}/made.png"}]}), "/", times=3)
    with InferenceClient(tgi.url, token=KEY) as client:
        tgi.script(Reply(302, headers={"location": "/moved.png"}), "/made.png")
        tgi.script(Reply(body=drawn("WEBP"), headers={"content-type": "image/png"}), "/moved.png")
        assert client.text_to_image("A cat").format == "WEBP"
        tgi.script(Reply(text="<p>gone</p>"), "/made.png")
        assert "there is no image at" in str(caught(BadAnswerError, client.text_to_image, "A cat"))
        tgi.script(Reply(404), "/made.png")
        caught(NotFoundError, client.text_to_image, "A cat")
    fetched = [request for request in tgi.requests if request.path.endswith(".png")]
    assert len(fetched) == 4
    assert not any("authorization" in request.headers for request in fetched)


@pytest.mark.parametrize("address", ["http://127.0.0.1:9/secret", "file:///etc/passwd", "ftp://x.org/a.png"])
def test_19_13_other_addresses_are_refused(tgi: Server, address: str) -> None:
    """What is neither https nor the server's own is not asked, also where a redirect leads there."""
    with InferenceClient(tgi.url) as client:
        tgi.script(Reply(json={"data": [{"url": address}]}))
        caught(BadAnswerError, client.text_to_image, "A cat")
        tgi.script(Reply(json=[f"{tgi.url}/made.png"]), "/")
        tgi.script(Reply(302, headers={"location": address}), "/made.png")
        error = caught(BadAnswerError, client.text_to_image, "A cat")
    assert "only https addresses are fetched" in str(error)


def test_19_13_an_image_may_be_too_large(tgi: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The size of what is fetched has a limit."""
    monkeypatch.setattr("nbinfer.drivers.LARGEST_BODY", 2**20)
    tgi.script(Reply(json=[f"{tgi.url}/made.png"]), "/")
    tgi.script(Reply(body=drawn("PNG") + bytes(2**21)), "/made.png")
    with InferenceClient(tgi.url) as client:
        assert "larger than" in str(caught(BadAnswerError, client.text_to_image, "A cat"))


@pytest.mark.parametrize(
    "answer", ["x", "data:text/html;base64,PGI+", {"data": []}, [], {"data": [{"b64_json": "***"}]}, 7]
)
def test_19_13_what_holds_no_image_is_told(tgi: Server, answer: Any) -> None:
    """JSON without an image is an error of ours."""
    tgi.script(Reply(json=answer))
    with InferenceClient(tgi.url) as client:
        assert "the answer is none of text-to-image" in str(caught(BadAnswerError, client.text_to_image, "A cat"))


def test_12_2_a_blanked_image_is_spoken_of(tgi: Server) -> None:
    """An all-black picture comes with a warning, since servers say nothing."""
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "PNG")
    tgi.script(Reply(body=file.getvalue()))
    with InferenceClient(tgi.url) as client:
        assert "all black" in client.run("text-to-image", "A cat").footer


@pytest.fixture
def painters(tgi: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """Return the look-alike as the router to two providers of one model, whom hub knows without asking."""
    monkeypatch.setenv("NBINFER_HF_BASE", tgi.url)
    for name in ("together", "fal-ai"):
        mapping = InferenceProviderMapping(
            provider=name, hf_model_id="org/image", providerId="image", status="live", task="text-to-image"
        )
        monkeypatch.setitem(providers.HARDCODED_MODEL_INFERENCE_MAPPING, name, {"org/image": mapping})
    return tgi


def test_19_13_images_in_json_and_at_addresses_are_read(painters: Server) -> None:
    """A provider's base64 and an image at another host are read as hub reads them; the token goes to the router."""
    coded = base64.b64encode(drawn("WEBP")).decode()
    painters.script(Reply(json={"data": [{"b64_json": coded}]}), "/together/v1/images/generations")
    with InferenceClient("org/image", token=KEY) as client, Server() as elsewhere:
        assert client.text_to_image("A cat", provider="together").format == "WEBP"
        elsewhere.script(Reply(body=drawn("JPEG"), headers={"content-type": "image/png"}))
        painters.script(Reply(json={"images": [{"url": f"{elsewhere.url}/cat.png"}]}), "/fal-ai/image")
        assert client.text_to_image("A cat", provider="fal-ai").format == "JPEG"
    assert [request.headers["authorization"] for request in painters.requests] == [f"Bearer {KEY}"] * 2
    (fetched,) = elsewhere.requests
    assert (fetched.path, KEY in str(fetched.headers), "authorization" in fetched.headers) == ("/cat.png", False, False)


TEXT, TWO = "a", ["a", "b"]
# The texts, the answer, and the vectors.
SHAPES: tuple[tuple[Any, Any, list[list[float]]], ...] = (
    (TEXT, [3, 4], [[3, 4]]),
    (TEXT, [[3, 4]], [[3, 4]]),
    (TEXT, [[[1, 0], [5, 8]]], [[3, 4]]),
    (TEXT, [[[[1, 0], [5, 8]]]], [[3, 4]]),
    (TWO, [[3, 4], [6, 8]], [[3, 4], [6, 8]]),
    (TWO, [[[1, 0], [5, 8]], [[6, 8]]], [[3, 4], [6, 8]]),
    (TWO, [[[[1, 0], [5, 8]]], [[[6, 8]]]], [[3, 4], [6, 8]]),
    (TWO, {"embeddings": [[3, 4], [6, 8]]}, [[3, 4], [6, 8]]),
)


def test_19_14_vectors_are_rows(tgi: Server, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """One vector for each text, whatever the nesting of the answer; those of tokens become their mean."""
    monkeypatch.setenv("NBINFER_HF_BASE", tgi.url)
    for texts, answer, vectors in SHAPES:
        for model in (f"{tgi.url}/embed", "org/name"):
            tgi.script(Reply(json=answer))
            found = run(model, texts, task="text-embedding", normalize=False).vectors
            assert (found.dtype, found.tolist()) == (np.float32, vectors)
    rows = [{"index": 1, "embedding": [6, 8]}, {"index": 0, "embedding": [3, 4]}]
    tgi.script(Reply(json={"data": rows}), "/v1/embeddings")
    found = run(f"{tgi.url}/v1/embeddings", TWO, task="text-embedding", normalize=False).vectors
    assert found.tolist() == [[3, 4], [6, 8]]


def repeated(request: Recorded) -> Reply:
    """Refuse a request with all that came with it."""
    return Reply(400, text=f"{request.query} {request.headers.get('authorization')}")


@pytest.mark.parametrize("way", ["token", "header", "address"])
def test_19_15_keys_are_masked(tgi: Server, caplog: pytest.LogCaptureFixture, way: str) -> None:
    """A key stands in no repr, preview, code, result, error, traceback or log, however it is given."""
    caplog.set_level(logging.DEBUG)
    address = f"{tgi.url.replace('//', f'//user:{KEY}@')}/generate?key={KEY}"
    given: dict[str, Any] = {"token": {"token": KEY}, "header": {"headers": {"Authorization": f"Bearer {KEY}"}}}
    with InferenceClient(address if way == "address" else f"{tgi.url}/generate", **given.get(way, {})) as client:
        stream = client.stream(TASK, PROMPT)
        result = stream.drain()
        tgi.script(repeated)
        error = caught(BadRequestError, client.text_generation, PROMPT)
        shown = [client, client.preview(TASK, PROMPT), client.snippet(TASK, PROMPT), stream]
    assert all(KEY in f"{request.query} {request.headers}" for request in tgi.requests)
    shown += [result, result.bundle(), vars(result), vars(error), error, *traceback.format_exception(error)]
    assert [one for one in shown if KEY in repr(one)] == []
    assert {record.name for record in caplog.records if KEY in record.getMessage()} <= {
        "uvicorn.access"
    }  # the test server


def test_19_15_no_key_is_saved_in_a_notebook(tgi: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A notebook that was run and saved holds no key, though every cell of it used one."""
    monkeypatch.setenv("MY_KEY", KEY)
    tgi.model = Model(api_key=KEY)
    tgi.script(repeated, "/repeats", times=2)
    cells = (
        "%load_ext nbinfer",
        f"%infer -m {tgi.url} --api-key-env MY_KEY Why?",
        f"%infer -m {tgi.url}/repeats --api-key-env MY_KEY Why?",
        f"import os, nbinfer\nclient = nbinfer.InferenceClient('{tgi.url}', token=os.environ['MY_KEY'])\nclient",
        "client.run('text-generation', 'Why?')",
        f"client.text_generation('Why?', model='{tgi.url}/repeats')",
        "client.preview('text-generation', 'Why?')",
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbclient.NotebookClient(notebook, kernel_name="python3", timeout=60, allow_errors=True).execute()
    saved = nbformat.writes(notebook)
    assert (saved.count("a small robot") >= 2, saved.count("hidden") >= 3, KEY in saved) == (True, True, False)
    assert all(request.headers["authorization"] == f"Bearer {KEY}" for request in tgi.requests)


# --- section 11: errors

NEVER, ONCE, ALWAYS = 0, 1, 3
"""How often a call that may try three times more does so."""
Refused = Callable[..., None]


@pytest.fixture
def refused(tgi: Server, run: Run) -> Refused:
    """Return what checks a recorded refusal: its class, all that is kept of it, and how often it is tried again."""
    model = f"{tgi.url}/generate_stream"

    def check(
        name: str, kind: type[ApiError], says: str, *, again: int, status: int = 0, error_type: str = "", **kept: Any
    ) -> None:
        _, recorded, headers, body = next(row for row in REFUSALS if row[0] == name)
        status = status or recorded
        tgi.script(Reply(status, body=body, headers={**headers, "x-request-id": name}))
        error = caught(kind, run, model, retries=0, bridge=False)
        assert (type(error), str(error)[: len(says)], error.error_type) == (kind, says, error_type)
        assert (error.status, error.url, error.request_id) == (status, model, error.headers["x-request-id"])
        assert (error.request_id, error.estimated_time) == (name, kept.get("estimated_time"))
        tgi.clear()
        soon = {**headers, "retry-after": "0"}
        tgi.script(Reply(status, body=body.replace(b"20.0", b"null"), headers=soon), times=9)
        caught(kind, run, model, bridge=False)
        assert len(tgi.requests) == 1 + again
        tgi.clear()

    return check


class EnoughError(Exception):
    """Stop waiting: the test has seen what it wanted."""


def pause(run: Run, model: str) -> float:
    """Return for how many seconds a call begins to wait."""
    waits: list[float] = []

    def told(wait: Wait) -> None:
        waits.append(wait.seconds)
        raise EnoughError

    with pytest.raises(EnoughError):
        run(model, told=told)
    return waits[0]


def test_11_400_what_does_not_fit(refused: Refused) -> None:
    """A bad request, a model for subscribers, unknown options and a paused endpoint are told apart, never retried."""
    refused("not_json-400", BadRequestError, "Failed to parse the request body as JSON", again=NEVER)
    refused("error_list-400", BadRequestError, "Error in `inputs.context`: field required; Error in", again=NEVER)
    refused("pro_required-400", ProRequiredError, "Model requires a Pro subscription", again=NEVER)
    refused("model_kwargs-400", BadRequestError, "The following `model_kwargs` are not used", again=NEVER)
    refused("paused-400", PausedError, "Bad Request: Invalid state", again=NEVER)


def test_11_401_no_token_or_a_wrong_one(refused: Refused) -> None:
    """A token that is missing or wrong is UnauthorizedError, never retried."""
    refused("bad_password-401", UnauthorizedError, "Invalid username or password.", again=NEVER)
    refused("bad_token-401", UnauthorizedError, "Authorization header is correct, but", again=NEVER)
    refused("empty-401", UnauthorizedError, "HTTP status 401, with an empty body", again=NEVER)


def test_11_402_no_credits(refused: Refused) -> None:
    """Credits that are used up are PaymentRequiredError, never retried."""
    refused("credits-402", PaymentRequiredError, "You have exceeded your monthly included credits", again=NEVER)


def test_11_403_not_allowed(refused: Refused) -> None:
    """A gated model is GatedError, one that is too large and a token that may not are ForbiddenError, never retried."""
    refused("gated-403", GatedError, "Access to model ", again=NEVER, error_type="GatedRepo")
    refused("too_large-403", ForbiddenError, "The model meta-llama/", again=NEVER)
    refused("no_permission-403", ForbiddenError, "This authentication method does not", again=NEVER)


def test_11_404_not_there(refused: Refused) -> None:
    """A model that does not exist and one that is not deployed are NotFoundError, never retried."""
    refused("no_model-404", NotFoundError, "Model meta-llama/Llama-2-70b-chat-hf does not exist", again=NEVER)
    refused("detail-404", NotFoundError, "Not Found", again=NEVER)


def test_11_413_415_body_too_big_or_of_a_wrong_type(refused: Refused) -> None:
    """A body that is too big and one of a wrong content type are BadRequestError, never retried."""
    refused("too_long-413", BadRequestError, "Failed to buffer the request body: length limit", again=NEVER)
    refused("wrong_content_type-415", BadRequestError, "Expected request with `Content-Type", again=NEVER)


def test_11_422_validation(refused: Refused) -> None:
    """A parameter that the server refuses is UnprocessableError, never retried."""
    says = "Input validation error: `temperature` must be strictly positive"
    refused("validation-422", UnprocessableError, says, again=NEVER, error_type="validation")


def test_11_422_templates_and_tools(refused: Refused) -> None:
    """A chat that cannot be set up is UnprocessableError, TextOnlyError where only texts are read; never retried."""
    for name, kind, says, error_type in (
        ("template-422", TextOnlyError, "Template error: template not found", "template_error"),
        ("template_variable-422", UnprocessableError, "Missing template vatiable: tools", "missing_template_variable"),
        ("tool-422", UnprocessableError, "Tool error: Grammar and tools are mutually exclusive", "tool_error"),
    ):
        refused(name, kind, says, again=NEVER, error_type=error_type)


def test_11_422_shape_of_the_body(refused: Refused) -> None:
    """A body of the wrong shape, which is refused in plain text, is UnprocessableError, never retried."""
    says = "Failed to deserialize the JSON body into the target type: "
    refused("wrong_type-422", UnprocessableError, f"{says}inputs: invalid type", again=NEVER)
    refused("missing_field-422", UnprocessableError, f"{says}missing field `inputs`", again=NEVER)


def test_11_424_generation_failed(refused: Refused) -> None:
    """A request that failed while the model generated is GenerationError, retried once."""
    says = "Request failed during generation: Server error: CUDA out of memory."
    refused("generation-424", GenerationError, says, again=ONCE, error_type="generation")


def test_11_429_overloaded(tgi: Server, run: Run, refused: Refused) -> None:
    """A model with too many requests is OverloadedError, retried after longer and longer pauses, never the same."""
    refused("overloaded-429", OverloadedError, "Model is overloaded", again=ALWAYS, error_type="overloaded")
    busy = wire("tgi/overloaded.json")
    for tries, seconds in enumerate((1, 2, 4)):
        pauses = []
        for _ in range(5):
            tgi.script(Reply(429, body=busy, headers={"retry-after": "0"}), times=tries)
            tgi.script(Reply(429, body=busy))
            pauses.append(pause(run, f"{tgi.url}/generate"))
        assert all(0.7 * seconds < one <= 1.25 * seconds for one in pauses)
        assert max(pauses) - min(pauses) > 0.01 * seconds


def test_11_429_quota(tgi: Server, run: Run, refused: Refused) -> None:
    """A quota that is used up is RateLimitedError, retried after the time that either header tells."""
    refused("rate_limit-429", RateLimitedError, "Rate limit reached. Please log in", again=ALWAYS)
    model, body = f"{tgi.url}/generate", wire("tgi/rate_limit.json")
    for headers, seconds in (
        ({"retry-after": "50"}, 50),
        ({"ratelimit": '"api";r=0;t=55', "ratelimit-policy": '"fixed window";"api";q=500;w=300'}, 55),
        ({"retry-after": "50", "ratelimit": '"api";r=0;t=55'}, 50),
        ({"ratelimit": '"api";r=7;t=55'}, 1),
    ):
        tgi.script(Reply(429, body=body, headers=headers))
        assert pause(run, model) == pytest.approx(seconds, abs=0.3)
    tgi.clear()
    tgi.script(Reply(429, body=body, headers={"retry-after": "0.1"}))
    assert run(model).text == ANSWER
    assert tgi.requests[1].at - tgi.requests[0].at >= 0.1


def test_11_500_incomplete(refused: Refused) -> None:
    """A generation that ended before its end is GenerationError, retried once."""
    for name, says, error_type in (
        ("incomplete-500", "Incomplete generation", "incomplete_generation"),
        ("incomplete_stream-500", "Incomplete generation stream", "incomplete_generation_stream"),
        ("serialization-500", "Stream serialization error: ", "stream_serialization_error"),
    ):
        refused(name, GenerationError, says, again=ONCE, error_type=error_type)


def test_11_500_busy_or_crashed(refused: Refused) -> None:
    """A server that is too busy or crashed is ServerError, retried a few times."""
    refused("too_busy-500", ServerError, "Model too busy, unable to get response in less", again=ALWAYS)
    refused("crash_with_warnings-500", ServerError, "unknown error; There was an inference error", again=ALWAYS)


def test_11_502_504_gateways(refused: Refused) -> None:
    """A proxy that gave up, whatever page it sends, is GatewayError, retried."""
    refused("bad_gateway-502", GatewayError, "502 Bad Gateway 502 Bad Gateway nginx", again=ALWAYS)
    refused("gateway_timeout-504", GatewayError, "ERROR: The request could not be satisfied", again=ALWAYS)
    refused("message-504", GatewayError, "The upstream server is timing out", again=ALWAYS)


def test_11_503_loading(tgi: Server, run: Run, refused: Refused) -> None:
    """A model that loads is waited for as it says, 1 to 30 seconds, and the retry, it alone, asks to be held."""
    refused("loading-503", ModelLoadingError, "Model meta-llama/", again=ALWAYS, estimated_time=20.0)
    model = f"{tgi.url}/generate"
    for estimate, seconds in ((0.01, 1), (7.5, 7.5), (20.0, 20), (500, 30)):
        tgi.script(Reply(503, json={"error": "Model x is currently loading", "estimated_time": estimate}))
        assert pause(run, model) == pytest.approx(seconds, abs=0.3)
    tgi.clear()
    tgi.script(Reply(503, json={"error": "Model x is currently loading"}, headers={"retry-after": "0"}), times=2)
    assert run(model).text == ANSWER
    assert [request.headers.get("x-wait-for-model") for request in tgi.requests] == [None, "true", "true"]


def test_11_503_unhealthy(refused: Refused) -> None:
    """A model process that is down is ServerError, retried."""
    refused("unhealthy-503", ServerError, "unhealthy", again=ALWAYS, error_type="healthcheck")


def test_11_200_an_error_all_the_same(refused: Refused) -> None:
    """A body with an error in it is the error that its content says, whatever the status, and is retried as that is."""
    refused("loading-200", ModelLoadingError, "Model meta-llama/", again=ALWAYS, estimated_time=20.0)
    refused("validation-200", UnprocessableError, "Input validation", again=NEVER, error_type="validation")
    for name, kind, again, error_type in (
        ("template-422", TextOnlyError, NEVER, "template_error"),
        ("tool-422", UnprocessableError, NEVER, "tool_error"),
        ("generation-424", GenerationError, ONCE, "generation"),
        ("overloaded-429", OverloadedError, ALWAYS, "overloaded"),
        ("incomplete-500", GenerationError, ONCE, "incomplete_generation"),
        ("unhealthy-503", ServerError, ALWAYS, "healthcheck"),
    ):
        refused(name, kind, "", again=again, status=200, error_type=error_type)


@pytest.mark.parametrize(("name", "kind"), [("pro_required-400", ProRequiredError), ("chat_only-400", ChatOnlyError)])
def test_11_200_what_the_words_say(refused: Refused, name: str, kind: type[ApiError]) -> None:
    """An error without a type is known by its words, also where the status says that all is well."""
    refused(name, kind, "Model ", again=NEVER, status=200)


def test_11_the_type_of_an_error_beats_the_status(refused: Refused) -> None:
    """`error_type` says which error it is, whatever the status; without one the status does."""
    for status in (404, 429, 503):
        refused("validation-422", UnprocessableError, "", again=NEVER, status=status, error_type="validation")
        refused("incomplete-500", GenerationError, "", again=ONCE, status=status, error_type="incomplete_generation")
        refused("overloaded-429", OverloadedError, "", again=ALWAYS, status=status, error_type="overloaded")
    for status, kind, again in (
        *((400, BadRequestError, NEVER), (403, ForbiddenError, NEVER), (404, NotFoundError, NEVER)),
        *((424, GenerationError, ONCE), (429, RateLimitedError, ALWAYS), (504, GatewayError, ALWAYS)),
    ):
        refused("string-500", kind, "Something went wrong", again=again, status=status)


@pytest.mark.parametrize("name", ["x-request-id", "x-inference-id", "x-amzn-trace-id", "x-amz-cf-id"])
def test_11_what_came_with_an_error_is_kept(tgi: Server, run: Run, name: str) -> None:
    """Status, message, type, id under any of its names, address, headers and estimate are on the exception."""
    facts = {"error": "Model x is currently loading", "error_type": "other", "estimated_time": 7.5}
    tgi.script(Reply(503, json=facts, headers={name: "id-7", "X-More": "more"}))
    error = caught(ModelLoadingError, run, f"{tgi.url}/models/org/name", retries=0)
    assert (error.status, str(error), error.error_type) == (503, "Model x is currently loading", "other")
    assert (error.request_id, error.url, error.estimated_time) == ("id-7", f"{tgi.url}/models/org/name", 7.5)
    assert (error.headers[name], error.headers["x-more"]) == ("id-7", "more")


BREAKS: dict[str, tuple[type[InferError], list[bytes], dict[str, bool]]] = {
    "overloaded": (OverloadedError, [wire("tgi/stream_overloaded.sse")], {}),
    "generation": (GenerationError, [b"data: " + wire("tgi/generation.json") + b"\n\n"], {}),
    "incomplete": (GenerationError, [b"data: " + wire("tgi/incomplete_stream.json") + b"\n\n"], {}),
    "loading": (ModelLoadingError, [b"data: " + wire("tgi/loading.json") + b"\n\n"], {}),
    "unhealthy": (ServerError, [b"data: " + wire("tgi/unhealthy.json") + b"\n\n"], {}),
    "cut": (StreamInterruptedError, [], {"cut": True}),
    "reset": (StreamInterruptedError, [], {"reset": True}),
    "ended": (StreamInterruptedError, [], {}),
}


@pytest.mark.parametrize("name", BREAKS)
def test_11_nothing_is_retried_after_a_part_was_delivered(tgi: Server, run: Run, name: str) -> None:
    """An answer that breaks after its first piece is the error that broke it, with the piece, and is not retried."""
    kind, events, how = BREAKS[name]
    headers = {"retry-after": "0", "x-request-id": "request-7"}
    for task, path, piece in ((TASK, "/generate_stream", token_event(1, "One")), ("chat", CHAT, picked("One"))):
        tgi.script(Stream([piece, *events], headers=headers, delay=0.01, **how), path)
        error = caught(kind, run, tgi.url + path, task=task)
        assert (error.partial.text, error.partial.finish_reason) == ("One", "error")
        assert getattr(error, "request_id", "request-7") == error.partial.request_id == "request-7"
        assert [request.path for request in tgi.requests].count(path) == 1
