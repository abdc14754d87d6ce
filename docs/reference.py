"""Writes the reference pages from the code, so that nothing in them can be out of date."""

from __future__ import annotations

import importlib
import inspect
import json
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import nbinfer
from nbinfer import chats, client, drivers, errors, flows, results, vectors
from nbinfer.dialects import CHAT, COMPLETIONS
from nbinfer.errors import InferError
from nbinfer.infilling import INFILLS
from nbinfer.local import MODELS
from nbinfer.notebook.arguments import cell_rows, flags, help_text
from nbinfer.notebook.magics import LOCAL_SAMPLING
from nbinfer.params import SEEDS, Call, Param, TextGeneration, table
from nbinfer.runs.sweep import Run
from nbinfer.services import SERVICES
from nbinfer.services.local import UNUSED
from nbinfer.tasks import TASKS
from nbinfer.templates import TEMPLATES

ROOT = Path(__file__).parent.parent
WEIGHTS = ROOT / "nbinfer" / "local" / "weights" / "text"

TYPES = {int: "whole number", float: "number", bool: "true or false", dict: "object", str: "text"}
RETRIES = {0: "", 1: "once", None: "yes"}
RETURNED = (
    drivers.ResultStream,
    drivers.AsyncResultStream,
    results.Chunk,
    results.Token,
    results.Details,
    results.Sequence,
    results.Usage,
    results.Timings,
    vectors.Ranked,
    chats.ChatChunk,
    chats.Choice,
    chats.Delta,
    chats.ToolCall,
    chats.Function,
    chats.ChatUsage,
    flows.Timeout,
    Run,
)
"""What the calls take and return, beside the public names."""


def write(folder: Path) -> None:
    """Write every page and snippet into a folder."""
    (folder / "snippets").mkdir(parents=True, exist_ok=True)
    for name, text in PAGES.items():
        (folder / name).write_text(text(), encoding="utf-8")


def parameters() -> str:
    """Describe the options of a call."""
    local = ", ".join(f"`{name}={value:g}`" for name, value in LOCAL_SAMPLING.items())
    groups = [task for task in TASKS.values() if table(task.parameters)]
    others = "\n\n".join(
        f"## {task.name.replace('-', ' ').capitalize()}\n\n{task.description}\n\n{_parameter_table(task.parameters)}"
        for task in groups[1:]
    )
    return f"""\
# Parameters

Everything here is checked before anything is sent. A name that is not known is refused, with the nearest known one.
Ranges and the words of refusals are those of text-generation-inference.

In Python a parameter is a keyword, `client.text_generation(prompt, top_k=50)`; on a magic's line it is a flag,
`%%infer --top-k 50`. Underscores work in flags too.

## Text generation

{_parameter_table(groups[0].parameters)}

Without any parameter that switches sampling on, the answer is the likeliest text, the same each time. There is one
exception: `%%infer` and `%infer` on `local` use {local} when they say nothing about sampling.

`do_sample=False` beside a parameter that switches sampling on is refused. `best_of` and `decoder_input_details` cannot
be streamed: a server's answer to a cell with one of them appears when it is complete.

{others}

## Who takes what

What a server has no word for is listed below its answer; nothing is dropped in silence. *Here* is what nbinfer does
itself.

{_takers()}

Of chat, servers get every option under its own name; TGI ignores `n` and `logit_bias`. On `local` a chat takes
{_listed((*CHAT, "logprobs", "keep_stop"))}; the others are listed below the answer.

## Every call

{_parameter_table(Call)}

What has no flag here has one of another name: see [](flags.md).
"""


def _takers() -> str:
    """Say for each option of text generation which targets take it, and under which name."""
    rows = []
    for name, row in table(TextGeneration).items():
        if not row.sent or name == "return_full_text":
            rows.append((_code(name), *["here"] * 3))
            continue
        completion = "as temperature 0" if name == "do_sample" else _code(COMPLETIONS.get(name, ""))
        rows.append((_code(name), "yes", completion, "" if name in UNUSED else "yes"))
    return _table(("Option", "TGI, Hugging Face, endpoints", "`/v1/completions`", "`local`"), rows)


def _listed(words: Iterable[str]) -> str:
    return ", ".join(map(_code, words))


def magics() -> str:
    """Describe the flags of the magics themselves."""
    rows = [
        (_flag_names(row), _values(row), _code(row.default), _prose(row.description)) for row in cell_rows().values()
    ]
    usage, _, _ = help_text().partition("\n\n")
    return f"""\
# Flags of the magics

```text
{usage}
```

{tasks()}

Beside the flags below, every [parameter](parameters.md) of the task is a flag.
Flags, models, templates and variables complete with Tab, and `%infer --help` prints the same in a notebook.

{_table(("Flag", "Value", "Default", "What it does"), rows)}

A flag that takes no value is switched off by `--no-` in front. A flag given twice is refused, unless it is a list.
A `;` that ends the magic's own line hides the output.
"""


