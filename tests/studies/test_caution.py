"""The study of what the caution of the intervals costs and buys."""

from __future__ import annotations

import pytest

from analysis.results import Interval
from studies.simulation.caution import LOST, SKEWED, judged_by_caution, run_caution
from studies.simulation.scenarios import SCENARIOS


def test_coverage_width_and_warnings_by_hand() -> None:
    told = [
        Interval(
            0.5, 0.4, 0.6, 0.95, "any", warnings=("one lineage of 12 accounts for 60% of the variance",)
        ),
        Interval(0.6, 0.55, 0.7, 0.95, "any", warnings=("few",)),
    ]
    row = judged_by_caution({0.5: told}, 0.5, 0.1)[0]
    assert (row["lost"], row["coverage"], row["warned"]) == (0.5, 0.5, 0.5)
    assert row["over oracle"] == pytest.approx(0.175 / (2 * 1.959964 * 0.1), rel=1e-5)


@pytest.mark.slow
def test_less_caution_is_narrower_and_covers_less() -> None:
    assert set(SKEWED) < set(SCENARIOS)
    found = run_caution(True, 3)
    traded = found.tables[0][1]
    assert traded["lost"].tolist() == list(LOST)
    assert traded["benign, over oracle"].is_monotonic_decreasing
    assert traded["hard, mean coverage"].is_monotonic_decreasing
    assert len(found.tables[1][1]) == len(SKEWED)
