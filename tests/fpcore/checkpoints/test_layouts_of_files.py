"""Files as people have them: pickles of every age, indices that lie, Meta's own layout."""

from __future__ import annotations

import json
import pickle
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from flat_reading import check_flat
from safetensors.torch import save_file
from tiny_models import TINY

import fpcore

LLAMA = next(tiny for tiny in TINY if tiny.model_type == "llama")
NORM = "model.norm.weight"


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hub")
    LLAMA.build(attention_bias=False, mlp_bias=False).save_pretrained(folder)
    return folder


def state(hub: Path) -> dict[str, torch.Tensor]:
    model = fpcore.open_checkpoint(hub)
    return {name: model.read(name).clone() for name in model.tensors}


def same(path: Path, hub: Path) -> fpcore.Checkpoint:
    model, plain = fpcore.open_checkpoint(path), fpcore.open_checkpoint(hub)
    assert set(model.roles) == set(plain.roles)
    for role, view in plain.roles.items():
        assert torch.equal(model.roles[role].read(), view.read()), role
    check_flat(model)
    return model


WRAPPED: dict[str, Any] = {
    "plain": lambda sd: sd,
    "parameters": lambda sd: {name: torch.nn.Parameter(tensor) for name, tensor in sd.items()},
    "state_dict": lambda sd: {"state_dict": sd, "epoch": 3, "args": Path("somewhere")},
    "model": lambda sd: {"model": sd, "optimizer": {"state": {0: {"exp_avg": sd[NORM]}}}},
    "loose tensors": lambda sd: {"rng": torch.get_rng_state(), "model": sd, "step": torch.tensor(3)},
    "module": lambda sd: {
        "module": {f"module.{name}": tensor for name, tensor in sd.items()},
        "version": "1",
    },
    "nothing beside": lambda sd: {**sd, "model.layers.0.self_attn._extra_state": None},
    "views": lambda sd: {**sd, NORM: torch.cat([torch.zeros(5), sd[NORM]])[5:]},
    "transposed": lambda sd: {name: t.T.contiguous().T if t.ndim == 2 else t for name, t in sd.items()},
}


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("kind", WRAPPED)
def test_pickles(hub: Path, tmp_path: Path, kind: str, zipped: bool) -> None:
    shutil.copy(hub / "config.json", tmp_path)
    file = tmp_path / "pytorch_model.bin"
    torch.save(WRAPPED[kind](state(hub)), file, _use_new_zipfile_serialization=zipped)
    model = same(tmp_path, hub)
    again = pickle.loads(pickle.dumps(model))
    assert torch.equal(again.read(next(iter(again.tensors))), model.read(next(iter(model.tensors))))


@pytest.mark.parametrize("zipped", [True, False])
def test_a_whole_module_is_read_without_its_code(zipped: bool, hub: Path, tmp_path: Path) -> None:
    linear = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Linear(2, 2))
    torch.save(linear, tmp_path / "pytorch_model.bin", _use_new_zipfile_serialization=zipped)
    shutil.copy(hub / "config.json", tmp_path)
    model = fpcore.open_checkpoint(tmp_path)
    assert torch.equal(model.read("0.weight"), linear[0].weight)
    assert set(model.tensors) == set(linear.state_dict())
    whole = LLAMA.build(attention_bias=False, mlp_bias=False)
    torch.save(whole, tmp_path / "pytorch_model.bin", _use_new_zipfile_serialization=zipped)
    same(tmp_path, hub)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float8_e4m3fn, torch.int8, torch.float64])
def test_element_types_of_pickles(tmp_path: Path, hub: Path, dtype: torch.dtype) -> None:
    shutil.copy(hub / "config.json", tmp_path)
    tensor = torch.randn(4, 3).mul(10).to(dtype)
    torch.save({"a": tensor, "empty": torch.empty(0, 3)}, tmp_path / "pytorch_model.bin")
    model = fpcore.open_checkpoint(tmp_path)
    assert model.read("a").dtype == dtype
    assert torch.equal(model.read("a").float(), tensor.float())
    assert model.read("empty").shape == (0, 3)
    check_flat(model)


@pytest.mark.parametrize("zipped", [True, False])
def test_pickled_views_are_read_as_they_are(tmp_path: Path, hub: Path, zipped: bool) -> None:
    shutil.copy(hub / "config.json", tmp_path)
    base = torch.arange(60.0).reshape(6, 10)
    views = {
        "whole": base,
        "turned": base.T,
        "rows": base[2:4],
        "columns": base[:, 3:7],
        "one": base[1:2, 4:5],
    }
    torch.save(views, tmp_path / "pytorch_model.bin", _use_new_zipfile_serialization=zipped)
    model = fpcore.open_checkpoint(tmp_path)
    assert {name: model.read(name).tolist() for name in views} == {n: v.tolist() for n, v in views.items()}
    check_flat(model)


