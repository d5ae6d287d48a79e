"""Zoo models to try transforms on, and whether two of them compute the same."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from double_precision import logits_in_double
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.utils import logging

from benchmark.catalog import load_catalog
from benchmark.zoo.library import open_zoo
from fpcore import Checkpoint, MemoryCheckpoint, open_checkpoint

logging.disable_progress_bar()

HALF_STEP = 2.0**-24  # the most, relatively, that rounding to float32 changes a number by

# Transforms store in float32 after each of at most six steps ("everything"), and rotations mix large entries
# into small ones: found are up to 1.3 times what one rounding of every weight costs.
ROUNDINGS = 6.0

TEXT = Path(__file__).read_text(encoding="utf-8")

SMALL = {"vocab_size": 64, "hidden_size": 24, "num_hidden_layers": 2, "intermediate_size": 20}
SPLIT = {
    **SMALL,
    "num_attention_heads": 6,
    "num_key_value_heads": 3,
    "head_dim": 4,
    "max_position_embeddings": 32,
}
MIXED = {"num_experts_per_tok": 2, "moe_intermediate_size": 20, "shared_expert_intermediate_size": 12}

# Every architecture that transforms can rewrite.
RANDOM = {
    "llama": {**SPLIT, "tie_word_embeddings": False},
    "mistral": {**SPLIT, "tie_word_embeddings": False},
    "qwen2": {**SPLIT, "tie_word_embeddings": True},
    "qwen2_moe": {**SPLIT, **MIXED, "num_experts": 4},
    "mixtral": {**SPLIT, "num_local_experts": 4, "num_experts_per_tok": 2},
    "qwen3": {**SPLIT, "tie_word_embeddings": True},
    "gpt_neox": {**SMALL, "num_attention_heads": 6, "max_position_embeddings": 32},
    "gpt2": {"vocab_size": 64, "n_embd": 24, "n_layer": 2, "n_head": 6, "n_positions": 32},
}


@cache
def shipped(name: str) -> Checkpoint:
    return open_zoo(name, load_catalog().zoo_recipes)


@cache
def random_model(kind: str, seed: int = 5) -> Checkpoint:
    """A tiny model with every parameter random, gains and biases included: nothing hides at 1 or 0."""
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **RANDOM[kind]))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.3 * torch.randn_like(parameter) + (parameter == 1))
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        saved = open_checkpoint(folder)
        tensors = {name: saved.read(name).clone() for name in saved.tensors}
    return MemoryCheckpoint(f"{kind} {seed}", f"{kind} {seed}", saved.config, tensors)


def logits_of_files(model: Checkpoint, tensors: Mapping[str, torch.Tensor]) -> list[torch.Tensor]:
    """Through `transformers`, from the files that a checkpoint with these tensors would be, of each text."""
    with tempfile.TemporaryDirectory() as folder:
        save_file(
            {name: tensor.double().contiguous() for name, tensor in tensors.items()},
            Path(folder) / "model.safetensors",
            metadata={"format": "pt"},
        )
        (Path(folder) / "config.json").write_text(json.dumps(dict(model.config)))
        loaded, report = AutoModelForCausalLM.from_pretrained(
            folder, dtype=torch.float64, output_loading_info=True
        )
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    return [logits_in_double(loaded, ids) for ids in texts(model)]


def texts(model: Checkpoint) -> list[torch.Tensor]:
    """Random tokens and, where the model has a tokenizer, real text."""
    from tokenizers import Tokenizer

    generator = torch.Generator().manual_seed(3)
    random = torch.randint(0, int(model.config["vocab_size"]), (4, 24), generator=generator)
    file = model.tokenizer_file()
    if file is None:
        return [random]
    ids = Tokenizer.from_file(str(file)).encode(TEXT).ids
    return [random, torch.tensor(ids[:256]).reshape(4, 64)]


@dataclass(frozen=True)
class Reference:
    """What a model computes, and how far that moves when every weight is off by a float32 rounding."""

    logits: list[torch.Tensor]
    one_rounding: float


_references: dict[str, Reference] = {}  # by digest: many transforms start from one model


def reference(model: Checkpoint) -> Reference:
    if model.digest not in _references:
        generator = torch.Generator().manual_seed(4)
        tensors = {name: model.read(name).double() for name in model.tensors}
        rounded = {
            name: tensor
            * (1.0 + HALF_STEP * (2.0 * torch.rand(tensor.shape, generator=generator).round() - 1.0))
            for name, tensor in tensors.items()
        }
        own, moved = (logits_of_files(model, each) for each in (tensors, rounded))
        _references[model.digest] = Reference(own, largest_difference(own, moved))
    return _references[model.digest]


def largest_difference(first: list[torch.Tensor], second: list[torch.Tensor]) -> float:
    return max(float((a - b).abs().max()) for a, b in zip(first, second, strict=True))


def distance(parent: Checkpoint, child: Checkpoint) -> float:
    """The largest difference of logits, in units of what one rounding of the parent's weights makes."""
    expected = reference(parent)
    found = logits_of_files(child, {name: child.read(name) for name in child.tensors})
    return largest_difference(expected.logits, found) / expected.one_rounding


def assert_equal_logits(parent: Checkpoint, child: Checkpoint) -> None:
    """Equal but for what storing the child's weights in float32 costs; the arithmetic is all in float64."""
    assert distance(parent, child) < ROUNDINGS
