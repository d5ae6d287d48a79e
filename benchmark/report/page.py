"""The page: one file of HTML that shows a run, with nothing fetched and nothing built."""

from __future__ import annotations

import json
import math
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from typing import Final

import jinja2
import pandas as pd
from markupsafe import Markup

from analysis import Comparison
from analysis.results import JSON
from analysis.summary import CatalogSummary, CellSummary
from analysis.verdict_words import FAIR, GOOD
from benchmark.catalog.publications import QUANTITIES
from benchmark.report import answer, cross_tables, dots, notation
from benchmark.report.against_text import RULE
from benchmark.report.drawings import strips
from benchmark.report.drawings.axes import tick_label
from benchmark.report.drawings.charts import Panel, panel
from benchmark.report.drawings.decay_panel import decay_panel
from benchmark.report.drawings.metric_panels import drawings
from benchmark.report.drawings.power_panels import certificate_panel, difference_panel
from benchmark.report.drawings.runs_panel import runs_panel
from benchmark.report.drawings.shape_map import shape_or_descent
from benchmark.report.family_counts import family_counts
from benchmark.report.forgery_tallies import KINDS, attack
from benchmark.report.glossary import GLOSSARY, anchor
from benchmark.report.headline import goals, headline, lineages_that_count, standfirst
from benchmark.report.packing import pair_data
from benchmark.report.run_facts import INTERVALS, making, methods
from benchmark.report.sections import MetricSection, anchors, certificate, metric_sections
from benchmark.report.sensitivity_rows import HEAD, sensitivity_notes, sensitivity_rows
from benchmark.report.term_links import linked_terms
from benchmark.report.training_runs import run_rows
from benchmark.report.verdict_groups import GROUPS, QUESTION
from benchmark.results.decision import MAX_FPR
from benchmark.results.schema import DisputeRecord, Results, RunRecord
from benchmark.results.zoo_against_real import ZooAgainstReal
from benchmark.session.untrusted_text import shown_on_page

__all__ = ["dots_each", "page"]

DOTS: Final = 65_000  # of all score plots together, if there were no metric: 20 bytes of page each
ROOM: Final = 1_200  # dots that a metric's tables and curves take the room of
SCRIPTS: Final = ("page.js", "tables.js", "plots.js", "pairs.js")
THEME: Final = "theme.js"  # runs before anything is drawn


@dataclass(frozen=True)
class Column:
    """A column of the table of metrics, with the term of the glossary that explains it."""

    title: str
    term: str
    sort: str = "number"
    first: str = "down"


COLUMNS: Final = (
    Column("Metric", "metric", sort="text", first="up"),
    Column("Separates?", "verdict", first="up"),
    Column("Look-alike AUC", "look-alike AUC"),
    Column("AUC, all independent pairs; gap", "AUC"),
    Column("p, adjusted", "adjusted p", first="up"),
    Column("Claim holds?", "verdict on the claim", sort="text", first="up"),
    Column("Calibrated threshold", "calibrated threshold"),
    Column("Abstained", "abstention"),
)


