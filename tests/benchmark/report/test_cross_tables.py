"""Tables of ways × metrics: what survives, what fools, families of derivation."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from test_report_fixture import (
    METHODS,
    made_sections,
    part,
    results,
    run,
    scores,
    unlinked,
    with_every,
)

from benchmark.catalog.model import METHODS as CATALOG_METHODS
from benchmark.report import page
from benchmark.report.cross_tables import most_fooled, shared_properties, survival
from benchmark.report.families import family_of, tally
from benchmark.results.schema import MetricResult


@pytest.fixture(scope="module")
def told() -> dict[str, MetricResult]:
    return {section.name: section.result for section in made_sections()}


def test_without_shared_properties_the_classes_of_look_alikes_stand_in() -> None:
    bare = with_every(results(), shared_properties=())
    table = shared_properties(bare.metrics)
    assert {row.name for row in table.rows} > {"qwen2 6x64 h4/2 f128 bias rmsnorm"}
    bare = with_every(bare, by_look_alike={})
    section = unlinked(part(page(run(), bare, scores()), "shared"))
    assert "do not record what look-alikes share" in section


def test_ways_stand_by_family_with_a_figure_and_an_interval_for_every_metric(
    told: dict[str, MetricResult],
) -> None:
    shown = list(told)
    table = survival(list(told.values()))
    assert [name for name, _ in table.groups] == [
        "Training", "Change of shape", "Casts", "Laundering", "Multi-step",
    ]  # fmt: skip
    assert {row.name for row in table.rows} == set(METHODS)
    assert [figure.slug for figure in table.figures] == ["auc", "tpr"]
    row = next(row for row in table.rows if row.name == "launder:unit-permutation")
    column = shown.index("weight-cosine")
    cell = row.cells[0][column]
    auc = told["weight-cosine"].by_method["launder:unit-permutation"].look_alike_auc
    assert cell.text == f"{auc.estimate:.2f}"
    assert re.fullmatch(r"\[0\.\d+, (0\.\d+|1\.00)\]", cell.ends)
    silent = shown.index("silent")
    assert all(row.cells[0][silent].text == "—" for row in table.rows)
    (others,) = table.data["figures"]  # type: ignore[misc, union-attr]
    assert len(others) == len(table.data["notes"]) == len(METHODS)  # type: ignore[arg-type]
    assert row.notes[column] == "12|12"


def test_the_property_that_fools_a_metric_most_is_named(told: dict[str, MetricResult]) -> None:
    fooled = most_fooled(list(told.values()))
    assert [item.split(":")[0] for item in fooled] == ["norm-cosine", "config-match", "attention-std"]
    assert re.fullmatch(r"config-match: corpus, tokenizer, 0\.5\d\d \[.*\]", fooled[1])
    assert most_fooled([replace(told["attention-std"], shared_properties=())]) == []
    one_pair = tuple(replace(row, n_pairs=1) for row in told["attention-std"].shared_properties)
    assert most_fooled([replace(told["attention-std"], shared_properties=one_pair)]) == []


def test_families_cover_the_catalogs_methods() -> None:
    assert {family_of(method).word for method in CATALOG_METHODS} == {
        "training", "merging", "reshaping", "casting", "laundering",
    }  # fmt: skip
    assert family_of("launder:noise").word == "laundering"
    assert family_of("merge:ties").word == "merging"
    assert family_of("fine-tune:long > cast:fp8").word == "multi-step"
    assert family_of("telepathy").word == "others"
    assert tally(["a", "b"]) == "a, b"
    assert tally(["rl", "fine-tune", "cast:fp8"]) == "2 training, 1 casting"
