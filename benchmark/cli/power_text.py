"""What a catalog of a size can certify, in numbers and in words."""

from __future__ import annotations

from typing import Any

import analysis

__all__ = ["power_answer", "power_text"]

USUAL = (0.05, 0.01, 0.001)


def power_answer(n_lineages: int, max_fpr: float | None, confidence: float) -> dict[str, Any]:
    """What `n_lineages` certify, and what a goal needs.

    Parameters
    ----------
    n_lineages : int
    max_fpr : float or None
        The goal in (0, 1); None for the usual three.
    confidence : float
        Of the certificate, in (0, 1).
    """
    goals = USUAL if max_fpr is None else (max_fpr,)
    return {
        "n_lineages": n_lineages,
        "confidence": confidence,
        "certifiable_fpr": analysis.as_json(analysis.certifiable_fpr(n_lineages, confidence)),
        "goals": [
            {"max_fpr": goal, "lineages_needed": analysis.lineages_needed(goal, confidence)} for goal in goals
        ],
    }


def power_text(answer: dict[str, Any]) -> str:
    """The same in words."""
    best = answer["certifiable_fpr"]
    lines = [
        f"{answer['n_lineages']} lineages give {answer['n_lineages'] // 2} independent negatives: with no"
        f" false positive among them, at {answer['confidence']:.0%} confidence,",
        f"  the lowest false-positive rate that can be certified is {best:.3g}"
        if best is not None
        else "  no false-positive rate can be certified",
        "A certificate needs",
    ]
    lines += [
        f"  for {goal['max_fpr']:.3g}: {goal['lineages_needed']:,} lineages" for goal in answer["goals"]
    ]
    return "\n".join(lines)
