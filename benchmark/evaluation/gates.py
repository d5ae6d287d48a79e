"""Conditions that a proposed metric must meet for a build to pass."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from benchmark.session.errors import UsageError

__all__ = ["Gate", "GateOutcome", "parse_gate"]

# What may be gated → where it stands in a metric's results, and whether the goal is a least or a most.
QUANTITIES: Final[Mapping[str, tuple[tuple[str, ...], str]]] = {
    "auc": (("auc", "estimate"), ">="),
    "auc.low": (("auc", "low"), ">="),
    "look_alike_auc": (("look_alike_auc", "estimate"), ">="),
    "look_alike_auc.low": (("look_alike_auc", "low"), ">="),
    "partial_auc": (("partial_auc", "estimate"), ">="),
    "p_value": (("permutation", "p_value"), "<="),
    "adjusted_p_value": (("permutation", "adjusted_p_value"), "<="),
    "fpr@claim": (("claim", "fpr", "estimate"), "<="),
    "fpr@claim.high": (("claim", "fpr", "high"), "<="),
    "tpr@claim": (("claim", "tpr", "estimate"), ">="),
    "tpr@claim.low": (("claim", "tpr", "low"), ">="),
    "cllr": (("evidence", "cllr"), "<="),
}


@dataclass(frozen=True)
class GateOutcome:
    """Whether a gate held, with the number that decided."""

    gate: Gate
    value: float | None
    passed: bool

    def __str__(self) -> str:
        seen = "undefined" if self.value is None else f"{self.value:.4g}"
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
    def sense(self) -> str:
        """``>=`` or ``<=``."""
        return QUANTITIES[self.quantity][1]

    def judge(self, result: Mapping[str, Any]) -> GateOutcome:
        """Apply the gate to one metric's object of results.json; what is undefined has not passed."""
        value: Any = result
        for key in QUANTITIES[self.quantity][0]:
            value = value.get(key) if isinstance(value, Mapping) else None
        if not isinstance(value, int | float):
            return GateOutcome(self, None, False)
        passed = value >= self.goal if self.sense == ">=" else value <= self.goal
        return GateOutcome(self, float(value), passed)


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
