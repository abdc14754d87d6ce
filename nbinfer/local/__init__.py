"""The models that ship in the wheel, and ONNX models of the hub. Nothing is imported until one is loaded."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbinfer.errors import ModelNotFoundError, UnsupportedTaskError, nearest

WEIGHTS = Path(__file__).parent / "weights"


@dataclass(frozen=True, kw_only=True)
class Embedded:
    """A model in the wheel: its task, what it is, and the folder of its weights."""

    task: str
    description: str
    folder: str
    licence: str = "apache-2.0"

    @property
    def path(self) -> Path:
        """Return the folder."""
        return WEIGHTS / self.folder

    @property
    def size(self) -> int:
        """Return the bytes of its files, the card left out."""
        return sum(file.stat().st_size for file in self.path.iterdir() if file.suffix != ".md")


MODELS: Mapping[str, Embedded] = {
    "text": Embedded(task="text-generation", description="Stories, chat about Python, small functions", folder="text"),
    "embed": Embedded(task="text-embedding", description="Vectors, distilled from all-MiniLM-L6-v2", folder="embed"),
    "sparse": Embedded(task="sparse-embedding", description="Weighted terms, with related ones", folder="embed"),
    "rerank": Embedded(task="rerank", description="Late interaction of token vectors", folder="embed"),
}
"""Name → embedded model; the first of a task is what `local` means for it."""

_loaded: dict[tuple[str, str], Any] = {}
_loading = threading.Lock()


def usual(task: str) -> str | None:
    """Return the name of the embedded model for a task, None if there is none."""
    return next((name for name, model in MODELS.items() if model.task == done_by(task)), None)


DONE_BY: Mapping[str, str] = {"chat": "text-generation", "sentence-similarity": "text-embedding"}
"""Task → the task of the models that can do it too."""


def done_by(task: str) -> str:
    """Return the task that a model must be made for to do this one: who writes texts can answer a chat."""
    return DONE_BY.get(task, task)


def load(name: str, task: str) -> Any:
    """Return a model that does a task, read when it is first asked for: an embedded one, a hub id, or a folder.

    A text model generates, an embedder embeds, a sparse encoder weighs, a ranker scores. Raises UnsupportedTaskError
    for a model that does something else, and what `nbinfer.local.hub.load` raises.
    """
    model, task = MODELS.get(name), done_by(task)
    if model is not None and model.task != task:
        hint = f"`-m local` chooses local/{usual(task)} for it." if usual(task) else ""
        raise UnsupportedTaskError(f"local/{name} is for {model.task}; it does not offer `{task}`", hint=hint)
    if model is None and "/" not in name and not Path(name).is_dir():
        raise ModelNotFoundError(f"no embedded model is called `{name}`", hint=nearest(name, MODELS))
    with _loading:
        if (name, task) not in _loaded:
            _loaded[name, task] = _read(name, task) if model is None else _read_embedded(name, model)
        return _loaded[name, task]


def release() -> None:
    """Forget all loaded models, so that their memory is free when no call uses them any more."""
    with _loading:
        for model in _loaded.values():
            if hasattr(model, "close"):
                model.close()
        _loaded.clear()


def _read(name: str, task: str) -> Any:
    from nbinfer.local import hub

    return hub.load(name, task=task)


def _read_embedded(name: str, model: Embedded) -> Any:
    own = f"local/{name}"
    if model.task == "text-generation":
        from nbinfer.local.text import TextModel

        return TextModel(model.path, name=own)
    from nbinfer.local import encoders

    kinds = {
        "text-embedding": encoders.Embedder,
        "sparse-embedding": encoders.SparseEncoder,
        "rerank": encoders.Reranker,
    }
    return kinds[model.task](model.path, name=own)


__all__ = ["MODELS", "load", "release", "usual"]
