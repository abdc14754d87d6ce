"""The examples of huggingface_hub's docstrings do with nbinfer's client what they do with hub's own."""

import base64
import doctest
import inspect
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import huggingface_hub
import numpy as np
import pytest
from protocol.proxy import Proxy
from protocol.tei import FrontEnd, flac, jpeg, png
from protocol.tgi import Model
from protocol.wire.replies import JSON, Answer, Recorded, Reply, encoded
from protocol.wire.serving import ScriptedServer

from nbinfer.client import DIFFERENCES
from nbinfer.params import DEFAULT_MAX_NEW_TOKENS
from nbinfer.services.hugging_face.borrowed import NO_TASKS

PROGRAM = Path(__file__).with_name("examples.py")
TOKEN = "hf_abcdefghijklmnopqrstuvwxyz0123456789"
CHATS = "/v1/chat/completions"
LEVELS = np.array([[0, 255], [128, 64]], np.uint8)
PNG, JPEG, FLAC = png(LEVELS), jpeg(LEVELS), flac([1000, -1000])
VIDEO = b"\0\0\0\x18ftypmp42"
FILES = {".png": PNG, ".jpg": JPEG, ".jpeg": JPEG, ".flac": FLAC, ".mp4": VIDEO}
"""What is at an address, and on the disk, by how the name ends."""

FILLED_IN = {
    "base_url=...": 'base_url="https://router.huggingface.co/v1"',
    "api_key=...": f'api_key="{TOKEN}"',
    '"hf_..."': f'"{TOKEN}"',
    "<together_api_key>": "together-key",
    "/path/to/": "",
}
"""What the docstrings leave to their reader."""


@dataclass(frozen=True)
class Example:
    """A piece of code in the docstring of a method; those of one docstring share their names."""

    name: str
    group: str
    statements: tuple[str, ...]

    @property
    def task(self) -> str:
        """Return the task, as the Hub calls it."""
        task = self.group.partition(".")[2].replace("_", "-")
        return "conversational" if task == "chat-completion" else task

    def named(self, argument: str) -> list[str]:
        """Return what the code gives for an argument."""
        return re.findall(rf'\b{argument}="([^"]+)"', "".join(self.statements))


def examples() -> Iterator[Example]:
    """Yield the examples of all methods that ask a model; where they name no model, one is put in."""
    for client in (huggingface_hub.InferenceClient, huggingface_hub.AsyncInferenceClient):
        for method, function in inspect.getmembers(client, inspect.isfunction):
            blocks = re.findall(r"```py\n(.*?)```", function.__doc__ or "", re.DOTALL)
            for number, block in enumerate(blocks if method not in NO_TASKS else (), start=1):
                group = f"{client.__name__}.{method}"
                model = f'InferenceClient("nbinfer/{method.replace("_", "-")}")'
                code = [statement.replace("InferenceClient()", model) for statement in statements(block)]
                yield Example(f"{group} {number}", group, tuple(code))


def statements(block: str) -> list[str]:
    """Return the statements of an example, which may have no prompts, with what readers fill in."""
    for blank, given in FILLED_IN.items():
        block = block.replace(blank, given)
    if ">>>" not in block:
        return [inspect.cleandoc(block)]
    return [example.source for example in doctest.DocTestParser().get_examples(block)]


EXAMPLES = {example.name: example for example in examples()}


# --- a web of one server

SAID: Mapping[str, JSON] = {
    "audio-classification": [{"label": "hap", "score": 0.5}],
    "audio-to-audio": [{"label": "voice", "content-type": "audio/flac", "blob": base64.b64encode(FLAC).decode()}],
    "document-question-answering": [{"answer": "us-001", "end": 16, "score": 0.9, "start": 16}],
    "image-segmentation": [{"label": "cat", "score": 0.9, "mask": base64.b64encode(PNG).decode()}],
    "tabular-classification": ["5", "5", "5"],
    "tabular-regression": [110, 120, 130],
    "visual-question-answering": [{"answer": "laying down", "score": 0.8}],
    "zero-shot-image-classification": [{"label": "dog", "score": 0.9}],
}
"""Task → what models say whose task no look-alike has."""


