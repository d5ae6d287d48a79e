"""A finished run in a notebook: tables that hold what the files hold, plots that take what it gives."""

from __future__ import annotations

import json
from pathlib import Path

import matplotlib as mpl
import pandas as pd
import pytest
from altered_run import signed_again
from conftest import Evaluated
from matplotlib import pyplot

import analysis
import benchmark
from benchmark.session.errors import UsageError

mpl.use("Agg")


@pytest.fixture(scope="module")
def run(evaluated: Evaluated) -> benchmark.Run:
    return benchmark.read_run(evaluated.run)


@pytest.fixture(autouse=True)
def closed():
    yield
    pyplot.close("all")


def test_tables_hold_the_results(run: benchmark.Run, evaluated: Evaluated) -> None:
    results = json.loads((evaluated.run / "results.json").read_text())
    one = next(item for item in results["metrics"] if item["metric"] == "weight-cosine")
    row = run.metrics.loc["weight-cosine"]
    assert list(run.metrics.index) == run.names == [item["metric"] for item in results["metrics"]]
    assert row["look_alike_auc"] == one["look_alike_auc"]["estimate"]
    assert row["look_alike_auc_low"] == one["look_alike_auc"]["low"]
    assert row["threshold"] == one["thresholds"][0]["value"]
    assert row["verdict"] == one["verdict"]
    (method,) = run.methods.query("metric == 'weight-cosine'").to_dict(orient="records")
    assert (method["method"], method["n_pairs"]) == ("fine-tune", 18)
    assert method["tpr_high"] == one["by_method"]["fine-tune"]["tpr"]["high"]
    assert len(run.comparisons) == len(results["comparisons"])
    assert run.report == evaluated.run / "report.html"
    assert run.report.is_file()
    assert len(run.scores) == 5 * 27 * 26 // 2


def test_a_table_of_the_run_gives_its_numbers_again(run: benchmark.Run) -> None:
    assert analysis.auc(run.table("my-metric"), "look-alike").estimate == pytest.approx(
        run.metrics.loc["my-metric", "look_alike_auc"]
    )


def test_undefined_is_missing_and_not_zero(run: benchmark.Run) -> None:
    assert pd.isna(run.metrics.loc["qkv-bias-std", "look_alike_auc"])


def test_forgeries_and_decay_are_read_where_there_are_any(run: benchmark.Run, tmp_path: Path) -> None:
    assert run.forgeries.empty
    for name in ("run.json", "scores.parquet"):
        (tmp_path / name).write_bytes((run.path / name).read_bytes())
    results = json.loads((run.path / "results.json").read_text())
    rows = [
        {
            "model": "f0c0", "ancestor": "f0", "method": "fine-tune", "steps": 20, "tokens": None,
            "share": 0.2, "score": 0.9, "lineage": "f0",
        }
    ]  # fmt: skip
    results["metrics"][0]["decay"] = rows
    (tmp_path / "results.json").write_text(json.dumps(results))
    forged = run.scores.head(3).assign(kind="frame", target="f1", aimed_at="attention-std")
    forged.to_parquet(tmp_path / "forgeries.parquet")
    signed_again(tmp_path)
    other = benchmark.read_run(tmp_path)
    assert list(other.forgeries["kind"]) == ["frame"] * 3
    assert other.decay.to_dict(orient="records") == [{"metric": "my-metric", **rows[0]}]


def test_what_is_not_there_is_named(run: benchmark.Run, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"unknown metric 'nothing' .* they have my-metric, config-match"):
        run.result("nothing")
    with pytest.raises(UsageError, match=r"run\.json"):
        benchmark.read_run(tmp_path)
    with pytest.raises(AttributeError, match="nothing"):
        _ = benchmark.nothing


def test_catalogs_and_models_show_themselves(evaluated: Evaluated) -> None:
    catalog = benchmark.load_catalog(evaluated.catalog)
    assert "fine-tune: 18" in catalog._repr_html_()
    child = catalog.model("f0c0")
    assert "f0: fine-tune" in child._repr_html_()
    assert str(child.source) in child._repr_html_()


def test_a_run_shows_itself(run: benchmark.Run) -> None:
    html = run._repr_html_()
    assert "weight-cosine" in html
    assert run.metrics.loc["weight-cosine", "verdict"] in html
    assert "nan" not in html


def test_plots_take_what_a_run_gives(run: benchmark.Run) -> None:
    assert benchmark.plots.roc(run.result("attention-std")).lines
    assert benchmark.plots.scores(run.table("attention-std"), result=run.result("attention-std")).lines
    labels = [label.get_text() for label in benchmark.plots.aucs(run).get_yticklabels()]
    assert sorted(labels) == sorted(run.names)
