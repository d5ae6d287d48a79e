"""A finished run, read back: its score table, its results as tables, and where its report lies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path

import pandas as pd

from analysis import Interval, ScoreTable, as_json
from analysis.notebook import Shown
from benchmark.results.codec import from_json
from benchmark.results.files import RunDirectory
from benchmark.results.schema import MetricResult, Results, RunRecord

__all__ = ["Run", "read_run"]


@dataclass(frozen=True, eq=False)
class Run(Shown):
    """What a run directory holds.

    Attributes
    ----------
    path : Path
    record : RunRecord
        run.json: command, catalog, model digests, versions, failures.
    results : Results
        results.json.
    scores : pandas.DataFrame
        One row per pair and metric.
    forgeries : pandas.DataFrame
        Scores of models that were altered to frame or to evade; no rows where the run has none.
    """

    path: Path
    record: RunRecord = field(repr=False)
    results: Results = field(repr=False)
    scores: pd.DataFrame = field(repr=False)
    forgeries: pd.DataFrame = field(repr=False)

    _headline = "path"

    @property
    def report(self) -> Path:
        """The page of the run."""
        return self.path / "report.html"

    @property
    def names(self) -> list[str]:
        """The metrics, in the order of the run."""
        return list(self.results.names)

    @cached_property
    def metrics(self) -> pd.DataFrame:
        """One row per metric: verdicts, AUCs with their ends, p-value, threshold at the first goal, claim."""
        rows = [_row(one) for one in self.results.metrics]
        return pd.DataFrame(rows, columns=None if rows else ["metric"]).set_index("metric")

    @cached_property
    def methods(self) -> pd.DataFrame:
        """One row per metric and derivation method: pairs, lineages, median, AUCs and TPR with their ends."""
        rows = [
            {"metric": one.metric, "method": method, **_columns(found)}
            for one in self.results.metrics
            for method, found in one.by_method.items()
        ]
        return pd.DataFrame(rows)

    @cached_property
    def comparisons(self) -> pd.DataFrame:
        """One row per pair of metrics: the paired difference with its ends, p-value and Holm's."""
        return pd.DataFrame([_columns(one) for one in self.results.comparisons])

    @cached_property
    def decay(self) -> pd.DataFrame:
        """One row per metric, trained model and ancestor: how far training went, and the score."""
        rows = [{"metric": one.metric, **vars(point)} for one in self.results.metrics for point in one.decay]
        return pd.DataFrame(rows)

    @cached_property
    def run_points(self) -> pd.DataFrame:
        """One row per metric and point of a training run: how far it was, and the score against the end."""
        points = [(one.metric, point) for one in self.results.metrics for point in one.run_points]
        return pd.DataFrame([{"metric": metric, **vars(point)} for metric, point in points])

    @cached_property
    def families(self) -> pd.DataFrame:
        """One row per metric and family of look-alikes: pairs, those confused, AUC and FPR with ends."""
        found = [(one.metric, row) for one in self.results.metrics for row in one.by_family]
        return pd.DataFrame([{"metric": metric, **_columns(row)} for metric, row in found])

    def result(self, metric: str) -> MetricResult:
        """One metric's results.

        Raises
        ------
        UsageError
            The run does not have the metric.
        """
        return self.results.metric(metric)

    def table(self, metric: str) -> ScoreTable:
        """One metric's scores, ready for the statistics; errors as for `result`."""
        self.result(metric)
        return ScoreTable(self.scores[self.scores["metric"] == metric])

    def _facts(self) -> dict[str, object]:
        return {
            "path": str(self.path),
            "command": self.record.command,
            "status": self.record.status,
            "models": self.results.catalog.n_models,
            "lineages": self.results.catalog.n_lineages,
            "metrics": {
                one.metric: {
                    "verdict": one.verdict,
                    "claim": one.claim_verdict,
                    "look-alike AUC": one.look_alike_auc.estimate,
                    "low": one.look_alike_auc.low,
                    "high": one.look_alike_auc.high,
                    "AUC": one.auc.estimate,
                }
                for one in self.results.metrics
            },
        }


def read_run(path: str | Path, known: RunRecord | None = None) -> Run:
    """Read a run directory.

    Parameters
    ----------
    path : str or Path
        As `run`, `evaluate` or `analyse` wrote it.
    known : RunRecord, optional
        What run.json will say once the run has ended; default: what it says.

    Raises
    ------
    UsageError
        A file is absent, unreadable, not of this schema, or not the one that run.json was written for; or
        the run has not ended.
    """
    # As it reads back: what stands in a run is what its files say.
    record = None if known is None else from_json(RunRecord, as_json(known))
    directory = RunDirectory(Path(path), record)
    return Run(
        path=directory.path,
        record=directory.read_record() if record is None else record,
        results=directory.read_results(),
        scores=directory.read_scores(),
        forgeries=directory.read_forgeries(),
    )


def _row(one: MetricResult) -> dict[str, object]:
    """A metric's results as one flat row."""
    threshold = one.thresholds[0] if one.thresholds else None
    claim = one.claim
    return {
        "metric": one.metric,
        "version": one.version,
        "verdict": str(one.verdict),
        "claim_verdict": str(one.claim_verdict),
        **_ends("look_alike_auc", one.look_alike_auc),
        **_ends("auc", one.auc),
        **_ends("partial_auc", one.partial_auc),
        "p_value": one.permutation.p_value,
        "adjusted_p_value": one.permutation.adjusted_p_value,
        "max_fpr": threshold.max_fpr if threshold else None,
        "threshold": threshold.value if threshold else None,
        "threshold_negatives": threshold.negatives if threshold else None,
        "certified": threshold.certified if threshold else None,
        "certified_independent": one.independent_thresholds[0].certified
        if one.independent_thresholds
        else None,
        **_ends("tpr", threshold.tpr if threshold else None),
        "claimed_threshold": claim.threshold if claim else None,
        **_ends("claim_look_alike_fpr", claim.look_alike_fpr if claim else None),
        **_ends("claim_tpr", claim.tpr if claim else None),
        "cllr": one.evidence.cllr,
        "cllr_independent": one.evidence_against["independent"].cllr
        if "independent" in one.evidence_against
        else None,
        "max_abs_log10_lr": one.evidence.max_abs_log10_lr,
        "n_derived": one.n_derived,
        "n_independent": one.n_independent,
        "n_look_alike": one.n_look_alike,
        "n_models": one.n_models,
        "n_lineages": one.n_lineages,
        "abstained": one.abstained,
        "resistance": one.resistance,
        "because": one.because,
        "claim_because": one.claim_because,
    }


def _ends(name: str, interval: Interval | None) -> dict[str, float | None]:
    """An interval as three columns: name, name_low, name_high."""
    if interval is None:
        return {name: None}
    return {name: interval.estimate, f"{name}_low": interval.low, f"{name}_high": interval.high}


def _columns(result: Shown) -> Mapping[str, object]:
    """The fields of a result as columns, an interval as three."""
    columns: dict[str, object] = {}
    for item in fields(result):  # type: ignore[arg-type]
        value = getattr(result, item.name)
        columns |= _ends(item.name, value) if isinstance(value, Interval) else {item.name: value}
    return columns
