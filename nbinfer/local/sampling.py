"""How the next token is chosen from logits, in text-generation-inference's order and with transformers' meanings.

Penalties, then temperature, top_k, top_p, typical_p, then the draw. A filter says which of the remaining tokens it
keeps; scores are in double precision, so that any option in its legal range works.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float64]
Places = NDArray[np.intp]

FEW = 256
"""So many tokens nearly always hold the probability that is asked for, and finding them is cheaper than sorting all."""


class Sampler:
    """Chooses the tokens of one generation; the same options, prompt and seed choose the same from the same logits.

    Without a seed it takes the likeliest. `tokens` are the prompt's, to which the penalties apply as well.
    """

    def __init__(
        self, parameters: Mapping[str, Any], *, tokens: Sequence[int], vocabulary: int, seed: int | None = None
    ) -> None:
        self._repetition: float = parameters.get("repetition_penalty") or 1.0
        self._frequency: float = parameters.get("frequency_penalty") or 0.0
        self._temperature: float = parameters.get("temperature") or 1.0
        self._filters = [
            partial(keep, limit=parameters[name]) for name, keep in FILTERS.items() if parameters.get(name) is not None
        ]
        self._counts = np.bincount(tokens, minlength=vocabulary)
        self._random = None if seed is None else np.random.Generator(np.random.PCG64(seed))

    def choose(self, logits: NDArray[np.float32]) -> int:
        """Return the next token."""
        with np.errstate(over="ignore"):
            scores = self._penalised(logits)
            token = int(scores.argmax()) if self._random is None else self._drawn(scores, self._random)
        self._counts[token] += 1
        return token

    def _penalised(self, logits: NDArray[np.float32]) -> Scores:
        """Make tokens that occurred less likely: by a factor, and in proportion to their share of the text."""
        scores = logits.astype(np.float64)
        if self._repetition != 1:
            seen = np.flatnonzero(self._counts)
            score = scores[seen]
            scores[seen] = np.nan_to_num(np.where(score < 0, score * self._repetition, score / self._repetition))
        if self._frequency:
            scores -= self._frequency * self._counts / self._counts.sum()
        return scores

    def _drawn(self, scores: Scores, random: np.random.Generator) -> int:
        scores = (scores - scores.max()) / self._temperature
        tokens = np.arange(scores.size)
        for keep in self._filters:
            kept = keep(scores)
            tokens, scores = tokens[kept], scores[kept]
        reached = np.cumsum(np.exp(scores - scores.max()))
        return int(tokens[np.searchsorted(reached, random.random() * reached[-1], side="right")])


def top_k(scores: Scores, limit: int) -> Places:
    """Keep the `limit` highest scores, and those equal to the last of them."""
    if limit >= scores.size:
        return np.arange(scores.size)
    return np.flatnonzero(scores >= np.partition(scores, -limit)[-limit])


def top_p(scores: Scores, limit: float) -> Places:
    """Keep the likeliest tokens, as many as it takes to reach the probability `limit`."""
    probabilities = np.exp(log_softmax(scores))
    return _first(-probabilities, probabilities, limit)


def typical_p(scores: Scores, limit: float) -> Places:
    """Keep the tokens whose surprise is nearest to the expected, as many as it takes to reach the probability `limit`.

    Locally typical sampling, https://arxiv.org/abs/2202.00666.
    """
    surprise = -log_softmax(scores)
    probabilities = np.exp(-surprise)
    possible = probabilities > 0
    expected = probabilities[possible] @ surprise[possible]
    distance = np.abs(surprise - expected)
    return np.flatnonzero(distance <= distance[_first(distance, probabilities, limit)[-1]])


def log_softmax(scores: NDArray[Any]) -> NDArray[Any]:
    """Return the natural logarithms of the probabilities along the last axis."""
    shifted = scores - scores.max(axis=-1, keepdims=True)
    logarithms: NDArray[Any] = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return logarithms


def highest(scores: NDArray[Any], count: int) -> Places:
    """Return the places of the `count` highest scores, the highest first."""
    places = np.argpartition(scores, -count)[-count:]
    return places[np.argsort(-scores[places], kind="stable")]


def _first(keys: Scores, probabilities: Scores, limit: float) -> Places:
    """Return the places in rising order of key, up to the one where their probabilities reach the limit."""
    places = np.argpartition(keys, FEW)[:FEW] if keys.size > FEW else np.arange(keys.size)
    if probabilities[places].sum() < limit:
        places = np.arange(keys.size)
    places = places[np.argsort(keys[places], kind="stable")]
    return places[: np.searchsorted(np.cumsum(probabilities[places]), limit) + 1]


FILTERS: Mapping[str, Callable[..., Places]] = {"top_k": top_k, "top_p": top_p, "typical_p": typical_p}
"""Option → filter, in the order in which they apply."""
