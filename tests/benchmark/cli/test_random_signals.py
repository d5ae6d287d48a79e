"""Ctrl-C and SIGTERM anywhere, once and twice: one line, 130, nobody left, and the same command goes on."""

from __future__ import annotations

import os
import random
import signal
from pathlib import Path

import pytest
from command_line import command
from held_run import RUNNER
from killed import run_and_signal_at
from small_catalog import write_catalog

from benchmark.cli.interrupts import FAREWELL

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name != "posix", reason="signals and process groups")]

METRICS = "attention-std,weight-cosine"
STEPS = 100


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_catalog(tmp_path_factory.mktemp("models"), founders=3, children=1)


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(("number", "who"), [(signal.SIGINT, "group"), (signal.SIGTERM, "one")])
def test_a_signal_at_any_step(
    catalog: Path, tmp_path: Path, number: signal.Signals, who: str, workers: int, times: int
) -> None:
    out, cache = tmp_path / "out", tmp_path / "cache"
    common: list[object] = ["run", "--catalog", catalog, "--metrics", METRICS, "--quiet"]
    rng, met = random.Random(f"{number} {workers} {times}"), 0
    for _ in range(4):
        step = rng.randrange(1, STEPS)
        python = ["-c", RUNNER, *common, "--out", out, "--workers", workers]
        ended = run_and_signal_at(
            python, [out, cache], step, who, number, times, cache=cache, scratch=tmp_path
        )
        # Past the last step, or once the result is there, a signal finds nobody or changes nothing.
        met += ended.returncode == 130
        expected = (130, [FAREWELL]) if ended.returncode else (0, [])
        assert (ended.returncode, ended.stderr.splitlines()) == expected, step
    assert met
    assert command(*common, "--out", out, cache=cache).code == 0
    whole = tmp_path / "whole"
    assert command(*common, "--out", whole, cache=tmp_path / "cache of its own").code == 0
    for name in ("results.json", "scores.parquet"):
        assert (out / name).read_bytes() == (whole / name).read_bytes(), name
