"""One small catalog, one evaluated metric: what the tests of a proposed metric and of a case stand on."""

from __future__ import annotations

import contextlib
import io
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from small_catalog import write_catalog

from benchmark import cli


@dataclass(frozen=True)
class Said:
    """How a command ended."""

    code: int
    out: str
    err: str


def command(*arguments: object, cache: Path) -> Said:
    """Run the command line in this process."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.ExitStack() as stack:
        patch.setenv("LOOKALIKE_CACHE", str(cache))
        patch.setenv("COLUMNS", "80")
        patch.setattr(sys, "argv", ["benchmark", *map(str, arguments)])
        stack.enter_context(contextlib.redirect_stdout(out))
        stack.enter_context(contextlib.redirect_stderr(err))
        try:
            cli.main()
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
    return Said(code, out.getvalue(), err.getvalue())


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
