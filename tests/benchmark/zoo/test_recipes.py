"""Recipes: what is read from the catalog, and what is refused with one line."""

from __future__ import annotations

import pytest

from benchmark.catalog import load_catalog
from benchmark.session.errors import UsageError
from benchmark.zoo.manifest import SHIPPED, read_manifest
from benchmark.zoo.recipe_forms import parse_recipes
from benchmark.zoo.recipes import (
    Child,
    Exact,
    Founder,
    Narrowing,
    build_order,
    founder_of,
    needs,
    parents_of,
    recipe_digest,
)

FOUNDER = {"train": {"cell": "qwen2-narrow", "seed": 1, "corpus": "code", "tokenizer": "code", "steps": 3}}
CHILD = {"train": {"from": "zoo/a", "corpus": "reference", "steps": 2}}
FP8 = {"transform": "fp8", "of": "zoo/b"}


def changed(recipe: dict, **fields: object) -> dict:
    return {"train": {**recipe["train"], **fields}}


def test_kinds_and_defaults():
    recipes = parse_recipes({"c": FP8, "b": CHILD, "a": FOUNDER})
    assert recipes["a"] == Founder("qwen2-narrow", 1, "code", "code", steps=3)
    assert recipes["b"] == Child("a", "reference", steps=2)
    assert recipes["c"] == Exact("fp8", ("b",))
    assert build_order(recipes) == ["a", "b", "c"]
    assert founder_of(recipes, "c") is recipes["a"]
    assert parents_of(recipes["c"]) == ("b",)


def test_transform_defaults_are_filled_in():
    recipes = parse_recipes({"a": FOUNDER, "q": {"transform": "int4", "of": "zoo/a"}})
    assert recipes["q"] == Exact("int4", ("a",), (("group", 32),))


def test_children_of_other_shapes_and_students():
    recipes = parse_recipes(
        {
            "a": FOUNDER,
            "deep": changed(CHILD, depth_upscale=2),
            "pruned": changed(CHILD, drop_layers=[4, 3]),
            "thin": changed(CHILD, narrow={"feed_forward": 32}),
            "half": changed(CHILD, keep_every=2, teacher="zoo/deep"),
            "student": changed(FOUNDER, seed=9, teacher="zoo/a"),
        }
    )
    assert recipes["deep"] == Child("a", "reference", steps=2, depth_upscale=2)
    assert recipes["pruned"] == Child("a", "reference", steps=2, drop_layers=(3, 4))
    assert recipes["thin"] == Child("a", "reference", steps=2, narrow=Narrowing(feed_forward=32))
    assert needs(recipes["half"]) == ("a", "deep")
    assert parents_of(recipes["half"]) == ("a",)
    assert needs(recipes["student"]) == ("a",)
    assert parents_of(recipes["student"]) == ()
    assert build_order(recipes).index("half") > build_order(recipes).index("deep")


def test_digests_of_models_trained_before_stay():
    # As recorded in the manifest: a field added to recipes must not make shipped models strangers.
    manifest = read_manifest(SHIPPED)
    recipes = parse_recipes(load_catalog().zoo_recipes)
    for name in manifest.models:
        assert recipe_digest(recipes, name) == manifest.models[name].recipe
    other = parse_recipes({"t": FOUNDER, "a": changed(FOUNDER, teacher="zoo/t")})
    assert recipe_digest(other, "a") != recipe_digest(other, "t")


def test_a_forgery_names_whom_it_is_aimed_at():
    recipes = parse_recipes(
        {"a": FOUNDER, "b": CHILD, "f": {"transform": "evade-norm-std", "of": "zoo/b", "target": "zoo/a"}}
    )
    assert recipes["f"] == Exact("evade-norm-std", ("b", "a"))


def test_digest_follows_the_recipe_and_its_ancestors():
    def digest(founder: dict, child: dict) -> str:
        return recipe_digest(parse_recipes({"a": founder, "b": child}), "b")

    base = digest(FOUNDER, CHILD)
    assert base == digest(FOUNDER, CHILD)
    assert base != digest(FOUNDER, changed(CHILD, steps=3))
    assert base != digest(changed(FOUNDER, seed=2), CHILD)


