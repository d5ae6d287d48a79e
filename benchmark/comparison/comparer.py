"""Some models, fingerprinted once, of which every pair can be made a case."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

import fpcore
from benchmark.catalog import Catalog
from benchmark.comparison.calibration_run import CalibrationRun, metrics_to_use
from benchmark.comparison.case import Background, Case, OpenDispute
from benchmark.comparison.compared_model import catalog_id
from benchmark.comparison.kept_fits import KeptFits
from benchmark.comparison.known_forgery import known_forgery
from benchmark.comparison.layers import SPREADS, LayerPicture, picture_layers
from benchmark.comparison.pair_scores import MetricScore, PairScorer
from benchmark.comparison.posterior_odds import odds_table
from benchmark.comparison.sentences import cannot_say, of_samples, sentence
from benchmark.comparison.weighing import weigh_pair
from benchmark.pipeline.threads import one_blas_thread, one_thread
from benchmark.results.published_places import PublishedPlace, place_published
from benchmark.session.errors import UsageError
from benchmark.session.packages import package_version
from benchmark.session.progress import Advance
from benchmark.session.session import Session

__all__ = ["Comparer", "check_typed"]

NO_LAYERS: Final = LayerPicture(
    (0, 0), {}, {}, (), {}, ("layers are compared for single pairs only: compare MODEL_A MODEL_B",)
)


def check_typed(catalog: Catalog, typed: tuple[str, str]) -> None:
    """See that two names mean two models.

    Raises
    ------
    UsageError
        They are one model.
    """
    a, b = (catalog_id(catalog, text) for text in typed)
    if typed[0] == typed[1] or (a is not None and a == b):
        raise UsageError(f"compare: {typed[0]} and {typed[1]} are the same model; a case needs two")


class Comparer:
    """Models that a user named, under the metrics of a calibration.

    Parameters
    ----------
    session : Session
    catalog : Catalog
    typed : sequence of str
        Catalog ids, local paths, or ``org/name[@revision]``.
    run : CalibrationRun or None
        What weighs the scores.
    metrics, time_limit, sample
        As for `benchmark.compare`.
    layers : bool
        Whether cases show both models layer by layer, for which both are read again.
    tolerant : bool
        As for `PairScorer`.

    Attributes
    ----------
    scorer : PairScorer

    Raises
    ------
    UsageError
        No such metric.
    fpcore.BadCheckpoint
        A model that cannot be read.
    """

    def __init__(
        self,
        session: Session,
        catalog: Catalog,
        typed: Sequence[str],
        run: CalibrationRun | None,
        *,
        metrics: str | Sequence[str] | None = None,
        time_limit: float | None = None,
        sample: bool = False,
        layers: bool = False,
        tolerant: bool = False,
    ) -> None:
        self._session, self._catalog, self._run = session, catalog, run
        self._sample, self._layers = sample, layers
        chosen, self._unknown = metrics_to_use(metrics, run)
        self.scorer = PairScorer(
            session,
            catalog,
            typed,
            chosen,
            also=tuple(SPREADS) if layers else (),
            time_limit=time_limit,
            sample=sample,
            tolerant=tolerant,
            spared=run.why_spared if run is not None and metrics is None else None,
        )

    def check(self, typed: tuple[str, str]) -> None:
        """See that two models differ.

        Raises
        ------
        UsageError
            Their weights are identical.
        """
        first, second = (self.scorer.models[text] for text in typed)
        if first.digest == second.digest:
            raise UsageError(
                f"compare: {typed[0]} and {typed[1]} have identical weights (digest {first.digest[:12]});"
                " a case needs two different models"
            )

    def case(
        self, typed: tuple[str, str], scores: Mapping[str, MetricScore], *, advance: Advance | None = None
    ) -> Case:
        """Weigh the scores of two of the models.

        Parameters
        ----------
        typed : tuple of two str
        scores : mapping of str to MetricScore
            As `scorer` gives them.
        advance : Advance, optional
            Told how far it is; default: a phase of the session's own.
        """
        if advance is None:
            with self._session.progress.phase("evidence", "steps") as moved:
                return self.case(typed, scores, advance=moved)
        catalog, run = self._catalog, self._run
        first, second = (self.scorer.models[text] for text in typed)
        ids = [catalog_id(catalog, text) for text in typed]
        left_out: set[str] = set()
        if run is not None:
            for model in (first, second):
                left_out |= run.lineages_of(catalog, model.catalog_id, model.digest)
        loaded = [metric.load() for metric in self.scorer.metrics]
        with one_blas_thread():
            weighed = weigh_pair(loaded, scores, (first.cell, second.cell), run, left_out, advance=advance)
        forged = tuple(note for model in (first, second) if (note := known_forgery(catalog, run, model)))
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
                *cannot_say(weighed.metrics, weighed.lead, weighed.joint, run, self._unknown),
                *of_samples(self._sample, run, "the two models"),
            ),
            background=_background(catalog, *ids),
            published_scores=_published(catalog, run, *ids),
            layers=self._picture(typed) if self._layers else NO_LAYERS,
        )

    def _picture(self, typed: tuple[str, str]) -> LayerPicture:
        """Both models layer by layer; kept by their content."""
        scorer = self.scorer

        def picture() -> LayerPicture:
            with one_thread():
                return picture_layers(
                    *(scorer.checkpoint(text) for text in typed),
                    spreads=lambda metric: tuple(scorer.fingerprint(metric, text) for text in typed),
                )

        kept = KeptFits(
            self._session.cache, " ".join(scorer.checkpoint(text).cache_key for text in typed), (fpcore,)
        )
        return kept.value(LayerPicture, ["layers"], picture)


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
