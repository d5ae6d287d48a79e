"""AWM's z: how far its similarity lies from unrelated pairs, by one mean and deviation written in its code.

The published tool prints ``|similarity - 0.00375| / 0.0028`` beside every pair; the mean is that of 90
unrelated pairs of models with billions of parameters, and of the deviation its own comment says that it was
not specified. Read as one reads a z score, it stands for a two-sided normal p-value. The similarity is our
`aligned-cka`, after the paper's definition; nothing of the tool is needed. Source: arXiv:2510.06738,
https://github.com/LUMIA-Group/AWM.
"""

from __future__ import annotations

import math
from typing import Final

from scipy.stats import norm

import fpcore
from fpcore.metrics.matching import AlignedCka

__all__ = ["AwmZ"]

MEAN: Final = 0.00375
DEVIATION: Final = 0.0028


class AwmZ(AlignedCka):
    """-log10 of the two-sided normal p of AWM's z."""

    name = "awm-z"
    title = "-log10 p of AWM's z against its hard-coded null"
    claims = (
        fpcore.Claim(
            p_values=True,
            text="z against unrelated pairs, mean 0.00375 and deviation 0.0028",
            source="main.py of LUMIA-Group/AWM, October 2025",
        ),
    )

    def similarity(self, a: fpcore.Fingerprint, b: fpcore.Fingerprint) -> float:  # noqa: D102
        z = abs(super().similarity(a, b) - MEAN) / DEVIATION
        return float(-(math.log(2.0) + norm.logsf(z)) / math.log(10.0))
