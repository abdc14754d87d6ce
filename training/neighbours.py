"""Words near to known ones, by the table of `local/embed`: what people may say in the place of a trained word."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping

import numpy as np

from nbinfer.local import MODELS, load

NEAR = 0.55
MOST = 8


def words() -> list[str]:
    """Return the words that `local/embed` knows."""
    table = json.loads((MODELS["embed"].path / "tokenizer.json").read_text(encoding="utf-8"))
    return [word for word in table["model"]["vocab"] if re.fullmatch(r"[a-z]{3,}", word)]


def neighbours(known: Iterable[str]) -> Mapping[str, list[str]]:
    """Return for each known word up to MOST words that are near, none of them known itself.

    A known word would point to another answer; a new one can only be told by what it is near to.
    """
    known, every = set(known), words()
    vectors = np.stack(load("embed", "text-embedding").embed(every))
    place = {word: number for number, word in enumerate(every)}
    new = np.array([word not in known for word in every])
    found = {}
    for word in sorted(known & place.keys()):
        near = np.where(new, vectors @ vectors[place[word]], -1)
        best = np.argsort(-near)[:MOST]
        if chosen := [every[number] for number in best if near[number] >= NEAR]:
            found[word] = chosen
    return found
