"""A founder before its training: its random initialisation, and what its configuration says."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import nn

from benchmark.session.errors import UsageError
from benchmark.zoo.cells import CELLS
from benchmark.zoo.recipes import Founder

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["fresh_model"]

SMALL_SD = 0.02  # the usual of models a hundred times as wide

# Where a configuration says how much is dropped; other architectures drop attention weights only.
DROPOUT = {
    "gpt2": ("embd_pdrop", "attn_pdrop", "resid_pdrop"),
    "gpt_neox": ("attention_dropout", "hidden_dropout"),
}

# What writes into the residual stream, in the names of the dense architectures that founders have.
WRITES = re.compile(r"(?:o_proj|down_proj|attention\.dense|dense_4h_to_h)\.weight$")
IN_LAYER = re.compile(r"\.(?:layers|h)\.\d+\.")


def fresh_model(recipe: Founder) -> PreTrainedModel:
    """An untrained founder, decided by its recipe alone.

    Notes
    -----
    Weights are normal with the standard deviation of `benchmark.zoo.cells`. Of the other initialisations,
    *small* has 0.02 instead; *scaled-residual* divides what writes into the residual stream by the root of
    twice the number of layers (as GPT-2, whose architecture does so by itself); *orthogonal* makes the rows
    or columns of every matrix inside a layer orthonormal (arXiv:1312.6120).
    """
    from transformers import AutoConfig, AutoModelForCausalLM

    cell = CELLS[recipe.cell] if recipe.tied is None else replace(CELLS[recipe.cell], tied=recipe.tied)
    torch.manual_seed(recipe.seed)
    model = AutoModelForCausalLM.from_config(
        AutoConfig.for_model(cell.model_type, **cell.config() | _varied(recipe, cell.model_type))
    )
    if recipe.initialisation == "scaled-residual":
        _scale_residual(model, cell.depth)
    elif recipe.initialisation == "orthogonal":
        _make_orthogonal(model)
    return model


def _varied(recipe: Founder, model_type: str) -> dict[str, float]:
    """What a recipe changes in the configuration of its cell."""
    varied: dict[str, float] = {}
    if recipe.initialisation == "small":
        varied["initializer_range"] = SMALL_SD
    if recipe.rotary_base is not None:
        varied["rope_theta"] = recipe.rotary_base
    if recipe.dropout is not None:
        varied |= dict.fromkeys(DROPOUT.get(model_type, ("attention_dropout",)), recipe.dropout)
    return varied


@torch.no_grad()
def _scale_residual(model: PreTrainedModel, depth: int) -> None:
    scaled = [weight for name, weight in model.named_parameters() if WRITES.search(name)]
    if not scaled:
        raise UsageError(f"scaled-residual: {model.config.model_type} already has this scaling; leave it out")
    for weight in scaled:
        weight.div_((2 * depth) ** 0.5)


@torch.no_grad()
def _make_orthogonal(model: PreTrainedModel) -> None:
    for name, weight in model.named_parameters():
        if weight.ndim == 2 and IN_LAYER.search(f".{name}."):
            nn.init.orthogonal_(weight)
