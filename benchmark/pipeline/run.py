"""The main job: plan → fingerprints → scores → statistics → report, resumable at every step."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Final

import pandas as pd

import fpcore
from analysis.columns import COLUMNS
from analysis.processes import started_meanwhile
from benchmark.catalog import Catalog, CatalogLike, load_catalog
from benchmark.pipeline import provenance
from benchmark.pipeline.checkpoints import Located, locate
from benchmark.pipeline.chosen_metric import ChosenMetric, choose
from benchmark.pipeline.engine import KILLED, Engine
from benchmark.pipeline.extract import Extraction, extract, failed_extraction
from benchmark.pipeline.failures import failures
from benchmark.pipeline.finish import Scored, default_out, finish
from benchmark.pipeline.forgeries import forgery_pairs, forgery_table
from benchmark.pipeline.metric_names import choose_metrics
from benchmark.pipeline.parcels import ModelParcels
from benchmark.pipeline.plan import Network, Plan, make_plan, parsed_budget
from benchmark.pipeline.plugin_process import PluginProcess
from benchmark.pipeline.provenance import Clock, Request, begun
from benchmark.pipeline.same_settings import check_settings
from benchmark.pipeline.score import BESIDE, Job, score_pairs
from benchmark.pipeline.steps import watched
from benchmark.pipeline.symmetry import asymmetry
from benchmark.pipeline.traffic import conclude_traffic
from benchmark.pipeline.transfer import with_cells
from benchmark.pipeline.workspace import Workspace
from benchmark.results.files import RunDirectory
from benchmark.results.run import Run
from benchmark.session.locks import locked
from benchmark.session.session import Session

__all__ = ["carry_out", "extract_all", "run", "start_engine"]

MANY: Final = 100
"""Models: where so many are to be read for the first time, processes are started before the plan is made."""


def run(
    *,
    catalog: CatalogLike = None,
    tier: str = "zoo",
    metrics: str | Sequence[str] | None = None,
    models: str | None = None,
    out: Path | str | None = None,
    limit: int | None = None,
    pairs_per_lineage_pair: int | None = 4,
    seed: int = 0,
    workers: int | None = None,
    device: str | None = None,
    cache: Path | str | None = None,
    quiet: bool = True,
    dask: str | None = None,
    budget: int | str | None = None,
    keep: bool = False,
    sample: bool = False,
    force: bool = False,
) -> Run:
    """Turn a catalog into a calibration report: fingerprints, scores, statistics, report.html.

    Parameters
    ----------
    catalog : Catalog, path or sequence of paths, optional
        Default: the shipped catalog.
    tier : {"zoo", "hub", "all"}
        ``zoo``: what lies on this machine; ``hub``: what must be read over the network.
    metrics : str or sequence of str, optional
        Names and globs, or ``"all"``; default: those marked cheap.
    models : str, optional
        Only models whose id fits this glob.
    out : path, optional
        The run directory; default: ``runs/<utc time>``. The same again resumes.
    limit : int, optional
        Only the first so many models.
    pairs_per_lineage_pair : int, optional
        Costly metrics score at most so many independent pairs of the same two lineages, look-alikes first;
        of more than 40,000 pairs they score one pair of two lineages that is none, and cheap ones all
        look-alikes and four times so many others. None: every metric scores all pairs.
    seed : int
        Random seed of everything that draws.
    workers, device, cache, quiet
        As for `Session.start`.
    dask : str, optional
        Address of the scheduler of a Dask cluster that does the work instead of processes of this machine.
    budget : int or str, optional
        Bytes, or a size such as ``"10GB"``, that may come from the hub: it chooses the models.
        Default: 10 GB.
    keep : bool
        Whether files of which all was fetched go into the hub's own cache; otherwise only fingerprints stay.
    sample : bool
        Measure slices of large weights in place of all; metrics that need whole ones abstain.
    force : bool
        Replace results of other settings that `out` holds.

    Returns
    -------
    Run
        What failed stands in ``run.record.failures``: the rest is complete.

    Raises
    ------
    UsageError
        One line: an unknown metric, tier or device, a catalog that is not sound, less than two models, or an
        `out` that holds results of other settings.

    Examples
    --------
    >>> found = run(models="zoo/qwen-[ab]*", metrics="norm-pearson", limit=8, out="runs/two-lineages")
    >>> found.record.status, len(found.record.models), found.report.name
    ('complete', 8, 'report.html')
    """
    session = Session.start(cache=cache, device=device, workers=workers, quiet=quiet, dask=dask)
    loaded = load_catalog(catalog)
    chosen = [choose(name) for name in choose_metrics(metrics)]
    arguments: dict[str, object] = {
        "catalog": None if catalog is None else loaded.file,
        "tier": tier,
        "metrics": [metric.name for metric in chosen],
        "models": models,
        "limit": limit,
        "pairs_per_lineage_pair": pairs_per_lineage_pair,
        "budget": budget,
        "keep": keep,
        "sample": sample,
    }
    request = Request("run", arguments, seed, tier, session.device, provenance.catalog_facts(loaded))
    place = Path(out) if out else default_out()
    check_settings(RunDirectory(place), request, force=force)
    log = session.cache.pieces / f"{uuid.uuid4().hex}.log"
    started = models is None and limit is None and _nothing_done(session, loaded, chosen, tier)
    with started_meanwhile(session.workers, _load) if started else nullcontext():
        plan = make_plan(
            loaded,
            chosen,
            tier=tier,
            models=models,
            limit=limit,
            pairs_per_lineage_pair=pairs_per_lineage_pair,
            seed=seed,
            budget=parsed_budget(budget),
            network=Network(session, log, sample),
        )
    if plan.transfer is not None:
        session.progress.say(str(plan))  # what it costs, before it costs anything
    fetching = fpcore.Fetching(session.cache.pieces, keep, log)
    return carry_out(session, loaded, plan, place, request, fetching=fetching, sample=sample, started=started)


def _nothing_done(session: Session, catalog: Catalog, metrics: Sequence[ChosenMetric], tier: str) -> bool:
    """Whether processes of this machine have many models to read, and the cache has none of the metrics."""
    if session.workers < 2 or session.dask is not None or tier == "hub":
        return False
    here = sum(model.available and not model.remote for model in catalog.models.values())
    folders = [session.cache.fingerprints / metric.key(session.device) for metric in metrics]
    return here >= MANY and not any(folder.is_dir() for folder in folders)


def _load() -> None:
    """In a process that will read models: it has come here by importing this module."""
    import torch  # noqa: F401


def carry_out(
    session: Session,
    catalog: Catalog,
    plan: Plan,
    out: Path,
    request: Request,
    *,
    time_limits: Mapping[str, float] | None = None,
    focus: str | None = None,
    card: Callable[[Run], str] | None = None,
    fetching: fpcore.Fetching | None = None,
    sample: bool = False,
    processes: Mapping[ChosenMetric, PluginProcess] | None = None,
    started: bool = False,
) -> Run:
    """Do the plan's work and write the run directory.

    Parameters
    ----------
    session : Session
    catalog, plan
        What to do it on, and what to do.
    out : Path
        The run directory.
    request : Request
        What run.json says of it.
    time_limits : mapping of str to float, optional
        Metric → seconds that it may take for one model, and for one pair; POSIX only.
    focus : str, optional
        As for `finish`; whether it scores a pair alike from both ends is checked on a sample.
    card : callable, optional
        As for `finish`.
    fetching : Fetching, optional
        What becomes of bytes that come from the hub.
    sample : bool
        As for `run`.
    processes : mapping of ChosenMetric to PluginProcess, optional
        Those in which metrics run, if they have been started.
    started : bool
        Whether the session's own are there already.

    Raises
    ------
    UsageError
        Another process writes in that directory.
    """
    engine = start_engine(session, fetching, sample=sample, started=started)
    for metric, process in (processes or {}).items():
        engine.here.lend(metric, process)
    with locked(out, "--out"):
        directory, clock = RunDirectory(out), Clock()
        if not directory.ended:
            directory.begin(begun(request, clock.started))
        limits = dict(time_limits or {})
        scored = _scored(session, engine, catalog, plan, limits, clock, request.seed, focus)
        return finish(session, directory, scored, request, clock, focus=focus, card=card)


def _scored(
    session: Session,
    engine: Engine[Workspace],
    catalog: Catalog,
    plan: Plan,
    limits: Mapping[str, float],
    clock: Clock,
    seed: int,
    focus: str | None,
) -> Scored:
    """Fingerprint the models of a plan and score its pairs; parameters as for `carry_out`."""
    everything = (*plan.models, *plan.forged_models)
    with clock.phase("fingerprints"):
        found = extract_all(
            session, engine, [locate(catalog, model) for model in everything], plan.metrics, limits
        )
    cells = {model: extraction.cell for model, extraction in found.items() if extraction.cell}
    pairs = with_cells(plan.pairs, cells)
    jobs = [Job(metric, pairs[plan.chosen[metric.name]]) for metric in plan.metrics]
    if len(plan.forgeries):
        forged_pairs = with_cells(forgery_pairs(catalog, plan.forgeries), cells)
        jobs += [Job(metric, forged_pairs) for metric in plan.metrics]
    with clock.phase("scores"), session.progress.phase("scores", "pairs") as advance:
        frames = score_pairs(engine, jobs, found, advance=advance, limits=limits)
    failed = failures(found, frames)
    if focus is not None:
        place = [metric.name for metric in plan.metrics].index(focus)
        with clock.phase("symmetry"), session.progress.phase("symmetry", "pairs") as advance:
            failed += asymmetry(
                engine,
                plan.metrics[place],
                frames[place],
                found,
                seed=seed,
                advance=advance,
                limits=limits,
            )
    engine.close()
    honest, forged = frames[: len(plan.metrics)], frames[len(plan.metrics) :]
    scores = pd.concat(honest, ignore_index=True)
    return Scored(
        _table(scores),
        plan.metrics,
        catalog,
        {model: found[model] for model in plan.models},
        provenance.costs(plan.metrics, plan.models, found, scores),
        forgery_table(plan.forgeries, _table(pd.concat(forged))) if forged else None,
        {model: found[model] for model in plan.forged_models},
        failures=failed,
        traffic=conclude_traffic(engine.here, plan.transfer, found.values()),
    )


def start_engine(
    session: Session,
    fetching: fpcore.Fetching | None = None,
    *,
    sample: bool = False,
    started: bool = False,
) -> Engine[Workspace]:
    """What does the units of work of one session."""
    cluster = None
    if session.dask is not None:
        from benchmark.pipeline.cluster import Cluster  # an extra

        cluster = Cluster(session.dask, session.device, fetching, sample)
    start = partial(Workspace, session.cache, session.device, fetching, sample=sample)
    return Engine(start, session.workers, cluster, started=started)


def extract_all(
    session: Session,
    engine: Engine[Workspace],
    models: Sequence[Located],
    metrics: Sequence[ChosenMetric],
    limits: Mapping[str, float],
) -> dict[str, Extraction]:
    """Fingerprint every model under every metric; by what the run calls the model, in its order."""
    work = partial(extract, metrics=tuple(metrics), limits=dict(limits))
    parcels = ModelParcels(tuple(metrics))
    with (
        session.progress.phase("fingerprints", "models") as bar,
        watched(engine.here, bar, len(models)) as advance,
    ):
        found = dict(
            engine.run(
                work,
                models,
                advance=advance,
                name=lambda one: one.model,
                parcels=parcels,
                lost=lambda one: failed_extraction(one, metrics, KILLED),
            )
        )
    return {models[place].model: found[place] for place in range(len(models))}


def _table(scores: pd.DataFrame) -> pd.DataFrame:
    """The columns of a score table: its own first, then those of the pairs."""
    more = [name for name in scores if name not in {*COLUMNS, *BESIDE}]
    return scores[[*COLUMNS, *more]]
