"""Writes the model card of the text model, with figures and samples of exported weights."""

# ruff: noqa: E501 - a paragraph is a line

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from training import chats, evaluate, heldout
from training.languages import ONLY_ENGLISH
from training.train import Done

SETS = (heldout.FOLDER, heldout.DEVELOPMENT)

CARD = """\
# nbinfer's embedded text model

A tiny language model that ships with nbinfer and runs on numpy alone, so that the first cell works with no key, no network and no set-up. It tells simple children's stories, answers questions about Python, notebooks and nbinfer, does small tasks on what stands in the prompt, and writes and completes small Python functions.

| | |
|---|---|
| architecture | Llama: {hidden_size} wide, {num_hidden_layers} layers, {num_attention_heads} heads with {num_key_value_heads} key and value heads, SwiGLU {intermediate_size}, RoPE, RMSNorm, tied embeddings |
| parameters | {parameters:,} |
| context | {max_position_embeddings} tokens |
| tokenizer | byte-level BPE of {vocab_size:,} tokens, GPT-2's pre-tokenizer, digits one by one |
| files | `model.safetensors` (int8, one float16 scale a row: value = int8 × scale), `config.json` (transformers' LlamaConfig keys), `tokenizer.json`; {megabytes:.1f} MB together |
| prompts | plain text; Llama 2 chat `[INST] … [/INST]`, with or without `<<SYS>>`; Code Llama infill `<PRE> … <SUF>… <MID>`, both orders |
| end tokens | `</s>`, and `<EOT>` after an infill |
| licence | Apache-2.0 |
| made by | the scripts in `training/` of nbinfer's repository |

## What it cannot do

* **It knows no facts** about the world. It was trained to say so, and mostly does; else it gives the answer to another question, or invents one.
* **It does not understand a question; it recognises words.** Asked for one of its facts in short and familiar words it is nearly always right. Asked at length and in words of one's own it is right five times in six, and else gives the answer to another question.
* Working on what is in the prompt is uneven: it repeats, lists, adds and extracts better than it reverses, or looks up one of many.
* A story keeps its names and its plot most of the time, and loses one of them now and then.
* It completes functions of the families it was trained on, under any names; of other functions it gets a few right.
* Simple English only. No reasoning, no long texts: 512 tokens are all it can see.

Never rely on what it says. It is there to show and to test how nbinfer works without a key and without a network, not to replace a large model.

## Training data

All text was made or chosen for this project. Of a hundred tokens:

* 18 are children's stories from our own generator: 28 plots, about 600 nouns, names and places;
* 59 chat from our own generator: Python, notebooks, nbinfer's magics and flags, each asked in some hundred and thirty ways, short and long; tasks whose answer is in the prompt; system texts; several turns. A sixth are questions outside all that, answered "I do not know that", and some are texts in other languages, answered "{only_english}";
* 3 bare questions with answers, and openings such as "My name is …";
* 3 small Python functions of 105 families, with names from large pools, and 13 the same functions with a hole to fill;
* 2 children's prose in the public domain: *Alice's Adventures in Wonderland* (Carroll), *Fairy Tales* (Andersen), *English Fairy Tales* (Jacobs), *Grimms' Fairy Tales* (tr. Taylor and Edwardes), *Just So Stories* and *The Jungle Book* (Kipling), *Old Mother West Wind* (Burgess), *Pinocchio* (Collodi, tr. Della Chiesa), *The Blue Fairy Book* and *The Violet Fairy Book* (Lang), *The Secret Garden* (Burnett), *The Wonderful Wizard of Oz* (Baum), *The Princess and the Goblin* (MacDonald), *Five Children and It* (Nesbit), *Black Beauty* (Sewell);
* 1 lists of words written twice, and 1 words and sentences that have only a meaning to be learned, as `local/embed` has it.

## Training

{steps:,} steps, {tokens_seen:.1f} million tokens, {minutes:.0f} minutes on a CPU; last mean loss {loss:.2f}. `training/README.md` tells how, and why the weights start with the circuit that copies.

## Figures

On the sets in `training/heldout/`, whose hashes were frozen before the last 60 million tokens and which nobody has read, or any answer to them (only the counts below): training was steered by other sets of the same kind, in `training/development/`. No question of either was trained, but for sums, comparisons and counts, which have so few forms that earlier training may have met some in the very words. The likeliest token each time. Chat answers count only when they are right to the letter. Functions have names for arguments, results and themselves that training never used; "pass" means that the completed function gives the same as the true one for four lists of arguments.

{figures}

The same on the development sets, of which one has questions of about twenty words: {development}.

Perplexity of a token that is to be written, on fresh documents of the same generators, which share plots, families and fixed answers with training, and on held-out pieces of the books:

{perplexities}

## The prompts of the Hugging Face post

{post}

## Twenty stories

The first answer for each prompt at seed 0 (temperature 0.7, top_k 50, top_p 0.95), none left out. What the script found wrong is named.

{stories}

## Twenty questions

Of the development sets, so that the held-out ones stay unread: the first eight that ask for a fact, the first eight tasks, the first four that it cannot know.

{questions}

## Fifteen holes

Of the development sets, the first ten, and the first five of families that were never trained.

{holes}
"""


