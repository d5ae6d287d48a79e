"""Forgeries in a run: scored against their targets, before and after, apart from every honest pair."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from itertools import groupby
from typing import Any, Final

import pandas as pd

from benchmark.catalog import Catalog
from benchmark.catalog.pairs import pair_table
from benchmark.pipeline.scoring import COLUMNS

__all__ = ["decision_threshold", "forgery_pairs", "forgery_results", "forgery_table", "planned_forgeries"]

#: What a forgery has beyond the columns of a score table: the honest model it is made of, and its aim.
AIM: Final = ("forged", "of", "target", "kind", "aimed_at")
#: Which model stands against the target.
STAGES: Final = {"before": "of", "after": "forged"}
LABELS: Final = COLUMNS[COLUMNS.index("relation") :]
MAX_FPR: Final = 0.05


def planned_forgeries(catalog: Catalog, models: Collection[str]) -> pd.DataFrame:
    """The catalog's forgeries whose honest parent and whose target are both among the models.

    Returns
    -------
    pandas.DataFrame
        As `Catalog.forgeries`.
    """
    table = catalog.forgeries()
    return table[table["of"].isin(models) & table["target"].isin(models)].reset_index(drop=True)


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


def forgery_results(table: pd.DataFrame, result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What one metric says of every forgery, for results.json.

    Parameters
    ----------
    table : pandas.DataFrame
        As `forgery_table`.
    result : mapping
        The metric's object of results.json, for its name and thresholds.

    Returns
    -------
    list of dict
        `forged, of, target, kind, aimed_at, before, after, threshold, before_called, after_called` (whether
        the score reaches the threshold; null without one, or without a score) and `reason` for what is null.
    """
    threshold, reason = decision_threshold(result)
    rows = []
    own = table[table["metric"] == result["metric"]].to_dict("records")
    for aim, stages in groupby(own, key=lambda row: tuple(row[name] for name in AIM)):
        scores: dict[str, float | None] = {}
        called: dict[str, bool | None] = {}
        why = [] if threshold is not None else [reason]
        for row in stages:
            score = float(row["score"])
            told = row["status"] == "ok" and math.isfinite(score)
            scores[row["stage"]] = score if told else None
            called[f"{row['stage']}_called"] = score >= threshold if told and threshold is not None else None
            why += [] if told else [row["reason"] or f"the score is {score}"]
        rows.append(
            {
                **dict(zip(AIM, aim, strict=True)),
                **scores,
                "threshold": threshold,
                **called,
                "reason": "; ".join(dict.fromkeys(why)),
            }
        )
    return rows


def decision_threshold(result: Mapping[str, Any]) -> tuple[float | None, str]:
    """The threshold by which a metric calls a pair derived: what its authors claim, else what was calibrated.

    Parameters
    ----------
    result : mapping
        A metric's object of results.json.

    Returns
    -------
    float or None
        None where nobody claims one and none could be calibrated for a false positive rate of 5 %.
    str
        Why there is none; empty otherwise.
    """
    claim = result.get("claim") or {}
    if claim.get("threshold") is not None:
        return float(claim["threshold"]), ""
    for threshold in result["thresholds"]:
        if threshold["max_fpr"] == MAX_FPR:
            value = threshold["value"]
            return (None, f"no threshold: {threshold['reason']}") if value is None else (float(value), "")
    return None, f"no threshold was calibrated for a false positive rate of {MAX_FPR:.0%}"
