"""Laundering that keeps the function counts as evasion where the threshold no longer calls the child."""

from __future__ import annotations

import math
from dataclasses import replace

import pandas as pd
import pytest
from typed_results import metric_result

from benchmark.results.decision import Decision
from benchmark.results.laundering import keeps_function, laundering_outcomes

ROWS = [
    ("launder:everything", 0.01, "ok", "derived"),
    ("launder:everything", 0.9, "ok", "derived"),
    ("launder:norm-folding", 0.95, "ok", "derived"),
    ("launder:norm-folding", math.nan, "abstained", "derived"),
    ("launder:noise", 0.0, "ok", "derived"),
    ("fine-tune > launder:everything", 0.0, "ok", "derived"),
    ("launder:everything", 0.0, "ok", "sibling"),
]
SCORES = pd.DataFrame(ROWS, columns=["method", "score", "status", "relation"])


@pytest.mark.parametrize(
    ("method", "keeps"),
    [
        ("launder:everything", True),
        ("launder:unit-permutation > launder:norm-folding", True),
        ("launder:everything > launder:int8", False),
        ("launder:noise", False),
        ("fine-tune:long > launder:everything", False),
        ("fine-tune", False),
    ],
)
def test_a_derivation_keeps_the_function_where_all_its_steps_do(method: str, keeps: bool) -> None:
    assert keeps_function(method) is keeps


def test_a_child_below_the_threshold_is_hidden() -> None:
    everything, folding = laundering_outcomes(SCORES, Decision(0.5, claimed=True))
    assert (everything.method, everything.n_pairs, everything.n_scored, everything.n_hidden) == (
        "launder:everything", 2, 2, 1,
    )  # fmt: skip
    assert everything.lowest == 0.01
    assert (folding.n_pairs, folding.n_scored, folding.n_hidden) == (2, 1, 0)


def test_without_a_threshold_nothing_is_hidden() -> None:
    found = laundering_outcomes(SCORES, Decision(math.nan, claimed=False, reason="none"))
    assert [one.n_hidden for one in found] == [0, 0]


def test_a_metric_that_laundering_evades_is_forgeable() -> None:
    found = laundering_outcomes(SCORES, Decision(0.5, claimed=True))
    evaded = replace(metric_result(), laundering=found)
    assert evaded.evaded
    assert evaded.forgeable
    assert not evaded.framed
    assert evaded.resistance == "evaded"
    assert replace(metric_result(), laundering=found[1:]).resistance == "resists laundering"
    assert metric_result().resistance == "not tried"


def test_what_no_threshold_calls_resists_nothing() -> None:
    found = laundering_outcomes(SCORES, Decision(math.nan, claimed=False, reason="none"))
    uncalled = replace(metric_result(), laundering=found)
    assert uncalled.resistance == "not testable"
    assert not uncalled.resists
    assert not uncalled.forgeable
