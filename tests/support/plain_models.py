"""Small random models as plain arrays, taken from the modules of `transformers`: nothing here is ours.

The same files are opened by fpcore, so that a metric and a slow reference of it start from the same numbers
and share no code.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from forward_models import characters

import fpcore

transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()

Array = np.ndarray
VOCABULARY, POSITIONS, WIDTH, HEADS, UNITS, EXPERT_UNITS, EXPERTS = 250, 32, 16, 4, 24, 12, 4

COMMON = {
    "vocab_size": VOCABULARY,
    "hidden_size": WIDTH,
    "intermediate_size": UNITS,
    "num_attention_heads": HEADS,
    "num_key_value_heads": 2,
    "max_position_embeddings": POSITIONS,
    "tie_word_embeddings": False,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
CONFIGS: dict[str, dict[str, Any]] = {
    "llama": COMMON,
    "qwen2": COMMON,
    "phi3": COMMON,
    "qwen2_moe": COMMON
    | {
        "num_experts": EXPERTS,
        "num_experts_per_tok": 2,
        "moe_intermediate_size": EXPERT_UNITS,
        "shared_expert_intermediate_size": 20,
    },
    "gpt_neox": {name: value for name, value in COMMON.items() if name != "num_key_value_heads"},
    "gpt2": {
        "vocab_size": VOCABULARY,
        "n_embd": WIDTH,
        "n_head": HEADS,
        "n_inner": UNITS,
        "n_positions": POSITIONS,
        "tie_word_embeddings": False,
    },
}


@dataclass
class PlainLayer:
    """One layer.

    `matrices` and `vectors` are all its parameters by what they are for, rows out and columns in; heads lie
    one after the other. Blocks are "" or, of a mixture, "expert0.", …, "shared.".
    """

    heads: int
    shared: int
    matrices: dict[str, Array] = field(default_factory=dict)
    vectors: dict[str, Array] = field(default_factory=dict)

    @property
    def blocks(self) -> list[str]:
        """Its feed-forward blocks, routed experts first."""
        return [name.removesuffix("up") for name in self.matrices if name.endswith("up")]


@dataclass(eq=False)
class PlainModel:
    """A model in float64, and the one that computes it."""

    kind: str
    config: Any
    tokens: dict[str, int]
    embedding: Array
    unembedding: Array
    layers: list[PlainLayer]
    running: Any


@dataclass
class Opened:
    """A model both ways."""

    plain: PlainModel
    checkpoint: fpcore.Checkpoint


def fill(model: Any, seed: int) -> None:
    """Random parameters, each of its own size: nothing hides at 0 or 1, no curve is flat."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            gain = 1.0 if parameter.ndim == 1 and not name.endswith("bias") else 0.0
            size = 0.1 + 0.25 * torch.rand((), generator=generator)
            parameter.copy_(gain + size * torch.randn(parameter.shape, generator=generator))


@cache
def opened(kind: str, variant: str = "first") -> Opened:
    """The first model of its kind, that one with noise ("kin"), or another one of more layers ("deeper")."""
    depth = 7 if variant == "deeper" else 6
    config = transformers.AutoConfig.for_model(
        kind, **CONFIGS[kind], **{"n_layer" if kind == "gpt2" else "num_hidden_layers": depth}
    )
    model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager").float()
    fill(model, 2 if variant == "deeper" else 1)
    if variant == "kin":
        generator = torch.Generator().manual_seed(4)
        with torch.no_grad():
            for parameter in model.parameters():
                noise = torch.randn(parameter.shape, generator=generator)
                parameter.add_(parameter.std() * noise)
    folder = Path(tempfile.mkdtemp(prefix="lookalike-test-"))
    model.save_pretrained(folder)
    text = characters(VOCABULARY).read_text()
    if variant == "deeper":  # other ids for the same tokens, and some tokens of its own
        text = characters(VOCABULARY, "zyx").read_text().replace('"word1', '"own1')
    (folder / "tokenizer.json").write_text(text)
    return Opened(plain(kind, folder), fpcore.open_checkpoint(folder))


def plain(kind: str, folder: Path) -> PlainModel:
    """What `transformers` reads of a folder."""
    model = transformers.AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float64, attn_implementation="eager"
    )
    model.double().eval()  # transformers 5.0 leaves the frequencies of rotations in float32
    model.set_experts_implementation("eager")  # the fast ones take no float64
    stored = {name: value.numpy() for name, value in model.state_dict().items()}
    tokens = transformers.PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json")).get_vocab()
    below = {"gpt2": "transformer.h", "gpt_neox": "gpt_neox.layers"}.get(kind, "model.layers")
    layers: list[PlainLayer] = []
    while any(name.startswith(f"{below}.{len(layers)}.") for name in stored):
        prefix = f"{below}.{len(layers)}."
        own = {name.removeprefix(prefix): value for name, value in stored.items() if name.startswith(prefix)}
        layers.append(LAYERS.get(kind, llama_layer)(own))
    return PlainModel(
        kind,
        model.config,
        tokens,
        model.get_input_embeddings().weight.detach().numpy(),
        model.get_output_embeddings().weight.detach().numpy(),
        layers,
        model,
    )


