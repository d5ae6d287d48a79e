"""Curves over depth against numpy's interpolation, fits and correlations."""

from __future__ import annotations

import numpy as np
import pytest

from fpcore import Fingerprint, NotComparable
from fpcore.features import curve_pairs
from fpcore.features.curve_pairs import combined, mean_products, of_equal_shapes
from fpcore.features.curves import correlations, detrended, grids, resampled, standardised, standardised_parts


def taken(seed: int, **depths: int | tuple[int, ...]) -> Fingerprint:
    rng = np.random.default_rng(seed)
    arrays = {name: rng.normal(1.0, 0.3, size) for name, size in depths.items()}
    return Fingerprint("curves", 1, str(seed), str(seed), arrays)


@pytest.mark.parametrize("layers", [1, 2, 3, 8])
@pytest.mark.parametrize("depth", [1, 2, 3, 5, 8, 20])
@pytest.mark.parametrize("width", [(), (3,), (2, 4)])
def test_a_curve_on_another_grid_is_numpys(layers: int, depth: int, width: tuple[int, ...]) -> None:
    curve = np.random.default_rng(layers).normal(size=(layers, *width)).astype(np.float32)
    found = resampled(curve, depth)
    assert found.dtype == np.float64
    assert found.shape == (depth, *width)
    places = np.linspace(0.0, layers - 1, depth)
    columns = curve.reshape(layers, -1).T
    expected = np.stack([np.interp(places, np.arange(layers), column) for column in columns], axis=1)
    np.testing.assert_allclose(found.reshape(depth, -1), expected, rtol=1e-12, atol=1e-12)
    if depth == layers:
        np.testing.assert_array_equal(found, curve)


def test_a_standardised_curve_has_mean_zero_and_deviation_one() -> None:
    curve = np.array([1.0, 4.0, -2.0])
    found = standardised(curve, "query")
    assert (found.mean(), found.std()) == pytest.approx((0.0, 1.0), abs=1e-12)
    np.testing.assert_allclose(found * curve.std() + curve.mean(), curve)


@pytest.mark.parametrize(
    ("curve", "reason"),
    [
        ([1.0, 2.0], "query: 2 layers; a curve needs at least 3"),
        ([1.0, np.nan, 2.0], "query: the curve is not finite"),
        ([1.0, np.inf, 2.0], "query: the curve is not finite"),
        ([2.0, 2.0, 2.0], "query: the curve is constant"),
        ([0.0, 0.0, 0.0], "query: the curve is constant"),
        ([-2.0, -2.0, -2.0 + 1e-9], "query: the curve is constant"),
    ],
)
def test_what_is_no_curve_has_a_reason(curve: list[float], reason: str) -> None:
    with pytest.raises(NotComparable, match=reason):
        standardised(np.array(curve), "query")


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_a_spread_of_a_millionth_is_a_curve(scale: float) -> None:
    curve = scale * np.array([1.0, 1.0, 1.0 + 1e-6, 1.0])
    assert standardised(curve, "query").argmax() == 2
    layers = np.linspace(-1.0, 1.0, 7)
    assert detrended(scale * (1.0 + layers**3 + 1e-6 * (layers == 0)), "query").argmax() == 3


@pytest.mark.parametrize("layers", [6, 11])
def test_a_detrended_curve_is_less_its_cubic(layers: int) -> None:
    curve = np.random.default_rng(0).normal(size=layers)
    x = np.arange(layers)
    expected = curve - np.polyval(np.polyfit(x, curve, 3), x)
    np.testing.assert_allclose(detrended(curve, "query"), expected, atol=1e-9)
    with pytest.raises(NotComparable, match="query: nothing is left of the curve after removing its trend"):
        detrended(-3.0 - x**3.0, "query")
    with pytest.raises(NotComparable, match="nothing is left"):
        detrended(np.zeros(layers), "query")


def test_correlations_are_numpys_on_the_grid_of_the_shorter() -> None:
    a, b = taken(1, query=9, key=9, value=4), taken(2, query=6, key=6, value=7)
    parts = ("query", "key", "value")
    assert grids(a, b, parts) == [(("query",), 6), (("key",), 6), (("value",), 4)]
    assert grids(a, b, parts[:2]) == [(("query", "key"), 6)]
    assert grids(b, a, parts[:2]) == [(("query", "key"), 6)]
    for chosen in (parts, parts[:2], parts[::-1]):
        expected = []
        for part in chosen:
            depth = min(len(a.arrays[part]), len(b.arrays[part]))
            expected.append(np.corrcoef(*(resampled(one.arrays[part], depth) for one in (a, b)))[0, 1])
        np.testing.assert_allclose(correlations(a, b, chosen), expected)


