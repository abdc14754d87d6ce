"""How the image model reads a caption: the longest phrases that it knows, in English and Japanese."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

Pieces = tuple[str, ...]

_JAPANESE = r"(?=\w)[\u3005-\u30ff\u3400-\u9fff]"
# A Japanese character, a whole word of another script, or a sign; a blank within Japanese is a sign too.
_PIECE = re.compile(
    rf"(?<=[\u3005-\u9fff])\s(?={_JAPANESE})|{_JAPANESE}|(?:(?!{_JAPANESE})[^\W_])+(?:'[^\W_]+)?|[^\w\s]"
)


class Captions:
    """The words of a model: phrase → number of what it means, 0 for what may be said and changes nothing."""

    def __init__(self, phrases: Mapping[str, int]) -> None:
        self._known = {pieces(phrase): number for phrase, number in phrases.items()}
        self._longest = max(map(len, self._known))

    def read(self, text: str) -> tuple[list[int], list[str]]:
        """Return what a text means, one thing said twice in a row only once, and the words that are not known."""
        found = (*pieces(text), "。")
        numbers: list[int] = []
        unknown: list[str] = []
        at, unfinished = 0, False
        while at < len(found):
            end = self._match(found, at)
            number = self._known.get(found[at:end], 0)
            if number and numbers[-1:] != [number]:
                numbers.append(number)
            japanese = re.match(_JAPANESE, found[at]) is not None
            if end == at and (japanese or found[at][0].isalnum()):
                # Characters in a row are one word.
                unknown.append(unknown.pop() + found[at] if japanese and unfinished else found[at])
            unfinished = end == at and japanese
            at = max(end, at + 1)
        return numbers, list(dict.fromkeys(unknown))

    def _match(self, found: Pieces, start: int) -> int:
        """Return where the longest known phrase from `start` on ends, or `start`."""
        ends = range(min(len(found), start + self._longest), start, -1)
        return next((end for end in ends if found[start:end] in self._known), start)


def pieces(text: str) -> Pieces:
    """Return a text as words, Japanese characters and signs."""
    plain = unicodedata.normalize("NFKC", text).casefold().replace("’", "'")
    return tuple(_PIECE.findall(re.sub(r"[-_/]", " ", plain).replace(".", "。")))
