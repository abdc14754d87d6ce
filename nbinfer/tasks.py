"""The tasks, one row each: what a call takes, and what it leaves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nbinfer.params import Rerank, SparseEmbedding, TextEmbedding, TextGeneration
from nbinfer.results import Result, TextResult
from nbinfer.vectors import EmbeddingResult, RankResult, SparseResult


@dataclass(frozen=True, kw_only=True)
class Task:
    """One task: its name, its options, its result, and what `%%infer` makes of the text in a cell."""

    name: str
    description: str
    parameters: type
    result: type[Result]
    aliases: tuple[str, ...] = ()
    several: bool = False
    """Takes a list of texts, and does the same with each."""
    by_line: bool = False
    """Each line of a cell is a text of its own."""


TASKS: Mapping[str, Task] = {
    task.name: task
    for task in (
        Task(
            name="text-generation",
            aliases=("generate",),
            description="Continue a prompt.",
            parameters=TextGeneration,
            result=TextResult,
        ),
        Task(
            name="text-embedding",
            aliases=("embed",),
            description="Turn each text into a vector; near vectors mean near things.",
            parameters=TextEmbedding,
            result=EmbeddingResult,
            several=True,
        ),
        Task(
            name="sparse-embedding",
            aliases=("sparse",),
            description="Turn each text into weighted terms, its own and related ones.",
            parameters=SparseEmbedding,
            result=SparseResult,
            several=True,
        ),
        Task(
            name="rerank",
            description="Order texts by how well they answer a query.",
            parameters=Rerank,
            result=RankResult,
            several=True,
            by_line=True,
        ),
    )
}

FORMS = tuple(dict.fromkeys(form for task in TASKS.values() for form in task.result.forms))
"""Every form that some result can be shown in."""