def page(
    record: RunRecord,
    results: Results,
    scores: pd.DataFrame,
    sections: Sequence[MetricSection] | None = None,
    against: ZooAgainstReal | None = None,
) -> str:
    """Write the report as one self-contained HTML page.

    Parameters
    ----------
    record : RunRecord
    results : Results
    scores : pandas.DataFrame
        The score table of all metrics.
    sections : sequence of MetricSection, optional
        What `metric_sections` makes of the three, where it is there already.
    against : ZooAgainstReal, optional
        The zoo beside real tables, where the run was set against some.

    Returns
    -------
    str
        The same text for the same input.
    """
    if sections is None:
        sections = metric_sections(record, results, scores, most=dots_each(results))
    ordered = [section.result for section in sections]
    survival, shared = cross_tables.survival(ordered), cross_tables.shared_properties(ordered)
    families = cross_tables.by_family(ordered)
    farthest = max((point.share for section in sections for point in section.decay), default=0.0)
    faded = [(section, decay_panel(section, farthest)) for section in sections]
    along = [(section, drawn) for section in sections if (drawn := runs_panel(section))]
    catalog = results.catalog
    context: dict[str, object] = {
        "title": f"lookalike: {QUESTION}",
        "lead": answer.lead(record, results, scores),
        "alarms": answer.alarms(record),
        "headline": headline(sections),
        "certified_at": max((one.calibrated.max_fpr for one in sections if one.calibrated), default=math.nan),
        "standfirst": standfirst(sections, catalog),
        "forest_axis": strips.forest_axis(
            interval
            for section in sections
            for interval in (section.result.look_alike_auc, section.result.bounds.look_alike_auc)
        ),
        "sections": sections,
        "metric_anchors": {section.name: section.anchor for section in sections},
        "groups": [(group, [one for one in sections if one.group is group]) for group in GROUPS],
        "level_note": answer.level_note(sections),
        "certify": answer.certify(catalog, sections),
        "ruler": strips.ruler(lineages_that_count(catalog), catalog.certifiable_fpr, goals(catalog)),
        "power_panels": _power_panels(catalog),
        "cells": _cells(catalog),
        "comparisons": _surest_first(results.comparisons),
        "comparison_methods": dict(methods(results)).get("Metrics compared", ""),
        "columns": COLUMNS,
        "sensitivity_head": HEAD,
        "width": dots.WIDTH,
        "nan": math.nan,
        "fair": FAIR,
        "good": GOOD,
        "map": shape_or_descent(sections),
        "crossed": {"survival": survival, "shared": shared, "families": families},
        "fooled": cross_tables.most_fooled(ordered),
        "stated_shared": any(result.shared_properties for result in ordered),
        "decays": [
            (section, drawn, panel(drawn, f"{section.anchor}-decay-title", small=True))
            for section, drawn in faded
            if drawn
        ],
        "family_counts": family_counts(ordered),
        "runs": [
            (section, drawn, panel(drawn, f"{section.anchor}-runs-title", small=True))
            for section, drawn in along
        ],
        "run_rows": run_rows([section.run_points for section, _ in along]),
        "attacks": [
            (section, [attack(section.result, kind) for kind in KINDS])
            for section in sorted(sections, key=lambda section: not section.result.forgeable)
            if section.result.tried
        ],
        "kinds": KINDS,
        "decision_fpr": MAX_FPR,
        "disputes": _with_anchors(record.disputes),
        "quantities": QUANTITIES,
        "against": against,
        "against_rule": RULE,
        "making": making(record),
        "failures": record.failures,
        "models": sorted(record.models.items()),
        "interval_names": INTERVALS,
        "glossary": GLOSSARY,
        "methods": methods(results),
        "data": _script_json(
            {
                **pair_data(sections),
                "cross": {table.anchor: table.data for table in (survival, shared, families)},
            }
        ),
        "css": Markup(_source("page.css")),
        "theme": Markup(_source(THEME)),
        "script": Markup(_script()),
        "policy": _policy(_source(THEME), _script()),
    }
    return linked_terms(_environment().get_template("page.html.j2").render(context))


def dots_each(results: Results) -> int:
    """Dots of one score plot: every pair of a small run, a sample of a large one, so that it stays a page."""
    n = max(len(results.metrics), 1)
    return max(DOTS - ROOM * n, 0) // n


def _power_panels(catalog: CatalogSummary) -> list[tuple[Panel, Markup]]:
    drawn = (certificate_panel(catalog), difference_panel(catalog))
    return [(one, panel(one, f"power-{index}")) for index, one in enumerate(drawn, 1)]


def _cells(catalog: CatalogSummary) -> list[tuple[str, CellSummary]]:
    """Architecture cells with their lineages and models, the fullest first."""
    return sorted(catalog.cells.items(), key=lambda item: (-item[1].n_lineages, -item[1].n_models, item[0]))


def _surest_first(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """Paired comparisons by p, those without one last."""
    return sorted(
        comparisons, key=lambda one: math.inf if math.isnan(one.adjusted_p_value) else one.adjusted_p_value
    )


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("benchmark.report"),
        autoescape=True,
        finalize=shown_on_page,
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
        alternative=notation.alternative,
        tick=tick_label,
        ends=notation.ends,
        percent_ends=notation.percent_ends,
        note=notation.note,
        term_anchor=anchor,
        permutation_note=notation.permutation_note,
        key=_key,
        certificate=certificate,
        panels=drawings,
        sensitivity_rows=sensitivity_rows,
        sensitivity_notes=sensitivity_notes,
        lift=lambda row: strips.lift(row.effect),
        track=strips.track,
    )
    return environment


def _script() -> str:
    """Everything that runs once the page stands, in a scope of its own."""
    parts = "\n".join(_source(name) for name in SCRIPTS)
    return f'(() => {{\n"use strict";\n{parts}\n}})();'


def _policy(*scripts: str) -> str:
    """A content security policy: these scripts, by their digests, and nothing from elsewhere."""
    digests = (b64encode(sha256(script.encode()).digest()).decode() for script in scripts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:;"
        " base-uri 'none'; form-action 'none'"
    )


def _source(name: str) -> str:
    loader = _environment().loader
    assert loader is not None
    return loader.get_source(_environment(), name)[0]


def _key(value: float) -> str:
    """A number to sort by; nothing where it is undefined."""
    return "" if math.isnan(value) else repr(value)


def _script_json(value: JSON) -> Markup:
    """JSON that cannot end the script element it stands in, whatever a model is called."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def _with_anchors(disputes: Sequence[DisputeRecord]) -> list[tuple[str, DisputeRecord]]:
    """Give cases their ids."""
    named = anchors([f"{index} {case.title}" for index, case in enumerate(disputes, 1)], "case")
    return list(zip(named.values(), disputes, strict=True))
