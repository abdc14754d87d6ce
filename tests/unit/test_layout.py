import ast
import importlib
import inspect
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType, ModuleType

import pytest

import nbinfer
from nbinfer.params import table
from nbinfer.services import SERVICES, Call, Service
from nbinfer.services.base import Service as Base
from nbinfer.tasks import TASKS

HEAVY = ("IPython", "pandas", "httpx", "numpy", "huggingface_hub", "jinja2", "tokenizers", "safetensors", "PIL")
MODULES = [
    module.name for module in pkgutil.walk_packages(nbinfer.__path__, "nbinfer.") if "__main__" not in module.name
]
FOLDER = Path(nbinfer.__file__).parent


def python(code: str) -> list[str]:
    """Run code in a fresh interpreter and return the words it prints."""
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.split()


def loaded(code: str, names: tuple[str, ...]) -> list[str]:
    """Return which of some packages are loaded after the code has run in a fresh interpreter."""
    return python(f"{code}\nimport sys\nprint(*(name for name in {names} if name in sys.modules))")


def owned(thing: object, module: ModuleType) -> bool:
    """Say whether a class or function is written in this module."""
    return inspect.getmodule(thing) is module


def public(module: ModuleType) -> Iterator[tuple[str, object]]:
    """Yield the public classes, methods, properties and functions that are written in a module."""
    for name, thing in vars(module).items():
        if name.startswith("_") or not owned(thing, module):
            continue
        if isinstance(thing, FunctionType):
            yield name, thing
        elif isinstance(thing, type):
            yield name, thing
            for part, member in vars(thing).items():
                if not part.startswith("_") and isinstance(
                    member, FunctionType | property | staticmethod | classmethod
                ):
                    yield f"{name}.{part}", member


def test_importing_nbinfer_loads_nothing_heavy() -> None:
    """`import nbinfer` costs next to nothing: no notebook, tables, HTTP, arrays or hub."""
    assert loaded("import nbinfer", HEAVY) == []


@pytest.mark.parametrize("name", ["errors", "sse", "templates"])
def test_small_modules_stay_small(name: str) -> None:
    """What needs no server does not load what speaks to one."""
    assert loaded(f"from nbinfer import {name}", HEAVY) == []


def test_making_a_client_loads_no_http() -> None:
    """HTTP, hub and tables are loaded when a call needs them."""
    heavy = ("IPython", "pandas", "httpx", "huggingface_hub")
    assert loaded("import nbinfer; nbinfer.InferenceClient('http://127.0.0.1:1')", heavy) == []


SHELL = """
import sys
opened = []
watched = {"socket.connect", "socket.getaddrinfo", "socket.bind"}
sys.addaudithook(lambda event, args: opened.append(event) if event in watched else None)
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config
config = Config()
config.HistoryManager.enabled = False
shell = InteractiveShell.instance(config=config)
shell.run_cell("%load_ext nbinfer").raise_error()
"""


def test_loading_the_extension_touches_no_network() -> None:
    """`%load_ext nbinfer`, completion, help and a dry run ask nobody anything."""
    code = SHELL + (
        "for cell in ('%infer --help', '%infer?', '%infer --dry-run -m http://127.0.0.1:1 hello'):\n"
        "    shell.run_cell(cell).raise_error()\n"
        "shell.Completer.use_jedi = False\n"
        "from IPython.core.completer import provisionalcompleter\n"
        "with provisionalcompleter():\n"
        "    for line in ('%infer --temp', '%infer -m lo', '%%infer --api-key-env '):\n"
        "        print(*(found.text for found in shell.Completer.completions(line, len(line))))\n"
        "print('sockets:', *opened)"
    )
    words = python(code)
    assert {"--temperature", "local"} <= set(words)
    assert words[words.index("sockets:") :] == ["sockets:"]


