"""``power``: what a catalog of a size can certify, and how many lineages a goal needs."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated, Final

import typer

from benchmark.cli.options import CatalogFile, Json
from benchmark.cli.printing import print_json
from benchmark.session.errors import UsageError

__all__ = ["power"]

USUAL: Final = (0.05, 0.01, 0.001)


@dataclass(frozen=True)
class Goal:
    """A false-positive rate to certify, and the lineages that it needs."""

    max_fpr: float
    lineages_needed: int


@dataclass(frozen=True)
class Power:
    """What so many lineages can certify.

    Attributes
    ----------
    n_lineages : int
    confidence : float
        Of a certificate, in (0, 1).
    certifiable_fpr : float or None
        The lowest false-positive rate that can be certified; None where none can.
    goals : tuple of Goal
    """

    n_lineages: int
    confidence: float
    certifiable_fpr: float | None
    goals: tuple[Goal, ...]

    def __str__(self) -> str:
        lines = [
            f"{self.n_lineages} lineages give {self.n_lineages // 2} independent negatives: with no"
            f" false positive among them, at {self.confidence:.0%} confidence,",
            "  no false-positive rate can be certified"
            if self.certifiable_fpr is None
            else f"  the lowest false-positive rate that can be certified is {self.certifiable_fpr:.3g}",
            "A certificate needs",
        ]
        lines += [f"  for {goal.max_fpr:.3g}: {goal.lineages_needed:,} lineages" for goal in self.goals]
        return "\n".join(lines)


def power(
    lineages: Annotated[int | None, typer.Option(min=1, metavar="G", help="Lineages of a catalog.")] = None,
    max_fpr: Annotated[
        float | None, typer.Option("--max-fpr", metavar="a", help="A false-positive rate to certify.")
    ] = None,
    confidence: Annotated[float, typer.Option(min=0.5, max=0.9999, help="Of the certificate.")] = 0.95,
    catalog: CatalogFile = None,
    json_: Json = False,
) -> None:
    """What a catalog of a size can certify, and how many lineages a goal needs."""
    if max_fpr is not None and not 0 < max_fpr < 1:
        raise UsageError(f"--max-fpr: {max_fpr} is not between 0 and 1")
    if lineages is None:
        from benchmark.catalog import load_catalog

        loaded = load_catalog(catalog)
        lineages = len({loaded.lineage(model.id) for model in loaded.models.values() if not model.remote})
    answer = power_of(lineages, max_fpr, confidence)
    if json_:
        print_json(asdict(answer))
    else:
        print(answer)


def power_of(n_lineages: int, max_fpr: float | None, confidence: float) -> Power:
    """What so many lineages can certify; `max_fpr` None stands for the usual three goals."""
    from math import isnan

    from analysis.thresholds.power import certifiable_fpr, lineages_needed

    lowest = certifiable_fpr(n_lineages, confidence)
    return Power(
        n_lineages,
        confidence,
        None if isnan(lowest) else lowest,
        tuple(Goal(goal, lineages_needed(goal, confidence)) for goal in ((max_fpr,) if max_fpr else USUAL)),
    )
