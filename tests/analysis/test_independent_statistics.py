"""Public statistics against scikit-learn, statsmodels and plain counting, on tables with ties and gaps."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from scipy.stats import binom
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import log_loss, roc_auc_score
from statsmodels.stats.multitest import multipletests

import analysis
from analysis import ScoreTable
from studies.simulation.designs import Design, spread


def drawn(seed: int, separation: float = 1.0) -> ScoreTable:
    """Scores rounded to one digit, every ninth pair without one."""
    table = Design("", spread(8, (4, 2)), 3, separation=separation).draw(np.random.default_rng(seed))
    frame = table.with_scores(np.round(table.score, 1)).frame.copy()
    frame.loc[frame.index % 9 == 4, ["status", "reason"]] = "abstained", "made so"
    derived = frame["relation"] == "derived"
    frame["method"] = np.where(derived, np.where(frame.index % 2, "merge", "fine-tune"), "")
    return ScoreTable(frame)


@pytest.fixture(scope="module")
def table() -> ScoreTable:
    return drawn(1)


def rows_of(table: ScoreTable) -> list[dict[str, object]]:
    """The table's own rows, as anyone would read them from a file."""
    return table.frame.to_dict("records")


def with_score(table: ScoreTable, relation: str) -> list[dict[str, object]]:
    return [row for row in rows_of(table) if row["relation"] == relation and row["status"] == "ok"]


def cells(row: dict[str, object]) -> frozenset[object]:
    return frozenset((row["architecture_a"], row["architecture_b"]))


def area(positive: list[float], negative: list[float]) -> float:
    truth = [1] * len(positive) + [0] * len(negative)
    return float(roc_auc_score(truth, positive + negative))


def scores(rows: list[dict[str, object]]) -> list[float]:
    return [float(row["score"]) for row in rows]  # type: ignore[arg-type]


def test_auc_with_and_without_abstentions(table: ScoreTable) -> None:
    kin, strangers = with_score(table, "derived"), with_score(table, "independent")
    expected = area(scores(kin), scores(strangers))
    assert analysis.auc(table).estimate == pytest.approx(expected, abs=1e-12)
    missing = [row for row in rows_of(table) if row["status"] == "abstained"]
    assert {row["relation"] for row in missing} == {"derived", "independent"}
    # A derived pair without a score lies below all others, an independent one above.
    worst = area(
        scores(kin) + [-99.0 for row in missing if row["relation"] == "derived"],
        scores(strangers) + [99.0 for row in missing if row["relation"] == "independent"],
    )
    assert analysis.auc_with_abstentions_worst(table).estimate == pytest.approx(worst, abs=1e-12)


def test_look_alike_auc_is_the_mean_of_an_auc_for_each_derived_pair(table: ScoreTable) -> None:
    shares, alone = [], []
    for row in with_score(table, "derived"):
        alike = [other for other in with_score(table, "independent") if cells(other) == cells(row)]
        if alike:
            shares.append(area(scores([row]), scores(alike)))
        else:
            alone.append((row["model_a"], row["model_b"]))
    assert analysis.look_alike_auc(table).estimate == pytest.approx(np.mean(shares), abs=1e-12)
    assert analysis.pairs_without_look_alikes(table) == alone


def test_look_alikes_are_independent_pairs_of_the_cells_of_a_derived_one(table: ScoreTable) -> None:
    rows = rows_of(table)
    of_kin = {cells(row) for row in rows if row["relation"] == "derived"}
    expected = [row["relation"] == "independent" and cells(row) in of_kin for row in rows]
    columns = (
        np.array([row[name] for row in rows]) for name in ("relation", "architecture_a", "architecture_b")
    )
    assert analysis.look_alike_pairs(*columns).tolist() == expected
    assert 0 < sum(expected) < sum(row["relation"] == "independent" for row in rows)


@pytest.mark.parametrize("most", [0.1, 0.35])
def test_partial_auc_is_that_of_scikit_learn(most: float) -> None:
    """Without ties: scikit-learn gives McClish's standardised area, which is undone here."""
    table = Design("", spread(8, (4, 2)), 3).draw(np.random.default_rng(2))
    kin, strangers = (scores(with_score(table, relation)) for relation in ("derived", "independent"))
    truth = [1] * len(kin) + [0] * len(strangers)
    standardised = float(roc_auc_score(truth, kin + strangers, max_fpr=most))
    least, largest = most**2 / 2, most
    expected = (least + (2 * standardised - 1) * (largest - least)) / most
    assert analysis.partial_auc(table, most).estimate == pytest.approx(expected, abs=1e-12)


