"""Small catalogs written down as the sizes of the lineages of each architecture cell."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pandas as pd

from analysis.table import ScoreTable


def families(
    sizes: dict[str, tuple[int, ...]], score: Callable[[str, str, bool], float], *, star: bool = False
) -> ScoreTable:
    """A table from cell → sizes of its lineages; models are called cell.lineage.number."""
    models = [
        (f"{cell}.{g}.{i}", f"{cell}.{g}", cell)
        for cell, lineages in sizes.items()
        for g, n in enumerate(lineages)
        for i in range(n)
    ]
    rows = []
    for (a, lineage_a, cell_a), (b, lineage_b, cell_b) in itertools.combinations(models, 2):
        same = lineage_a == lineage_b
        derived = same and (not star or a.endswith(".0"))
        relation = "derived" if derived else "sibling" if same else "independent"
        rows.append((a, b, score(a, b, same), relation, lineage_a, lineage_b, cell_a, cell_b))
    names = "model_a model_b score relation lineage_a lineage_b architecture_a architecture_b"
    return ScoreTable(pd.DataFrame(rows, columns=names.split()))
