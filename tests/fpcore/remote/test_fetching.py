"""A model on the hub under bad weather: what passes is waited for, what is wrong is told, what came stays."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
import torch
from large_repository import large_repository
from loopback_hub import Content, Fault, LoopbackHub, loopback_hub
from tiny_models import TINY

import fpcore
from fpcore.remote import patience
from fpcore.remote.addresses import next_address
from fpcore.remote.folder import AT_ONCE, Fetching

NAME = "org/model"


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved") / "model"
    tiny = next(tiny for tiny in TINY if tiny.model_type == "phi3")
    tiny.build(hidden_size=64, intermediate_size=96).save_pretrained(folder, max_shard_size="100KB")
    (folder / "tokenizer.json").write_text('{"model": {"vocab": {"a": 0}}}')
    return folder


@pytest.fixture
def hub(tmp_path: Path, saved: Path) -> Iterator[LoopbackHub]:
    with loopback_hub(tmp_path / "cache") as served:
        served.add_folder(NAME, saved)
        yield served


@pytest.fixture(autouse=True)
def short_headers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first read of these small files brings their headers, as of large ones, and little more."""
    monkeypatch.setattr("fpcore.checkpoints.remote_files.FIRST", 2048)


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long was waited, without waiting."""
    found: list[float] = []
    monkeypatch.setattr(patience, "pause", found.append)
    return found


def all_equal(saved: Path, fetching: Fetching | None = None) -> fpcore.Checkpoint:
    local, remote = fpcore.open_checkpoint(saved), fpcore.open_checkpoint(NAME, fetching=fetching)
    remote.prefetch(remote.tensors)
    assert all(torch.equal(remote.read(key), local.read(key)) for key in local.tensors)
    return remote


@pytest.mark.thorough
@pytest.mark.parametrize("status", [*sorted(patience.PASSING), 500, 502, 503, 504])
@pytest.mark.parametrize("server", ["hub", "store"])
def test_what_passes_is_tried_again(
    hub: LoopbackHub, saved: Path, waits: list[float], server: str, status: int
) -> None:
    hub.faults = [Fault(status, times=patience.TRIES - 1, server=server)]
    all_equal(saved)
    assert len(waits) == patience.TRIES - 1
    assert hub.faults[0].times == 0


def test_retry_after_is_kept_to(hub: LoopbackHub, saved: Path, waits: list[float]) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    for headers in ({"Retry_After": "7"}, {"RateLimit": '"resolvers";r=0;t=55'}, {"Retry_After": date}):
        hub.faults.append(Fault(429, server="store", headers=headers))
    all_equal(saved)
    assert sorted(waits)[:2] == [7, 55]
    assert 90 < max(waits) <= 100


@pytest.mark.parametrize("server", ["hub", "store"])
def test_a_wait_without_end_is_not_waited(hub: LoopbackHub, waits: list[float], server: str) -> None:
    hub.faults = [Fault(429, times=99, server=server, headers={"Retry_After": "1000000000"})]
    with pytest.raises(
        fpcore.BadCheckpoint, match=r"^org/model: .*429.* asks to wait 1000000000 s"
    ) as caught:
        fpcore.open_checkpoint(NAME)
    assert "\n" not in str(caught.value)
    assert waits == []


def test_it_ends(hub: LoopbackHub, waits: list[float]) -> None:
    hub.faults = [Fault(503, times=10**6, server="store")]
    with pytest.raises(fpcore.BadCheckpoint, match=r"org/model: the hub answered with an error .*503"):
        fpcore.open_checkpoint(NAME)
    asked = [one for one in hub.seen if one.server == "store"]
    assert len(asked) <= AT_ONCE * patience.TRIES


@pytest.mark.usefixtures("waits")
@pytest.mark.parametrize("kind", ["cut", "close", "slow"])
def test_bodies_that_break_off_are_taken_up(hub: LoopbackHub, saved: Path, kind: str) -> None:
    remote = fpcore.open_checkpoint(NAME)
    hub.forget()
    hub.faults = [Fault(kind, times=3)]
    remote.prefetch(remote.tensors)
    local = fpcore.open_checkpoint(saved)
    assert all(torch.equal(remote.read(key), local.read(key)) for key in local.tensors)
    whole = sum(file.stat().st_size for file in saved.glob("*.safetensors"))
    assert hub.sent <= whole, "what came before the break is not fetched again"


@pytest.mark.usefixtures("waits")
@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("whole", "does not serve byte ranges; download the model first"),
        ("more", "sent more than the .* bytes requested"),
        ("shift", "instead of bytes"),
        ("zip", "compressed"),
    ],
)
def test_bodies_that_are_not_what_was_asked_for_are_refused(hub: LoopbackHub, kind: str, said: str) -> None:
    remote = fpcore.open_checkpoint(NAME)
    hub.faults = [Fault(kind, times=10**6)]
    hub.forget()
    name = "model.layers.1.mlp.gate_up_proj.weight"
    with pytest.raises(fpcore.BadCheckpoint, match=said) as caught:
        remote.read(name)
    assert "Signature" not in str(caught.value), "a signed address is nobody's business"


def test_a_server_without_ranges_is_cut_off(hub: LoopbackHub) -> None:
    """A file of a terabyte that is sent whole is not read on."""
    remote = fpcore.open_checkpoint(NAME)
    size = 10**12
    zeros = bytes(1 << 16)
    huge = Content(size, lambda a, b: zeros[: b - a], "e" * 64)
    config = hub.repository(NAME).commits[hub.repository(NAME).branches["main"]]["config.json"]
    hub.repository("org/huge").add({"config.json": config, "model.safetensors": huge})
    hub.faults = [Fault("whole", times=10**6)]
    before = hub.sent
    with pytest.raises(fpcore.BadCheckpoint, match="does not serve byte ranges"):
        fpcore.open_checkpoint("org/huge")
    assert hub.sent - before < 50 * 10**6
    assert remote.fetched.bytes < 10**6


def test_addresses_that_expire_are_asked_for_again(hub: LoopbackHub, saved: Path) -> None:
    remote = fpcore.open_checkpoint(NAME)
    now = hub.clock()
    hub.clock = lambda: now + 2 * hub.lifetime
    hub.forget()
    remote.prefetch(remote.tensors)
    local = fpcore.open_checkpoint(saved)
    assert all(torch.equal(remote.read(key), local.read(key)) for key in local.tensors)
    assert {one.status for one in hub.seen if one.server == "store"} == {403, 206}


def test_one_address_serves_many_ranges(hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub counts questions to itself; its store does not."""
    monkeypatch.setattr("fpcore.remote.spans.GAP", 0)
    remote = fpcore.open_checkpoint(NAME)
    hub.forget()
    for name in remote.tensors:
        remote.read(name)
    assert {one.server for one in hub.seen} == {"store"}


