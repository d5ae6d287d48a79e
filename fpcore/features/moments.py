"""One pass over a model: count, mean, spread, extremes and norm of every role's tensor."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from itertools import groupby
from typing import TYPE_CHECKING, Final, cast

import numpy as np

from fpcore.anatomy import RoleView
from fpcore.anatomy.tensor_layouts import Rectangle
from fpcore.checkpoints.base import Checkpoint
from fpcore.checkpoints.sampled import SMALL, SampledCheckpoint, slices
from fpcore.errors import BadCheckpoint, UnreadableTensor
from fpcore.features.block_moments import BlockMoments, Moments, exact_moments, pooled
from fpcore.features.sampled_moments import moments_from_slices
from fpcore.storage.dequantised import (
    OpenWeight,
    open_dequantised,
    real_values,
    stored_parts,
    weight_size,
)
from fpcore.storage.element_types import Raw

if TYPE_CHECKING:
    import torch

__all__ = ["Measured", "Moments", "measure", "moments_of", "pooled"]

STRETCH: Final = 1 << 20
"""Numbers of a larger one that are read at a time, in whole rows."""
TOLD: Final = 1 << 26
"""Numbers of a model that is worth telling how far it is."""


def moments_of(tensor: torch.Tensor) -> Moments:
    """Moments of one tensor, in float64 over blocks.

    Raises
    ------
    BadCheckpoint
        A value is NaN or infinite.
    """
    exact = str(tensor.dtype) == "torch.float64"
    return exact_moments((tensor if exact else tensor.float()).detach().numpy())


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

    Tensors of up to 2^20 numbers are summed in float64; of larger ones, a deviation is that of float64
    within 1e-6 of itself at worst, and within some 1e-9 for weights as they are. Blocks and the order in
    which they are put together depend on shapes alone, so that no number of threads (`model.threads`)
    changes a bit.

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
    if not isinstance(model, SampledCheckpoint):
        model.prefetch(stored_parts(model, sources))
    chosen = [view for view in model.roles.values() if view.source in sources]
    chosen.sort(key=lambda view: view.source)
    served = [list(group) for _, group in groupby(chosen, key=lambda view: view.source)]
    own = threading.local()
    found: dict[str, Moments | str] = {}
    told = model.told if sum(view.size for view in chosen) > TOLD else None
    if not model.side_by_side or model.threads < 2 or len(served) < 2:
        for place, views in enumerate(served):
            found.update(_of_source(model, views, own))
            if told is not None:
                told(place + 1, len(served), f"tensors of {model.name}")
        return found
    with ThreadPoolExecutor(model.threads) as pool:
        # The largest first, so that none is left to be the last alone.
        order = sorted(range(len(served)), key=lambda place: -max(view.size for view in served[place]))
        futures = {place: pool.submit(_of_source, model, served[place], own) for place in order}
        try:
            for done, future in enumerate(as_completed(futures.values()), start=1):
                if future.exception() is not None:
                    break
                if told is not None:
                    told(done, len(served), f"tensors of {model.name}")
            for place in range(len(served)):
                found.update(futures[place].result())
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return found


def _of_source(model: Checkpoint, views: list[RoleView], own: threading.local) -> dict[str, Moments | str]:
    """Moments of all roles that one stored tensor serves."""
    try:
        if weight_size(model, views[0].source) <= SMALL or any(view.view.shift for view in views):
            return _whole(model, views)
        if not hasattr(own, "blocks"):
            own.blocks = BlockMoments()
        if isinstance(model, SampledCheckpoint):
            return dict(_by_slices(model, views, own.blocks))
        opened = open_dequantised(model, views[0].source)
        return dict(_by_stretches(model, views, opened, own.blocks))
    except UnreadableTensor as error:
        return {view.role: error.reason for view in views}


def _whole(model: Checkpoint, views: list[RoleView]) -> dict[str, Moments | str]:
    stored = real_values(model, views[0].source)
    found: dict[str, Moments | str] = {}
    for view in views:
        try:
            found[view.role] = exact_moments(view.view.apply_real(stored))
        except BadCheckpoint as error:
            raise _named(model, view, error) from None
    return found


def _by_stretches(
    model: Checkpoint, views: list[RoleView], opened: OpenWeight, blocks: BlockMoments
) -> Iterator[tuple[str, Moments]]:
    """Moments of roles from one pass over their tensor, some rows at a time."""
    width = opened.shape[-1] if len(opened.shape) > 1 else 1
    step = max(1, STRETCH // width)
    rectangles = {view.role: view.view.rectangles(opened.shape) for view in views}
    parts: dict[str, list[Moments]] = {view.role: [] for view in views}
    for first in range(0, opened.size // width, step):
        last = min(first + step, opened.size // width)
        rows = opened.rows(first, last)
        for view in views:
            for part in rectangles[view.role]:
                inside = _inside(rows, first, part)
                if inside.size:
                    try:
                        parts[view.role].append(blocks.of(inside, opened.dtype))
                    except BadCheckpoint as error:
                        raise _named(model, view, error) from None
    for role, found in parts.items():
        yield role, pooled(found)


def _by_slices(
    model: SampledCheckpoint, views: list[RoleView], blocks: BlockMoments
) -> Iterator[tuple[str, Moments]]:
    """Moments of roles from slices of their tensor."""
    opened = open_dequantised(model.whole, views[0].source)
    for view in views:
        found = []
        for pieces in slices(view, opened.shape, model.seed):
            inside = (_inside(opened.rows(*part.rows), part.rows[0], part) for part in pieces)
            try:
                found.append(pooled([blocks.of(piece, opened.dtype) for piece in inside]))
            except BadCheckpoint as error:
                raise _named(model, view, error) from None
        yield view.role, moments_from_slices(found, view.size)


def _inside(rows: Raw, first: int, part: Rectangle) -> Raw:
    """The numbers of a rectangle in some rows of its tensor."""
    begin, end = (max(0, row - first) for row in part.rows)
    inside = rows[begin:end, slice(*part.columns)]
    return cast(Raw, np.ascontiguousarray(inside))


def _named(model: Checkpoint, view: RoleView, error: BadCheckpoint) -> BadCheckpoint:
    return BadCheckpoint(
        f"{model.name}: tensor {view.source} {error}; such weights cannot be measured; fetch them again"
    )
