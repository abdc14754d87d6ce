"""Embeddings, sparse embeddings and relevance from one table of static token vectors, in numpy.

The table is what model2vec distils from a sentence transformer: a vector for each word piece, stored as int8 with one
float16 scale a row. No piece knows its neighbours, so a text costs a look-up for each piece and a sum. The order of
the vocabulary, which is that of frequency, says how rare a word is.

Three answers are made of it: the mean of the vectors (`Embedder`), a weight for each word and for the words nearest
to it in the table, in the form of SPLADE and ELSER (`SparseEncoder`), and ColBERT's late interaction (`Reranker`).
"""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import ClassVar
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file
from tokenizers import Tokenizer

from nbinfer.errors import ParameterError

Floats = NDArray[np.float32]
Word = tuple[int, ...]
"""The pieces of a word, as ids."""

BLOCK = 4096
"""How many pieces or words are held as float vectors at once."""

PASSAGE = 100
"""Words in a text of usual length: the text in which a word is rare or not, and BM25's average length."""

SATURATION, LENGTH = 1.2, 0.75
"""BM25's k1 and b."""

NEIGHBOURS, NEAR, SHARE = 16, 0.3, 0.5
"""How many words a word brings along, above which cosine, and the share of its weight a twin would get."""

ALONE = 2**18
"""Below so many multiplications OpenBLAS does not call its threads, which wait for one another on a busy machine."""

TOGETHER = 32
"""How many words are compared with the table at once."""

REMEMBERED = 2**13
"""How many words' neighbours are kept."""


class Embedder:
    """Makes one vector of a text, the weighted mean of those of its pieces; threads may share it."""

    batch: ClassVar[int] = 1024
    """How many texts to give at a time where somebody waits to see the first."""

    def __init__(self, folder: Path, *, name: str) -> None:
        self.name = name
        self._table = _table(folder)
        self.dimensions: int = self._table.dimensions

    def embed(self, texts: Sequence[str], *, normalize: bool = True) -> Floats:
        """Return a row for each text, (texts, dimensions), of length 1 unless `normalize` is false.

        A text without a known piece, such as an empty one, is a row of zeros. No text is cut off.
        """
        result = np.zeros((len(texts), self.dimensions), np.float32)
        start = 0
        for block in _blocks(map(self._table.read, texts)):
            result[start : start + len(block)] = self._table.means(block)
            start += len(block)
        return _unit(result) if normalize else result

    def count(self, text: str) -> int:
        """Return how many pieces of a text are read."""
        return len(self._table.read(text))


class SparseEncoder:
    """Weighs the words of a text and words of like meaning; threads may share it.

    A word weighs its rarity times BM25's saturated count. Each brings along its nearest neighbours in the table,
    which weigh less, and of several weights of a word the largest counts, as in SPLADE. Two texts are compared by
    the sum of the products of the weights that they share.
    """

    batch: ClassVar[int] = 64
    """How many texts to give at a time where somebody waits to see the first."""

    def __init__(self, folder: Path, *, name: str) -> None:
        self.name = name
        self._table = _table(folder)
        candidates = [word for word in self._table.whole() if _expandable(self._table.spell(word))]
        self._terms = [self._table.spell(word) for word in candidates]
        self._vectors = self._table.vectors(candidates)
        self._near: dict[Word, list[tuple[str, float]]] = {}

    def weigh(self, texts: Sequence[str]) -> list[dict[str, float]]:
        """Return the weight of each term of each text, largest first: ELSER's output, weights in 0 … 2.2."""
        return [weights for block in _blocks(map(self._table.read, texts)) for weights in self._weigh(block)]

    def _weigh(self, block: Sequence[list[int]]) -> list[dict[str, float]]:
        counts = [Counter(self._table.words(pieces)) for pieces in block]
        near = self._neighbours(set(chain.from_iterable(counts)))
        return [self._weights(count, near) for count in counts]

    def _weights(self, count: Counter[Word], near: dict[Word, list[tuple[str, float]]]) -> dict[str, float]:
        """Return one text's terms; a tie is in the order of the alphabet, so that nothing hangs on that of the text."""
        short = SATURATION * (1 - LENGTH + LENGTH * count.total() / PASSAGE)
        weights: dict[str, float] = {}
        for word, times in count.items():
            weight = self._table.rarity(word) * times * (SATURATION + 1) / (times + short)
            for term, share in ((self._table.spell(word), 1.0), *near[word]):
                weights[term] = max(weights.get(term, 0.0), weight * share)
        return dict(sorted(((term, weight) for term, weight in weights.items() if weight), key=_descending))

    def _neighbours(self, words: set[Word]) -> dict[Word, list[tuple[str, float]]]:
        """Return each word's neighbours with their shares, remembered from one text to the next."""
        known = self._near
        near = {word: known[word] for word in words if word in known}
        new = sorted(words - near.keys())
        for start in range(0, len(new), TOGETHER):
            part = new[start : start + TOGETHER]
            cosines = _products(self._table.vectors(part), self._vectors)
            near |= {word: self._nearest(word, row) for word, row in zip(part, cosines, strict=True)}
        # A new dict each time: another thread may be reading the old one.
        self._near = near if len(known) + len(near) > REMEMBERED else known | near
        return near

    def _nearest(self, word: Word, cosines: Floats) -> list[tuple[str, float]]:
        spelling = self._table.spell(word)
        if not _expandable(spelling):
            return []
        places = np.flatnonzero(cosines > NEAR)
        places = places[np.argsort(-cosines[places], kind="stable")][: NEIGHBOURS + 1]
        found = [(self._terms[place], SHARE * (float(cosines[place]) - NEAR) / (1 - NEAR)) for place in places]
        return [(term, share) for term, share in found if term != spelling][:NEIGHBOURS]


