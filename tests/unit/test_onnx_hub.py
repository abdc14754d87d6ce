"""ONNX models from a hub: a real client, huggingface_hub's, against a server that speaks the routes it needs."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest

pytest.importorskip("onnx", reason="onnx is not installed: graphs cannot be made")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install 'nbinfer[onnx]'")

import onnx_models as made
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from test_local import make_tokenizer

COMMIT = "0123456789abcdef0123456789abcdef01234567"
CARD = "---\nlicense: mit\ntags: [never closed\n---\n# A model\n\nlicense: of the text\n"


class Hub:
    """A hub that serves the files of folders: model information, file metadata, files, refusals."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.gated: set[str] = set()
        self.refusal = 0
        self.asked: list[str] = []
        routes = [
            Route("/api/models/{owner}/{name}", self._information),
            Route("/{owner}/{name}/resolve/{revision}/{path:path}", self._file),
        ]
        self._server = uvicorn.Server(uvicorn.Config(Starlette(routes=routes), port=0, log_level="error"))
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]})

    def __enter__(self) -> Self:
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()

    def _information(self, request: Request) -> Response:
        """Answer what is known of a repository, as /api/models does."""
        name = self._asked(request)
        if refused := self._refused(name):
            return refused
        folder = self.root / name
        files = sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())
        siblings = [{"rfilename": file} for file in files]
        return JSONResponse({"id": name, "sha": COMMIT, "private": False, "tags": [], "siblings": siblings})

    def _file(self, request: Request) -> Response:
        """Answer a file, or its head."""
        name, path = self._asked(request), request.path_params["path"]
        if name in self.gated:
            return Response(
                status_code=403, headers={"x-error-code": "GatedRepo", "x-error-message": "Access is gated"}
            )
        if refused := self._refused(name):
            return refused
        data = (self.root / name / path).read_bytes()
        etag = hashlib.sha1(data, usedforsecurity=False).hexdigest()
        return Response(data, headers={"etag": f'"{etag}"', "x-repo-commit": COMMIT})

    def _asked(self, request: Request) -> str:
        self.asked.append(f"{request.method} {request.url.path}")
        return f"{request.path_params['owner']}/{request.path_params['name']}"

    def _refused(self, name: str) -> Response | None:
        if self.refusal:
            return JSONResponse({"error": "this hub is having a bad day"}, self.refusal)
        if not (self.root / name).is_dir():
            # What the hub tells those who have no token of a repository that is not there.
            return JSONResponse({"error": "Repository not found"}, 401, {"x-error-code": "RepoNotFound"})
        return None


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Write what the hub holds."""
    root = tmp_path_factory.mktemp("hub")
    source = root / "source"
    source.mkdir()
    made.write_source(source)
    make_tokenizer(source / "tokenizer.json")
    made.write_decoder(source, root / "org" / "llama", external=True)
    made.write_decoder(source, root / "org" / "llama", graph="onnx/model_q4.onnx", grouped=True)
    (root / "org" / "llama" / "README.md").write_text(CARD)
    (root / "org" / "llama" / "pytorch_model.bin").write_bytes(b"large")
    made.write_encoder(root / "org" / "multilingual-e5-tiny", "BertModel")
    made.write_pooling(root / "org" / "multilingual-e5-tiny", "mean_tokens", normalize=True)
    made.write_json(root / "org" / "torch-only" / "config.json", {"architectures": ["LlamaForCausalLM"]})
    (root / "org" / "torch-only" / "model.safetensors").write_bytes(b"weights")
    made.write_json(root / "org" / "genai" / "config.json", {})
    (root / "org" / "genai" / "cpu").mkdir()
    (root / "org" / "genai" / "cpu" / "model.onnx").write_bytes(b"graph")
    return root


@pytest.fixture
def served(root) -> Iterator[Hub]:
    with Hub(root) as hub:
        yield hub


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


def python(code, *, endpoint, home, **environment):
    """Run code in an interpreter of its own, since huggingface_hub reads its settings at import; return its words."""
    shown = (
        "from nbinfer.errors import InferError\n"
        "from nbinfer.local import hub\n"
        "try:\n" + "".join(f"    {line}\n" for line in code.splitlines()) + "except InferError as error:\n"
        "    lines = error.lines()\n"
        "    assert 1 <= len(lines) <= 4\n"
        "    print('\\n'.join(lines))\n"
    )
    settings = {"HF_ENDPOINT": endpoint, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1", **environment}
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", shown],
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.strip(), run.stderr


GENERATE = """
model = hub.load({name!r}, task="text-generation")
chunks = list(model.generate("the cat", {{"max_new_tokens": 6}}))
print(model.name, chunks[-1].details.generated_tokens, model.special_tokens["bos_token"])
"""


def test_a_model_is_fetched_once(served, home):
    """A hub id is fetched with a progress bar, only what is needed, the graph last; then it is there without a hub."""
    # tqdm draws no bar where it sees no terminal, unless told to.
    code = GENERATE.format(name="org/llama")
    printed, progress = python(code, endpoint=served.url, home=home, TQDM_POSITION="-1")
    assert printed == "org/llama 6 <s>"
    assert "model_q4.onnx: 100%" in progress
    fetched = [line.partition("main/")[2] or line.partition(f"{COMMIT}/")[2] for line in served.asked if "GET" in line]
    fetched = [path for path in fetched if path]
    assert fetched[-1] == "onnx/model_q4.onnx"
    assert {"config.json", "tokenizer.json", "tokenizer_config.json", "generation_config.json"} <= set(fetched)
    assert not {"pytorch_model.bin", "onnx/model.onnx", "onnx/model.onnx_data"} & set(fetched)
    served.asked.clear()
    assert python(GENERATE.format(name="org/llama"), endpoint=served.url, home=home)[0] == printed
    assert served.asked == []


def test_weights_beside_the_graph_are_fetched(served, home):
    """A variant that keeps its weights in a file of their own works from the cache's links."""
    printed, _ = python(GENERATE.format(name="org/llama:fp32"), endpoint=served.url, home=home)
    assert printed == "org/llama:fp32 6 <s>"
    assert any("onnx/model.onnx_data" in line for line in served.asked)


