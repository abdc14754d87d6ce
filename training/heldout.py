"""The sets that figures are measured on, and those that training is steered by; nothing in either is ever trained.

The held-out sets are frozen, and nobody reads them, or answers to them, before the last training is done. What is
tried out on the way is tried on the development sets, which are of the same kind.
"""

from __future__ import annotations

import hashlib
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "heldout"
DEVELOPMENT = Path(__file__).parent / "development"
FROZEN = FOLDER / "SHA256SUMS"
CHAT = ("chat_known", "chat_tasks", "chat_unknown")
LONG = ("chat_known_long", "chat_unknown_long")  # Development sets only: situations, in some twenty words.


def rows(name: str, folder: Path = FOLDER) -> list[dict[str, Any]]:
    """Read one set."""
    lines = (folder / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def plain(text: str) -> str:
    """Return a question in lower case without what is no letter or digit."""
    return re.sub(r"[^a-z0-9]+", " ", text.lower()).strip()


@cache
def _questions() -> frozenset[str]:
    sets = [rows(path.stem, folder) for folder in (FOLDER, DEVELOPMENT) for path in folder.glob("chat_*.jsonl")]
    return frozenset(plain(row["ask"]) for one in sets for row in one)


def holds(question: str) -> bool:
    """Say whether a question is in a held-out or a development set."""
    return plain(question) in _questions()


def sums() -> str:
    """Return the hashes of all sets, in the form of sha256sum."""
    paths = sorted(path for path in FOLDER.iterdir() if path != FROZEN)
    return "".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in paths)
