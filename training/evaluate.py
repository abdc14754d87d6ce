"""Measures exported weights as nbinfer runs them: held-out sets, stories, perplexities."""

# ruff: noqa: E501 - prompts read best unbroken

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from nbinfer.local.text import TextModel
from training import books, chats, corpus, heldout, judge
from training.languages import ONLY_ENGLISH
from training.words import NAMES

SEED = 2026  # Not the seed of training, so that the documents are new ones.
CELL = {"temperature": 0.7, "top_k": 50, "top_p": 0.95}
"""How a notebook cell samples."""

STORY_PROMPTS = [
    "Once upon a time", "One day, a little girl named Lily", "There was a small dragon who", "In a surprising turn of events, ",
    "Once there was a robot", "A boy named Tim had a", "In a quiet forest, there lived", "Long ago, in a small village,", "One morning, Anna woke up and",
    "The old lighthouse", "[INST] Tell me a story about a fox and a lantern. [/INST]", "[INST] Write a story about a dragon who lives in a library. [/INST]",
    "[INST] Tell me a bedtime story. [/INST]", "[INST] Write a short story about a whale named Otto. [/INST]", "[INST] Tell me a story about a hedgehog, a kite and a mouse. [/INST]",
    "Suddenly, a", "Once upon a time there was a little owl who", "It was a cold winter day, and", "Mia and her best friend Ben", "Every evening the",
]  # fmt: skip
POST_PROMPTS = {
    "In a surprising turn of events, ": CELL | {"seed": 1},
    "How do you make cheese?": {},
    "[INST] <<SYS>>\nYou are a helpful, respectful and honest assistant.\n<</SYS>>\n\nThere's a llama in my garden 😱 What should I do? [/INST]": {},
    '<PRE> def remove_non_ascii(s: str) -> str:\n    """  <SUF>\n    return result <MID>': {},
}
"""The prompts of the Hugging Face post."""
FOREIGN = ["Wo ist der Bahnhof?", "Il fait beau aujourd'hui.", "¿Cómo te llamas?", "Mi piace leggere libri.", "Сегодня хорошая погода.", "我喜欢看书。", "おいしいですね。", "Jag heter Anna.", "Ik hou van muziek.", "Gdzie jest dworzec?"]  # fmt: skip


class Writer:
    """A text model that is asked for whole answers."""

    def __init__(self, weights: Path) -> None:
        self.model = TextModel(weights, name="local/text")

    def write(self, prompt: str, **options: Any) -> str:
        """Return the answer to a prompt, the likeliest tokens unless options say otherwise."""
        *_, last = self.model.generate(prompt, {"max_new_tokens": 160, **options})
        return last.generated_text or ""

    def answer(self, question: str) -> str:
        """Return the answer to a question in Llama 2's chat format."""
        return self.write(f"[INST] {question} [/INST]").strip()


def chat(
    writer: Writer, name: str, right: str = "", folder: Path = heldout.FOLDER
) -> Iterator[tuple[dict[str, Any], str, bool]]:
    """Yield each question of a set, what was answered, and whether that is right to the letter."""
    for row in heldout.rows(name, folder):
        said = writer.answer(row["ask"])
        yield row, said, said == row.get("answer", right).strip()


@dataclass(frozen=True)
class Filled:
    """A hole that was filled: what with, and whether the whole parses and does what it should."""

    row: dict[str, Any]
    middle: str
    parses: bool
    passes: bool


def infill(writer: Writer, name: str, folder: Path = heldout.FOLDER) -> Iterator[Filled]:
    """Fill each hole of a set and run the function."""
    for row in heldout.rows(name, folder):
        middle = writer.write(f"<PRE> {row['prefix']} <SUF>{row['suffix']} <MID>")
        source = f"{row['prefix']}{middle}{row['suffix']}"
        parses = judge.parses(source)
        passes = parses and judge.answers(source, row["name"], row["calls"]) == row["expected"]
        yield Filled(row, middle, parses, passes)


