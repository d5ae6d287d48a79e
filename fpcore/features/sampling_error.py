"""What measuring slices in place of whole weights adds to a score: the spread over redrawn values."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fpcore.errors import NotComparable
from fpcore.fingerprint import Fingerprint
from fpcore.protocol import Metric

__all__ = ["ERROR", "sampling_errors"]

ERROR: Final = ".standard_error"
"""What follows the name of an array in the name of its standard errors."""
DRAWS: Final = 32
"""Of which a standard deviation is uncertain by an eighth."""


def sampling_errors(
    metric: Metric, fingerprints: Sequence[Fingerprint], pairs: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Standard errors of scores of pairs of sampled models, by a parametric bootstrap.

    Every value of a fingerprint is redrawn around itself with its standard error, and the pair scored again.
    What slices miss of a parent and its child is nearly the same, as they lie at the same places; here it is
    redrawn for each on its own. So of related models the errors are stated too large, not too small.

    Parameters
    ----------
    metric : Metric
    fingerprints : sequence of Fingerprint
        Of this metric.
    pairs : ndarray of int, (n, 2)
        Places in `fingerprints`.

    Returns
    -------
    ndarray of float64, (n,)
        0 where all that the metric keeps was measured whole; NaN where a value has an unknown error, or no
        score. What a pair gets depends on its two models alone.
    """
    uncertain = np.array([any(name.endswith(ERROR) for name in each.arrays) for each in fingerprints])
    errors = np.zeros(len(pairs))
    rows = np.flatnonzero(uncertain[pairs].any(axis=1))
    if not len(rows):
        return errors
    scores = np.empty((len(rows), DRAWS))  # a pair's beside each other: their sum knows no other pair
    for draw in range(DRAWS):
        drawn = [_redrawn(each, draw) for each in fingerprints]
        scores[:, draw] = _scores(metric, drawn, np.asarray(pairs)[rows])
    errors[rows] = scores.std(axis=1, ddof=1)
    return errors


def _redrawn(fingerprint: Fingerprint, draw: int) -> Fingerprint:
    arrays = dict(fingerprint.arrays)
    for name in sorted(arrays):
        error = arrays.get(f"{name}{ERROR}")
        if error is not None:
            text = f"{fingerprint.digest}/{fingerprint.metric}/{name}/{draw}"
            seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
            rng = np.random.default_rng(seed)
            arrays[name] = arrays[name] + error * rng.standard_normal(arrays[name].shape)
    return replace(fingerprint, arrays=arrays)


def _scores(
    metric: Metric, fingerprints: Sequence[Fingerprint], pairs: NDArray[np.int64]
) -> NDArray[np.float64]:
    scores = np.full(len(pairs), math.nan)
    if metric.scores_together:
        scores = np.array(metric.pair_similarities(fingerprints, pairs), dtype=np.float64)
    for row in np.flatnonzero(np.isnan(scores)):
        try:
            scores[row] = metric.similarity(*(fingerprints[place] for place in pairs[row]))
        except NotComparable:
            continue
    return scores