def test_damaged_pickles_are_one_line(hub: Path, tmp_path: Path) -> None:
    shutil.copy(hub / "config.json", tmp_path)
    file = tmp_path / "pytorch_model.bin"
    for zipped in (True, False):
        torch.save(state(hub), file, _use_new_zipfile_serialization=zipped)
        content = file.read_bytes()
        for length in (0, 3, 60, len(content) // 2, len(content) - 40):
            file.write_bytes(content[:length])
            with pytest.raises(fpcore.BadCheckpoint, match=r"pytorch_model\.bin: ") as caught:
                fpcore.open_checkpoint(tmp_path)
            assert "\n" not in str(caught.value)


def test_a_pickle_that_lost_one_tensor_silences_what_needs_it(hub: Path, tmp_path: Path) -> None:
    shutil.copy(hub / "config.json", tmp_path)
    whole, file = tmp_path / "whole", tmp_path / "pytorch_model.bin"
    tensors = state(hub)
    torch.save(tensors, whole)
    lost = list(tensors).index("lm_head.weight")
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(file, "w") as new:
        for member in old.infolist():
            if not member.filename.endswith(f"/data/{lost}"):
                new.writestr(member.filename, old.read(member))
    whole.unlink()
    model = fpcore.open_checkpoint(tmp_path)
    with pytest.raises(
        fpcore.UnreadableTensor, match=r"pytorch_model\.bin: tensor lm_head\.weight cannot be"
    ):
        model.roles["unembedding.weight"].read()
    assert fpcore.metric("attention-std").fingerprint(model).arrays


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    ("without", "reason"),
    [
        (lambda tensor: tensor.to_sparse(), "it is sparse; save the model with tensor.to_dense()"),
        (lambda tensor: tensor.to_sparse_csr(), "it is sparse; save the model with tensor.to_dense()"),
        (lambda tensor: tensor.to("meta"), "it is on the meta device and has no numbers"),
        (
            lambda tensor: torch.quantize_per_tensor(tensor.float(), 0.01, 0, torch.qint8),
            "it is of a quantised torch type; save it with tensor.dequantize()",
        ),
    ],
    ids=["sparse", "csr", "meta", "quantised"],
)
def test_a_tensor_without_plain_numbers_silences_what_needs_it(
    hub: Path, tmp_path: Path, without: Callable[[torch.Tensor], torch.Tensor], reason: str
) -> None:
    shutil.copy(hub / "config.json", tmp_path)
    name = "model.layers.0.self_attn.q_proj.weight"
    tensors = state(hub)
    torch.save(tensors | {name: without(tensors[name])}, tmp_path / "pytorch_model.bin")
    model = fpcore.open_checkpoint(tmp_path)
    with pytest.raises(fpcore.UnreadableTensor) as caught:
        fpcore.metric("attention-std").fingerprint(model)
    assert f"pytorch_model.bin: tensor {name}: {reason}" in str(caught.value)
    whole = fpcore.metric("ffn-std").fingerprint(fpcore.open_checkpoint(hub))
    np.testing.assert_array_equal(
        fpcore.metric("ffn-std").fingerprint(model).arrays["up"], whole.arrays["up"]
    )


def parts(hub: Path) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    tensors = state(hub)
    names = sorted(tensors)
    return {n: tensors[n] for n in names[::2]}, {n: tensors[n] for n in names[1::2]}


def sharded(hub: Path, folder: Path, below: str = "") -> dict[str, str]:
    (folder / below).mkdir(parents=True, exist_ok=True)
    shutil.copy(hub / "config.json", folder)
    weight_map = {}
    for number, part in enumerate(parts(hub), start=1):
        name = f"{below}model-0000{number}-of-00002.safetensors"
        save_file(part, folder / name)
        weight_map |= dict.fromkeys(part, name)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    return weight_map


def test_shards_in_a_sub_folder(hub: Path, tmp_path: Path) -> None:
    sharded(hub, tmp_path, "weights/")
    same(tmp_path, hub)


def test_an_index_that_omits_a_tensor(hub: Path, tmp_path: Path) -> None:
    weight_map = sharded(hub, tmp_path)
    del weight_map[NORM]
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    assert "final_norm.weight" in same(tmp_path, hub).roles


@pytest.mark.parametrize(
    "outside", ["../other.safetensors", "/etc/other.safetensors", "a/../../b.safetensors"]
)
def test_an_index_that_leads_out_of_its_folder(hub: Path, tmp_path: Path, outside: str) -> None:
    sharded(hub, tmp_path)
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {NORM: outside}}))
    with pytest.raises(fpcore.BadCheckpoint, match="is outside the directory"):
        fpcore.open_checkpoint(tmp_path)


def test_files_beside_the_model_are_named(hub: Path, tmp_path: Path) -> None:
    sharded(hub, tmp_path)
    (tmp_path / "model.safetensors.index.json").unlink()
    for name in ("consolidated.safetensors", "mtp.safetensors", "model.fp16.safetensors"):
        save_file({"tok_embeddings.weight": torch.ones(2, 2)}, tmp_path / name)
    model = same(tmp_path, hub)
    assert set(model.apart) == {
        "the file consolidated.safetensors",
        "the file mtp.safetensors",
        "the file model.fp16.safetensors",
    }


