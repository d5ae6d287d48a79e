"""A model of which slices are read instead of whole matrices: the same places in all models of one shape."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from fpcore.anatomy import Architecture, Roles, RoleView
from fpcore.anatomy.tensor_layouts import Rectangle
from fpcore.checkpoints.base import Checkpoint
from fpcore.checkpoints.content import config_digest, file_digest
from fpcore.errors import UnreadableTensor
from fpcore.remote.traffic import Fetched
from fpcore.storage.dequantised import contents, open_dequantised, stored_parts, weight_size
from fpcore.storage.flat_tensor import FlatTensor
from fpcore.storage.stored_weight import AsStored
from fpcore.storage.tensor_source import TensorInfo

if TYPE_CHECKING:
    import torch

__all__ = ["SMALL", "SampledCheckpoint", "slices"]

SMALL: Final = 1 << 20
"""Numbers of a stored weight that is read whole."""
SLICE: Final = 1 << 15
"""Numbers of a slice, about: it holds whole rows."""
SLICES: Final = 16
"""Slices of a larger weight; of one expert among many, `EXPERT_SLICES`."""
EXPERT_SLICES: Final = 2

WHOLE: Final = "only slices of it were read, but this needs all of it; leave out --sample"


@dataclass(frozen=True)
class _Stretch:
    """Rows of a view, counted through all of its rectangles."""

    first: int
    last: int

    def of(self, parts: list[Rectangle]) -> Iterator[Rectangle]:
        """What of each rectangle belongs to them."""
        passed = 0
        for part in parts:
            count = part.rows[1] - part.rows[0]
            begin, end = max(0, self.first - passed), min(count, self.last - passed)
            if begin < end:
                yield Rectangle((part.rows[0] + begin, part.rows[0] + end), part.columns)
            passed += count


def slices(view: RoleView, stored: tuple[int, ...], seed: int) -> list[list[Rectangle]]:
    """Where the slices of a role's tensor lie in the stored one; each may be in several pieces.

    The tensor's rows fall into as many equal parts as there are slices, and one place is drawn in each, by
    role, shape and seed alone.

    Parameters
    ----------
    view : RoleView
    stored : tuple of int
        Shape of the stored weight.
    seed : int
        Of the draw.
    """
    parts = view.view.rectangles(stored)
    width = parts[0].columns[1] - parts[0].columns[0]
    rows = sum(part.rows[1] - part.rows[0] for part in parts)
    each = max(1, SLICE // width)
    places = -(-rows // each)
    wanted = min(places, EXPERT_SLICES if ".experts." in view.role else SLICES)
    edges = np.linspace(0, places, wanted + 1).round().astype(np.int64)
    text = f"{seed}/{view.role}/{view.shape}"
    rng = np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big"))
    chosen = rng.integers(edges[:-1], edges[1:]).tolist()
    return [list(_Stretch(each * one, min(each * (one + 1), rows)).of(parts)) for one in chosen]


class SampledCheckpoint(Checkpoint):
    """A model whose large weights are measured on slices: what needs all of one abstains.

    Weights of up to 2^20 numbers (gains, biases, small matrices) are read whole. Of each larger one there are
    16 slices of some 2^15 numbers, of an expert 2. Its digest is that of what can be read: it is never the
    digest of the whole model.

    Parameters
    ----------
    whole : Checkpoint
    seed : int
        Of the places of the slices.

    Examples
    --------
    >>> import fpcore
    >>> model = fpcore.open_checkpoint("models/child")
    >>> sampled = fpcore.SampledCheckpoint(model)
    >>> sampled.digest != model.digest
    True
    """

    def __init__(self, whole: Checkpoint, seed: int = 0) -> None:
        self.whole, self.seed = whole, seed
        self.name, self.config, self.path = whole.name, whole.config, whole.path
        self.device, self.threads, self.side_by_side = whole.device, whole.threads, whole.side_by_side
        self.unread_files = whole.unread_files
        self.on_hub = whole.on_hub

    @property
    def tensors(self) -> Mapping[str, TensorInfo]:  # noqa: D102
        return self.whole.tensors

    def read(self, name: str) -> torch.Tensor:
        """One stored tensor that is small.

        Raises
        ------
        UnreadableTensor
            It is not.
        """
        if self.tensors[name].size > SMALL:
            raise UnreadableTensor(WHOLE)
        return self.whole.read(name)

    def flat(self, name: str) -> FlatTensor:  # noqa: D102
        if self.tensors[name].size > SMALL:
            raise UnreadableTensor(WHOLE)
        return self.whole.flat(name)

    def file_of(self, name: str) -> str:  # noqa: D102
        return self.whole.file_of(name)

    def tokenizer_file(self) -> Path | None:  # noqa: D102
        return self.whole.tokenizer_file()

    @cached_property
    def roles(self) -> Roles:
        """What each tensor is for."""
        known = self.whole.roles
        views = {role: replace(view, checkpoint=self) for role, view in known.items()}
        return Roles(views, known.depth, known.reading, known.aside)

    @cached_property
    def architecture(self) -> Architecture:
        """The model's shape."""
        return self.whole.architecture

    def stretches(self) -> dict[str, list[tuple[int, int]]]:
        """Stored tensor → the stretches of it that are read, as `prefetch_stretches` takes them."""
        found: dict[str, list[tuple[int, int]]] = {}
        weights = contents(self.whole).weights
        for view in self.whole.roles.values():
            weight = weights[view.source]
            whole = not isinstance(weight, AsStored) or weight.info.size <= SMALL
            for stored in stored_parts(self.whole, [view.source]):
                if whole:
                    found[stored] = [(0, self.tensors[stored].size)]
                    continue
                width = weight.shape[-1]
                rows = [part.rows for slice_ in slices(view, weight.shape, self.seed) for part in slice_]
                found.setdefault(stored, []).extend((first * width, last * width) for first, last in rows)
        return found

    def bytes_on_hub(self, names: Iterable[str]) -> int:  # noqa: D102
        return self.whole.stretches_on_hub(self.stretches())[0]

    def fetch_size(self, names: Iterable[str]) -> int:  # noqa: D102
        return self.whole.stretches_on_hub(self.stretches())[1]

    @property
    def fetched(self) -> Fetched:  # noqa: D102
        return self.whole.fetched

    def measure_rate(self, names: Iterable[str]) -> float:  # noqa: D102
        return self.whole.measure_rate([name for name in names if self.tensors[name].size <= SMALL])

    @property
    def verified(self) -> bool | None:  # noqa: D102
        return self.whole.verified

    def let_go(self) -> None:  # noqa: D102
        self.whole.let_go()

    @cached_property
    def digest(self) -> str:
        """The sha256 (hex) of the configuration, the tokenizer, all headers and every number that is read."""
        total = hashlib.sha256(f"sampled {self.seed} ".encode() + config_digest(self.config))
        tokenizer = self.tokenizer_file()
        total.update(b"" if tokenizer is None else file_digest(tokenizer))
        total.update(repr(sorted(self.tensors.items())).encode())
        self.whole.prefetch_stretches(self.stretches())
        by_source = sorted(self.whole.roles.values(), key=lambda view: view.source)
        for source, views in groupby(by_source, key=lambda view: view.source):
            try:
                opened = open_dequantised(self.whole, source)
                if weight_size(self.whole, source) <= SMALL:
                    total.update(opened.read(0, opened.size).tobytes())
                    continue
                for view in views:
                    for slice_ in slices(view, opened.shape, self.seed):
                        for part in slice_:
                            total.update(opened.rows(*part.rows)[:, slice(*part.columns)].tobytes())
            except UnreadableTensor as error:
                total.update(error.reason.encode())
        return total.hexdigest()
