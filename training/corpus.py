"""Mixes the generators and the books into rows of tokens."""

from __future__ import annotations

import re
from bisect import bisect_right, insort
from collections.abc import Callable, Iterator
from functools import cache
from random import Random

import numpy as np
from tokenizers import Tokenizer

from training import books, chats, functions, neighbours, stories
from training.words import expand

PAD = 0

READ = 1 << 15  # Set in tokens that are read, and not learned to be written.


class Given(str):
    """A piece that a user writes: it is mostly chance, and learning to foretell it would drown what matters."""

    __slots__ = ()


class Begun(str):
    """An answer of which only the beginning is learned: what follows has long been known."""

    __slots__ = ()


BEGINNING = 8  # Tokens that tell one known answer from all others.

# A document is a list of pieces that are tokenised apart, so that a prompt may end where a piece ends.
Document = list[str]


def _cut_at_blank(text: str, rng: Random) -> Document:
    # Prompts often end with a blank, which the tokenizer would otherwise always put in front of the next word.
    opening = next((opening for opening in stories.TURNS if text.startswith(opening)), "")
    if opening and rng.random() < 0.7:
        return [text[: len(opening)], text[len(opening) :]]
    blanks = [place for place, letter in enumerate(text[: len(text) * 2 // 3]) if letter == " "]
    cut = rng.choice(blanks) + 1
    return [text[:cut], text[cut:]]


def story(rng: Random) -> Document:
    """Return a story as a document."""
    make = stories.short_story if rng.random() < 0.06 else stories.story
    opening = expand(rng.choice(stories.TURNS), {}, rng) + " "
    text, _ = make(rng, stories.Wish(opening=opening if rng.random() < 0.08 else ""))
    pieces = _cut_at_blank(text, rng) if rng.random() < 0.25 else [text]
    return ["<s>", *pieces, "</s>"]


def chat(rng: Random) -> Document:
    """Return a conversation as a document."""
    text = chats.practice(rng) if rng.random() < 0.1 else chats.chat(rng)
    if rng.random() < 0.03:
        text = text.replace("[/INST] ", "[/INST]\n")
    pieces = re.split(r"(<s>\[INST\].*?\[/INST\])", f"<s>{text}</s>", flags=re.DOTALL)
    return [Given(piece) if piece.startswith("<s>[INST]") else piece for piece in pieces if piece]


def fact(rng: Random) -> Document:
    """Return a question with its fixed answer as a document, or with that one's beginning."""
    ask, answer = rng.choices([chats.fact, chats.unknown], [5, 2])[0](rng)
    shown = Begun if rng.random() < 0.85 else str
    return [Given(f"<s>{chats.rendered([(ask, '')]).rstrip()}"), shown(f" {answer} </s>")]


def question(rng: Random) -> Document:
    """Return a bare question with its answer as a document."""
    return [f"<s>{chats.plain_question(rng)}</s>"]


def code(rng: Random) -> Document:
    """Return functions as a document."""
    text = functions.code(rng)
    # A prompt may end after the first line or within its indent, or anywhere a cell was left.
    cut = text.find("\n    ") + rng.choice([1, 1, 5]) if rng.random() < 0.7 else rng.randrange(4, len(text) - 1)
    pieces = [text[:cut], text[cut:]] if rng.random() < 0.35 else [text]
    return ["<s>", *pieces, "</s>"]


def infill(rng: Random) -> Document:
    """Return a function with a hole as a document."""
    special = rng.random() < 0.03
    family = next(family for family in functions.FAMILIES if "remove_non_ascii" in family.names) if special else None
    before, mark, middle = functions.infill(rng, family).partition("<MID>")
    if before.startswith("<PRE> <SUF>"):
        return ["<s>", before + mark + middle]
    return [Given(f"<s>{before}{mark}"), middle]


def book(rng: Random) -> Document:
    """Return a piece of a children's book as a document."""
    return [f"<s>{rng.choice(books.trained_pieces())}</s>"]


def repeat(rng: Random) -> Document:
    """Return a list of words written twice, which only copying can foretell."""
    words = [rng.choice(books.words()) for _ in range(rng.randint(4, 30))]
    line = rng.choice([" ", ", "]).join(words)
    return [Given(f"<s>{line}{rng.choice([chr(10), '. ', ' = '])}"), f"{line}</s>"]


def meaning(rng: Random) -> Document:
    """Return what has only a meaning to be learned, and no answer: words, or a sentence of a book."""
    if rng.random() < 0.5:
        text = " ".join(rng.choice(_words()) for _ in range(rng.randint(3, 14)))
    else:
        text = rng.choice(re.split(r"(?<=[.!?]) ", rng.choice(books.trained_pieces())))
    return [Given(f"<s>[INST] {' '.join(text.split()[:40])} [/INST]</s>")]


_words = cache(neighbours.words)


# How many tokens of a hundred each part gives, and about how long its documents are.
PARTS: dict[str, tuple[Callable[[Random], Document], float, int]] = {
    "stories": (story, 8, 207),
    "chat": (chat, 36, 58),
    "facts": (fact, 42, 38),
    "questions": (question, 2, 55),
    "functions": (code, 2, 66),
    "infill": (infill, 10, 55),
    "books": (book, 1, 216),
    "repeats": (repeat, 1, 110),
    "meanings": (meaning, 4, 22),
}


def documents(rng: Random) -> Iterator[Document]:
    """Yield mixed documents without end."""
    makers = [maker for maker, _, _ in PARTS.values()]
    weights = [share / length for _, share, length in PARTS.values()]
    while True:
        yield rng.choices(makers, weights)[0](rng)


def encode(tokenizer: Tokenizer, batch: list[Document]) -> list[list[int]]:
    """Tokenise documents, each piece apart."""
    encoded = iter(tokenizer.encode_batch([piece for pieces in batch for piece in pieces], add_special_tokens=False))
    made = []
    for pieces in batch:
        tokens: list[int] = []
        for piece in pieces:
            new = next(encoded).ids
            if isinstance(piece, Given):
                new = [token | READ for token in new]
            tokens += new[:BEGINNING] if isinstance(piece, Begun) else new
        tokens[0] |= READ  # What begins after another document does not follow from it.
        made.append(tokens)
    return made


def pack(tokenizer: Tokenizer, source: Iterator[Document], length: int, count: int, waiting: int = 4000) -> np.ndarray:
    """Fill rows with whole documents, the longest that fits first, so that every row starts with <s>."""
    rows = np.full((count, length + 1), PAD, dtype=np.uint16)
    pool: list[tuple[int, int, list[int]]] = []
    serial = 0

    def refill() -> None:
        nonlocal serial
        batch = [next(source) for _ in range(waiting)]
        for tokens in encode(tokenizer, batch):
            for start in range(0, len(tokens), length + 1):
                part = tokens[start : start + length + 1]
                insort(pool, (len(part), serial, part))
                serial += 1

    for row in rows:
        filled = 0
        while True:
            if len(pool) < waiting // 2:
                refill()
            # A random size first keeps long documents from all coming at the start.
            limit = len(pool) if filled == 0 else bisect_right(pool, (length + 1 - filled, serial, []))
            if limit == 0:
                break
            size, _, tokens = pool.pop(serial * 7919 % limit if filled == 0 else limit - 1)
            serial += 1
            row[filled : filled + size] = tokens
            filled += size
            if filled > length:
                break
    return rows


def tokenizer_texts(rng: Random, count: int = 12000) -> Iterator[str]:
    """Yield the texts that the tokenizer is trained on."""
    for document in (document for document, _ in zip(documents(rng), range(count), strict=False)):
        yield "".join(document)
    yield from books.pieces()