class Reranker:
    """Says how well texts answer a query; threads may share it.

    Half of a score is ColBERT's MaxSim: for each word of the query the cosine of the word of the text that is nearest
    to it, weighted by how rare the query's word is. The other half is the cosine of the whole texts.
    """

    batch: ClassVar[int] = 256
    """How many texts to give at a time where somebody waits to see the first."""

    def __init__(self, folder: Path, *, name: str) -> None:
        self.name = name
        self._table = _table(folder)

    def score(self, query: str, texts: Sequence[str]) -> Floats:
        """Return a score in 0 … 1 for each text, (texts,); 0 where query or text has no word that is known."""
        pieces = self._table.read(query)
        words = sorted(set(self._table.words(pieces)))
        rarity = np.array([self._table.rarity(word) for word in words], np.float32)
        if not rarity.sum():
            return np.zeros(len(texts), np.float32)
        vectors, rarity, meaning = self._table.vectors(words), rarity / rarity.sum(), self._table.vectors([pieces])[0]
        scores = np.zeros(len(texts), np.float32)
        start = 0
        for block in _blocks(map(self._table.read, texts)):
            wholes = np.maximum(np.vecdot(self._table.vectors(block), meaning), 0)
            nearest = np.array([np.vecdot(self._nearest(vectors, text), rarity) for text in block])
            scores[start : start + len(block)] = np.minimum((nearest + wholes) / 2, 1)
            start += len(block)
        return scores

    def _nearest(self, vectors: Floats, pieces: Sequence[int]) -> Floats:
        """Return each vector's largest cosine with a word of a text, (vectors,); 0 where all are negative."""
        words, nearest = sorted(set(self._table.words(pieces))), np.zeros(len(vectors), np.float32)
        for start in range(0, len(words), BLOCK):
            cosines = _products(vectors, self._table.vectors(words[start : start + BLOCK]))
            np.maximum(nearest, cosines.max(1), out=nearest)
        return nearest


