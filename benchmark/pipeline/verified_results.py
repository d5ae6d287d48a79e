"""Whether the results of a run follow from its scores, and its labels from the catalog, computed anew."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import pandas as pd

import analysis
from analysis.columns import LABELS
from analysis.results import JSON, Result
from benchmark.catalog import Catalog
from benchmark.pipeline.statistics import complete_results
from benchmark.pipeline.threads import one_blas_thread
from benchmark.pipeline.transfer import with_cells
from benchmark.results.run import Run
from benchmark.session.session import Session

__all__ = ["Difference", "label_differences", "result_differences", "same_number"]

# Other processors and versions differ in the last digits; a conclusion takes more.
RELATIVE: Final = 1e-6
ABSOLUTE: Final = 1e-9
PAIR: Final = ["model_a", "model_b"]


@dataclass(frozen=True, eq=False)
class Difference(Result):
    """Something that a run states and that does not come out again.

    Attributes
    ----------
    what : str
        Where it stands.
    stated, found : JSON
        In the run, and now.
    """

    what: str
    stated: JSON
    found: JSON

    def __str__(self) -> str:
        return f"{self.what}: {_shown(self.stated)} in the run, {_shown(self.found)} now"


def _shown(value: JSON) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    told = repr(str(value) if isinstance(value, str) else value)
    return told if len(told) <= 60 else f"{told[:60]}…"


def result_differences(session: Session, run: Run, catalog: Catalog | None) -> tuple[Difference, ...]:
    """Compute the results of a run again from its scores, and compare.

    Parameters
    ----------
    session : Session
        Whose cache is empty: what another run kept proves nothing.
    run : Run
    catalog : Catalog or None
        That of the run.

    Returns
    -------
    tuple of Difference
        Numbers may differ by 1e-6 of their size.
    """
    record = run.record
    focus = record.arguments.get("metric") if record.command == "evaluate" else None
    with one_blas_thread():
        again = complete_results(
            run.scores,
            record.metrics,
            seed=record.seed,
            cache=session.cache,
            focus=focus if isinstance(focus, str) else None,
            workers=session.workers,
            catalog=catalog,
            forgeries=None if run.forgeries.empty else run.forgeries,
            notes=record.notes,
        )
    return tuple(_differences("", analysis.as_json(run.results), analysis.as_json(again)))


def label_differences(run: Run, catalog: Catalog) -> tuple[Difference, ...]:
    """Compare what a run's score table says of its pairs with what its catalog says."""
    scores = run.scores
    models = sorted({*scores["model_a"], *scores["model_b"]})
    unknown = [model for model in models if model not in catalog]
    if unknown:
        return tuple(Difference("scores.parquet: model", model, None) for model in unknown)
    cells = {name: facts.architecture for name, facts in run.record.models.items() if facts.architecture}
    known = with_cells(catalog.pairs(models), cells)
    columns = [name for name in LABELS if name in scores and name in known]
    stated = scores[[*PAIR, *columns]].drop_duplicates()
    both = stated.merge(known[[*PAIR, *columns]], on=PAIR, how="left", suffixes=("", " now"))
    found: list[Difference] = []
    for column in columns:
        here, now = (both[name].where(both[name].notna(), None) for name in (column, f"{column} now"))
        for row in both.index[(here != now) & ~(here.isna() & now.isna())]:
            pair = " – ".join(both.loc[row, PAIR].astype(str))
            found.append(Difference(f"scores.parquet: {column} of {pair}", _text(here[row]), _text(now[row])))
    return tuple(found)


def _text(value: object) -> str | None:
    return None if value is None or pd.isna(value) else str(value)  # type: ignore[call-overload]


def same_number(one: float, other: float) -> bool:
    """Whether two numbers are one but for their last digits."""
    if math.isnan(one) or math.isnan(other):
        return math.isnan(one) and math.isnan(other)
    return math.isclose(one, other, rel_tol=RELATIVE, abs_tol=ABSOLUTE)


def _differences(where: str, stated: JSON, found: JSON) -> Iterator[Difference]:
    if isinstance(stated, dict) and isinstance(found, dict):
        for key in {**stated, **found}:
            inner = f"{where}.{key}" if where else key
            yield from _differences(inner, stated.get(key), found.get(key))
    elif isinstance(stated, list) and isinstance(found, list) and len(stated) == len(found):
        for place, (one, other) in enumerate(zip(stated, found, strict=True)):
            yield from _differences(f"{where}[{_name(one, place)}]", one, other)
    elif isinstance(stated, int | float) and isinstance(found, int | float):
        if not same_number(stated, found):
            yield Difference(f"results.json: {where}", stated, found)
    elif stated != found:
        yield Difference(f"results.json: {where}", stated, found)


def _name(item: JSON, place: int) -> str:
    """What stands in a list, by the metric that it is of."""
    name = item.get("metric") if isinstance(item, dict) else None
    return name if isinstance(name, str) else str(place)
