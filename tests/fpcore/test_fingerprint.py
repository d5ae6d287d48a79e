"""Fingerprints on disk: whole or absent, the same bytes for the same content, no pickles."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

import fpcore
from fpcore import Fingerprint
from fpcore.fingerprint import checkpoint_of

ARRAYS = {
    "b": np.arange(6, dtype=np.float64).reshape(2, 3),
    "a": np.float32([1.5, np.pi]),
    "none": np.zeros((0, 3)),
}


def make(**changes: object) -> Fingerprint:
    values = {
        "metric": "m",
        "version": 2,
        "model": "org/name é",
        "digest": "ab" * 32,
        "arrays": ARRAYS,
    } | changes
    return Fingerprint(**values)  # type: ignore[arg-type]


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "very" / "deep" / "print.safetensors"
    make().save(path)
    loaded = Fingerprint.load(path)
    assert (loaded.metric, loaded.version, loaded.model, loaded.digest) == ("m", 2, "org/name é", "ab" * 32)
    assert list(loaded.arrays) == list(ARRAYS), "in the order given"
    for name, array in ARRAYS.items():
        assert loaded.arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(loaded.arrays[name], array)
    assert loaded.checkpoint is None
    assert [file.name for file in path.parent.iterdir()] == ["print.safetensors"]


def test_equal_content_gives_equal_bytes(tmp_path: Path) -> None:
    contents = set()
    for _ in range(8):
        make(arrays=dict(ARRAYS)).save(tmp_path / "print")
        contents.add((tmp_path / "print").read_bytes())
    assert len(contents) == 1
    make(arrays=ARRAYS | {"a": np.float32([1.5, 3.0])}).save(tmp_path / "other")
    assert (tmp_path / "other").read_bytes() not in contents


def test_an_array_in_another_order_of_memory(tmp_path: Path) -> None:
    turned = np.asfortranarray(ARRAYS["b"])
    make(arrays={"b": turned}).save(tmp_path / "print")
    np.testing.assert_array_equal(Fingerprint.load(tmp_path / "print").arrays["b"], ARRAYS["b"])


def test_metrics_keep_arrays_as_a_file_gives_them_back() -> None:
    """Products round by the order of what they multiply: a stored fingerprint must score the same."""
    model = fpcore.MemoryCheckpoint("m", "d", {}, {})
    made = fpcore.metric("attention-std").make_fingerprint(model, {"b": np.asfortranarray(ARRAYS["b"])})
    assert made.arrays["b"].flags.c_contiguous
    np.testing.assert_array_equal(made.arrays["b"], ARRAYS["b"])


def test_a_failed_write_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "print"
    make().save(path)
    before = path.read_bytes()

    def fail(temporary: str, _: Path) -> None:
        assert Path(temporary).parent == tmp_path, "on the same disk"
        assert Path(temporary).name.startswith(".print.")
        raise OSError("disk full")

    monkeypatch.setattr("fpcore.fingerprint.os.replace", fail)
    with pytest.raises(OSError, match="disk full"):
        make(version=3).save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_damaged_and_foreign_files_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "print"
    make().save(path)
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(fpcore.BadCheckpoint, match=rf"^{path}: not a readable fingerprint .*; delete it"):
        Fingerprint.load(path)
    with pytest.raises(fpcore.BadCheckpoint, match="not a readable fingerprint"):
        Fingerprint.load(tmp_path / "nowhere")
    monkeypatch.setattr("fpcore.fingerprint.SCHEMA", 99)
    make().save(path)
    monkeypatch.undo()
    with pytest.raises(fpcore.BadCheckpoint, match=r"schema 99, this version reads 1; delete it"):
        Fingerprint.load(path)


def with_header(**about: object) -> bytes:
    header = {"schema": 1, "metric": "m", "version": 2, "model": "a", "digest": "d", "order": ["x"]} | about
    told = {name: fact for name, fact in header.items() if fact is not None}
    content: bytes = save({"x": np.ones(2)}, metadata={"fingerprint": json.dumps(told)})
    return content


@pytest.mark.parametrize(
    ("about", "why"),
    [
        ({"version": "2"}, r"not a readable fingerprint \(its header has another form\); delete it"),
        ({"version": True}, r"not a readable fingerprint \(its header has another form\)"),
        ({"order": ["x", "x"]}, r"not a readable fingerprint \(its header has another form\)"),
        ({"order": ["y"]}, r"not a readable fingerprint \('y'\)"),
        ({"digest": None}, r"not a readable fingerprint \('digest'\)"),
        ({"schema": 2, "order": None}, "fingerprint of schema 2, this version reads 1; delete it"),
    ],
)
def test_headers_of_another_form_are_named(about: dict[str, object], why: str) -> None:
    assert list(Fingerprint.from_bytes(with_header()).arrays) == ["x"]
    with pytest.raises(fpcore.BadCheckpoint, match=f"^fingerprint: {why}"):
        Fingerprint.from_bytes(with_header(**about))


def test_the_checkpoint_is_not_stored() -> None:
    model = fpcore.MemoryCheckpoint("m", "d", {}, {})
    assert checkpoint_of(make(checkpoint=model)) is model
    with pytest.raises(
        fpcore.BadCheckpoint, match=r"^org/name é: m needs the checkpoint, not a stored fingerprint"
    ):
        checkpoint_of(Fingerprint.from_bytes(make(checkpoint=model).to_bytes()))
