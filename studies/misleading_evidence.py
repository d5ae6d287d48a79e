"""How often evidence of held-out pairs misleads by a factor: simulated catalogs, and the lineages of a run.

``python -m studies.misleading_evidence [--catalogs 60] [--seed 1]`` prints a table and exits 1 if a bound is
broken: of one metric in each design, and of several weighed together.

The designs differ in ways that nothing was tuned on: levels of cells, hubs, heavy tails, skewed and
multiplicative effects, few levels, abstentions, one giant lineage in every cell.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import binomtest

import analysis
from benchmark.comparison.calibration_run import CalibrationRun
from benchmark.comparison.evidence_weight import weigh_scores
from benchmark.comparison.verbal_scale import DERIVATION, INDEPENDENCE

__all__ = [
    "DESIGNS",
    "TOGETHER",
    "Misled",
    "held_out_of_run",
    "main",
    "misled",
    "print_misled",
    "simulated_table",
]

Floats = npt.NDArray[np.float64]
FACTORS: Final = (2.0, 3.0, 5.0)
DOUBT: Final = 0.01
"""A bound counts as broken where so many errors or more would come by chance less often than this."""


@dataclass(frozen=True)
class Misled:
    """How often evidence of held-out pairs misleads by a factor.

    Attributes
    ----------
    design, side : str
    factor : float
    n_pairs, n_reaching, n_misled : int
        Of the second it could be said at all: the bounds reach the factor.
    n_supported : int
        Those for which the words support the wrong side, by the ratio and its interval.
    """

    design: str
    side: str
    factor: float
    n_pairs: int
    n_reaching: int
    n_misled: int
    n_supported: int

    @property
    def broken(self) -> bool:
        """Whether more mislead than one in `factor` and chance explain."""
        if not self.n_pairs:
            return False
        test = binomtest(self.n_misled, self.n_pairs, 1 / self.factor, alternative="greater")
        return float(test.pvalue) < DOUBT


@dataclass(frozen=True)
class Lineages:
    """What a design draws its scores from.

    Attributes
    ----------
    rng : Generator
    lineage : ndarray of int, shape (n_models,)
    a, b : ndarray of int, shape (n_pairs,)
        Models of each pair.
    cell : ndarray of int, shape (n_pairs,)
    derived : ndarray of bool, shape (n_pairs,)
    """

    rng: np.random.Generator
    lineage: npt.NDArray[np.intp]
    a: npt.NDArray[np.intp]
    b: npt.NDArray[np.intp]
    cell: npt.NDArray[np.intp]
    derived: npt.NDArray[np.bool_]

    def of_lineages(self, draw: Callable[[int], Floats]) -> Floats:
        """Sum of both ends' effects of their lineages."""
        effect = draw(int(self.lineage.max()) + 1)
        summed: Floats = effect[self.lineage[self.a]] + effect[self.lineage[self.b]]
        return summed

    def noise(self, scale: float = 1.0) -> Floats:
        """Noise of pairs."""
        drawn: Floats = self.rng.normal(0.0, scale, len(self.a))
        return drawn

    def of_cells(self, scale: float) -> Floats:
        """Levels of architecture cells."""
        level: Floats = self.rng.normal(0.0, scale, int(self.cell.max()) + 1)[self.cell]
        return level


def _cells_differ(x: Lineages) -> Floats:
    return x.of_cells(3.0) + x.of_lineages(lambda n: x.rng.normal(0, 0.3, n)) + x.noise() + 2.5 * x.derived


def _hubs(x: Lineages) -> Floats:
    return x.of_lineages(lambda n: np.where(x.rng.random(n) < 0.15, 4.0, 0.0)) + x.noise() + 3.5 * x.derived


def _heavy_tails(x: Lineages) -> Floats:
    effect = x.of_lineages(lambda n: x.rng.standard_t(2, n).astype(np.float64))
    heavy: Floats = effect + x.rng.standard_t(3, len(x.a)) + 4.0 * x.derived
    return heavy


def _skewed(x: Lineages) -> Floats:
    return (
        x.of_lineages(lambda n: x.rng.lognormal(0, 1.2, n).astype(np.float64)) + x.noise() + 4.0 * x.derived
    )


def _multiplicative(x: Lineages) -> Floats:
    level = np.exp(x.of_lineages(lambda n: x.rng.normal(0, 0.6, n)))
    drawn: Floats = level * np.exp(x.noise(0.4)) * np.where(x.derived, 4.0, 1.0)
    return drawn


