"""The order of models comes from their scores and labels, and from names only where those tell nothing."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st

from analysis.inference.model_order import order_of_models
from analysis.table import ScoreTable
from studies.simulation.designs import Design


def drawn(seed: int, design: Design) -> ScoreTable:
    return design.draw(np.random.default_rng(seed))


def with_names(table: ScoreTable, to: dict[str, str]) -> ScoreTable:
    frame = table.frame
    return ScoreTable(
        frame.assign(model_a=frame["model_a"].map(to), model_b=frame["model_b"].map(to)).sample(
            frac=1, random_state=3
        )
    )


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.booleans())
def test_new_names_keep_the_order(seed: int, rounded: bool) -> None:
    table = drawn(seed, Design("d", (3, 2, 1, 2), n_cells=2))
    if rounded:
        table = table.with_scores(np.round(table.score))
    models = table.models.tolist()
    mixed = np.random.default_rng(seed).permutation([f"n{i}" for i in range(len(models))]).tolist()
    to = dict(zip(models, mixed, strict=True))
    before = [to[model] for model in order_of_models([table], models)]
    after = order_of_models([with_names(table, to)], mixed)
    if rounded:  # models that exchange without any difference may: what they score is the same
        assert sorted(before) == sorted(after)
    else:
        assert before == after


def test_the_order_of_the_tables_makes_no_difference() -> None:
    one, two = (drawn(seed, Design("d", (3, 2, 2))) for seed in (0, 1))
    models = one.models.tolist()
    assert order_of_models([one, two], models) == order_of_models([two, one], models)
    assert order_of_models([one], models) != order_of_models([two], models)


@pytest.mark.parametrize("what", ["score", "relation", "status", "architecture"])
def test_every_label_has_a_part(what: str) -> None:
    """All models look the same but for one thing: the two that it concerns are told from the others."""
    table = Design("d", (1,) * 6, n_cells=1).labels
    frame = table.frame.copy()
    if what == "architecture":
        for end in "ab":
            frame.loc[frame[f"model_{end}"].isin(["m00002", "m00004"]), "architecture_" + end] = "another"
    else:
        pair = (frame["model_a"] == "m00002") & (frame["model_b"] == "m00004")
        frame.loc[pair, what] = {"score": 1.0, "relation": "shared-init", "status": "failed"}[what]
    order = order_of_models([ScoreTable(frame)], table.models.tolist())
    places = sorted(order.index(model) for model in ("m00002", "m00004"))
    assert places in ([0, 1], [4, 5])
    rest = [model for model in order if model not in {"m00002", "m00004"}]
    assert rest == sorted(rest)


def test_an_unscored_pair_is_none_with_a_low_score() -> None:
    """Two models share a pair that failed, two the only pair that is not the lowest."""
    frame = Design("d", (1,) * 6, n_cells=1).labels.frame.assign(score=0.0)
    low = (frame["model_a"] == "m00002") & (frame["model_b"] == "m00004")
    failed = (frame["model_a"] == "m00003") & (frame["model_b"] == "m00005")
    frame.loc[low, "score"], frame.loc[failed, "status"] = 1.0, "failed"
    table = ScoreTable(frame)
    order = order_of_models([table], table.models.tolist())
    for two in (("m00002", "m00004"), ("m00003", "m00005")):
        assert order.index(two[1]) - order.index(two[0]) == 1


@pytest.mark.parametrize("sizes", [(2, 3), (1, 4, 2), (5, 1, 3)])
def test_names_of_architectures_have_no_part(sizes: tuple[int, ...]) -> None:
    """Few pairs are in the table, so that how many models a cell holds tells them apart."""
    cells = np.repeat(np.arange(len(sizes)), sizes)
    models = [f"m{i}" for i in range(len(cells))]
    orders = []
    for names in permutations("abc"[: len(sizes)]):
        frame = pd.DataFrame(
            {
                "model_a": models,
                "model_b": [*models[1:], models[0]],
                "score": 0.0,
                "relation": "independent",
                "architecture_a": [names[cell] for cell in cells],
                "architecture_b": [names[cell] for cell in np.roll(cells, -1)],
            }
        )
        orders.append(order_of_models([ScoreTable(frame)], models))
    assert all(order == orders[0] for order in orders)


def test_cells_of_other_models_have_no_part() -> None:
    whole = drawn(0, Design("d", (2, 2, 2, 2), n_cells=4))
    few = whole.models[whole.cell_of < 2].tolist()
    assert len(few) == 4
    inside = np.isin(whole.models[whole.model_a], few) & np.isin(whole.models[whole.model_b], few)
    part = ScoreTable(whole.frame[inside])
    assert order_of_models([whole], few) == order_of_models([part], few)


def test_other_models_have_no_part() -> None:
    whole = drawn(0, Design("d", (3, 2, 2)))
    few = whole.models[:5].tolist()
    inside = np.isin(whole.models[whole.model_a], few) & np.isin(whole.models[whole.model_b], few)
    part = whole.frame[inside]
    assert order_of_models([whole], few) == order_of_models([ScoreTable(part)], few)
