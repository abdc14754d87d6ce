"""Markdown from a model, made safe to show, and cut where a finished block ends.

JupyterLab renders the Markdown of a cell that was just run without sanitising it, so nothing in it may be HTML, a
script link or a remote image. Renderers (marked, markdown-it, mistune) disagree about what is code, a link or a
formula in corner cases; what they do not all read alike is treated as prose, and prose cannot do harm.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass

SCHEMES = ("http:", "https:", "mailto:")
LONGEST_SCHEME = 200

_RISK = re.compile(r'<[A-Za-z/!?]|[\]"\r\x00-\x08\x0b-\x1f]|://|www\.')
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f]")
_OPENS = re.compile(r"(`{3,}|~{3,})([^`\n]*)\n?$")
_CLOSES = re.compile(r" {0,3}(`+|~+)[ \t]*\n?")
_LIKE_FENCE = re.compile(r"([^A-Za-z`~\n]*)(`{3,}|~{3,})([^\n]*)")
_LANGUAGE = re.compile(r"[ \t]*[\w+#.-]*", re.ASCII)
_TAG = re.compile(r"<(?=[A-Za-z/!?])")
_MARKUP = re.compile(r"<[A-Za-z/!?]|\]\s*[(:]|!\[")
_CODE_SPAN = re.compile(r"(?<![`\\])(`+)(?!`)([^\n|]*?[^`\n|\\])\1(?!`)")
_FORMULA = re.compile(r"\$\$[^$]+\$\$|\$[^$\n]+\$")
_LINKED = re.compile(r"\]\s*[(:]|://|www\.")
_DESTINATION = re.compile(r"\](?=\s*[(:])\s*[(:]\s*<?")
_ADDRESS = re.compile(r"\A[^\s)>]*")
_FORMULA_MARK = re.compile(r"\$|\\(?=begin|end|\\[(\[)\]])")


@dataclass
class _Part:
    """A piece of a text: prose, or a fence that every renderer sees as code; `certain` until one may not."""

    text: str
    fence: str = ""
    closed: bool = False
    certain: bool = True


def safe(text: str) -> str:
    """Return Markdown that renders the same but runs nothing: HTML escaped, script links disarmed, images as links."""
    if not _RISK.search(text):
        return text
    text = _CONTROL.sub("", re.sub(r"\r\n?", "\n", text))
    return "".join(_code_block(part) if part.fence else _prose(part) for part in _parts(text))


def fenced(text: str) -> str:
    """Return the content of the code fences of an answer, or the whole answer where it has none."""
    blocks = [_content(part) for part in _parts(text) if part.fence]
    return "\n\n".join(blocks) if blocks else text.strip()


def preformatted(html: str) -> str:
    """Return HTML, which is taken as it is, that is shown letter for letter in a fixed width."""
    return f"<pre style='font-family: monospace; white-space: pre-wrap'>{html}</pre>"


def code_block(code: str, language: str = "") -> str:
    """Put code into a fence that nothing in it can close."""
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", code)), default=0))
    return f"{fence}{language}\n{code}\n{fence}"


def finished(text: str) -> int:
    """Return the length of the part of a growing text whose Markdown blocks nothing to come can change.

    A blank line ends a block, except inside a fence, and after a list, a quote or indented code, which may go on.
    """
    end = position = 0
    going_on = False
    for part in _parts(text):
        if not part.certain or (not part.fence and _takes_in_more(part.text)):
            break
        if part.fence:
            position += len(part.text)
            last = _lines(part.text)[-1]
            end = position if part.closed and last.endswith("\n") and _CLOSES.fullmatch(last) else end
            going_on = False
            continue
        blank = True
        for line in _lines(part.text):
            position += len(line)
            if line.strip(" \t\n"):
                # A line right below an item belongs to it, wherever it begins.
                going_on = _begins_or_indents(line, listed=going_on) or (going_on and not blank)
                blank = False
            elif line.endswith("\n"):
                blank = True
                end = end if going_on else position
    return end


def _parts(text: str) -> Iterator[_Part]:
    """Split a text into prose and code fences at the margin; all is prose once renderers may disagree on a fence."""
    part, certain = _Part(""), True
    for line in _lines(text):
        if part.fence:
            part.text += line
            if _closes(line, part.fence):
                part.closed = True
                certain = _CLOSES.fullmatch(line) is not None
                yield part
                part = _Part("", certain=certain)
        elif certain and (opening := _OPENS.match(line)) and not _takes_in_more(part.text):
            yield part
            part = _Part(line, fence=opening.group(1))
        else:
            if certain and _LIKE_FENCE.match(line):
                yield part
                part, certain = _Part("", certain=False), False
            part.text += line
    yield part


def _lines(text: str) -> list[str]:
    return [line for line in re.split(r"(?<=\n)", text) if line]


def _takes_in_more(prose: str) -> bool:
    """Say whether what follows may belong to a formula that is still open, or to the title of a reference."""
    pairs = ((r"\begin{", r"\end{"), (r"\\(", r"\\)"), (r"\\[", r"\\]"))
    return (
        "]:" in prose
        or prose.count("$$") % 2 == 1
        or any(prose.count(begin) > prose.count(end) for begin, end in pairs)
    )


def _closes(line: str, fence: str) -> bool:
    # Whatever follows the marks: marked ends a fence there, CommonMark does not.
    return line.lstrip(" \t").startswith(fence)


def _begins_or_indents(line: str, *, listed: bool) -> bool:
    """Say whether the line is of a list, a quote or indented code, which later lines may still extend."""
    if re.match(r"\s*([-*+]|\d{1,9}[.)])(\s|$)|\s*>|    |\t", line):
        return True
    return listed and line[0] in " \t"


def _content(part: _Part) -> str:
    lines = part.text.removesuffix("\n").split("\n")
    return "\n".join(lines[1:-1] if part.closed else lines[1:])


def _code_block(part: _Part) -> str:
    """Write a fence so that nothing before it can take in its first line, and nothing in it is markup."""
    opening = part.text.partition("\n")[0]
    return f"\n{part.fence}{_language(opening[len(part.fence) :])}{part.text[len(opening) :]}"


def _language(info: str) -> str:
    # JupyterLab writes it into an attribute as it is.
    word = _LANGUAGE.match(info)
    return info if word is None or not info[word.end() :].strip(" \t") else word.group()


def _prose(part: _Part) -> str:
    """Disarm prose paragraph by paragraph; what is code in some renderer's eyes stays readable as code."""
    if part.certain:
        return "".join(map(_paragraph, re.split(r"(\n[ \t]*\n)", part.text)))
    done, in_code = [], False
    for line in _lines(part.text):
        like = _LIKE_FENCE.match(line)
        if like and not ("`" in like.group(2) and "`" in like.group(3)):
            in_code = not in_code
            done.append(
                like.group(1) + like.group(2) + _language(like.group(3).rstrip("\n")) + "\n" * line.endswith("\n")
            )
        else:
            done.append(_TAG.sub("< ", line) if in_code else line)
    text = "".join(map(_paragraph, re.split(r"(\n[ \t]*\n)", "".join(done))))
    return "".join(map(_no_fence_with_markup, _lines(text)))


