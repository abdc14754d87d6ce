"""What questions mean, as `local/embed` has it: a second thing to learn from each, beside its answer.

An answer tells little about its question: which of some hundred it was. The vector of the question tells much more, and
for every question and list of words, whether it has an answer or not. After `model.READER` layers the stream at the end
of a question is led, by a matrix that is not kept, to that vector (Hinton et al., 2015, "Distilling the Knowledge in a
Neural Network").
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional

from nbinfer.local import load
from training.tokenizer import SPECIALS

BEGIN, END = SPECIALS.index("[INST]"), SPECIALS.index("[/INST]")
WIDTH = 256
SHARE = 0.5
"""How much a wrong meaning counts beside the loss of a token."""


@cache
def _embed() -> Any:
    return load("embed", "text-embedding").embed


def targets(tokenizer: Tokenizer, tokens: np.ndarray) -> Tensor:
    """Return the vector of each question at the place where it ends, zeros elsewhere: (rows, length, WIDTH)."""
    places, texts = [], []
    for row, line in enumerate(tokens):
        begin = 0
        for place in np.flatnonzero((line == BEGIN) | (line == END)):
            if line[place] == BEGIN:
                begin = place + 1
            else:
                places.append((row, place))
                texts.append(tokenizer.decode(line[begin:place].tolist()))
    found = torch.zeros(*tokens.shape, WIDTH)
    if texts:
        rows, columns = map(list, zip(*places, strict=True))
        found[rows, columns] = torch.from_numpy(np.stack(_embed()(texts)))
    return found


def error(reader: nn.Linear, read: Tensor, wanted: Tensor) -> Tensor:
    """Return how far the stream is from the vectors that were wanted: 1 - cosine, on average."""
    asked = wanted.abs().amax(-1) > 0
    near = functional.cosine_similarity(reader(read.float()), wanted, dim=-1)
    return ((1 - near) * asked).sum() / asked.sum().clamp(min=1)
