"""Text to token ids and back, for tokenizers that work on bytes, spelled in GPT-2's alphabet of visible characters."""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from pathlib import Path

from tokenizers import Tokenizer

_SAME = (*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100))
_MOVED = (byte for byte in range(0x100) if byte not in _SAME)
ALPHABET = {chr(byte): byte for byte in _SAME} | {chr(0x100 + place): byte for place, byte in enumerate(_MOVED)}
"""Character → byte: visible ones stand for themselves, the others follow from U+0100 on."""


class Decoder:
    """Turns one sequence of tokens into text as it comes, each character when its last byte is there.

    The texts joined, less those of control tokens, are what tokenizers' `decode` makes of the whole.
    """

    def __init__(self, spelling: Mapping[int, bytes], specials: Mapping[int, str]) -> None:
        self._spelling, self._specials = spelling, specials
        self._utf8 = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def add(self, token: int) -> str:
        """Return the text that this token completes."""
        special = self._specials.get(token)
        return self._utf8.decode(self._spelling[token]) if special is None else special

    def end(self) -> str:
        """Return what stands for a character that was begun and never finished."""
        return self._utf8.decode(b"", final=True)


class Vocabulary:
    """The tokens of a tokenizer.json, with the bytes of each at hand."""

    def __init__(self, path: Path) -> None:
        self._tokenizer = Tokenizer.from_file(str(path))
        self._spelling = {token: _bytes(text) for text, token in self._tokenizer.get_vocab().items()}
        added = self._tokenizer.get_added_tokens_decoder()
        self._specials = {token: text.content for token, text in added.items() if text.special}

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text, the begin token in front; ValueError where the text is no Unicode."""
        text.encode()
        ids: list[int] = self._tokenizer.encode(text).ids
        return ids

    def decoder(self) -> Decoder:
        """Return a decoder for one sequence of tokens."""
        return Decoder(self._spelling, self._specials)

    def text(self, token: int) -> str:
        """Return a token's text on its own, where a part of a character is U+FFFD."""
        decoder = self.decoder()
        return decoder.add(token) + decoder.end()

    def special(self, token: int) -> bool:
        """Say whether this is a control token, which is no part of a text."""
        return token in self._specials


def _bytes(text: str) -> bytes:
    """Spell a token; one that was added with characters beyond the alphabet is plain UTF-8."""
    if ALPHABET.keys() >= set(text):
        return bytes(map(ALPHABET.__getitem__, text))
    return text.encode()
