"""On a terminal of 80 columns no line is longer; a file or a program gets every fact on one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import command

from benchmark.cli.printing import print_text


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmark.cli.printing._to_a_terminal", lambda: True)


@pytest.mark.thorough
@pytest.mark.parametrize(
    "arguments",
    [
        ("metrics",),
        ("catalog", "show", "zoo/qwen-a-ft-short"),
        ("catalog", "tree", "zoo/qwen-a"),
        ("power", "--lineages", 30),
    ],
    ids=lambda arguments: " ".join(map(str, arguments)),
)
def test_no_line_is_longer_than_the_terminal(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arguments: tuple[object, ...]
) -> None:
    whole = command(*arguments, cache=tmp_path).out
    assert max(map(len, whole.splitlines())) > 80, "nothing to fill: this test shows nothing"
    monkeypatch.setattr("benchmark.cli.printing._to_a_terminal", lambda: True)
    filled = command(*arguments, cache=tmp_path).out
    assert filled.split() == whole.split(), "words are lost"
    # A name that is longer than half a line stays whole.
    assert [line for line in filled.splitlines() if len(line) > 80 and len(line.split()[-1]) < 40] == []


def test_what_does_not_fit_goes_on_below_its_value(
    terminal: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    print_text("  evidence     one two three four five six seven eight nine\nshort  line")
    assert capsys.readouterr().out.splitlines() == [
        "  evidence     one two three four five",
        "               six seven eight nine",
        "short  line",
    ]


def test_what_is_piped_is_whole(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    print_text("word " * 30)
    assert len(capsys.readouterr().out.splitlines()) == 1