def _few_levels(x: Lineages) -> Floats:
    return np.clip(
        np.round(x.of_lineages(lambda n: x.rng.normal(0, 0.7, n)) + x.noise() + 2 * x.derived), -2, 3
    )


def _no_signal(x: Lineages) -> Floats:
    high: Floats = x.of_cells(2.0) + x.of_lineages(lambda n: x.rng.gumbel(0, 1.0, n)) + x.noise()
    return high


def _silent(x: Lineages) -> Floats:
    score = x.of_lineages(lambda n: x.rng.laplace(0, 0.8, n)) + x.noise() + 3.0 * x.derived
    return np.where(x.rng.random(len(score)) < 0.2, np.nan, score)


DESIGNS: Final[dict[str, Callable[[Lineages], Floats]]] = {
    "levels of cells": _cells_differ,
    "hubs": _hubs,
    "heavy tails": _heavy_tails,
    "skewed": _skewed,
    "multiplicative": _multiplicative,
    "few levels": _few_levels,
    "no signal, an architecture detector": _no_signal,
    "a fifth abstains": _silent,
}


TOGETHER: Final[dict[str, tuple[str, ...]]] = {
    "three together: hubs, heavy tails, abstentions": ("hubs", "heavy tails", "a fifth abstains"),
    "three together: skewed, multiplicative, few levels": ("skewed", "multiplicative", "few levels"),
    "three together, no signal": ("no signal, an architecture detector",) * 3,
}
"""Designs of metrics that are weighed together, each with effects of its own."""


def misled(
    design: str, n: int, *, cells: int = 4, per_cell: int = 12, size: int = 2, seed: int = 0
) -> Iterator[Misled]:
    """Weigh one independent and one derived pair of held-out lineages in each of n simulated catalogs.

    Parameters
    ----------
    design : str
        One of `DESIGNS` or `TOGETHER`.
    n : int
    cells, per_cell, size : int
        Architecture cells, lineages of each, and models of a lineage; the last lineage of a cell has thrice
        as many.
    seed : int
    """
    parts = TOGETHER.get(design, (design,))
    number = [*DESIGNS, *TOGETHER].index(design)
    found: dict[str, list[Weighed]] = {"independent": [], "derived": []}
    for k in range(n):
        rng = np.random.default_rng([seed, number, k])
        tables = [
            simulated_table(DESIGNS[part], rng, cells, per_cell, size, f"metric {place}")
            for place, part in enumerate(parts)
        ]
        for side, weighed in found.items():
            weighed += _held_out(tables, side, np.random.default_rng([seed, number, k, side == "derived"]))
    for side, weighed in found.items():
        yield from _counted(design, side, weighed)


@dataclass(frozen=True)
class Weighed:
    """What a held-out pair came to: log10 LR, its bounds, and what it supports."""

    log10_lr: float
    lower: float
    upper: float
    supports: str | None


def _counted(design: str, side: str, weighed: Sequence[Weighed]) -> Iterator[Misled]:
    """Count by factor. A misleading ratio of an independent pair is large, that of a derived one small."""
    wrong = DERIVATION if side == "independent" else INDEPENDENCE
    sign = 1 if side == "independent" else -1
    for factor in FACTORS:
        at = float(np.log10(factor)) - 1e-9
        yield Misled(
            design,
            side,
            factor,
            len(weighed),
            sum((one.upper if sign == 1 else -one.lower) >= at for one in weighed),
            sum(sign * one.log10_lr >= at for one in weighed),
            sum(one.supports == wrong for one in weighed),
        )


def simulated_table(
    design: Callable[[Lineages], Floats],
    rng: np.random.Generator,
    cells: int,
    per_cell: int,
    size: int,
    metric: str = "score",
) -> analysis.ScoreTable:
    """Draw a catalog and its scores; parameters as for `misled`."""
    sizes = np.tile([size] * (per_cell - 1) + [3 * size], cells)
    lineage = np.repeat(np.arange(len(sizes)), sizes)
    a, b = np.triu_indices(len(lineage), 1)
    own = lineage // per_cell
    kept = own[a] == own[b]  # pairs of two shapes are never look-alikes here
    a, b = a[kept], b[kept]
    derived = lineage[a] == lineage[b]
    score = design(Lineages(rng, lineage, a, b, own[a], derived))
    return analysis.ScoreTable(
        pd.DataFrame(
            {
                "metric": metric,
                "model_a": [f"m{k:03d}" for k in a],
                "model_b": [f"m{k:03d}" for k in b],
                "score": score,
                "status": np.where(np.isnan(score), "abstained", "ok"),
                "relation": np.where(derived, "derived", "independent"),
                "lineage_a": [f"l{k:02d}" for k in lineage[a]],
                "lineage_b": [f"l{k:02d}" for k in lineage[b]],
                "architecture_a": [f"c{k}" for k in own[a]],
                "architecture_b": [f"c{k}" for k in own[b]],
            }
        )
    )