class _Table:
    """Word pieces with their vectors, and how rare each is."""

    def __init__(self, folder: Path) -> None:
        stored = load_file(folder / "model.safetensors")
        self._rows: NDArray[np.int8] = stored["embeddings"]
        self._scale: Floats = stored["embeddings.scale"].astype(np.float32)[:, None]
        self.dimensions = self._rows.shape[1]
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._unknown: int | None = self._tokenizer.token_to_id("[UNK]")
        pieces = [self._tokenizer.id_to_token(piece) or "" for piece in range(len(self._rows))]
        self._continues = [piece.startswith("##") and piece != "##" for piece in pieces]
        self._spellings = [piece[2 * joins :] for piece, joins in zip(pieces, self._continues, strict=True)]
        self._written = [any(map(str.isalnum, spelling)) for spelling in self._spellings]
        self._rarity = _rarity(stored["characters"], len(self._rows))

    def read(self, text: str) -> list[int]:
        """Return the pieces of a text, without what the vocabulary cannot spell."""
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise ParameterError(f"tokenizer error {error}") from None
        # Not as a batch: that calls threads, of which a process that forks later is warned, and is no faster on one.
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return [piece for piece in ids if piece != self._unknown] if self._unknown in ids else ids

    def whole(self) -> list[Word]:
        """Return the pieces that begin a word, each as a word of its own."""
        return [(piece,) for piece, joins in enumerate(self._continues) if not joins]

    def words(self, pieces: Sequence[int]) -> list[Word]:
        """Join pieces into words, and leave punctuation out."""
        words: list[Word] = []
        for piece in pieces:
            if words and self._continues[piece]:
                words[-1] += (piece,)
            else:
                words.append((piece,))
        return [word for word in words if any(map(self._written.__getitem__, word))]

    def spell(self, word: Word) -> str:
        """Return a word as it is written, in lower case and without accents."""
        return "".join(self._spellings[piece] for piece in word)

    def rarity(self, word: Word) -> float:
        """Return 0 for a word that is in every text, up to 1; one of several pieces is rarer than all of one."""
        return self._rarity[word[0]] if len(word) == 1 else 1.0

    def vectors(self, texts: Sequence[Sequence[int]]) -> Floats:
        """Return the directions of words or of whole texts, (texts, dimensions)."""
        return _unit(self.means(texts))

    def means(self, texts: Sequence[Sequence[int]]) -> Floats:
        """Return the mean of the vectors of some pieces, a row each; zeros where there are none."""
        lengths = np.fromiter(map(len, texts), np.int64, len(texts))
        if len(texts) == 1 and lengths[0] > BLOCK:
            return self._sum(texts[0])[None] / np.float32(lengths[0])
        pieces = np.fromiter(chain.from_iterable(texts), np.int64, lengths.sum())
        order = np.argsort(-lengths, kind="stable")
        starts, lengths = (np.cumsum(lengths) - lengths)[order], lengths[order]
        sums = np.zeros((len(texts), self.dimensions), np.float32)
        # All first pieces, all second ones and so on, longest text first: five times as fast as numpy's reduceat.
        for place, count in enumerate(np.searchsorted(-lengths, -np.arange(lengths.max(initial=0))).tolist()):
            nth = pieces[starts[:count] + place]
            sums[:count] += self._rows[nth] * self._scale[nth]
        result = np.empty_like(sums)
        result[order] = sums / np.maximum(lengths, 1)[:, None].astype(np.float32)
        return result

    def _sum(self, pieces: Sequence[int]) -> Floats:
        """Return the sum of many vectors; each piece of the vocabulary is looked up once."""
        counts = np.bincount(pieces, minlength=len(self._rows)).astype(np.float32)[:, None] * self._scale
        blocks = range(0, len(counts), BLOCK)
        total: Floats = sum((counts[at : at + BLOCK] * self._rows[at : at + BLOCK]).sum(0) for at in blocks)
        return total


_TABLES: WeakValueDictionary[Path, _Table] = WeakValueDictionary()
_LOADING = threading.Lock()


def _table(folder: Path) -> _Table:
    """Return the table of a folder, which encoders share as long as one of them lives."""
    folder = folder.resolve()
    with _LOADING:
        table = _TABLES.get(folder)
        if table is None:
            table = _TABLES[folder] = _Table(folder)
        return table


def _rarity(characters: Floats, count: int) -> list[float]:
    """Return how rare each piece is: the share that its inverse document frequency has of the highest one.

    The vocabulary begins with characters, whose frequencies were counted. The others stand in the order of their
    frequency, for which Zipf's law is taken.
    """
    ranks = np.arange(1, count - len(characters) + 1)
    frequency = np.concatenate([characters, 1 / (ranks * (1 / ranks).sum())])
    idf = -np.log(-np.expm1(PASSAGE * np.log1p(-frequency)))
    shares: list[float] = np.minimum(1, idf / idf[-1]).tolist()
    return shares


def _expandable(spelling: str) -> bool:
    """Say whether a term has or may be a neighbour: numbers and fragments have none that mean something."""
    return re.fullmatch("[a-z]{3,}", spelling) is not None


def _descending(item: tuple[str, float]) -> tuple[float, str]:
    return -item[1], item[0]


def _blocks(texts: Iterable[list[int]]) -> Iterator[list[list[int]]]:
    """Gather texts into lists of at most BLOCK pieces; a longer text is alone."""
    block: list[list[int]] = []
    size = 0
    for text in texts:
        if block and (size + len(text) > BLOCK or len(block) == BLOCK):
            yield block
            block, size = [], 0
        block.append(text)
        size += len(text)
    if block:
        yield block


def _unit(vectors: Floats) -> Floats:
    """Divide each vector by its length; what is zero stays zero."""
    lengths = np.sqrt(np.vecdot(vectors, vectors))[..., None]
    units: Floats = vectors / np.maximum(lengths, np.float32(1e-12))
    return units


def _products(left: Floats, right: Floats) -> Floats:
    """Multiply the rows of two matrices with one another, (left, right), in the calling thread."""
    size = max(1, (ALONE - 1) // max(1, left.size))
    parts = range(0, len(right), size)
    return np.concatenate([left @ right[start : start + size].T for start in parts], axis=1)
