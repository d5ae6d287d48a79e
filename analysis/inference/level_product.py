"""What the levels of lineages explain where they do not add but multiply.

Two lineages that score high against everybody may score higher still with each other, and a pair inside one
lineage has the same high level twice: it stands out without any trace of descent. Tukey's (1949) one term for
that is the product of two levels. Levels are known with errors, and an error of a level would hide two thirds
of the product; so it is corrected for their reliability, as in a regression with errors in variables (Fuller
1987).
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from analysis.inference.level_term import LevelTerm

__all__ = ["LevelProduct"]

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]

LEAST_RELIABLE: Final = 0.5
"""Least share of the variance of lineages' levels that is taken for real. Below it the correction is more
noise than knowledge."""


class LevelProduct(LevelTerm):
    """The product of two lineages' levels, fitted to pairs between lineages."""

    @classmethod
    def of(cls, level: Floats, lineage: Indices, left: Floats, a: Indices, b: Indices) -> LevelProduct:
        """Fit it.

        Parameters
        ----------
        level : ndarray of float, shape (n_models,)
            Level of each model, fitted to add.
        lineage : ndarray of int, shape (n_models,)
            Lineage of each model, from 0.
        left : ndarray of float, shape (n_blocks,)
            Mean of what the sum of levels leaves of each pair of lineages.
        a, b : ndarray of int, shape (n_blocks,)
            The two lineages.

        Notes
        -----
        With levels z = α + error of variance v over lineages, of which ρ·v is real, the slope κ of α_g·α_h is
        that of z_g·z_h over ρ². A pair between lineages is then expected at κρ²·z_g·z_h, one inside at
        κ(ρ²·z_g² + (1 - ρ)·ρ·v): the means of normal levels given what is seen of them. κ is never below 0.
        """
        size = np.bincount(lineage)
        mean = np.bincount(lineage, level) / size
        within = float(np.square(level - mean[lineage]).sum()) / max(1, len(level) - len(size))
        z = mean - mean.mean()
        variance = float(z @ z) / max(1, len(size) - 1)
        product = z[a] * z[b]
        if variance <= 1e-12 or not product.any():  # no lineage has a level of its own
            return cls(np.zeros(len(size)), np.zeros(len(left)))
        error = within * float((1 / size).mean()) + float(np.square(left).mean()) / max(1, len(size) - 2)
        reliable = max(LEAST_RELIABLE, 1 - error / variance)
        # A product that lowers what is inside is none: believed by mistake it would raise the excess.
        slope = max(0.0, float(left @ product) / float(product @ product) / reliable**2)
        inside = reliable**2 * np.square(z) + (1 - reliable) * reliable * variance
        return cls(slope * inside, slope * reliable**2 * product)
