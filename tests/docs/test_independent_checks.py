"""The page of independent checks leaves no metric and no statistic out, and what it names exists."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import pytest

import analysis
import fpcore

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "explanation" / "independent-checks.md").read_text(encoding="utf-8")
METRICS = dict(re.findall(r"^\| `([\w-]+)` \| `([\w/.]+)` \|$", PAGE, re.MULTILINE))
STATISTICS = dict(re.findall(r"^\| `(\w+)` \| .+ \| `([\w/.:]+)` \|$", PAGE, re.MULTILINE))
# They apply rules to statistics, word or collect them.
NONE_OF_ITS_OWN = {"verdict", "claim_verdict", "analyse", "as_json", "example_table"}


def test_every_metric_is_named() -> None:
    assert METRICS.keys() == {metric.name for metric in fpcore.metrics()}


@pytest.mark.parametrize("name", METRICS)
def test_metrics_are_written_again_where_the_page_says(name: str) -> None:
    text = (ROOT / METRICS[name]).read_text(encoding="utf-8")
    assert f'@reference("{name}")\n' in text


def test_every_public_statistic_is_named() -> None:
    public = {name for name in analysis.__all__ if inspect.isfunction(getattr(analysis, name))}
    assert public >= NONE_OF_ITS_OWN
    assert STATISTICS.keys() == public - NONE_OF_ITS_OWN


@pytest.mark.parametrize("name", STATISTICS)
def test_statistics_have_the_test_that_is_named(name: str) -> None:
    file, test = STATISTICS[name].split("::")
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    assert test in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