def flaws(story: str) -> list[str]:
    """Return what is wrong with a story, as far as a script can see: names, length, marks, doubled words."""
    words = re.findall(r"[A-Za-z']+", story)
    names = [word for word in words if word in NAMES]
    found = []
    if len(words) < 90:
        found.append(f"only {len(words)} words")
    if len(set(names)) > 4:
        found.append(f"{len(set(names))} names")
    once = sorted({name for name in names if names.count(name) == 1})
    if len(once) > 1:
        found.append(f"named only once: {', '.join(once)}")
    if names and names[0] not in names[-max(1, len(names) // 3) :]:
        found.append(f"{names[0]} is forgotten")
    if story.count('"') % 2:
        found.append("a quotation does not end")
    if doubled := re.search(r"\b(the|a|an|and|to|of|in|was|is|he|she|it) \1\b", story):
        found.append(f"doubled: {doubled[0]}")
    if not re.search(r'[.!?]"?\s*$', story):
        found.append("no end")
    if re.search(r"(?<![.!?\"”:,;\w]) *\b[a-z]", story[:1]) or re.search(
        r"[.!?] [a-z]", re.sub(r'[.!?]" [a-z]', "", story)
    ):
        found.append("a sentence begins small")
    return found


def stories(writer: Writer, seeds: range) -> Iterator[tuple[str, str, list[str]]]:
    """Yield prompts, the stories that a cell would show, and their flaws."""
    for seed in seeds:
        for prompt in STORY_PROMPTS:
            said = writer.write(prompt, **CELL, seed=seed, max_new_tokens=400)
            whole = said if "[INST]" in prompt else prompt + said
            yield prompt, said, flaws(whole.strip())


def perplexity(writer: Writer, documents: list[list[int]]) -> float:
    """Return the perplexity of a token over all documents, those left out that are only read."""
    llama, total, count = writer.model._model, 0.0, 0  # noqa: SLF001 - the logits of every token are nobody else's business
    for document in documents:
        marked = np.array(document[: llama.context])
        tokens, learned = marked % corpus.READ, marked[1:] < corpus.READ
        logits = llama.forward(tokens[:-1].tolist(), llama.cache(len(tokens)), every=True).astype(np.float64)
        losses = np.log(np.exp(logits - logits[np.arange(len(tokens) - 1), tokens[1:]][:, None]).sum(-1))
        total, count = total + float(losses[learned].sum()), count + int(learned.sum())
    return math.exp(total / count)


def fresh_documents(writer: Writer, count: int = 100) -> dict[str, list[list[int]]]:
    """Return documents of each part that training has not seen."""
    from tokenizers import Tokenizer

    rng = Random(SEED)
    made_apart = ("books", "meanings")
    parts = {
        name: [maker(rng) for _ in range(count)]
        for name, (maker, _, _) in corpus.PARTS.items()
        if name not in made_apart
    }
    held_out = [piece for number, piece in enumerate(books.pieces()) if number % books.HELD_OUT == 0]
    parts["books"] = [[f"<s>{piece}</s>"] for piece in held_out[:count]]
    made: Tokenizer = writer.model._vocabulary._tokenizer  # noqa: SLF001 - documents are made of pieces
    return {name: corpus.encode(made, documents) for name, documents in parts.items()}


def report(weights: Path) -> None:
    """Print the figures of the card, but on the development sets, with everything that is wrong."""
    writer = Writer(weights)
    for name in (*heldout.CHAT, *heldout.LONG):
        rows = list(chat(writer, name, chats.DO_NOT_KNOW, heldout.DEVELOPMENT))
        print(f"{name:18} {np.mean([right for *_, right in rows]):.0%} of {len(rows)}", flush=True)
        for row, said, right in rows:
            if not right:
                print(f"    {row['ask'][:70]!r}: {said[:70]!r}")
    print(f"{'other languages':18} {np.mean([writer.answer(text) == ONLY_ENGLISH for text in FOREIGN]):.0%}")
    for name in ("infill", "infill_untrained"):
        holes = list(infill(writer, name, heldout.DEVELOPMENT))
        parses, passes = np.mean([hole.parses for hole in holes]), np.mean([hole.passes for hole in holes])
        print(f"{name:18} {parses:.0%} parse, {passes:.0%} pass, of {len(holes)}", flush=True)
        for hole in holes:
            if not hole.passes:
                print(f"    {hole.row['name']}: {hole.row['middle'][:60]!r} -> {hole.middle[:60]!r}")
    told = list(stories(writer, range(3)))
    print(f"{'stories':18} {np.mean([not found for *_, found in told]):.0%} without a flaw, of {len(told)}")
    for prompt, _, found in told:
        if found:
            print(f"    {prompt[:40]!r}: {'; '.join(found)}")
    print("perplexity")
    for name, documents in fresh_documents(writer).items():
        print(f"  {name:10} {perplexity(writer, documents):.3f}", flush=True)
