r"""Questions with fixed answers: Python, notebooks, nbinfer, the model itself, and a little more, from `facts/`.

A file holds an answer after `= `, in which `\n` is a new line, and then the ways to ask for it, one a line.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "facts"


@dataclass(frozen=True)
class Fact:
    """Several ways to ask one thing, and the answer."""

    questions: list[str]
    answer: str


def _facts(name: str) -> list[Fact]:
    blocks = (FOLDER / f"{name}.txt").read_text(encoding="utf-8").strip().split("\n\n")
    found = []
    for block in blocks:
        answer, *questions = block.split("\n")
        found.append(Fact(questions, answer.removeprefix("= ").replace("\\n", "\n")))
    return found


PYTHON, NOTEBOOKS, NBINFER = _facts("python"), _facts("notebooks"), _facts("nbinfer")
ITSELF, HOW_TO, BASICS = _facts("itself"), _facts("how_to"), _facts("basics")

_OPPOSITES = """
hot cold, big small, fast slow, old young, happy sad, day night, up down, left right, open closed, good bad,
light dark, full empty, high low, long short, wet dry, early late, loud quiet, hard soft, rich poor, thick
thin, clean dirty, strong weak, first last, inside outside, black white, yes no, true false
"""
OPPOSITES = [tuple(pair.split()) for pair in _OPPOSITES.split(",")]
