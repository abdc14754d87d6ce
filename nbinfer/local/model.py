"""A Llama language model in numpy: weights, cache, forward pass.

Computes what transformers' LlamaForCausalLM computes, from a folder with its config.json and a model.safetensors
whose matrices are int8, one scale a row. A token costs about what reading the weights costs.

Everything runs in the calling thread. BLAS would share larger products among threads that wait for one another, and
where another program holds a core that took sixty times as long.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

Floats = NDArray[np.float32]

BLOCK = 32
"""How many tokens of a prompt are read at once."""

ALONE = 2**18
"""Below so many multiplications OpenBLAS does not call its threads."""


class Layer(NamedTuple):
    """The matrices of one layer, with the gain of the norm before them multiplied in."""

    qkv: Floats
    output: Floats
    gate_up: Floats
    down: Floats


class Cache:
    """Keys and values of what one generation has read so far; setting `length` back forgets the rest."""

    def __init__(self, rows: Floats) -> None:
        self.rows = rows
        self.length = 0


class Llama:
    """A decoder of Llama's architecture; threads may share it, each generation has a cache of its own."""

    def __init__(self, folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        self.context: int = config["max_position_embeddings"]
        self.vocabulary: int = config["vocab_size"]
        self.ends = frozenset(np.atleast_1d(config["eos_token_id"]).tolist())
        self._heads: int = config["num_attention_heads"]
        self._groups: int = config["num_key_value_heads"]
        self._size: int = config["hidden_size"] // self._heads
        self._inner: int = config["intermediate_size"]
        self._epsilon: float = config["rms_norm_eps"]
        weights = _Weights(folder, self._size)
        self._embedding, self._scale = weights.embedding()
        self._layers = [weights.layer(number) for number in range(config["num_hidden_layers"])]
        self._logits = weights.logits()
        steps = config["rope_theta"] ** (-np.arange(0, self._size, 2) / self._size)
        self._turns = np.exp(1j * np.outer(np.arange(self.context), steps)).astype(np.complex64)[:, None]

    def cache(self, capacity: int) -> Cache:
        """Return an empty cache with room for this many tokens."""
        return Cache(np.empty((len(self._layers), 2 * self._groups, capacity, self._size), np.float32))

    def forward(self, tokens: int | Sequence[int], cache: Cache, *, every: bool = False) -> Floats:
        """Read one token or several; return the logits after the last, or with `every` a row of them for each."""
        if isinstance(tokens, int):
            return _product(self._normed(self._read(tokens, cache)), self._logits)
        blocks = (self._read(tokens[start : start + BLOCK], cache) for start in range(0, len(tokens), BLOCK))
        if every:
            return np.concatenate([_product(self._normed(x), self._logits) for x in blocks])
        *_, x = blocks
        return _product(self._normed(x[-1]), self._logits)

    def close(self) -> None:
        """Do nothing: the weights go with the last reference to them."""

    def _read(self, tokens: int | Sequence[int], cache: Cache) -> Floats:
        """Return the last layer's output: a vector for one token, a row each for several."""
        x: Floats = self._embedding[tokens] * self._scale[tokens]
        start, end = cache.length, cache.length + x.size // x.shape[-1]
        turns = self._turns[start:end].reshape(*x.shape[:-1], 1, -1)
        for layer, rows in zip(self._layers, cache.rows, strict=True):
            heads = _product(self._normed(x), layer.qkv).reshape(*x.shape[:-1], -1, self._size)
            turned = heads[..., : -self._groups, :].view(np.complex64)
            turned *= turns
            rows[:, start:end] = heads[..., self._heads :, :].reshape(-1, 2 * self._groups, self._size).swapaxes(0, 1)
            x += _product(self._attention(heads[..., : self._heads, :], rows[:, :end]).reshape(x.shape), layer.output)
            gates = _product(self._normed(x), layer.gate_up)
            gate, up = gates[..., : self._inner], gates[..., self._inner :]
            x += _product((np.tanh(gate) + 1) * gate * up, layer.down)
        cache.length = end
        return x

    def _attention(self, queries: Floats, rows: Floats) -> Floats:
        """Mix values by the softmax of their scores; a group of query heads shares one head of keys and values."""
        keys, values = rows[: self._groups, None], rows[self._groups :, None]
        if queries.ndim == 2:
            return _mixed(queries.reshape(self._groups, 1, -1, self._size), keys, values)
        grouped = queries.reshape(len(queries), self._groups, -1, self._size).transpose(1, 2, 0, 3)
        return _mixed(grouped, keys, values, causal=True).transpose(2, 0, 1, 3)

    def _normed(self, x: Floats) -> Floats:
        """Divide by the root mean square; the gain is in the matrix that follows."""
        if x.ndim == 1:
            return x * (1 / math.sqrt(x.dot(x) / x.size + self._epsilon))
        normed: Floats = x / np.sqrt(np.vecdot(x, x)[..., None] / x.shape[-1] + self._epsilon)
        return normed


class _Weights:
    """Makes the matrices of the forward pass out of the stored tensors."""

    def __init__(self, folder: Path, head_size: int) -> None:
        self._stored: dict[str, NDArray[Any]] = load_file(folder / "model.safetensors")
        self._head_size = head_size

    def layer(self, number: int) -> Layer:
        """Return the matrices of one layer."""
        layer = f"model.layers.{number}."
        attention, mlp = f"{layer}self_attn.", f"{layer}mlp."
        # Attention divides its scores by this root.
        query = self._paired(f"{attention}q_proj.weight") / math.sqrt(self._head_size)
        key, value = self._paired(f"{attention}k_proj.weight"), self._matrix(f"{attention}v_proj.weight")
        # x * sigmoid(x) is (tanh(x / 2) + 1) * x / 2, which cannot overflow.
        gate, up = self._matrix(f"{mlp}gate_proj.weight") / 2, self._matrix(f"{mlp}up_proj.weight")
        return Layer(
            _tiled(np.concatenate([query, key, value]) * self._stored[f"{layer}input_layernorm.weight"]),
            _tiled(self._matrix(f"{attention}o_proj.weight")),
            _tiled(np.concatenate([gate, up]) * self._stored[f"{layer}post_attention_layernorm.weight"]),
            _tiled(self._matrix(f"{mlp}down_proj.weight")),
        )

    def logits(self) -> Floats:
        """Return the output matrix, which is the embedding."""
        return _tiled(self._matrix("model.embed_tokens.weight") * self._stored["model.norm.weight"])

    def embedding(self) -> tuple[NDArray[np.int8], Floats]:
        """Return the embedding as it is stored, since a token needs one row of it, and the scales of its rows."""
        name = "model.embed_tokens.weight"
        return self._stored[name], self._scale(name)

    def _scale(self, name: str) -> Floats:
        return self._stored[f"{name}.scale"].astype(np.float32)[:, None]

    def _matrix(self, name: str) -> Floats:
        matrix: Floats = self._stored[name] * self._scale(name)
        return matrix

    def _paired(self, name: str) -> Floats:
        """Bring the two halves of each head together in pairs, so that a rotation is one complex product."""
        matrix = self._matrix(name)
        halves = matrix.reshape(-1, 2, self._head_size // 2, matrix.shape[1])
        return halves.swapaxes(1, 2).reshape(matrix.shape)


def _tiled(matrix: Floats) -> Floats:
    """Divide the rows of a matrix into tiles that a block of tokens can be multiplied by in one thread."""
    count, width = matrix.shape
    most = (ALONE - 1) // (BLOCK * width)
    rows = next(rows for rows in range(max(1, min(most, count)), 0, -1) if count % rows == 0)
    return matrix.reshape(-1, rows, width)


def _product(x: Floats, tiles: Floats) -> Floats:
    """Multiply a vector, or each of the rows of a block, by a matrix."""
    if x.ndim == 1:
        # Reads the weights from front to back, which is faster than BLAS's matrix-vector product, and in one thread.
        vector: Floats = np.vecdot(tiles, x).reshape(-1)
        return vector
    return (x @ tiles.swapaxes(1, 2)).swapaxes(0, 1).reshape(len(x), -1)


def _mixed(queries: Floats, keys: Floats, values: Floats, *, causal: bool = False) -> Floats:
    """Return softmax(queries keys) values; with `causal`, the queries are those of the last keys, each with its own."""
    scores: Floats = queries @ keys.swapaxes(-1, -2)
    if causal:
        count, length = scores.shape[-2:]
        scores += np.triu(np.full((count, length), -np.inf, np.float32), length - count + 1)
    scores -= np.maximum.reduce(scores, axis=-1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= np.add.reduce(scores, axis=-1, keepdims=True)
    mixed: Floats = scores @ values
    return mixed
