"""Which answer a claim gets: the rules one by one, on evidence made for the purpose."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import analysis
from benchmark.comparison.claim_answer import answer_claim
from benchmark.comparison.claim_check import SideEvidence
from benchmark.comparison.claim_metrics import choose_claim_metrics
from benchmark.comparison.evidence_weight import EvidenceWeight
from benchmark.comparison.metric_evidence import MetricEvidence
from benchmark.comparison.metric_standing import Forgeability, MetricStanding
from benchmark.comparison.weighing import Weighed

TRUSTED = replace(MetricStanding.unknown(), verdict="separates")


def side(name: str, low: float, high: float, standing: MetricStanding = TRUSTED) -> SideEvidence:
    """One metric with an interval of its log10 LR; NaN: no weight."""
    middle = (low + high) / 2
    weight = EvidenceWeight.none("no calibration for these shapes: none")
    if not math.isnan(middle):
        held = analysis.Interval(middle, low, high, 0.95, "made up")
        weight = EvidenceWeight(middle, -2.0, 2.0, False, 0.2, 9, 9, 9, 9, 9, False, "", held)
    metric = MetricEvidence("m", "M", 1, "ok", "", 0.5, standing, None, weight)
    return SideEvidence(name, Weighed((metric,), metric, None, ()), {}, "")


def judged(*standings: Any) -> list[analysis.Candidate]:
    return [analysis.Candidate("b", 0.1, 0.04, one, 24, True, "") for one in standings]


FOR, AGAINST, EVEN, NONE = (0.4, 0.9), (-1.2, -0.5), (-0.4, 0.6), (math.nan, math.nan)
OUT, IN = "excluded", "remains"


@pytest.mark.parametrize(
    ("descent", "apart", "standings", "answer", "because"),
    [
        (FOR, FOR, (IN, IN), "consistent", "model and its child"),
        (FOR, EVEN, (IN, IN), "consistent", ""),
        (FOR, NONE, (IN, "not judged"), "consistent", ""),
        (FOR, AGAINST, (IN, IN), "cannot say", "disagree"),
        (FOR, FOR, (OUT, IN), "cannot say", "disagree"),
        (FOR, EVEN, (IN, OUT), "cannot say", "disagree"),
        (AGAINST, AGAINST, (OUT, OUT), "not consistent", "p = 0.04"),
        (NONE, AGAINST, (OUT, OUT), "not consistent", "at most 0.05"),
        (EVEN, AGAINST, (OUT, OUT), "cannot say", "includes even odds"),
        (AGAINST, EVEN, (OUT, OUT), "cannot say", "includes even odds"),
        (AGAINST, AGAINST, (IN, OUT), "cannot say", "not excluded"),
        (AGAINST, AGAINST, (OUT, IN), "cannot say", "not excluded"),
        (AGAINST, AGAINST, (OUT, "not judged"), "cannot say", "not excluded"),
        (AGAINST, NONE, (OUT, OUT), "cannot say", "may speak against"),
        (NONE, NONE, (OUT, OUT), "cannot say", "no calibration for these shapes"),
        ((0.1, 0.2), EVEN, (IN, IN), "cannot say", "includes even odds"),
        ((0.1, 0.2), NONE, (IN, IN), "cannot say", "not far enough"),
    ],
)
def test_rules(descent: Any, apart: Any, standings: Any, answer: str, because: str) -> None:
    sides = side("derivation", *descent), side("independence", *apart)
    found, why = answer_claim(sides, judged(*standings), 0.95)
    assert found == answer
    assert because in why


def test_a_metric_that_was_deceived_says_nothing() -> None:
    hidden = replace(TRUSTED, hidden=Forgeability(9, 0, 0.3))
    sides = side("derivation", *AGAINST), side("independence", *AGAINST, hidden)
    found, why = answer_claim(sides, judged(OUT, OUT), 0.95)
    assert found == "cannot say"
    assert "altered to score low" in why


@pytest.fixture(scope="module")
def table() -> analysis.ScoreTable:
    rows = [("f0", "c0", "derived", 0.9), ("f1", "c1", "derived", 0.7), ("f0", "f1", "independent", 0.1)]
    frame = pd.DataFrame(rows, columns=["model_a", "model_b", "relation", "score"])
    frame["lineage_a"], frame["lineage_b"] = ["0", "1", "0"], ["0", "1", "1"]
    return analysis.ScoreTable(frame.assign(architecture_a="x", architecture_b="x"))


NAN = float(np.nan)


@pytest.mark.parametrize(
    ("standing", "sides"),
    [
        (TRUSTED, {"derivation", "independence"}),
        (MetricStanding.unknown(), set()),
        (replace(TRUSTED, framed=Forgeability(9, 1, NAN)), {"independence"}),
        (replace(TRUSTED, framed=Forgeability(9, 0, 0.85)), {"independence"}),
        (replace(TRUSTED, framed=Forgeability(9, 0, 0.75)), {"derivation", "independence"}),
        (replace(TRUSTED, hidden=Forgeability(9, 1, NAN)), {"derivation"}),
        (replace(TRUSTED, hidden=Forgeability(9, 0, 0.05)), {"derivation"}),
        (replace(TRUSTED, hidden=Forgeability(9, 0, 0.15)), {"derivation", "independence"}),
        (replace(TRUSTED, hidden_by=("launder:everything",)), {"derivation"}),
        (replace(TRUSTED, fails_on=("merge:linear",)), {"derivation"}),
    ],
)
def test_who_may_speak(table: analysis.ScoreTable, standing: MetricStanding, sides: set[str]) -> None:
    found = {
        name: choose_claim_metrics({"m": standing}, {"m": table}, name)
        for name in ("derivation", "independence")
    }
    assert {name for name, one in found.items() if one.chosen == ("m",)} == sides
    assert {name for name, one in found.items() if "m" in one.left_aside} == set(found) - sides
