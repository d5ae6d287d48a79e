"""One small catalog, one evaluated metric: what the tests of a proposed metric and of a case stand on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from command_line import Said, command
from small_catalog import write_catalog

__all__ = ["Evaluated", "Said", "command", "evaluated"]


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
