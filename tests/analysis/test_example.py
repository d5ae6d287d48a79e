"""The made-up table: its models, its labels, and scores that are what its documentation says."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd
import pytest

from analysis.example import example_table
from analysis.randomness import generator

N = 5


@pytest.fixture
def frame() -> pd.DataFrame:
    return example_table("m", n_lineages=N, separation=2.0, seed=4).frame


def test_by_default_it_is_a_catalog_of_twelve_lineages_named_example() -> None:
    table = example_table()
    assert str(table) == (
        "ScoreTable(example: 630 pairs of 36 models in 12 lineages;"
        " 24 derived, 594 independent, 270 look-alikes)"
    )
    stated = example_table("example", n_lineages=12, separation=3.0, seed=0)
    np.testing.assert_array_equal(table.score, stated.score)


def test_lineages_have_a_founder_and_two_children_and_stand_in_two_cells_by_turns(
    frame: pd.DataFrame,
) -> None:
    models = {
        f"0{g}-{member}": (f"0{g}", ("dense-small", "dense-large")[g % 2])
        for g in range(N)
        for member in "abc"
    }
    for end in "ab":
        rows = frame[[f"model_{end}", f"lineage_{end}", f"architecture_{end}"]].itertuples(index=False)
        for model, *told in rows:
            assert models[model] == tuple(told)
    assert {*frame.model_a, *frame.model_b} == set(models)
    assert (
        len({frozenset(pair) for pair in zip(frame.model_a, frame.model_b, strict=True)}) == len(frame) == 105
    )


def test_children_derive_from_their_founder_by_two_methods_and_are_siblings(frame: pd.DataFrame) -> None:
    told = Counter(
        (a[:2] == b[:2] and a[-1] + b[-1], relation, method)
        for a, b, relation, method in frame[["model_a", "model_b", "relation", "method"]].itertuples(
            index=False
        )
    )
    assert told == {
        ("ab", "derived", "fine-tune"): N,
        ("ac", "derived", "continued-pretrain"): N,
        ("bc", "sibling", ""): N,
        (False, "independent", ""): 9 * N * (N - 1) // 2,
    }


@pytest.mark.parametrize("separation", [0.0, 2.0, -1.5])
def test_scores_are_the_documented_means_plus_effects_of_lineages_and_of_pairs(separation: float) -> None:
    frame = example_table("m", n_lineages=N, separation=separation, seed=4).frame
    draws = generator(4, "m", "example table").standard_normal(N + len(frame))
    effect, pair = 0.4 * draws[:N], draws[N:]
    signal = np.where(frame.relation == "derived", separation, 0.0)
    cell = np.where(frame.architecture_a == frame.architecture_b, 0.5, 0.0)
    lineages = 0.5 * (effect[frame.lineage_a.astype(int)] + effect[frame.lineage_b.astype(int)])
    np.testing.assert_allclose(frame.score, signal + cell + lineages + pair, rtol=0, atol=1e-12)
