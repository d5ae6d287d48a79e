"""A case for a terminal of 80 columns, and as Markdown."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from typing import Final

from rich import box
from rich.table import Table
from rich.text import Text

from benchmark.comparison.calibration_run import Crowd, Weight
from benchmark.comparison.case import Case
from benchmark.comparison.metric_evidence import Reading
from benchmark.comparison.verbal_scale import SOURCE
from benchmark.report.notation import UNDEFINED, plain

__all__ = [
    "background",
    "bullets",
    "case_markdown",
    "case_notes",
    "case_table",
    "sections",
    "signed",
    "together",
    "wrapped",
]

COLUMNS: Final = 80
LONGEST: Final = 16
"""Columns for the name of a metric; longer ones take two lines."""
COUNTS: Final = 0.005
"""Slope below which a metric adds nothing to the others."""
COUNTED: Final = (
    "Look-alikes, Derived: pairs of the same shapes that score at least as high, of all there are."
)
HEAD: Final = ("Metric", "Score", "Look-alikes", "Derived", "log10 LR [95 %]", "Verdict")


def case_table(case: Case) -> Table:
    """Lay out every metric's score, its place among pairs of the same shapes, and its bounded log10 LR."""
    table = Table(
        box=box.SIMPLE_HEAD,
        padding=0,
        pad_edge=False,
        caption=f"{COUNTED} Verdict: of the metric, in the calibration.",
        caption_justify="left",
    )
    for head in HEAD:
        table.add_column(head, overflow="fold", no_wrap=head not in {"Metric", "Verdict"})
    table.columns[0].min_width = min(LONGEST, max(len(reading.metric) for reading in case.readings))
    for reading in case.readings:
        table.add_row(*(Text(cell) for cell in _row(reading)))
    return table


def _row(reading: Reading) -> tuple[str, ...]:
    place = reading.place
    return (
        reading.metric,
        plain(reading.score) if reading.status == "ok" else reading.status,
        _crowd(place.look_alikes) if place else UNDEFINED,
        _crowd(place.derived) if place else UNDEFINED,
        _weight(reading.weight),
        reading.verdict or UNDEFINED,
    )


def _crowd(crowd: Crowd) -> str:
    return f"{crowd.n_at_or_above}/{crowd.n_pairs}" if crowd.n_pairs else "none"


def _weight(weight: Weight) -> str:
    if not weight.defined:
        return UNDEFINED
    held = weight.interval
    ends = f" [{signed(held.low)}, {signed(held.high)}]" if held is not None else ""
    return f"{signed(weight.log10_lr)}{ends}"


def signed(number: float) -> str:
    """Write a log10 LR with its sign and two decimals."""
    # Adding 0 takes the sign off a rounded zero.
    return f"{round(number, 2) + 0:+.2f}".replace("-", "\N{MINUS SIGN}")


def case_notes(case: Case) -> str:
    """All that the table does not hold, wrapped for a terminal."""
    blocks = [wrapped(_who(case))]
    blocks += [wrapped(f"{title}:") + "\n" + bullets(items) for title, items in sections(case) if items]
    sentence = case.sentence or "none: see above."
    blocks.append("A sentence an expert could sign:\n" + wrapped(sentence, "  "))
    blocks.append(wrapped(f"Scale: {SOURCE}."))
    return "\n\n".join(blocks)


def _who(case: Case) -> str:
    lines = [f"{party.label}: {party.cell}, digest {party.digest[:12]}" for party in case.parties]
    if case.calibration:
        about = case.calibration
        left = ", ".join(about["left_out"]) or "none, neither model is in it"
        lines.append(f"Calibration {about['run']}: {about['n_lineages']} lineages; left out: {left}.")
    return "\n".join(lines)


def sections(case: Case) -> list[tuple[str, list[str]]]:
    """Give what the table does not hold, by title."""
    groups = case.agreement
    agreement = [f"{name}: {', '.join(metrics)}" for name, metrics in groups.items() if metrics]
    reasons = [f"{one.metric} {one.status}: {one.reason}" for one in case.readings if one.status != "ok"]
    reasons += [
        f"{one.metric} has no evidence: {one.weight.reason}"
        for one in case.readings
        if one.status == "ok" and not one.weight.defined
    ]
    return [
        ("All metrics together", together(case)),
        ("What the metrics support", agreement),
        ("Why some say nothing", reasons),
        ("Background, not used", background(case)),
        ("What cannot be said", list(case.cannot_say)),
    ]


def background(case: Case) -> list[str]:
    """Give what the catalog holds of the pair."""
    if case.background is None:
        return []
    method = f" ({case.background['method']})" if case.background["method"] else ""
    lines = [f"The catalog calls the pair {case.background['relation']}{method}."]
    return lines + [f"An open dispute: {dispute['title']}." for dispute in case.background["disputes"]]


def together(case: Case) -> list[str]:
    """Give the combined evidence in a few lines."""
    joint = case.joint
    if joint is None:
        return []
    if not joint.value.defined:
        return [f"No combined evidence: {joint.value.reason}."]
    both, value = joint.combination, joint.value
    rival = (
        f"{joint.best_alone} alone costs {plain(joint.best_alone_cllr)} on the same pairs"
        if len(both.metrics) > 1
        else "one metric only"
    )
    counting = [f"{name} {plain(slope, 2)}" for name, slope in both.slopes.items() if slope >= COUNTS]
    return [
        f"log10 LR {signed(value.estimate)} [{signed(value.low)}, {signed(value.high)}], within"
        f" [{signed(both.lower)}, {signed(both.upper)}]: {joint.words}.",
        f"Cllr {plain(both.cllr)} on lineages that took no part ({rival}); 0 is perfect, 1 says nothing."
        f" Fitted on {both.n_derived} derived and {both.n_independent} {both.negatives} pairs of"
        f" {both.n_lineages} lineages.",
        f"What counts in it, by slope: {', '.join(counting) or 'nothing'}; the other"
        f" {len(both.metrics) - len(counting)} add nothing to these.",
        *(f"Left aside: {name} ({why})." for name, why in joint.left_aside.items()),
    ]


def wrapped(text: str, indent: str = "") -> str:
    """Fill lines to a terminal of 80 columns."""
    return "\n".join(
        textwrap.fill(line, COLUMNS, initial_indent=indent, subsequent_indent=indent or "  ")
        for line in text.splitlines()
    )


def bullets(items: Iterable[str]) -> str:
    """Write a list, filled to a terminal of 80 columns."""
    return "\n".join(
        textwrap.fill(item, COLUMNS, initial_indent="  - ", subsequent_indent="    ") for item in items
    )


def case_markdown(case: Case) -> str:
    """The case as Markdown."""
    rows: list[Sequence[str]] = [HEAD, ["---"] * len(HEAD), *map(_row, case.readings)]
    blocks = [
        f"# {case.parties[0].label} and {case.parties[1].label}",
        "\n".join(f"- {line}" for line in _who(case).splitlines()),
        "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in rows),
        COUNTED,
    ]
    for title, items in sections(case):
        if items:
            blocks += [f"## {title}", "\n".join(f"- {item}" for item in items)]
    blocks += [
        "## A sentence an expert could sign",
        case.sentence or "None: see above.",
        f"Scale: {SOURCE}.",
    ]
    return "\n\n".join(blocks) + "\n"
