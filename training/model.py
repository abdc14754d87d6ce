"""The Llama architecture in torch, with the tensor names of transformers."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class Shape:
    """The sizes of a model."""

    vocab_size: int = 4096
    hidden_size: int = 256
    num_hidden_layers: int = 6
    num_attention_heads: int = 8
    num_key_value_heads: int = 4
    intermediate_size: int = 704
    max_position_embeddings: int = 512
    rope_theta: float = 10000.0
    rms_norm_eps: float = 1e-5

    @property
    def head_dim(self) -> int:
        """The width of one attention head."""
        return self.hidden_size // self.num_attention_heads

    def config(self, eos_token_ids: list[int]) -> dict[str, Any]:
        """Return the content of config.json, with the keys of transformers' LlamaConfig."""
        return {
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "hidden_act": "silu",
            "hidden_size": self.hidden_size,
            "intermediate_size": self.intermediate_size,
            "num_hidden_layers": self.num_hidden_layers,
            "num_attention_heads": self.num_attention_heads,
            "num_key_value_heads": self.num_key_value_heads,
            "head_dim": self.head_dim,
            "vocab_size": self.vocab_size,
            "max_position_embeddings": self.max_position_embeddings,
            "rope_theta": self.rope_theta,
            "rms_norm_eps": self.rms_norm_eps,
            "attention_bias": False,
            "mlp_bias": False,
            "tie_word_embeddings": True,
            "bos_token_id": 1,
            "eos_token_id": eos_token_ids,
        }


