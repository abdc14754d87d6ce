"""The same prompt under many settings, against servers and the embedded model."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from nbinfer import InferenceClient
from nbinfer.errors import ModelLoadingError, ParameterError, UnprocessableError
from nbinfer.runs.sweep import Sweep, Sweeping, sweep

from .tei import Serverless
from .tgi import ANSWER, Reply, Server

STORY = "Once upon a time"


@pytest.fixture
def painter(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serverless]:
    """Return the look-alike of Hugging Face that makes images."""
    with Serverless() as server:
        monkeypatch.setenv("NBINFER_HF_BASE", server.url)
        yield server


def test_every_combination_is_a_run(tgi: Server) -> None:
    """The runs are in order, the last setting changing first, and each was asked with its own settings."""
    found = sweep(STORY, model=tgi.url, seed=range(1, 4), temperature=[0.5, 1.0], max_new_tokens=3)
    expected = [(seed, temperature) for seed in (1, 2, 3) for temperature in (0.5, 1.0)]
    assert [(run.settings["seed"], run.settings["temperature"]) for run in found] == expected
    asked = {
        (request.body["parameters"]["seed"], request.body["parameters"]["temperature"]) for request in tgi.requests
    }
    assert asked == set(expected)
    assert len(found) == len(found.results) == 6
    frame = found.to_frame()
    assert list(frame.columns[:3]) == ["seed", "temperature", "text"]
    assert frame["seed"].tolist() == [1, 1, 2, 2, 3, 3]
    assert "6 runs" in found.footer


def test_models_can_be_varied(tgi: Server) -> None:
    """A server and the embedded model answer the same prompt; each row says who."""
    found = sweep(STORY, model=[tgi.url, "local"], max_new_tokens=4)
    assert [run.result.model for run in found if run.result] == [tgi.url, "local/text"]
    assert found.to_frame()["model"].tolist() == [tgi.url, "local"]


def test_calls_run_together_but_not_too_many(tgi: Server) -> None:
    """Four at a time unless told otherwise; that takes a quarter of the time."""
    tgi.pace = 0.02
    began = time.monotonic()
    sweep(STORY, model=tgi.url, seed=range(8), temperature=1.0, max_new_tokens=20)
    together = time.monotonic() - began
    began = time.monotonic()
    sweep(STORY, model=tgi.url, seed=range(8), temperature=1.0, max_new_tokens=20, at_once=1)
    assert together < 0.6 * (time.monotonic() - began)


def test_a_run_that_fails_leaves_the_others(tgi: Server) -> None:
    """Its error stands in its place, in the table too."""
    tgi.script(Reply(422, json={"error": "Input validation error", "error_type": "validation"}))
    found = sweep(STORY, model=tgi.url, seed=range(3), temperature=1.0, max_new_tokens=3, at_once=1)
    assert [type(run.error) for run in found] == [UnprocessableError, type(None), type(None)]
    assert found.to_frame()["error"].notna().tolist() == [True, False, False]
    assert "3 runs, 1 failed" in found.footer


def test_what_cannot_be_asked_is_refused_before_anything_is_sent(tgi: Server) -> None:
    """A value out of range, nothing varied, no values, and too many runs are errors at once."""
    for options, words in (
        ({"temperature": [0.5, -1.0]}, "temperature"),
        ({"temperature": 0.5}, "nothing is varied"),
        ({"seed": []}, "`seed` has no values"),
        ({"seed": range(1000)}, "1,000 runs"),
        ({"seeed": [1, 2]}, "seeed"),
    ):
        with pytest.raises(ParameterError, match=words):
            sweep(STORY, model=tgi.url, **options)
    assert not tgi.requests


def test_leaving_hangs_up_everything(tgi: Server) -> None:
    """What had come is kept, what was not begun is left out, and the server sees every connection close."""
    tgi.pace = 0.05
    sweeping = Sweeping(STORY, model=tgi.url, seed=range(6), temperature=1.0, max_new_tokens=[1, 400], at_once=3)
    for run in sweeping:
        assert run.result
        break
    left = sweeping.result
    assert isinstance(left, Sweep)
    assert 1 <= len(left) < 12
    assert {run.result.finish_reason for run in left if run.result} <= {"length", "interrupted"}
    long = [
        request for request in tgi.requests if (request.body or {}).get("parameters", {}).get("max_new_tokens") == 400
    ]
    assert long
    assert all(request.closed.wait(5) for request in long)


def test_a_clients_key_and_patience_are_used(tgi: Server) -> None:
    """The calls are the client's own: its key, its headers, its retries."""
    tgi.script(Reply(503, json={"error": "Model is currently loading", "estimated_time": 50}), times=2)
    with InferenceClient(tgi.url, token="secret-key", headers={"x-team": "a"}) as client:
        found = sweep(STORY, client=client, seed=[1, 2], temperature=1.0, retries=0)
        assert all(isinstance(run.error, ModelLoadingError) for run in found)
        assert client.text_generation("What is it?", max_new_tokens=500) == ANSWER
    assert {request.headers["authorization"] for request in tgi.requests} == {"Bearer secret-key"}
    assert {request.headers["x-team"] for request in tgi.requests} == {"a"}


def test_images_make_a_contact_sheet(painter: Serverless, tmp_path: Path) -> None:
    """A row for each value of the first setting; a picture that failed leaves a grey place."""
    options = {"task": "text-to-image", "model": "nbinfer/text-to-image", "guidance_scale": [2.0, 7.0], "at_once": 1}
    found = sweep("A cat", seed=[1, 2, 3], **options)
    side = found.results[0].image.width
    sheet = found.grid()
    assert sheet.width >= 2 * side
    assert sheet.height >= 3 * side
    assert sheet.height > sheet.width
    painter.script(Reply(422, json={"error": "no"}))
    assert sweep("A cat", seed=[1, 2, 3], **options).grid().size == sheet.size
    found.save(tmp_path)
    found.save(tmp_path)
    pictures = sorted(tmp_path.glob("*.png"))
    assert len(pictures) == 12
    assert pictures[0].name == "001-seed-1-guidance_scale-2.0.png"
    with Image.open(pictures[0]) as saved:
        assert saved.text["prompt"] == "A cat"
        assert saved.text["seed"] == "1"
        assert float(saved.text["seconds"]) > 0
    assert len(list(tmp_path.glob("*.csv"))) == 2


def test_an_image_tells_how_it_was_made(painter: Serverless, tmp_path: Path) -> None:
    """The image that the client returns carries prompt, parameters and model into every PNG file that is made of it."""
    with InferenceClient("nbinfer/text-to-image") as client:
        client.text_to_image("Ein Käfer", negative_prompt="dark", seed=7).save(tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as saved:
        assert (saved.text["prompt"], saved.text["negative_prompt"], saved.text["seed"]) == ("Ein Käfer", "dark", "7")
        assert saved.text["model"] == "nbinfer/text-to-image"
