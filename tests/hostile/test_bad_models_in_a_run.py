"""A run with checkpoints that cannot be read: each fails as a unit of its own, and the rest is complete."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import command
from hostile_checkpoints import ANY_END, REFUSED
from small_catalog import write_catalog

SPOILT = {
    "f0c0": "header: nested 100,000 deep",
    "f1c0": "header: offsets of 1e999",
    "f2c0": "config: hidden_size is a dictionary",
    "f3c0": "config: a lone surrogate in a key",
}


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    (tmp_path / "models").mkdir()
    path = write_catalog(tmp_path / "models", founders=4, children=2)
    for model, name in SPOILT.items():
        {**REFUSED, **ANY_END}[name](path.parent / model)
    return path


def test_each_fails_alone(catalog: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    arguments = ("--catalog", catalog, "--metrics", "norm-std", "--workers", 1, "--out", run)
    said = command("run", *arguments, cache=tmp_path / "cache")
    assert said.code == 1
    record = json.loads((run / "run.json").read_text())
    assert record["status"] == "partial"
    told = json.dumps(record["failures"])
    assert all(model in told for model in SPOILT)
    assert "Traceback" not in said.err
    (result,) = json.loads((run / "results.json").read_text())["metrics"]
    assert result["n_models"] == 12 - len(SPOILT)


def test_what_nobody_foresaw_fails_alone_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from fpcore.checkpoints.local_files import LocalCheckpoint

    (tmp_path / "models").mkdir()
    path = write_catalog(tmp_path / "models", founders=3, children=1)
    read = LocalCheckpoint.digest.func  # type: ignore[attr-defined]

    def digest(self: LocalCheckpoint) -> str:
        if self.name == "f0c0":
            raise RecursionError("a defect")
        return read(self)

    monkeypatch.setattr(LocalCheckpoint, "digest", property(digest))
    run = tmp_path / "run"
    arguments = ("--catalog", path, "--metrics", "norm-std", "--workers", 1, "--out", run)
    said = command("run", *arguments, cache=tmp_path / "cache")
    assert said.code == 1
    assert "RecursionError: a defect" in said.err
    assert (run / "report.html").is_file()