def rope_tables(shape: Shape) -> tuple[Tensor, Tensor]:
    """Return the cosines and sines of every position, in the rotate-half layout."""
    exponents = torch.arange(0, shape.head_dim, 2).float() / shape.head_dim
    angles = torch.outer(torch.arange(shape.max_position_embeddings).float(), shape.rope_theta**-exponents)
    angles = torch.cat([angles, angles], dim=-1)
    return angles.cos(), angles.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn queries or keys by the angle of their position."""
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat([-second, first], dim=-1) * sin


class RMSNorm(nn.Module):
    """Root mean square normalisation with a learned gain."""

    def __init__(self, size: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """Normalise the last axis."""
        scale = torch.rsqrt(x.float().pow(2).mean(-1, keepdim=True) + self.eps)
        return (x.float() * scale * self.weight).to(x.dtype)


class Attention(nn.Module):
    """Causal attention in which several query heads share one key and value head."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        queries = shape.num_attention_heads * shape.head_dim
        keys = shape.num_key_value_heads * shape.head_dim
        self.q_proj = nn.Linear(shape.hidden_size, queries, bias=False)
        self.k_proj = nn.Linear(shape.hidden_size, keys, bias=False)
        self.v_proj = nn.Linear(shape.hidden_size, keys, bias=False)
        self.o_proj = nn.Linear(queries, shape.hidden_size, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """Mix each position with those before it."""
        batch, length, _ = x.shape
        size = self.shape.head_dim
        # One product in place of three narrow ones is faster on a CPU.
        mixed = functional.linear(x, torch.cat([self.q_proj.weight, self.k_proj.weight, self.v_proj.weight]))
        q, k, v = mixed.split([self.q_proj.out_features, self.k_proj.out_features, self.v_proj.out_features], dim=-1)
        q = rotate(q.view(batch, length, -1, size).transpose(1, 2), cos, sin).to(v.dtype)
        k = rotate(k.view(batch, length, -1, size).transpose(1, 2), cos, sin).to(v.dtype)
        v = v.view(batch, length, -1, size).transpose(1, 2)
        group = self.shape.num_attention_heads // self.shape.num_key_value_heads
        k, v = k.repeat_interleave(group, dim=1), v.repeat_interleave(group, dim=1)
        out = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.o_proj(out.transpose(1, 2).reshape(batch, length, -1))


class MLP(nn.Module):
    """The gated feed-forward part of a layer."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(shape.hidden_size, shape.intermediate_size, bias=False)
        self.up_proj = nn.Linear(shape.hidden_size, shape.intermediate_size, bias=False)
        self.down_proj = nn.Linear(shape.intermediate_size, shape.hidden_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Transform each position alone."""
        gate, up = functional.linear(x, torch.cat([self.gate_proj.weight, self.up_proj.weight])).chunk(2, dim=-1)
        return self.down_proj(functional.silu(gate) * up)


class Layer(nn.Module):
    """One transformer layer."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.input_layernorm = RMSNorm(shape.hidden_size, shape.rms_norm_eps)
        self.self_attn = Attention(shape)
        self.post_attention_layernorm = RMSNorm(shape.hidden_size, shape.rms_norm_eps)
        self.mlp = MLP(shape)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """Add attention and feed-forward to the stream."""
        x = x + self.self_attn(self.input_layernorm(x), cos, sin)
        return x + self.mlp(self.post_attention_layernorm(x))


class Decoder(nn.Module):
    """Embeddings, layers and the last norm."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(shape.vocab_size, shape.hidden_size)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.num_hidden_layers))
        self.norm = RMSNorm(shape.hidden_size, shape.rms_norm_eps)


class Llama(nn.Module):
    """A Llama language model whose output matrix is its embedding."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.model = Decoder(shape)
        cos, sin = rope_tables(shape)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)
        self._start()

    def _start(self) -> None:
        # The embedding starts as large as what the layers will write, or else they drown it and the model cannot tell
        # which name it read; the last norm starts small, because the same matrix makes the logits. The output matrices
        # of a layer start at zero, so that the stream starts as the bare embedding.
        for name, parameter in self.named_parameters():
            if name.endswith(("o_proj.weight", "down_proj.weight")):
                nn.init.zeros_(parameter)
            elif parameter.ndim == 2:
                nn.init.normal_(parameter, std=1.0 if "embed" in name else parameter.shape[1] ** -0.5)
        nn.init.constant_(self.model.norm.weight, self.shape.hidden_size**-0.5)
        start_copying(self)

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits of the next token at every position, and the stream as it is after `READER` layers."""
        length = tokens.shape[1]
        cos, sin = self.cos[:length], self.sin[:length]
        x = self.model.embed_tokens(tokens)
        for layer in self.model.layers[:READER]:
            x = layer(x, cos, sin)
        read = x
        for layer in self.model.layers[READER:]:
            x = layer(x, cos, sin)
        return functional.linear(self.model.norm(x), self.model.embed_tokens.weight), read


READER = 4  # Layers after which a question has been read: what the rest needs to know of it is there.
PREVIOUS, INDUCTION = 0, (1, 2, 3)


@torch.no_grad()
def start_copying(model: Llama) -> None:
    """Put the circuit that copies from the prompt into a fresh model, for training to refine.

    Induction heads (Olsson et al., 2022, "In-context Learning and Induction Heads"): one layer tells each position
    what stood before it; a later one looks for positions that follow the same token and raises what stands there. A
    model of this size finds it only after many more tokens than these; with it, a text that comes again is followed
    from the first step. In the spirit of mimetic initialisation (Trockman & Kolter, 2023).
    """
    shape = model.shape
    width, size = shape.hidden_size, shape.head_dim
    half = size // 2
    basis = torch.linalg.qr(torch.randn(width, width))[0]
    constant, remembered, place = basis[:, 0], basis[:, 1 : 1 + size], basis[:, 1 + size : 1 + 2 * size]
    copied = basis[:, 1 + 2 * size :].split(size, dim=1)

    # Heads that look back by a distance need something that is the same in every token.
    common = 4.0
    embedding = model.model.embed_tokens.weight
    embedding += (common - embedding @ constant)[:, None] * constant
    gain = math.sqrt(7 * math.sqrt(size)) / (common / math.sqrt(1 + common**2 / width))

    first = model.model.layers[PREVIOUS].self_attn
    fast = torch.arange(5)  # The quick turns of RoPE tell neighbours apart.
    key = torch.zeros(size, width)
    key[fast] = gain * constant
    first.k_proj.weight[:size] = key
    for head, distance in ((0, 1), (1, 2)):
        angle = -distance * shape.rope_theta ** (-fast / half)
        query = torch.zeros(size, width)
        query[fast], query[fast + half] = torch.outer(angle.cos(), constant), torch.outer(angle.sin(), constant)
        first.q_proj.weight[head * size : (head + 1) * size] = gain * query
    first.v_proj.weight[:size] = remembered.T
    first.o_proj.weight[:, :size] = 3 * place

    slow = torch.cat([torch.arange(5, half), torch.arange(5, half) + half])  # The slow turns carry content.
    sharpness = 1.3 * math.sqrt(9 * math.sqrt(size) / (3 * len(slow)))
    query, key = torch.zeros(size, width), torch.zeros(size, width)
    query[slow], key[slow] = sharpness * remembered.T[slow], sharpness * place.T[slow]
    parts = itertools.cycle(part for part in copied if part.shape[1] == size)
    for number, group in itertools.product(INDUCTION, (0, 1)):
        attention, part = model.model.layers[number].self_attn, next(parts)
        attention.k_proj.weight[group * size : (group + 1) * size] = key
        attention.v_proj.weight[group * size : (group + 1) * size] = part.T
        for head in (2 * group, 2 * group + 1):
            attention.q_proj.weight[head * size : (head + 1) * size] = query
            attention.o_proj.weight[:, head * size : (head + 1) * size] = 1.5 * part
