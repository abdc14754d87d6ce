"""Tokens that stay the same from run to run."""

import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .replies import JSON

BOS = {"id": 1, "text": "<s>", "logprob": None}
EOS = {"id": 2, "text": "</s>", "logprob": -0.015625, "special": True}
ALTERNATIVES = (" the", " a", " of", " and", " to", " in")


@dataclass(frozen=True)
class Generation:
    """One finished run."""

    text: str
    finish_reason: str
    seed: int | None
    prompt: Sequence[Mapping[str, JSON]]
    tokens: Sequence[Mapping[str, JSON]]
    top_tokens: Sequence[Sequence[Mapping[str, JSON]]]


def pieces(text: str) -> list[str]:
    """Split a text into tokens that join to the same text."""
    return re.findall(r"\s*\w+|\s*[^\w\s]|\s+", text)


def token(text: str, *, rank: int = 0) -> dict[str, JSON]:
    """Return a token with its lasting id and log probability; the rank says how far it is behind the best."""
    number = 3 + zlib.crc32(text.encode()) % 31997
    return {"id": number, "text": text, "logprob": -(1 + number % 64) / 64 - rank, "special": False}


def offsets(text: str) -> list[dict[str, JSON]]:
    """Return the tokens of a prompt with their places in it; the control token in front has no text."""
    rows, start = [{"id": BOS["id"], "text": "", "start": 0, "stop": 0}], 0
    for piece in pieces(text):
        rows.append({"id": token(piece)["id"], "text": piece, "start": start, "stop": start + len(piece)})
        start += len(piece)
    return rows


def top(best: Mapping[str, JSON], count: int) -> list[Mapping[str, JSON]]:
    """Return the best token and what else could have come in its place."""
    others = [text for text in ALTERNATIVES if text != best["text"]]
    return [best, *(token(text, rank=rank) for rank, text in enumerate(others, start=1))][:count]
