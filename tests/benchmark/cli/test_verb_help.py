"""The ``--help`` of every verb: whole at 80 columns, and free of what only the parser's makers know."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import typer
from conftest import command

from benchmark.cli.app import app


def verbs(group: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """The words of every verb; typer's command classes are private."""
    below = getattr(group, "commands", {})
    return [path, *(found for name, verb in below.items() for found in verbs(verb, (*path, name)))]


VERBS = verbs(typer.main.get_command(app))


def test_verbs_of_groups_are_among_them() -> None:
    assert {(), ("run",), ("catalog",), ("catalog", "import"), ("runs", "diff")} <= set(VERBS)


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_help_is_whole_and_has_no_types_and_no_doubled_brackets(
    verb: tuple[str, ...], tmp_path: Path
) -> None:
    said = command(*verb, "--help", cache=tmp_path)
    assert said.code == 0
    usage, *lines = said.out.splitlines()
    assert usage.startswith("Usage: ")
    assert [line for line in lines if len(line) > 80 or re.search(r"\w\.\.\.$", line)] == []
    assert "list[" not in said.out
    # An argument is told by its name alone; <utc time> is part of a folder's name.
    assert re.findall(r"<(?!utc time>)[a-z][^>\n]*>", said.out) == []
    assert re.findall(r"\[\[|\]\]|\{\{|\}\}|\(\(|\)\)", said.out) == []
