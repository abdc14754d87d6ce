"""Where the packages lie that tests run in environments of their own, which `make peers` makes."""

import sys
from pathlib import Path


def peer(name: str) -> Path:
    """Return the programs of the environment of a package."""
    return Path(sys.prefix) / "peers" / name / "bin"