def failures() -> str:
    """Describe the exceptions and how a service's answer becomes one."""
    tree = "\n".join(_tree(InferError))
    meanings = [
        (_code(error.__name__), _meaning(error), RETRIES[getattr(error, "retries", 0)])
        for error in _descendants(InferError)
    ]
    rows = [
        (str(row.status or ""), _code(row.error_type), _code(row.says), _code(row.error.__name__))
        for row in errors.TABLE
    ]
    return f"""\
# Errors

All errors live in `nbinfer.errors`. In a notebook each shows one to four lines: what was wrong, where, and what to do;
the cell fails, so that *Run All* stops. What had arrived before the error is in `error.partial`.

```text
{tree}
```

## What each one means

{_table(("Error", "When, and what to do", "Tried again"), meanings)}

An error may carry a hint of its own that says more, such as the nearest known name. A call is tried again only before
the first part of its answer has come. How long it waits is told under [](../servers.md#waiting-and-trying-again).

## From an answer to an error

The first row that fits gives the class. An empty field fits anything; *says* is looked for in the
message. Status 4 stands for all of 4xx.

{_table(("Status", "`error_type`", "Says", "Error"), rows)}
"""


def differences() -> str:
    """Describe what differs from huggingface_hub's client."""
    rows = [(_prose(what), _prose(here)) for what, here in client.DIFFERENCES.items()]
    return f"""\
# Beside huggingface_hub

`nbinfer.InferenceClient` has the names, arguments and return types of `huggingface_hub.InferenceClient`, so a notebook
changes one import. What differs, differs on purpose:

{_table(("What", "Here"), rows)}
"""


def api() -> str:
    """Describe the public names, by their own docstrings."""
    public = [getattr(nbinfer, name) for name in nbinfer.__all__]
    classes = sorted(
        filter(inspect.isclass, public), key=lambda kind: (kind.__module__, inspect.getsourcelines(kind)[1])
    )
    modules = [module.__name__ for module in public if inspect.ismodule(module) and module is not errors]
    described = "\n".join(f"## {name}\n\n{_autodoc('automodule', [name])}\n" for name in sorted(modules, reverse=True))
    return f"""\
# Python API

The names of `nbinfer`, and what its calls return. The errors have [a page of their own](errors.md), and so have the
[parameters](parameters.md), which `text_generation`, `stream` and `run` all take as keywords.

## Clients and results

{_autodoc("autoclass", [f"nbinfer.{kind.__name__}" for kind in classes])}
{_autodoc("autodata", ["nbinfer.last"])}

## What the calls return

{_autodoc("autoclass", [f"{kind.__module__}.{kind.__name__}" for kind in RETURNED])}

{described}"""


