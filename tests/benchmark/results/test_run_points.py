"""Points of training runs against the ends of their runs."""

from __future__ import annotations

import pandas as pd

from benchmark.catalog import parse_catalog
from benchmark.results.run_points import run_points, runs

CATALOG = """\
schema: 1
cells:
  small: {model_type: llama, depth: 2, width: 8, heads: 2, kv_heads: 2, feed_forward: 16, norm: rmsnorm, qkv_bias: false}
families:
  - name: Replicates
    axes: {seed: [1, 2]}
    model:
      id: lab/m-seed{seed}
      source: {hub: "lab/m-seed{seed}"}
      cell: small
      from_scratch: {grade: publisher, source: "https://example.org/a", says: a run of its own}
    run:
      steps: [0, 100, 400]
      budget: 1000
      branch: step{step}
      evidence: {grade: publisher, source: "https://example.org/a", says: points of one run}
  - name: Late
    axes: {seed: [1]}
    model:
      id: lab/late@step80
      source: {hub: lab/late, revision: step80}
      cell: small
    run:
      steps: [20]
      budget: 80
      branch: step{step}
      evidence: {grade: publisher, source: "https://example.org/a", says: points of one run}
models:
  - id: me/tuned
    source: {hub: me/tuned}
    training: {steps: 50}
    parents:
      - {of: lab/m-seed1, method: fine-tune, evidence: {grade: card, source: "https://example.org/b", says: tuned}}
"""  # noqa: E501


def test_each_point_has_its_place_in_the_run_that_it_is_a_point_of() -> None:
    found = runs(parse_catalog(CATALOG))
    one = found[found["run"] == "lab/m-seed1"]
    assert one[["point", "step", "share"]].to_numpy().tolist() == [
        ["lab/m-seed1@step400", 400, 0.4],
        ["lab/m-seed1@step100", 100, 0.1],
        ["lab/m-seed1@step0", 0, 0.0],
    ]
    assert set(one["family"]) == {"Replicates"}
    assert set(found["run"]) == {"lab/m-seed1", "lab/m-seed2", "lab/late@step80"}, "a tuned model ends no run"
    assert found[found["run"] == "lab/late@step80"][["step", "share"]].to_numpy().tolist() == [[20, 0.25]]


def test_scores_stand_in_the_order_of_the_run_and_missing_ones_do_not() -> None:
    scores = pd.DataFrame(
        [
            ("lab/m-seed1", "lab/m-seed1@step400", 0.9, "ok"),
            ("lab/m-seed1", "lab/m-seed1@step0", 0.2, "ok"),
            ("lab/m-seed1", "lab/m-seed1@step100", float("nan"), "abstained"),
            ("lab/m-seed1@step0", "lab/m-seed1@step400", 0.3, "ok"),
            ("lab/m-seed1", "lab/m-seed2@step0", 0.1, "ok"),
        ],
        columns=["model_a", "model_b", "score", "status"],
    )
    found = run_points(scores, runs(parse_catalog(CATALOG)))
    assert [(point.point, point.step, point.share, point.score) for point in found] == [
        ("lab/m-seed1@step0", 0, 0.0, 0.2),
        ("lab/m-seed1@step400", 400, 0.4, 0.9),
    ]
    assert {(point.run, point.family, point.lineage) for point in found} == {
        ("lab/m-seed1", "Replicates", "lab/m-seed1@step0")
    }
