"""The file that a call is about: read from a path, bytes, an open file or an image; and what kind its bytes are."""

from __future__ import annotations

import io
import os
import re
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from nbinfer.errors import ParameterError

UNKNOWN = "application/octet-stream"

_BEGINNINGS = (
    (rb"\x89PNG", "image/png"),
    (rb"\xff\xd8\xff", "image/jpeg"),
    (rb"GIF8", "image/gif"),
    (rb"BM", "image/bmp"),
    (rb"II\*\0|MM\0\*", "image/tiff"),
    (rb"RIFF....WEBP", "image/webp"),
    (rb"....ftypavi[fs]", "image/avif"),
    (rb"RIFF....WAVE", "audio/wav"),
    (rb"fLaC", "audio/flac"),
    (rb"OggS", "audio/ogg"),
    (rb"ID3|\xff[\xe2\xe3\xf2\xf3\xfa\xfb]", "audio/mpeg"),
    (rb"....ftyp", "audio/mp4"),
    (rb"\x1a\x45\xdf\xa3", "audio/webm"),
)
"""How files of a kind begin; the first that fits."""


class Picture(Protocol):
    """An image of Pillow."""

    format: Any

    def save(self, fp: Any, format: Any = None) -> None:  # noqa: A002 - Pillow's name
        """Write the image."""


File = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO | Picture
"""A path, an address, the bytes themselves, an open file, or an image of Pillow."""


def media_type(content: bytes) -> str:
    """Return what kind of file this is, by its first bytes; `UNKNOWN` where they do not say."""
    return next((kind for start, kind in _BEGINNINGS if re.match(start, content, re.DOTALL)), UNKNOWN)


def read(file: Any) -> tuple[bytes, str]:
    """Return the bytes of a file and their kind; ParameterError where there is none."""
    name = file if isinstance(file, str | os.PathLike) else getattr(file, "name", "")
    content = _content(file)
    import mimetypes

    kind = mimetypes.guess_type(os.fspath(name))[0] if isinstance(name, str | os.PathLike) else None
    return content, kind or media_type(content)


def _content(file: Any) -> bytes:
    if isinstance(file, bytes | bytearray | memoryview):
        return bytes(file)
    if isinstance(file, str | os.PathLike):
        return _of_path(Path(file))
    if isinstance(file, io.TextIOBase):
        raise ParameterError("the file is open for text", hint="Open it with mode 'rb'.")
    if hasattr(file, "read"):
        return bytes(file.read())
    if hasattr(file, "save"):
        target = io.BytesIO()
        file.save(target, format=getattr(file, "format", None) or "PNG")
        return target.getvalue()
    raise ParameterError(f"a {type(file).__name__} is no file", hint="Give a path, an address, bytes or an image.")


def _of_path(path: Path) -> bytes:
    try:
        return path.expanduser().read_bytes()
    except (OSError, ValueError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        hint = "Give the path of a file, an address that begins with https://, or the bytes themselves."
        raise ParameterError(f"{path} cannot be read: {reason}", hint=hint) from None
