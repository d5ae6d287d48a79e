"""Metrics of several runs side by side, ranked only where they were tested on the same pairs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

import analysis
from analysis.results import Result
from benchmark.results.run import Run, read_run
from benchmark.results.schema import MetricResult
from benchmark.session.errors import UsageError

__all__ = ["Board", "BoardEntry", "leaderboard"]

LEVEL: Final = 0.05
PAIR: Final = ["model_a", "model_b"]
NAMED: Final = 3
#: What a row of the board says of a metric's results.
SHOWN: Final = (
    "version", "n_derived", "n_independent", "n_look_alike", "n_lineages", "abstained", "coverage",
    "look_alike_auc", "look_alike_auc_with_abstentions_worst", "auc", "thresholds",
    "independent_thresholds", "evidence", "claim", "verdict", "because", "claim_verdict", "claim_because",
    "methods", "resistance",
)  # fmt: skip
Advance = Callable[[int, int, str], None]


@dataclass(frozen=True, eq=False)
class BoardEntry(Result):
    """One metric of one run, or of several that agree on it.

    Attributes
    ----------
    name : str
        The metric, with its run where the same metric appears twice.
    metric : str
    runs : tuple of str
        The runs it was found in.
    result : MetricResult
        What results.json has of it.
    rank : Rank or None
        None where it cannot be ranked; `reason` says why.
    reason : str
    """

    _headline = "name"

    name: str
    metric: str
    runs: tuple[str, ...]
    result: MetricResult = field(repr=False)
    rank: analysis.Rank | None
    reason: str = ""

    def to_json(self) -> dict[str, object]:
        """One row of the board as plain values."""
        return {
            "name": self.name,
            "metric": self.metric,
            "runs": list(self.runs),
            "rank": analysis.as_json(self.rank),
            "reason": self.reason,
            **{key: analysis.as_json(getattr(self.result, key)) for key in SHOWN},
        }


@dataclass(frozen=True, eq=False)
class Board(Result):
    """Metrics side by side.

    Attributes
    ----------
    entries : tuple of BoardEntry
        Ranked ones first, best place first; then the others.
    comparisons : tuple of Comparison
        Of every two ranked metrics, on the pairs that both scored; adjusted together.
    negatives : str
        What children are told from: "look-alike" or "independent".
    level : float
        Of the tests, for the whole board together.
    runs : tuple of str
    """

    entries: tuple[BoardEntry, ...]
    comparisons: tuple[analysis.Comparison, ...] = field(repr=False)
    negatives: str
    level: float
    runs: tuple[str, ...]

    def to_json(self) -> dict[str, object]:
        """The whole as plain values."""
        return {
            "schema": 1,
            "negatives": self.negatives,
            "level": self.level,
            "runs": list(self.runs),
            "entries": [entry.to_json() for entry in self.entries],
            "comparisons": analysis.as_json(self.comparisons),
        }


def leaderboard(
    runs: Sequence[Path | str], *, level: float = LEVEL, advance: Advance = lambda done, total, text: None
) -> Board:
    """Put the metrics of runs side by side.

    Parameters
    ----------
    runs : sequence of Path or str
        Run directories. The first decides what is ranked: the metrics of another run take part if it stands
        on the same models, weights and labels, and stand beside with the reason if not.
    level : float
        Two metrics are separated where Holm's p-value of their paired difference is below it.
    advance : callable
        Told after each comparison.

    Raises
    ------
    UsageError
        No run, a run twice, or a directory that is no finished run.
    """
    paths = [Path(run) for run in runs]
    if not paths:
        raise UsageError("leaderboard: give at least one run directory")
    resolved = [path.resolve() for path in paths]
    for path, place in zip(paths, resolved, strict=True):
        if resolved.count(place) > 1:
            raise UsageError(f"leaderboard: {path} is given twice")
    read = [read_run(path) for path in paths]
    labels = _labels(paths)
    stands = _Stands.of(read[0])
    reasons = ["", *(stands.difference(_Stands.of(run)) for run in read[1:])]
    found = _merged(read, labels, reasons)
    negatives = _negatives(found)
    for one in found:
        one.reason = one.reason or _undefined(one.result, negatives)
    judged = [one for one in found if not one.reason]
    comparisons = _compared(judged, negatives, advance)
    places = {rank.metric: rank for rank in analysis.ranks([one.name for one in judged], comparisons, level)}
    entries = [
        BoardEntry(one.name, one.metric, tuple(one.runs), one.result, places.get(one.name), one.reason)
        for one in found
    ]
    return Board(tuple(sorted(entries, key=_order)), comparisons, negatives, level, tuple(labels))


@dataclass(frozen=True)
class _Stands:
    """What the numbers of a run stand on: models, their weights, and the labels of pairs."""

    digests: Mapping[str, str]
    models: frozenset[str]
    labels: pd.DataFrame

    @classmethod
    def of(cls, run: Run) -> _Stands:
        labels = run.scores.drop_duplicates(PAIR).set_index(PAIR).sort_index()
        digests = {name: one.digest for name, one in run.record.models.items()}
        models = frozenset(run.scores["model_a"]) | frozenset(run.scores["model_b"])
        kin = labels["lineage_a"].eq(labels["lineage_b"]).map({True: "of one lineage", False: "of two"})
        return cls(digests, models, labels[["relation"]].assign(lineage=kin))

    def difference(self, other: _Stands) -> str:
        """Why numbers on `other` cannot be ranked with these; empty where they can."""
        missing, extra = sorted(self.models - other.models), sorted(other.models - self.models)
        if missing or extra:
            parts = [f"it lacks {_some(missing)}"] if missing else []
            parts += [f"it also has {_some(extra)}"] if extra else []
            return "models differ from the first run: " + ", ".join(parts)
        changed = [name for name, digest in other.digests.items() if self.digests.get(name, digest) != digest]
        if changed:
            return f"weights differ from the first run: {_some(sorted(changed))}"
        shared = self.labels.index.intersection(other.labels.index)
        for column in ("relation", "lineage"):
            ours, theirs = (side.labels.loc[shared, column].to_numpy(dtype=object) for side in (self, other))
            unequal = np.flatnonzero(ours != theirs)
            if len(unequal):
                (a, b), row = shared[unequal[0]], unequal[0]
                return f"labels differ from the first run: {a} – {b} is {theirs[row]} here, {ours[row]} there"
        derived = [
            set(side.index[(side["relation"] == "derived").to_numpy()])
            for side in (self.labels, other.labels)
        ]
        if derived[0] != derived[1]:
            a, b = sorted(derived[0] ^ derived[1])[0]
            return f"derived pairs differ from the first run: only one of them has {a} – {b}"
        return ""


@dataclass
class _Found:
    """A metric as the runs have it, before it is ranked."""

    name: str
    metric: str
    runs: list[str]
    run: Run
    result: MetricResult
    reason: str


def _merged(runs: Sequence[Run], labels: Sequence[str], reasons: Sequence[str]) -> list[_Found]:
    """Every metric of every run; runs that have the same scores of a metric share an entry."""
    found: list[_Found] = []
    for run, label, reason in zip(runs, labels, reasons, strict=True):
        for metric in run.names:
            result = run.result(metric)
            scores = _scores(run, metric)
            twin = next(
                (
                    one
                    for one in found
                    if one.metric == metric
                    and one.reason == reason
                    and _scores(one.run, metric).equals(scores)
                ),
                None,
            )
            if twin is not None:
                twin.runs.append(label)
                continue
            found.append(_Found(metric, metric, [label], run, result, reason))
    for one in found:
        if sum(other.metric == one.metric for other in found) > 1:
            one.name = f"{one.metric} ({one.runs[0]})"
    return found


def _scores(run: Run, metric: str) -> pd.DataFrame:
    rows = run.scores.loc[run.scores["metric"] == metric, [*PAIR, "score", "status"]]
    return rows.sort_values(PAIR, ignore_index=True)


def _negatives(found: Sequence[_Found]) -> str:
    """Look-alikes, unless what can be ranked has none."""
    alike = any(one.result.look_alike_auc.defined for one in found if not one.reason)
    return "look-alike" if alike else "independent"


def _undefined(result: MetricResult, negatives: str) -> str:
    """Why a metric has no AUC to be ranked by; empty where it has."""
    area = result.look_alike_auc if negatives == "look-alike" else result.auc
    return "" if area.defined else area.reason


def _compared(judged: Sequence[_Found], negatives: str, advance: Advance) -> tuple[analysis.Comparison, ...]:
    """Every two metrics: as their run has compared them, else here; Holm over all of them."""
    runs = {one.run.path: one.run for one in judged}
    known = {
        (path, frozenset((item.metric_a, item.metric_b))): item
        for path, run in runs.items()
        for item in run.results.comparisons
        if item.negatives == negatives
    }
    tables: dict[str, analysis.ScoreTable] = {}
    pairs = list(combinations(judged, 2))
    comparisons = []
    for done, (a, b) in enumerate(pairs, start=1):
        names = {a.metric: a.name, b.metric: b.name}
        found = known.get((a.run.path, frozenset(names))) if a.run is b.run else None
        if found is not None:
            comparisons.append(replace(found, metric_a=names[found.metric_a], metric_b=names[found.metric_b]))
        else:
            for one in (a, b):
                if one.name not in tables:
                    tables[one.name] = one.run.table(one.metric)
            found = analysis.compare_metrics(tables[a.name], tables[b.name], negatives)
            comparisons.append(replace(found, metric_a=a.name, metric_b=b.name))
        advance(done, len(pairs), f"{a.name} – {b.name}")
    return analysis.holm(comparisons)


def _labels(paths: Sequence[Path]) -> list[str]:
    """How the runs are called: by their folder, or by their path where two folders have one name."""
    names = [path.resolve().name for path in paths]
    return [str(path) if names.count(name) > 1 else name for path, name in zip(paths, names, strict=True)]


def _order(entry: BoardEntry) -> tuple[bool, int, int, float, str]:
    """Ranked before unranked, better before worse, then by the estimate."""
    areas = (entry.result.look_alike_auc, entry.result.auc)
    estimate = next((-area.estimate for area in areas if area.defined), math.inf)
    if entry.rank is None:
        return True, 0, 0, estimate, entry.name
    return False, entry.rank.best, entry.rank.worst, estimate, entry.name


def _some(names: Iterable[str]) -> str:
    held = list(names)
    more = f" and {len(held) - NAMED} more" if len(held) > NAMED else ""
    return ", ".join(held[:NAMED]) + more
