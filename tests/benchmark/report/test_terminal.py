"""The table at the end of a run: 80 columns, and long names broken at a hyphen, never within a word."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console
from test_report_fixture import results

from benchmark.report import verdict_table

LONG = "representation-cka-debiased"


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("attention-std-detrended", ["attention-std-detrended"]),
        (LONG, ["representation-cka-", "debiased"]),
        ("x" * 30, ["x" * 23, "x" * 7]),
    ],
)
def test_a_long_name_breaks_at_a_hyphen(name: str, lines: list[str]) -> None:
    found = replace(results(), metrics=tuple(replace(one, metric=name) for one in results().metrics[:1]))
    stream = StringIO()
    Console(file=stream, width=80, color_system=None).print(verdict_table(found))
    printed = stream.getvalue().splitlines()
    assert max(map(len, printed)) <= 80
    first = next(index for index, line in enumerate(printed) if line.startswith(lines[0]))
    assert [line.split()[0] for line in printed[first : first + len(lines)]] == lines
