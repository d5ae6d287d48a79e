"""Axes of the page's drawings: where a value stands between the two ends, and which values are named."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

__all__ = ["Axis", "coordinate", "tick_label"]

NORMAL: Final = NormalDist()
LONG: Final = 1e12  # numbers from here on are written with an exponent
PROBIT_TICKS: Final = (0.001, 0.01, 0.05, 0.1, 0.2, 0.5, 0.8, 0.9, 0.95, 0.99, 0.999)


@dataclass(frozen=True)
class Axis:
    """One axis.

    Attributes
    ----------
    label : str
    low, high : float
        Values at its two ends.
    kind : str
        "linear", "log" (both ends above 0) or "probit" (both ends within (0, 1)).
    as_percent : bool
        Whether ticks are written as percentages.
    """

    label: str
    low: float = 0.0
    high: float = 1.0
    kind: str = "linear"
    as_percent: bool = False

    def share(self, value: float) -> float:
        """Where a value stands: 0 at the low end, 1 at the high end, never outside."""
        low, high = _bent(self.low, self.kind), _bent(self.high, self.kind)
        return (_bent(min(max(value, self.low), self.high), self.kind) - low) / (high - low)

    @property
    def ticks(self) -> Sequence[float]:
        """Round values between the ends."""
        if self.kind == "probit":
            return [tick for tick in PROBIT_TICKS if self.low <= tick <= self.high]
        if self.kind == "log":
            first, last = math.ceil(math.log10(self.low) - 1e-9), math.floor(math.log10(self.high) + 1e-9)
            return [10.0**power for power in range(first, last + 1)]
        raw = (self.high - self.low) / 5
        power = 10.0 ** math.floor(math.log10(raw))
        step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw * 0.999)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [round(index * step, 9) for index in range(first, last + 1)]

    def written(self, tick: float) -> str:
        """A tick as text."""
        return f"{tick * 100:g}%" if self.as_percent else tick_label(tick)


def _bent(value: float, kind: str) -> float:
    if kind == "log":
        return math.log10(value)
    return NORMAL.inv_cdf(value) if kind == "probit" else value


def tick_label(value: float) -> str:
    """A round value, with a true minus.

    >>> tick_label(-0.5), tick_label(1000.), tick_label(0.0), tick_label(5e306)
    ('−0.5', '1,000', '0', '5e+306')
    """
    text = f"{value:,.0f}" if 1000 <= abs(value) < LONG else f"{value:g}"
    return text.replace("-", "\N{MINUS SIGN}")


def coordinate(value: float) -> str:
    """A coordinate of a drawing, with one decimal at most.

    >>> coordinate(12.04), coordinate(-0.01), coordinate(3.5)
    ('12', '0', '3.5')
    """
    return f"{value + 0.0:.1f}".replace("-0.0", "0").removesuffix(".0")
