"""The interval of one log10 LR, put together once more from its parts."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import beta, t as student

from analysis.discrimination.intervals import degrees_of_freedom, jackknife_variance
from analysis.evidence.labelled_pairs import LabelledPairs, lineage_weights
from analysis.evidence.likelihood_ratio import Evidence, calibrate_evidence, evidence_pairs
from analysis.evidence.logistic_fit import LogisticFit
from analysis.evidence.lr_interval import METHOD, evidence_interval, lr_interval
from analysis.evidence.score_map import ScoreMap
from analysis.table import ScoreTable
from analysis.validation import BadArgument
from studies.simulation.designs import Design
from tests.support.loss_evaluations import evaluations


@pytest.fixture(scope="module")
def table() -> ScoreTable:
    return Design("unequal", (2, 3, 5, 4, 3, 1, 2, 3), separation=2.0).draw(np.random.default_rng(4))


@pytest.fixture(scope="module")
def evidence(table: ScoreTable) -> Evidence:
    return calibrate_evidence(table)


def exact(share: float, n: float, level: float) -> tuple[float, float]:
    """Limits of Clopper and Pearson, of a share of n trials."""
    hits, tail = share * n, (1 - level) / 2
    low = beta.ppf(tail, hits, n - hits + 1) if hits > 1e-9 else 0.0
    high = beta.ppf(1 - tail, hits + 1, n - hits) if hits < n - 1e-9 else 1.0
    return float(low), float(high)


@pytest.mark.parametrize("score", [-3.0, 0.4, 0.9, 1.2, 1.6, 2.0, 6.0])
@pytest.mark.parametrize(("level", "bounds"), [(0.95, (-0.6, 0.5)), (0.5, (-4.0, 5.0))])
def test_interval_is_put_together_from_its_parts(
    table: ScoreTable, score: float, level: float, bounds: tuple[float, float]
) -> None:
    pairs = evidence_pairs(table)
    fit = pairs.fit()
    at = np.array([score])
    found = lr_interval(pairs, fit, at, bounds, level)
    estimate = float(fit(at))
    folds = pairs.left_out_one_by_one(at, fit)
    half = student.ppf((1 + level) / 2, degrees_of_freedom(folds)) * math.sqrt(jackknife_variance(folds))
    # No surer than the shares of pairs that weigh at least as much as the bounded value.
    value = min(max(estimate, bounds[0]), bounds[1])
    weighs = fit(pairs.scores)
    beyond = weighs >= value - 1e-9 if value >= 0 else weighs <= value + 1e-9
    ours = exact(float(pairs.weight[beyond & pairs.derived].sum()), pairs.n_holders, level)
    theirs = exact(float(pairs.weight[beyond & ~pairs.derived].sum()), pairs.n_lineages / 2, level)
    if estimate >= 0:
        limit = math.log10(max(ours[0], 1e-12) / max(theirs[1], 1e-12))
        low, high = min(estimate - half, limit), estimate + half
    else:
        limit = math.log10(max(ours[1], 1e-12) / max(theirs[0], 1e-12))
        low, high = estimate - half, max(estimate + half, limit)
    expected = [min(max(one, bounds[0]), bounds[1]) for one in (estimate, low, high)]
    assert [found.estimate, found.low, found.high] == pytest.approx(expected, abs=1e-6)
    assert (found.level, found.method, found.reason) == (level, METHOD, "")
    assert found.n_pairs == int(table.derived.sum() + table.independent.sum())
    assert found.n_models == 23
    assert found.n_lineages == 8


LOG10 = math.log(10)
EDGE = 0.25 - 1e-9
"""The last value that still weighs as much as 0.25."""


@pytest.fixture(scope="module")
def turned() -> LabelledPairs:
    """One pair a lineage, whose scores are log10 LRs below; refits say 0, as derived pairs score lower."""
    ours = [-1.0, -0.25, EDGE, -0.25 + 5e-10, 0.25, 1.0, -1.0, -EDGE]
    theirs = [-1.0, 0.25 - 5e-10, -0.25 - 5e-10, -EDGE, EDGE, 2.0, 2.0, 2.0, 2.0, 2.0, 0.25, 0.0]
    lineage = np.arange(8)
    a = np.concatenate([lineage, np.repeat(lineage[:4], 3)])
    b = np.concatenate([lineage, np.tile(lineage[5:8], 4)])
    derived = np.arange(20) < 8
    scores = np.array([*ours, *theirs])[:, None]
    code = np.stack([a, b])
    weight, stratum = lineage_weights(code, derived), np.zeros(20, dtype=np.intp)
    return LabelledPairs(
        "independent", np.arange(20), scores, code, derived, stratum, weight, 8, 8, negative_units=4.0
    )


def as_is(pairs: LabelledPairs) -> LogisticFit:
    """A fit by which scores are log10 LRs."""
    level = np.unique(pairs.scores)
    return LogisticFit((ScoreMap(level, level),), 0.0, np.array([LOG10]))


@pytest.mark.parametrize("value", [-0.25, 0.0, 0.25, 1.0])
def test_without_a_spread_of_refits_the_exact_limit_is_the_end(turned: LabelledPairs, value: float) -> None:
    """An end that is no surer than the shares beyond; 0 is looked at as evidence for derivation."""
    fit = as_is(turned)
    assert float(fit(np.array([value]))) == value
    np.testing.assert_allclose(turned.left_out_one_by_one(np.array([value]), fit), 0.0, atol=1e-12)
    found = lr_interval(turned, fit, np.array([value]), (-9.0, 9.0), 0.9)
    # Derived and independent pairs (8 and 12) that weigh at least as much, those at the edge among them.
    ours, theirs = {-0.25: (5, 3), 0.0: (3, 9), 0.25: (3, 8), 1.0: (1, 5)}[value]
    mine, other = exact(ours / 8, 8, 0.9), exact(theirs / 12, 4, 0.9)
    if value >= 0:
        expected = (min(value, math.log10(mine[0] / other[1])), value)
    else:
        expected = (value, max(value, math.log10(mine[1] / other[0])))
    assert (found.low, found.high) == pytest.approx(expected, abs=1e-9)
    assert found.high - found.low > 0.1


def test_only_shares_of_the_weight_count(table: ScoreTable) -> None:
    pairs = evidence_pairs(table)
    other = replace(pairs, weight=3 * pairs.weight)
    for score in (0.4, 2.0):
        found, again = (
            lr_interval(one, pairs.fit(), np.array([score]), (-4.0, 5.0), 0.95) for one in (pairs, other)
        )
        assert (again.estimate, again.low, again.high) == pytest.approx(
            (found.estimate, found.low, found.high), abs=1e-9
        )


def test_refits_begin_at_the_fit(table: ScoreTable) -> None:
    """Which changes no result, but saves steps."""
    pairs = evidence_pairs(table)
    fit, at = pairs.fit(), np.array([1.0])
    with evaluations() as known:
        pairs.left_out_one_by_one(at, fit)
    with evaluations() as asked:
        lr_interval(pairs, fit, at, (-4.0, 5.0), 0.95)
    assert asked == known


def test_evidence_interval_is_that_of_its_fit(table: ScoreTable, evidence: Evidence) -> None:
    assert evidence.logistic is not None
    for level in (0.5, 0.95):
        expected = lr_interval(
            evidence_pairs(table),
            evidence.logistic,
            np.array([1.1]),
            (evidence.lower, evidence.upper),
            level,
        )
        assert evidence_interval(table, 1.1, evidence, level=level) == expected
    assert evidence_interval(table, 1.1, evidence).level == 0.95


def test_the_interval_is_against_the_negatives_of_the_evidence() -> None:
    """Evidence against all independent pairs would else come with the interval of another question."""
    of = Design("cells", (3,) * 12, n_cells=3, separation=1.0, same_cell=1.0).draw(np.random.default_rng(2))
    for negatives in ("look-alike", "independent"):
        found = calibrate_evidence(of, negatives)
        assert found.logistic is not None
        given = (found.logistic, np.array([1.1]), (found.lower, found.upper), 0.95)
        one, other = (
            lr_interval(evidence_pairs(of, asked), *given) for asked in ("look-alike", "independent")
        )
        assert one != other
        assert evidence_interval(of, 1.1, found) == (one if negatives == "look-alike" else other)


def test_refits_that_are_there_already_are_not_made_again(table: ScoreTable) -> None:
    pairs = evidence_pairs(table)
    fit, at = pairs.fit(), np.array([1.0])
    kept = pairs.left_out_fits(fit)
    with evaluations() as asked:
        found = lr_interval(pairs, fit, at, (-4.0, 5.0), 0.95, left_out=kept)
    assert not asked
    assert found == lr_interval(pairs, fit, at, (-4.0, 5.0), 0.95)


def test_no_score_and_no_evidence_are_undefined_with_the_reason(
    table: ScoreTable, evidence: Evidence
) -> None:
    silent = evidence_interval(table, math.nan, evidence, level=0.8)
    assert math.isnan(silent.estimate)
    assert silent.reason == "a metric has no score of this pair"
    assert (silent.level, silent.method) == (0.8, METHOD)
    some = ScoreTable(table.frame[table.derived])
    none = evidence_interval(some, 1.0, calibrate_evidence(some), level=0.8)
    assert none.reason == "no look-alike pair has a score"
    assert (none.level, none.method) == (0.8, METHOD)


def test_bad_arguments_are_refused_by_name(table: ScoreTable, evidence: Evidence) -> None:
    with pytest.raises(BadArgument, match=r"^table must"):
        evidence_interval(table.frame, 1.0, evidence)  # type: ignore[arg-type]
    with pytest.raises(BadArgument, match=r"^score must"):
        evidence_interval(table, "1", evidence)  # type: ignore[arg-type]
    with pytest.raises(BadArgument, match=r"^evidence must"):
        evidence_interval(table, 1.0, None)  # type: ignore[arg-type]
    with pytest.raises(BadArgument, match=r"^level must"):
        evidence_interval(table, 1.0, evidence, level=1.5)
