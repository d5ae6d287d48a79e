"""The excess of derived pairs over the levels of their models, once more by its definition, and its size."""

from __future__ import annotations

import math

import numpy as np
import pytest
from cell_families import families
from scipy.special import ndtri
from scipy.stats import binomtest, t as student

from analysis.inference import lineage_excess
from analysis.inference.lineage_excess import LEAST, RIDGE, LineageExcess, _normal_places
from analysis.table import ScoreTable
from studies.simulation.designs import Design


def excess(table: ScoreTable) -> LineageExcess:
    shared = np.unique(table.cell_pair[table.independent & table.comparable])
    everything = np.ones(len(table.models), dtype=np.bool_)
    return LineageExcess.of(table, table.derived & np.isin(table.cell_pair, shared), everything)


def by_definition(table: ScoreTable, least: float = LEAST) -> tuple[float, float]:
    """Mean and standard error, with matrices that hold a row for every pair."""
    rows = np.flatnonzero(table.comparable & (table.derived | table.independent))
    derived = table.derived[rows]
    y = np.empty(len(rows))
    for k, row in enumerate(rows):
        rivals = [
            table.score[other]
            for other, free in zip(rows, ~derived, strict=True)
            if free and table.cell_pair[other] == table.cell_pair[row]
        ]
        below = sum(score < table.score[row] for score in rivals)
        place = below + sum(score == table.score[row] for score in rivals) / 2
        y[k] = ndtri(min(max(place, 0.5), len(rivals) - 0.5) / len(rivals))
    kinds = sorted(set(table.cell_pair[rows[derived]].tolist()))
    n = len(table.models)
    x = np.zeros((len(rows), n + len(kinds) + 1))
    for k, row in enumerate(rows):
        x[k, [table.model_a[row], table.model_b[row]]] = 1
        pair = int(table.cell_pair[row])
        x[k, n + (kinds.index(pair) if pair in kinds else len(kinds))] = 1
    blocks: dict[frozenset[int], list[int]] = {}
    for k in np.flatnonzero(~derived):
        blocks.setdefault(
            frozenset((int(table.lineage_a[rows[k]]), int(table.lineage_b[rows[k]]))), []
        ).append(int(k))
    w = np.zeros(len(rows))
    for own in blocks.values():
        w[own] = 1 / len(own)
    system = x.T @ (w[:, None] * x) + RIDGE * np.eye(x.shape[1])
    hat = x @ np.linalg.solve(system, x.T * w)
    levels = np.linalg.solve(system, x.T @ (w * y))[:n]
    left = y - hat @ y
    everyone = sorted(set(table.lineage_of.tolist()))
    of = {g: levels[table.lineage_of == g] for g in everyone}
    z = {g: own.mean() - np.mean([other.mean() for other in of.values()]) for g, own in of.items()}
    within = sum(((own - own.mean()) ** 2).sum() for own in of.values()) / (n - len(of))
    block_left = {key: float(np.mean(left[own])) for key, own in blocks.items()}
    error = within * np.mean([1 / len(own) for own in of.values()])
    error += np.mean(np.square(list(block_left.values()))) / (len(of) - 2)
    variance = np.var(list(z.values()), ddof=1)
    reliable = max(0.5, 1 - error / variance)
    product = {key: float(np.prod([z[g] for g in key])) for key in blocks}
    slope = sum(block_left[key] * product[key] for key in blocks) / sum(p**2 for p in product.values())
    slope = max(0.0, slope / reliable**2)
    lineages = sorted(set(table.lineage_a[rows[derived]].tolist()))
    share = np.array([derived & (table.lineage_a[rows] == g) for g in lineages], dtype=float)
    share /= share.sum(axis=1, keepdims=True)
    own_level = np.array([z[g] for g in lineages])
    inside = slope * ((reliable * own_level) ** 2 + (1 - reliable) * reliable * variance)
    near = np.array([-abs(z[int(table.lineage_a[row])] - z[int(table.lineage_b[row])]) for row in rows])
    near = near - hat @ near
    block_near = {key: float(np.mean(near[own])) for key, own in blocks.items()}
    lower = sum(block_left[key] * block_near[key] for key in blocks) / sum(p**2 for p in block_near.values())
    lower = max(0.0, lower)
    g = len(lineages)
    fitted = share @ x @ np.linalg.solve(system, (share @ x).T)
    q, common = np.trace(fitted) / g, fitted.mean()
    inflation = max(1.0, (1 + g * common) / (g / (g - 1) * (1 + q - 1 / g - common)))
    found = []
    for explained, between in (
        (inside, {key: slope * reliable**2 * product[key] for key in blocks}),
        (lower * (share @ near), {key: lower * block_near[key] for key in blocks}),
    ):
        values = share @ left - explained
        residual = [block_left[key] - between[key] for key in blocks]
        spread = max(values.var(ddof=1), least * np.mean(np.square(residual)))
        found.append((float(values.mean() - max(0.0, explained.mean())), math.sqrt(spread * inflation / g)))
    return min(found, key=lambda one: one[0] / one[1])


