"""Results that are numbers: embeddings, term weights, rankings. Each is data, and a small picture of itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any, Self

from nbinfer.errors import clip
from nbinfer.results import Result, frame_data

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

SHOWN = 12
"""A picture holds so many texts; the rest is in the data."""
TERMS = 12
LABEL = 60

_BLUE = "31, 119, 180"


@dataclass(frozen=True, eq=False)
class RowsResult(Result):
    """One row of an answer for each input text, in the order of the inputs."""

    inputs: tuple[str, ...] = field(kw_only=True)
    rows: tuple[Any, ...] = field(kw_only=True)

    @classmethod
    def of(cls, inputs: tuple[str, ...], rows: tuple[Any, ...], **facts: Any) -> Self:
        """Return the result of the inputs that have a row; others were not reached."""
        return cls(inputs=inputs[: len(rows)], rows=rows, **facts)

    def __len__(self) -> int:
        """Return how many inputs there are."""
        return len(self.inputs)

    def __repr__(self) -> str:
        """Show the one-line account of the call."""
        return f"<{type(self).__name__} ({self.footer})>"


class EmbeddingResult(RowsResult):
    """A vector for each text."""

    @property
    def vectors(self) -> NDArray[np.float32]:
        """Return the vectors, a row for each text: (n, d) float32."""
        import numpy as np

        return np.stack(self.rows) if self.rows else np.empty((0, 0), np.float32)

    @property
    def amount(self) -> str:
        """Return how many vectors of which length."""
        count = len(self.rows)
        return f"{count} vector{'s' * (count != 1)} of {len(self.rows[0])}" if count else "no vectors"

    def to_frame(self) -> pd.DataFrame:
        """Return a row for each text, which is its label, and a column for each dimension."""
        import pandas as pd

        return pd.DataFrame(self.vectors, index=pd.Index(self.inputs, name="text"))

    def similarities(self) -> pd.DataFrame:
        """Return the cosine of every text with every other, -1 to 1, texts as labels on both sides."""
        import numpy as np
        import pandas as pd

        lengths = np.linalg.norm(self.vectors, axis=1, keepdims=True)
        unit = np.divide(self.vectors, lengths, out=np.zeros_like(self.vectors), where=lengths > 0)
        return pd.DataFrame(unit @ unit.T, index=pd.Index(self.inputs, name="text"), columns=list(self.inputs))


class SparseResult(RowsResult):
    """Weighted terms for each text, the heaviest first; the dot product of two says how much they have in common."""

    @property
    def weights(self) -> list[dict[str, float]]:
        """Return term → weight for each text."""
        return list(self.rows)

    @property
    def amount(self) -> str:
        """Return how many texts and terms."""
        count, terms = len(self.rows), sum(map(len, self.rows))
        return f"{count} text{'s' * (count != 1)}, {terms} terms"

    def to_frame(self) -> pd.DataFrame:
        """Return a row for each term of each text: text, term, weight."""
        import pandas as pd

        rows = [
            (text, term, weight)
            for text, weights in zip(self.inputs, self.rows, strict=True)
            for term, weight in weights.items()
        ]
        return pd.DataFrame(rows, columns=["text", "term", "weight"])


@dataclass(frozen=True)
class Ranked:
    """One text in a ranking: its place in the input, its score from 0 to 1, and the text unless it was not wanted."""

    index: int
    score: float
    text: str | None = None


class RankResult(RowsResult):
    """Texts in the order of how well they answer a query, the best first."""

    @property
    def query(self) -> str:
        """Return what the texts were ranked for."""
        return str(self.parameters.get("query", ""))

    @property
    def scores(self) -> list[float]:
        """Return a score from 0 to 1 for each text, in the order of the input."""
        return [float(score) for score in self.rows]

    @property
    def ranking(self) -> list[Ranked]:
        """Return the texts with the highest scores, `top_n` of them."""
        scores = self.scores
        order = sorted(range(len(scores)), key=lambda index: -scores[index])[: self.parameters.get("top_n")]
        texts = self.parameters.get("return_documents", True)
        return [Ranked(index, scores[index], self.inputs[index] if texts else None) for index in order]

    @property
    def amount(self) -> str:
        """Return how many texts were ranked."""
        return f"{len(self.rows)} text{'s' * (len(self.rows) != 1)}"

    def to_frame(self) -> pd.DataFrame:
        """Return a row for each text, best first: score, index (its place in the input), text."""
        import pandas as pd

        rows = [(one.score, one.index, self.inputs[one.index]) for one in self.ranking]
        ranks = pd.RangeIndex(1, len(rows) + 1, name="rank")
        return pd.DataFrame(rows, columns=["score", "index", "text"], index=ranks)


class SimilarityResult(RankResult):
    """Texts in the order of how near they are to a sentence, the nearest first; a score is a cosine, -1 to 1."""

    @classmethod
    def of(cls, inputs: tuple[str, ...], rows: tuple[Any, ...], **facts: Any) -> Self:
        """Return the result of vectors, the first of which is the sentence's."""
        return super().of(inputs[1:], tuple(nearness(rows)) if rows else (), **facts)

    @property
    def query(self) -> str:
        """Return what the texts were compared with."""
        return str(self.parameters.get("sentence", ""))


