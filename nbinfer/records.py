"""Results of the tasks that huggingface_hub's client knows: records, texts and sounds."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import msgspec

from nbinfer.files import media_type
from nbinfer.results import Result, TextResult, frame_data

if TYPE_CHECKING:
    import pandas as pd

FIRST = ("label", "word", "token_str", "answer", "entity_group", "entity", "score")
"""Columns that a reader looks for; the others follow as they came."""
TEXTS = ("summary_text", "translation_text", "generated_text", "text")
"""Where the records of tasks that write hold their text."""
ALL_BLACK = "the image is all black: a safety filter may have blanked it"
"""Servers do not say so themselves."""


@dataclass(frozen=True, eq=False, repr=False)
class RecordsResult(Result):
    """Records: labels, entities, answers. `answer` is what huggingface_hub's method returns, of its own types."""

    answer: Any = None
    unit: str = "record"

    @classmethod
    def of(cls, answer: Any, *, unit: str = "record", prompt: str = "", **facts: Any) -> Self:
        """Return the result that holds an answer."""
        del prompt
        return cls(answer=answer, unit=unit, **facts)

    @property
    def records(self) -> list[dict[str, Any]]:
        """Return the records as plain data; of an answer in several parts each names its `part`."""
        return [_flat(record) for record in _records(self.answer)]

    @property
    def amount(self) -> str:
        """Return how many records."""
        return _counted(len(self.records), self.unit)

    def __len__(self) -> int:
        """Return how many records there are."""
        return len(self.records)

    def __repr__(self) -> str:
        """Show the one-line account of the call."""
        return f"<{type(self).__name__} ({self.footer})>"

    def to_frame(self) -> pd.DataFrame:
        """Return a row for each record; what is nested has a column for each part, such as box_xmin."""
        import pandas as pd

        records = self.records
        # What the server did not say is None in huggingface_hub's types.
        names = dict.fromkeys(name for record in records for name, value in record.items() if value is not None)
        columns = [*(name for name in FIRST if name in names), *(name for name in names if name not in FIRST)]
        return pd.DataFrame(records, columns=columns)


@dataclass(frozen=True, eq=False, repr=False)
class WrittenResult(TextResult):
    """A text that was made of something else. `answer` is what huggingface_hub's method returns, of its own type."""

    answer: Any = field(default=None, kw_only=True)

    @classmethod
    def of(cls, answer: Any, *, unit: str = "", prompt: str = "", **facts: Any) -> Self:
        """Return the result that holds an answer."""
        del unit
        return cls(text=written(answer) or "", answer=answer, prompt=prompt, **facts)


@dataclass(frozen=True, eq=False, repr=False)
class AudioResult(Result):
    """A sound. `audio` holds its bytes."""

    audio: bytes = b""

    @classmethod
    def of(cls, answer: Any, *, unit: str = "", prompt: str = "", **facts: Any) -> Self:
        """Return the result that holds an answer."""
        del unit, prompt
        return cls(audio=answer or b"", **facts)

    @property
    def answer(self) -> bytes:
        """Return what huggingface_hub's method returns: the bytes."""
        return self.audio

    @property
    def media_type(self) -> str:
        """Return what kind of file the bytes are, such as audio/flac."""
        return media_type(self.audio)

    @property
    def amount(self) -> str:
        """Return how many bytes of which kind."""
        return f"{len(self.audio):,} bytes of {self.media_type}" if self.audio else ""

    def __repr__(self) -> str:
        """Show the one-line account of the call."""
        return f"<{type(self).__name__} ({self.footer})>"

    def save(self, path: str | Path) -> Path:
        """Write the bytes to a file and return where it is."""
        place = Path(path).expanduser()
        place.write_bytes(self.audio)
        return place

    def to_frame(self) -> pd.DataFrame:
        """Return one row: bytes, kind, model, seconds, and every parameter sent."""
        import pandas as pd

        row = {
            "bytes": len(self.audio),
            "media_type": self.media_type,
            "model": self.model,
            "seconds": self.timings.total,
        }
        return pd.DataFrame([row | {name: value for name, value in self.parameters.items() if name not in row}])