def test_the_part_that_is_no_curve_is_named() -> None:
    one = taken(1, query=6, key=6)
    flat = Fingerprint("curves", 1, "flat", "flat", {"query": one.arrays["query"], "key": np.ones(6)})
    with pytest.raises(NotComparable, match="key: the curve is constant"):
        correlations(one, flat, ("query", "key"))


def test_no_correlation_is_beyond_one() -> None:
    for seed in range(40):
        one = taken(seed, query=5)
        turned = Fingerprint("curves", 1, "turned", "turned", {"query": -one.arrays["query"]})
        assert correlations(one, one, ("query",)) == pytest.approx(1.0)
        assert correlations(one, one, ("query",)) <= 1.0
        assert correlations(one, turned, ("query",)) == pytest.approx(-1.0)
        assert correlations(one, turned, ("query",)) >= -1.0


def test_parts_are_standardised_once_for_each_grid() -> None:
    one = taken(1, query=6, key=6)
    found = standardised_parts(one, ("query", "key"), 6)
    np.testing.assert_allclose(found[1], standardised(one.arrays["key"], "key"))
    assert standardised_parts(one, ("query", "key"), 6) is found
    assert standardised_parts(one, ("key", "query"), 6)[0].tolist() == found[1].tolist()
    assert standardised_parts(one, ("query", "key"), 4).shape == (2, 4)


def test_pairs_of_arrays_of_one_kind_stand_together() -> None:
    models = [
        taken(0, a=3, b=4),
        taken(1, a=3, b=4),
        taken(2, a=4, b=3),
        taken(3, b=4, a=3),
        taken(4, a=3),
        taken(5, a=(3, 2), b=4),
    ]
    kinds = [0, 0, 1, 2, 3, 4]
    pairs = np.array([(i, j) for i in range(6) for j in range(6)])[::-1]
    groups = list(of_equal_shapes(models, pairs))
    assert sorted(np.concatenate(groups).tolist()) == list(range(36))
    seen = [{(kinds[a], kinds[b]) for a, b in pairs[group]} for group in groups]
    assert all(len(each) == 1 for each in seen)
    assert len(set().union(*seen)) == len(seen) == 25


@pytest.mark.parametrize("numbers", [1, 14, 1 << 17])
def test_pairs_are_combined_in_their_order(monkeypatch: pytest.MonkeyPatch, numbers: int) -> None:
    monkeypatch.setattr(curve_pairs, "NUMBERS", numbers)
    models = [taken(seed, a=(2, 5)) for seed in range(6)]
    pairs = np.array([(4, 1), (1, 4), (0, 0), (2, 5), (3, 1), (5, 0), (1, 2)])

    def brought(one: Fingerprint) -> np.ndarray:
        if one.digest == "3":
            raise NotComparable("no curve")
        asked.append(one.digest)
        return one.arrays["a"]

    asked: list[str] = []
    found = mean_products(models, pairs, brought)
    curves = [one.arrays["a"] if place != 3 else np.full((2, 5), np.nan) for place, one in enumerate(models)]
    np.testing.assert_allclose(found, [np.mean(curves[a] * curves[b], axis=1) for a, b in pairs])
    assert sorted(asked) == ["0", "1", "2", "4", "5"], "each model that is in a pair, once"
    less = combined(models, pairs[:2], brought, lambda a, b: a - b)
    np.testing.assert_array_equal(less, [curves[a] - curves[b] for a, b in pairs[:2]])


def test_pairs_of_which_no_model_compares_have_a_reason() -> None:
    def brought(one: Fingerprint) -> np.ndarray:
        raise NotComparable("no curve")

    with pytest.raises(NotComparable, match="none of the models can be compared"):
        mean_products([taken(0, a=3)], np.array([(0, 0)]), brought)


def test_at_most_so_many_numbers_are_combined_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(curve_pairs, "NUMBERS", 24)
    models = [taken(seed, a=(4, 2)) for seed in range(3)]
    lengths: list[int] = []

    def combine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        lengths.append(len(a))
        assert a.shape == b.shape
        return a[:, 0, 0]

    combined(models, np.array([(0, 1)] * 7), lambda one: one.arrays["a"], combine)
    assert lengths == [3, 3, 1]
