"""Showing an answer while it arrives, with traffic that grows as the text does, and leaving one static output.

Finished Markdown blocks are sealed: each update sends only the block that is still growing. When the answer is
complete, one output with the whole of it takes their place.
"""

from __future__ import annotations

import os
import sys
import time
from abc import ABC, abstractmethod
from collections import UserDict
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from nbinfer.chats import content_text
from nbinfer.filled import in_place
from nbinfer.markdown import code_block, finished, preformatted, safe

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from nbinfer.results import Result

INTERVAL = 0.05
"""Seconds between updates: twenty a second."""
LONG_BLOCK = 2000
GROWTH = 8
"""A block beyond LONG_BLOCK characters is sent again only when it has grown by one part in this many."""


class Live(ABC):
    """Where one answer appears."""

    @abstractmethod
    def status(self, text: str) -> None:
        """Say in one line what is being waited for; the first text takes its place."""

    @abstractmethod
    def add(self, text: str) -> None:
        """Show some more text."""

    @abstractmethod
    def end(self, result: Result | None, form: str) -> None:
        """Leave the result, or nothing, as the one output."""


class Silent(Live):
    """Shows nothing."""

    def status(self, text: str) -> None:
        """Show nothing."""

    def add(self, text: str) -> None:
        """Show nothing."""

    def end(self, result: Result | None, form: str) -> None:
        """Show nothing."""


class Terminal(Live):
    """Prints the text as it comes."""

    def __init__(self, form: str) -> None:
        self._streams = form in {"markdown", "text"}
        self._status = ""
        self._written = False

    def status(self, text: str) -> None:
        """Show the line where it can be taken back."""
        if sys.stdout.isatty() and not self._written:
            self._erase()
            self._status = text
            print(text, end="", flush=True)

    def add(self, text: str) -> None:
        """Print the text."""
        self._erase()
        if self._streams and text:
            self._written = True
            print(text, end="", flush=True)

    def end(self, result: Result | None, form: str) -> None:
        """End the line; print the result where it could not be streamed, and what the reader should notice."""
        self._erase()
        if self._written:
            print(flush=True)
        elif result is not None:
            print(result.bundle(form)[0].get("text/plain", ""), flush=True)
        for notice in result.notices if result else ():
            print(f"({notice})", file=sys.stderr)

    def _erase(self) -> None:
        if self._status:
            print("\r" + " " * len(self._status) + "\r", end="", flush=True)
            self._status = ""


class Notebook(Live):
    """Shows the text as Markdown in a cell's output.

    `alone` says that nothing else is in the cell: then finished blocks are sealed in outputs of their own, which the
    whole replaces at the end. Otherwise one output is updated in place, more rarely as it grows, because taking
    several back would take the cell's own prints with them.
    """

    def __init__(self, shell: InteractiveShell, *, alone: bool) -> None:
        self._shell = shell
        self._alone = alone
        self._id = ""
        self._open = ""
        self._sent = 0
        self._beside = 0
        self._updated = 0.0

    def status(self, text: str) -> None:
        """Show the line in the place where the text will appear."""
        self._show({"text/plain": text, "text/markdown": f"<sub>{safe(text)}</sub>"})

    def add(self, text: str) -> None:
        """Show the text, at most twenty times a second."""
        self._open += text
        if not self._due():
            return
        if self._alone and (done := finished(self._open)):
            self._show({"text/markdown": safe(self._open[:done])})
            self._open = self._open[done:]
            self._id = ""
        if self._open.strip():
            self._show({"text/markdown": safe(self._open)})
        self._sent = len(self._open)

    def _due(self) -> bool:
        """Say whether to show more now: at most twenty times a second, more rarely the more is sent again with it."""
        now, grown, again = time.monotonic(), len(self._open) - self._sent, self._sent + self._beside
        if not grown or now - self._updated < INTERVAL or (again > LONG_BLOCK and grown * GROWTH < again):
            return False
        self._updated = now
        return True

    def end(self, result: Result | None, form: str) -> None:
        """Put the whole in place of everything shown so far."""
        bundle = result.bundle(form) if result is not None else None
        if self._alone:
            # A new output, not an update: consoles show no updates, and would show the status line alone.
            self._shell.display_pub.clear_output(wait=True)  # type: ignore[no-untyped-call]
            self._id = ""
        if bundle is not None:
            self._show(*bundle)
        elif self._id:
            self._show({"text/plain": ""})

    def _show(self, data: Mapping[str, Any], metadata: Mapping[str, Any] | None = None) -> None:
        known = bool(self._id)
        if not known:
            self._id = os.urandom(16).hex()
        self._shell.display_pub.publish(
            data=dict(data), metadata=dict(metadata or {}), transient={"display_id": self._id}, update=known
        )


