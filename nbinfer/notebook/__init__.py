"""The magics: what `%load_ext nbinfer` adds to a shell, and `%unload_ext nbinfer` takes away."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbinfer.local import release
from nbinfer.notebook.completion import complete
from nbinfer.notebook.magics import InferMagics

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


def load(shell: InteractiveShell) -> None:
    """Register the magics and the completion of their flags; loading twice changes nothing."""
    unload(shell)
    shell.register_magics(InferMagics)
    if shell.Completer is not None:
        shell.Completer.custom_matchers.append(complete)


def unload(shell: InteractiveShell) -> None:
    """Take back everything that `load` did, and the memory of the models that ran here."""
    release()
    manager = shell.magics_manager
    magics = manager.registry.pop(InferMagics.__name__, None)
    for kind, functions in InferMagics.magics.items():
        for name in functions if magics is not None else ():
            manager.magics[kind].pop(name, None)
    if magics in shell.configurables:
        shell.configurables.remove(magics)
    if shell.Completer is not None and complete in shell.Completer.custom_matchers:
        shell.Completer.custom_matchers.remove(complete)