@dataclass(frozen=True, eq=False, repr=False)
class ImageResult(Result):
    """An image. `image` is Pillow's."""

    image: Any = None
    prompt: str = ""

    @classmethod
    def of(cls, answer: Any, *, unit: str = "", prompt: str = "", **facts: Any) -> Self:
        """Return the result that holds an answer."""
        del unit
        black = answer is not None and answer.convert("RGB").getbbox() is None
        notices = (*facts.pop("notices", ()), *([ALL_BLACK] if black else []))
        made = cls(image=answer, prompt=prompt, notices=notices, **facts)
        if answer is not None:
            # Pillow writes it into every PNG file that is made of this image.
            answer.encoderinfo = {"pnginfo": made.account()}
        return made

    def account(self) -> Any:
        """Return how the image came to be, as Pillow writes it into a PNG file: prompt, parameters, model, seconds."""
        from PIL.PngImagePlugin import PngInfo

        seconds = "" if self.timings.total is None else f"{self.timings.total:.3f}"
        texts = {"prompt": self.prompt, "model": self.model, "seconds": seconds, "Software": "nbinfer"}
        texts |= {
            name: value if isinstance(value, str) else json.dumps(value, default=str)
            for name, value in self.parameters.items()
        }
        info = PngInfo()
        for name, text in texts.items():
            info.add_itxt(name[:79], str(text))
        return info

    @property
    def answer(self) -> Any:
        """Return what huggingface_hub's method returns: the image."""
        return self.image

    @property
    def amount(self) -> str:
        """Return the size in pixels."""
        return f"{self.image.width} × {self.image.height} pixels" if self.image is not None else ""

    def __repr__(self) -> str:
        """Show the one-line account of the call."""
        return f"<{type(self).__name__} ({self.footer})>"

    @property
    def png(self) -> bytes:
        """Return the image as the bytes of a PNG file."""
        file = io.BytesIO()
        self.image.save(file, "PNG")
        return file.getvalue()

    def save(self, path: str | Path) -> Path:
        """Write the image to a file, in the format that its name says, and return where it is."""
        place = Path(path).expanduser()
        self.image.save(place)
        return place

    def to_frame(self) -> pd.DataFrame:
        """Return one row: the image, its prompt and size, the model, seconds, and every parameter sent."""
        import pandas as pd

        size = {} if self.image is None else {"width": self.image.width, "height": self.image.height}
        row = {"image": self.image, "prompt": self.prompt, **size, "model": self.model, "seconds": self.timings.total}
        return pd.DataFrame([row | {name: value for name, value in self.parameters.items() if name not in row}])


def written(answer: Any) -> str | None:
    """Return the text that a record of a task that writes holds, None where it holds none."""
    found = (getattr(answer, name, None) for name in TEXTS)
    return next((text for text in found if isinstance(text, str)), None)


def _records(answer: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the records of an answer: one, several, or several in parts."""
    for place, part in enumerate(answer if isinstance(answer, list) else [] if answer is None else [answer]):
        if isinstance(part, list):
            yield from ({"part": place, **record} for record in _records(part))
        else:
            yield part if isinstance(part, Mapping) else {"value": part}


def _flat(record: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in record.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{before}{name}_")
        else:
            flat[before + name] = value
    return flat


def _counted(count: int, unit: str) -> str:
    plural = f"{unit[:-1]}ies" if unit.endswith("y") else f"{unit}s"
    return f"{count} {unit if count == 1 else plural}"


def _plain(value: Any) -> Any:
    """Return huggingface_hub's types as what JSON has, without what the server did not say."""
    if isinstance(value, Mapping):
        return {name: _plain(part) for name, part in value.items() if part is not None}
    return [_plain(part) for part in value] if isinstance(value, list) else value


def _frame(result: Result) -> dict[str, Any]:
    data = frame_data(result.to_frame())
    return {**data, "text/html": f"{data['text/html']}<sub>{escape(result.footer)}</sub>"}


def _json(result: RecordsResult) -> dict[str, Any]:
    value = _plain(result.answer)
    return {"text/plain": msgspec.json.format(msgspec.json.encode(value), indent=2).decode(), "application/json": value}


def _player(result: AudioResult) -> dict[str, Any]:
    """Show something to press: the sound itself is in the page, so that a saved notebook still plays."""
    address = f"data:{result.media_type};base64,{base64.b64encode(result.audio).decode()}"
    player = f"<audio controls src='{address}'></audio><br><sub>{escape(result.footer)}</sub>"
    return {"text/plain": repr(result), "text/html": player}


def _picture(result: ImageResult) -> dict[str, Any]:
    if result.image is None:
        return {"text/plain": repr(result)}
    return {"text/plain": repr(result), "image/png": base64.b64encode(result.png).decode()}


ImageResult.forms = {"image": _picture, "df": _frame, "none": lambda _: {}}
RecordsResult.forms = {"df": _frame, "json": _json, "none": lambda _: {}}
AudioResult.forms = {"audio": _player, "none": lambda _: {}}
