"""Runs that share a cache at the same time, and one whose worker is killed, end as undisturbed ones do."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import command
from held_run import RUNNER
from killed import ROOT, run_and_signal_at
from small_catalog import write_catalog

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name != "posix", reason="kills processes")]

METRICS = "attention-std,weight-cosine"


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_catalog(tmp_path_factory.mktemp("models"), founders=4, children=1)


def arguments(catalog: Path, out: Path, workers: int = 1) -> list[object]:
    common: list[object] = ["run", "--catalog", catalog, "--metrics", METRICS, "--quiet"]
    return [*common, "--out", out, "--workers", workers]


@pytest.fixture(scope="module")
def undisturbed(catalog: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed")
    assert command(*arguments(catalog, folder / "out"), cache=folder / "cache").code == 0
    return folder / "out"


def same(out: Path, undisturbed: Path) -> None:
    for name in ("results.json", "scores.parquet"):
        assert (out / name).read_bytes() == (undisturbed / name).read_bytes(), name


def test_two_runs_share_a_cache(catalog: Path, undisturbed: Path, tmp_path: Path) -> None:
    outs = [tmp_path / "one", tmp_path / "two"]
    runs = [
        subprocess.Popen(
            [sys.executable, "-m", "benchmark", *map(str, arguments(catalog, out, workers=place + 1))],
            cwd=ROOT,
            env={**os.environ, "LOOKALIKE_CACHE": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for place, out in enumerate(outs)
    ]
    for run, out in zip(runs, outs, strict=True):
        _, err = run.communicate(timeout=600)
        assert (run.returncode, err) == (0, "")
        same(out, undisturbed)


@pytest.mark.parametrize("step", [1, 4])
def test_a_run_outlives_its_workers(catalog: Path, undisturbed: Path, tmp_path: Path, step: int) -> None:
    out, cache = tmp_path / "out", tmp_path / "cache"
    python = ["-c", RUNNER, *arguments(catalog, out, workers=2)]
    ended = run_and_signal_at(
        python, [out, cache], step, "worker", signal.SIGKILL, cache=cache, scratch=tmp_path
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert (tmp_path / "killed").exists()
    same(out, undisturbed)
