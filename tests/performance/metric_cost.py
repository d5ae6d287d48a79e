"""What each metric costs a model and a pair, and what matching costs on wide layers, by hand.

``python -m tests.performance.metric_cost [--metrics a,b] [--models 10] [--wide 4096 14336]``

CPU time of one thread, the least of three tries. *Model*: `fingerprint` on a freshly opened zoo model, so
that no other metric has read it before; what a metric leaves for its first pair counts there too. *Pair*:
`similarity` once both models are in memory. Ratios: to reading every weight of the model once as float64,
and to the cosine of all weights (`weight-cosine`) of the same pair. With --wide: seconds and errors of
matching between synthetic feed-forward blocks of real size, one a permuted copy of the other of which half
of the variance is noise.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
from threadpoolctl import threadpool_limits

import fpcore
from fpcore.features import layer_agreement
from fpcore.features.assignment import matched
from fpcore.features.layer_weights import Block, FeedForward
from fpcore.features.p_values import LN10
from fpcore.metrics.matching import AlignedUnitMatching, UnitMatching

ZOO = Path(__file__).parents[2] / "benchmark" / "zoo" / "weights"
TRIES = 3
WIDTH = 512  # of the synthetic blocks: products grow with it, assignments do not


T = TypeVar("T")


def timed(work: Callable[[], T]) -> tuple[float, T]:
    """CPU seconds of a piece of work, and what it gave."""
    begun = time.process_time()
    result = work()
    return time.process_time() - begun, result


def read_all(model: fpcore.Checkpoint) -> float:
    """The baseline of a model: every weight once."""
    return sum(float(model.read(name).double().sum()) for name in model.tensors)


def of_models(metric: fpcore.Metric | None, folders: list[Path]) -> float:
    """CPU seconds of a fingerprint, on average; of the baseline without a metric."""
    spent = []
    for folder in folders:
        tries = []
        for _ in range(TRIES):
            model = fpcore.open_checkpoint(folder)

            def take(model: fpcore.Checkpoint = model) -> None:
                try:
                    if metric is None:
                        read_all(model)
                    else:
                        taken = metric.fingerprint(model)
                        metric.similarity(taken, taken)
                except fpcore.NotComparable:
                    return

            tries.append(timed(take)[0])
        spent.append(min(tries))
    return float(np.mean(spent))


def of_pairs(metric: fpcore.Metric, folders: list[Path]) -> float:
    """CPU seconds of a similarity, on average over the pairs that compare; NaN if none does."""
    taken = []
    for folder in folders:
        try:
            taken.append(metric.fingerprint(fpcore.open_checkpoint(folder)))
        except fpcore.NotComparable:
            continue
    spent = []
    for pair in itertools.combinations(taken, 2):
        try:
            metric.similarity(*pair)
        except fpcore.NotComparable:
            continue
        spent.append(min(timed(lambda pair=pair: metric.similarity(*pair))[0] for _ in range(TRIES)))
    return float(np.mean(spent)) if spent else float("nan")


def blocks(units: int, rng: np.random.Generator) -> tuple[FeedForward, FeedForward]:
    """A block, and a permuted copy of it of which half of the variance is noise."""
    first = [rng.standard_normal((units, WIDTH)) for _ in range(3)]
    order = rng.permutation(units)
    other = [np.sqrt(0.5) * (each[order] + rng.standard_normal(each.shape)) for each in first]
    return Block(*first), Block(*other)


def wide(units: int, whole: bool) -> list[str]:
    """Seconds and errors of matching on wide blocks, as lines of text.

    Of the units' maps the true cosine is .5, of their gates the root of .5.
    """
    rng, truth = np.random.default_rng(units), (0.5 + np.sqrt(0.5)) / 2.0
    a, b = blocks(units, rng)
    x, y, stranger = (layer_agreement.units_of(each) for each in (a, b, blocks(units, rng)[0]))

    def agreement(other: layer_agreement.Units) -> float:
        return layer_agreement.unit_agreement(x, other, None)[1]

    spent, found = timed(lambda: agreement(y))
    lines = [
        f"{units:>7,} units, {layer_agreement.MOST_UNITS:,} sought both ways: {spent:.1f} s,"
        f" error {found - truth:+.4f}; a stranger {agreement(stranger):+.4f}"
    ]
    for metric, (one, other) in ((UnitMatching(), (a, a)), (AlignedUnitMatching(), (a, b))):
        spent, log_p = timed(lambda metric=metric, pair=(one, other): metric.log_p(*pair))
        lines.append(f"{'':>15}{metric.name}: {spent:.1f} s, -log10 p {-log_p / LN10:.0f}")
    if whole:
        spent, _ = timed(lambda: matched(a.up, b.up))
        lines.append(f"{'':>15}one assignment of all units: {spent:.1f} s")
        layer_agreement.MOST_UNITS = units
        spent, found = timed(lambda: agreement(y))
        lines.append(f"{'':>15}all sought: {spent:.1f} s, error {found - truth:+.4f}")
    return lines


def main() -> None:
    """Print one line a metric."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--metrics", help="names, comma-separated; all by default, none if empty")
    parser.add_argument("--models", type=int, default=10, help="zoo models to measure on")
    parser.add_argument("--zoo", type=Path, default=ZOO, help="folder of model folders")
    parser.add_argument("--wide", type=int, nargs="*", metavar="UNITS", help="blocks of so many units")
    parser.add_argument("--whole", type=int, default=4096, help="widest block that is also matched whole")
    arguments = parser.parse_args()
    everything = sorted(path for path in arguments.zoo.iterdir() if (path / "config.json").is_file())
    places = np.linspace(0, len(everything) - 1, min(arguments.models, len(everything))).round()
    folders = [everything[int(place)] for place in places]
    every = [metric.name for metric in fpcore.metrics()]
    chosen = every if arguments.metrics is None else arguments.metrics.split(",")
    with threadpool_limits(1):
        if chosen != [""]:
            reading, cosine = of_models(None, folders), of_pairs(fpcore.metric("weight-cosine"), folders)
            base = f"reading all weights {1e3 * reading:.2f} ms, weight-cosine {1e3 * cosine:.3f} ms per pair"
            print(f"{len(folders)} models; {base}")
            columns = ("ms per model", "of reading", "ms per pair", "of cosine")
            print(f"{'metric':<26}" + "".join(f"{column:>12}" for column in columns) + "  stated")
        for name in chosen if chosen != [""] else []:
            metric = fpcore.metric(name)
            pair = of_pairs(metric, folders)
            model = of_models(metric, folders) - np.nan_to_num(pair)
            figures = f"{1e3 * model:>12.2f}{model / reading:>12.1f}{1e3 * pair:>12.3f}{pair / cosine:>12.1f}"
            print(f"{name:<26}{figures}  {metric.measured or 'nothing'}", flush=True)
        sampled = layer_agreement.MOST_UNITS
        for units in arguments.wide if arguments.wide is not None else []:
            layer_agreement.MOST_UNITS = sampled
            print("\n".join(wide(units, units <= arguments.whole)), flush=True)


if __name__ == "__main__":
    main()
