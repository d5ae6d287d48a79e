"""Metrics divided among processes give what one process gives, to the last digit."""

from __future__ import annotations

import json

import pytest

from analysis import Claim, analyse, as_json, example_table


@pytest.mark.thorough
def test_processes_give_the_same_bytes() -> None:
    tables = [
        example_table("good"),
        example_table("noise", separation=0),
        example_table("weak", separation=1),
    ]
    claims = {"good": Claim(threshold=2.0)}
    said = []
    for workers in (1, 2):
        told: list[int] = []
        found = analyse(tables, claims=claims, n_resamples=199, workers=workers, told=told.append)
        said.append(json.dumps(as_json(found.summary())))
        assert told == [1, 2, 3]
    assert said[0] == said[1]
    whole = json.loads(said[1])["metrics"][0]
    assert whole["sensitivity"]["seed"]["p_value"] == whole["permutation"]["p_value"]
