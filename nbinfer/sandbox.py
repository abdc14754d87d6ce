"""Runs a model's own chat template, which is somebody else's program.

It runs in jinja2's immutable sandbox, and is stopped when it takes too long or makes too much: each loop, call and
operator looks at the clock, what could grow is reckoned before it is made and weighed when it is there.
"""

from __future__ import annotations

import functools
import json
import math
import re
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from nbinfer.errors import TemplateError

if TYPE_CHECKING:
    from jinja2 import Environment, Template, nodes

T = TypeVar("T")
Messages = Sequence[Mapping[str, Any]]

SECONDS = 2.0
"""How long a template may compute."""

LONGEST = 1_000_000
"""How many characters it may write; its own text may have a twentieth of that."""

HEAVIEST = 10 * LONGEST
"""About how many bytes one of its values may take, all parts written out."""

MOST = 100 * LONGEST
"""About how many bytes all values that it makes may take together."""

PART = 64
"""How many of these each part of a list counts, whatever it is."""

UNUSED = ("pprint", "striptags", "urlize", "wordwrap", "xmlattr")
"""What no chat template needs of jinja2, and takes the square of a text's length."""


def render_chat(messages: Messages, template: str, **variables: Any) -> str:
    """Render messages with a model's own chat template, a Jinja text, as transformers' `apply_chat_template` does.

    `variables` are what the template may name beside the messages: bos_token, eos_token, tools, documents. Raises
    TemplateError when it refuses the messages, fails, takes more than 2 seconds or writes more than 1 MB.
    """
    names = {"messages": messages, "tools": None, "documents": None, "add_generation_prompt": True} | variables
    before = _WORK.set(_Work())
    try:
        return _compiled(template).render(names)
    except TemplateError:
        raise
    except Exception as error:  # whatever a program of others may raise
        raise TemplateError(f"the model's chat template failed: {str(error) or type(error).__name__}") from error
    finally:
        _WORK.reset(before)


@dataclass
class _Work:
    """What one rendering has used; the time is that of its own thread, so that other work on the machine is not its."""

    made: int = 0
    begun: float = field(default_factory=time.thread_time)
    look: float = field(default_factory=lambda: time.monotonic() + SECONDS)
    """When to look at the thread's clock next, which takes longer to read."""


_WORK: ContextVar[_Work] = ContextVar("_WORK")


def _tick() -> _Work:
    """Stop a template that takes too long."""
    work = _WORK.get()
    if (now := time.monotonic()) > work.look:
        used = time.thread_time() - work.begun
        if used > SECONDS:
            raise TemplateError(f"the model's chat template did not end within {SECONDS:g} seconds")
        work.look = now + SECONDS - used
    return work


def _weighed(value: T) -> T:
    """Return a value that a template has made; stop the template where that, or all that it made, is too much."""
    work, size = _tick(), _size(value)
    work.made += size
    if work.made > MOST or size > HEAVIEST or (_has_parts(value) and _weight(value) > HEAVIEST):
        raise _too_much()
    return value


def _joined(pieces: Iterable[str]) -> str:
    """Join what a template writes, up to a length."""
    kept, length = [], 0
    for piece in pieces:
        length += len(piece)
        if length > LONGEST:
            raise _too_much()
        kept.append(piece)
    return "".join(kept)


def _too_much() -> TemplateError:
    return TemplateError(f"the model's chat template made more than {LONGEST // 1_000_000} MB of text")


def _has_parts(value: Any) -> bool:
    return not isinstance(value, str | int | bytes | range | None) and isinstance(value, Collection)


def _size(value: Any) -> int:
    """Return about how many bytes a value takes without its parts; numbers count as their square takes."""
    if isinstance(value, str | bytes):
        return len(value)
    if isinstance(value, int):
        return value.bit_length() ** 2 // 10
    return PART * (1 + len(value)) if _has_parts(value) else PART


