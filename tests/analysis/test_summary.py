"""What a file keeps: counts that are those of the rows, and results that are those of the report."""

from __future__ import annotations

import math
from dataclasses import fields, replace

import pandas as pd
import pytest
from patchy_tables import patchy_report, patchy_table

import analysis
from analysis.inference.claims import PValueAudit, PValueSummary
from analysis.results import as_json
from analysis.summary import CatalogSummary, CellSummary, MetricSummary
from analysis.thresholds.certificate import lineages_worth
from analysis.verdict_words import MethodState

KEPT = {
    "metric": "metric",
    "version": "version",
    "auc": "auc",
    "look_alike_auc": "look_alike_auc",
    "partial_auc": "partial_auc",
    "auc_with_abstentions_worst": "worst_auc",
    "look_alike_auc_with_abstentions_worst": "worst_look_alike_auc",
    "permutation": "permutation",
    "thresholds": "thresholds",
    "independent_thresholds": "independent_thresholds",
    "architecture": "architecture",
    "by_method": "by_method",
    "by_look_alike": "by_look_alike",
    "without_look_alikes": "unmatched",
    "intraclass_correlation": "intraclass_correlation",
    "bounds": "bounds",
    "sensitivity": "sensitivity",
    "warnings": "warnings",
}
"""Field of a summary → attribute of the report that it repeats."""


@pytest.mark.parametrize("name", KEPT)
def test_a_summary_repeats_the_results_of_the_report(name: str) -> None:
    report = patchy_report()
    assert getattr(MetricSummary.of(report), name) == getattr(report, KEPT[name])


def test_a_summary_has_the_verdict_in_its_parts() -> None:
    report = replace(patchy_report())
    limited = analysis.Verdict("separates within limits", "it does", ("merge",))
    vars(report)["verdict"] = limited
    found = MetricSummary.of(report)
    assert (found.verdict, found.because, found.fails_on) == (limited.verdict, "it does", ("merge",))


def test_a_summary_has_what_is_said_of_the_claim() -> None:
    report = patchy_report()
    found = MetricSummary.of(report)
    assert (found.claim_verdict, found.claim_because) == (
        report.claim_verdict.verdict,
        report.claim_verdict.because,
    )
    assert found.claim_verdict != analysis.ClaimWord.NONE_STATED


def test_methods_are_counted_by_what_is_known_of_them() -> None:
    report = patchy_report()
    one, *_ = report.by_method.values()
    states = ("held", "failed", "held", "no score")
    several = {f"{i}": replace(one, state=MethodState(state)) for i, state in enumerate(states)}
    found = MetricSummary.of(replace(report, by_method=several)).methods
    assert (found.held, found.undecided, found.failed, found.no_score) == (2, 0, 1, 1)


def test_pairs_models_and_lineages_are_counted_among_those_with_a_score() -> None:
    table = patchy_table()
    found = MetricSummary.of(patchy_report())
    frame = table.frame.assign(look_alike=table.look_alike)
    scored = frame[frame.status == "ok"]
    assert found.n_pairs == len(frame)
    assert found.abstained == (frame.status == "abstained").sum() > 0
    assert found.failed == (frame.status == "failed").sum() not in (0, found.abstained)
    assert found.n_derived == (scored.relation == "derived").sum()
    assert found.n_independent == (scored.relation == "independent").sum()
    assert found.n_look_alike == scored.look_alike.sum()
    coverage = found.coverage
    assert coverage.derived == found.n_derived / (frame.relation == "derived").sum()
    assert coverage.independent == found.n_independent / (frame.relation == "independent").sum()
    assert coverage.look_alike == found.n_look_alike / frame.look_alike.sum()
    assert len({coverage.derived, coverage.independent, coverage.look_alike, 1.0}) == 4


def test_a_model_counts_with_its_lineage_where_any_of_its_pairs_has_a_score() -> None:
    status = {("a", "b"): "ok", ("a", "c"): "failed", ("b", "c"): "abstained", ("c", "d"): "failed"}
    rows = [(one, two, 1.0, "independent", told) for (one, two), told in status.items()]
    names = ["model_a", "model_b", "score", "relation", "status"]
    frame = pd.DataFrame(
        [*rows, ("e", "f", 2.0, "derived", "ok"), ("b", "e", 0.0, "independent", "ok")], columns=names
    )
    found = MetricSummary.of(replace(patchy_report(), table=analysis.ScoreTable(frame)))
    assert (found.n_pairs, found.abstained, found.failed) == (6, 1, 2)
    assert (found.n_models, found.n_lineages) == (4, 3)


def test_the_parts_that_need_their_own_form_keep_every_number() -> None:
    report = patchy_report()
    found = MetricSummary.of(report)
    assert found.intervals.auc == report.intervals
    assert isinstance(report.p_values, PValueAudit)
    assert type(found.p_values) is PValueSummary
    assert list(found.evidence_against) == list(report.evidence_against)
    assert "independent" in found.evidence_against
    parts = [(found.p_values, report.p_values), (found.evidence, report.evidence)]
    parts += [(part, report.evidence_against[name]) for name, part in found.evidence_against.items()]
    for part, whole in parts:
        for item in fields(part):
            assert as_json(getattr(part, item.name)) == as_json(getattr(whole, item.name))
    assert found.claim is not None
    assert found.claim.threshold == 1.0
    assert found.curves.roc is report.roc
    assert MetricSummary.of(replace(report, p_values=None)).p_values is None


