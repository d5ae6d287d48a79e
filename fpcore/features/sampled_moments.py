"""Moments of a tensor from slices of it, with what is not known of the rest."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from fpcore.features.block_moments import Moments, pooled

__all__ = ["moments_from_slices", "pooled_error"]


def moments_from_slices(found: Sequence[Moments], size: int) -> Moments:
    """Moments of a tensor by those of slices of about equal size.

    The variance and the mean square are means over slices of what each has around the common mean, and
    around zero. Their standard errors are those of k places drawn without replacement,
    ``sd sqrt((1 - n / size) / k)``; since one place is drawn in each of k equal parts, they err to the safe
    side where neighbours are alike. By the delta method half of each, over the root, is that of the
    deviation and of the norm.

    Parameters
    ----------
    found : sequence of Moments
        Of at least one slice.
    size : int
        Numbers of the whole tensor.

    Examples
    --------
    >>> slices = [Moments(100, 0.0, std, -1.0, 1.0) for std in (0.9, 1.0, 1.1)]
    >>> about = moments_from_slices(slices, 3000)
    >>> about.count, round(about.std, 3), round(about.std_error, 3)
    (3000, 1.003, 0.055)
    """
    whole = pooled(found)
    if whole.count >= size:
        return whole
    rest = math.sqrt((1.0 - whole.count / size) / len(found))
    around_mean = [part.std**2 + (part.mean - whole.mean) ** 2 for part in found]
    around_zero = [part.std**2 + part.mean**2 for part in found]
    about = replace(whole, count=size)
    if len(found) < 2 or whole.std == 0.0:
        unknown = 0.0 if whole.std == 0.0 else math.nan
        return replace(about, std_error=unknown, norm_error=unknown)
    std_error = float(np.std(around_mean, ddof=1)) * rest / (2.0 * whole.std)
    root = math.hypot(whole.std, whole.mean)
    norm_error = math.sqrt(size) * float(np.std(around_zero, ddof=1)) * rest / (2.0 * root)
    return replace(about, std_error=std_error, norm_error=norm_error)


def pooled_error(parts: Sequence[Moments]) -> float:
    """Standard error of the deviation of several populations together, each measured on slices of its own.

    The variance of the union is the mean of theirs, and of the squares of what their means differ by; the
    second part is taken for known.
    """
    whole = pooled(parts)
    if whole.std == 0.0:
        return 0.0
    shares = (part.count / whole.count * part.std * part.std_error for part in parts)
    return math.sqrt(sum(share**2 for share in shares)) / whole.std
