"""Forgeries in the catalog: known and shown, in no pair and no count; what cannot be is one clear line."""

from __future__ import annotations

import pytest

from benchmark.catalog import Catalog, CatalogError, Forgery, parse_catalog
from benchmark.catalog.show import (
    check_text,
    model_json,
    pairs_text,
    show_text,
    tree_json,
    tree_text,
)

HONEST = """\
schema: 1
cells:
  small: {model_type: llama, depth: 2, width: 8, heads: 2, kv_heads: 2, feed_forward: 16, norm: rmsnorm, qkv_bias: false}
models:
  - {id: zoo/a, source: {zoo: a}, cell: small, recipe: {train: {cell: small, seed: 1, corpus: x}}}
  - {id: zoo/b, source: {zoo: b}, cell: small, recipe: {train: {cell: small, seed: 2, corpus: x}}}
  - {id: zoo/c, source: {zoo: c}, parents: [{of: zoo/a, method: fine-tune}], recipe: {train: {from: zoo/a}}}
"""  # noqa: E501
FRAME = """\
  - id: zoo/b-framed
    source: {zoo: b-framed}
    parents: [{of: zoo/b, method: launder, detail: frame-attention-std}]
    recipe: {transform: frame-attention-std, of: zoo/b, target: zoo/a}
"""
EVADE = """\
  - id: zoo/c-cleared
    source: {zoo: c-cleared}
    parents: [{of: zoo/c, method: launder, detail: evade-ffn-std}]
    recipe: {transform: evade-ffn-std, of: zoo/c, target: zoo/a}
"""
BY_FIELD = """\
  - id: elsewhere
    source: {path: elsewhere}
    parents: [{of: zoo/b, method: launder, evidence: {grade: publisher, source: "doi:1", says: forged}}]
    forgery: {kind: frame, aimed_at: norm-std, target: zoo/c}
"""


@pytest.fixture
def catalog() -> Catalog:
    return parse_catalog(HONEST + FRAME + EVADE + BY_FIELD, file="c.yaml")


def test_a_forgery_is_read_from_the_recipe_or_the_field(catalog: Catalog) -> None:
    assert {name: model.forgery for name, model in catalog.forged.items()} == {
        "zoo/b-framed": Forgery("frame", "attention-std", "zoo/a"),
        "zoo/c-cleared": Forgery("evade", "ffn-std", "zoo/a"),
        "elsewhere": Forgery("frame", "norm-std", "zoo/c"),
    }
    table = catalog.forgeries()
    columns = ["forged", "of", "target", "kind", "aimed_at", "relation", "method"]
    assert table[columns].to_numpy().tolist() == [
        ["elsewhere", "zoo/b", "zoo/c", "frame", "norm-std", "independent", ""],
        ["zoo/b-framed", "zoo/b", "zoo/a", "frame", "attention-std", "independent", ""],
        ["zoo/c-cleared", "zoo/c", "zoo/a", "evade", "ffn-std", "derived", "fine-tune"],
    ]
    assert table["lineage_of"].tolist() == ["zoo/b", "zoo/b", "zoo/a"]
    assert table["architecture_of"].nunique() == 1


def test_honest_pairs_and_counts_are_those_without_forgeries(catalog: Catalog) -> None:
    honest = parse_catalog(HONEST)
    assert catalog.pairs().equals(honest.pairs())
    assert list(catalog.models) == list(honest.models)
    assert len(catalog) == 3
    before, after = honest.counts().to_json(), catalog.counts().to_json()
    assert (before.pop("forgeries"), after.pop("forgeries")) == ({}, {"frame": 2, "evade": 1})
    for each in (before, after):
        del each["file"], each["digest"]
    assert before == after
    assert honest.forgeries().empty
    with pytest.raises(CatalogError, match="zoo/b-framed is a forgery, which no honest pair may contain"):
        catalog.pairs(["zoo/a", "zoo/b-framed"])


def test_what_a_forgery_really_is_can_be_asked(catalog: Catalog) -> None:
    assert "zoo/c-cleared" in catalog
    assert catalog.relation("zoo/b-framed", "zoo/a") == "independent"
    assert catalog.explain("zoo/c-cleared", "zoo/a").method == "fine-tune > launder:evade-ffn-std"
    assert catalog.lineage("zoo/c-cleared") == "zoo/a"
    assert catalog.model("zoo/b-framed").cell == catalog.model("zoo/b").cell
    assert set(catalog.lineages.values()) == {"zoo/a", "zoo/b"}


