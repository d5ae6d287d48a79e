"""The plan: which models, which pairs, and a fair choice where a costly metric cannot score them all."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command_line import command
from small_catalog import write_catalog

import analysis
from benchmark.catalog import load_catalog
from benchmark.pipeline.checkpoints import Located
from benchmark.pipeline.chosen_metric import ChosenMetric
from benchmark.pipeline.plan import balanced_subset, make_plan, plan, shapes, with_cells
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


def test_a_cheap_subset_keeps_every_look_alike_and_a_few_others() -> None:
    pairs = table((4, 4, 4), ("x", "y"))
    keep = balanced_subset(pairs, 2, seed=3, all_look_alikes=True)
    alike = analysis.look_alike_pairs(pairs["relation"], pairs["architecture_a"], pairs["architecture_b"])
    independent = (pairs["relation"] == "independent").to_numpy()
    assert keep[~independent].all()
    assert keep[alike].all()
    others = pairs[keep & independent & ~alike]
    assert 0 < len(others) < (independent & ~alike).sum()
    assert (others.groupby(["lineage_a", "lineage_b"]).size() == 2).all()


def test_of_the_few_pairs_that_are_no_look_alikes_fewer_can_be_taken() -> None:
    pairs = table((4,) * 9, ("x", "y", "z"))
    alike = analysis.look_alike_pairs(pairs["relation"], pairs["architecture_a"], pairs["architecture_b"])
    independent = (pairs["relation"] == "independent").to_numpy()
    many = balanced_subset(pairs, 16, seed=3)
    keep = balanced_subset(pairs, 16, seed=3, other_lineages=3)
    np.testing.assert_array_equal(keep[~independent | alike], many[~independent | alike])
    others = pairs[keep & independent & ~alike]
    assert (others.groupby(["lineage_a", "lineage_b"]).size() == 1).all()
    assert (pairs[many & independent & ~alike].groupby(["lineage_a", "lineage_b"]).size() > 1).all()
    assert (keep <= many).all()
    # Each lineage meets three others, or as many as are left when the rest has its three.
    met = pd.concat([others["lineage_a"], others["lineage_b"]]).value_counts()
    assert met.max() == 3
    assert len(met) == 9
    assert (met == 3).sum() >= 6


def test_only_a_large_plan_leaves_pairs_out_for_cheap_metrics(tmp_path, monkeypatch) -> None:
    path = write_catalog(tmp_path, founders=3, children=4)
    for name in (f"f{founder}c{child}" for founder in range(3) for child in (1, 2, 3)):
        config = json.loads((tmp_path / name / "config.json").read_text())
        (tmp_path / name / "config.json").write_text(json.dumps({**config, "model_type": "mistral"}))
    catalog = load_catalog(path)
    whole = make_plan(catalog, [CHEAP], pairs_per_lineage_pair=1)
    assert whole.chosen["other"].all()
    monkeypatch.setattr("benchmark.pipeline.plan.ALL_PAIRS", len(whole.pairs))
    assert make_plan(catalog, [CHEAP], pairs_per_lineage_pair=1).chosen["other"].all()
    monkeypatch.setattr("benchmark.pipeline.plan.ALL_PAIRS", len(whole.pairs) - 1)
    thinned = make_plan(catalog, [CHEAP, COSTLY], pairs_per_lineage_pair=1)
    left_out = thinned.pairs[~thinned.chosen["other"]]
    assert len(left_out)
    assert (left_out["relation"] == "independent").all()
    assert not analysis.look_alike_pairs(
        thinned.pairs["relation"], thinned.pairs["architecture_a"], thinned.pairs["architecture_b"]
    )[~thinned.chosen["other"]].any()
    assert thinned.chosen["other"].sum() > thinned.chosen["some"].sum()
    assert f"other: {thinned.chosen['other'].sum()} pairs" in str(thinned)
    everything = make_plan(catalog, [CHEAP, COSTLY], pairs_per_lineage_pair=None)
    assert all(chosen.all() for chosen in everything.chosen.values())
    arguments = ["run", "--catalog", path, "--dry-run", "--json", "--pairs-per-lineage-pair", 1]
    said = {
        more: json.loads(command(*arguments, *more, cache=tmp_path).out)["metrics"]
        for more in ((), ("--all-pairs",))
    }
    n = len(whole.pairs)
    assert max(said[()].values()) < n
    assert min(said["--all-pairs",].values()) == n
    # A costly metric scores one pair of two lineages that is no look-alike, however many it may score in all.
    many = make_plan(catalog, [COSTLY], pairs_per_lineage_pair=20)
    alike = analysis.look_alike_pairs(
        many.pairs["relation"], many.pairs["architecture_a"], many.pairs["architecture_b"]
    )
    others = many.pairs[many.chosen["some"] & (many.pairs["relation"] == "independent").to_numpy() & ~alike]
    assert (others.groupby(["lineage_a", "lineage_b"]).size() == 1).all()
    assert len(others)
    assert many.chosen["some"][alike].sum() > thinned.chosen["some"][alike].sum()


def test_subset_depends_on_the_seed_only() -> None:
    pairs = table((5, 5, 5), ("x",))
    np.testing.assert_array_equal(balanced_subset(pairs, 2, seed=1), balanced_subset(pairs, 2, seed=1))
    assert (balanced_subset(pairs, 2, seed=1) != balanced_subset(pairs, 2, seed=2)).any()


def test_a_pair_with_an_unknown_cell_is_no_look_alike() -> None:
    """A derived pair of unknown cells makes nothing a look-alike, and such a pair is none."""
    pairs = table((2, 2, 2), ("x", "y"))
    unknown = pairs.assign(
        architecture_b=pairs["architecture_b"].where(pairs["relation"] != "derived", None),
        architecture_a=pairs["architecture_a"].where(pairs["lineage_a"] != "L1", None),
    )
    lots = balanced_subset(unknown, 1, seed=3)
    blank = pairs.assign(architecture_a=None, architecture_b=None)
    np.testing.assert_array_equal(lots, balanced_subset(blank, 1, seed=3))
    assert (lots != balanced_subset(pairs, 1, seed=3)).any()


COSTLY = ChosenMetric("some", 1, "costly", runs_model=False, foreign=False)
CHEAP = ChosenMetric("other", 1, "cheap", runs_model=False, foreign=False)


@pytest.fixture
def two_shapes(tmp_path: Path) -> Path:
    """Four lineages whose catalog states no shape: every second child is of another one, as its config says.

    So pairs of two such children are no look-alikes, and all other independent pairs are.
    """
    path = write_catalog(tmp_path, founders=4, children=2)
    for name in ("f0c1", "f1c1", "f2c1", "f3c1"):
        config = json.loads((tmp_path / name / "config.json").read_text())
        (tmp_path / name / "config.json").write_text(json.dumps({**config, "model_type": "mistral"}))
    return path


def test_shapes_are_read_before_pairs_are_chosen(two_shapes: Path) -> None:
    catalog = load_catalog(two_shapes)
    assert {model.cell for model in catalog.models.values()} == {None}
    made = make_plan(catalog, [COSTLY, CHEAP], pairs_per_lineage_pair=8)
    assert set(made.pairs["architecture_a"]) == {
        "llama 5x16 h2/2 f24 rmsnorm",
        "mistral 5x16 h2/2 f24 rmsnorm",
    }
    assert made.chosen["other"].all()
    chosen = made.pairs[made.chosen["some"]]
    alike = analysis.look_alike_pairs(
        made.pairs["relation"], made.pairs["architecture_a"], made.pairs["architecture_b"]
    )
    independent = (made.pairs["relation"] == "independent").to_numpy()
    assert (~alike[independent]).sum() == 6
    # Every two lineages have eight look-alikes: the ninth pair, which is none, is not scored.
    counts = chosen[chosen["relation"] == "independent"].groupby(["lineage_a", "lineage_b"]).size()
    assert counts.tolist() == [8] * 6
    assert alike[made.chosen["some"] & independent].all()


def test_shapes_are_not_read_where_all_pairs_are_scored(
    two_shapes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Located, "open", None)
    made = make_plan(load_catalog(two_shapes), [CHEAP])
    assert made.pairs["architecture_a"].isna().all()


def test_a_model_that_cannot_be_opened_is_planned_with_an_unknown_shape(two_shapes: Path) -> None:
    """Its fingerprint fails later, by name, and stops nothing else."""
    (two_shapes.parent / "f2" / "config.json").unlink()
    made = make_plan(load_catalog(two_shapes), [COSTLY], pairs_per_lineage_pair=2)
    assert "f2" in made.models
    ends = [made.pairs.loc[made.pairs[f"model_{end}"] == "f2", f"architecture_{end}"] for end in "ab"]
    assert pd.concat(ends).isna().all()
    others = made.pairs[(made.pairs["model_a"] != "f2") & (made.pairs["model_b"] != "f2")]
    assert others[["architecture_a", "architecture_b"]].notna().all(axis=None)


def test_what_a_catalog_states_is_taken_as_it_is(two_shapes: Path) -> None:
    """The checkpoint is asked where the catalog says nothing, and held to the catalog when it is opened."""
    catalog = load_catalog(two_shapes)
    pairs = with_cells(
        pd.DataFrame(
            {"model_a": ["f0"], "model_b": ["f0c1"], "architecture_a": ["stated"], "architecture_b": [None]}
        ),
        shapes(catalog, ["f0", "f0c1"]),
    )
    assert pairs["architecture_a"].tolist() == ["stated"]
    assert pairs["architecture_b"].tolist() == ["mistral 5x16 h2/2 f24 rmsnorm"]


def test_unknown_tier_is_refused() -> None:
    with pytest.raises(UsageError, match="--tier: no tier 'moon'; known: zoo, hub, all"):
        make_plan(load_catalog(), (), tier="moon")


def test_a_plan_counts_itself(two_shapes: Path) -> None:
    made = plan(catalog=two_shapes, metrics="weight-cosine,canonical-similarity", pairs_per_lineage_pair=1)
    facts = made.to_json()
    assert facts["n_pairs"] == 66
    assert facts["n_lineages"] == 4
    assert facts["relations"] == {"independent": 54, "derived": 8, "sibling": 4}
    assert facts["metrics"] == {"weight-cosine": 66, "canonical-similarity": 18}
    assert facts["n_forgeries"] == 0
    assert str(made).startswith("12 models in 4 lineages, 66 pairs: 54 independent, 8 derived, 4 sibling")
