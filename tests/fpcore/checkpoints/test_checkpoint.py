"""Opening checkpoints: every layout of files, and one clear line for everything that can be wrong."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from tiny_models import TINY

import fpcore

LLAMA = next(tiny for tiny in TINY if tiny.model_type == "llama")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One model in every layout of files."""
    root = tmp_path_factory.mktemp("models")
    model = LLAMA.build()
    state = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    model.save_pretrained(root / "single")
    model.save_pretrained(root / "sharded", max_shard_size="6KB")
    for name in ("bin", "bins"):
        (root / name).mkdir()
        shutil.copy(root / "single" / "config.json", root / name)
    torch.save(state, root / "bin" / "pytorch_model.bin")
    names = sorted(state)
    weight_map = {}
    for number, part in enumerate((names[::2], names[1::2]), start=1):
        file = f"pytorch_model-0000{number}-of-00002.bin"
        torch.save({name: state[name] for name in part}, root / "bins" / file)
        weight_map |= dict.fromkeys(part, file)
    (root / "bins" / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": weight_map}))
    return {path.name: path for path in root.iterdir()}


@pytest.mark.parametrize("layout", ["single", "sharded", "bin", "bins"])
def test_every_layout_gives_the_same_model(models: dict[str, Path], layout: str) -> None:
    reference = fpcore.open_checkpoint(models["single"])
    model = fpcore.open_checkpoint(models[layout])
    assert model.name == layout
    assert dict(model.tensors) == dict(reference.tensors)
    for name in reference.tensors:
        assert torch.equal(model.read(name), reference.read(name))
    assert model.architecture == reference.architecture
    again = pickle.loads(pickle.dumps(model))
    assert torch.equal(again.read("model.norm.weight"), reference.read("model.norm.weight"))


@pytest.mark.parametrize("file", ["single/model.safetensors", "bin/pytorch_model.bin"])
def test_one_file_with_its_config_beside_it(models: dict[str, Path], file: str) -> None:
    folder, name = file.split("/")
    model = fpcore.open_checkpoint(models[folder] / name)
    assert model.name == Path(name).stem
    assert model.roles.depth == 2


def test_stored_types_are_kept(tmp_path: Path) -> None:
    model = LLAMA.build()
    for index, dtype in enumerate((torch.bfloat16, torch.float16, torch.float8_e4m3fn, torch.float8_e5m2)):
        folder = tmp_path / str(index)
        folder.mkdir()
        tensors = {name: tensor.to(dtype).contiguous() for name, tensor in model.state_dict().items()}
        save_file(tensors, folder / "model.safetensors")
        model.config.save_pretrained(folder)
        opened = fpcore.open_checkpoint(folder)
        read = opened.read("model.norm.weight")
        assert read.dtype == dtype
        assert f"torch.{opened.tensors['model.norm.weight'].dtype}" == str(dtype)
        assert torch.equal(read.float(), tensors["model.norm.weight"].float())


def test_digest_is_of_the_content(models: dict[str, Path], tmp_path: Path) -> None:
    original = fpcore.open_checkpoint(models["single"]).digest
    assert len(original) == 64
    copy = tmp_path / "copy"
    shutil.copytree(models["single"], copy)
    assert fpcore.open_checkpoint(copy).digest == original
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(dict(reversed(config.items())), indent=7))
    assert fpcore.open_checkpoint(copy).digest == original, "the spelling of the config does not count"
    (copy / "config.json").write_text(json.dumps(config | {"rms_norm_eps": 0.5}))
    assert fpcore.open_checkpoint(copy).digest != original
    shutil.copy(models["single"] / "config.json", copy)
    model = fpcore.open_checkpoint(copy)
    tensors = {name: model.read(name).clone() for name in model.tensors}
    tensors["model.norm.weight"][0] += 1
    save_file(tensors, copy / "model.safetensors", metadata={"format": "pt"})
    assert fpcore.open_checkpoint(copy).digest != original
    shutil.copy(models["single"] / "model.safetensors", copy)
    (copy / "tokenizer.json").write_text("{}")
    assert fpcore.open_checkpoint(copy).digest != original


