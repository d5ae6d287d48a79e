"""Checkpoints on disk, of a few numbers: what is opened, where each tensor is, and what is refused."""

from __future__ import annotations

import hashlib
import json
import pickle
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from fpcore.checkpoints import local_files
from fpcore.checkpoints.content import config_digest
from fpcore.checkpoints.local_files import LocalCheckpoint
from fpcore.errors import BadCheckpoint
from fpcore.storage.flat_tensor import HeldTensor, TensorInFile
from fpcore.storage.tensor_source import TensorInfo

A, B = torch.arange(6.0).reshape(2, 3), torch.arange(4.0) - 7
CONFIG = {"model_type": "any"}


def folder(path: Path, files: Mapping[str, Mapping[str, torch.Tensor]], **other: object) -> Path:
    path.mkdir()
    for name, tensors in files.items():
        if name.endswith("safetensors"):
            save_file(dict(tensors), path / name)
        else:
            torch.save(tensors, path / name)
    for name, content in ({"config": CONFIG} | other).items():
        (path / f"{name}.json").write_text(json.dumps(content))
    return path


def test_a_model_is_called_by_its_folder_or_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder(tmp_path / "m.x", {"model.safetensors": {"a": A}, "b.safetensors": {"a": A}})
    model = LocalCheckpoint(path)
    assert (model.name, model.path, model.unread_files) == ("m.x", path, ("b.safetensors",))
    assert LocalCheckpoint(path, name="shown").name == "shown"
    single = LocalCheckpoint(path / "b.safetensors")
    assert (single.name, single.path, single.unread_files) == ("b", path / "b.safetensors", ())
    monkeypatch.chdir(path)
    assert LocalCheckpoint(".").name == "m.x"
    monkeypatch.setenv("HOME", str(tmp_path))
    assert LocalCheckpoint("~/m.x").path == path


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_tensors_are_known_and_read(name: str, tmp_path: Path) -> None:
    path = folder(tmp_path / "m", {name: {"a": A, "b": B}, "note.safetensors": {}})
    model = LocalCheckpoint(path)
    assert model.config == CONFIG
    assert model.tensors == {"a": TensorInfo((2, 3), "float32"), "b": TensorInfo((4,), "float32")}
    model.read("a")
    again = pickle.loads(pickle.dumps(model))
    for one in (model, again):
        for _ in range(2):
            assert torch.equal(one.read("a"), A)
            flat = one.flat("b")
            assert isinstance(flat, TensorInFile)
            assert flat.read(0, flat.size).tolist() == B.tolist()
            one.close_files()
    assert (model.file_of("a"), model.file_of("other")) == (str(path / name), str(path))
    assert model.stored_in("b") == [(path / name, "b")]


def test_files_are_opened_once_and_again_after_they_were_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    for function in ("safe_open", "read_torch_file"):
        real = getattr(local_files, function)

        def noting(file: Path, real: object = real, **options: object) -> object:
            opened.append(file.name)
            return real(file, **options)  # type: ignore[operator]

        monkeypatch.setattr(local_files, function, noting)
    for name in ("model.safetensors", "pytorch_model.bin"):
        opened.clear()
        model = LocalCheckpoint(folder(tmp_path / name, {name: {"a": A, "b": B}}))
        for key in ("a", "b", "a"):
            model.read(key)
            model.flat(key)
        assert opened == [name]
        model.close_files()
        model.flat("a")
        model.read("a")
        assert opened == [name, name]


def test_what_cannot_be_read_in_stretches_is_read_whole(tmp_path: Path) -> None:
    tensors = {"turned": A.T, "numbers": torch.arange(3)}
    model = LocalCheckpoint(folder(tmp_path / "m", {"pytorch_model.bin": tensors}))
    turned = model.flat("turned")
    assert isinstance(turned, HeldTensor)
    assert turned.read(0, 6).tolist() == A.T.reshape(-1).tolist()
    model = LocalCheckpoint(folder(tmp_path / "n", {"model.safetensors": {"numbers": torch.arange(3)}}))
    numbers = model.flat("numbers")
    assert isinstance(numbers, HeldTensor)
    assert numbers.read(0, 3).tolist() == [0, 1, 2]


SHARDS = {"one.safetensors": {"a": A}, "two.safetensors": {"b": B, "more": B + 1}}


