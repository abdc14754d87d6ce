"""Measures the embedded encoders, BM25 beside them, on the retrieval pairs.

    python -m training.retrieval.evaluate
    python -m training.retrieval.evaluate --teacher        # needs training/encoders-requirements.txt
    python -m training.retrieval.evaluate --development    # the set that settings were chosen on
    python -m training.retrieval.evaluate --samples        # the card's samples

Every question and every paraphrase is a query against all paragraphs. numpy, tokenizers and safetensors suffice.
"""

from __future__ import annotations

import argparse
import json
import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
from numpy.typing import NDArray

from nbinfer.local.encoders import Embedder, Reranker, SparseEncoder

Scores = NDArray[np.floating]
Search = Callable[[Sequence[str], Sequence[str]], Scores]
"""Queries and paragraphs → a score each, (queries, paragraphs)."""

HERE = Path(__file__).parent
WEIGHTS = HERE.parent.parent / "nbinfer" / "local" / "weights" / "embed"
CORPUS = HERE.parent / "corpus"

COLUMNS = ("question", "paraphrase", "paragraph")

DEPTH = 50
"""How many of the first are ranked again."""

SAMPLES = 20
MARKS = {True: "right", False: "wrong"}

OTHERS, WORDS = 600, 50
"""Pieces of the books among the development paragraphs, which are few, and the words of each."""


@dataclass(frozen=True)
class Pairs:
    """Queries of two kinds, as many as each other, and the paragraphs that answer them, in the same order."""

    questions: list[str]
    paraphrases: list[str]
    paragraphs: list[str]
    others: list[str]

    def ranks(self, scores: Scores) -> NDArray[np.int64]:
        """Return how many paragraphs come before the right one, (questions and then paraphrases,)."""
        right = np.tile(np.arange(len(self.paragraphs)), 2)
        own = scores[np.arange(len(right)), right][:, None]
        tied = (scores == own) & (np.arange(scores.shape[1]) < right[:, None])
        return np.asarray(((scores > own) | tied).sum(1), np.int64)

    def search(self, search: Search) -> Scores:
        """Return the scores of all queries with all paragraphs."""
        return search([*self.questions, *self.paraphrases], [*self.paragraphs, *self.others])


