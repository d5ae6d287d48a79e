"""No entry of the cache is believed that is not as it was written: whatever was done to it, results stay."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import Said, command
from small_catalog import write_catalog

from benchmark.session.cache import Cache
from benchmark.session.cache_entry import sealed

METRICS = "weight-cosine,attention-std,qkv-bias-std"
SAME = ("results.json", "scores.parquet", "figures/roc.svg", "figures/scores-weight-cosine.svg")
KINDS = ("fingerprint", "outcome", "scores", "results", "figures")


def flipped(held: bytes) -> bytes:
    """One bit of what it holds."""
    return held[:-9] + bytes([held[-9] ^ 1]) + held[-8:]


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda held: b"",
    "truncated": lambda held: held[: len(held) // 2],
    "a byte": lambda held: held[:1],
    "longer": lambda held: held + b" ",
    "flipped": flipped,
    "a flipped seal": lambda held: b"L" + held[1:],
    "bare": lambda held: held.partition(b"\n")[2],
    "nothing inside": lambda held: sealed("results/of another.results", b""),
    "noise": lambda held: b"\0\xff\n" * 100,
}


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_catalog(tmp_path_factory.mktemp("models"), founders=3, children=1)


def calibrated(catalog: Path, out: Path, cache: Path) -> Said:
    said = command(
        "run",
        "--catalog",
        catalog,
        "--metrics",
        METRICS,
        "--out",
        out,
        "--workers",
        1,
        "--quiet",
        cache=cache,
    )
    assert said.code == 0, said.err
    return said


@pytest.fixture(scope="module")
def first(catalog: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run and the cache that it filled."""
    folder = tmp_path_factory.mktemp("first")
    assert calibrated(catalog, folder / "run", folder / "cache").err == ""
    return folder


@pytest.fixture
def cache(first: Path, tmp_path: Path) -> Path:
    shutil.copytree(first / "cache", tmp_path / "cache")
    return tmp_path / "cache"


def entries(cache: Path, kind: str) -> list[Path]:
    found = sorted(cache.rglob(f"*.{kind}"))
    assert found
    return found


def so_that_it_is_read(cache: Path, kind: str) -> None:
    """Take away what is kept of later work, so that the work on this kind is done."""
    later = {"fingerprint": ("scores",), "outcome": ()}.get(kind, ())
    for path in (path for other in later for path in entries(cache, other)):
        path.unlink()
    if kind == "outcome":  # those of single metrics: the one of all of them is read first
        for folder in (cache / "fingerprints").glob("all-*"):
            shutil.rmtree(folder)


def nothing_changed(catalog: Path, first: Path, out: Path, cache: Path) -> Said:
    said = calibrated(catalog, out, cache)
    for name in SAME:
        assert (out / name).read_bytes() == (first / "run" / name).read_bytes(), name
    assert calibrated(catalog, out.with_name("again"), cache).err == "", "what was bad is good again"
    return said


def test_the_same_again_says_nothing(catalog: Path, first: Path, cache: Path, tmp_path: Path) -> None:
    assert nothing_changed(catalog, first, tmp_path / "out", cache).err == ""


@pytest.mark.parametrize(
    ("kind", "damage"), [*zip(KINDS, ("truncated", "flipped", "empty", "bare", "noise"), strict=True)]
)
def test_a_bad_entry_is_made_again_and_said(
    catalog: Path, first: Path, cache: Path, tmp_path: Path, kind: str, damage: str
) -> None:
    so_that_it_is_read(cache, kind)
    # Results are kept with and without what the catalog adds: the second are read where the first are bad.
    victims = entries(cache, kind) if kind == "results" else entries(cache, kind)[-1:]
    for victim in victims:
        victim.write_bytes(DAMAGES[damage](victim.read_bytes()))
    lines = nothing_changed(catalog, first, tmp_path / "out", cache).err.splitlines()
    assert len(lines) == len(victims)
    for victim in victims:
        (line,) = [line for line in lines if line.startswith(f"cache: {victim}: ")]
        assert line.endswith("; recomputing it")