def test_methods_and_classes_of_look_alikes_are_parts_of_the_table(table: ScoreTable) -> None:
    strangers = scores(with_score(table, "independent"))
    by_method = analysis.by_method(table)
    assert by_method.keys() == {"merge", "fine-tune"}
    for method, part in by_method.items():
        kin = [row for row in with_score(table, "derived") if row["method"] == method]
        assert part.n_pairs == len(kin)
        assert part.auc.estimate == pytest.approx(area(scores(kin), strangers), abs=1e-12)


def test_differences_of_aucs_and_holms_procedure() -> None:
    first, second, third = (drawn(3, separation) for separation in (1.5, 1.0, 0.5))
    tables = [
        ScoreTable(each.frame.assign(metric=name))
        for each, name in ((first, "a"), (second, "b"), (third, "c"))
    ]
    family = []
    for x, y in itertools.combinations(tables, 2):
        found = analysis.compare_metrics(x, y, negatives="independent")
        aucs = [
            area(*(scores(with_score(each, relation)) for relation in ("derived", "independent")))
            for each in (x, y)
        ]
        assert found.difference.estimate == pytest.approx(aucs[0] - aucs[1], abs=1e-12)
        family.append(found)
    family = [replace(one, p_value=p) for one, p in zip(family, (0.03, 0.002, 0.6), strict=True)]
    # Each comparison is two one-sided hypotheses, and statsmodels is given all of them.
    sides = [side for one in family for side in (one.p_value / 2, 1 - one.p_value / 2)]
    expected = multipletests(sides, method="holm")[1][::2]
    assert [one.adjusted_p_value for one in analysis.holm(family)] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("seed", [1, 2])
def test_costs_of_log_likelihood_ratios(seed: int) -> None:
    rng = np.random.default_rng(seed)
    positive = np.arange(70) < 25
    log10_lr = rng.normal(np.where(positive, 0.5, -0.5), 1.0).round(1)
    balanced = np.where(positive, 0.5 / 25, 0.5 / 45)
    odds = 10.0**log10_lr
    cost = log_loss(positive, odds / (1 + odds), sample_weight=balanced) / math.log(2)
    assert analysis.cllr(log10_lr, positive) == pytest.approx(cost, rel=1e-12)
    pooled = IsotonicRegression().fit(log10_lr, positive, sample_weight=balanced).predict(log10_lr)
    least = log_loss(positive, pooled, sample_weight=balanced) / math.log(2)
    assert analysis.cllr_min(log10_lr, positive) == pytest.approx(least, rel=1e-9)


def test_rates_and_claimed_p_values_are_shares(table: ScoreTable) -> None:
    kin, strangers = (scores(with_score(table, relation)) for relation in ("derived", "independent"))
    cut = sorted(strangers)[-5]
    for kind, values in (("fpr", strangers), ("tpr", kin)):
        expected = Fraction(sum(value >= cut for value in values), len(values))
        assert analysis.rate(table, cut, kind).estimate == pytest.approx(float(expected))  # type: ignore[arg-type]
    audit = analysis.audit_threshold(table, cut)
    assert audit.fpr.estimate == pytest.approx(sum(value >= cut for value in strangers) / len(strangers))
    lowest = min(map(float, table.score[table.comparable]))
    claimed = analysis.audit_p_values(table, lambda score: 10.0 ** (lowest - score))
    for one in claimed.rates:
        share = np.mean([10.0 ** (lowest - value) <= one.level for value in strangers])
        assert one.observed.estimate == pytest.approx(share)


def test_certificates_by_the_binomial_law() -> None:
    """Zero errors among n independent negatives certify a rate where (1 - rate)^n is small enough."""
    for lineages in (30, 60, 240):
        found = analysis.certifiable_fpr(lineages)
        assert binom.cdf(0, lineages // 2, found) == pytest.approx(0.05, rel=1e-9)
    for most in (0.1, 0.05, 0.01):
        half = analysis.lineages_needed(most) // 2
        assert binom.cdf(0, half, most) <= 0.05 < binom.cdf(0, half - 1, most)
