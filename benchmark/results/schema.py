"""What results.json and run.json hold, as frozen dataclasses: the one schema for all who read and write them.

A field is a key of the file, in this order. Change anything here and `SCHEMA` goes up.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

import analysis
from analysis.results import Result
from analysis.summary import CatalogSummary, MetricSummary
from benchmark.catalog.catalog import CatalogPart
from benchmark.catalog.model import Dispute
from benchmark.results.laundering import LaunderingOutcome
from benchmark.results.published_places import PublishedPlace
from benchmark.session.errors import UsageError
from fpcore import Cost

__all__ = [
    "SCHEMA",
    "CatalogFacts",
    "CostRecord",
    "DecayPoint",
    "DisputeRecord",
    "Failure",
    "FamilyClass",
    "ForgeryOutcome",
    "ForgeryRecord",
    "Machine",
    "MetricDescription",
    "MetricResult",
    "ModelRecord",
    "ModelTraffic",
    "Results",
    "RunPoint",
    "RunRecord",
    "ScoredPair",
    "SharedPropertyClass",
    "TrafficRecord",
]

SCHEMA: Final = 5
#: More metrics than these are counted, not named, where one line says what failed.
FEW: Final = 2


@dataclass(frozen=True, eq=False)
class ForgeryOutcome(Result):
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
        return self.open and self.after_called is not self.before_called

    @property
    def open(self) -> bool:
        """Whether it had a call to turn: a pair that is called so before any forgery shows nothing."""
        return self.after_called is not None and self.before_called is (self.kind == "evade")


@dataclass(frozen=True, eq=False)
class DecayPoint(Result):
    """The score of a trained model against an ancestor.

    Attributes
    ----------
    model, ancestor : str
        Catalog ids.
    method : str
        How the one was made from the other.
    steps : int
        Optimiser steps since the ancestor.
    tokens : int or None
        Seen on the way; None where it is not known.
    share : float
        Steps over those of the founder at the root.
    score : float
        Of the pair.
    lineage : str
        Of both.
    """

    model: str
    ancestor: str
    method: str
    steps: int
    tokens: int | None
    share: float
    score: float
    lineage: str


@dataclass(frozen=True, eq=False)
class RunPoint(Result):
    """The score of a point of a training run against the run's end.

    Attributes
    ----------
    run, point : str
        Catalog ids: the model at the end, and the branch or repository on the way.
    family : str
        Of the catalog.
    lineage : str
        Of both.
    step : int
        Optimiser steps from the start of the run to the point.
    share : float
        The same over all steps of the run; 0 is the initialisation.
    score : float
        Of the pair.
    """

    run: str
    point: str
    family: str
    lineage: str
    step: int
    share: float
    score: float


@dataclass(frozen=True, eq=False)
class FamilyClass(Result):
    """Look-alikes of one family of models, or of two, and how a metric scores them.

    Attributes
    ----------
    families : str
        The family of both models, or two with a dash between; "others" are models without one.
    n_pairs, n_lineages : int
        Pairs with a score, and their lineages.
    median : float
        Of the scores; NaN without any.
    n_confused : int or None
        Pairs at or above the threshold, which are called derived; None without a threshold.
    auc, fpr : Interval
        Derived pairs against this class, matched by cells; the share of the class at or above the threshold.
    """

    families: str
    n_pairs: int
    n_lineages: int
    median: float
    n_confused: int | None
    auc: analysis.Interval
    fpr: analysis.Interval


@dataclass(frozen=True, eq=False)
class SharedPropertyClass(Result):
    """Look-alike founders that share the same things, and how a metric scores them.

    Attributes
    ----------
    shared : str
        What they share: "all but the initialisation", "all but the corpus" (and so on), "less (two or more
        differ)", "nothing but shape", or "the initialisation".
    n_pairs, n_lineages : int
        Pairs with a score, and their lineages.
    median : float
        Of the scores; NaN without any.
    difference : float
        Median score less that of founders of the same cell that share all but the initialisation, averaged
        over the `n_cells` cells that have both; NaN without such a cell.
    n_cells : int
        Architecture cells that `difference` rests on.
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
        One per forgery; empty where the run has none.
    decay : tuple of DecayPoint
        Nearest first; pairs without a score are left out.
    run_points : tuple of RunPoint
        Points of training runs against their ends, run by run, earliest first.
    shared_properties : tuple of SharedPropertyClass
        Look-alike founders by what they share, most first.
    by_family : tuple of FamilyClass
        Look-alikes by the families of their models; empty where the catalog names none.
    laundering : tuple of LaunderingOutcome
        One per derivation method that launders and keeps what the model computes; empty where there is none.

    Notes
    -----
    The other attributes are those of `analysis.MetricSummary`.
    """

    forgeries: tuple[ForgeryOutcome, ...]
    decay: tuple[DecayPoint, ...]
    run_points: tuple[RunPoint, ...]
    shared_properties: tuple[SharedPropertyClass, ...]
    by_family: tuple[FamilyClass, ...]
    laundering: tuple[LaunderingOutcome, ...]

    @property
    def framed(self) -> bool:
        """Whether some forgery made an unrelated model look derived."""
        return any(outcome.succeeded for outcome in self.forgeries if outcome.kind == "frame")

    @property
    def evaded(self) -> bool:
        """Whether some forgery, or some laundering that keeps the function, hid a descendant."""
        return any(outcome.succeeded for outcome in self.forgeries if outcome.kind == "evade") or any(
            outcome.n_hidden for outcome in self.laundering
        )

    @property
    def forgeable(self) -> bool:
        """Whether its call can be changed without changing what a model computes."""
        return self.framed or self.evaded

    @property
    def tried(self) -> bool:
        """Whether this run has forgeries or laundered models."""
        return bool(self.forgeries or self.laundering)

    @property
    def resistance(self) -> str:
        """Whether it resists forgery and laundering, in words."""
        if not self.tried:
            return "not tried"
        said = [word for word, is_so in (("framed", self.framed), ("evaded", self.evaded)) if is_so]
        if said:
            return " and ".join(said)
        return f"resists {' and '.join(self.called)}" if self.called else "not testable"

    @property
    def called(self) -> tuple[str, ...]:
        """Which of forgery and laundering had a call to turn: the others show nothing."""
        forged = any(one.open for one in self.forgeries)
        laundered = any(one.n_scored and not math.isnan(one.threshold) for one in self.laundering)
        return ("forgery",) * forged + ("laundering",) * laundered

    @property
    def resists(self) -> bool:
        """Whether forgeries or laundered models were called, and none deceived it."""
        return bool(self.called) and not self.forgeable


@dataclass(frozen=True, eq=False)
class Results(Result):
    """The content of results.json.

    Attributes
    ----------
    schema : int
        5; a file of another schema is refused.
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
        raise UsageError(f"unknown metric {name!r} in these results; they have {', '.join(self.names)}")