class Web(ScriptedServer):
    """Hugging Face's router and Hub, some providers, and files at all other addresses."""

    def clear(self) -> None:
        """Forget requests and know the models that the examples name."""
        super().clear()
        self.model, self.front = Model(router=True), FrontEnd(tasks={})
        for example in EXAMPLES.values():
            models = [*example.named("model"), *re.findall(r'InferenceClient\("([^"]+)"', "".join(example.statements))]
            for model in models:
                self.front.tasks[model] = example.task
                for provider in example.named("provider"):
                    row = {"status": "live", "providerId": model, "task": example.task}
                    self.front.providers.setdefault(model, {})[provider] = row

    def answer(self, request: Recorded) -> Answer:
        """Answer for the host that was asked."""
        path = request.path
        if path.startswith("/begin/"):
            return Reply()
        if path.startswith("/api/models/"):
            return self._known(self.front.reply(request))
        if path.endswith("/chat/completions"):
            # The router takes TGI's spelling of a grammar where a TGI is behind it, OpenAI's elsewhere.
            self.model.chat_form = "tgi-3" if '"type":"json",' in request.content.decode() else "together"
            return self.model.reply(replace(request, path=CHATS))
        if path.startswith("/hf-inference/models/"):
            return self._own(request)
        if Path(path).suffix in FILES:
            return Reply(body=FILES[Path(path).suffix])
        return self._provided(request)

    def _known(self, told: Reply) -> Reply:
        """Tell of a model who runs it: Hugging Face itself only what its own machines can do."""
        task, mapping = self.front.tasks[told.json["id"]], told.json.get("inferenceProviderMapping")
        if mapping is None or task != "image-to-video":
            return told
        elsewhere = {"fal-ai": mapping["hf-inference"]}
        return replace(told, json=told.json | {"inferenceProviderMapping": elsewhere})

    def _own(self, request: Recorded) -> Answer:
        """Answer as Hugging Face's own machines do, for text generation as the docstrings show it: without prompt."""
        task = self.front.tasks.get(request.path.removeprefix("/hf-inference/models/"))
        if task == "text-generation":
            parameters = {"return_full_text": False} | request.body["parameters"]
            return self.model.reply(replace(request, content=encoded(request.body | {"parameters": parameters})))
        return Reply(json=SAID[task]) if task in SAID else self.front.reply(request)

    def _provided(self, request: Recorded) -> Reply:
        """Answer as providers do: with the address of a file."""
        if "replicate" in request.headers["host"] + request.path:
            (task,) = {task for model, task in self.front.tasks.items() if model in request.path}
            kind = {"text-to-image": "png", "text-to-speech": "flac", "text-to-video": "mp4"}[task]
            return Reply(json={"output": f"https://replicate.delivery/1.{kind}"})
        done = {"request_id": "1", "status": "COMPLETED", "response_url": "https://queue.fal.run/requests/1"}
        files = {"images": [{"url": "https://fal.media/1.png"}], "video": {"url": "https://fal.media/1.mp4"}}
        return Reply(json=done | files)


# --- both runs


@dataclass(frozen=True)
class Sent:
    """A request, as far as it is compared."""

    method: str
    host: str
    path: str
    key: str | None
    kind: str | None
    body: JSON

    @classmethod
    def of(cls, request: Recorded) -> Self:
        """Take from a request what is compared: beside where it went and what it said, the key and the kind of body."""
        key, kind = (request.headers.get(name) for name in ("authorization", "content-type"))
        return cls(request.method, request.headers["host"], request.path, key, kind, request.body)


@dataclass(frozen=True)
class Run:
    """What an example gave, and what it asked for."""

    kinds: list[JSON]
    sent: list[Sent]


def run(folder: Path, imported: str) -> dict[str, Run]:
    """Run all examples with the client of a package, in a new process that knows no other way out than the proxy."""
    folder.mkdir()
    for name in ("cat.jpg", "people.jpg", "image.jpeg", "audio.flac", "hello_world.flac"):
        (folder / name).write_bytes(FILES[Path(name).suffix])
    importing = re.compile(r"\bfrom huggingface_hub import (?=(Async)?InferenceClient)")
    todo = [
        {
            "name": one.name,
            "group": one.group,
            "statements": [importing.sub(f"from {imported} import ", source) for source in one.statements],
        }
        for one in EXAMPLES.values()
    ]
    with Web() as web, Proxy(web.url, folder / "authority.pem") as proxy:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "HF_HOME": str(folder / "huggingface"),
            "HF_TOKEN": TOKEN,
            "HTTP_PROXY": proxy.url,
            "HTTPS_PROXY": proxy.url,
            "SSL_CERT_FILE": str(proxy.authority),
        }
        command = [sys.executable, str(PROGRAM), web.url]
        done = subprocess.run(
            command,
            input=json.dumps(todo),
            capture_output=True,
            check=False,
            text=True,
            cwd=folder,
            env=environment,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        sent: dict[str, list[Sent]] = {}
        for request in web.requests:
            if request.path.startswith("/begin/"):
                now = sent[request.path.removeprefix("/begin/")] = []
            else:
                now.append(Sent.of(request))
    return {name: Run(kinds, sent[name]) for name, kinds in json.loads(done.stdout).items()}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Run], dict[str, Run]]:
    """Run all examples with hub's client and with ours."""
    folder = tmp_path_factory.mktemp("examples")
    with ThreadPoolExecutor() as pool:
        hub, ours = pool.map(lambda name: run(folder / name, name), ("huggingface_hub", "nbinfer"))
    return hub, ours