class InPlace(Notebook):
    """Shows code with a hole, which fills while the answer comes."""

    def __init__(self, shell: InteractiveShell, around: tuple[str, str]) -> None:
        super().__init__(shell, alone=False)
        self._around, self._beside = around, sum(map(len, around))

    def add(self, text: str) -> None:
        """Show the code so far, at most twenty times a second."""
        self._open += text
        if self._due():
            self._show(in_place(self._around[0], self._open, self._around[1]))
            self._sent = len(self._open)


def live(
    shell: InteractiveShell, form: str, *, alone: bool, silent: bool, around: tuple[str, str] | None = None
) -> Live:
    """Return the display that fits the shell; `around` is the code that an answer stands between."""
    if silent or form == "none":
        return Silent()
    if not hasattr(shell, "kernel"):
        return Terminal(form)
    return Notebook(shell, alone=alone) if around is None else InPlace(shell, around)


def shown(result: object, shell: InteractiveShell) -> None:
    """Mark a result as seen in this cell: the display hook sets `Out[n]` and `_`, but does not show it again."""
    cell = shell.execution_count
    attributes = vars(result)

    def display() -> None:
        del attributes["_ipython_display_"]
        if shell.execution_count != cell:
            from IPython.display import display as show

            show(result)  # type: ignore[no-untyped-call]
        elif not hasattr(shell, "kernel"):
            # A terminal has printed `Out[n]:` already.
            print(getattr(result, "footer", ""))

    attributes["_ipython_display_"] = display


class Preview(UserDict[str, Any]):
    """What a call would send: a dict, though not to IPython, that shows the prompt as text and the rest as JSON."""

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        import msgspec

        from nbinfer.tags import counted, marked

        body = self.get("json", self)
        rest = msgspec.json.format(msgspec.json.encode(dict(self)), indent=2).decode()
        prompt = _asked(body)
        shown_as = f"**Prompt**\n\n{code_block(prompt, 'text')}\n\n**Request**\n\n{code_block(rest, 'json')}"
        if not (tags := counted(prompt)):
            return {"text/plain": f"{prompt}\n\n{rest}", "text/markdown": shown_as}
        said = f"Special tags: {tags}"
        coloured = f"<b>Prompt</b>{marked(prompt)}<sub>{escape(said)}</sub>"
        coloured += f"<br><br><b>Request</b>{preformatted(escape(rest))}"
        return {"text/plain": f"{prompt}\n\n{said}\n\n{rest}", "text/html": coloured}


@dataclass(frozen=True)
class Code:
    """A request as code: `str` gives the text."""

    text: str
    language: str

    def __str__(self) -> str:
        return self.text

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        block = code_block(self.text, LEXERS.get(self.language, self.language))
        return {"text/plain": self.text, "text/markdown": block}


LEXERS = {"curl": "bash"}


def _asked(body: Any) -> str:
    """Return what a request is about, as text: the prompt, where messages were put into a form here."""
    if "messages" in body and "prompt" not in body:
        return "\n\n".join(f"{turn.get('role')}: {content_text(turn.get('content'))}" for turn in body["messages"])
    found = body.get("inputs") or body.get("prompt") or body.get("texts") or body.get("input") or ""
    return "\n".join(map(str, found)) if isinstance(found, list) else str(found)
