"""What a verb does not need it does not import: the command line answers at once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

ROOT = Path(__file__).parents[3]
TELL = """
import atexit, runpy, sys
path, *sys.argv[1:] = sys.argv[1:]
atexit.register(lambda: open(path, "w").write("\\n".join(sys.modules)))
runpy.run_module("benchmark", run_name="__main__")
"""
MODELS_RUN = {"torch", "transformers", "tokenizers"}
NUMBERS = {"numpy", "pandas", "scipy", "sklearn", "statsmodels", "matplotlib", "joblib"}
SAID_AT_ONCE = ["--help", "--version", "run --help", "catalog --help", "compare --help"]


def imported(verb: str, folder: Path) -> set[str]:
    """Packages that a command imports in a process of its own."""
    told = folder / "modules"
    ended = subprocess.run(
        [sys.executable, "-c", TELL, str(told), *verb.split()],
        cwd=ROOT,
        env=os.environ | {"LOOKALIKE_CACHE": str(folder / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout
    return {name.partition(".")[0] for name in told.read_text().splitlines()}


@pytest.mark.parametrize("verb", SAID_AT_ONCE)
def test_help_and_version_import_nothing_of_weight(verb: str, tmp_path: Path) -> None:
    assert imported(verb, tmp_path) & (MODELS_RUN | NUMBERS) == set()


@pytest.mark.parametrize(
    "verb",
    [
        "metrics",
        "power --lineages 30",
        "catalog check",
        "catalog pairs --relation sibling --csv",
        pytest.param("metrics --json", marks=pytest.mark.slow),
        pytest.param("catalog show zoo/qwen-a", marks=pytest.mark.slow),
        pytest.param("catalog tree zoo/qwen-a", marks=pytest.mark.slow),
        pytest.param("cache info", marks=pytest.mark.slow),
    ],
)
def test_looking_things_up_imports_nothing_that_runs_models(verb: str, tmp_path: Path) -> None:
    assert imported(verb, tmp_path) & MODELS_RUN == set()


@pytest.mark.slow
def test_statistics_of_a_score_table_import_nothing_that_runs_models(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    models = [(f"m{lineage}{member}", f"L{lineage}") for lineage in range(6) for member in "ab"]
    rows = [
        (a, b, rng.normal(2.0 * (at == bt)), "derived" if at == bt else "independent", at, bt, "c", "c")
        for i, (a, at) in enumerate(models)
        for b, bt in models[i + 1 :]
    ]
    names = ["model_a", "model_b", "score", "relation", "lineage_a", "lineage_b"]
    frame = pd.DataFrame(rows, columns=[*names, "architecture_a", "architecture_b"])
    frame.to_csv(tmp_path / "scores.csv", index=False)
    verb = f"analyse {tmp_path / 'scores.csv'} --out {tmp_path / 'run'} --quiet"
    assert imported(verb, tmp_path) & MODELS_RUN == set()
