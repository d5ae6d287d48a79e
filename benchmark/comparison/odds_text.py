"""Other explanations, odds and costs of a case as rows and lines, for every kind of page."""

from __future__ import annotations

from typing import Final

from benchmark.comparison.alternatives import Alternative
from benchmark.comparison.posterior_odds import OddsTable
from benchmark.comparison.sentences import times
from benchmark.comparison.verbal_scale import NEITHER

__all__ = ["COST_HEAD", "ODDS_HEAD", "alternative_lines", "cost_rows", "odds_rows"]

ODDS_HEAD: Final = ("Prior odds of derivation", "Posterior odds", "As a probability")
COST_HEAD: Final = ("Cost of a false accusation", "Act at prior odds from", "Of the odds above")


def alternative_lines(alternatives: tuple[Alternative, ...]) -> list[str]:
    """Say what the quoted scores weigh against each other explanation."""
    lines = []
    for one in alternatives:
        weight = one.weight
        if not weight.defined:
            lines.append(f"{one.relation} ({one.explanation}): not weighed: {weight.reason}.")
            continue
        side = f": {NEITHER}" if weight.supports is None else ""
        lines.append(
            f"{one.relation} ({one.explanation}): {times(*weight.ends)} as probable if one descends from the"
            f" other{side}; {one.n_pairs} such pairs of {one.n_lineages} lineages."
        )
    return lines


def odds_rows(table: OddsTable) -> list[tuple[str, ...]]:
    """Cells under `ODDS_HEAD`."""
    rows: list[tuple[str, ...]] = []
    for one in table.posteriors:
        shares = _range(*map(_percent, one.probability))
        rows.append((_odds(one.prior), _range(_odds(one.low), _odds(one.high)), shares))
    return rows


def cost_rows(table: OddsTable) -> list[tuple[str, ...]]:
    """Cells under `COST_HEAD`."""
    return [
        (
            f"{one.cost:,g} × a missed derivation",
            _odds(one.prior_needed),
            ", ".join(map(_odds, one.acts_at)) or "none",
        )
        for one in table.decisions
    ]


def _range(low: str, high: str) -> str:
    return low if low == high else f"{low} to {high}"


def _odds(odds: float) -> str:
    """Write odds as one to so many, or so many to one."""
    return f"1:{_two(1 / odds)}" if odds <= 1 else f"{_two(odds)}:1"


def _two(value: float) -> str:
    return f"{float(f'{value:.2g}'):,.10g}"


def _percent(share: float) -> str:
    return f"{float(f'{100 * share:.2g}'):.10g}%"
