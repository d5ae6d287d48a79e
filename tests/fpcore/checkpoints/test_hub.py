"""The hub, as a real HTTP server on loopback that speaks the endpoints used."""

from __future__ import annotations

import hashlib
import json
import pickle
import re
import shutil
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_models import TINY

import fpcore

COMMIT = "c" * 40
PATHS = re.compile(r"^/(?P<repo>[\w-]+/[\w.-]+)/resolve/(?P<revision>\w+)/(?P<file>[\w./-]+)$")
API = re.compile(
    r"^/api/models/(?P<repo>[\w-]+/[\w.-]+)(/(?P<kind>revision|tree)/(?P<revision>\w+))?(\?.*)?$"
)


@dataclass
class Hub:
    """What the server serves, what it was asked for, and how it misbehaves."""

    folders: dict[str, Path] = field(default_factory=dict)
    large: tuple[str, ...] = (".safetensors",)
    gated: set[str] = field(default_factory=set)
    failures: int = 0  # range requests that get 503 first
    ranges: bool = True
    ranged: list[tuple[str, int]] = field(default_factory=list)
    tokens: set[str | None] = field(default_factory=set)


def handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: Any) -> None:
            pass

        def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
            self.send_response(status)
            headers.setdefault("Content-Length", str(len(body)))
            for key, value in headers.items():
                self.send_header(key.replace("_", "-"), value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def refuse(self, status: int, code: str) -> None:
            self.answer(status, b"{}", X_Error_Code=code, X_Error_Message=code)

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            hub.tokens.add(self.headers.get("Authorization"))
            asked = API.match(self.path) or PATHS.match(self.path)
            folder = hub.folders.get(asked["repo"]) if asked else None
            if asked is None or folder is None:
                self.refuse(401, "RepoNotFound")
            elif asked["repo"] in hub.gated:
                self.refuse(403, "GatedRepo")
            elif asked["revision"] not in {None, "main", COMMIT}:
                self.refuse(404, "RevisionNotFound")
            elif "file" not in asked.groupdict():
                about = self.tree(folder) if asked["kind"] == "tree" else self.info(asked["repo"], folder)
                self.answer(200, json.dumps(about).encode(), Content_Type="application/json")
            else:
                self.file(folder / asked["file"])

        def info(self, repo: str, folder: Path) -> dict[str, Any]:
            siblings = []
            for path in sorted(folder.iterdir()):
                content = path.read_bytes()
                entry: dict[str, Any] = {"rfilename": path.name, "size": len(content), "blobId": "b" * 40}
                if path.suffix in hub.large:
                    sha256 = hashlib.sha256(content).hexdigest()
                    entry["lfs"] = {"sha256": sha256, "size": len(content), "pointerSize": 130}
                siblings.append(entry)
            return {"id": repo, "modelId": repo, "sha": COMMIT, "private": False, "siblings": siblings}

        def tree(self, folder: Path) -> list[dict[str, Any]]:
            files = [
                {"type": "file", "path": path.name, "size": path.stat().st_size} for path in folder.iterdir()
            ]
            return [entry | {"oid": "b" * 40} for entry in files]

        def file(self, path: Path) -> None:
            if not path.is_file():
                self.refuse(404, "EntryNotFound")
                return
            content = path.read_bytes()
            about = {
                "ETag": f'"{hashlib.sha256(content).hexdigest()}"',
                "X_Repo_Commit": COMMIT,
                "Accept_Ranges": "bytes",
            }
            span = re.match(r"bytes=(\d+)-(\d+)$", self.headers.get("Range") or "")
            if span and path.suffix in hub.large and hub.failures:
                hub.failures -= 1
                self.answer(503, Retry_After="0")
            elif span and hub.ranges:
                start, last = int(span[1]), min(int(span[2]), len(content) - 1)
                hub.ranged.append((path.name, last - start + 1))
                self.answer(
                    206,
                    content[start : last + 1],
                    Content_Range=f"bytes {start}-{last}/{len(content)}",
                    **about,
                )
            else:
                self.answer(200, content, **about)

    return Handler


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    from huggingface_hub import constants
    from huggingface_hub.utils import close_session

    state = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(state))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(constants, "ENDPOINT", address)
    monkeypatch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + "/{repo_id}/resolve/{revision}/{filename}"
    )
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield state
    close_session()
    server.shutdown()
    server.server_close()


@pytest.fixture
def saved(hub: Hub, tmp_path: Path) -> dict[str, Path]:
    model = next(tiny for tiny in TINY if tiny.model_type == "phi3").build(
        hidden_size=64, intermediate_size=96
    )
    for name, size in (("single", "1GB"), ("sharded", "40KB")):
        folder = tmp_path / name
        model.save_pretrained(folder, max_shard_size=size)
        (folder / "tokenizer.json").write_text(json.dumps({"model": {"vocab": {"a": 0}}}))
        hub.folders[f"org/{name}"] = folder
    return {"single": tmp_path / "single", "sharded": tmp_path / "sharded"}


