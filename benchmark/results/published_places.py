"""A published score beside calibration: on which population it could be judged, and what that one says.

A score can be set beside those of a run only where the run has the same metric, the number is a score of it,
and independent pairs of the very shapes are there, of three lineages or more. No other run says anything:
what strangers score depends on their shape, so that nothing is carried over from models of other shapes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

import analysis
from analysis.results import Result
from benchmark.catalog import Catalog
from benchmark.catalog.publications import QUANTITIES, PublishedScore
from benchmark.results.same_shapes import FEWEST, same_cells

__all__ = ["PublishedPlace", "PublishedRange", "RunRange", "place_published"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PublishedRange(Result):
    """Published scores of one relation, by the same metric and in the same units as the one in question.

    Attributes
    ----------
    n_pairs, n_at_or_above : int
        Pairs, and those that score at least as high.
    lowest, highest : float
        NaN without any.
    """

    n_pairs: int
    n_at_or_above: int
    lowest: float
    highest: float

    def told(self, kind: str) -> str:
        """In words, e.g. ``3 independent pairs, 0.84 to 0.91, none as high``."""
        if not self.n_pairs:
            return f"no {kind} pair"
        pairs = "pair" if self.n_pairs == 1 else "pairs"
        span = f"{self.lowest:g}" if self.lowest == self.highest else f"{self.lowest:g} to {self.highest:g}"
        return f"{self.n_pairs} {kind} {pairs}, {span}, {self.n_at_or_above or 'none'} as high"


@dataclass(frozen=True, eq=False)
class RunRange(Result):
    """Scores of a run of pairs that have the same two shapes, less the lineages of the pair in question.

    Attributes
    ----------
    n_look_alikes, n_look_alikes_as_high, n_lineages : int
        Independent pairs; those that score at least as high; their lineages (of the shape that has fewer).
    place : float
        Place of the score among them by `analysis.stranger_p_value`: its smaller values speak against chance.
    n_derived, n_derived_as_high : int
        Derived pairs, and those that score at least as high.
    """

    n_look_alikes: int
    n_look_alikes_as_high: int
    n_lineages: int
    place: float
    n_derived: int
    n_derived_as_high: int


@dataclass(frozen=True, eq=False)
class PublishedPlace(Result):
    """A published score, and what can be set beside it.

    Attributes
    ----------
    publication, citation : str
        Its id in the catalog; who and where.
    metric : str
        By its name.
    pair : tuple of two str
        As published, catalog ids where there are some.
    value : float
        As published.
    quantity, where : str
        What the number is, and where it stands.
    relation : str
        Of the pair, by the catalog; empty where it does not hold both models.
    population : str
        On which pairs of this run it could be judged, or why on none.
    says : str
        What these pairs say.
    in_run : RunRange or None
        None where there is no such population.
    published_derived, published_independent : PublishedRange
        Other published scores of pairs that the catalog calls so. Chosen by their authors: no rate follows.
    """

    publication: str
    citation: str
    metric: str
    pair: tuple[str, str]
    value: float
    quantity: str
    where: str
    relation: str
    population: str
    says: str
    in_run: RunRange | None
    published_derived: PublishedRange
    published_independent: PublishedRange

    @property
    def beside(self) -> str:
        """What other published scores it can be set beside, in a sentence."""
        kinds = ((self.published_derived, "derived"), (self.published_independent, "independent"))
        if not any(one.n_pairs for one, _ in kinds):
            return "No other such scores are published for pairs of known relation."
        told = "; ".join(one.told(kind) for one, kind in kinds)
        return f"Published in the same units: {told}. Their authors chose these pairs, so no rate follows."


def place_published(
    scores: Iterable[PublishedScore], catalog: Catalog, run: pd.DataFrame | None = None
) -> tuple[PublishedPlace, ...]:
    """Set published scores beside those of a run, and beside each other.

    Parameters
    ----------
    scores : iterable of PublishedScore
    catalog : Catalog
        Whose shapes, lineages and relations hold, and that holds the publications.
    run : pandas.DataFrame, optional
        Score table of a run, several metrics; without it no population is at hand.
    """
    asked = tuple(scores)
    if not asked:
        return ()
    every = catalog.published_scores()
    relation = {score: catalog.published_relation(score) for score in every}
    return tuple(_place(score, catalog, run, every, relation) for score in asked)


def _place(
    score: PublishedScore,
    catalog: Catalog,
    run: pd.DataFrame | None,
    every: Sequence[PublishedScore],
    relation: Mapping[PublishedScore, str],
) -> PublishedPlace:
    found, population, says = _in_run(score, catalog, run)
    others = [
        other
        for other in every
        if (other.metric, other.quantity) == (score.metric, score.quantity)
        and set(other.pair) != set(score.pair)
        and (score.quantity == "score" or _place_in_print(other) == _place_in_print(score))
    ]

    def published(kind: str) -> PublishedRange:
        values = [other.value for other in others if relation[other] == kind]
        return PublishedRange(
            len(values),
            sum(value >= score.value for value in values),
            min(values, default=math.nan),
            max(values, default=math.nan),
        )

    return PublishedPlace(
        publication=score.publication,
        citation=catalog.published[score.publication].citation,
        metric=score.metric,
        pair=score.pair,
        value=score.value,
        quantity=score.quantity,
        where=score.where,
        relation=relation[score],
        population=population,
        says=says,
        in_run=found,
        published_derived=published("derived"),
        published_independent=published("independent"),
    )


def _place_in_print(score: PublishedScore) -> tuple[str, str]:
    return score.publication, score.where


def _cell(name: str, catalog: Catalog, run: pd.DataFrame | None) -> str | None:
    """The architecture cell by the catalog, else as the run read it."""
    if name not in catalog:
        return None
    cell = catalog.model(name).cell
    if cell is None and run is not None:
        for end in "ab":
            found = run.loc[run[f"model_{end}"] == name, f"architecture_{end}"].dropna()
            cell = cell or (str(found.iloc[0]) if len(found) else None)
    return cell


def _in_run(
    score: PublishedScore, catalog: Catalog, run: pd.DataFrame | None
) -> tuple[RunRange | None, str, str]:
    """The pairs of a run that a score can be set beside; who they are, and what they say."""
    silent = "Nothing; scores of other shapes or units do not carry over."
    if score.quantity != "score":
        return None, f"none: it is {QUANTITIES[score.quantity]}, not the score itself", silent
    shape = {name: _cell(name, catalog, run) for name in score.pair}
    for name, cell in shape.items():
        if cell is None:
            why = "has no known shape" if name in catalog else "is not in the catalog"
            return None, f"none: {name} {why}", silent
    if run is None:
        return None, "none: no run was given (--calibration RUN)", silent
    own = run[run["metric"] == score.metric]
    if own.empty:
        return None, f"none: this run has no {score.metric}", silent
    cells = sorted(map(str, shape.values()))
    lineages = [catalog.lineage(name) for name in score.pair]
    kept = own[~own["lineage_a"].isin(lineages) & ~own["lineage_b"].isin(lineages)]
    shapes = " and ".join(dict.fromkeys(cells))
    if kept.empty:
        return None, f"none: this run has no other lineage of {shapes}", silent
    table = analysis.ScoreTable(kept)
    here = same_cells(table, (cells[0], cells[1])) & table.comparable
    alike = here & table.independent
    place, n_lineages = analysis.stranger_p_value(table, score.value, mask=alike)
    if n_lineages < FEWEST:
        held = f"{n_lineages} lineages" if alike.any() else "no lineage"
        return None, f"none: this run has look-alikes of {shapes} from {held}; {FEWEST} are needed", silent
    derived = here & table.derived
    high = table.score >= score.value
    found = RunRange(
        int(alike.sum()),
        int((alike & high).sum()),
        n_lineages,
        place,
        int(derived.sum()),
        int((derived & high).sum()),
    )
    return (
        found,
        f"{found.n_look_alikes} look-alikes of {n_lineages} lineages and {found.n_derived} derived pairs,"
        f" all of {shapes}",
        f"{found.n_look_alikes_as_high} of the look-alikes score as high (p = {place:.2g} by rank among their"
        f" lineages), and {found.n_derived_as_high} of the derived pairs.",
    )
