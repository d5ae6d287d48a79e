"""A catalog of tiny random checkpoints on disk: enough to run everything in seconds, and to break."""

from __future__ import annotations

import json
from pathlib import Path

import torch
import yaml
from safetensors.torch import save_file

DEPTH, WIDTH, INNER, VOCABULARY = 5, 16, 24, 32
CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "num_hidden_layers": DEPTH,
    "hidden_size": WIDTH,
    "intermediate_size": INNER,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "head_dim": WIDTH // 2,
    "vocab_size": VOCABULARY,
    "rms_norm_eps": 1e-6,
    "tie_word_embeddings": True,
    "hidden_act": "silu",
}
EVIDENCE = {"grade": "publisher", "source": "this repository: tests", "says": "made by the test"}


def tensors(seed: int) -> dict[str, torch.Tensor]:
    """Random weights whose spread differs from layer to layer, so that depth profiles mean something."""
    rng = torch.Generator().manual_seed(seed)
    weights = {
        "model.embed_tokens.weight": torch.randn(VOCABULARY, WIDTH, generator=rng),
        "model.norm.weight": 1 + 0.1 * torch.randn(WIDTH, generator=rng),
    }
    shapes = {
        "self_attn.q_proj": (WIDTH, WIDTH),
        "self_attn.k_proj": (WIDTH, WIDTH),
        "self_attn.v_proj": (WIDTH, WIDTH),
        "self_attn.o_proj": (WIDTH, WIDTH),
        "mlp.gate_proj": (INNER, WIDTH),
        "mlp.up_proj": (INNER, WIDTH),
        "mlp.down_proj": (WIDTH, INNER),
    }
    for layer in range(DEPTH):
        for name, shape in shapes.items():
            spread = 0.05 + 0.1 * torch.rand((), generator=rng)
            weights[f"model.layers.{layer}.{name}.weight"] = spread * torch.randn(*shape, generator=rng)
        for name in ("input_layernorm", "post_attention_layernorm"):
            weights[f"model.layers.{layer}.{name}.weight"] = 1 + 0.1 * torch.randn(WIDTH, generator=rng)
    return weights


def write_checkpoint(folder: Path, weights: dict[str, torch.Tensor]) -> None:
    """A model directory in hub layout."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(CONFIG))
    save_file({name: tensor.contiguous() for name, tensor in weights.items()}, folder / "model.safetensors")


def child_of(weights: dict[str, torch.Tensor], seed: int, noise: float = 0.02) -> dict[str, torch.Tensor]:
    """The same weights after a little more "training"."""
    rng = torch.Generator().manual_seed(10_000 + seed)
    return {
        name: tensor + noise * tensor.std() * torch.randn(tensor.shape, generator=rng)
        for name, tensor in weights.items()
    }


def write_catalog(folder: Path, founders: int = 6, children: int = 2, noise: float = 0.02) -> Path:
    """Checkpoints and their catalog; returns the catalog's path."""
    models = []
    for founder in range(founders):
        weights = tensors(founder)
        name = f"f{founder}"
        write_checkpoint(folder / name, weights)
        models.append({"id": name, "source": {"path": name}, "from_scratch": EVIDENCE})
        for child in range(children):
            born = f"{name}c{child}"
            write_checkpoint(folder / born, child_of(weights, 100 * founder + child, noise))
            models.append(
                {
                    "id": born,
                    "source": {"path": born},
                    "parents": [{"of": name, "method": "fine-tune", "evidence": EVIDENCE}],
                }
            )
    path = folder / "catalog.yaml"
    path.write_text(as_yaml({"schema": 1, "models": models}))
    return path


class Plain(yaml.SafeDumper):
    """Writes every part out; a catalog has no anchors."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def as_yaml(document: dict[str, object]) -> str:
    """A document as a person would write it."""
    return yaml.dump(document, Dumper=Plain, sort_keys=False)
