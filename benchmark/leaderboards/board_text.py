"""A leaderboard for a terminal, as Markdown, and as a page of its own."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from rich import box
from rich.table import Table
from rich.text import Text

from analysis import Comparison, Interval
from benchmark.leaderboards.board import Board, BoardEntry
from benchmark.report.markup import bullets, table_of
from benchmark.report.notation import UNDEFINED, count, goal, interval, p_value, percent, signed, unit
from benchmark.session.untrusted_text import shown_on_page

__all__ = ["board_html", "board_markdown", "board_notes", "board_table"]

TEMPLATES: Final = Path(__file__).with_name("templates")
CERTIFIED: Final = "Certified FPR: look-alikes / all independent pairs"
WIDTH: Final = 220
"""Of the drawing of an interval, in pixels."""


def board_table(board: Board) -> Table:
    """Lay the board out for a terminal of 80 columns."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    table.add_column("Rank", no_wrap=True)
    table.add_column("Metric", overflow="fold")
    table.add_column(f"{_area(board)} AUC", no_wrap=True)
    table.add_column("Scored", no_wrap=True, justify="right")
    table.add_column("Separates?", overflow="fold")
    table.add_column("Claim?", overflow="fold")
    for entry in board.entries:
        verdicts = (entry.result.verdict, entry.result.claim_verdict)
        cells = (_rank(entry), entry.name, _auc(board, entry), _scored(entry), *verdicts)
        table.add_row(*map(Text, cells))
    return table


def board_notes(board: Board) -> list[str]:
    """What must be known to read a board, a sentence each."""
    ranked = [entry for entry in board.entries if entry.rank is not None]
    notes = [
        "Rank: the range of ranks compatible with paired tests on the pairs that both metrics scored;"
        f" Holm-adjusted over {count(len(board.comparisons), 'comparison')} at {unit(board.level, 2)}."
    ]
    if any(_share(entry) < 1 for entry in ranked):
        notes.append(
            "Scored: the share of children that the metric scored; comparisons leave out pairs on which it"
            " abstained."
        )
    notes.append(
        "Certified FPR: the lowest false-positive rate with a certified threshold, jointly with the other"
        " metrics of its run or, where there are too few lineages for that, for the metric by itself."
    )
    if any(entry.result.tried for entry in board.entries):
        notes.append(
            "Forgery and laundering: framed, an unrelated model was altered to pass for derived; evaded, a"
            " child to pass for independent. A metric that no forgery of the run deceived may still be"
            " deceived by another."
        )
    beside: dict[str, list[str]] = {}
    for entry in board.entries:
        if entry.rank is None:
            beside.setdefault(entry.reason, []).append(entry.name)
    return notes + [f"Not ranked: {', '.join(names)}. Reason: {reason}." for reason, names in beside.items()]


def board_markdown(board: Board) -> str:
    """Write the board as Markdown."""
    head = (
        "Rank", "Metric", "Runs", f"{_area(board)} AUC", "Unscored ranked worst",
        "AUC, all independent pairs", CERTIFIED, "Scored", "Separates?", "Claim holds?",
        "Forgery and laundering",
    )  # fmt: skip
    rows = [
        (
            _rank(entry),
            entry.name,
            ", ".join(entry.runs),
            _auc(board, entry),
            interval(entry.result.look_alike_auc_with_abstentions_worst),
            interval(entry.result.auc),
            _certified(entry),
            _scored(entry),
            entry.result.verdict,
            entry.result.claim_verdict,
            _resistance(entry),
        )
        for entry in board.entries
    ]
    blocks = ["# Leaderboard", f"{count(len(rows), 'metric')} of {', '.join(board.runs)}."]
    blocks += [table_of(head, rows), bullets(board_notes(board))]
    duels = _duels(board)
    if len(duels) > 1:
        blocks += ["## Pairwise differences", bullets(f"{duel.name}: {duel.told}." for duel in duels)]
    return "\n\n".join(blocks) + "\n"