def test_an_encoder_comes_with_its_pooling(served, home):
    """A sentence encoder is fetched with its modules, and knows its prompts by the repository's name."""
    code = (
        "model = hub.load('org/multilingual-e5-tiny', task='text-embedding')\n"
        "print(model.embed(['cat'], prompt_name='query').shape)"
    )
    assert python(code, endpoint=served.url, home=home)[0] == "(1, 24)"
    assert any("1_Pooling/config.json" in line for line in served.asked)


def test_the_cache_is_listed(served, home):
    """What can be loaded is listed with task, size and licence; what cannot is left out; an empty cache is empty."""
    listing = "import json\nprint(json.dumps([[m.name, m.task, m.size, m.licence] for m in hub.cached()]))"
    assert json.loads(python(listing, endpoint=served.url, home=home)[0]) == []
    fetch = (
        "from huggingface_hub import hf_hub_download\n"
        "hub.find('org/llama')\n"
        "hub.find('org/multilingual-e5-tiny')\n"
        "hf_hub_download('org/torch-only', 'config.json')"
    )
    python(fetch, endpoint=served.url, home=home)
    rows = json.loads(python(listing, endpoint="http://127.0.0.1:9", home=home)[0])
    assert [row[:2] for row in rows] == [
        ["org/llama", "text-generation"],
        ["org/multilingual-e5-tiny", "text-embedding"],
    ]
    assert [row[3] for row in rows] == ["mit", ""]
    assert all(row[2] > 10_000 for row in rows)


def test_a_repository_without_onnx(served, home):
    """What is missing is named, and where it may be had."""
    printed, _ = python("hub.load('org/torch-only')", endpoint=served.url, home=home)
    assert printed.startswith("ModelNotFoundError: org/torch-only has no tokenizer.json and no onnx/model.onnx")
    assert "onnx-community/torch-only-ONNX" in printed
    assert "optimum-cli export onnx -m org/torch-only" in printed


def test_onnx_files_in_other_places_are_shown(served, home):
    """A repository that keeps its graphs elsewhere is shown them."""
    printed, _ = python("hub.load('org/genai')", endpoint=served.url, home=home)
    assert "It has cpu/model.onnx." in printed


