"""The line of a magic: words in, options out. Flags are made from the rows of `params`."""

from __future__ import annotations

import functools
import inspect
import io
import keyword
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, TypedDict

from nbinfer.errors import ParameterError, nearest
from nbinfer.params import Call, Param, names, read_object, table
from nbinfer.records import ImageResult
from nbinfer.snippets import LANGUAGES
from nbinfer.tasks import FORMS, TASKS, Task

TASK_WORDS: Mapping[str, str] = {word: task.name for task in TASKS.values() for word in (task.name, *task.aliases)}
"""What may be written as the task of a cell, and the task it means."""

OF_CALLS = ("base_url", "provider", "bill_to", "timeout", "retries", "bridge")
"""Options of a call that are flags under their own name; the magics have their own words for the others."""


MOST_VALUES = 1000
"""More values in a row than that are hardly meant."""
OF_CHATS = ("system", "chat", "budget")
"""Options of the magics that only a chat has."""


class Several(tuple[Any, ...]):
    """The values of a flag that was given more than one: each makes a run of its own."""

    __slots__ = ()


class Cell(TypedDict, total=False):
    """What the magics do with a call, beside the options of its task."""

    model: Annotated[str, Param(description="Model: a hub id, a URL, or local (the default).", aliases=("m",))]
    api_key_env: Annotated[str, Param(description="Environment variable that holds the key for this server.")]
    header: Annotated[list[str], Param(description="Header to send, `'Name: value'`. Repeat for several.")]
    no_cache: Annotated[bool, Param(description="Ask for a fresh answer (x-use-cache: 0).")]
    out: Annotated[
        str, Param(description="Variable that receives the result; `NAME <<` does the same.", aliases=("o",))
    ]
    format: Annotated[
        str, Param(description="How to show the result; markdown for a text.", choices=FORMS, aliases=("f",))
    ]
    tee: Annotated[str, Param(description="File that the text is written to as it arrives.")]
    system: Annotated[str, Param(description="What the model is told before the conversation begins.")]
    chat: Annotated[str, Param(description="Name of a conversation that this cell goes on with, or begins.")]
    budget: Annotated[
        int,
        Param(description="Most tokens of a conversation to send; its oldest turns are left out.", usual=(2000,), ge=1),
    ]
    replace: Annotated[bool, Param(description="Put the finished code into the next cell too.")]
    save: Annotated[str, Param(description="Folder that images are written to, and the table of several runs.")]
    lines: Annotated[bool, Param(description="Take each line of the cell as a text of its own.")]
    raw: Annotated[bool, Param(description="Send the prompt as typed: fill in no `{{ names }}`.")]
    dry_run: Annotated[bool, Param(description="Show the rendered prompt and the request; send nothing.")]
    as_code: Annotated[
        str,
        Param(description="Show the request as code; send nothing.", choices=tuple(LANGUAGES), aliases=("as",)),
    ]
    param: Annotated[list[str], Param(description="`name=value` of a parameter that nbinfer does not know.")]
    task: Annotated[str, Param(description="Task, for `%infer`; `%%infer` takes it as its first word.")]
    help: Annotated[bool, Param(description="Show this help.", aliases=("h",))]


class Images(TypedDict, total=False):
    """What the magics do with a task that makes images."""

    n: Annotated[int, Param(description="Make this many images, each with a seed of its own.", usual=(4,), ge=1)]


def cell_rows() -> dict[str, Param]:
    """Return the magics' own options: those above, and the ways to make a call that are no secret."""
    return {**table(Cell), **{name: row for name, row in table(Call).items() if name in OF_CALLS}}


def flag_of(name: str) -> str:
    """Return the flag that sets an option."""
    return next(row.flag for row in cell_rows().values() if row.name == name)


def rows_of(task: Task) -> dict[str, Param]:
    """Return the options that a task has in a cell."""
    return {**table(task.parameters), **(table(Images) if task.result is ImageResult else {})}


@functools.cache
def flags(task: str = "") -> Mapping[str, Param]:
    """Return every flag of a task, or of all, with the row it sets; a flag with `no_` in front sets False.

    Tasks may use one word for different options, but never one that takes a value and one that takes none.
    """
    tasks = [TASKS[task]] if task else TASKS.values()
    of_tasks = (row for task in tasks for row in rows_of(task).values())
    found: dict[str, Param] = {}
    for row in (*cell_rows().values(), *of_tasks):
        for name in (row.name, *row.aliases):
            found.setdefault(f"-{name}" if len(name) == 1 else "--" + name.replace("_", "-"), row)
    return found


@dataclass
class Line:
    """A magic's line, read: its task, the magic's own options, the task's parameters, and what of it is prompt."""

    task: str = "text-generation"
    options: dict[str, Any] = field(default_factory=dict)
    parameters: dict[str, Any] = field(default_factory=dict)
    prompt: str = ""
    silent: bool = False