def pairs(path: Path, others: Sequence[str] = ()) -> Pairs:
    """Read a file of pairs."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    questions, paraphrases, paragraphs = ([row[name] for row in rows] for name in COLUMNS)
    return Pairs(questions, paraphrases, paragraphs, list(others))


def pieces_of_books() -> list[str]:
    """Return pieces of the books, the same each time."""
    pieces = []
    for path in sorted(CORPUS.glob("*.txt")):
        words = path.read_text(encoding="utf-8").split()
        pieces += [" ".join(words[start : start + WORDS]) for start in range(0, len(words) - WORDS, WORDS)]
    return Random(1).sample(pieces, OTHERS)


def figures(ranks: NDArray[np.int64]) -> tuple[float, float, float]:
    """Return recall@1, recall@10 and MRR@10."""
    reciprocal = np.where(ranks < 10, 1 / (ranks + 1), 0)
    return float((ranks < 1).mean()), float((ranks < 10).mean()), float(reciprocal.mean())


def bm25(queries: Sequence[str], paragraphs: Sequence[str], *, k1: float = 1.2, b: float = 0.75) -> Scores:
    """Score as Lucene does, on lower-cased words; what is rare is learned from the paragraphs themselves."""
    counts = [Counter(re.findall(r"\w+", paragraph.lower())) for paragraph in paragraphs]
    lengths = np.array([count.total() for count in counts])
    short = k1 * (1 - b + b * lengths / lengths.mean())
    found: dict[str, dict[int, int]] = defaultdict(dict)
    for place, count in enumerate(counts):
        for word, times in count.items():
            found[word][place] = times
    scores = np.zeros((len(queries), len(paragraphs)))
    for row, query in zip(scores, queries, strict=True):
        for word in re.findall(r"\w+", query.lower()):
            places = list(found.get(word, ()))
            counted = np.array(list(found.get(word, {}).values()))
            idf = math.log(1 + (len(paragraphs) - len(places) + 0.5) / (len(places) + 0.5))
            row[places] += idf * counted * (k1 + 1) / (counted + short[places])
    return scores


def sparse(encoder: SparseEncoder) -> Search:
    """Score by the products of shared weights."""

    def search(queries: Sequence[str], paragraphs: Sequence[str]) -> Scores:
        found: dict[str, dict[int, float]] = defaultdict(dict)
        for place, weights in enumerate(encoder.weigh(paragraphs)):
            for term, weight in weights.items():
                found[term][place] = weight
        postings = {term: (list(places), np.array(list(places.values()))) for term, places in found.items()}
        scores = np.zeros((len(queries), len(paragraphs)))
        for row, weights in zip(scores, encoder.weigh(queries), strict=True):
            for term, weight in weights.items():
                places, others = postings.get(term, ([], np.zeros(0)))
                row[places] += weight * others
        return scores

    return search


def dense(embedder: Embedder) -> Search:
    """Score by cosine."""

    def search(queries: Sequence[str], paragraphs: Sequence[str]) -> Scores:
        return embedder.embed(queries) @ embedder.embed(paragraphs).T

    return search


def reranked(first: Search, reranker: Reranker) -> Search:
    """Score the first by another search again; the others stay behind them in their order."""

    def search(queries: Sequence[str], paragraphs: Sequence[str]) -> Scores:
        scores = np.array(first(queries, paragraphs), float)
        for row, query in zip(scores, queries, strict=True):
            top = np.argsort(-row, kind="stable")[:DEPTH]
            row[:] -= 10
            row[top] = reranker.score(query, [paragraphs[place] for place in top])
        return scores

    return search


def teacher(queries: Sequence[str], paragraphs: Sequence[str]) -> Scores:
    """Score by cosine of the model that the table was distilled from."""
    import torch
    from sentence_transformers import SentenceTransformer

    from training.encoders import teacher as folder

    torch.set_num_threads(1)
    model = SentenceTransformer(str(folder()), device="cpu")
    vectors = model.encode([*queries, *paragraphs], normalize_embeddings=True, show_progress_bar=False)
    return np.asarray(vectors[: len(queries)] @ vectors[len(queries) :].T, float)


def searches(folder: Path = WEIGHTS) -> dict[str, Search]:
    """Return what is compared, by name."""
    by_cosine = dense(Embedder(folder, name="embed"))
    return {
        "BM25": bm25,
        "sparse": sparse(SparseEncoder(folder, name="sparse")),
        "dense": by_cosine,
        "dense, reranked": reranked(by_cosine, Reranker(folder, name="rerank")),
    }


def table(found: Mapping[str, NDArray[np.int64]]) -> str:
    """Return the figures as Markdown, by kind of query."""
    lines = ["| queries | search | recall@1 | recall@10 | MRR@10 |", "|---|---|---|---|---|"]
    half = len(next(iter(found.values()))) // 2
    for kind, part in (("questions", slice(half)), ("paraphrases", slice(half, None)), ("both", slice(None))):
        for name, ranks in found.items():
            values = " | ".join(f"{value:.3f}" for value in figures(ranks[part]))
            lines.append(f"| {kind} | {name} | {values} |")
    return "\n".join(lines)


def first(queries: Sequence[str], search: Search, chosen: Pairs) -> list[str]:
    """Return rows of a table: query, how the paragraph that came first begins, and whether it is the right one."""
    found = search(queries, chosen.paragraphs).argmax(1)
    return [
        f"| {number + 1} | {query} | {' '.join(chosen.paragraphs[place].split()[:8])} … | {MARKS[place == number]} |"
        for number, (query, place) in enumerate(zip(queries, found, strict=True))
    ]


def samples(chosen: Pairs) -> str:
    """Return what each encoder makes of the first queries as Markdown, none left out."""
    by_cosine = dense(Embedder(WEIGHTS, name="embed"))
    encoder, reranker = SparseEncoder(WEIGHTS, name="sparse"), Reranker(WEIGHTS, name="rerank")
    questions, paraphrases = chosen.questions[:SAMPLES], chosen.paraphrases[:SAMPLES]
    terms = [
        f"| {number} | {question} | {', '.join(f'{term} {weight:.2f}' for term, weight in list(weights.items())[:8])} |"
        for number, (question, weights) in enumerate(zip(questions, encoder.weigh(questions), strict=True), 1)
    ]
    head = "| id | query | came first | |\n|---|---|---|---|"
    return "\n".join(
        (
            *("### Embeddings", "", head, *first(questions, by_cosine, chosen), ""),
            *("### Sparse embeddings", "", "| id | text | terms |\n|---|---|---|", *terms, ""),
            *("### Ranking", "", head, *first(paraphrases, reranked(by_cosine, reranker), chosen)),
        )
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--teacher", action="store_true", help="the model that was distilled, too")
    parser.add_argument("--development", action="store_true", help="on the development pairs among pieces of books")
    parser.add_argument("--samples", action="store_true", help="what comes first, instead of figures")
    arguments = parser.parse_args()
    chosen = pairs(HERE / "pairs.jsonl")
    if arguments.development:
        chosen = pairs(HERE / "development.jsonl", pieces_of_books())
    if arguments.samples:
        print(samples(chosen))
        return
    compared = searches() | ({"teacher": teacher} if arguments.teacher else {})
    print(table({name: chosen.ranks(chosen.search(search)) for name, search in compared.items()}))


if __name__ == "__main__":
    main()