@dataclass(frozen=True, eq=False)
class CatalogFacts(Result):
    """Which catalog a run was made from, and how much it holds.

    Attributes
    ----------
    digest : str
        sha256 of the file; of several, of all their digests.
    path : str
        Its name; of several all, with a plus between.
    files : tuple of CatalogPart
        Name and digest of each.
    n_models, n_lineages, n_cells : int
        In the whole catalog; a run may have taken a part.
    """

    digest: str
    path: str
    files: tuple[CatalogPart, ...]
    n_models: int
    n_lineages: int
    n_cells: int


@dataclass(frozen=True, eq=False)
class CostRecord(Result):
    """What a metric took on this machine.

    Attributes
    ----------
    seconds_a_model, seconds_a_pair : float or None
        Means; None where nothing was computed. A cached fingerprint counts as when it was made.
    n_models, n_pairs : int
        What the means are over.
    """

    seconds_a_model: float | None
    n_models: int
    seconds_a_pair: float | None
    n_pairs: int


@dataclass(frozen=True, eq=False)
class ModelRecord(Result):
    """A model of the run.

    Attributes
    ----------
    digest : str
        sha256 of configuration, weights and tokenizer; empty where the model could not be read.
    architecture : str
        Architecture cell, as the checkpoint shows it; empty where the model could not be read.
    lineage : str
        By the catalog.
    reading : str
        How its tensors were given their roles: "by table" of its model type, or "by convention" (the names
        that the field uses, confirmed by shapes); empty where they could not be.
    verified : bool or None
        Of a model on the hub, whether every byte of its weights came and fits the digests that the hub gives;
        false where only parts were read: the digest is then the hub's word. None where it was not on the hub.
    """

    digest: str
    architecture: str
    lineage: str
    reading: str
    verified: bool | None


@dataclass(frozen=True, eq=False)
class ForgeryRecord(Result):
    """A forged model of the run.

    Attributes
    ----------
    digest : str
        sha256 of configuration, weights and tokenizer.
    """

    digest: str


@dataclass(frozen=True, eq=False)
class MetricDescription(Result):
    """A metric: what it is, the evidence it uses, what its authors claim.

    Attributes
    ----------
    version : int
        Changes whenever a score could change.
    title : str
        A phrase that explains it.
    evidence : tuple of str
        Evidence it uses: config, tokenizer, weights, activations, gradients, outputs.
    invariances : tuple of str
        Changes of a model that leave its scores as they are.
    cost : str
        "cheap" or "costly".
    measured : Cost or None
    claims : tuple of Claim
        What its authors say; the first is audited.
    """

    version: int
    title: str
    evidence: tuple[str, ...]
    invariances: tuple[str, ...]
    cost: str
    measured: Cost | None
    claims: tuple[analysis.Claim, ...]


