"""How often a verdict is wrong: by the bounds, and by the estimate alone.

Scores are lineage effects, model effects and pair effects that are skewed or have heavy tails; the true
look-alike AUC of each design is found on draws of its own. Designs and seeds are none of those that anything
was tuned on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.breakdown import by_method
from analysis.discrimination.auc import look_alike_auc
from analysis.table import ScoreTable
from analysis.verdict_bounds import separation_bounds
from analysis.verdict_words import FAIR, GOOD, MethodState, VerdictWord
from studies.simulation.designs import Design
from studies.simulation.experiment import Experiment

__all__ = ["run_verdicts"]

Floats = npt.NDArray[np.float64]
Rng = np.random.Generator
TRUTHS: Final = (0.5, 0.7, 0.85, 0.894, 0.9, 0.95, 0.99)
SEED: Final = 71_003
"""Added to the seed asked for: no other study draws from there."""
NOISE: Final[dict[str, Callable[[Rng, int], Floats]]] = {
    "t(4)": lambda rng, n: rng.standard_t(4, n) / np.sqrt(2),
    "exponential": lambda rng, n: rng.exponential(1.0, n) - 1,
}
N_METHODS: Final = 8
CHILDREN: Final = 9


def _drawn(design: Design, kind: str, rng: Rng) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Scores without separation, and which pairs are derived."""
    table = design.labels
    noise = NOISE[kind]
    lineage, model = noise(rng, design.n_lineages) * 0.45, noise(rng, len(table.models)) * 0.25
    score = lineage[table.lineage_a] + lineage[table.lineage_b]
    score = score + model[table.model_a] + model[table.model_b] + 0.6 * noise(rng, len(table))
    return score, table.derived


def _separations(design: Design, kind: str, rng: Rng, n: int) -> dict[float, float]:
    """Separation that gives each true look-alike AUC, by bisection on draws that are kept."""
    drawn = [_drawn(design, kind, rng) for _ in range(n)]
    pairs = []
    cell = design.labels.cell_pair
    for score, derived in drawn:
        for code in np.unique(cell[derived]):
            here = cell == code
            rest = here & design.labels.independent
            if rest.any():
                pairs.append((score[derived & here], np.sort(score[rest])))

    def mean(separation: float) -> float:
        won = [np.searchsorted(n, p + separation).sum() / len(n) for p, n in pairs]
        return float(np.sum(won) / sum(len(p) for p, _ in pairs))

    found = {}
    for truth in TRUTHS:
        low, high = -3.0, 15.0
        for _ in range(40):
            middle = (low + high) / 2
            low, high = (middle, high) if mean(middle) < truth else (low, middle)
        found[truth] = (low + high) / 2
    return found


def _table(design: Design, score: Floats, separation: float) -> ScoreTable:
    return design.labels.with_scores(score + separation * design.labels.derived)


def run_verdicts(quick: bool, seed: int) -> Experiment:
    """Share of wrong verdicts by the true look-alike AUC, and of methods said to fail that do not."""
    n_catalogs, rows, methods = (20, [], []) if quick else (200, [], [])
    for place, lineages in enumerate((12, 36, 120)):
        for kind in NOISE:
            design = Design(f"{lineages} of 4", (4,) * lineages, n_cells=3, shape="hub")
            rng = np.random.default_rng(np.random.SeedSequence((SEED + seed, place, len(kind))))
            at = _separations(design, kind, rng, 20 if quick else 60)
            for truth in TRUTHS:
                rows.append(_row(design, kind, truth, at[truth], rng, n_catalogs))
            methods.append(_methods(lineages, kind, rng, n_catalogs))
    details, failing = pd.DataFrame(rows), pd.DataFrame(methods)
    return Experiment(
        "verdicts",
        (
            f"Wrong verdicts: by the bounds in at most {details['wrong'].max():.3f} of {n_catalogs} catalogs"
            f" in any design, by the estimate in up to {details['wrong by estimate'].max():.3f}.",
            f"Eight methods, all truly at 0.95: some method is said to fail in at most"
            f" {failing['fails'].max():.3f} of the catalogs, by the estimate in up to"
            f" {failing['fails by estimate'].max():.3f}.",
        ),
        (
            ("Verdicts by the true look-alike AUC; wrong: separates below 0.9, within limits below 0.75, does"
             " not separate at 0.75 or above", details),
            ("Eight methods at a look-alike AUC of 0.95: some method is said to fail", failing),
        ),
        details,
    )  # fmt: skip


def _row(
    design: Design, kind: str, truth: float, separation: float, rng: Rng, n_catalogs: int
) -> dict[str, object]:
    said = {
        VerdictWord.SEPARATES: 0,
        VerdictWord.WITHIN_LIMITS: 0,
        VerdictWord.FAILS: 0,
        VerdictWord.CANNOT_SAY: 0,
    }
    wrong = before = 0
    for _ in range(n_catalogs):
        table = _table(design, _drawn(design, kind, rng)[0], separation)
        bounds = separation_bounds(table, {}).look_alike_auc
        word = VerdictWord.of_bounds(bounds.low, bounds.high)
        said[word] += 1
        wrong += (
            (word is VerdictWord.SEPARATES and truth < GOOD)
            or (word is VerdictWord.WITHIN_LIMITS and truth < FAIR)
            or (word is VerdictWord.FAILS and truth >= FAIR)
        )
        estimate = look_alike_auc(table).estimate
        before += (estimate >= GOOD) != (truth >= GOOD)
    shares = {str(name): count / n_catalogs for name, count in said.items()}
    return {
        "lineages": design.n_lineages, "noise": kind, "true AUC": truth, **shares,
        "wrong": wrong / n_catalogs, "wrong by estimate": before / n_catalogs,
    }  # fmt: skip


def _methods(lineages: int, kind: str, rng: Rng, n_catalogs: int) -> dict[str, object]:
    """Hubs of eight children, each by a method of its own, all with the same true AUC of 0.95."""
    design = Design(f"{lineages} of {CHILDREN}", (CHILDREN,) * lineages, n_cells=2, shape="hub")
    child = design.labels.model_b % CHILDREN
    names = np.where(design.labels.derived, np.char.add("method ", child.astype(str)), "")
    frame = design.labels.frame.assign(method=names)
    separation = _separations(design, kind, rng, 6)[0.95]
    fails = before = 0
    held = 0.0
    n = max(n_catalogs // 4, 10)
    for _ in range(n):
        score = _drawn(design, kind, rng)[0] + separation * design.labels.derived
        found = by_method(ScoreTable(frame.assign(score=score)))
        fails += any(row.state is MethodState.FAILED for row in found.values())
        held += sum(row.state is MethodState.HELD for row in found.values()) / N_METHODS
        before += any(row.look_alike_auc.estimate < GOOD for row in found.values())
    return {
        "lineages": lineages, "noise": kind, "catalogs": n, "fails": fails / n,
        "fails by estimate": before / n, "methods held": held / n,
    }  # fmt: skip
