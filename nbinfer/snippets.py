"""A request as code that can be pasted elsewhere: curl, Python, JavaScript. Keys become names of variables."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec

from nbinfer.errors import ParameterError, nearest, redact

if TYPE_CHECKING:
    from nbinfer.flows import Request

HUGGING_FACE = "HF_TOKEN"
CONTENT = {"content-type": "application/json"}


def curl(request: Request, variable: str) -> str:
    """Return a command for a shell; a stream shows its events as they come."""
    streams = isinstance(request.json, dict) and request.json.get("stream") is True
    head = f"curl{' -N' if streams else ''} {shlex.quote(request.url)}"
    lines = [f"-H {_quoted(f'{name}: {value}', variable)}" for name, value in _headers(request, variable).items()]
    if request.json is not None:
        lines.append(f"-d {shlex.quote(_json(request.json))}")
    return " \\\n    ".join([head, f"-X {request.method}", *lines])


def python(request: Request, variable: str) -> str:
    """Return the request for httpx."""
    headers = _headers(request, variable)
    shown = "".join(f"        {name!r}: {_python(value, variable)},\n" for name, value in headers.items())
    body = "" if request.json is None else f"    json={_literal(request.json)},\n"
    imports = "import os\n\nimport httpx\n\n" if f"${variable}" in str(headers) else "import httpx\n\n"
    return (
        f"{imports}response = httpx.request(\n    {request.method!r},\n    {request.url!r},\n"
        f"    headers={{\n{shown}    }},\n{body}    timeout=120,\n)\nprint(response.text)"
    )


def javascript(request: Request, variable: str) -> str:
    """Return the request for `fetch`, in Node or a browser."""
    headers = _headers(request, variable)
    shown = "".join(f"    {_json(name)}: {_template(value, variable)},\n" for name, value in headers.items())
    body = "" if request.json is None else f"  body: JSON.stringify({_json(request.json)}),\n"
    return (
        f"const response = await fetch({_json(request.url)}, {{\n  method: {_json(request.method)},\n"
        f"  headers: {{\n{shown}  }},\n{body}}});\nconsole.log(await response.text());"
    )


LANGUAGES: Mapping[str, Callable[[Request, str], str]] = {"curl": curl, "python": python, "javascript": javascript}
"""What a request can be written as."""


def written(request: Request, language: str, *, variable: str = "") -> str:
    """Return a request as code; `variable` is the environment variable that the code reads the key from."""
    if language not in LANGUAGES:
        raise ParameterError(f"a request cannot be written as {language}", hint=nearest(language, LANGUAGES))
    # A key may travel in the address too; there is no variable for it, but a gap to fill.
    shown = replace(request, url=redact(request.url, request.secrets))
    return LANGUAGES[language](shown, variable or _usual(request))


def _usual(request: Request) -> str:
    return (
        HUGGING_FACE
        if re.match(r"https://([\w-]+\.)*(huggingface\.co|hf\.co|huggingface\.cloud)/", request.url)
        else "API_KEY"
    )


def _headers(request: Request, variable: str) -> dict[str, str]:
    """Return the headers with the key's variable in the place of the key."""
    from nbinfer.flows import SECRET_HEADERS

    headers = CONTENT | {name.lower(): value for name, value in request.headers.items()}
    if variable == HUGGING_FACE:
        # Whoever pastes it elsewhere has a token there, also where this process found none.
        headers.setdefault("authorization", "Bearer ")
    return {
        name: (f"Bearer ${variable}" if value.startswith("Bearer ") else f"${variable}")
        if name in SECRET_HEADERS
        else value
        for name, value in headers.items()
    }


def _quoted(text: str, variable: str) -> str:
    """Quote a word for a shell, in double quotes where the variable is to be filled in."""
    return f'"{text}"' if f"${variable}" in text else shlex.quote(text)


def _python(text: str, variable: str) -> str:
    before, dollar, _ = text.partition(f"${variable}")
    value = f"os.environ[{variable!r}]"
    return (f'f"{before}{{{value}}}"' if before else value) if dollar else repr(text)


def _template(text: str, variable: str) -> str:
    before, dollar, _ = text.partition(f"${variable}")
    return f"`{before}${{process.env.{variable}}}`" if dollar else _json(text)


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _literal(value: Any) -> str:
    """Return JSON's value as Python writes it."""
    return repr(msgspec.json.decode(msgspec.json.encode(value)))
