"""What goes with a unit of work to a machine that shares no disk with this one, and what comes back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

import pandas as pd

from benchmark.catalog import HubSource, ZooSource
from benchmark.pipeline.checkpoints import Located
from benchmark.pipeline.chosen_metric import ChosenMetric
from benchmark.pipeline.extract import Extraction, fingerprinted
from benchmark.pipeline.score_unit import ScoreUnit, scored
from benchmark.pipeline.workspace import Workspace
from benchmark.session.cache import Cache

__all__ = ["Files", "ModelParcels", "PairParcels", "Parcels", "pack", "unpack"]

State = TypeVar("State", contravariant=True)
Unit = TypeVar("Unit", contravariant=True)
Result = TypeVar("Result", contravariant=True)

Files = Mapping[str, bytes]
"""Files of a cache: place below its folder → content. Named by content, they are the same in every cache."""


class Parcels(Protocol[State, Unit, Result]):
    """How units of one kind travel."""

    def travels(self, here: State, unit: Unit) -> bool:
        """Whether it can be done elsewhere, and has not been done before."""

    def address(self, unit: Unit) -> str:
        """What names its result: all that decides it."""

    def needs(self, here: State, unit: Unit) -> Iterable[Path]:
        """Files of the cache that it starts from."""

    def makes(self, there: State, unit: Unit, result: Result) -> Iterable[Path]:
        """Files of the cache in which its result is kept."""


@dataclass(frozen=True)
class ModelParcels:
    """Models to fingerprint: a machine opens those of the zoo or the hub itself.

    Parameters
    ----------
    metrics : tuple of ChosenMetric
    """

    metrics: tuple[ChosenMetric, ...]

    def travels(self, here: Workspace, unit: Located) -> bool:  # noqa: D102
        foreign = any(metric.file is not None for metric in self.metrics)
        return reachable(unit) and not foreign and not fingerprinted(here, unit, self.metrics)

    def address(self, unit: Located) -> str:  # noqa: D102
        return f"fingerprint {unit.model}"

    def needs(self, here: Workspace, unit: Located) -> Iterable[Path]:  # noqa: D102
        return ()

    def makes(self, there: Workspace, unit: Located, result: Extraction) -> Iterable[Path]:  # noqa: D102
        return [
            path
            for metric in self.metrics
            for suffix in (".fingerprint", ".outcome")
            if result.key
            and (path := there.fingerprint_file(metric.key(there.device), result.key, suffix)).is_file()
        ]


@dataclass(frozen=True)
class PairParcels:
    """Pairs to score: fingerprints travel; whole models are opened where they are needed."""

    def travels(self, here: Workspace, unit: ScoreUnit) -> bool:  # noqa: D102
        if unit.metric.file is not None or scored(here, unit):
            return False
        return all(
            reachable(located) or here.cache.read(path) is not None
            for (located, _), path in zip(unit.models, fingerprints(here, unit), strict=True)
        )

    def address(self, unit: ScoreUnit) -> str:  # noqa: D102
        return f"score {unit.metric.name} {unit.key()}"

    def needs(self, here: Workspace, unit: ScoreUnit) -> Iterable[Path]:  # noqa: D102
        return [path for path in fingerprints(here, unit) if here.cache.read(path) is not None]

    def makes(self, there: Workspace, unit: ScoreUnit, result: pd.DataFrame) -> Iterable[Path]:  # noqa: D102
        return [unit.kept(there)]


def fingerprints(workspace: Workspace, unit: ScoreUnit) -> Sequence[Path]:
    """Where a cache keeps the fingerprints of a unit's models."""
    key = unit.metric.key(workspace.device)
    return [workspace.fingerprint_file(key, digest) for _, digest in unit.models]


def reachable(located: Located) -> bool:
    """Whether any machine can open a model; another disk may hold other files under the same path."""
    return isinstance(located.source, ZooSource | HubSource)


def pack(cache: Cache, files: Iterable[Path]) -> Files:
    """Some files of a cache."""
    return {path.relative_to(cache.path).as_posix(): path.read_bytes() for path in files}


def unpack(cache: Cache, files: Files, *, replace: bool) -> None:
    """Put files where they belong in a cache; what is there stays, unless it is to be replaced.

    Of what comes over a network, names and seals are checked: nothing but an entry of a cache is written.
    """
    for name, entry in files.items():
        if replace or not (cache.path / name).is_file():
            cache.accept(name, entry)
