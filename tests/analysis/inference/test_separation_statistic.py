"""The statistic of the permutation test, computed once more by its definition."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from cell_families import families
from scipy.special import ndtri
from scipy.stats import rankdata

from analysis.inference.arrangements import Arrangements
from analysis.inference.permutation import separation_test
from analysis.inference.separation_statistic import SeparationStatistic, _normal_scores_within, scored_rows
from analysis.table import ScoreTable
from studies.simulation.designs import Design

FLOOR = 0.01
Prepared = tuple[dict[str, int], Arrangements]


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


def statistic(table: ScoreTable, score: dict[frozenset[int], float] | None = None) -> float:
    """The mean over lineages in standard errors, pair after pair."""
    score = centred_scores(table) if score is None else score
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
        return 1e12
    mean = np.mean(means)
    spread = sum((m - mean) ** 2 for m in means) * lineages / max(lineages - 1, 1)
    variance = np.mean([value**2 for value in score.values()])
    floor = (FLOOR if lineages > 1 else 1.0) * variance * sum(1 / len(own) for own in known.values() if own)
    return float(mean / (math.sqrt(spread + floor) / lineages))


@pytest.mark.parametrize(
    ("design", "seed"),
    [
        (
            Design("lineage pairs", (3,) * 8, n_cells=2, separation=0.8, lineage_pair_sd=1.5, pair_sd=0.1),
            0,
        ),
        (
            Design("unequal", (5, 2, 3, 2, 4, 2), n_cells=2, shape="hub", separation=1.0, same_cell=1.0),
            1,
        ),
        (Design("one cell", (2,) * 9, lineage_pair_sd=1.0, pair_sd=0.2), 2),
    ],
    ids=lambda value: value.name if isinstance(value, Design) else None,
)
def test_it_is_what_its_definition_says(design: Design, seed: int) -> None:
    table = design.draw(np.random.default_rng(seed))
    expected = statistic(table)
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


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("sizes", "n_cells", "gone"),
    [((2, 2, 1, 1), 1, ()), ((2, 2, 1, 1), 1, (1, 3, 8)), ((3, 1, 2), 1, ()), ((2, 2, 2, 2), 2, (1, 9))],
)
def test_the_exact_p_value_is_the_share_of_all_arrangements(
    sizes: tuple[int, ...], n_cells: int, gone: tuple[int, ...]
) -> None:
    """Of every permutation inside cells, each by the definition; pairs without a score among them."""
    table = Design("d", sizes, n_cells, separation=0.5).draw(np.random.default_rng(1))
    status = np.where(np.isin(np.arange(len(table)), gone), "abstained", "ok")
    table = ScoreTable(table.frame.assign(status=status))
    every = moved(table)
    score = centred_scores(table)  # labels do not change it
    observed = statistic(table, score)
    found = separation_test(table, level=0.5)
    assert found.exact
    assert found.n_resamples == 0
    assert found.n_arrangements == len(every)
    assert found.statistic == pytest.approx(observed, rel=1e-9)
    as_large = sum(statistic(one, score) >= observed - 1e-7 * max(1.0, abs(observed)) for one in every)
    assert found.exchangeable_p_value == pytest.approx(as_large / len(every))


def test_the_models_of_a_lineage_need_not_stand_together() -> None:
    """Names in any order: lineages are told apart by their names, not by where their models stand."""
    frame = Design("d", (3, 2, 4, 2, 3), 2, separation=0.5).draw(np.random.default_rng(2)).frame
    models = sorted({*frame["model_a"], *frame["model_b"]})
    mixed = np.random.default_rng(0).permutation(models)
    to = dict(zip(models, mixed, strict=True))
    table = ScoreTable(frame.assign(model_a=frame["model_a"].map(to), model_b=frame["model_b"].map(to)))
    own = table.lineage_a[table.derived]
    assert (np.diff(own) < 0).any()
    expected = statistic(table)
    assert separation_test(table, 99, level=0.5).statistic == pytest.approx(expected, rel=1e-9)


def test_one_lineage_is_judged_by_the_variance_of_all_pairs() -> None:
    table = Design("d", (3, 1, 1, 1), separation=1.0).draw(np.random.default_rng(0))
    expected = statistic(table)
    assert separation_test(table, level=0.5).statistic == pytest.approx(expected, rel=1e-9)


def test_how_many_arrangements_are_looked_up_at_once_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    table = Design("d", (3,) * 8, 2, separation=0.1).draw(np.random.default_rng(0))
    before = separation_test(table, 700, seed=1)
    monkeypatch.setattr("analysis.inference.separation_statistic.ROWS", 33)
    assert separation_test(table, 700, seed=1) == before
    assert 1 / 701 < before.exchangeable_p_value < 1


def by_hand(one: SeparationStatistic, a: list[int], b: list[int]) -> float:
    """The statistic of one arrangement, pair after pair, from the scores and sizes it was prepared with."""
    n = math.isqrt(len(one.centred))
    known = np.ones(n * n) if one.known is None else one.known
    pairs = [(a[k], b[k]) for k in one.columns]
    ends = [*one.starts.tolist(), len(pairs)]
    own = [
        [float(one.centred[i * n + j]) for i, j in pairs[begin:end] if known[i * n + j]]
        for begin, end in itertools.pairwise(ends)
    ]
    seen = [scores for scores in own if scores]
    if not seen:
        return 1e12
    g = len(seen)
    means = [sum(scores) / len(scores) for scores in seen]
    mean = sum(means) / g
    spread = sum((m - mean) ** 2 for m in means) / (g - 1) * g if g > 1 else 0.0
    floor = (FLOOR if g > 1 else 1.0) * one.variance * sum(1 / len(scores) for scores in seen)
    error = math.sqrt(spread + floor) / g
    return mean / error if error > 0 else 0.0


@pytest.mark.parametrize(
    ("starts", "gaps", "columns"),
    [
        ([0, 2, 3], 0.0, [0, 1, 2, 3]),
        ([0, 2, 3], 0.5, [0, 1, 2, 3]),
        ([0, 1], 0.5, [1, 3]),
        ([0], 0.5, [0, 2, 3]),
        ([0, 1, 2, 3], 0.9, [0, 1, 2, 3]),
    ],
)
def test_of_every_arrangement_by_hand(starts: list[int], gaps: float, columns: list[int]) -> None:
    """Lineages with all their pairs, with some and with none; metrics that have a part of the pairs."""
    rng = np.random.default_rng(5)
    n, rows = 9, 300
    known = np.triu(rng.random((n, n)) >= gaps, 1).astype(float)
    known += known.T
    score = np.triu(rng.normal(size=(n, n)), 1)
    one = SeparationStatistic(
        centred=((score + score.T) * known).ravel(),
        known=None if gaps == 0 else known.ravel(),
        columns=np.array(columns, dtype=np.intp),
        starts=np.array(starts, dtype=np.intp),
        variance=1.3,
    )
    models = np.array([rng.permutation(n)[:8] for _ in range(rows)])
    a, b = models[:, :4], models[:, 4:]
    expected = [by_hand(one, i, j) for i, j in zip(a.tolist(), b.tolist(), strict=True)]
    assert one((a, b)).tolist() == pytest.approx(expected, rel=1e-9)
    assert (1e12 in expected) == (gaps > 0)


def test_an_error_of_nothing_makes_the_statistic_zero() -> None:
    """One lineage without variance: whatever its mean is, it does not stand out."""
    centred = np.array([[0.0, 2.0, 0.0], [2.0, 0.0, 3.0], [0.0, 3.0, 0.0]])
    start = np.zeros(1, dtype=np.intp)
    one = SeparationStatistic(centred.ravel(), None, start, start, 0.0)
    a, b = np.array([[0], [1], [0]] * 80), np.array([[1], [2], [2]] * 80)
    assert one((a, b)).tolist() == [0.0] * 240


def prepared(table: ScoreTable, models: list[str], derived: list[list[tuple[str, str]]]) -> Prepared:
    """Place of each model in the given order, and the arrangements of the derived pairs of each lineage."""
    code = {model: i for i, model in enumerate(models)}
    cell_of = dict(zip(table.models.tolist(), table.cell_of.tolist(), strict=True))
    ends = np.array([[code[a], code[b]] for own in derived for a, b in own], dtype=np.intp)
    lineage = np.repeat(np.arange(len(derived)), [len(own) for own in derived])
    cell = np.array([cell_of[model] for model in models], dtype=np.intp)
    return code, Arrangements(cell, ends[:, 0], ends[:, 1], lineage.astype(np.intp))


@pytest.mark.parametrize("backwards", [False, True])
def test_what_is_not_permuted_or_has_no_part_is_left_out(backwards: bool) -> None:
    """Models outside the family, disputed pairs, and derived pairs of the family that this metric lacks."""
    whole = Design("d", (2, 3, 2, 2, 2), 2, separation=0.5).draw(np.random.default_rng(3))
    disputed = whole.independent & (np.arange(len(whole)) % 5 == 0)
    table = ScoreTable(whole.frame.assign(relation=np.where(disputed, "disputed", whole.relation)))
    models = table.models[:-2].tolist()[:: -1 if backwards else 1]
    rows = np.flatnonzero(table.derived & np.isin(table.models[table.model_b], models))
    derived: list[list[tuple[str, str]]] = [[] for _ in range(4)]
    for row in rows:
        pair = str(table.models[table.model_a[row]]), str(table.models[table.model_b[row]])
        derived[int(table.lineage_a[row])].append(pair)
    code, arrangements = prepared(table, models, derived)
    columns = np.flatnonzero(arrangements.lineage > 0)
    found = SeparationStatistic.of(table, code, arrangements, columns)
    inside = np.isin(whole.models[whole.model_a], models) & np.isin(whole.models[whole.model_b], models)
    kept = ScoreTable(whole.frame[inside & ~disputed])
    first = kept.derived & (kept.lineage_a == 0)
    expected = statistic(ScoreTable(kept.frame.assign(relation=np.where(first, "sibling", kept.relation))))
    observed = found((arrangements.a[None], arrangements.b[None]))
    assert observed.tolist() == pytest.approx([expected], rel=1e-9)
    assert scored_rows(table).tolist() == (~disputed).tolist()


def test_pairs_without_a_score_a_label_or_cells_take_no_part() -> None:
    table = Design("d", (2, 2, 2)).draw(np.random.default_rng(0))
    frame = table.frame.copy()
    frame.loc[1, "status"] = "abstained"
    frame.loc[2, "relation"] = "disputed"
    for end in "ab":
        frame.loc[frame[f"model_{end}"] == table.models[5], f"architecture_{end}"] = None
    table = ScoreTable(frame)
    unknown = table.model_b == 5
    assert scored_rows(table).tolist() == (~unknown & ~np.isin(np.arange(len(table)), [1, 2])).tolist()


def test_known_scores_are_kept_where_a_permuted_pair_can_fall_on_an_unknown_one() -> None:
    """Scores of models that no derived pair can reach may lack."""
    whole = families({"x": (2, 2), "z": (1, 1)}, lambda a, b, same: float(len(a)))
    models = whole.models.tolist()
    code, arrangements = prepared(whole, models, [[("x.0.0", "x.0.1")], [("x.1.0", "x.1.1")]])
    ends = list(zip(whole.frame["model_a"], whole.frame["model_b"], strict=True))
    for gone, needed in (
        ([], False),
        ([("z.0.0", "z.1.0")], False),
        ([("x.0.1", "z.1.0")], False),
        ([("x.0.1", "x.1.0")], True),
        # As many scores as without a gap, one of them in the wrong place.
        (
            [("x.0.1", "x.1.0"), *(end for end in ends if end[1][0] == "z" and end != ("x.0.0", "z.0.0"))],
            True,
        ),
    ):
        status = ["abstained" if end in gone else "ok" for end in ends]
        table = ScoreTable(whole.frame.assign(status=status))
        found = SeparationStatistic.of(table, code, arrangements, np.arange(2))
        assert (found.known is not None) == needed
        if found.known is not None:
            assert found.known.sum() == 2 * status.count("ok")


@pytest.mark.parametrize(
    ("group", "score"),
    [
        ([0], [3.0]),
        ([4, 5, 5], [1.0, 1.0, 1.0]),
        ([0, 1, 1, 1, 2, 2], [1.0, 1.0, 2.0, 2.0, 2.0, 5.0]),
        ([2, 0, 2, 0, 2, 0, 2, 0], [1.0, 1.0, 3.0, 1.0, 3.0, 2.0, 1.0, math.inf]),
    ],
)
def test_normal_scores_of_ranks_inside_groups(group: list[int], score: list[float]) -> None:
    """Ties stand at their middle, also where the next group begins with the same score."""
    expected = np.empty(len(score))
    for g in set(group):
        here = np.array(group) == g
        expected[here] = ndtri((rankdata(np.array(score)[here]) - 0.5) / here.sum())
    found = _normal_scores_within(np.array(group), np.array(score))
    assert found.tolist() == pytest.approx(expected.tolist())
