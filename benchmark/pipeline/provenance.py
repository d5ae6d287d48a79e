"""What run.json says of how a run was made: request, models, metrics, costs, failures, machine."""

from __future__ import annotations

import inspect
import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pandas as pd

import analysis
import fpcore
from benchmark.catalog import Catalog, CatalogPart
from benchmark.pipeline.chosen_metric import ChosenMetric
from benchmark.results.published_places import place_published
from benchmark.results.schema import (
    SCHEMA,
    CatalogFacts,
    CostRecord,
    DisputeRecord,
    Machine,
    MetricDescription,
    ModelRecord,
    RunRecord,
    ScoredPair,
)
from benchmark.session.packages import file_digest, package_version, source_digest, this_digest
from benchmark.zoo.manifest import MANIFEST, SHIPPED

if TYPE_CHECKING:  # it runs models: statistics alone need not
    from benchmark.pipeline.extract import Extraction

__all__ = [
    "Clock",
    "Request",
    "begun",
    "catalog_facts",
    "code",
    "costs",
    "describe_metric",
    "disputes",
    "models",
    "now",
    "packages",
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
    "pyarrow",
    "safetensors",
    "tokenizers",
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


@dataclass(frozen=True)
class Request:
    """What was asked for.

    Attributes
    ----------
    command : str
    arguments : mapping
        Any JSON.
    seed : int
    tier, device : str or None
        None where no model is opened.
    catalog : CatalogFacts or None
    """

    command: str
    arguments: Mapping[str, object]
    seed: int
    tier: str | None = None
    device: str | None = None
    catalog: CatalogFacts | None = None


def begun(request: Request, started: str) -> RunRecord:
    """What run.json says of a run that has begun."""
    return RunRecord(
        schema=SCHEMA,
        status="running",
        command=request.command,
        arguments=request.arguments,
        tier=request.tier,
        device=request.device,
        catalog=request.catalog,
        costs={},
        seed=request.seed,
        started=started,
        ended="",
        seconds={},
        models={},
        forgeries={},
        metrics={},
        packages=packages(),
        machine=Machine(platform.platform(), platform.python_version(), platform.machine()),
        failures=(),
        disputes=(),
        traffic=None,
    )


def code(metrics: Sequence[ChosenMetric]) -> dict[str, str]:
    """What computes, with the sha256 of its source; metrics of other packages and files each by itself."""
    manifest = SHIPPED / MANIFEST
    return {
        "fpcore": source_digest(fpcore),
        "analysis": source_digest(analysis),
        "benchmark": this_digest(),
        **({"zoo manifest": file_digest(manifest)} if manifest.is_file() else {}),
        **{
            f"metric {metric.name}": metric.content or file_digest(Path(inspect.getfile(type(metric.load()))))
            for metric in metrics
            if metric.foreign
        },
    }


def packages() -> dict[str, str]:
    """The versions of what takes part in a run."""
    return {name: package_version(name) for name in PACKAGES}


def catalog_facts(catalog: Catalog) -> CatalogFacts:
    """Which catalog, and how much it holds; of its files the names alone."""
    parts = tuple(CatalogPart(Path(part.file).name, part.digest) for part in catalog.parts)
    return CatalogFacts(
        digest=catalog.digest,
        path=" + ".join(part.file for part in parts),
        files=parts,
        n_models=len(catalog.models),
        n_lineages=len(set(catalog.lineages.values())),
        n_cells=len({model.cell for model in catalog.models.values()} - {None}),
    )


def models(catalog: Catalog, extractions: Mapping[str, Extraction]) -> dict[str, ModelRecord]:
    """The models of a run by name."""
    return {
        model: ModelRecord(
            extraction.digest,
            extraction.cell,
            catalog.lineage(model),
            extraction.reading,
            extraction.verified,
        )
        for model, extraction in extractions.items()
    }


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


def costs(
    metrics: Sequence[ChosenMetric],
    models: Sequence[str],
    extractions: Mapping[str, Extraction],
    scores: pd.DataFrame,
) -> dict[str, CostRecord]:
    """What each metric took on this machine: mean seconds a model and a pair; None where nothing was done.

    A cached fingerprint counts as when it was made. Metrics share what they read of a model, and the first in
    the run's order pays for it. They are no part of results.json, which is the same on every machine.
    """
    found = {}
    for metric in metrics:
        outcomes = [extractions[model].outcomes[metric.name] for model in models]
        each = [outcome.seconds for outcome in outcomes if outcome.seconds is not None]
        pairs = scores.loc[scores["metric"] == metric.name, "seconds"].dropna()
        found[metric.name] = CostRecord(
            seconds_a_model=round(sum(each) / len(each), 6) if each else None,
            n_models=len(each),
            seconds_a_pair=round(float(pairs.mean()), 6) if len(pairs) else None,
            n_pairs=len(pairs),
        )
    return found


def disputes(catalog: Catalog, scores: pd.DataFrame) -> tuple[DisputeRecord, ...]:
    """The catalog's disputes, each with the scores this run has of its pair, and what was published of it."""
    records = []
    here = set(pd.unique(pd.concat([scores["model_a"], scores["model_b"]])))
    for dispute in catalog.disputes:
        pair = sorted(dispute.models[:2])
        among = scores if here.issuperset(pair) else scores[:0]  # most are of models that take no part
        hits = among[
            (among["model_a"] == pair[0]) & (among["model_b"] == pair[1]) & (among["status"] == "ok")
        ]
        scored = tuple(
            ScoredPair(str(metric), float(score))
            for metric, score in zip(hits["metric"], hits["score"], strict=True)
        )
        published = place_published(catalog.published_in(dispute), catalog, scores)
        records.append(DisputeRecord(**vars(dispute), scored=scored, published_scores=published))
    return tuple(records)
