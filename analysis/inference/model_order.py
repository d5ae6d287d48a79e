"""An order of models that names do not decide: random draws fall on the same models by any name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from analysis.table import ScoreTable

__all__ = ["order_of_models"]

Words = npt.NDArray[np.uint64]

ROUNDS: Final = 3
"""How far a model looks: its pairs, their other ends, and the pairs of those."""
RELATIONS: Final = ("independent", "derived", "sibling")
MULTIPLIERS: Final = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


def order_of_models(tables: Sequence[ScoreTable], models: Sequence[str]) -> list[str]:
    """Sort models by the ranks and labels of their pairs, as far as those tell them apart.

    Parameters
    ----------
    tables : sequence of ScoreTable
        One a metric; the order of the tables makes no difference.
    models : sequence of str
        Models to sort.

    Returns
    -------
    list of str
        Models that nothing tells apart stand by name: to exchange them changes no statistic.

    Notes
    -----
    Colour refinement (Weisfeiler & Leman 1968) in whole numbers, so that neither rounding nor the order of
    rows has a part: a model's word is mixed with the words, ranks and labels of its pairs, and again.

    Examples
    --------
    >>> from analysis import example_table
    >>> table = example_table(n_lineages=3)
    >>> sorted(order_of_models([table], table.models.tolist())) == table.models.tolist()
    True
    """
    total = dict.fromkeys(models, 0)
    for table in tables:
        for model, word in zip(table.models.tolist(), _words(table, total).tolist(), strict=True):
            if model in total:
                total[model] = (total[model] + word) % 2**64
    return sorted(models, key=lambda model: (total[model], model))


def _words(table: ScoreTable, wanted: dict[str, int]) -> Words:
    """A number a model, from the pairs between the wanted ones; the same for models that look the same."""
    inside = np.array([model in wanted for model in table.models], dtype=np.bool_)
    rows = np.flatnonzero(inside[table.model_a] & inside[table.model_b])
    a, b = table.model_a[rows], table.model_b[rows]
    scored = table.comparable[rows]
    tag = np.zeros(len(rows), dtype=np.uint64)
    _, rank = np.unique(table.score[rows][scored], return_inverse=True)
    tag[scored] = rank.astype(np.uint64) + np.uint64(1)
    for relation in RELATIONS:
        tag = np.uint64(2) * tag + (table.relation[rows] == relation).astype(np.uint64)
    for one, other in ((table.lineage_a, table.lineage_b), (table.cell_a, table.cell_b)):
        tag = np.uint64(2) * tag + (one[rows] == other[rows]).astype(np.uint64)
    tag = _mixed(tag)
    size = np.bincount(table.cell_of[inside] + 1, minlength=len(table.cells) + 1)
    words = _mixed(size[table.cell_of + 1].astype(np.uint64))
    for _ in range(ROUNDS):
        heard = np.zeros(len(words), dtype=np.uint64)
        np.add.at(heard, a, _mixed(tag ^ words[b]))
        np.add.at(heard, b, _mixed(tag ^ words[a]))
        words = _mixed(words + heard)
    return words


def _mixed(words: Words) -> Words:
    """Scatter the bits of whole numbers (the finaliser of Steele, Lea & Flood 2014), modulo 2**64."""
    words = words + np.uint64(0x9E3779B97F4A7C15)
    for shift, multiplier in zip((30, 27), MULTIPLIERS, strict=True):
        words = (words ^ (words >> np.uint64(shift))) * multiplier
    return words ^ (words >> np.uint64(31))
