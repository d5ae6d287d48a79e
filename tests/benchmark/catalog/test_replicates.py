"""Families of replicates in the catalog that ships: their labels, their number, what they can certify."""

from __future__ import annotations

import pytest

from analysis import ScoreTable
from analysis.thresholds.certificate import worth
from benchmark.catalog import Catalog, load_catalog


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_catalog()


C4_20M = "allenai/DataDecide-c4-20M@step14584-seed-default"
C4_1B = "allenai/DataDecide-c4-1B@step69369-seed-default"
FAMILY_LABELS = [
    ("google/multiberts-seed_0", "google/multiberts-seed_3", "independent"),
    ("google/multiberts-seed_24", "google/multiberts-seed_4-step_0k", "independent"),
    ("google/multiberts-seed_1-step_200k", "google/multiberts-seed_1-step_2000k", "derived"),
    ("stanford-crfm/alias-gpt2-small-x21", "stanford-crfm/expanse-gpt2-small-x777", "independent"),
    ("stanford-crfm/eowyn-gpt2-medium-x777@checkpoint-0", "stanford-crfm/eowyn-gpt2-medium-x777", "derived"),
    ("mission-impossible-lms/no-hop-gpt2", "mission-impossible-lms/word-hop-gpt2-no-pos", "disputed"),
    ("mission-impossible-lms/no-hop-gpt2", "stanford-crfm/alias-gpt2-small-x21", "independent"),
    # one seed may mean one initialisation: nobody says below 1B, and at 1B the step0 branches are the same
    (C4_20M, "allenai/DataDecide-falcon-20M@step14584-seed-default", "disputed"),
    (C4_20M, "allenai/DataDecide-c4-20M@step14584-seed-small-aux-2", "independent"),
    (C4_1B, "allenai/DataDecide-falcon-1B@step69369-seed-default", "shared-init"),
]


@pytest.mark.parametrize(("a", "b", "relation"), FAMILY_LABELS)
def test_replicates_have_their_label(catalog: Catalog, a: str, b: str, relation: str) -> None:
    assert catalog.relation(a, b) == relation


REPLICATES = {  # family → founders and models, at least
    "PolyPythias": (45, 405),
    "MultiBERTs": (25, 65),
    "DataDecide": (165, 330),
    "CRFM GPT-2": (10, 90),
    "Mission: Impossible": (30, 150),
}


def test_families_of_replicates(catalog: Catalog) -> None:
    """Founders and models of each family: lower bounds, and a shape for every one."""
    held: dict[str, list[int]] = {}
    for model in catalog.models.values():
        if model.family in REPLICATES or model.family.startswith("Pythia"):
            assert model.cell, model.id
            assert model.parameters, model.id
            count = held.setdefault(model.family, [0, 0])
            count[0] += model.founder
            count[1] += 1
    for family, (founders, models) in REPLICATES.items():
        assert held[family][0] >= founders, family
        assert held[family][1] >= models, family


@pytest.mark.slow
def test_small_models_alone_reach_a_certificate(catalog: Catalog) -> None:
    """59 independent look-alikes certify a false-positive rate of 5% at 95% confidence."""
    small = [
        name
        for name, model in catalog.models.items()
        if model.remote and model.available and model.parameters and model.parameters <= 500e6
    ]
    assert worth(ScoreTable(catalog.pairs(small).assign(score=0.0)), "look-alike") >= 59
