"""What all tests stand on: one thread, and a small catalog on which one metric is evaluated."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest
import scipy.linalg
import torch
from command_line import Said, command
from hypothesis import settings
from small_catalog import write_catalog
from threadpoolctl import threadpool_limits

__all__ = ["Calibrated", "Evaluated", "Said", "calibrated", "command", "evaluated"]

# No example is judged by the clock of a busy machine.
settings.register_profile("without a clock", deadline=None)
settings.load_profile("without a clock")


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Of several test processes, and what they start, each has one core.

    What the product limits itself has tests that state four threads to a process of their own.
    """
    os.environ["OMP_NUM_THREADS"] = "1"
    scipy.linalg.get_blas_funcs("gemm")  # the library is loaded: it can be limited
    torch.set_num_threads(1)
    threadpool_limits(1)


@dataclass(frozen=True)
class Evaluated:
    """A catalog of 27 models in 9 lineages, and the run in which the template was evaluated on it."""

    catalog: Path
    cache: Path
    metric: Path
    run: Path
    said: Said


@pytest.fixture(scope="session")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Evaluated:
    folder = tmp_path_factory.mktemp("evaluated")
    (folder / "models").mkdir()
    catalog = write_catalog(folder / "models", founders=9, noise=0.8)
    cache, metric, run = folder / "cache", folder / "my_metric.py", folder / "run"
    assert command("evaluate", "--new", metric, cache=cache).code == 0
    said = command(
        "evaluate",
        f"{metric}:MyMetric",
        "--catalog",
        catalog,
        "--against",
        "config-match,weight-cosine,attention-std,qkv-bias-std",
        "--out",
        run,
        "--workers",
        1,
        "--gate",
        "look_alike_auc=0.5",
        cache=cache,
    )
    return Evaluated(catalog, cache, metric, run, said)


@dataclass(frozen=True)
class Calibrated:
    """A catalog of 14 founders with a child each, and a run of one metric that weighs both ways."""

    catalog: Path
    cache: Path
    run: Path


@pytest.fixture(scope="session")
def calibrated(tmp_path_factory: pytest.TempPathFactory) -> Calibrated:
    folder = tmp_path_factory.mktemp("calibrated")
    catalog = write_catalog(folder / "models", founders=14, children=1, noise=0.3)
    cache, run = folder / "cache", folder / "run"
    said = command(
        "run", "--catalog", catalog, "--metrics", "weight-cosine,config-match", "--out", run, "--workers", 1,
        cache=cache,
    )  # fmt: skip
    assert said.code == 0, said.err
    return Calibrated(catalog, cache, run)
