"""Runs completed functions against the true ones, each in a process of its own with a time limit."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from typing import Any

# Four values of each role that functions.py knows; a function is called with the first of each, then the second …
INPUTS: dict[str, list[Any]] = {
    "num": [7, 0, 12, 5],
    "one": [6, 1, 0, 17],
    "list": [[3, 1, 4, 1, 5], [8, -2, 8, 0], [2], [10, 9, 9, 6, 4, 2]],
    "nested": [[[1, 2], [3]], [[], [4, 5]], [[6]], [[7, 8], [9, 0]]],
    "words": [["plum", "fig", "banana"], ["b", "aa"], ["one"], ["deep", "sea", "green"]],
    "text": ["Hello, World 42!", "level", "", "Où est le chat?"],
    "other": ["dlroW", "level", "x", "tahc"],
    "letter": ["l", "e", "x", "t"],
    "dict": [{"a": 3, "b": 1}, {"x": 5}, {"k": 2, "m": 9, "n": 9}, {"b": 7, "c": 0}],
    "person": ["Ada", "Bo", "Grace", "Lin"],
    "celsius": [0, 100, 37, -40],
    "fahrenheit": [32, 212, 98.6, -40],
    "minutes": [1, 0, 90, 7],
    "km": [1, 0, 42, 10],
    "radius": [1, 0, 2.5, 10],
    "width": [3, 0, 2.5, 10],
    "height": [4, 5, 1.5, 10],
    "year": [2000, 1900, 2024, 2023],
    "score": [95, 85, 75, 10],
}
SECOND = {
    "num": [3, 4, -5, 9],
    "one": [2, 3, 1, 4],
    "list": [[1, 9], [0, 8], [2], [4, 4]],
    "dict": [{"z": 1}, {"x": 0}, {}, {"b": 1}],
}
THIRD = {"num": [9, 2, 4, 20]}

RUN = """
import copy, json, sys
task = json.load(sys.stdin)
scope = {}
exec(task["source"], scope)
answers = []
for arguments in task["calls"]:
    try:
        answers.append(repr(scope[task["name"]](*copy.deepcopy(arguments))))
    except Exception as error:
        answers.append(type(error).__name__)
print(json.dumps(answers))
"""


def calls(roles: list[str]) -> list[list[Any]] | None:
    """Return four lists of arguments for a function's roles; None if it is of a kind that is not run."""
    if any(role not in INPUTS for role in roles):
        return None
    columns = [
        (INPUTS, SECOND, THIRD)[roles[:place].count(role)].get(role, INPUTS[role]) for place, role in enumerate(roles)
    ]
    return [list(arguments) for arguments in zip(*columns, strict=True)]


def parses(source: str) -> bool:
    """Say whether a source is Python."""
    try:
        ast.parse(source)
    except (SyntaxError, ValueError):
        return False
    return True


def answers(source: str, name: str, arguments: list[list[Any]], seconds: float = 5.0) -> list[str] | None:
    """Return what a function gives for each list of arguments; None if it cannot be run in time."""
    task = json.dumps({"source": source, "name": name, "calls": arguments})
    command = [sys.executable, "-I", "-c", RUN]
    try:
        done = subprocess.run(command, input=task, capture_output=True, text=True, timeout=seconds, check=True)  # noqa: S603
        last = done.stdout.splitlines()[-1]
        return list(json.loads(last))
    except (subprocess.SubprocessError, IndexError, ValueError):
        return None
