"""Text to token ids and back for any tokenizer.json, and what the files beside it say of its tokens.

A token's bytes are worked out once, so that text comes out as it is generated: tokenizers that work on bytes spell
them in GPT-2's alphabet of visible characters; for others (SentencePiece, WordPiece) the tokenizer's own decoder is
asked what a token adds to a text.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from nbinfer.errors import InferError

_SAME = (*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100))
_MOVED = (byte for byte in range(0x100) if byte not in _SAME)
ALPHABET = {chr(byte): byte for byte in _SAME} | {chr(0x100 + place): byte for place, byte in enumerate(_MOVED)}
"""Character → byte: visible ones stand for themselves, the others follow from U+0100 on."""

BYTE = re.compile(r"<0x([0-9A-F]{2})>")
"""How SentencePiece writes a byte of a character that it does not have."""

BEFORE = "a"
"""A piece of text that a token is decoded after, to see what the token adds."""


class Decoder:
    """Turns one sequence of tokens into text as it comes, each character when its last byte is there.

    The texts joined, less those of control tokens, are what tokenizers' `decode` makes of the whole. They differ
    where a run of SentencePiece's byte tokens is no UTF-8: here its whole characters stay, there none do.
    """

    def __init__(self, spelling: _Spelling, specials: Mapping[int, str], *, first: bool) -> None:
        self._spelling, self._specials, self._first = spelling, specials, first
        self._utf8 = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def add(self, token: int) -> str:
        """Return the text that this token completes."""
        special = self._specials.get(token)
        if special is not None:
            return special
        spelled = self._spelling.first(token) if self._first else self._spelling[token]
        self._first = False
        return self._utf8.decode(spelled)

    def end(self) -> str:
        """Return what stands for a character that was begun and never finished."""
        return self._utf8.decode(b"", final=True)


class Vocabulary:
    """The tokens of a tokenizer.json, with the bytes of each at hand."""

    def __init__(self, path: Path) -> None:
        self._tokenizer = read_tokenizer(path)
        self._tokenizer.no_padding()
        self._spelling = _Spelling(self._tokenizer)
        added = self._tokenizer.get_added_tokens_decoder()
        self._specials = {token: text.content for token, text in added.items() if text.special}
        self._begin = next(iter(self._tokenizer.encode("").ids), None)

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text, the begin token in front where the tokenizer has one.

        A text that begins with it already, as chat templates write it, gets no second one. ValueError where the text
        is no Unicode.
        """
        text.encode()
        ids: list[int] = self._tokenizer.encode(text).ids
        return ids[1:] if len(ids) > 1 and ids[0] == ids[1] == self._begin else ids

    def decoder(self, *, first: bool = True) -> Decoder:
        """Return a decoder for one sequence of tokens; one that is not the first keeps its leading space."""
        return Decoder(self._spelling, self._specials, first=first)

    def text(self, token: int) -> str:
        """Return a token's text on its own, where a part of a character is U+FFFD."""
        decoder = self.decoder(first=False)
        return decoder.add(token) + decoder.end()

    def special(self, token: int) -> bool:
        """Say whether this is a control token, which is no part of a text."""
        return token in self._specials


class _Spelling(dict[int, bytes]):
    """Token → the bytes it adds to a text, worked out when first asked for."""

    def __init__(self, tokenizer: Any) -> None:
        super().__init__()
        self._tokenizer, self._decoder = tokenizer, tokenizer.decoder
        kinds = self._decoder.__getstate__() if self._decoder else b""
        self._visible, self._fallback = b'"ByteLevel"' in kinds, b'"ByteFallback"' in kinds

    def __missing__(self, token: int) -> bytes:
        text = self._text(token)
        if self._visible:
            spelled = _bytes(text)
        elif (byte := self._byte(text)) is not None:
            spelled = byte
        else:
            spelled = self._decoded([BEFORE, text]).removeprefix(BEFORE).encode()
        self[token] = spelled
        return spelled

    def first(self, token: int) -> bytes:
        """Return the bytes of a token that begins a text: most tokenizers drop a space there."""
        text = self._text(token)
        if self._visible or not (self._byte(text) or b"").isascii():
            return self[token]
        return self._decoded([text]).encode()

    def _byte(self, text: str) -> bytes | None:
        """Return the byte that a token stands for, None where it stands for text."""
        byte = BYTE.fullmatch(text) if self._fallback else None
        return bytes.fromhex(byte[1]) if byte else None

    def _text(self, token: int) -> str:
        """Return a token as the vocabulary writes it; a model may have more rows than there are tokens."""
        return self._tokenizer.id_to_token(token) or ""

    def _decoded(self, texts: list[str]) -> str:
        decoded: str = self._decoder.decode(texts) if self._decoder else " ".join(texts)
        return decoded


def read_tokenizer(path: Path) -> Any:
    """Return the tokenizer of a tokenizer.json, which does not cut."""
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # noqa: BLE001 - tokenizers raises nothing more precise
        raise damaged(path, error) from None
    tokenizer.no_truncation()
    return tokenizer


def read_json(path: Path, kind: type = dict) -> Any:
    """Return the object, or other `kind`, that a JSON file of a model's folder holds; an empty one without a file."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return kind()
    except ValueError as error:
        raise damaged(path, error) from None
    if not isinstance(found, kind):
        raise damaged(path, f"it holds no {kind.__name__}")
    return found


def damaged(path: Path, error: object, *, beside: Sequence[Path] = ()) -> InferError:
    """Return the error for a file that cannot be read as what it should be, with those `beside` that it needs."""
    # A file of the hub's cache is a link: without what it leads to, it is fetched again.
    others = ", ".join(str(other.resolve()) for other in beside)
    lines = [f"Delete {path.resolve()}", *([f"and {others}"] if others else []), "and fetch the model again."]
    first = next(iter(str(error).splitlines()), "")
    return InferError(f"{path.name} is damaged or half downloaded: {first}", hint="\n".join(lines))


def _bytes(text: str) -> bytes:
    """Spell a token; one that was added with characters beyond the alphabet is plain UTF-8."""
    if ALPHABET.keys() >= set(text):
        return bytes(map(ALPHABET.__getitem__, text))
    return text.encode()
