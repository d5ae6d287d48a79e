"""Whether scores of a run come out again when some of its pairs are scored from the models."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

import fpcore
from analysis.results import Result
from benchmark.catalog import Catalog
from benchmark.pipeline.checkpoints import locate
from benchmark.pipeline.chosen_metric import ChosenMetric, choose
from benchmark.pipeline.extract import Extraction
from benchmark.pipeline.run import extract_all, start_engine
from benchmark.pipeline.score import Job, score_pairs
from benchmark.pipeline.verified_results import Difference, same_number
from benchmark.results.run import Run
from benchmark.session.session import Session

__all__ = ["ScoresAgain", "score_again"]

PAIR = ["model_a", "model_b"]


@dataclass(frozen=True, eq=False)
class ScoresAgain(Result):
    """Pairs of a run that were scored again.

    Attributes
    ----------
    n_scores, n_pairs, n_models, n_metrics : int
        What was scored again.
    differences : tuple of Difference
        Models with other content, and scores that came out otherwise.
    left_out : tuple of str
        What could not be scored again, and why.
    """

    n_scores: int
    n_pairs: int
    n_models: int
    n_metrics: int
    differences: tuple[Difference, ...]
    left_out: tuple[str, ...]


def score_again(session: Session, run: Run, catalog: Catalog, *, n_pairs: int, seed: int) -> ScoresAgain:
    """Score some pairs of a run from its models.

    Parameters
    ----------
    session : Session
        Whose cache is empty: what another run kept proves nothing.
    run : Run
    catalog : Catalog
        That of the run.
    n_pairs : int
        Pairs of each metric; all metrics take the same ones, where they have them.
    seed : int
        Of the choice.

    Returns
    -------
    ScoresAgain
        Scores may differ by 1e-6 of their size.
    """
    metrics, left_out = _metrics(run)
    here = {model.id for model in catalog.models.values() if model.available and not model.remote}
    scores = run.scores[run.scores["status"] != "failed"]
    local = scores[scores["model_a"].isin(here) & scores["model_b"].isin(here)]
    if len(local) < len(scores):
        left_out.append(f"{len(scores) - len(local):,} scores of models that are not on this machine")
    local = local.assign(lot=_lots(local, seed)).sort_values(["lot", *PAIR], kind="stable")
    jobs = [
        Job(metric, rows[PAIR].reset_index(drop=True))
        for metric in metrics
        if len(rows := local[local["metric"] == metric.name].head(n_pairs))
    ]
    named = sorted({model for job in jobs for end in PAIR for model in job.pairs[end]})
    if not named:
        return ScoresAgain(0, 0, 0, 0, (), tuple(left_out))
    engine = start_engine(session, sample=run.record.arguments.get("sample") is True)
    found = extract_all(
        session, engine, [locate(catalog, model) for model in named], [job.metric for job in jobs], {}
    )
    with session.progress.phase("scores") as advance:
        frames = score_pairs(engine, jobs, found, advance=advance, limits={})
    again = pd.concat(frames, ignore_index=True)
    return ScoresAgain(
        n_scores=len(again),
        n_pairs=len(again[PAIR].drop_duplicates()),
        n_models=len(named),
        n_metrics=len(jobs),
        differences=(*_other_models(run, found), *_other_scores(run.scores, again)),
        left_out=tuple(left_out),
    )


def _metrics(run: Run) -> tuple[list[ChosenMetric], list[str]]:
    """The metrics of a run that are registered here at its version, and why others are left out."""
    known = {metric.name: metric for metric in fpcore.metrics()}
    metrics, left_out = [], []
    for name in run.names:
        version = run.result(name).version
        if name not in known:
            left_out.append(f"{name}: not registered here")
        elif version is not None and known[name].version != version:
            left_out.append(f"{name}: version {version} in the run, {known[name].version} here")
        else:
            metrics.append(choose(name))
    return metrics, left_out


def _lots(scores: pd.DataFrame, seed: int) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    """A number for each pair, whatever the metric: by a digest, so that it does not depend on the others."""
    pairs = zip(scores["model_a"], scores["model_b"], strict=True)
    digests = (hashlib.sha256(f"{seed}\0{a}\0{b}".encode()).digest() for a, b in pairs)
    return np.array([int.from_bytes(digest[:8], "big") for digest in digests], dtype=np.uint64)


def _other_models(run: Run, found: Mapping[str, Extraction]) -> list[Difference]:
    return [
        Difference(f"run.json: digest of {model}", facts.digest, extraction.digest)
        for model, extraction in found.items()
        if (facts := run.record.models.get(model)) is not None and facts.digest != extraction.digest
    ]


def _other_scores(stated: pd.DataFrame, again: pd.DataFrame) -> list[Difference]:
    columns = ["metric", *PAIR, "score", "status"]
    both = again[columns].merge(stated[columns], on=columns[:3], suffixes=(" now", ""), validate="one_to_one")
    found = []
    for row in both.to_dict(orient="records"):
        what = f"scores.parquet: {row['metric']} of {row['model_a']} – {row['model_b']}"
        if row["status"] != row["status now"]:
            found.append(Difference(what, row["status"], row["status now"]))
        elif not same_number(row["score"], row["score now"]):
            found.append(Difference(what, row["score"], row["score now"]))
    return found
