"""A case for a terminal of 80 columns, and as Markdown."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from textwrap import wrap
from typing import TYPE_CHECKING, Final

from rich import box
from rich.table import Table
from rich.text import Text

from benchmark.catalog.publications import QUANTITIES
from benchmark.comparison.evidence_weight import EvidenceWeight
from benchmark.comparison.metric_evidence import MetricEvidence
from benchmark.comparison.odds_text import (
    COST_HEAD,
    ODDS_HEAD,
    alternative_lines,
    cost_rows,
    odds_rows,
)
from benchmark.comparison.text_layout import bullets, signed, table_of_rows, wrapped
from benchmark.comparison.verbal_scale import SOURCE
from benchmark.report.notation import UNDEFINED, plain
from benchmark.results.published_places import PublishedPlace

if TYPE_CHECKING:
    from benchmark.comparison.case import Case

__all__ = ["CaseNotes", "case_markdown", "case_notes", "case_table", "notes_of"]

LONGEST: Final = 16
"""Columns for the name of a metric; longer ones take two lines, broken at a hyphen."""
COUNTS: Final = 0.005
"""Slope below which a metric adds nothing to the others."""
COUNTED: Final = (
    "Look-alikes, Derived: pairs of the same shapes scoring at least as high, out of all such pairs."
)
NOBODY: Final = "none (neither model is in it)"
HEAD: Final = ("Metric", "Score", "Look-alikes", "Derived", "log10 LR [95%]", "Verdict")


@dataclass(frozen=True)
class CaseNotes:
    """What the table of a case does not hold, a list of sentences each.

    Attributes
    ----------
    together : list of str
        The metrics weighed together.
    alternatives : list of str
        Other explanations than independence.
    support : list of str
        Which metrics support what.
    withheld : list of str
        Why some support nothing though they weigh something.
    forgeable : list of str
        How each metric stood up to forgeries.
    silent : list of str
        Metrics without evidence.
    background : list of str
        What the catalog has of the pair: not used.
    published : list of str
        What was published of it, and on what that could be judged: not used.
    cannot_say : list of str
    """

    together: list[str]
    alternatives: list[str]
    support: list[str]
    withheld: list[str]
    forgeable: list[str]
    silent: list[str]
    background: list[str]
    published: list[str]
    cannot_say: list[str]

    def titled(self) -> list[tuple[str, list[str]]]:
        """Those that hold something, with their titles."""
        found = [
            ("All metrics together", self.together),
            ("Other explanations", self.alternatives),
            ("What the metrics support", self.support),
            ("Shown, not relied on", self.withheld),
            ("Forgeries in the calibration", self.forgeable),
            ("Metrics without evidence", self.silent),
            ("Background (not used)", self.background),
            ("Published scores (not used)", self.published),
            ("What cannot be said", self.cannot_say),
        ]
        return [(title, items) for title, items in found if items]


def case_table(case: Case) -> Table:
    """Lay out every metric's score, its place among pairs of the same shapes, and its bounded log10 LR."""
    table = Table(
        box=box.SIMPLE_HEAD,
        padding=0,
        pad_edge=False,
        caption=f"{COUNTED} Verdict: of the metric in the calibration.",
        caption_justify="left",
    )
    for head in HEAD:
        table.add_column(head, overflow="fold", no_wrap=head not in {"Metric", "Verdict"})
    table.columns[0].min_width = min(LONGEST, max(len(one.metric) for one in case.metrics))
    for one in case.metrics:
        name, *others = _row(one)
        table.add_row(Text("\n".join(wrap(name, LONGEST))), *map(Text, others))
    return table


def _row(one: MetricEvidence) -> tuple[str, ...]:
    place = one.place
    return (
        one.metric,
        one.told_score,
        place.look_alikes.told if place else UNDEFINED,
        place.derived.told if place else UNDEFINED,
        _weight(one.weight),
        one.standing.verdict or UNDEFINED,
    )


def _weight(weight: EvidenceWeight) -> str:
    if not weight.defined:
        return UNDEFINED
    low, high = weight.ends
    ends = f" [{signed(low)}, {signed(high)}]" if weight.interval is not None else ""
    return f"{signed(weight.log10_lr)}{ends}"


def case_notes(case: Case) -> str:
    """All that the table does not hold, wrapped for a terminal."""
    blocks = [wrapped(f"{note}.") for note in case.forged]
    blocks.append(wrapped(_who(case)))
    blocks += [wrapped(f"{title}:") + "\n" + bullets(items) for title, items in notes_of(case).titled()]
    blocks += ["\n".join(_padded(table)) for table in _odds_tables(case)]
    sentence = case.sentence or f"none: {_why_none(case)}"
    blocks.append("A statement an expert could sign:\n" + wrapped(sentence, "  "))
    blocks.append(wrapped(f"Scale: {SOURCE}."))
    return "\n\n".join(blocks)