def layers() -> str:
    """List the layers that import-linter holds, top first, with what each module is for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contract = next(c for c in project["tool"]["importlinter"]["contracts"] if c["type"] == "layers")
    rows = [
        (_code(name), _sentence(importlib.import_module(name)))
        for layer in contract["layers"]
        for name in map(str.strip, layer.split("|"))
    ]
    return _table(("Module", "What is in it"), rows)


def services() -> str:
    """List the services."""
    rows = [
        (_code(name), service.label, ", ".join(map(_code, service.tasks)), _code(_file(service)))
        for name, service in SERVICES.items()
    ]
    return _table(("Service", "Speaks to", "Tasks", "File"), rows)


def waiting() -> str:
    """List how long a call waits for what."""
    wait = flows.Timeout()
    rows = (
        ("for a connection", f"{wait.connect:g} s"),
        ("for the first byte of the answer", f"{wait.first_byte:g} s"),
        ("between two bytes of it", f"{wait.idle:g} s"),
        ("for the whole, with all tries and pauses", f"{wait.total:g} s"),
        ("before the next try, while a model is loading", f"{flows.LONGEST_LOADING_WAIT:g} s"),
        ("before the next try, because the service asks for it", f"{flows.LONGEST_WAIT:g} s; for more, the call fails"),
        ("for a dedicated endpoint that has to start", f"{errors.StartingError.patience:g} s"),
        ("how many further tries", str(table(Call)["retries"].default)),
    )
    return _table(("Wait", "At most"), rows)


def infills() -> str:
    """List the forms of prompts for code with a hole."""
    rows = [(_code(name), _code(form.prompt), ", ".join(map(_code, form.stop))) for name, form in INFILLS.items()]
    return _table(("`--form`", "Prompt", "Ends at"), rows)


def templates() -> str:
    """List the forms of chats."""
    rows = []
    for name, form in TEMPLATES.items():
        prompt = form([{"role": "system", "content": "S"}, {"role": "user", "content": "U"}])
        rows.append((_code(name), _code(prompt.replace("\n", "↵")), ", ".join(map(_code, form.stop))))
    return _table(("`--template`", "System text S, question U", "Ends at"), rows)


def tasks() -> str:
    """List the tasks."""
    rows = [
        (", ".join(map(_code, (task.name, *task.aliases))), _prose(task.description), _code(task.result.__name__))
        for task in TASKS.values()
    ]
    return _table(("Task", "What it does", "Result"), rows)


def models() -> str:
    """List the embedded models."""
    rows = [
        (_code(f"local/{name}"), _code(model.task), f"{model.size / 1e6:.1f} MB", _prose(model.description))
        for name, model in MODELS.items()
    ]
    return _table(("Name", "Task", "Size", ""), rows)


def embedded() -> str:
    """List the facts of the embedded text model, from its files."""
    config = json.loads((WEIGHTS / "config.json").read_text(encoding="utf-8"))
    size = sum(file.stat().st_size for file in WEIGHTS.iterdir())
    rows = (
        ("Form", f"Llama, {config['num_hidden_layers']} layers, {config['hidden_size']} wide"),
        ("Vocabulary", f"{config['vocab_size']:,} tokens"),
        ("Prompt and answer together", f"at most {config['max_position_embeddings']:,} tokens"),
        ("Size", f"{size / 1e6:.1f} MB"),
    )
    return _table(("`local/text`", ""), rows)


PAGES: Mapping[str, Callable[[], str]] = {
    "parameters.md": parameters,
    "flags.md": magics,
    "errors.md": failures,
    "differences.md": differences,
    "api.md": api,
    "snippets/layers.md": layers,
    "snippets/services.md": services,
    "snippets/infills.md": infills,
    "snippets/templates.md": templates,
    "snippets/waiting.md": waiting,
    "snippets/models.md": models,
    "snippets/embedded.md": embedded,
}


def _parameter_table(group: type) -> str:
    rows = [
        (
            f"`{row.name}`" + (f"<br>`{row.flag}`" if row.flag in flags() else ""),
            "<br>".join(filter(None, (_type(row), _allowed(row)))),
            _code(row.default),
            "<br>".join(f"{value:g}" for value in row.usual),
            _description(row),
        )
        for row in table(group).values()
    ]
    return _table(("Name and flag", "Value", "Default", "Usual", "What it does"), rows)


def _description(row: Param) -> str:
    parts = (
        _prose(row.description),
        f"Also: {', '.join(map(_code, row.aliases))}." if row.aliases else "",
        "Switches sampling on." if row.samples else "",
        "" if row.sent else "Not sent: nbinfer does it.",
    )
    return " ".join(filter(None, parts))


def _allowed(row: Param) -> str:
    bounds = row.bounds.removeprefix("must be ").replace(f"{SEEDS}", "2⁶⁴").replace("strictly positive", "> 0")
    if row.off is not None:
        bounds = bounds.replace(">", ">=", 1) if row.off == row.gt else f"{bounds}, or {row.off:g}"
    return _prose(bounds)


def _type(row: Param) -> str:
    return TYPES.get(row.type, "list of texts")


def _values(row: Param) -> str:
    if row.type is bool:
        return ""
    return ", ".join(map(_code, row.choices)) or ("text, may be repeated" if row.type == list[str] else _type(row))


def _flag_names(row: Param) -> str:
    return "<br>".join([*(f"`-{alias}`" for alias in row.aliases if len(alias) == 1), f"`{row.flag}`"])


def _meaning(error: Any) -> str:
    return "<br>".join(filter(None, (_sentence(error), _prose(error.hint) and f"*{_prose(error.hint)}*")))


def _children(error: Any) -> list[Any]:
    return [child for child in error.__subclasses__() if child.__module__ == errors.__name__]


def _descendants(error: type) -> Iterator[Any]:
    for child in _children(error):
        yield child
        yield from _descendants(child)


def _tree(error: type, lead: str = "", branch: str = "") -> Iterator[str]:
    others = [base.__name__ for base in error.__bases__ if not issubclass(base, InferError) and base is not Exception]
    yield f"{lead}{branch}{error.__name__}" + (f" ({', '.join(others)})" if others else "")
    below = lead + {"": "", "├─ ": "│  ", "└─ ": "   "}[branch]
    children = _children(error)
    for number, child in enumerate(children, start=1):
        yield from _tree(child, below, "└─ " if number == len(children) else "├─ ")


def _autodoc(directive: str, names: Iterable[str]) -> str:
    described = "\n".join(f".. {directive}:: {name}" for name in names)
    return f"```{{eval-rst}}\n{described}\n```"


def _file(thing: object) -> str:
    path = sys.modules[type(thing).__module__].__file__ or ""
    return Path(path).relative_to(Path(nbinfer.__file__).parent.parent).as_posix()


def _sentence(documented: Any) -> str:
    """Return the first paragraph of a docstring in one line."""
    return _prose((inspect.getdoc(documented) or "").split("\n\n", 1)[0])


def _prose(text: str) -> str:
    """Make a text of the code safe for a cell of a Markdown table; what stands in backticks stays code."""
    parts = " ".join(text.split()).replace("|", "\\|").split("`")
    plain = [part.replace("<", "&lt;").replace("*", "\\*") for part in parts]
    return "`".join(part if number % 2 else plain[number] for number, part in enumerate(parts))


def _code(value: object) -> str:
    if value is None or value == "":
        return ""
    text = str(value).replace("|", "\\|")
    return f"`{text}`"


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    titles = tuple(head)
    lines = (titles, ("---",) * len(titles), *rows)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
