"""The quoted scores against siblings and the like: by pairs of the very shapes, of three lineages or more."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import cast

import numpy as np
import pandas as pd
import pytest

import analysis
from benchmark.comparison.alternatives import ALTERNATIVES, Alternative, weigh_alternatives
from benchmark.comparison.calibration_run import CalibrationRun

LINEAGES = 8
SIBLINGS_OF_X = 4
"""Lineages of shape x; the others have shape y."""


def table(siblings_of_x: int = SIBLINGS_OF_X) -> analysis.ScoreTable:
    """Lineages of three models, a founder and two children; siblings of shape y score as high as children."""
    rng = np.random.default_rng(3)
    members = [(g, k) for g in range(LINEAGES) for k in range(3)]
    rows = []
    for i, (g, k) in enumerate(members):
        for j in range(i + 1, len(members)):
            h, _ = members[j]
            shape = "x" if g < SIBLINGS_OF_X else "y"
            relation = "independent" if g != h else "sibling" if k else "derived"
            if relation == "sibling" and shape == "x" and g >= siblings_of_x:
                continue
            level = {"derived": 5.0, "sibling": 0.0 if shape == "x" else 5.0, "independent": -5.0}[relation]
            rows.append(
                {
                    "metric": "m", "model_a": f"m{i:02d}", "model_b": f"m{j:02d}", "relation": relation,
                    "score": level + rng.normal(0, 0.5), "lineage_a": f"l{g}", "lineage_b": f"l{h}",
                    "architecture_a": shape, "architecture_b": "x" if h < SIBLINGS_OF_X else "y",
                }
            )  # fmt: skip
    return analysis.ScoreTable(pd.DataFrame(rows))


class Calibration:
    """What is asked of a calibration run."""

    def __init__(self, of: analysis.ScoreTable) -> None:
        self.of = of

    def near(self, metric: str, cells: tuple[str, str], lineages: Collection[str]) -> analysis.ScoreTable:
        assert (metric, list(lineages)) == ("m", ["gone"])
        assert set(cells) <= {"x", "y"}
        return self.of

    def combine(
        self, tables: Sequence[analysis.ScoreTable], negatives: str, lineages: Collection[str]
    ) -> analysis.Combination:
        assert list(lineages) == ["gone"]
        return analysis.combine_evidence(tables, negatives=negatives)


def weighed(
    of: analysis.ScoreTable, score: float, cells: tuple[str, str] = ("x", "x")
) -> dict[str, Alternative]:
    run = cast(CalibrationRun, Calibration(of))
    return {one.relation: one for one in weigh_alternatives(["m"], [score], cells, run, ["gone"])}


def test_pairs_of_these_shapes_alone_are_counted() -> None:
    found = weighed(table(), 5.0)
    assert list(found) == list(ALTERNATIVES)
    sibling = found["sibling"]
    assert (sibling.n_pairs, sibling.n_lineages) == (4, 4)
    # A score that no sibling of shape x reaches, and all of shape y do: one place above four lineages.
    assert sibling.weight.upper <= math.log10(5) + 1e-9
    joint = analysis.combine_evidence([table()], negatives="sibling")
    assert sibling.weight.upper == pytest.approx(min(joint.upper, math.log10(5)))
    assert joint.upper > 0.1
    for relation in ("shared-init", "distilled"):
        assert found[relation].weight.reason == (
            "the calibration has no such pair of these shapes; at least 3 lineages are needed"
        )


def test_the_place_is_that_among_pairs_of_these_shapes() -> None:
    """Of shape y siblings score as children do, so that nothing beyond chance is backed there."""
    of = table()
    y = of.frame[(of.relation == "sibling") & (of.frame["architecture_a"] == "y")]
    score = float(y["score"].min())
    assert weighed(of, score, ("y", "y"))["sibling"].weight.upper == pytest.approx(0.0)
    assert weighed(of, score, ("x", "x"))["sibling"].weight.upper > 0.1


@pytest.mark.parametrize("kept", [2, 3])
def test_siblings_of_two_lineages_of_these_shapes_are_too_few(kept: int) -> None:
    sibling = weighed(table(kept), 5.0)["sibling"]
    assert (sibling.n_pairs, sibling.n_lineages) == (kept, kept)
    assert sibling.weight.defined is (kept == 3)
    if kept == 2:
        assert sibling.weight.reason == (
            "the calibration has 2 such pairs of 2 lineages of these shapes; at least 3 lineages are needed"
        )