@pytest.mark.parametrize(
    ("recipes", "words"),
    [
        ({"a": {}}, ["a:", "train", "transform"]),
        ({"a": {"train": []}}, ["a:", "mapping"]),
        ({"a": {"train": {"cell": "qwen2-narrow"}}}, ["a:", "seed", "missing"]),
        ({"a": changed(FOUNDER, cell="huge")}, ["a:", "cell", "'huge'", "qwen2-narrow"]),
        ({"a": changed(FOUNDER, corpus="novels")}, ["a:", "corpus", "'novels'", "reference"]),
        ({"a": changed(FOUNDER, steps=0)}, ["a:", "steps", "1 or more"]),
        ({"a": changed(FOUNDER, seed=True)}, ["a:", "seed", "True"]),
        ({"a": changed(FOUNDER, rate=-1)}, ["a:", "rate", "-1"]),
        ({"a": changed(FOUNDER, schedule="steps")}, ["a:", "schedule", "trapezoid"]),
        ({"a": changed(FOUNDER, stepz=3)}, ["a:", "'stepz'", "steps"]),
        ({"a": changed(FOUNDER, optimiser="adam")}, ["a:", "optimiser", "'adam'", "lion"]),
        ({"a": changed(FOUNDER, initialisation="xavier")}, ["a:", "initialisation", "orthogonal"]),
        ({"a": changed(FOUNDER, weight_decay=-1)}, ["a:", "weight_decay", "in [0, 1)", "-1"]),
        ({"a": changed(FOUNDER, warm_up=1)}, ["a:", "warm_up", "in [0, 1)"]),
        ({"a": changed(FOUNDER, batch=0)}, ["a:", "batch", "1 or more"]),
        ({"a": changed(FOUNDER, dropout=True)}, ["a:", "dropout", "True"]),
        ({"a": changed(FOUNDER, rotary_base=1)}, ["a:", "rotary_base", "1"]),
        ({"a": changed(FOUNDER, cell="gpt2-small", rotary_base=10)}, ["a:", "rotary_base", "gpt2 lacks"]),
        ({"a": changed(FOUNDER, tied="no")}, ["a:", "tied", "true or false", "'no'"]),
        ({"a": FOUNDER, "b": changed(CHILD, optimiser="lion")}, ["b:", "'optimiser'", "lora"]),
        ({"a": changed(FOUNDER, balance=0.01)}, ["a:", "balance", "experts", "lacks"]),
        ({"a": changed(FOUNDER, cell="mixtral-small", balance=0)}, ["a:", "balance", "0"]),
        (
            {"a": FOUNDER, "b": changed(CHILD, balance=0.01, teacher="zoo/a")},
            ["b:", "balance and teacher", "keep one"],
        ),
        ({"b": CHILD}, ["b:", "'a'", "no recipe"]),
        ({"a": changed(FOUNDER, teacher="zoo/t")}, ["a:", "'t'", "no recipe"]),
        ({"a": changed(FOUNDER, teacher="zoo/a")}, ["form a cycle", "a"]),
        (
            {"a": FOUNDER, "b": changed(FOUNDER, tokenizer="tables", teacher="zoo/a")},
            ["b:", "tokenizer is tables", "code"],
        ),
        (
            {"a": FOUNDER, "b": FP8 | {"of": "zoo/a"}, "c": changed(CHILD, **{"from": "b"})},
            ["c:", "b is comp"],
        ),
        ({"a": FOUNDER, "b": changed(CHILD, keep_every=1)}, ["b:", "keep_every", "2 or more"]),
        ({"a": FOUNDER, "b": changed(CHILD, drop_layers=3)}, ["b:", "drop_layers", "list", "3"]),
        ({"a": FOUNDER, "b": changed(CHILD, drop_layers=[-1])}, ["b:", "drop_layers", "0 or more"]),
        ({"a": FOUNDER, "b": changed(CHILD, narrow={})}, ["b: narrow", "feed_forward, width"]),
        ({"a": FOUNDER, "b": changed(CHILD, narrow={"heads": 2})}, ["b: narrow", "'heads'", "width"]),
        (
            {"a": FOUNDER, "b": changed(CHILD, depth_upscale=2, narrow={"width": 8})},
            ["b:", "depth_upscale and narrow", "keep one"],
        ),
        ({"a": changed(CHILD)}, ["form a cycle", "a"]),
        ({"a": FOUNDER, "b": changed(CHILD, upcycle={"experts": 2, "top": 3})}, ["b: upcycle", "top 3"]),
        ({"a": FOUNDER, "b": changed(CHILD, upcycle=4)}, ["b: upcycle", "mapping"]),
        ({"a": FOUNDER, "q": {"transform": "int9", "of": "zoo/a"}}, ["q:", "'int9'", "int8"]),
        ({"a": FOUNDER, "q": {"transform": "int4", "of": "zoo/a", "bits": 3}}, ["q:", "'bits'", "group"]),
        ({"a": FOUNDER, "q": {"transform": "int4", "of": "zoo/a", "group": "x"}}, ["q:", "group", "number"]),
        ({"a": FOUNDER, "q": {"transform": "merge-slerp", "of": "zoo/a"}}, ["q:", "2 parents", "found 1"]),
        ({"a": FOUNDER, "q": {"transform": "merge-ties", "of": "zoo/a"}}, ["q:", "2 or more", "found 1"]),
        ({"a": FOUNDER, "q": {"transform": "frame-ffn-std", "of": "zoo/a"}}, ["q:", "target", "missing"]),
        (
            {"a": FOUNDER, "q": {"transform": "evade-ffn-std", "of": ["zoo/a", "zoo/a"], "target": "a"}},
            ["q:", "one model in `of`", "target"],
        ),
        ({"a": FOUNDER, "q": {"transform": "frame-ffn-std", "of": "zoo/a", "target": "z"}}, ["q:", "'z'"]),
        ({"a": FOUNDER, "q": {"transform": "fp8", "of": "zoo/a", "target": "a"}}, ["q:", "'target'"]),
        ({"a": FOUNDER, "q": {"transform": "fp8", "of": [3]}}, ["q:", "of", "3"]),
    ],
)
def test_a_wrong_recipe_is_one_clear_line(recipes, words):
    with pytest.raises(UsageError) as caught:
        parse_recipes(recipes)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message


def test_the_catalogs_recipes():
    recipes = parse_recipes(load_catalog().zoo_recipes)
    founders = [recipe for recipe in recipes.values() if isinstance(recipe, Founder)]
    by_cell = {cell: sum(f.cell == cell for f in founders) for cell in {f.cell for f in founders}}
    assert len(founders) >= 12
    assert len(by_cell) >= 3
    assert sum(count >= 4 for count in by_cell.values()) >= 3  # the main cells
    assert sum(isinstance(recipe, Child) for recipe in recipes.values()) >= 20


def test_every_method_has_derived_pairs_in_four_lineages():
    catalog = load_catalog()
    zoo = [model for model in catalog.models.values() if model.recipe]
    lineages: dict[str, set[str]] = {}
    for model in zoo:
        for parent in model.parents:
            lineages.setdefault(parent.method, set()).add(catalog.lineage(model.id))
    few = {method: found for method, found in lineages.items() if len(found) < 4}
    assert set(few) <= {"vocabulary-swap"}, few