# --- what differs


def dropped(name: str, value: JSON, where: str = "") -> Callable[[Sent], Sent]:
    """Return a rule that leaves a field out of bodies, or of what stands `where` in them, if it has this value."""

    def rule(sent: Sent) -> Sent:
        fields = sent.body.get(where, {}) if where and isinstance(sent.body, dict) else sent.body
        if not isinstance(fields, dict) or name not in fields or fields[name] != value:
            return sent
        fields = {key: item for key, item in fields.items() if key != name}
        return replace(sent, body={**sent.body, where: fields} if where else fields)

    return rule


def as_list(sent: Sent) -> Sent:
    """Put a text alone into a list."""
    alone = sent.path.endswith("/pipeline/feature-extraction") and isinstance(sent.body["inputs"], str)
    return replace(sent, body={**sent.body, "inputs": [sent.body["inputs"]]}) if alone else sent


def as_embeddings(sent: Sent) -> Sent:
    """Ask for the vectors of sentences rather than for how near they are."""
    head, found, _ = sent.path.partition("/pipeline/sentence-similarity")
    if not found:
        return sent
    inputs = sent.body["inputs"]
    texts = [inputs["source_sentence"], *inputs["sentences"]]
    return replace(sent, path=f"{head}/pipeline/feature-extraction", body={"inputs": texts})


def detailed(sent: Sent) -> Sent:
    """Leave out that a stream tells details."""
    streams = isinstance(sent.body, dict) and sent.body.get("stream")
    return dropped("details", value=True, where="parameters")(sent) if streams else sent


def spelled(sent: Sent) -> Sent:
    """Ask in OpenAI's words for an answer of some form."""
    form = sent.body.get("response_format", {}) if isinstance(sent.body, dict) else {}
    if form.get("type") != "json":
        return sent
    schema = {"type": "json_schema", "json_schema": {"name": "answer", "schema": form["value"]}}
    return replace(sent, body={**sent.body, "response_format": schema})


def chosen(sent: Sent) -> Sent:
    """Name the provider of a chat beside the model."""
    found = re.fullmatch(r"/([\w-]+)/v\d/openai/chat/completions", sent.path)
    if not found or sent.host != "router.huggingface.co":
        return sent
    return replace(sent, path=CHATS, body={**sent.body, "model": f"{sent.body['model']}:{found[1]}"})


def each(rule: Callable[[Sent], Sent]) -> Callable[[list[Sent]], list[Sent]]:
    """Return a rule for requests from one for a request."""
    return lambda sent: list(map(rule, sent))


def without_look_ups(sent: list[Sent]) -> list[Sent]:
    """Leave out what the Hub is asked about models."""
    return [one for one in sent if (one.host, one.path[:12]) != ("huggingface.co", "/api/models/")]


def fetched_once(sent: list[Sent]) -> list[Sent]:
    """Leave out that a file is fetched again."""
    return [one for place, one in enumerate(sent) if one.method != "GET" or one not in sent[:place]]


ON_PURPOSE: Mapping[str, Callable[[list[Sent]], list[Sent]]] = {
    "prompt": each(dropped("return_full_text", value=False, where="parameters")),
    "`do_sample`": each(dropped("do_sample", value=False, where="parameters")),
    "`max_new_tokens`": each(dropped("max_tokens", value=DEFAULT_MAX_NEW_TOKENS)),
    "counts of a streamed chat": each(dropped("stream_options", value={"include_usage": True})),
    "`feature_extraction`": each(as_list),
    "`sentence_similarity`": each(as_embeddings),
}
"""Row of DIFFERENCES → what makes requests the same that differ in it."""

