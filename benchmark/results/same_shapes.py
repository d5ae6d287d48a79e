"""Pairs of the same two shapes: the only ones that a score of a pair can be set beside."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

import analysis

__all__ = ["FEWEST", "same_cells"]

Mask = npt.NDArray[np.bool_]
FEWEST: Final = 3
"""Lineages of look-alikes of the very shapes. With G of them no ratio above (G + 2)/2 is backed
(`analysis.stranger_p_value`): with fewer than three none above 2, where the verbal scale begins."""


def same_cells(table: analysis.ScoreTable, cells: tuple[str, str]) -> Mask:
    """Pairs of the same two cells; none where a cell is unknown."""
    code = {str(name): place for place, name in enumerate(table.cells)}
    if any(cell not in code for cell in cells):
        return np.zeros(len(table), dtype=np.bool_)
    low, high = sorted(code[cell] for cell in cells)
    here: Mask = (np.minimum(table.cell_a, table.cell_b) == low) & (
        np.maximum(table.cell_a, table.cell_b) == high
    )
    return here
