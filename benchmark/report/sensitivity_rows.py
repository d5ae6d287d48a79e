"""What one change would do to a metric's numbers, as rows of a table."""

from __future__ import annotations

import math
from typing import Final

from analysis import Influence, Sensitivity
from benchmark.report.notation import UNDEFINED, p_value, plain, unit

__all__ = ["HEAD", "sensitivity_notes", "sensitivity_rows"]

HEAD: Final = ("Quantity", "Change", "Estimate", "Range", "Farthest", "Due to")
NUMBERS: Final = (
    ("Look-alike AUC", "one lineage left out", "lineage_auc"),
    ("Look-alike AUC", "one label flipped", "label_auc"),
    ("Look-alike AUC", "one architecture left out", "architecture_auc"),
    ("Threshold", "one lineage left out", "lineage_threshold"),
    ("Threshold", "one label flipped", "label_threshold"),
    ("Largest log10 LR", "one lineage left out", "lineage_lr_bound"),
    ("Largest log10 LR", "one label flipped", "label_lr_bound"),
    ("Cllr", "one architecture left out", "architecture_cllr"),
)


def sensitivity_rows(found: Sensitivity) -> list[tuple[str, ...]]:
    """One row for each number and change; what is undefined is a dash, with its reason in the last column."""
    return [(name, change, *_cells(name, getattr(found, key))) for name, change, key in NUMBERS]


def _cells(name: str, one: Influence) -> tuple[str, ...]:
    if one.reason:
        return (UNDEFINED, UNDEFINED, UNDEFINED, one.reason)

    def written(value: float) -> str:
        return unit(value) if "AUC" in name else plain(value)

    ends = f"{written(one.low)} to {written(one.high)}"
    return (written(one.estimate), ends, written(one.worst), one.by)


def sensitivity_notes(found: Sensitivity) -> list[str]:
    """What a table of numbers does not hold, a sentence each."""
    told = [
        f"Without {name}, the bounds alone would give: {word}."
        for name, word in found.architecture_verdicts.items()
    ]
    if not told and not found.architecture_auc.reason:
        told.append("The bounds alone give the same verdict without any one architecture.")
    kinds = {
        "within or across": "pairs within one cell or across two",
        "independent": "all independent pairs",
    }
    coarser = [f"{unit(value)} against {kinds[kind]}" for kind, value in found.coarser_auc.items()]
    if coarser:
        told.append(f"With a coarser definition of look-alikes, the AUC is {'; '.join(coarser)}.")
    seed = found.seed
    if not math.isnan(seed.p_value):
        moved = (
            "nothing: the deciding p-value is exact"
            if seed.low == seed.high
            else f"the permutation p, between {p_value(max(seed.low, 1e-9))} and {p_value(seed.high)}"
        )
        told.append(f"Another seed would change {moved}; and the bootstrap intervals, which decide nothing.")
    return told
