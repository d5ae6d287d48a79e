"""Layer by layer: where two models agree, as stored and after order and basis are undone."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

import analysis
import fpcore
from fpcore.features.layer_agreement import agreement, canonical_layers, frame

__all__ = ["SPREADS", "LayerPicture", "picture_layers"]

PARTS: Final = {
    "query": "attention.query.weight",
    "key": "attention.key.weight",
    "value": "attention.value.weight",
    "output": "attention.output.weight",
    "gate": "feed_forward.gate.weight",
    "up": "feed_forward.up.weight",
    "down": "feed_forward.down.weight",
}
GAINS: Final = {"attention norm": "attention.norm.weight", "feed-forward norm": "feed_forward.norm.weight"}
SPREADS: Final = {"attention-std": ("query", "key", "value", "output"), "ffn-std": ("gate", "up", "down")}
"""Metrics whose fingerprints are the spread of each part's weights in each layer."""
LARGEST: Final = 1 << 28
"""Weights of a model beyond which matching heads and units would take minutes a pair."""

Row = tuple[float, ...]


@dataclass(frozen=True)
class LayerPicture:
    """How two models agree in each layer.

    Attributes
    ----------
    depths : tuple of int
        Layers of both.
    stored : dict of str to tuple of float
        Part → cosine of the two weight matrices in each layer, as stored; for gains of norms the Pearson
        correlation. NaN where shapes differ. Only where the depths are the same.
    aligned : dict of str to tuple of float
        "heads" and "units" → mean cosine beyond chance after the residual basis is aligned and heads and
        units are matched, for each pair of layers.
    pairs : tuple of (int, int)
        Layers of the first and the second that `aligned` pairs.
    curves : dict of str to pair of tuples of float
        Part → standard deviation of its weights in each layer, of both models.
    missing : tuple of str
        What could not be drawn, and why.
    """

    depths: tuple[int, int]
    stored: dict[str, Row]
    aligned: dict[str, Row]
    pairs: tuple[tuple[int, int], ...]
    curves: dict[str, tuple[Row, Row]]
    missing: tuple[str, ...]

    def to_json(self) -> dict[str, object]:
        """Plain values."""
        return dict(analysis.as_json(self))


def picture_layers(
    a: fpcore.Checkpoint,
    b: fpcore.Checkpoint,
    *,
    spreads: Callable[[str], tuple[fpcore.Fingerprint, ...]] | None = None,
) -> LayerPicture:
    """Look at two models layer by layer.

    Parameters
    ----------
    a, b : Checkpoint
    spreads : callable, optional
        Gives the fingerprints of both models under a metric of `SPREADS`, or raises NotComparable; default:
        they are made here.

    Raises
    ------
    fpcore.BadCheckpoint
        A tensor cannot be read.
    """
    missing: list[str] = []
    depths = (a.roles.depth, b.roles.depth)
    stored: dict[str, Row] = {}
    if depths[0] == depths[1]:
        try:
            stored = _stored(a, b)
        except fpcore.NotComparable as error:
            missing.append(f"weights as stored: {error.reason}")
    else:
        missing.append(f"weights as stored: {depths[0]} and {depths[1]} layers")
    aligned, pairs = _aligned(a, b, missing)
    curves = _curves(spreads or (lambda name: tuple(map(fpcore.metric(name).fingerprint, (a, b)))), missing)
    return LayerPicture(depths, stored, aligned, pairs, curves, tuple(missing))


def _stored(a: fpcore.Checkpoint, b: fpcore.Checkpoint) -> dict[str, Row]:
    found: dict[str, Row] = {}
    for part, role in (PARTS | GAINS).items():
        row = tuple(
            _alike(a, b, f"layers.{layer}.{role}", centred=part in GAINS) for layer in range(a.roles.depth)
        )
        if not all(math.isnan(value) for value in row):
            found[part] = row
    return found


def _alike(a: fpcore.Checkpoint, b: fpcore.Checkpoint, role: str, *, centred: bool) -> float:
    """Cosine of one tensor of both models; NaN where it is not the same shape in both."""
    if role not in a.roles or role not in b.roles or a.roles[role].shape != b.roles[role].shape:
        return math.nan
    x, y = (one.roles[role].read().double().reshape(-1).numpy() for one in (a, b))
    if centred:
        x, y = x - x.mean(), y - y.mean()
    sizes = float(np.linalg.norm(x)) * float(np.linalg.norm(y))
    # einsum: the last digit does not depend on the number of threads
    return float(np.clip(np.einsum("i,i->", x, y) / sizes, -1, 1)) if sizes > 0 else math.nan


def _aligned(
    a: fpcore.Checkpoint, b: fpcore.Checkpoint, missing: list[str]
) -> tuple[dict[str, Row], tuple[tuple[int, int], ...]]:
    size = max(sum(view.size for view in one.roles.values()) for one in (a, b))
    if size > LARGEST:
        missing.append(f"heads and units after matching: skipped, as {size:,} weights would take minutes")
        return {}, ()
    try:
        left, right = canonical_layers(a), canonical_layers(b)
        chosen = frame(a, b)
        rows, columns = chosen.rows, chosen.columns
        found = [agreement(left[i], right[j], chosen.basis) for i, j in zip(rows, columns, strict=True)]
    except fpcore.NotComparable as error:
        missing.append(f"heads and units after matching: {error.reason}")
        return {}, ()
    # What agrees as stored need not be matched: the better of the two, as the metric takes them.
    best = np.array([np.maximum(one.plain, one.matched) for one in found])
    named = {
        name: tuple(float(value) if np.isfinite(value) else math.nan for value in best[:, place])
        for place, name in enumerate(("heads", "units"))
    }
    numbers = left.layers.numbers, right.layers.numbers
    pairs = tuple((numbers[0][i], numbers[1][j]) for i, j in zip(rows, columns, strict=True))
    return {name: row for name, row in named.items() if not all(map(math.isnan, row))}, pairs


def _curves(
    spreads: Callable[[str], tuple[fpcore.Fingerprint, ...]], missing: list[str]
) -> dict[str, tuple[Row, Row]]:
    found: dict[str, tuple[Row, Row]] = {}
    for name, parts in SPREADS.items():
        try:
            both = [fingerprint.arrays for fingerprint in spreads(name)]
        except fpcore.NotComparable as error:
            missing.append(f"spread of {' and '.join((parts[0], parts[-1]))} weights: {error.reason}")
            continue
        for part in parts:
            if all(part in arrays for arrays in both):
                first, second = (_row(arrays[part]) for arrays in both)
                found[part] = (first, second)
    return found


def _row(values: npt.NDArray[np.floating]) -> Row:
    return tuple(values.tolist())