def read(line: str, *, is_cell: bool) -> Line:
    """Read a magic's line; raise ParameterError that names the nearest flag or task for what it does not know.

    In the cell form the line holds flags, a task, and perhaps `NAME <<`. In the line form the first word that is no
    flag begins the prompt, which is taken as typed.
    """
    found = Line()
    line, found.silent = _silenced(line)
    words, given = Words(line), []
    while (word := words.next()) is not None:
        if words.typed_dash and len(word) > 1:
            given.append(_flag(word, words))
        elif not is_cell:
            found.prompt = words.rest_from_here()
            break
        elif words.peek() == "<<":
            words.next()
            found.options["out"] = word
        else:
            found.task = task_of(word)
    # A flag may mean different things to different tasks, and the task may be the last word of the line.
    found.task = next((task_of(str(value)) for _, flag, value in given if flag == "--task"), found.task)
    for typed, flag, value in given:
        _set(found, typed, flag, value)
    found.options.pop("task", None)
    _check(found)
    return found


def task_of(word: str) -> str:
    """Return the task that a word means."""
    if word not in TASK_WORDS:
        hint = f"{nearest(word, TASK_WORDS)} The prompt goes below the line."
        raise ParameterError(f"`{word}` is no task", hint=hint)
    return TASK_WORDS[word]


class Words:
    """The words of a line, split as a shell would, with the rest at hand as typed."""

    def __init__(self, line: str) -> None:
        self._line = line
        self._start = self._position = 0

    def next(self) -> str | None:
        """Return the next word without its quotes, or None at the end."""
        self._start = self._position + len(self._line[self._position :]) - len(self._line[self._position :].lstrip())
        text = self._line[self._start :]
        if not text:
            return None
        word = text.split(maxsplit=1)[0]
        source = io.StringIO(text)
        lexer = shlex.shlex(source, posix=True, punctuation_chars=False)
        lexer.whitespace_split, lexer.commenters = True, ""
        try:
            # Only quotes need a shell's reading; without them a backslash is meant: `--stop \\n`.
            quoted = lexer.get_token() if "'" in word or '"' in word else None
        except ValueError:
            # An apostrophe in a prompt opens no quote that anyone meant.
            quoted = None
        if quoted is None:
            self._position = self._start + len(word)
            return word
        self._position = self._start + source.tell()
        return quoted

    @property
    def typed_dash(self) -> bool:
        """Say whether the word just read was typed with a dash in front, not in quotes."""
        return self._line.startswith("-", self._start)

    def peek(self) -> str | None:
        """Return the next word and stay here."""
        here = (self._start, self._position)
        word = self.next()
        self._start, self._position = here
        return word

    def rest_from_here(self) -> str:
        """Return the line from the word just read to its end, as typed."""
        return self._line[self._start :].strip()


def _flag(word: str, words: Words) -> tuple[str, str, str | bool]:
    """Read a flag, as typed and as it is called, and its value: a text, or what a flag without one says."""
    flag, _, given = word.partition("=")
    name = flag if not flag.startswith("--") else flag.replace("_", "-")
    row = flags().get(name)
    if row is None and name.startswith("--no-") and (row := flags().get("--" + name[5:])) and row.type is bool:
        return flag, "--" + name[5:], False
    if row is None:
        raise ParameterError(f"unknown flag {flag}", hint=nearest(flag, [f for f in flags() if len(f) > 2]))
    if row.type is bool and "=" not in word:
        return flag, name, True
    text = given if "=" in word else words.next()
    if text is None:
        raise ParameterError(f"{flag} needs a value", hint=row.description)
    return flag, name, text


def _set(found: Line, typed: str, flag: str, given: str | bool) -> None:  # noqa: FBT001 - a value, as typed
    """Set the option that a flag means to the task of the line."""
    row = flags(found.task).get(flag)
    if row is None:
        owners = [task for task in TASKS if flag in flags(task)]
        hint = f"It belongs to {owners[0]}. {nearest(typed, [f for f in flags(found.task) if len(f) > 2])}"
        raise ParameterError(f"{found.task} has no {typed}", hint=hint.partition(" Known:")[0])
    is_cells = row.name in cell_rows() or row in table(Images).values()
    may_vary = row.name == "model" or not is_cells
    value = _parsed(row, typed, given, may_vary=may_vary) if isinstance(given, str) else given
    own = found.options if is_cells else found.parameters
    if row.name not in own:
        own[row.name] = value
    elif isinstance(value, list):
        own[row.name] += value
    elif may_vary:
        own[row.name] = Several((*_values(own[row.name]), *_values(value)))
    else:
        raise ParameterError(f"{typed} is given twice")


def _values(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, Several) else (value,)


