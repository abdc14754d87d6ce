"""The sets that figures are measured on. They were frozen before training, and nothing in them is ever trained."""

from __future__ import annotations

import hashlib
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "heldout"
FROZEN = FOLDER / "SHA256SUMS"


def rows(name: str) -> list[dict[str, Any]]:
    """Read one set."""
    lines = (FOLDER / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def plain(text: str) -> str:
    """Return a question in lower case without what is no letter or digit."""
    return re.sub(r"[^a-z0-9]+", " ", text.lower()).strip()


@cache
def _questions() -> frozenset[str]:
    return frozenset(plain(row["ask"]) for name in ("chat_known", "chat_tasks", "chat_unknown") for row in rows(name))


def holds(question: str) -> bool:
    """Say whether a question is held out."""
    return plain(question) in _questions()


def sums() -> str:
    """Return the hashes of all sets, in the form of sha256sum."""
    paths = sorted(path for path in FOLDER.iterdir() if path != FROZEN)
    return "".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in paths)
