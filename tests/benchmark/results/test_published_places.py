"""A published score is judged by pairs of its very shapes, of three other lineages, or by none."""

from __future__ import annotations

import itertools

import pandas as pd
import pytest

import analysis
from benchmark.catalog import Catalog, parse_catalog
from benchmark.results.published_places import PublishedPlace, place_published

SCRATCH = '{grade: publisher, source: "https://example.org", says: trained from scratch}'
SHAPE = (
    "{{model_type: llama, depth: {}, width: 8, heads: 2, kv_heads: 2, feed_forward: 16, qkv_bias: false,"
    " norm: rmsnorm}}"
)
DEPTHS = {"small": 2, "large": 3}
FOUNDERS = [f"{cell}{number}" for cell in DEPTHS for number in range(5)]


def catalog(*scores: str, outside: str = "[]") -> Catalog:
    """Five founders of each of two shapes, a child of each small one, and published scores."""
    lines = ["schema: 1", "cells:"]
    lines += [f"  {cell}: {SHAPE.format(depth)}" for cell, depth in DEPTHS.items()]
    lines.append("models:")
    for name in FOUNDERS:
        lines.append(
            f"  - {{id: {name}, source: {{hub: org/{name}}}, cell: {name[:-1]}, from_scratch: {SCRATCH}}}"
        )
        evidence = '{grade: card, source: "https://example.org", says: tuned}'
        parent = f"[{{of: {name}, method: fine-tune, evidence: {evidence}}}]"
        lines.append(f"  - {{id: {name}-child, source: {{hub: org/{name}-child}}, parents: {parent}}}")
    lines += ["published:", "  - id: paper", "    by: authors", "    source: arXiv:2507.03014"]
    lines += ["    says: a score", "    metric: m", f"    outside: {outside}", "    scores:"]
    lines += [f"      - {score}" for score in scores]
    return parse_catalog("\n".join(lines))


def run_of(held: Catalog, names: list[str], metric: str = "m") -> pd.DataFrame:
    """Independent pairs score 0.1 times their place in the list, derived ones 0.9."""
    frame = held.pairs(names).assign(metric=metric, status="ok", reason="")
    alike = frame["relation"] == "independent"
    frame["score"] = 0.9
    frame.loc[alike, "score"] = [0.01 * place for place in range(alike.sum())]
    return frame


def placed(held: Catalog, run: pd.DataFrame | None) -> PublishedPlace:
    return place_published(held.published_scores()[:1], held, run)[0]


def test_pairs_of_the_same_shapes_and_other_lineages_judge() -> None:
    held = catalog("{pair: [small0, small1], value: 0.05}")
    names = [name for name in held.models if name.startswith("small")]
    run = run_of(held, names)
    found = placed(held, run).in_run
    assert found is not None
    others = run[~run["lineage_a"].isin(["small0", "small1"]) & ~run["lineage_b"].isin(["small0", "small1"])]
    alike = others[others["relation"] == "independent"]["score"]
    assert (found.n_look_alikes, found.n_look_alikes_as_high) == (len(alike), (alike >= 0.05).sum())
    assert (found.n_derived, found.n_derived_as_high, found.n_lineages) == (3, 3, 3)
    table = analysis.ScoreTable(others)
    assert found.place == analysis.stranger_p_value(table, 0.05, mask=table.independent)[0]
    assert f"p = {found.place:.2g}" in placed(held, run).says


@pytest.mark.parametrize(
    ("score", "names", "why"),
    [
        ("{pair: [small0, small1], value: 0.5}", "large", "other lineage of|from no lineage"),
        ("{pair: [small0, small1], value: 0.5, metric: other}", "small", "this run has no other"),
        ("{pair: [small0, small1], value: 0.5, quantity: z}", "small", "it is a z-score"),
        ("{pair: [small0, x/y], value: 0.5}", "small", "x/y is not in the catalog"),
    ],
)
def test_no_other_population_judges(score: str, names: str, why: str) -> None:
    outside = "[x/y]" if "x/y" in score else "[]"
    held = catalog(score, outside=outside)
    one = placed(held, run_of(held, [name for name in held.models if name.startswith(names)]))
    assert one.in_run is None
    assert one.population.startswith("none: ")
    assert any(each in one.population for each in why.split("|"))
    assert one.says == "Nothing; scores of other shapes or units do not carry over."


def test_two_other_lineages_are_too_few() -> None:
    held = catalog("{pair: [small0, small1], value: 0.5}")
    names = [f"small{number}{tail}" for number, tail in itertools.product(range(4), ("", "-child"))]
    assert "2 lineages; 3 are needed" in placed(held, run_of(held, names)).population
    assert placed(held, None).population == "none: no run was given (--calibration RUN)"


def test_beside_stand_published_scores_of_known_relation_in_the_same_units() -> None:
    held = catalog(
        "{pair: [small0, small1], value: 0.5}",
        "{pair: [small0, small2], value: 0.6}",
        "{pair: [small0, large0], value: 0.2}",
        "{pair: [small0-child, small0], value: 0.99}",
        "{pair: [small0, small3], value: 40, quantity: z}",
    )
    one = placed(held, None)
    independent, derived = one.published_independent, one.published_derived
    assert (independent.n_pairs, independent.n_at_or_above) == (2, 1)
    assert (independent.lowest, independent.highest) == (0.2, 0.6)
    assert (derived.n_pairs, derived.n_at_or_above) == (1, 1)
    assert "no rate follows" in one.beside
    alone = place_published(held.published_scores()[-1:], held, None)[0]
    assert alone.beside == "No other such scores are published for pairs of known relation."
