"""Zoo models to try transforms on, and whether two of them compute the same."""

from __future__ import annotations

import json
import tempfile
from functools import cache
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.utils import logging

from benchmark.catalog import load_catalog
from benchmark.pipeline.checkpoints import zoo_recipes
from benchmark.zoo.library import open_zoo
from fpcore import Checkpoint, MemoryCheckpoint, open_checkpoint

logging.disable_progress_bar()

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
    return open_zoo(name, zoo_recipes(load_catalog()))


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


def logits(model: Checkpoint, folder: Path) -> list[torch.Tensor]:
    """Through `transformers`, from the files that the checkpoint would be, in float32, of each text."""
    save_file(
        {name: model.read(name).contiguous() for name in model.tensors},
        folder / "model.safetensors",
        metadata={"format": "pt"},
    )
    (folder / "config.json").write_text(json.dumps(dict(model.config)))
    loaded, report = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, output_loading_info=True
    )
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    with torch.no_grad():
        return [loaded.eval()(input_ids=ids).logits for ids in texts(model)]


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


_of_parents: dict[str, list[torch.Tensor]] = {}


def assert_equal_logits(parent: Checkpoint, child: Checkpoint, folder: Path) -> None:
    if parent.digest not in _of_parents:
        _of_parents[parent.digest] = logits(parent, folder)
    for before, after in zip(_of_parents[parent.digest], logits(child, folder), strict=True):
        scale = float(before.std())
        assert float((before - after).abs().max()) < 2e-5 * max(scale, 1.0)
