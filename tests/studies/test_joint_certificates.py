"""The study of certificates: its populations are what it says, its comparator the matching it names."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.thresholds.certificate import worth
from studies.simulation.joint_certificates import (
    HUB,
    LAWS,
    Population,
    by_order_statistic,
    matched,
    measure,
    true_scores,
)

pytestmark = pytest.mark.thorough


@pytest.mark.parametrize("n_lineages", [144, 190, 230])
def test_every_lineage_has_look_alikes_of_its_shape(n_lineages: int) -> None:
    labels = Population(n_lineages, "hubs", 1, 0.0).labels
    assert len(labels.lineages) == n_lineages
    assert worth(labels, "look-alike") == pytest.approx(n_lineages / 2)
    assert labels.look_alike.sum() == labels.independent.sum()
    assert set(np.bincount(labels.lineage_of)) == {1, 2, 3}


@pytest.mark.parametrize("law", LAWS)
def test_scores_of_a_catalog_follow_the_law_whose_truth_is_drawn(law: str) -> None:
    truth = true_scores(law, 400_000)
    rng = np.random.default_rng(0)
    population = Population(144, law, 2, 0.5)
    drawn = [table.score[table.look_alike] for _ in range(15) for table in population.draw(rng)]
    scores = np.concatenate(drawn)
    for share in (0.2, 0.5, 0.9):
        at = truth[int(share * len(truth))]
        assert np.mean(scores < at) == pytest.approx(np.mean(truth < at), abs=0.05)


def test_hubs_are_just_too_many() -> None:
    with_hub = 1 - (1 - HUB) ** 2
    assert with_hub == pytest.approx(0.0505)
    scores = true_scores("hubs", 400_000)
    assert np.mean(scores > 4.5) == pytest.approx(0.0505, abs=0.002)


def test_metrics_share_as_much_as_is_said() -> None:
    rng = np.random.default_rng(0)
    for shared in (0.0, 0.8):
        population = Population(144, "multiplicative", 2, shared)
        logs = [[np.log(table.score) for table in population.draw(rng)] for _ in range(20)]
        first, second = (np.concatenate(one) for one in zip(*logs, strict=True))
        assert np.corrcoef(first, second)[0, 1] == pytest.approx(shared, abs=0.1)


def test_a_matching_shares_no_lineage_and_depends_on_its_seed() -> None:
    labels = Population(144, "hubs", 1, 0.0).labels
    coded = labels.with_scores(np.arange(len(labels), dtype=float))
    rows = matched(coded, np.random.default_rng(0)).astype(int)
    ends = np.concatenate([labels.lineage_a[rows], labels.lineage_b[rows]])
    assert len(np.unique(ends)) == 2 * len(rows)
    assert len(rows) >= 59
    assert rows.tolist() != matched(coded, np.random.default_rng(1)).astype(int).tolist()


def test_order_statistics_of_independent_negatives() -> None:
    """59 negatives: the maximum certifies 5 % at 95 %; 93 allow one to pass, 58 nothing."""
    for n, rank in ((59, 59), (92, 92), (93, 92), (124, 122)):
        assert by_order_statistic(np.arange(n, dtype=float)) == np.nextafter(rank - 1.0, np.inf)
    assert by_order_statistic(np.zeros(58)) == np.inf


def test_a_few_catalogs_are_measured() -> None:
    row = measure(Population(144, "lineage pairs", 1, 0.0), 4, 0)
    assert row["certified"] == 1
    assert row["exceeded"] == 0
    assert 0 < float(str(row["true FPR"])) < float(str(row["matching FPR"])) < 0.05
