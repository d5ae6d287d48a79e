"""A finished run in a notebook: tables that hold what the files hold, plots that draw it."""

from __future__ import annotations

import json
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from conftest import Evaluated
from matplotlib import pyplot
from scipy.stats import norm

import analysis
import benchmark
from benchmark.report import plots
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
    other = benchmark.read_run(tmp_path)
    assert list(other.forgeries["kind"]) == ["frame"] * 3
    assert other.decay.to_dict(orient="records") == [{"metric": "my-metric", **rows[0]}]
    ax = plots.decay(other.result("my-metric"))
    assert ax.lines[0].get_xydata().tolist() == [[0.2, 0.9]]


def test_what_is_not_there_is_named(run: benchmark.Run, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no metric 'nothing' .* they have my-metric, config-match"):
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


def test_roc_draws_the_curve_of_the_results(run: benchmark.Run) -> None:
    result = run.result("attention-std")
    _, ax = pyplot.subplots()
    assert plots.roc(result, ax) is ax
    curve = result.curves.look_alike_roc
    assert any(
        np.array_equal(line.get_xydata(), np.column_stack([curve.fpr, curve.tpr])) for line in ax.lines
    )
    assert ax.get_title(loc="left") == "attention-std"


def test_det_is_the_roc_on_normal_deviates(run: benchmark.Run) -> None:
    table = run.table("attention-std")
    noisy = table.with_scores(table.derived + np.random.default_rng(0).normal(size=len(table)))
    (report,) = analysis.analyse([noisy], n_resamples=99, n_bootstrap=50).metrics
    ax = plots.det(report)
    curve = report.roc
    inside = [
        (norm.ppf(x), norm.ppf(1 - y))
        for x, y in zip(curve.fpr, curve.tpr, strict=True)
        if 0.001 < x < 0.999 and 0.001 < 1 - y < 0.999
    ]
    assert inside
    drawn = ax.lines[0].get_xydata()
    assert all(np.isclose(drawn, point).all(axis=1).any() for point in inside)


@pytest.mark.parametrize("name", ["roc", "det", "tippett", "ece", "qq", "decay"])
def test_every_plot_takes_results_and_reports(run: benchmark.Run, name: str) -> None:
    draw = getattr(plots, name)
    (report,) = analysis.analyse([run.table("attention-std")], n_resamples=99, n_bootstrap=50).metrics
    for result in (run.result("attention-std"), report):
        ax = draw(result)
        assert ax.get_xlabel()
        assert ax.lines or ax.texts
    nothing = draw(run.result("qkv-bias-std"))
    assert nothing.texts, "what is undefined is said"
    assert draw({"metric": "bare"}).texts


def test_scores_and_aucs(run: benchmark.Run) -> None:
    ax = plots.scores(run.table("weight-cosine"))
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels[0] == "fine-tune (18)"
    assert "look-alikes (324)" in labels
    assert plots.scores(run.table("qkv-bias-std")).texts[0].get_text() == "no pair has a score"
    ax = plots.aucs(run)
    assert sorted(label.get_text() for label in ax.get_yticklabels()) == sorted(run.names)
    assert plots.aucs({"metrics": []}).texts


def test_plots_leave_settings_alone(run: benchmark.Run) -> None:
    before = dict(mpl.rcParams)
    plots.roc(run.result("attention-std"))
    assert dict(mpl.rcParams) == before