def test_a_pointer_instead_of_the_file(hub: Path, tmp_path: Path) -> None:
    shutil.copy(hub / "config.json", tmp_path)
    (tmp_path / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    with pytest.raises(
        fpcore.BadCheckpoint, match=r"a Git LFS pointer, not the weights .*; run git lfs pull"
    ):
        fpcore.open_checkpoint(tmp_path)


def test_another_tools_weights_are_named(hub: Path, tmp_path: Path) -> None:
    shutil.copy(hub / "config.json", tmp_path)
    (tmp_path / "flax_model.msgpack").write_bytes(b"x")
    with pytest.raises(fpcore.BadCheckpoint, match=r"in the format of Flax \(\*\.msgpack\); convert them"):
        fpcore.open_checkpoint(tmp_path)


def test_the_quantisation_that_a_file_beside_the_config_states(hub: Path, tmp_path: Path) -> None:
    shutil.copytree(hub, tmp_path, dirs_exist_ok=True)
    stated = {"quantization": {"quant_algo": "FP8", "exclude_modules": ["lm_head"]}}
    (tmp_path / "hf_quant_config.json").write_text(json.dumps(stated))
    config = fpcore.open_checkpoint(tmp_path).config
    assert config["quantization_config"] == stated["quantization"] | {"quant_method": "modelopt FP8"}


META = {
    "model.embed_tokens": "tok_embeddings",
    "model.norm": "norm",
    "lm_head": "output",
    "self_attn.q_proj": "attention.wq",
    "self_attn.k_proj": "attention.wk",
    "self_attn.v_proj": "attention.wv",
    "self_attn.o_proj": "attention.wo",
    "mlp.gate_proj": "feed_forward.w1",
    "mlp.down_proj": "feed_forward.w2",
    "mlp.up_proj": "feed_forward.w3",
    "input_layernorm": "attention_norm",
    "post_attention_layernorm": "ffn_norm",
    "model.layers": "layers",
}


def as_meta(hub: Path) -> dict[str, torch.Tensor]:
    """The model as Meta would have published it: row i of a head's first half beside that of its second."""
    model = fpcore.open_checkpoint(hub)
    done = {}
    for name, tensor in state(hub).items():
        for part, heads in (("q_proj", model.architecture.heads), ("k_proj", model.architecture.kv_heads)):
            if part in name:
                size = len(tensor) // heads
                rows = [
                    h * size + i + j * size // 2
                    for h in range(heads)
                    for i in range(size // 2)
                    for j in (0, 1)
                ]
                tensor = tensor[rows]
        for ours, theirs in META.items():
            name = name.replace(ours, theirs)
        done[name] = tensor
    # The second Llama stores the frequencies of its positions once, the first once a layer.
    return done | {
        "rope.freqs": torch.ones(2),
        "layers.0.attention.inner_attention.rope.freqs": torch.ones(2),
    }


PARAMS = {"dim": 16, "n_layers": 2, "n_heads": 4, "n_kv_heads": 2, "norm_eps": 1e-6, "vocab_size": -1}


@pytest.mark.parametrize("with_config", [True, False])
@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize("cut", [0, 1])
def test_metas_own_files(hub: Path, tmp_path: Path, with_config: bool, ranks: int, cut: int) -> None:
    """Parts of several devices are put together: some cut along their rows, some along their columns."""
    for rank in range(ranks):
        part = {}
        for name, tensor in as_meta(hub).items():
            columns = name.endswith(("wo.weight", "w2.weight")) or (cut == 1 and "tok_embeddings" in name)
            part[name] = tensor if tensor.ndim < 2 else tensor.chunk(ranks, int(columns))[rank].clone()
        torch.save(part, tmp_path / f"consolidated.0{rank}.pth")
    (tmp_path / "params.json").write_text(json.dumps(PARAMS))
    if with_config:
        shutil.copy(hub / "config.json", tmp_path)
    model = same(tmp_path, hub)
    assert model.architecture.cell == fpcore.open_checkpoint(hub).architecture.cell
    same(tmp_path / "consolidated.00.pth", hub)


def test_tied_models_that_save_only_the_head(hub: Path, tmp_path: Path) -> None:
    tensors = state(hub)
    tensors["lm_head.weight"] = tensors.pop("model.embed_tokens.weight")
    save_file(tensors, tmp_path / "model.safetensors")
    config = json.loads((hub / "config.json").read_text()) | {"tie_word_embeddings": True}
    (tmp_path / "config.json").write_text(json.dumps(config))
    model = fpcore.open_checkpoint(tmp_path)
    assert torch.equal(model.roles["embedding.weight"].read(), tensors["lm_head.weight"])
    assert "unembedding.weight" not in model.roles
