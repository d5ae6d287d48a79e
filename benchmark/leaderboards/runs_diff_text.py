"""What changed between two runs, for a terminal of 80 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from typing import Final

from analysis import Interval
from benchmark.leaderboards.runs_diff import Change, MetricDiff, RunsDiff
from benchmark.report.notation import UNDEFINED, interval, p_value, signed

__all__ = ["runs_diff_text"]

COLUMNS: Final = 80
NAMED: Final = 5


def runs_diff_text(found: RunsDiff) -> str:
    """Lay out settings, versions and models first, then every metric that differs."""
    blocks = [_filled(f"{found.first} → {found.second}", "")]
    blocks += _listed("Settings", found.settings)
    blocks += _listed("Versions", found.versions)
    models = [
        ("only in the first", found.models_only_first),
        ("only in the second", found.models_only_second),
        ("with other weights", found.models_changed),
    ]
    told = [f"{len(names):,} {what}: {_some(names)}" for what, names in models if names]
    if told:
        blocks.append("\n".join(["Models", *(_filled(line) for line in told)]))
    blocks += [_metric(one, found.negatives) for one in found.metrics if not one.unchanged]
    same = [one.metric for one in found.metrics if one.unchanged]
    if same:
        blocks.append(_filled(f"Unchanged: {', '.join(same)}.", ""))
    return "\n\n".join(blocks)


def _metric(one: MetricDiff, negatives: str) -> str:
    if one.stands_in != "both":
        return f"{one.metric}\n{_filled(f'{one.reason}.')}"
    lines = [f"{change.what}: {_change(change)}" for change in one.changes]
    lines += _auc("look-alike AUC", one.look_alike_auc_first, one.look_alike_auc_second)
    lines += _auc("AUC, all independent pairs", one.auc_first, one.auc_second)
    pairs = f"{one.n_changed:,} of {one.n_common:,} common pairs have a different score"
    pairs += f", by at most {one.largest_change:.3g} ({one.largest_pair})" if one.n_changed else ""
    lines.append(pairs)
    lines += [f"{one.n_relabelled:,} common pairs have different labels"] if one.n_relabelled else []
    alone = [(one.n_only_first, "first"), (one.n_only_second, "second")]
    lines += [f"{n:,} pairs have a score only in the {which} run" for n, which in alone if n]
    difference = one.difference
    if difference is None or not difference.difference.defined:
        lines.append(f"paired difference: not tested ({one.reason})")
    else:
        value = difference.difference
        lines.append(
            f"paired difference: {signed(value.estimate)} [{signed(value.low)}, {signed(value.high)}], p"
            f" {p_value(difference.adjusted_p_value)} (Holm over metrics; AUC against {negatives} pairs that"
            " both runs scored, with the second run's labels)"
        )
    return "\n".join([one.metric, *(_filled(line) for line in lines)])


def _auc(name: str, first: Interval | None, second: Interval | None) -> list[str]:
    before, after = (UNDEFINED if one is None else interval(one) for one in (first, second))
    return [] if before == after else [f"{name}: {before} → {after}"]


def _listed(title: str, changes: Sequence[Change]) -> list[str]:
    lines = [_filled(f"{change.what}: {_change(change)}") for change in changes]
    return ["\n".join([title, *lines])] if lines else []


def _change(change: Change) -> str:
    return f"{change.first or 'not set'} → {change.second or 'not set'}"


def _some(names: Iterable[str]) -> str:
    held = list(names)
    more = f" and {len(held) - NAMED:,} more" if len(held) > NAMED else ""
    return ", ".join(held[:NAMED]) + more


def _filled(text: str, indent: str = "  ") -> str:
    return textwrap.fill(
        text,
        COLUMNS,
        initial_indent=indent,
        subsequent_indent=indent + "  ",
        break_on_hyphens=False,  # names have them
        break_long_words=False,
    )
