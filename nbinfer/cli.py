"""The `nbinfer` command: see it work, and open it in JupyterLab."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

import click

from nbinfer import __version__
from nbinfer.errors import InferError, MissingExtraError

QUICKSTART = Path("notebooks/quickstart.ipynb")

DEMO = (
    "%load_ext nbinfer",
    "%%infer -o story --seed 7\nOnce upon a time, there was a little fox who",
    "story.to_frame().T",
    "story.tokens.head()",
)
"""What the demo types into IPython."""

AFTER_DEMO = """
That was a real %%infer cell, on this machine: no key, no network. Next:
  make lab                                    the quickstart notebook in JupyterLab
  %%infer -m http://localhost:8080            the same cell on a text-generation-inference server
  %%infer -m HuggingFaceTB/SmolLM3-3B         or on Hugging Face, after `hf auth login`"""


@click.group()
@click.version_option(__version__)
def commands() -> None:
    """Ask a model in a notebook, see the answer arrive, keep it as data."""


@commands.command()
def demo() -> None:
    """Stream a story from the embedded model in this terminal, then show it as data."""
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    config = Config()
    config.HistoryManager.enabled = False
    shell = InteractiveShell.instance(config=config)
    for number, cell in enumerate(DEMO, start=1):
        typed = cell.replace("\n", "\n" + "...: ".rjust(len(f"In [{number}]: ")))
        click.echo(click.style(f"In [{number}]: ", fg="green") + click.style(typed, bold=True))
        shell.run_cell(cell, store_history=True).raise_error()  # type: ignore[no-untyped-call]
        click.echo()
    click.echo(AFTER_DEMO.lstrip("\n"))


@commands.group(invoke_without_command=True)
@click.option("--known", is_flag=True, help="List models that people name, wherever they run.")
@click.pass_context
def models(context: click.Context, *, known: bool) -> None:
    """List the models that run on this machine: embedded ones, and those of the hub's cache."""
    if context.invoked_subcommand is None:
        from nbinfer import catalogue

        click.echo((catalogue.known() if known else catalogue.models()).to_string())


@models.command()
@click.argument("name")
def get(name: str) -> None:
    """Fetch the ONNX model NAME (org/name) from the Hugging Face hub ahead of its first use."""
    from nbinfer.catalogue import fetch

    click.echo(f"ready: %%infer -m {fetch(name)}")


@commands.command()
@click.option("--token", help="A token from huggingface.co/settings/tokens; without one a page opens.")
def login(token: str | None) -> None:
    """Log in to Hugging Face; huggingface_hub and its other tools find the same token."""
    from nbinfer.keys import login

    try:
        login(token)
    except ValueError as error:
        raise click.ClickException(str(error)) from None


@commands.command()
def doctor() -> None:
    """Say what is in order: the embedded model, the key that is found, what can be reached, which extras are there."""
    from nbinfer.keys import doctor

    for what, row in doctor().iterrows():
        mark = click.style("✓", fg="green") if row["fine"] else click.style("–", fg="yellow")
        click.echo(f"{mark} {what:<24}{row['found']}")


@commands.command()
@click.argument("path", required=False, type=click.Path(path_type=Path))
def lab(path: Path | None) -> None:
    """Open JupyterLab: on PATH, on the quickstart notebook where it is, else here."""
    if importlib.util.find_spec("jupyterlab") is None:
        raise MissingExtraError("JupyterLab is not installed", hint="pip install 'nbinfer[lab]'")
    target = path or (QUICKSTART if QUICKSTART.exists() else Path())
    # In containers one is root, and Jupyter wants to be told that this is meant.
    as_root = ["--allow-root"] if getattr(os, "geteuid", lambda: 1)() == 0 else []
    command = [sys.executable, "-m", "jupyterlab", str(target), *as_root]
    os.execv(sys.executable, command)  # noqa: S606 - no shell is wanted


def main() -> None:
    """Run the command line; nbinfer's errors end it with their one to four lines."""
    try:
        commands()
    except InferError as error:
        click.echo("\n".join(error.lines()), err=True)
        sys.exit(1)
