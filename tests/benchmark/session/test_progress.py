"""Bars count what is done and say what is being done, on a terminal of 80 columns and without one."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from benchmark.session.progress import Reporter

LONG = "verdicts without both lineages of a model whose name is far too long for one line of a terminal"


def live(width: int) -> tuple[Reporter, io.StringIO]:
    reporter, stream = Reporter(), io.StringIO()
    reporter.console = Console(file=stream, force_terminal=True, width=width, color_system=None)
    reporter.live = True
    return reporter, stream


def test_a_live_bar_fits_80_columns_and_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    reporter, stream = live(80)
    with reporter.phase("fingerprints", "models") as advance:
        advance(1_234.5, 56_280, LONG)
    frames = [line for line in stream.getvalue().replace("\r", "\n").splitlines() if "1,234" in line]
    assert frames
    for line in frames:
        shown = line.split("\x1b[2K")[-1].replace("\x1b[?25h", "")
        assert len(shown.rstrip()) <= 80
        assert "1,234/56,280 models" in shown
        assert "verdicts" in shown, "it does not say what is being done"


def test_lines_without_a_terminal_count_and_name(capsys: pytest.CaptureFixture[str]) -> None:
    with Reporter().phase("scores", "pairs") as advance:
        advance(0, 4_000, "first")
        advance(4_000, 4_000, "weight-cosine")
    (line,) = capsys.readouterr().err.splitlines()
    assert line == "scores: 4,000/4,000 pairs after 0 s weight-cosine"


def test_quiet_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with Reporter(quiet=True).phase("scores", "pairs") as advance:
        advance(1, 1, "all")
    assert capsys.readouterr().err == ""
