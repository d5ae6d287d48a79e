"""Models on the hub are read as the same files on disk are, by headers and ranges."""

from __future__ import annotations

import json
import pickle
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from large_repository import large_repository
from loopback_hub import Content, LoopbackHub, loopback_hub
from safetensors.torch import load_file, save, save_file
from tiny_models import TINY

import fpcore
from fpcore.remote.folder import Fetching
from fpcore.remote.spans import merged


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[LoopbackHub]:
    with loopback_hub(tmp_path / "cache") as served:
        yield served


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One model in each layout that the hub has it in."""
    here = tmp_path_factory.mktemp("saved")
    tiny = next(tiny for tiny in TINY if tiny.model_type == "phi3")
    model = tiny.build(hidden_size=64, intermediate_size=96)
    for name, size in (("single", "1GB"), ("sharded", "40KB")):
        model.save_pretrained(here / name, max_shard_size=size)
        (here / name / "tokenizer.json").write_text(json.dumps({"model": {"vocab": {"a": 0}}}))
    state = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    for name, zipped in (("zip", True), ("legacy", False)):
        (here / name).mkdir()
        torch.save(state, here / name / "pytorch_model.bin", _use_new_zipfile_serialization=zipped)
    (here / "parts").mkdir()
    keys = list(state)
    shards = {f"pytorch_model-0000{n + 1}-of-00002.bin": keys[n::2] for n in range(2)}
    for shard, names in shards.items():
        torch.save({key: state[key] for key in names}, here / "parts" / shard)
    weight_map = {key: shard for shard, names in shards.items() for key in names}
    index = {"metadata": {}, "weight_map": weight_map}
    (here / "parts" / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    # As old repositories are: every framework's weights side by side.
    shutil.copytree(here / "zip", here / "beside")
    shutil.copy(here / "single" / "model.safetensors", here / "beside")
    (here / "beside" / "flax_model.msgpack").write_bytes(b"other")
    for name in ("zip", "legacy", "parts", "beside"):
        shutil.copy(here / "single" / "config.json", here / name)
    return {path.name: path for path in here.iterdir()}


LAYOUTS = ("single", "sharded", "zip", "legacy", "parts", "beside")


@pytest.fixture
def served(hub: LoopbackHub, saved: dict[str, Path]) -> LoopbackHub:
    for name, folder in saved.items():
        hub.add_folder(f"org/{name}", folder)
    return hub


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_remote_model_is_the_local_one(served: LoopbackHub, saved: dict[str, Path], name: str) -> None:
    local = fpcore.open_checkpoint(saved[name])
    remote = fpcore.open_checkpoint(f"org/{name}")
    assert remote.name == f"org/{name}"
    assert remote.path is None
    assert dict(remote.tensors) == dict(local.tensors)
    assert remote.digest == local.digest
    assert remote.architecture == local.architecture
    assert remote.unread_files == local.unread_files
    assert remote.tokenizer_vocabulary() == local.tokenizer_vocabulary()
    for key in local.tensors:
        assert torch.equal(remote.read(key), local.read(key))
        assert torch.equal(remote.read_rows(key, 1, 3), local.read_rows(key, 1, 3))
    again = pickle.loads(pickle.dumps(remote))
    assert torch.equal(again.read("model.norm.weight"), local.read("model.norm.weight"))
    assert [one for one in served.seen if one.server == "hub" and one.token != "Bearer hf_secret"] == []
    assert {one.token for one in served.seen if one.server == "store"} == {None}


@pytest.mark.parametrize("name", ["sharded", "zip", "legacy", "parts"])
def test_what_is_not_asked_for_is_not_fetched(
    served: LoopbackHub, saved: dict[str, Path], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fpcore.checkpoints.remote_files.FIRST", 4096)
    monkeypatch.setattr("fpcore.remote.remote_file.FIRST", 4096)
    monkeypatch.setattr("fpcore.checkpoints.remote_files.AHEAD", 512)
    remote = fpcore.open_checkpoint(f"org/{name}")
    fused = remote.roles["layers.1.attention.query.weight"]
    served.forget()
    for part in ("query", "key", "value"):
        remote.roles[f"layers.1.attention.{part}.weight"].read()
    size = 4 * remote.tensors[fused.source].size
    sent = sum(one.sent for one in served.seen)
    assert sent <= size + 4096, "the fused tensor once, and nothing else"
    assert len(served.ranges) <= 1
    # Storages of old files lie in an order of chance: this one may have come with what describes it.
    assert name == "legacy" or sent >= size - 4096


def test_neighbours_are_one_request_and_each_byte_comes_once(
    served: LoopbackHub, saved: dict[str, Path]
) -> None:
    remote = fpcore.open_checkpoint("org/single")
    remote.prefetch(remote.tensors)
    for name in remote.tensors:
        remote.read(name)
    file = saved["single"] / "model.safetensors"
    of_weights = [one for one in served.seen if one.server == "store"]
    assert sum(one.sent for one in of_weights) == file.stat().st_size
    assert len(of_weights) == 2, "the header, and all that is behind it"
    assert remote.fetched.bytes >= file.stat().st_size
    assert remote.fetch_size(remote.tensors) == 0
    assert 0 < remote.bytes_on_hub(remote.tensors) < file.stat().st_size


def test_rows_are_fetched_alone(served: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fpcore.checkpoints.remote_files.FIRST", 1024)
    remote = fpcore.open_checkpoint("org/single")
    name = "model.embed_tokens.weight"
    served.forget()
    rows = remote.read_rows(name, 3, 5)
    assert served.sent == 2 * 4 * remote.tensors[name].shape[1]
    assert torch.equal(rows, fpcore.open_checkpoint("org/beside").read(name)[3:5])
    assert torch.equal(remote.read_part(name, 4), rows[1])


def test_long_headers_take_a_second_request(
    served: LoopbackHub, saved: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fpcore.checkpoints.remote_files.FIRST", 64)
    remote = fpcore.open_checkpoint("org/single")
    assert len(served.ranges) == 2
    assert remote.digest == fpcore.open_checkpoint(saved["single"]).digest


def test_small_files_without_large_file_storage(served: LoopbackHub, saved: dict[str, Path]) -> None:
    served.large = ()
    remote = fpcore.open_checkpoint("org/single")
    local = fpcore.open_checkpoint(saved["single"])
    assert remote.digest == local.digest
    assert torch.equal(remote.read("model.norm.weight"), local.read("model.norm.weight"))


def test_revisions_are_models_of_their_own(hub: LoopbackHub, saved: dict[str, Path], tmp_path: Path) -> None:
    first = hub.add_folder("org/run", saved["single"], "main")
    other = tmp_path / "other"
    shutil.copytree(saved["single"], other)
    tensors = load_file(other / "model.safetensors")
    save_file({key: tensor + 1 for key, tensor in tensors.items()}, other / "model.safetensors")
    hub.add_folder("org/run", other, "step-1000/seed-3")
    folder = Fetching(tmp_path / "pieces")
    at_main = fpcore.open_checkpoint("org/run", fetching=folder)
    at_step = fpcore.open_checkpoint("org/run@step-1000/seed-3", fetching=folder)
    key = "model.norm.weight"
    gate = "model.layers.0.mlp.gate_up_proj.weight"
    assert torch.equal(at_step.read(gate), fpcore.open_checkpoint(other).read(gate))
    assert not torch.equal(at_step.read(gate), at_main.read(gate))
    assert at_step.digest != at_main.digest
    assert at_step.name == "org/run@step-1000/seed-3"
    assert fpcore.open_checkpoint(f"org/run@{first}").digest == at_main.digest
    assert torch.equal(at_main.read(key), fpcore.open_checkpoint(saved["single"]).read(key))


def test_a_commit_stays_though_the_branch_moves(
    served: LoopbackHub, saved: dict[str, Path], tmp_path: Path
) -> None:
    remote = fpcore.open_checkpoint("org/single")
    served.repository("org/single").add({"config.json": b"{}", "model.safetensors": b"other"})
    key = "model.norm.weight"
    assert torch.equal(remote.read(key), fpcore.open_checkpoint(saved["single"]).read(key))


@pytest.mark.usefixtures("served")
def test_refusals_are_one_clear_line(hub: LoopbackHub, saved: dict[str, Path]) -> None:
    def check(name: str, match: str, **options: Any) -> None:
        with pytest.raises(fpcore.BadCheckpoint, match=match) as caught:
            fpcore.open_checkpoint(name, **options)
        assert "\n" not in str(caught.value)
        assert "/tmp" not in str(caught.value), "a folder of ours says nothing to users"

    check("org/nothing", r"^org/nothing: no such local path, and no such model on the hub .*HF_TOKEN")
    check("org/single@nowhere", r"^org/single@nowhere: no such revision")
    check("org/single", r"no such revision", revision="nowhere")
    hub.gated.add("org/sharded")
    check("org/sharded", r"^org/sharded: gated on the hub; accept its terms there and set HF_TOKEN")
    hub.withdrawn.add("org/zip")
    check("org/zip", r"^org/zip: withdrawn: the hub no longer serves it")
    config = (saved["single"] / "config.json").read_bytes()
    hub.repository("org/bare").add({"README.md": b"x"})
    check("org/bare", r"no config\.json on the hub")
    hub.repository("org/bare").add({"config.json": config})
    check("org/bare", r"^org/bare: no weights; there must be")
    hub.repository("org/bare").add({"config.json": config, "tf_model.h5": b"x"})
    check("org/bare", r"^org/bare: its weights are in the format of TensorFlow")
    hub.repository("org/bare").add({"config.json": config, "pytorch_model.bin": b"x"})
    check("org/bare", r"^org/bare@\w{12}/pytorch_model\.bin: not a readable torch weights file")
    hub.repository("org/bare").add({"config.json": config, "model.safetensors": b"x" * 99})
    check("org/bare", r"^org/bare@\w{12}/model\.safetensors: not a safetensors file")
    index = json.dumps({"weight_map": {"a": "gone.safetensors"}}).encode()
    hub.repository("org/bare").add({"config.json": config, "model.safetensors.index.json": index})
    check("org/bare", r"gone\.safetensors: missing, though model\.safetensors\.index\.json lists it")


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "a/../../b", "a\\b", "C:/x", "a//b"])
def test_names_that_lead_elsewhere_are_refused(hub: LoopbackHub, name: str, tmp_path: Path) -> None:
    hub.repository("org/evil").add({"config.json": b"{}", name: b"x"})
    with pytest.raises(fpcore.BadCheckpoint, match="not a path within a repository"):
        fpcore.open_checkpoint("org/evil", fetching=Fetching(tmp_path / "pieces"))


def test_a_commit_that_is_a_path_is_refused(served: LoopbackHub, tmp_path: Path) -> None:
    served.commit_header = "../../../../escaped"
    with pytest.raises(fpcore.BadCheckpoint, match=r"calls its commit '\.\./\.\./.*not a commit"):
        fpcore.open_checkpoint("org/single", fetching=Fetching(tmp_path / "pieces", keep=True))
    assert not list(tmp_path.rglob("escaped"))


def test_pickles_run_nothing(hub: LoopbackHub, saved: dict[str, Path], tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, tuple[str]]:
            return Path.touch, (str(tmp_path / "ran"),)  # type: ignore[return-value]

    torch.save({"state_dict": {"a.weight": torch.ones(2)}, "x": Evil()}, tmp_path / "evil.bin")
    config = (saved["single"] / "config.json").read_bytes()
    content = (tmp_path / "evil.bin").read_bytes()
    hub.repository("org/evil").add({"config.json": config, "pytorch_model.bin": content})
    remote = fpcore.open_checkpoint("org/evil")
    assert torch.equal(remote.read("a.weight"), torch.ones(2))
    assert not (tmp_path / "ran").exists()


def test_an_adapter_on_the_hub_is_read_on_its_base(
    served: LoopbackHub, saved: dict[str, Path], tmp_path: Path
) -> None:
    target = "model.layers.0.mlp.down_proj"
    down, up = torch.randn(2, 96), torch.randn(64, 2)
    weights = save(
        {
            f"base_model.model.{target}.lora_A.weight": down,
            f"base_model.model.{target}.lora_B.weight": up,
        }
    )
    settings = {"peft_type": "LORA", "base_model_name_or_path": "org/single", "r": 2, "lora_alpha": 2}
    served.repository("org/adapter").add(
        {"adapter_config.json": json.dumps(settings).encode(), "adapter_model.safetensors": weights}
    )
    remote = fpcore.open_checkpoint("org/adapter")
    base = fpcore.open_checkpoint(saved["single"])
    role = "layers.0.feed_forward.down.weight"
    assert torch.allclose(remote.roles[role].read(), base.roles[role].read() + up @ down, atol=1e-5)
    # Its settings are a stranger's: they name models, not files on this machine.
    settings["base_model_name_or_path"] = str(saved["single"])
    served.repository("org/adapter").add(
        {"adapter_config.json": json.dumps(settings).encode(), "adapter_model.safetensors": weights}
    )
    with pytest.raises(fpcore.BadCheckpoint, match=r"not of the form org/name"):
        fpcore.open_checkpoint("org/adapter")


def test_offline_the_hubs_cache_serves(
    served: LoopbackHub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.utils import close_session

    snapshot_download("org/single", cache_dir=tmp_path / "cache")
    served.forget()
    online = fpcore.open_checkpoint("org/single")
    online.read("model.norm.weight")
    assert not served.ranges, "what is in the cache is not fetched"
    assert len(served.seen) == 1, "only the listing is"
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    close_session()
    offline = fpcore.open_checkpoint("org/single")
    assert offline.digest == online.digest
    assert offline.name == "org/single"
    with pytest.raises(
        fpcore.BadCheckpoint, match=r"org/sharded: .*hub cannot be reached .* cache does not hold"
    ):
        fpcore.open_checkpoint("org/sharded")


def test_nobody_answers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr("fpcore.remote.patience.pause", lambda seconds: None)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and never listens: nobody else can have the port
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{taken.getsockname()[1]}")
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        with pytest.raises(
            fpcore.BadCheckpoint, match=r"^org/single: no such local path; the hub cannot be reached"
        ):
            fpcore.open_checkpoint("org/single")


def test_the_size_is_asked_for_where_the_listing_lacks_it(
    served: LoopbackHub, saved: dict[str, Path]
) -> None:
    from fpcore.remote.repository import look_up, size_of
    from fpcore.remote.traffic import Traffic

    found = look_up("org/single", None, Traffic())
    for name, file in found.files.items():
        assert size_of(found.address(name), Traffic()) == file.size


@pytest.mark.slow
def test_of_a_sampled_model_slices_are_fetched(
    hub: LoopbackHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fpcore.remote.folder.coalesced", lambda spans, **_: merged(spans))
    shape = {"layers": 2, "width": 1024, "heads": 8, "kv_heads": 8, "feed_forward": 2048, "vocabulary": 4096}
    files = large_repository(**shape, shards=2)
    hub.repository("org/wide").add(files)
    for name, content in files.items():
        written = content if isinstance(content, bytes) else content.take(0, content.size)
        (tmp_path / name).write_bytes(written)
    local = fpcore.SampledCheckpoint(fpcore.open_checkpoint(tmp_path))
    hub.forget()
    remote = fpcore.SampledCheckpoint(fpcore.open_checkpoint("org/wide"))
    planned = remote.bytes_on_hub(())
    assert remote.digest == local.digest
    whole = sum(one.size for one in files.values() if isinstance(one, Content))
    sent = sum(one.sent for one in hub.seen if one.server == "store")
    assert sent < planned + (1 << 18) < 0.7 * whole, "slices, and headers"
    for name in ("attention-std", "norm-std"):
        mine, theirs = (fpcore.metric(name).fingerprint(one).arrays for one in (remote, local))
        assert mine.keys() == theirs.keys()
        assert all(np.array_equal(mine[key], theirs[key]) for key in mine)
    assert sent == sum(one.sent for one in hub.seen if one.server == "store"), "what the digest read stays"
    assert remote.fetch_size(()) == 0
