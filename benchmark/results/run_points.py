"""How early a training run is recognised: its published points against the model at its end."""

from __future__ import annotations

import pandas as pd

from benchmark.catalog import Catalog, Model, Parent
from benchmark.catalog.model import OWN_RUN
from benchmark.results.schema import RunPoint

__all__ = ["run_points", "runs"]


def runs(catalog: Catalog) -> pd.DataFrame:
    """Every end of a training run with each published point of it.

    Parameters
    ----------
    catalog : Catalog

    Returns
    -------
    pandas.DataFrame
        `run, point, family, lineage, step, share`: the ids of end and point, and how far the run was at the
        point, in steps and as a share of the whole run.
    """
    passed = {parent.id for model in catalog.models.values() if (parent := _point_before(model)) is not None}
    rows = []
    for end in catalog.models.values():
        budget = end.training.get("budget")
        if end.id in passed or not isinstance(budget, int):
            continue
        step, here = budget, end
        while (parent := _point_before(here)) is not None and here.training_steps is not None:
            step -= here.training_steps
            rows.append((end.id, parent.id, end.family, catalog.lineage(end.id), step, step / budget))
            here = catalog.models[parent.id]
    return pd.DataFrame(rows, columns=["run", "point", "family", "lineage", "step", "share"])


def run_points(scores: pd.DataFrame, points: pd.DataFrame) -> tuple[RunPoint, ...]:
    """Scores of one metric along training runs.

    Parameters
    ----------
    scores : pandas.DataFrame
        Score table of the metric.
    points : pandas.DataFrame
        As `runs`.

    Returns
    -------
    tuple of RunPoint
        Run by run, earliest first; pairs without a score are left out.
    """
    pairs = points.assign(
        model_a=points[["run", "point"]].min(axis=1), model_b=points[["run", "point"]].max(axis=1)
    )
    usable = scores.loc[scores["status"] == "ok", ["model_a", "model_b", "score"]]
    rows = pairs.merge(usable, on=["model_a", "model_b"], validate="one_to_one")
    rows = rows.sort_values(["run", "step"])
    return tuple(
        RunPoint(
            run=row["run"],
            point=row["point"],
            family=row["family"],
            lineage=row["lineage"],
            step=int(row["step"]),
            share=float(row["share"]),
            score=float(row["score"]),
        )
        for row in rows.to_dict("records")
    )


def _point_before(model: Model) -> Parent | None:
    """The point of its own run that a model was trained on from; None for a run's first point, and others."""
    if len(model.parents) != 1 or model.parents[0].detail not in OWN_RUN:
        return None
    return model.parents[0]