def nearness(vectors: Sequence[Any] | NDArray[np.float32]) -> list[float]:
    """Return the cosines of the first vector with each of the others."""
    import numpy as np

    rows = np.array(vectors, np.float32)
    lengths = np.linalg.norm(rows, axis=1)
    products = rows[1:] @ rows[0]
    return [float(value) for value in products / np.maximum(lengths[1:] * lengths[0], np.finfo(np.float32).tiny)]


def _similarity(result: EmbeddingResult) -> dict[str, Any]:
    """Show what is near what; a single text has no neighbours, so that its numbers are shown."""
    count = len(result)
    if count == 1 or count > SHOWN:
        return frame_data(result.to_frame())
    table = result.similarities()
    numbered = [f"<th title='{escape(text)}'>{number}</th>" for number, text in enumerate(result.inputs, 1)]
    rows = [
        [number, _label(text), *(_shade(f"{value:.2f}", value) for value in values)]
        for number, text, values in zip(numbered, result.inputs, table.to_numpy(), strict=True)
    ]
    head = ["<th></th>", "<th></th>", *numbered]
    return {"text/plain": str(table.round(2)), "text/html": _table(result, rows, head)}


def _terms(result: SparseResult) -> dict[str, Any]:
    """Show the heaviest terms of each text, the heavier the darker."""
    most = max((weight for weights in result.rows for weight in weights.values()), default=1.0)
    rows, lines = [], []
    for text, weights in list(zip(result.inputs, result.rows, strict=True))[:SHOWN]:
        heaviest = list(weights.items())[:TERMS]
        chips = (_chip(f"{escape(term)} <small>{weight:.2f}</small>", weight / most) for term, weight in heaviest)
        rows.append([_label(text), f"<td style='text-align: left'>{' '.join(chips)}</td>"])
        lines.append(f"{clip(text, LABEL)}: {', '.join(f'{term} {weight:.2f}' for term, weight in heaviest)}")
    return {"text/plain": "\n".join(lines), "text/html": _table(result, rows)}


def _ranking(result: RankResult) -> dict[str, Any]:
    """Show the best texts with a bar as long as the score."""
    rows = []
    for rank, one in enumerate(result.ranking[:SHOWN], 1):
        bar = f"<div style='background: rgba({_BLUE}, 0.6); height: 0.8em; width: {max(one.score, 0) * 8:.2f}em'></div>"
        place = f"<td style='text-align: left; min-width: 8em'>{bar}</td>"
        rows.append([f"<th>{rank}</th>", f"<td>{one.score:.3f}</td>", place, _label(result.inputs[one.index], 160)])
    return {"text/plain": str(result.to_frame()), "text/html": _table(result, rows)}


def _json(value: Callable[[Any], Any]) -> Callable[[Any], dict[str, Any]]:
    def form(result: RowsResult) -> dict[str, Any]:
        import msgspec

        data = value(result)
        return {"text/plain": msgspec.json.encode(data).decode(), "application/json": data}

    return form


_FORMS: Mapping[str, Callable[[Any], dict[str, Any]]] = {
    "df": lambda result: frame_data(result.to_frame()),
    "none": lambda _: {},
}
EmbeddingResult.forms = {"similarity": _similarity, "json": _json(lambda result: result.vectors.tolist()), **_FORMS}
SparseResult.forms = {"terms": _terms, "json": _json(lambda result: result.weights), **_FORMS}
RankResult.forms = {
    "ranking": _ranking,
    "json": _json(lambda result: [vars(one) for one in result.ranking]),
    **_FORMS,
}


def _table(result: RowsResult, rows: list[list[str]], head: list[str] | None = None) -> str:
    lines = ["".join(row) for row in ([head] if head else []) + rows]
    more = len(result) - len(rows)
    foot = f"{escape(result.footer)}{f' · {more} more in to_frame()' if more > 0 else ''}"
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f"<table class='dataframe'>{body}</table><sub>{foot}</sub>"


def _label(text: str, length: int = LABEL) -> str:
    return f"<td style='text-align: left' title='{escape(text)}'>{escape(clip(text, length))}</td>"


def _shade(text: str, strength: float) -> str:
    # A colour that lets the page's own background through is readable on light and on dark.
    return f"<td style='background: rgba({_BLUE}, {max(0.0, min(1.0, strength)) * 0.6:.2f})'>{text}</td>"


def _chip(text: str, strength: float) -> str:
    style = f"background: rgba({_BLUE}, {0.1 + 0.5 * strength:.2f}); border-radius: 0.4em; padding: 0.1em 0.4em"
    return f"<span style='{style}; white-space: nowrap'>{text}</span>"
