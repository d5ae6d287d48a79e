"""Every architecture of the `gguf` package that has attention, written with every tensor that it lists."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import fpcore
from fpcore.checkpoints.gguf_architectures import ARCHITECTURES as KNOWN, NOT_READ

gguf = pytest.importorskip("gguf", reason="the gguf extra is not installed")
from gguf.constants import MODEL_ARCH_NAMES, MODEL_TENSORS, TENSOR_NAMES  # noqa: E402
from gguf.quants import dequantize, quantize  # noqa: E402

T = gguf.MODEL_TENSOR
QUERIES = {T.ATTN_Q, T.ATTN_QKV, T.ATTN_Q_B, T.DEC_ATTN_Q, T.ENC_ATTN_Q}
ARCHITECTURES = {
    MODEL_ARCH_NAMES[architecture]: tensors
    for architecture, tensors in MODEL_TENSORS.items()
    if QUERIES & set(tensors) and MODEL_ARCH_NAMES[architecture] != "clip"
}
WIDTH, HEADS, KV_HEADS, DIM, INNER, EXPERTS, RANK, VOCABULARY, LAYERS = 32, 4, 2, 8, 48, 3, 12, 40, 3
QUERY, KEY = HEADS * DIM, KV_HEADS * DIM
# Parts of a layer whose shapes matter here; all others are given one of their own.
SHAPES: dict[str, tuple[int, ...]] = {
    "attn_q": (QUERY, WIDTH),
    "attn_k": (KEY, WIDTH),
    "attn_v": (KEY, WIDTH),
    "attn_qkv": (QUERY + 2 * KEY, WIDTH),
    "attn_output": (WIDTH, QUERY),
    "attn_o": (WIDTH, QUERY),
    "attn_q_a": (RANK, WIDTH),
    "attn_q_b": (QUERY, RANK),
    "attn_kv_a_mqa": (RANK + 4, WIDTH),
    "attn_kv_b": (HEADS * 2 * DIM, RANK),
    "attn_k_b": (HEADS, RANK, DIM),
    "attn_v_b": (HEADS, DIM, RANK),
    "ffn_gate": (INNER, WIDTH),
    "ffn_up": (INNER, WIDTH),
    "ffn_down": (WIDTH, INNER),
    "ffn_gate_exps": (EXPERTS, INNER, WIDTH),
    "ffn_up_exps": (EXPERTS, INNER, WIDTH),
    "ffn_down_exps": (EXPERTS, WIDTH, INNER),
    "ffn_gate_up_exps": (EXPERTS, 2 * INNER, WIDTH),
    "ffn_gate_inp": (EXPERTS, WIDTH),
    "ffn_gate_inp_shexp": (WIDTH,),
    "exp_probs_b": (EXPERTS,),
}

# Files of these have one or the other.
NOT_BOTH = {
    "llama": ("_exps", "ffn_gate_inp"),
    "grok": ("layer_output_norm",),
    "plamo2": (".attn_q", ".attn_k"),
}


def of_layer(architecture: str, name: str, part: str, present: set[str]) -> tuple[int, ...] | None:
    """The shape of a part, or None where a real file would not have it beside the others."""
    latent = "attn_kv_a_mqa" in present
    if latent and part in {"attn_k", "attn_v", "attn_qkv"} | ({"attn_q"} if "attn_q_b" in present else set()):
        return None
    if part == "attn_kv_b" and "attn_k_b" in present:  # newer files have the two halves
        return None
    if part in {"attn_q", "attn_k", "attn_v"} and "attn_qkv" in present and not latent:
        return None  # one or the other: fused here
    if part == "ffn_gate_up_exps" and "ffn_gate_exps" in present:
        return None
    if part.endswith(("norm", "norm_1", "norm_2")):
        return (WIDTH,)
    if (architecture, part) == ("phi3", "ffn_up"):  # gate and up in one
        return (2 * INNER, WIDTH)
    return SHAPES.get(part, (6, 5))


def write(path: Path, architecture: str, kind: Any = None) -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_block_count(LAYERS)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_key_length(DIM)
    writer.add_value_length(DIM)
    writer.add_kv_lora_rank(RANK)
    written: dict[str, np.ndarray] = {}
    listed = [TENSOR_NAMES[tensor] for tensor in ARCHITECTURES[architecture]]
    listed = [name for name in listed if not name.endswith(NOT_BOTH.get(architecture, ("-",)))]
    present = {name.rpartition("{bid}.")[2] for name in listed}
    recurrent = any("ssm_" in name for name in listed)
    for pattern in listed:
        for layer in range(LAYERS if "{bid}" in pattern else 1):
            name = pattern.replace("{bid}", str(layer))
            part = pattern.rpartition("{bid}.")[2]
            shape: tuple[int, ...] | None = (VOCABULARY, WIDTH)
            if "{bid}" in pattern:
                others = present - {"attn_qkv"} if recurrent else present
                shape = of_layer(architecture, name, part, others)
                # In a hybrid the layers take turns: the second one has no attention.
                if recurrent and (("ssm_" in part) != (layer == 1)) and ("ssm_" in part or "attn_" in part):
                    continue
                if recurrent and part == "attn_qkv" and "attn_v" in present:
                    continue
                if part.startswith("nextn") and layer < LAYERS - 1:
                    continue
            elif "norm" in pattern:
                shape = (WIDTH,)
            if shape is None or name in written:
                continue
            values = random.normal(0.3, 1.0, shape).astype(np.float32)
            suffix = ".bias" if part == "exp_probs_b" else ".weight"
            if kind is not None and values.ndim > 1 and values.shape[-1] % 32 == 0:
                writer.add_tensor(name + suffix, quantize(values, kind), raw_dtype=kind)
                values = dequantize(quantize(values, kind), kind)
            else:
                writer.add_tensor(name + suffix, values)
            written[name] = values
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return written


def in_halves(rows: np.ndarray, heads: int) -> np.ndarray:
    size = len(rows) // heads
    order = [h * size + 2 * i + j for h in range(heads) for j in (0, 1) for i in range(size // 2)]
    return rows[order]


def expected(
    architecture: str, written: dict[str, np.ndarray], stack: str, layer: int
) -> dict[str, np.ndarray]:
    """Query, key, value and output of a layer as the hub has them."""
    here = {
        name.removeprefix(f"{stack}.{layer}."): values
        for name, values in written.items()
        if name.startswith(f"{stack}.{layer}.")
    }
    found: dict[str, np.ndarray] = {}
    if "attn_qkv" in here:
        found |= dict(
            zip(("query", "key", "value"), np.split(here["attn_qkv"], [QUERY, QUERY + KEY]), strict=True)
        )
    for part, names in {
        "query": ("attn_q", "attn_q_b"),
        "key": ("attn_k",),
        "value": ("attn_v",),
        "output": ("attn_output", "attn_o"),
    }.items():
        for name in names:
            if name in here:
                found[part] = here[name]
    if "attn_k_b" in here:
        found["key"] = np.concatenate([head.T for head in here["attn_k_b"]])
        found["value"] = np.concatenate(list(here["attn_v_b"]))
    elif "attn_kv_b" in here:
        heads = here["attn_kv_b"].reshape(HEADS, 2 * DIM, RANK)
        found["key"] = heads[:, :DIM].reshape(-1, RANK)
        found["value"] = heads[:, DIM:].reshape(-1, RANK)
    if KNOWN[architecture].rows == "pairs":
        for part, count in (("query", HEADS), ("key", KV_HEADS)):
            if f"attn_{part[0]}" in here or "attn_qkv" in here:
                found[part] = in_halves(found[part], count)
    if KNOWN[architecture].rows == "tiled":  # heads k·2 + i of key k → i·2 + k
        order = [(k * 2 + i) * DIM + row for i in range(2) for k in range(KV_HEADS) for row in range(DIM)]
        found["query"], found["output"] = found["query"][order], found["output"][:, order]
    return found


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_architecture_with_attention(architecture: str, tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    written = write(path, architecture)
    model = fpcore.open_checkpoint(path)
    roles = model.roles
    stack = next(s for s in ("dec.blk", "enc.blk", "blk") if any(n.startswith(f"{s}.") for n in written))
    drafts = any(".nextn." in name for name in written)
    assert roles.depth == LAYERS - drafts
    seen = set()
    for layer in range(roles.depth):
        for part, values in expected(architecture, written, stack, layer).items():
            read = roles[f"layers.{layer}.attention.{part}.weight"].read()
            np.testing.assert_array_equal(read.numpy(), values, err_msg=f"{architecture} {layer} {part}")
            seen.add(part)
        for part in ("gate", "up", "down"):
            stored = written.get(f"{stack}.{layer}.ffn_{part}_exps")
            for expert in range(EXPERTS if stored is not None else 0):
                view = roles[f"layers.{layer}.feed_forward.experts.{expert}.{part}.weight"]
                np.testing.assert_array_equal(view.read().numpy(), stored[expert])
    assert seen == {"query", "key", "value", "output"}
    facts = model.architecture
    latent = any("attn_kv_a_mqa" in name for name in written)
    keys = HEADS if latent else KV_HEADS
    assert (facts.depth, facts.width, facts.heads, facts.kv_heads) == (roles.depth, WIDTH, HEADS, keys)
    assert facts.head_dim == DIM
    read = {view.source for view in roles.values()}
    beside = sum(model.apart.values())
    assert len(model.tensors) == len(read), set(model.tensors) - read
    assert bool(beside) == (drafts or any(n.startswith(("cls", "dense")) or ".vis_" in n for n in written))
    assert torch.isfinite(next(iter(roles.values())).read()).all()


def test_the_map_has_not_grown_unseen() -> None:
    assert len(ARCHITECTURES) >= 118


KINDS = [kind.name for kind in gguf.quants._type_traits]


@pytest.mark.parametrize("kind", KINDS)
def test_every_encoding_that_the_package_turns_back(kind: str, tmp_path: Path) -> None:
    """Encodings that it cannot make are made of random bytes."""
    chosen = gguf.GGMLQuantizationType[kind]
    block, size = gguf.constants.GGML_QUANT_SIZES[chosen]
    raw = np.random.default_rng(1).integers(0, 60, (WIDTH, size), dtype=np.uint8)
    values = dequantize(raw, chosen)
    path = tmp_path / "model.gguf"
    writer = gguf.GGUFWriter(path, "gemma3")
    for key in ("block_count", "head_count", "head_count_kv"):
        getattr(writer, f"add_{key}")(1)
    writer.add_embedding_length(8)
    writer.add_tensor("token_embd.weight", np.ones((5, 8), np.float32))
    writer.add_tensor("blk.0.attn_q.weight", raw, raw_dtype=chosen)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    read = fpcore.open_checkpoint(path).roles["layers.0.attention.query.weight"].read()
    assert read.shape == (WIDTH, block)
    np.testing.assert_array_equal(read.float().numpy(), values)


def test_an_encoding_that_cannot_be_turned_back_is_named(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    writer = gguf.GGUFWriter(path, "gemma3")
    writer.add_block_count(1)
    writer.add_head_count(1)
    writer.add_tensor("token_embd.weight", np.ones((5, 8), np.float32))
    writer.add_tensor(
        "blk.0.attn_q.weight", np.ones((4, 292), np.uint8), raw_dtype=gguf.GGMLQuantizationType.Q8_K
    )
    writer.add_tensor("blk.0.attn_k.weight", np.ones((4, 8), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    model = fpcore.open_checkpoint(path)
    with pytest.raises(
        fpcore.UnreadableTensor, match=r"model\.gguf: tensor blk\.0\.attn_q\.weight: its encoding Q8_K"
    ):
        model.roles["layers.0.attention.query.weight"].read()
    assert model.roles["layers.0.attention.key.weight"].read().shape == (4, 8)


@pytest.mark.parametrize("turned", [True, False])
@pytest.mark.parametrize("kind", ["F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_K", "Q6_K"])
def test_the_other_byte_order(kind: str, turned: bool, tmp_path: Path) -> None:
    """Tools that write big-endian files turn the numbers within blocks, or leave them."""
    chosen = gguf.GGMLQuantizationType[kind]
    values = np.random.default_rng(2).normal(0, 0.02, (64, 256)).astype(np.float32)
    if kind in {"Q4_K", "Q6_K"}:  # the package cannot make them: random codes, scales of one magnitude
        size = gguf.constants.GGML_QUANT_SIZES[chosen][1]
        raw = np.random.default_rng(3).integers(0, 255, (64, size), dtype=np.uint8)
        for place in {"Q4_K": (0, 2), "Q6_K": (208,)}[kind]:
            scales = np.random.default_rng(4).uniform(0.001, 0.004, 64).astype(np.float16)
            raw[:, place : place + 2] = scales.view(np.uint8).reshape(64, 2)
    else:
        raw = quantize(values, chosen)
    places = {"Q8_0": (0,), "Q4_0": (0,), "Q4_K": (0, 2), "Q6_K": (208,), "BF16": (0,)}.get(kind, ())
    stored = np.array(raw)
    plain = dequantize(stored, chosen) if places else stored.astype(np.float32)
    if turned and places:
        size = gguf.constants.GGML_QUANT_SIZES[chosen][1]
        blocks = stored.view(np.uint8).reshape(-1, size).copy()
        for place in places:
            blocks[:, [place, place + 1]] = blocks[:, [place + 1, place]]
        stored = blocks.reshape(stored.view(np.uint8).shape)
    path = tmp_path / "model.gguf"
    writer = gguf.GGUFWriter(path, "gemma3", endianess=gguf.GGUFEndian.BIG)
    writer.add_block_count(1)
    writer.add_head_count(1)
    writer.add_tensor("token_embd.weight", np.ones((5, 8), np.float32))
    writer.add_tensor("blk.0.attn_q.weight", stored, raw_dtype=chosen)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    read = fpcore.open_checkpoint(path).roles["layers.0.attention.query.weight"].read()
    np.testing.assert_array_equal(read.float().numpy(), plain)


def test_parts_of_a_split_file(tmp_path: Path) -> None:
    whole = tmp_path / "whole.gguf"
    write(whole, "gemma2")
    plain = fpcore.open_checkpoint(whole)
    reader = gguf.GGUFReader(whole)
    folder = tmp_path / "parts"
    folder.mkdir()
    for number in range(3):
        writer = gguf.GGUFWriter(folder / f"m-0000{number + 1}-of-00003.gguf", "gemma2")
        writer.add_uint16("split.count", 3)
        if number == 0:  # only the first part has the model's metadata
            writer.add_block_count(LAYERS)
            writer.add_head_count(HEADS)
            writer.add_head_count_kv(KV_HEADS)
            writer.add_key_length(DIM)
            writer.add_value_length(DIM)
        for tensor in reader.tensors[number::3]:
            writer.add_tensor(tensor.name, np.array(tensor.data))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
    for given in (folder, folder / "m-00001-of-00003.gguf", folder / "m-00003-of-00003.gguf"):
        model = fpcore.open_checkpoint(given)
        assert set(model.roles) == set(plain.roles)
        for role, view in plain.roles.items():
            assert torch.equal(model.roles[role].read(), view.read())
        assert model.architecture.cell == plain.architecture.cell
    (folder / "m-00002-of-00003.gguf").unlink()
    with pytest.raises(fpcore.BadCheckpoint, match=r"m-00002-of-00003\.gguf: missing: .* is one of 3 parts"):
        fpcore.open_checkpoint(folder / "m-00001-of-00003.gguf")


def test_scales_beside_weights_multiply_them(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(1)
    writer.add_head_count([2])
    writer.add_head_count_kv([1])
    writer.add_tensor("token_embd.weight", np.ones((5, 8), np.float32))
    rows = np.arange(32, dtype=np.float32).reshape(4, 8)
    writer.add_tensor("blk.0.attn_v.weight", rows)
    writer.add_tensor("blk.0.attn_v.scale", np.full(1, 0.5, np.float32))
    writer.add_tensor("blk.0.attn_v.input_scale", np.full(1, 7.0, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    model = fpcore.open_checkpoint(path)
    np.testing.assert_array_equal(model.read("model.layers.0.self_attn.v_proj.weight").numpy(), rows / 2)


def test_an_architecture_that_is_not_known_is_refused(tmp_path: Path) -> None:
    """How its rows were turned is not known either."""
    path = tmp_path / "model.gguf"
    writer = gguf.GGUFWriter(path, "llama9")
    writer.add_block_count(1)
    writer.add_tensor("token_embd.weight", np.ones((5, 8), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(fpcore.BadCheckpoint, match="'llama9' is unknown"):
        fpcore.open_checkpoint(path)


def test_every_architecture_of_the_package_is_known() -> None:
    assert set(MODEL_ARCH_NAMES.values()) <= set(KNOWN) | set(NOT_READ)
    assert not set(KNOWN) & set(NOT_READ)
