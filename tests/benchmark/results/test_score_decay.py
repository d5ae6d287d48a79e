"""Distance travelled: steps and tokens since each ancestor, over training only."""

from __future__ import annotations

import pandas as pd
import pytest

from benchmark.catalog import load_catalog, parse_catalog
from benchmark.results.schema import DecayPoint
from benchmark.results.score_decay import decay_points, distances
from benchmark.zoo.manifest import Entry, Manifest

CATALOG = """\
schema: 1
cells:
  small: {model_type: llama, depth: 2, width: 8, heads: 2, kv_heads: 2, feed_forward: 16, norm: rmsnorm, qkv_bias: false}
models:
  - {id: zoo/f, source: {zoo: f}, cell: small, recipe: {train: {cell: small, seed: 1, corpus: x, steps: 800}}}
  - {id: zoo/ft, source: {zoo: ft}, parents: [{of: zoo/f, method: fine-tune, detail: short}],
     recipe: {train: {from: zoo/f, corpus: y, steps: 80}}}
  - {id: zoo/chain, source: {zoo: chain}, parents: [{of: zoo/ft, method: instruct-tune}],
     recipe: {train: {from: zoo/ft, corpus: z, steps: 160}}}
  - {id: zoo/cut, source: {zoo: cut}, cell: small, parents: [{of: zoo/f, method: depth-prune}],
     recipe: {train: {from: zoo/f, corpus: x, steps: 200, drop_layers: [1]}}}
  - {id: zoo/cut-on, source: {zoo: cut-on}, parents: [{of: zoo/cut, method: continued-pretrain}],
     recipe: {train: {from: zoo/cut, corpus: x, steps: 400}}}
  - {id: zoo/fp8, source: {zoo: fp8}, parents: [{of: zoo/f, method: cast}], recipe: {transform: fp8, of: zoo/f}}
"""  # noqa: E501


def entry(tokens: int) -> Entry:
    return Entry("", "", {}, 0, tokens, 0.0, 0.0, 0.0, None, 0.0)


def test_steps_add_up_along_training_and_stop_at_anything_else() -> None:
    manifest = Manifest(models={"ft": entry(1000), "chain": entry(2000)})
    found = distances(parse_catalog(CATALOG), manifest)
    columns = ["model", "ancestor", "steps", "share", "lineage"]
    assert found[columns].to_numpy().tolist() == [
        ["zoo/ft", "zoo/f", 80, 0.1, "zoo/f"],
        ["zoo/chain", "zoo/ft", 160, 0.2, "zoo/f"],
        ["zoo/chain", "zoo/f", 240, 0.3, "zoo/f"],
        ["zoo/cut-on", "zoo/cut", 400, 0.5, "zoo/f"],
    ]
    assert found["tokens"].tolist()[:3] == [1000, 2000, 3000]
    assert pd.isna(found["tokens"][3])


def test_rows_are_sorted_by_distance_and_only_scored_pairs_stand() -> None:
    far = distances(parse_catalog(CATALOG), Manifest())
    scores = pd.DataFrame(
        [
            ("zoo/chain", "zoo/f", 0.7, "ok", "fine-tune:short > instruct-tune"),
            ("zoo/f", "zoo/ft", 0.9, "ok", "fine-tune:short"),
            ("zoo/chain", "zoo/ft", float("nan"), "abstained", "instruct-tune"),
            ("zoo/cut", "zoo/f", 0.2, "ok", "depth-prune"),
        ],
        columns=["model_a", "model_b", "score", "status", "method"],
    )
    near, distant = decay_points(scores, far)
    assert (near.model, near.share, near.score) == ("zoo/ft", 0.1, 0.9)
    assert distant == DecayPoint(
        model="zoo/chain",
        ancestor="zoo/f",
        method="fine-tune:short > instruct-tune",
        steps=240,
        tokens=None,
        share=0.3,
        score=0.7,
        lineage="zoo/f",
    )


@pytest.mark.slow
def test_every_trained_child_of_the_shipped_zoo_has_a_distance() -> None:
    catalog = load_catalog()
    found = distances(catalog)
    trained = {
        model.id
        for model in catalog.models.values()
        if "train" in model.recipe and any(p.method == "continued-pretrain" for p in model.parents)
    }
    assert trained
    assert trained <= set(found["model"])
    assert found["tokens"].notna().all()
    assert (found["share"] > 0).all()
    assert not found.duplicated(["model", "ancestor"]).any()
    pairs = catalog.pairs().set_index(["model_a", "model_b"])["relation"]
    assert {pairs[tuple(sorted(two))] for two in zip(found["model"], found["ancestor"], strict=True)} == {
        "derived"
    }


def test_published_points_of_a_real_run_count_its_own_steps() -> None:
    catalog = parse_catalog(
        """\
schema: 1
families:
  - name: run
    axes: {seed: [1]}
    model:
      id: lab/m{seed}
      source: {hub: "lab/m{seed}"}
      from_scratch: {grade: publisher, source: "https://example.org", says: own start}
      training: {seed: "{seed}", tokens_per_step: 10}
    run: {steps: [0, 100], budget: 400, branch: "step{step}",
          evidence: {grade: publisher, source: "https://example.org", says: branches of one run}}
"""
    )
    found = distances(catalog, Manifest())
    columns = ["model", "ancestor", "steps", "tokens", "share"]
    assert found[columns].to_numpy().tolist() == [
        ["lab/m1@step100", "lab/m1@step0", 100, 1000, 0.25],
        ["lab/m1", "lab/m1@step100", 300, 3000, 0.75],
        ["lab/m1", "lab/m1@step0", 400, 4000, 1.0],
    ]
