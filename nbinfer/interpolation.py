"""Prompts: `{{ name }}` filled in from variables, through pipes where one is named: `{{ rows | json }}`."""

from __future__ import annotations

import ast
import datetime as dt
import inspect
import json
import re
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from nbinfer.errors import TemplateError, clip, nearest

ROWS_SHOWN = 60
"""How many rows of a DataFrame are inserted as text."""

# Braces that do not close on their line take the rest of it, so that a line of braces is looked at once.
_HOLE = re.compile(r"\{\{(?:([^\n]*?)\}\}|[^\n]*)")
_LONGEST_SHOWN = 100


def interpolate(text: str, variables: Mapping[str, Any]) -> str:
    """Replace each `{{ expression }}` by its value, once: values are not looked at again, single braces stay.

    An expression is a name, its attributes, items and slices: `{{ df.shape }}`, `{{ rows[0]["title"] }}`. It ends at
    the first `}}` of its line; where there is none, the braces are text. Pipes behind it, those of `PIPES`, make it a
    text from left to right: `{{ rows[:5] | json(indent=2) | indent }}`.

    Without a pipe a value is inserted as `str` gives it, but a DataFrame with all its columns and its rows up to 60
    (`to_string`), not in pandas' shortened view; of more rows the first and the last 30, and their number. Raises
    TemplateError for anything else, for names that are not defined, and for attributes that begin with `_`.
    """
    return _HOLE.sub(lambda hole: hole[0] if hole[1] is None else _filled(hole[1].strip(), variables), text)


def _json(value: Any, /, indent: Any = None) -> str:
    """Write a value as JSON, a DataFrame as the list of its rows: `json`, on several lines `json(indent=2)`."""
    blanks = None if indent is None else _count(indent)
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, indent=blanks, default=_plain)
    except TemplateError:
        raise
    except (TypeError, ValueError, RecursionError) as error:
        raise TemplateError(f"JSON cannot hold it: {error}") from None


def _indent(value: Any, /, blanks: Any = 4) -> str:
    """Put blanks before every line of a text but the first: four `indent`, two `indent(2)`."""
    return re.sub(r"\n(?!\Z)", "\n" + " " * _count(blanks), _text(value))


def _join(values: Any, /, separator: Any = ", ") -> str:
    """Put the items of a list in a row: with commas `join`, with another text between them `join("; ")`."""
    if not isinstance(separator, str):
        raise TemplateError(f"`join` puts a text between the items, not {separator!r}")
    # Letters of a text in a row are hardly what was meant.
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise TemplateError(f"`join` needs a list, not a value of type {type(values).__name__}")
    return separator.join(map(_text, values))


PIPES: Mapping[str, Callable[..., str]] = {"indent": _indent, "join": _join, "json": _json}
"""What can stand behind a `|`: name → the function that makes a text of a value, given constants as its options."""


def _text(value: Any) -> str:
    if _is_pandas("DataFrame", value):
        return str(value.to_string(max_rows=ROWS_SHOWN, show_dimensions=len(value) > ROWS_SHOWN))
    return str(value)


def _plain(value: Any) -> Any:
    """Return in JSON's types what has others: tables, columns, arrays, numbers of numpy, dates."""
    if _is_pandas("DataFrame", value):
        if not value.columns.is_unique:
            raise TemplateError("JSON cannot hold two columns of one name")
        return _without_gaps(value).to_dict("records")
    if _is_pandas("Series", value):
        return _without_gaps(value).tolist()
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    # numpy turns dates into bare numbers.
    if getattr(getattr(value, "dtype", None), "kind", "m") not in "mM":
        return value.tolist()
    raise TemplateError(f"JSON cannot hold a value of type {type(value).__name__}")


def _without_gaps(table: Any) -> Any:
    """Put None where pandas knows no value."""
    return table.astype(object).where(table.notna(), None)


