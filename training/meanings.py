"""What questions mean: a second thing to learn from each, beside its answer.

After `model.READER` layers the stream at the end of a question is led, by matrices that are not kept,

* to the vector that `local/embed` has for it (Hinton et al., 2015, "Distilling the Knowledge in a Neural Network"):
  an answer tells little about its question, the vector much more, and for every list of words;
* to the number of its answer among the known ones: of an answer's tokens only the first few tell which it is, and among
  all the others they would count for little.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional

from nbinfer.local import load
from training import chats
from training.corpus import BEGINNING
from training.tokenizer import SPECIALS

BEGIN, END, STOP = map(SPECIALS.index, ("[INST]", "[/INST]", "</s>"))
WIDTH = 256
SHARE, ANSWER_SHARE = 0.5, 0.2
"""How much a wrong meaning, and a wrong number, count beside the loss of a token."""
UNNUMBERED = -100
"""The number of what has no known answer."""


@cache
def _embed() -> Any:
    return load("embed", "text-embedding").embed


class Reader(nn.Module):
    """The matrices that turn the stream at the end of a question into its vector and the number of its answer."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.vector = nn.Linear(width, WIDTH, bias=False)
        self.number = nn.Linear(width, len(chats.ANSWERS), bias=False)


@dataclass(frozen=True)
class Targets:
    """What is wanted where questions end: vectors (rows, length, WIDTH), zeros elsewhere; numbers (rows, length)."""

    vectors: Tensor
    numbers: Tensor


def _beginning(tokens: list[int]) -> tuple[int, ...]:
    """Return what tells one answer from all others."""
    said = tokens[:BEGINNING]
    return tuple(said[: said.index(STOP)] if STOP in said else said)


class Meanings:
    """What the questions in rows of tokens mean."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        answers = tokenizer.encode_batch([f" {answer}" for answer in chats.ANSWERS], add_special_tokens=False)
        self.numbers = {_beginning(answer.ids): number for number, answer in enumerate(answers)}
        if len(self.numbers) < len(chats.ANSWERS):
            raise ValueError(f"two answers begin with the same {BEGINNING} tokens")

    def targets(self, tokens: np.ndarray) -> Targets:
        """Return what is wanted at the end of each question."""
        places, texts = [], []
        for row, line in enumerate(tokens):
            begin = 0
            for place in np.flatnonzero((line == BEGIN) | (line == END)):
                if line[place] == BEGIN:
                    begin = place + 1
                else:
                    places.append((row, place))
                    texts.append(self.tokenizer.decode(line[begin:place].tolist()))
        vectors, numbers = torch.zeros(*tokens.shape, WIDTH), torch.full(tokens.shape, UNNUMBERED)
        if texts:
            rows, columns = map(list, zip(*places, strict=True))
            vectors[rows, columns] = torch.from_numpy(np.stack(_embed()(texts)))
            said = [_beginning(tokens[row, place + 1 :].tolist()) for row, place in places]
            numbers[rows, columns] = torch.tensor([self.numbers.get(one, UNNUMBERED) for one in said])
        return Targets(vectors, numbers)


def errors(reader: Reader, read: Tensor, vectors: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
    """Return how far the stream is from the vectors, 1 - cosine, and the loss of the numbers, both on average."""
    read = functional.rms_norm(read.float(), read.shape[-1:])
    asked = vectors.abs().amax(-1) > 0
    near = functional.cosine_similarity(reader.vector(read), vectors, dim=-1)
    meaning = ((1 - near) * asked).sum() / asked.sum().clamp(min=1)
    lost = functional.cross_entropy(reader.number(read).flatten(0, 1), numbers.flatten(), reduction="sum")
    return meaning, lost / (numbers != UNNUMBERED).sum().clamp(min=1)
