"""Files as Meta and Mistral publish them: other names, rotary pairs side by side, one file a device.

What transformers' layout calls `model.layers.0.self_attn.q_proj.weight` is `layers.0.attention.wq.weight`
there, and `params.json` takes the place of `config.json`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from fpcore.errors import BadCheckpoint
from fpcore.foreign_json import Json
from fpcore.storage.tensor_source import Config, TensorInfo, integer

if TYPE_CHECKING:
    import torch

__all__ = ["NativePlace", "config_of_params", "is_native", "native_places", "transformers_order"]

TOP: Final = {
    "tok_embeddings.weight": "model.embed_tokens.weight",
    "norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}
LAYER: Final = {
    "attention.wq": "self_attn.q_proj",
    "attention.wk": "self_attn.k_proj",
    "attention.wv": "self_attn.v_proj",
    "attention.wo": "self_attn.o_proj",
    "feed_forward.w1": "mlp.gate_proj",
    "feed_forward.w2": "mlp.down_proj",
    "feed_forward.w3": "mlp.up_proj",
    "feed_forward.gate": "block_sparse_moe.gate",
    "attention_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
}
NAME: Final = re.compile(r"^layers\.(?P<layer>\d+)\.(?P<part>[\w.]+)\.(?P<kind>weight|bias)$")
EXPERT: Final = re.compile(r"^feed_forward\.experts\.(\d+)\.(w[123])$")
ROTARY: Final = {"attention.wq": "num_attention_heads", "attention.wk": "num_key_value_heads"}
FREQUENCIES: Final = re.compile(r"^(layers\.\d+\.attention\.inner_attention\.)?rope\.freqs$")  # no weights
COLUMNS: Final = ("attention.wo", "feed_forward.w2")  # what devices share along the inputs


@dataclass(frozen=True)
class NativePlace:
    """A tensor of transformers' layout in files of the native one.

    Attributes
    ----------
    name : str
        In the files.
    axis : int or None
        Along which the parts of several devices are put together; None where each has the whole.
    heads : int
        Heads whose rows lie as rotary pairs; 0 where order does not matter.
    """

    name: str
    axis: int | None
    heads: int = 0


def is_native(names: Iterable[str]) -> bool:
    """Whether the names of tensors are those of the native layout, and their layers have nothing else.

    Later models keep these names for parts that work in another way: those are left as they are.
    """
    found = set(names)
    if not {"tok_embeddings.weight", "layers.0.attention.wq.weight"} <= found:
        return False
    return all(known(name) for name in found if name.startswith("layers."))


def known(name: str) -> bool:
    """Whether the name of a layer's tensor is one of the first Llamas or Mistrals."""
    match = NAME.match(name)
    part = match["part"] if match else ""
    return part in LAYER or EXPERT.match(part) is not None or FREQUENCIES.match(name) is not None


def native_places(tensors: Mapping[str, TensorInfo], config: Config) -> dict[str, NativePlace]:
    """The name in transformers' layout → where that tensor is; other names stay as they are."""
    found: dict[str, NativePlace] = {}
    width = integer(config, "hidden_size")
    for name, info in tensors.items():
        if FREQUENCIES.match(name):
            continue
        match = NAME.match(name)
        part = match["part"] if match else ""
        axis = None if len(info.shape) < 2 or part.endswith("gate") else int(part in COLUMNS)
        if EXPERT.match(part) and axis is not None:
            axis = int(part.endswith("w2"))
        if name == "tok_embeddings.weight" and info.shape[-1] != width:
            axis = 1  # the first two Llamas cut the embedding along its width
        hub = TOP.get(name, name)
        if match is not None:
            hub = f"model.layers.{match['layer']}.{renamed(part)}.{match['kind']}"
        heads = integer(config, ROTARY[part]) if part in ROTARY else 0
        found[hub] = NativePlace(name, axis, heads or 0)
    return found


def renamed(part: str) -> str:
    """What transformers calls a part of a layer."""
    expert = EXPERT.match(part)
    return f"block_sparse_moe.experts.{expert[1]}.{expert[2]}" if expert else LAYER.get(part, part)


def transformers_order(tensor: torch.Tensor, heads: int) -> torch.Tensor:
    """Rows of each head from rotary pairs (0, 1), (2, 3), … to halves: all firsts, then all seconds."""
    shape = tensor.shape
    if heads < 1 or shape[0] % (2 * heads):
        raise BadCheckpoint(f"{shape[0]} rows are not {heads} heads of an even width")
    return tensor.reshape(heads, -1, 2, *shape[1:]).transpose(1, 2).reshape(shape)


def config_of_params(params: Config, tensors: Mapping[str, TensorInfo], ranks: int, where: str) -> Config:
    """A configuration in transformers' words from `params.json`."""
    width, heads = integer(params, "dim"), integer(params, "n_heads")
    first = tensors.get("layers.0.feed_forward.w1.weight") or tensors.get(
        "layers.0.feed_forward.experts.0.w1.weight"
    )
    embedding = tensors.get("tok_embeddings.weight")
    if width is None or heads is None or first is None or embedding is None:
        raise BadCheckpoint(f"{where}: no params.json of a Llama (dim, n_heads); add the model's config.json")
    moe = params.get("moe")
    experts = integer(moe, "num_experts") if isinstance(moe, Mapping) else None
    depth = 1 + max(int(match["layer"]) for name in tensors if (match := NAME.match(name)))
    cut = ranks if embedding.shape[1] == width else 1
    facts: dict[str, Json] = {
        # Only Mistral's files state the width of a head.
        "model_type": "mixtral" if experts else "mistral" if "head_dim" in params else "llama",
        "hidden_size": width,
        "num_hidden_layers": integer(params, "n_layers") or depth,
        "num_attention_heads": heads,
        "num_key_value_heads": integer(params, "n_kv_heads") or heads,
        "head_dim": integer(params, "head_dim") or width // heads,
        "intermediate_size": first.shape[0] * ranks,
        "vocab_size": embedding.shape[0] * cut,
        "rms_norm_eps": params.get("norm_eps", 1e-5),
        "rope_theta": params.get("rope_theta", 10000.0),
        "tie_word_embeddings": "output.weight" not in tensors,
    }
    return facts | ({"num_local_experts": experts} if experts else {})