def _parsed(row: Param, flag: str, text: str, *, may_vary: bool) -> Any:
    """Read the value of a flag, or several: `1..4`, `0.2,0.7`, names with commas between them; texts are not split."""
    parts = _parts(text) if may_vary and (row.type in {int, float} or row.choices or row.name == "model") else [text]
    try:
        values = [row.parse(part) for part in parts]
    except ValueError as error:
        raise ParameterError(f"{flag} {error}", hint=row.description) from None
    return values[0] if len(values) == 1 else Several(values)


def _parts(text: str) -> list[str]:
    parts: list[str] = []
    for part in text.split(","):
        if (ends := re.fullmatch(r"(\d{1,18})\.\.(\d{1,18})", part)) and int(ends[2]) - int(ends[1]) < MOST_VALUES:
            parts += map(str, range(int(ends[1]), int(ends[2]) + 1))
        else:
            parts.append(part)
    return parts


def _check(found: Line) -> None:
    out = found.options.get("out")
    if out is not None and (not out.isidentifier() or keyword.iskeyword(out)):
        raise ParameterError(f"`{out}` cannot be the name of a variable")
    for name in OF_CHATS:
        if name in found.options and not TASKS[found.task].turns:
            raise ParameterError(f"{found.task} has no --{name}", hint=f"It belongs to chat: %%infer chat --{name} …")
    if "replace" in found.options and found.task != "infill":
        raise ParameterError(f"{found.task} has no --replace", hint="It belongs to infill: %%infer infill --replace")
    if "budget" in found.options and "chat" not in found.options:
        raise ParameterError("--budget is for a conversation", hint="Give it a name: --chat NAME.")
    form, forms = found.options.get("format"), TASKS[found.task].result.forms
    if form and form not in forms:
        raise ParameterError(f"{found.task} has no --format {form}", hint=f"It has {', '.join(forms)}.")
    known = names(TASKS[found.task].parameters)
    for name, value in map(_named, found.options.pop("param", ())):
        home = found.parameters if name in known else found.options.setdefault("extra", {})
        home[name] = value
    found.options["headers"] = dict(map(_header, found.options.pop("header", ())))


def _named(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise ParameterError(f"--param {text}: write it as name=value")
    try:
        return name.strip(), read_object(value)
    except ValueError:
        return name.strip(), value


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        # It may be a key: it is not repeated.
        raise ParameterError("--header: write it as 'Name: value'")
    return name.strip().lower(), value.strip()


def _silenced(line: str) -> tuple[str, bool]:
    line = line.rstrip()
    return (line[:-1].rstrip(), True) if line.endswith(";") else (line, False)


def help_text() -> str:
    """Return the help of `%%infer`, made from the same rows."""
    return "\n".join(_help_lines())


def _help_lines() -> Iterator[str]:
    from nbinfer.interpolation import PIPES

    yield "%%infer [TASK] [-m MODEL] [-o NAME] [flags]     the cell below is the prompt"
    yield "%infer  [flags] PROMPT"
    yield ""
    yield "{{ name }} in the prompt is filled in from your variables. The result is data: str(r), r.to_frame(),"
    yield "r.tokens; it is also in `_` and `nbinfer.last`. Interrupting the cell keeps what has arrived."
    yield "Several values make several runs: --seed 1..4 --temperature 0.2,0.7 -m local,org/name"
    yield ""
    yield "Pipes, behind a value: {{ rows | json }}"
    for name, pipe in PIPES.items():
        yield f"  {name:<31} {inspect.getdoc(pipe)}"
    yield ""
    yield "Tasks:"
    for task in TASKS.values():
        yield f"  {', '.join((task.name, *task.aliases)):<31} {task.description}"
    groups = [(task.name.replace("-", " ").capitalize(), rows_of(task)) for task in TASKS.values()]
    for title, rows in (("The cell", cell_rows()), *((title, rows) for title, rows in groups if rows)):
        yield ""
        yield f"{title}:"
        for row in rows.values():
            yield from _row_lines(row)


def _row_lines(row: Param) -> Iterator[str]:
    short = "".join(f"-{alias}, " for alias in row.aliases if len(alias) == 1)
    kind = {int: " N", float: " X", bool: "", dict: " JSON"}.get(row.type, " TEXT")
    if row.choices:
        kind = " " + "|".join(row.choices)
    facts = [
        row.bounds.removeprefix("must be ").replace("strictly positive", "> 0"),
        f"default {row.default}" if row.default is not None else "",
        f"try {', '.join(f'{value:g}' for value in row.usual)}" if row.usual else "",
    ]
    shown = "; ".join(filter(None, facts))
    flag = f"  {short}{row.flag}{kind}"
    gap = " " * max(1, 34 - len(flag))
    yield f"{flag}{gap}{row.description}{f' ({shown})' if shown else ''}"
