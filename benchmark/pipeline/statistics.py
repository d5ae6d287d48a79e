"""The statistics of a score table, kept by content: the same scores are not analysed twice.

What only the catalog knows (forgeries, distances, what founders share) is added to each metric's results.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from types import ModuleType
from typing import TypeAlias, TypeVar

import pandas as pd

import analysis
import fpcore
from analysis.background import in_background
from analysis.processes import in_processes
from benchmark import catalog as catalogs, results, zoo
from benchmark.catalog import Catalog
from benchmark.results.decision import deciding_threshold
from benchmark.results.family_look_alikes import family_classes
from benchmark.results.forgery_outcomes import forgery_outcomes
from benchmark.results.kept_values import keep_value, kept_value
from benchmark.results.laundering import laundering_outcomes
from benchmark.results.run_points import run_points, runs
from benchmark.results.schema import SCHEMA, MetricDescription, MetricResult, Results
from benchmark.results.score_decay import decay_points, distances
from benchmark.results.shared_properties import founder_pairs, shared_property_classes
from benchmark.session.cache import Cache
from benchmark.session.packages import source_digest
from benchmark.zoo.manifest import MANIFEST, SHIPPED

__all__ = ["CatalogKnowledge", "code_digest", "complete_results", "results_of", "with_catalog_facts"]

T = TypeVar("T")
Known: TypeAlias = Mapping[str, fpcore.Metric] | Mapping[str, MetricDescription]

# What decides the digits of a result besides the scores and the code of `analysis`.
PACKAGES = ("numpy", "scipy", "scikit-learn", "statsmodels", "pandas")


def complete_results(
    scores: pd.DataFrame,
    known: Known,
    *,
    seed: int,
    cache: Cache,
    focus: str | None = None,
    workers: int = 1,
    told: Callable[[int], object] | None = None,
    catalog: Catalog | None = None,
    forgeries: pd.DataFrame | None = None,
    notes: tuple[str, ...] = (),
) -> Results:
    """All that results.json says of a score table: its statistics, and what only the catalog knows.

    Parameters
    ----------
    scores, known, seed, cache, focus, workers, told
        As for `results_of`. What is kept is also named by the catalog, the zoo's manifest and the forgeries.
    catalog, forgeries, notes
        As for `CatalogKnowledge.of`.

    Returns
    -------
    Results
    """

    def completed() -> Results:
        # Other processes analyse the scores meanwhile.
        facts = in_background(partial(CatalogKnowledge.of, catalog, forgeries, notes))
        summary = results_of(scores, known, seed=seed, cache=cache, focus=focus, workers=workers, told=told)
        return with_catalog_facts(summary, scores, facts.result(), workers)

    if catalog is not None and not catalog.digest:
        return completed()  # a catalog made in Python: nothing names what it says
    manifest = SHIPPED / MANIFEST
    described = json.dumps(
        [
            None if catalog is None else catalog.digest,
            None if forgeries is None else [list(forgeries.columns), _rows_digest(forgeries)],
            notes,
            hashlib.sha256(manifest.read_bytes()).hexdigest() if manifest.is_file() else None,
        ]
    )
    key = _digest(_key(scores, known, seed, focus), described, source_digest(results, zoo, catalogs))
    return _remembered(cache, key, Results, completed)


def results_of(
    scores: pd.DataFrame,
    known: Known,
    *,
    seed: int,
    cache: Cache,
    focus: str | None = None,
    workers: int = 1,
    told: Callable[[int], object] | None = None,
) -> analysis.Summary:
    """Analyse every metric of a score table.

    Parameters
    ----------
    scores : pandas.DataFrame
        Normalised score table, several metrics.
    known : mapping of str to Metric or MetricDescription
        Registered or proposed metrics by name, or what run.json says of them, for their versions and the
        first of their claims.
    seed : int
    cache : Cache
        Where results are kept: by the scores, claims, versions, seed and focus, the code of `analysis` and
        the versions of the packages it computes with.
    focus : str, optional
        The metric in question, whose comparisons with the others are a family of their own.
    workers : int
        Processes; no result depends on it.
    told : callable, optional
        Is told after each metric how many are done; not where the cache has the results.

    Returns
    -------
    Summary
    """

    def analysed() -> analysis.Summary:
        return analysis.analyse(
            [analysis.ScoreTable(frame) for _, frame in scores.groupby("metric", sort=False)],
            claims={name: analysis.Claim(**asdict(claim)) for name, claim in _claims(known).items()},
            versions={name: metric.version for name, metric in known.items()},
            seed=seed,
            focus=focus,
            workers=workers,
            told=told,
        ).summary()

    return _remembered(cache, _key(scores, known, seed, focus), analysis.Summary, analysed)


def _claims(known: Known) -> dict[str, fpcore.Claim | analysis.Claim]:
    return {name: metric.claims[0] for name, metric in known.items() if metric.claims}


def _key(scores: pd.DataFrame, known: Known, seed: int, focus: str | None) -> str:
    """What names the statistics of a score table."""
    stated = json.dumps(
        [
            seed,
            focus,
            list(scores.columns),
            {name: metric.version for name, metric in known.items()},
            {name: asdict(claim) for name, claim in _claims(known).items()},
        ],
        sort_keys=True,
    )
    return _digest(_rows_digest(scores), stated, code_digest(analysis))


def _remembered(cache: Cache, key: str, kind: type[T], compute: Callable[[], T]) -> T:
    """What the cache keeps under a key; computed where nothing is there that can be believed."""
    path = cache.results / f"{key}.results"
    kept = kept_value(cache, path, kind)
    if kept is not None:
        return kept
    made = compute()
    keep_value(cache, path, made)
    return made


def _rows_digest(table: pd.DataFrame) -> str:
    return hashlib.sha256(pd.util.hash_pandas_object(table, index=False).to_numpy().tobytes()).hexdigest()


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def with_catalog_facts(
    summary: analysis.Summary, scores: pd.DataFrame, facts: CatalogKnowledge, workers: int = 1
) -> Results:
    """Add to each metric what only the catalog knows: forgeries, runs, families and more.

    Parameters
    ----------
    summary : Summary
        As `results_of` gives it.
    scores : pandas.DataFrame
    facts : CatalogKnowledge
    workers : int
        Processes; no result depends on it.
    """
    frames = dict(iter(scores.groupby("metric", sort=False)))
    given = [(one, frames[one.metric], facts) for one in summary.metrics]
    metrics = in_processes(_with_facts, given, workers)
    return Results(SCHEMA, tuple(metrics), summary.comparisons, summary.catalog)


@dataclass(frozen=True)
class CatalogKnowledge:
    """What a catalog knows of the models of a score table, for every metric."""

    far: pd.DataFrame | None
    trained: pd.DataFrame | None
    founders: pd.DataFrame | None
    families: dict[str, str]
    forgeries: pd.DataFrame | None
    notes: tuple[str, ...]

    @classmethod
    def of(
        cls, catalog: Catalog | None, forgeries: pd.DataFrame | None, notes: tuple[str, ...]
    ) -> CatalogKnowledge:
        """Ask a catalog, if there is one.

        Parameters
        ----------
        catalog : Catalog or None
            Where the models stand.
        forgeries : pandas.DataFrame or None
            As `benchmark.pipeline.forgeries.forgery_table`.
        notes : tuple of str
            Of the score table: they stand first among the warnings of each metric.
        """
        if catalog is None:
            return cls(None, None, None, {}, forgeries, notes)
        families = {model.id: model.family for model in catalog.models.values()}
        return cls(distances(catalog), runs(catalog), founder_pairs(catalog), families, forgeries, notes)


def _with_facts(given: tuple[analysis.MetricSummary, pd.DataFrame, CatalogKnowledge]) -> MetricResult:
    """The results of one metric, from its statistics, its scores and the catalog's facts."""
    one, own, facts = given
    decision = deciding_threshold(one)
    return MetricResult(
        **vars(replace(one, warnings=tuple(dict.fromkeys((*facts.notes, *one.warnings))))),
        forgeries=() if facts.forgeries is None else forgery_outcomes(facts.forgeries, one.metric, decision),
        decay=() if facts.far is None else decay_points(own, facts.far),
        run_points=() if facts.trained is None else run_points(own, facts.trained),
        shared_properties=()
        if facts.founders is None
        else shared_property_classes(own, facts.founders, decision.value),
        by_family=family_classes(own, facts.families, decision.value),
        laundering=laundering_outcomes(own, decision),
    )


def code_digest(*packages: ModuleType) -> str:
    """Digest of the code of some packages, and of the versions of what they compute with."""
    parts = [source_digest(*packages), *(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
