"""The documentation site: the pages of this folder, and the reference from the code.

``make docs`` builds it strictly: a broken link between pages or an unknown reference fails the build. The
pages are plain Markdown and read as well where they lie; what the reference pages say of commands, files and
roles is asked of the code when the site is built.
"""

from __future__ import annotations

import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent
sys.path[:0] = [str(DOCS), str(DOCS.parent)]

project = "lookalike"
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "extensions.command_help",
    "extensions.field_tables",
    "extensions.public_names",
    "extensions.repository_links",
    "extensions.role_table",
]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]

html_theme = "furo"
html_title = "lookalike"
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False

myst_heading_anchors = 4
myst_enable_extensions = ["dollarmath"]
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_class_signature = "separated"
default_role = "code"
# A name that stands in several results (n_pairs) is ambiguous where a docstring gives it as a shape.
suppress_warnings = ["ref.python"]
napoleon_google_docstring = False
napoleon_use_ivar = True
