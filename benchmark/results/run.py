"""A finished run, read back: its score table, its results as tables, and where its report lies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import pandas as pd

from analysis import ScoreTable
from analysis.notebook import Shown
from benchmark.session.errors import UsageError
from benchmark.session.files import RunDirectory

__all__ = ["Run", "read_run"]

FORGERIES: Final = "forgeries.parquet"
ENDS: Final = ("estimate", "low", "high")


@dataclass(frozen=True)
class Run(Shown):
    """What a run directory holds.

    Attributes
    ----------
    path : Path
    record : mapping
        run.json: command, catalog, model digests, versions, failures.
    results : mapping
        results.json.
    scores : pandas.DataFrame
        One row a pair and metric.
    forgeries : pandas.DataFrame
        Scores of models that were altered to frame or to evade; no rows where the run has none.
    """

    path: Path
    record: Mapping[str, Any] = field(repr=False)
    results: Mapping[str, Any] = field(repr=False)
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
        return [one["metric"] for one in self.results["metrics"]]

    @cached_property
    def metrics(self) -> pd.DataFrame:
        """One row a metric: verdict, AUCs with their ends, p-value, threshold at the first goal, claim."""
        return pd.DataFrame([_row(one) for one in self.results["metrics"]]).set_index("metric")

    @cached_property
    def methods(self) -> pd.DataFrame:
        """One row a metric and derivation method: pairs, lineages, median, AUCs and TPR with their ends."""
        rows = [
            {"metric": one["metric"], "method": method, **_flat(values)}
            for one in self.results["metrics"]
            for method, values in one["by_method"].items()
        ]
        return pd.DataFrame(rows)

    @cached_property
    def comparisons(self) -> pd.DataFrame:
        """One row a pair of metrics: the paired difference with its ends, p-value and Holm's."""
        return pd.DataFrame([_flat(one) for one in self.results.get("comparisons", ())])

    @cached_property
    def decay(self) -> pd.DataFrame:
        """One row a metric, trained model and ancestor: how far training went, and the score."""
        rows = [
            {"metric": one["metric"], **row}
            for one in self.results["metrics"]
            for row in one.get("decay") or ()
        ]
        return pd.DataFrame(rows)

    def result(self, metric: str) -> Mapping[str, Any]:
        """One metric's object of results.json.

        Raises
        ------
        UsageError
            The run does not have the metric.
        """
        for one in self.results["metrics"]:
            if one["metric"] == metric:
                return dict(one)
        raise UsageError(f"{self.path}: no metric {metric!r}; it has {', '.join(self.names)}")

    def table(self, metric: str) -> ScoreTable:
        """One metric's scores, ready for the statistics; errors as for `result`."""
        self.result(metric)
        return ScoreTable(self.scores[self.scores["metric"] == metric])

    def _facts(self) -> dict[str, Any]:
        return {
            "path": str(self.path),
            "command": self.record.get("command"),
            "status": self.record.get("status"),
            "models": self.results.get("catalog", {}).get("n_models"),
            "lineages": self.results.get("catalog", {}).get("n_lineages"),
            "metrics": {
                name: {
                    "verdict": row["verdict"],
                    "look-alike AUC": row["look_alike_auc"],
                    "low": row["look_alike_auc_low"],
                    "high": row["look_alike_auc_high"],
                    "AUC": row["auc"],
                }
                for name, row in self.metrics.to_dict(orient="index").items()
            },
        }


def read_run(path: str | Path) -> Run:
    """Read a run directory.

    Parameters
    ----------
    path : str or Path
        As `run`, `evaluate` or `analyse` wrote it.

    Raises
    ------
    UsageError
        A file is absent, unreadable, or of another schema.
    """
    directory = RunDirectory(Path(path))
    record, results = directory.read_run(), directory.read_results()
    forged = directory.path / FORGERIES
    return Run(
        path=directory.path,
        record=record,
        results=results,
        scores=directory.read_scores(),
        forgeries=pd.read_parquet(forged) if forged.is_file() else pd.DataFrame(),
    )


def _row(one: Mapping[str, Any]) -> dict[str, Any]:
    """A metric's results as one flat row."""
    thresholds: Sequence[Mapping[str, Any]] = one["thresholds"]
    threshold = thresholds[0] if thresholds else {}
    claim = one["claim"] or {}
    counts = ("n_derived", "n_independent", "n_look_alike", "n_models", "n_lineages", "abstained")
    return {
        "metric": one["metric"],
        "version": one["version"],
        "verdict": one["verdict"],
        **_flat({name: one[name] for name in ("look_alike_auc", "auc", "partial_auc")}),
        "p_value": one["permutation"]["p_value"],
        "adjusted_p_value": one["permutation"]["adjusted_p_value"],
        "max_fpr": threshold.get("max_fpr"),
        "threshold": threshold.get("value"),
        "certified": threshold.get("certified"),
        **_flat({"tpr": threshold.get("tpr")}),
        "claimed_threshold": claim.get("threshold"),
        **_flat({"claim_look_alike_fpr": claim.get("look_alike_fpr"), "claim_tpr": claim.get("tpr")}),
        "cllr": one["evidence"]["cllr"],
        "max_abs_log10_lr": one["evidence"]["max_abs_log10_lr"],
        **{name: one[name] for name in counts},
        "because": one["because"],
    }


def _flat(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values with every interval as three columns: name, name_low, name_high."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat |= {name + ("" if end == "estimate" else f"_{end}"): value[end] for end in ENDS}
        else:
            flat[name] = value
    return flat
