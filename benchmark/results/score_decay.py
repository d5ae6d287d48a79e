"""How far trained children have come from their ancestors: what a score can be drawn against."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from benchmark.catalog import Catalog, Model, ZooSource
from benchmark.catalog.model import TRAINING_METHODS
from benchmark.results.schema import DecayPoint
from benchmark.zoo.manifest import SHIPPED, Entry, Manifest, read_manifest

__all__ = ["decay_points", "distances"]


def distances(catalog: Catalog, manifest: Manifest | None = None) -> pd.DataFrame:
    """Every pair of a model and an ancestor from which it was reached by training alone.

    Parameters
    ----------
    catalog : Catalog
    manifest : Manifest, optional
        Says how many tokens the zoo's models saw; the shipped zoo's otherwise.

    Returns
    -------
    pandas.DataFrame
        `model, ancestor, steps, tokens, share, lineage`: optimiser steps and tokens since the ancestor, and
        the steps over those of the whole run, or of the founder at the root. `tokens` is missing where it is
        not known for a model on the way.
    """
    trained = (read_manifest(SHIPPED) if manifest is None else manifest).models
    rows = []
    for model in catalog.models.values():
        steps, tokens, here = 0, [], model
        while (parent := _trained_from(catalog, here)) is not None:
            steps += here.training_steps or 0
            tokens.append(_tokens(here, trained))
            budget = _budget(catalog, here)
            if budget is None:
                break
            whole = None if None in tokens else sum(each for each in tokens if each is not None)
            rows.append((model.id, parent.id, steps, whole, steps / budget, catalog.lineage(model.id)))
            here = parent
    return pd.DataFrame(rows, columns=["model", "ancestor", "steps", "tokens", "share", "lineage"]).astype(
        {"tokens": "Int64"}
    )


def decay_points(scores: pd.DataFrame, far: pd.DataFrame) -> tuple[DecayPoint, ...]:
    """Scores of one metric against the distance travelled.

    Parameters
    ----------
    scores : pandas.DataFrame
        Score table of the metric.
    far : pandas.DataFrame
        As `distances`.

    Returns
    -------
    tuple of DecayPoint
        Nearest first; pairs without a score are left out.
    """
    model, ancestor = (far[name].to_numpy(dtype=object) for name in ("model", "ancestor"))
    first = model < ancestor
    pairs = far.assign(
        model_a=np.where(first, model, ancestor), model_b=np.where(first, ancestor, model)
    ).astype({"model_a": "str", "model_b": "str"})
    usable = scores.loc[scores["status"] == "ok", ["model_a", "model_b", "method", "score"]]
    rows = pairs.merge(usable, on=["model_a", "model_b"], validate="one_to_one")
    rows = rows.sort_values(["share", "model", "ancestor"])
    return tuple(
        DecayPoint(
            model=row["model"],
            ancestor=row["ancestor"],
            method=row["method"],
            steps=int(row["steps"]),
            tokens=None if pd.isna(row["tokens"]) else int(row["tokens"]),
            share=float(row["share"]),
            score=float(row["score"]),
            lineage=row["lineage"],
        )
        for row in rows.to_dict("records")
    )


def _trained_from(catalog: Catalog, model: Model) -> Model | None:
    """The model whose network this one is, trained further; None where it came about otherwise."""
    if model.training_steps is None or len(model.parents) != 1:
        return None
    (parent,) = model.parents
    return catalog.models[parent.id] if parent.method in TRAINING_METHODS else None


def _tokens(model: Model, trained: Mapping[str, Entry]) -> int | None:
    """Tokens that a model saw since its parent."""
    if isinstance(model.source, ZooSource):
        entry = trained.get(model.source.name)
        return entry.tokens if entry else None
    each, steps = model.training.get("tokens_per_step"), model.training_steps
    return each * steps if isinstance(each, int) and steps is not None else None


def _budget(catalog: Catalog, model: Model) -> int | None:
    """Steps of the run that a model is a point of, or of the founder at the root of its first line."""
    while model.parents and "budget" not in model.training:
        model = catalog.models[model.parents[0].id]
    budget = model.training.get("budget", model.training_steps)
    return budget if isinstance(budget, int) and budget else None
