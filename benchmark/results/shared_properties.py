"""Confounders of a metric: look-alike founders that differ from each other in one thing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

import analysis
from analysis.discrimination.auc import METHODS, auc_interval
from analysis.discrimination.wins import Wins
from benchmark.catalog import Catalog
from benchmark.results.schema import SharedPropertyClass
from benchmark.zoo.corpora import DOMAINS

__all__ = ["LEVEL", "UNMATCHED", "founder_pairs", "shared_property_classes"]

#: What two founders of one shape can have in common, beside the initialisation.
FACTS: Final = ("corpus", "tokenizer", "order", "schedule")
#: What means something only together with another fact: an order on one corpus, rates under one optimiser.
DEPENDS: Final = {"order": "corpus", "rate": "optimiser", "weight_decay": "optimiser"}
#: What a class is called, where the field of a recipe is no plain word.
WORDS: Final = {
    "initialisation": "kind of initialisation",
    "weight_decay": "weight decay",
    "warm_up": "warm-up",
    "batch": "batch size",
    "rotary_base": "rotary base",
    "tied": "tied embeddings",
    "steps": "training length",
}
EVERYTHING: Final = "all but the initialisation"
LESS: Final = "less (two or more differ)"
NOTHING: Final = "nothing but shape"
START: Final = "the initialisation"
LEVEL: Final = 0.95
UNMATCHED: Final = analysis.Interval.undefined(
    "no derived pair of these cells has a score", level=LEVEL, method=METHODS["jackknife"]
)


def founder_pairs(catalog: Catalog) -> pd.DataFrame:
    """Pairs of founders of one shape whose recipes are known, with what they share.

    Returns
    -------
    pandas.DataFrame
        `model_a, model_b, shared`, from most to least: "all but the initialisation", "all but the corpus" (…:
        they differ in initialisation and this one thing), "less (two or more differ)", "nothing but shape";
        then "the initialisation" for those that began from the same random numbers.
    """
    recipes = {
        model.id: model.training
        for model in catalog.models.values()
        if model.founder and model.cell and not model.distilled_from and model.training
    }
    by_cell: dict[str | None, list[str]] = {}
    for name in recipes:
        by_cell.setdefault(catalog.models[name].cell, []).append(name)
    rows: list[tuple[str, str, str]] = []
    for alike in by_cell.values():
        if len(alike) < 2:
            continue
        facts = catalog.shared_facts(alike)
        # Of these two relations alone: why pairs are disputed takes longer to say, and is not asked here.
        apart, one_start = (
            catalog.pairs(alike, relation=relation)[["model_a", "model_b"]].itertuples(index=False, name=None)
            for relation in ("independent", "shared-init")
        )
        rows += [(a, b, _words(facts[a, b], recipes[a], recipes[b])) for a, b in apart]
        rows += [(a, b, START) for a, b in one_start]
    rows.sort(key=lambda row: (_rank(row[2]), row))
    return pd.DataFrame(rows, columns=["model_a", "model_b", "shared"])


def _words(shared: frozenset[str], first: Mapping[str, object], second: Mapping[str, object]) -> str:
    others = {*first, *second} - {*FACTS, "seed"}
    missing = frozenset(FACTS) - shared | {fact for fact in others if first.get(fact) != second.get(fact)}
    missing = frozenset(fact for fact in missing if DEPENDS.get(fact) not in missing)
    if not missing:
        return EVERYTHING
    if missing == {"corpus"} and _domain(first) != _domain(second):
        return "all but the domain"
    if len(missing) == 1:
        fact = min(missing)
        return f"all but the {WORDS.get(fact, fact)}"
    return LESS if shared.intersection(FACTS) else NOTHING


def _domain(training: Mapping[str, object]) -> str:
    """What the text of a founder is about; empty for what most of the zoo learns."""
    return DOMAINS.get(str(training.get("corpus")), "")


def _rank(shared: str) -> int:
    """Place of a class: most shared first."""
    order = [EVERYTHING, *(f"all but the {fact}" for fact in FACTS)]
    last = [LESS, NOTHING, START]
    if shared in last:
        return len(order) + 1 + last.index(shared)
    return order.index(shared) if shared in order else len(order)


def shared_property_classes(
    scores: pd.DataFrame, pairs: pd.DataFrame, threshold: float
) -> tuple[SharedPropertyClass, ...]:
    """How one metric scores founders by what they share.

    Parameters
    ----------
    scores : pandas.DataFrame
        Score table of the metric.
    pairs : pandas.DataFrame
        As `founder_pairs`.
    threshold : float
        A score at or above it means "derived"; NaN where there is none.

    Returns
    -------
    tuple of SharedPropertyClass
        Classes stand in different cells, so that medians alone cannot be compared: hence `difference`.
    """
    founders = pd.unique(pd.concat([pairs["model_a"], pairs["model_b"]]))
    among = scores["model_a"].isin(founders) & scores["model_b"].isin(founders)
    scores = scores[among | (scores["relation"] == "derived")]
    named = scores.merge(pairs.rename(columns={"shared": "held"}), on=["model_a", "model_b"], how="left")
    named = named[(named["relation"] == "derived") | named["held"].notna()]
    # For this table alone, pairs of one initialisation are negatives: neither descends from the other.
    named = named.assign(relation=named["relation"].where(named["held"].isna(), "independent"))
    if named["held"].isna().all():
        return ()
    table = analysis.ScoreTable(named.drop(columns="shared", errors="ignore"))
    held = table.frame["held"].fillna("").to_numpy(dtype=object)
    rows = []
    for shared in pd.unique(pairs["shared"]):
        theirs = table.independent & (held == shared)
        scored = theirs & table.comparable
        if not scored.any():
            continue
        wins = Wins.of(table, "look-alike", negative=theirs)
        lineages = np.concatenate([table.lineage_a[scored], table.lineage_b[scored]])
        most = table.independent & table.comparable & (held == EVERYTHING)
        steps = [
            median_score(table, scored & (table.cell_a == cell))
            - median_score(table, most & (table.cell_a == cell))
            for cell in np.intersect1d(table.cell_a[scored], table.cell_a[most])
        ]
        compared = bool(steps) and shared != EVERYTHING
        rows.append(
            SharedPropertyClass(
                shared=shared,
                n_pairs=int(scored.sum()),
                n_lineages=len(np.unique(lineages)),
                median=median_score(table, scored),
                difference=float(np.mean(steps)) if compared else math.nan,
                n_cells=len(steps) if compared else 0,
                auc=matched_auc(wins),
                fpr=analysis.rate(table, threshold, "fpr", mask=theirs),
            )
        )
    return tuple(rows)


def matched_auc(wins: Wins) -> analysis.Interval:
    """AUC of derived pairs against a class of look-alikes; undefined where either side has no score."""
    if wins.n_positive and wins.n_negative:
        return auc_interval(wins, LEVEL)
    return UNMATCHED


def median_score(table: analysis.ScoreTable, mask: npt.NDArray[np.bool_]) -> float:
    """The lower median of some pairs' scores."""
    return float(np.quantile(table.score[mask], 0.5, method="lower"))
