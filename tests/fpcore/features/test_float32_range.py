"""What float32 cannot square is found, and brought near one without rounding."""

from __future__ import annotations

import numpy as np
import pytest

from fpcore.features.float32_range import LARGEST, LEAST, of_order_one, power_beyond


@pytest.mark.parametrize(
    ("values", "power"),
    [
        ([], 0),
        ([0.0, 0.0], 0),
        ([0.3, -0.9], 0),
        ([1.0, -(2.0**60)], 61),
        ([2.0**60, -1.0], 61),
        ([2.0**-60, 0.0], -59),
        ([2.0 ** (LARGEST - 1)], 0),
        ([2.0**LARGEST], LARGEST + 1),
        ([2.0 ** (LEAST - 1)], 0),
        ([2.0 ** (LEAST - 2)], LEAST - 1),
    ],
)
def test_the_power_of_the_largest_magnitude(values: list[float], power: int) -> None:
    assert power_beyond(np.array(values)) == power


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_far_values_come_near_one_and_others_stay(kind: type[np.floating]) -> None:
    near = np.array([[0.5, -0.3], [0.0, 2.0**-9]], dtype=kind)
    assert of_order_one(near) is near
    for power in (LARGEST + 5, 100, LEAST - 5, -100):
        found = of_order_one(np.ldexp(near, power))
        np.testing.assert_array_equal(found, near)
        assert found.dtype == kind
