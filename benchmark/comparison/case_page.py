"""A case as one HTML page: the sentence first, then what it rests on; nothing is fetched."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from markupsafe import Markup

from benchmark.comparison.case_text import NOBODY, notes_of
from benchmark.comparison.html import render
from benchmark.comparison.layer_picture import agreement_svg, curves_svg
from benchmark.comparison.metric_evidence import MetricEvidence
from benchmark.comparison.odds_text import COST_HEAD, ODDS_HEAD, cost_rows, odds_rows
from benchmark.comparison.reference_pairs import ReferencePairs
from benchmark.comparison.score_strips import place_strip, weight_axis, weight_strip
from benchmark.comparison.text_layout import signed
from benchmark.comparison.verbal_scale import SOURCE

if TYPE_CHECKING:
    from benchmark.comparison.case import Case

__all__ = ["case_fragment", "case_page"]


def case_page(case: Case) -> str:
    """Write the case as one self-contained page, light and dark."""
    return render("case.html.j2", _context(case))


def case_fragment(case: Case) -> str:
    """Write the case for a notebook: the same page without its frame."""
    return render("fragment.html.j2", _context(case))


@dataclass(frozen=True)
class Row:
    """A metric's row of the page, ready to be set."""

    evidence: MetricEvidence
    score: str
    alike: str
    children: str
    place: Markup
    weight: Markup
    ends: str
    why: str


def _context(case: Case) -> dict[str, object]:
    reach = _reach(case)
    joint = case.joint if case.joint is not None and case.joint.weight.defined else None
    notes = notes_of(case)
    rest = replace(notes, together=[], alternatives=[], cannot_say=[])
    return {
        "title": f"{case.models[0].label} and {case.models[1].label}",
        "case": case,
        "calibration": case.calibration.told(NOBODY) if case.calibration else "",
        "words": case.answer,
        "joint": joint,
        "joint_strip": Markup("")
        if joint is None
        else weight_strip("together", joint.weight, joint.supports, reach),
        "rows": [_row(one, reach) for one in case.metrics],
        "axis": weight_axis(reach),
        "together": notes.together,
        "alternatives": notes.alternatives,
        "odds": []
        if case.odds is None
        else [(ODDS_HEAD, odds_rows(case.odds)), (COST_HEAD, cost_rows(case.odds))],
        "cannot_say": notes.cannot_say,
        "sections": rest.titled(),
        "agreement": Markup(_inline(agreement_svg(case.layers), "agreement")),
        "curves": Markup(_inline(curves_svg(case.layers), "curves")),
        "scale": SOURCE,
    }


def _inline(svg: str, name: str) -> str:
    """SVG without what only a file of its own needs, its ids its own."""
    drawn = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :] if svg else "", flags=re.S)
    return re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", drawn)


def _reach(case: Case) -> float:
    """End of the axis of weights: the widest bound, at least 1."""
    weights = [one.weight for one in case.metrics]
    if case.joint is not None:
        weights.append(case.joint.weight)
    ends = [1.0]
    for weight in weights:
        if weight.defined:
            ends += [-weight.lower, weight.upper]
    return max(ends) * 1.02


def _row(one: MetricEvidence, reach: float) -> Row:
    weight, place = one.weight, one.place
    low, high = weight.ends
    return Row(
        evidence=one,
        score=one.told_score,
        alike=_share(place.look_alikes) if place else "",
        children=_share(place.derived) if place else "",
        place=place_strip(place, one.score) if place and not math.isnan(one.score) else Markup(""),
        weight=weight_strip(one.metric, weight, one.supports, reach) if weight.defined else Markup(""),
        ends=f"{signed(low)} to {signed(high)}" if weight.defined else "",
        why=one.withheld or one.reason or ("" if weight.defined else weight.reason),
    )


def _share(pairs: ReferencePairs) -> str:
    return f"{pairs.n_at_or_above:,} of {pairs.n_pairs:,}" if pairs.n_pairs else "none of this shape"
