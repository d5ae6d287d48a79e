"""Cases of sampled models: errors beside the scores, and metrics of whole weights abstain."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd
import pytest

from benchmark.comparison.case import Case
from benchmark.comparison.case_text import case_markdown
from benchmark.comparison.compare import compare
from benchmark.comparison.find_parents import find_parents
from benchmark.pipeline.run import run
from fpcore.checkpoints import sampled
from fpcore.features import moments

METRICS = "attention-std,norm-std,weight-cosine"


@pytest.fixture
def small_weights_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few slices of every matrix of a zoo model."""
    for place in (sampled, moments):
        monkeypatch.setattr(place, "SMALL", 500)
    monkeypatch.setattr(sampled, "SLICE", 100)


def made(cache: Path, *, sample: bool) -> Case:
    return compare("zoo/qwen-a", "zoo/qwen-b", calibration=None, metrics=METRICS, sample=sample, cache=cache)


def test_errors_stand_beside_scores(tmp_path: Path, small_weights_are_large: None) -> None:
    case = made(tmp_path, sample=True)
    by_name = {one.metric: one for one in case.metrics}
    spread, gains, whole = (by_name[name] for name in METRICS.split(","))
    assert 0.0 < spread.standard_error < 1.0
    assert spread.to_json()["standard_error"] == spread.standard_error
    assert " ± " in spread.told_score
    assert gains.standard_error == 0.0
    assert whole.status == "abstained"
    assert "leave out --sample" in whole.reason
    assert math.isnan(whole.standard_error)
    assert spread.told_score in case_markdown(case)
    assert " ± " not in gains.told_score
    assert any("leave out --sample" in text for text in case.layers.missing)
    # What is kept of a sample is kept with its errors.
    again = {one.metric: one for one in made(tmp_path, sample=True).metrics}
    assert again["attention-std"].standard_error == spread.standard_error


def test_a_sample_is_not_taken_for_the_whole(tmp_path: Path, small_weights_are_large: None) -> None:
    sampled_, whole = (made(tmp_path, sample=sample) for sample in (True, False))
    assert {one.status for one in whole.metrics} == {"ok"}
    assert "standard_error" not in whole.metrics[0].to_json()
    assert sampled_.models[0].digest != whole.models[0].digest
    assert sampled_.metrics[0].score != whole.metrics[0].score


@pytest.mark.slow
def test_a_score_table_has_a_column_of_errors(tmp_path: Path, small_weights_are_large: None) -> None:
    found = [
        run(
            models="zoo/qwen-[ab]*",
            metrics="attention-std",
            limit=6,
            sample=sample,
            cache=tmp_path / "cache",
            out=tmp_path / str(sample),
        )
        for sample in (True, False)
    ]
    sampled_, whole = (pd.read_parquet(one.path / "scores.parquet") for one in found)
    assert "standard_error" not in whole
    assert list(sampled_.columns.drop("standard_error")) == list(whole.columns)
    assert (sampled_["standard_error"] > 0.0).all()
    assert not sampled_["score"].equals(whole["score"])
    # A case is told where its calibration was measured otherwise.
    for calibration, told in ((found[0], False), (found[1], True)):
        case = compare(
            "zoo/qwen-a",
            "zoo/qwen-b",
            calibration=calibration.path,
            sample=True,
            cache=tmp_path / "cache",
        )
        assert any("scores of the two models are from slices" in text for text in case.cannot_say) == told


@pytest.mark.slow
def test_an_error_that_cannot_be_found_is_empty_with_the_reason(
    tmp_path: Path, small_weights_are_large: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fault(*_: object) -> None:
        raise ZeroDivisionError("redrawn into nothing")

    monkeypatch.setattr("fpcore.features.sampling_error.sampling_errors", fault)
    done = run(
        models="zoo/qwen-[ab]*",
        metrics="attention-std",
        limit=6,
        sample=True,
        cache=tmp_path / "cache",
        out=tmp_path / "out",
        workers=1,
    )
    scores = pd.read_parquet(done.path / "scores.parquet")
    assert (scores["status"] == "ok").all()
    assert scores["standard_error"].isna().all()
    assert set(scores["reason"]) == {"standard error: ZeroDivisionError: redrawn into nothing"}


@pytest.mark.slow
def test_a_pool_can_be_sampled(tmp_path: Path, small_weights_are_large: None) -> None:
    """The model and every candidate are measured on slices, and the answer says against what."""
    cache = tmp_path / "cache"
    calibration = run(
        models="zoo/qwen-[a-d]*", metrics="attention-std", limit=12, cache=cache, out=tmp_path / "run"
    )
    asked = {
        sample: find_parents(
            "zoo/qwen-a", "zoo/qwen-[bc]", calibration=calibration.path, sample=sample, cache=cache
        )
        for sample in (True, False)
    }
    assert asked[True].model.digest != asked[False].model.digest
    for sample, case in asked.items():
        assert any("models asked about are from slices" in text for text in case.cannot_say) == sample
        assert any("under another name" in text for text in case.cannot_say) == sample
