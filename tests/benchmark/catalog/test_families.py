"""A family written once gives the models that its axes and its runs say, and errors that name them."""

from __future__ import annotations

import pytest

from benchmark.catalog import CatalogError, parse_catalog
from benchmark.catalog.model import HubSource

MEMBER = "models[lab/model-"
CATALOG = """
schema: 1
cells:
  small: {model_type: gpt_neox, depth: 6, width: 128, heads: 4, kv_heads: 4, feed_forward: 512,
          qkv_bias: true, norm: layernorm}
  large: {model_type: gpt_neox, depth: 6, width: 256, heads: 8, kv_heads: 8, feed_forward: 1024,
          qkv_bias: true, norm: layernorm}
families:
  - name: replicates
    axes:
      size:
        14m: {cell: small, parameters: 14000000}
        31m: {cell: large}
      seed: [1, 2]
    leave_out:
      - {size: 31m, seed: 2}
    model:
      id: lab/model-{size}-seed{seed}
      source: {hub: "lab/model-{size}-seed{seed}"}
      publisher: lab
      date: 2025
      corpus: web
      from_scratch: {grade: publisher, source: "https://example.org", says: "seed {seed} of {size}"}
      training: {seed: "{seed}", order: "{seed}", schedule: lab}
    run:
      steps: [0, 1000]
      budget: 4000
      branch: step{step}
      evidence: {grade: publisher, source: "https://example.org", says: branches of one run}
models:
  - {id: other, source: {hub: org/other}, publisher: org, date: 2020}
"""


def test_axes_and_runs_are_written_out() -> None:
    catalog = parse_catalog(CATALOG)
    ids = [f"lab/model-{one}" for one in ("14m-seed1", "14m-seed2", "31m-seed1")]
    assert [name for name in catalog.models if "@" not in name] == ["other", *ids]
    first, later = catalog.models[f"{ids[0]}@step0"], catalog.models[f"{ids[0]}@step1000"]
    assert first.founder
    assert first.stated_from_scratch
    assert first.from_scratch[0].says == "seed 1 of 14m"
    assert later.source == HubSource(ids[0], "step1000")
    assert [(parent.id, parent.detail) for parent in later.parents] == [(first.id, "from-initialisation")]
    assert catalog.models[ids[0]].parents[0].detail == "own-run"
    assert [parent.id for parent in catalog.models[ids[0]].parents] == [later.id]
    assert catalog.models[ids[0]].source == HubSource(ids[0])
    assert (first.training_steps, later.training_steps, catalog.models[ids[0]].training_steps) == (
        0,
        1000,
        3000,
    )
    assert first.training["seed"] == 1, "a value that is nothing but a placeholder keeps its type"
    assert {model.family for model in catalog.models.values()} == {"", "replicates"}
    assert first.parameters == later.parameters == 14_000_000
    assert later.cell == "gpt_neox 6x128 h4/4 f512 bias layernorm"
    assert catalog.relation(ids[0], first.id) == "derived"
    assert catalog.relation(ids[0], ids[1]) == "independent"


def test_repositories_of_their_own() -> None:
    text = CATALOG.replace("steps: [0, 1000]", "steps: {0k: 0, 1k: 1000}").replace(
        "branch: step{step}", "repository: lab/model-{size}-seed{seed}-step_{step}"
    )
    later = parse_catalog(text).models["lab/model-14m-seed1-step_1k"]
    assert later.source == HubSource("lab/model-14m-seed1-step_1k")
    assert later.training_steps == 1000


def test_runs_that_share_a_repository_are_told_apart_by_their_branches() -> None:
    text = (
        CATALOG.replace("id: lab/model-{size}-seed{seed}", "id: lab/model-{size}@step4000-seed-{seed}")
        .replace(
            '{hub: "lab/model-{size}-seed{seed}"}',
            '{hub: "lab/model-{size}", revision: "step4000-seed-{seed}"}',
        )
        .replace("branch: step{step}", "branch: step{step}-seed-{seed}")
    )
    catalog = parse_catalog(text)
    end = catalog.models["lab/model-14m@step4000-seed-2"]
    assert end.source == HubSource("lab/model-14m", "step4000-seed-2")
    assert [parent.id for parent in end.parents] == ["lab/model-14m@step1000-seed-2"]
    assert catalog.models["lab/model-14m@step0-seed-2"].source == HubSource("lab/model-14m", "step0-seed-2")


DISPUTE = """
disputes:
  - id: one-start
    title: Did they begin from the same numbers?
    models: [lab/*-14m-*@step0]
    status: open
    claims: [{by: a reader, says: the seed is set alike, source: "https://example.org"}]
    settled_by: the numbers
"""


def test_a_dispute_names_many_models_by_a_pattern() -> None:
    catalog = parse_catalog(CATALOG + DISPUTE)
    (dispute,) = catalog.disputes
    assert dispute.models == ("lab/model-14m-seed1@step0", "lab/model-14m-seed2@step0")
    assert catalog.relation("lab/model-14m-seed1", "lab/model-14m-seed2@step1000") == "disputed"
    assert catalog.relation("lab/model-14m-seed1", "lab/model-31m-seed1") == "independent"


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("lab/*-15m-*", "unknown model 'lab/*-15m-*'"),
        ("lab/*-31m-*@step0", "a dispute needs two models"),
    ],
)
def test_a_pattern_that_names_fewer_than_two_models(pattern: str, message: str) -> None:
    with pytest.raises(CatalogError) as caught:
        parse_catalog(CATALOG + DISPUTE.replace("lab/*-14m-*@step0", pattern))
    (problem,) = caught.value.problems
    line = (CATALOG + DISPUTE).splitlines().index("    models: [lab/*-14m-*@step0]") + 1
    assert str(problem).startswith(f"catalog:{line}")
    assert message in str(problem)


def test_one_draw_is_one_start_within_a_shape() -> None:
    text = CATALOG.replace("training: {seed:", "training: {initialisation: draw, seed:")
    catalog = parse_catalog(text)
    assert catalog.relation("lab/model-14m-seed1@step0", "lab/model-14m-seed2@step0") == "shared-init"
    assert catalog.relation("lab/model-14m-seed1@step0", "lab/model-31m-seed1@step0") == "independent"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("{size}-seed{seed}\n", "{size}-seed{sed}\n", "{sed} in 'lab/model-{size}-seed{sed}' is not an axis"),
        ("{size: 31m, seed: 2}", "{size: 31m, seed: 3}", "is not a member"),
        ("{cell: large}", "{cell: large, date: 2024}", "'date' is given both by an axis and by the model"),
        ("steps: [0, 1000]", "steps: [0, 4000]", "stay below the budget of 4000"),
        ("branch: step{step}", "branch: main", "hold {step}"),
        ("date: 2025", "date: soon", f"{MEMBER}14m-seed1@step0].date: write a date as"),
        ("cell: large", "cell: larger", f"{MEMBER}31m-seed1@step0].cell: unknown cell 'larger'; did you"),
        ("id: lab/model-{size}-seed{seed}", "id: lab/model-{size}", "duplicate id 'lab/model-14m'"),
    ],
)
def test_an_error_names_the_family_or_the_member(old: str, new: str, message: str) -> None:
    assert old in CATALOG
    with pytest.raises(CatalogError) as caught:
        parse_catalog(CATALOG.replace(old, new, 1))
    problem = next(each for each in caught.value.problems if message in str(each))
    assert problem.line > 1