def _weight(value: Any) -> int:
    """Return about how many bytes a value takes with its parts, each as often as it occurs, or that it is too much."""
    total, waiting = 0, [value]
    while waiting and total <= HEAVIEST:
        part = waiting.pop()
        total += _size(part)
        if isinstance(part, Mapping):
            waiting += (*part.keys(), *part.values())
        elif _has_parts(part):
            waiting += part
    return total


def _extent(value: Any) -> int:
    """Return how many times something may be repeated for a value."""
    match value:
        case Mapping():
            return _weight(value)
        case Collection():
            return len(value)
        case int():
            return abs(value)
    return 1


def _product(*values: Any) -> int:
    return math.prod(max(1, _extent(value)) for value in values)


def _replaced(text: Any, old: Any, new: Any = "", *_: Any) -> int:
    return str(text).count(str(old)) * len(str(new))


def _formatted(form: Any, *values: Any) -> int:
    """Return how long a format may become: as many times its values as it has fields, and no field of a great width."""
    text = form.decode("latin-1") if isinstance(form, bytes) else str(form)
    if re.search(r"%[^a-zA-Z%]*(\*|\d{5})|\{[^{}]*(\{|\d{5})", text):
        return HEAVIEST + 1
    return max(text.count("%"), text.count("{")) * _weight(values)


def _multiplied(left: Any, right: Any) -> int:
    return 1 if isinstance(left, int | float) and isinstance(right, int | float) else _product(left, right)


def _raised(base: Any, power: Any) -> int:
    both = isinstance(base, int) and isinstance(power, int)
    return (base.bit_length() * max(0, power)) ** 2 // 10 if both else 1


def _summed(_: Any, *options: Any) -> int:
    return HEAVIEST + 1 if any(isinstance(option, list | tuple) for option in options) else 1


GROWTH: Mapping[str, Callable[..., int]] = {
    "*": _multiplied,
    "**": _raised,
    "%": lambda left, right: _formatted(left, right) if isinstance(left, str | bytes) else 1,
    "format": _formatted,
    "format_map": _formatted,
    "replace": _replaced,
    "round": lambda _, *options: _product(*options),
    "sum": _summed,
    **dict.fromkeys(("batch", "center", "expandtabs", "indent", "join", "ljust", "rjust", "slice"), _product),
    **dict.fromkeys(("tojson", "to_bytes", "translate", "zfill"), _product),
}
"""Operator, filter or method whose result can be much larger than what goes into it → about how large."""


def _bounded(name: str, values: Sequence[Any]) -> list[Any]:
    """Return what an operation is about to take, generators as lists; stop a template where too much would come out."""
    listed = [list(value) if isinstance(value, Iterator) else value for value in values]
    if GROWTH[name](*listed) > HEAVIEST:
        raise _too_much()
    return listed


