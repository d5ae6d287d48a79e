"""The whole analysis: one call, defined for every table, the same every time."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
from patchy_tables import CLAIM, GOALS, LEVEL, SEED, patchy_report

import analysis
from analysis import full_analysis
from analysis.claim_verdicts import claim_verdict
from analysis.discrimination.auc import auc
from analysis.full_analysis import analyse
from analysis.inference.claims import Claim
from analysis.results import as_json
from analysis.table import ScoreTable
from analysis.thresholds.calibration import calibrate_thresholds
from analysis.thresholds.power import intraclass_correlation
from analysis.verdict_bounds import separation_bounds
from analysis.verdict_words import VERDICTS
from studies.simulation.designs import Design

DESIGN = Design("catalog", (4, 3, 2, 1) * 5, n_cells=3, shape="hub", same_cell=1.5, separation=2.5)
TABLE = DESIGN.draw(np.random.default_rng(0))
FAST = {"n_resamples": 199, "n_bootstrap": 100}
INTERVAL = {"estimate", "low", "high", "level", "method"}


def entry(frame: Any, **options: Any) -> dict[str, Any]:
    content = as_json(analyse([ScoreTable(frame)], **(FAST | options)).summary())
    json.dumps(content, allow_nan=False)
    found: dict[str, Any] = content["metrics"][0]
    return found


def few_lineages(n: int, frame: Any) -> Any:
    names = sorted(set(frame["lineage_a"]))[:n]
    return frame[frame["lineage_a"].isin(names) & frame["lineage_b"].isin(names)]


BROKEN = {
    "no architectures": lambda f: f.drop(columns=["architecture_a", "architecture_b"]),
    "no lineages": lambda f: f.drop(columns=["lineage_a", "lineage_b"]),
    "constant": lambda f: f.assign(score=1.0),
    "infinite": lambda f: f.assign(score=np.where(f.relation == "derived", np.inf, -np.inf)),
    "partly infinite": lambda f: f.assign(score=np.where(f.score > 2, np.inf, f.score)),
    "heavily tied": lambda f: f.assign(score=np.round(f.score)),
    "all positives": lambda f: f[f.relation == "derived"],
    "no positives": lambda f: f[f.relation != "derived"],
    "one lineage": lambda f: few_lineages(1, f),
    "two lineages": lambda f: few_lineages(2, f),
    "four lineages": lambda f: few_lineages(4, f),
    "one pair": lambda f: f[:1],
    "empty": lambda f: f[:0],
    "all abstained": lambda f: f.assign(status="abstained"),
    "some failed": lambda f: f.assign(status=np.where(np.arange(len(f)) % 4 == 0, "failed", "ok")),
    "derived abstained": lambda f: f.assign(status=np.where(f.relation == "derived", "abstained", "ok")),
    "disputed": lambda f: f.assign(relation=np.where(np.arange(len(f)) % 30 == 0, "disputed", f.relation)),
    "perfect": lambda f: f.assign(score=(f.relation == "derived").astype(float)),
    "upside down": lambda f: f.assign(score=-f.score),
    "other scale": lambda f: f.assign(score=f.score * 1e-12 - 1e6),
}


@pytest.mark.thorough
@pytest.mark.parametrize("name", BROKEN)
def test_every_table_has_a_defined_answer(name):
    frame = BROKEN[name](TABLE.frame)
    claim = Claim(threshold=1.0, p_values=True)
    found = entry(frame, claims={"score": claim})
    assert found["verdict"] in VERDICTS
    assert found["because"]
    for key in ("auc", "look_alike_auc", "partial_auc"):
        assert found[key].keys() >= INTERVAL
        if found[key]["estimate"] is None:
            assert found[key]["reason"]
        else:
            assert found[key]["low"] < found[key]["high"]
    assert (found["permutation"]["p_value"] is None) == bool(found["permutation"]["reason"])
    assert (found["evidence"]["cllr"] is None) == bool(found["evidence"]["reason"])
    for threshold in found["thresholds"]:
        assert threshold["certified"] or threshold["reason"]


DOCUMENTED = {
    "all abstained": ("all 30 abstained or failed", "no derived pair", None, "no derived pair", "cannot say"),
    "derived abstained": (
        "all 30 abstained or failed",
        "no derived pair",
        2.6334,
        "no derived pair",
        "cannot say",
    ),
    "constant": (0.5, 1.0, np.nextafter(1.0, 2.0), 1.0, "does not separate"),
    "infinite": (1.0, 0.005, np.nextafter(-np.inf, 0.0), 0.1155, "separates within limits"),
    "partly infinite": (0.9495, 0.005, None, 0.6795, "cannot say"),
    "no positives": ("has no derived pair", "no derived pair", 2.1375, "no derived pair", "cannot say"),
    "all positives": (
        "has no independent pair",
        "no independent pair",
        None,
        "no look-alike pair",
        "cannot say",
    ),
    "one lineage": (
        "has no independent pair",
        "no independent pair",
        None,
        "no look-alike pair",
        "cannot say",
    ),
    "two lineages": (1.0, "holds one lineage", 1.1933, "no look-alike pair", "cannot say"),
    "no architectures": (0.9742, "no architectures given", 2.1375, "architectures are unknown", "cannot say"),
}
"""AUC, p-value, threshold and Cllr (or the reason), verdict, as explanation/statistics.md has them."""


@pytest.mark.parametrize("name", DOCUMENTED)
def test_odd_tables_are_answered_as_documented(name):
    found = entry(BROKEN[name](TABLE.frame))
    threshold = found["thresholds"][0]
    answers = (
        (found["auc"]["estimate"], found["auc"]["reason"]),
        (found["permutation"]["p_value"], found["permutation"]["reason"]),
        (threshold["value"], threshold["reason"]),
        (found["evidence"]["cllr"], found["evidence"]["reason"]),
    )
    for (value, reason), expected in zip(answers, DOCUMENTED[name], strict=False):
        if isinstance(expected, str):
            assert value is None
            assert expected in reason
        elif expected is None:
            assert value is None
            assert reason
        else:
            assert value == pytest.approx(expected, rel=1e-3)
    assert found["verdict"] == DOCUMENTED[name][-1]


@pytest.mark.parametrize(
    ("name", "cost", "reason"),
    [("no architectures", 0.3949, ""), ("two lineages", None, "at least 3 of 4"), ("constant", 1.0, "")],
)
def test_evidence_against_all_independent_pairs_stands_beside_it(name, cost, reason):
    found = entry(BROKEN[name](TABLE.frame))["evidence_against"]["independent"]
    assert found["cllr"] == (None if cost is None else pytest.approx(cost, rel=1e-3))
    assert reason in found["reason"]


@pytest.mark.parametrize(("n", "warned"), [(4, True), (20, False)])
def test_few_lineages_are_warned_of(n, warned):
    found = entry(few_lineages(n, TABLE.frame))
    assert any("coverage of this interval is not established" in text for text in found["warnings"]) == warned


def test_the_contract_of_a_result():
    found = entry(TABLE.frame, claims={"score": Claim(threshold=2.0)}, versions={"score": 3})
    assert found.keys() >= {
        "metric", "version", "n_derived", "n_independent", "n_look_alike", "n_models", "n_lineages",
        "abstained", "auc", "look_alike_auc", "partial_auc", "permutation", "thresholds", "claim", "evidence",
        "evidence_against", "by_method", "by_look_alike", "verdict", "because", "warnings", "curves",
        "relations", "architecture", "intervals",
    }  # fmt: skip
    assert found["version"] == 3
    assert found["n_derived"] == int(TABLE.derived.sum())
    assert found["n_look_alike"] == int(TABLE.look_alike.sum())
    assert found["n_lineages"] == 20
    assert found["permutation"].keys() >= {
        "p_value", "adjusted_p_value", "n_arrangements", "exact", "reason",
    }  # fmt: skip
    assert [item["max_fpr"] for item in found["thresholds"]] == [0.05, 0.01, 0.001]
    assert found["thresholds"][0].keys() >= {"confidence", "value", "certified", "fpr", "tpr", "reason"}
    assert found["claim"]["threshold"] == 2.0
    assert found["claim"]["fpr"].keys() >= INTERVAL
    assert found["evidence"].keys() >= {"cllr", "cllr_min", "cllr_cal", "max_abs_log10_lr"}
    assert set(found["intervals"]["auc"]) == {"jackknife", "bootstrap", "percentile", "delong"}
    assert set(found["curves"]) == {"roc", "look_alike_roc", "tippett", "ece", "qq"}
    assert found["relations"]["derived"]["n"] == found["n_derived"]
    assert found["auc"]["estimate"] == auc(TABLE).estimate


def test_without_a_claim_there_is_none():
    found = entry(TABLE.frame)
    assert found["claim"] is None
    assert found["p_values"] is None
    assert found["version"] is None
    silent = entry(TABLE.frame, claims={"score": Claim(auc=0.99, text="works", source="a paper")})
    assert silent["claim"]["threshold"] is None
    assert silent["claim"]["reason"] == "no threshold is claimed"


def test_the_catalog_says_what_it_can_certify():
    content = as_json(analyse([TABLE], **FAST).summary())
    catalog = content["catalog"]
    assert (catalog["n_models"], catalog["n_lineages"], catalog["n_cells"]) == (50, 20, 3)
    assert sum(cell["n_models"] for cell in catalog["cells"].values()) == 50
    assert catalog["lineages_needed"] == {"0.05": 118, "0.01": 598, "0.001": 5990}
    assert catalog["certifiable_fpr"] == pytest.approx(0.2589, abs=1e-4)


def metrics() -> list[ScoreTable]:
    rng = np.random.default_rng(1)
    frame = TABLE.frame
    return [
        ScoreTable(frame.assign(metric=f"m{i}", score=DESIGN.scores(rng), status=status))
        for i, status in enumerate(["ok", "ok", np.where(rng.random(len(frame)) < 0.1, "abstained", "ok")])
    ]


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bytes():
    first, second = (json.dumps(as_json(analyse(metrics(), seed=4, **FAST).summary())) for _ in range(2))
    assert first == second
    other = json.dumps(as_json(analyse(metrics(), seed=5, **FAST).summary()))
    assert other != first


@pytest.mark.slow
def test_several_metrics_are_compared_and_corrected():
    content = as_json(analyse(metrics(), **FAST).summary())
    assert len(content["comparisons"]) == 3
    for one in content["comparisons"]:
        assert one["adjusted_p_value"] >= one["p_value"]
    for found in content["metrics"]:
        assert found["permutation"]["adjusted_p_value"] >= found["permutation"]["p_value"]
    backwards = as_json(analyse(metrics()[::-1], **FAST).summary())
    assert backwards["metrics"][::-1] == content["metrics"]


@pytest.mark.thorough
def test_renaming_models_changes_nothing():
    frame = TABLE.frame
    renamed = frame.assign(
        model_a=[f"z{100 - int(name[1:]):03d}" for name in frame["model_a"]],
        model_b=[f"z{100 - int(name[1:]):03d}" for name in frame["model_b"]],
    )
    before, after = entry(frame), entry(renamed)
    for key in ("auc", "look_alike_auc", "partial_auc", "by_method", "by_look_alike", "relations"):
        assert after[key] == before[key]
    assert after["verdict"] == before["verdict"]


DIRECT: dict[str, Callable[[ScoreTable], object]] = {
    "metric": lambda t: "patchy",
    "version": lambda t: 3,
    "auc": lambda t: analysis.auc(t, level=LEVEL),
    "look_alike_auc": lambda t: analysis.auc(t, "look-alike", LEVEL),
    "partial_auc": lambda t: analysis.partial_auc(t, level=LEVEL),
    "worst_auc": lambda t: analysis.auc_with_abstentions_worst(t, level=LEVEL),
    "worst_look_alike_auc": lambda t: analysis.auc_with_abstentions_worst(t, "look-alike", LEVEL),
    "intervals": lambda t: {
        method: analysis.auc(t, level=LEVEL, method=method, seed=SEED, n_resamples=30)
        for method in ("jackknife", "bootstrap", "percentile", "delong")
    },
    "permutation": lambda t: analysis.separation_test(t, 99, SEED),
    "thresholds": lambda t: tuple(analysis.calibrate_threshold(t, rate, 0.95, level=LEVEL) for rate in GOALS),
    "independent_thresholds": lambda t: tuple(
        analysis.calibrate_threshold(t, rate, 0.95, negatives="independent", level=LEVEL) for rate in GOALS
    ),
    "claim": lambda t: CLAIM,
    "claim_audit": lambda t: analysis.audit_threshold(t, 1.0, LEVEL),
    "p_values": lambda t: analysis.audit_p_values(t, level=LEVEL),
    "evidence": analysis.calibrate_evidence,
    "evidence_against": lambda t: {
        name: analysis.calibrate_evidence(t, name)
        for name in ("independent", "sibling", "shared-init", "distilled")
    },
    "architecture": lambda t: analysis.architecture_detector(t, LEVEL),
    "by_method": lambda t: analysis.by_method(t, first_threshold(t), LEVEL),
    "by_look_alike": lambda t: analysis.by_look_alike(t, first_threshold(t), LEVEL),
    "roc": lambda t: analysis.roc_curve(t, level=LEVEL),
    "look_alike_roc": lambda t: analysis.roc_curve(t, "look-alike", LEVEL),
    "unmatched": lambda t: (("05-a", "05-b"), ("05-a", "05-c")),
    "bounds": lambda t: separation_bounds(t, analysis.by_method(t, first_threshold(t), LEVEL)),
    "claim_verdict": lambda t: claim_verdict(t, CLAIM),
    "sensitivity": lambda t: analysis.sensitivity(t, permutation=analysis.separation_test(t, 99, SEED)),
}
"""Fields of a report → the public function that gives the same on its own."""


def first_threshold(table: ScoreTable) -> float:
    return analysis.calibrate_threshold(table, GOALS[0], level=LEVEL).value


def test_a_report_holds_what_each_procedure_says_alone():
    report = patchy_report()
    found = {name: as_json(getattr(report, name)) for name in DIRECT}
    assert found == {name: as_json(procedure(report.table)) for name, procedure in DIRECT.items()}
    assert found["intervals"]["percentile"] != found["intervals"]["bootstrap"] != found["intervals"]["delong"]


def test_alikeness_inside_lineages_is_that_of_the_table():
    table = analysis.example_table("m", n_lineages=4)
    (report,) = analyse([table], max_fpr=(), n_resamples=99, n_bootstrap=9).metrics
    found = report.intraclass_correlation
    assert found.defined
    assert found == intraclass_correlation(table)


def test_the_defaults_are_those_that_are_documented():
    table = analysis.example_table("m", n_lineages=6, separation=1.0)
    (report,) = analyse([table]).metrics
    assert report.permutation == analysis.separation_test(table, 9_999, 0)
    for method in ("bootstrap", "percentile"):
        stated = analysis.auc(table, level=0.95, method=method, n_resamples=2_000, seed=0)
        assert report.intervals[method] == stated
        assert stated != analysis.auc(table, level=0.95, method=method, n_resamples=2_001, seed=0)
    assert [item.max_fpr for item in report.thresholds] == [0.05, 0.01, 0.001]
    assert [item.confidence for item in report.thresholds] == [0.95] * 3
    assert [item.negatives for item in report.thresholds] == ["look-alike"] * 3
    assert as_json(report.thresholds) == as_json(calibrate_thresholds(table, (0.05, 0.01, 0.001)))
    assert [item.negatives for item in report.independent_thresholds] == ["independent"] * 3
    assert (report.claim, report.claim_audit, report.p_values, report.version) == (None,) * 4


def test_a_claim_is_audited_as_far_as_it_goes():
    tables = [analysis.example_table(name, n_lineages=3) for name in ("silent", "cut", "p")]
    tables[2] = tables[2].with_scores(tables[2].score - tables[2].score.min())
    claims = {"cut": Claim(threshold=0.0), "p": Claim(p_values=True)}
    found = analyse(
        tables, claims=claims, versions={"p": 2}, level=0.8, max_fpr=(), n_resamples=99, n_bootstrap=9
    )
    silent, cut, p = found.metrics
    assert (silent.claim, silent.claim_audit, silent.p_values, silent.version) == (None,) * 4
    assert cut.claim == claims["cut"]
    assert cut.claim_audit.threshold == 0.0
    assert cut.p_values is None
    assert p.claim_audit is None
    assert as_json(p.p_values) == as_json(analysis.audit_p_values(tables[2], level=0.8))
    assert p.p_values.rates[0].observed.level == 0.8
    assert p.version == 2


@pytest.mark.thorough
def test_certificates_of_all_metrics_hold_together_and_those_of_a_declared_one_alone():
    tables = [analysis.example_table(f"m{i}", n_lineages=6) for i in range(4)]
    quick = {"max_fpr": (0.05,), "n_resamples": 19, "n_bootstrap": 9}
    for focus, expected in ((None, [4] * 4), ("m1", [3, 1, 3, 3])):
        found = analyse(tables, focus=focus, **quick)
        assert [report.thresholds[0].n_metrics for report in found.metrics] == expected
        assert [report.independent_thresholds[0].n_metrics for report in found.metrics] == expected
        catalog = found.summary().catalog
        assert catalog.n_metrics == max(expected)
        assert catalog.certifiable_fpr == analysis.certifiable_fpr(6, 0.95, max(expected))
        assert catalog.lineages_needed["0.05"] == analysis.lineages_needed(0.05, 0.95, max(expected))
    (alone,) = analyse(tables[:1], focus="m0", **quick).metrics
    assert alone.thresholds[0].n_metrics == 1


def test_what_is_said_of_several_metrics_holds_together():
    tables = [analysis.example_table(name, n_lineages=6, separation=k) for k, name in enumerate("ab")]
    claims = {"a": Claim(auc=0.5), "b": Claim(auc=0.9, p_values=True)}
    found = analyse(tables, claims=claims, max_fpr=(), n_resamples=19, n_bootstrap=9)
    for table, report in zip(tables, found.metrics, strict=True):
        methods = analysis.by_method(table, n_metrics=2)
        assert as_json(report.by_method) == as_json(methods)
        assert report.bounds == separation_bounds(table, methods, 2) != separation_bounds(table, methods)
        assert report.claim_verdict == claim_verdict(table, claims.get(table.metric), n_together=5)


def test_a_single_statement_is_judged_alone():
    table, claim = analysis.example_table("m", n_lineages=6), Claim(auc=0.9)
    (report,) = analyse([table], claims={"m": claim}, max_fpr=(), n_resamples=19, n_bootstrap=9).metrics
    assert report.claim_verdict == claim_verdict(table, claim) != claim_verdict(table, claim, n_together=2)


def test_lineages_enough_for_one_metric_certify_each_alone():
    tables = [analysis.example_table(name, n_lineages=20) for name in "ab"]
    assert analysis.lineages_needed(0.3) <= 20 < analysis.lineages_needed(0.3, n_metrics=2)
    for report in analyse(tables, max_fpr=(0.3,), n_resamples=19, n_bootstrap=9).metrics:
        for (threshold,) in (report.thresholds, report.independent_thresholds):
            assert threshold.certified
            assert threshold.n_metrics == 1


def test_a_table_without_look_alikes_says_against_whom_its_thresholds_are():
    frame = analysis.example_table("m", n_lineages=4).frame.drop(columns=["architecture_a", "architecture_b"])
    (report,) = analyse([ScoreTable(frame)], max_fpr=(0.05,), n_resamples=19, n_bootstrap=9).metrics
    assert report.thresholds == report.independent_thresholds
    assert report.thresholds[0].negatives == "independent"


@pytest.mark.thorough
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_no_seed_moves_a_threshold(seed: int):
    table = analysis.example_table("m", n_lineages=8)
    quick = {"max_fpr": (0.3,), "n_resamples": 19, "n_bootstrap": 9}
    (one,), (other,) = (analyse([table], seed=each, **quick).metrics for each in (0, seed))
    assert as_json(one.thresholds) == as_json(other.thresholds)
    assert as_json(one.independent_thresholds) == as_json(other.independent_thresholds)


def test_evidence_is_calibrated_against_what_is_asked_for():
    table = analysis.example_table("m", n_lineages=4)
    quick = {"max_fpr": (), "n_resamples": 19, "n_bootstrap": 9}
    (report,) = analyse([table], alternatives=("independent",), **quick).metrics
    assert list(report.evidence_against) == ["independent"]
    assert report.evidence_against["independent"].negatives == "independent"
    assert (report.evidence.negatives, report.evidence.reason) == ("look-alike", "not asked for")
    # Nor is it calibrated for what is asked beside it.
    assert report.sensitivity.label_lr_bound.reason == "not asked for"
    (report,) = analyse([table], alternatives=("look-alike",), **quick).metrics
    assert report.evidence == analysis.calibrate_evidence(table)
    assert report.evidence_against == {}


def test_without_goals_there_are_no_thresholds_and_no_rates_at_them():
    table = analysis.example_table("m", n_lineages=4)
    (report,) = analyse([table], max_fpr=(), n_resamples=99, n_bootstrap=9).metrics
    assert report.thresholds == report.independent_thresholds == ()
    assert as_json(report.by_method) == as_json(analysis.by_method(table))
    assert as_json(report.by_look_alike) == as_json(analysis.by_look_alike(table))
    assert not report.by_method["fine-tune"].tpr.defined


def compared(tables: list[ScoreTable], focus: str | None = None) -> Any:
    quick = {"max_fpr": (), "n_resamples": 19, "n_bootstrap": 9}
    return as_json(analyse(tables, level=0.8, focus=focus, **quick).comparisons)


def test_metrics_are_compared_on_look_alikes_with_the_focus_first():
    tables = [analysis.example_table(name, n_lineages=4, separation=k) for k, name in enumerate("abc")]
    for focus in (None, "b"):
        assert compared(tables, focus) == as_json(
            analysis.compare_all(tables, "look-alike", 0.8, focus=focus)
        )


def test_metrics_are_compared_on_independent_pairs_where_no_look_alike_has_a_score():
    tables = [analysis.example_table(name, n_lineages=3, separation=k) for k, name in enumerate("ab")]
    plain = [
        ScoreTable(table.frame.assign(status=np.where(table.look_alike, "abstained", "ok")))
        for table in tables
    ]
    assert compared(plain) == as_json(analysis.compare_all(plain, "independent", 0.8))
    mixed = [plain[0], tables[1]]
    assert compared(mixed) == as_json(analysis.compare_all(mixed, "look-alike", 0.8))


def test_an_analysis_prints_its_verdicts_and_keeps_reports_in_the_order_of_the_tables():
    tables = [analysis.example_table(name, n_lineages=3) for name in ("z", "a")]
    found = analyse(tables, max_fpr=(), n_resamples=19, n_bootstrap=9)
    assert [report.metric for report in found.metrics] == ["z", "a"]
    assert all(report.table is table for report, table in zip(found.metrics, tables, strict=True))
    first, second = (report.verdict.verdict for report in found.metrics)
    assert str(found) == f"z: {first}; a: {second}"
    summary = found.summary()
    assert as_json(summary.comparisons) == as_json(found.comparisons)
    assert [item.metric for item in summary.metrics] == ["z", "a"]
    assert summary.catalog.confidence == 0.95
    assert list(summary.catalog.lineages_needed) == ["0.05", "0.01", "0.001"]
    assert summary.catalog.n_metrics == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"focus": "b"}, "focus must be \"a\", not 'b'"),
        ({"claims": [1]}, "claims must be a mapping of str to Claim, not [1]"),
        ({"claims": {"a": 1}}, "claims['a'] must be a Claim by its metric's name, not 1"),
        ({"versions": [1]}, "versions must be a mapping of str to int, not [1]"),
        ({"versions": {"a": "1"}}, "versions['a'] must be an int by its metric's name, not '1'"),
        (
            {"seed": -1},
            "seed must be an integer, 0 or more (each procedure makes its own random stream from it)",
        ),
        ({"level": 1.0}, "level must be a number between 0 and 1, in (0, 1), not 1.0"),
        ({"max_fpr": 0.05}, "max_fpr must be a sequence of float, not 0.05"),
        ({"max_fpr": (0.05, "1")}, "max_fpr[1] must be a float, not '1'"),
        ({"max_fpr": (0.05, 0.0)}, "max_fpr[1] must be a number between 0 and 1, in (0, 1), not 0.0"),
        ({"n_resamples": 0}, "n_resamples must be an integer, 1 or more, not 0"),
        ({"n_bootstrap": 0}, "n_bootstrap must be an integer, 1 or more, not 0"),
        ({"alternatives": 3}, "alternatives must be a sequence of str, not 3"),
        ({"alternatives": ("look-alike", "kin")}, "alternatives[1] must be "),
    ],
)
def test_bad_options_are_refused_before_anything_is_computed(options, message, monkeypatch):
    monkeypatch.setattr("analysis.full_analysis.in_background", None)
    with pytest.raises(analysis.BadArgument) as caught:
        analyse([analysis.example_table("a", n_lineages=2)], **options)
    assert str(caught.value).startswith(message)


def test_processes_work_where_they_are_asked_for_and_there_is_more_than_one_metric(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each with one thread of linear algebra: the same digits on any machine."""
    asked: list[int] = []
    threads: list[int] = []

    def here(work: Callable[[ScoreTable], object], tables: list[ScoreTable], workers: int) -> Any:
        asked.append(workers)
        return map(work, tables)

    monkeypatch.setattr(full_analysis, "in_processes", here)
    monkeypatch.setattr(full_analysis, "threadpool_limits", lambda n: threads.append(n) or nullcontext())
    tables = [analysis.example_table(name, n_lineages=3) for name in "ab"]
    quick = {"max_fpr": (), "n_resamples": 19, "n_bootstrap": 9}
    alone = analyse(tables, **quick)
    analyse(tables, workers=1, **quick)
    analyse(tables[:1], workers=2, **quick)
    assert asked == threads == []
    several = analyse(tables, workers=2, **quick)
    assert (asked, threads) == ([2], [1, 1])
    assert as_json(several.summary()) == as_json(alone.summary())


@pytest.mark.thorough
def test_processes_get_tables_that_nothing_changes_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are packed before the test of this process keeps in them what it derives, and give the same."""
    packed_here: list[bool] = []
    reduce = ScoreTable.__reduce_ex__

    def watched(table: ScoreTable, protocol: int) -> object:
        packed_here.append(threading.current_thread() is threading.main_thread())
        return reduce(table, protocol)

    tables = [analysis.example_table(), analysis.example_table("other")]
    alone = analyse(tables, n_resamples=19, n_bootstrap=9)
    monkeypatch.setattr(ScoreTable, "__reduce_ex__", watched)
    together = analyse(tables, n_resamples=19, n_bootstrap=9, workers=2)
    assert packed_here == [True, True]
    for one, other in zip(together.metrics, alone.metrics, strict=True):
        for part in ("look_alike_auc", "permutation", "sensitivity"):
            assert as_json(getattr(one, part)) == as_json(getattr(other, part)), part


def test_it_tells_how_many_metrics_are_done() -> None:
    told: list[int] = []
    tables = [analysis.example_table(name, n_lineages=4) for name in ("a", "b", "c")]
    analysis.analyse(tables, n_resamples=99, n_bootstrap=20, told=told.append)
    assert told == [1, 2, 3]
