"""Metrics that match units, dimensions, heads and layers, slowly, each from its paper's equation alone."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Callable, Iterator

import numpy as np
import scipy.linalg
import scipy.stats
from plain_models import Array, PlainLayer, PlainModel
from scipy.optimize import linear_sum_assignment
from slow_weight_metrics import Reference, common_rows, enters, folded, head_rows

MATCHING_METRICS: dict[str, Reference] = {}
MARGIN = 0.1


reference = enters(MATCHING_METRICS)


def cosines(x: Array, y: Array) -> Array:
    """Of every row of `x` and every row of `y`."""
    return np.array([[u @ v / np.linalg.norm(u) / np.linalg.norm(v) for v in y] for u in x])


def assigned(table: Array) -> list[tuple[int, int]]:
    """The pairs of rows and columns with the largest sum."""
    return [(int(i), int(j)) for i, j in zip(*linear_sum_assignment(-table), strict=True)]


def joint_score(logarithms: list[float]) -> float:
    """-log10 of Fisher's joint p-value."""
    statistic = -2 * math.fsum(logarithms)
    return max(0.0, -float(scipy.stats.chi2.logsf(statistic, 2 * len(logarithms))) / math.log(10))


def log_p_of_order(order: list[int]) -> float:
    """Spearman's correlation with 0, 1, 2, …, against positive ones; perfect order is one of n!."""
    n = len(order)
    floor = -math.lgamma(n + 1)
    rho = scipy.stats.spearmanr(order, range(n)).statistic
    if order == sorted(order):
        return floor
    return max(floor, float(scipy.stats.t.logsf(rho * math.sqrt((n - 2) / (1 - rho**2)), n - 2)))


def blocks(layer: PlainLayer) -> Iterator[tuple[Array, Array]]:
    """What the units of each feed-forward block read, gains folded in, and what they write."""
    for block in layer.blocks:
        yield folded(layer, block + "up"), layer.matrices[block + "down"].T


def unit_orders(
    a: PlainModel, b: PlainModel, log_p: Callable[[tuple[Array, Array], tuple[Array, Array]], float]
) -> float | None:
    """Fisher over layers; the closest pair of blocks of one shape counts, times the number of pairs."""
    if len(a.layers) != len(b.layers):
        return None
    found = []
    for left, right in zip(a.layers, b.layers, strict=True):
        pairs = [(x, y) for x in blocks(left) for y in blocks(right) if x[0].shape == y[0].shape]
        if not pairs:
            return None
        found.append(min(0.0, min(log_p(x, y) for x, y in pairs) + math.log(len(pairs))))
    return joint_score(found)


@reference("unit-matching")
def unit_matching(a: PlainModel, b: PlainModel) -> float | None:
    return unit_orders(a, b, lambda x, y: log_p_of_order([j for _, j in assigned(cosines(x[0], y[0]))]))


@reference("aligned-unit-matching")
def aligned_unit_matching(a: PlainModel, b: PlainModel) -> float | None:
    def log_p(x: tuple[Array, Array], y: tuple[Array, Array]) -> float:
        by_inputs, by_outputs = (assigned(cosines(u, v)) for u, v in zip(x, y, strict=True))
        count = len(set(by_inputs) & set(by_outputs))
        # The bound 1/k! stands for the tail where both are the same to 5%.
        return -math.lgamma(count + 1) if count > 20 else float(scipy.stats.poisson.logsf(count - 1, 1))

    return unit_orders(a, b, log_p)


@reference("embedding-homology")
def embedding_homology(a: PlainModel, b: PlainModel) -> float | None:
    x, y = common_rows(a, b, 4096)
    rotation, _ = scipy.linalg.polar(x.T @ y)
    n = len(rotation)
    trace = math.fsum(abs(rotation[i, j]) for i, j in assigned(np.abs(rotation)))
    searched = n * math.log(2) + math.lgamma(n + 1) - trace**2 / 2
    as_stored = -(max(0.0, math.fsum(rotation[i, i] for i in range(n))) ** 2) / 2
    return max(0.0, -(min(searched, as_stored) + math.log(2)) / math.log(10))


