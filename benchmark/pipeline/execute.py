"""The main job: plan → fingerprints → scores → statistics → report, resumable at every step."""

from __future__ import annotations

import importlib.metadata
import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

import pandas as pd

import analysis
import fpcore
from benchmark import report
from benchmark.catalog import Catalog
from benchmark.pipeline.forgeries import forgery_pairs, forgery_table
from benchmark.pipeline.metric_choice import load_metric
from benchmark.pipeline.plan import Plan
from benchmark.pipeline.scoring import Job, score_pairs
from benchmark.pipeline.statistics import results_of, with_catalog_facts
from benchmark.pipeline.workers import Extraction, extract, run_units
from benchmark.results.files import RunDirectory
from benchmark.results.schema import (
    SCHEMA,
    CatalogFacts,
    CostRecord,
    DisputeRecord,
    Failure,
    ForgeryRecord,
    Machine,
    MetricDescription,
    ModelRecord,
    Results,
    RunRecord,
    ScoredPair,
)
from benchmark.session.progress import Reporter

__all__ = ["Clock", "Finished", "Told", "describe_metric", "execute", "finish", "package_version"]

PACKAGES: Final = (
    "lookalike",
    "torch",
    "transformers",
    "numpy",
    "scipy",
    "scikit-learn",
    "statsmodels",
    "pandas",
)


@dataclass(frozen=True)
class Finished:
    """A run that ended: where it lies, its results, and what failed in it."""

    directory: RunDirectory
    results: Results
    record: RunRecord

    @property
    def failures(self) -> tuple[Failure, ...]:
        """Units of work that failed."""
        return self.record.failures


@dataclass(frozen=True)
class Told:
    """What a verb says of a run for run.json: what was asked for, of which catalog."""

    command: str
    arguments: Mapping[str, object]
    tier: str | None = None
    device: str | None = None
    catalog: CatalogFacts | None = None


