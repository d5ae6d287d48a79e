"""Look-alikes by the families of their models."""

from __future__ import annotations

import itertools
import math

import pandas as pd

from benchmark.results.family_look_alikes import family_classes


def table() -> pd.DataFrame:
    """Six lineages of one cell, two models each; strangers of family B score as children do."""
    rows = []
    models = [(f"{name}{end}", name) for name in "abcdef" for end in ("", "-child")]
    for (a, one), (b, other) in itertools.combinations(models, 2):
        relation = "derived" if one == other else "independent"
        score = 0.9 if relation == "derived" or {one, other} <= {"c", "d"} else 0.1
        rows.append(
            (a, b, score, "ok", "", relation, "fine-tune" if one == other else "", one, other, "cell", "cell")
        )
    columns = ["model_a", "model_b", "score", "status", "reason", "relation", "method"]
    columns += [f"{what}_{end}" for what in ("lineage", "architecture") for end in "ab"]
    return pd.DataFrame(rows, columns=columns).assign(metric="m")


FAMILIES = {
    f"{name}{end}": family for name, family in zip("abcdef", "AABB", strict=False) for end in ("", "-child")
}


def test_pairs_are_counted_by_their_families_and_confused_ones_are_seen() -> None:
    found = {row.families: row for row in family_classes(table(), FAMILIES, 0.5, fewest=2)}
    assert list(found) == ["A", "B", "A – B", "A – others", "B – others"]
    assert {name: row.n_pairs for name, row in found.items()} == {
        "A": 4, "B": 4, "A – B": 16, "A – others": 16, "B – others": 16,
    }  # fmt: skip
    assert {name: row.n_confused for name, row in found.items() if row.n_confused} == {"B": 4}
    assert (found["A"].auc.estimate, found["B"].auc.estimate) == (1.0, 0.5)
    assert (found["A"].fpr.estimate, found["B"].fpr.estimate) == (0.0, 1.0)
    assert (found["A"].median, found["B"].median) == (0.1, 0.9)
    assert found["A – others"].n_lineages == 4


def test_a_catalog_without_families_has_no_classes() -> None:
    assert family_classes(table(), dict.fromkeys(FAMILIES, ""), 0.5) == ()
    assert family_classes(table(), {}, 0.5) == ()


def test_without_a_threshold_nothing_is_counted_as_confused() -> None:
    for row in family_classes(table(), FAMILIES, math.nan, fewest=2):
        assert row.n_confused is None
        assert not row.fpr.defined
        assert row.auc.defined


def test_pairs_without_a_score_and_shapes_without_children_are_left_out() -> None:
    changed = table()
    for end in "ab":
        changed.loc[changed[f"lineage_{end}"].isin(["e", "f"]), f"architecture_{end}"] = "elsewhere"
    childless = (changed["relation"] == "derived") & (changed["architecture_a"] == "elsewhere")
    within = (changed["lineage_a"] == "a") & (changed["lineage_b"] == "b")
    changed.loc[within, ["score", "status", "reason"]] = [math.nan, "abstained", "no reason"]
    names = [row.families for row in family_classes(changed[~childless], FAMILIES, 0.5, fewest=2)]
    assert names == ["B", "A – B"]


def test_two_families_of_few_lineages_are_no_class() -> None:
    """Two of six lineages with two others: no interval is established there. One family always stands."""
    assert [row.families for row in family_classes(table(), FAMILIES, 0.5)] == ["A", "B"]
    names = [row.families for row in family_classes(table(), FAMILIES, 0.5, fewest=4)]
    assert names == ["A", "B", "A – B", "A – others", "B – others"]
    assert len(family_classes(table(), FAMILIES, 0.5, fewest=5)) == 2
