"""The page: one file of HTML that shows a run, with nothing fetched and nothing built."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import jinja2
import pandas as pd
from markupsafe import Markup

from benchmark.report import cross, dots, notation, record, story, strips
from benchmark.report.axes import tick_label
from benchmark.report.charts import Panel, panel
from benchmark.report.decay_panel import decay_panel
from benchmark.report.entries import anchors, metric_views
from benchmark.report.forgery_panel import KINDS, attack
from benchmark.report.headline import facts
from benchmark.report.packing import pair_data
from benchmark.report.panels import drawings
from benchmark.report.power_panel import certificate_panel, difference_panel
from benchmark.report.shape import shape_or_descent
from benchmark.report.view import MetricView
from benchmark.report.wording import GLOSSARY, GROUPS, METHOD_NOTES, QUESTION

__all__ = ["page"]

DOTS: Final = 65_000  # of all score plots together, if there were no metric: 20 bytes of page each
ROOM: Final = 1_200  # dots that a metric's tables and curves take the room of
SCRIPTS: Final = ("page.js", "tables.js", "plots.js")


@dataclass(frozen=True)
class Column:
    """A column of the table of metrics."""

    title: str
    sort: str = "number"
    first: str = "down"


COLUMNS: Final = (
    Column("Metric", sort="text", first="up"),
    Column("Verdict", first="up"),
    Column("Look-alike AUC"),
    Column("AUC, all independents"),
    Column("Gap"),
    Column("p, adjusted", first="up"),
    Column("Claimed threshold", first="up"),
    Column("Calibrated threshold"),
    Column("Abstained"),
)


def page(
    run: Mapping[str, Any],
    results: Mapping[str, Any],
    scores: pd.DataFrame,
    views: Sequence[MetricView] | None = None,
) -> str:
    """Write the report as one self-contained HTML page.

    Parameters
    ----------
    run, results : mapping
        Contents of run.json and results.json; what is absent is left out with a stated reason.
    scores : pandas.DataFrame
        The score table of all metrics.
    views : sequence of MetricView, optional
        What `metric_views` makes of the three, where it is there already.

    Returns
    -------
    str
        The same text for the same input.
    """
    if views is None:
        views = metric_views(run, results, scores, most=dots_each(results))
    ids = {view.name: view.anchor for view in views}
    power = story.power(results, run)
    crossed = [cross.survival(views), cross.shared_properties(views)]
    farthest = max((row.share for view in views for row in view.decay), default=0.0)
    faded = [(view, decay_panel(view, farthest)) for view in views]
    context = {
        "title": f"lookalike: {QUESTION}",
        "question": QUESTION,
        "lead": story.lead(run, results, scores),
        "alarms": story.alarms(run),
        "facts": facts(views, power),
        "views": views,
        "groups": [(group, [view for view in views if view.group is group]) for group in GROUPS],
        "level_note": story.level_note(views),
        "certify": story.certify(power, views),
        "ruler": strips.ruler(power.n_lineages, power.lowest, power.goals) if power else "",
        "power_panels": _power_panels(power),
        "cells": story.cells(results),
        "comparisons": story.comparisons(results),
        "columns": COLUMNS,
        "axis_low": 0.5 if all(_above_half(view) for view in views) else 0.0,
        "width": dots.WIDTH,
        "nan": math.nan,
        "map": shape_or_descent(views),
        "crossed": {table.anchor: table for table in crossed},
        "fooled": cross.most_fooled(views),
        "stated_shared": any(view.shared for view in views),
        "decays": [
            (view, drawn, panel(drawn, f"{view.anchor}-decay-title", small=True))
            for view, drawn in faded
            if drawn
        ],
        "attacks": [
            (view, [attack(view, kind) for kind in KINDS])
            for view in sorted(views, key=lambda view: not view.forgeable)
            if view.forgeries
        ],
        "kinds": KINDS,
        "disputes": _with_anchors(record.disputes(run), ids),
        "making": record.making(run),
        "failures": record.failures(run),
        "models": record.models(run),
        "glossary": GLOSSARY,
        "notes": METHOD_NOTES,
        "data": _script_json({**pair_data(views), "cross": {table.anchor: table.data for table in crossed}}),
        "css": Markup(_source("page.css")),
        "script": Markup("\n".join(_source(name) for name in SCRIPTS)),
    }
    return _environment().get_template("page.html.j2").render(context)


def dots_each(results: Mapping[str, Any]) -> int:
    """Dots of one score plot: every pair of a small run, a sample of a large one, so that it stays a page."""
    n = max(len(results.get("metrics") or ()), 1)
    return max(DOTS - ROOM * n, 0) // n


def _power_panels(power: story.Power | None) -> list[tuple[Panel, Markup]]:
    if power is None:
        return []
    drawn = (certificate_panel(power), difference_panel(power))
    return [(one, panel(one, f"power-{index}")) for index, one in enumerate(drawn, 1)]


def _above_half(view: MetricView) -> bool:
    ends = (view.look_alike_auc.low, view.look_alike_auc.estimate, view.auc.estimate)
    return all(math.isnan(end) or end >= 0.48 for end in ends)


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("benchmark.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        unit=notation.unit,
        percent=notation.percent,
        goal=notation.goal,
        signed=notation.signed,
        p_value=notation.p_value,
        plain=notation.plain,
        tick=tick_label,
        ends=notation.ends,
        percent_ends=notation.percent_ends,
        key=_key,
        dumbbell=lambda view, low: strips.dumbbell(view.look_alike_auc, view.auc, low),
        panels=drawings,
        lift=lambda row: strips.lift(row.effect),
    )
    return environment


def _source(name: str) -> str:
    loader = _environment().loader
    assert loader is not None
    return loader.get_source(_environment(), name)[0]


def _key(value: float) -> str:
    """A number to sort by; nothing where it is undefined."""
    return "" if math.isnan(value) else repr(value)


def _script_json(value: Any) -> Markup:
    """JSON that cannot end the script element it stands in, whatever a model is called."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def _with_anchors(cases: list[dict[str, Any]], ids: Mapping[str, str]) -> list[dict[str, Any]]:
    """Give cases their ids and their scores links to the metrics."""
    named = anchors([f"{index} {case['title']}" for index, case in enumerate(cases, 1)], "case")
    return [
        {
            **case,
            "anchor": anchor,
            "scored": [{**item, "anchor": ids.get(item["metric"], "")} for item in case["scored"]],
        }
        for case, anchor in zip(cases, named.values(), strict=True)
    ]