def _watched(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a filter of jinja2, or a test, that is bounded as the rest is."""
    own = int(hasattr(function, "jinja_pass_arg"))

    @functools.wraps(function)
    def watched(*values: Any, **options: Any) -> Any:
        if name in GROWTH:
            given = _bounded(name, (*values[own:], *options.values()))
            values = (*values[:own], *given[: len(values) - own])
        return _weighed(function(*values, **options))

    return watched


def _written(value: Any) -> str:
    return value if isinstance(value, str) else _weighed(str(value))


def _json(value: Any, **options: Any) -> str:
    """Write JSON, readable as it is: letters of all scripts, no HTML."""
    return _joined(json.JSONEncoder(**{"ensure_ascii": False} | options).iterencode(value))


def _refuse(words: str) -> None:
    raise TemplateError(f"the model's chat template refuses these messages: {words}")


@functools.lru_cache(maxsize=32)
def _compiled(template: str) -> Template:
    if len(template) > LONGEST // 20:
        raise TemplateError(f"the model's chat template is longer than {LONGEST // 20:,} characters")
    return _sandbox().from_string(template)


@functools.cache
def _sandbox() -> Environment:
    """Return the environment that models' templates expect: two functions, one filter, one block, no way out."""
    import datetime as dt

    from jinja2 import nodes
    from jinja2.exceptions import SecurityError
    from jinja2.ext import Extension
    from jinja2.sandbox import ImmutableSandboxedEnvironment
    from jinja2.utils import Namespace

    class Sandbox(ImmutableSandboxedEnvironment):
        concat = staticmethod(_joined)
        tick = property(lambda _: _tick())
        intercepted_binops = frozenset(("*", "**", "+", "%"))

        def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
            if operator in GROWTH:
                left, right = _bounded(operator, (left, right))
            return _weighed(super().call_binop(context, operator, left, right))

        def call(self, context: Any, function: Any, /, *values: Any, **options: Any) -> Any:
            given: Sequence[Any] = values
            if (name := getattr(function, "__name__", "")) in GROWTH:
                owner = getattr(getattr(function, "__wrapped__", function), "__self__", None)
                _, *given = _bounded(name, (owner, *values, *options.values()))[: 1 + len(values)]
            return _weighed(super().call(context, function, *given, **options))

        def is_safe_attribute(self, owner: Any, name: str, value: Any) -> bool:
            return name not in UNUSED and super().is_safe_attribute(owner, name, value)

        def unsafe_undefined(self, owner: Any, name: str) -> Any:
            raise SecurityError(f"access to attribute {name!r} of {type(owner).__name__!r} object is unsafe.")

        def _generate(self, source: nodes.Template, *values: Any, **options: Any) -> str:
            return super()._generate(_with_ticks(source), *values, **options)

    class Generation(Extension):
        """The block that marks what a model writes; transformers uses it for training."""

        tags = {"generation"}  # noqa: RUF012 - as jinja2 declares it

        def parse(self, parser: Any) -> nodes.Node:
            line = next(parser.stream).lineno
            return nodes.Scope(parser.parse_statements(("name:endgeneration",), drop_needle=True), lineno=line)

    class Notes(Namespace):
        """What a template may write to, which is not shown with its contents: they grow unseen."""

        def __repr__(self) -> str:
            return "<Namespace>"

    sandbox = Sandbox(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols", Generation], finalize=_written
    )
    filters = {name: function for name, function in sandbox.filters.items() if name not in UNUSED}
    sandbox.filters = {name: _watched(name, function) for name, function in (filters | {"tojson": _json}).items()}
    sandbox.filters[WEIGHED] = _weighed
    sandbox.tests = {name: _watched("", function) for name, function in sandbox.tests.items()}  # type: ignore[arg-type]
    # A prompt has the reader's own date.
    now = {"strftime_now": lambda form: dt.datetime.now().astimezone().strftime(form)}
    sandbox.globals |= {"raise_exception": _refuse, "namespace": Notes} | now
    del sandbox.globals["lipsum"]
    return sandbox


WEIGHED = "(weighed)"
"""A filter that a template cannot name."""


def _with_ticks(tree: nodes.Template) -> nodes.Template:
    """Put a look at the clock into each loop of a template, and weigh what it makes without a call."""
    from jinja2 import nodes
    from jinja2.visitor import NodeTransformer

    class Ticks(NodeTransformer):
        def visit(self, node: nodes.Node, *values: Any, **options: Any) -> Any:
            self.generic_visit(node, *values, **options)
            match node:
                case nodes.For():
                    tick = nodes.EnvironmentAttribute("tick")
                    node.body.insert(0, nodes.ExprStmt(tick, lineno=node.lineno))
                    node.test = node.test and nodes.And(tick, node.test)
                case nodes.Tuple(ctx="store"):
                    pass
                case (
                    nodes.List()
                    | nodes.Tuple()
                    | nodes.Dict()
                    | nodes.Concat()
                    | nodes.Compare()
                    | nodes.Getitem(arg=nodes.Slice())
                ):
                    return nodes.Filter(node, WEIGHED, [], [], None, None)
            return node

    watched: nodes.Template = Ticks().visit(tree)
    return watched
