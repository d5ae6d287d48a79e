"""Conditions that a proposed metric must meet for a build to pass."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from analysis import ClaimWord, Interval, MetricSummary, Threshold, VerdictWord
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
    held = [
        item.max_fpr
        for item in thresholds
        if item.certified and item.finds_any and item.negatives == negatives
    ]
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
    "look_alike_auc.bound": (lambda result: result.bounds.look_alike_auc.low, ">="),
    "look_alike_auc.worst": (lambda result: result.look_alike_auc_with_abstentions_worst.estimate, ">="),
}
# Words that may be gated → how to read them, and those that may be asked for, the most demanding first: a
# gate holds for the word that it names, and for those before it.
WORDS: Final[Mapping[str, tuple[Callable[[MetricSummary], str], tuple[str, ...]]]] = {
    "verdict": (
        lambda result: result.verdict,
        (VerdictWord.SEPARATES, VerdictWord.WITHIN_LIMITS, VerdictWord.CANNOT_SAY),
    ),
    "claim_verdict": (
        lambda result: result.claim_verdict,
        (ClaimWord.HOLDS, ClaimWord.NONE_STATED, ClaimWord.CANNOT_SAY),
    ),
}


@dataclass(frozen=True)
class GateOutcome:
    """Whether a gate held, with the number or the word that decided."""

    gate: Gate
    value: float | str
    passed: bool

    def __str__(self) -> str:
        return f"gate {self.gate.said}: {_written(self.value)}, {'passed' if self.passed else 'FAILED'}"


@dataclass(frozen=True)
class Gate:
    """One condition: a quantity of the results, and its goal.

    Attributes
    ----------
    quantity : str
        One of the names in `QUANTITIES`; ``.low`` and ``.high`` gate the end of the interval. Or one of those
        in `WORDS`.
    goal : float or str
    """

    quantity: str
    goal: float | str

    @property
    def sense(self) -> Sense:
        """``>=`` or ``<=``; words are at least as good as the goal."""
        return QUANTITIES[self.quantity][1] if self.quantity in QUANTITIES else ">="

    @property
    def said(self) -> str:
        """The condition in a few words."""
        if isinstance(self.goal, str):
            return f"{self.quantity} {self.goal} or better"
        return f"{self.quantity} {self.sense} {self.goal:g}"

    @property
    def stated(self) -> str:
        """As it is written on the command line."""
        goal = self.goal if isinstance(self.goal, str) else f"{self.goal:g}"
        return f"{self.quantity}={goal}"

    def judge(self, result: MetricSummary) -> GateOutcome:
        """Apply the gate to one metric's results; what is undefined has not passed."""
        if isinstance(self.goal, str):
            read, order = WORDS[self.quantity]
            word = str(read(result))
            return GateOutcome(self, word, word in order[: order.index(self.goal) + 1])
        value = QUANTITIES[self.quantity][0](result)
        passed = value >= self.goal if self.sense == ">=" else value <= self.goal
        return GateOutcome(self, value, passed)


def _written(value: float | str) -> str:
    if isinstance(value, str):
        return value
    return "undefined" if math.isnan(value) else f"{value:.4g}"


def parse_gate(text: str) -> Gate:
    """Read ``look_alike_auc=0.95`` or ``verdict=separates``.

    Raises
    ------
    UsageError
        Not of that form, or a quantity that cannot be gated.
    """
    match = re.fullmatch(r"\s*([a-z_@.]+)\s*=\s*(\S(?:.*\S)?)\s*", text)
    if match is None:
        raise UsageError(f"--gate {text!r}: write it as look_alike_auc=0.95")
    quantity, goal = match.groups()
    if quantity in WORDS:
        words = WORDS[quantity][1]
        if goal not in words:
            raise UsageError(f"--gate {text!r}: {goal} is not one of {', '.join(words)}")
        return Gate(quantity, goal)
    if quantity not in QUANTITIES:
        known = ", ".join([*QUANTITIES, *WORDS])
        raise UsageError(f"--gate {text!r}: {quantity} cannot be gated; known: {known}")
    if re.fullmatch(r"[-+0-9.eE]+", goal) is None:
        raise UsageError(f"--gate {text!r}: {goal} is not a number")
    try:
        return Gate(quantity, float(goal))
    except ValueError as error:
        raise UsageError(f"--gate {text!r}: {goal} is not a number") from error


def parse_gates(texts: Sequence[str]) -> tuple[Gate, ...]:
    """Read several gates."""
    return tuple(parse_gate(text) for text in texts)