@dataclass(frozen=True, eq=False)
class Machine(Result):
    """Where the run was made.

    Attributes
    ----------
    system, python, processor : str
        Operating system, Python's version, and kind of processor.
    """

    system: str
    python: str
    processor: str


@dataclass(frozen=True, eq=False)
class Failure(Result):
    """Units of work that failed for the same cause.

    Attributes
    ----------
    unit : str
        "fingerprint", "score", or "symmetry": pairs whose score depends on which model comes first.
    model : str
        The model or pair; of several, the first.
    metric : str
        One or several with commas between.
    error : str
        What went wrong, in one line; of several, what the first said.
    where : str
        ``FILE.py:LINE`` of the metric's own code that raised it; empty where no such line is known.
    count : int
        Models or pairs that failed for this cause.
    """

    unit: Literal["fingerprint", "score", "symmetry"]
    model: str
    metric: str
    error: str
    where: str
    count: int

    @property
    def told(self) -> str:
        """In one line: what failed, on how many models or pairs, why, and where."""
        kind = "models" if self.unit == "fingerprint" else "pairs"
        on = self.model if self.count == 1 else f"{self.count:,} {kind}, first {self.model}"
        line = f" ({self.where})" if self.where else ""
        named = self.metric.count(",") + 1
        metric = f"{named} metrics" if named > FEW else self.metric
        return f"{metric} on {on}: {self.error}{line}"


@dataclass(frozen=True, eq=False)
class ScoredPair(Result):
    """A score that this run has of a disputed pair.

    Attributes
    ----------
    metric : str
        Its name.
    score : float
        Of the pair.
    """

    metric: str
    score: float


@dataclass(frozen=True, eq=False)
class ModelTraffic(Result):
    """What came over the network for one model.

    Attributes
    ----------
    bytes, requests : int
        Of bodies, and of all requests; 0 where all that was needed was on this machine.
    """

    bytes: int
    requests: int


@dataclass(frozen=True, eq=False)
class TrafficRecord(Result):
    """What a run fetched from the hub, on the machines that share its cache.

    Attributes
    ----------
    budget, planned : int
        Bytes that it might fetch, and that its plan said it would.
    bytes, requests : int
        That it fetched: plan, fingerprints and scores together.
    models : mapping of str to ModelTraffic
        The same by model, ``org/name[@revision]``.
    """

    budget: int
    planned: int
    bytes: int
    requests: int
    models: Mapping[str, ModelTraffic]


@dataclass(frozen=True)
class DisputeRecord(Dispute):
    """A dispute of the catalog with the scores that this run has of its pair.

    Attributes
    ----------
    scored : tuple of ScoredPair
        One per metric that gave a score.
    published_scores : tuple of PublishedPlace
        What was published of the pairs in question, beside this run's pairs of the same shapes.
    """

    scored: tuple[ScoredPair, ...] = ()
    published_scores: tuple[PublishedPlace, ...] = ()


@dataclass(frozen=True, eq=False)
class RunRecord(Result):
    """The content of run.json.

    Attributes
    ----------
    schema : int
        5; a file of another schema is refused.
    status : str
        "running", "complete", or "partial" where a unit of work failed.
    command : str
        "run", "evaluate" or "analyse".
    arguments : mapping
        As given; any JSON.
    tier, device : str or None
        None for `analyse`, which opens no model.
    catalog : CatalogFacts or None
        None for `analyse` without a catalog.
    costs : mapping of str to CostRecord
        Metric → what it took.
    seed : int
        Random seed of everything that draws.
    started, ended : str
        UTC, ISO 8601; `ended` is empty while the run lasts.
    seconds : mapping of str to float
        Phase → wall time.
    models : mapping of str to ModelRecord
        Catalog id → what was opened; empty for `analyse`.
    forgeries : mapping of str to ForgeryRecord
        Catalog id → what was opened.
    metrics : mapping of str to MetricDescription
        Name → what it is; of `analyse` those that are registered here.
    packages : mapping of str to str
        Package → version.
    machine : Machine
    failures : tuple of Failure
        Each cause once.
    disputes : tuple of DisputeRecord
        All of the catalog; empty without one.
    traffic : TrafficRecord or None
        What was fetched from the hub; None for a run of nothing but models on this machine.
    notes : tuple of str
        What was changed to read the score table of `analyse`; they stand among the warnings of each metric.
    code : mapping of str to str
        What computed → sha256 of its source: the packages, the zoo's manifest, and each metric that is not of
        this package.
    digests : mapping of str to str
        File of this directory → sha256; a file that does not fit it is refused. Empty while the run lasts.
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
    traffic: TrafficRecord | None
    notes: tuple[str, ...] = ()
    code: Mapping[str, str] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)
