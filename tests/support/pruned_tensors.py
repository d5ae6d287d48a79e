"""Models that lost layers: those that are left are renumbered, as tools that prune depth do."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from fpcore import MemoryCheckpoint

__all__ = ["pruned_tensors"]


def pruned_tensors(
    whole: MemoryCheckpoint, short: MemoryCheckpoint, kept: Sequence[int]
) -> dict[str, torch.Tensor]:
    """Tensors of a shorter model, from the layers of a whole one that are kept and all beside the layers."""
    tensors = {}
    for name in short.tensors:
        words = name.split(".")
        if words[1] == "layers":
            words[2] = str(kept[int(words[2])])
        tensors[name] = whole.read(".".join(words))
    return tensors