def test_several_requests_run_at_once_and_not_too_many(
    hub: LoopbackHub, saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remote = fpcore.open_checkpoint(NAME)
    monkeypatch.setattr("fpcore.remote.folder.coalesced", lambda gaps: [(a, b) for a, b in gaps])
    hub.faults = [Fault("slow", times=10**6)]
    hub.most_at_once = 0
    for file in [*remote.folder._files]:  # type: ignore[attr-defined]
        size = remote.folder.repository.files[file].size  # type: ignore[attr-defined]
        remote.folder.file(file)._present = []  # type: ignore[attr-defined]
        if file.endswith(".safetensors"):
            step = size // 12
            spans = [(n * step, n * step + 8) for n in range(12)]
            remote.folder.fetch({file: spans})  # type: ignore[attr-defined]
    assert 2 <= hub.most_at_once <= AT_ONCE


def test_a_file_that_changes_between_reads_is_told(hub: LoopbackHub) -> None:
    remote = fpcore.open_checkpoint(NAME)
    files = hub.repository(NAME).commits[hub.repository(NAME).branches["main"]]
    for name, content in files.items():
        if name.endswith(".safetensors"):
            other = Content.of(bytes(content.size))
            files[name] = other
    now = hub.clock()
    hub.clock = lambda: now + 2 * hub.lifetime  # the old address is good for nothing now
    with pytest.raises(fpcore.BadCheckpoint, match="changed on the hub between reads; rerun"):
        remote.read("model.layers.1.mlp.gate_up_proj.weight")


def test_another_commit_than_the_one_asked_for_is_told(hub: LoopbackHub) -> None:
    remote = fpcore.open_checkpoint(NAME)
    now = hub.clock()
    hub.clock = lambda: now + 2 * hub.lifetime
    hub.commit_header = "d" * 40
    hub.large = ()
    with pytest.raises(fpcore.BadCheckpoint, match=r"serves commit 'd{40}' where .* changed between reads"):
        remote.read("model.layers.1.mlp.gate_up_proj.weight")


def test_a_body_that_does_not_fit_its_digest_is_told_and_dropped(
    hub: LoopbackHub, tmp_path: Path, saved: Path
) -> None:
    files = hub.repository(NAME).commits[hub.repository(NAME).branches["main"]]
    name = max((name for name in files if name.endswith(".safetensors")), key=lambda name: files[name].size)
    right = files[name]
    wrong = (saved / name).read_bytes()[:-1] + b"\1"
    files[name] = Content(right.size, lambda a, b: wrong[a:b], right.sha256)
    folder = Fetching(tmp_path / "pieces", keep=True)
    remote = fpcore.open_checkpoint(NAME, fetching=folder)
    with pytest.raises(fpcore.BadCheckpoint, match="does not match the hub's digest"):
        remote.prefetch(remote.tensors)
    files[name] = right
    all_equal(saved, folder)


def test_work_that_broke_off_goes_on_in_the_middle_of_a_model(
    hub: LoopbackHub, saved: Path, tmp_path: Path
) -> None:
    folder = Fetching(tmp_path / "pieces")
    first = fpcore.open_checkpoint(NAME, fetching=folder)
    names = list(first.tensors)
    first.prefetch(names[: len(names) // 2])
    before = hub.sent
    del first
    hub.forget()
    all_equal(saved, folder)
    whole = sum(file.stat().st_size for file in saved.iterdir())
    listing = sum(one.sent for one in hub.seen if "?blobs" in one.path)
    assert hub.sent - listing < whole - 0.4 * before
    hub.forget()
    all_equal(saved, folder)
    assert [one.path for one in hub.seen] == [f"/api/models/{NAME}?blobs=true"], "only the listing"


def test_what_is_let_go_leaves_nothing_and_can_be_read_again(
    hub: LoopbackHub, saved: Path, tmp_path: Path
) -> None:
    local = fpcore.open_checkpoint(saved)
    remote = fpcore.open_checkpoint(NAME, fetching=Fetching(tmp_path / "pieces"))
    for name in list(local.tensors)[::9]:  # of every file something, and not all
        assert torch.equal(remote.read(name), local.read(name))
    remote.let_go()
    assert not list((tmp_path / "pieces").iterdir())
    assert all(torch.equal(remote.read(key), local.read(key)) for key in local.tensors)


def test_without_a_folder_files_go_with_the_checkpoint(
    hub: LoopbackHub, saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import gc
    import tempfile

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    remote: fpcore.Checkpoint | None = all_equal(saved)
    assert list(tmp_path.glob("lookalike-*"))
    del remote
    gc.collect()
    assert not list(tmp_path.glob("lookalike-*"))


def test_keep_fills_the_cache_that_the_hubs_own_client_reads(
    hub: LoopbackHub, saved: Path, tmp_path: Path
) -> None:
    from huggingface_hub import scan_cache_dir, try_to_load_from_cache

    folder = Fetching(tmp_path / "pieces", keep=True)
    remote = all_equal(saved, folder)
    remote.let_go()
    (found,) = scan_cache_dir(tmp_path / "cache").repos
    assert found.repo_id == NAME
    assert {tuple(revision.refs) for revision in found.revisions} == {("main",)}
    local = fpcore.open_checkpoint(saved)
    assert all(torch.equal(remote.read(key), local.read(key)) for key in local.tensors)
    for file in saved.glob("*.safetensors"):
        kept = try_to_load_from_cache(NAME, file.name)
        assert isinstance(kept, str)
        assert Path(kept).read_bytes() == file.read_bytes()
        assert Path(os.path.realpath(kept)).parent.name == "blobs"
    hub.forget()
    all_equal(saved, folder)
    assert not [one for one in hub.seen if "resolve" in one.path and "tokenizer" not in one.path]


def test_keep_leaves_files_with_holes_where_they_are(hub: LoopbackHub, saved: Path, tmp_path: Path) -> None:
    folder = Fetching(tmp_path / "pieces", keep=True)
    remote = fpcore.open_checkpoint(NAME, fetching=folder)
    remote.read("model.norm.weight")
    remote.let_go()
    assert not list((tmp_path / "cache").rglob("*.safetensors"))
    local = fpcore.open_checkpoint(saved)
    assert all(torch.equal(remote.read(key), local.read(key)) for key in local.tensors)


@pytest.mark.parametrize(
    ("here", "location", "said"),
    [
        ("https://8.8.8.8/a", "http://8.8.8.8/a", "to an unencrypted"),
        ("https://8.8.8.8/a", "file:///etc/passwd", "not a web address"),
        ("https://8.8.8.8/a", "https://127.0.0.1/a", "a private address"),
        ("https://8.8.8.8/a", "https://169.254.169.254/latest/meta-data", "a private address"),
        ("https://8.8.8.8/a", "https://[::1]/a", "a private address"),
        ("https://8.8.8.8/a", "https://10.0.0.1/a", "a private address"),
        ("https://8.8.8.8/a", "https://localhost/a", "a private address"),
    ],
)
def test_redirects_that_are_not_followed(here: str, location: str, said: str) -> None:
    with pytest.raises(fpcore.BadCheckpoint, match=said):
        next_address(here, location)


def test_redirects_that_are_followed() -> None:
    assert next_address("https://8.8.8.8/a/b", "/c") == "https://8.8.8.8/c"
    assert next_address("https://8.8.8.8/a", "https://1.1.1.1/x?y=z") == "https://1.1.1.1/x?y=z"
    assert next_address("http://127.0.0.1:1/a", "http://127.0.0.1:2/b") == "http://127.0.0.1:2/b"


def test_redirects_in_a_circle_end(hub: LoopbackHub) -> None:
    hub.store_host = hub.endpoint + f"/{NAME}/resolve/main/model-00001-of-00003.safetensors?"
    files = hub.repository(NAME).commits[hub.repository(NAME).branches["main"]]
    first = next(name for name in files if name.endswith(".safetensors"))
    hub.store_host = f"{hub.endpoint}/{NAME}/resolve/main/{first}?"
    with pytest.raises(fpcore.BadCheckpoint, match="more than 5 redirects; not followed"):
        fpcore.open_checkpoint(NAME)


def test_the_hubs_own_client_reads_this_hub(hub: LoopbackHub, saved: Path, tmp_path: Path) -> None:
    """The stand-in is true to the protocol: the client that knows it best finds nothing amiss."""
    from huggingface_hub import HfApi, get_hf_file_metadata, hf_hub_url, snapshot_download

    folder = Path(snapshot_download(NAME, cache_dir=tmp_path / "other"))
    for file in saved.iterdir():
        assert (folder / file.name).read_bytes() == file.read_bytes()
    info = HfApi().model_info(NAME, files_metadata=True)
    weights = next(one for one in info.siblings or () if one.rfilename.endswith(".safetensors"))
    told = get_hf_file_metadata(hf_hub_url(NAME, weights.rfilename))
    assert weights.lfs is not None
    assert (told.etag, told.size, told.commit_hash) == (weights.lfs.sha256, weights.size, info.sha)
    assert hub.store in told.location


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["norm-std", "norm-cosine", "qkv-bias-std"])
def test_gains_and_biases_of_a_model_of_72_billion_weights_cost_megabytes(
    hub: LoopbackHub, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fpcore.checkpoints.remote_files.FIRST", 1 << 16)
    files = large_repository()
    hub.repository("org/large").add(files)
    size = sum(one.size for one in files.values() if isinstance(one, Content))
    assert size > 140 * 10**9
    hub.forget()
    remote = fpcore.open_checkpoint("org/large", fetching=Fetching(tmp_path / "pieces"))
    assert remote.architecture.cell.startswith("qwen2 80x8192 h64/8 f29568")
    assert fpcore.metric(name).fingerprint(remote).arrays
    assert hub.sent < 12 * 10**6
    taken = sum(path.stat().st_blocks * 512 for path in (tmp_path / "pieces").rglob("*") if path.is_file())
    assert taken < 30 * 10**6