@pytest.mark.parametrize(
    "design",
    [
        Design("one cell", (3,) * 6, separation=0.5),
        Design("unequal", (4, 2, 3, 1, 2, 5), n_cells=2, shape="hub", separation=0.5, lineage_sd=1.0),
        Design("two lineages a cell", (3,) * 8, n_cells=4, same_cell=1.0, lineage_pair_sd=1.0),
    ],
    ids=lambda design: design.name,
)
@pytest.mark.parametrize("shape", ["add", "multiply", "lower"])
def test_it_is_what_its_definition_says(design: Design, shape: str) -> None:
    table = design.draw(np.random.default_rng(4))
    gone = np.arange(len(table)) % 9 == 4
    score = np.exp(table.score) if shape == "add" else np.round(2 * np.exp(table.score))
    if shape == "lower":
        level = np.random.default_rng(5).normal(0, 2, len(table.lineages))
        score = np.minimum(level[table.lineage_a], level[table.lineage_b]) + 0.3 * table.score
    table = ScoreTable(table.frame.assign(score=score, status=np.where(gone, "abstained", "ok")))
    found = excess(table)
    mean, error = by_definition(table)
    assert found.mean == pytest.approx(mean, abs=1e-8)
    assert found.error == pytest.approx(error, rel=1e-7)
    assert found.n_lineages == len(set(table.lineage_a[table.derived & ~gone].tolist()))
    assert found.p_value == pytest.approx(float(student.sf(mean / error, found.n_lineages - 1)))


