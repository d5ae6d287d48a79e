"""What changed between two runs: versions, settings, models, and metric by metric scores and verdicts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

import analysis
from analysis import Comparison, Interval
from analysis.columns import LABELS
from analysis.results import Result
from benchmark.results.run import Run, read_run
from benchmark.results.schema import MetricResult
from benchmark.session.progress import Advance

__all__ = ["Change", "MetricDiff", "RunsDiff", "diff_runs"]

PAIR: Final = ["model_a", "model_b"]
SAME: Final = "the same scores"


@dataclass(frozen=True, eq=False)
class Change(Result):
    """One fact that differs.

    Attributes
    ----------
    what : str
    first, second : str
        As the runs have it; empty where one has it not.
    """

    what: str
    first: str
    second: str


@dataclass(frozen=True, eq=False)
class MetricDiff(Result):
    """One metric in two runs.

    Attributes
    ----------
    metric : str
    stands_in : str
        "both", "first" or "second".
    changes : tuple of Change
        Version, verdicts, threshold, counts.
    look_alike_auc_first, look_alike_auc_second, auc_first, auc_second : Interval or None
        Of each run, on all that it scored; None where the run does not have the metric.
    n_common : int
        Pairs that both runs scored.
    n_changed : int
        Those of them whose scores differ.
    largest_change : float
        The largest difference of two scores; 0 where all are equal, NaN without a common pair.
    largest_pair : str
        Where it is.
    n_relabelled : int
        Common pairs whose relation, method, lineages or shapes changed.
    n_only_first, n_only_second : int
        Pairs that one run alone scored.
    difference : Comparison or None
        AUC of the second run less that of the first on the common pairs, with labels of the second; None
        where nothing was to be tested: `reason` says why.
    reason : str
    """

    metric: str
    stands_in: str
    changes: tuple[Change, ...]
    look_alike_auc_first: Interval | None
    look_alike_auc_second: Interval | None
    auc_first: Interval | None
    auc_second: Interval | None
    n_common: int
    n_changed: int
    largest_change: float
    largest_pair: str
    n_relabelled: int
    n_only_first: int
    n_only_second: int
    difference: Comparison | None
    reason: str

    @property
    def unchanged(self) -> bool:
        """Whether nothing differs that is told here."""
        pairs = self.n_changed + self.n_relabelled + self.n_only_first + self.n_only_second
        return self.stands_in == "both" and not pairs and not self.changes


@dataclass(frozen=True, eq=False)
class RunsDiff(Result):
    """What changed from a first run to a second.

    Attributes
    ----------
    first, second : str
        Their directories.
    settings : tuple of Change
        Command, arguments, catalog, seed, device, status.
    versions : tuple of Change
        Of packages, Python and the system.
    models_only_first, models_only_second, models_changed : tuple of str
        Models of one run alone, and those whose weights differ.
    metrics : tuple of MetricDiff
        In the order of the second run; those of the first alone at the end.
    negatives : str
        What the paired differences tell children from: "look-alike", or "independent" where there is none.
    """

    first: str
    second: str
    settings: tuple[Change, ...]
    versions: tuple[Change, ...]
    models_only_first: tuple[str, ...]
    models_only_second: tuple[str, ...]
    models_changed: tuple[str, ...]
    metrics: tuple[MetricDiff, ...]
    negatives: str

    def to_json(self) -> dict[str, object]:
        """The whole as plain values."""
        return {"schema": 1, **dict(analysis.as_json(self))}


def diff_runs(
    first: Path | str, second: Path | str, *, advance: Advance = lambda done, total, text: None
) -> RunsDiff:
    """Say what changed between two runs.

    Parameters
    ----------
    first, second : path
        Run directories; differences are the second less the first.
    advance : Advance
        Told after each metric.

    Raises
    ------
    UsageError
        A directory that is no finished run of this schema.

    Examples
    --------
    >>> from analysis import example_table
    >>> from benchmark import analyse
    >>> for name, separation in (("runs/before", 1.0), ("runs/after", 2.5)):
    ...     _ = analyse(example_table("score", separation=separation).frame, out=name)
    >>> (one,) = diff_runs("runs/before", "runs/after").metrics
    >>> one.metric, one.n_only_first, one.difference.auc_a > one.difference.auc_b
    ('score', 0, True)
    """
    before, after = read_run(first), read_run(second)
    negatives = _negatives(before, after)
    names = [*after.names, *(name for name in before.names if name not in after.names)]
    found = []
    for done, name in enumerate(names, start=1):
        found.append(_metric(name, before, after, negatives))
        advance(done, len(names), name)
    told = {one.metric: one.difference for one in found if one.difference is not None}
    adjusted = dict(zip(told, analysis.holm(list(told.values())), strict=True))
    models = [{name: one.digest for name, one in run.record.models.items()} for run in (before, after)]
    return RunsDiff(
        first=str(first),
        second=str(second),
        settings=_changes(_settings(before), _settings(after)),
        versions=_changes(_versions(before), _versions(after)),
        models_only_first=tuple(sorted(models[0].keys() - models[1].keys())),
        models_only_second=tuple(sorted(models[1].keys() - models[0].keys())),
        models_changed=tuple(
            sorted(name for name, digest in models[0].items() if models[1].get(name, digest) != digest)
        ),
        metrics=tuple(replace(one, difference=adjusted.get(one.metric)) for one in found),
        negatives=negatives,
    )


def _negatives(before: Run, after: Run) -> str:
    """Look-alikes, unless no metric of either run has any."""
    alike = any(one.look_alike_auc.defined for run in (before, after) for one in run.results.metrics)
    return "look-alike" if alike else "independent"


def _settings(run: Run) -> dict[str, str]:
    record = run.record
    catalog = {} if record.catalog is None else {part.file: part.digest[:12] for part in record.catalog.files}
    return {
        "command": record.command,
        **{name: _written(value) for name, value in record.arguments.items() if name != "catalog"},
        **{f"catalog {name}": digest for name, digest in catalog.items()},
        "seed": str(record.seed),
        "device": record.device or "",
        "status": record.status,
    }


def _versions(run: Run) -> dict[str, str]:
    machine = run.record.machine
    return {
        **run.record.packages,
        "Python": machine.python,
        "system": machine.system,
        "processor": machine.processor,
    }


def _written(value: object) -> str:
    if value is None or value is False:
        return ""
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _changes(first: Mapping[str, str], second: Mapping[str, str]) -> tuple[Change, ...]:
    return tuple(
        Change(name, first.get(name, ""), second.get(name, ""))
        for name in {**first, **second}
        if first.get(name, "") != second.get(name, "")
    )


def _metric(name: str, before: Run, after: Run, negatives: str) -> MetricDiff:
    old, new = (run.result(name) if name in run.names else None for run in (before, after))
    empty = pd.DataFrame(columns=before.scores.columns)
    both = ((before, old), (after, new))
    frames = (run.scores[run.scores["metric"] == name] if one else empty for run, one in both)
    sides = [frame.set_index(PAIR) for frame in frames]
    scored = [side[side["status"] == "ok"] for side in sides]
    common = scored[0].index.intersection(scored[1].index)
    one, other = (side.loc[common, "score"].to_numpy(float) for side in scored)
    moved = np.abs(other - one)
    largest = int(np.argmax(moved)) if len(moved) else 0
    relabelled = _relabelled(sides[0], sides[1])
    difference, reason = None, ""
    if old is None or new is None:
        reason = f"only the {'second' if new else 'first'} run has it"
    elif not len(common):
        reason = "no pair has a score in both runs"
    elif not moved.any() and not relabelled:
        reason = SAME
    else:
        difference = analysis.compare_metrics(after.table(name), before.table(name), negatives)
        reason = difference.reason
    return MetricDiff(
        metric=name,
        stands_in="both" if old and new else "first" if old else "second",
        changes=_changes(_facts(old), _facts(new)) if old and new else (),
        look_alike_auc_first=old.look_alike_auc if old else None,
        look_alike_auc_second=new.look_alike_auc if new else None,
        auc_first=old.auc if old else None,
        auc_second=new.auc if new else None,
        n_common=len(common),
        n_changed=int((moved > 0).sum()),
        largest_change=float(moved.max()) if len(moved) else math.nan,
        largest_pair=" – ".join(common[largest]) if len(moved) and moved.any() else "",
        n_relabelled=relabelled,
        n_only_first=len(scored[0].index.difference(scored[1].index)),
        n_only_second=len(scored[1].index.difference(scored[0].index)),
        difference=difference,
        reason=reason,
    )


def _relabelled(first: pd.DataFrame, second: pd.DataFrame) -> int:
    """Pairs of both tables of which one label differs."""
    common = first.index.intersection(second.index)
    labels = [name for name in LABELS if name in first and name in second]
    one, other = (side.loc[common, labels].fillna("").astype(str) for side in (first, second))
    return int((one != other).any(axis=1).sum())


def _facts(result: MetricResult | None) -> dict[str, str]:
    """What a reader would quote of a metric."""
    if result is None:
        return {}
    threshold = result.thresholds[0] if result.thresholds else None
    certified = threshold is not None and threshold.certified
    return {
        "version": str(result.version),
        "verdict": str(result.verdict),
        "claim": str(result.claim_verdict),
        "forgery and laundering": result.resistance,
        "threshold": f"{threshold.value:.6g}" if threshold else "",
        "certified": "yes" if certified else "no",
        "derived pairs": f"{result.n_derived:,}",
        "look-alikes": f"{result.n_look_alike:,}",
        "independent pairs": f"{result.n_independent:,}",
        "abstained": f"{result.abstained:,}",
        "failed": f"{result.failed:,}",
    }
