"""What a metric says of itself, apart from the code that it is: a value that any process can hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NoReturn

import analysis
import fpcore
from benchmark.results.codec import from_json

__all__ = ["StatedMetric"]


@dataclass(frozen=True)
class StatedMetric:
    """The attributes of a `fpcore.Metric`, by the same names.

    Attributes
    ----------
    name, title, version, evidence, invariances, claims, cost, measured, reads, scores_together
        As of `fpcore.Metric`; sets are in order.
    """

    name: str
    title: str
    version: int
    evidence: tuple[str, ...]
    invariances: tuple[str, ...]
    claims: tuple[fpcore.Claim, ...]
    cost: Literal["cheap", "costly"]
    measured: fpcore.Cost | None
    reads: tuple[str, ...] | None
    scores_together: bool

    @classmethod
    def of(cls, metric: fpcore.Metric) -> StatedMetric:
        """What a metric says."""
        return cls(
            metric.name,
            metric.title,
            metric.version,
            tuple(sorted(metric.evidence)),
            tuple(sorted(metric.invariances)),
            tuple(metric.claims),
            metric.cost,
            metric.measured,
            None if metric.reads is None else tuple(metric.reads),
            metric.scores_together,
        )

    @classmethod
    def from_json(cls, value: object) -> StatedMetric:
        """What `to_json` wrote, every type checked.

        Raises
        ------
        benchmark.results.codec.SchemaMismatch
            It is something else.
        """
        return from_json(cls, value)

    def to_json(self) -> object:
        """Plain values."""
        return analysis.as_json(self)

    def metric(self) -> fpcore.Metric:
        """A metric that says this, and does nothing: what it does is done where its code is."""
        facts = {
            "name": self.name,
            "title": self.title,
            "version": self.version,
            "evidence": frozenset(self.evidence),
            "invariances": frozenset(self.invariances),
            "claims": self.claims,
            "cost": self.cost,
            "measured": self.measured,
            "reads": self.reads,
            "scores_together": self.scores_together,
        }
        metric: fpcore.Metric = type("StatedOnly", (StatedOnly,), facts)()
        return metric


class StatedOnly(fpcore.Metric):
    """A metric whose code runs in a process of its own."""

    def fingerprint(self, model: fpcore.Checkpoint) -> NoReturn:
        raise RuntimeError(f"{self.name} runs in a process of its own")

    def similarity(self, a: fpcore.Fingerprint, b: fpcore.Fingerprint) -> NoReturn:
        raise RuntimeError(f"{self.name} runs in a process of its own")
