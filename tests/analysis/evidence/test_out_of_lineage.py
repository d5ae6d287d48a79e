"""Out-of-lineage values, their bounds and their costs, from pairs whose held-out values are given."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import pytest

from analysis.evidence.labelled_pairs import LabelledPairs
from analysis.evidence.logistic_fit import LogisticFit
from analysis.evidence.out_of_lineage import OutOfLineage, too_few_lineages
from analysis.evidence.quality import cllr, cllr_min, empirical_bounds

Floats = np.ndarray
FIT = LogisticFit((), 0.25, np.empty(0))


@dataclass
class Given:
    """What is asked of labelled pairs."""

    scores: Floats
    weighed: Floats
    derived: Floats
    weight: Floats
    n_holders: int
    n_lineages: int
    negative_units: float
    negatives: str = "independent"
    n_negative_lineages: int = 9

    def held_out(self, fit: LogisticFit) -> Floats:
        assert fit is FIT
        return self.weighed


def given(weighed: Floats, n_holders: int, n_lineages: int, n_metrics: int = 1) -> LabelledPairs:
    """Twelve pairs, the first five derived, of unequal weight, with scores in an order of their own."""
    rng = np.random.default_rng(5)
    derived = np.arange(12) < 5
    pairs = Given(
        rng.normal(size=(12, n_metrics)),
        weighed,
        derived,
        1.0 + np.arange(12),
        n_holders,
        n_lineages,
        n_lineages / 2,
    )
    return cast(LabelledPairs, pairs)


CERTAIN = np.where(np.arange(12) < 5, 3.0, -3.0)
MIXED = np.array([0.9, -0.2, 0.6, 1.4, 0.3, -0.8, 0.2, -1.1, -0.4, -1.6, -0.7, -0.1])


@pytest.mark.parametrize("n_metrics", [1, 2])
def test_values_are_kept_within_the_bounds_and_cost_what_they_then_cost(n_metrics: int) -> None:
    pairs = given(MIXED, 8, 11, n_metrics)
    found = OutOfLineage.of(pairs, FIT)
    ends = empirical_bounds(MIXED, pairs.derived, pairs.weight, 8, 5.5)
    assert (found.lower, found.upper) == ends
    assert -1 < found.lower < 0 < found.upper < 1
    np.testing.assert_array_equal(found.weighed, MIXED)
    np.testing.assert_array_equal(found.bounded, np.clip(MIXED, *ends))
    assert found.cllr == cllr(found.bounded, pairs.derived, pairs.weight)
    # One metric ranks by its score; of several, only what was fitted ranks pairs.
    ranking = pairs.scores[:, 0] if n_metrics == 1 else MIXED
    assert found.cllr_min == cllr_min(ranking, pairs.derived, pairs.weight)


@pytest.mark.parametrize(("holders", "lineages"), [(3, 4), (6, 6), (40, 50), (1000, 1000)])
def test_what_is_never_wrong_may_weigh_less_than_the_number_of_lineages(holders: int, lineages: int) -> None:
    """One misleading value a class costs 1 / (n + 1) + r / (G/2 + 1): at most 1, or r if that is less."""
    found = OutOfLineage.of(given(CERTAIN, holders, lineages), FIT)
    high = math.log10(holders / (holders + 1) * (lineages / 2 + 1))
    low = math.log10((holders + 1) * (lineages / 2) / (lineages / 2 + 1))
    assert 0 <= high - found.upper < 0.01 + 1e-9
    assert 0 <= low + found.lower < 0.01 + 1e-9
    assert max(found.upper, -found.lower) < math.log10(lineages)


@pytest.mark.parametrize("lineages", [2, 3, 4, 10, 100, 10_000])
def test_no_bound_goes_beyond_the_number_of_lineages(lineages: int) -> None:
    """Even where every value is right and each class has a value of every lineage, the most there can be."""
    pairs = given(CERTAIN, lineages, lineages)
    for units in (lineages / 2, lineages):
        found = OutOfLineage.of(replace(pairs, negative_units=units), FIT)
        assert max(found.upper, -found.lower) <= math.log10(lineages) + 1e-12


@pytest.mark.parametrize(("holders", "lineages", "few"), [(3, 4, False), (2, 4, True), (3, 3, True)])
def test_three_lineages_of_four_can_weigh_one_by_the_others(holders: int, lineages: int, few: bool) -> None:
    pairs = given(MIXED, holders, lineages)
    told = (
        f"{holders} lineages with derived pairs, of {lineages} in all, far away:"
        " leave-one-out needs at least 3 of 4"
    )
    assert too_few_lineages(pairs, ", far away") == (told if few else "")
    assert too_few_lineages(pairs) == (told.replace(", far away", "") if few else "")


@pytest.mark.parametrize("lineages", [2, 3])
def test_negatives_of_three_lineages_can_weigh_one_by_the_others(lineages: int) -> None:
    pairs = replace(given(MIXED, 3, 4), negatives="look-alike", n_negative_lineages=lineages)
    told = "2 lineages with look-alike pairs: leave-one-out needs at least 3"
    assert too_few_lineages(pairs) == (told if lineages == 2 else "")


def test_lineages_with_look_alikes_only_are_those_that_are_counted() -> None:
    """More lineages may hold derived pairs: a reader who counts them must see which are meant."""
    found = too_few_lineages(replace(given(MIXED, 2, 4), negatives="look-alike"))
    assert found.startswith("2 lineages with derived pairs whose shapes look-alike pairs have, of 4 in all:")
