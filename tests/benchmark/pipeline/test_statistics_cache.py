"""Results are kept by all that decides them: the code that computes them among it."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import analysis
import fpcore
from benchmark.pipeline import statistics
from benchmark.session.cache import Cache


@pytest.fixture
def scores() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    models = [(f"m{g}{k}", f"L{g}") for g in range(6) for k in range(3)]
    rows = [
        (a, b, rng.normal(2.0 * (la == lb)), "derived" if la == lb else "independent", la, lb, "x", "x")
        for place, (a, la) in enumerate(models)
        for b, lb in models[place + 1 :]
    ]
    labels = ["relation", "lineage_a", "lineage_b", "architecture_a", "architecture_b"]
    table = pd.DataFrame(rows, columns=["model_a", "model_b", "score", *labels])
    table.insert(0, "metric", "weight-cosine")
    return analysis.ScoreTable(table).frame


def entries(cache: Cache) -> int:
    return len(list(cache.results.glob("*.results")))


def results(scores: pd.DataFrame, cache: Cache, *, seed: int = 0, known: str = "") -> analysis.Summary:
    metrics = {known: fpcore.metric(known)} if known else {}
    return statistics.results_of(scores, metrics, seed=seed, cache=cache)


def test_the_same_again_is_read_and_anything_else_is_computed(
    scores: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = Cache(tmp_path)
    first = results(scores, cache)
    monkeypatch.setattr(analysis, "analyse", None)
    assert analysis.as_json(results(scores, cache)) == analysis.as_json(first)
    monkeypatch.undo()
    assert entries(cache) == 1
    results(scores, cache, seed=1)
    results(scores, cache, known="weight-cosine")
    results(scores.assign(score=scores["score"] + 1e-9), cache)
    renamed = {f"lineage_{end}": scores[f"lineage_{end}"].replace("L0", "L9") for end in "ab"}
    results(scores.assign(**renamed), cache)
    assert entries(cache) == 5


def test_it_is_told_as_metrics_are_done(scores: pd.DataFrame, tmp_path: Path) -> None:
    both = pd.concat([scores, scores.assign(metric="norm-cosine")])
    told: list[int] = []
    for _ in range(2):  # the second time they are read
        statistics.complete_results(both, {}, seed=0, cache=Cache(tmp_path), told=told.append)
    assert told == [1, 2]


@pytest.mark.thorough
@pytest.mark.parametrize("module", ["table.py", "discrimination/auc.py", "evidence/likelihood_ratio.py"])
def test_a_change_of_the_code_of_analysis_is_another_result(
    scores: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    """In whichever of its folders: a copy of the package, one module of which gets a line more."""
    copy = tmp_path / "analysis"
    shutil.copytree(Path(analysis.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(analysis, "__file__", str(copy / "__init__.py"))
    cache = Cache(tmp_path / "cache")
    results(scores, cache)
    results(scores, cache)
    assert entries(cache) == 1
    with (copy / module).open("a") as stream:
        stream.write("# changed\n")
    results(scores, cache)
    assert entries(cache) == 2


def test_a_damaged_file_is_computed_again(scores: pd.DataFrame, tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    first = analysis.as_json(results(scores, cache))
    (file,) = cache.results.glob("*.results")
    for text in ("{", '{"metrics": []}'):
        file.write_text(text)
        assert analysis.as_json(results(scores, cache)) == first
