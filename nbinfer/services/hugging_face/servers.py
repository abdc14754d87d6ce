"""What a server given by its address says of itself: `/info` of TGI and TEI, `/v1/models` of all others."""

from __future__ import annotations

from collections.abc import Generator, Mapping, MutableMapping
from dataclasses import fields, replace
from typing import Any
from urllib.parse import urlsplit

import msgspec

from nbinfer.flows import Ask, Read, Request
from nbinfer.params import Limits

NAMELESS = "tgi"
"""What the body calls the model of a server that has only one; TGI takes other names for adapters."""

Known = Mapping[str, Any]


def root(url: str) -> str:
    """Return where a server begins: its address without the route."""
    parts = urlsplit(url)
    head, version, _ = parts.path.partition("/v1")
    path = head if version else head.rstrip("/").removesuffix("/generate_stream").removesuffix("/generate")
    return parts._replace(path=path.rstrip("/"), query="", fragment="").geturl()


def learnt(servers: MutableMapping[str, Known], request: Request) -> Generator[Ask, Any, Known]:
    """Ask the server that a request is meant for what it is, and remember it in `servers`.

    TGI and TEI tell their limits at `/info`; of others `models` are the names that `/v1/models` lists.
    """
    place = root(request.url)
    if place not in servers:
        known = yield from _got(request, f"{place}/info")
        if "model_id" not in known:
            listed = (yield from _got(request, f"{place}/v1/models")).get("data")
            known = {"models": _names(listed)} if isinstance(listed, list) else {}
        servers[place] = known
    return servers[place]


def named(known: Known, given: str) -> dict[str, str]:
    """Return the field that names the model: by the name given, else by the first of those that the server lists.

    A server that lists none has one model, which needs no name.
    """
    name = given or next(iter(known.get("models", [NAMELESS])), "")
    return {"model": name} if name else {}


def _names(listed: list[Any]) -> list[str]:
    names = [row.get("id") for row in listed if isinstance(row, dict)]
    return [name for name in names if isinstance(name, str)]


def _got(request: Request, url: str) -> Generator[Ask, Any, Known]:
    response = yield replace(request, url=url, json=None, method="GET")
    body: bytes = yield Read()
    return read_object(body) if response.status == 200 else {}


def limits(known: Known) -> Limits:
    """Return what a server says that it allows; TGI before 3 has another name for one of them."""
    told = {**known, "max_input_tokens": known.get("max_input_tokens", known.get("max_input_length"))}
    return Limits(**{field.name: told[field.name] for field in fields(Limits) if isinstance(told.get(field.name), int)})


def is_tgi(known: Known) -> bool:
    """Say whether this is text-generation-inference."""
    return "model_id" in known and ("max_total_tokens" in known or "max_best_of" in known)


def is_tei(known: Known) -> bool:
    """Say whether this is text-embeddings-inference."""
    return "model_id" in known and "model_type" in known


def read_object(body: bytes) -> Known:
    """Return a JSON object, empty where the bytes are none."""
    try:
        return dict(msgspec.json.decode(body, type=dict[str, Any]))
    except msgspec.DecodeError:
        return {}
