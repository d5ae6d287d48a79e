"""What the models of a tier can certify, small ones alone included."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmark.cli.power_verb import parameters, power_of_catalog
from benchmark.session.errors import UsageError

CATALOG = """
schema: 1
cells:
  small: {model_type: llama, depth: 2, width: 8, heads: 2, kv_heads: 2, feed_forward: 16, norm: rmsnorm, qkv_bias: false}
families:
  - name: seeds
    axes:
      size: {10m: {parameters: 10000000}, 1b: {parameters: 1000000000}}
      seed: [1, 2, 3, 4]
    model:
      id: lab/{size}-{seed}
      source: {hub: "lab/{size}-{seed}"}
      cell: small
      from_scratch: {grade: publisher, source: "https://example.org", says: a run of its own}
    run: {steps: [0], budget: 10, branch: "step{step}",
          evidence: {grade: publisher, source: "https://example.org", says: branches of one run}}
models:
  - {id: gone, source: {hub: lab/gone, unavailable: withdrawn}, cell: small, parameters: 5}
  - {id: unknown-size, source: {hub: lab/unknown-size}, cell: small}
"""  # noqa: E501


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    file = tmp_path / "catalog.yaml"
    file.write_text(CATALOG)
    return file


@pytest.mark.parametrize(("largest", "lineages"), [(None, 9), (10**9, 8), (10**8, 4)])
def test_a_tier_counts_the_lineages_of_its_models(catalog: Path, largest: int | None, lineages: int) -> None:
    found = power_of_catalog(catalog, None, 0.95, 1, "hub", largest)
    assert found.n_lineages == lineages
    assert found.n_look_alike_negatives == pytest.approx(min(lineages, 8) / 2)


def test_a_tier_without_models_is_one_line(catalog: Path) -> None:
    with pytest.raises(UsageError, match="no model of --tier zoo"):
        power_of_catalog(catalog, None, 0.95, 1, "zoo")
    with pytest.raises(UsageError, match="--tier: 'moon'; known: zoo, hub, all"):
        power_of_catalog(catalog, None, 0.95, 1, "moon")


@pytest.mark.parametrize("text", ["", "M", "-5M", "5x", "0", "1e9", "1.2.3B"])
def test_a_number_of_parameters_that_is_none(text: str) -> None:
    with pytest.raises(UsageError, match="--largest"):
        parameters(text)
