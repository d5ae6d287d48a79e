"""Cases are scored as runs are: each model read once, what is done is kept, a limit for foreign metrics."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from conftest import Evaluated
from counting_metric import calls, write_metric

import fpcore
from benchmark.catalog import load_catalog
from benchmark.comparison.compare import compare
from benchmark.comparison.find_parents import find_parents
from benchmark.results.files import RunDirectory


def registered(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Register the counting metric, as a package of its own would by an entry point."""
    spec = importlib.util.spec_from_file_location("counting_package", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "counting_package", module)
    spec.loader.exec_module(module)
    known = sys.modules["fpcore.registry"].__dict__["registered"]
    monkeypatch.setitem(known, "counting", module.Counting())


@pytest.fixture
def calibration(evaluated: Evaluated, tmp_path: Path) -> Path:
    """The run, with the scores of weight-cosine under the counting metric's name besides."""
    path = tmp_path / "run"
    before, after = RunDirectory(evaluated.run), RunDirectory(path)
    scores = before.read_scores()
    own = scores[scores["metric"] == "weight-cosine"].assign(metric="counting")
    after.write_scores(pd.concat([scores, own]))
    results, record = before.read_results(), before.read_record()
    mine = replace(results.metric("weight-cosine"), metric="counting", version=1)
    after.write_results(replace(results, metrics=(*results.metrics, mine)))
    after.conclude(record)
    return path


def test_a_pair_is_fingerprinted_once_and_never_again(
    evaluated: Evaluated, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registered(write_metric(tmp_path), monkeypatch)
    asked = {
        "calibration": None,
        "metrics": "counting",
        "catalog": evaluated.catalog,
        "cache": tmp_path / "cache",
    }
    first = compare("f0c0", "f0", **asked)
    assert calls(tmp_path) == ["fingerprint f0c0", "fingerprint f0", "similarity f0 f0c0"]
    again = compare("f0", "f0c0", **asked)
    assert calls(tmp_path) == []
    assert [one.score for one in first.metrics] == [one.score for one in again.metrics]
    # Another pair of the same models: only what is new.
    compare("f0", "f1", **asked)
    assert calls(tmp_path) == ["fingerprint f1", "similarity f0 f1"]


def test_layers_read_the_spread_of_weights_from_the_cache(
    evaluated: Evaluated, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = {
        "calibration": None,
        "metrics": "weight-cosine",
        "catalog": evaluated.catalog,
        "cache": tmp_path / "cache",
    }
    first = compare("f0c0", "f0", **asked)
    metric = fpcore.metric("attention-std")
    monkeypatch.setattr(type(metric), "fingerprint", None)
    again = compare("f0c0", "f0", **asked)
    assert first.layers.curves["query"] == again.layers.curves["query"]


def test_a_model_in_question_is_fingerprinted_once_for_all_candidates(
    evaluated: Evaluated, calibration: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registered(write_metric(tmp_path), monkeypatch)
    asked = {"calibration": calibration, "metrics": "counting", "cache": tmp_path / "cache", "workers": 1}
    catalog = load_catalog(evaluated.catalog)
    found = find_parents("f0c0", "f?", catalog=catalog, **asked)
    assert found.found.candidates[0].name == "f0"
    made = calls(tmp_path)
    models = ["f0c0", *(f"f{founder}" for founder in range(9))]
    assert sorted(call for call in made if call.startswith("fingerprint")) == sorted(
        f"fingerprint {model}" for model in models
    )
    assert sum(call.startswith("similarity") for call in made) == 9
    find_parents("f0c0", ["f0", "f3", "f0c1"], catalog=catalog, **asked)
    assert [call for call in calls(tmp_path) if call.startswith("fingerprint")] == ["fingerprint f0c1"]


def test_a_foreign_metric_has_a_limit_and_the_others_speak(
    evaluated: Evaluated, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registered(write_metric(tmp_path, in_fingerprint="import time; time.sleep(600)"), monkeypatch)
    case = compare(
        "f0", "f1", calibration=None, metrics="counting,weight-cosine", catalog=evaluated.catalog,
        cache=tmp_path / "cache", time_limit=3,
    )  # fmt: skip
    assert case.failures == ("counting on f0 – f1: took longer than 3 s",)
    assert {one.metric: one.status for one in case.metrics} == {"weight-cosine": "ok", "counting": "failed"}


def test_a_model_that_cannot_be_read_is_one_line(evaluated: Evaluated, tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "config.json").write_text("{}")
    with pytest.raises(fpcore.BadCheckpoint, match="broken"):
        compare("f0", tmp_path / "broken", catalog=evaluated.catalog, cache=tmp_path / "cache")