def test_loading_the_extension_loads_nothing_heavy() -> None:
    """The extension is there at once: tables, HTTP and hub wait until they are needed."""
    assert loaded(SHELL, ("pandas", "httpx", "huggingface_hub", "tokenizers", "jinja2")) == []


def test_the_audit_sees_sockets() -> None:
    """The audit used above would notice a connection: one to a server that does not exist is seen."""
    code = SHELL + ("shell.run_cell('%infer -m http://127.0.0.1:9 --retries 0 hello')\nprint('sockets:', *opened)")
    words = python(code)
    assert "socket.connect" in words[words.index("sockets:") :]


def test_public_names_are_sorted_and_there() -> None:
    """`__all__` is in order, every name in it can be imported, and `dir` shows it."""
    assert nbinfer.__all__ == sorted(nbinfer.__all__)
    for name in nbinfer.__all__:
        getattr(nbinfer, name)
    assert set(nbinfer.__all__) <= set(dir(nbinfer))
    assert set(nbinfer._HOMES) | {"last"} == set(nbinfer.__all__)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    """`hasattr` works, and a misspelt name is named."""
    assert not hasattr(nbinfer, "InferenceCleint")
    with pytest.raises(AttributeError, match="'nbinfer' has no attribute 'InferenceCleint'"):
        nbinfer.InferenceCleint  # noqa: B018


@pytest.mark.parametrize("name", MODULES)
def test_everything_public_says_what_it_is(name: str) -> None:
    """Every module and public class, function, method and property has a docstring; `__all__` names what exists."""
    module = importlib.import_module(name)
    assert module.__doc__
    assert [where for where, thing in public(module) if not inspect.getdoc(thing)] == []
    for word in getattr(module, "__all__", ()):
        assert hasattr(module, word)


NEEDED = {"candidate_labels": ["a"], "context": "Because.", "table": {"a": ["b"]}}
"""Options that a task cannot do without."""


def test_every_service_is_in_the_table() -> None:
    """Each file or folder of `services/` holds a service of the table, under its name, with a label and tasks."""
    files = {path.stem for path in (FOLDER / "services").glob("[a-z]*")} - {"base"}
    assert files == set(SERVICES)
    for name, service in SERVICES.items():
        assert isinstance(service, Service)
        assert service.name == name
        assert service.label
        assert service.tasks
    assert {type(service) for service in SERVICES.values()} == set(Base.__subclasses__())


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_previews_every_task(name: str) -> None:
    """A call can be shown before it is made, in data that JSON can hold, with the prompt and the parameters."""
    import json

    model = {"local": "local/text"}.get(name, "http://127.0.0.1:1")
    for task in SERVICES[name].tasks:
        given = {"query": "Who?"} if task == "rerank" else {"seed": 5} if task in {"text-generation", "chat"} else {}
        given |= {name: value for name, value in NEEDED.items() if name in table(TASKS[task].parameters)}
        asked = {"inputs": "Why?", "texts": ("Why?",), "messages": ({"role": "user", "content": "Why?"},)}
        if TASKS[task].file:
            shown = SERVICES[name].preview(Call(task=task, model=model, parameters=given, file=b"Why?"))
            assert shown["content"] == "4 bytes"
            continue
        shown = json.dumps(SERVICES[name].preview(Call(task=task, model=model, parameters=given, **asked)))
        assert "Why?" in shown
        assert all(f'"{option}": {json.dumps(value)}' in shown for option, value in given.items())


def test_no_other_module_of_ours_talks_to_ipython() -> None:
    """Only `notebook/`, and the command line's demo, import IPython anywhere."""
    for path in FOLDER.rglob("*.py"):
        relative = path.relative_to(FOLDER)
        if relative.parts[0] in {"notebook", "cli.py"}:
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if relative.name == "__init__.py" and len(relative.parts) == 1:
                names = [name for name in names if not name.startswith("IPython.core.interactiveshell")]
            assert not any(name.split(".")[0] in {"IPython", "ipywidgets"} for name in names), relative
