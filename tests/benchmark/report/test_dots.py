"""Where dots stand: thinned rows keep their ends, chains share rows."""

from __future__ import annotations

import numpy as np
from test_report_fixture import (
    scores,
)

from analysis import ScoreTable
from benchmark.report.dots import rows, scale


def test_thinning_keeps_all_derived_pairs_and_the_extremes() -> None:
    frame = scores()[lambda table: table["metric"] == "norm-pearson"]
    table = ScoreTable(frame)
    laid = rows(table, scale(table.score), most=1_400)
    derived = sum(len(row.pairs) for row in laid if row.kind.slug == "derived")
    assert derived == table.derived.sum() == 72
    for row in laid:
        if row.kind.slug in ("look-alike", "independent"):
            own = table.score[
                table.look_alike if row.kind.slug == "look-alike" else table.independent & ~table.look_alike
            ]
            assert len(row.pairs) < row.n == len(own)
            assert row.outline
            np.testing.assert_array_equal(np.sort(own)[:60], row.scores[:60])
            np.testing.assert_array_equal(np.sort(own)[-60:], row.scores[-60:])
    assert sum(len(row.pairs) for row in laid) <= 1_410


def test_thinning_into_little_room_still_samples_the_middle() -> None:
    frame = scores()[lambda table: table["metric"] == "norm-pearson"]
    table = ScoreTable(frame)
    laid = rows(table, scale(table.score), most=400)
    for row in laid:
        if row.kind.slug in ("look-alike", "independent"):
            assert 60 < len(row.pairs) < 200
            middle = np.median(np.sort(row.scores)[20:-20])
            assert abs(middle - row.median) < 0.05
    assert all(not row.outline for row in laid if row.kind.slug == "derived")


def test_chains_share_a_row_in_which_each_dot_keeps_its_own_method() -> None:
    frame = scores()[lambda table: table["metric"] == "norm-pearson"].copy()
    other = (frame["method"] == "cast:fp8") & (frame["lineage_a"] == "zoo/q-a")
    frame.loc[other, "method"] = "fine-tune > cast:int8"
    laid = rows(ScoreTable(frame), scale(np.array([0.0, 1.0])))
    row = next(row for row in laid if row.label == "… > cast")
    assert row.methods == ("continued-pretrain:long > cast:fp8", "fine-tune > cast:int8")
    assert sorted(row.method_of.tolist()) == [0] * 12 + [1]


def test_a_threshold_next_to_a_score_of_zero_has_an_axis() -> None:
    axis = scale(np.zeros(3), float(np.nextafter(0, 1)))
    assert axis.low < 0 < axis.high
