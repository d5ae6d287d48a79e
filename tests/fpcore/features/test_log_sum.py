"""Logarithms of sums of exponentials against scipy's."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special

from fpcore.features.log_sum import log_sum_exp


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 500.0])
def test_it_is_scipys(order: str, scale: float) -> None:
    rng = np.random.default_rng(0)
    for width in (1, 2, 6, 130):
        values = scale * np.asarray(rng.normal(size=(40, width)), order=order)
        values[0] = values[0, 0]  # all are the largest
        expected = scipy.special.logsumexp(values, axis=1, keepdims=True)
        np.testing.assert_allclose(log_sum_exp(values), expected, rtol=1e-14, atol=1e-300)
        assert log_sum_exp(values[3])[0] == pytest.approx(expected[3, 0], rel=1e-14)
