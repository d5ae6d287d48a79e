"""The statistics of a score table, kept by content: the same scores are not analysed twice.

What only the catalog knows (forgeries, distances, what founders share) is added to each metric's results.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import inspect
import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from types import ModuleType

import pandas as pd

import analysis
import fpcore
from benchmark.catalog import Catalog
from benchmark.results.codec import from_json
from benchmark.results.decision import deciding_threshold
from benchmark.results.family_look_alikes import family_classes
from benchmark.results.forgery_outcomes import forgery_outcomes
from benchmark.results.laundering import laundering_outcomes
from benchmark.results.run_points import run_points, runs
from benchmark.results.schema import SCHEMA, MetricResult, Results
from benchmark.results.score_decay import decay_points, distances
from benchmark.results.shared_properties import founder_pairs, shared_property_classes
from benchmark.session.cache import Cache
from benchmark.session.files import write_json

__all__ = ["code_digest", "results_of", "with_catalog_facts"]

# What decides the digits of a result besides the scores and the code of `analysis`.
PACKAGES = ("numpy", "scipy", "scikit-learn", "statsmodels", "pandas")


def results_of(
    scores: pd.DataFrame,
    known: Mapping[str, fpcore.Metric],
    *,
    seed: int,
    cache: Cache,
    focus: str | None = None,
    workers: int = 1,
) -> analysis.Summary:
    """Analyse every metric of a score table.

    Parameters
    ----------
    scores : pandas.DataFrame
        Normalised score table, several metrics.
    known : mapping of str to Metric
        Registered or proposed metrics by name, for their versions and the first of their claims.
    seed : int
    cache : Cache
        Where results are kept: by the scores, claims, versions, seed and focus, the code of `analysis` and
        the versions of the packages it computes with.
    focus : str, optional
        The metric in question, whose comparisons with the others are a family of their own.
    workers : int
        Processes; no result depends on it.

    Returns
    -------
    Summary
    """
    claims = {name: metric.claims[0] for name, metric in known.items() if metric.claims}
    versions = {name: metric.version for name, metric in known.items()}
    stated = json.dumps(
        [
            seed,
            focus,
            list(scores.columns),
            versions,
            {name: asdict(claim) for name, claim in claims.items()},
        ],
        sort_keys=True,
    )
    rows = hashlib.sha256(pd.util.hash_pandas_object(scores, index=False).to_numpy().tobytes()).hexdigest()
    key = hashlib.sha256("\0".join([rows, stated, code_digest(analysis)]).encode()).hexdigest()
    path = cache.results / f"{key}.json"
    kept = _kept(path)
    if kept is not None:
        cache.used(path)
        return kept
    summary = analysis.analyse(
        [analysis.ScoreTable(frame) for _, frame in scores.groupby("metric", sort=False)],
        claims={name: analysis.Claim(**asdict(claim)) for name, claim in claims.items()},
        versions=versions,
        seed=seed,
        focus=focus,
        workers=workers,
    ).summary()
    write_json(path, analysis.as_json(summary))
    return summary


def _kept(path: Path) -> analysis.Summary | None:
    """Results from the cache; None where they are not there, or not readable: they are computed again."""
    if not path.is_file():
        return None
    try:
        return from_json(analysis.Summary, json.loads(path.read_text(encoding="utf-8")), str(path))
    except (OSError, ValueError):
        return None


def with_catalog_facts(
    summary: analysis.Summary,
    scores: pd.DataFrame,
    catalog: Catalog | None,
    forgeries: pd.DataFrame | None,
    notes: tuple[str, ...] = (),
) -> Results:
    """Add to each metric what only the catalog knows: forgeries, runs, families and more.

    Parameters
    ----------
    summary : Summary
        As `results_of` gives it.
    scores : pandas.DataFrame
    catalog : Catalog or None
        Where the models stand.
    forgeries : pandas.DataFrame or None
        As `benchmark.pipeline.forgeries.forgery_table`.
    notes : tuple of str
        Of the score table: they stand first among the warnings of each metric.
    """
    far = distances(catalog) if catalog else None
    trained = runs(catalog) if catalog else None
    founders = founder_pairs(catalog) if catalog else None
    families = {} if catalog is None else {model.id: model.family for model in catalog.models.values()}
    metrics = []
    for one in summary.metrics:
        own = scores[scores["metric"] == one.metric]
        decision = deciding_threshold(one)
        metrics.append(
            MetricResult(
                **vars(replace(one, warnings=tuple(dict.fromkeys((*notes, *one.warnings))))),
                forgeries=() if forgeries is None else forgery_outcomes(forgeries, one.metric, decision),
                decay=() if far is None else decay_points(own, far),
                run_points=() if trained is None else run_points(own, trained),
                shared_properties=()
                if founders is None
                else shared_property_classes(own, founders, decision.value),
                by_family=family_classes(own, families, decision.value),
                laundering=laundering_outcomes(own, decision),
            )
        )
    return Results(SCHEMA, tuple(metrics), summary.comparisons, summary.catalog)


def code_digest(*packages: ModuleType) -> str:
    """Digest of the code of some packages, and of the versions of what they compute with."""
    files = [
        path for package in packages for path in sorted(Path(inspect.getfile(package)).parent.rglob("*.py"))
    ]
    parts = [path.read_bytes() for path in files]
    parts += [f"{name} {importlib.metadata.version(name)}".encode() for name in PACKAGES]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()
