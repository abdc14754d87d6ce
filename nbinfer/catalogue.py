"""Which models can be used without a network: those in the package, and those of the hub's cache."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from nbinfer.known import KNOWN
from nbinfer.local import MODELS

if TYPE_CHECKING:
    import pandas as pd

MEGABYTE = 10**6


def models() -> pd.DataFrame:
    """Return a row for each model that runs here: its name after `-m`, task, size in MB, licence, and where it lies.

    Nothing is loaded or fetched. Models of the hub's cache are those in ONNX form.
    """
    import pandas as pd

    from nbinfer.local import hub

    rows = [
        (f"local/{name}", model.task, model.size / MEGABYTE, model.licence, "package", model.description)
        for name, model in MODELS.items()
    ]
    rows += [
        (f"local/{model.name}", model.task, model.size / MEGABYTE, model.licence, "hub cache", "")
        for model in hub.cached()
    ]
    frame = pd.DataFrame(rows, columns=["model", "task", "MB", "licence", "where", "about"])
    return frame.round({"MB": 1}).set_index("model")


def known() -> pd.DataFrame:
    """Return a row for each model that people name: task, context in tokens, template, infill markers, stop text."""
    import pandas as pd

    frame = pd.DataFrame(map(dataclasses.asdict, KNOWN)).rename(columns={"id": "model"}).set_index("model")
    return frame.astype({"context": "Int64"})


def fetch(name: str) -> str:
    """Fetch a model from the hub ahead of its first use, with a progress bar; return its name after `-m`.

    Raises ModelNotFoundError for a repository without an ONNX model, ConnectionFailedError without a network.
    """
    from nbinfer.local import hub

    name = name.removeprefix("local/")
    if name not in MODELS:
        hub.find(name)
    return f"local/{name}"
