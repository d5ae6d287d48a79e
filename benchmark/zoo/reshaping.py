"""Models of another depth or width, made of a trained one's layers and units before they are healed."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from benchmark.session.errors import UsageError
from benchmark.zoo.layouts import as_stored, feed_forward_blocks, oriented, residual_axes
from benchmark.zoo.recipes import Narrowing
from fpcore import MemoryCheckpoint

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["drop_layers", "keep_every", "narrow", "upscale_depth"]

LAYER = re.compile(r"(?<=\.)(layers|h)\.(\d+)(?=\.)")

# Model types whose configuration states the width of a head apart from the model's width.
FREE_HEAD_WIDTH = frozenset({"llama", "mistral", "qwen2", "qwen3"})


def upscale_depth(model: PreTrainedModel, drop: int) -> PreTrainedModel:
    """Two copies in a row: the first without its last `drop` layers, the second without its first ones.

    Depth up-scaling as in SOLAR-10.7B (arXiv:2312.15166), where 32 layers and a drop of 8 give 48.
    """
    depth = model.config.num_hidden_layers
    _require(drop < depth, f"depth_upscale {drop} leaves nothing of {depth} layers")
    return _of_layers(model, [*range(depth - drop), *range(drop, depth)])


def drop_layers(model: PreTrainedModel, dropped: Iterable[int]) -> PreTrainedModel:
    """The model without some of its layers."""
    depth, without = model.config.num_hidden_layers, set(dropped)
    _require(max(without) < depth, f"drop_layers names layer {max(without)} of {depth}, counted from 0")
    _require(len(without) < depth, f"drop_layers leaves nothing of {depth} layers")
    return _of_layers(model, [layer for layer in range(depth) if layer not in without])


def keep_every(model: PreTrainedModel, step: int) -> PreTrainedModel:
    """Layers 0, step, 2·step, …: how students are initialised from a teacher (arXiv:1910.01108)."""
    return _of_layers(model, range(0, model.config.num_hidden_layers, step))


@torch.no_grad()
def narrow(model: PreTrainedModel, to: Narrowing) -> PreTrainedModel:
    """Keep the inner units and the residual units that weigh most, in their order.

    No activation is looked at. An inner unit's importance is the product of the lengths of its rows and
    columns (gate, up, down); a residual unit's is the sum of squares of every entry that reads or writes it.
    """
    from transformers import AutoModelForCausalLM

    config = copy.deepcopy(model.config)
    before = MemoryCheckpoint("the parent", "", config.to_dict(), model.state_dict())
    tensors = {name: tensor.clone() for name, tensor in oriented(before).items()}
    if to.width is not None:
        kind, width = config.model_type, config.hidden_size
        _require(kind in FREE_HEAD_WIDTH, f"the heads of {kind} divide up its width, which cannot be pruned")
        _require(to.width <= width, f"narrow to width {to.width}, more than {width}")
        heads = config.num_attention_heads
        _require(to.width % heads == 0, f"narrow to width {to.width}, no multiple of {heads} heads")
        axes = {name: axis for name, axis in residual_axes(before).items() if name in tensors}
        importance = torch.zeros(width)
        for name, axis in axes.items():
            importance += tensors[name].movedim(axis, 0).reshape(width, -1).square().sum(dim=1)
        kept = _largest(importance, to.width)
        tensors |= {name: tensors[name].index_select(axis, kept) for name, axis in axes.items()}
        config.head_dim = before.architecture.head_dim
        config.hidden_size = to.width
    if to.feed_forward is not None:
        inner = before.architecture.feed_forward
        _require(to.feed_forward <= inner, f"narrow to {to.feed_forward} inner units, more than {inner}")
        for block in feed_forward_blocks(before):
            lengths = [tensors[name].norm(dim=1) for name in block.rows if tensors[name].ndim == 2]
            lengths += [tensors[name].norm(dim=0) for name in block.columns]
            kept = _largest(torch.stack(lengths).log().sum(dim=0), to.feed_forward)
            tensors |= {name: tensors[name][kept] for name in block.rows}
            tensors |= {name: tensors[name][:, kept] for name in block.columns}
        setattr(config, "n_inner" if config.model_type == "gpt2" else "intermediate_size", to.feed_forward)
    pruned = AutoModelForCausalLM.from_config(config)
    pruned.load_state_dict(as_stored(tensors))
    return pruned


@torch.no_grad()
def _of_layers(model: PreTrainedModel, layers: Sequence[int]) -> PreTrainedModel:
    """A model whose layer i is the given one's layer ``layers[i]``; all else is the given one's."""
    from transformers import AutoModelForCausalLM

    config = copy.deepcopy(model.config)
    config.num_hidden_layers = len(layers)
    if getattr(config, "layer_types", None) is not None:
        config.layer_types = [model.config.layer_types[layer] for layer in layers]
    weights = model.state_dict()

    def source(name: str) -> str:
        return LAYER.sub(lambda found: f"{found[1]}.{layers[int(found[2])]}", name)

    reshaped = AutoModelForCausalLM.from_config(config)
    reshaped.load_state_dict({name: weights[source(name)] for name in reshaped.state_dict()})
    return reshaped


def _largest(importance: Tensor, count: int) -> Tensor:
    return importance.topk(count).indices.sort().values


def _require(condition: bool, problem: str) -> None:
    if not condition:
        raise UsageError(f"{problem}; correct the recipe")
