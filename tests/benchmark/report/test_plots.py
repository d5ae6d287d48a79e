"""Plots for notebooks and files: they draw what results hold, say what is undefined, keep settings."""

from __future__ import annotations

import dataclasses
import pickle
from collections.abc import Iterator

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.axes import Axes
from scipy.stats import norm
from test_report_fixture import METRICS, results, run, scores

import analysis
from analysis.summary_parts import QuantileCurve
from benchmark.report import figure_names, figures, plots
from benchmark.report.figures import decay_figure, forest_figure, roc_figure, score_figure
from benchmark.report.sections import MetricSection, metric_sections
from benchmark.report.verdict_groups import best_first

pytestmark = pytest.mark.thorough

mpl.use("Agg")
NAMES = ("roc", "det", "tippett", "ece", "qq", "decay")


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    pyplot.close("all")


@pytest.fixture(scope="module")
def sections() -> dict[str, MetricSection]:
    return {one.name: one for one in metric_sections(run(), results(), scores())}


def table(metric: str) -> analysis.ScoreTable:
    return analysis.ScoreTable(scores()[lambda rows: rows["metric"] == metric])


@pytest.fixture(scope="module")
def report() -> analysis.MetricReport:
    told = analysis.analyse([table("attention-std")], n_resamples=99, n_bootstrap=50)
    return told.metrics[0]


def drawn(axes: Axes) -> list[tuple[object, ...]]:
    """What lines a plot holds: label, style, points."""
    return [(line.get_label(), line.get_linestyle(), line.get_xydata().tolist()) for line in axes.lines]


def test_roc_draws_the_curves_of_the_results_on_the_axes_given() -> None:
    one = results().metric("attention-std")
    _, ax = pyplot.subplots()
    assert plots.roc(one, ax) is ax
    for line, curve in zip(ax.lines[1:], (one.curves.roc, one.curves.look_alike_roc), strict=True):
        np.testing.assert_array_equal(line.get_xydata(), np.column_stack([curve.fpr, curve.tpr]))
    assert ax.get_title(loc="left") == "attention-std"
    ax.set_title("mine", loc="left")
    assert plots.roc(one, ax).get_title(loc="left") == "mine"


def test_det_is_the_roc_on_normal_deviates(report: analysis.MetricReport) -> None:
    axes = plots.det(report)
    curve = report.roc
    inside = [
        (norm.ppf(x), norm.ppf(1 - y))
        for x, y in zip(curve.fpr, curve.tpr, strict=True)
        if 0.001 < x < 0.999 and 0.001 < 1 - y < 0.999
    ]
    assert inside
    points = axes.lines[0].get_xydata()
    assert all(np.isclose(points, point).all(axis=1).any() for point in inside)
    assert np.abs(points).max() <= norm.ppf(0.999) + 1e-9
    ends = np.clip([1 - curve.high, 1 - curve.low], 0.001, 0.999)
    band = axes.collections[0].get_paths()[0].vertices
    for side in norm.ppf(ends):
        assert np.isclose(band[:, 1, None], side[np.isfinite(side)]).any(axis=0).all()


@pytest.mark.parametrize("name", NAMES)
def test_every_plot_draws_a_result(name: str) -> None:
    metric = "config-match" if name == "qq" else "attention-std"
    axes = getattr(plots, name)(results().metric(metric))
    assert axes.get_xlabel()
    assert axes.get_ylabel()
    assert [line for line in axes.lines if not line.get_label().startswith("_")]
    assert not axes.texts


@pytest.mark.parametrize("name", ["roc", "det", "tippett", "ece"])
def test_a_report_is_drawn_as_its_result(report: analysis.MetricReport, name: str) -> None:
    draw = getattr(plots, name)
    assert drawn(draw(report)) == drawn(draw(analysis.MetricSummary.of(report)))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("roc", "no curve: no derived pair has a score"),
        ("det", "no curve: no derived pair has a score"),
        ("tippett", "no evidence: "),
        ("ece", "no evidence: "),
        ("qq", "this metric claims no p-values"),
        ("decay", "no trained child with a known training distance"),
    ],
)
def test_what_is_undefined_is_said(name: str, reason: str) -> None:
    axes = getattr(plots, name)(results().metric("silent"))
    (text,) = axes.texts
    assert text.get_text().startswith(reason)
    assert text.get_text().strip()[-1] != ":"


def test_p_values_stand_beside_those_expected() -> None:
    one = results().metric("weight-cosine")
    curve = QuantileCurve(np.array([0.0, 1, 2]), np.array([0, 1.5, 4]))
    axes = plots.qq(dataclasses.replace(one, curves=dataclasses.replace(one.curves, qq=curve)))
    assert axes.lines[1].get_xydata().tolist() == [[0, 0], [1, 1.5], [2, 4]]
    refused = results().metric("qkv-bias-max").p_values
    assert refused is not None
    assert plots.qq(results().metric("qkv-bias-max")).texts[0].get_text() == refused.reason


