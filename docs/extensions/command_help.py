"""``{commands}``: the ``--help`` of every verb, as it is today."""

from __future__ import annotations

from typing import Any

import typer
from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.application import Sphinx
from typer.testing import CliRunner

from benchmark.cli.app import app as command_line

WIDE = {"COLUMNS": "100", "TERMINAL_WIDTH": "100"}


def verbs(group: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """The words of every verb, those below a group included.

    Typer's command classes are private: what is a group is what has commands.
    """
    below = getattr(group, "commands", {})
    return [found for name, verb in below.items() for found in verbs(verb, (*path, name))] or [path]


class Commands(Directive):
    """A section a verb."""

    def run(self) -> list[nodes.Node]:
        """Ask the command line itself."""
        sections: list[nodes.Node] = []
        for path in verbs(typer.main.get_command(command_line)):
            told = CliRunner().invoke(
                command_line, [*path, "--help"], prog_name="python -m benchmark", env=WIDE
            )
            name = " ".join(path)
            section = nodes.section(ids=[nodes.make_id(name)], names=[name])
            section += nodes.title(text=name)
            section += nodes.literal_block(told.output.strip(), told.output.strip(), language="text")
            sections.append(section)
        return sections


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("commands", Commands)
    return {"parallel_read_safe": True}
