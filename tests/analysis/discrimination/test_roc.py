"""The ROC curve and the area under its left end."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score, roc_curve as reference_curve

import analysis
from analysis import ScoreTable
from analysis.discrimination.intervals import AREA, TRUE_POSITIVES, clopper_pearson, lineage_interval
from analysis.discrimination.roc import METHOD, _partial_folds, _reaching, _sides, _thinned
from analysis.discrimination.wins import Wins
from studies.simulation.designs import UNEQUAL, Design, spread

DESIGNS = (
    Design("equal", (4,) * 9, 3, separation=1.0),
    Design("unequal", spread(10, UNEQUAL), 2, shape="hub", separation=2.0),
)


@pytest.fixture(params=DESIGNS, ids=lambda d: d.name)
def table(request: pytest.FixtureRequest) -> ScoreTable:
    drawn: ScoreTable = request.param.draw(np.random.default_rng(4))
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
    _, folds = _partial_folds(_sides(table, "independent"), max_fpr)
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


def curve_at(truth: np.ndarray, scores: np.ndarray, at: np.ndarray) -> np.ndarray:
    """True positive rate where the curve of all thresholds passes these false positive rates."""
    fpr, tpr, _ = reference_curve(truth, scores, drop_intermediate=False)
    return np.asarray(np.interp(at, fpr, tpr))


@pytest.mark.parametrize("highest", [np.inf, 0.5])
@pytest.mark.parametrize("negatives", ["independent", "look-alike"])
def test_the_band_is_the_rule_on_the_curves_of_the_folds(
    table: ScoreTable, negatives: str, highest: float
) -> None:
    """Where many share the highest score, the curves start with a slope."""
    table = table.with_scores(np.minimum(table.score, highest))
    wins = Wins.of(table, negatives)
    curve = analysis.roc_curve(table, negatives, 0.9)
    assert (curve.level, curve.method, curve.reason) == (0.9, METHOD, "")
    assert curve.n_points == len(curve.fpr) <= 200
    used = table.derived | table.negatives(negatives)
    held = np.unique(np.append(table.lineage_a[used], table.lineage_b[used]))
    folds = []
    for g in held:
        rest = used & (table.lineage_a != g) & (table.lineage_b != g)
        folds.append(curve_at(table.derived[rest], table.score[rest], curve.fpr[1:]))
    ends = [
        lineage_interval(float(t), f, kind=TRUE_POSITIVES, units=wins.units, level=0.9, method="")
        for t, f in zip(curve.tpr[1:], np.transpose(folds), strict=True)
    ]
    low = np.maximum.accumulate([end.low for end in ends])
    high = np.maximum.accumulate([end.high for end in ends])
    np.testing.assert_allclose(curve.low, np.append(0.0, low), atol=1e-6)
    np.testing.assert_allclose(curve.high, np.append(high[0], high), atol=1e-6)
    assert (curve.fpr[0], curve.tpr[0], curve.threshold[0]) == (0, 0, np.inf)
    assert analysis.roc_curve(table, negatives).level == 0.95


def test_a_curve_keeps_as_many_points_as_said() -> None:
    drawn = DESIGNS[0].draw(np.random.default_rng(1))
    for n in (3, 10, 50):
        assert analysis.roc_curve(drawn, n_points=n).n_points <= n
    assert analysis.roc_curve(drawn, n_points=50).n_points >= 40
    whole, three = analysis.roc_curve(drawn, n_points=10_000), analysis.roc_curve(drawn, n_points=3)
    for name in ("fpr", "tpr", "threshold"):
        all_of_it = getattr(whole, name)
        np.testing.assert_array_equal(getattr(three, name), all_of_it[[0, 1, -1]])
    with pytest.raises(ValueError, match="n_points"):
        analysis.roc_curve(drawn, n_points=2)
    empty = analysis.roc_curve(ScoreTable(drawn.frame[drawn.derived]), level=0.9)
    assert (empty.n_points, empty.level) == (0, 0.9)
    assert all(len(v) == 0 for v in (empty.fpr, empty.tpr, empty.low, empty.high, empty.threshold))


def test_values_are_thinned_evenly_with_both_ends() -> None:
    values = np.arange(10.0)
    for n in (10, 11, 2_000):
        np.testing.assert_array_equal(_thinned(values, n), values)
    np.testing.assert_array_equal(_thinned(values, 4), [0, 3, 6, 9])
    np.testing.assert_array_equal(_thinned(values[:9], 2), [0, 8])


def test_shares_that_reach_a_cut_are_counted_one_by_one() -> None:
    rng = np.random.default_rng(3)
    scores = rng.integers(0, 6, size=40).astype(float)
    first, second = rng.integers(0, 4, size=(2, 40))
    cuts = np.array([5.0, 3.5, 2.0, 0.5])
    share, folds = _reaching(cuts, scores, first, second, 5)
    for k, cut in enumerate(cuts):
        assert share[k] == pytest.approx(sum(s >= cut for s in scores) / 40)
        for g in range(5):
            kept = [s for s, a, b in zip(scores, first, second, strict=True) if g not in (a, b)]
            assert folds[g, k] == pytest.approx(sum(s >= cut for s in kept) / len(kept))
    _, alone = _reaching(cuts, scores, np.zeros(40, dtype=int), np.zeros(40, dtype=int), 2)
    assert np.isnan(alone[0]).all()
    assert not np.isnan(alone[1]).any()
    _, one_left = _reaching(cuts, np.array([4.0, 2.0]), np.array([0, 1]), np.array([0, 1]), 2)
    np.testing.assert_array_equal(one_left, [[0, 0, 1, 1], [0, 1, 1, 1]])


@pytest.mark.parametrize("negatives", ["independent", "look-alike"])
def test_a_partial_area_says_what_it_rests_on(table: ScoreTable, negatives: str) -> None:
    wins = Wins.of(table, negatives)
    found = analysis.partial_auc(table, 0.1, negatives, 0.9)
    kept = [(table.lineage_a != g) & (table.lineage_b != g) for g in range(len(table.lineages))]
    folds = [analysis.partial_auc(ScoreTable(table.frame[k]), 0.1, negatives).estimate for k in kept]
    used = table.derived | table.negatives(negatives)
    expected = lineage_interval(
        found.estimate,
        folds,
        units=wins.units,
        level=0.9,
        method="mean true positive rate over false positive rates up to 0.1; "
        "lineage jackknife, one additional lineage; pair-weighted",
        kind=AREA,
        n_pairs=int(used.sum()),
        n_models=wins.n_models,
        n_lineages=len(folds),
    )
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-6)
    for name in ("level", "method", "n_pairs", "n_models", "n_lineages", "warnings", "reason"):
        assert getattr(found, name) == getattr(expected, name)
    assert analysis.partial_auc(table) == analysis.partial_auc(table, 0.05, "independent", 0.95)
    none = analysis.partial_auc(ScoreTable(table.frame[table.derived]), 0.1, level=0.9)
    assert (none.level, none.method) == (0.9, expected.method)


def test_lineages_that_take_no_part_do_not_count(table: ScoreTable) -> None:
    """The first lineage and the last have no score."""
    ends = (0, len(table.lineages) - 1)
    out = np.isin(table.lineage_a, ends) | np.isin(table.lineage_b, ends)
    silent = ScoreTable(table.frame.assign(status=np.where(out, "failed", "ok")))
    rest = ScoreTable(table.frame[~out])
    for negatives in ("independent", "look-alike"):
        assert analysis.partial_auc(silent, 0.2, negatives) == analysis.partial_auc(rest, 0.2, negatives)
        ours, theirs = (analysis.roc_curve(t, negatives) for t in (silent, rest))
        for name in ("fpr", "tpr", "low", "high", "threshold"):
            np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))


def of_few(pairs: list[tuple[str, str, float]]) -> ScoreTable:
    """Pairs of models such as "a1", whose letter is the lineage."""
    frame = pd.DataFrame(pairs, columns=["model_a", "model_b", "score"])
    same = frame["model_a"].str[0] == frame["model_b"].str[0]
    return ScoreTable(frame.assign(relation=same.map({True: "derived", False: "independent"})))


STAR = [("a1", "b1", 0.35), ("a1", "c1", 0.2), ("a2", "d1", 0.6), ("a2", "b2", 0.1), ("a1", "d2", 0.95)]


@pytest.mark.parametrize(
    "pairs",
    [
        pytest.param(
            [*STAR, ("a1", "a2", 0.7), ("b1", "b2", 0.5), ("c1", "c2", 0.9), ("d1", "d2", 0.3)],
            id="one lineage in all negatives",
        ),
        pytest.param(
            [*STAR, ("b1", "c1", 0.4), ("c1", "d1", 0.3), ("a1", "a2", 0.7), ("a2", "a3", 0.5)],
            id="one lineage with all derived pairs",
        ),
    ],
)
def test_a_lineage_without_which_nothing_is_left_gets_the_bound_of_few_trials(
    pairs: list[tuple[str, str, float]],
) -> None:
    found = of_few(pairs)
    units = Wins.of(found).units
    curve = analysis.roc_curve(found, level=0.9)
    ends = np.array([clopper_pearson(t, units / 2, 0.9) for t in curve.tpr[1:]])
    np.testing.assert_allclose(curve.low[1:], ends[:, 0], rtol=1e-12)
    np.testing.assert_allclose(curve.high[1:], ends[:, 1], rtol=1e-12)
    for max_fpr in (0.1, 0.5, 1.0):
        part = analysis.partial_auc(found, max_fpr, level=0.9)
        assert (part.low, part.high) == clopper_pearson(part.estimate, units / 2, 0.9)
        assert "all comparisons depend on one lineage" in " ".join(part.warnings)


def test_a_curve_and_a_partial_area_give_the_reason_of_the_auc() -> None:
    without = of_few([("a1", "a2", 0.7), ("a1", "b1", 0.2)])
    apart = dict(zip(("a1", "a2", "b1"), "XXY", strict=True))
    frame = without.frame
    far = ScoreTable(
        frame.assign(architecture_a=frame["model_a"].map(apart), architecture_b=frame["model_b"].map(apart))
    )
    for found in (without, far):
        curve, part = analysis.roc_curve(found, "look-alike"), analysis.partial_auc(found, 0.1, "look-alike")
        assert curve.reason == part.reason == analysis.auc(found, "look-alike").reason != ""


def test_the_ends_of_a_pair_are_alike(table: ScoreTable) -> None:
    ends = {
        f"{what}_{a}": f"{what}_{b}" for what in ("model", "lineage", "architecture") for a, b in ("ab", "ba")
    }
    turned = ScoreTable(table.frame.rename(columns=ends))
    for max_fpr in (0.05, 1.0):
        ours, theirs = (analysis.partial_auc(t, max_fpr) for t in (table, turned))
        assert (ours.estimate, ours.low, ours.high) == pytest.approx(
            (theirs.estimate, theirs.low, theirs.high), rel=1e-12
        )
    curves = [analysis.roc_curve(t) for t in (table, turned)]
    for name in ("fpr", "tpr", "low", "high"):
        np.testing.assert_allclose(getattr(curves[0], name), getattr(curves[1], name), rtol=1e-12)


@pytest.mark.parametrize("max_fpr", [0.01, 0.5, 1.0])
def test_a_single_negative_is_a_curve_of_one_step(max_fpr: float) -> None:
    derived = [("a1", "a2", 0.9), ("b1", "b2", 0.5), ("c1", "c2", 0.3), ("d1", "d2", 0.2)]
    share = analysis.partial_auc(of_few([*derived, ("a1", "b1", 0.4)]), max_fpr).estimate
    assert share == pytest.approx(0.5)
    tied = analysis.partial_auc(of_few([*derived, ("a1", "b1", 0.5)]), max_fpr).estimate
    assert tied == pytest.approx(0.25 + 0.25 * max_fpr / 2)


def test_a_fold_without_the_highest_negatives_uses_those_below() -> None:
    """A ring of 39 lineages, each in two of 39 negatives; the first lineage holds the two highest.

    A false positive rate of 0.05 is 1.95 negatives of 39, and 1.85 of the 37 that are left without it.
    """
    names = [chr(ord("A") + i) for i in range(39)]
    ring = [(f"{a}1", f"{b}1", 0.0) for a, b in zip(names, names[1:] + names[:1], strict=True)]
    scores = {0: 0.9, 38: 0.8, 10: 0.6, 20: 0.4}
    pairs = [(a, b, scores.get(i, 0.1 - i / 1000)) for i, (a, b, _) in enumerate(ring)]
    pairs += [(f"{a}1", f"{a}2", score) for a, score in zip(names[1:5], (0.85, 0.7, 0.5, 0.3), strict=True)]
    estimate, folds = _partial_folds(_sides(of_few(pairs), "independent"), 0.05)
    assert estimate == pytest.approx((0 * 1 + 0.25 * 0.95) / 1.95)
    assert folds[0] == pytest.approx((0.5 * 1 + 0.75 * 0.85) / 1.85)
