"""What failed in a run, by cause: a line of a metric that fails on thousands of pairs is one failure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import pandas as pd

from benchmark.results.schema import Failure

if TYPE_CHECKING:  # it runs models: statistics alone need not
    from benchmark.pipeline.extract import Extraction

__all__ = ["failures", "failures_of_table"]

COLUMNS: Final = ["metric", "model_a", "model_b", "bare_reason", "where"]
Cause = tuple[str, str, str]


def failures(extractions: Mapping[str, Extraction], scores: Sequence[pd.DataFrame]) -> tuple[Failure, ...]:
    """What failed, each cause once, the most frequent first: models, then pairs that failed by themselves.

    Parameters
    ----------
    extractions : mapping of str to Extraction
    scores : sequence of pandas.DataFrame
        As `score_pairs` gives them, of honest pairs and of forgeries.
    """
    found: dict[Cause, Failure] = {}
    broken: set[tuple[str, str]] = set()
    for model, extraction in extractions.items():
        failed = {name: out for name, out in extraction.outcomes.items() if out.status == "failed"}
        broken.update((name, model) for name in failed)
        for error in dict.fromkeys(out.reason for out in failed.values()):
            named = {name: out for name, out in failed.items() if out.reason == error}
            where = next(iter(named.values())).where
            _count(found, Failure("fingerprint", model, ", ".join(named), error, where, 1))
    for frame in scores:
        rows = frame.loc[frame["status"] == "failed", COLUMNS].astype(str)
        for metric, a, b, error, where in rows.itertuples(index=False, name=None):
            if not broken & {(metric, a), (metric, b)}:
                _count(found, Failure("score", f"{a} – {b}", metric, error, where, 1))
    return tuple(sorted(found.values(), key=lambda one: (one.unit, -one.count)))


def failures_of_table(scores: pd.DataFrame) -> tuple[Failure, ...]:
    """The same of a score table that somebody brings, where a pair's reason is all that is known."""
    failed = scores[scores["status"] == "failed"]
    return failures({}, [failed.assign(bare_reason=failed["reason"].fillna(""), where="")])


def _count(found: dict[Cause, Failure], one: Failure) -> None:
    """Add a failure to those of its cause: the same kind of exception at the same line, or the same words.

    What an exception says may differ from pair to pair, such as by shapes; the first stands for all.
    """
    said = one.error.split(":")[0] if one.where else one.error
    cause = (f"{one.unit} {one.metric}", one.where, said)
    known = found.get(cause)
    found[cause] = one if known is None else replace(known, count=known.count + 1)
