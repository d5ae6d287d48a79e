"""What a budget buys: lineages with look-alikes, then methods in turn, then the smallest."""

from __future__ import annotations

import itertools
import random

import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st

import analysis
from benchmark.pipeline.budget import choose_within


def pair_table(models: dict[str, tuple[str, str]], derived: dict[tuple[str, str], str]) -> pd.DataFrame:
    """Pairs of models (lineage, cell), of which some are derived by a method."""
    rows = []
    for a, b in itertools.combinations(sorted(models), 2):
        method = derived.get((a, b), derived.get((b, a), ""))
        same = models[a][0] == models[b][0]
        relation = "derived" if method else "sibling" if same else "independent"
        rows.append((a, b, relation, method, models[a][0], models[b][0], models[a][1], models[b][1]))
    columns = ["model_a", "model_b", "relation", "method", "lineage_a", "lineage_b"]
    return pd.DataFrame(rows, columns=[*columns, "architecture_a", "architecture_b"])


def covered(pairs: pd.DataFrame, chosen: frozenset[str]) -> set[str]:
    """Lineages with look-alikes, by the definition that the statistics use."""
    table = pairs[pairs["model_a"].isin(chosen) & pairs["model_b"].isin(chosen)]
    alike = analysis.look_alike_pairs(table["relation"], table["architecture_a"], table["architecture_b"])
    return set(table.loc[alike, "lineage_a"]) | set(table.loc[alike, "lineage_b"])


CELLS = {
    # A crowded cell of small models, and one of large ones.
    **{f"s{n}": (f"s{n}", "small") for n in range(6)},
    "s0ft": ("s0", "small"),
    "s1it": ("s1", "small"),
    **{f"L{n}": (f"L{n}", "large") for n in range(4)},
    "L0ft": ("L0", "large"),
    # Dense and its mixture: look-alikes across two cells.
    "d": ("d", "dense"),
    "moe": ("d", "moe"),
    "other": ("o", "dense"),
}
DERIVED = {
    ("s0", "s0ft"): "fine-tune",
    ("s1", "s1it"): "instruct-tune",
    ("L0", "L0ft"): "fine-tune",
    ("d", "moe"): "moe-upcycle",
}
COSTS = {name: 100 if name.startswith("L") else 10 for name in CELLS}


def test_lineages_with_look_alikes_come_first_and_cheapest() -> None:
    pairs = pair_table(CELLS, DERIVED)
    chosen = choose_within(pairs, COSTS, 70)
    assert covered(pairs, chosen) == {f"s{n}" for n in range(6)}
    chosen = choose_within(pairs, COSTS, 100)
    assert covered(pairs, chosen) == {*(f"s{n}" for n in range(6)), "d", "o"}, "across two cells as well"
    assert covered(pairs, choose_within(pairs, COSTS, 10**6)) == {*(f"s{n}" for n in range(6)), "d", "o"} | {
        f"L{n}" for n in range(4)
    }


def test_then_methods_in_turn() -> None:
    pairs = pair_table(CELLS, DERIVED)
    chosen = choose_within(pairs, COSTS, 110)
    assert {"s0", "s0ft", "s1", "s1it"} <= chosen, "the second method, for the rest of the money"


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_same_seed_chooses_the_same(seed: int) -> None:
    pairs = pair_table(CELLS, DERIVED)
    shuffled = pairs.sample(frac=1, random_state=seed).reset_index(drop=True)
    costs = dict(sorted(COSTS.items(), reverse=True))
    for budget in (25, 40, 70, 333):
        assert choose_within(pairs, COSTS, budget, seed=seed) == choose_within(
            shuffled, costs, budget, seed=seed
        )


def test_seeds_differ_between_models_of_one_cost() -> None:
    pairs = pair_table(CELLS, DERIVED)
    assert len({choose_within(pairs, COSTS, 40, seed=seed) for seed in range(20)}) > 1


def test_what_cannot_be_had_is_not_chosen() -> None:
    pairs = pair_table(CELLS, DERIVED)
    costs = {name: cost for name, cost in COSTS.items() if name not in {"s0", "s3"}}
    assert not {"s0", "s3"} & choose_within(pairs, costs, 10**6)
    assert choose_within(pairs, {}, 10**6) == frozenset()


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.integers(0, 300))
def test_a_budget_is_kept_to_and_used(seed: int, budget: int) -> None:
    rng = random.Random(seed)
    models = {f"m{n}": (f"l{n % 5}", f"c{rng.randrange(3)}") for n in range(12)}
    derived = {
        (a, b): rng.choice(["fine-tune", "cast"])
        for a, b in itertools.combinations(models, 2)
        if models[a][0] == models[b][0] and rng.random() < 0.5
    }
    costs = {name: rng.randrange(60) for name in models}
    pairs = pair_table(models, derived)
    chosen = choose_within(pairs, costs, budget, seed=seed)
    spent = sum(costs[name] for name in chosen)
    assert spent <= budget
    assert all(spent + costs[name] > budget for name in models if name not in chosen)
    everything = covered(pairs, frozenset(models))
    assert covered(pairs, choose_within(pairs, costs, 10**9)) == everything