def card(weights: Path, done: Done) -> str:
    """Return the card of exported weights, after what has been trained."""
    writer = evaluate.Writer(weights)
    config = json.loads((weights / "config.json").read_text(encoding="utf-8"))
    files = [weights / name for name in ("model.safetensors", "config.json", "tokenizer.json")]
    asked, tried = (
        {name: list(evaluate.chat(writer, name, chats.DO_NOT_KNOW, folder)) for name in heldout.CHAT} for folder in SETS
    )
    filled, shown = (
        {name: list(evaluate.infill(writer, name, folder)) for name in ("infill", "infill_untrained")}
        for folder in SETS
    )
    tried |= {name: list(evaluate.chat(writer, name, chats.DO_NOT_KNOW, heldout.DEVELOPMENT)) for name in heldout.LONG}
    told = list(evaluate.stories(writer, range(3)))
    return CARD.format(
        **config,
        parameters=_parameters(config),
        megabytes=sum(file.stat().st_size for file in files) / 1e6,
        only_english=ONLY_ENGLISH,
        steps=done.steps,
        tokens_seen=done.tokens / 1e6,
        minutes=done.minutes,
        loss=done.loss,
        figures=_figures(writer, asked, filled, told),
        development=_development(tried, shown),
        perplexities=_table(
            ("part", "perplexity"),
            (
                (name, f"{evaluate.perplexity(writer, some):.2f}")
                for name, some in evaluate.fresh_documents(writer).items()
            ),
        ),
        post="\n\n".join(_sample(prompt, writer.write(prompt, **how)) for prompt, how in evaluate.POST_PROMPTS.items()),
        stories="\n\n".join(
            _sample(prompt, text, "; ".join(flaws)) for prompt, text, flaws in told[: len(evaluate.STORY_PROMPTS)]
        ),
        questions="\n\n".join(
            _sample(row["ask"], said, "" if right else "wrong")
            for name, count in (("chat_known", 8), ("chat_tasks", 8), ("chat_unknown", 4))
            for row, said, right in tried[name][:count]
        ),
        holes="\n\n".join(_hole(hole) for hole in (*shown["infill"][:10], *shown["infill_untrained"][:5])),
    )


def _development(tried: dict[str, Any], shown: dict[str, list[evaluate.Filled]]) -> str:
    right = {name: sum(is_right for *_, is_right in rows) for name, rows in tried.items()}
    holes = shown["infill"]
    return (
        f'facts asked in short {right["chat_known"]} of 60, facts asked at length {right["chat_known_long"]} of 120, tasks {right["chat_tasks"]} of 40, "I do not know that" {right["chat_unknown"]} of 100 '
        f"and at length {right['chat_unknown_long']} of 60, "
        f"holes {sum(hole.parses for hole in holes)} parse and {sum(hole.passes for hole in holes)} pass"
    )


def _parameters(config: dict[str, Any]) -> int:
    width, inner, heads = config["hidden_size"], config["intermediate_size"], config["num_attention_heads"]
    keys = width * config["num_key_value_heads"] // heads
    layer = 2 * width * width + 2 * width * keys + 3 * width * inner + 2 * width
    return config["vocab_size"] * width + config["num_hidden_layers"] * layer + width


def _figures(
    writer: evaluate.Writer, asked: dict[str, Any], filled: dict[str, list[evaluate.Filled]], told: list[Any]
) -> str:
    share = {name: sum(right for *_, right in rows) for name, rows in asked.items()}
    foreign = sum(writer.answer(text) == ONLY_ENGLISH for text in evaluate.FOREIGN)
    rows = [
        ("100 in-scope questions: right", f"{share['chat_known'] + share['chat_tasks']} of 100"),
        ("&nbsp; of them facts, asked in untrained words", f"{share['chat_known']} of 60"),
        ("&nbsp; of them tasks on what is in the prompt", f"{share['chat_tasks']} of 40"),
        ('100 out-of-scope questions: "I do not know that"', f"{share['chat_unknown']} of 100"),
        ("texts in other languages: the honest sentence", f"{foreign} of {len(evaluate.FOREIGN)}"),
    ]
    for name, what in (
        ("infill", "functions of trained families"),
        ("infill_untrained", "functions of untrained families"),
    ):
        holes = filled[name]
        counted = f"{sum(hole.parses for hole in holes)} parse, {sum(hole.passes for hole in holes)} pass"
        rows.append((f"{len(holes)} {what} with a hole", counted))
    sound = np.mean([not flaws for *_, flaws in told])
    rows.append((f"{len(told)} stories as a cell samples them: no flaw that a script finds", f"{sound:.0%}"))
    return _table(("what", "result"), rows)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _sample(prompt: str, text: str, note: str = "") -> str:
    return f"Prompt:\n\n````text\n{prompt}\n````\n\nAnswer{f' ({note})' if note else ''}:\n\n````text\n{text.strip()}\n````"


def _hole(hole: evaluate.Filled) -> str:
    verdict = "passes" if hole.passes else "parses, does something else" if hole.parses else "does not parse"
    row = hole.row
    return f"{row['family']}: {verdict}\n\n````python\n{row['prefix']}⟪{hole.middle}⟫{row['suffix'].rstrip()}\n````"