def test_a_repository_that_is_not_there(served, home):
    """A misspelt name is one sentence, and a private model is thought of."""
    printed, _ = python("hub.load('org/lama')", endpoint=served.url, home=home)
    assert printed.startswith("ModelNotFoundError: the hub has no model called org/lama")
    assert "HF_TOKEN" in printed


def test_a_name_that_cannot_be_one(served, home):
    """A name that no repository can have is refused without asking."""
    printed, _ = python("hub.load('org/na me!')", endpoint=served.url, home=home)
    assert printed.startswith("ModelNotFoundError: `org/na me!` is no folder and no name of a hub repository")
    assert served.asked == []


def test_a_gated_repository(served, home):
    """Whose terms have not been accepted is told where to accept them."""
    served.gated.add("org/llama")
    printed, _ = python("hub.load('org/llama')", endpoint=served.url, home=home)
    assert printed.startswith("GatedError: org/llama is gated (403 from 127.0.0.1")
    assert "accept its terms" in printed


@pytest.mark.parametrize(
    ("status", "error"), [(401, "UnauthorizedError"), (403, "ForbiddenError"), (500, "ServerError")]
)
def test_other_refusals_keep_their_words(served, home, status, error):
    """The hub's own message is shown with its status."""
    served.refusal = status
    printed, _ = python("hub.load('org/llama')", endpoint=served.url, home=home)
    assert printed.startswith(f"{error}: ")
    assert str(status) in printed


def test_a_dead_network(home):
    """Without a network the error says so at once, and that it is needed once only."""
    began = time.monotonic()
    printed, _ = python("hub.load('org/llama')", endpoint="http://127.0.0.1:9", home=home)
    assert printed.startswith("ConnectionFailedError: org/llama is not in the cache, and the hub was not reached")
    assert time.monotonic() - began < 30


def test_a_network_that_swallows_everything(home):
    """A server that accepts and never answers is given up after the timeout."""
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        printed, _ = python("hub.TIMEOUT = 1\nhub.load('org/llama')", endpoint=url, home=home)
    assert printed.startswith("ConnectionFailedError: org/llama is not in the cache, and the hub was not reached")


def test_offline_mode(served, home):
    """With HF_HUB_OFFLINE nothing is asked, and what is in the cache still loads."""
    printed, _ = python("hub.load('org/llama')", endpoint=served.url, home=home, HF_HUB_OFFLINE="1")
    assert printed.startswith("ConnectionFailedError: org/llama is not in the cache")
    assert served.asked == []
    python("hub.find('org/llama')", endpoint=served.url, home=home)
    printed, _ = python(GENERATE.format(name="org/llama"), endpoint=served.url, home=home, HF_HUB_OFFLINE="1")
    assert printed == "org/llama 6 <s>"


def test_a_damaged_file_of_the_cache_is_fetched_again_once_deleted(served, home):
    """The file that the error says to delete is the right one: then the model is whole again."""
    python("hub.find('org/llama')", endpoint=served.url, home=home)
    link = next(home.rglob("snapshots/*/onnx/model_q4.onnx"))
    whole = link.read_bytes()
    link.resolve().write_bytes(whole[:1000])
    printed, _ = python("hub.load('org/llama')", endpoint=served.url, home=home)
    line = next(line for line in printed.splitlines() if line.startswith("Delete "))
    Path(line.removeprefix("Delete ")).unlink()
    assert python(GENERATE.format(name="org/llama"), endpoint=served.url, home=home)[0] == "org/llama 6 <s>"
    assert link.read_bytes() == whole


def test_a_cache_that_cannot_be_written(served, home):
    """Where the cache has no room or no right to write, the error says what the system says."""
    home.write_text("a file, where a folder should be")
    printed, _ = python("hub.load('org/llama')", endpoint=served.url, home=home)
    assert printed.startswith("InferError: org/llama could not be stored")
    assert "HF_HOME" in printed


def test_an_interrupted_download_is_completed(served, home):
    """Where the graph, which comes last, is not there, the rest is fetched."""
    code = (
        "from huggingface_hub import hf_hub_download\n"
        "for name in ('config.json', 'tokenizer.json'):\n"
        "    hf_hub_download('org/llama', name)"
    )
    python(code, endpoint=served.url, home=home)
    printed, _ = python(GENERATE.format(name="org/llama"), endpoint=served.url, home=home)
    assert printed == "org/llama 6 <s>"
