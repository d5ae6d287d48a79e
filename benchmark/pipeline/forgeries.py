"""Forgeries in a run: scored against their targets, before and after, apart from every honest pair."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import pandas as pd

from analysis.columns import COLUMNS, LABELS
from benchmark.catalog import Catalog
from benchmark.catalog.pairs import pair_table
from benchmark.results.forgery_outcomes import AIM

__all__ = ["forgery_pairs", "forgery_table", "planned_forgeries"]

#: Which model stands against the target.
STAGES: Final = {"before": "of", "after": "forged"}


def planned_forgeries(catalog: Catalog, models: Collection[str]) -> pd.DataFrame:
    """The catalog's forgeries that can be had, and whose honest parent and target are among the models.

    Returns
    -------
    pandas.DataFrame
        As `Catalog.forgeries`.
    """
    table = catalog.forgeries()
    available = table["forged"].isin([name for name, model in catalog.forged.items() if model.available])
    return table[available & table["of"].isin(models) & table["target"].isin(models)].reset_index(drop=True)


def forgery_pairs(catalog: Catalog, forgeries: pd.DataFrame) -> pd.DataFrame:
    """The pairs to score for forgeries, each once: the target with the model before and after forging.

    Returns
    -------
    pandas.DataFrame
        `model_a, model_b` and the label columns of a score table, which tell the truth about the pair.
    """
    wanted = {
        tuple(sorted(pair))
        for stage in STAGES.values()
        for pair in zip(forgeries[stage], forgeries["target"], strict=True)
    }
    labels = pair_table(catalog.graph, sorted({model for pair in wanted for model in pair}))
    chosen = [pair in wanted for pair in zip(labels["model_a"], labels["model_b"], strict=True)]
    return labels.loc[chosen, ["model_a", "model_b", *LABELS]].reset_index(drop=True)


def forgery_table(forgeries: pd.DataFrame, scored: pd.DataFrame) -> pd.DataFrame:
    """Two rows a forgery and metric: the score against the target before and after.

    Parameters
    ----------
    forgeries : pandas.DataFrame
        As `planned_forgeries`.
    scored : pandas.DataFrame
        Score tables of `forgery_pairs`, one after the other.

    Returns
    -------
    pandas.DataFrame
        The columns of a score table, then `stage` ("before" or "after"), `forged, of, target, kind,
        aimed_at`; in the order of the metrics, then by forgery.
    """
    parts = []
    for stage, model in STAGES.items():
        part = forgeries[list(AIM)].assign(stage=stage)
        part["model_a"] = part[[model, "target"]].min(axis=1)
        part["model_b"] = part[[model, "target"]].max(axis=1)
        parts.append(part)
    sides = pd.concat(parts, ignore_index=True).sort_values(["forged", "stage"], ascending=[True, False])
    metrics = pd.DataFrame({"metric": pd.unique(scored["metric"])})
    rows = metrics.merge(sides, how="cross").merge(
        scored, on=["metric", "model_a", "model_b"], how="left", validate="many_to_one"
    )
    return rows[[*COLUMNS, "stage", *AIM]]
