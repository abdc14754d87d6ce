"""How the documentation is built. The reference pages are written from the code at every build, by `reference.py`."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

DOCS = Path(__file__).parent
ROOT = DOCS.parent
GENERATED = DOCS / "generated"
sys.path[:0] = [str(ROOT), str(DOCS)]

import reference  # noqa: E402 - found through the path set above

import nbinfer  # noqa: E402

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "nbinfer"
author = "The nbinfer authors"
copyright = author  # noqa: A001 - Sphinx's name for it
version = release = nbinfer.__version__

extensions = ["myst_nb", "sphinx.ext.autodoc"]
exclude_patterns = ["_build", "generated/snippets"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
smartquotes = False  # would turn the dashes of flags into others
suppress_warnings = ["misc.highlighting_failure"]  # cells hold prompts, which are no Python

# The notebooks are run at every build: a cell that fails, fails the build.
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_execution_show_tb = True

autodoc_default_options = {"members": True, "inherited-members": "object", "no-value": True}
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints_format = "short"
default_role = "code"  # docstrings are written with single backticks
add_module_names = False
toc_object_entries_show_parents = "hide"
python_use_unqualified_type_names = True
python_display_short_literal_types = True
python_maximum_signature_line_length = 100

html_theme = "pydata_sphinx_theme"
html_title = f"nbinfer {version}"
html_static_path = ["_static"]
html_css_files = ["nbinfer.css"]
templates_path = ["_templates"]
html_sidebars = {"**": ["pages.html"]}
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "logo": {"text": html_title},
    "github_url": "https://github.com/nbinfer/nbinfer",
    "navbar_center": [],
    "navigation_with_keys": False,
    "show_toc_level": 2,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}


def setup(app: Sphinx) -> None:
    """Write the reference pages, and bring the notebooks to where Sphinx looks for pages."""
    reference.write(GENERATED)
    for notebook in (ROOT / "notebooks").glob("*.ipynb"):
        shutil.copyfile(notebook, GENERATED / notebook.name)
    app.connect("autodoc-process-signature", readable)


def readable(*described: Any) -> tuple[str, str | None] | None:
    """Return a signature without what Sphinx cannot read in it, the default of a field that is made anew each time."""
    *_, signature, returned = described
    return (signature.replace("<factory>", "..."), returned) if signature else None
