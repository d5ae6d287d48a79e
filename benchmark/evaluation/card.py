"""The metric card: what a metric measures, what breaks it, and what it costs, on one page of Markdown."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from rich import box
from rich.table import Table
from rich.text import Text

from analysis import Comparison, Interval, Threshold
from analysis.breakdown import MethodClass
from analysis.evidence.evidence_summary import EvidenceSummary
from analysis.summary_parts import ClaimAudit
from benchmark.report.markup import bullets, safe, table_of
from benchmark.report.notation import (
    UNDEFINED,
    alternative,
    goal,
    interval,
    p_value,
    percent_interval,
    plain,
    signed,
    unit,
)
from benchmark.report.sections import certificate
from benchmark.results.schema import CostRecord, MetricDescription, MetricResult, Results, RunRecord

__all__ = ["difference_table", "metric_card"]

METHODS_SHOWN: Final = 12
DIFFERENCE: Final = ("Baseline", "This metric", "Baseline AUC", "Difference", "p (Holm)")


def metric_card(record: RunRecord, results: Results, metric: str, gates: Sequence[str] = ()) -> str:
    """Write the card of one metric of a run.

    Parameters
    ----------
    record : RunRecord
    results : Results
    metric : str
        Its name.
    gates : sequence of str
        What came of each gate, in words.
    """
    result, about = results.metric(metric), record.metrics[metric]
    blocks = [
        f"# {safe(metric)}",
        safe(f"{_sentence(about.title)} {_nature(about)}"),
        f"**Does it separate children from look-alikes? {_sentence(result.verdict)}** {safe(result.because)}",
        f"**Does its claim hold? {_sentence(result.claim_verdict)}** {safe(result.claim_because)}",
        bullets(_standing(result)),
        "## What breaks it",
        *_methods(result),
        "## Thresholds",
        bullets(_thresholds(result)),
        "## As evidence",
        bullets(_evidence(one) for one in (result.evidence, *result.evidence_against.values())),
        *_differences(results, metric),
        "## Cost",
        safe(_cost(record.costs[metric])),
        *(["## Gates", bullets(gates)] if gates else []),
        "## Provenance",
        safe(_making(record, result)),
    ]
    return "\n\n".join(blocks) + "\n"


def _sentence(words: str) -> str:
    said = words.strip().rstrip(".")
    return f"{said[:1].upper()}{said[1:]}." if said else "Its author does not say what it measures."


def _nature(about: MetricDescription) -> str:
    uses = f"Uses {', '.join(about.evidence)}" if about.evidence else "Declares no evidence"
    invariant = (
        f"invariant to {', '.join(about.invariances)}" if about.invariances else "declares no invariances"
    )
    return f"{uses}; {invariant}; version {about.version}."


def _standing(result: MetricResult) -> list[str]:
    test = result.permutation
    worst = result.look_alike_auc_with_abstentions_worst
    lines = [
        f"Look-alike AUC {_auc(result.look_alike_auc)}: how often a child outscores an independent pair of"
        " its own shapes. 0.5 is chance.",
        f"With unscored pairs ranked worst: {_auc(worst)}.",
        f"AUC against all independent pairs: {_auc(result.auc)}.",
        f"Methods: {result.methods}.",
        f"Forgery and laundering: {result.resistance}.",
        f"Permutation p within shapes, adjusted over this run's metrics: {p_value(test.adjusted_p_value)}"
        + (f" ({test.reason})." if test.reason else f". Null hypothesis: {test.null}."),
        f"Scored {result.n_derived:,} derived and {result.n_independent:,} independent pairs"
        f" ({result.n_look_alike:,} look-alikes) of {result.n_models} models in {result.n_lineages}"
        f" lineages; abstained on {result.abstained:,} pairs, failed on {result.failed:,}.",
    ]
    return lines + [f"Note: {warning}." for warning in result.warnings]


def _auc(value: Interval) -> str:
    return interval(value) if value.defined else f"{UNDEFINED} ({value.reason})"


def _methods(result: MetricResult) -> list[str]:
    """Derivation methods, the worst first: the first rows are what breaks the metric."""
    if not result.by_method:
        return ["No derived pair has a score."]

    def place(named: tuple[str, MethodClass]) -> tuple[float, str]:
        alike = named[1].look_alike_auc
        return (alike.estimate if alike.defined else math.inf), named[0]

    rows = sorted(result.by_method.items(), key=place)
    table = table_of(
        ("Derivation", "Pairs", "Lineages", "Look-alike AUC", "Counting misses", "TPR at threshold", "State"),
        (
            (
                name,
                str(row.n_pairs),
                str(row.n_lineages),
                interval(row.look_alike_auc),
                _short(row.look_alike_auc_with_misses.estimate),
                percent_interval(row.tpr),
                row.state,
            )
            for name, row in rows[:METHODS_SHOWN]
        ),
    )
    more = len(rows) - METHODS_SHOWN
    rest = [f"{more} more methods are listed in report.md, none worse than these."] if more > 0 else []
    return [table, *rest]


def _thresholds(result: MetricResult) -> list[str]:
    alike = [item for item in result.thresholds if item.negatives == "look-alike"]
    return [
        _claimed(result.claim),
        *map(_calibrated, alike),
        *map(_calibrated, result.independent_thresholds),
    ]


def _claimed(claim: ClaimAudit | None) -> str:
    if claim is None or claim.threshold is None:
        return "Claimed: no threshold."
    called = " and ".join(
        [
            f"{_percent(claim.tpr)} of the children, {_percent(claim.fpr)} of the independent pairs",
            f"{_percent(claim.look_alike_fpr)} of the look-alikes",
        ]
    )
    return (
        f"Claimed: {plain(claim.threshold)} ({claim.text or 'no statement'}; {claim.source or 'no source'})."
        f" It calls {called} derived."
    )


def _percent(value: Interval | None) -> str:
    return UNDEFINED if value is None else percent_interval(value)


def _calibrated(threshold: Threshold) -> str:
    asked = (
        f"False-positive rate ≤ {goal(threshold.max_fpr)} of {threshold.against} at"
        f" {goal(threshold.confidence)} confidence"
    )
    if math.isnan(threshold.value):
        return f"{asked}: no threshold ({threshold.reason})."
    how = certificate(threshold) + (f" ({threshold.reason})" if threshold.reason else "")
    return (
        f"{asked}: {plain(threshold.value)}, {how}; finds {percent_interval(threshold.tpr)} of the children."
    )


def _evidence(evidence: EvidenceSummary) -> str:
    against = f"Against {alternative(evidence)}"
    if evidence.reason:
        return f"{against}: none, {evidence.reason}."
    low, high = evidence.lower, evidence.upper
    return (
        f"{against}: likelihood ratios between {plain(10**low, 2)} and {plain(10**high, 2)} (log10"
        f" {plain(low, 2)} to {plain(high, 2)}); {evidence.n_lineages} lineages support no more."
        f" Cllr {plain(evidence.cllr)} bits, of which {plain(evidence.cllr_min)} cannot be removed by"
        " calibration; 0 is perfect, 1 is worthless."
    )


def _differences(results: Results, metric: str) -> list[str]:
    found = [one for one in results.comparisons if one.metric_a == metric]
    if not found:
        return []
    rows = [(*_difference(one), one.reason) for one in found]
    return [
        "## Compared with the baselines",
        table_of((*DIFFERENCE, "Note"), rows),
        f"AUC against {found[0].negatives} pairs, on the pairs that both metrics scored; Holm-adjusted over"
        " these comparisons.",
    ]


def _difference(one: Comparison) -> tuple[str, ...]:
    value = one.difference
    ends = f" [{signed(value.low)}, {signed(value.high)}]" if not math.isnan(value.low) else ""
    return (
        one.metric_b,
        _short(one.auc_a),
        _short(one.auc_b),
        f"{signed(value.estimate)}{ends}",
        p_value(one.adjusted_p_value),
    )


def _short(auc: float) -> str:
    return UNDEFINED if math.isnan(auc) else unit(auc)


def difference_table(comparisons: Sequence[Comparison]) -> Table:
    """Lay out the paired differences for a terminal of 80 columns.

    Parameters
    ----------
    comparisons : sequence of Comparison
        Those of one metric.
    """
    table = Table(
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        caption=f"{comparisons[0].metric_a} minus each baseline: AUC against {comparisons[0].negatives} pairs"
        " that both scored, with its interval and Holm-adjusted p.",
        caption_justify="left",
    )
    for head in DIFFERENCE:
        table.add_column(head, no_wrap=head != DIFFERENCE[0], overflow="fold")
    for one in comparisons:
        table.add_row(*(Text(cell) for cell in _difference(one)))
    return table


def _cost(cost: CostRecord) -> str:
    return (
        f"{_seconds(cost.seconds_a_model)} per model (mean of {cost.n_models:,}),"
        f" {_seconds(cost.seconds_a_pair)} per pair (mean of {cost.n_pairs:,}),"
        " on one thread of the machine described in run.json."
    )


def _seconds(value: float | None) -> str:
    if value is None:
        return "not measured"
    return f"{plain(value * 1e3)} ms" if value < 1 else f"{plain(value)} s"


def _making(record: RunRecord, result: MetricResult) -> str:
    catalog = record.catalog
    return (
        f"python -m benchmark evaluate, {record.ended}; catalog {catalog.path if catalog else UNDEFINED}"
        f" {catalog.digest[:12] if catalog else ''}, tier {record.tier}, {result.n_models} models, seed"
        f" {record.seed}, lookalike {record.packages['lookalike']}. All numbers:"
        " report.html and results.json in the same folder."
    )
