"""Samples: the same places in every model of a shape, and standard errors that say what sampling costs."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
from hypothesis import given, strategies as st

from fpcore.sampling import Estimate, Sample, mean_of_sample, within


@given(
    st.floats(1e-3, 1.0), st.integers(1, 300), st.integers(0, 5), st.integers(0, 1000), st.sampled_from("ab")
)
def test_places_are_distinct_ascending_and_no_more_than_asked(
    share: float, count: int, fewest: int, seed: int, what: str
) -> None:
    found = Sample(share, seed).places(count, what, fewest=fewest)
    assert len(found) == min(count, max(fewest, math.ceil(share * count - 1e-9)))
    assert (np.diff(found) > 0).all()
    assert found[0] >= 0
    assert found[-1] < count
    np.testing.assert_array_equal(found, Sample(share, seed).places(count, what, fewest=fewest))


def test_places_stay_those_that_kept_scores_are_of() -> None:
    assert Sample(0.25, seed=3).places(32, "rows").tolist() == [3, 6, 8, 14, 16, 23, 25, 31]
    assert Sample(1.0).places(3, "rows").tolist() == [0, 1, 2]
    assert len(Sample(0.01).places(50, "layers")) == 1


def test_seeds_and_things_are_drawn_independently() -> None:
    drawn = {tuple(Sample(0.25, seed).places(64, what)) for seed in range(5) for what in ("layers", "rows")}
    assert len(drawn) == 10
    times = np.zeros(32)
    for seed in range(2000):
        times[Sample(0.2, seed).places(32, "layers")] += 1
    # Seven of 32 each time: every layer has its chance, if not quite the same one where stretches are uneven.
    assert times.sum() == 7 * 2000
    assert times.min() > 0.7 * times.mean()


@pytest.mark.parametrize("share", [0.0, -0.5, 1.5, math.nan])
def test_a_share_is_above_nothing_and_at_most_all(share: float) -> None:
    with pytest.raises(ValueError, match="is not above 0 and at most 1"):
        Sample(share)


def test_the_standard_error_is_that_of_sampling() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=32)
    estimates = [mean_of_sample(values[Sample(0.25, seed).places(32, "layers")], 32) for seed in range(4000)]
    errors = np.array([float(one) - values.mean() for one in estimates])
    stated = np.array([one.standard_error for one in estimates if isinstance(one, Estimate)])
    assert len(stated) == 4000
    assert np.sqrt((errors**2).mean()) == pytest.approx(np.sqrt((stated**2).mean()), rel=0.15)
    whole = mean_of_sample(values, 32)
    assert not isinstance(whole, Estimate)
    assert whole == values.mean()
    one = mean_of_sample(values[:1], 32)
    assert isinstance(one, Estimate)
    assert math.isnan(one.standard_error)


def test_the_mean_of_a_few() -> None:
    pair = mean_of_sample([0.0, 1.0], 4)
    assert isinstance(pair, Estimate)
    assert (pair, pair.standard_error) == (0.5, pytest.approx(math.sqrt(0.5 * (1 - 2 / 4) / 2)))
    assert mean_of_sample(np.float32([1.0, 2.0**-24]), 2) == (1.0 + 2.0**-24) / 2, "summed in float64"


def test_an_estimate_is_a_number_that_travels() -> None:
    found = pickle.loads(pickle.dumps(within(Estimate(1.0000001, 0.02), -1.0, 1.0)))
    assert isinstance(found, Estimate)
    assert (found, found.standard_error) == (1.0, 0.02)
    assert not isinstance(within(0.5, -1.0, 1.0), Estimate)
