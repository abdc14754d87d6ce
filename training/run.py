"""Makes the corpus, trains, exports, evaluates and writes the card: `python -m training.run`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from random import Random

import numpy as np
import torch

from training import corpus, tokenizer
from training.card import card
from training.evaluate import report
from training.export import export, restore
from training.train import Done, Plan, train

BUILD = Path(__file__).parent / "build"
WEIGHTS = Path(__file__).parent.parent / "nbinfer" / "local" / "weights" / "text"

# Length of the rows and share of the tokens, a little more than training uses.
STAGES = {"short": (256, 0.82), "long": (512, 0.22)}


def prepare(tokens: int, seed: int, *, resume: bool) -> None:
    """Train the tokenizer, unless there is one to go on with, and write the packed rows."""
    BUILD.mkdir(exist_ok=True)
    if not resume:
        tokenizer.train(corpus.tokenizer_texts(Random(seed))).save(str(BUILD / "tokenizer.json"))
    made = tokenizer.load(BUILD / "tokenizer.json")
    for number, (stage, (length, share)) in enumerate(STAGES.items()):
        source = corpus.documents(Random(1000 * seed + number))
        rows = corpus.pack(made, source, length, int(tokens * share / length))
        np.save(BUILD / f"{stage}.npy", rows)
        print(f"{stage}: {rows.shape[0]} rows of {length}, {(rows == corpus.PAD).mean():.1%} padding", flush=True)


def _done() -> Done:
    return Done(**json.loads((BUILD / "training.json").read_text(encoding="utf-8")))


def main() -> None:
    """Run the steps that are asked for; all of them without arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("steps", nargs="*", help="of: prepare train export evaluate card")
    parser.add_argument("--tokens", type=int, default=Plan.tokens)
    parser.add_argument(
        "--minutes", type=float, help="stop after so many minutes, with the learning rate brought down in time"
    )
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint, or the shipped weights")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    steps = asked.steps or ["prepare", "train", "export", "card"]
    torch.set_num_threads(asked.threads)
    if asked.resume and not (BUILD / "checkpoint.pt").exists():
        restore(WEIGHTS, BUILD)
    if "prepare" in steps:
        done = _done().tokens if asked.resume else 0
        prepare(asked.tokens - done, asked.seed, resume=asked.resume)
    if "train" in steps:
        plan = Plan(asked.tokens, minutes=asked.minutes, seed=asked.seed)
        train(BUILD, plan, resume=asked.resume)
    if "export" in steps:
        print(f"{export(BUILD, WEIGHTS):,} bytes")
    if "card" in steps:
        (WEIGHTS / "README.md").write_text(card(WEIGHTS, _done()), encoding="utf-8")
    if "evaluate" in steps:
        report(WEIGHTS)


if __name__ == "__main__":
    main()
