"""What one term that is not additive says of pairs, where a test by lineages takes levels away."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["LevelTerm"]


@dataclass(frozen=True)
class LevelTerm:
    """A term fitted to what the sum of two lineages' levels leaves of pairs between lineages.

    Attributes
    ----------
    inside : ndarray of float, shape (n_inside,)
        What it says of a pair inside each lineage.
    between : ndarray of float, shape (n_blocks,)
        What it says of each pair of lineages.
    """

    inside: npt.NDArray[np.float64]
    between: npt.NDArray[np.float64]
