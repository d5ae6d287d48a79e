"""AUC, cost and verdict without an architecture: against the table that has no pair of it."""

from __future__ import annotations

import numpy as np
import pytest

from analysis import ScoreTable, VerdictWord, calibrate_evidence, sensitivity
from analysis.breakdown import ANYTHING
from analysis.discrimination.auc import auc_share
from analysis.discrimination.intervals import intervals_at_once
from analysis.discrimination.wins import Wins
from analysis.influence import sensitivities
from analysis.influence.compared_scores import NO_LOOK_ALIKES
from analysis.influence.weighed_pairs import WeighedPairs
from analysis.verdict_words import family_level
from studies.simulation.designs import Design

pytestmark = pytest.mark.thorough


def across(seed: int, n_cells: int, separation: float) -> ScoreTable:
    """Every third child has another shape than its parent."""
    design = Design("across", (3,) * 24, n_cells=n_cells, separation=separation)
    of = design.draw(np.random.default_rng(seed))
    frame = of.frame
    cell = dict(zip(of.models.tolist(), of.cells[of.cell_of].tolist(), strict=True))
    names = of.cells.tolist()
    for at, model in enumerate(of.models.tolist()):
        if at % 3 == 2 and at % 2:
            cell[model] = names[(names.index(cell[model]) + 1) % len(names)]
    return ScoreTable(
        frame.assign(architecture_a=frame["model_a"].map(cell), architecture_b=frame["model_b"].map(cell))
    )


def without(of: ScoreTable, cell: str) -> ScoreTable:
    frame = of.frame
    return ScoreTable(frame[(frame["architecture_a"] != cell) & (frame["architecture_b"] != cell)])


def word(of: ScoreTable, n_metrics: int) -> VerdictWord:
    wins = Wins.of(of, "look-alike")
    folds, level = wins.jackknife(), family_level(n_metrics)
    low, high = intervals_at_once([auc_share(wins, folds, level), auc_share(wins, folds, level, ANYTHING)])
    return VerdictWord.of_bounds(low.low, high.high)


@pytest.mark.parametrize(
    ("seed", "n_cells", "separation", "n_metrics"),
    [
        *((0, 3, 2.2, 1), (1, 3, 3.0, 1), (2, 3, 3.0, 40), (3, 2, 3.0, 1), (4, 4, 6.0, 1), (5, 3, 0.2, 1)),
        # Here the upper bound decides.
        (0, 2, 0.2, 1),
    ],
)
def test_without_each_architecture(seed: int, n_cells: int, separation: float, n_metrics: int) -> None:
    of = across(seed, n_cells, separation)
    found = sensitivity(of, n_metrics=n_metrics)
    tables = {cell: without(of, cell) for cell in of.cells.tolist()}
    aucs = {cell: Wins.of(each, "look-alike").estimate for cell, each in tables.items()}
    assert found.architecture_auc.n_changes == n_cells
    assert (found.architecture_auc.low, found.architecture_auc.high) == pytest.approx(
        (min(aucs.values()), max(aucs.values()))
    )
    whole = word(of, n_metrics)
    words = {cell: str(word(each, n_metrics)) for cell, each in tables.items()}
    assert found.architecture_verdicts == {cell: said for cell, said in words.items() if said != whole}
    pairs = WeighedPairs.of(of, calibrate_evidence(of))
    a, b = of.cell_a[pairs.rows], of.cell_b[pairs.rows]
    costs = [pairs.cllr((a != cell) & (b != cell)) for cell in range(n_cells)]
    assert (found.architecture_cllr.low, found.architecture_cllr.high) == pytest.approx(
        (min(costs), max(costs))
    )
    assert found.architecture_cllr.estimate == pytest.approx(calibrate_evidence(of).cllr)


def test_some_verdicts_differ_and_some_do_not() -> None:
    """Or the test above would compare empty dictionaries."""
    found = [sensitivity(across(seed, 3, 2.2)).architecture_verdicts for seed in range(4)]
    assert any(found)
    assert not all(len(each) == 3 for each in found)


def test_an_architecture_that_holds_all_that_can_be_compared() -> None:
    """Without it nothing is left, and that is no verdict; what follows it is still judged."""
    of = across(0, 3, 3.0)
    derived_elsewhere = of.derived & ~((of.cell_a == 0) & (of.cell_b == 0))
    kept = ScoreTable(of.frame.assign(status=np.where(derived_elsewhere, "abstained", "ok")))
    found = sensitivity(kept)
    assert found.architecture_auc.n_changes == 2
    assert "cell000" not in found.architecture_verdicts


def test_without_look_alikes_nothing_is_said_of_any_architecture() -> None:
    of = across(0, 3, 3.0)
    alone = ScoreTable(of.frame.assign(status=np.where(of.look_alike, "failed", "ok")))
    found = sensitivity(alone)
    assert found.architecture_auc.reason == NO_LOOK_ALIKES
    assert found.architecture_verdicts == {}


def test_without_evidence_the_cost_has_its_reason() -> None:
    of = Design("few", (3, 3), n_cells=2).draw(np.random.default_rng(0))
    found = sensitivity(of)
    assert found.architecture_cllr.reason == calibrate_evidence(of).reason != ""


def test_unknown_architectures_are_not_left_out() -> None:
    frame = across(0, 3, 3.0).frame.assign(architecture_a=None, architecture_b=None)
    found = sensitivity(ScoreTable(frame))
    assert found.architecture_auc.reason == found.architecture_cllr.reason == "architectures are unknown"
    assert found.architecture_verdicts == {}


def test_the_rate_is_told_and_one_metric_is_judged_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(sensitivities, "family_level", lambda n: asked.append(n) or family_level(n))
    of = across(0, 3, 3.0)
    assert sensitivity(of, max_fpr=0.2).max_fpr == 0.2
    assert sensitivity(of, n_metrics=3).max_fpr == 0.05
    assert asked == [1, 3]
