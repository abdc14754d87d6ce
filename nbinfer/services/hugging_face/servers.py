"""What a server given by its address says of itself: `/info` of TGI and TEI, `/v1/models` of all others."""

from __future__ import annotations

from collections.abc import Generator, Mapping, MutableMapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import msgspec

from nbinfer.flows import Ask, Read, Request

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
            names = [row.get("id") for row in listed if isinstance(row, dict)] if isinstance(listed, list) else []
            known = {"models": [name for name in names if isinstance(name, str)]}
        servers[place] = known
    return servers[place]


def _got(request: Request, url: str) -> Generator[Ask, Any, Known]:
    response = yield replace(request, url=url, json=None, method="GET")
    body: bytes = yield Read()
    return _object(body) if response.status == 200 else {}


def is_tgi(known: Known) -> bool:
    """Say whether this is text-generation-inference."""
    return "model_id" in known and ("max_total_tokens" in known or "max_best_of" in known)


def is_tei(known: Known) -> bool:
    """Say whether this is text-embeddings-inference."""
    return "model_id" in known and "model_type" in known


def _object(body: bytes) -> Known:
    try:
        return dict(msgspec.json.decode(body, type=dict[str, Any]))
    except msgspec.DecodeError:
        return {}
