"""``compare``: two models as a case."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import fpcore
from benchmark.catalog import Catalog, load_catalog
from benchmark.comparison.calibration_run import CalibrationRun, metrics_to_use
from benchmark.comparison.case import Background, Case, OpenDispute
from benchmark.comparison.compared_model import catalog_id
from benchmark.comparison.kept_fits import KeptFits
from benchmark.comparison.known_forgery import known_forgery
from benchmark.comparison.layers import SPREADS, LayerPicture, picture_layers
from benchmark.comparison.pair_scores import PairScorer
from benchmark.comparison.posterior_odds import odds_table
from benchmark.comparison.sentences import cannot_say, sentence
from benchmark.comparison.weighing import weigh_pair
from benchmark.pipeline.threads import one_blas_thread, one_thread
from benchmark.results.published_places import PublishedPlace, place_published
from benchmark.session.cache import TRIM_EVERY
from benchmark.session.errors import UsageError
from benchmark.session.packages import package_version
from benchmark.session.session import Session

__all__ = ["compare"]


def compare(
    model_a: str | Path,
    model_b: str | Path,
    *,
    calibration: Path | str | None = None,
    metrics: str | Sequence[str] | None = None,
    catalog: Catalog | Path | str | None = None,
    time_limit: float | None = None,
    sample: bool = False,
    device: str | None = None,
    cache: Path | str | None = None,
    quiet: bool = True,
) -> Case:
    """Compare two models.

    Parameters
    ----------
    model_a, model_b : str or path
        Catalog ids, local paths, or ``org/name[@revision]``.
    calibration : path, optional
        A finished run: its look-alikes and children weigh the scores.
    metrics : str or sequence of str, optional
        Names and globs, or ``"all"``; default: those of the calibration, else the cheap ones.
    catalog : Catalog or path, optional
        Whose ids and kinships are known; default: the shipped catalog.
    time_limit : float, optional
        Seconds that a metric of another package may take for a model, and for the pair; 0: no limit. Default:
        60 where the system has interval timers (POSIX), else no limit.
    sample : bool
        Measure slices of large weights in place of all: scores have standard errors, and metrics that need
        whole weights abstain.
    device, cache, quiet
        As for `Session.start`.

    Returns
    -------
    Case
        What failed stands in ``failures``.

    Raises
    ------
    UsageError
        One model twice, no such run, no such metric.
    fpcore.BadCheckpoint
        A model that cannot be read.

    Examples
    --------
    >>> case = compare("zoo/qwen-a", "zoo/qwen-b", metrics="norm-pearson")
    >>> [one.metric for one in case.metrics], case.background.relation, case.sentence
    (['norm-pearson'], 'independent', '')
    >>> case.cannot_say
    ('How much any of these scores weighs: there is no calibration (--calibration RUN).',)
    """
    session = Session.start(cache=cache, device=device, workers=1, quiet=quiet)
    loaded = load_catalog(catalog)
    run = None if calibration is None else CalibrationRun(calibration, session.cache)
    chosen, unknown = metrics_to_use(metrics, run)
    typed = (str(model_a), str(model_b))
    ids = [catalog_id(loaded, text) for text in typed]
    if typed[0] == typed[1] or (ids[0] is not None and ids[0] == ids[1]):
        raise UsageError(f"compare: {typed[0]} and {typed[1]} are one model; a case needs two")
    scorer = PairScorer(
        session, loaded, typed, chosen, also=tuple(SPREADS), time_limit=time_limit, sample=sample
    )
    first, second = (scorer.models[text] for text in typed)
    if first.digest == second.digest:
        raise UsageError(
            f"compare: {typed[0]} and {typed[1]} hold identical weights (digest {first.digest[:12]});"
            " a case needs two models"
        )
    left_out: set[str] = set()
    if run is not None:
        for model in (first, second):
            left_out |= run.lineages_of(loaded, model.catalog_id, model.digest)
    (scores,) = scorer.scores([typed])
    with one_blas_thread():
        weighed = weigh_pair(
            [metric.load() for metric in scorer.metrics], scores, (first.cell, second.cell), run, left_out
        )
    layers = _layers(session, scorer, typed)
    session.cache.trim(every=TRIM_EVERY)
    forged = tuple(note for model in (first, second) if (note := known_forgery(loaded, run, model)))
    facts = None if run is None else run.facts(left_out)
    version, date = package_version("lookalike"), datetime.now(UTC).date().isoformat()
    return Case(
        models=(first, second),
        metrics=weighed.metrics,
        calibration=facts,
        lead=weighed.lead,
        joint=weighed.joint,
        alternatives=weighed.alternatives,
        odds=odds_table(weighed.quoted.weight)
        if weighed.quoted and not weighed.quoted.withheld and not forged
        else None,
        forged=forged,
        version=version,
        date=date,
        sentence=""
        if forged
        else sentence((first, second), weighed.lead, weighed.joint, facts, version, date),
        cannot_say=(
            *cannot_say(weighed.metrics, weighed.lead, weighed.joint, run, unknown),
            *_of_samples(sample, run),
        ),
        background=_background(loaded, *ids),
        published_scores=_published(loaded, run, *ids),
        layers=layers,
    )


def _layers(session: Session, scorer: PairScorer, typed: tuple[str, str]) -> LayerPicture:
    """Both models layer by layer; kept by their content."""

    def picture() -> LayerPicture:
        with one_thread():
            return picture_layers(
                *(scorer.checkpoint(text) for text in typed),
                spreads=lambda metric: tuple(scorer.fingerprint(metric, text) for text in typed),
            )

    kept = KeptFits(session.cache, " ".join(scorer.models[text].digest for text in typed), (fpcore,))
    return kept.value(LayerPicture, ["layers"], picture)


def _of_samples(sample: bool, run: CalibrationRun | None) -> list[str]:
    """What cannot be said because the models, or those of the calibration, were sampled."""
    calibrated = run is not None and bool(run.record.arguments.get("sample"))
    if run is None or sample == calibrated:
        return []
    one, other = ("the two models", "the calibration") if sample else ("the calibration", "the two models")
    return [
        f"Whether sampling moves a verdict: scores of {one} are of slices, those of {other} of whole weights."
    ]


def _published(
    catalog: Catalog, run: CalibrationRun | None, a: str | None, b: str | None
) -> tuple[PublishedPlace, ...]:
    """What was published of the pair, beside the calibration's pairs of its shapes."""
    if a is None or b is None:
        return ()
    scores = catalog.published_scores(a, b)
    return place_published(scores, catalog, run.scores if run is not None and scores else None)


def _background(catalog: Catalog, a: str | None, b: str | None) -> Background | None:
    """What the catalog holds of the pair; None unless both are entries."""
    if a is None or b is None:
        return None
    kinship = catalog.explain(a, b)
    pair = {catalog.canonical(a), catalog.canonical(b)}
    disputes = tuple(
        OpenDispute(dispute.id, dispute.title, dispute.status)
        for dispute in catalog.disputes
        if dispute.open and pair <= {catalog.canonical(model) for model in dispute.models}
    )
    return Background(kinship.relation, kinship.method, disputes)
