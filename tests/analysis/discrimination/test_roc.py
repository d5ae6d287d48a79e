"""The ROC curve and the area under its left end."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score, roc_curve as reference_curve

import analysis
from analysis import ScoreTable
from analysis.discrimination.wins import Wins
from studies.simulation.designs import UNEQUAL, Design, spread

DESIGNS = (
    Design("equal", (4,) * 9, 3, separation=1.0),
    Design("unequal", spread(10, UNEQUAL), 2, shape="hub", separation=2.0),
)


@pytest.fixture(params=DESIGNS, ids=lambda d: d.name)
def table(request: pytest.FixtureRequest) -> ScoreTable:
    drawn = request.param.draw(np.random.default_rng(4))
    return drawn.with_scores(np.round(drawn.score, 1))


def labelled(table: ScoreTable, negatives: str = "independent") -> tuple[np.ndarray, np.ndarray]:
    used = table.derived | table.negatives(negatives)
    return table.derived[used], table.score[used]


@pytest.mark.parametrize("negatives", ["independent", "look-alike"])
def test_points_lie_on_the_curve_of_scikit_learn(table: ScoreTable, negatives: str) -> None:
    truth, scores = labelled(table, negatives)
    curve = analysis.roc_curve(table, negatives)
    fpr, tpr, thresholds = reference_curve(truth, scores, drop_intermediate=False)
    reference = {t: (f, s) for f, s, t in zip(fpr, tpr, thresholds, strict=True)}
    for f, s, t in zip(curve.fpr, curve.tpr, curve.threshold, strict=True):
        assert (f, s) == pytest.approx(reference[t])
    assert np.trapezoid(curve.tpr, curve.fpr) == pytest.approx(roc_auc_score(truth, scores), abs=0.01)


def test_the_curve_is_thin_monotone_and_banded() -> None:
    table = Design("", (8,) * 20, 4, separation=1.0).draw(np.random.default_rng(0))
    curve = analysis.roc_curve(table)
    assert 100 < len(curve.fpr) <= 200
    for values in (curve.fpr, curve.tpr, curve.low, curve.high):
        assert (np.diff(values) >= 0).all()
        assert ((values >= 0) & (values <= 1)).all()
    assert (np.diff(curve.threshold) < 0).all()
    assert (curve.fpr[0], curve.tpr[0]) == (0, 0)
    assert (curve.fpr[-1], curve.tpr[-1]) == (1, 1)
    assert (curve.low <= curve.tpr + 1e-12).all()
    assert (curve.high >= curve.tpr - 1e-12).all()
    inside = (curve.tpr > 0.01) & (curve.tpr < 0.99)
    assert (curve.high - curve.low)[inside].min() > 0.005


@pytest.mark.parametrize("max_fpr", [0.01, 0.05, 0.3, 1.0])
def test_partial_area_and_its_folds(table: ScoreTable, max_fpr: float) -> None:
    from analysis.discrimination.roc import _partial_folds, _sides

    truth, scores = labelled(table)
    found = analysis.partial_auc(table, max_fpr)
    fpr, tpr, _ = reference_curve(truth, scores, drop_intermediate=False)
    x = np.unique(np.append(fpr[fpr < max_fpr], max_fpr))
    if max_fpr > fpr[fpr > 0].min():  # the vertical start of the curve needs care in the reference
        top = np.array([tpr[fpr == v].max() if (fpr == v).any() else np.interp(v, fpr, tpr) for v in x])
        low = np.array([tpr[fpr == v].min() if (fpr == v).any() else np.interp(v, fpr, tpr) for v in x])
        area = np.sum((top[:-1] + low[1:]) / 2 * np.diff(x)) / max_fpr
        assert found.estimate == pytest.approx(area, rel=1e-9)
    wins = Wins.of(table)
    _, folds = _partial_folds(_sides(table, "independent", wins), max_fpr)
    if max_fpr == 1.0:
        assert found.estimate == pytest.approx(wins.estimate)
        np.testing.assert_allclose(folds, wins.jackknife(), rtol=1e-12)
    for g in (0, 3):
        kept = (table.lineage_a != g) & (table.lineage_b != g)
        rest = ScoreTable(table.frame[kept])
        assert folds[g] == pytest.approx(analysis.partial_auc(rest, max_fpr).estimate, rel=1e-12)


def test_partial_area_of_extremes() -> None:
    labels = DESIGNS[0].labels
    assert analysis.partial_auc(labels.with_scores(labels.derived * 1.0)).estimate == 1
    assert analysis.partial_auc(labels).estimate == pytest.approx(0.025)
    assert analysis.partial_auc(labels.with_scores(labels.derived * -1.0)).estimate == 0
    with pytest.raises(ValueError, match="max_fpr"):
        analysis.partial_auc(labels, 0.0)
