"""From the entries of results.json and the score tables to what the report says of each metric."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pandas as pd

from analysis import ScoreTable
from benchmark.report import dots
from benchmark.report.decay_panel import travelled
from benchmark.report.forgery_panel import forged
from benchmark.report.reading import Curve, Estimate, curve, estimate, mapping, number, sequence, text, whole
from benchmark.report.view import ClassRow, Effect, MetricView, Rejection, ThresholdView
from benchmark.report.wording import ASSUMES, verdict_rank

__all__ = ["anchors", "metric_views"]


def anchors(names: list[str], prefix: str) -> dict[str, str]:
    """Give every name an id that is unique in the page and readable in an address."""
    taken: dict[str, str] = {}
    for name in names:
        plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "x"
        anchor, again = f"{prefix}-{plain}", 2
        while anchor in taken.values():
            anchor, again = f"{prefix}-{plain}-{again}", again + 1
        taken[name] = anchor
    return taken


def metric_views(
    run: Mapping[str, Any], results: Mapping[str, Any], scores: pd.DataFrame, most: int = 100_000
) -> tuple[MetricView, ...]:
    """Read every metric of a run, best verdict first, then by look-alike AUC.

    Parameters
    ----------
    run, results : mapping
        Contents of run.json and results.json.
    scores : pandas.DataFrame
        The score table of all metrics.
    most : int
        Dots of a score plot at most, about.
    """
    entries = [mapping(entry) for entry in sequence(results.get("metrics"))]
    ids = anchors([text(entry.get("metric")) for entry in entries], "metric")
    facts = mapping(run.get("metrics"))
    tables = dict(list(scores.groupby("metric", sort=False))) if "metric" in scores else {"score": scores}
    views = []
    for entry in entries:
        name = text(entry.get("metric"))
        frame = tables.get(name)
        table = ScoreTable(frame) if frame is not None and len(frame) else None
        views.append(_metric(entry, mapping(facts.get(name)), table, ids[name], most))
    return tuple(sorted(views, key=_standing))


def _standing(view: MetricView) -> tuple[int, float, str]:
    estimate_ = view.look_alike_auc.estimate
    return (verdict_rank(view.verdict), 2.0 if math.isnan(estimate_) else -estimate_, view.name)


def _metric(
    entry: Mapping[str, Any], facts: Mapping[str, Any], table: ScoreTable | None, anchor: str, most: int
) -> MetricView:
    auc, matched = estimate(entry.get("auc")), estimate(entry.get("look_alike_auc"))
    architecture, permutation = mapping(entry.get("architecture")), mapping(entry.get("permutation"))
    evidence = mapping(entry.get("evidence"))
    thresholds = tuple(
        sorted(
            (_threshold(mapping(item)) for item in sequence(entry.get("thresholds"))),
            key=lambda t: -t.max_fpr,
        )
    )
    claim = mapping(entry.get("claim"))
    claimed = _threshold(claim, "threshold") if not math.isnan(number(claim.get("threshold"))) else None
    marks = [item.value for item in (claimed, *thresholds[:1]) if item]
    axis = dots.scale(table.score, *marks) if table else dots.Scale(0, 1, (0, 1))
    return MetricView(
        name=text(entry.get("metric")),
        anchor=anchor,
        title=text(facts.get("title")),
        version=whole(entry.get("version")),
        verdict=text(entry.get("verdict")) or "cannot say",
        because=text(entry.get("because")),
        look_alike_auc=matched,
        auc=auc,
        partial_auc=estimate(entry.get("partial_auc")),
        gap=_gap(architecture, auc, matched),
        same_cell_auc=estimate(architecture.get("auc")),
        worst_auc=estimate(entry.get("look_alike_auc_with_abstentions_worst")),
        derived_coverage=number(mapping(entry.get("coverage")).get("derived")),
        fails_on=tuple(text(name) for name in sequence(entry.get("fails_on"))),
        unmatched=len(sequence(entry.get("without_look_alikes"))),
        audit=_audit(mapping(entry.get("p_values"))),
        audit_verdict=text(mapping(entry.get("p_values")).get("because")),
        effects=_effects(architecture),
        effects_reason=text(architecture.get("reason")),
        p_value=number(permutation.get("p_value")),
        adjusted_p_value=number(permutation.get("adjusted_p_value")),
        permutation_note=_permutation_note(permutation),
        claim=claimed,
        claims=tuple(mapping(item) for item in sequence(facts.get("claims"))),
        thresholds=thresholds,
        by_method=_classes(entry.get("by_method")),
        by_look_alike=_classes(entry.get("by_look_alike")),
        shared=_shared(entry.get("shared_properties")),
        decay=travelled(entry.get("decay")),
        forgeries=forged(entry.get("forgeries")),
        look_alike_band=_band(table),
        intervals=_intervals(entry),
        curves=_curves(entry),
        evidence={
            name: number(evidence.get(name)) for name in ("cllr", "cllr_min", "cllr_cal", "max_abs_log10_lr")
        },
        evidence_reason=text(evidence.get("reason")),
        counts={name: whole(entry.get(name if name == "abstained" else f"n_{name}")) for name in COUNTS},
        reasons=_reasons(table),
        warnings=tuple(text(item) for item in sequence(entry.get("warnings"))),
        facts=facts,
        scale=axis,
        rows=tuple(dots.rows(table, axis, most)) if table else (),
        table=table,
    )


COUNTS = ("derived", "independent", "look_alike", "models", "lineages", "abstained")


def _threshold(stored: Mapping[str, Any], value: str = "value") -> ThresholdView:
    reason = text(stored.get("reason"))
    return ThresholdView(
        max_fpr=number(stored.get("max_fpr")),
        confidence=number(stored.get("confidence")),
        value=number(stored.get(value)),
        certified=stored.get("certified") is True,
        fpr=estimate(stored.get("fpr"), reason),
        tpr=estimate(stored.get("tpr"), reason),
        reason=reason,
        lineages_needed=whole(stored.get("lineages_needed")),
        look_alike_fpr=estimate(stored.get("look_alike_fpr"), reason),
        held_out_fpr=estimate(stored.get("held_out_fpr")),
        held_out_tpr=estimate(stored.get("held_out_tpr")),
        new_architecture_fpr=estimate(stored.get("new_architecture_fpr")),
        new_architecture_tpr=estimate(stored.get("new_architecture_tpr")),
    )


CURVES: Final = {
    "roc": ("roc", "fpr", "tpr"),
    "look_alike_roc": ("look_alike_roc", "fpr", "tpr"),
    "tippett_derived": ("tippett", "log10_lr", "derived"),
    "tippett_independent": ("tippett", "log10_lr", "independent"),
    "ece_logistic": ("ece", "log10_odds", "logistic"),
    "ece_pav": ("ece", "log10_odds", "pav"),
    "ece_neutral": ("ece", "log10_odds", "neutral"),
    "qq": ("qq", "expected", "observed"),
}


def _curves(entry: Mapping[str, Any]) -> dict[str, Curve]:
    """Read the curves that the results hold."""
    stored = mapping(entry.get("curves"))
    read = {name: curve(stored.get(key), x, y) for name, (key, x, y) in CURVES.items()}
    return {name: value for name, value in read.items() if value is not None}


def _audit(stored: Mapping[str, Any]) -> tuple[Rejection, ...]:
    rows = (mapping(item) for item in sequence(stored.get("rates")))
    return tuple(
        Rejection(number(row.get("level")), estimate(row.get("observed")), estimate(row.get("look_alike")))
        for row in rows
    )


def _effects(architecture: Mapping[str, Any]) -> tuple[Effect, ...]:
    rows = (mapping(item) for item in sequence(architecture.get("regression")))
    return tuple(
        Effect(text(row.get("name")), estimate(row.get("effect")), number(row.get("p_value"))) for row in rows
    )


def _gap(architecture: Mapping[str, Any], auc: Estimate, matched: Estimate) -> Estimate:
    stored = estimate(architecture.get("gap"))
    if stored.defined:
        return stored
    if auc.defined and matched.defined:
        return Estimate(
            auc.estimate - matched.estimate, level=auc.level, method="no interval in these results", reason=""
        )
    return Estimate(reason=matched.reason or auc.reason)


def _permutation_note(stored: Mapping[str, Any]) -> str:
    if text(stored.get("reason")):
        return text(stored.get("reason"))
    arrangements = number(stored.get("n_arrangements"))
    if math.isnan(arrangements):
        return "models permuted within architecture cells"
    how = "all" if stored.get("exact") is True else "a seeded sample of"
    return f"models permuted within architecture cells: {how} {arrangements:.3g} arrangements"


def _classes(stored: object) -> tuple[ClassRow, ...]:
    rows = []
    for name, value in mapping(stored).items():
        facts = mapping(value)
        rows.append(
            ClassRow(
                name=text(name) or "derived",
                n_pairs=whole(facts.get("n_pairs")),
                n_lineages=whole(facts.get("n_lineages")),
                median=number(facts.get("median")),
                auc=estimate(facts.get("auc")),
                look_alike_auc=estimate(facts.get("look_alike_auc")),
                tpr=estimate(facts.get("tpr")),
                fpr=estimate(facts.get("fpr")),
            )
        )
    return tuple(sorted(rows, key=lambda row: row.name))


def _shared(stored: object) -> tuple[ClassRow, ...]:
    """What look-alikes share, in the order of the results."""
    return tuple(
        ClassRow(
            name=text(row.get("shared")) or "nothing but shape",
            n_pairs=whole(row.get("n_pairs")),
            n_lineages=whole(row.get("n_lineages")),
            median=number(row.get("median")),
            auc=estimate(row.get("auc")),
            fpr=estimate(row.get("fpr")),
        )
        for row in map(mapping, sequence(stored))
    )


def _band(table: ScoreTable | None) -> tuple[float, float, float] | None:
    """The 5 %, 50 % and 95 % quantiles of the look-alikes' scores; None without a score."""
    if table is None:
        return None
    scores = table.score[table.look_alike & table.comparable]
    if not len(scores):
        return None
    low, middle, high = np.quantile(scores, (0.05, 0.5, 0.95), method="inverted_cdf").tolist()
    return low, middle, high


def _intervals(entry: Mapping[str, Any]) -> tuple[tuple[str, str, Estimate], ...]:
    compared = mapping(mapping(entry.get("intervals")).get("auc"))
    order = [*ASSUMES, *sorted(set(compared) - set(ASSUMES))]
    return tuple(
        (*ASSUMES.get(name, (name, "")), estimate(compared[name])) for name in order if name in compared
    )


def _reasons(table: ScoreTable | None) -> tuple[tuple[str, int], ...]:
    """Why pairs have no score: "status: reason" with how many, most frequent first."""
    if table is None or bool(table.comparable.all()):
        return ()
    rows = table.frame[~table.comparable]
    told = Counter(zip(rows["status"].astype(str), rows["reason"].astype(str), strict=True))
    ordered = sorted(told.items(), key=lambda item: (-item[1], item[0]))
    return tuple((f"{status}: {reason or 'no reason given'}", n) for (status, reason), n in ordered)
