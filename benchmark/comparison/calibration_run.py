"""A finished run as the calibration of a case: its scores, less those of the models' own lineages."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final, TypeVar

import pandas as pd

import analysis
import fpcore
from analysis.judgement import judge
from benchmark.catalog import Catalog
from benchmark.comparison.kept_fits import KeptFits
from benchmark.comparison.metric_standing import MetricStanding
from benchmark.comparison.near_pairs import NearPairs
from benchmark.pipeline.chosen_metric import ChosenMetric
from benchmark.pipeline.metric_names import choose_metrics
from benchmark.results.files import RunDirectory
from benchmark.session.cache import Cache
from benchmark.session.errors import UsageError

__all__ = ["NOTHING_LEFT", "CalibrationFacts", "CalibrationRun", "metrics_to_use"]

T = TypeVar("T")
N_RESAMPLES: Final = 999
"""Permutations where metrics are judged anew: p has three decimals, and a verdict asks for 0.05."""
MOST_TABLES: Final = 64
"""Kept between cases: those of one pair of models are asked for several times."""
NOT_WORTH_IT: Final = "not computed: costly, and the calibration has no models of these shapes"
NOTHING_LEFT: Final = "the calibration has no pairs left without the lineages of both models"


@dataclass(frozen=True)
class ScoredModels:
    """Which models a score table is of.

    Attributes
    ----------
    metrics : tuple of str
    lineage_of : mapping of str to str
        Model → lineage.
    """

    metrics: tuple[str, ...]
    lineage_of: Mapping[str, str]

    @classmethod
    def of(cls, frames: Mapping[str, pd.DataFrame]) -> ScoredModels:
        """Take them from a frame a metric."""
        ends = [
            frame[[f"model_{end}", f"lineage_{end}"]].drop_duplicates().to_numpy(dtype=object).tolist()
            for frame in frames.values()
            for end in "ab"
        ]
        return cls(tuple(frames), {model: lineage for pairs in ends for model, lineage in pairs})


@dataclass(frozen=True)
class Judged:
    """Verdicts without some lineages, by metric."""

    verdicts: Mapping[str, analysis.Verdict]


@dataclass(frozen=True)
class CalibrationFacts:
    """Which run a case is weighed by, and which of its lineages take no part.

    Attributes
    ----------
    run, digest : str
        Its directory, "shipped" for that of the package; and sha256 of its scores and results.
    shipped : bool
        Whether it is that of the package: of small models only.
    program : str
        Version of lookalike that made it.
    tier : str or None
        Of the catalog, that it took.
    catalog, catalog_digest : str or None
        File name of its catalog, and sha256.
    seed : int
    ended : str
        UTC, ISO 8601.
    n_models, n_lineages : int
        In all.
    left_out : tuple of str
        Lineages.
    """

    run: str
    digest: str
    shipped: bool
    program: str
    tier: str | None
    catalog: str | None
    catalog_digest: str | None
    seed: int
    ended: str
    n_models: int
    n_lineages: int
    left_out: tuple[str, ...]

    @property
    def population(self) -> str:
        """Whom it speaks for."""
        if self.shipped:
            return f"{self.n_models} small models of {self.n_lineages} lineages, trained for calibration"
        where = f"the {self.tier} tier of {self.catalog}" if self.tier and self.catalog else "a score table"
        return f"{self.n_models} models of {self.n_lineages} lineages, {where}"

    @property
    def about(self) -> str:
        """What it is, in one line."""
        name = "Shipped calibration" if self.shipped else f"Calibration {self.run}"
        made = f"digest {self.digest[:12]}, {self.ended[:10]}, lookalike {self.program}, seed {self.seed}"
        outside = "; models of other shapes are outside it" if self.shipped else ""
        return f"{name} ({made}): {self.population}{outside}"

    def told(self, nobody: str) -> str:
        """What it is, and who is left out of it.

        Parameters
        ----------
        nobody : str
            What to say where no lineage is.
        """
        return f"{self.about}; left out: {', '.join(self.left_out) or nobody}."

    def to_json(self) -> dict[str, object]:
        """Plain values, with what it is in one line."""
        return {"about": self.about, **vars(self), "left_out": list(self.left_out)}


class CalibrationRun:
    """A finished run.

    Parameters
    ----------
    path : path
        Its directory.
    cache : Cache, optional
        Where what depends on the run alone is kept: fits, verdicts without some lineages.
    shipped : bool
        Whether it is that of the package, which cases then call so, wherever the package lies.

    Raises
    ------
    UsageError
        Not the directory of a finished run, or of another schema.
    """

    def __init__(self, path: Path | str, cache: Cache | None = None, *, shipped: bool = False) -> None:
        self.shipped = shipped
        self._directory = directory = RunDirectory(Path(path))
        self.path = directory.path
        self.record = directory.read_record()
        self.results = {one.metric: one for one in directory.read_results().metrics}
        self.digest = directory.digest
        self._kept = None if cache is None else KeptFits(cache, self.digest)
        self._tables: dict[tuple[str, frozenset[str]], analysis.ScoreTable | None] = {}
        self._near: dict[tuple[object, frozenset[str]], dict[str, analysis.ScoreTable | None]] = {}

    @property
    def scores(self) -> pd.DataFrame:
        """Its score table, as it stands in the file."""
        return self._directory.read_scores()

    @cached_property
    def _frames(self) -> dict[str, pd.DataFrame]:
        """Every pair, a frame a metric, checked."""
        scores = self.scores
        return {str(metric): analysis.ScoreTable(frame).frame for metric, frame in scores.groupby("metric")}

    @cached_property
    def _scored(self) -> ScoredModels:
        """Which models its scores are of; a table that was read and checked once is not read again."""
        return self._remember(ScoredModels, ["models"], lambda: ScoredModels.of(self._frames))

    def _remember(self, kind: type[T], stated: object, compute: Callable[[], T]) -> T:
        return compute() if self._kept is None else self._kept.value(kind, stated, compute)

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of its metrics, in its order."""
        return tuple(name for name in self.results if name in self._scored.metrics)

    @property
    def lineage_of(self) -> Mapping[str, str]:
        """Model → lineage of every model it scored."""
        return self._scored.lineage_of

    def lineages_of(self, catalog: Catalog, name: str | None, digest: str) -> set[str]:
        """Lineages of the run that a model belongs to: by its weights, its name, or the catalog's tree.

        Parameters
        ----------
        catalog : Catalog
        name : str or None
            The catalog id, if it is there.
        digest : str
            Of its content.
        """
        same = {model for model, facts in self.record.models.items() if facts.digest == digest}
        if name is not None:
            # The run may know the model by another name of the same lineage, or only its relatives.
            lineage = catalog.lineage(name)
            same |= {
                model for model in self.lineage_of if model in catalog and catalog.lineage(model) == lineage
            }
            same.add(name)
        return {self.lineage_of[model] for model in same if model in self.lineage_of}

    def without(self, metric: str, lineages: Collection[str]) -> analysis.ScoreTable | None:
        """The table of a metric less every pair that touches one of the lineages; None if none is left."""
        key = metric, frozenset(lineages)
        if key not in self._tables:
            if len(self._tables) >= MOST_TABLES:
                self._tables.clear()
            self._tables[key] = self._without(metric, lineages)
        return self._tables[key]

    def _without(self, metric: str, lineages: Collection[str]) -> analysis.ScoreTable | None:
        frame = self._frames[metric]
        touched = frame["lineage_a"].isin(list(lineages)) | frame["lineage_b"].isin(list(lineages))
        return None if touched.all() else analysis.ScoreTable(frame[~touched])

    def near(
        self, metric: str, cells: tuple[str, str], lineages: Collection[str]
    ) -> analysis.ScoreTable | None:
        """What `without` gives, less independent pairs that are no look-alikes and not of these cells."""
        key = tuple(sorted(cells)), frozenset(lineages)
        if key not in self._near:
            if len(self._near) >= MOST_TABLES:
                self._near.clear()
            self._near[key] = self._pairs.tables(cells, lineages)
        found = self._near[key]
        return found[metric] if metric in found else self.without(metric, lineages)

    @cached_property
    def _pairs(self) -> NearPairs:
        return NearPairs(self._directory.scores)

    def combine(
        self, tables: Sequence[analysis.ScoreTable], negatives: str, lineages: Collection[str]
    ) -> analysis.Combination:
        """`analysis.combine_evidence` of tables that `near` or `without` gave, from the cache if it is there.

        Parameters
        ----------
        tables : sequence of ScoreTable
        negatives : str
        lineages : collection of str
            Those left out.
        """
        if self._kept is None:
            return analysis.combine_evidence(tables, negatives=negatives)
        return self._kept.combination(tables, negatives, lineages)

    def cost_alone(
        self, table: analysis.ScoreTable, joint: analysis.Combination, lineages: Collection[str]
    ) -> float:
        """Cllr of one metric on the pairs of a combination against look-alikes.

        Parameters
        ----------
        table : ScoreTable
            Of the metric, as `near` or `without` gave it.
        joint : Combination
            That is defined.
        lineages : collection of str
            Those that neither has.
        """
        assert joint.table is not None
        stated = ["cost alone", table.metric, list(joint.metrics), sorted(lineages)]
        pairs = joint.table.frame[["model_a", "model_b"]]

        def cost() -> float:
            same = analysis.ScoreTable(table.frame.merge(pairs, on=["model_a", "model_b"]))
            return analysis.combine_evidence([same], negatives="look-alike").cllr

        return self._remember(float, stated, cost)

    def standings(self, metrics: Sequence[str], lineages: Collection[str]) -> dict[str, MetricStanding]:
        """How the run judges some metrics, judged anew without some lineages.

        Forgeries are those of the whole run: one that deceived a metric is known, whosever it was.

        Parameters
        ----------
        metrics : sequence of str
        lineages : collection of str
        """
        judged: Mapping[str, analysis.Verdict] = {}
        if lineages:
            stated = ["verdicts", list(metrics), sorted(lineages)]
            judged = self._remember(Judged, stated, lambda: self._judged(metrics, lineages)).verdicts
        return {name: MetricStanding.of(self.results[name], judged.get(name)) for name in metrics}

    def _judged(self, metrics: Sequence[str], lineages: Collection[str]) -> Judged:
        tables = [table for name in metrics if (table := self.without(name, lineages)) is not None]
        return Judged(judge(tables, n_resamples=N_RESAMPLES, seed=self.record.seed))

    def lacks(self, metric: fpcore.Metric) -> str:
        """Why it says nothing of a metric; empty if it does."""
        again = "calibrate with your own run" if self.shipped else "rerun it with this metric"
        if metric.name not in self.metrics:
            return f"the calibration does not have {metric.name}; {again}"
        version = self.results[metric.name].version
        if version is not None and version != metric.version:
            return f"calibrated at version {version}, this is version {metric.version}; {again}"
        return ""

    def why_spared(self, metric: ChosenMetric, cells: tuple[str, str]) -> str:
        """Why a metric that nobody named is not worth its cost: it could not be weighed; empty where it may.

        Parameters
        ----------
        metric : ChosenMetric
        cells : tuple of two str
            Architecture cells of the pair. A run of a score table does not state which it has; any may be.
        """
        known = {model.architecture for model in self.record.models.values()}
        if metric.cost == "cheap" or not known or known.issuperset(cells):
            return ""
        return f"{NOT_WORTH_IT} (--metrics {metric.name} computes it)"

    def facts(self, left_out: Collection[str]) -> CalibrationFacts:
        """What a case says of it."""
        catalog = self.record.catalog
        return CalibrationFacts(
            run="shipped" if self.shipped else str(self.path),
            digest=self.digest,
            shipped=self.shipped,
            program=self.record.packages.get("lookalike", "of unstated version"),
            tier=self.record.tier,
            catalog=catalog.path if catalog else None,
            catalog_digest=catalog.digest if catalog else None,
            seed=self.record.seed,
            ended=self.record.ended,
            n_models=len(self.lineage_of),
            n_lineages=len(set(self.lineage_of.values())),
            left_out=tuple(sorted(left_out)),
        )

    def doubts(self) -> list[str]:
        """What cannot be said because the run is not whole."""
        if self.record.status == "complete":
            return []
        return [f"Whether the calibration is whole: its status is {self.record.status}."]


def metrics_to_use(
    metrics: str | Sequence[str] | None, calibration: CalibrationRun | None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The metrics of a case, and those of the calibration that are not known here.

    Parameters
    ----------
    metrics : str, sequence of str or None
        As for `choose_metrics`; None: those of the calibration, else the cheap ones.
    calibration : CalibrationRun or None

    Raises
    ------
    UsageError
        A name that fits nothing, or a calibration none of whose metrics is registered here.
    """
    if metrics is not None or calibration is None:
        return choose_metrics(metrics), ()
    known = {metric.name for metric in fpcore.metrics()}
    chosen = tuple(name for name in calibration.metrics if name in known)
    if not chosen:
        raise UsageError(
            f"--calibration {calibration.path}: none of its metrics ({', '.join(calibration.metrics)}) is"
            " registered here"
        )
    return chosen, tuple(name for name in calibration.metrics if name not in known)
