"""What a metric's numbers owe to one lineage, one label, one architecture, the cells, or the seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from analysis.breakdown import ANYTHING
from analysis.discrimination.auc import auc_share
from analysis.discrimination.intervals import ShareOfLineages, intervals_at_once
from analysis.discrimination.wins import Wins
from analysis.evidence.likelihood_ratio import Evidence, calibrate_evidence
from analysis.inference.permutation import PermutationTest
from analysis.influence.compared_scores import (
    NO_LOOK_ALIKES,
    ComparedScores,
    coarser_look_alikes,
    threshold_turned,
    threshold_without_lineage,
)
from analysis.influence.influence import Influence, SeedInfluence
from analysis.influence.weighed_pairs import WeighedPairs
from analysis.results import Result
from analysis.table import ScoreTable, check_table
from analysis.validation import check_count, check_instance, check_probability
from analysis.verdict_words import VerdictWord, family_level

__all__ = ["Sensitivity", "sensitivity"]

MAX_FPR: Final = 0.05


@dataclass(frozen=True, eq=False)
class Sensitivity(Result):
    """How much of a metric's numbers hangs on one thing.

    The threshold is the least with at most a given share of look-alikes at or above it. The bound of the
    likelihood ratio is the log10 of the largest that evidence for derivation can have; the ratios are kept as
    they were fitted out of lineage.

    Attributes
    ----------
    max_fpr : float
        Of the threshold.
    lineage_auc, lineage_threshold, lineage_lr_bound : Influence
        Look-alike AUC, threshold and bound without one lineage.
    label_auc, label_threshold, label_lr_bound : Influence
        The same with one label turned: a derived pair taken as independent, or a look-alike as derived. Which
        cells have look-alikes is kept.
    architecture_auc, architecture_cllr : Influence
        Look-alike AUC, and cost of the evidence in bits, without the pairs of one architecture cell.
    architecture_verdicts : mapping of str to str
        Architecture → the verdict without it by the bounds of the look-alike AUC alone, where it differs
        from that with all of them.
    coarser_auc : mapping of str to float
        Coarser kinds of look-alikes → AUC: pairs inside any one cell against such pairs and pairs across any
        two against such ("within or across"), and all independent pairs ("independent").
    seed : SeedInfluence
    """

    max_fpr: float
    lineage_auc: Influence
    lineage_threshold: Influence
    lineage_lr_bound: Influence
    label_auc: Influence
    label_threshold: Influence
    label_lr_bound: Influence
    architecture_auc: Influence
    architecture_cllr: Influence
    architecture_verdicts: Mapping[str, str]
    coarser_auc: Mapping[str, float]
    seed: SeedInfluence


def sensitivity(
    table: ScoreTable,
    *,
    evidence: Evidence | None = None,
    permutation: PermutationTest | None = None,
    max_fpr: float = MAX_FPR,
    n_metrics: int = 1,
) -> Sensitivity:
    """Ask what one lineage, one label, one architecture, coarser cells or another seed would change.

    Parameters
    ----------
    table : ScoreTable
        Only comparable pairs are used.
    evidence : Evidence, optional
        Of `calibrate_evidence` for this table, where it is there already.
    permutation : PermutationTest, optional
        Of `separation_test` for this table; without it nothing is said of the seed.
    max_fpr : float
        Of the threshold, in (0, 1).
    n_metrics : int
        Metrics judged together, for the verdicts without an architecture; 1 or more.

    Returns
    -------
    Sensitivity
        What cannot be told is undefined with its reason.

    Raises
    ------
    BadArgument
        An argument is not what it must be; the message names it, its value and what is allowed.

    Notes
    -----
    Without a lineage the AUC is that of a jackknife fold (`analysis.discrimination.wins`). A label that is
    turned changes the ranks of one pair only, so that all of them cost one sort.

    Examples
    --------
    >>> from analysis import example_table, sensitivity
    >>> found = sensitivity(example_table())
    >>> print(found.lineage_auc)
    0.9704, from 0.9653 to 0.9796 (07)
    >>> print(found.label_lr_bound)
    0.69, from 0.66 to 0.71 (05-c – 09-a taken as derived)
    """
    check_table(table)
    check_probability(max_fpr, "max_fpr")
    check_count(n_metrics, "n_metrics")
    if evidence is None:
        evidence = calibrate_evidence(table)
    check_instance(evidence, "evidence", Evidence, "analysis.calibrate_evidence(table) makes one")
    if permutation is not None:
        check_instance(
            permutation, "permutation", PermutationTest, "analysis.separation_test(table) makes one"
        )
    ranks = ComparedScores.of(table)
    weighed = WeighedPairs.of(table, evidence)
    architectures = _architectures(table, ranks, weighed, n_metrics)
    return Sensitivity(
        max_fpr=max_fpr,
        lineage_auc=ranks.without_lineage(),
        lineage_threshold=threshold_without_lineage(ranks, max_fpr),
        lineage_lr_bound=weighed.without_lineage(),
        label_auc=ranks.turned(),
        label_threshold=threshold_turned(ranks, max_fpr),
        label_lr_bound=weighed.turned(),
        architecture_auc=architectures[0],
        architecture_cllr=architectures[1],
        architecture_verdicts=architectures[2],
        coarser_auc=coarser_look_alikes(table),
        seed=SeedInfluence.of(permutation),
    )


def _architectures(
    table: ScoreTable, ranks: ComparedScores, weighed: WeighedPairs, n_metrics: int
) -> tuple[Influence, Influence, dict[str, str]]:
    """AUC, cost and verdict without the pairs of each architecture cell."""
    n = len(table.cells)
    if n < 2:
        why = "there is one architecture" if n else "architectures are unknown"
        return Influence.undefined(why), Influence.undefined(why), {}

    def name(at: int) -> str:
        return str(table.cells[at])

    def without(cell: int) -> npt.NDArray[np.bool_]:
        apart: npt.NDArray[np.bool_] = (table.cell_a != cell) & (table.cell_b != cell)
        return apart

    cost = Influence.undefined(weighed.reason)
    if not weighed.reason:
        costs = [weighed.cllr(without(cell)[weighed.rows]) for cell in range(n)]
        cost = Influence.of(weighed.cllr(np.ones(len(weighed.rows), dtype=bool)), costs, name)
    if not ranks.groups:
        return Influence.undefined(NO_LOOK_ALIKES), cost, {}
    level = family_level(n_metrics)
    aucs: list[float] = []
    asked: list[ShareOfLineages] = []
    judged: list[int] = []
    # No cell has the code n: that is all of them together.
    for cell in (n, *range(n)):
        # Derived pairs are compared inside their pair of cells: the look-alikes go with them.
        wins = Wins.of(table, "look-alike", positive=table.derived & without(cell))
        aucs.append(wins.estimate)
        if not wins.n_positive:
            continue
        folds = wins.jackknife()
        asked += [auc_share(wins, folds, level), auc_share(wins, folds, level, ANYTHING)]
        judged.append(cell)
    found = intervals_at_once(asked)
    words = {
        cell: VerdictWord.of_bounds(low.low, high.high)
        for cell, low, high in zip(judged, found[::2], found[1::2], strict=True)
    }
    whole = words.pop(n)
    return (
        Influence.of(ranks.estimate, aucs[1:], name),
        cost,
        {name(cell): str(word) for cell, word in words.items() if word is not whole},
    )
