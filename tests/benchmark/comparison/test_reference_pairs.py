"""The pairs among which a score has its place: those of the same two shapes, and none of unknown shape."""

from __future__ import annotations

import pandas as pd

import analysis
from benchmark.comparison.reference_pairs import place_of

ROWS = [
    # a, b, relation, lineages, cells, score
    ("a0", "a1", "derived", "A", "A", "x", "y", 0.9),
    ("a0", "b0", "independent", "A", "B", "x", "x", 0.8),
    ("a1", "b0", "independent", "A", "B", "y", "x", 0.4),
    ("a0", "c0", "independent", "A", "C", "x", None, 0.7),
    ("a1", "c0", "independent", "A", "C", "y", None, 0.6),
    ("b0", "c0", "independent", "B", "C", "x", None, 0.5),
    ("a0", "d0", "independent", "A", "D", "x", "y", 0.3),
    ("a1", "d0", "independent", "A", "D", "y", "y", 0.2),
    ("b0", "d0", "independent", "B", "D", "x", "y", None),
]


def table() -> analysis.ScoreTable:
    ends = [f"{what}_{end}" for what in ("lineage", "architecture") for end in "ab"]
    columns = ["model_a", "model_b", "relation", *ends, "score"]
    frame = pd.DataFrame(ROWS, columns=columns)
    frame["status"] = ["abstained" if score is None else "ok" for *_, score in ROWS]
    return analysis.ScoreTable(frame)


def test_shapes_count_in_either_order() -> None:
    for cells in (("x", "y"), ("y", "x")):
        place = place_of(table(), cells, 0.4)
        # a1 – b0 (y, x) and a0 – d0 (x, y); b0 – d0 has no score.
        assert place.look_alikes.scores == (0.3, 0.4)
        assert (place.look_alikes.n_at_or_above, place.look_alikes.n_lineages) == (1, 3)
        assert place.derived.scores == (0.9,)
        assert place.look_alikes.share == 0.5


def test_pairs_of_the_cases_shapes_are_its_look_alikes_without_a_derived_one() -> None:
    place = place_of(table(), ("x", "x"), 0.1)
    assert place.look_alikes.scores == (0.8,)
    assert place.derived.n_pairs == 0


def test_a_pair_with_an_unknown_shape_is_no_reference() -> None:
    every = [("x", "x"), ("x", "y"), ("y", "y")]
    found = [score for cells in every for score in place_of(table(), cells, 0.0).look_alikes.scores]
    assert sorted(found) == [0.2, 0.3, 0.4, 0.8]