def _held_out(tables: Sequence[analysis.ScoreTable], side: str, rng: np.random.Generator) -> list[Weighed]:
    """Weigh one pair, drawn over lineages, by other lineages, with the metrics that speak on it."""
    frame = tables[0].frame[(tables[0].frame["relation"] == side) & tables[0].comparable]
    lineages = frame[["lineage_a", "lineage_b"]].drop_duplicates()
    a, b = lineages.iloc[int(rng.integers(len(lineages)))]
    some = frame[(frame["lineage_a"] == a) & (frame["lineage_b"] == b)]
    pair = some.iloc[int(rng.integers(len(some)))]
    touched = tables[0].frame[["lineage_a", "lineage_b"]].isin([a, b]).any(axis=1)
    at = int(pair.name)
    speaking = [table for table in tables if table.comparable[at]]
    value = _weight(
        [analysis.ScoreTable(table.frame[~touched]) for table in speaking],
        [float(table.score[at]) for table in speaking],
        (str(pair["architecture_a"]), str(pair["architecture_b"])),
    )
    return [] if value is None else [value]


def _weight(
    rest: Sequence[analysis.ScoreTable], scores: Sequence[float], cells: tuple[str, str]
) -> Weighed | None:
    """What `compare` makes of the scores; None where nothing is weighed."""
    weight, _ = weigh_scores(rest, scores, cells)
    if not weight.defined:
        return None
    return Weighed(weight.log10_lr, weight.lower, weight.upper, weight.supports)


def held_out_of_run(
    run: Path, per_lineages: int = 2, metrics: Sequence[str] = (), seed: int = 0
) -> Iterator[Misled]:
    """Weigh pairs of held-out lineages of a run, by each of its metrics.

    Parameters
    ----------
    run : Path
    per_lineages : int
        Pairs of each two lineages (independent) or lineage (derived) of one shape.
    metrics : sequence of str
        Names; default: all of its metrics.
    seed : int
    """
    calibration = CalibrationRun(run)
    for metric in metrics or calibration.metrics:
        table = calibration.without(metric, ())
        assert table is not None
        for side, mask in (("independent", table.look_alike), ("derived", table.derived)):
            rows = table.frame[mask & table.comparable]
            rng = np.random.default_rng([seed, len(rows)])
            found: list[Weighed] = []
            for key, part in rows.groupby(["lineage_a", "lineage_b", "architecture_a"]):
                rest = calibration.without(metric, [str(name) for name in key[:2]])
                assert rest is not None
                for k in rng.choice(len(part), min(per_lineages, len(part)), replace=False):
                    one = part.iloc[int(k)]
                    cells = (str(one["architecture_a"]), str(one["architecture_b"]))
                    value = _weight([rest], [float(one["score"])], cells)
                    if value is not None:
                        found.append(value)
            if found:
                yield from _counted(f"run: {metric}", side, found)


def print_misled(found: Iterable[Misled]) -> bool:
    """Print a row each as Markdown, as they come, and say whether one of them is broken."""
    broken = False
    print(
        "| Held out inside | Truth | Factor k | Pairs | Bounds allow k | Misled | Share | Bound 1/k |"
        " Words for the wrong side | |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for one in found:
        shares = f"{one.n_misled / max(one.n_pairs, 1):.3f} | {1 / one.factor:.3f}"
        counts = f"{one.n_pairs} | {one.n_reaching} | {one.n_misled}"
        note = "broken" if one.broken else ""
        last = f"{one.n_supported} | {note}"
        print(f"| {one.design} | {one.side} | {one.factor:g} | {counts} | {shares} | {last} |", flush=True)
        broken |= one.broken
    return broken


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m studies.misleading_evidence", description=__doc__)
    parser.add_argument("--catalogs", type=int, default=60, help="simulated tables per design")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cells", type=int, default=2, help="number of shapes, with twelve lineages each")
    asked = parser.parse_args()
    broken = print_misled(
        one
        for design in (*DESIGNS, *TOGETHER)
        for one in misled(design, asked.catalogs, seed=asked.seed, cells=asked.cells)
    )
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
