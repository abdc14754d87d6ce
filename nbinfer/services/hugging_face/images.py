"""Images, wherever an answer has them: as bytes, as base64 in JSON, as a data URL, or at an address."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Generator, Mapping
from typing import Any
from urllib.parse import urlsplit

from nbinfer.errors import BadAnswerError, without_secrets
from nbinfer.files import media_type
from nbinfer.flows import Ask, Request
from nbinfer.services.hugging_face.borrowed import Borrowed, fetched, read_json
from nbinfer.services.hugging_face.routes import is_url

NAMES = ("data", "images", "output", "result", "artifacts", "b64_json", "base64", "image", "sample", "url")
"""Where answers of OpenAI's and of others' kind have their image, the outer names first."""


class Images(Borrowed):
    """A call whose answer is an image; providers' answers are huggingface_hub's to read, and to wait for."""

    def whole(self, request: Request, body: bytes) -> Generator[Ask, Any, bytes]:
        """Return the bytes of the image, or the answer itself where it has none."""
        if self.provider or is_image(body):
            return body
        said = read_json(body)
        place = None if isinstance(said, Mapping) and said.get("error") else image_in(said)
        if place is None:
            return body
        if not is_url(place):
            return decoded(place) or body
        found, _ = yield from fetched(place, self.call.timeout, lambda url: _refuse_others(url, request.url))
        if not is_image(found):
            raise BadAnswerError(f"there is no image at {without_secrets(place)}, where the answer says it is")
        return found


def is_image(content: bytes) -> bool:
    """Say whether bytes begin as an image does."""
    return media_type(content).startswith("image/")


def image_in(said: Any) -> str | None:
    """Return the first image in an answer, in base64 or as an address."""
    match said:
        case str():
            return said
        case [first, *_]:
            return image_in(first)
        case Mapping():
            found = (image_in(said[name]) for name in NAMES if name in said)
            return next(filter(None, found), None)
    return None


def decoded(text: str) -> bytes | None:
    """Return the bytes of a base64 text or a data URL; None where they are no image."""
    code = text.partition(",")[2] if text.startswith("data:") else text
    try:
        content = base64.b64decode("".join(code.split()), validate=True)
    except (binascii.Error, ValueError):
        return None
    return content if is_image(content) else None


def _refuse_others(url: str, asked: str) -> None:
    """Raise BadAnswerError for an address that is neither https nor the server's own: it could be anybody's."""
    here, there = urlsplit(asked), urlsplit(url)
    if there.scheme != "https" and (there.scheme, there.netloc) != (here.scheme, here.netloc):
        raise BadAnswerError(
            f"the answer says that the image is at {without_secrets(url)}: only https addresses are fetched"
        )
