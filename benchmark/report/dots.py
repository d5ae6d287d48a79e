"""Where every dot of a score plot stands: computed once here, drawn as SVG, named by the page's script.

A row of dots is one SVG path of zero-length strokes in the order of `Row.pairs`, so that the page needs no
second copy of the positions: the script reads them back from the path and finds the pair by its index.
Every method of one step has a row; chains of steps, of which a catalog may hold dozens with a pair each,
share rows by their last step, and each of their dots names its own chain.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from analysis import ScoreTable
from benchmark.report.families import STEP

__all__ = ["CHAIN", "WIDTH", "Row", "RowKind", "Scale", "outline", "rows", "scale", "swarm"]

WIDTH: Final = 2000  # units across a plot; twice the pixels of a wide screen
BIN: Final = 14  # units within which dots stand on one another
FARTHEST: Final = 8e307  # an axis that is longer is longer than a number can say
CLOSEST: Final = 1e-300  # scores nearer than this, such as 0 and the next number, are one place
CHAIN: Final = "…" + STEP  # stands for the steps before the last one
ENDS: Final = 100  # of the lowest and of the highest scores of a long row, those that are always drawn;
FEWEST: Final = 20  # fewer where room is scarce, but never fewer than these
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class RowKind:
    """A kind of pair as score plots show it: a colour class, a mark, and what a dot of it says."""

    slug: str
    label: str
    says: str
    square: bool = False


ROW_KINDS: Final = {
    kind.slug: kind
    for kind in (
        RowKind("derived", "derived", "derived"),
        RowKind("look-alike", "look-alikes", "look-alikes: independent, same shape", square=True),
        RowKind("independent", "other independents", "independent, other shapes", square=True),
        RowKind("sibling", "siblings", "siblings: one founder, neither is an ancestor"),
        RowKind("shared-init", "shared initialisation", "same initialisation, separate training"),
        RowKind("distilled", "distilled", "distilled: outputs seen, not weights"),
        RowKind("disputed", "disputed", "disputed", square=True),
    )
}


@dataclass(frozen=True)
class Scale:
    """A linear axis from scores to units across the plot."""

    low: float
    high: float
    ticks: tuple[float, ...]

    @property
    def _half(self) -> float:
        """Half its length: the whole of the longest scales is more than a double holds."""
        return self.high / 2 - self.low / 2

    def share(self, score: float) -> float:
        """Where a score stands, from 0 (left) to 1 (right); infinities stand at the ends."""
        return min(max((score / 2 - self.low / 2) / self._half, 0.0), 1.0)

    def units(self, scores: Floats) -> npt.NDArray[np.int64]:
        """Where scores stand, in units."""
        with np.errstate(invalid="ignore"):
            share = (scores / 2 - self.low / 2) / self._half
        return np.rint(np.clip(share, 0.0, 1.0) * WIDTH).astype(np.int64)


@dataclass(frozen=True)
class Row:
    """One row of a score plot.

    Attributes
    ----------
    kind : RowKind
    label : str
        The method of derived pairs (``… > launder`` for chains that end so), else the kind.
    methods : tuple of str
        Of derived pairs drawn in this row; `method_of` gives each dot's index into it.
    outline : str
        Where all pairs of a thinned row lie, as an SVG path; empty where every pair is drawn.
    n, undefined : int
        Pairs with and without a score.
    median : float
        Of all pairs with a score; NaN without any.
    pairs : ndarray of int
        Rows of the score table that are drawn, by rising score.
    scores : ndarray of float
        Their scores.
    x, y : ndarray of int
        Their places: units across, pixels down.
    height, size : int
        Of the row and of a dot, in pixels.
    """

    kind: RowKind
    label: str
    n: int
    undefined: int
    median: float
    pairs: npt.NDArray[np.int64] = field(repr=False)
    scores: Floats = field(repr=False)
    x: npt.NDArray[np.int64] = field(repr=False)
    y: npt.NDArray[np.int64] = field(repr=False)
    height: int
    size: int
    methods: tuple[str, ...] = ()
    method_of: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64), repr=False)
    outline: str = field(default="", repr=False)

    @property
    def says(self) -> str:
        """What a dot of this row says of its pair, where all of them say the same."""
        named = self.kind.slug == "derived" and self.label != self.kind.label
        return f"derived: {self.label}" if named else self.kind.says

    @property
    def path(self) -> str:
        """The dots as an SVG path of relative moves, each followed by a stroke of no length."""
        steps = zip(np.diff(self.x, prepend=0).tolist(), np.diff(self.y, prepend=0).tolist(), strict=True)
        return "".join(f"m{dx}{dy if dy < 0 else f' {dy}'}h0" for dx, dy in steps)


def scale(scores: Floats, *marks: float) -> Scale:
    """Choose an axis that holds all finite scores and marks, with about six round ticks."""
    finite = np.concatenate([scores[np.isfinite(scores)], [mark for mark in marks if math.isfinite(mark)]])
    finite = np.clip(finite, -FARTHEST, FARTHEST)
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    if high - low <= max(1e-9 * max(abs(low), abs(high)), CLOSEST):
        low, high = low - 0.5, high + 0.5
    pad = 0.02 * (high - low)
    low, high = low - pad, high + pad
    raw = (high - low) / 6
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw)
    ticks = [index * step for index in range(math.ceil(low / step), math.floor(high / step) + 1)]
    decimals = max(0, 1 - math.floor(math.log10(step)))
    return Scale(low, high, tuple(round(tick, decimals) + 0.0 for tick in ticks))


def rows(table: ScoreTable, axis: Scale, most: int = 100_000) -> list[Row]:
    """Lay out the rows of one metric: derived pairs by method, then look-alikes, then the rest.

    Parameters
    ----------
    table : ScoreTable
    axis : Scale
    most : int
        Dots in all, about. Derived pairs are always drawn, and so are the lowest and the highest of every
        other row (100 of each; down to 20 where room is scarce). Between these a long row keeps an even
        sample by rank, and an outline shows where all its pairs lie. Long rows share the room equally.
    """
    method = table.frame["method"].to_numpy(dtype=object)
    groups = list(_groups(table, method))
    derived = int((table.derived & table.comparable).sum())
    others = [int((mask & table.comparable).sum()) for slug, _, mask in groups if slug != "derived"]
    cap = _cap(others, max(most - derived, 0))
    laid = [
        _row(table, method, axis, ROW_KINDS[slug], label, mask, len(mask) if slug == "derived" else cap)
        for slug, label, mask in groups
    ]
    first = sorted((row for row in laid if row.kind.slug == "derived"), key=_by_median)
    return first + [row for row in laid if row.kind.slug != "derived"]


def _cap(sizes: Sequence[int], room: int) -> int:
    """Dots that a row may have, so that all together fit into room: short rows whole, long rows alike."""
    left, cap = room, 0
    for index, size in enumerate(sorted(sizes)):
        cap = left // (len(sizes) - index)
        if size > cap:
            return cap
        left -= size
    return max([*sizes, cap])


def _drawn(n: int, cap: int) -> npt.NDArray[np.int64]:
    """Ranks that are drawn of n, ascending: the lowest, the highest, an even sample between."""
    ends = min(max(cap // 4, FEWEST), ENDS)
    if n <= max(cap, 2 * ends):
        return np.arange(n)
    between = np.linspace(ends, n - ends - 1, max(cap - 2 * ends, 0)).round().astype(np.int64)
    return np.unique(np.concatenate([np.arange(ends), between, np.arange(n - ends, n)]))


def _by_median(row: Row) -> tuple[bool, float, str]:
    return (math.isnan(row.median), -row.median if not math.isnan(row.median) else 0.0, row.label)


def _groups(
    table: ScoreTable, method: npt.NDArray[np.object_]
) -> Iterator[tuple[str, str, npt.NDArray[np.bool_]]]:
    own = np.flatnonzero(table.derived)
    labels = np.array([_label(name) for name in method[own]], dtype=object)
    for label in sorted(set(labels)):
        mask = np.zeros(len(method), dtype=bool)
        mask[own[labels == label]] = True
        yield "derived", label, mask
    yield "look-alike", ROW_KINDS["look-alike"].label, table.look_alike
    yield "independent", ROW_KINDS["independent"].label, table.independent & ~table.look_alike
    for slug in ("sibling", "shared-init", "distilled", "disputed"):
        mask = table.relation == slug
        if mask.any():
            yield slug, ROW_KINDS[slug].label, mask


def _label(method: str) -> str:
    """The row of a method: its own, or that of chains with the same last step."""
    return CHAIN + method.split(STEP)[-1].split(":")[0] if STEP in method else method or "derived"


def _row(
    table: ScoreTable,
    method: npt.NDArray[np.object_],
    axis: Scale,
    kind: RowKind,
    label: str,
    mask: npt.NDArray[np.bool_],
    cap: int,
) -> Row:
    pairs = np.flatnonzero(mask & table.comparable)
    pairs = pairs[np.argsort(table.score[pairs], kind="stable")]
    n = len(pairs)
    median = _median(table.score[pairs])
    height = int(min(18 + 9 * math.log2(max(n / 8, 1)), 92))
    size = 7 if n <= 60 else 5 if n <= 600 else 4
    everywhere = axis.units(table.score[pairs])
    pairs = pairs[_drawn(n, cap)]
    scores = table.score[pairs]
    x = axis.units(scores)
    y = swarm(x, height, size, everywhere)
    undefined = int((mask & ~table.comparable).sum())
    methods, method_of = np.unique(method[pairs].astype(str), return_inverse=True)
    return Row(
        kind, label, n, undefined, median, pairs, scores, x, y, height, size,
        tuple(methods.tolist()), method_of, outline(everywhere, height, size) if len(pairs) < n else "",
    )  # fmt: skip


def _median(ordered: Floats) -> float:
    """Median of sorted scores; the lower middle one where the two middles are opposite infinities."""
    if not len(ordered):
        return math.nan
    low, high = float(ordered[(len(ordered) - 1) // 2]), float(ordered[len(ordered) // 2])
    return low if low == high or math.isinf(low) else low / 2 + high / 2


def swarm(
    x: npt.NDArray[np.int64], height: int, size: int, everywhere: npt.NDArray[np.int64] | None = None
) -> npt.NDArray[np.int64]:
    """Spread dots over the height of their row so that the width of the cloud shows their density.

    Parameters
    ----------
    x : ndarray of int, shape (n,)
        Places across, sorted.
    height, size : int
        Of the row and of a dot, in pixels.
    everywhere : ndarray of int, optional
        Places of all pairs of the row, where x is a part of them.

    Returns
    -------
    ndarray of int, shape (n,)
        Places down, in [size/2, height − size/2]; the same for the same x (no chance is used).
    """
    n = len(x)
    if not n:
        return np.zeros(0, dtype=np.int64)
    room = (height - size) / 2 - 1
    if n <= 60:
        bins = np.bincount(x // BIN, minlength=WIDTH // BIN + 2).astype(np.float64)
        start = np.searchsorted(x // BIN, x // BIN)
        place = np.arange(n) - start
        side = np.where(place % 2, 1, -1) * ((place + 1) // 2)
        step = np.minimum(size - 1, room / np.maximum((bins[x // BIN]) // 2, 1))
        offset: Floats = side * step
    else:
        golden = (np.arange(1, n + 1) * 0.6180339887498949) % 1.0
        offset = (2 * golden - 1) * room * _density(x if everywhere is None else everywhere)[x // BIN]
    spread: npt.NDArray[np.int64] = np.rint(height / 2 + np.clip(offset, -room, room)).astype(np.int64)
    return spread


def _density(x: npt.NDArray[np.int64]) -> Floats:
    """How wide a cloud is in each bin, from 0 to 1: the root of smoothed counts, so that tails are seen."""
    bins = np.bincount(x // BIN, minlength=WIDTH // BIN + 2).astype(np.float64)
    smooth = np.convolve(bins, np.array([1, 2, 3, 2, 1]) / 9, mode="same")
    widths: Floats = np.sqrt(np.minimum(smooth / smooth.max(), 1.0))
    return widths


def outline(x: npt.NDArray[np.int64], height: int, size: int) -> str:
    """Draw the edge of the cloud that all pairs of a row would make, as an SVG path."""
    room = (height - size) / 2 - 1
    wide = np.rint(_density(x) * room).astype(int)
    first, last = int(np.flatnonzero(wide)[0]), int(np.flatnonzero(wide)[-1])
    places = [(BIN * index + BIN // 2, int(wide[index])) for index in range(first, last + 1)]
    upper = [f"{across} {height // 2 - up}" for across, up in places]
    lower = [f"{across} {height // 2 + up}" for across, up in places[::-1]]
    return f"M{'L'.join(upper + lower)}Z"
