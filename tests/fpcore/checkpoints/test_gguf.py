"""GGUF files, written here by the `gguf` package the way llama.cpp's converter lays models out."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from flat_reading import check_flat
from tiny_models import COMMON, MIXTURE, Tiny

import fpcore
from fpcore.features.moments import moments_of

gguf = pytest.importorskip("gguf", reason="the gguf extra is not installed")
from gguf.quants import dequantize, quantize  # noqa: E402

WIDE = COMMON | {"hidden_size": 64, "intermediate_size": 96}
MODELS = {
    "llama": Tiny("llama", WIDE | {"attention_bias": True}),
    "qwen2": Tiny("qwen2", WIDE),
    "qwen3": Tiny("qwen3", WIDE | {"head_dim": 32}),
    "phi3": Tiny("phi3", WIDE),
    "qwen2moe": Tiny(
        "qwen2_moe", WIDE | MIXTURE | {"moe_intermediate_size": 32, "shared_expert_intermediate_size": 64}
    ),
    "qwen3moe": Tiny("qwen3_moe", WIDE | MIXTURE | {"moe_intermediate_size": 32, "head_dim": 32}),
    "mixtral": Tiny("mixtral", WIDE | {"num_local_experts": 4}),
}
NAMES = {
    "embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.qkv_proj": "attn_qkv",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "mlp.gate_up_proj": "ffn_up",
    "mlp.shared_expert_gate": "ffn_gate_inp_shexp",
    "mlp.shared_expert.gate_proj": "ffn_gate_shexp",
    "mlp.shared_expert.up_proj": "ffn_up_shexp",
    "mlp.shared_expert.down_proj": "ffn_down_shexp",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "mlp.gate": "ffn_gate_inp",
    "block_sparse_moe.gate": "ffn_gate_inp",
    "model.layers": "blk",
}
EXPERTS = {"gate_proj": "gate", "up_proj": "up", "down_proj": "down", "w1": "gate", "w3": "up", "w2": "down"}


def pairs_together(values: np.ndarray, heads: int) -> np.ndarray:
    """The order in which llama.cpp keeps the rows of query and key: row i and row i + half are neighbours."""
    size = len(values) // heads
    order = [h * size + i + j * size // 2 for h in range(heads) for i in range(size // 2) for j in range(2)]
    return values[order]


def laid_out(model: fpcore.Checkpoint, reorder: bool) -> dict[str, np.ndarray]:
    shape = model.architecture
    done: dict[str, np.ndarray] = {}
    stacks: dict[str, dict[int, np.ndarray]] = {}
    for name in model.tensors:
        values = model.read(name).numpy()
        if ".experts." in name:
            before, after = name.split(".experts.")
            layer = before.split(".")[2]
            expert, part = after.split(".")[:2]
            stacks.setdefault(f"blk.{layer}.ffn_{EXPERTS[part]}_exps.weight", {})[int(expert)] = values
            continue
        if reorder and ("q_proj" in name or "k_proj" in name):
            values = pairs_together(values, shape.heads if "q_proj" in name else shape.kv_heads)
        if "shared_expert_gate" in name:
            values = values.reshape(-1)
        for hub, theirs in NAMES.items():
            name = name.replace(hub, theirs)
        done[name.removeprefix("model.")] = values
    return done | {name: np.stack([experts[e] for e in sorted(experts)]) for name, experts in stacks.items()}


def write(path: Path, model: fpcore.Checkpoint, architecture: str, kind: Any = None, **extra: Any) -> None:
    shape = model.architecture
    name = "llama" if architecture == "mixtral" else architecture
    writer = gguf.GGUFWriter(path, name)
    writer.add_block_count(shape.depth)
    writer.add_embedding_length(shape.width)
    writer.add_feed_forward_length(shape.feed_forward)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_layer_norm_rms_eps(1e-6)
    if shape.head_dim != shape.width // shape.heads:
        writer.add_key_length(shape.head_dim)
    if shape.experts:
        writer.add_expert_count(shape.experts)
        if architecture != "mixtral":
            writer.add_expert_feed_forward_length(shape.feed_forward)
    for key, value in extra.items():
        writer.add_uint16(key.replace("_", "."), value)
    for name_, values in laid_out(model, architecture in {"llama", "mixtral"}).items():
        if kind is not None and values.ndim > 1:
            writer.add_tensor(name_, quantize(values, kind), raw_dtype=kind)
        else:
            writer.add_tensor(name_, np.ascontiguousarray(values))
    writer.add_tensor("rope_freqs.weight", np.ones(4, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@pytest.fixture(params=MODELS)
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, fpcore.Checkpoint]:
    MODELS[request.param].save(tmp_path / "hub")
    return request.param, fpcore.open_checkpoint(tmp_path / "hub")


def test_roles_are_those_of_the_converted_model(pair: tuple[str, fpcore.Checkpoint], tmp_path: Path) -> None:
    architecture, model = pair
    path = tmp_path / "model.gguf"
    write(path, model, architecture)
    converted = fpcore.open_checkpoint(path)
    assert converted.architecture.cell == model.architecture.cell
    assert converted.architecture.vocabulary == 40
    assert set(converted.roles) == set(model.roles)
    for role, view in model.roles.items():
        assert torch.equal(converted.roles[role].read(), view.read()), role
    check_flat(converted)
    assert len(converted.digest) == 64
    again = pickle.loads(pickle.dumps(converted))
    assert torch.equal(again.read("model.norm.weight"), model.read("model.norm.weight"))


@pytest.mark.parametrize("kind", ["Q8_0", "Q4_0", "Q5_1", "BF16", "F16"])
def test_quantised_values_are_dequantised(tmp_path: Path, kind: str) -> None:
    MODELS["qwen2moe"].save(tmp_path / "hub")
    model = fpcore.open_checkpoint(tmp_path / "hub")
    quantisation = gguf.GGMLQuantizationType[kind]
    write(tmp_path / "model.gguf", model, "qwen2moe", quantisation)
    converted = fpcore.open_checkpoint(tmp_path / "model.gguf", name="shown")
    assert converted.name == "shown"
    check_flat(converted)
    for role in ("layers.1.attention.query.weight", "layers.1.feed_forward.experts.2.down.weight"):
        original = model.roles[role].read().numpy()
        read = converted.roles[role].read()
        np.testing.assert_array_equal(
            read.float().numpy(), dequantize(quantize(original, quantisation), quantisation)
        )
        assert str(read.dtype) == f"torch.{ {'BF16': 'bfloat16', 'F16': 'float16'}.get(kind, 'float32') }"
        spread = moments_of(read).std
        assert spread == pytest.approx(original.std(), rel=0.02), "not the packed bytes"


def test_a_directory_with_one_gguf_file(tmp_path: Path) -> None:
    MODELS["qwen2"].save(tmp_path / "hub")
    model = fpcore.open_checkpoint(tmp_path / "hub")
    folder = tmp_path / "gguf"
    folder.mkdir()
    write(folder / "a.gguf", model, "qwen2")
    assert fpcore.open_checkpoint(folder).roles.depth == 2
    write(folder / "b.gguf", model, "qwen2")
    with pytest.raises(fpcore.BadCheckpoint, match="2 GGUF files; give the one you mean"):
        fpcore.open_checkpoint(folder)


def test_damage_is_said_in_one_line(tmp_path: Path) -> None:
    MODELS["qwen2"].save(tmp_path / "hub")
    model = fpcore.open_checkpoint(tmp_path / "hub")
    path = tmp_path / "model.gguf"

    def check(match: str) -> None:
        with pytest.raises(fpcore.BadCheckpoint, match=match) as caught:
            fpcore.open_checkpoint(path)
        assert "\n" not in str(caught.value)

    write(path, model, "qwen2")
    content = path.read_bytes()
    for length in (len(content) - 5000, 400, 10, 0):
        path.write_bytes(content[:length])
        check(r"model\.gguf: .*cut short")
    path.write_bytes(b"not one" * 100)
    check("not a readable GGUF file")
    write(path, model, "qwen2", split_count=3)
    check("one of 3 parts of a split GGUF file, but the others were not found")
    write(path, model, "mamba")
    check("architecture 'mamba' is a state-space model, which has no attention to measure")


def test_a_llama_without_its_number_of_heads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of query and key are in another order there, head by head."""
    MODELS["llama"].save(tmp_path / "hub")
    monkeypatch.setattr(gguf.GGUFWriter, "add_head_count", lambda self, count: None)
    write(tmp_path / "model.gguf", fpcore.open_checkpoint(tmp_path / "hub"), "llama")
    with pytest.raises(
        fpcore.BadCheckpoint, match=r"model\.gguf: no llama\.attention\.head_count in its metadata"
    ):
        fpcore.open_checkpoint(tmp_path / "model.gguf")


def test_the_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(b"GGUF")
    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(
        fpcore.BadCheckpoint, match=r"needs the gguf package; pip install 'lookalike\[gguf\]'"
    ):
        fpcore.open_checkpoint(path)
