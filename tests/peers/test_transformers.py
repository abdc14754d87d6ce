"""`transformers serve`, an OpenAI-compatible server that no one here wrote."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import huggingface_hub
import pytest
from environments import peer

from nbinfer.client import InferenceClient
from nbinfer.errors import BadRequestError, ServerError

pytestmark = pytest.mark.needs("transformers")
PROMPT = "Once upon a time"
ASKED = [{"role": "user", "content": PROMPT}]
LENGTH = 24


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a model; return its folder."""
    folder = tmp_path_factory.mktemp("made") / "model"
    maker = [str(peer("transformers") / "python"), str(Path(__file__).with_name("tiny_model.py")), str(folder)]
    subprocess.run(maker, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def served(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Run the server with a model made here; return its address and the name of the model."""
    with serving(model, tmp_path_factory.mktemp("served")) as url:
        yield url, str(model)


@contextlib.contextmanager
def serving(model: Path, folder: Path) -> Iterator[str]:
    """Run the server with a model and return its address."""
    (folder / "home" / "hub").mkdir(parents=True)
    log = folder / "log"
    environment = os.environ | {"HF_HOME": str(folder / "home"), "HF_HUB_OFFLINE": "1"}
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    command = [str(peer("transformers") / "transformers"), "serve", str(model), "--port", str(port)]
    with (
        log.open("wb") as said,
        subprocess.Popen(command, stdout=said, stderr=said, env=environment) as server,
    ):
        url = f"http://127.0.0.1:{port}"
        try:
            wait_for(url, server, log)
            yield url
        finally:
            server.terminate()


def wait_for(url: str, server: "subprocess.Popen[bytes]", log: Path) -> None:
    """Return when the server is well."""
    until = time.monotonic() + 120
    while time.monotonic() < until and server.poll() is None:
        try:
            if httpx.get(f"{url}/health").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    pytest.fail(f"the server did not start: {log.read_text()[-2000:]}")


@pytest.fixture
def url(served: tuple[str, str]) -> str:
    """Return the address of the server."""
    return served[0]


def completion(url: str, **options: object) -> dict[str, object]:
    """Ask without any client."""
    answer = httpx.post(f"{url}/v1/completions", json={"prompt": PROMPT, **options}, timeout=60).json()
    return answer["choices"][0]


@pytest.mark.parametrize("place", ["", "/v1", "/v1/completions"])
def test_texts_are_the_servers(url: str, place: str) -> None:
    """By its root, by `/v1` and by the whole path the text is the same, streamed, whole, and without any client."""
    expected = completion(url, max_tokens=LENGTH)["text"]
    assert len(expected) == LENGTH
    with InferenceClient(url + place) as client:
        result = client.run("text-generation", PROMPT, max_new_tokens=LENGTH)
        assert result.text == expected
        assert (result.usage.output_tokens, result.finish_reason) == (LENGTH, "length")
        assert client.text_generation(PROMPT, max_new_tokens=LENGTH) == expected
        assert "".join(client.text_generation(PROMPT, max_new_tokens=LENGTH, stream=True)) == expected


def test_stop_texts_are_found(url: str) -> None:
    """A stop text is cut out, wherever it comes."""
    expected = str(completion(url, max_tokens=LENGTH)["text"])
    stop = expected[10:13]
    with InferenceClient(url) as client:
        for stream in (False, True):
            answer = client.text_generation(PROMPT, max_new_tokens=LENGTH, stop=[stop], stream=stream)
            assert "".join(answer) == expected[: expected.index(stop)]


@pytest.mark.parametrize("place", ["", "/v1"])
def test_chats_are_those_of_hubs_client(url: str, place: str) -> None:
    """Texts, counts and reasons are those that huggingface_hub's client gets, whole and streamed."""
    with huggingface_hub.InferenceClient(base_url=f"{url}/v1", api_key="none") as hub:
        expected = hub.chat_completion(ASKED, max_tokens=LENGTH, extra_body={"model": served_name(url)})
    with InferenceClient(url + place) as client:
        whole = client.chat_completion(ASKED, max_tokens=LENGTH)
        assert whole.choices[0].message.content == expected.choices[0].message.content
        assert whole.usage == expected.usage
        pieces = list(client.chat_completion(ASKED, max_tokens=LENGTH, stream=True))
        streamed = "".join(piece.choices[0].delta.content or "" for piece in pieces)
        result = client.run("chat", PROMPT, max_tokens=LENGTH)
    assert streamed == str(result) == expected.choices[0].message.content
    assert result.finish_reason == expected.choices[0].finish_reason == "length"
    assert result.usage.output_tokens == LENGTH


def test_a_form_rendered_here_is_the_servers(url: str, served: tuple[str, str]) -> None:
    """With the model's own template from its folder the answer, as a text, is that of the server's chat."""
    with InferenceClient(url) as client:
        expected = str(client.run("chat", ASKED, max_tokens=LENGTH)).strip()
        result = client.run("chat", ASKED, max_tokens=LENGTH, template=served[1])
        assert str(result).strip() == expected
        assert result.prompt == f"user: {PROMPT}\nassistant:"
        assert (result.usage.output_tokens, result.finish_reason) == (LENGTH, "length")
        pieces = client.chat_completion(ASKED, max_tokens=LENGTH, template=served[1], stream=True)
        assert "".join(piece.choices[0].delta.content for piece in pieces).strip() == expected


def test_a_server_without_a_form_is_sent_a_text(model: Path, tmp_path: Path) -> None:
    """It fails at a chat and does not say why; a form that is told makes a text of it, which it continues."""
    bare = Path(shutil.copytree(model, tmp_path / "bare"))
    (bare / "chat_template.jinja").unlink()
    with serving(bare, tmp_path / "served") as url:
        with InferenceClient(f"{url}/v1") as client, pytest.raises(ServerError):
            client.run("chat", ASKED, max_tokens=LENGTH, retries=0)
        client = InferenceClient(f"{url}/v1")
        result = client.run("chat", ASKED, max_tokens=LENGTH, template="llama2-chat")
        assert result.prompt == f"[INST] {PROMPT} [/INST]"
        assert str(result) == client.text_generation(result.prompt, max_new_tokens=LENGTH).strip()
        client.close()


def served_name(url: str) -> str:
    """Return what the server calls its model, without the revision."""
    name = httpx.post(f"{url}/v1/completions", json={"prompt": "a", "max_tokens": 1}, timeout=60).json()["model"]
    return str(name).rpartition("@")[0]


def test_a_name_that_it_does_not_serve_is_its_own_error(url: str, served: tuple[str, str]) -> None:
    """The server's words are in the error; with the right name all is well."""
    with InferenceClient(base_url=f"{url}/v1") as client:
        with pytest.raises(BadRequestError, match="pinned"):
            client.text_generation(PROMPT, model="org/other")
        assert client.text_generation(PROMPT, model=served[1], max_new_tokens=4)


def test_closing_a_stream_frees_the_server(url: str) -> None:
    """After a few tokens of a long answer the connection is closed, and the next call is answered at once."""
    with InferenceClient(url) as client:
        with client.stream("chat", PROMPT, max_tokens=900) as stream:
            for _, _ in zip(range(3), stream, strict=False):
                pass
        assert stream.result.finish_reason == "interrupted"
        began = time.monotonic()
        assert client.text_generation(PROMPT, max_new_tokens=1)
        assert time.monotonic() - began < 5


def test_the_snippet_asks_it_too(url: str, served: tuple[str, str]) -> None:
    """The Python that `snippet` writes gets the same chat from it."""
    with InferenceClient(base_url=f"{url}/v1", api_key="none") as client:
        code = client.snippet("chat", PROMPT, model=served[1], language="python", max_tokens=5)
        expected = client.run("chat", PROMPT, model=served[1], max_tokens=5)
    environment = os.environ | {"API_KEY": "none"}
    command = [sys.executable, "-c", code]
    said = subprocess.run(command, capture_output=True, check=False, text=True, env=environment, timeout=60)
    assert said.returncode == 0, said.stderr
    lines = [line.removeprefix("data: ") for line in said.stdout.splitlines()]
    events = [json.loads(line) for line in lines if line.startswith("{")]
    deltas = [event["choices"][0]["delta"] for event in events if event["choices"]]
    assert "".join(delta.get("content") or "" for delta in deltas) == str(expected)