@pytest.mark.parametrize("name", ["single", "sharded"])
def test_a_remote_model_is_the_local_one(hub: Hub, saved: dict[str, Path], name: str) -> None:
    local = fpcore.open_checkpoint(saved[name])
    remote = fpcore.open_checkpoint(f"org/{name}")
    assert remote.name == f"org/{name}"
    assert dict(remote.tensors) == dict(local.tensors)
    assert remote.digest == local.digest
    assert remote.architecture == local.architecture
    assert remote.tokenizer_vocabulary() == {"a": 0}
    for key in local.tensors:
        assert torch.equal(remote.read(key), local.read(key))
    again = pickle.loads(pickle.dumps(remote))
    assert torch.equal(again.read("model.norm.weight"), local.read("model.norm.weight"))
    assert "Bearer hf_secret" in hub.tokens


def test_opening_reads_headers_and_reading_one_range(hub: Hub, saved: dict[str, Path]) -> None:
    remote = fpcore.open_checkpoint("org/sharded")
    weights = sum(file.stat().st_size for file in saved["sharded"].glob("*.safetensors"))
    assert sum(size for _, size in hub.ranged) <= weights
    hub.ranged.clear()
    fused = remote.roles["layers.1.attention.query.weight"]
    for part in ("query", "key", "value"):
        remote.roles[f"layers.1.attention.{part}.weight"].read()
    assert [size for _, size in hub.ranged] == [4 * remote.tensors[fused.source].size], (
        "fetched once, nothing else"
    )


def test_long_headers_take_a_second_request(
    hub: Hub, saved: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fpcore.checkpoints.hub.FIRST_READ", 64)
    remote = fpcore.open_checkpoint("org/single")
    assert [file for file, _ in hub.ranged] == ["model.safetensors"] * 2
    assert remote.digest == fpcore.open_checkpoint(saved["single"]).digest


def test_what_fails_for_a_moment_is_tried_again(
    hub: Hub, saved: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda seconds: None)
    hub.failures = 2
    remote = fpcore.open_checkpoint("org/single")
    assert hub.failures == 0
    assert len(remote.tensors) == len(fpcore.open_checkpoint(saved["single"]).tensors)


def test_small_files_without_large_file_storage(hub: Hub, saved: dict[str, Path]) -> None:
    hub.large = ()
    remote = fpcore.open_checkpoint("org/single")
    assert remote.digest == fpcore.open_checkpoint(saved["single"]).digest
    torch.testing.assert_close(
        remote.read("model.norm.weight"), fpcore.open_checkpoint(saved["single"]).read("model.norm.weight")
    )


@pytest.mark.usefixtures("saved")
def test_refusals_are_one_clear_line(hub: Hub, tmp_path: Path) -> None:
    def check(name: str, match: str, **options: Any) -> None:
        with pytest.raises(fpcore.BadCheckpoint, match=match) as caught:
            fpcore.open_checkpoint(name, **options)
        assert "\n" not in str(caught.value)

    check("org/nothing", r"^org/nothing: no such local path, and no such model on the hub .*HF_TOKEN")
    check("org/single@nowhere", r"^org/single@nowhere: no such revision")
    check("org/single", r"no such revision", revision="nowhere")
    hub.gated.add("org/sharded")
    check("org/sharded", r"gated on the hub; accept its terms there and set HF_TOKEN")
    hub.ranges = False
    check("org/single", r"does not serve byte ranges")
    bare = tmp_path / "bare"
    bare.mkdir()
    hub.folders["org/bare"] = bare
    check("org/bare", r"no config\.json on the hub")
    shutil.copy(hub.folders["org/single"] / "config.json", bare)
    check("org/bare", r"no weights on the hub")
    (bare / "pytorch_model.bin").write_bytes(b"x")
    check("org/bare", r"only \.bin, which cannot be read by range; download it")
    (bare / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": "gone.safetensors"}}))
    check("org/bare", r"gone\.safetensors is not on the hub")


def test_a_revision_is_pinned_to_its_commit(hub: Hub, saved: dict[str, Path]) -> None:
    assert (
        fpcore.open_checkpoint(f"org/single@{COMMIT}").digest == fpcore.open_checkpoint("org/single").digest
    )


def test_offline_the_hubs_cache_serves(
    hub: Hub, saved: dict[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.utils import close_session

    snapshot_download("org/single", cache_dir=tmp_path / "cache")
    online = fpcore.open_checkpoint("org/single")
    assert not hub.ranged, "what is in the cache is not fetched"
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

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and never listens: nobody else can have the port
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{taken.getsockname()[1]}")
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        with pytest.raises(
            fpcore.BadCheckpoint, match=r"^org/single: no such local path; the hub cannot be reached"
        ):
            fpcore.open_checkpoint("org/single")
