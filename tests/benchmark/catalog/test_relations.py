"""Relations, lineages, methods and what pairs share, on small graphs and on random ones."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence

import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st

from analysis.columns import RELATIONS
from benchmark.catalog import (
    Catalog,
    CatalogError,
    CatalogPart,
    Dispute,
    Evidence,
    Facts,
    HubSource,
    Model,
    Parent,
    ZooSource,
)
from benchmark.catalog.model import Statement, Teacher
from benchmark.catalog.show import pairs_text

SAID = Evidence("publisher", "doi:1", "said")
WEIGHED = Evidence("weights", "doi:2", "weights look alike")


def founder(name: str, *, scratch: bool = True, publisher: str = "", date: str = "", **more: object) -> Model:
    return Model(
        name,
        HubSource(f"org/{name}"),
        from_scratch=(SAID,) if scratch else (),
        publisher=publisher,
        date=date,
        **more,
    )  # type: ignore[arg-type]


def child(name: str, *parents: str | Parent, method: str = "fine-tune", **more: object) -> Model:
    stated = tuple(p if isinstance(p, Parent) else Parent(p, method, evidence=(SAID,)) for p in parents)
    return Model(name, HubSource(f"org/{name}"), parents=stated, **more)  # type: ignore[arg-type]


def dispute(*models: str, status: str = "open") -> Dispute:
    return Dispute("case-" + models[0], "?", models, status, (Statement("x", "y", "doi:3"),))


def relations(models: Sequence[Model], disputes: Sequence[Dispute] = ()) -> dict[str, str]:
    pairs = Catalog(models, disputes).pairs()
    return {
        f"{a} {b}": r for a, b, r in zip(pairs["model_a"], pairs["model_b"], pairs["relation"], strict=True)
    }


def test_chain_and_siblings() -> None:
    models = [
        founder("f"),
        child("a", "f"),
        child("b", "a", method="quantise"),
        child("c", "f"),
        founder("g"),
    ]
    assert relations(models) == {
        "a b": "derived", "a c": "sibling", "a f": "derived", "a g": "independent", "b c": "sibling",
        "b f": "derived", "b g": "independent", "c f": "derived", "c g": "independent", "f g": "independent",
    }  # fmt: skip


def test_merge_joins_two_lineages_but_leaves_the_founders_independent() -> None:
    catalog = Catalog([founder("f"), founder("g"), child("a", "f"), child("m", "a", "g", method="merge")])
    assert catalog.relation("m", "f") == catalog.relation("m", "g") == "derived"
    assert catalog.relation("f", "g") == catalog.relation("a", "g") == "independent"
    assert set(catalog.lineages.values()) == {"f"}
    assert catalog.founders("m") == ("f", "g")


def test_shared_initialisation_reaches_the_descendants_and_joins_the_lineages() -> None:
    models = [
        founder("f"),
        founder("g", shared_init_with=("f",)),
        child("a", "f"),
        child("b", "g"),
        founder("h"),
    ]
    found = relations(models)
    assert found["f g"] == found["a b"] == found["a g"] == "shared-init"
    assert found["f h"] == "independent"
    assert set(Catalog(models).lineages.values()) == {"f", "h"}


def test_shared_initialisation_is_transitive() -> None:
    models = [founder("f"), founder("g", shared_init_with=("f",)), founder("h", shared_init_with=("g",))]
    assert set(relations(models).values()) == {"shared-init"}


def test_zoo_recipes_with_one_cell_and_one_seed_share_their_initialisation() -> None:
    def trained(name: str, cell: str, seed: int) -> Model:
        recipe = {"train": {"cell": cell, "seed": seed}}
        return Model(name, ZooSource(name), from_scratch=(SAID,), recipe=recipe)

    found = relations(
        [trained("a", "s", 1), trained("b", "s", 1), trained("c", "s", 2), trained("d", "t", 1)]
    )
    assert found["a b"] == "shared-init"
    assert {found["a c"], found["a d"], found["c d"]} == {"independent"}


def test_distillation_ties_student_and_teacher_and_their_kin() -> None:
    student = founder("s", distilled_from=(Teacher("t1", (SAID,)),))
    models = [founder("t"), child("t1", "t"), student, child("s1", "s"), founder("g")]
    models.append(founder("s2", distilled_from=(Teacher("t", (SAID,)),)))
    found = relations(models)
    for pair in ("s t", "s t1", "s1 t1", "s1 t", "s s2"):
        assert found[pair] == "distilled"
    assert found["g s"] == found["g t"] == "independent"
    assert len(set(Catalog(models).lineages.values())) == 2


def test_tuning_on_a_teacher_ties_only_the_student_not_its_founder() -> None:
    tuned = child("a-r", "a", distilled_from=(Teacher("t", (SAID,)),))
    found = relations([founder("a"), founder("t"), tuned])
    assert found == {"a a-r": "derived", "a t": "independent", "a-r t": "distilled"}


def test_open_dispute_reaches_descendants_of_both_sides_and_chains() -> None:
    models = [founder(name) for name in "xyzw"] + [child("x1", "x"), child("y1", "y"), child("z1", "z")]
    found = relations(models, [dispute("x", "y"), dispute("z", "y")])
    for a, b in itertools.combinations(["x", "x1", "y", "y1", "z", "z1"], 2):
        same = a[0] == b[0]
        assert found[f"{a} {b}"] == ("derived" if same else "disputed")
    assert found["w x"] == found["w y1"] == "independent"


@pytest.mark.parametrize("status", ["retracted", "confirmed", "unsupported"])
def test_dispute_that_is_not_open_leaves_the_labels_of_the_graph(status: str) -> None:
    assert relations([founder("x"), founder("y")], [dispute("x", "y", status=status)]) == {
        "x y": "independent"
    }


def test_disputed_ancestry_within_a_family() -> None:
    models = [founder("f"), child("a", "f"), child("b", "f"), child("b1", "b")]
    found = relations(models, [dispute("b", "a")])
    assert found["a b"] == found["a b1"] == "disputed"
    assert found["a f"] == found["b b1"] == "derived"


def test_weights_grade_never_calibrates() -> None:
    weak = Parent("f", "fine-tune", evidence=(WEIGHED,))
    catalog = Catalog([founder("f"), child("a", "f"), child("w", weak), child("w1", "w"), founder("g")])
    for other in ("f", "a", "g"):
        assert catalog.relation("w", other) == catalog.relation("w1", other) == "disputed"
    assert catalog.relation("w", "w1") == "derived"
    assert catalog.lineage("w") == "f"
    pairs = catalog.pairs().set_index(["model_a", "model_b"])["dispute"]
    assert pairs["f", "w"] == pairs["a", "w1"] == "weights only"
    assert pairs["g", "w"] == "independence not stated"


def test_better_evidence_beside_weights_calibrates() -> None:
    both = Parent("f", "fine-tune", evidence=(WEIGHED, Evidence("card", "doi:4", "says so")))
    assert relations([founder("f"), child("a", both)]) == {"a f": "derived"}


@pytest.mark.parametrize(
    ("scratch_f", "scratch_g", "publisher_g", "date_f", "date_g", "expected"),
    [
        (True, True, "F", "", "", "independent"),
        (True, False, "G", "", "", "disputed"),
        (False, True, "G", "2023-01", "2024-01", "independent"),  # f was public before g: cannot come from it
        (True, False, "G", "2023-01", "2024-01", "disputed"),  # g could have been made of f
        (False, True, "F", "2023-01", "2024-01", "disputed"),  # one maker: the order of release says nothing
        (False, True, "G", "2024", "2024-06", "disputed"),  # dates too coarse
        (False, True, "G", "2024-06-01", "2024-06-01", "disputed"),  # one day: either may have been first
        (False, True, "G", "2024-06-01", "2024-06-02", "independent"),
        (False, False, "G", "2023-01", "2024-01", "disputed"),
        (False, True, "", "2023-01", "2024-01", "disputed"),  # maker unknown
    ],
)
def test_independence_must_be_stated(
    scratch_f: bool, scratch_g: bool, publisher_g: str, date_f: str, date_g: str, expected: str
) -> None:
    f = founder("f", scratch=scratch_f, publisher="F", date=date_f)
    g = founder("g", scratch=scratch_g, publisher=publisher_g, date=date_g)
    assert relations([f, g]) == {"f g": expected}


def test_a_third_partys_card_or_the_weights_are_no_from_scratch_statement() -> None:
    for grade in ("card", "weights"):
        said = Model("g", HubSource("org/g"), from_scratch=(Evidence(grade, "doi:5", "so"),))
        assert relations([founder("f"), said]) == {"f g": "disputed"}


def test_methods_along_a_path() -> None:
    catalog = Catalog(
        [
            founder("f"),
            child("a", "f", method="continued-pretrain"),
            child("b", "a", method="continued-pretrain"),
            child("c", Parent("b", "cast", "fp8", (SAID,))),
            child("d", "f", method="rl"),
            child("m", Parent("b", "merge", "slerp", (SAID,)), Parent("d", "merge", "slerp", (SAID,))),
        ]
    )
    assert catalog.explain("c", "f").method == "continued-pretrain > cast:fp8"
    assert catalog.explain("f", "m").method == "rl > merge:slerp"  # the shorter way
    assert catalog.explain("d", "c").method == "continued-pretrain > cast:fp8 | rl"
    assert catalog.explain("m", "d").relation == "derived"
    assert catalog.explain("d", "b").reason == "common founder: f"


def test_lineages_are_named_by_their_founder_in_any_order_of_the_file() -> None:
    models = [child("b", "a"), child("a", "f"), founder("g"), founder("f")]
    for order in itertools.permutations(models):
        assert Catalog(order).lineages == {"a": "f", "b": "f", "f": "f", "g": "g"}


def test_re_upload_is_one_model_with_its_origin() -> None:
    catalog = Catalog(
        [founder("f"), child("f-again", "f", method="re-upload"), child("a", "f-again"), founder("g")]
    )
    pairs = catalog.pairs()
    assert "f-again" not in set(pairs["model_a"]) | set(pairs["model_b"])
    assert catalog.relation("f-again", "a") == "derived"
    assert set(catalog.pairs(["f-again", "a"])["model_b"]) == {"f-again"}
    with pytest.raises(CatalogError, match="are the same model"):
        catalog.relation("f", "f-again")


def test_pairs_of_one_relation_are_those_of_the_whole_table() -> None:
    models = [founder("f"), child("a", "f"), child("b", "f"), founder("g"), founder("h", scratch=False)]
    catalog = Catalog(models)
    whole = catalog.pairs()
    assert len(set(whole["relation"])) == 4
    for relation in RELATIONS:
        part = whole[whole["relation"] == relation].reset_index(drop=True)
        pd.testing.assert_frame_equal(catalog.pairs(relation=relation), part, check_dtype=bool(len(part)))
    counts = whole["relation"].value_counts()
    last = pairs_text(catalog).splitlines()[-1]
    assert last.startswith(f"{len(whole)} pairs: ")
    assert all(f"{n} {relation}" in last for relation, n in counts.items())
    with pytest.raises(CatalogError, match="unknown relation 'cousin'"):
        catalog.pairs(relation="cousin")


def test_every_pair_names_its_own_disputes_however_many_there_are() -> None:
    models = [founder(f"m{number:02d}") for number in range(80)]
    disputes = [dispute(models[n].id, models[n + 1].id) for n in range(0, 80, 2)]
    pairs = Catalog(models, disputes).pairs().set_index(["model_a", "model_b"])["dispute"]
    told = pairs[pairs != ""].to_dict()
    assert told == {(f"m{n:02d}", f"m{n + 1:02d}"): f"case-m{n:02d}" for n in range(0, 80, 2)}


def test_aliases_resolve_and_unknown_names_are_clear() -> None:
    catalog = Catalog(
        [founder("org/model-7b", aliases=("mirror/model-7b",)), founder("g")],
        parts=[CatalogPart("c.yaml", "")],
    )
    assert catalog.relation("mirror/model-7b", "g") == "independent"
    assert len(catalog.pairs(["mirror/model-7b", "org/model-7b", "g"])) == 1
    with pytest.raises(CatalogError, match=r"no model 'x/model-7b' in c\.yaml; did you mean org/model-7b"):
        catalog.relation("x/model-7b", "g")


def test_what_independent_pairs_share() -> None:
    def trained(name: str, tokenizer: str, **recipe: object) -> Model:
        return Model(
            name,
            ZooSource(name),
            from_scratch=(SAID,),
            tokenizer=tokenizer,
            architecture=Facts("llama", 2, 8, 2, 2, 16, 0, False, "rmsnorm"),
            recipe={"train": {"cell": name, **recipe}},
        )

    a = trained("a", "t", corpus="code", order=0, schedule="cosine", seed=1)
    b = trained("b", "t", corpus="code", order=1, schedule="cosine", seed=1)
    c = trained("c", "u", corpus="prose", order=0, schedule="linear", seed=2)
    d = child("d", "c", recipe={"train": {"corpus": "code"}}, tokenizer="u")
    pairs = Catalog([a, b, c, d, founder("h")]).pairs().set_index(["model_a", "model_b"])
    assert pairs["shared"]["a", "b"] == "corpus, tokenizer, schedule, seed"
    assert pairs["shared"]["a", "c"] == "nothing"
    assert pairs["shared"]["a", "d"] == "corpus, order"  # d went on with the corpus of a
    assert pairs["shared"]["a", "h"] == "nothing stated"
    assert pairs["shared"]["c", "d"] == ""
    assert bool(pairs["same_depth"]["a", "b"])
    assert bool(pairs["same_corpus"]["a", "d"])
    assert not bool(pairs["same_tokenizer"]["a", "c"])
    assert pairs["same_tokenizer"].isna()["a", "h"]


def test_cell_is_the_one_a_checkpoint_gives_or_unknown() -> None:
    facts = Facts("qwen2", 6, 48, 4, 2, 128, 4, True, "rmsnorm")
    assert facts.cell == "qwen2 6x48 h4/2 f128 e4 bias rmsnorm"
    assert Facts("qwen2", 6, 48, 4, 2, 128, qkv_bias=True).cell is None


def test_three_hundred_models_in_under_a_second() -> None:
    models = [founder(f"f{n:03}") for n in range(30)]
    for n in range(270):
        models.append(child(f"c{n:03}", models[n % 30 if n < 60 else n - 20].id))
    start = time.process_time()
    pairs = Catalog(models, [dispute("f000", "f001")]).pairs()
    assert time.process_time() - start < 1
    assert len(pairs) == 300 * 299 // 2
    assert list(zip(pairs["model_a"], pairs["model_b"], strict=True)) == sorted(
        itertools.combinations(sorted(model.id for model in models), 2)
    )


@st.composite
def graphs(draw: st.DrawFn) -> list[Model]:
    """Random directed acyclic graphs of stated derivations, in random file order."""
    size = draw(st.integers(2, 9))
    models: list[Model] = []
    for number in range(size):
        parents = draw(st.lists(st.integers(0, number - 1), unique=True, max_size=2)) if number else []
        name = f"m{number}"
        models.append(child(name, *(f"m{p}" for p in parents), method="merge") if parents else founder(name))
    return draw(st.permutations(models))


@settings(max_examples=60, deadline=None)
@given(graphs())
def test_random_graphs_agree_with_the_definitions(models: list[Model]) -> None:
    catalog = Catalog(models)
    parents = {model.id: {parent.id for parent in model.parents} for model in models}

    def above(name: str) -> set[str]:
        return parents[name].union(*(above(parent) for parent in parents[name]))

    def roots(name: str) -> set[str]:
        return {each for each in above(name) | {name} if not parents[each]}

    for a, b in itertools.combinations(sorted(parents), 2):
        relation = catalog.relation(a, b)
        assert relation == catalog.relation(b, a)
        if a in above(b) or b in above(a):
            assert relation == "derived"
        elif roots(a) & roots(b):
            assert relation == "sibling"
        else:
            assert relation == "independent"
        if relation in {"derived", "sibling"}:
            assert catalog.lineage(a) == catalog.lineage(b)
    table = catalog.pairs()
    assert (table["model_a"] < table["model_b"]).all()
    for row in table.itertuples():
        assert row.relation == catalog.relation(str(row.model_a), str(row.model_b))
        assert row.lineage_a == catalog.lineage(str(row.model_a))


@settings(max_examples=30, deadline=None)
@given(graphs(), st.data())
def test_a_dispute_only_ever_turns_independence_into_doubt(models: list[Model], data: st.DataObject) -> None:
    first, second = data.draw(st.permutations(sorted(model.id for model in models)))[:2]
    before, after = relations(models), relations(models, [dispute(first, second)])
    for pair, relation in after.items():
        assert relation == before[pair] or relation == "disputed"
        if before[pair] == "derived":
            assert relation == "derived"


@settings(max_examples=60, deadline=None)
@given(graphs(), st.data())
def test_a_pair_is_explained_alone_as_among_all(models: list[Model], data: st.DataObject) -> None:
    """Matrices of what two models are tied to decide on them; everything else has no say."""
    names = sorted(model.id for model in models)
    sides = data.draw(st.lists(st.permutations(names).map(lambda order: order[:2]), max_size=2))
    catalog = Catalog(models, [dispute(*pair) for pair in sides])
    for a, b in itertools.combinations(names, 2):
        among_all = catalog.graph.explain(catalog.graph.index[a], catalog.graph.index[b])
        assert catalog.explain(a, b) == among_all
        assert catalog.relation(a, b) == among_all.relation
