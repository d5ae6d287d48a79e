"""The plan: which models, which pairs, and a fair choice where a costly metric cannot score them all."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from benchmark.pipeline.plan import balanced_subset
from benchmark.session.errors import UsageError


def table(sizes: tuple[int, ...], cells: tuple[str, ...]) -> pd.DataFrame:
    """Lineages of given sizes; model k of each lineage stands in cell k modulo the cells; 0 → k derived."""
    models = [(f"m{g}.{k}", f"L{g}", k) for g, size in enumerate(sizes) for k in range(size)]
    rows = []
    for i, (a, ga, ka) in enumerate(models):
        for b, gb, kb in models[i + 1 :]:
            relation = "independent" if ga != gb else ("derived" if ka == 0 else "sibling")
            rows.append((a, b, relation, ga, gb, cells[ka % len(cells)], cells[kb % len(cells)]))
    return pd.DataFrame(
        rows,
        columns=[
            "model_a",
            "model_b",
            "relation",
            "lineage_a",
            "lineage_b",
            "architecture_a",
            "architecture_b",
        ],
    )


def test_subset_keeps_all_related_pairs_and_few_independent_ones() -> None:
    pairs = table((4, 4, 6, 1), ("x",))
    keep = balanced_subset(pairs, 3, seed=0)
    assert keep[pairs["relation"] != "independent"].all()
    chosen = pairs[keep & (pairs["relation"] == "independent").to_numpy()]
    counts = chosen.groupby(["lineage_a", "lineage_b"]).size()
    assert len(counts) == 6
    assert (counts == 3).all()


def test_subset_takes_look_alikes_first() -> None:
    # Derived pairs stand in (x, y) alone; (x, x) and (y, y) pairs are no look-alikes.
    pairs = table((2, 2, 2), ("x", "y"))
    keep = balanced_subset(pairs, 2, seed=3)
    independent = (pairs["relation"] == "independent").to_numpy()
    same = (pairs["architecture_a"] == pairs["architecture_b"]).to_numpy()
    np.testing.assert_array_equal(keep[independent], ~same[independent])


def test_subset_depends_on_the_seed_only() -> None:
    pairs = table((5, 5, 5), ("x",))
    np.testing.assert_array_equal(balanced_subset(pairs, 2, seed=1), balanced_subset(pairs, 2, seed=1))
    assert (balanced_subset(pairs, 2, seed=1) != balanced_subset(pairs, 2, seed=2)).any()


def test_unknown_tier_is_refused() -> None:
    from benchmark.catalog import load_catalog
    from benchmark.pipeline.plan import make_plan

    with pytest.raises(UsageError, match="--tier"):
        make_plan(load_catalog(), (), tier="moon")
