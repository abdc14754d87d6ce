"""Measures exported weights on fresh documents and prints samples."""

# ruff: noqa: E501 - prompts read best unbroken

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from random import Random

import torch
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional

from training import chats, corpus, tokenizer
from training.export import load_exported
from training.model import Llama, Shape

SEED = 2026  # Not the seed of training, so that the documents are new ones.

STORY_PROMPTS = ["Once upon a time", "In a surprising turn of events, ", "[INST] Tell me a story about a fox and a lantern. [/INST]", "[INST] Write a story about a dragon who lives in a library. [/INST]", "One day, a robot named"]  # fmt: skip
CHAT_PROMPTS = ["[INST] How do I keep the answer in a variable? [/INST]", "[INST] List the words with bullets: rocket, plum, hat [/INST]", "[INST] Who was Napoleon? [/INST]", "[INST] What is 7 + 8? [/INST]", "[INST] <<SYS>>\nAnswer like a pirate.\n<</SYS>>\n\nWhat is a tuple? [/INST]"]  # fmt: skip
FUNCTION_PROMPTS = ["def is_even(n):\n", "def count_vowels(text: str) -> int:\n", "[INST] Write a Python function that reverses a string. [/INST]", 'def factorial(n):\n    """', "def celsius_to_"]  # fmt: skip
INFILL_PROMPTS = [
    '<PRE> def remove_non_ascii(s: str) -> str:\n    """  <SUF>\n    return result <MID>',
    '<PRE> def average(numbers):\n    """ <SUF>"""\n    return sum(numbers) / len(numbers)\n <MID>',
    "<PRE> def largest(values):\n    result = values[0]\n    for x in values:\n        if  <SUF>:\n            result = x\n    return result\n <MID>",
    "<PRE> def greet(name):\n    return  <SUF>\n <MID>",
    "<PRE> <SUF>\n    return total <MID> def add_all(items):\n    total = 0\n    for item in items:\n",
]


@torch.no_grad()
def perplexity(model: Llama, documents: list[list[int]]) -> float:
    """Return the perplexity of a token over all documents."""
    total, count = 0.0, 0
    for tokens in documents:
        row = torch.tensor([tokens[: model.shape.max_position_embeddings + 1]])
        losses = functional.cross_entropy(model(row[:, :-1])[0], row[0, 1:], reduction="sum")
        total, count = total + losses.item(), count + row.shape[1] - 1
    return math.exp(total / count)


def fresh_documents(made: Tokenizer, count: int = 150) -> dict[str, list[list[int]]]:
    """Return documents of each part that training has not seen."""
    rng = Random(SEED)
    parts = {
        name: [maker(rng) for _ in range(count)] for name, (maker, _, _) in corpus.PARTS.items() if name != "books"
    }
    held_out = [piece for number, piece in enumerate(corpus.book_pieces()) if number % corpus.HELD_OUT == 0]
    parts["books"] = [[f"<s>{piece}</s>"] for piece in held_out[:count]]
    return {name: corpus.encode(made, documents) for name, documents in parts.items()}


def _sampled(logits: Tensor, temperature: float) -> int:
    # The defaults of a notebook cell: top_k 50, top_p 0.95.
    values, places = (logits / temperature).topk(50)
    odds = values.softmax(-1)
    odds[odds.cumsum(-1) - odds > 0.95] = 0
    return int(places[torch.multinomial(odds, 1)])


@torch.no_grad()
def generate(model: Llama, made: Tokenizer, prompt: str, *, temperature: float = 0.0, limit: int = 300) -> str:
    """Continue a prompt up to an end token; temperature 0 takes the likeliest token."""
    tokens = made.encode(prompt).ids
    start = len(tokens)
    for _ in range(min(limit, model.shape.max_position_embeddings - start)):
        logits = model(torch.tensor([tokens]))[0, -1]
        token = _sampled(logits, temperature) if temperature else int(logits.argmax())
        if token in (tokenizer.EOS, tokenizer.EOT):
            break
        tokens.append(token)
    return made.decode(tokens[start:])


def exact_answers(model: Llama, made: Tokenizer, ask: Callable[[Random], chats.Turn], count: int = 40) -> float:
    """Return the share of chat questions whose likeliest answer is right to the letter."""
    rng = Random(SEED)
    right = 0
    for question, answer in (ask(rng) for _ in range(count)):
        said = generate(model, made, f"[INST] {question} [/INST]", limit=120)
        right += said.strip() == answer.strip()
    return right / count


def _samples(model: Llama, made: Tokenizer) -> None:
    torch.manual_seed(SEED)
    kinds = {
        "stories": (STORY_PROMPTS, 0.7),
        "chat": (CHAT_PROMPTS, 0.0),
        "functions": (FUNCTION_PROMPTS, 0.0),
        "infill": (INFILL_PROMPTS, 0.0),
    }
    for kind, (prompts, temperature) in kinds.items():
        print(f"\n## {kind}, temperature {temperature}")
        for prompt in prompts:
            print(f"\n--- {prompt!r}\n{generate(model, made, prompt, temperature=temperature)}")


def report(weights: Path, checkpoint: Path | None = None) -> None:
    """Print perplexities, right answers and samples; with a checkpoint, what rounding to int8 costs."""
    made = tokenizer.load(weights / "tokenizer.json")
    model = load_exported(weights)
    trained = None
    if checkpoint and checkpoint.exists():
        trained = Llama(Shape())
        trained.load_state_dict(torch.load(checkpoint))
    print("perplexity")
    for name, documents in fresh_documents(made).items():
        exported = perplexity(model, documents)
        note = f"  (before rounding {perplexity(trained, documents):.4f})" if trained else ""
        print(f"  {name:10} {exported:.4f}{note}", flush=True)
    print("right answers, likeliest token")
    asked = [chats.fact, chats.unknown, *dict.fromkeys(chats.TASKS)]
    # Of three animals any three are right, so that kind is not counted.
    for ask in (ask for ask in asked if ask.__name__ != "_give_task"):
        print(f"  {ask.__name__.strip('_'):16} {exact_answers(model, made, ask):.0%}", flush=True)
    _samples(model, made)
