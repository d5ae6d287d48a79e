"""One streaming pass over a model: count, mean, spread, extremes and norm of every role's tensor."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from fpcore.anatomy import RoleView
from fpcore.checkpoints.base import Checkpoint
from fpcore.errors import BadCheckpoint, UnreadableTensor
from fpcore.storage.dequantised import read_dequantised, stored_parts

if TYPE_CHECKING:
    import torch

__all__ = ["Measured", "Moments", "measure", "moments_of", "pooled"]

CHUNK: Final = 1 << 15  # elements at a time: 256 KiB in float64 stay in a core's cache


@dataclass(frozen=True)
class Moments:
    """Moments of a population of weights.

    Attributes
    ----------
    count : int
    mean, std : float
        `std` is the population standard deviation (divisor `count`).
    low, high : float
        Smallest and largest value.
    """

    count: int
    mean: float
    std: float
    low: float
    high: float

    @property
    def max_abs(self) -> float:
        """Largest absolute value."""
        return max(abs(self.low), abs(self.high))

    @property
    def norm(self) -> float:
        """Frobenius norm."""
        return math.sqrt(self.count) * math.hypot(self.std, self.mean)


def moments_of(tensor: torch.Tensor) -> Moments:
    """Moments of one tensor, in float64 over chunks.

    Raises
    ------
    BadCheckpoint
        A value is NaN or infinite.
    """
    flat = tensor.reshape(-1)
    return pooled(_chunk(flat[start : start + CHUNK]) for start in range(0, max(1, flat.numel()), CHUNK))


def _chunk(tensor: torch.Tensor) -> Moments:
    # float8 types convert to float32 only; numpy's sums do not depend on the number of threads.
    exact = tensor.is_floating_point() and tensor.element_size() == 8
    values: NDArray[np.float64] = (tensor if exact else tensor.float()).numpy().astype(np.float64, copy=False)
    if not values.size:
        raise BadCheckpoint("is empty")
    low, high = float(values.min()), float(values.max())
    if not math.isfinite(low) or not math.isfinite(high):
        raise BadCheckpoint("holds NaN" if math.isnan(low) else "holds infinite values")
    mean = float(values.mean())
    centred = values - mean
    return Moments(values.size, mean, math.sqrt(float(np.square(centred).mean())), low, high)


def pooled(parts: Iterable[Moments]) -> Moments:
    """Moments of the union of several populations."""
    count, mean, spread, low, high = 0, 0.0, 0.0, math.inf, -math.inf
    for part in parts:
        step = part.mean - mean
        total = count + part.count
        spread += part.count * part.std**2 + step**2 * count * part.count / total
        mean += step * part.count / total
        count, low, high = total, min(low, part.low), max(high, part.high)
    if not count:
        raise ValueError("no population to pool")
    return Moments(count, mean, math.sqrt(spread / count), low, high)


class Measured(Mapping[str, Moments]):
    """Moments by role, in the order of the model's roles; asking for those of an unreadable tensor abstains.

    Parameters
    ----------
    found : mapping of str to Moments or str
        Role → moments, or why its tensor cannot be read.
    """

    def __init__(self, found: Mapping[str, Moments | str]) -> None:
        self._found = found

    def __getitem__(self, role: str) -> Moments:
        moments = self._found[role]
        if isinstance(moments, str):
            raise UnreadableTensor(moments)
        return moments

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)


def measure(model: Checkpoint, roles: Iterable[str] | None = None) -> Measured:
    """Moments of a model's roles; each stored tensor is read once, however many ask, and no other is.

    Parameters
    ----------
    model : Checkpoint
    roles : iterable of str, optional
        Which; all by default.

    Returns
    -------
    Measured
        Role → moments, in the order of the model's roles.

    Raises
    ------
    BadCheckpoint
        A tensor holds NaN or infinite values, or is empty; the message names it.
    """
    known: dict[str, Moments | str] = model.remembered("moments", dict)
    asked = set(model.roles if roles is None else roles)
    sources = {model.roles[role].source for role in asked if role not in known}
    if sources:
        known.update(_measure(model, sources))
    return Measured({role: known[role] for role in model.roles if role in asked})


def _measure(model: Checkpoint, sources: Collection[str]) -> dict[str, Moments | str]:
    """Moments of every role that some stored tensors serve."""
    found: dict[str, Moments | str] = {}
    model.prefetch(stored_parts(model, sources))
    chosen = [view for view in model.roles.values() if view.source in sources]
    by_source = sorted(chosen, key=lambda view: view.source)
    for source, group in groupby(by_source, key=lambda view: view.source):
        views = list(group)
        try:
            stored = read_dequantised(model, source)
        except UnreadableTensor as error:
            found.update({view.role: error.reason for view in views})
            continue
        for view in views:
            found[view.role] = _named(model, view, stored)
    return found


def _named(model: Checkpoint, view: RoleView, stored: torch.Tensor) -> Moments:
    try:
        return moments_of(view.view.apply(stored))
    except BadCheckpoint as error:
        raise BadCheckpoint(
            f"{model.name}: tensor {view.source} {error}; such weights cannot be measured, fetch them again"
        ) from None