def indexed(path: Path, weight_map: dict[str, str], files: Mapping[str, Mapping[str, torch.Tensor]]) -> Path:
    made = folder(path, files)
    (made / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    return made


def test_what_a_shard_holds_beyond_its_index_is_read(tmp_path: Path) -> None:
    path = indexed(tmp_path / "m", {"a": "one.safetensors", "b": "two.safetensors"}, SHARDS)
    model = LocalCheckpoint(path)
    assert list(model.tensors) == ["a", "b", "more"]
    assert model.file_of("more") == str(path / "two.safetensors")
    assert torch.equal(model.read("more"), B + 1)
    # What an index places elsewhere is taken from there alone.
    twice = SHARDS | {"one.safetensors": {"a": A, "b": B + 1}}
    path = indexed(tmp_path / "n", {"a": "one.safetensors", "b": "two.safetensors"}, twice)
    assert torch.equal(LocalCheckpoint(path).read("b"), B)


def test_shards_that_contradict_their_index_or_each_other(tmp_path: Path) -> None:
    path = indexed(tmp_path / "m", {"a": "two.safetensors", "b": "two.safetensors"}, SHARDS)
    with pytest.raises(BadCheckpoint) as caught:
        LocalCheckpoint(path)
    told = "the index says that tensor a is in this shard, but it is not; fetch the shard and the index again"
    assert str(caught.value) == f"{path / 'two.safetensors'}: {told}, from one revision"
    twice = {f"model-{n}-of-2.safetensors": {"a": A, str(n): B} for n in (1, 2)}
    path = folder(tmp_path / "n", twice)
    with pytest.raises(BadCheckpoint) as caught:
        LocalCheckpoint(path)
    second = path / "model-2-of-2.safetensors"
    assert str(caught.value) == f"{second}: tensor a is also in model-1-of-2.safetensors"
    for path in (folder(tmp_path / "o", {"model.safetensors": {}}), indexed(tmp_path / "p", {}, SHARDS)):
        with pytest.raises(BadCheckpoint) as caught:
            LocalCheckpoint(path)
        assert str(caught.value) == f"{path}: the weights files contain no tensor; fetch them again"


def test_a_tensor_that_went_with_its_file(tmp_path: Path) -> None:
    for name in ("model.safetensors", "pytorch_model.bin"):
        path = folder(tmp_path / name, {name: {"a": A}})
        model = LocalCheckpoint(path)
        (path / name).unlink()
        told = (
            rf"^{path / name}: (tensor a cannot be read \(.*No such file.*\); fetch it again|cannot be read)"
        )
        with pytest.raises(BadCheckpoint, match=told):
            model.read("a")


def test_the_digest_is_of_config_weights_and_tokenizer(tmp_path: Path) -> None:
    path = folder(tmp_path / "m", {f"model-{n}-of-2.safetensors": {str(n): A} for n in (1, 2)})
    contents = [(path / f"model-{n}-of-2.safetensors").read_bytes() for n in (1, 2)]
    parts = [hashlib.sha256(content).digest() for content in contents]
    expected = hashlib.sha256(b"".join([config_digest(CONFIG), *parts]))
    assert LocalCheckpoint(path).digest == expected.hexdigest()
    assert LocalCheckpoint(path).tokenizer_file() is None
    tokens = path / "tokenizer.json"
    tokens.write_text("{}")
    expected.update(hashlib.sha256(b"{}").digest())
    assert LocalCheckpoint(path).digest == expected.hexdigest()
    assert LocalCheckpoint(path).tokenizer_file() == tokens
    other = tmp_path / "other.json"
    other.write_text("{}")
    elsewhere = LocalCheckpoint(path, tokenizer=str(other))
    assert elsewhere.tokenizer_file() == other
    assert elsewhere.digest == expected.hexdigest()


def test_as_many_files_are_digested_at_a_time_as_there_are_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    monkeypatch.setattr(local_files, "file_digests", lambda files, threads: asked.append(threads) or [])
    model = LocalCheckpoint(folder(tmp_path / "m", {"model.safetensors": {"a": A}}))
    model.threads = 7
    assert len(model.digest) == 64
    assert asked == [7]


# --- files of Meta and Mistral ----------------------------------------------------------------------------


def part(rank: int, ranks: int) -> dict[str, torch.Tensor]:
    """What one of several devices holds of a model of one layer."""
    whole = {
        "tok_embeddings.weight": torch.arange(80.0).reshape(10, 8),
        "norm.weight": torch.arange(8.0),
        "layers.0.attention.wq.weight": torch.arange(64.0).reshape(8, 8),
        "layers.0.attention.wo.weight": 100 + torch.arange(64.0).reshape(8, 8),
        "layers.0.feed_forward.w1.weight": torch.arange(96.0).reshape(12, 8),
    }
    done = {}
    for name, tensor in whole.items():
        axis = int("wo" in name)
        done[name] = tensor if tensor.ndim < 2 else tensor.chunk(ranks, axis)[rank].clone()
    return done


PARAMS = {"dim": 8, "n_heads": 2}
QUERY = "model.layers.0.self_attn.q_proj.weight"
NATIVE = "layers.0.attention.wq.weight"


@pytest.mark.parametrize("ranks", [1, 2])
def test_parts_of_devices_are_put_together(ranks: int, tmp_path: Path) -> None:
    files = {f"consolidated.0{rank}.pth": part(rank, ranks) for rank in range(ranks)}
    path = folder(tmp_path / "m", files, params=PARAMS)
    assert "hidden_size" not in LocalCheckpoint(path).config, "a config.json comes first"
    (path / "config.json").unlink()
    model = LocalCheckpoint(path)
    assert (model.config["hidden_size"], model.config["vocab_size"]) == (8, 10)
    assert model.config["intermediate_size"] == 12
    query, output = QUERY, QUERY.replace("q_proj", "o_proj")
    assert {name: model.tensors[name] for name in (query, output, "model.norm.weight")} == {
        query: TensorInfo((8, 8), "float32"),
        output: TensorInfo((8, 8), "float32"),
        "model.norm.weight": TensorInfo((8,), "float32"),
    }
    whole = part(0, 1)
    order = [0, 2, 1, 3, 4, 6, 5, 7]
    assert torch.equal(model.read(query), whole[NATIVE][order])
    assert torch.equal(model.read(output), whole["layers.0.attention.wo.weight"])
    assert torch.equal(model.read("model.norm.weight"), whole["norm.weight"])
    assert model.flat(query).read(0, 64).tolist() == model.read(query).reshape(-1).tolist()
    stored = [path / name for name in files]
    assert model.stored_in(query) == [(file, NATIVE) for file in stored]
    assert model.file_of(query) == str(stored[0])


def test_parts_of_two_models(tmp_path: Path) -> None:
    files = {"consolidated.00.pth": part(0, 2), "consolidated.01.pth": part(0, 1)}
    path = folder(tmp_path / "m", files, params=PARAMS)
    (path / "config.json").unlink()
    with pytest.raises(BadCheckpoint) as caught:
        LocalCheckpoint(path)
    told = "tensor tok_embeddings.weight of shape (10, 8) is (5, 8) in consolidated.00.pth"
    assert str(caught.value) == f"{path / 'consolidated.01.pth'}: {told}; are they parts of one model?"


def test_parameters_are_told_by_their_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder(tmp_path / "m", {"consolidated.00.pth": part(0, 1)}, params={})
    (path / "config.json").unlink()
    params = path / "params.json"
    with pytest.raises(BadCheckpoint, match=rf"^{params}: no params\.json of a Llama"):
        LocalCheckpoint(path)
    params.write_text("[1]")
    with pytest.raises(BadCheckpoint, match=rf"^{params}: not a JSON object"):
        LocalCheckpoint(path)
    monkeypatch.setattr(local_files, "LARGEST", 2)
    with pytest.raises(BadCheckpoint, match=rf"^{params}: more than 2 bytes"):
        LocalCheckpoint(path)
    params.unlink()
    with pytest.raises(BadCheckpoint, match=r"no config\.json"):
        LocalCheckpoint(path)


def test_parameters_beside_other_files_are_not_read(tmp_path: Path) -> None:
    path = folder(tmp_path / "m", {"model.safetensors": {"a": A}}, params=PARAMS)
    (path / "config.json").unlink()
    with pytest.raises(BadCheckpoint, match=r"no config\.json"):
        LocalCheckpoint(path)


def test_what_a_file_beside_the_config_says_of_the_weights(tmp_path: Path) -> None:
    said = {"quantization": {"quant_algo": "FP8"}}
    path = folder(tmp_path / "m", {"model.safetensors": {"a": A}}, hf_quant_config=said)
    config = LocalCheckpoint(path).config
    assert config["quantization_config"] == {"quant_algo": "FP8", "quant_method": "modelopt FP8"}
