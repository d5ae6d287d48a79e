"""What each tensor of a checkpoint is for, whatever it is called."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from fpcore.anatomy.tensor_layouts import View
from fpcore.storage.dequantised import read_dequantised, real_values
from fpcore.storage.element_types import Real
from fpcore.storage.tensor_source import TensorSource

if TYPE_CHECKING:
    import torch

__all__ = ["Reading", "RoleView", "Roles"]

Reading = Literal["by table", "by convention"]


@dataclass(frozen=True)
class RoleView:
    """One tensor of the model in one orientation, wherever and however it is stored.

    Attributes
    ----------
    role : str
        Its name here, such as ``layers.3.attention.query.weight``.
    source : str
        The stored tensor that it is (a part of).
    shape : tuple of int
        Weights are (rows out, columns in).
    """

    role: str
    source: str
    shape: tuple[int, ...]
    view: View
    checkpoint: TensorSource

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    def read(self) -> torch.Tensor:
        """The tensor; scaled formats are dequantised, other element types are as stored."""
        one = read_dequantised(self.checkpoint, self.source, self.view.expert)
        return replace(self.view, expert=None).apply(one)

    def values(self) -> Real:
        """The tensor in numpy, float64 where it is stored so, else float32 (exact); torch only if it must."""
        one = real_values(self.checkpoint, self.source, self.view.expert)
        return replace(self.view, expert=None).apply_real(one)


class Roles(Mapping[str, RoleView]):
    """All roles of a model, in a fixed order (by layer, then by name).

    Parameters
    ----------
    views : mapping of str to RoleView
    depth : int
        Number of layers.
    reading : {"by table", "by convention"}
        Whether the type has a table of names, or its names were taken for what the field calls so.
    aside : mapping of str to str
        Stored tensors that are no part of the language model → what they are.
    """

    def __init__(
        self,
        views: Mapping[str, RoleView],
        depth: int,
        reading: Reading = "by table",
        aside: Mapping[str, str] | None = None,
    ) -> None:
        self._views = {role: views[role] for role in sorted(views, key=natural)}
        self.depth = depth
        self.reading = reading
        self.aside = dict(aside or {})

    def __getitem__(self, role: str) -> RoleView:
        return self._views[role]

    def __iter__(self) -> Iterator[str]:
        return iter(self._views)

    def __len__(self) -> int:
        return len(self._views)

    def by_layer(self, role: str) -> list[RoleView] | None:
        """The role of every layer, such as ``attention.query.weight``; None unless all layers have it."""
        found = [self._views.get(f"layers.{layer}.{role}") for layer in range(self.depth)]
        present = [view for view in found if view is not None]
        return present if len(present) == self.depth else None

    def present(self, role: str) -> dict[int, RoleView]:
        """The role of the layers that have it, by layer."""
        found = ((layer, self._views.get(f"layers.{layer}.{role}")) for layer in range(self.depth))
        return {layer: view for layer, view in found if view is not None}

    def left_out(self) -> dict[str, tuple[int, ...]]:
        """Projection (``attention.query``, …) → the layers that do not have it, of those that some layer has.

        Their curves are made of the other layers.
        """
        missing: dict[str, tuple[int, ...]] = {}
        for part in ("query", "key", "value", "output"):
            have = self.present(f"attention.{part}.weight")
            if have and len(have) < self.depth:
                missing[f"attention.{part}"] = tuple(i for i in range(self.depth) if i not in have)
        for part in ("gate", "up", "down"):
            have = self.present(f"feed_forward.{part}.weight")
            layers = [i for i in range(self.depth) if i not in have and not self.experts(i, part)]
            if layers and len(layers) < self.depth:
                missing[f"feed_forward.{part}"] = tuple(layers)
        return missing

    def experts(self, layer: int, part: str) -> list[RoleView]:
        """The ``gate``, ``up`` or ``down`` weights of a layer's routed experts; empty for a dense layer."""
        found: list[RoleView] = []
        while view := self._views.get(f"layers.{layer}.feed_forward.experts.{len(found)}.{part}.weight"):
            found.append(view)
        return found


def natural(role: str) -> list[tuple[int, int | str]]:
    """Sort key that puts layer 2 before layer 10."""
    return [(0, int(word)) if word.isdigit() else (1, word) for word in role.split(".")]