def unbiased_hsic(k: Array, m: Array) -> float:
    """Song et al. (2012), equation 5, of kernels without their diagonals."""
    n, one = len(k), np.ones(len(k))
    product = (one @ k @ one) * (one @ m @ one) / ((n - 1) * (n - 2))
    return float(np.trace(k @ m) + product - 2 / (n - 2) * one @ k @ m @ one) / (n * (n - 3))


def column_cka(x: Array, y: Array) -> float:
    """Unbiased linear CKA of the columns of two matrices."""
    k, m = (z.T @ z * (1 - np.eye(z.shape[1])) for z in (x, y))
    return unbiased_hsic(k, m) / math.sqrt(unbiased_hsic(k, k) * unbiased_hsic(m, m))


@reference("aligned-cka")
def aligned_cka(a: PlainModel, b: PlainModel) -> float | None:
    x, y = common_rows(a, b, 4096)
    angles = cosines(x.T, y.T)
    pairs = assigned(np.abs(angles))
    rows, columns = ([pair[side] for pair in pairs] for side in (0, 1))
    signs = np.array([math.copysign(1, angles[pair]) for pair in pairs])

    def alike(left: PlainLayer, right: PlainLayer) -> float:
        found = []
        for part in ("query", "key"):
            u, v = folded(left, part)[:, rows], folded(right, part)[:, columns]
            # Centring depends on whose signs are taken.
            found.append((column_cka(u, v * signs) + column_cka(u * signs, v)) / 2)
        return statistics.fmean(found)

    if len(a.layers) == len(b.layers):
        return statistics.fmean(alike(p, q) for p, q in zip(a.layers, b.layers, strict=True))
    table = np.array([[alike(p, q) for q in b.layers] for p in a.layers])
    return statistics.fmean(table[pair] for pair in assigned(table))


def direction(matrix: Array) -> Array:
    """A matrix less its trace's share of the identity, at length one."""
    rest = matrix - np.trace(matrix) / len(matrix) * np.eye(len(matrix))
    return rest / np.linalg.norm(rest)


def span(heads: list[Array]) -> Array:
    """Sum over heads of the projection on what their rows span."""
    return sum(np.linalg.pinv(head) @ head for head in heads)


def unit(rows: Array) -> Array:
    """Rows at length one."""
    return np.array([row / np.linalg.norm(row) for row in rows])


