"""Metrics by name, by glob, or all of them."""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Iterable, Sequence

import fpcore
from benchmark.session.errors import UsageError

__all__ = ["choose_metrics"]


def choose_metrics(wanted: str | Sequence[str] | None, *, option: str = "--metrics") -> tuple[str, ...]:
    """Names of the metrics asked for, in the registry's order.

    Parameters
    ----------
    wanted : str, sequence of str or None
        Names and globs, with commas between in one text; ``"all"`` for every metric; None for those marked
        cheap.
    option : str
        What an error calls the list.

    Raises
    ------
    UsageError
        A name or glob that fits no metric.

    Examples
    --------
    >>> choose_metrics("norm-[cp]*")
    ('norm-cosine', 'norm-pearson')
    """
    known = {metric.name: metric for metric in fpcore.metrics()}
    if wanted is None:
        return tuple(name for name, metric in known.items() if metric.cost == "cheap")
    if wanted == "all":
        return tuple(known)
    chosen: set[str] = set()
    for part in wanted.split(",") if isinstance(wanted, str) else wanted:
        pattern = part.strip()
        hits = fnmatch.filter(known, pattern) if pattern else []
        if not hits:
            raise UsageError(f"{option}: no metric matches {pattern!r}{_meant(pattern, known)}")
        chosen.update(hits)
    return tuple(name for name in known if name in chosen)


def _meant(pattern: str, known: Iterable[str]) -> str:
    """The metric that a mistyped name is nearest to, else all names."""
    names = list(known)
    near = difflib.get_close_matches(pattern, names, n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(names)}"
