"""What a hub sent, and nobody could check, is never taken for the files on disk that it was named after."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
from loopback_hub import Content, loopback_hub
from small_catalog import write_catalog

from benchmark.pipeline.checkpoints import Located
from benchmark.pipeline.chosen_metric import choose
from benchmark.pipeline.extract import extract
from benchmark.pipeline.workspace import Workspace
from benchmark.session.cache import Cache
from fpcore.remote.spans import coalesced

METRIC = choose("norm-std")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    # Of these small files, too, only what is asked for comes.
    monkeypatch.setattr("fpcore.checkpoints.remote_files.FIRST", 64)
    monkeypatch.setattr("fpcore.remote.folder.coalesced", partial(coalesced, gap=0))
    return write_catalog(tmp_path / "models", founders=1, children=0).parent / "f0"


def values(workspace: Workspace, located: Located) -> tuple[np.ndarray, bool | None]:  # type: ignore[type-arg]
    found = extract(workspace, located, [METRIC], {})
    assert not found.damage
    (array,) = workspace.fingerprint(METRIC, located, found.key).arrays.values()
    return array, found.verified


def test_a_poisoned_answer_stays_with_the_hub(folder: Path, tmp_path: Path) -> None:
    workspace = Workspace(Cache(tmp_path / "cache"), "cpu")
    local = Located("f0", folder)
    with loopback_hub(tmp_path / "hub") as hub:
        commit = hub.add_folder("org/f0", folder)
        files = hub.repository("org/f0").commits[commit]
        right = files["model.safetensors"]
        whole = right.take(0, right.size)
        begin = 8 + int.from_bytes(whole[:8], "little")
        wrong = whole[:begin] + bytes(byte ^ 1 for byte in whole[begin:])
        files["model.safetensors"] = Content(right.size, lambda a, b: wrong[a:b], right.sha256)
        poisoned, verified = values(workspace, Located("org/f0", "org/f0"))
    assert verified is False
    honest, of_disk = values(workspace, local)
    alone, _ = values(Workspace(Cache(tmp_path / "other"), "cpu"), local)
    assert of_disk is None
    assert np.array_equal(honest, alone)
    assert not np.array_equal(honest, poisoned)


def test_where_every_byte_came_the_record_says_that_it_fits(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fpcore.checkpoints.remote_files.FIRST", 1 << 30)
    with loopback_hub(tmp_path / "hub") as hub:
        hub.add_folder("org/f0", folder)
        workspace = Workspace(Cache(tmp_path / "cache"), "cpu")
        here, verified = values(workspace, Located("org/f0", "org/f0"))
        again = extract(
            Workspace(Cache(tmp_path / "cache"), "cpu"), Located("org/f0", "org/f0"), [METRIC], {}
        )
    assert verified is True
    assert again.verified is True, "kept with the rest"
    assert np.array_equal(here, values(workspace, Located("f0", folder))[0])