def _no_fence_with_markup(line: str) -> str:
    """Spell the marks of a line that must not begin a fence, because what follows them names no language."""
    like = _LIKE_FENCE.match(line)
    if like is None or _language(like.group(3)) == like.group(3):
        return line
    return f"{like.group(1)}{_entities(like.group(2))}{line[like.end(2) :]}"


def _paragraph(text: str) -> str:
    """Escape what could be HTML and disarm links and images, keeping inline code readable."""
    done: list[str] = []
    position = 0
    for span in _CODE_SPAN.finditer(text):
        if _MARKUP.search(span.group()):
            done += [_disarmed(text[position : span.start()]), _code(span.group(2))]
            position = span.end()
    done.append(_disarmed(text[position:]))
    whole = "".join(done)
    # JupyterLab puts formulas back after rendering, quotes and all, even into the attributes of a link.
    return _FORMULA_MARK.sub(lambda mark: _entities(mark.group()), whole) if _LINKED.search(whole) else whole


def _disarmed(prose: str) -> str:
    # "< b" is no tag anywhere and the same formula; an entity would show inside one.
    prose = _FORMULA.sub(lambda formula: _TAG.sub("< ", formula.group()), prose)
    prose = re.sub(r"!+\[", "[", _TAG.sub("&lt;", prose))
    for place in reversed([match.end() for match in _DESTINATION.finditer(prose)]):
        if not _leads_to_the_web(prose[place : place + LONGEST_SCHEME]):
            prose = f"{prose[:place]}#{_ADDRESS.sub('', prose[place:], count=1)}"
    return prose


def _leads_to_the_web(address: str) -> bool:
    """Say whether a link's address has one of the harmless schemes, or none."""
    # A renderer decodes entities and backslashes, and a browser drops control characters, before the scheme is read.
    plain = re.sub(r"[\x00-\x20\\]", "", html.unescape(html.unescape(address))).lower()
    return plain.startswith(SCHEMES) or ":" not in re.split(r"[/?#)]", plain, maxsplit=1)[0]


def _code(content: str) -> str:
    """Write inline code as HTML of our own, with every character that means anything as an entity."""
    return f"<code>{re.sub(r'[^A-Za-z0-9 ]+', lambda marks: _entities(marks.group()), content.strip())}</code>"


def _entities(marks: str) -> str:
    return "".join(f"&#{ord(mark)};" for mark in marks)
