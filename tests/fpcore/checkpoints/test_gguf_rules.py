"""What llama.cpp's converter changes, rule by rule: the file of a model has the roles of the model itself.

Each rule is written here as the converter applies it (the module is named), on the tensors that
transformers saved; all else is laid out under llama.cpp's names. `with_converter.py` does the same with the
converter itself.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from tiny_models import COMMON, TINY, Tiny

import fpcore
from fpcore.checkpoints.gguf_architectures import ARCHITECTURES

gguf = pytest.importorskip("gguf", reason="the gguf extra is not installed")

Parts = dict[str, np.ndarray]
Rule = Callable[[fpcore.Checkpoint, Parts], None]

NAMES = {
    "embedding": "token_embd",
    "unembedding": "output",
    "final_norm": "output_norm",
    "embedding_norm": "token_embd_norm",
    "attention.norm": "attn_norm",
    "attention.query": "attn_q",
    "attention.key": "attn_k",
    "attention.value": "attn_v",
    "attention.output": "attn_output",
    "attention.query_norm": "attn_q_norm",
    "attention.key_norm": "attn_k_norm",
    "attention.post_norm": "post_attention_norm",
    "attention.query_latent.down": "attn_q_a",
    "attention.query_latent.norm": "attn_q_a_norm",
    "attention.latent.norm": "attn_kv_a_norm",
    "feed_forward.norm": "ffn_norm",
    "feed_forward.post_norm": "post_ffw_norm",
    "feed_forward.gate": "ffn_gate",
    "feed_forward.up": "ffn_up",
    "feed_forward.down": "ffn_down",
    "feed_forward.router": "ffn_gate_inp",
    "feed_forward.shared_expert.gate": "ffn_gate_shexp",
    "feed_forward.shared_expert.up": "ffn_up_shexp",
    "feed_forward.shared_expert.down": "ffn_down_shexp",
    "feed_forward.shared_expert_gate": "ffn_gate_inp_shexp",
}


def parts_of(model: fpcore.Checkpoint) -> Parts:
    """Every role under the name that llama.cpp gives it; experts stacked."""
    done: Parts = {}
    stacks: dict[str, list[np.ndarray]] = {}
    for role, view in model.roles.items():
        words, kind = role.split("."), role.rpartition(".")[2]
        values = view.read().float().numpy()
        if words[3:4] == ["experts"]:
            stacks.setdefault(f"blk.{words[1]}.ffn_{words[5]}_exps.{kind}", []).append(values)
            continue
        inner = ".".join(words[2:-1] if words[0] == "layers" else words[:-1])
        if inner in NAMES:
            before = f"blk.{words[1]}." if words[0] == "layers" else ""
            done[f"{before}{NAMES[inner]}.{kind}"] = values
    return done | {name: np.stack(experts) for name, experts in stacks.items()}


def write(
    path: Path, architecture: str, model: fpcore.Checkpoint, parts: Parts, **more: int | list[int]
) -> None:
    shape = model.architecture
    writer = gguf.GGUFWriter(path, architecture)
    facts: dict[str, int | list[int]] = {
        "block_count": shape.depth,
        "embedding_length": shape.width,
        "attention.head_count": shape.heads,
        "attention.head_count_kv": shape.kv_heads,
        "attention.key_length": shape.head_dim or shape.width // shape.heads,
        "attention.value_length": shape.head_dim or shape.width // shape.heads,
    }
    for key, value in (facts | more).items():
        if isinstance(value, list):
            writer.add_array(f"{architecture}.{key}", value)
        elif value:
            writer.add_uint32(f"{architecture}.{key}", value)
    for name, values in parts.items():
        writer.add_tensor(name, np.ascontiguousarray(values))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def same(model: fpcore.Checkpoint, file: fpcore.Checkpoint, *, left: tuple[str, ...] = ()) -> None:
    """Equal roles, shape and depth profiles."""
    ours = {role for role in model.roles if "other." not in role and not role.endswith(left)}
    assert ours == {role for role in file.roles if "other." not in role}
    for role in ours:
        assert torch.equal(file.roles[role].read().float(), model.roles[role].read().float()), role
    for fact in ("depth", "width", "heads", "kv_heads", "feed_forward", "experts", "qkv_bias", "norm"):
        assert getattr(file.architecture, fact) == getattr(model.architecture, fact), fact
    for name in ("attention-std", "ffn-std", "norm-std"):
        metric = fpcore.metric(name)
        try:
            profile = metric.fingerprint(model)
        except fpcore.NotComparable:
            continue
        for key, curve in metric.fingerprint(file).arrays.items():
            np.testing.assert_array_equal(curve, profile.arrays[key])


def in_pairs(values: np.ndarray, heads: int) -> np.ndarray:
    """llama.py, `permute`."""
    return values.reshape(heads, 2, -1, *values.shape[1:]).swapaxes(1, 2).reshape(values.shape)


def tiny(model_type: str, folder: Path, **changes: Any) -> fpcore.Checkpoint:
    found = next((t for t in TINY if t.model_type == model_type), None)
    Tiny(model_type, (found.config if found else COMMON) | changes).save(folder)
    return fpcore.open_checkpoint(folder)


def built(config: Any, folder: Path) -> fpcore.Checkpoint:
    """A model of a type whose config needs more than the common entries."""
    torch.manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_config(config).float()
    with torch.no_grad():
        for tensor in model.parameters():
            tensor.add_(0.05 * torch.randn_like(tensor))
    model.save_pretrained(folder)
    return fpcore.open_checkpoint(folder)


def numpy(model: fpcore.Checkpoint, name: str) -> np.ndarray:
    return model.read(name).float().numpy()


# Module of the converter → architectures whose rows it turns so, by `permute` or a function like it.
TURNED = {
    "arctic": ["arctic"],
    "baichuan": ["baichuan"],
    "bailingmoe": ["bailingmoe"],
    "chameleon": ["chameleon"],
    "deci": ["deci"],
    "deepseek": ["deepseek"],
    "granite": ["granite", "granite_swa", "granitehybrid", "granitemoe"],
    "internlm": ["internlm2"],
    "llada": ["llada"],
    "llama": ["arcee", "llama", "llama-embed", "smollm3"],
    "minicpm": ["minicpm"],
    "mistral3": ["mistral3"],
    "muse_glimmer": ["muse-glimmer"],
    "nanbeige": ["nanbeige"],
    "nemotron": ["nemotron_h", "nemotron_h_moe"],
    "olmo": ["olmo"],
    "xverse": ["xverse"],
}
PAIRS = [name for names in TURNED.values() for name in names]


def turn_query_and_key(model: fpcore.Checkpoint, parts: Parts) -> None:
    for name in parts:
        if ".attn_q." in name or ".attn_k." in name:
            heads = model.architecture.heads if ".attn_q." in name else model.architecture.kv_heads
            parts[name] = in_pairs(parts[name], heads)


@pytest.mark.parametrize("architecture", PAIRS)
def test_the_two_rows_of_a_rotation_together(architecture: str, tmp_path: Path) -> None:
    model = tiny("llama", tmp_path / "hub")
    parts = parts_of(model)
    turn_query_and_key(model, parts)
    write(tmp_path / "m.gguf", architecture, model, parts)
    file = fpcore.open_checkpoint(tmp_path / "m.gguf")
    for role, view in file.roles.items():
        assert torch.equal(view.read(), model.roles[role].read()), role
    assert set(file.roles) == set(model.roles)


@pytest.mark.parametrize("architecture", ["llama", "qwen2", "granite", "gemma2"])
def test_query_key_and_value_fused_on_conversion(architecture: str, tmp_path: Path) -> None:
    """base.py, `prepare_qkv_fusion`: after rows were turned."""
    hub = {"granite": "granite", "llama": "llama", "qwen2": "qwen2", "gemma2": "gemma2"}[architecture]
    model = tiny(hub, tmp_path / "hub")
    parts = parts_of(model)
    if ARCHITECTURES[architecture].rows == "pairs":
        turn_query_and_key(model, parts)
    for layer in range(2):
        for kind in ("weight", "bias"):
            three = [f"blk.{layer}.attn_{part}.{kind}" for part in "qkv"]
            if three[0] in parts:
                parts[f"blk.{layer}.attn_qkv.{kind}"] = np.concatenate([parts.pop(name) for name in three])
    write(tmp_path / "m.gguf", architecture, model, parts)
    same(model, fpcore.open_checkpoint(tmp_path / "m.gguf"))


@pytest.mark.parametrize("sections", [True, False])
def test_halves_where_positions_have_several_axes(sections: bool, tmp_path: Path) -> None:
    """glm.py, `normal_to_neox`: the rows that are turned, if the config has sections."""
    model = tiny("glm4", tmp_path / "hub", head_dim=8)
    parts = parts_of(model)
    rotary, dim = 4, 8
    for name, values in parts.items():
        if sections and (".attn_q." in name or ".attn_k." in name):
            heads = values.reshape(-1, dim, *values.shape[1:])
            turned = [heads[:, 0:rotary:2], heads[:, 1:rotary:2], heads[:, rotary:]]
            parts[name] = np.concatenate(turned, 1).reshape(values.shape)
    for layer in range(2):
        gate, up = (parts.pop(f"blk.{layer}.ffn_{part}.weight") for part in ("gate", "up"))
        parts[f"blk.{layer}.ffn_up.weight"] = np.concatenate([gate, up])
    more: dict[str, Any] = {"rope.dimension_count": rotary}
    if sections:
        more["rope.dimension_sections"] = [1, 1, 0, 0]
    write(tmp_path / "m.gguf", "glm4", model, parts, **more)
    same(model, fpcore.open_checkpoint(tmp_path / "m.gguf"))


def test_heads_of_one_key_together(tmp_path: Path) -> None:
    """plamo.py: heads of query and output are shuffled, so that the ones of a key stand together."""
    model = tiny(
        "llama", tmp_path / "hub", attention_bias=False, num_attention_heads=8, num_key_value_heads=4
    )
    parts, dim = parts_of(model), 2
    for layer in range(2):
        query, output = f"blk.{layer}.attn_q.weight", f"blk.{layer}.attn_output.weight"
        width = parts[query].shape[1]
        each = parts[query].reshape(2, 4, dim, width)
        parts[query] = each.transpose(1, 0, 2, 3).reshape(-1, width)
        columns = parts[output].reshape(width, 2, 4, dim)
        parts[output] = columns.transpose(0, 2, 1, 3).reshape(width, -1)
    write(tmp_path / "m.gguf", "plamo", model, parts)
    same(model, fpcore.open_checkpoint(tmp_path / "m.gguf"))


def test_gains_of_every_head_in_pairs(tmp_path: Path) -> None:
    """chameleon.py: the gains of query and key norms, one row a head, turn with the rows."""
    model = tiny("llama", tmp_path / "hub", attention_bias=False)
    parts = parts_of(model)
    turn_query_and_key(model, parts)
    gains = np.arange(4, dtype=np.float32)
    for layer in range(2):
        for part, heads in (("q", 4), ("k", 2)):
            turned = gains.reshape(2, 2).T.reshape(1, -1).repeat(heads, 0)
            parts[f"blk.{layer}.attn_{part}_norm.weight"] = turned
    write(tmp_path / "m.gguf", "chameleon", model, parts)
    roles = fpcore.open_checkpoint(tmp_path / "m.gguf").roles
    for part, heads in (("query", 4), ("key", 2)):
        found = roles[f"layers.1.attention.{part}_norm.weight"].read().numpy()
        np.testing.assert_array_equal(found, gains[None].repeat(heads, 0))


def by_head(model: fpcore.Checkpoint, parts: Parts) -> None:
    """gptneox.py, bloom.py: query, key and value of each head → all queries, all keys, all values."""
    shape = model.architecture
    for name in model.tensors:
        if "query_key_value" not in name:
            continue
        values = numpy(model, name)
        each = values.reshape(shape.heads, 3, shape.width // shape.heads, *values.shape[1:])
        layer, kind = next(w for w in name.split(".") if w.isdigit()), name.rpartition(".")[2]
        stacked = [each[:, part].reshape(-1, *values.shape[1:]) for part in range(3)]
        parts[f"blk.{layer}.attn_qkv.{kind}"] = np.concatenate(stacked)
        for part in "qkv":
            parts.pop(f"blk.{layer}.attn_{part}.{kind}", None)


def by_key(model: fpcore.Checkpoint, parts: Parts) -> None:
    """falcon.py: the queries of each key, the key and its value → all queries, all keys, all values."""
    shape = model.architecture
    for name in model.tensors:
        if "query_key_value" not in name:
            continue
        values, dim = numpy(model, name), shape.width // shape.heads
        rest = values.shape[1:]
        each = values.reshape(shape.kv_heads, shape.heads // shape.kv_heads + 2, dim, *rest)
        layer, kind = next(w for w in name.split(".") if w.isdigit()), name.rpartition(".")[2]
        stacked = [each[:, :-2], each[:, [-2]], each[:, [-1]]]
        parts[f"blk.{layer}.attn_qkv.{kind}"] = np.concatenate([p.reshape(-1, *rest) for p in stacked])
        for part in "qkv":
            parts.pop(f"blk.{layer}.attn_{part}.{kind}", None)


@pytest.mark.parametrize(
    ("architecture", "label", "rule"),
    [
        ("gptneox", "gpt_neox", by_head),
        ("bloom", "bloom", by_head),
        ("falcon", "falcon grouped", by_key),
        ("falcon", "falcon multi-query", by_key),
        ("falcon", "falcon by head", by_key),
    ],
)
def test_fused_rows_stacked(architecture: str, label: str, rule: Rule, tmp_path: Path) -> None:
    next(t for t in TINY if t.name == label).save(tmp_path / "hub")
    model = fpcore.open_checkpoint(tmp_path / "hub")
    parts = parts_of(model)
    rule(model, parts)
    if label == "falcon grouped":  # two norms before blocks side by side
        for layer in range(2):
            for kind in ("weight", "bias"):
                parts[f"blk.{layer}.attn_norm_2.{kind}"] = parts.pop(f"blk.{layer}.attn_norm.{kind}")
                parts[f"blk.{layer}.attn_norm.{kind}"] = parts.pop(f"blk.{layer}.ffn_norm.{kind}")
    write(tmp_path / "m.gguf", architecture, model, parts)
    same(model, fpcore.open_checkpoint(tmp_path / "m.gguf"))


@pytest.mark.parametrize("model_type", ["gemma", "gemma2", "gemma3_text", "nemotron", "cohere", "olmo2"])
def test_gains_are_stored_as_they_act(model_type: str, tmp_path: Path) -> None:
    """gemma.py, nemotron.py: those that the hub stores less one get it; others are as they are."""
    changes = {"head_dim": 4} if model_type == "nemotron" else {}
    model = tiny(model_type, tmp_path / "hub", **changes)
    parts = parts_of(model)
    for role, view in model.roles.items():  # the roles are what acts; here the files are looked at
        if "norm.weight" not in role:
            continue
        less = 1.0 if model_type in {"gemma", "gemma2", "gemma3_text", "nemotron"} else 0.0
        np.testing.assert_array_equal(view.read().numpy(), numpy(model, view.source) + less)
    architecture = {"gemma3_text": "gemma3", "cohere": "command-r"}.get(model_type, model_type)
    write(tmp_path / "m.gguf", architecture, model, parts)
    same(model, fpcore.open_checkpoint(tmp_path / "m.gguf"))


def interleaved(model: fpcore.Checkpoint, parts: Parts) -> None:
    """gpt_oss.py: stacks hold (columns, rows), gate and up row by row."""
    for layer in range(2):
        stem = f"model.layers.{layer}.mlp.experts"
        both, bias = numpy(model, f"{stem}.gate_up_proj"), numpy(model, f"{stem}.gate_up_proj_bias")
        for start, part in enumerate(("gate", "up")):
            parts[f"blk.{layer}.ffn_{part}_exps.weight"] = both.swapaxes(1, 2)[:, start::2]
            parts[f"blk.{layer}.ffn_{part}_exps.bias"] = bias[:, start::2]
        down = numpy(model, f"{stem}.down_proj")
        parts[f"blk.{layer}.ffn_down_exps.weight"] = down.swapaxes(1, 2)


def halves(model: fpcore.Checkpoint, parts: Parts) -> None:
    """llama.py, `Llama4Model`: stacks hold (columns, rows), gate then up."""
    for layer in range(2):
        stem = f"model.layers.{layer}.feed_forward.experts"
        both = numpy(model, f"{stem}.gate_up_proj").swapaxes(1, 2)
        half = both.shape[1] // 2
        parts[f"blk.{layer}.ffn_gate_exps.weight"] = both[:, :half]
        parts[f"blk.{layer}.ffn_up_exps.weight"] = both[:, half:]
        parts[f"blk.{layer}.ffn_down_exps.weight"] = numpy(model, f"{stem}.down_proj").swapaxes(1, 2)


def fused_experts(model: fpcore.Checkpoint, parts: Parts) -> None:
    """base.py, `fuse_gate_up_exps`: gate and up of all experts in one tensor."""
    for layer in range(2):
        gate, up = (parts.pop(f"blk.{layer}.ffn_{part}_exps.weight") for part in ("gate", "up"))
        parts[f"blk.{layer}.ffn_gate_up_exps.weight"] = np.concatenate([gate, up], axis=1)


GPT_OSS = {
    "head_dim": 4,
    "num_local_experts": 4,
    "num_experts_per_tok": 2,
    "layer_types": ["full_attention"] * 2,
}
LLAMA4 = {
    "head_dim": 4,
    "num_local_experts": 4,
    "intermediate_size_mlp": 24,
    "interleave_moe_layer_step": 1,
    "attn_temperature_tuning": False,
}
EXPERTS: dict[str, tuple[str, dict[str, Any], Rule]] = {
    "gpt-oss": ("gpt_oss", GPT_OSS, interleaved),
    "llama4": ("llama4_text", LLAMA4, halves),
    "qwen3moe": ("qwen3_moe", {}, fused_experts),
    "olmoe": ("olmoe", {}, fused_experts),
}


@pytest.mark.parametrize("architecture", EXPERTS)
def test_stacks_of_experts(architecture: str, tmp_path: Path) -> None:
    model_type, changes, rule = EXPERTS[architecture]
    model = tiny(model_type, tmp_path / "hub", **changes)
    parts = parts_of(model)
    rule(model, parts)
    write(tmp_path / "m.gguf", architecture, model, parts)
    same(model, fpcore.open_checkpoint(tmp_path / "m.gguf"))


@pytest.mark.parametrize("form", ["absorbed", "whole", "without the value's width"])
def test_latent_attention(form: str, tmp_path: Path) -> None:
    """deepseek.py, minicpm.py: keys (turned) and values from the latent in two stacks, or in one tensor."""
    model = tiny("deepseek_v2", tmp_path / "hub")
    parts, heads, nope, value = parts_of(model), 4, 6, 5
    for layer in range(2):
        stem = f"model.layers.{layer}.self_attn"
        both = numpy(model, f"{stem}.kv_b_proj.weight")
        parts[f"blk.{layer}.attn_kv_a_mqa.weight"] = numpy(model, f"{stem}.kv_a_proj_with_mqa.weight")
        parts[f"blk.{layer}.attn_q_b.weight"] = parts.pop(f"blk.{layer}.attn_q.weight")
        del parts[f"blk.{layer}.attn_k.weight"], parts[f"blk.{layer}.attn_v.weight"]
        if form == "absorbed":
            each = both.reshape(heads, nope + value, -1)
            parts[f"blk.{layer}.attn_k_b.weight"] = each[:, :nope].swapaxes(1, 2)
            parts[f"blk.{layer}.attn_v_b.weight"] = each[:, nope:]
        else:
            parts[f"blk.{layer}.attn_kv_b.weight"] = both
    rest = {"attention.kv_lora_rank": 8, "rope.dimension_count": 4}
    more: dict[str, int] = {
        "absorbed": {
            "attention.head_count_kv": 1,
            "attention.key_length": 12,
            "attention.value_length": 8,
            "attention.key_length_mla": 10,
            "attention.value_length_mla": 5,
        },
        "whole": {"attention.key_length": 10, "attention.value_length": 5},
        "without the value's width": {"attention.key_length": 10, "attention.value_length": 0},
    }[form]
    write(tmp_path / "m.gguf", "deepseek2", model, parts, **(rest | more))
    same(model, fpcore.open_checkpoint(tmp_path / "m.gguf"))


def test_a_gate_behind_each_head_of_the_query(tmp_path: Path) -> None:
    """qwen.py, `Qwen3NextModel`: query rows as on the hub, gains with one added."""
    config = transformers.Qwen3NextConfig(
        **COMMON,
        head_dim=8,
        layer_types=["linear_attention", "full_attention"],
        linear_key_head_dim=4,
        linear_value_head_dim=4,
        linear_num_key_heads=2,
        linear_num_value_heads=4,
        num_experts=4,
        num_experts_per_tok=2,
        moe_intermediate_size=12,
        shared_expert_intermediate_size=12,
    )
    model = built(config, tmp_path / "hub")
    parts = parts_of(model)
    parts["blk.1.attn_q.weight"] = numpy(model, "model.layers.1.self_attn.q_proj.weight")
    parts["blk.0.ssm_out.weight"] = np.ones((16, 16), np.float32)
    parts["blk.0.attn_qkv.weight"] = np.ones((32, 16), np.float32)  # of the linear attention
    for layer in range(2):
        parts[f"blk.{layer}.post_attention_norm.weight"] = parts.pop(f"blk.{layer}.ffn_norm.weight")
        shared = f"blk.{layer}.ffn_gate_inp_shexp.weight"
        parts[shared] = parts[shared].reshape(-1)
    write(tmp_path / "m.gguf", "qwen3next", model, parts)
    same(model, fpcore.open_checkpoint(tmp_path / "m.gguf"))


def test_norms_that_go_by_another_name(tmp_path: Path) -> None:
    """lfm2.py: the last norm; nemotron.py: layers of one block each."""
    config = transformers.Lfm2Config(
        **COMMON, layer_types=["conv", "full_attention"], block_auto_adjust_ff_dim=False
    )
    model = built(config, tmp_path / "lfm2")
    parts = parts_of(model)
    parts["token_embd_norm.weight"] = parts.pop("output_norm.weight")
    parts["blk.0.shortconv.conv.weight"] = np.ones((16, 3), np.float32)
    write(tmp_path / "lfm2.gguf", "lfm2", model, parts, **{"attention.head_count_kv": [0, 2]})
    same(model, fpcore.open_checkpoint(tmp_path / "lfm2.gguf"))
    llama = tiny("llama", tmp_path / "llama", attention_bias=False, mlp_bias=False)
    parts = parts_of(llama)
    turn_query_and_key(llama, parts)
    kept = ("token_embd", "output", "blk.0.attn_")
    single = {n: v for n, v in parts.items() if n.startswith(kept)}
    single["blk.1.attn_norm.weight"] = parts["blk.1.ffn_norm.weight"]
    single["blk.1.ffn_up.weight"] = parts["blk.1.ffn_up.weight"]
    write(tmp_path / "m.gguf", "nemotron_h", llama, single)
    roles = fpcore.open_checkpoint(tmp_path / "m.gguf").roles
    assert {"layers.0.attention.norm.weight", "layers.1.feed_forward.norm.weight"} <= set(roles)
    assert "layers.1.attention.norm.weight" not in roles
    query = "layers.0.attention.query.weight"
    assert torch.equal(roles[query].read(), llama.roles[query].read())


def test_gate_and_up_of_a_shared_expert_in_one(tmp_path: Path) -> None:
    """granite.py, `GraniteMoeSWAModel`."""
    model = tiny("solar_open", tmp_path / "hub")
    parts = parts_of(model)
    for name in [name for name in parts if "ffn_gate_shexp" in name]:
        up = name.replace("gate", "up")
        parts[up] = np.concatenate([parts.pop(name), parts[up]])
    write(tmp_path / "m.gguf", "glm4moe", model, parts)
    same(model, fpcore.open_checkpoint(tmp_path / "m.gguf"), left=("correction_bias",))


def test_what_the_converter_itself_has_proven() -> None:
    """`with_converter.py` wrote this file; an architecture that it names is one that is known."""
    results = json.loads((Path(__file__).parent / "converted_types.json").read_text())
    assert set(results["proven"].values()) <= set(ARCHITECTURES)
    assert len(set(results["proven"].values())) >= 70
    assert len(results["proven"]) >= 107


def test_no_other_architecture_is_turned() -> None:
    turned = {name: known.source for name, known in ARCHITECTURES.items() if known.rows == "pairs"}
    assert turned == {name: module for module, names in TURNED.items() for name in names}
    others = {
        name: known.rows for name, known in ARCHITECTURES.items() if known.rows in {"tiled", "sections"}
    }
    assert others == {"plamo": "tiled", "glm4": "sections"}
