"""What founders share: the classes are read from recipes, and a metric fooled by one property shows it."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from benchmark.catalog import Catalog, load_catalog, parse_catalog
from benchmark.results.shared_properties import founder_pairs, shared_property_classes

SHAPE = "model_type: llama, depth: 2, width: 8, heads: 2, kv_heads: 2, feed_forward: 16, norm: rmsnorm"
BASE = {"seed": 1, "corpus": "x", "tokenizer": "x", "order": 0, "schedule": "cosine", "steps": 9}
FOUNDERS = {
    "a": {},
    "b": {"seed": 2},
    "order": {"seed": 3, "order": 1},
    "corpus": {"seed": 4, "corpus": "y"},
    "corpus-too": {"seed": 5, "corpus": "y", "order": 7},
    "tokenizer": {"seed": 6, "tokenizer": "y"},
    "longer": {"seed": 7, "steps": 10},
    "lion": {"seed": 10, "optimiser": "lion", "rate": 0.002, "weight_decay": 0.0},
    "decay": {"seed": 11, "weight_decay": 0.3},
    "headers": {"seed": 12, "corpus": "headers", "order": 3},
    "orthogonal": {"seed": 13, "initialisation": "orthogonal"},
    "twin": {"corpus": "y"},  # the seed of a
    "other": {"seed": 8, "corpus": "z", "tokenizer": "z", "order": 9, "schedule": "linear"},
}


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    lines = [f"schema: 1\ncells:\n  small: {{{SHAPE}, qkv_bias: false}}\nmodels:"]
    for name, changes in FOUNDERS.items():
        recipe = {"cell": "small", **BASE, **changes}
        train = ", ".join(f"{key}: {value}" for key, value in recipe.items())
        lines.append(
            f"  - {{id: {name}, source: {{zoo: {name}}}, cell: small, corpus: {recipe['corpus']},"
            f" tokenizer: {recipe['tokenizer']}, recipe: {{train: {{{train}}}}}}}"
        )
        lines.append(
            f"  - {{id: {name}-ft, source: {{zoo: {name}-ft}}, parents: [{{of: {name}, method: fine-tune}}],"
            f" recipe: {{train: {{from: {name}, steps: 1}}}}}}"
        )
    lines.append(
        "  - {id: student, source: {zoo: student}, cell: small, distilled_from: [{of: a}],"
        " recipe: {train: {cell: small, seed: 20, corpus: x, steps: 9}}}"
    )
    return parse_catalog("\n".join(lines))


def test_pairs_are_classed_by_the_one_thing_in_which_they_differ(catalog: Catalog) -> None:
    found = founder_pairs(catalog)
    classes = {(row.model_a, row.model_b): row.shared for row in found.itertuples()}
    assert classes["a", "b"] == "all but the initialisation"
    assert classes["a", "order"] == "all but the order"
    assert classes["a", "corpus"] == "all but the corpus"
    # Without a common corpus no order is shared, whatever the numbers say: still one thing.
    assert classes["b", "corpus-too"] == "all but the corpus"
    assert classes["corpus", "corpus-too"] == "all but the order"
    assert classes["a", "tokenizer"] == "all but the tokenizer"
    assert classes["a", "longer"] == "all but the training length"
    # A rate and a weight decay mean something under one optimiser only.
    assert classes["a", "lion"] == "all but the optimiser"
    assert classes["a", "decay"] == "all but the weight decay"
    assert classes["decay", "lion"] == "all but the optimiser"
    assert classes["a", "headers"] == "all but the domain"
    assert classes["corpus", "headers"] == "all but the domain"
    assert classes["a", "orthogonal"] == "all but the kind of initialisation"
    assert classes["corpus", "tokenizer"] == "less (two or more differ)"
    assert classes["a", "other"] == "nothing but shape"
    assert classes["a", "twin"] == "the initialisation"
    assert not any("student" in pair or "-ft" in "".join(pair) for pair in classes)
    order = list(pd.unique(found["shared"]))
    assert order[0] == "all but the initialisation"
    assert order[-2:] == ["nothing but shape", "the initialisation"]


def test_a_metric_that_sees_the_corpus_is_fooled_by_it_alone(catalog: Catalog) -> None:
    founders = founder_pairs(catalog)
    pairs = catalog.pairs()
    corpus = {name: {**BASE, **changes}["corpus"] for name, changes in FOUNDERS.items()} | {"student": "x"}

    def score(a: str, b: str) -> float:
        return float(corpus[a.removesuffix("-ft")] == corpus[b.removesuffix("-ft")])

    scores = pairs.assign(
        metric="m", status="ok", reason="",
        score=[score(a, b) for a, b in zip(pairs["model_a"], pairs["model_b"], strict=True)],
    )  # fmt: skip
    found = {row.shared: row for row in shared_property_classes(scores, founders, 0.5)}
    for shared in ("all but the initialisation", "all but the order", "all but the tokenizer"):
        assert found[shared].auc.estimate == 0.5
        assert found[shared].fpr.estimate == 1.0
        assert found[shared].median == 1.0
    for shared in ("all but the corpus", "nothing but shape", "the initialisation"):
        assert found[shared].auc.estimate == 1.0
        assert found[shared].auc.low < 1.0
        assert found[shared].fpr.estimate == 0.0
        assert found[shared].fpr.high > 0.0
    # a with b, and the twin with the other founder on its corpus; the twin is of one lineage with a.
    assert found["all but the initialisation"].n_pairs == 2
    assert found["all but the initialisation"].n_lineages == 3
    # Founders that share the corpus score 1 more than those that do not.
    assert found["all but the corpus"].difference == -1.0
    assert found["all but the order"].difference == 0.0
    assert found["all but the order"].n_cells == 1
    assert math.isnan(found["all but the initialisation"].difference)
    without = shared_property_classes(scores, founders, math.nan)
    assert not without[0].fpr.defined
    assert without[0].fpr.reason


def test_without_founders_or_scores_there_is_nothing_to_say(catalog: Catalog) -> None:
    founders = founder_pairs(catalog)
    pairs = catalog.pairs().assign(metric="m", status="abstained", reason="x", score=float("nan"))
    assert shared_property_classes(pairs, founders, 0.5) == ()
    assert shared_property_classes(pairs, founders.iloc[:0], 0.5) == ()


@pytest.mark.thorough
def test_the_shipped_zoo_varies_one_thing_at_a_time() -> None:
    classes = founder_pairs(load_catalog())["shared"].value_counts()
    vary = ("initialisation", "corpus", "tokenizer", "order", "schedule")
    vary += ("optimiser", "kind of initialisation", "weight decay", "warm-up", "batch size", "dropout")
    vary += ("rotary base", "tied embeddings", "training length", "domain")
    for shared in vary:
        assert classes[f"all but the {shared}"] >= 3
    assert classes["the initialisation"] >= 1
