"""The interval of one log10 LR, put together once more from its parts."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import beta, t as student

from analysis.discrimination.intervals import degrees_of_freedom, jackknife_variance
from analysis.evidence.likelihood_ratio import Evidence, calibrate_evidence, evidence_pairs
from analysis.evidence.lr_interval import METHOD, evidence_interval, lr_interval
from analysis.table import ScoreTable
from analysis.validation import BadArgument
from studies.simulation.designs import Design


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


def test_no_score_and_no_evidence_are_undefined_with_the_reason(
    table: ScoreTable, evidence: Evidence
) -> None:
    silent = evidence_interval(table, math.nan, evidence, level=0.8)
    assert math.isnan(silent.estimate)
    assert silent.reason == "a metric has no score of this pair"
    assert (silent.level, silent.method) == (0.8, METHOD)
    some = ScoreTable(table.frame[table.derived])
    none = evidence_interval(some, 1.0, calibrate_evidence(some), level=0.8)
    assert none.reason == "no independent pair has a score"
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
