"""A case as one HTML page: the sentence first, then what it rests on; nothing is fetched."""

from __future__ import annotations

import math
import re
from functools import cache
from typing import Any

import jinja2
from markupsafe import Markup

from benchmark.comparison.case import Case
from benchmark.comparison.case_text import sections, signed
from benchmark.comparison.layer_picture import agreement_svg, curves_svg
from benchmark.comparison.metric_evidence import Reading
from benchmark.comparison.score_strips import place_strip, weight_axis, weight_strip
from benchmark.comparison.sentences import quoted
from benchmark.comparison.verbal_scale import SOURCE
from benchmark.report import notation

__all__ = ["case_fragment", "case_page", "environment"]


@cache
def environment() -> jinja2.Environment:
    """The templates of this folder."""
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("benchmark.comparison"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(plain=notation.plain, signed=signed, p_value=notation.p_value)
    return made


def stylesheet() -> Markup:
    """The style sheet of the pages of this folder."""
    loader = environment().loader
    assert loader is not None
    return Markup(loader.get_source(environment(), "case.css")[0])


def case_page(case: Case) -> str:
    """Write the case as one self-contained page, light and dark."""
    return environment().get_template("case.html.j2").render(**_context(case), css=stylesheet())


def case_fragment(case: Case) -> str:
    """Write the case for a notebook: the same page without its frame."""
    return environment().get_template("fragment.html.j2").render(**_context(case), css=stylesheet())


def _context(case: Case) -> dict[str, Any]:
    reach = _reach(case)
    together = quoted(case.lead, case.joint)
    said = dict(sections(case))
    return {
        "title": f"{case.parties[0].label} and {case.parties[1].label}",
        "case": case,
        "words": together.words if together else (case.lead.words if case.lead else ""),
        "joint": case.joint if case.joint is not None and case.joint.value.defined else None,
        "joint_strip": _joint_strip(case, reach),
        "rows": [_row(reading, reach) for reading in case.readings],
        "axis": weight_axis(reach),
        "together": said.pop("All metrics together"),
        "cannot_say": said.pop("What cannot be said"),
        "sections": {title: items for title, items in said.items() if items},
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
    ends = [1.0]
    for reading in case.readings:
        if reading.weight.defined:
            ends += [-reading.weight.lower, reading.weight.upper]
    if case.joint is not None and case.joint.value.defined:
        ends += [-case.joint.combination.lower, case.joint.combination.upper]
    return max(ends) * 1.02


def _joint_strip(case: Case, reach: float) -> Markup:
    if case.joint is None or not case.joint.value.defined:
        return Markup("")
    value, both = case.joint.value, case.joint.combination
    says = f"together: log10 LR {signed(value.estimate)}, {signed(value.low)} to {signed(value.high)}"
    return weight_strip(value.estimate, value.low, value.high, (both.lower, both.upper), reach, says)


def _row(reading: Reading, reach: float) -> dict[str, Any]:
    weight, place = reading.weight, reading.place
    held = weight.interval
    ends = (held.low, held.high) if held is not None else (weight.log10_lr, weight.log10_lr)
    says = f"{reading.metric}: log10 LR {signed(weight.log10_lr)}, {signed(ends[0])} to {signed(ends[1])}"
    return {
        "reading": reading,
        "score": notation.plain(reading.score) if reading.status == "ok" else reading.status,
        "alike": _crowd(place.look_alikes.n_at_or_above, place.look_alikes.n_pairs) if place else "",
        "kin": _crowd(place.derived.n_at_or_above, place.derived.n_pairs) if place else "",
        "place": place_strip(place, reading.score) if place and not math.isnan(reading.score) else "",
        "weight": weight_strip(weight.log10_lr, *ends, (weight.lower, weight.upper), reach, says)
        if weight.defined
        else "",
        "ends": f"{signed(ends[0])} to {signed(ends[1])}" if weight.defined else "",
        "why": reading.reason or ("" if weight.defined else weight.reason),
    }


def _crowd(at_or_above: int, pairs: int) -> str:
    return f"{at_or_above} of {pairs}" if pairs else "none of this shape"
