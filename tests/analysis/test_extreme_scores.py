"""The whole analysis of scores near the ends of what a double can hold, and beyond: infinities."""

from __future__ import annotations

import numpy as np
import pytest

import analysis
from analysis.discrimination.wins import Wins
from analysis.evidence.labelled_pairs import finite
from analysis.evidence.score_map import merged_levels
from analysis.table import ScoreTable
from studies.simulation.designs import Design, spread

pytestmark = pytest.mark.thorough

DESIGN = Design("far out", spread(12, (3, 2)), n_cells=2, separation=1.5)
# More distinct scores than a fit looks at: levels are merged.
LARGE = Design("many pairs", spread(12, (6,)), n_cells=2, separation=1.5)
IN_UNITS_OF_THE_SCORE = (
    "threshold",
    "value",
    "median",
    "quantiles",
    "at_scores",
    "lineage_threshold",
    "label_threshold",
)


def told(table: ScoreTable, limit: float) -> dict[str, object]:
    """All that a file keeps of the analysis."""
    claim = analysis.Claim(threshold=limit)
    found = analysis.analyse([table], claims={table.metric: claim}, n_resamples=199, n_bootstrap=50)
    result: dict[str, object] = analysis.as_json(found.summary())["metrics"][0]
    return result


def numbers(found: object, path: str = "") -> dict[str, object]:
    """Every leaf by its path, but for those in units of the score."""
    if isinstance(found, dict):
        parts = {f"{path}.{key}": value for key, value in found.items() if key not in IN_UNITS_OF_THE_SCORE}
    elif isinstance(found, list):
        parts = {f"{path}[{i}]": value for i, value in enumerate(found)}
    else:
        return {path: found}
    return {name: leaf for key, value in parts.items() for name, leaf in numbers(value, key).items()}


@pytest.mark.parametrize("design", [DESIGN, LARGE], ids=lambda d: d.name)
def test_the_scale_of_scores_changes_nothing(design: Design) -> None:
    drawn = design.draw(np.random.default_rng(3))
    drawn = drawn.with_scores(drawn.score / np.abs(drawn.score).max())
    limit = float(np.median(drawn.score))
    expected = numbers(told(drawn, limit))
    assert len(expected) > 1_000
    scales = [2.0**-900, 1e155, 1e300, 1e307, 1.7e308] if design is DESIGN else [1e307]
    for scale in scales:
        found = numbers(told(drawn.with_scores(drawn.score * scale), limit * scale))
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            if isinstance(value, float):
                assert found[name] == pytest.approx(value, rel=1e-9, abs=1e-12), (scale, name)
            elif name not in (".because", ".claim_because"):
                assert found[name] == value, (scale, name)


def test_infinities_beside_finite_scores_rank() -> None:
    """Just beyond the finite ones, they give what scores just beyond would give."""
    drawn = DESIGN.draw(np.random.default_rng(5))
    score = drawn.score.copy()
    last = np.argsort(score)
    score[last[:4]], score[last[-4:]] = -np.inf, np.inf
    ranked = np.clip(score, drawn.score.min() - 1, drawn.score.max() + 1)
    infinite, plain = told(drawn.with_scores(score), 0.0), told(drawn.with_scores(ranked), 0.0)
    for name in ("auc", "look_alike_auc", "permutation", "verdict", "evidence"):
        assert infinite[name] == plain[name], name


@pytest.mark.parametrize("score", [-np.inf, np.inf, 0.0, 1.7e308])
def test_scores_that_are_all_one_value_tell_nothing(score: float) -> None:
    drawn = DESIGN.labels.with_scores(np.full(len(DESIGN.labels), score))
    found = told(drawn, 0.0)
    assert found["auc"]["estimate"] == 0.5
    assert found["verdict"] != "separates"


def test_a_metric_that_is_silent_everywhere_has_no_verdict() -> None:
    silent = ScoreTable(DESIGN.labels.frame.assign(score=np.nan, status="abstained"))
    assert told(silent, 0.0)["verdict"] == "cannot say"


def test_infinite_scores_stand_beyond_the_finite_ones_even_at_the_end() -> None:
    top = float(np.finfo(np.float64).max)
    (low, *_, high) = finite(np.array([[-np.inf], [-1.5e308], [1.5e308], [np.inf]]))[:, 0]
    assert (low, high) == (-top, top)
    assert finite(np.array([[1e200], [2e200], [np.inf]]))[2, 0] == pytest.approx(2.5e200)


def test_merged_levels_are_means_also_near_the_end() -> None:
    score = np.sort(np.random.default_rng(0).uniform(1, 1.7, 9_000))
    level, place = merged_levels(score)
    huge, same = merged_levels(score * 1e308)
    np.testing.assert_array_equal(place, same)
    np.testing.assert_allclose(huge / 1e308, level, rtol=1e-14)


def test_a_distance_is_recognised() -> None:
    drawn = DESIGN.draw(np.random.default_rng(3))
    for table, hinted in ((drawn, False), (drawn.with_scores(-drawn.score), True)):
        warned = analysis.analyse([table], n_resamples=99, n_bootstrap=50).metrics[0].warnings
        assert any("negate a distance" in one for one in warned) == hinted
    assert Wins.of(drawn).estimate > 0.7


def test_a_weak_distance_is_recognised_where_lineages_are_many() -> None:
    """No AUC far below one half, but an interval below it."""
    weak = Design("weak", spread(60, (3,)), separation=-0.6).draw(np.random.default_rng(0))
    report = analysis.analyse([weak], n_resamples=99, n_bootstrap=50).metrics[0]
    assert report.auc.estimate > 0.25
    assert report.auc.high < 0.5
    assert any("negate a distance" in one for one in report.warnings)
