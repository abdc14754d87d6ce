"""The special tags of a prompt, for the eye: each marked in the text, and counted."""

from __future__ import annotations

import functools
import re
from collections import Counter
from html import escape

from nbinfer.infilling import INFILLS
from nbinfer.markdown import preformatted
from nbinfer.templates import CODE_LLAMA_TAGS

MARK = "background: rgba(148, 103, 189, 0.25); color: inherit; outline: 1px solid rgba(148, 103, 189, 0.6)"


@functools.cache
def _either() -> re.Pattern[str]:
    """Return a pattern for the tags of all forms declared here, and for what looks like one of another model's."""
    known = {*CODE_LLAMA_TAGS, *(tag for form in INFILLS.values() for tag in form.tags)}
    longest_first = sorted(known, key=len, reverse=True)
    return re.compile("|".join([*map(re.escape, longest_first), r"<\|[^<>|\s]{1,40}\|>", r"<(?:start|end)_of_turn>"]))


def counted(prompt: str) -> str:
    """Return in one line which special tags a prompt has, each with its number; "" where it has none."""
    numbers = Counter(_either().findall(prompt))
    return " · ".join(f"{tag} {number}" for tag, number in numbers.items())


def marked(prompt: str) -> str:
    """Return a prompt as HTML, its special tags in colour."""
    pieces = re.split(f"({_either().pattern})", prompt)
    tagged = (
        f"<mark style='{MARK}'>{escape(piece)}</mark>" if place % 2 else escape(piece)
        for place, piece in enumerate(pieces)
    )
    return preformatted("".join(tagged))