def broken(path: Path, what: str) -> None:
    """Do to a copied model what can go wrong with one."""
    weights = path / "model.safetensors"
    if what == "no config":
        (path / "config.json").unlink()
    elif what == "config is not JSON":
        (path / "config.json").write_text("{")
    elif what == "config is a list":
        (path / "config.json").write_text("[]")
    elif what == "config without model_type":
        (path / "config.json").write_text('{"hidden_size": 4}')
    elif what == "config of another width":
        (path / "config.json").write_text(
            '{"model_type": "llama", "hidden_size": 4, "num_attention_heads": 1}'
        )
    elif what == "no weights":
        weights.unlink()
    elif what == "adapter":
        weights.rename(path / "adapter_model.safetensors")
    elif what == "truncated":
        weights.write_bytes(weights.read_bytes()[:-100])
    elif what == "truncated header":
        weights.write_bytes(weights.read_bytes()[:50])
    elif what == "empty file":
        weights.write_bytes(b"")
    elif what == "longer":
        weights.write_bytes(weights.read_bytes() + b"\0" * 64)
    elif what == "header of nonsense":
        weights.write_bytes((40).to_bytes(8, "little") + b"x" * 400)
    elif what == "no tensors":
        save_file({}, weights)
    elif what == "torch nonsense":
        weights.unlink()
        (path / "pytorch_model.bin").write_bytes(b"\x80\x02nonsense")
    elif what == "torch object":
        weights.unlink()
        torch.save([1, 2], path / "pytorch_model.bin")
    elif what == "two files":
        weights.rename(path / "one.safetensors")
        shutil.copy(path / "one.safetensors", path / "two.safetensors")
    elif what == "lonely shard":
        weights.rename(path / "model-00001-of-00002.safetensors")
    else:
        raise ValueError(what)


BROKEN = {
    "no config": r"no config\.json",
    "config is not JSON": r"config\.json: not JSON",
    "config is a list": r"config\.json: not a JSON object",
    "config without model_type": r"no `model_type`",
    "config of another width": r"hidden_size is 4, but the tensors show 16",
    "no weights": r"no weights; there must be",
    "adapter": r"an adapter without its adapter_config.json",
    "truncated": r"model\.safetensors: cut short: \d+ bytes where \d+ are needed; fetch it again",
    "truncated header": r"not a safetensors file, or cut short",
    "empty file": r"not a safetensors file, or cut short \(0 bytes\)",
    "longer": r"longer than its header says",
    "header of nonsense": r"not a safetensors header",
    "no tensors": r"contain no tensor",
    "torch nonsense": r"pytorch_model\.bin: not a readable torch weights file",
    "torch object": r"something other than named tensors",
    "two files": r"2 weights files and no index \(one\.safetensors, two\.safetensors\); give",
    "lonely shard": r"shard 2 is missing",
}


@pytest.mark.parametrize("what", BROKEN)
def test_what_is_broken_is_said_in_one_line(models: dict[str, Path], tmp_path: Path, what: str) -> None:
    path = tmp_path / "model"
    shutil.copytree(models["single"], path)
    broken(path, what)
    with pytest.raises(fpcore.BadCheckpoint, match=BROKEN[what]) as caught:
        _ = fpcore.open_checkpoint(path).architecture
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message or "model: config.json" in message


