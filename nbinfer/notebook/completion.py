"""Tab: flags, models, templates, formats and variables of the magics, without touching the network."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from IPython import get_ipython
from IPython.core.completer import SimpleCompletion, SimpleMatcherResult, context_matcher

from nbinfer.notebook.arguments import TASK_WORDS, flags

if TYPE_CHECKING:
    from IPython.core.completer import CompletionContext

_NOTHING: SimpleMatcherResult = {"completions": []}
_MAGIC_LINE = re.compile(r"\s*(?:[\w.]+\s*=\s*)?(%%?infer)\s")
_HOLE = re.compile(r"\{\{\s*(\w*)$")
_PIPE = re.compile(r"\{\{[^{}\n]*\|\s*(\w*)$")


@context_matcher()  # type: ignore[untyped-decorator]
def complete(context: CompletionContext) -> SimpleMatcherResult:
    """Offer what fits at the cursor of a magic's line, or in a `{{` of its cell; otherwise nothing."""
    before = context.text_until_cursor
    if context.full_text.lstrip().startswith("%%infer") and context.cursor_line > 0:
        return _in_hole(before)
    if not _MAGIC_LINE.match(before):
        return _NOTHING
    words = before.split()
    word = "" if before[-1].isspace() else words.pop()
    previous = words[-1] if words else ""
    flag, equals, value = word.partition("=")
    if equals and flag in flags():
        return _matching(value, _values(flag), "value")
    if previous in flags() and flags()[previous].type is not bool:
        return _matching(word, _values(previous), "value")
    if word.startswith("-"):
        task = next((TASK_WORDS[said] for said in words if said in TASK_WORDS), "text-generation")
        return _matching(word, _flags(task), "flag")
    return _matching(word, TASK_WORDS, "task") if before.lstrip().startswith("%%") else _NOTHING


def _in_hole(before: str) -> SimpleMatcherResult:
    """Offer variables at the beginning of a hole in a prompt, and pipes behind a bar."""
    if hole := _HOLE.search(before):
        return _matching(hole[1], _variables(), "variable")
    if pipe := _PIPE.search(before):
        from nbinfer.interpolation import PIPES

        return _matching(pipe[1], PIPES, "pipe")
    return _NOTHING


def _matching(fragment: str, offered: Iterable[str], kind: str) -> SimpleMatcherResult:
    found = [SimpleCompletion(text, type=kind) for text in offered if text.startswith(fragment)]
    return {"completions": found, "matched_fragment": fragment, "suppress": bool(found), "ordered": True}


def _flags(task: str) -> Iterator[str]:
    for flag, row in flags(task).items():
        yield flag
        if row.type is bool and len(flag) > 2 and not flag.startswith("--no-"):
            yield f"--no-{flag[2:]}"


def _values(flag: str) -> Iterable[str]:
    row = flags()[flag]
    offered = OFFERED.get(row.name)
    return offered() if offered else [*map(str, row.choices), *(f"{value:g}" for value in row.usual)]


def _models() -> Iterable[str]:
    from nbinfer.known import KNOWN
    from nbinfer.services import known_models

    return (*known_models(), *(model.id for model in KNOWN))


def _templates() -> Iterable[str]:
    from nbinfer.templates import TEMPLATES

    return TEMPLATES


def _conversations() -> Iterable[str]:
    from nbinfer.conversation import conversations

    return sorted(conversations)


def _keys() -> Iterable[str]:
    return sorted(name for name in os.environ if re.search(r"KEY|TOKEN", name))


def _variables() -> list[str]:
    shell = get_ipython()
    hidden = shell.user_ns_hidden if shell else {}
    return sorted(name for name in (shell.user_ns if shell else {}) if not name.startswith("_") and name not in hidden)


OFFERED: Mapping[str, Callable[[], Iterable[str]]] = {
    "model": _models,
    "template": _templates,
    "chat": _conversations,
    "out": _variables,
    "api_key_env": _keys,
    "task": lambda: TASK_WORDS,
}
"""Option → what its values may be, beside what its row says."""
