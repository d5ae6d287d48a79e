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
    rows = np.flatnonzero(table.comparable)
    pairs = list(zip(table.model_a[rows].tolist(), table.model_b[rows].tolist(), strict=True))
    normal = np.empty(len(pairs))
    for cells in np.unique(table.cell_pair[rows]):
        here = table.cell_pair[rows] == cells
        normal[here] = ndtri((rankdata(table.score[rows][here]) - 0.5) / here.sum())
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
    known = {
        g: [score[frozenset(pair)] for pair in own if frozenset(pair) in score] for g, own in derived.items()
    }
    means = [float(np.mean(own)) for own in known.values() if own]
    lineages = len(means)
    if not lineages:
        return 1e12, 0.0
    mean = np.mean(means)
    spread = sum((m - mean) ** 2 for m in means) * lineages / max(lineages - 1, 1)
    variance = np.mean([value**2 for value in score.values()])
    floor = (FLOOR if lineages > 1 else 1.0) * variance * sum(1 / len(own) for own in known.values() if own)

    between = []
    for g, h in itertools.combinations(sorted(derived), 2):
        (a, b), (c, d) = min(derived[g]), min(derived[h])
        size = [len(set(itertools.chain(*derived[end]))) for end in (g, h)]
        share = 4 * size[0] * size[1] / len(table.models) ** 2
        between.append(
            (
                share,
                [
                    tuple(score.get(frozenset(x), 0.0) for x in two)
                    for two in (((a, c), (b, d)), ((a, d), (b, c)))
                ],
            )
        )
    common = 0.0
    if between:
        level = np.mean([value for _, halves in between for two in halves for value in two])
        products = [
            share * np.mean([(one - level) * (other - level) for one, other in halves])
            for share, halves in between
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


def moved(table: ScoreTable) -> list[ScoreTable]:
    """Every way of calling pairs derived that a permutation of models inside cells can give, each once."""
    cells = [np.flatnonzero(table.cell_of == cell) for cell in range(len(table.cells))]
    place = {
        frozenset(pair): row
        for row, pair in enumerate(zip(table.model_a.tolist(), table.model_b.tolist(), strict=True))
    }
    derived = np.flatnonzero(table.derived)
    found: dict[frozenset[frozenset[int]], ScoreTable] = {}
    for orders in itertools.product(*(itertools.permutations(cell.tolist()) for cell in cells)):
        to = dict(zip(np.concatenate(cells).tolist(), itertools.chain(*orders), strict=True))
        groups: dict[int, set[int]] = {}
        for row in derived:
            pair = frozenset((to[int(table.model_a[row])], to[int(table.model_b[row])]))
            groups.setdefault(int(table.lineage_a[row]), set()).add(place[pair])
        key = frozenset(frozenset(group) for group in groups.values())
        if key not in found:
            back = {new: old for old, new in to.items()}
            old = [table.lineage_of[back[model]] for model in range(len(table.models))]
            relation = np.full(len(table), "independent", dtype=object)
            relation[list(itertools.chain(*groups.values()))] = "derived"
            names = table.frame["model_a"], table.frame["model_b"]
            lineage = dict(zip(table.models, [f"{g}" for g in old], strict=True))
            found[key] = ScoreTable(
                table.frame.assign(
                    relation=relation,
                    lineage_a=names[0].map(lineage),
                    lineage_b=names[1].map(lineage),
                )
            )
    return list(found.values())


@pytest.mark.parametrize(
    ("sizes", "n_cells", "gone"),
    [((2, 2, 1, 1), 1, ()), ((2, 2, 1, 1), 1, (0, 3, 8)), ((3, 1, 2), 1, ()), ((2, 2, 2, 2), 2, (1, 9))],
)
def test_the_exact_p_value_is_the_share_of_all_arrangements(
    sizes: tuple[int, ...], n_cells: int, gone: tuple[int, ...]
) -> None:
    """Of every permutation inside cells, each by the definition; pairs without a score among them."""
    table = Design("d", sizes, n_cells, separation=0.5).draw(np.random.default_rng(1))
    status = np.where(np.isin(np.arange(len(table)), gone), "abstained", "ok")
    table = ScoreTable(table.frame.assign(status=status))
    every = moved(table)
    observed = statistic(table)[0]
    found = separation_test(table, level=0.5)
    assert found.exact
    assert found.n_resamples == 0
    assert found.n_arrangements == len(every)
    assert found.statistic == pytest.approx(observed, rel=1e-9)
    as_large = sum(statistic(one)[0] >= observed - 1e-7 * max(1.0, abs(observed)) for one in every)
    assert found.p_value == pytest.approx(as_large / len(every))


def test_one_lineage_is_judged_by_the_variance_of_all_pairs() -> None:
    table = Design("d", (3, 1, 1, 1), separation=1.0).draw(np.random.default_rng(0))
    expected, _ = statistic(table)
    assert separation_test(table, level=0.5).statistic == pytest.approx(expected, rel=1e-9)


def test_how_many_arrangements_are_looked_up_at_once_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    table = Design("d", (3,) * 8, 2, separation=0.3).draw(np.random.default_rng(0))
    before = separation_test(table, 700, seed=1)
    monkeypatch.setattr("analysis.inference.separation_statistic.ROWS", 33)
    assert separation_test(table, 700, seed=1) == before
    assert 1 / 701 < before.p_value < 1
