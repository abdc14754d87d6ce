"""The services, one line each, and which of them a model's name belongs to."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

from nbinfer.errors import ModelNotFoundError, ParameterError, nearest
from nbinfer.local import MODELS, usual
from nbinfer.services.base import Call, Service
from nbinfer.services.hugging_face import HuggingFace, home
from nbinfer.services.local import Local

SERVICES: dict[str, Service] = {service.name: service for service in (HuggingFace(), Local())}

_HUB_ID_WITH_OWNER = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_VARIANT = re.compile(r":\w+$")
_HUB_ID = re.compile(rf"[A-Za-z0-9][\w.-]*|{_HUB_ID_WITH_OWNER.pattern}")


def known_models() -> tuple[str, ...]:
    """Return the models that are at hand without a network."""
    return ("local", *(f"local/{name}" for name in MODELS))


def locate(model: str, *, task: str = "text-generation", bare_ids: bool = True) -> tuple[Service, str]:
    """Return the service that answers for a model's name, and the name it uses there.

    A URL and a hub id (`org/name`, with `bare_ids` also `name`) belong to Hugging Face. `local` is the embedded model
    for the task, `local/<name>` one of them by name, `local/<hub id>` and `local/<folder>` an ONNX model that runs
    here, `:q4` and the like behind them one of its graphs. Raises ModelNotFoundError that names the nearest known ones.
    """
    if model.startswith(("http://", "https://")):
        return SERVICES["hugging_face"], _address(model)
    first, _, name = model.partition("/")
    if first == "local":
        name = name or usual(task) or ""
        place = _VARIANT.sub("", name)
        if name in MODELS or _HUB_ID_WITH_OWNER.fullmatch(place) or Path(place).expanduser().is_dir():
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
