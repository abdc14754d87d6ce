"""Run code examples, and tell what kinds of values they give: the program that test_examples.py starts.

Reads a list of examples, `{"name", "group", "statements"}`, as JSON; examples of one group share their names, as those
of one docstring do. Writes `{name: [what each statement gave, "error"]}`. Before each example it asks the server in
`argv[1]` for the path `/begin/<name>`, so that the requests of the example can be told.
"""

import ast
import asyncio
import base64
import dataclasses
import inspect
import json
import sys
from collections import defaultdict
from typing import Any
from urllib.parse import quote
from urllib.request import ProxyHandler, build_opener

from huggingface_hub import ChatCompletionStreamOutput, TextGenerationStreamOutput

STEPS = {"ChatChunk": ChatCompletionStreamOutput, "Event": TextGenerationStreamOutput}
"""nbinfer's steps of a stream, and hub's that they stand for."""


def kind(value: Any) -> Any:
    """Return the type of a value, and of all that is in it."""
    own = type(value)
    step = STEPS.get(own.__name__, own)
    if step in STEPS.values():
        return {step.__name__: [field.name for field in dataclasses.fields(step) if hasattr(value, field.name)]}
    if dataclasses.is_dataclass(value):
        return {own.__name__: {field.name: kind(getattr(value, field.name)) for field in dataclasses.fields(value)}}
    if isinstance(value, list | tuple):
        return [own.__name__, *map(kind, value)]
    if own.__name__ == "ndarray":
        return f"ndarray of {value.dtype}"
    return own.__name__


def ran(source: str, names: dict[str, Any], runner: asyncio.Runner) -> Any:
    """Run a statement, awaited if it awaits, and return its value if it is an expression."""
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    is_expression = isinstance(compile(source, "example", "exec", flags | ast.PyCF_ONLY_AST).body[-1], ast.Expr)
    code = compile(source, "example", "eval" if is_expression else "exec", flags)

    async def awaited() -> Any:
        return await eval(code, names)

    return runner.run(awaited()) if code.co_flags & inspect.CO_COROUTINE else eval(code, names)


def main() -> None:
    """Run the examples that come in, and tell."""
    said: list[Any] = []
    # What the examples take for granted, and `print`, of which the kinds are told rather than the texts.
    given = {"base64": base64, "json": json, "print": lambda *values: said.append(list(map(kind, values)))}
    groups: dict[str, dict[str, Any]] = defaultdict(given.copy)
    found = {}
    opener = build_opener(ProxyHandler({}))
    with asyncio.Runner() as runner:
        for example in json.load(sys.stdin):
            opener.open(f"{sys.argv[1]}/begin/{quote(example['name'])}").close()
            said = found[example["name"]] = []
            for source in example["statements"]:
                try:
                    said.append(kind(ran(source, groups[example["group"]], runner)))
                except Exception as error:  # noqa: BLE001 - whatever it is, it is told
                    said.append(f"error: {type(error).__name__}: {error}")
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
