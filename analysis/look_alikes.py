"""The one definition of a look-alike: an independent pair that has the shapes of a derived pair."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.validation import BadArgument

__all__ = ["Labels", "cell_pairs", "look_alike_pairs"]

Labels: TypeAlias = "npt.ArrayLike | pd.Series[str]"


def look_alike_pairs(relation: Labels, cell_a: Labels, cell_b: Labels) -> npt.NDArray[np.bool_]:
    """Tell which pairs of models are look-alikes.

    A look-alike is an independent pair whose two models stand in the same (unordered) pair of architecture
    cells as some derived pair among those given: the same cell for a fine-tune, dense and mixture of experts
    of the same shapes for an up-cycling. A pair with an unknown cell is never one, and never makes one.

    Parameters
    ----------
    relation : array_like of str, shape (n_pairs,)
        "derived", "independent", or any other relation, which takes no part.
    cell_a, cell_b : array_like, shape (n_pairs,)
        Architecture cells of the two models: names, None or NaN where unknown; or integer codes, negative
        where unknown.

    Returns
    -------
    ndarray of bool, shape (n_pairs,)

    Raises
    ------
    BadArgument
        The three differ in shape or are not one-dimensional.

    Examples
    --------
    >>> from analysis import look_alike_pairs
    >>> relation = ["derived", "independent", "independent", "independent"]
    >>> look_alike_pairs(relation, ["dense", "moe", "dense", None], ["moe", "dense", "dense", "moe"])
    array([False,  True, False, False])
    """
    related = np.asarray(relation, dtype=object)
    pair = cell_pairs(cell_a, cell_b)
    if related.shape != pair.shape:
        raise BadArgument(f"relation must have the shape of cell_a, {pair.shape}, not {related.shape}")
    shared = np.unique(pair[(related == "derived") & (pair >= 0)])
    alike: npt.NDArray[np.bool_] = (related == "independent") & np.isin(pair, shared)
    return alike


def cell_pairs(cell_a: Labels, cell_b: Labels) -> npt.NDArray[np.int64]:
    """Number the unordered pairs of architecture cells; -1 where a cell is unknown.

    Parameters
    ----------
    cell_a, cell_b : array_like, shape (n_pairs,)
        As in `look_alike_pairs`.

    Returns
    -------
    ndarray of int, shape (n_pairs,)
        Equal where the same two cells stand, in whichever order; ordered as the two names (or codes) are,
        the smaller first.

    Raises
    ------
    BadArgument
        The two differ in shape or are not one-dimensional.
    """
    a, b = _codes_or_names(cell_a), _codes_or_names(cell_b)
    if a.shape != b.shape or a.ndim != 1:
        raise BadArgument(f"cell_a and cell_b must have one shape (n_pairs,), not {a.shape} and {b.shape}")
    if not (np.issubdtype(a.dtype, np.integer) and np.issubdtype(b.dtype, np.integer)):
        a, b = np.split(pd.factorize(np.concatenate([a, b]), sort=True)[0], 2)
    low, high = np.minimum(a, b), np.maximum(a, b)
    n = int(high.max(initial=0)) + 1
    return np.where(low < 0, -1, low * n + high)


def _codes_or_names(cell: Labels) -> npt.NDArray[np.int64] | npt.NDArray[np.object_]:
    if isinstance(cell, np.ndarray) and np.issubdtype(cell.dtype, np.integer):
        return cell.astype(np.int64)
    # As objects: numpy makes the name "nan" of a NaN that stands among the names of a list.
    values = np.asarray(cell, dtype=object)
    whole = pd.api.types.infer_dtype(values.ravel(), skipna=False) == "integer"
    return values.astype(np.int64) if whole else values
