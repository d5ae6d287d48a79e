"""Numbers as a reader of the report meets them: short, and never shorter than what they say."""

from __future__ import annotations

import math
from typing import Final

from analysis.evidence.evidence_summary import EvidenceSummary
from analysis.inference.permutation import PermutationTest
from analysis.results import Interval

__all__ = [
    "MINUS",
    "UNDEFINED",
    "alternative",
    "count",
    "ends",
    "goal",
    "interval",
    "note",
    "p_value",
    "percent",
    "percent_ends",
    "percent_interval",
    "permutation_note",
    "plain",
    "seconds",
    "signed",
    "unit",
]

UNDEFINED: Final = "—"
FINEST: Final = 6  # decimals; nearer to 0 or 1 than that is written as 0 or 1
MINUS: Final = "\N{MINUS SIGN}"
ALTERNATIVES: Final = {
    "look-alike": "look-alikes",
    "independent": "independent models of any shapes",
    "sibling": "siblings",
    "shared-init": "models of one initialisation",
    "distilled": "distilled models",
}


def alternative(evidence: EvidenceSummary) -> str:
    """Name the models that evidence tells descendants from."""
    return ALTERNATIVES[evidence.negatives]


def unit(value: float, decimals: int = 3, finest: int = FINEST) -> str:
    """Write a number of [0, 1], never rounding into 0 or 1 what is neither.

    >>> unit(0.98765), unit(1.0), unit(0.99996), unit(0.0)
    ('0.988', '1.000', '0.99996', '0.000')
    """
    if math.isnan(value):
        return UNDEFINED
    if not 0 <= value <= 1:
        return plain(value, decimals)
    text = f"{value:.{decimals}f}"
    for finer in range(decimals + 1, finest + 1):
        if float(text) not in (0.0, 1.0) or float(text) == value:
            break
        text = f"{value:.{finer}f}"
    if float(text) in (0.0, 1.0):
        text = f"{value:.{decimals}f}"
    return text


def ends(value: Interval, decimals: int = 3) -> str:
    """Write the two ends of an interval: with two decimals where two tell them apart."""
    if math.isnan(value.low) or math.isnan(value.high):
        return ""
    shown = 2 if value.high - value.low >= 0.03 else decimals
    return f"[{unit(value.low, shown, finest=4)}, {unit(value.high, shown, finest=4)}]"


def interval(value: Interval, decimals: int = 3) -> str:
    """Write an AUC with its interval, e.g. ``0.987 [0.93, 1.00]``."""
    if not value.defined:
        return UNDEFINED
    return f"{unit(value.estimate, decimals)} {ends(value, decimals)}".rstrip()


def note(value: Interval) -> str:
    """What an interval is and what it rests on, or why there is none, in one line for a tooltip."""
    if not value.defined:
        return value.reason
    level = "" if math.isnan(value.level) else f"{value.level:.0%} interval"
    pairs = f"{value.n_pairs:,} pairs" if value.n_pairs else ""
    lineages = f" of {value.n_lineages} lineages" if pairs and value.n_lineages else ""
    unseen = ""
    if not math.isnan(value.unseen):
        unseen = f"{unit(value.unseen)} if there is a kind of lineage not yet seen on which it fails"
    told = (level, value.method, pairs + lineages, unseen, *value.warnings)
    return "; ".join(part for part in told if part)


def permutation_note(test: PermutationTest) -> str:
    """What a permutation test's p rests on, or why there is none."""
    if test.reason:
        return test.reason
    walked = f"all {test.n_arrangements:,} arrangements"
    if not test.exact:
        walked = f"{test.n_resamples:,} permutations drawn of at least {test.n_arrangements:.3g} arrangements"
    parts = (
        f"models permuted within architecture cells, {walked}: {p_value(test.exchangeable_p_value)}",
        f"excess over levels, t over {test.n_lineages:,} lineages: {p_value(test.lineage_p_value)}",
    )
    return f"the larger of two p-values ({'; '.join(parts)}). Null hypothesis: {test.null}"


def percent(value: float) -> str:
    """Write a share as a percentage: one decimal below 10 and above 90%, none between; exact 0 and 100 bare.

    >>> percent(0.0432), percent(0.5), percent(0.0), percent(0.9996)
    ('4.3%', '50%', '0%', '99.96%')
    """
    if math.isnan(value):
        return UNDEFINED
    if value in (0.0, 1.0):
        return f"{value:.0%}"
    decimals = 0 if 0.0995 <= value <= 0.9 else 1
    text = f"{value * 100:.{decimals}f}"
    while float(text) in (0.0, 100.0) and decimals < 4:
        decimals += 1
        text = f"{value * 100:.{decimals}f}"
    return f"{text}%"


def goal(value: float) -> str:
    """Write a nominal share (a level, an allowed rate) as a percentage, as round as it was chosen."""
    return UNDEFINED if math.isnan(value) else f"{value * 100:.6g}%"


def signed(value: float) -> str:
    """Write a difference of two AUCs with its sign and three decimals."""
    if math.isnan(value):
        return UNDEFINED
    text = f"{abs(value):.3f}"
    return text if text == "0.000" else f"{MINUS if value < 0 else '+'}{text}"


def percent_ends(value: Interval) -> str:
    """Write the two ends of a rate's interval in percent, whole where whole numbers tell them apart."""
    if math.isnan(value.low) or math.isnan(value.high):
        return ""
    if value.high - value.low >= 0.05:
        return f"[{value.low * 100:.0f}, {value.high * 100:.0f}]"
    return f"[{percent(value.low)[:-1]}, {percent(value.high)[:-1]}]"


def percent_interval(value: Interval) -> str:
    """Write a rate with its interval, e.g. ``41% [22, 63]``."""
    if not value.defined:
        return UNDEFINED
    return f"{percent(value.estimate)} {percent_ends(value)}".rstrip()


def p_value(value: float) -> str:
    """Write a p-value with two significant digits, never as 0 and never as "< 0.05"."""
    if math.isnan(value):
        return UNDEFINED
    if value >= 0.1:
        return unit(value, 2)
    return f"{value:.2g}" if value >= 1e-4 else f"{value:.1e}"


def plain(value: float, decimals: int = 3) -> str:
    """Write a score on any scale: about `decimals` + 1 significant digits, a true minus, ∞ for infinities."""
    if math.isnan(value):
        return UNDEFINED
    if math.isinf(value):
        return "∞" if value > 0 else f"{MINUS}∞"
    size = abs(value)
    if size and (size >= 1e5 or size < 1e-4):
        text = f"{size:.{decimals - 1}e}"
    elif size >= 1000:
        text = f"{size:,.0f}"
    elif size >= 10:
        text = f"{size:.{max(decimals - 2, 0)}f}"
    else:
        text = f"{size:.{decimals}f}"
        text = text if float(text) or not size else f"{size:.2g}"
    return f"{MINUS}{text}" if value < 0 and text.strip(".0") else text


def count(value: int, one: str, many: str = "") -> str:
    """Write a number of things, e.g. ``1 pair``, ``3,300 pairs``."""
    return f"{value:,} {one if value == 1 else many or one + 's'}"


def seconds(value: float) -> str:
    """Write a duration, e.g. ``0.4 s``, ``48 s``, ``3 min 20 s``."""
    if math.isnan(value):
        return UNDEFINED
    if value < 10:
        return f"{value:.1f} s"
    whole = round(value)
    return f"{whole} s" if whole < 120 else f"{whole // 60} min {whole % 60} s"
