"""nbinfer: ask a model in a notebook, see the answer arrive, keep it as data.

`%load_ext nbinfer`, then `%%infer` and a prompt. In Python: `nbinfer.InferenceClient`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from nbinfer import errors, sse, templates
    from nbinfer.catalogue import models
    from nbinfer.chats import ChatResult
    from nbinfer.client import AsyncInferenceClient, InferenceClient
    from nbinfer.conversation import Conversation, conversations
    from nbinfer.flows import Timeout
    from nbinfer.keys import doctor, login, notebook_login
    from nbinfer.records import AudioResult, ImageResult, RecordsResult
    from nbinfer.results import Result, TextResult
    from nbinfer.runs.sweep import Sweep, sweep
    from nbinfer.vectors import EmbeddingResult, RankResult, SimilarityResult, SparseResult

__version__ = "0.1.0"

_HOMES = {
    "AsyncInferenceClient": "nbinfer.client",
    "AudioResult": "nbinfer.records",
    "ChatResult": "nbinfer.chats",
    "Conversation": "nbinfer.conversation",
    "EmbeddingResult": "nbinfer.vectors",
    "ImageResult": "nbinfer.records",
    "InferenceClient": "nbinfer.client",
    "RankResult": "nbinfer.vectors",
    "RecordsResult": "nbinfer.records",
    "SimilarityResult": "nbinfer.vectors",
    "SparseResult": "nbinfer.vectors",
    "Sweep": "nbinfer.runs.sweep",
    "TextResult": "nbinfer.results",
    "Timeout": "nbinfer.flows",
    "conversations": "nbinfer.conversation",
    "doctor": "nbinfer.keys",
    "errors": "nbinfer",
    "login": "nbinfer.keys",
    "models": "nbinfer.catalogue",
    "notebook_login": "nbinfer.keys",
    "sse": "nbinfer",
    "sweep": "nbinfer.runs.sweep",
    "templates": "nbinfer",
}
"""Public name → the module it is imported from when first used: loading the extension must cost nothing."""

last: Result | None = None
"""The result of the last magic."""


if not TYPE_CHECKING:  # A type checker sees the names above, and finds misspelt ones.

    def __getattr__(name: str) -> Any:
        """Import a public name when it is first used."""
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        home = _HOMES[name]
        value = (
            importlib.import_module(f"{home}.{name}")
            if home == __name__
            else getattr(importlib.import_module(home), name)
        )
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    """Name the public names too that have not been used yet."""
    return sorted({*globals(), *_HOMES})


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Give a notebook `%%infer` and `%infer`; called by `%load_ext nbinfer`."""
    from nbinfer.notebook import load

    load(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Take everything back; called by `%unload_ext nbinfer`."""
    from nbinfer.notebook import unload

    unload(shell)


__all__ = [
    "AsyncInferenceClient",
    "AudioResult",
    "ChatResult",
    "Conversation",
    "EmbeddingResult",
    "ImageResult",
    "InferenceClient",
    "RankResult",
    "RecordsResult",
    "SimilarityResult",
    "SparseResult",
    "Sweep",
    "TextResult",
    "Timeout",
    "conversations",
    "doctor",
    "errors",
    "last",
    "login",
    "models",
    "notebook_login",
    "sse",
    "sweep",
    "templates",
]