def test_forgeries_are_shown_and_marked(catalog: Catalog) -> None:
    assert "forgeries  2 frame, 1 evade; not counted above" in check_text(catalog)
    assert "forgery    frames zoo/a in attention-std; excluded from all pairs" in show_text(
        catalog, "zoo/b-framed"
    )
    assert "forgery    zoo/c-cleared  evades zoo/a in ffn-std" in show_text(catalog, "zoo/a")
    assert model_json(catalog, "zoo/c")["forgeries"] == ["zoo/c-cleared", "elsewhere"]
    tree = tree_text(catalog, "zoo/a")
    assert tree.startswith("lineage zoo/a: 2 models, 1 forgery\n")
    assert "zoo/c-cleared  (launder:evade-ffn-std; forgery: evades zoo/a in ffn-std)" in tree
    (root,) = tree_json(catalog, "zoo/b")["founders"]
    assert [node["forgery"]["kind"] for node in root["children"]] == ["frame", "frame"]
    assert pairs_text(catalog).splitlines()[-1].startswith("3 pairs: ")
    assert pairs_text(catalog).endswith("; 3 forgeries in none of them")
    assert "forgeries" not in pairs_text(catalog, "derived") + pairs_text(catalog, None, "csv")
    assert "forgeries" not in pairs_text(parse_catalog(HONEST))


MISTAKES = [
    (
        "unknown target",
        FRAME,
        "target: zoo/a",
        "target: a",
        ["recipe.target", "unknown target 'a'", "'zoo/a'"],
    ),
    ("itself", FRAME, "target: zoo/a", "target: zoo/b-framed", ["zoo/b-framed is listed as its own target"]),
    ("no target", FRAME, ", target: zoo/a", "", ["recipe", "target is missing", "`target: <id>`"]),
    ("kin framed", FRAME, "zoo/b, ", "zoo/c, ", ["zoo/c and zoo/a share zoo/a", "frame an unrelated model"]),
    ("stranger evaded", EVADE, "target: zoo/a", "target: zoo/b", ["does not descend from zoo/b", "ancestor"]),
    ("two parents", FRAME, "parents: [", "parents: [{of: zoo/c, method: launder}, ", ["has one parent"]),
    ("not laundered", FRAME, "method: launder", "method: cast", ["has one parent, by launder"]),
    ("said twice", FRAME, "    recipe", BY_FIELD.splitlines()[-1] + "\n    recipe", ["the recipe says"]),
    ("unknown kind", BY_FIELD, "kind: frame", "kind: blame", ["unknown kind 'blame'", "frame, evade"]),
    ("two targets", BY_FIELD, "target: zoo/c", "target: zoo/x", ["forgery.target", "unknown target 'zoo/x'"]),
]


@pytest.mark.parametrize(
    ("entry", "old", "new", "words"), [each[1:] for each in MISTAKES], ids=[each[0] for each in MISTAKES]
)
def test_a_mistake_is_one_clear_line(entry: str, old: str, new: str, words: list[str]) -> None:
    assert old in entry
    broken = entry.replace("of: " + old, "of: " + new) if old == "zoo/b, " else entry.replace(old, new)
    with pytest.raises(CatalogError) as caught:
        parse_catalog(HONEST + broken, file="c.yaml")
    message = str(caught.value)
    assert message.startswith("c.yaml:")
    assert "\n" not in message
    for word in words:
        assert word in message


HONEST_CHILD = (
    "  - {id: d, source: {zoo: d}, parents: [{of: zoo/b-framed, method: cast}], recipe: {transform: fp8}}\n"
)
STUDENT = "  - {id: d, source: {zoo: d}, distilled_from: [{of: zoo/b-framed}], recipe: {train: {seed: 9}}}\n"
AIMED_AT_IT = BY_FIELD.replace("target: zoo/c", "target: zoo/b-framed")
DISPUTED = """\
disputes:
  - {id: x, title: x, models: [zoo/b-framed, zoo/a], status: open, settled_by: x,
     claims: [{by: x, says: x, source: "doi:1"}]}
"""


@pytest.mark.parametrize(
    ("entry", "field"),
    [
        (HONEST_CHILD, "models[d].parents[0].of"),
        (STUDENT, "models[d].distilled_from[0].of"),
        (AIMED_AT_IT, "models[elsewhere].forgery.target"),
        (DISPUTED, "disputes[x].models"),
    ],
)
def test_nothing_comes_from_a_forgery(entry: str, field: str) -> None:
    with pytest.raises(CatalogError) as caught:
        parse_catalog(HONEST + FRAME + entry, file="c.yaml")
    (problem,) = caught.value.problems
    assert problem.field == field
    assert problem.message.startswith("zoo/b-framed is a forgery")
