"""What changed between two runs is said of every metric, tested on common pairs; what did not is not."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import command

import analysis
from benchmark.leaderboards.runs_diff import RunsDiff, diff_runs
from benchmark.pipeline.analyse import analyse

MODELS = [(f"m{lineage}{member}", f"L{lineage}") for lineage in range(8) for member in "abc"]


def table(metric: str, separation: float, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    rows = [
        (metric, a, b, rng.normal(separation * (own == other)), own, other)
        for i, (a, own) in enumerate(MODELS)
        for b, other in MODELS[i + 1 :]
    ]
    frame = pd.DataFrame(rows, columns=["metric", "model_a", "model_b", "score", "lineage_a", "lineage_b"])
    same = frame["lineage_a"] == frame["lineage_b"]
    return frame.assign(
        relation=np.where(same, "derived", "independent"), architecture_a="cell", architecture_b="cell"
    )


@dataclass(frozen=True)
class Two:
    first: Path
    second: Path
    cache: Path


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Two:
    """The second has a better "moved", the same "same", no "gone", a new "new", and lacks a model."""
    folder = tmp_path_factory.mktemp("two")
    same = table("same", 1.5, seed=4)
    first = pd.concat([table("moved", 0.5), same, table("gone", 1.0)])
    moved = table("moved", 0.5)
    moved["score"] += 4.0 * (moved["relation"] == "derived")
    moved = moved[moved["model_b"] != "m7c"]
    second = pd.concat([moved, same, table("new-by-a-name-of-many-hyphens", 1.0)])
    for name, frame, seed in (("first", first, 0), ("second", second, 3)):
        analyse(frame, out=folder / name, seed=seed, cache=folder / "cache")
    return Two(folder / "first", folder / "second", folder / "cache")


@pytest.fixture(scope="module")
def found(two: Two) -> RunsDiff:
    return diff_runs(two.first, two.second)


def test_every_metric_of_either_run_has_its_place(found: RunsDiff) -> None:
    assert [(one.metric, one.stands_in) for one in found.metrics] == [
        ("moved", "both"), ("same", "both"), ("new-by-a-name-of-many-hyphens", "second"), ("gone", "first"),
    ]  # fmt: skip
    assert [(one.what, one.first, one.second) for one in found.settings] == [("seed", "0", "3")]


def test_a_difference_is_the_paired_one_of_the_common_pairs(two: Two, found: RunsDiff) -> None:
    moved = found.metrics[0]
    assert moved.n_common == 24 * 23 // 2 - 23
    assert (moved.n_only_first, moved.n_only_second) == (23, 0)
    assert moved.n_changed == 22  # the derived ones: three in each of eight lineages, less two of the last
    assert moved.largest_change == pytest.approx(4.0)
    assert moved.difference is not None
    tables = [analysis.ScoreTable(pd.read_parquet(run / "scores.parquet").query("metric == 'moved'"))
              for run in (two.second, two.first)]  # fmt: skip
    expected = analysis.compare_metrics(*tables)
    assert moved.difference.difference == expected.difference
    assert moved.difference.difference.low > 0
    assert moved.difference.auc_a > moved.difference.auc_b


def test_what_did_not_change_is_not_tested(found: RunsDiff) -> None:
    same = next(one for one in found.metrics if one.metric == "same")
    assert same.difference is None
    assert same.n_changed == 0
    assert same.reason == "the same scores"


def test_a_label_that_changed_counts_as_a_change(two: Two, tmp_path: Path) -> None:
    frame = pd.read_parquet(two.first / "scores.parquet").query("metric == 'same'")
    frame.loc[frame.index[:1], "relation"] = "sibling"
    assert frame["relation"].iloc[0] != pd.read_parquet(two.first / "scores.parquet")["relation"].iloc[0]
    analyse(frame, out=tmp_path / "relabelled", cache=two.cache)
    same = next(one for one in diff_runs(two.first, tmp_path / "relabelled").metrics if one.metric == "same")
    assert (same.n_changed, same.n_relabelled) == (0, 1)
    assert same.difference is not None


def test_a_run_differs_in_nothing_from_itself(two: Two) -> None:
    said = command("runs", "diff", two.first, two.first, "--quiet", cache=two.cache)
    assert said.code == 0
    assert said.out.splitlines()[-1] == "Unchanged: moved, same, gone."
    assert "Settings" not in said.out


def test_text_holds_80_columns_and_json_the_whole(two: Two) -> None:
    said = command("runs", "diff", two.first, two.second, cache=two.cache)
    assert said.code == 0
    assert max(map(len, said.out.splitlines()[2:])) <= 80  # the first lines are paths
    for part in (
        "seed: 0 → 3",
        "22 of 253 common pairs",
        "new-by-a-name-of-many-hyphens\n  only the second run has it.",
        "gone\n",
    ):
        assert part in said.out
    assert "comparisons: 4/4 metrics after" in said.err
    value = json.loads(
        command("runs", "diff", two.first, two.second, "--json", "--quiet", cache=two.cache).out
    )
    assert value["schema"] == 1
    assert value["metrics"][0]["difference"]["difference"]["low"] > 0
    assert not math.isnan(value["metrics"][0]["largest_change"])


def test_what_is_no_run_is_one_line(two: Two, tmp_path: Path) -> None:
    said = command("runs", "diff", two.first, tmp_path, "--quiet", cache=two.cache)
    assert said.code == 2
    (line,) = said.err.splitlines()
    assert "not a finished run" in line
