"""Published measurements of 137 real models: known AUCs, and intervals that respect lineages."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import analysis
from analysis import ScoreTable
from analysis.discrimination.auc import METHODS, auc_interval
from analysis.discrimination.wins import Wins

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "case-real-scores.md"
FOLDER = Path(__file__).parents[2].parent / "shared" / "data" / "real_scores"
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason=f"real score tables are not at {FOLDER}")


@pytest.mark.parametrize(
    ("metric", "derived", "or_sibling"),
    [("attention-std", 0.938, 0.927), ("invariant-terms", 0.893, 0.896)],
)
def test_known_values_and_honest_widths(metric: str, derived: float, or_sibling: float) -> None:
    table = ScoreTable(pd.read_csv(FOLDER / f"{metric}.csv"))
    ours = analysis.auc(table)
    assert ours.estimate == pytest.approx(derived, abs=5e-4)
    both = auc_interval(Wins.of(table, positive=table.derived | (table.relation == "sibling")))
    assert both.estimate == pytest.approx(or_sibling, abs=5e-4)
    naive = analysis.auc(table, method="delong")
    assert ours.high - ours.low > 2.2 * (naive.high - naive.low)
    everything = ScoreTable(
        table.frame.assign(relation=table.frame["relation"].replace("sibling", "derived"))
    )
    assert analysis.auc(everything).estimate == both.estimate
    naive_both = analysis.auc(everything, method="delong")
    assert both.high - both.low > 3 * (naive_both.high - naive_both.low)
    assert ours.n_lineages == both.n_lineages == 17


def test_no_certificate_from_seventeen_lineages() -> None:
    table = ScoreTable(pd.read_csv(FOLDER / "attention-std.csv"))
    found = analysis.calibrate_threshold(table)
    assert not found.certified
    assert found.negatives == "independent"
    assert found.n_negatives == pytest.approx(8.5)
    assert found.lineages_needed == 118
    assert found.held_out_fpr.estimate > 1.5 * found.fpr.estimate
    assert "architectures are unknown" in analysis.look_alike_auc(table).reason
    claimed = analysis.audit_threshold(table, 0.9)
    assert claimed.fpr.estimate == pytest.approx(0.04, abs=0.02)
    assert claimed.fpr.high > 0.1


@pytest.mark.parametrize("metric", ["attention-std", "invariant-terms"])
def test_the_page_on_these_tables_tells_the_numbers_of_today(metric: str) -> None:
    def told(interval: analysis.Interval) -> str:
        return f"[{interval.low:.3f}, {interval.high:.3f}]"

    table = ScoreTable(pd.read_csv(FOLDER / f"{metric}.csv"))
    intervals = [analysis.auc(table, method=name) for name in METHODS]
    row = f"| `{metric}` | {intervals[0].estimate:.3f} | "
    row += " | ".join(told(interval) for interval in intervals)
    assert row in PAGE.read_text(encoding="utf-8")
    ratio = (intervals[0].high - intervals[0].low) / (intervals[-1].high - intervals[-1].low)
    assert f"{ratio:.1f}" in PAGE.read_text(encoding="utf-8")
