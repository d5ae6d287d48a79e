"""Second moments of wide layers, by what they make of a few random directions.

A matrix of (width, width) for each part of each layer would take gigabytes and hours; cosines of second
moments are as well seen in what they make of `DIRECTIONS` normal vectors (Hutchinson's estimator).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import numpy as np

from fpcore.features.assignment import unit_rows
from fpcore.features.canonical_basis import Moments, readers
from fpcore.features.layer_weights import Array, FeedForward, Layer

__all__ = ["WIDE", "sketched_expert", "sketched_moments"]

# Streams no wider than this are looked at whole.
WIDE: Final = 256

DIRECTIONS: Final = 64

# Of a head's directions, those with less than this share of the strongest one's square are none.
NEGLIGIBLE: Final = 1e-12


class Seen(NamedTuple):
    """What a second moment makes of directions, (width, directions), and its trace."""

    made: Array
    trace: float

    def __add__(self, other: object) -> Seen:  # of two parts that count as one
        assert isinstance(other, Seen)
        return Seen(self.made + other.made, self.trace + other.trace)


def sketched_moments(layer: Layer, bases: Sequence[Array | None], width: int) -> list[Moments]:
    """What a layer's heads and units read and write, in each basis.

    Parameters
    ----------
    layer : Layer
    bases : sequence of (own width, width) arrays or None
    width : int
        Of the stream that they lead to.
    """
    shown = Directions(layer.query.shape[-1], bases, width)
    parts = (
        spans(layer.query, shown.all) + spans(layer.key, shown.all),
        spans(layer.value, shown.all),
        spans(layer.output, shown.all),
        gram(readers(layer.experts), shown.all),
        gram((expert.down for expert in layer.experts), shown.all),
    )
    return shown.moments(parts)


def sketched_expert(expert: FeedForward, basis: Array | None, width: int) -> Moments:
    """What the units of an expert read and write, in a basis."""
    shown = Directions(expert.shape[1], [basis], width)
    return shown.moments((gram([expert.up], shown.all), gram([expert.down], shown.all)))[0]


class Directions:
    """The same random directions of one stream, carried by each basis into that of a model.

    Attributes
    ----------
    all : ndarray, (own width, directions)
        Side by side, so that weights are gone through once.
    """

    def __init__(self, own: int, bases: Sequence[Array | None], width: int) -> None:
        self.bases = bases
        drawn = normal(width)
        shown = [drawn if basis is None else basis @ drawn for basis in bases]
        # What a narrower stream cannot hold counts as lost: lengths are those in the model's own.
        self.wider = own > width
        self.all: Array = np.concatenate([*shown, *([normal(own)] if self.wider else [])], axis=1)

    def moments(self, parts: Sequence[Seen]) -> list[Moments]:
        """Second moments with zero trace and of length one, in each basis."""
        return [tuple(self._moment(part, place) for part in parts) for place in range(len(self.bases))]

    def _moment(self, part: Seen, place: int) -> Array:
        rest: Array = part.made - part.trace / len(part.made) * self.all
        here = rest[:, place * DIRECTIONS : (place + 1) * DIRECTIONS]
        length = np.linalg.norm(rest[:, -DIRECTIONS:] if self.wider else here)
        basis = self.bases[place]
        found: Array = (here if basis is None else basis.T @ here) / (length if length > 0.0 else 1.0)
        return found


def normal(width: int) -> Array:
    """Random directions of a stream, (width, `DIRECTIONS`): the same ones for all models."""
    found: Array = np.random.default_rng(width).standard_normal((width, DIRECTIONS)).astype(np.float32)
    return found


def spans(heads: Array, directions: Array) -> Seen:
    """Sum over heads of the projections on the spaces that their rows span."""
    made, rank = np.zeros_like(directions), 0
    for rows in heads:
        double = rows.astype(np.float64)
        squares, turn = np.linalg.eigh(double @ double.T)
        kept = squares > NEGLIGIBLE * max(squares[-1], 0.0)
        rank += int(kept.sum())
        within = turn[:, kept] / np.sqrt(squares[kept])
        span = (within.T @ double).astype(rows.dtype)
        made += span.T @ (span @ directions)
    return Seen(made, float(rank))


def gram(blocks: Iterable[Array], directions: Array) -> Seen:
    """Sum of the outer products of unit rows."""
    made, count = np.zeros_like(directions), 0
    for block in blocks:
        units = unit_rows(block)
        made += units.T @ (units @ directions)
        count += int(units.any(axis=1).sum())
    return Seen(made, float(count))
