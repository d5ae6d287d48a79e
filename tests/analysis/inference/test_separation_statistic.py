"""The statistic of the permutation test, computed once more by its definition."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy.special import ndtri
from scipy.stats import rankdata

from analysis.inference.permutation import separation_test
from analysis.table import ScoreTable
from studies.simulation.designs import Design

COVARIANCE = 3.0
FLOOR = 0.01


def centred_scores(table: ScoreTable) -> dict[frozenset[int], float]:
    """Normal scores less the two models' effects: least squares, with one pair at 0 for each model."""
    pairs = list(zip(table.model_a.tolist(), table.model_b.tolist(), strict=True))
    normal = np.empty(len(pairs))
    for cells in np.unique(table.cell_pair):
        here = table.cell_pair == cells
        normal[here] = ndtri((rankdata(table.score[here]) - 0.5) / here.sum())
    n = len(table.models)
    design = np.zeros((len(pairs) + n, n))
    for row, pair in enumerate(pairs):
        design[row, list(pair)] = 1.0
    design[len(pairs) :] = np.eye(n)
    effect = np.linalg.lstsq(design, np.append(normal, np.zeros(n)), rcond=None)[0]
    return {
        frozenset(pair): float(value - effect[list(pair)].sum())
        for pair, value in zip(pairs, normal, strict=True)
    }


def statistic(table: ScoreTable) -> tuple[float, float]:
    """The statistic, and the part of its squared error that is the covariance between lineages."""
    score = centred_scores(table)
    derived: dict[int, list[tuple[int, int]]] = {}
    for row in np.flatnonzero(table.derived):
        pair = int(table.model_a[row]), int(table.model_b[row])
        derived.setdefault(int(table.lineage_a[row]), []).append(pair)
    means = {g: np.mean([score[frozenset(pair)] for pair in own]) for g, own in derived.items()}
    lineages = len(means)
    mean = np.mean(list(means.values()))
    spread = sum((m - mean) ** 2 for m in means.values()) * lineages / (lineages - 1)
    variance = np.mean([value**2 for value in score.values()])
    floor = FLOOR * variance * sum(1 / len(own) for own in derived.values())

    between = []
    for g, h in itertools.combinations(sorted(derived), 2):
        (a, b), (c, d) = min(derived[g]), min(derived[h])
        size = [len(set(itertools.chain(*derived[end]))) for end in (g, h)]
        share = 4 * size[0] * size[1] / len(table.models) ** 2
        between.append(
            (share, [(score[frozenset(x)] for x in two) for two in (((a, c), (b, d)), ((a, d), (b, c)))])
        )
    known = [(share, [tuple(two) for two in halves]) for share, halves in between]
    level = np.mean([value for _, halves in known for two in halves for value in two])
    products = [
        share * np.mean([(one - level) * (other - level) for one, other in halves]) for share, halves in known
    ]
    common = COVARIANCE * max(0.0, float(np.mean(products))) * lineages**2
    return float(mean / (math.sqrt(spread + floor + common) / lineages)), common / (spread + floor + common)


@pytest.mark.parametrize(
    ("design", "seed", "least"),
    [
        (
            Design("lineage pairs", (3,) * 8, n_cells=2, separation=0.8, lineage_pair_sd=1.5, pair_sd=0.1),
            0,
            0.2,
        ),
        (
            Design("unequal", (5, 2, 3, 2, 4, 2), n_cells=2, shape="hub", separation=1.0, same_cell=1.0),
            1,
            0.0,
        ),
        (Design("one cell", (2,) * 9, lineage_pair_sd=1.0, pair_sd=0.2), 2, 0.2),
    ],
    ids=lambda value: value.name if isinstance(value, Design) else None,
)
def test_it_is_what_its_definition_says(design: Design, seed: int, least: float) -> None:
    """In the first and the last case what lineage pairs have in common makes up a part of the error."""
    table = design.draw(np.random.default_rng(seed))
    expected, common = statistic(table)
    assert common >= least
    assert separation_test(table, 99, level=0.5).statistic == pytest.approx(expected, rel=1e-9)