def own_heads(layer: PlainLayer, part: str) -> list[Array]:
    """Each key-value head once."""
    return head_rows(layer, part)[:: layer.heads // layer.shared]


def units_of(layer: PlainLayer, block: str) -> tuple[Array | None, Array, Array]:
    """Gate, up and down of each unit, at length one."""
    gate = unit(folded(layer, block + "gate")) if block + "gate" in layer.matrices else None
    return gate, unit(folded(layer, block + "up")), unit(layer.matrices[block + "down"].T)


def layer_moments(layer: PlainLayer) -> list[Array]:
    """What heads and units of a layer read and write."""
    experts = [units_of(layer, block) for block in layer.blocks]
    read = [each[1] for each in experts] + [each[0] for each in experts if each[0] is not None]
    return [
        direction(span(head_rows(layer, "query")) + span(own_heads(layer, "key"))),
        direction(span(own_heads(layer, "value"))),
        direction(span(head_rows(layer, "output"))),
        direction(sum(rows.T @ rows for rows in read)),
        direction(sum(down.T @ down for _, _, down in experts)),
    ]


def block_moments(layer: PlainLayer) -> list[list[Array]]:
    """What the units of each feed-forward block read and write."""
    return [
        [direction(up.T @ up), direction(down.T @ down)]
        for _, up, down in (units_of(layer, block) for block in layer.blocks)
    ]


def moments_alike(a: list[Array], b: list[Array], basis: Array) -> float:
    """Mean cosine of moments, the first ones turned."""
    return statistics.fmean(float(np.sum((basis.T @ x @ basis) * y)) for x, y in zip(a, b, strict=True))


def beyond_chance(table: Array, pairs: list[tuple[int, int]]) -> float:
    """``(c - u) / (1 - u)``: the mean of the pairs beyond that of all others."""
    chosen = set(pairs)
    paired = statistics.fmean(table[pair] for pair in chosen)
    rest = [table[pair] for pair in itertools.product(*map(range, table.shape)) if pair not in chosen]
    if not rest:
        return paired
    return (paired - statistics.fmean(rest)) / (1 - statistics.fmean(rest))


def both_ways(first: Array, second: Array) -> tuple[float, float]:
    """As stored, and matched on one table and scored on the other."""
    stored = [(i, i) for i in range(min(first.shape))]
    plain = statistics.fmean(beyond_chance(table, stored) for table in (first, second))
    if first.shape[0] != first.shape[1]:
        plain = -math.inf
    crossed = (beyond_chance(second, assigned(first)), beyond_chance(first, assigned(second)))
    return plain, statistics.fmean(crossed)


def heads_alike(a: PlainLayer, b: PlainLayer, basis: Array) -> tuple[float, float]:
    """Of the maps ``Q'K`` and ``V'O``, written out."""
    tables = []
    for parts in (("query", "key"), ("value", "output")):
        maps = []
        for layer in (a, b):
            rows = zip(*(head_rows(layer, part) for part in parts), strict=True)
            maps.append([x.T @ y for x, y in rows])
        turned = [basis.T @ each @ basis for each in maps[0]]
        lengths = [[np.linalg.norm(each) for each in side] for side in maps]
        tables.append(
            np.array(
                [
                    [np.sum(x * y) / lengths[0][i] / lengths[1][j] for j, y in enumerate(maps[1])]
                    for i, x in enumerate(turned)
                ]
            )
        )
    return both_ways(*tables)


def blocks_alike(a: PlainLayer, b: PlainLayer, basis: Array) -> tuple[float, float]:
    """Of units, block by block; experts are paired by what they read and write."""
    pairs = [(0, 0)]
    if max(len(a.blocks), len(b.blocks)) > 1:
        seen = block_moments(a), block_moments(b)
        pairs = assigned(np.array([[moments_alike(x, y, basis) for y in seen[1]] for x in seen[0]]))
    found = []
    for i, j in pairs:
        (gate, up, down), (other_gate, other_up, other_down) = (
            units_of(a, a.blocks[i]),
            units_of(b, b.blocks[j]),
        )
        reads, writes = up @ basis @ other_up.T, down @ basis @ other_down.T
        if gate is not None and other_gate is not None:
            reads, writes = gate @ basis @ other_gate.T, reads * writes
        found.append(both_ways(reads, writes))
    return statistics.fmean(x for x, _ in found), statistics.fmean(y for _, y in found)


@reference("canonical-similarity")
def canonical_similarity(a: PlainModel, b: PlainModel) -> float | None:
    x, y = common_rows(a, b, 4096)
    moments = [[layer_moments(layer) for layer in model.layers] for model in (a, b)]
    best: tuple[float, Array, list[tuple[int, int]]] | None = None
    for cost, basis in ((0.0, scipy.linalg.polar(x.T @ y)[0]), (MARGIN, np.eye(x.shape[1]))):
        table = np.array([[moments_alike(p, q, basis) for q in moments[1]] for p in moments[0]])
        pairs = pairs_in_order(table)
        worth = statistics.fmean(table[pair] for pair in pairs) - cost
        if best is None or worth > best[0]:
            best = worth, basis, pairs
    assert best is not None
    _, basis, pairs = best
    kinds = []
    for alike in (heads_alike, blocks_alike):
        found = [alike(a.layers[i], b.layers[j], basis) for i, j in pairs]
        plain, matched = (statistics.fmean(each) for each in zip(*found, strict=True))
        kinds.append(plain if plain > matched + MARGIN else matched)
    return statistics.fmean(kinds)


def pairs_in_order(table: Array) -> list[tuple[int, int]]:
    """The pairing of rows and columns, both ascending, with the largest sum, by trying all."""
    if len(table) > table.shape[1]:
        return [(i, j) for j, i in pairs_in_order(table.T)]
    ways = itertools.combinations(range(table.shape[1]), len(table))
    return list(enumerate(max(ways, key=lambda columns: math.fsum(table[range(len(table)), columns]))))
