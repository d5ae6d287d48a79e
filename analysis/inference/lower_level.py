"""What the levels of lineages explain where they do not add, but the lower of two decides.

A pair scores as high as its less conspicuous lineage lets it: then a pair of unlike lineages stands below the
mean of their two levels, by half of what lies between them, and a pair inside one lineage does not. It stands
out without any trace of descent. So the term is how far apart two levels are: min(a, b) is (a + b)/2 less
|a - b|/2.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from analysis.inference.level_term import LevelTerm

__all__ = ["LowerLevel"]

Floats = npt.NDArray[np.float64]


class LowerLevel(LevelTerm):
    """How far apart two lineages' levels are, fitted to pairs between lineages."""

    @classmethod
    def of(cls, left: Floats, nearness: Floats, inside: Floats) -> LowerLevel:
        """Fit it.

        Parameters
        ----------
        left : ndarray of float, shape (n_blocks,)
            Mean of what the sum of levels leaves of each pair of lineages.
        nearness : ndarray of float, shape (n_blocks,)
            The same of minus the distance of two levels, in place of the scores.
        inside : ndarray of float, shape (n_inside,)
            And of pairs inside a lineage, where the distance is 0.
        """
        size = float(nearness @ nearness)
        # The higher of two levels lowers what is inside: believed by mistake it would raise the excess.
        slope = max(0.0, float(left @ nearness) / size) if size > 1e-12 else 0.0
        return cls(slope * inside, slope * nearness)