def test_relations_are_described_by_scores_that_are_there() -> None:
    scores = {
        "derived": [3.0, math.inf, -math.inf, 2.0, math.inf, 1.0],
        "independent": [0.5],
        "disputed": [7.0, 8.0],
    }
    rows = [
        (
            f"{relation}{i}",
            f"z{relation}{i}",
            score,
            relation,
            "abstained" if relation == "disputed" else "ok",
        )
        for relation, given in scores.items()
        for i, score in enumerate(given)
    ]
    rows.append(("derived9", "zderived9", 9.0, "derived", "failed"))
    frame = pd.DataFrame(rows, columns=["model_a", "model_b", "score", "relation", "status"])
    found = MetricSummary.of(replace(patchy_report(), table=analysis.ScoreTable(frame))).relations
    assert list(found) == ["derived", "independent", "disputed"]
    assert (found["derived"].n, found["derived"].n_scored, found["derived"].median) == (7, 6, 2.0)
    # Place floor(5 q) of the six sorted scores.
    quantiles = dict(
        zip(("0", "0.05", "0.25", "0.5", "0.75", "0.95", "1"), (0, 0, 1, 2, 3, 4, 5), strict=True)
    )
    ordered = sorted(scores["derived"])
    assert found["derived"].quantiles == {q: ordered[place] for q, place in quantiles.items()}
    assert set(found["independent"].quantiles.values()) == {0.5}
    assert (found["disputed"].n, found["disputed"].n_scored) == (2, 0)
    assert math.isnan(found["disputed"].median)
    assert found["disputed"].quantiles.keys() == quantiles.keys()
    assert all(math.isnan(value) for value in found["disputed"].quantiles.values())


def pairs(metric: str, *models: tuple[str, str, str | None]) -> analysis.ScoreTable:
    """A table of every pair of the models, each a name, a lineage and a cell."""
    rows = [
        (metric, a, b, 0.0, "sibling" if g == h else "independent", g, h, c, d)
        for i, (a, g, c) in enumerate(models)
        for b, h, d in models[i + 1 :]
    ]
    ends = [f"{what}_{end}" for what in ("lineage", "architecture") for end in "ab"]
    return analysis.ScoreTable(
        pd.DataFrame(rows, columns=["metric", "model_a", "model_b", "score", "relation", *ends])
    )


def test_the_catalog_is_all_models_of_all_tables_each_once() -> None:
    one = pairs("one", ("a1", "A", "y"), ("a2", "A", "x"), ("b1", "B", "y"))
    two = pairs(
        "two", ("b1", "B", "y"), ("b2", "B", None), ("c1", "C", "w"), ("a1", "A", "y"), ("a3", "A", "y")
    )
    found = CatalogSummary.of([one, two], (0.1, 0.001), 0.9)
    assert (found.n_models, found.n_lineages, found.n_cells) == (6, 3, 3)
    assert found.cells == {"w": CellSummary(1, 1), "x": CellSummary(1, 1), "y": CellSummary(3, 2)}
    assert list(found.cells) == ["w", "x", "y"]
    assert found.confidence == 0.9
    assert found.n_metrics == 1
    assert found.n_independent_negatives == pytest.approx(1.5)
    assert found.certifiable_independent_fpr == analysis.certifiable_fpr(2, 0.9)
    assert found.n_look_alike_negatives == 0
    assert math.isnan(found.certifiable_fpr)
    assert found.lineages_needed == {
        "0.1": analysis.lineages_needed(0.1, 0.9),
        "0.001": analysis.lineages_needed(0.001, 0.9),
    }


def test_certificates_of_several_metrics_hold_together() -> None:
    found = CatalogSummary.of([analysis.example_table()], (0.1,), 0.9, n_metrics=7)
    assert found.n_metrics == 7
    for worth, certified in (
        (found.n_look_alike_negatives, found.certifiable_fpr),
        (found.n_independent_negatives, found.certifiable_independent_fpr),
    ):
        n = lineages_worth(worth)
        assert certified == analysis.certifiable_fpr(n, 0.9, 7)
        assert certified > analysis.certifiable_fpr(n, 0.9)
    assert found.lineages_needed == {"0.1": analysis.lineages_needed(0.1, 0.9, 7)}


@pytest.mark.parametrize(("sizes", "typical"), [((1, 1, 1), 2), ((4, 4, 2), 3), ((4, 4, 3), 4)])
def test_differences_are_detectable_as_with_so_many_models_a_lineage(
    sizes: tuple[int, ...], typical: int
) -> None:
    models = [(f"{g}{i}", f"L{g}", None) for g, n in enumerate(sizes) for i in range(n)]
    found = CatalogSummary.of([pairs("one", *models)], (), 0.95)
    assert found.minimal_detectable_auc_difference == analysis.minimal_detectable_auc_difference(3, typical)
    assert (found.n_cells, found.cells, found.lineages_needed) == (0, {}, {})


def test_no_models_are_a_catalog_that_certifies_nothing() -> None:
    empty = analysis.ScoreTable(patchy_table().frame[:0])
    for tables in ([], [empty]):
        found = CatalogSummary.of(tables, (0.05,), 0.95)
        assert (found.n_models, found.n_lineages, found.n_cells) == (0, 0, 0)
        assert math.isnan(found.certifiable_fpr)
        assert math.isnan(found.certifiable_independent_fpr)
        assert math.isnan(found.minimal_detectable_auc_difference)
        assert found.lineages_needed == {"0.05": analysis.lineages_needed(0.05)}
