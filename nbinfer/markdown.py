"""Markdown from a model, made safe to show, and cut where a finished block ends.

JupyterLab renders the Markdown of a cell that was just run without sanitising it, so nothing in it may be HTML, a
script link or a remote image. Renderers disagree about what is code inside lists and quotes; only what all of them
(marked, markdown-it, mistune) read as code is left as typed.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from urllib.parse import urlsplit

SCHEMES = frozenset({"", "http", "https", "mailto"})

_FENCE = re.compile(r"(?:`{3,}(?=[^`\n]*$)|~{3,})[^\n]*$")
_TAG = re.compile(r"<(?=[A-Za-z/!?])")
_CODE_SPAN = re.compile(r"(?<![`\\])(`+)(?!`)([^`\n|]*[^`\n|\\])\1(?!`)")
_MATH = re.compile(r"\$\$[^$]+\$\$|\$[^$\n]+\$")
_DESTINATION = re.compile(r"(\](?:\s*\(|:)\s*<?)([^\s)>]*)")


def safe(text: str) -> str:
    """Return Markdown that renders the same but runs nothing: HTML escaped, script links emptied, images as links."""
    return "".join(part if is_code else _harmless(part) for part, is_code in _parts(text))


def fenced(text: str) -> str:
    """Return the content of the code fences of an answer, or the whole answer where it has none."""
    blocks = [part for part, is_code in _parts(text) if is_code]
    if not blocks:
        return text.strip()
    return "\n\n".join(_inside(block) for block in blocks)


def finished(text: str) -> int:
    """Return the length of the part of a growing text whose Markdown blocks nothing to come can change.

    A blank line ends a block, except inside a fence, a list, a quote's or a list's continuation.
    """
    end = position = 0
    open_list = False
    for part, is_code in _parts(text):
        if is_code:
            position += len(part)
            if part.endswith("\n") and _closed(part) and not open_list:
                end = position
            continue
        for line in re.split(r"(?<=\n)", part):
            position += len(line)
            if line.strip():
                open_list = _continues_list(line, in_list=open_list)
            elif not open_list and line.endswith("\n"):
                end = position
    return end


def _parts(text: str) -> Iterator[tuple[str, bool]]:
    """Split a text into prose and top-level code fences, which alone all renderers see alike."""
    prose: list[str] = []
    code: list[str] = []
    fence = ""
    for line in re.split(r"(?<=\n)", text):
        if fence:
            code.append(line)
            if _closes(line, fence):
                yield "".join(code), True
                code, fence = [], ""
        elif _FENCE.match(line.removesuffix("\n")):
            yield "".join(prose), False
            prose, code = [], [line]
            fence = re.match(r"`+|~+", line).group()  # type: ignore[union-attr]
        else:
            prose.append(line)
    yield ("".join(code), True) if fence else ("".join(prose), False)


def _closes(line: str, fence: str) -> bool:
    mark = line.strip()
    return len(line) - len(line.lstrip(" ")) < 4 and mark.startswith(fence) and not mark.strip(fence[0])


def _closed(block: str) -> bool:
    first, *_, last = block.rstrip("\n").split("\n") if "\n" in block.rstrip("\n") else (block, "")
    return bool(last) and _closes(last, re.match(r"`+|~+", first).group())  # type: ignore[union-attr]


def _inside(block: str) -> str:
    lines = block.rstrip("\n").split("\n")
    return "\n".join(lines[1:-1] if _closed(block) else lines[1:])


def _continues_list(line: str, *, in_list: bool) -> bool:
    """Say whether the line belongs to a list or quote, which later lines may still extend."""
    if re.match(r"\s*([-*+]|\d{1,9}[.)])(\s|$)|\s*>", line):
        return True
    return in_list and line[0] in " \t"


def _harmless(prose: str) -> str:
    """Escape what could be HTML and disarm links and images, keeping inline code readable."""
    done: list[str] = []
    position = 0
    for span in _CODE_SPAN.finditer(prose):
        if not _TAG.search(span.group()):
            continue
        done += [_disarmed(prose[position : span.start()]), _code(span.group(2))]
        position = span.end()
    return "".join([*done, _disarmed(prose[position:])])


def _disarmed(prose: str) -> str:
    # "< b" is no tag anywhere and the same formula; an entity would show inside one.
    prose = _MATH.sub(lambda formula: _TAG.sub("< ", formula.group()), prose)
    prose = _TAG.sub("&lt;", prose).replace("![", "[")
    return _DESTINATION.sub(lambda link: link.group(1) + _destination(link.group(2)), prose)


def _destination(url: str) -> str:
    # A renderer decodes entities and backslashes, and a browser drops control characters, before the scheme is read.
    plain = re.sub(r"[\x00-\x20\\]", "", html.unescape(html.unescape(url)))
    try:
        scheme = urlsplit(plain).scheme or re.match(r"[^/?#]*?(?=:)|", plain).group()  # type: ignore[union-attr]
    except ValueError:
        return "#"
    return url if scheme.lower() in SCHEMES else "#"


def _code(content: str) -> str:
    """Write inline code as HTML of our own, with every character that means anything as an entity."""
    escaped = re.sub(r"[^A-Za-z0-9\s]", lambda mark: f"&#{ord(mark.group())};", content.strip())
    return f"<code>{escaped}</code>"
