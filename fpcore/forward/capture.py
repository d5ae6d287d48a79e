"""Hooks on a model that runs: what each layer gives, and what its feed-forward block reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from fpcore.errors import NotComparable
from fpcore.forward.causal_model import CausalModel

if TYPE_CHECKING:
    import torch

__all__ = ["Captured", "capturing"]

# What transformers calls the feed-forward block of a layer.
FEED_FORWARD: Final = ("mlp", "feed_forward", "block_sparse_moe", "moe", "ffn")


@dataclass
class Captured:
    """What passed the hooks in one batch: by layer, tensors of (rows, tokens, width)."""

    hidden: dict[int, torch.Tensor] = field(default_factory=dict)
    inner: dict[int, torch.Tensor] = field(default_factory=dict)

    def clear(self) -> None:
        """Forget the batch before."""
        self.hidden.clear()
        self.inner.clear()


@contextmanager
def capturing(running: CausalModel, depth: int) -> Iterator[Captured]:
    """Capture what passes while the block runs.

    Raises
    ------
    NotComparable
        The model has no list of that many layers.
    """
    captured = Captured()
    with ExitStack() as stack:
        for index, layer in enumerate(layers_of(running, depth)):
            handle = layer.register_forward_hook(output_hook(captured, index))
            stack.callback(handle.remove)
            block = next((getattr(layer, name) for name in FEED_FORWARD if hasattr(layer, name)), None)
            if block is not None:
                handle = block.register_forward_pre_hook(input_hook(captured, index), with_kwargs=True)
                stack.callback(handle.remove)
        yield captured


def layers_of(running: CausalModel, depth: int) -> torch.nn.ModuleList:
    """The layers of a model: the outermost list that is as long as it is deep."""
    from torch.nn import ModuleList

    for module in running.modules():
        if isinstance(module, ModuleList) and len(module) == depth:
            return module
    raise NotComparable(f"{type(running).__name__} has no list of {depth} layers")


def output_hook(captured: Captured, index: int) -> Callable[..., None]:
    """A hook that keeps what layer `index` gives."""

    def hook(module: object, inputs: object, output: torch.Tensor | tuple[torch.Tensor, ...]) -> None:
        captured.hidden[index] = output[0] if isinstance(output, tuple) else output

    return hook


def input_hook(captured: Captured, index: int) -> Callable[..., None]:
    """A hook that keeps what the feed-forward block of layer `index` reads."""

    def hook(module: object, inputs: tuple[torch.Tensor, ...], named: Mapping[str, torch.Tensor]) -> None:
        captured.inner[index] = inputs[0] if inputs else named["hidden_states"]

    return hook
