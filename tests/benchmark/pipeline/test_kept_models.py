"""A model whose fingerprints are all known is opened, and not read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import fpcore
from benchmark.catalog import ZooSource, load_catalog
from benchmark.pipeline.checkpoints import Located, locate
from benchmark.pipeline.chosen_metric import choose
from benchmark.pipeline.extract import Extraction, extract
from benchmark.pipeline.workspace import Workspace
from benchmark.session.cache import Cache
from benchmark.zoo.transformed import TransformedCheckpoint
from fpcore.checkpoints.local_files import LocalCheckpoint

METRICS = [choose(name) for name in ("attention-std", "weight-cosine", "qkv-bias-std")]
LIMITS: dict[str, float] = {}


@pytest.fixture(params=["zoo/qwen-a", "zoo/qwen-a-unit-permutation"])
def located(request: pytest.FixtureRequest) -> Located:
    """A trained model, and one that is computed from it."""
    found = locate(load_catalog(), request.param)
    assert isinstance(found.source, ZooSource)
    return found


def extracted(cache: Path, located: Located) -> Extraction:
    return extract(Workspace(Cache(cache), "cpu"), located, METRICS, LIMITS)


def nothing_is_read(patch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("weights were read")

    for kind, name in (
        (TransformedCheckpoint, "_weights"),
        (fpcore.Checkpoint, "anatomy"),
        (LocalCheckpoint, "read"),
        (LocalCheckpoint, "flat"),
    ):
        patch.setattr(kind, name, property(refuse))


def test_it_is_read_once(tmp_path: Path, located: Located, monkeypatch: pytest.MonkeyPatch) -> None:
    first = extracted(tmp_path, located)
    assert first.outcomes["attention-std"].stored
    nothing_is_read(monkeypatch)
    assert extracted(tmp_path, located) == first
    assert "weights were read" in extracted(tmp_path / "elsewhere", located).damage


def test_what_the_catalog_states_of_it_is_checked_all_the_same(tmp_path: Path, located: Located) -> None:
    assert not extracted(tmp_path, located).damage
    assert "the catalog states the shape" in extracted(tmp_path, replace(located, cell="another")).damage


def test_other_code_reads_it_again(tmp_path: Path, located: Located, monkeypatch: pytest.MonkeyPatch) -> None:
    extracted(tmp_path, located)
    monkeypatch.setattr(Workspace, "reader", "of another version")
    nothing_is_read(monkeypatch)
    assert "weights were read" in extracted(tmp_path, located).damage


@pytest.mark.parametrize("text", ["{", "{}", '{"cell": 1, "reading": "", "outcomes": {}}'])
def test_a_damaged_note_is_no_answer(tmp_path: Path, located: Located, text: str) -> None:
    first = extracted(tmp_path, located)
    (note,) = tmp_path.glob("fingerprints/all-*/*.outcome")
    note.write_text(text)
    assert extracted(tmp_path, located) == first
