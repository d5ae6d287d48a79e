"""What results.json and run.json hold, as frozen dataclasses: the one schema for all who read and write them.

A field is a key of the file, in this order. Change anything here and `SCHEMA` goes up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

import analysis
from analysis.notebook import Shown
from analysis.summary import CatalogSummary, MetricSummary
from benchmark.catalog.model import Dispute
from benchmark.session.errors import UsageError
from fpcore import Cost

__all__ = [
    "SCHEMA",
    "CatalogFacts",
    "CostRecord",
    "DecayPoint",
    "DisputeRecord",
    "Failure",
    "ForgeryOutcome",
    "ForgeryRecord",
    "Machine",
    "MetricDescription",
    "MetricResult",
    "ModelRecord",
    "Results",
    "RunRecord",
    "ScoredPair",
    "SharedPropertyClass",
]

SCHEMA: Final = 1


@dataclass(frozen=True)
class ForgeryOutcome(Shown):
    """What a forgery did to one score: `of` was turned into `forged`, its function kept, to look at `target`.

    Attributes
    ----------
    forged, of, target : str
        Catalog ids: the altered model, the honest one that it is made of, and the model aimed at.
    kind : str
        "frame" (an unrelated model made to look derived) or "evade" (a descendant made to look unrelated).
    aimed_at : str
        The metric that it was made against.
    before, after : float
        Score against the target before and after; NaN without one.
    threshold : float
        At or above it a pair is called derived; NaN without one.
    before_called, after_called : bool or None
        Whether the pair is called derived; None where the score or the threshold is missing.
    reason : str
        Why something is missing; empty otherwise.
    """

    forged: str
    of: str
    target: str
    kind: str
    aimed_at: str
    before: float
    after: float
    threshold: float
    before_called: bool | None
    after_called: bool | None
    reason: str

    @property
    def succeeded(self) -> bool:
        """Whether the call changed as the forger wanted."""
        calls = (self.before_called, self.after_called)
        return calls == ((False, True) if self.kind == "frame" else (True, False))


@dataclass(frozen=True)
class DecayPoint(Shown):
    """The score of a trained model against an ancestor.

    Attributes
    ----------
    model, ancestor, method : str
    steps : int
        Optimiser steps since the ancestor.
    tokens : int or None
        Seen on the way; None where it is not known.
    share : float
        Steps over those of the founder at the root.
    score : float
    lineage : str
    """

    model: str
    ancestor: str
    method: str
    steps: int
    tokens: int | None
    share: float
    score: float
    lineage: str


@dataclass(frozen=True)
class SharedPropertyClass(Shown):
    """Look-alike founders that share the same things, and how a metric scores them.

    Attributes
    ----------
    shared : str
    n_pairs, n_lineages : int
    median : float
    difference : float
        Median score less that of founders of the same cell that share all but the initialisation, averaged
        over the `n_cells` cells that have both; NaN without such a cell.
    n_cells : int
    auc, fpr : Interval
        Derived pairs against this class, matched by cells; the share of the class at or above the threshold.
    """

    shared: str
    n_pairs: int
    n_lineages: int
    median: float
    difference: float
    n_cells: int
    auc: analysis.Interval
    fpr: analysis.Interval


@dataclass(frozen=True, eq=False)
class MetricResult(MetricSummary):
    """One metric in results.json: its analysis, and what only the catalog knows.

    Attributes
    ----------
    forgeries : tuple of ForgeryOutcome
    decay : tuple of DecayPoint
        Nearest first; pairs without a score are left out.
    shared_properties : tuple of SharedPropertyClass
        The other attributes are those of `analysis.MetricSummary`.
    """

    forgeries: tuple[ForgeryOutcome, ...]
    decay: tuple[DecayPoint, ...]
    shared_properties: tuple[SharedPropertyClass, ...]

    @property
    def forgeable(self) -> bool:
        """Whether some forgery changed this metric's call as the forger wanted."""
        return any(outcome.succeeded for outcome in self.forgeries)


