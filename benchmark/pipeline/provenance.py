"""What run.json says of how a run was made: models, metrics, costs, failures, packages, machine."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pandas as pd

import analysis
import fpcore
from benchmark.catalog import Catalog
from benchmark.pipeline.chosen_metric import ChosenMetric
from benchmark.pipeline.extract import Extraction

__all__ = [
    "PACKAGES",
    "Clock",
    "catalog_facts",
    "costs",
    "describe_metric",
    "disputes",
    "failures",
    "machine",
    "now",
]

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


def now() -> str:
    """The time in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass
class Clock:
    """Seconds a phase took, and when the run began."""

    started: str = field(default_factory=now)
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time one phase."""
        begin = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - begin, 3)


def catalog_facts(catalog: Catalog) -> dict[str, str | int]:
    """Which catalog, and how much it holds."""
    return {
        "digest": catalog.digest,
        "path": Path(catalog.file).name,
        "n_models": len(catalog.models),
        "n_lineages": len(set(catalog.lineages.values())),
        "n_cells": len({model.cell for model in catalog.models.values()} - {None}),
    }


def machine() -> dict[str, str]:
    """The machine that did the work."""
    return {
        "system": platform.platform(),
        "python": platform.python_version(),
        "processor": platform.machine(),
    }


def describe_metric(metric: fpcore.Metric) -> dict[str, object]:
    """A metric as plain values: what it is, what it looks at, what it claims."""
    return {
        "version": metric.version,
        "title": metric.title,
        "evidence": sorted(metric.evidence),
        "invariances": sorted(metric.invariances),
        "cost": metric.cost,
        "measured": asdict(metric.measured) if metric.measured else None,
        "claims": [asdict(claim) for claim in metric.claims],
    }


def costs(
    metrics: Sequence[ChosenMetric],
    models: Sequence[str],
    extractions: Mapping[str, Extraction],
    scores: pd.DataFrame,
) -> dict[str, dict[str, float | int | None]]:
    """What each metric took on this machine: mean seconds a model and a pair; None where nothing was done.

    A cached fingerprint counts as when it was made. Metrics share what they read of a model, and the first in
    the run's order pays for it. They are no part of results.json, which is the same on every machine.
    """
    found: dict[str, dict[str, float | int | None]] = {}
    for metric in metrics:
        outcomes = [extractions[model].outcomes[metric.name] for model in models]
        each = [outcome.seconds for outcome in outcomes if outcome.seconds is not None]
        pairs = scores.loc[scores["metric"] == metric.name, "seconds"].dropna()
        found[metric.name] = {
            "seconds_a_model": round(sum(each) / len(each), 6) if each else None,
            "n_models": len(each),
            "seconds_a_pair": round(float(pairs.mean()), 6) if len(pairs) else None,
            "n_pairs": len(pairs),
        }
    return found


def failures(extractions: Mapping[str, Extraction], scores: pd.DataFrame) -> list[dict[str, str]]:
    """What failed, each cause once: a model's fingerprint, then pairs that failed by themselves.

    Parameters
    ----------
    extractions : mapping of str to Extraction
    scores : pandas.DataFrame
        Score tables of honest pairs and of forgeries.
    """
    found = []
    broken: set[tuple[str, str]] = set()
    for model, extraction in extractions.items():
        failed = [name for name, outcome in extraction.outcomes.items() if outcome.status == "failed"]
        for error in dict.fromkeys(map(extraction.reason, failed)):
            names = [name for name in failed if extraction.reason(name) == error]
            found.append({"unit": "fingerprint", "model": model, "metric": ", ".join(names), "error": error})
            broken.update((name, model) for name in names)
    rows = scores.loc[scores["status"] == "failed", ["metric", "model_a", "model_b", "reason"]]
    seen: set[tuple[str, str]] = set()
    for metric, a, b, reason in rows.astype(str).itertuples(index=False, name=None):
        if (metric, a) in broken or (metric, b) in broken or (metric, reason) in seen:
            continue
        seen.add((metric, reason))
        found.append({"unit": "score", "model": f"{a} – {b}", "metric": metric, "error": reason})
    return found


def disputes(catalog: Catalog, scores: pd.DataFrame) -> list[dict[str, object]]:
    """The catalog's disputes as plain values, each with the scores this run has of its pair."""
    told = []
    for dispute in catalog.disputes:
        pair = sorted(dispute.models[:2])
        hits = scores[
            (scores["model_a"] == pair[0]) & (scores["model_b"] == pair[1]) & (scores["status"] == "ok")
        ]
        told.append(
            {
                **analysis.as_json(dispute),
                "scored": [
                    {"metric": str(metric), "score": float(score)}
                    for metric, score in zip(hits["metric"], hits["score"], strict=True)
                ],
            }
        )
    return told
