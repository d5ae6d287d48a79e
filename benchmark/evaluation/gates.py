"""Conditions that a proposed metric must meet for a build to pass."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from analysis import Interval, MetricSummary, Threshold
from benchmark.session.errors import UsageError

__all__ = ["Gate", "GateOutcome", "parse_gate"]

Sense = Literal[">=", "<="]


def _end(interval: Interval | None, end: Literal["estimate", "low", "high"]) -> float:
    return math.nan if interval is None else float(getattr(interval, end))


def _claimed_fpr(result: MetricSummary) -> Interval | None:
    return result.claim.fpr if result.claim else None


def _claimed_tpr(result: MetricSummary) -> Interval | None:
    return result.claim.tpr if result.claim else None


def _claimed_look_alike_fpr(result: MetricSummary) -> Interval | None:
    return result.claim.look_alike_fpr if result.claim else None


def _lowest_certified(thresholds: Iterable[Threshold], negatives: str) -> float:
    held = [item.max_fpr for item in thresholds if item.certified and item.negatives == negatives]
    return min(held, default=math.nan)


# What may be gated → how to read it from a metric's results, and whether the goal is a least or a most.
QUANTITIES: Final[Mapping[str, tuple[Callable[[MetricSummary], float], Sense]]] = {
    "auc": (lambda result: result.auc.estimate, ">="),
    "auc.low": (lambda result: result.auc.low, ">="),
    "look_alike_auc": (lambda result: result.look_alike_auc.estimate, ">="),
    "look_alike_auc.low": (lambda result: result.look_alike_auc.low, ">="),
    "partial_auc": (lambda result: result.partial_auc.estimate, ">="),
    "p_value": (lambda result: result.permutation.p_value, "<="),
    "adjusted_p_value": (lambda result: result.permutation.adjusted_p_value, "<="),
    "look_alike_fpr@claim": (lambda result: _end(_claimed_look_alike_fpr(result), "estimate"), "<="),
    "look_alike_fpr@claim.high": (lambda result: _end(_claimed_look_alike_fpr(result), "high"), "<="),
    "certified_fpr": (lambda result: _lowest_certified(result.thresholds, "look-alike"), "<="),
    "certified_independent_fpr": (
        lambda result: _lowest_certified(result.independent_thresholds, "independent"),
        "<=",
    ),
    "fpr@claim": (lambda result: _end(_claimed_fpr(result), "estimate"), "<="),
    "fpr@claim.high": (lambda result: _end(_claimed_fpr(result), "high"), "<="),
    "tpr@claim": (lambda result: _end(_claimed_tpr(result), "estimate"), ">="),
    "tpr@claim.low": (lambda result: _end(_claimed_tpr(result), "low"), ">="),
    "cllr": (lambda result: result.evidence.cllr, "<="),
}


@dataclass(frozen=True)
class GateOutcome:
    """Whether a gate held, with the number that decided."""

    gate: Gate
    value: float
    passed: bool

    def __str__(self) -> str:
        seen = "undefined" if math.isnan(self.value) else f"{self.value:.4g}"
        said = "passed" if self.passed else "FAILED"
        return f"gate {self.gate.quantity} {self.gate.sense} {self.gate.goal:g}: {seen}, {said}"


@dataclass(frozen=True)
class Gate:
    """One condition: a quantity of the results, and its goal.

    Attributes
    ----------
    quantity : str
        One of the names in `QUANTITIES`; ``.low`` and ``.high`` gate the end of the interval.
    goal : float
    """

    quantity: str
    goal: float

    @property
    def sense(self) -> Sense:
        """``>=`` or ``<=``."""
        return QUANTITIES[self.quantity][1]

    def judge(self, result: MetricSummary) -> GateOutcome:
        """Apply the gate to one metric's results; what is undefined has not passed."""
        value = QUANTITIES[self.quantity][0](result)
        passed = value >= self.goal if self.sense == ">=" else value <= self.goal
        return GateOutcome(self, value, passed)


def parse_gate(text: str) -> Gate:
    """Read ``look_alike_auc=0.95``.

    Raises
    ------
    UsageError
        Not of that form, or a quantity that cannot be gated.
    """
    match = re.fullmatch(r"\s*([a-z_@.]+)\s*=\s*([-+0-9.eE]+)\s*", text)
    if match is None:
        raise UsageError(f"--gate {text!r}: write it as look_alike_auc=0.95")
    quantity, number = match.groups()
    if quantity not in QUANTITIES:
        raise UsageError(f"--gate {text!r}: {quantity} cannot be gated; known: {', '.join(QUANTITIES)}")
    try:
        return Gate(quantity, float(number))
    except ValueError as error:
        raise UsageError(f"--gate {text!r}: {number} is not a number") from error


def parse_gates(texts: Sequence[str]) -> tuple[Gate, ...]:
    """Read several gates."""
    return tuple(parse_gate(text) for text in texts)
