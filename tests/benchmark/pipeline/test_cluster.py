"""One machine or many: the same files from one process, from several, and from workers that share no disk."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from conftest import command
from dask_cluster import dask_cluster
from small_catalog import write_catalog

from benchmark.pipeline import engine as engine_module
from benchmark.pipeline.cluster import Cluster, code_and_versions
from benchmark.pipeline.parcels import pack, unpack
from benchmark.pipeline.run import run
from benchmark.session.cache import Cache
from benchmark.session.cache_entry import sealed
from benchmark.session.errors import UsageError

MODELS = "zoo/qwen-[ab]*"
METRICS = ["attention-std", "norm-pearson", "qkv-bias-max", "weight-cosine"]
SAME = ("results.json", "scores.parquet")


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run in one process."""
    folder = tmp_path_factory.mktemp("plain")
    run(models=MODELS, metrics=METRICS, out=folder / "out", cache=folder / "cache", workers=1)
    return folder


def fingerprints(cache: Path) -> dict[str, bytes]:
    """Every fingerprint of a cache."""
    return {path.relative_to(cache).as_posix(): path.read_bytes() for path in cache.rglob("*.fingerprint")}


def check(plain: Path, folder: Path) -> None:
    """The same files, and the same fingerprints, as from one process."""
    for name in SAME:
        assert (folder / "out" / name).read_bytes() == (plain / "out" / name).read_bytes(), name
    assert fingerprints(folder / "cache") == fingerprints(plain / "cache")


@pytest.mark.parametrize("workers", [2, 4])
@pytest.mark.slow
def test_local_processes(plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int) -> None:
    monkeypatch.setattr(engine_module, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(engine_module, "START_SECONDS", 0.0)
    run(models=MODELS, metrics=METRICS, out=tmp_path / "out", cache=tmp_path / "cache", workers=workers)
    check(plain, tmp_path)


@pytest.mark.slow
def test_workers_that_share_no_disk_one_of_which_is_killed(plain: Path, tmp_path: Path) -> None:
    caller = tmp_path / "caller"
    (tmp_path / "cluster").mkdir()
    with dask_cluster(tmp_path / "cluster", forbidden=caller, deaths=[4, None]) as (address, (first, second)):
        run(models=MODELS, metrics=METRICS, out=caller / "out", cache=caller / "cache", dask=address)
        assert first.process.wait(60) == -signal.SIGKILL
        assert first.units == 4, "it was killed in the middle of its fourth"
        assert second.units > first.units
        assert first.opened == second.opened == []
        check(plain, caller)
        # What is done is not done again, wherever it was done.
        before = second.units
        run(models=MODELS, metrics=METRICS, out=caller / "again", cache=caller / "cache", dask=address)
        assert second.units == before
    for name in SAME:
        assert (caller / "again" / name).read_bytes() == (plain / "out" / name).read_bytes(), name


@pytest.mark.slow
def test_without_a_worker_left_the_rest_is_done_here(plain: Path, tmp_path: Path) -> None:
    """Two workers die in the middle of a unit; whoever tries it next would, too: nobody is left to."""
    caller = tmp_path / "caller"
    (tmp_path / "cluster").mkdir()
    with dask_cluster(tmp_path / "cluster", forbidden=caller, deaths=[2, 3]) as (address, workers):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("benchmark.pipeline.cluster.SECONDS", 3)
            run(models=MODELS, metrics=METRICS, out=caller / "out", cache=caller / "cache", dask=address)
        assert [worker.process.wait(60) for worker in workers] == [-signal.SIGKILL] * 2
    check(plain, caller)


@pytest.mark.slow
def test_models_on_this_disk_are_read_here(tmp_path: Path) -> None:
    """Another disk may hold other files under the same path. Their fingerprints travel."""
    catalog = write_catalog(tmp_path / "models", founders=3, children=1)
    asked = {"catalog": catalog, "metrics": ["attention-std", "weight-cosine"]}
    run(**asked, out=tmp_path / "plain" / "out", cache=tmp_path / "plain" / "cache", workers=1)
    (tmp_path / "cluster").mkdir()
    with dask_cluster(tmp_path / "cluster", forbidden=tmp_path / "models", deaths=[None]) as (
        address,
        (one,),
    ):
        run(**asked, out=tmp_path / "far" / "out", cache=tmp_path / "far" / "cache", dask=address)
        assert one.opened == []
        assert one.units == 1, "the scores of the metric whose fingerprints are kept"
    check(tmp_path / "plain", tmp_path / "far")


def test_a_cluster_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    said = command(
        "run", "--models", MODELS, "--dask", "tcp://127.0.0.1:1", "--out", tmp_path / "out", cache=tmp_path
    )
    assert said.code == 2
    assert "no scheduler answers" in said.err
    assert "Traceback" not in said.err
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_worker_of_other_code_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with dask_cluster(tmp_path, forbidden=tmp_path / "none", deaths=[None]) as (address, _):
        # Of this process alone: what is asked of a worker is the function that it has under this name.
        monkeypatch.setattr("benchmark.pipeline.cluster.package_version", lambda name: "0.1")
        code_and_versions.cache_clear()
        try:
            with pytest.raises(UsageError, match=r"has numpy .*, this machine 0\.1; scores could differ"):
                Cluster(address, "cpu")
        finally:
            code_and_versions.cache_clear()


def test_entries_keep_their_places(tmp_path: Path) -> None:
    here, there = Cache(tmp_path / "a"), Cache(tmp_path / "z")
    name = f"scores/norm-std-v1/{1:064x}.scores"
    here.write(here.path / name, b"1")
    files = pack(here, [here.path / name])
    assert set(files) == {name}
    unpack(there, files, replace=False)
    here.write(here.path / name, b"2")
    unpack(there, pack(here, [here.path / name]), replace=False)
    assert there.read(there.path / name) == b"1"
    unpack(there, pack(here, [here.path / name]), replace=True)
    assert there.read(there.path / name) == b"2"


@pytest.mark.parametrize("place", ["../x", "/x", "scores/../../x", "scores/x", "x", f"other/{1:064x}.scores"])
def test_nothing_but_entries_comes_in_from_a_worker(
    tmp_path: Path, place: str, capsys: pytest.CaptureFixture[str]
) -> None:
    there = Cache(tmp_path / "a" / "z")
    unpack(there, {place: sealed(place, b"1")}, replace=True)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    assert "not a valid entry name" in capsys.readouterr().err
    good = f"scores/norm-std-v1/{1:064x}.scores"
    unpack(there, {good: sealed("scores/another", b"1")}, replace=True)
    assert not (there.path / good).exists()
