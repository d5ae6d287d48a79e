"""`kill -9` anywhere, again and again: the same command ends with the bytes of an undisturbed one."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from command_line import command
from dask_cluster import dask_cluster
from held_run import RUNNER, write_held_metric
from killed import run_and_kill_at
from small_catalog import write_catalog

from benchmark.session.cache import Cache
from benchmark.zoo.build import build
from benchmark.zoo.manifest import WEIGHTS, file_digests, read_manifest

pytestmark = pytest.mark.skipif(os.name != "posix", reason="kills process groups")

METRICS = "attention-std,weight-cosine"
SAME = ("results.json", "scores.parquet", "figures/roc.svg", "figures/decay.svg")
#: A run takes some two hundred steps on files here, less what is kept; it is killed anywhere among those.
STEPS = 100
TEXT = {"corpus": "reference", "tokenizer": "reference"}
ZOO = {
    "base": {"train": {"cell": "qwen2-narrow", "seed": 1, **TEXT, "steps": 2}},
    "tuned": {"train": {"from": "zoo/base", "corpus": "reference", "steps": 2, "order": 5}},
    "other": {"train": {"from": "zoo/base", "corpus": "reference", "steps": 1, "order": 6}},
}
BUILD = """
import json, sys
from pathlib import Path
from benchmark.zoo.build import build
if __name__ == "__main__":
    build(json.loads(sys.argv[1]), Path(sys.argv[2]), workers=int(sys.argv[3]))
"""


@dataclass(frozen=True)
class Undisturbed:
    """A catalog, a metric of the user's own, and what `run` and `evaluate` make of them."""

    catalog: Path
    metric: Path
    folder: Path


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    folder = tmp_path_factory.mktemp("undisturbed")
    (folder / "models").mkdir()
    made = Undisturbed(
        write_catalog(folder / "models", founders=3, children=1),
        write_held_metric(folder)[0],
        folder / "whole",
    )
    for verb in ("run", "evaluate"):
        said = command(*arguments(made, verb, folder / "whole" / verb), cache=folder / "cache" / verb)
        assert said.code == 0, said.err
    return made


def arguments(made: Undisturbed, verb: str, out: Path, workers: int = 1) -> list[object]:
    what = ["run", "--metrics", METRICS]
    if verb == "evaluate":
        what = ["evaluate", f"{made.metric}:Held", "--against", METRICS]
    return [*what, "--catalog", made.catalog, "--out", out, "--workers", workers, "--quiet"]


def killed(
    python: Sequence[object],
    folders: Sequence[Path],
    kills: int,
    seed: object,
    scratch: Path,
    cache: Path,
    *,
    steps: int = STEPS,
    check: Callable[[Path, Path], None] | None = None,
) -> None:
    """Kill a command so often, each time somewhere else; where it comes to its end, it begins anew."""
    rng = random.Random(str(seed))
    left = kills
    for _ in range(4 * kills):
        step, who = rng.randrange(1, steps), rng.choice(["group", "one"])
        if run_and_kill_at(python, folders, step, who, cache=cache, scratch=scratch):
            left -= 1
            (check or nothing_half_written_is_read)(folders[0], cache)
        else:
            for folder in folders:
                shutil.rmtree(folder)
        if not left:
            return
    raise AssertionError(f"{left} of {kills} times it was over before it could be killed")


def nothing_half_written_is_read(out: Path, cache: Path) -> None:
    """What has its name is whole; a directory that says that it has ended has all its files."""
    store = Cache(cache)
    for path in cache.rglob("*"):
        if path.is_file() and not path.name.startswith("."):
            assert store.read(path) is not None, path
    record = out / "run.json"
    if record.exists() and json.loads(record.read_text())["status"] != "running":
        assert command("report", out, cache=cache).code == 0


def ends_alike(made: Undisturbed, verb: str, out: Path, cache: Path) -> None:
    said = command(*arguments(made, verb, out), cache=cache)
    assert said.code == 0, said.err
    assert "cache:" not in said.err
    for name in SAME:
        assert (out / name).read_bytes() == (made.folder / verb / name).read_bytes(), name
    assert (out / "card.md").exists() is (verb == "evaluate")
    assert not list(out.rglob(".lock"))


def disturbed(made: Undisturbed, verb: str, workers: int, kills: int, seed: int, scratch: Path) -> None:
    out, cache = scratch / "out", scratch / "cache"
    python = ["-c", RUNNER, *arguments(made, verb, out, workers)]
    killed(python, [out, cache], kills, (verb, workers, seed), scratch, cache)
    ends_alike(made, verb, out, cache)


@pytest.mark.slow
@pytest.mark.parametrize(("verb", "workers"), [("run", 2), ("evaluate", 1)])
def test_killed_a_few_times(undisturbed: Undisturbed, verb: str, workers: int, tmp_path: Path) -> None:
    disturbed(undisturbed, verb, workers, 2, 0, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("verb", ["run", "evaluate"])
def test_killed_many_times(
    undisturbed: Undisturbed, verb: str, workers: int, seed: int, tmp_path: Path
) -> None:
    disturbed(undisturbed, verb, workers, 6, seed, tmp_path)


@pytest.mark.slow
def test_killed_on_a_cluster(undisturbed: Undisturbed, tmp_path: Path) -> None:
    """The caller is killed; the cluster stays, and serves it again."""
    out, cache = tmp_path / "out", tmp_path / "cache"
    (tmp_path / "cluster").mkdir()
    with dask_cluster(tmp_path / "cluster", forbidden=out, deaths=[None, None]) as (address, _):
        python = ["-c", RUNNER, *arguments(undisturbed, "run", out), "--dask", address]
        killed(python, [out, cache], 6, "dask", tmp_path, cache)
        said = command(*arguments(undisturbed, "run", out), "--dask", address, cache=cache)
        assert said.code == 0, said.err
    ends_alike(undisturbed, "run", out, cache)


def what_the_manifest_names_is_whole(out: Path, cache: Path) -> None:
    for name, entry in read_manifest(out).models.items():
        assert file_digests(out / WEIGHTS / name) == entry.files, name


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_a_zoo_killed_many_times(workers: int, tmp_path: Path) -> None:
    out, whole, script = tmp_path / "zoo", tmp_path / "whole", tmp_path / "go.py"
    script.write_text(BUILD)
    build(ZOO, whole, workers=1)
    killed(
        [script, json.dumps(ZOO), out, workers], [out], 4, ("zoo", workers), tmp_path, tmp_path / "cache",
        steps=30, check=what_the_manifest_names_is_whole,
    )  # fmt: skip
    build(ZOO, out, workers=workers)
    assert {name: one.files for name, one in read_manifest(out).models.items()} == {
        name: one.files for name, one in read_manifest(whole).models.items()
    }
    for name in ZOO:
        assert file_digests(out / WEIGHTS / name) == file_digests(whole / WEIGHTS / name)
    assert not list((out / WEIGHTS).glob(".*"))
