"""The documentation site: the pages of this folder, and the reference from the docstrings.

``make docs`` builds it strictly: a broken link between pages or an unknown reference fails the build. The
pages are plain Markdown and read as well where they lie.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import typer
from docutils import nodes
from docutils.parsers.rst import Directive
from typer.testing import CliRunner

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmark.cli.app import app as command_line  # noqa: E402

project = "lookalike"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
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

WIDE = {"COLUMNS": "100", "TERMINAL_WIDTH": "100"}

# A link to a file of the repository that is no page: the site has no copy of it, so its name has to do.
OUTSIDE = re.compile(r"\[([^\]]+)\]\((\.\./[^)#]+)(?:#[^)]*)?\)")


def _name_files(app: Any, page: str, source: list[str]) -> None:
    folder = (ROOT / "docs" / page).parent

    def named(link: re.Match[str]) -> str:
        target = (folder / link[2]).resolve()
        if not target.exists():
            raise FileNotFoundError(f"docs/{page}.md links to {link[2]}, which is not there")
        name = str(target.relative_to(ROOT))
        return link[1] if link[1].strip("`") == name else f"{link[1]} (`{name}`)"

    source[0] = OUTSIDE.sub(named, source[0])


def _verbs(group: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    below = getattr(group, "commands", {})
    return [found for name, verb in below.items() for found in _verbs(verb, (*path, name))] or [path]


class Commands(Directive):
    """The ``--help`` of every verb, as it is today."""

    def run(self) -> list[nodes.Node]:
        """Ask the command line itself."""
        sections: list[nodes.Node] = []
        for path in _verbs(typer.main.get_command(command_line)):
            told = CliRunner().invoke(
                command_line, [*path, "--help"], prog_name="python -m benchmark", env=WIDE
            )
            name = " ".join(path)
            section = nodes.section(ids=[nodes.make_id(name)], names=[name])
            section += nodes.title(text=name)
            section += nodes.literal_block(told.output.strip(), told.output.strip(), language="text")
            sections.append(section)
        return sections


def setup(app: Any) -> dict[str, bool]:
    """Register what is done to pages before they are read."""
    app.connect("source-read", _name_files)
    app.add_directive("commands", Commands)
    return {"parallel_read_safe": True}
