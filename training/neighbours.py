"""Words near to known ones, by the table of `local/embed`: what people may say in the place of a trained word."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping

import numpy as np

from nbinfer.local import MODELS, load

NEAR = 0.55
MOST = 8


def neighbours(known: Iterable[str]) -> Mapping[str, list[str]]:
    """Return for each known word up to MOST words that are near, none of them known itself.

    A known word would point to another answer; a new one can only be told by what it is near to.
    """
    known = set(known)
    table = json.loads((MODELS["embed"].path / "tokenizer.json").read_text(encoding="utf-8"))
    words = [word for word in table["model"]["vocab"] if re.fullmatch(r"[a-z]{3,}", word)]
    vectors = np.stack(load("embed", "text-embedding").embed(words))
    place = {word: number for number, word in enumerate(words)}
    new = np.array([word not in known for word in words])
    found = {}
    for word in sorted(known & place.keys()):
        near = np.where(new, vectors @ vectors[place[word]], -1)
        best = np.argsort(-near)[:MOST]
        if chosen := [words[number] for number in best if near[number] >= NEAR]:
            found[word] = chosen
    return found
