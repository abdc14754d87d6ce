"""The result of filling a hole in code, shown in its place."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from html import escape
from typing import Any

from nbinfer.markdown import code_block, preformatted
from nbinfer.results import TextResult

MARK = "background: rgba(44, 160, 44, 0.25); color: inherit; border-radius: 2px"


@dataclass(frozen=True, eq=False, repr=False)
class InfillResult(TextResult):
    """Code that was missing. `str(result)` is it alone; `whole` is the code with it in its place."""

    prefix: str = field(default="", kw_only=True)
    suffix: str = field(default="", kw_only=True)

    @classmethod
    def of(cls, result: TextResult, prefix: str, suffix: str) -> InfillResult:
        """Return what a text is when it stands between two others."""
        facts = {one.name: getattr(result, one.name) for one in fields(TextResult)}
        return cls(**facts, prefix=prefix, suffix=suffix)

    @property
    def middle(self) -> str:
        """Return what was missing."""
        return self.text

    @property
    def whole(self) -> str:
        """Return the code without a hole."""
        return self.prefix + self.text + self.suffix


def in_place(prefix: str, middle: str, suffix: str) -> dict[str, Any]:
    """Return code as MIME data, in which the middle is marked."""
    marked = f"{escape(prefix)}<mark style='{MARK}'>{escape(middle)}</mark>{escape(suffix)}"
    return {"text/plain": prefix + middle + suffix, "text/html": preformatted(marked)}


InfillResult.forms = {
    "filled": lambda result: in_place(result.prefix, result.text, result.suffix),
    **{name: TextResult.forms[name] for name in ("text", "df", "tokens", "none")},
    "code": lambda result: {"text/plain": result.whole, "text/markdown": code_block(result.whole)},
}