def board_html(board: Board) -> str:
    """Write the board as a page that needs no other file and no network."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, finalize=shown_on_page,
    )  # fmt: skip
    return environment.get_template("leaderboard.html.j2").render(
        area=_area(board),
        certified=CERTIFIED,
        runs=board.runs,
        notes=board_notes(board),
        rows=[_row(board, entry) for entry in board.entries],
        duels=_duels(board),
    )


@dataclass(frozen=True)
class _Against:
    """A metric beside another: how far it is ahead, and whether the two are separated."""

    name: str
    slug: str
    title: str


@dataclass(frozen=True)
class _Duels:
    """A ranked metric beside every other."""

    name: str
    cells: tuple[_Against, ...]

    @property
    def told(self) -> str:
        """Whom it beats, who beats it, and how many are open."""
        named = {
            slug: [one.name for one in self.cells if one.slug == slug] for slug in ("ahead", "behind", "open")
        }
        words = {"ahead": "ahead of", "behind": "behind"}
        parts = [f"{said} {', '.join(named[slug])}" for slug, said in words.items() if named[slug]]
        if named["open"]:
            parts.append(f"not separated from {count(len(named['open']), 'other')}")
        return "; ".join(parts)


def _duels(board: Board) -> list[_Duels]:
    """Every ranked metric beside the others, in the order of the board."""
    ranked = [entry.name for entry in board.entries if entry.rank is not None]
    told = {frozenset((one.metric_a, one.metric_b)): one for one in board.comparisons}
    return [
        _Duels(
            name,
            tuple(
                _against(board, one, name, other)
                for other in ranked
                if other != name and (one := told.get(frozenset((name, other)))) is not None
            ),
        )
        for name in ranked
    ]


def _row(board: Board, entry: BoardEntry) -> dict[str, object]:
    return {
        "rank": _rank(entry),
        "name": entry.name,
        "runs": ", ".join(entry.runs),
        "drawing": _drawing(_held(board, entry)),
        "auc": _auc(board, entry),
        "overall": interval(entry.result.auc),
        "certified": _certified(entry),
        "scored": _scored(entry),
        "verdict": entry.result.verdict,
        "because": entry.reason or entry.result.because,
        "claim": entry.result.claim_verdict,
        "claim_because": entry.result.claim_because,
        "resistance": _resistance(entry),
    }


def _against(board: Board, one: Comparison, name: str, other: str) -> _Against:
    """How far a metric is ahead of another."""
    if math.isnan(one.difference.estimate):
        return _Against(other, "open", one.reason)
    sign = 1 if one.metric_a == name else -1
    gain = sign * one.difference.estimate
    ends = sorted((sign * one.difference.low, sign * one.difference.high))
    separated = one.adjusted_p_value < board.level
    slug = ("ahead" if gain > 0 else "behind") if separated else "open"
    title = (
        f"{signed(gain)} [{signed(ends[0])}, {signed(ends[1])}], p {p_value(one.adjusted_p_value)} after Holm"
    )
    return _Against(other, slug, title)


def _certified(entry: BoardEntry) -> str:
    """The lowest certified false-positive rates: against look-alikes, and beside it all independent pairs."""
    alike = [item for item in entry.result.thresholds if item.negatives == "look-alike"]
    told = []
    for thresholds in (alike, entry.result.independent_thresholds):
        held = [item.max_fpr for item in thresholds if item.certified and item.finds_any]
        told.append(goal(min(held)) if held else "none")
    return " / ".join(told)


def _resistance(entry: BoardEntry) -> str:
    """Whether it resists forgery and laundering, with how many of each deceived it."""
    result = entry.result
    told = []
    for kind, word in (("frame", "framed"), ("evade", "evaded")):
        tried = [one for one in result.forgeries if one.kind == kind]
        tried = [one for one in tried if None not in (one.before_called, one.after_called)]
        if tried:
            told.append(f"{word} {sum(one.succeeded for one in tried)} of {len(tried)}")
    hiding = sum(bool(one.n_hidden) for one in result.laundering)
    if result.laundering:
        told.append(f"laundering hides {hiding} of {len(result.laundering)} kinds")
    return f"{result.resistance} ({', '.join(told)})" if told else result.resistance


def _drawing(value: Interval) -> Markup:
    """An AUC with its interval on an axis from 0 to 1, as SVG."""
    if not value.defined:
        return Markup("")

    def x(share: float) -> str:
        return f"{4 + (WIDTH - 8) * share:.1f}"

    parts = [
        f'<svg viewBox="0 0 {WIDTH} 16" width="{WIDTH}" height="16" aria-hidden="true">',
        f'<path class="axis" d="M4 8H{WIDTH - 4}M{x(0.5)} 2v12"/>',
    ]
    if not math.isnan(value.low + value.high):
        parts.append(f'<path class="range" d="M{x(value.low)} 8H{x(value.high)}"/>')
    parts.append(f'<circle class="point" cx="{x(value.estimate)}" cy="8" r="4"/></svg>')
    return Markup("".join(parts))


def _held(board: Board, entry: BoardEntry) -> Interval:
    return entry.result.look_alike_auc if board.negatives == "look-alike" else entry.result.auc


def _area(board: Board) -> str:
    return "Look-alike" if board.negatives == "look-alike" else "Overall"


def _auc(board: Board, entry: BoardEntry) -> str:
    return interval(_held(board, entry))


def _rank(entry: BoardEntry) -> str:
    return UNDEFINED if entry.rank is None else str(entry.rank)


def _share(entry: BoardEntry) -> float:
    return entry.result.coverage.derived


def _scored(entry: BoardEntry) -> str:
    share = _share(entry)
    return UNDEFINED if math.isnan(share) else percent(share)
