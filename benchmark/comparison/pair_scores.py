"""Scores of pairs that a user names, by the work of a run: each model is read once, and all is cached."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

import fpcore
from benchmark.catalog import Catalog
from benchmark.comparison.compared_model import identify
from benchmark.pipeline.checkpoints import Located, locate_typed
from benchmark.pipeline.chosen_metric import ChosenMetric, choose
from benchmark.pipeline.deadline import time_limit_in_seconds
from benchmark.pipeline.engine import Engine
from benchmark.pipeline.extract import Extraction
from benchmark.pipeline.run import extract_all, start_engine
from benchmark.pipeline.score import Job, score_pairs
from benchmark.pipeline.workspace import Workspace
from benchmark.session.session import Session

__all__ = ["MetricScore", "PairScorer"]


@dataclass(frozen=True)
class MetricScore:
    """What one metric says of a pair.

    Attributes
    ----------
    status : {"ok", "abstained", "failed"}
    reason : str
        Of the last two.
    score : float
        NaN unless ok.
    standard_error : float
        What sampling adds to it; NaN where all was measured, or the error is not known.
    """

    status: str
    reason: str
    score: float
    standard_error: float = math.nan


class PairScorer:
    """Some models, fingerprinted once under every metric, whose pairs can be scored.

    Parameters
    ----------
    session : Session
    catalog : Catalog
    typed : sequence of str
        What a user named: catalog ids, local paths, or ``org/name[@revision]``.
    metrics : sequence of str
        Names of registered metrics.
    also : sequence of str
        Metrics whose fingerprints are wanted, and no scores.
    time_limit : float or None
        As for `time_limit_in_seconds`: what metrics of other packages get for a model, and for a pair.
    sample : bool
        As for `benchmark.run`.
    tolerant : bool
        Whether a model that cannot be read is noted in `damage`, and not raised.
    spared : callable, optional
        Says why a metric is not worth its cost on models of two architecture cells; empty where it is. Such a
        pair has an abstention with this reason.

    Attributes
    ----------
    metrics : tuple of ChosenMetric
    models : dict of str to ComparedModel
        By what the user named; without those that cannot be read.
    damage : dict of str to str
        Why some models cannot be read; empty unless tolerant.

    Raises
    ------
    fpcore.BadCheckpoint
        A model that cannot be read; not if tolerant.
    """

    def __init__(
        self,
        session: Session,
        catalog: Catalog,
        typed: Sequence[str],
        metrics: Sequence[str],
        *,
        also: Sequence[str] = (),
        time_limit: float | None = None,
        sample: bool = False,
        tolerant: bool = False,
        spared: Callable[[ChosenMetric, tuple[str, str]], str] | None = None,
    ) -> None:
        self._session, self._tolerant, self._spared = session, tolerant, spared
        self._engine: Engine[Workspace] = start_engine(session, sample=sample)
        self.metrics = tuple(map(choose, metrics))
        extracted = (*self.metrics, *(choose(name) for name in also if name not in metrics))
        limit = time_limit_in_seconds(time_limit)
        self._limits = {metric.name: limit for metric in extracted if metric.foreign and limit is not None}
        self._located: Mapping[str, Located] = {text: locate_typed(catalog, text) for text in typed}
        distinct = list({located.model: located for located in self._located.values()}.values())
        self._extractions = extract_all(session, self._engine, distinct, extracted, self._limits)
        self.damage = {text: why for text in typed if tolerant and (why := self._extraction(text).damage)}
        readable = [text for text in typed if text not in self.damage]
        self.models = {text: identify(catalog, text, self._extraction(text)) for text in readable}

    def scores(self, pairs: Sequence[tuple[str, str]]) -> list[dict[str, MetricScore]]:
        """Score pairs of the models.

        Parameters
        ----------
        pairs : sequence of (str, str)
            By what the user named.

        Returns
        -------
        list of dict of str to MetricScore
            For each pair by metric.

        Raises
        ------
        fpcore.BadCheckpoint
            A model that turns out not to be readable; if tolerant, its pairs have failed.
        """
        # In the order of their labels, as in every score table: the same sums to the last digit.
        ordered = [sorted(pair, key=lambda text: self.models[text].label) for pair in pairs]
        rows = pd.DataFrame(
            [[self._located[text].model for text in pair] for pair in ordered], columns=["model_a", "model_b"]
        )
        spared = [[self._why_spared(metric, pair) for pair in pairs] for metric in self.metrics]
        worth = [np.array([not why for why in reasons], dtype=np.bool_) for reasons in spared]
        with self._session.progress.phase("scores", "pairs") as advance:
            frames = score_pairs(
                self._engine,
                [Job(metric, rows[taken]) for metric, taken in zip(self.metrics, worth, strict=True)],
                self._extractions,
                advance=advance,
                limits=self._limits,
            )
        found: list[dict[str, MetricScore]] = [{} for _ in pairs]
        for metric, reasons, taken, frame in zip(self.metrics, spared, worth, frames, strict=True):
            for place in np.flatnonzero(~taken):
                found[place][metric.name] = MetricScore("abstained", reasons[place], math.nan)
            damage = frame.loc[frame["damaged"], "bare_reason"]
            if len(damage) and not self._tolerant:
                raise fpcore.BadCheckpoint(str(damage.iloc[0]))
            if "standard_error" not in frame:
                frame["standard_error"] = math.nan
            columns = (frame[name] for name in ("status", "bare_reason", "score", "standard_error"))
            for place, status, reason, score, error in zip(np.flatnonzero(taken), *columns, strict=True):
                scored = MetricScore(str(status), str(reason), float(score), float(error))
                found[place][metric.name] = scored
        return found

    def _why_spared(self, metric: ChosenMetric, pair: tuple[str, str]) -> str:
        a, b = (self.models[text].cell for text in pair)
        return "" if self._spared is None else self._spared(metric, (a, b))

    def checkpoint(self, text: str) -> fpcore.Checkpoint:
        """The checkpoint of a model."""
        return self._engine.here.open(self._located[text])

    def fingerprint(self, metric: str, text: str) -> fpcore.Fingerprint:
        """The fingerprint of a model.

        Raises
        ------
        fpcore.NotComparable
            There is none.
        """
        extraction = self._extraction(text)
        outcome = extraction.outcomes[metric]
        if outcome.status != "ok":
            raise fpcore.NotComparable(outcome.reason)
        return self._engine.here.fingerprint(choose(metric), self._located[text], extraction.key)

    def _extraction(self, text: str) -> Extraction:
        return self._extractions[self._located[text].model]
