"""Refusals of malformed bodies in the words of axum and serde, which TGI and TEI are built on."""

import json
import re

from .replies import JSON, Recorded, Reply

BODY_LIMIT = 2_000_000
BAD_JSON = "Failed to parse the request body as JSON: "
BAD_TYPE = "Failed to deserialize the JSON body into the target type: "
INTEGERS = {"usize": (0, 2**64), "u64": (0, 2**64), "u32": (0, 2**32), "i32": (-(2**31), 2**31)}
SYNTAX = {
    "Expecting property name enclosed in double quotes": "key must be a string",
    "Expecting ':' delimiter": "expected `:`",
    "Expecting ',' delimiter": "expected `,` or `}`",
    "Illegal trailing comma before end of object": "trailing comma",
    "Illegal trailing comma before end of array": "trailing comma",
    "Invalid control character at": r"control character (\u0000-\u001F) found while parsing a string",
    "Extra data": "trailing characters",
}


class RefusedError(Exception):
    """A request that never reached the program behind the extractor."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.reply = Reply(status, text=text)


def read_json(request: Recorded) -> tuple[str, JSON]:
    """Return the body as text and decoded."""
    if len(request.content) > BODY_LIMIT:
        raise RefusedError(413, "Failed to buffer the request body: length limit exceeded")
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise RefusedError(415, "Expected request with `Content-Type: application/json`")
    try:
        text = request.content.decode()
        return text, json.loads(text)
    except UnicodeDecodeError as error:
        raise RefusedError(400, f"{BAD_JSON}invalid unicode code point at line 1 column {error.start + 1}") from None
    except json.JSONDecodeError as error:
        raise _syntax_error(error) from None


def _syntax_error(error: json.JSONDecodeError) -> RefusedError:
    end = len(error.doc)
    if error.msg.startswith("Unterminated string"):
        return RefusedError(400, f"{BAD_JSON}EOF while parsing a string {place(error.doc, end)}")
    if error.pos >= end:
        container = "an object" if "{" in error.doc else "a value"
        return RefusedError(400, f"{BAD_JSON}EOF while parsing {container} {place(error.doc, end)}")
    why = SYNTAX.get(error.msg, "expected value")
    return RefusedError(400, f"{BAD_JSON}{why} {place(error.doc, error.pos + 1)}")


def check(text: str, path: tuple[str, ...], value: JSON, kind: str) -> None:
    """Refuse a value at a path of the body that is not of the kind serde wants there."""
    integer = isinstance(value, int) and not isinstance(value, bool) and value < 2**64
    if kind in INTEGERS and integer:
        low, high = INTEGERS[kind]
        if not low <= value < high:
            raise type_error(text, path, value, kind, wrong="value")
        return
    fits = {
        "a string": isinstance(value, str),
        "a boolean": isinstance(value, bool),
        "a sequence": isinstance(value, list),
        "f32": isinstance(value, int | float) and not isinstance(value, bool),
    }
    if not fits.get(kind, isinstance(value, dict) and kind not in INTEGERS):
        raise type_error(text, path, value, kind)


def check_items(text: str, path: tuple[str, ...], value: JSON, kind: str) -> None:
    """Refuse what is no list of values of a kind."""
    check(text, path, value, "a sequence")
    for index, item in enumerate(value):
        check(text, (*path, f"[{index}]"), item, kind)


def missing_field(text: str, path: tuple[str, ...], name: str) -> RefusedError:
    """Say that the object at a path lacks a key."""
    return shape_error(text, path, f"missing field `{name}`", span(text, path)[1])


def type_error(text: str, path: tuple[str, ...], value: JSON, kind: str, wrong: str = "type") -> RefusedError:
    """Say that a value has the wrong type."""
    start, end = span(text, path)
    position = start + 1 if isinstance(value, list | dict) else end
    return shape_error(text, path, f"invalid {wrong}: {_shown(value)}, expected {kind}", position)


def shape_error(text: str, path: tuple[str, ...], why: str, position: int) -> RefusedError:
    """Say what is wrong at a path of the body."""
    where = ".".join(path).replace(".[", "[") + ": " if path else ""
    return RefusedError(422, f"{BAD_TYPE}{where}{why} {place(text, position)}")


def _shown(value: JSON) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return f"boolean `{str(value).lower()}`"
        case int() if value < 2**64:
            return f"integer `{value}`"
        case int() | float():
            return f"floating point `{value:.1f}`" if value == int(value) else f"floating point `{value}`"
        case str():
            return f"string {json.dumps(value, ensure_ascii=False)}"
        case _:
            return "sequence" if isinstance(value, list) else "map"


def span(text: str, path: tuple[str, ...]) -> tuple[int, int]:
    """Return where the value at a path begins and ends."""
    start = len(text) - len(text.lstrip())
    for name in path:
        if name.startswith("["):
            start = _item(text, start, int(name[1:-1]))
        elif found := re.compile(re.escape(json.dumps(name)) + r"\s*:\s*").search(text, start):
            start = found.end()
    return start, json.JSONDecoder().raw_decode(text, start)[1]


def _item(text: str, start: int, index: int) -> int:
    """Return where an item of the list at `start` begins."""
    end = start + 1
    for _ in range(index):
        end = json.JSONDecoder().raw_decode(text, _next(text, end))[1]
    return _next(text, end)


def _next(text: str, end: int) -> int:
    return len(text) - len(text[end:].lstrip(" \t\r\n,"))


def place(text: str, position: int) -> str:
    """Name a position as serde does."""
    before = text[:position]
    return f"at line {before.count(chr(10)) + 1} column {position - before.rfind(chr(10)) - 1}"