SAME_MEANING: Mapping[str, Callable[[list[Sent]], list[Sent]]] = {
    "no stream is said in one of two ways": each(dropped("stream", value=False)),
    "no details are said in one of two ways": each(dropped("details", value=False, where="parameters")),
    "a stream of texts has details too, to know why it ended": each(detailed),
    "the router is told the provider of a chat beside the model": each(chosen),
    "a form of answers is asked for in OpenAI's words": each(spelled),
    "hub sends the model of a table question also as a parameter": each(
        dropped("model", value="google/tapas-base-finetuned-wtq", where="parameters")
    ),
    "the Hub is not asked who runs a model": without_look_ups,
    "a file at an address is fetched once": fetched_once,
}
"""Why requests differ that ask for the same → what makes them the same."""


def plain(sent: list[Sent], *, but: str = "") -> list[Sent]:
    """Return requests without what may differ, `but` for one row."""
    for row, rule in (*ON_PURPOSE.items(), *SAME_MEANING.items()):
        sent = sent if row == but else rule(sent)
    return sent


NO_PYTHON = "the docstring's code is no Python as it stands"
NOT_AWAITED = "the docstring does not await what it should"
NOT_HUBS = "hub's own client refuses the docstring's code: it wants provider='hf-inference'"
NOT_RUN: Mapping[str, str] = {
    "InferenceClient.audio_to_audio 1": NO_PYTHON,
    "InferenceClient.text_to_speech 5": NO_PYTHON,
    "InferenceClient.tabular_regression 1": "hub knows no provider that offers it",
    "InferenceClient.image_to_video 1": "ours asks Hugging Face's own machines, which lack the task; hub any provider",
    "InferenceClient.get_endpoint_info 1": NOT_HUBS,
    "InferenceClient.health_check 1": NOT_HUBS,
    "AsyncInferenceClient.automatic_speech_recognition 1": NOT_AWAITED,
    "AsyncInferenceClient.chat_completion 3": NOT_AWAITED,
    "AsyncInferenceClient.translation 2": NOT_AWAITED,
}
"""Example → why the two clients cannot be compared; those of the sync client hold for the async one."""


def reason_not_to(name: str) -> str | None:
    """Return why an example is not compared."""
    return NOT_RUN.get(name) or NOT_RUN.get(name.removeprefix("Async"))


COMPARED = [name for name in EXAMPLES if not reason_not_to(name)]


# --- what must hold


def params() -> Iterator[object]:
    """Yield the examples; those that are not compared must fail, so that none stays in the table for longer."""
    for name in EXAMPLES:
        reason = reason_not_to(name)
        yield pytest.param(name, marks=[pytest.mark.xfail(reason=reason)] if reason else [])


@pytest.mark.parametrize("name", list(params()))
def test_only_the_import_changes(runs: tuple[dict[str, Run], dict[str, Run]], name: str) -> None:
    """An example gives the same kinds of results with the same requests, less what differs on purpose."""
    hub, ours = (run[name] for run in runs)
    assert not [said for said in hub.kinds if str(said).startswith("error: ")]
    assert hub.sent
    assert ours.kinds == hub.kinds
    assert plain(ours.sent) == plain(hub.sent)


def test_every_method_is_compared() -> None:
    """Of each of hub's methods that ask a model, and of both clients, an example is compared, or it is said why not."""
    assert len(COMPARED) > 0.8 * len(EXAMPLES)
    methods = {EXAMPLES[name].group.partition(".")[2] for name in COMPARED}
    assert {example.group.partition(".")[2] for example in EXAMPLES.values()} - methods == {
        "audio_to_audio",
        "get_endpoint_info",
        "health_check",
        "image_to_video",
        "tabular_regression",
    }


def test_examples_that_are_not_compared_exist() -> None:
    """The table of examples that are not compared is short and names no others."""
    assert set(NOT_RUN) <= set(EXAMPLES)
    assert len(NOT_RUN) < 11


def test_what_differs_is_known() -> None:
    """What differs on purpose stands in the table that nbinfer shows its users."""
    assert set(ON_PURPOSE) <= set(DIFFERENCES)


@pytest.mark.parametrize("row", [*ON_PURPOSE, *SAME_MEANING])
def test_no_allowance_is_idle(runs: tuple[dict[str, Run], dict[str, Run]], row: str) -> None:
    """Each allowed difference is one that the examples show."""
    hub, ours = runs
    assert any(plain(ours[name].sent, but=row) != plain(hub[name].sent, but=row) for name in COMPARED)
