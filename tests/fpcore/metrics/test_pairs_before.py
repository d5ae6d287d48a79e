"""What is kept of a model for its next pair: no score depends on the pairs that were scored before."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest
from test_matching import changed
from test_metrics import model

import fpcore
from fpcore import Fingerprint, MemoryCheckpoint, NotComparable

pytestmark = pytest.mark.thorough

STATIC = [metric.name for metric in fpcore.metrics() if metric.evidence <= {"config", "tokenizer", "weights"}]


def with_tokens(seed: int, depth: int, first: int, folder: Path) -> MemoryCheckpoint:
    """A model of 40 tokens from the given one on: two of them share some, each two others."""
    file = folder / f"{first}.json"
    vocabulary = {f"word{first + place}": place for place in range(40)}
    file.write_text(json.dumps({"model": {"type": "BPE", "vocab": vocabulary}}))
    return changed(model(seed=seed, num_hidden_layers=depth), {}, file)


def scored(metric: fpcore.Metric, a: Fingerprint, b: Fingerprint) -> float | str:
    try:
        return metric.similarity(a, b)
    except NotComparable as error:
        return error.reason


@pytest.mark.parametrize("name", STATIC)
def test_a_pair_scores_the_same_whatever_came_before(name: str, tmp_path: Path) -> None:
    metric = fpcore.metric(name)
    models = [
        with_tokens(*each, tmp_path) for each in ((1, 6, 0), (2, 8, 9), (3, 7, 18), (1, 6, 12), (4, 7, 0))
    ]
    kept = [metric.fingerprint(each) for each in models]
    pairs = list(itertools.permutations(range(len(models)), 2))
    fresh = [scored(metric, *(metric.fingerprint(models[place]) for place in pair)) for pair in pairs]
    assert any(isinstance(score, float) for score in fresh)
    assert [scored(metric, *(kept[place] for place in pair)) for pair in pairs] == fresh
