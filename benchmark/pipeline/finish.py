"""From scores to the files of a run directory: statistics, results, record, report."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from benchmark import report
from benchmark.catalog import Catalog
from benchmark.pipeline import provenance
from benchmark.pipeline.chosen_metric import ChosenMetric
from benchmark.pipeline.provenance import Clock, Request, begun
from benchmark.pipeline.statistics import complete_results
from benchmark.pipeline.threads import one_blas_thread
from benchmark.results.files import RunDirectory
from benchmark.results.run import Run, read_run
from benchmark.results.schema import CostRecord, Failure, ForgeryRecord, TrafficRecord
from benchmark.session.files import write_text
from benchmark.session.session import Session

if TYPE_CHECKING:  # it runs models: statistics alone need not
    from benchmark.pipeline.extract import Extraction

__all__ = ["Scored", "default_out", "finish"]


def default_out() -> Path:
    """A run directory named by the time."""
    return Path("runs") / datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")


@dataclass(frozen=True)
class Scored:
    """What a run has once its pairs are scored.

    Attributes
    ----------
    scores : pandas.DataFrame
        The score table.
    metrics : sequence of ChosenMetric
        Those of them that are known here.
    catalog : Catalog or None
    extractions : mapping of str to Extraction
        Of honest models.
    costs : mapping of str to CostRecord
    forgeries : pandas.DataFrame or None
        As `benchmark.pipeline.forgeries.forgery_table`.
    forged : mapping of str to Extraction
        Of forged models.
    notes : tuple of str
        What was changed to read the score table: a warning of every metric.
    traffic : TrafficRecord or None
        What was fetched from the hub.
    failures : tuple of Failure
        What failed, each cause once.
    """

    scores: pd.DataFrame
    metrics: Sequence[ChosenMetric]
    catalog: Catalog | None = None
    extractions: Mapping[str, Extraction] = field(default_factory=dict)
    costs: Mapping[str, CostRecord] = field(default_factory=dict)
    forgeries: pd.DataFrame | None = None
    forged: Mapping[str, Extraction] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    traffic: TrafficRecord | None = None
    failures: tuple[Failure, ...] = ()


def finish(
    session: Session,
    directory: RunDirectory,
    scored: Scored,
    request: Request,
    clock: Clock,
    *,
    focus: str | None = None,
    card: Callable[[Run], str] | None = None,
) -> Run:
    """Analyse scores, and write all files of a run directory, which its caller has locked.

    An earlier run's files stay until these are ready to be written; then run.json says running until all are.

    Parameters
    ----------
    session : Session
    directory : RunDirectory
    scored : Scored
    request : Request
    clock : Clock
        Runs since the run began.
    focus : str, optional
        The metric in question: its comparisons with the others are corrected as a family of their own.
    card : callable, optional
        Writes the card of a proposed metric.
    """
    catalog, scores, forgeries = scored.catalog, scored.scores, scored.forgeries
    known = {metric.name: metric.load() for metric in scored.metrics}
    with (
        one_blas_thread(),
        clock.phase("statistics"),
        session.progress.phase("statistics", "metrics") as advance,
    ):
        n_metrics = scores["metric"].nunique()
        what = "AUCs, permutation tests, thresholds, evidence"
        advance(0, n_metrics, what)
        results = complete_results(
            scores,
            known,
            seed=request.seed,
            cache=session.cache,
            focus=focus,
            workers=session.workers,
            told=lambda done: advance(min(done, n_metrics - 1), n_metrics, what),
            catalog=catalog,
            forgeries=forgeries,
            notes=scored.notes,
        )
        advance(n_metrics, n_metrics, "")
    record = replace(
        begun(request, clock.started),
        status="partial" if scored.failures else "complete",
        costs=scored.costs,
        ended=provenance.now(),
        seconds=dict(clock.seconds),
        models={} if catalog is None else provenance.models(catalog, scored.extractions),
        forgeries={name: ForgeryRecord(scored.forged[name].digest) for name in sorted(scored.forged)},
        metrics={name: provenance.describe_metric(metric) for name, metric in known.items()},
        failures=scored.failures,
        disputes=() if catalog is None else provenance.disputes(catalog, scores),
        traffic=scored.traffic,
        notes=scored.notes,
        code=provenance.code(scored.metrics),
    )
    # From here on the files of an earlier run go; nobody takes what is half of each for a run.
    directory.begin(record)
    directory.write_scores(scores)
    if forgeries is not None:
        directory.write_forgeries(forgeries)
    directory.write_results(results)
    record = replace(record, digests=directory.digests())
    with clock.phase("report"), session.progress.phase("report") as advance:
        advance(0, 1, "page and figures")
        # What is told of a run is what its files say.
        run = read_run(directory.path, record)
        RunDirectory(directory.path, run.record).drop_stale_against()
        report.write_report(run, cache=session.cache, workers=session.workers)
        if card is not None:
            write_text(directory.card, card(run))
        advance(1, 1, str(directory.report))
    record = directory.conclude(replace(run.record, seconds=dict(clock.seconds)))
    session.cache.trim()
    return replace(run, record=record)