@pytest.mark.parametrize("multiply", [True, False])
def test_lineages_that_agree_err_as_much_as_the_term_leaves_of_lineage_pairs(
    multiply: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the term explains of pairs between lineages is no error; else few lineages could show nothing."""
    monkeypatch.setattr(lineage_excess, "LEAST", 40.0)
    table = Design("one cell", (3,) * 6, separation=0.5).draw(np.random.default_rng(4))
    level = np.random.default_rng(5).normal(0, 2, len(table.lineages))
    g, h = level[table.lineage_a], level[table.lineage_b]
    table = table.with_scores((g * h if multiply else np.minimum(g, h)) + 0.3 * table.score)
    found = excess(table)
    assert (found.mean, found.error) == pytest.approx(by_definition(table, 40.0), rel=1e-7)


def test_a_model_without_independent_pairs_has_no_level() -> None:
    """The last one, so that it stands beyond all that are counted."""
    table = Design("hub", (4, 2, 3, 5), n_cells=2, shape="hub", separation=0.5).draw(np.random.default_rng(1))
    last = len(table.models) - 1
    gone = table.independent & ((table.model_a == last) | (table.model_b == last))
    table = ScoreTable(table.frame.assign(status=np.where(gone, "abstained", "ok")))
    found = excess(table)
    assert (found.mean, found.error) == pytest.approx(by_definition(table), rel=1e-7)


def test_models_that_take_no_part_are_as_if_they_were_not_there() -> None:
    table = Design("some", (3, 4, 2, 3), separation=0.5).draw(np.random.default_rng(2))
    some = np.arange(len(table.models)) % 4 != 1
    inside = some[table.model_a] & some[table.model_b]
    smaller = ScoreTable(table.frame[inside])
    assert len(smaller.models) == some.sum()
    found = LineageExcess.of(table, table.derived & inside, some)
    expected = excess(smaller)
    assert (found.mean, found.error, found.p_value) == pytest.approx(
        (expected.mean, expected.error, expected.p_value)
    )


def test_what_cannot_be_told() -> None:
    one = excess(families({"x": (3, 1, 1)}, lambda a, b, same: float(same)))
    assert one.n_lineages == 1
    assert one.mean > 0
    assert math.isnan(one.error)
    assert math.isnan(one.p_value)
    none = excess(Design("single models", (1,) * 4).labels)
    assert none.n_lineages == 0
    assert all(map(math.isnan, (none.mean, none.error, none.p_value)))


def test_all_scores_equal_is_no_excess() -> None:
    found = excess(families({"x": (3, 3, 2)}, lambda a, b, same: 0.3))
    assert (found.mean, found.error, found.p_value) == (0.0, 0.0, 1.0)


@pytest.mark.parametrize(("n_lineages", "p_value"), [(3, 2**-3), (6, 2**-6), (24, 2**-20)])
def test_perfect_agreement_is_a_sign_test_and_never_certain(n_lineages: int, p_value: float) -> None:
    """Every stranger scores 0 and every child 1: no spread at all, which once gave a p-value of 0."""
    found = excess(families({"x": (2,) * n_lineages}, lambda a, b, same: float(same)))
    assert found.error == 0
    assert found.p_value == p_value


def test_a_sign_test_asks_for_the_sign_only() -> None:
    """However little all lineages stand above their levels alike; rounding is no sign."""
    for mean, p_value in ((0.5, 2**-3), (1e-6, 2**-3), (1e-12, 1.0), (-0.5, 1.0)):
        found = LineageExcess._judged(np.full(3, mean), np.zeros(3), np.zeros(4), 1.0)
        assert found == LineageExcess(pytest.approx(mean), 0.0, 3, p_value)


def test_no_p_value_below_the_smallest() -> None:
    """Sixty lineages whose children stand far above all others, with hardly any spread between them."""
    rng = np.random.default_rng(0)
    found = excess(families({"x": (2,) * 60}, lambda a, b, same: 99.0 if same else float(rng.integers(0, 2))))
    assert found.error > 0
    assert found.p_value == 2**-20


def test_agreement_of_few_lineages_is_not_taken_for_certainty() -> None:
    """Both lineages stand above all others: no spread between them, and an error all the same."""
    rng = np.random.default_rng(0)
    table = families({"x": (2, 2, 1, 1, 1)}, lambda a, b, same: 9.0 if same else float(rng.normal()))
    found = excess(table)
    assert found.error > 0.1
    assert 0 < found.p_value < 0.5


def levels_only(rng: np.random.Generator, kind: str) -> ScoreTable:
    """No pair of a lineage has more than its level; 12 lineages of 4, or 18 in three cells."""
    n, n_cells = (18, 3) if kind == "the lower of two levels" else (12, 1)
    table = Design("d", (4,) * n, n_cells=n_cells).labels
    g, h = table.lineage_a, table.lineage_b
    if n == 18:
        level, model = rng.beta(2, 2, n), 0.2 * rng.normal(size=len(table.models))
        pair = 0.2 * rng.normal(size=(n, n))[np.minimum(g, h), np.maximum(g, h)]
        score = 2 * np.minimum(level[g], level[h]) + pair + 0.3 * rng.normal(size=len(table))
        score += model[table.model_a] + model[table.model_b]
    elif kind == "lineage pairs":
        pair = rng.standard_t(4, (12, 12))
        score = pair[np.minimum(g, h), np.maximum(g, h)] + 0.2 * rng.normal(size=len(table))
    else:
        level = rng.uniform(0.2, 1.5, 12) if kind == "levels that multiply" else rng.beta(1.3, 2.2, 12)
        model = 0.1 * rng.normal(size=len(table.models))
        noise = 0.15 * rng.normal(size=len(table))
        score = level[g] * level[h] + model[table.model_a] + model[table.model_b] + noise
    return table.with_scores(score)


@pytest.mark.thorough
@pytest.mark.parametrize(
    "kind",
    [
        "lineage pairs",
        pytest.param("levels that multiply", marks=pytest.mark.slow),
        pytest.param("beta levels that multiply", marks=pytest.mark.slow),
        pytest.param("the lower of two levels", marks=pytest.mark.slow),
    ],
)
def test_size_where_models_are_not_exchangeable(kind: str) -> None:
    rng = np.random.default_rng(8)
    n = 200
    rejected = sum(excess(levels_only(rng, kind)).p_value <= 0.05 for _ in range(n))
    assert binomtest(rejected, n, 0.06, alternative="greater").pvalue > 0.01, rejected / n


def test_places_among_rivals() -> None:
    group = np.array([2, 1, 1, 2, 1, 1, 0])
    score = np.array([5.0, 1.0, 2.0, 7.0, 2.0, 9.0, 3.0])
    rival = np.array([True, True, True, False, True, False, False])
    found = _normal_places(group, score, rival)
    expected = [0.5, 0.5 / 3, 2 / 3, 0.5, 2 / 3, 2.5 / 3, 0.5]
    assert found.tolist() == pytest.approx(ndtri(expected).tolist())
