"""Answers kept for the same request, sampled ones too, as Hugging Face's front end keeps them."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec

from nbinfer.results import Chunk

LARGEST = 64 * 2**20
CACHED = {"x-compute-type": "cache"}
"""What an answer that was kept says of itself."""

_chunks = msgspec.msgpack.Decoder(list[Chunk])


class AnswerCache:
    """Whole answers by request; the ones not used for longest go first when there are more than `largest` bytes."""

    def __init__(self, largest: int = LARGEST) -> None:
        self.largest = largest
        self.size = 0
        self._kept: OrderedDict[bytes, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Return how many answers are kept."""
        return len(self._kept)

    def chunks(self, request: Any, make: Callable[[], Iterable[Chunk]], told: Callable[[], None]) -> Iterator[Chunk]:
        """Yield the steps of the answer to a request: those that were kept, after `told` is told so, else new ones.

        What is made is kept when all of it was read; a reader who leaves keeps nothing.
        """
        key = msgspec.msgpack.encode(request)
        kept = self._get(key)
        if kept is not None:
            told()
            yield from _chunks.decode(kept)
            return
        steps = []
        for chunk in make():
            # Readers write into the steps they are given.
            steps.append(msgspec.msgpack.encode(chunk))
            yield chunk
        self._put(key, msgspec.msgpack.encode([msgspec.Raw(step) for step in steps]))

    def _get(self, key: bytes) -> bytes | None:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def _put(self, key: bytes, answer: bytes) -> None:
        if len(key) + len(answer) > self.largest:
            return
        with self._lock:
            self._drop(key)
            self._kept[key] = answer
            self.size += len(key) + len(answer)
            while self.size > self.largest:
                self._drop(next(iter(self._kept)))

    def _drop(self, key: bytes) -> None:
        if (answer := self._kept.pop(key, None)) is not None:
            self.size -= len(key) + len(answer)
