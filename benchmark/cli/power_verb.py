"""``power``: what a catalog of a size can certify, and how many lineages a goal needs."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Annotated, Final

import typer

from benchmark.cli.options import CatalogFiles, Json, Tier
from benchmark.cli.printing import print_json, print_text
from benchmark.session.errors import UsageError

if TYPE_CHECKING:
    from benchmark.catalog import Model

__all__ = ["power"]

USUAL: Final = (0.05, 0.01, 0.001)
#: Parameters of a model that anybody can fetch and measure.
SMALL: Final = 500_000_000


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
        With which the certificates of all metrics hold together, in (0, 1).
    n_metrics : int
    n_look_alike_negatives, n_independent_negatives : float
        Independent look-alikes, and independent negatives of any shape, that the lineages are worth.
    certifiable_fpr, certifiable_independent_fpr : float or None
        The lowest false-positive rate (a mean over lineages) that can be certified against look-alikes, and
        against all independent pairs; None where none can.
    goals : tuple of Goal
    small : Power or None
        The same of the hub's models of at most 500 million parameters alone.
    """

    n_lineages: int
    confidence: float
    n_metrics: int
    n_look_alike_negatives: float
    n_independent_negatives: float
    certifiable_fpr: float | None
    certifiable_independent_fpr: float | None
    goals: tuple[Goal, ...]
    small: Power | None = None

    def __str__(self) -> str:
        jointly = f" for {self.n_metrics} metrics together" if self.n_metrics > 1 else ""
        kinds = (
            ("against look-alikes", "look-alikes", self.n_look_alike_negatives, self.certifiable_fpr),
            (
                "against all independent pairs",
                "negatives",
                self.n_independent_negatives,
                self.certifiable_independent_fpr,
            ),
        )
        lines = [
            f"Lowest false-positive rate that {self.n_lineages} lineages can certify{jointly} at"
            f" {self.confidence:.0%} confidence, if no false positive is seen:"
        ]
        lines += [
            f"  {against}: {'none' if lowest is None else f'{lowest:.3g}'} ({n:.4g} independent {what})"
            for against, what, n, lowest in kinds
        ]
        if self.small:
            lowest = self.small.certifiable_fpr
            lines += [
                f"  with only models of at most {SMALL // 10**6} million parameters, against look-alikes:"
                f" {'none' if lowest is None else f'{lowest:.3g}'} ({self.small.n_lineages} lineages,"
                f" {self.small.n_look_alike_negatives:.4g} independent look-alikes)"
            ]
        lines += ["Needed for a certificate against look-alikes, in lineages that share their shapes:"]
        lines += [f"  at {goal.max_fpr:.3g}: {goal.lineages_needed:,} lineages" for goal in self.goals]
        return "\n".join(lines)


def power(
    lineages: Annotated[
        int | None, typer.Option(min=1, metavar="G", help="Number of lineages; default: the catalog's.")
    ] = None,
    max_fpr: Annotated[
        float | None, typer.Option("--max-fpr", metavar="RATE", help="False-positive rate to certify.")
    ] = None,
    confidence: Annotated[
        float, typer.Option(min=0.5, max=0.9999, metavar="C", help="Confidence of the certificates.")
    ] = 0.95,
    metrics: Annotated[
        int, typer.Option(min=1, metavar="K", help="Number of metrics certified jointly.")
    ] = 1,
    catalog: CatalogFiles = None,
    tier: Tier = "zoo",
    json_: Json = False,
) -> None:
    """Show what a catalog of a given size can certify, and how many lineages a goal needs."""
    if max_fpr is not None and not 0 < max_fpr < 1:
        raise UsageError(f"--max-fpr: {max_fpr} is not between 0 and 1")
    answer = (
        power_of_catalog(catalog, tier, max_fpr, confidence, metrics)
        if lineages is None
        else power_of(lineages, max_fpr, confidence, metrics)
    )
    if json_:
        print_json(asdict(answer))
    else:
        print_text(str(answer))


def power_of_catalog(
    files: list[str] | None, tier: str, max_fpr: float | None, confidence: float, n_metrics: int
) -> Power:
    """What the models of a catalog that a run of this tier would compare can certify."""
    from benchmark.catalog import load_catalog
    from benchmark.pipeline.plan import TIERS

    if tier not in TIERS:
        raise UsageError(f"--tier: no tier {tier!r}; known: {', '.join(TIERS)}")
    catalog = load_catalog(files)
    wanted = [
        model
        for model in catalog.models.values()
        if model.available and (tier == "all" or (tier == "hub") == model.remote)
    ]

    def of(models: list[Model]) -> Power:
        from analysis import ScoreTable
        from analysis.thresholds.certificate import worth

        names = [model.id for model in models]
        table = ScoreTable(catalog.pairs(names).assign(score=0.0))
        negatives = worth(table, "look-alike"), worth(table, "independent")
        n_lineages = len({catalog.lineage(name) for name in names})
        return power_of(n_lineages, max_fpr, confidence, n_metrics, negatives)

    small = [model for model in wanted if model.remote and 0 < (model.parameters or 0) <= SMALL]
    return replace(of(wanted), small=of(small) if small else None)


def power_of(
    n_lineages: int,
    max_fpr: float | None,
    confidence: float,
    n_metrics: int = 1,
    negatives: tuple[float, float] | None = None,
) -> Power:
    """What so many lineages can certify; `max_fpr` None stands for the usual three goals.

    `negatives` are the independent look-alikes and independent negatives that the lineages are worth: half
    their number each where none is given, as if each shared its shapes with another.
    """
    from math import isnan

    from analysis.thresholds.certificate import lineages_worth
    from analysis.thresholds.power import certifiable_fpr, lineages_needed

    alike, every = negatives or (n_lineages / 2 if n_lineages > 1 else 0.0,) * 2

    def lowest(n: float) -> float | None:
        rate = certifiable_fpr(lineages_worth(n), confidence, n_metrics)
        return None if isnan(rate) else rate

    return Power(
        n_lineages,
        confidence,
        n_metrics,
        alike,
        every,
        lowest(alike),
        lowest(every),
        tuple(
            Goal(goal, lineages_needed(goal, confidence, n_metrics))
            for goal in ((max_fpr,) if max_fpr else USUAL)
        ),
    )
