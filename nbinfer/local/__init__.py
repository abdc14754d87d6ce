"""The models that ship in the wheel. Nothing heavy is imported until one is loaded."""

from __future__ import annotations

import functools
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from nbinfer.errors import ModelNotFoundError, nearest

if TYPE_CHECKING:
    from nbinfer.local.text import TextModel

_LOADING = threading.Lock()


def models() -> tuple[str, ...]:
    """Return the names of the embedded models."""
    return ("text",)


def load(name: str = "text") -> TextModel:
    """Return an embedded model, read from disk when it is first asked for."""
    if name not in models():
        raise ModelNotFoundError(f"no embedded model is called `{name}`", hint=nearest(name, models()))
    with _LOADING:
        return _loaded(name)


@functools.cache
def _loaded(name: str) -> TextModel:
    from nbinfer.local.text import TextModel

    return TextModel(Path(__file__).parent / "weights" / name, name=f"local/{name}")


__all__ = ["load", "models"]
