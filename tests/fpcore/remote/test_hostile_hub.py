"""A hub that lies, or refuses: one clear line, bounded work, and nothing asked again that cannot change."""

from __future__ import annotations

import dataclasses
import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest
from loopback_hub import Fault, LoopbackHub, loopback_hub
from tiny_models import TINY

import fpcore
from fpcore.remote import patience
from fpcore.remote.folder import Fetching

NAME = "org/model"


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved") / "model"
    next(tiny for tiny in TINY if tiny.model_type == "llama").build().save_pretrained(folder)
    (folder / "tokenizer.json").write_text('{"model": {"vocab": {"a": 0}}}')
    return folder


@pytest.fixture
def hub(tmp_path: Path, saved: Path) -> Iterator[LoopbackHub]:
    with loopback_hub(tmp_path / "cache") as served:
        served.add_folder(NAME, saved)
        yield served


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    found: list[float] = []
    monkeypatch.setattr(patience, "pause", found.append)
    return found


def change(hub: LoopbackHub, name: str, **parts: object) -> None:
    files = hub.repository(NAME).commits[hub.repository(NAME).branches["main"]]
    files[name] = dataclasses.replace(files[name], **parts)  # type: ignore[arg-type]


def read_all_of_it() -> None:
    remote = fpcore.open_checkpoint(NAME)
    remote.prefetch(remote.tensors)
    remote.tokenizer_vocabulary()


def what_is_said() -> str:
    """The error that reading a model ends in; empty where there is none."""
    try:
        read_all_of_it()
    except fpcore.BadCheckpoint as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("server", "status", "said"),
    [
        ("hub", 401, "no such local path, and no such model on the hub (private ones need HF_TOKEN)"),
        ("hub", 403, "this HF_TOKEN has no access: ask the owner for it"),
        ("hub", 404, "no such model on the hub"),
        ("hub", 410, "what was listed is gone: rerun"),
        ("hub", 451, "the hub refused the request"),
        ("store", 403, "this HF_TOKEN has no access"),
        ("store", 404, "is gone: rerun, or give another revision"),
    ],
)
def test_refusals_say_what_to_do_and_are_not_repeated(
    hub: LoopbackHub, waits: list[float], server: str, status: int, said: str
) -> None:
    hub.faults = [Fault(status, times=10**6, server=server)]
    with pytest.raises(fpcore.BadCheckpoint) as caught:
        read_all_of_it()
    assert said in str(caught.value)
    assert "later" not in str(caught.value)
    assert str(caught.value).startswith(f"{NAME}: ")
    assert "\n" not in str(caught.value)
    assert waits == []


def test_a_withdrawn_model_is_told(hub: LoopbackHub, waits: list[float]) -> None:
    hub.withdrawn.add(NAME)
    with pytest.raises(fpcore.BadCheckpoint, match=r"^org/model: withdrawn: the hub no longer serves it"):
        read_all_of_it()
    assert waits == []


@pytest.mark.parametrize("status", [500, 501, 502, 503, 504, 520, 529, 599])
def test_faults_of_the_hub_are_waited_for(hub: LoopbackHub, waits: list[float], status: int) -> None:
    hub.faults = [Fault(status, server="hub", fits="/api/models"), Fault(status), Fault(status, server="hub")]
    read_all_of_it()
    assert len(waits) == 3
    hub.faults = [Fault(status, times=10**6, server="hub")]
    with pytest.raises(fpcore.BadCheckpoint, match=rf"{status}.*; try again later$"):
        read_all_of_it()


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
@pytest.mark.parametrize("size", [1 << 70, 1 << 62, 1 << 44, 3, 0])
def test_lengths_that_lie_are_one_line(hub: LoopbackHub, tmp_path: Path, name: str, size: int) -> None:
    files = hub.repository(NAME).commits[hub.repository(NAME).branches["main"]]
    whole = files[name].take(0, files[name].size)
    change(hub, name, size=size, take=lambda a, b: (whole[a:b] + bytes(1 << 16))[: min(b - a, 1 << 16)])
    said = what_is_said()  # a vocabulary that cannot be read is none
    assert "\n" not in said
    assert str(tmp_path) not in said
    assert name in said or name == "tokenizer.json"
    assert hub.sent < 1 << 24


@pytest.mark.parametrize("headers", [{"Content_Encoding": "gzip"}, {"Content_Encoding": "br"}])
def test_a_compressed_listing_is_not_unpacked(
    hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch, headers: dict[str, str]
) -> None:
    bomb = gzip.compress(bytes(1 << 24))
    monkeypatch.setattr("loopback_hub.HubHandler.respond", lambda self, _: self.answer(200, bomb, **headers))
    with pytest.raises(fpcore.BadCheckpoint, match="sent compressed data"):
        read_all_of_it()


def test_a_listing_without_end_is_not_read_on(hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = 0

    def endless(self: object, _: object) -> None:
        nonlocal sent
        self.send_response(200)  # type: ignore[attr-defined]
        self.end_headers()  # type: ignore[attr-defined]
        self.close_connection = True  # type: ignore[attr-defined]
        try:
            while sent < 1 << 28:
                self.wfile.write(b" " * (1 << 16))  # type: ignore[attr-defined]
                sent += 1 << 16
        except OSError:
            pass

    monkeypatch.setattr("loopback_hub.HubHandler.respond", endless)
    monkeypatch.setattr("fpcore.remote.repository.LONGEST_LISTING", 1 << 20)
    with pytest.raises(fpcore.BadCheckpoint, match="sent more than the 1048576 bytes requested"):
        read_all_of_it()
    assert sent < 1 << 27


@pytest.mark.parametrize(
    "listing",
    [
        b"[" * 10**5, b"null", b"[]", b'{"sha": 1}', b'{"sha": NaN, "siblings": []}', b"{", b"\xff",
        b'{"sha": "' + b"a" * 40 + b'", "siblings": [1]}',
        b'{"sha": "' + b"a" * 40 + b'", "siblings": [{"rfilename": null}]}',
        b'{"sha": "' + b"a" * 40 + b'", "siblings": [{"rfilename": "x\\ud800", "size": 1}]}',
        b'{"sha": "' + b"a" * 40 + b'", "siblings": [{"rfilename": "config.json", "size": 1e400}]}',
        b'{"sha": "' + b"a" * 40 + b'", "siblings": [{"rfilename": "config.json", "size": 1'
        + b"0" * 5000 + b"}]}",
    ],
)  # fmt: skip
def test_what_is_no_listing_is_one_line(
    hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch, listing: bytes
) -> None:
    monkeypatch.setattr("loopback_hub.HubHandler.respond", lambda self, _: self.answer(200, listing))
    with pytest.raises(fpcore.BadCheckpoint) as caught:
        read_all_of_it()
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_the_cache_key_is_not_that_of_a_file_on_disk(
    hub: LoopbackHub, saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The digest of a model on the hub is the hub's word: what is computed under it is kept apart."""
    monkeypatch.setattr("fpcore.checkpoints.remote_files.FIRST", 64)
    local = fpcore.open_checkpoint(saved)
    remote = fpcore.open_checkpoint(NAME, fetching=Fetching(tmp_path / "pieces", keep=True))
    assert (local.cache_key, local.verified) == (local.digest, None)
    assert remote.digest == local.digest
    assert remote.cache_key != local.cache_key
    assert remote.verified is False
    remote.prefetch(remote.tensors)
    assert remote.verified is True
    assert fpcore.open_checkpoint(NAME).cache_key == remote.cache_key