@pytest.mark.parametrize("damage", DAMAGES)
def test_an_entry_is_what_was_written_or_nothing(
    tmp_path: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Cache(tmp_path)
    path = store.results / f"{1:064x}.results"
    assert store.read(path) is None
    assert capsys.readouterr().err == ""
    store.write(path, b"what was found\n")
    assert store.read(path) == b"what was found\n"
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    assert store.read(path) is None
    assert store.read(path) is None, "it is said once"
    (line,) = capsys.readouterr().err.splitlines()
    assert str(path) in line


def test_swapped_entries_are_made_again(catalog: Path, first: Path, cache: Path, tmp_path: Path) -> None:
    """Of two models, two metrics, or two parts of scores: all are whole, and none is where it belongs."""
    swapped = []
    for kind in ("scores", "outcome"):
        so_that_it_is_read(cache, kind)
        one, *_, other = entries(cache, kind)
        held = one.read_bytes(), other.read_bytes()
        one.write_bytes(held[1])
        other.write_bytes(held[0])
        swapped += [one, other]
    lines = nothing_changed(catalog, first, tmp_path / "out", cache).err.splitlines()
    told = "the entry was altered, or belongs under another name; recomputing it"
    assert sorted(lines) == sorted(f"cache: {path}: {told}" for path in swapped)


def test_swapped_fingerprints_are_made_again(catalog: Path, first: Path, cache: Path, tmp_path: Path) -> None:
    so_that_it_is_read(cache, "fingerprint")
    one, other, *_ = entries(cache, "fingerprint")
    held = one.read_bytes(), other.read_bytes()
    one.write_bytes(held[1])
    other.write_bytes(held[0])
    assert len(nothing_changed(catalog, first, tmp_path / "out", cache).err.splitlines()) == 2


def test_a_forged_abstention_is_not_believed(catalog: Path, first: Path, cache: Path, tmp_path: Path) -> None:
    so_that_it_is_read(cache, "outcome")
    victim = next(path for path in entries(cache, "outcome") if "weight-cosine" in str(path))
    seal, _, _ = victim.read_bytes().partition(b"\n")
    victim.write_bytes(seal + b'\n{"status": "abstained", "reason": "", "seconds": 1.0, "stored": false}')
    assert len(nothing_changed(catalog, first, tmp_path / "out", cache).err.splitlines()) == 1


def test_when_all_is_bad_a_few_are_named(catalog: Path, first: Path, cache: Path, tmp_path: Path) -> None:
    bad = [path for path in cache.rglob("*") if path.is_file()]
    for path in bad:
        path.write_bytes(b"")
    lines = nothing_changed(catalog, first, tmp_path / "out", cache).err.splitlines()
    assert len(bad) > len(lines) == 6
    assert lines[-1] == "cache: more entries are damaged; recomputing them"


def test_no_key_of_the_figures_becomes_a_path(
    catalog: Path, first: Path, cache: Path, tmp_path: Path
) -> None:
    """Not even where whoever wrote it knew how to seal it."""
    (kept,) = entries(cache, "figures")
    store = Cache(cache)
    drawn = json.loads(store.read(kept) or "")
    for name in (str(tmp_path / "outside.svg"), "../outside.svg", "figures/../../outside.svg"):
        store.write(kept, json.dumps(drawn | {name: "<svg><script>1</script></svg>"}).encode())
        calibrated(catalog, tmp_path / "out", cache)
        assert not (tmp_path / "outside.svg").exists()
        assert not (tmp_path / "out" / "outside.svg").exists()
    for name in SAME:
        assert (tmp_path / "out" / name).read_bytes() == (first / "run" / name).read_bytes(), name


@pytest.mark.parametrize("held", [b"", b"[" * 100_000, b"PAR1"])
def test_a_sealed_entry_of_another_form_is_made_again(
    catalog: Path, first: Path, cache: Path, tmp_path: Path, held: bytes
) -> None:
    store = Cache(cache)
    for kind in KINDS:
        store.write(entries(cache, kind)[-1], held)
    calibrated(catalog, tmp_path / "out", cache)
    for name in SAME:
        assert (tmp_path / "out" / name).read_bytes() == (first / "run" / name).read_bytes(), name