def test_shards_are_checked_before_any_work(models: dict[str, Path], tmp_path: Path) -> None:
    path = tmp_path / "model"
    shutil.copytree(models["sharded"], path)
    index_file = path / "model.safetensors.index.json"
    index = json.loads(index_file.read_text())
    shards = sorted(set(index["weight_map"].values()))
    assert len(shards) > 2

    def check(match: str) -> None:
        with pytest.raises(fpcore.BadCheckpoint, match=match):
            fpcore.open_checkpoint(path)

    moved = json.loads(index_file.read_text())
    moved["weight_map"]["model.norm.weight"] = next(
        s for s in shards if s != moved["weight_map"]["model.norm.weight"]
    )
    index_file.write_text(json.dumps(moved))
    check(r"tensor model\.norm\.weight is in this shard, but it is not")
    moved["weight_map"]["model.norm.weight"] = "../elsewhere.safetensors"
    index_file.write_text(json.dumps(moved))
    check(r"is outside the directory")
    index_file.write_text("{}")
    check(r"not a weights index")
    index_file.write_text(json.dumps(index))
    content = (path / shards[1]).read_bytes()
    (path / shards[1]).write_bytes(content[:-10])
    check(rf"{shards[1]}: cut short")
    (path / shards[1]).unlink()
    check(rf"{shards[1]}: missing, though model\.safetensors\.index\.json lists it")
    (path / shards[1]).write_bytes(content)
    index_file.unlink()
    assert len(fpcore.open_checkpoint(path).tensors) == len(index["weight_map"]), "complete without an index"


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(
        fpcore.BadCheckpoint, match=r"no such file or directory, and not of the form org/name"
    ):
        fpcore.open_checkpoint(tmp_path / "nowhere")
    with pytest.raises(fpcore.BadCheckpoint, match=r"no such file or directory"):
        fpcore.open_checkpoint("./nowhere")
    with pytest.raises(fpcore.BadCheckpoint, match=r"no model given"):
        fpcore.open_checkpoint("")
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(fpcore.BadCheckpoint, match=r"notes\.txt: not a weights file"):
        fpcore.open_checkpoint(tmp_path / "notes.txt")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(fpcore.BadCheckpoint, match=r"notes\.txt: not a weights file"):
        fpcore.open_checkpoint(tmp_path / "notes.txt")
    with pytest.raises(
        fpcore.BadCheckpoint, match=r"a revision \(main\) was requested, but this is a local path"
    ):
        fpcore.open_checkpoint(tmp_path, revision="main")


def test_pickles_do_not_run(models: dict[str, Path], tmp_path: Path) -> None:
    marker = tmp_path / "ran"

    class Evil:
        def __reduce__(self) -> Any:
            return (Path.touch, (marker,))

    path = tmp_path / "model"
    path.mkdir()
    shutil.copy(models["single"] / "config.json", path)
    for zipped in (True, False):
        torch.save({"a": Evil()}, path / "pytorch_model.bin", _use_new_zipfile_serialization=zipped)
        with pytest.raises(fpcore.BadCheckpoint, match="something other than named tensors"):
            fpcore.open_checkpoint(path)
        beside = {"args": Evil(), **LLAMA.build().state_dict()}
        torch.save(beside, path / "pytorch_model.bin", _use_new_zipfile_serialization=zipped)
        assert fpcore.open_checkpoint(path).roles.depth == 2
    assert not marker.exists()


def test_vocabulary(tmp_path: Path) -> None:
    file = tmp_path / "tokenizer.json"
    model = fpcore.MemoryCheckpoint("m", "0" * 64, {}, {}, tokenizer=file)
    added = [{"id": 2, "content": "<pad>"}]
    file.write_text(json.dumps({"model": {"vocab": {"a": 0, "b": 1}}, "added_tokens": added}))
    assert model.tokenizer_vocabulary() == {"a": 0, "b": 1, "<pad>": 2}
    file.write_text(json.dumps({"model": {"vocab": [["a", -1.0], ["b", -2.0]]}}))
    assert model.tokenizer_vocabulary() == {"a": 0, "b": 1}
    file.write_text("{}")
    with pytest.raises(fpcore.BadCheckpoint, match=r"tokenizer\.json: not a tokenizer"):
        model.tokenizer_vocabulary()
    assert fpcore.MemoryCheckpoint("m", "0" * 64, {}, {}).tokenizer_vocabulary() is None


def test_a_tokenizer_kept_elsewhere(models: dict[str, Path], tmp_path: Path) -> None:
    file = tmp_path / "shared.json"
    file.write_text(json.dumps({"model": {"vocab": {"a": 0}}}))
    with_tokenizer = fpcore.open_checkpoint(models["single"], tokenizer=file, name="shown")
    assert with_tokenizer.tokenizer_vocabulary() == {"a": 0}
    assert with_tokenizer.name == "shown"
    assert with_tokenizer.digest != fpcore.open_checkpoint(models["single"]).digest
