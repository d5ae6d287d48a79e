"""GGUF files on the hub: the header and then what is read; the same values as from the file on disk."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
import torch
from loopback_hub import LoopbackHub, loopback_hub
from test_gguf import MODELS, write

import fpcore
from fpcore.checkpoints.gguf_header import read_gguf_header

gguf = pytest.importorskip("gguf")


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[LoopbackHub]:
    with loopback_hub(tmp_path / "cache") as served:
        yield served


@pytest.mark.thorough
@pytest.mark.parametrize("architecture", sorted(MODELS))
def test_values_are_those_of_the_file(hub: LoopbackHub, tmp_path: Path, architecture: str) -> None:
    MODELS[architecture].save(tmp_path / "hub")
    path = tmp_path / "small-Q8_0.gguf"
    write(path, fpcore.open_checkpoint(tmp_path / "hub"), architecture, gguf.GGMLQuantizationType.Q8_0)
    local = fpcore.open_checkpoint(path)
    hub.repository("org/one").add({"small-Q8_0.gguf": path.read_bytes(), "README.md": b"x"})
    remote = fpcore.open_checkpoint("org/one")
    assert remote.path is None
    assert remote.digest == local.digest
    assert remote.architecture == local.architecture
    for role, view in local.roles.items():
        assert torch.equal(remote.roles[role].read(), view.read()), role
    again = pickle.loads(pickle.dumps(remote))
    assert torch.equal(again.read("model.norm.weight"), local.read("model.norm.weight"))
    fresh = fpcore.open_checkpoint("org/one")
    fresh.prefetch(fresh.tensors)
    hub.forget()
    assert torch.equal(fresh.read("model.norm.weight"), local.read("model.norm.weight"))
    assert not hub.seen
    fresh.let_go()
    assert torch.equal(fresh.read("model.norm.weight"), local.read("model.norm.weight"))


def test_only_what_is_read_is_fetched(
    hub: LoopbackHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fpcore.remote.remote_file.FIRST", 1024)
    monkeypatch.setattr("fpcore.checkpoints.remote_files.AHEAD", 256)
    MODELS["qwen2moe"].save(tmp_path / "hub")
    model = fpcore.open_checkpoint(tmp_path / "hub")
    path = tmp_path / "small.gguf"
    write(path, model, "qwen2moe")
    hub.repository("org/one").add({"small.gguf": path.read_bytes()})
    remote = fpcore.open_checkpoint("org/one")
    hub.forget()
    role = "layers.1.feed_forward.experts.2.down.weight"
    assert torch.equal(remote.roles[role].read(), model.roles[role].read())
    assert hub.sent == 4 * model.roles[role].size, "one expert of the stack"


def test_one_of_several_files_is_named(hub: LoopbackHub, tmp_path: Path) -> None:
    MODELS["llama"].save(tmp_path / "hub")
    model = fpcore.open_checkpoint(tmp_path / "hub")
    files = {}
    for kind in ("Q8_0", "Q4_0"):
        path = tmp_path / f"small-{kind}.gguf"
        write(path, model, "llama", gguf.GGMLQuantizationType[kind])
        files[path.name] = path.read_bytes()
    hub.repository("org/several").add(files)
    with pytest.raises(fpcore.BadCheckpoint, match=r"^org/several: 2 GGUF files; give the one you mean"):
        fpcore.open_checkpoint("org/several")
    for name in ("org/several:Q4_0", "org/several@main:q4_0", "org/several:small-Q4_0.gguf"):
        remote = fpcore.open_checkpoint(name)
        assert remote.digest == fpcore.open_checkpoint(tmp_path / "small-Q4_0.gguf").digest
        assert remote.name == name
    with pytest.raises(fpcore.BadCheckpoint, match=r"^org/several:Q5_1: 0 files on the hub are called Q5_1"):
        fpcore.open_checkpoint("org/several:Q5_1")
    with pytest.raises(fpcore.BadCheckpoint, match=r"2 files on the hub are called 0; name one of them"):
        fpcore.open_checkpoint("org/several:0")


def test_a_header_ends_where_the_package_says(tmp_path: Path) -> None:
    MODELS["llama"].save(tmp_path / "hub")
    path = tmp_path / "small.gguf"
    write(path, fpcore.open_checkpoint(tmp_path / "hub"), "llama")
    content = path.read_bytes()
    end = read_gguf_header(BytesIO(content))
    reader = gguf.GGUFReader(path)
    assert end <= reader.data_offset < end + reader.alignment


@pytest.mark.parametrize("length", [0, 3, 10, 23, 100, 500])
def test_a_header_that_is_none_is_told(hub: LoopbackHub, tmp_path: Path, length: int) -> None:
    MODELS["llama"].save(tmp_path / "hub")
    path = tmp_path / "small.gguf"
    write(path, fpcore.open_checkpoint(tmp_path / "hub"), "llama")
    hub.repository("org/bad").add({"small.gguf": path.read_bytes()[:length]})
    with pytest.raises(fpcore.BadCheckpoint, match=r"^org/bad@\w{12}/small\.gguf: not a readable GGUF file"):
        fpcore.open_checkpoint("org/bad")
    with pytest.raises(ValueError, match=r".+"):
        read_gguf_header(BytesIO(b"GGUF" + b"\xff" * 1000))
