"""The report of one metric: how it prints, what it covers, and what it warns of."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from patchy_tables import patchy_report, patchy_table

import analysis
from analysis.metric_report import reversed_scores


def quiet() -> analysis.MetricReport:
    """The report of a complete table, of which nothing needs saying."""
    report = patchy_report()
    return replace(
        report,
        table=analysis.example_table("patchy", n_lineages=4),
        auc=replace(report.auc, warnings=()),
        look_alike_auc=replace(report.look_alike_auc, warnings=()),
        thresholds=tuple(replace(item, reason="") for item in report.thresholds),
        evidence=replace(report.evidence, reason=""),
    )


def test_a_report_prints_its_metric_and_its_verdict() -> None:
    report = patchy_report()
    assert report.verdict == analysis.verdict(report)
    assert str(report) == f"patchy: {analysis.verdict(report)}"


def test_coverage_is_the_share_of_derived_pairs_with_a_score() -> None:
    frame = patchy_table().frame.query("relation == 'derived'")
    share = (frame.status == "ok").mean()
    assert 0 < share < 1
    assert patchy_report().derived_coverage == pytest.approx(share, rel=1e-12)
    none = analysis.ScoreTable(patchy_table().frame.query("relation != 'derived'"))
    assert math.isnan(replace(patchy_report(), table=none).derived_coverage)


def test_where_nothing_needs_saying_nothing_is_said() -> None:
    assert quiet().warnings == ()


def test_warnings_of_both_areas_come_first_and_each_once() -> None:
    report = quiet()
    warned = replace(
        report,
        auc=replace(report.auc, warnings=("few", "odd")),
        look_alike_auc=replace(report.look_alike_auc, warnings=("odd", "fewer")),
    )
    assert warned.warnings == ("few", "odd", "fewer")


def test_derived_pairs_without_a_score_are_counted() -> None:
    frame = patchy_table().frame.query("relation == 'derived'")
    missing = int((frame.status != "ok").sum())
    assert 0 < missing < len(frame) - missing
    found = replace(quiet(), table=patchy_table()).warnings
    assert found == (f"{missing} of {len(frame)} derived pairs have no score",)
    none = analysis.ScoreTable(patchy_table().frame.query("relation != 'derived'"))
    assert replace(quiet(), table=none).warnings == ()


def test_the_first_threshold_and_the_evidence_say_what_they_lack() -> None:
    report = quiet()
    first, second = report.thresholds
    lacking = replace(
        report,
        thresholds=(replace(first, reason="too few"), replace(second, reason="far too few")),
        evidence=replace(report.evidence, reason="no pair"),
    )
    assert lacking.warnings == ("threshold: too few", "evidence: no pair")
    assert replace(lacking, thresholds=(first, *lacking.thresholds[1:])).warnings == ("evidence: no pair",)
    assert replace(lacking, thresholds=()).warnings == ("evidence: no pair",)


@pytest.mark.parametrize(
    ("estimate", "high", "told"),
    [(0.4, 0.49, True), (0.24, 0.6, True), (0.4, 0.5, False), (0.25, 0.6, False), (0.9, 0.97, False)],
)
def test_a_distance_is_told_by_an_area_shown_below_a_half_or_far_below_it(
    estimate: float, high: float, told: bool
) -> None:
    """Either is enough; a metric that is no better than chance is not told to change its sign."""
    found = reversed_scores(analysis.Interval(estimate, 0.1, high, 0.95, "made up"))
    assert found.endswith("negate a distance") == told
    assert (f"AUC {estimate:.3f}" in found) == told
    assert bool(found) == told
