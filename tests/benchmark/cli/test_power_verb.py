"""``power`` counts the models that a run of the tier would compare."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmark.cli.power_verb import SMALL, power_of_catalog
from benchmark.session.errors import UsageError

CATALOG = f"""
schema: 1
cells:
  one: {{model_type: gpt_neox, depth: 6, width: 128, heads: 4, kv_heads: 4, feed_forward: 512,
         qkv_bias: true, norm: layernorm}}
families:
  - name: replicates
    axes:
      size: {{small: {{parameters: {SMALL}}}, large: {{parameters: {SMALL + 1}}}, unknown: {{}}}}
      seed: [1, 2, 3, 4]
    model:
      id: lab/{{size}}-{{seed}}
      source: {{hub: "lab/{{size}}-{{seed}}"}}
      cell: one
      from_scratch: {{grade: publisher, source: "https://example.org", says: each on its own}}
    run:
      steps: [100]
      budget: 200
      branch: step{{step}}
      evidence: {{grade: publisher, source: "https://example.org", says: points of one run}}
models:
  - id: here
    source: {{path: somewhere}}
    cell: one
    from_scratch: {{grade: publisher, source: "https://example.org", says: on its own}}
  - id: there
    source: {{path: elsewhere}}
    parents:
      - {{of: here, method: fine-tune, evidence: {{grade: card, source: "https://example.org", says: tuned}}}}
"""


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    file = tmp_path / "catalog.yaml"
    file.write_text(CATALOG)
    return file


@pytest.mark.parametrize(
    ("tier", "lineages", "look_alikes", "small"),
    [("zoo", 1, 0, None), ("hub", 12, 6, 4), ("all", 13, 6.5, 4)],
)
def test_the_tier_decides_which_models_count(
    catalog: Path, tier: str, lineages: int, look_alikes: float, small: int | None
) -> None:
    answer = power_of_catalog(catalog, tier, 0.05, 0.95, 1)
    assert answer.n_lineages == lineages
    assert answer.n_look_alike_negatives == pytest.approx(look_alikes)
    assert (answer.small and answer.small.n_lineages) == small
    assert ("only models of at most 500 million parameters" in str(answer)) == (small is not None)


def test_a_tier_that_is_none(catalog: Path) -> None:
    with pytest.raises(UsageError, match="--tier: no tier 'attic'; known: zoo, hub, all"):
        power_of_catalog(catalog, "attic", None, 0.95, 1)
