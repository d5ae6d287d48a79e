"""Two small drawings for a row of a case: where its score falls, and what that weighs with its interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from markupsafe import Markup, escape

from benchmark.comparison.evidence_weight import EvidenceWeight
from benchmark.comparison.reference_pairs import Place
from benchmark.comparison.text_layout import signed
from benchmark.comparison.verbal_scale import BANDS, DERIVATION, INDEPENDENCE, NEITHER
from benchmark.report.notation import plain

__all__ = ["place_strip", "weight_axis", "weight_strip"]

WIDTH, HEIGHT, EDGE = 220, 26, 8
MOST: Final = 80
"""Ticks of one kind; more are thinned to quantiles."""


def _svg(parts: Sequence[str], says: str, height: int = HEIGHT) -> Markup:
    return Markup(
        f'<svg class="strip" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(says)}">'
        f"<title>{escape(says)}</title>{''.join(parts)}</svg>"
    )


def place_strip(place: Place, score: float) -> Markup:
    """Draw look-alikes (above) and children (below) of the same shapes as ticks, the case as a line."""
    alike, derived = place.look_alikes, place.derived
    seen = np.array([*alike.scores, *derived.scores, score])
    seen = seen[np.isfinite(seen)]
    if len(seen) < 2 or np.ptp(seen) == 0:
        return Markup("")
    low, high = float(seen.min()), float(seen.max())

    def at(value: float) -> str:
        share = 1.0 if math.isinf(value) and value > 0 else (value - low) / (high - low)
        return f"{EDGE + (WIDTH - 2 * EDGE) * min(max(share, 0.0), 1.0):.1f}"

    parts = []
    for pairs, kind, top in ((alike, "alike", 2), (derived, "child", 14)):
        parts += [
            f'<line class="{kind}" x1="{at(value)}" x2="{at(value)}" y1="{top}" y2="{top + 10}"/>'
            for value in _thinned(pairs.scores)
        ]
    parts.append(f'<line class="here" x1="{at(score)}" x2="{at(score)}" y1="0" y2="{HEIGHT}"/>')
    says = (
        f"score {plain(score)}; {alike.n_at_or_above} of {alike.n_pairs} look-alikes and"
        f" {derived.n_at_or_above} of {derived.n_pairs} derived pairs score at least as high;"
        f" axis from {plain(low)} to {plain(high)}"
    )
    return _svg(parts, says)


def _thinned(scores: Sequence[float]) -> Sequence[float]:
    if len(scores) <= MOST:
        return scores
    found: list[float] = np.quantile(scores, np.linspace(0, 1, MOST), method="nearest").tolist()
    return found


def _where(value: float, reach: float) -> float:
    return EDGE + (WIDTH - 2 * EDGE) * (min(max(value, -reach), reach) + reach) / (2 * reach)


def weight_strip(name: str, weight: EvidenceWeight, supports: str | None, reach: float) -> Markup:
    """Draw a log10 LR (dot), its interval (bar) and its bounds (thin line) on one axis around 0.

    Parameters
    ----------
    name : str
        Whose weight it is.
    weight : EvidenceWeight
    supports : str or None
        The proposition whose colour it has; none where it supports neither.
    reach : float
        Both ends of the axis.
    """
    (low, high), (least, most) = weight.ends, weight.bounds
    says = (
        f"{name}: log10 LR {signed(weight.log10_lr)}, {signed(low)} to {signed(high)}; {supports or NEITHER}"
    )
    middle = HEIGHT / 2
    x = {name: f"{_where(value, reach):.1f}" for name, value in {
        "zero": 0.0, "at": weight.log10_lr, "low": low, "high": high, "least": least, "most": most,
    }.items()}  # fmt: skip
    side = {DERIVATION: "child", INDEPENDENCE: "alike"}.get(supports or "", "neither")
    parts = [
        f'<line class="zero" x1="{x["zero"]}" x2="{x["zero"]}" y1="2" y2="{HEIGHT - 2}"/>',
        f'<line class="bound" x1="{x["least"]}" x2="{x["most"]}" y1="{middle}" y2="{middle}"/>',
        *(
            f'<line class="bound" x1="{x[end]}" x2="{x[end]}" y1="{middle - 4}" y2="{middle + 4}"/>'
            for end in ("least", "most")
        ),
        f'<line class="span {side}" x1="{x["low"]}" x2="{x["high"]}" y1="{middle}" y2="{middle}"/>',
        f'<circle class="{side}" cx="{x["at"]}" cy="{middle}" r="4.5"/>',
    ]
    return _svg(parts, says)


def weight_axis(reach: float) -> Markup:
    """Draw the axis of `weight_strip`: powers of ten, and where the bands of the verbal scale end."""
    parts = []
    for end, _ in BANDS:
        if end < reach:
            places = [f"{_where(sign * end, reach):.1f}" for sign in (-1, 1)]
            parts += [f'<line class="zero" x1="{x}" x2="{x}" y1="0" y2="5"/>' for x in places]
    step = 1 if reach > 1 else 0.5
    for k in range(-int(reach / step), int(reach / step) + 1):
        value = k * step
        text = f"{value:+g}".replace("-", "\N{MINUS SIGN}") if value else "0"
        parts.append(f'<text x="{_where(value, reach):.1f}" y="17" text-anchor="middle">{text}</text>')
    return _svg(parts, "axis of log10 LR; short lines: ends of the bands of the verbal scale", 20)
