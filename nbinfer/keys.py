"""Logging in to Hugging Face, and what is in order: keys are looked up, stored and refreshed by huggingface_hub."""

from __future__ import annotations

import importlib.util
import os
import platform
import time
from importlib.metadata import version
from typing import TYPE_CHECKING

from nbinfer.client import InferenceClient
from nbinfer.drivers import reached
from nbinfer.services.hugging_face.routes import base

if TYPE_CHECKING:
    import pandas as pd

ENVIRONMENT = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
EXTRAS = {"onnx": "onnxruntime", "lab": "jupyterlab", "serve": "starlette", "elasticsearch": "elasticsearch"}
"""Extra → the package that it brings."""


def login(token: str | None = None) -> None:
    """Store a Hugging Face token, which is checked first; without one a page opens where a code is typed.

    huggingface_hub does it: its other tools find the same token. Raises ValueError for a token that is refused.
    """
    import huggingface_hub

    huggingface_hub.login(token=token, skip_if_logged_in=False)


def notebook_login() -> None:
    """Log in to Hugging Face from a notebook, in a box that does not show what is typed."""
    import huggingface_hub

    huggingface_hub.notebook_login(skip_if_logged_in=False)


def doctor(*, timeout: float = 5.0) -> pd.DataFrame:
    """Return what is in order, a row for each thing: what was looked at, whether it is fine, and what was found.

    Keys are shown masked. Two addresses of Hugging Face are tried, `timeout` seconds each.
    """
    import pandas as pd

    rows = [
        ("nbinfer", True, f"{version('nbinfer')}, Python {platform.python_version()} on {platform.system()}"),
        ("embedded model", *_embedded()),
        ("Hugging Face token", *_token()),
        ("Hugging Face's models", *_reach(base(), timeout)),
        ("Hugging Face's hub", *_reach(os.environ.get("HF_ENDPOINT", "https://huggingface.co"), timeout)),
        *((f"extra {name}", *_extra(name, package)) for name, package in EXTRAS.items()),
    ]
    return pd.DataFrame(rows, columns=["what", "fine", "found"]).set_index("what")


def masked(key: str) -> str:
    """Return a key as it can be shown: whose it is, and its end, by which its owner knows it."""
    kind, line, _ = key.partition("_")
    return f"{kind + line if line and len(kind) < 4 else ''}…{key[-4:] if len(key) >= 12 else ''}"


def _embedded() -> tuple[bool, str]:
    start = time.perf_counter()
    client = InferenceClient("local")
    answer = client.run("text-generation", "Once upon a time", max_new_tokens=8)
    return bool(answer.text), f"{answer.model} wrote {answer.amount} in {time.perf_counter() - start:.1f} s"


def _token() -> tuple[bool, str]:
    import huggingface_hub
    from huggingface_hub import constants

    token = huggingface_hub.get_token()
    if not token:
        return False, "none: nbinfer.login(), `nbinfer login`, or HF_TOKEN; -m local needs none"
    named = next((name for name in ENVIRONMENT if os.environ.get(name, "").strip()), None)
    return True, f"{masked(token)} from {named or constants.HF_TOKEN_PATH}"


def _reach(url: str, timeout: float) -> tuple[bool, str]:
    problem = reached(url, timeout)
    return not problem, problem or f"{url} answers"


def _extra(name: str, package: str) -> tuple[bool, str]:
    there = importlib.util.find_spec(package) is not None
    return there, f"{package} is installed" if there else f"not installed: pip install 'nbinfer[{name}]'"
