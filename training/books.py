"""The children's books: pieces to read, and words to take."""

from __future__ import annotations

from collections import Counter
from functools import cache
from pathlib import Path

BOOKS = Path(__file__).parent / "corpus"
HELD_OUT = 40  # Every 40th piece of a book is kept for validation.


@cache
def pieces(size: int = 900) -> list[str]:
    """Return the books in pieces of whole paragraphs of about size characters."""
    found = []
    for path in sorted(BOOKS.glob("*.txt")):
        piece = ""
        for paragraph in path.read_text(encoding="utf-8").split("\n\n"):
            if piece and len(piece) + len(paragraph) > size:
                found.append(piece)
                piece = ""
            piece = f"{piece}\n\n{paragraph.strip()}".strip()
        found.append(piece)
    return found


@cache
def trained_pieces() -> list[str]:
    """Return the pieces that are trained."""
    return [piece for number, piece in enumerate(pieces()) if number % HELD_OUT]


@cache
def words(least: int = 5) -> list[str]:
    """Return the words in lower case that occur often enough to be no misprint, in the order of the alphabet."""
    counts = Counter(word for piece in pieces() for word in piece.split() if word.isascii() and word.isalpha())
    return sorted(word for word, count in counts.items() if count >= least and word.islower() and 3 <= len(word) <= 10)
