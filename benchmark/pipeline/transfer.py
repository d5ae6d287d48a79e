"""What a run would fetch from the hub: the models that its budget buys, their bytes, the time."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypedDict

import pandas as pd

import analysis
import fpcore
from analysis.thresholds.certificate import lineages_worth, worth
from benchmark.catalog import Catalog
from benchmark.pipeline.budget import choose_within
from benchmark.pipeline.survey import Survey, estimated_bytes
from benchmark.session.progress import Reporter

__all__ = ["DEFAULT_BUDGET", "Transfer", "TransferFacts", "bytes_in_words", "planned_transfer"]

DEFAULT_BUDGET: Final = 10 * 10**9
"""Bytes that a run fetches unless it is told otherwise: an evening on a slow line, minutes on a fast one."""
SHOWN: Final = 10
CONFIDENCE: Final = 0.95


class TransferFacts(TypedDict):
    """A transfer as plain values; null where nothing was measured, or can be certified."""

    budget: int
    n_considered: int
    bytes: int
    missing: int
    by_model: dict[str, int]
    by_metric: dict[str, int]
    rate: float | None
    seconds: float | None
    failed: dict[str, str]
    n_look_alike_negatives: float
    certifiable_fpr: float | None


@dataclass(frozen=True)
class Transfer:
    """What is to be fetched.

    Attributes
    ----------
    budget : int
        Bytes that may be.
    n_considered : int
        Models that the budget chose among.
    by_model : mapping of str to int
        Model → bytes for all metrics together, whether they are on this machine already or not: the choice
        does not depend on that.
    missing : int
        Bytes of all models that are not here yet.
    by_metric : mapping of str to int
        Metric → bytes of all models for it alone; metrics share what they read, so that the sum is more.
    rate : float
        Bytes a second, as measured; NaN where nothing was fetched.
    failed : mapping of str to str
        Models that could not be opened → why. The run tries them again.
    n_look_alike_negatives, certifiable_fpr : float
        Independent look-alikes that the models are worth, and the lowest false-positive rate that those can
        certify for all metrics together (95% confidence, no false positive seen); NaN where none.
    """

    budget: int
    n_considered: int
    by_model: Mapping[str, int] = field(repr=False)
    missing: int
    by_metric: Mapping[str, int] = field(repr=False)
    rate: float
    failed: Mapping[str, str] = field(repr=False)
    n_look_alike_negatives: float
    certifiable_fpr: float

    @property
    def bytes(self) -> int:
        """Of all models."""
        return sum(self.by_model.values())

    @property
    def seconds(self) -> float:
        """How long that takes at the measured rate; NaN without one."""
        return self.missing / self.rate if self.missing else 0.0

    def __str__(self) -> str:
        time = "" if math.isnan(self.seconds) else f", about {time_in_words(self.seconds)}"
        rate = "" if math.isnan(self.rate) else f" at the {bytes_in_words(self.rate)}/s measured"
        lines = [
            f"to download: {bytes_in_words(self.missing)} from {len(self.by_model)} models (budget "
            f"{bytes_in_words(self.budget)}, {self.n_considered} considered){time}{rate if time else ''}"
            + (f"; {bytes_in_words(here)} already downloaded" if (here := self.bytes - self.missing) else "")
        ]
        lines += [f"  {name}: {bytes_in_words(count)} on its own" for name, count in self.by_metric.items()]
        largest = sorted(self.by_model.items(), key=lambda entry: (-entry[1], entry[0]))
        lines.append("per model, largest first:")
        lines += [f"  {name}: {bytes_in_words(count)}" for name, count in largest[:SHOWN]]
        if len(largest) > SHOWN:
            rest = sum(count for _, count in largest[SHOWN:])
            lines.append(f"  {len(largest) - SHOWN} more: {bytes_in_words(rest)}")
        certified = (
            "these models cannot certify any false-positive rate against look-alikes"
            if math.isnan(self.certifiable_fpr)
            else f"these models can certify a false-positive rate of {self.certifiable_fpr:.3g} against "
            f"look-alikes for all {len(self.by_metric)} metrics together (95% confidence, no false positive"
            " seen)"
        )
        lines.append(f"{certified}: equivalent to {self.n_look_alike_negatives:.3g} independent look-alikes")
        if self.failed:
            lines.append(f"{len(self.failed)} models cannot be opened now; the run will try again:")
            lines += [f"  {name}: {why}" for name, why in list(self.failed.items())[:SHOWN]]
            if len(self.failed) > SHOWN:
                lines.append(f"  and {len(self.failed) - SHOWN} more")
        return "\n".join(lines)

    def to_json(self) -> TransferFacts:
        """The same as plain values."""
        return {
            "budget": self.budget,
            "n_considered": self.n_considered,
            "bytes": self.bytes,
            "missing": self.missing,
            "by_model": dict(self.by_model),
            "by_metric": dict(self.by_metric),
            "rate": None if math.isnan(self.rate) else self.rate,
            "seconds": None if math.isnan(self.seconds) else self.seconds,
            "failed": dict(self.failed),
            "n_look_alike_negatives": self.n_look_alike_negatives,
            "certifiable_fpr": None if math.isnan(self.certifiable_fpr) else self.certifiable_fpr,
        }


def planned_transfer(
    catalog: Catalog,
    wanted: Sequence[str],
    metrics: Sequence[fpcore.Metric],
    open_model: Callable[[str], fpcore.Checkpoint],
    *,
    budget: int = DEFAULT_BUDGET,
    seed: int = 0,
    sample: bool = False,
    progress: Reporter,
) -> tuple[list[str], dict[str, str], Transfer]:
    """Choose among models what a number of bytes buys.

    The catalog's own figures decide which headers are read; what those say takes their place, until the
    choice is one of models whose headers were read.

    Parameters
    ----------
    catalog : Catalog
    wanted : sequence of str
        Models to choose among. What lies on this machine is taken in any case.
    metrics : sequence of Metric
    open_model : callable
        Opens a model by its id.
    budget, seed : int
        As for `choose_within`.
    sample : bool
        Whether slices of large weights are read in place of all.
    progress : Reporter

    Returns
    -------
    models : list of str
        In the order of `wanted`; those that cannot be opened are among them, so that the run names them.
    cells : dict of str to str
        Model → architecture cell, of those whose headers were read.
    transfer : Transfer
    """
    survey = Survey(open_model, metrics)
    pairs = catalog.pairs(list(wanted))
    remote = [model for model in wanted if catalog.models[model].remote]
    here = {model: 0 for model in wanted if not catalog.models[model].remote}
    guesses = {model: estimated_bytes(catalog.models[model], metrics, sample=sample) for model in remote}
    with progress.phase("headers", "models") as advance:
        while True:
            found = {model: one.bytes for model, one in survey.found.items()}
            costs = {**guesses, **found, **here}
            for model in survey.failed:
                costs.pop(model, None)
            cells = {model: one.cell for model, one in survey.found.items()}
            chosen = choose_within(with_cells(pairs, cells), costs, budget, seed=seed)
            unread = [model for model in remote if model in chosen and model not in survey.found]
            if not unread:
                break
            survey.ask(unread, advance)
    bought = [model for model in remote if model in chosen]
    survey.measure_rate(bought)
    models = [model for model in wanted if model in chosen or model in survey.failed]
    table = with_cells(pairs, cells)
    table = table[table["model_a"].isin(chosen) & table["model_b"].isin(chosen)]
    negatives = worth(analysis.ScoreTable(table.assign(score=0.0)), "look-alike") if len(table) else 0.0
    transfer = Transfer(
        budget,
        len(remote),
        {model: survey.found[model].bytes for model in bought},
        sum(survey.found[model].missing for model in bought),
        {metric.name: sum(survey.found[m].by_metric[metric.name] for m in bought) for metric in metrics},
        survey.rate,
        survey.failed,
        negatives,
        analysis.certifiable_fpr(lineages_worth(negatives), CONFIDENCE, max(1, len(metrics))),
    )
    return models, cells, transfer


def with_cells(pairs: pd.DataFrame, cells: Mapping[str, str]) -> pd.DataFrame:
    """The pairs with architecture cells filled in where the catalog does not state them."""
    filled = {
        f"architecture_{end}": pairs[f"architecture_{end}"].where(
            pairs[f"architecture_{end}"].notna(), pairs[f"model_{end}"].map(cells)
        )
        for end in "ab"
    }
    return pairs.assign(**filled)


def bytes_in_words(count: float) -> str:
    """A number of bytes for people.

    Examples
    --------
    >>> bytes_in_words(2_345_000_000), bytes_in_words(999)
    ('2.35 GB', '999 B')
    """
    for factor, unit in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count >= factor:
            return f"{count / factor:.3g} {unit}"
    return f"{count:.0f} B"


def time_in_words(seconds: float) -> str:
    """A duration for people.

    Examples
    --------
    >>> time_in_words(50), time_in_words(500), time_in_words(50_000)
    ('50 seconds', '8 minutes', '13.9 hours')
    """
    if seconds < 100:
        return f"{max(1, round(seconds))} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 6000 else f"{seconds / 3600:.3g} hours"
