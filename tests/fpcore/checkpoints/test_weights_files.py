"""Which files of a folder are a model's weights, told from their names and an index."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fpcore.checkpoints import weights_files
from fpcore.checkpoints.weights_files import OTHER_FORMATS, find_weights, parse_index
from fpcore.errors import BadCheckpoint
from fpcore.printable import printable


def folder(path: Path, names: str) -> Path:
    path.mkdir()
    for name in names.split():
        (path / name).parent.mkdir(exist_ok=True)
        (path / name).touch()
    return path


SHARDS = "model-00001-of-00002.safetensors model-00002-of-00002.safetensors"
FOUND = {
    "safetensors before torch": ("model.safetensors pytorch_model.bin", "model.safetensors", ""),
    "torch where there is nothing else": ("pytorch_model.bin config.json", "pytorch_model.bin", ""),
    "a file of any name": ("weights.safetensors", "weights.safetensors", ""),
    "any safetensors before torch": ("weights.safetensors pytorch_model-1.bin", "weights.safetensors", ""),
    "torch shards before other torch files": ("pytorch_model_2.bin a.pt", "pytorch_model_2.bin", ""),
    "a .pt file": ("weights.pt", "weights.pt", ""),
    "a .pth file": ("weights.pth", "weights.pth", ""),
    "a .ckpt file": ("weights.ckpt", "weights.ckpt", ""),
    "what is beside the model": (
        "model.safetensors adapter_model.safetensors MTP.safetensors",
        "model.safetensors",
        "MTP.safetensors adapter_model.safetensors",
    ),
    "beside it, of another tool": (
        "training_args.bin optimizer.pt own.pt",
        "own.pt",
        "",
    ),
    "all shards, whatever their order": (SHARDS, SHARDS, ""),
    "shards from 0": (
        "a-0-of-2.safetensors a-1-of-2.safetensors",
        "a-0-of-2.safetensors a-1-of-2.safetensors",
        "",
    ),
    "the model's shards among others": (
        f"{SHARDS} other-00001-of-00003.safetensors",
        SHARDS,
        "other-00001-of-00003.safetensors",
    ),
    "the model's own name among others": (
        f"model.fp16.safetensors {SHARDS}",
        SHARDS,
        "model.fp16.safetensors",
    ),
    "a variant, where nothing has the plain name": (
        "model.fp16.safetensors x.safetensors",
        "model.fp16.safetensors",
        "x.safetensors",
    ),
    "shards of a variant": (
        "model.fp16-1-of-1.safetensors x.safetensors",
        "model.fp16-1-of-1.safetensors",
        "x.safetensors",
    ),
    "torch shards before a variant": (
        "pytorch_model-1-of-1.bin pytorch_model.fp16.bin",
        "pytorch_model-1-of-1.bin",
        "",
    ),
    "the same in torch's words": ("pytorch_model.fp16.bin pytorch_models.bin", "pytorch_model.fp16.bin", ""),
    "parts of devices": (
        "consolidated.00.pth consolidated.01.pth",
        "consolidated.00.pth consolidated.01.pth",
        "",
    ),
    "one part": (
        "consolidated.safetensors tokenizer.safetensors",
        "consolidated.safetensors",
        "tokenizer.safetensors",
    ),
    "parts of devices, not what is like them": (
        "consolidated-1.safetensors consolidated_x.safetensors",
        "consolidated-1.safetensors",
        "consolidated_x.safetensors",
    ),
    "its own before parts of devices": ("own.pth consolidated.00.pth", "own.pth", ""),
}


@pytest.mark.parametrize("what", FOUND)
def test_what_is_read(what: str, tmp_path: Path) -> None:
    names, read, unread = FOUND[what]
    path = folder(tmp_path / "m", names)
    found = find_weights(path)
    assert [file.relative_to(path).as_posix() for file in found.files] == read.split()
    assert found.listed == {}
    assert found.unread == tuple(unread.split())


REFUSED = {
    "config.json": "no weights; there must be *.safetensors, pytorch_model*.bin or *.gguf beside config.json",
    "adapter_model.safetensors flax_model.msgpack": "an adapter without its model, and no "
    "adapter_config.json that names it; add that, or merge the adapter into the base model first",
    "one.bin two.bin three.bin four.bin": "4 weights files and no index (four.bin, one.bin, three.bin); give "
    "the one you mean",
    "a-1-of-2.bin a-1-of-3.bin": "2 weights files and no index (a, a); give the one you mean",
    "model.a.safetensors model.b.safetensors": "2 weights files and no index (model.a.safetensors, "
    "model.b.safetensors); give the one you mean",
    "a-00001-of-00003.bin a-00002-of-00003.bin": "shard 3 is missing and there is no index; fetch it again",
    "a-00002-of-00003.bin a-00003-of-00003.bin": "shard 1 is missing and there is no index; fetch it again",
    "a-0-of-3.bin a-2-of-3.bin": "shard 1 is missing and there is no index; fetch it again",
    "a-0-of-2.bin": "shard 1 is missing and there is no index; fetch it again",
} | {
    f"{place}x{suffix}": f"its weights are in the format of {tool} (*{suffix}); convert them to safetensors"
    for suffix, tool in OTHER_FORMATS.items()
    for place in ("", "below/")
}


@pytest.mark.parametrize("names", REFUSED)
def test_no_model(names: str, tmp_path: Path) -> None:
    path = folder(tmp_path / "m", names)
    with pytest.raises(BadCheckpoint) as caught:
        find_weights(path)
    assert str(caught.value) == f"{path}: {REFUSED[names]}"


def test_a_file_is_read_alone_unless_it_is_a_part_of_devices(tmp_path: Path) -> None:
    names = "a.safetensors b.bin c.pt d.pth e.ckpt model-00001-of-00002.safetensors"
    path = folder(tmp_path / "m", f"{names} consolidated.00.pth consolidated.01.pth consolidated.00.pt x.txt")
    for name in names.split():
        assert find_weights(path / name).files == (path / name,)
    parts = (path / "consolidated.00.pth", path / "consolidated.01.pth")
    assert find_weights(parts[1]).files == parts
    assert find_weights(parts[1]).unread == ()
    with pytest.raises(BadCheckpoint) as caught:
        find_weights(path / "x.txt")
    told = "not a weights file; give *.safetensors, *.bin or *.gguf"
    assert str(caught.value) == f"{path / 'x.txt'}: {told}"


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_an_index_says_what_is_where(name: str, tmp_path: Path) -> None:
    path = folder(tmp_path / "m", "b.x below/a.x more.safetensors")
    weight_map = {"one": "b.x", "two": "below/a.x", "three": "./b.x", "four": "below\\a.x"}
    (path / f"{name}.index.json").write_text(json.dumps({"weight_map": weight_map}))
    found = find_weights(path)
    assert found.files == (path / "b.x", path / "below" / "a.x")
    assert found.listed == {path / "b.x": ["one", "three"], path / "below" / "a.x": ["two", "four"]}
    assert found.unread == ("more.safetensors",)
    folder(path / "folder.x", "")
    for shard in ("folder.x", "gone.x", "\0.x", "n" * 300):
        (path / f"{name}.index.json").write_text(json.dumps({"weight_map": {"one": shard}}))
        with pytest.raises(BadCheckpoint) as caught:
            find_weights(path)
        told = f"missing, though {name}.index.json lists it; fetch the shard"
        assert str(caught.value) == f"{path / printable(shard)}: {told}"


NO_INDEX = {
    "[]": "x: not a weights index (no weight_map); fetch it again",
    '{"weight_map": []}': "x: not a weights index (no weight_map); fetch it again",
    '{"weight_map": {"t": 3}}': "x: shard 3 of tensor t is not a file name",
    '{"weight_map": {"s": "../a", "t": "../a"}}': "x: shard '../a' of tensor s is outside the directory",
    '{"weight_map": {"t": "a/../b"}}': "x: shard 'a/../b' of tensor t is outside the directory",
    '{"weight_map": {"t": "a\\\\..\\\\b"}}': r"x: shard 'a\\..\\b' of tensor t is outside the directory",
    '{"weight_map": {"t": "/a"}}': "x: shard '/a' of tensor t is outside the directory",
    '{"weight_map": {"t": "\\\\a"}}': r"x: shard '\\a' of tensor t is outside the directory",
    '{"weight_map": {"t": "C:/a"}}': "x: shard 'C:/a' of tensor t is outside the directory",
    '{"weight_map": {"t": ""}}': "x: shard '' of tensor t is outside the directory",
    '{"weight_map": {"t": "."}}': "x: shard '.' of tensor t is outside the directory",
}


@pytest.mark.parametrize("text", NO_INDEX)
def test_an_index_that_leads_nowhere(text: str) -> None:
    with pytest.raises(BadCheckpoint) as caught:
        parse_index(text.encode(), "x")
    assert str(caught.value) == NO_INDEX[text]


def test_an_index_has_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = b'{"weight_map": {"a": "1", "b": "2", "c": "2"}}'
    monkeypatch.setattr(weights_files, "MOST_SHARDS", 2)
    assert parse_index(text, "x") == {"1": ["a"], "2": ["b", "c"]}
    monkeypatch.setattr(weights_files, "MOST_SHARDS", 1)
    file = tmp_path / "model.safetensors.index.json"
    file.write_bytes(text)
    with pytest.raises(BadCheckpoint) as caught:
        find_weights(tmp_path)
    assert str(caught.value) == f"{file}: lists 2 shards; the limit is 1"
    monkeypatch.setattr(weights_files, "LARGEST_INDEX", 45)
    with pytest.raises(BadCheckpoint, match=r"^x: 46 bytes, too large for a weights index \(45 at most\)$"):
        parse_index(text, "x")
    with pytest.raises(BadCheckpoint, match=r"index\.json: more than 45 bytes"):
        find_weights(tmp_path)
