"""The services, one line each, and which of them a model's name belongs to."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from nbinfer.errors import ModelNotFoundError, ParameterError, nearest
from nbinfer.local import models
from nbinfer.services.base import Call, Service
from nbinfer.services.hugging_face import HuggingFace, home
from nbinfer.services.local import Local

SERVICES: dict[str, Service] = {service.name: service for service in (HuggingFace(), Local())}

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")


def known_models() -> tuple[str, ...]:
    """Return the models that are at hand without a network."""
    return ("local", *(f"local/{name}" for name in models()))


def locate(model: str, *, bare_ids: bool = True) -> tuple[Service, str]:
    """Return the service that answers for a model's name, and the name it uses there.

    A URL and a hub id (`org/name`, with `bare_ids` also `name`) belong to Hugging Face, `local` and `local/<name>`
    to the embedded models. Raises ModelNotFoundError that names the nearest known ones.
    """
    if model.startswith(("http://", "https://")):
        return SERVICES["hugging_face"], _address(model)
    first, _, name = model.partition("/")
    if first == "local":
        name = name or models()[0]
        if name in models():
            return SERVICES["local"], f"local/{name}"
    elif _HUB_ID.fullmatch(model) and ("/" in model or bare_ids):
        return SERVICES["hugging_face"], model
    hint = f"{nearest(model, known_models())} Or give a hub id such as org/name, or a URL."
    raise ModelNotFoundError(f"no model is called `{model}`", hint=hint)


def _address(url: str) -> str:
    """Return a URL that names a host, and a port if any that is one."""
    try:
        parts = urlsplit(url)
        if parts.hostname and parts.port != 0:
            return url
        reason = "it names no host"
    except ValueError as error:
        reason = str(error)
    # Not repeated: what is wrong may be in the part that holds a key.
    raise ParameterError(f"the model is a URL that leads nowhere: {reason}", hint="Write it as http://host:port/path")


__all__ = ["SERVICES", "Call", "Service", "home", "known_models", "locate"]