@dataclass(frozen=True, eq=False)
class Results(Shown):
    """The content of results.json.

    Attributes
    ----------
    schema : int
    metrics : tuple of MetricResult
        In the order of the run.
    comparisons : tuple of Comparison
        Every two metrics, paired.
    catalog : CatalogSummary
    """

    schema: int
    metrics: tuple[MetricResult, ...]
    comparisons: tuple[analysis.Comparison, ...] = field(repr=False)
    catalog: CatalogSummary

    @property
    def names(self) -> tuple[str, ...]:
        """The metrics, in the order of the run."""
        return tuple(one.metric for one in self.metrics)

    def metric(self, name: str) -> MetricResult:
        """One metric's results.

        Raises
        ------
        UsageError
            There is no such metric.
        """
        for one in self.metrics:
            if one.metric == name:
                return one
        raise UsageError(f"no metric {name!r} in these results; they have {', '.join(self.names)}")


@dataclass(frozen=True)
class CatalogFacts(Shown):
    """Which catalog a run was made from: digest of the file, its name, and how much it holds."""

    digest: str
    path: str
    n_models: int
    n_lineages: int
    n_cells: int


@dataclass(frozen=True)
class CostRecord(Shown):
    """What a metric took on this machine: mean seconds and over how many; None where nothing was computed."""

    seconds_a_model: float | None
    n_models: int
    seconds_a_pair: float | None
    n_pairs: int


@dataclass(frozen=True)
class ModelRecord(Shown):
    """A model of the run: digest of its weights, architecture cell as its checkpoint shows it, lineage."""

    digest: str
    architecture: str
    lineage: str


@dataclass(frozen=True)
class ForgeryRecord(Shown):
    """A forged model of the run: digest of its weights."""

    digest: str


@dataclass(frozen=True)
class MetricDescription(Shown):
    """A metric: what it is, what it looks at, what its authors claim.

    Attributes
    ----------
    version : int
    title : str
    evidence, invariances : tuple of str
    cost : str
        "cheap" or "costly".
    measured : Cost or None
    claims : tuple of Claim
    """

    version: int
    title: str
    evidence: tuple[str, ...]
    invariances: tuple[str, ...]
    cost: str
    measured: Cost | None
    claims: tuple[analysis.Claim, ...]


@dataclass(frozen=True)
class Machine(Shown):
    """Where the run was made: operating system, Python, processor."""

    system: str
    python: str
    processor: str


@dataclass(frozen=True)
class Failure(Shown):
    """A unit of work that failed.

    Attributes
    ----------
    unit : str
        "fingerprint" or "score".
    model : str
        The model, or the first pair that failed in this way.
    metric : str
        One or several with commas between.
    error : str
    """

    unit: Literal["fingerprint", "score"]
    model: str
    metric: str
    error: str


@dataclass(frozen=True)
class ScoredPair(Shown):
    """The score that this run has of a disputed pair."""

    metric: str
    score: float


@dataclass(frozen=True)
class DisputeRecord(Dispute):
    """A dispute of the catalog with the scores that this run has of its pair."""

    scored: tuple[ScoredPair, ...] = ()


@dataclass(frozen=True)
class RunRecord(Shown):
    """The content of run.json.

    Attributes
    ----------
    schema : int
    status : str
        "running", "complete", or "partial" where a unit of work failed.
    command : str
        "run", "evaluate" or "analyse".
    arguments : mapping
        As given; any JSON.
    tier, device : str or None
        None for `analyse`, which opens no model.
    catalog : CatalogFacts or None
    costs : mapping of str to CostRecord
        Metric → what it took.
    seed : int
    started, ended : str
        UTC, ISO 8601; `ended` is empty while the run lasts.
    seconds : mapping of str to float
        Phase → wall time.
    models : mapping of str to ModelRecord
    forgeries : mapping of str to ForgeryRecord
    metrics : mapping of str to MetricDescription
    packages : mapping of str to str
        Package → version.
    machine : Machine
    failures : tuple of Failure
    disputes : tuple of DisputeRecord
    """

    schema: int
    status: Literal["running", "complete", "partial"]
    command: str
    arguments: Mapping[str, object]
    tier: str | None
    device: str | None
    catalog: CatalogFacts | None
    costs: Mapping[str, CostRecord]
    seed: int
    started: str
    ended: str
    seconds: Mapping[str, float]
    models: Mapping[str, ModelRecord]
    forgeries: Mapping[str, ForgeryRecord]
    metrics: Mapping[str, MetricDescription]
    packages: Mapping[str, str]
    machine: Machine
    failures: tuple[Failure, ...]
    disputes: tuple[DisputeRecord, ...]