def named(own: dict[str, Array], names: dict[str, str]) -> tuple[dict[str, Array], dict[str, Array]]:
    """Matrices and vectors under the names of this file; every parameter has to be named."""
    matrices, vectors = {}, {}
    for stored, value in own.items():
        path, kind = stored.rsplit(".", 1)
        if value.ndim == 2:
            matrices[names[path]] = value
        else:
            vectors[f"{names[path]}.{kind}"] = value
    return matrices, vectors


LLAMA = {
    "input_layernorm": "attention_norm",
    "post_attention_layernorm": "feed_forward_norm",
    **{f"self_attn.{part[0]}_proj": part for part in ("query", "key", "value", "output")},
    **{f"mlp.{part}_proj": part for part in ("gate", "up", "down")},
}


def llama_layer(own: dict[str, Array]) -> PlainLayer:
    """Also qwen2: every projection apart."""
    return PlainLayer(HEADS, 2, *named(own, LLAMA))


def phi3_layer(own: dict[str, Array]) -> PlainLayer:
    """Queries, keys and values in one matrix, gate and up in another."""
    own = dict(own)
    split = np.split(own.pop("self_attn.qkv_proj.weight"), [WIDTH, WIDTH + WIDTH // 2])
    for part, value in zip("qkv", split, strict=True):
        own[f"self_attn.{part}_proj.weight"] = value
    own["mlp.gate_proj.weight"], own["mlp.up_proj.weight"] = np.split(own.pop("mlp.gate_up_proj.weight"), 2)
    return llama_layer(own)


def mixture_layer(own: dict[str, Array]) -> PlainLayer:
    """Experts in stacks, gate above up; one shared expert with a gate of its own."""
    own = dict(own)
    packed, down = own.pop("mlp.experts.gate_up_proj"), own.pop("mlp.experts.down_proj")
    names = LLAMA | {f"mlp.shared_expert.{part}_proj": f"shared.{part}" for part in ("gate", "up", "down")}
    names |= {"mlp.gate": "router", "mlp.shared_expert_gate": "shared_opening"}
    experts = {}
    for number in range(EXPERTS):
        halves = packed[number, :EXPERT_UNITS], packed[number, EXPERT_UNITS:]
        for part, value in zip(("gate", "up", "down"), (*halves, down[number]), strict=True):
            experts[f"expert{number}.{part}"] = value
    matrices, vectors = named(own, names)
    return PlainLayer(HEADS, 2, experts | matrices, vectors)


def gpt2_layer(own: dict[str, Array]) -> PlainLayer:
    """Matrices stored with columns out; queries, keys and values in thirds."""
    own = {name: value.T if value.ndim == 2 else value for name, value in own.items()}
    for kind in ("weight", "bias"):
        thirds = np.split(own.pop(f"attn.c_attn.{kind}"), 3)
        own |= {
            f"{part}.{kind}": value for part, value in zip(("query", "key", "value"), thirds, strict=True)
        }
    names = {"ln_1": "attention_norm", "ln_2": "feed_forward_norm", "attn.c_proj": "output"}
    names |= {"mlp.c_fc": "up", "mlp.c_proj": "down"} | {part: part for part in ("query", "key", "value")}
    return PlainLayer(HEADS, HEADS, *named(own, names))


def neox_layer(own: dict[str, Array]) -> PlainLayer:
    """Query, key and value of each head one after the other."""
    own = dict(own)
    for kind in ("weight", "bias"):
        fused = own.pop(f"attention.query_key_value.{kind}")
        by_head = fused.reshape(HEADS, 3, WIDTH // HEADS, *fused.shape[1:])
        for place, part in enumerate(("query", "key", "value")):
            own[f"{part}.{kind}"] = by_head[:, place].reshape(WIDTH, *fused.shape[1:])
    names = {"attention.dense": "output", "mlp.dense_h_to_4h": "up", "mlp.dense_4h_to_h": "down"}
    names |= {"input_layernorm": "attention_norm", "post_attention_layernorm": "feed_forward_norm"}
    return PlainLayer(HEADS, HEADS, *named(own, names | {part: part for part in ("query", "key", "value")}))


LAYERS = {
    "phi3": phi3_layer,
    "qwen2_moe": mixture_layer,
    "gpt2": gpt2_layer,
    "gpt_neox": neox_layer,
}