def _why_none(case: Case) -> str:
    return f"{case.forged[0]}." if case.forged else case.cannot_say[0]


def _odds_tables(case: Case) -> list[list[tuple[str, ...]]]:
    if case.odds is None:
        return []
    return [[ODDS_HEAD, *odds_rows(case.odds)], [COST_HEAD, *cost_rows(case.odds)]]


def _padded(table: list[tuple[str, ...]]) -> list[str]:
    """Rows as lines of equal columns."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    ]


def _who(case: Case) -> str:
    lines = [f"{model.label}: {model.cell}, digest {model.digest[:12]}" for model in case.models]
    if case.calibration:
        lines.append(case.calibration.told(NOBODY))
    return "\n".join(lines)


def notes_of(case: Case) -> CaseNotes:
    """Put what the table of a case does not hold into sentences."""
    silent = [f"{one.metric} {one.status}: {one.reason}" for one in case.metrics if one.status != "ok"]
    silent += [
        f"{one.metric} has no evidence: {one.weight.reason}"
        for one in case.metrics
        if one.status == "ok" and not one.weight.defined
    ]
    return CaseNotes(
        together=_together(case),
        alternatives=alternative_lines(case.alternatives),
        support=[f"{name}: {', '.join(metrics)}" for name, metrics in case.agreement.items() if metrics],
        withheld=[
            f"{names}: {why}."
            for why, names in _by_reason((one.metric, one.withheld) for one in case.metrics if one.withheld)
        ],
        forgeable=[
            f"{names}: {how}."
            for how, names in _by_reason((one.metric, one.standing.forgeability) for one in case.metrics)
        ]
        if case.calibration
        else [],
        silent=silent,
        background=_background(case),
        published=[_published(one) for one in case.published_scores],
        cannot_say=list(case.cannot_say),
    )


def _background(case: Case) -> list[str]:
    if case.background is None:
        return []
    method = f" ({case.background.method})" if case.background.method else ""
    lines = [f"The catalog lists the pair as {case.background.relation}{method}."]
    return lines + [f"Open dispute: {dispute.title}." for dispute in case.background.disputes]


def _published(one: PublishedPlace) -> str:
    unit = "" if one.quantity == "score" else f" ({QUANTITIES[one.quantity]})"
    return (
        f"{one.metric} {plain(one.value)}{unit}, {one.citation}. Population: {one.population}."
        f" Result: {one.says} {one.beside}"
    )


def _by_reason(found: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Each reason once, with the names of those that it holds for."""
    named: dict[str, list[str]] = {}
    for name, why in found:
        named.setdefault(why, []).append(name)
    return [(why, ", ".join(names)) for why, names in named.items()]


def _together(case: Case) -> list[str]:
    joint = case.joint
    if joint is None:
        return []
    both, weight = joint.combination, joint.weight
    if not weight.defined:
        return [f"No combined evidence: {weight.reason}."]
    rival = (
        f"{joint.best_alone} alone: {plain(joint.best_alone_cllr)} on the same pairs"
        if len(both.metrics) > 1
        else "one metric only"
    )
    counting = [f"{name} {plain(slope, 2)}" for name, slope in both.slopes.items() if slope >= COUNTS]
    idle = len(both.metrics) - len(counting)
    nothing = f"; the other {idle} add nothing" if idle > 1 else "; the other adds nothing" if idle else ""
    low, high = weight.ends
    return [
        f"log10 LR {signed(weight.log10_lr)} [{signed(low)}, {signed(high)}], within"
        f" [{signed(weight.lower)}, {signed(weight.upper)}]: {joint.words}.",
        f"Cllr {plain(both.cllr)} on held-out lineages ({rival}); 0 is perfect, 1 is worthless."
        f" Fitted on {both.n_derived:,} derived and {both.n_negative:,} {both.negatives} pairs of"
        f" {both.n_lineages} lineages.",
        f"Contributions, by slope: {', '.join(counting) or 'none'}{nothing}.",
        *(f"Excluded: {names} ({why})." for why, names in _by_reason(joint.left_aside.items())),
    ]


def case_markdown(case: Case) -> str:
    """The case as Markdown."""
    blocks = [
        f"# {case.models[0].label} and {case.models[1].label}",
        *(f"**{note}.**" for note in case.forged),
        "\n".join(f"- {line}" for line in _who(case).splitlines()),
        table_of_rows(HEAD, map(_row, case.metrics)),
        COUNTED,
    ]
    for title, items in notes_of(case).titled():
        blocks += [f"## {title}", "\n".join(f"- {item}" for item in items)]
    if case.odds is not None:
        blocks += ["## Odds and costs", case.odds.note]
        blocks += [table_of_rows(head, rows) for head, *rows in _odds_tables(case)]
    blocks += [
        "## A statement an expert could sign",
        case.sentence or f"None: {_why_none(case)}",
        f"Scale: {SOURCE}.",
    ]
    return "\n\n".join(blocks) + "\n"
