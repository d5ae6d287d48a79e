"""Populations that are not normal: what they promise is in their scores, and their study can tell."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from analysis.results import Interval
from studies.simulation.honesty import CATALOGS, _judged, measure, run_differences
from studies.simulation.scenarios import BENIGN, EFFECTS, SCENARIOS, Scenario, scenario

CALM = Scenario("calm", 12, (4,), lineage_sd=0, model_sd=0, lineage_pair_sd=0, pair_sd=0.01, separation=1.0)


@pytest.mark.parametrize("name", EFFECTS)
def test_effects_have_mean_zero(name: str) -> None:
    drawn = EFFECTS[name](np.random.default_rng(1), (200_000,))
    assert drawn.mean() == pytest.approx(0, abs=0.03)
    if name not in ("t(2)", "t(3)"):
        assert drawn.std() == pytest.approx(1, abs=0.03)


def test_lineages_fail_and_hubs_resemble_everything_as_often_as_stated() -> None:
    rng = np.random.default_rng(2)
    failing = replace(CALM, failing=0.25)
    lost = np.mean([np.mean(failing.scores(rng)[CALM.labels.derived] < 0.5) for _ in range(200)])
    assert lost == pytest.approx(0.25, abs=0.04)
    hubs = replace(CALM, hubs=0.25)
    near = np.mean([np.mean(hubs.scores(rng)[CALM.labels.independent] > 0.5) for _ in range(200)])
    assert near == pytest.approx(1 - 0.75**2, abs=0.05)


def test_levels_abstentions_merges_and_a_giant() -> None:
    rng = np.random.default_rng(3)
    five = scenario("five levels", 24)
    assert len(np.unique(five.scores(rng))) == 5
    quarter = scenario("a quarter abstains", 24)
    assert np.mean(quarter.draw(rng).comparable) == pytest.approx(0.75, abs=0.02)
    merged = scenario("a fifth of lineages merged", 25)
    table = merged.labels
    joined = {str(name) for name in np.asarray(table.lineages)[table.lineage_a[table.relation == "disputed"]]}
    assert len(joined) == 5
    giant = scenario("one giant lineage", 24)
    assert giant.sizes[:4] == (30, 3, 2, 3)


def test_draws_repeat_with_their_seed() -> None:
    one, two, other = (next(CALM.draws(1, seed)).score for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, other)


def test_coverage_and_width_beside_the_oracle() -> None:
    """Ends, widths and what a bound for an unseen kind adds, by hand."""
    told = [
        Interval(0.5, 0.4, 0.6, 0.95, "any", unseen=0.2),
        Interval(0.6, 0.55, 0.7, 0.95, "any", unseen=0.3, warnings=("few",)),
    ]
    found = _judged(told, np.array([0.4, 0.5, 0.6]))
    error = 1.959964 * 0.1
    assert found["truth"] == pytest.approx(0.5)
    assert (found["coverage"], found["too good"], found["with an unseen kind"]) == (0.5, 0.5, 1.0)
    assert found["width"] == pytest.approx(0.175)
    assert found["over oracle"] == pytest.approx(0.175 / (2 * error), rel=1e-5)
    assert found["warned"] == 0.5


def test_a_small_study_covers() -> None:
    assert set(BENIGN) < set(SCENARIOS)
    assert min(CATALOGS) == 12
    for row in measure(scenario("5% of lineages fail", 12), 40, 80, 5):
        assert row["coverage"] >= 0.85  # type: ignore[operator]


@pytest.mark.slow
def test_differences_are_covered() -> None:
    details = run_differences(True, 1).details
    assert details["coverage"].min() >= 0.85
    assert details["wrong way"].max() <= 0.05