@dataclass
class Clock:
    """Seconds a phase took, and when the run began."""

    started: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time one phase."""
        begin = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - begin, 3)


def execute(
    catalog: Catalog,
    plan: Plan,
    out: Path,
    *,
    cache: Path,
    workers: int,
    seed: int,
    reporter: Reporter,
    told: Told,
    time_limits: Mapping[str, float] | None = None,
    focus: str | None = None,
) -> Finished:
    """Do the plan's work and write the run directory.

    Parameters
    ----------
    catalog, plan
        What to do it on, and what to do.
    out : Path
        The run directory.
    cache : Path
        Where fingerprints and scores are kept, by content: an interrupted run goes on from there.
    workers : int
        Processes; the results do not depend on it.
    seed : int
        Of every procedure that draws random numbers.
    reporter : Reporter
    told : Told
        What run.json says of the command.
    time_limits : mapping of str to float, optional
        Metric → seconds that it may take for one model, and for one pair; POSIX only.
    focus : str, optional
        The metric in question: its comparisons with the others are corrected as a family of their own.
    """
    limits = dict(time_limits or {})
    directory = RunDirectory(out)
    clock = Clock()
    directory.write_record(begun(told, seed, clock))
    with clock.phase("fingerprints"), reporter.phase("fingerprints") as advance:
        found = run_units(
            partial(_extract_unit, catalog, plan.metrics, cache, limits),
            (*plan.models, *plan.forged_models),
            workers=workers,
            advance=advance,
            name=str,
        )
    extractions = {extraction.model: extraction for extraction in found}
    pairs = _with_cells(plan.pairs, extractions)
    jobs = [Job(spec, pairs[plan.chosen[spec]]) for spec in plan.metrics]
    if len(plan.forgeries):
        forged = _with_cells(forgery_pairs(catalog, plan.forgeries), extractions)
        jobs += [Job(spec, forged) for spec in plan.metrics]
    with clock.phase("scores"), reporter.phase("scores") as advance:
        frames = score_pairs(
            catalog, jobs, extractions, cache, workers=workers, advance=advance, limits=limits
        )
    honest, forged_too = frames[: len(plan.metrics)], frames[len(plan.metrics) :]
    scores = pd.concat(honest, ignore_index=True)
    return finish(
        scores.drop(columns="seconds"),
        directory,
        catalog=catalog,
        metrics=plan.metrics,
        cache=cache,
        seed=seed,
        reporter=reporter,
        clock=clock,
        told=told,
        costs=_costs(plan, extractions, scores),
        extractions=extractions,
        forgeries=forgery_table(plan.forgeries, pd.concat(forged_too)) if forged_too else None,
        focus=focus,
    )


def finish(
    scores: pd.DataFrame,
    directory: RunDirectory,
    *,
    catalog: Catalog | None,
    metrics: Sequence[str],
    cache: Path,
    seed: int,
    reporter: Reporter,
    clock: Clock,
    told: Told,
    costs: Mapping[str, CostRecord],
    extractions: Mapping[str, Extraction],
    forgeries: pd.DataFrame | None = None,
    focus: str | None = None,
) -> Finished:
    """From scores to the files of a run directory: statistics, results, report."""
    directory.write_scores(scores)
    directory.write_forgeries(forgeries)
    known = {metric.name: metric for metric in map(load_metric, metrics)}
    with clock.phase("statistics"), reporter.phase("statistics") as advance:
        summary = results_of(scores, known, seed=seed, cache=cache, focus=focus)
        results = with_catalog_facts(summary, scores, catalog, forgeries)
        advance(len(results.metrics), len(results.metrics), "")
    directory.write_results(results)
    failures = _failures(extractions, scores if forgeries is None else pd.concat([scores, forgeries]))
    forged = set() if forgeries is None else set(forgeries["forged"])
    record = replace(
        begun(told, seed, clock),
        status="partial" if failures else "complete",
        costs=costs,
        ended=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=dict(clock.seconds),
        models={
            model: ModelRecord(
                extraction.digest, extraction.cell, catalog.lineage(model) if catalog is not None else ""
            )
            for model, extraction in extractions.items()
            if model not in forged
        },
        forgeries={model: ForgeryRecord(extractions[model].digest) for model in sorted(forged)},
        metrics={name: describe_metric(metric) for name, metric in known.items()},
        failures=failures,
        disputes=_disputes(catalog, scores) if catalog is not None else (),
    )
    directory.write_record(record)
    with clock.phase("report"), reporter.phase("report") as advance:
        report.render(directory.path, cache=cache)
        advance(1, 1, str(directory.report))
    record = replace(record, seconds=dict(clock.seconds))
    directory.write_record(record)
    return Finished(directory, results, record)


def begun(told: Told, seed: int, clock: Clock) -> RunRecord:
    """What run.json says of a run that has begun."""
    return RunRecord(
        schema=SCHEMA,
        status="running",
        command=told.command,
        arguments=told.arguments,
        tier=told.tier,
        device=told.device,
        catalog=told.catalog,
        costs={},
        seed=seed,
        started=clock.started,
        ended="",
        seconds={},
        models={},
        forgeries={},
        metrics={},
        packages={name: package_version(name) for name in PACKAGES},
        machine=Machine(platform.platform(), platform.python_version(), platform.machine()),
        failures=(),
        disputes=(),
    )


def _extract_unit(
    catalog: Catalog, metrics: Sequence[str], cache: Path, limits: Mapping[str, float], model: str
) -> Extraction:
    return extract(catalog, model, metrics, cache, limits)


def _with_cells(pairs: pd.DataFrame, extractions: Mapping[str, Extraction]) -> pd.DataFrame:
    """The pairs with the architecture cell of each model as its checkpoint shows it."""
    cells = {model: extraction.cell or None for model, extraction in extractions.items()}
    return pairs.assign(
        architecture_a=pairs["architecture_a"].where(
            pairs["architecture_a"].notna(), pairs["model_a"].map(cells)
        ),
        architecture_b=pairs["architecture_b"].where(
            pairs["architecture_b"].notna(), pairs["model_b"].map(cells)
        ),
    )


def _costs(plan: Plan, extractions: Mapping[str, Extraction], scores: pd.DataFrame) -> dict[str, CostRecord]:
    """What each metric took on this machine: mean seconds a model and a pair; None where nothing was done.

    A cached fingerprint counts as when it was made. Metrics share what they read of a model, and the first in
    the run's order pays for it. They are no part of results.json, which is the same on every machine.
    """
    costs = {}
    for spec in plan.metrics:
        name = load_metric(spec).name
        outcomes = [extractions[model].outcomes[spec] for model in plan.models]
        models = [outcome.seconds for outcome in outcomes if outcome.seconds is not None]
        pairs = scores.loc[scores["metric"] == name, "seconds"].dropna()
        costs[name] = CostRecord(
            seconds_a_model=round(sum(models) / len(models), 6) if models else None,
            n_models=len(models),
            seconds_a_pair=round(float(pairs.mean()), 6) if len(pairs) else None,
            n_pairs=len(pairs),
        )
    return costs


def _failures(extractions: Mapping[str, Extraction], scores: pd.DataFrame) -> tuple[Failure, ...]:
    """What failed, each cause once: a model's fingerprint, then pairs that failed by themselves."""
    failures = []
    broken: set[tuple[str, str]] = set()
    for model, extraction in extractions.items():
        errors = {
            spec: outcome.reason
            for spec, outcome in extraction.outcomes.items()
            if outcome.status == "failed"
        }
        for error in dict.fromkeys(errors.values()):
            specs = [load_metric(spec).name for spec, reason in errors.items() if reason == error]
            failures.append(Failure("fingerprint", model, ", ".join(specs), error))
            broken.update((name, model) for name in specs)
    failed = scores.loc[scores["status"] == "failed", ["metric", "model_a", "model_b", "reason"]]
    seen: set[tuple[str, str]] = set()
    for metric, a, b, reason in failed.astype(str).itertuples(index=False, name=None):
        if (metric, a) in broken or (metric, b) in broken or (metric, reason) in seen:
            continue
        seen.add((metric, reason))
        failures.append(Failure("score", f"{a} – {b}", metric, reason))
    return tuple(failures)


def describe_metric(metric: fpcore.Metric) -> MetricDescription:
    """What a metric is, what it looks at, what it claims."""
    return MetricDescription(
        version=metric.version,
        title=metric.title,
        evidence=tuple(sorted(metric.evidence)),
        invariances=tuple(sorted(metric.invariances)),
        cost=metric.cost,
        measured=metric.measured,
        claims=tuple(analysis.Claim(**vars(claim)) for claim in metric.claims),
    )


def _disputes(catalog: Catalog, scores: pd.DataFrame) -> tuple[DisputeRecord, ...]:
    """The catalog's disputes, each with the scores this run has of its pair."""
    records = []
    for dispute in catalog.disputes:
        pair = sorted(dispute.models[:2])
        hits = scores[
            (scores["model_a"] == pair[0]) & (scores["model_b"] == pair[1]) & (scores["status"] == "ok")
        ]
        scored = tuple(
            ScoredPair(str(metric), float(score))
            for metric, score in zip(hits["metric"], hits["score"], strict=True)
        )
        records.append(DisputeRecord(**vars(dispute), scored=scored))
    return tuple(records)


def package_version(package: str) -> str:
    """Version of an installed package, or that it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
