"""Makes the held-out sets that are drawn by chance, and all hashes: `python -m training.freeze`, before training.

The questions in chat_known.jsonl and chat_unknown.jsonl and the functions in untrained.txt were written by hand.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from random import Random
from typing import Any

from training import chats, functions, judge
from training.heldout import FOLDER, FROZEN, sums

SEED = 20261122
# What cannot be run alone, or gives the same answer whatever is in it.
NOT_RUN = {"ask_model", "chat", "countdown", "print_numbers", "print_dict", "random_choice"}


def tasks() -> Iterator[dict[str, Any]]:
    """Yield forty tasks whose answer is in the prompt."""
    rng = Random(SEED)
    makers = [maker for maker in chats.TASKS if maker.__name__ not in ("_give_task", "_opposite_task")]
    for _ in range(40):
        ask, answer = rng.choice(makers)(rng)
        yield {"ask": ask, "answer": answer}


def holes(families: list[functions.Family], count: int, words: functions.Words) -> Iterator[dict[str, Any]]:
    """Yield functions with a hole in their code or docstring, with calls and what they must give."""
    rng = Random(SEED)
    families = [family for family in families if judge.calls(family.roles) and family.names[0] not in NOT_RUN]
    order = [family for _ in range(count // len(families) + 1) for family in rng.sample(families, len(families))]
    for family in order[:count]:
        made, (prefix, middle, suffix) = functions.holed(rng, family, words)
        arguments = judge.calls(family.roles) or []
        expected = judge.answers(made.source, made.name, arguments)
        assert expected is not None, made.source  # noqa: S101 - a family that cannot run is a mistake here
        yield {
            "family": family.names[0], "name": made.name, "prefix": prefix, "middle": middle, "suffix": suffix,
            "calls": arguments, "expected": expected,
        }  # fmt: skip


def _write(name: str, rows: Iterable[dict[str, Any]]) -> None:
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows]
    (FOLDER / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")


def main() -> None:
    """Write the sets and their hashes."""
    untrained = functions.families((FOLDER / "untrained.txt").read_text(encoding="utf-8"))
    _write("chat_tasks", tasks())
    _write("infill", holes(functions.FAMILIES, 100, functions.UNSEEN))
    _write("infill_untrained", holes(untrained, 20, functions.UNSEEN))
    FROZEN.write_text(sums(), encoding="utf-8")


if __name__ == "__main__":
    main()
