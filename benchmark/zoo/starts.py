"""Where a child's training starts: its parent's weights as they are, or turned into another shape first."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from benchmark.session.errors import UsageError
from benchmark.zoo.recipes import Child
from benchmark.zoo.reshaping import drop_layers, keep_every, narrow, upscale_depth
from benchmark.zoo.upcycling import upcycle
from fpcore.checkpoints.vocabulary import read_vocabulary

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["add_lora", "merge_lora", "start_of"]

IN_LAYER = re.compile(r"\.(?:layers|h)\.\d+\.")


def start_of(recipe: Child, parent: PreTrainedModel, former: Path, tokenizer: Path) -> PreTrainedModel:
    """The model a child's training starts from.

    Parameters
    ----------
    recipe : Child
    parent : transformers model
        Used up.
    former, tokenizer : pathlib.Path
        Folder of the parent's tokenizer, and of the child's.
    """
    if recipe.tokenizer is not None:
        old, new = (read_vocabulary(folder / "tokenizer.json") for folder in (former, tokenizer))
        swap_vocabulary(parent, old, new)
    if recipe.upcycle is not None:
        return upcycle(parent, recipe.upcycle)
    if recipe.depth_upscale is not None:
        return upscale_depth(parent, recipe.depth_upscale)
    if recipe.drop_layers is not None:
        return drop_layers(parent, recipe.drop_layers)
    if recipe.keep_every is not None:
        return keep_every(parent, recipe.keep_every)
    if recipe.narrow is not None:
        return narrow(parent, recipe.narrow)
    return parent


@torch.no_grad()
def swap_vocabulary(model: PreTrainedModel, former: dict[str, int], new: dict[str, int]) -> None:
    """Move the embedding rows of tokens that both vocabularies know; the others start as the mean row."""
    tables = [model.get_input_embeddings().weight]
    if not model.config.tie_word_embeddings:
        tables.append(model.get_output_embeddings().weight)
    for table in tables:
        old = table.detach().clone()
        table[:] = old.mean(dim=0)
        for token, row in new.items():
            if token in former:
                table[row] = old[former[token]]


class LowRankUpdate(nn.Module):
    """W + B·A, with W left as it is; B starts at zero."""

    def __init__(self, weight: Tensor, rank: int, generator: torch.Generator) -> None:
        super().__init__()
        rows, columns = weight.shape
        self.a = nn.Parameter(torch.randn(rank, columns, generator=generator) / columns**0.5)
        self.b = nn.Parameter(torch.zeros(rows, rank))

    def forward(self, weight: Tensor) -> Tensor:
        """The weight with its update."""
        return weight + self.b @ self.a


def add_lora(model: PreTrainedModel, rank: int, seed: int) -> None:
    """Freeze the model and give every linear map inside its layers a trainable low-rank update.

    Raises
    ------
    UsageError
        No linear map is found: nothing would be trained.
    """
    generator = torch.Generator().manual_seed(seed)
    model.requires_grad_(False)
    maps = [module for name, module in model.named_modules() if IN_LAYER.search(f".{name}.")]
    maps = [module for module in maps if isinstance(module, _linear_kinds())]
    if not maps:
        raise UsageError(f"{model.config.model_type} has no linear map for a low-rank update; drop lora")
    for module in maps:
        update = LowRankUpdate(module.weight, rank, generator)
        parametrize.register_parametrization(module, "weight", update)


def merge_lora(model: PreTrainedModel) -> None:
    """Write the updates into the weights."""
    for module in list(model.modules()):
        if isinstance(module, _linear_kinds()) and parametrize.is_parametrized(module, "weight"):
            parametrize.remove_parametrizations(module, "weight", leave_parametrized=True)


def _linear_kinds() -> tuple[type[nn.Module], ...]:
    """Modules that multiply by a matrix; that of gpt2 is stored transposed, which does not matter here."""
    from transformers.pytorch_utils import Conv1D

    return nn.Linear, Conv1D