def test_scores_stand_in_rows_with_the_thresholds_as_lines(report: analysis.MetricReport) -> None:
    one = results().metric("attention-std")
    axes = plots.scores(table("attention-std"), result=one)
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert "fine-tune (12)" in labels
    assert one.claim is not None
    said = [text.get_text() for text in axes.get_legend().get_texts()]
    assert said == ["claimed 0.9", f"calibrated {one.thresholds[0].value:.3g}"]
    assert plots.scores(table("attention-std")).get_legend() is None
    assert len(plots.scores(report).get_legend().get_texts()) == 1
    assert plots.scores(table("silent")).texts[0].get_text() == "no pair has a score"


def test_decay_draws_children_their_band_and_the_deciding_threshold() -> None:
    one = results().metric("attention-std")
    bare, full = plots.decay(one), plots.decay(one, table=table("attention-std"))
    assert bare.lines[0].get_xydata().tolist() == [[point.share, point.score] for point in one.decay]
    labels = {line.get_label() for line in full.lines}
    assert {"child and ancestor", "their median", "threshold 0.900"} <= labels
    assert "their median" not in {line.get_label() for line in bare.lines}


def test_aucs_stand_best_verdict_first() -> None:
    axes = plots.aucs(results())
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == [one.metric for one in best_first(results().metrics)]
    assert axes.get_ylim()[0] > axes.get_ylim()[1]
    empty = dataclasses.replace(results(), metrics=())
    assert plots.aucs(empty).texts[0].get_text() == "no metrics"
    told = analysis.analyse([table("weight-cosine")], n_resamples=99, n_bootstrap=50)
    assert drawn(plots.aucs(told)) == drawn(plots.aucs(told.summary()))


def test_files_are_drawn_by_the_same_functions(sections: dict[str, MetricSection]) -> None:
    shown = list(sections.values())
    panels = roc_figure(shown).axes
    assert [drawn(axes) for axes in panels] == [drawn(plots.roc(one.result)) for one in shown]
    (forest,) = forest_figure(results()).axes
    assert drawn(forest) == drawn(plots.aucs(results()))
    faded = [one for one in shown if one.decay]
    assert [drawn(axes) for axes in decay_figure(shown).axes] == [
        drawn(plots.decay(one.result, table=one.table)) for one in faded
    ]
    (rows,) = score_figure(sections["norm-pearson"]).axes
    assert drawn(rows) == drawn(plots.scores(table("norm-pearson"), result=results().metric("norm-pearson")))
    assert {axes.get_title(loc="left") for axes in panels} == set(METRICS)


def test_no_table_of_scores_travels_to_those_who_draw(sections: dict[str, MetricSection]) -> None:
    """It may hold millions of pairs; what is drawn without it is the same."""
    for name, draw in figures._wanted(list(sections.values()), results()):
        assert b"ScoreTable" not in pickle.dumps(draw), name
        if name == figure_names.score_figures(results())["norm-pearson"]:
            assert drawn(draw().axes[0]) == drawn(score_figure(sections["norm-pearson"]).axes[0])
    assert b"ScoreTable" in pickle.dumps(sections["norm-pearson"])


def test_a_figure_without_metrics_says_so() -> None:
    assert decay_figure(()).axes[0].texts[0].get_text() == "no training distances in these results"
    assert roc_figure(()).axes == []


def test_plots_leave_settings_alone() -> None:
    before = dict(mpl.rcParams)
    for name in NAMES:
        getattr(plots, name)(results().metric("weight-cosine"))
    plots.aucs(results())
    plots.scores(table("weight-cosine"))
    assert dict(mpl.rcParams) == before


def test_scores_at_the_end_of_doubles_are_drawn_in_a_unit_of_their_own() -> None:
    """An axis of 1e308 leaves the range of doubles in its own layout: matplotlib then finds no inverse."""
    frame = analysis.example_table().frame
    huge = analysis.ScoreTable(
        frame.assign(score=np.where(frame["relation"] == "derived", 1.7e308, -1.7e308))
    )
    axes = plots.scores(huge)
    axes.figure.canvas.draw()
    assert axes.get_xlabel() == "score / 1e+307"
    places = np.concatenate([line.get_xdata() for line in axes.lines])
    assert np.isfinite(places).all()
    assert places.min() < 0 < places.max()
    assert plots.scores(analysis.example_table()).get_xlabel() == "score"
