"""The answer about a stated base for a terminal of 80 columns, and as Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich import box
from rich.table import Table
from rich.text import Text

import analysis
from benchmark.comparison.claim_metrics import JUDGED_BY
from benchmark.comparison.odds_text import alternative_lines
from benchmark.comparison.text_layout import bullets, signed, table_of_rows, wrapped
from benchmark.report.notation import UNDEFINED, p_value

if TYPE_CHECKING:
    from benchmark.comparison.claim_check import BaseCheck, ClaimCheck

__all__ = [
    "HEAD",
    "KEY",
    "NOBODY",
    "base_rows",
    "claim_markdown",
    "claim_notes",
    "claim_tables",
    "notes_of_claim",
]

NOBODY: Final = "none (the models are not in it)"
HEAD: Final = ("Metric", "Score", "Look-alikes", "Children", "log10 LR", "May speak")
KEY: Final = (
    "Look-alikes, Children: pairs of the same shapes scoring at least as high, out of all such pairs. May"
    " speak: for a stated base if no forgery in the calibration deceived the metric; against it if it misses"
    " no children there."
)


def base_rows(one: BaseCheck) -> list[tuple[str, ...]]:
    """Cells under `HEAD` of every metric that may speak on a base."""
    found: dict[str, tuple[str, ...]] = {}
    may: dict[str, list[str]] = {}
    for side, word in zip(one.sides, ("for", "against"), strict=False):
        for metric in side.weighed.metrics if side.weighed else ():
            place = metric.place
            may.setdefault(metric.metric, []).append(word)
            found.setdefault(
                metric.metric,
                (
                    metric.metric,
                    metric.told_score,
                    place.look_alikes.told if place else UNDEFINED,
                    place.derived.told if place else UNDEFINED,
                    signed(metric.weight.log10_lr) if metric.weight.defined else UNDEFINED,
                ),
            )
    return [(*cells, " and ".join(may[name])) for name, cells in found.items()]


def claim_tables(check: ClaimCheck) -> list[Table]:
    """Lay out the metrics that may speak, a table a base, for a terminal of 80 columns."""
    tables = []
    for one in check.bases:
        if rows := base_rows(one):
            table = Table(
                box=box.SIMPLE_HEAD,
                padding=(0, 1, 0, 0),
                pad_edge=False,
                title=f"{check.model.label} and {one.base.label}",
                title_justify="left",
                caption=KEY,
                caption_justify="left",
            )
            for head in HEAD:
                table.add_column(head, overflow="fold", no_wrap=head != "Metric")
            for row in rows:
                table.add_row(*map(Text, row))
            tables.append(table)
    return tables


def notes_of_claim(check: ClaimCheck) -> list[tuple[str, list[str]]]:
    """All that the tables do not hold, as titled lists."""
    notes: list[tuple[str, list[str]]] = [("What the model states", _stated(check))]
    for one in check.bases:
        several = f" ({one.base.label})" if len(check.bases) > 1 else ""
        judged = [_judged(by, candidate) for by, candidate in zip(JUDGED_BY, one.judged, strict=False)]
        aside = _aside(one)
        notes += [
            (f"The base as a candidate{several}", judged),
            (f"Other explanations{several}", alternative_lines(one.alternatives)),
            (f"Metrics that may not speak{several}", aside),
        ]
    notes.append(("What cannot be said", list(check.cannot_say)))
    return [(title, items) for title, items in notes if items]


def _aside(one: BaseCheck) -> list[str]:
    """Metrics that may not speak, on which side, and why; one line where the reason is the same."""
    sides: dict[tuple[str, str], list[str]] = {}
    for side, word in zip(one.sides, ("for", "against"), strict=False):
        for name, why in side.left_aside.items():
            sides.setdefault((name, why), []).append(word)
    return [f"{name}, {' or '.join(words)} it: {why}." for (name, why), words in sides.items()]


def _judged(by: str, one: analysis.Candidate) -> str:
    if one.standing == "not judged":
        return f"By {by}: not judged, {one.reason}."
    like = "of like shapes" if one.same_cell_only else "of all shapes"
    standing = "excluded" if one.standing == "excluded" else "not excluded"
    return (
        f"By {by}: {standing}, p = {p_value(one.derivation_p)} for an ancestor scoring no higher"
        f" ({one.n_lineages} lineages with derived pairs {like})."
    )


def _stated(check: ClaimCheck) -> list[str]:
    claim = check.claim
    return [f"{claim.where}: {claim.says}.", *(f"It also states, in {other}." for other in claim.also)]


def _about(check: ClaimCheck) -> str:
    models = [check.model, *(one.base for one in check.bases)]
    lines = [
        f"{model.label}: {model.cell or 'shape unknown'}, digest {model.digest[:12]}" for model in models
    ]
    if check.calibration:
        lines.append(check.calibration.told(NOBODY))
    return "\n".join(lines)


def claim_notes(check: ClaimCheck) -> str:
    """Write the answer and all that the tables do not hold, wrapped for a terminal."""
    return "\n\n".join(
        [
            wrapped(f"{check.answer.capitalize()}. {check.sentence}"),
            *(f"{title}:\n{bullets(items)}" for title, items in notes_of_claim(check)),
            wrapped(_about(check)),
        ]
    )


def claim_markdown(check: ClaimCheck) -> str:
    """Write the answer as Markdown."""
    blocks = [f"# {check.model.label} and its stated base", f"**{check.answer.capitalize()}.**"]
    blocks.append(check.sentence)
    for one in check.bases:
        if rows := base_rows(one):
            blocks += [f"## {check.model.label} and {one.base.label}", table_of_rows(HEAD, rows), KEY]
    for title, items in notes_of_claim(check):
        blocks += [f"## {title}", "\n".join(f"- {item}" for item in items)]
    blocks.append("\n".join(f"- {line}" for line in _about(check).splitlines()))
    return "\n\n".join(blocks) + "\n"
