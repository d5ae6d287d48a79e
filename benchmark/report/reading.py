"""What stands in a results file, read tolerantly: absent and null become "undefined, because …", never 0."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

__all__ = [
    "ABSENT",
    "Curve",
    "Estimate",
    "curve",
    "estimate",
    "mapping",
    "number",
    "sequence",
    "text",
    "whole",
]

ABSENT: Final = "not in these results"


@dataclass(frozen=True)
class Estimate:
    """A number with its interval, as results.json holds it.

    Attributes
    ----------
    estimate, low, high : float
        NaN where undefined.
    level : float
        Nominal coverage.
    method : str
        Procedure, with what it assumes.
    reason : str
        Why it is undefined; empty when it is defined.
    n_pairs, n_lineages : int or None
        What it rests on, where stated.
    warnings : tuple of str
        What to know before quoting it.
    """

    estimate: float = math.nan
    low: float = math.nan
    high: float = math.nan
    level: float = math.nan
    method: str = ""
    reason: str = ABSENT
    n_pairs: int | None = None
    n_lineages: int | None = None
    warnings: tuple[str, ...] = ()

    @property
    def defined(self) -> bool:
        """Whether the estimate is a number."""
        return not math.isnan(self.estimate)

    @property
    def basis(self) -> str:
        """What the estimate rests on, or why there is none, in a few words."""
        if not self.defined:
            return self.reason
        pairs = f"{self.n_pairs:,} pairs" if self.n_pairs else ""
        return pairs + (f" of {self.n_lineages} lineages" if pairs and self.n_lineages else "")

    @property
    def note(self) -> str:
        """One line for a tooltip: what the interval is, or why there is none."""
        if not self.defined:
            return self.reason
        parts = [f"{self.level:.0%} interval" if not math.isnan(self.level) else "", self.method]
        parts.append(self.basis)
        return "; ".join([part for part in parts if part] + list(self.warnings))


@dataclass(frozen=True)
class Curve:
    """Points of a curve, its band and the score that each point stands for, where given; of one length."""

    x: tuple[float, ...]
    y: tuple[float, ...]
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    at: tuple[float, ...] = ()


def number(value: object) -> float:
    """Read a JSON number; null, text and anything else are NaN, and the spelled infinities are infinities."""
    if isinstance(value, bool) or value is None:
        return math.nan
    if isinstance(value, int | float):
        return float(value)
    return {"inf": math.inf, "-inf": -math.inf}.get(str(value), math.nan)


def whole(value: object) -> int | None:
    """Read a count; None where it is not stated."""
    read = number(value)
    return int(read) if math.isfinite(read) else None


def text(value: object) -> str:
    """Read words; null is no words."""
    return "" if value is None else str(value)


def mapping(value: object) -> Mapping[str, Any]:
    """Read an object; anything else is an empty one."""
    return value if isinstance(value, Mapping) else {}


def sequence(value: object) -> Sequence[Any]:
    """Read a list; anything else is an empty one."""
    return value if isinstance(value, list | tuple) else ()


def estimate(value: object, reason: str = "") -> Estimate:
    """Read an interval object.

    Parameters
    ----------
    value : object
        ``{"estimate", "low", "high", "level", "method", …}``, a bare number, or null.
    reason : str
        Why it is undefined, where the object itself does not say so.
    """
    if not isinstance(value, Mapping):
        point = number(value)
        return Estimate(estimate=point, reason="" if not math.isnan(point) else reason or ABSENT)
    point = number(value.get("estimate"))
    undefined = text(value.get("reason")) or reason or "no reason was recorded"
    return Estimate(
        estimate=point,
        low=number(value.get("low")),
        high=number(value.get("high")),
        level=number(value.get("level")),
        method=text(value.get("method")),
        reason="" if not math.isnan(point) else undefined,
        n_pairs=whole(value.get("n_pairs")),
        n_lineages=whole(value.get("n_lineages")),
        warnings=tuple(text(item) for item in sequence(value.get("warnings"))),
    )


def curve(value: object, x: str, y: str) -> Curve | None:
    """Read a curve with the named axes; None where it is absent, empty or its arrays differ in length."""
    stored = mapping(value)
    xs, ys = ([number(item) for item in sequence(stored.get(name))] for name in (x, y))
    if len(xs) < 2 or len(xs) != len(ys):
        return None
    low, high, at = (
        [number(item) for item in sequence(stored.get(name))] for name in ("low", "high", "threshold")
    )
    keep = [index for index in range(len(xs)) if math.isfinite(xs[index]) and math.isfinite(ys[index])]
    if len(keep) < 2:
        return None
    band = len(low) == len(high) == len(xs) and all(math.isfinite(low[i] + high[i]) for i in keep)
    return Curve(
        tuple(xs[i] for i in keep),
        tuple(ys[i] for i in keep),
        tuple(low[i] for i in keep) if band else (),
        tuple(high[i] for i in keep) if band else (),
        tuple(at[i] for i in keep) if len(at) == len(xs) else (),
    )