def _is_pandas(kind: str, value: Any) -> bool:
    """Say whether a value is of one of pandas' classes, without loading it: who has such a value has done so."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(value, getattr(pandas, kind))


def _count(blanks: Any) -> int:
    if not isinstance(blanks, int) or blanks < 0:
        raise TemplateError(f"{blanks!r} is no number of blanks")
    return blanks


def _filled(expression: str, variables: Mapping[str, Any]) -> str:
    """Return what stands in the place of one hole; every failure names the hole."""
    shown = "{{ " + clip(expression, _LONGEST_SHOWN) + " }}"
    try:
        value, pipes = _split(_parsed(expression))
        result = _read(value, variables)
        for pipe in pipes:
            result = pipe(result)
        return _text(result)
    except _UndefinedError as undefined:
        near = nearest(undefined.args[0], (name for name in variables if not name.startswith("_")))
        hint = near if near.startswith("Did") else "Define it in a cell above, or send the prompt as typed with --raw."
        raise TemplateError(f"`{undefined.args[0]}` in {shown} is not defined", hint=hint) from None
    except TemplateError as refused:
        raise TemplateError(f"{shown} cannot be filled in: {refused}", hint=refused.hint) from None
    except Exception as error:
        raise TemplateError(f"{shown} failed: {type(error).__name__}: {error}") from error


class _UndefinedError(Exception):
    pass


def _parsed(expression: str) -> ast.expr:
    try:
        with warnings.catch_warnings(action="ignore"):
            return ast.parse(expression, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise _refusal() from None


def _split(node: ast.expr) -> tuple[ast.expr, list[Callable[[Any], str]]]:
    """Return what stands before the first `|`, and the pipes behind it."""
    match node:
        case ast.BinOp(left, ast.BitOr(), right):
            value, pipes = _split(left)
            return value, [*pipes, _pipe(right)]
    return node, []


def _pipe(node: ast.expr) -> Callable[[Any], str]:
    """Return one of the pipes with its options bound."""
    match node:
        case ast.Name(name):
            positional, named = [], {}
        case ast.Call(ast.Name(name), arguments, keywords) if all(keyword.arg for keyword in keywords):
            positional = [_constant(argument) for argument in arguments]
            named = {str(keyword.arg): _constant(keyword.value) for keyword in keywords}
        case _:
            raise _refusal()
    if name not in PIPES:
        raise TemplateError(f"no pipe is called `{name}`", hint=nearest(name, PIPES))
    pipe = PIPES[name]
    try:
        inspect.signature(pipe).bind(None, *positional, **named)
    except TypeError:
        raise TemplateError(f"`{name}` does not take these options", hint=inspect.getdoc(pipe) or "") from None
    return lambda value: pipe(value, *positional, **named)


def _read(node: ast.expr, variables: Mapping[str, Any]) -> Any:
    match node:
        case ast.Attribute(_, name) if name.startswith("_"):
            raise TemplateError(f"`{name}` begins with _", hint="Give the value another name in a cell above.")
        case ast.Name(name):
            if name not in variables:
                raise _UndefinedError(name)
            return variables[name]
        case ast.Attribute(value, name):
            return getattr(_read(value, variables), name)
        case ast.Subscript(value, index):
            return _read(value, variables)[_read(index, variables)]
        case ast.Slice(lower, upper, step):
            return slice(*(part and _read(part, variables) for part in (lower, upper, step)))
    return _constant(node)


def _constant(node: ast.expr) -> Any:
    match node:
        case ast.UnaryOp(ast.USub(), ast.Constant(int() | float() as number)):
            return -number
        case ast.Constant(constant):
            return constant
    raise _refusal()


def _refusal() -> TemplateError:
    return TemplateError(
        "only names, attributes, items and pipes can stand here",
        hint="Compute it in a cell above; --raw sends the prompt as typed.",
    )


__all__ = ["PIPES", "interpolate"]
