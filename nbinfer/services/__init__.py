"""The services, one line each, and which of them a model's name belongs to."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from nbinfer.errors import ModelNotFoundError, ParameterError, nearest
from nbinfer.local import MODELS, usual
from nbinfer.services.base import Call, Service
from nbinfer.services.hugging_face import HuggingFace
from nbinfer.services.hugging_face.routes import HUB_ID, home, is_url
from nbinfer.services.local import Local
from nbinfer.tasks import TASKS

SERVICES: dict[str, Service] = {service.name: service for service in (HuggingFace(), Local())}

_HUB_ID_WITH_OWNER = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_VARIANT = re.compile(r":\w+$")


def known_models() -> tuple[str, ...]:
    """Return the models that are at hand without a network."""
    return ("local", *(f"local/{name}" for name in MODELS))


def locate(model: str, *, task: str = "text-generation", bare_ids: bool = True) -> tuple[Service, str]:
    """Return the service that answers for a model's name, and the name it uses there.

    A URL and a hub id (`org/name`, `org/name:provider`, with `bare_ids` also `name`) belong to Hugging Face. `local` is
    the embedded model for the task, `local/<name>` one of them by name, `local/<hub id>` and `local/<folder>` an ONNX
    model that runs here, `:q4` and the like behind them one of its graphs. What `model_map` names goes elsewhere.
    Raises ModelNotFoundError that names the nearest known ones.
    """
    model = mapped(model)
    if is_url(model):
        return SERVICES["hugging_face"], _address(model)
    first, _, name = model.partition("/")
    if first == "local":
        name = name or usual(task) or ""
        if not name:
            raise ParameterError(f"`{task}` needs a model: none in the package does it", hint=_examples(task))
        place = _VARIANT.sub("", name)
        if name in MODELS or _HUB_ID_WITH_OWNER.fullmatch(place) or Path(place).expanduser().is_dir():
            return SERVICES["local"], f"local/{name}"
    elif HUB_ID.fullmatch(model) and ("/" in model or bare_ids):
        return SERVICES["hugging_face"], model
    hint = f"{nearest(model, known_models())} Or give a hub id such as org/name, or a URL."
    raise ModelNotFoundError(f"no model is called `{model}`", hint=hint)


def _examples(task: str) -> str:
    """Return a hint that names a model for a task."""
    example = TASKS[task].example if task in TASKS else ""
    known = f"For example `{example}`." if example else "For example model='org/name'."
    return f"{known} huggingface.co/models?pipeline_tag={task} lists others."


def mapped(model: str) -> str:
    """Return the model that `model_map` sends this one to: the first pattern that fits; else the model itself."""
    return next((other for pattern, other in model_map().items() if fnmatchcase(model, pattern)), model)


def model_map() -> Mapping[str, str]:
    """Return the patterns of models that go elsewhere: `NBINFER_MODEL_MAP`, `{"meta-llama/*": "local"}`; else none."""
    text = os.environ.get("NBINFER_MODEL_MAP", "")
    try:
        return msgspec.json.decode(text, type=dict[str, str]) if text.strip() else {}
    except msgspec.DecodeError as error:
        hint = 'Write it as {"meta-llama/*": "local"}.'
        raise ParameterError(f"NBINFER_MODEL_MAP is no JSON object of names: {error}", hint=hint) from None


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


__all__ = ["SERVICES", "Call", "Service", "home", "is_url", "known_models", "locate"]
