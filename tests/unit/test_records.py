import base64
import io
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from nbinfer.answers import WholeAnswer
from nbinfer.errors import ParameterError
from nbinfer.files import UNKNOWN, media_type, read
from nbinfer.records import AudioResult, RecordsResult, WrittenResult
from nbinfer.results import Timings

PNG = b"\x89PNG\r\n\x1a\n"
FLAC = b"fLaC\0\0\0\x22"
ROWS = [{"score": 0.75, "label": "<b>cat</b>", "entity": None, "box": {"xmin": 1, "at": {"y": 2}}}]


class Said:
    """As much of hub's answer as is looked at."""

    summary_text = "Short."


def test_records_are_rows():
    """What is nested gets columns of its own, labels and scores come first, what is None nowhere is left out."""
    frame = RecordsResult(ROWS, "object", model="m").to_frame()
    assert list(frame.columns) == ["label", "score", "box_xmin", "box_at_y"]
    assert frame.iloc[0].tolist() == ["<b>cat</b>", 0.75, 1, 2]


@pytest.mark.parametrize(
    ("answer", "unit", "amount", "rows"),
    [
        (ROWS, "object", "1 object", 1),
        (ROWS * 3, "entity", "3 entities", 3),
        (ROWS[0], "answer", "1 answer", 1),
        ([ROWS, ROWS * 2], "word", "3 words", 3),
        (["yes", "no"], "record", "2 records", 2),
        ([], "label", "0 labels", 0),
        (None, "label", "0 labels", 0),
    ],
)
def test_records_are_counted(answer: Any, unit: str, amount: str, rows: int):
    """One record, several, several in parts and none are all records."""
    result = RecordsResult(answer, unit)
    assert result.amount == amount
    assert len(result) == len(result.to_frame()) == rows
    assert ("part" in result.to_frame()) is (unit == "word")


def test_records_show_themselves():
    """A frame with the account of the call below, as plain JSON, or nothing; nothing in them can run."""
    result = RecordsResult(ROWS, "object", model="m<x>", timings=Timings(None, 0.5))
    assert list(result.forms) == ["df", "json", "none"]
    html = result.bundle()[0]["text/html"]
    assert "&lt;b&gt;cat" in html
    assert "<sub>m&lt;x&gt; · 1 object · 0.5 s</sub>" in html
    shown = result.bundle("json")[0]
    assert shown["application/json"] == [{"score": 0.75, "label": "<b>cat</b>", "box": {"xmin": 1, "at": {"y": 2}}}]
    assert result.bundle("none")[0] == {}
    assert repr(result) == "<RecordsResult (m<x> · 1 object · 0.5 s)>"
    with pytest.raises(ParameterError, match="cannot be shown as audio"):
        result.bundle("audio")


def test_a_written_result_is_a_text():
    """It has the text, hub's answer beside it, and every form of a text; without an answer it is empty."""
    result = WrittenResult.of(Said(), unit="", prompt="Long.", model="m")
    assert str(result) == "Short."
    assert (result.prompt, result.answer.summary_text) == ("Long.", "Short.")
    assert result.bundle()[0]["text/markdown"].startswith("Short.")
    assert WrittenResult.of(None, unit="", prompt="", model="m").text == ""


def test_a_sound_can_be_pressed_and_kept(tmp_path: Path):
    """The player holds the sound itself, with its kind; `save` writes it."""
    result = AudioResult.of(FLAC, unit="", prompt="a", model="m", parameters={"top_k": 5})
    html = result.bundle()[0]["text/html"]
    assert f"<audio controls src='data:audio/flac;base64,{base64.b64encode(FLAC).decode()}'>" in html
    assert result.amount == "8 bytes of audio/flac"
    assert result.bundle()[0]["text/plain"] == repr(result) == "<AudioResult (m · 8 bytes of audio/flac)>"
    assert result.bundle("none")[0] == {}
    assert result.save(tmp_path / "a.flac").read_bytes() == FLAC == result.answer
    row = result.to_frame().iloc[0]
    assert (row["bytes"], row["media_type"], row["top_k"]) == (8, "audio/flac", 5)
    assert AudioResult.of(None, unit="", prompt="").amount == ""


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\n\n\n\nWEBP", "image/webp"),
        (b"RIFF\n\n\n\nWAVE", "audio/wav"),
        (b"OggS", "audio/ogg"),
        (b"ID3\x04", "audio/mpeg"),
        (b"\xff\xfb\x90", "audio/mpeg"),
        (b"\0\0\0\x18ftypM4A ", "audio/mp4"),
        (FLAC, "audio/flac"),
        (b"", UNKNOWN),
        (b"hello", UNKNOWN),
    ],
)
def test_kinds_are_told_by_the_first_bytes(content: bytes, kind: str):
    """A file has a kind even where it has no name."""
    assert media_type(content) == kind


def test_files_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A path, also of the home folder, an open file and bytes are read; the name says the kind, else the bytes do."""
    path = tmp_path / "cat.gif"
    path.write_bytes(PNG)
    monkeypatch.setenv("HOME", str(tmp_path))
    for file in (path, str(path), "~/cat.gif", path.open("rb")):
        assert read(file) == (PNG, "image/gif")
        if isinstance(file, io.IOBase):
            file.close()
    assert read(io.BytesIO(PNG)) == read(bytearray(PNG)) == (PNG, "image/png")
    for wrong in ("no/such/file.png", str(tmp_path), "a\0b", "", 7, None, io.StringIO("a")):
        with pytest.raises(ParameterError):
            read(wrong)


def test_an_answer_in_one_piece():
    """Nothing is there before it came; then all of it is, and a text is shown."""
    answer = WholeAnswer(WrittenResult.of, {"a": 1}, model="m", notices=["n"])
    assert not any([answer.began, answer.complete, answer.stopped])
    assert answer.result("interrupted").finish_reason == "interrupted"
    assert answer.take(Said()).text == "Short."
    assert answer.began
    assert answer.complete
    result = answer.result()
    assert (str(result), result.parameters, result.notices) == ("Short.", {"a": 1}, ("n",))
    assert isinstance(result.to_frame(), pd.DataFrame)
