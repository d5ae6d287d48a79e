"""The metric card: what a metric measures, what breaks it, and what it costs, on one page of Markdown."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich import box
from rich.table import Table
from rich.text import Text

from benchmark.report.markup import bullets, safe, table_of
from benchmark.report.notation import (
    UNDEFINED,
    goal,
    interval,
    p_value,
    percent_interval,
    plain,
    signed,
    unit,
)
from benchmark.report.reading import estimate, mapping, number, sequence, text

__all__ = ["difference_table", "metric_card"]

METHODS_SHOWN: Final = 12
DIFFERENCE: Final = ("Baseline", "This", "Baseline's", "Difference", "p (Holm)")


def metric_card(
    run: Mapping[str, Any], results: Mapping[str, Any], metric: str, gates: Sequence[str] = ()
) -> str:
    """Write the card of one metric of a run.

    Parameters
    ----------
    run, results : mapping
        Contents of run.json and results.json.
    metric : str
        Its name.
    gates : sequence of str
        What came of each gate, in words.
    """
    result = next(one for one in results["metrics"] if one["metric"] == metric)
    about = mapping(mapping(run.get("metrics")).get(metric))
    blocks = [
        f"# {safe(metric)}",
        safe(f"{_sentence(about.get('title'))} {_nature(about)}"),
        f"**Verdict: {result['verdict']}.** {safe(result['because'])}",
        bullets(_standing(result)),
        "## What breaks it",
        *_methods(result),
        "## Thresholds",
        bullets(_thresholds(result)),
        "## As evidence",
        safe(_evidence(result["evidence"])),
        *_differences(results, metric),
        "## Cost",
        safe(_cost(mapping(mapping(run.get("costs")).get(metric)))),
        *(["## Gates", bullets(gates)] if gates else []),
        "## How",
        safe(_making(run, result)),
    ]
    return "\n\n".join(blocks) + "\n"


def _sentence(words: object) -> str:
    said = text(words).strip().rstrip(".")
    return f"{said[:1].upper()}{said[1:]}." if said else "Its author does not say what it measures."


def _nature(about: Mapping[str, Any]) -> str:
    unchanged = ", ".join(about.get("invariances", ())) or "nothing that it states"
    return (
        f"It looks at {', '.join(about.get('evidence', ())) or 'something unstated'};"
        f" unchanged by {unchanged}; version {about.get('version')}."
    )


def _standing(result: Mapping[str, Any]) -> list[str]:
    alike, overall = estimate(result["look_alike_auc"]), estimate(result["auc"])
    test = mapping(result["permutation"])
    lines = [
        f"Look-alike AUC {_auc(alike)}: how often a child outscores an independent pair of its own shapes."
        " .5 is a coin.",
        f"AUC against all independent pairs {_auc(overall)}.",
        f"Permutation p within shapes, adjusted for the metrics of this run:"
        f" {p_value(number(test.get('adjusted_p_value')))}"
        + (f" ({test['reason']})." if test.get("reason") else "."),
        f"Scored {result['n_derived']} derived and {result['n_independent']} independent pairs"
        f" ({result['n_look_alike']} look-alikes) of {result['n_models']} models in {result['n_lineages']}"
        f" lineages; abstained on {result['abstained']} pairs, failed on {result['failed']}.",
    ]
    return lines + [f"Note: {warning}." for warning in sequence(result["warnings"])]


def _auc(value: Any) -> str:
    return interval(value) if value.defined else f"{UNDEFINED} ({value.reason})"


def _methods(result: Mapping[str, Any]) -> list[str]:
    """Derivation methods, the worst first: the first rows are what breaks the metric."""
    rows = [
        (name, row, estimate(row["look_alike_auc"]), estimate(row["tpr"]))
        for name, row in mapping(result["by_method"]).items()
    ]
    if not rows:
        return ["No derived pair has a score."]
    rows.sort(key=lambda row: (math.inf if math.isnan(row[2].estimate) else row[2].estimate, row[0]))
    fails = set(sequence(result.get("fails_on")))
    table = table_of(
        ("Derivation", "Pairs", "Lineages", "Look-alike AUC", "TPR at calibrated threshold", "Fails"),
        (
            (
                name,
                str(row["n_pairs"]),
                str(row["n_lineages"]),
                interval(alike),
                percent_interval(tpr),
                "yes" if name in fails else "",
            )
            for name, row, alike, tpr in rows[:METHODS_SHOWN]
        ),
    )
    more = len(rows) - METHODS_SHOWN
    rest = [f"{more} more methods stand in report.md, none of them worse than these."] if more > 0 else []
    return [table, *rest]


def _thresholds(result: Mapping[str, Any]) -> list[str]:
    claim = mapping(result["claim"])
    if claim.get("threshold") is None:
        lines = ["Claimed: no threshold."]
    else:
        lines = [
            f"Claimed: {plain(number(claim['threshold']))} ({text(claim['text']) or 'no words'};"
            f" {text(claim['source']) or 'no source'}). It calls derived"
            f" {percent_interval(estimate(claim['tpr']))} of the children,"
            f" {percent_interval(estimate(claim['fpr']))} of the independent pairs and"
            f" {percent_interval(estimate(claim['look_alike_fpr']))} of the look-alikes."
        ]
    for threshold in sequence(result["thresholds"]):
        asked = (
            f"False positive rate ≤ {goal(number(threshold['max_fpr']))} % at"
            f" {goal(number(threshold['confidence']))} % confidence"
        )
        value = number(threshold["value"])
        if math.isnan(value):
            lines.append(f"{asked}: no threshold ({text(threshold['reason'])}).")
            continue
        how = "certified" if threshold["certified"] else f"not certified ({text(threshold['reason'])})"
        lines.append(
            f"{asked}: {plain(value)}, {how}; finds {percent_interval(estimate(threshold['tpr']))}"
            " of the children."
        )
    return lines


def _evidence(evidence: Mapping[str, Any]) -> str:
    if evidence.get("reason"):
        return f"None: {evidence['reason']}."
    low, high = number(evidence["lower"]), number(evidence["upper"])
    return (
        f"Its likelihood ratios stay between {plain(10**low, 2)} and {plain(10**high, 2)} (log10"
        f" {plain(low, 2)} to {plain(high, 2)}): {evidence['n_lineages']} lineages back no more."
        f" Cllr {plain(number(evidence['cllr']))} bits, of which {plain(number(evidence['cllr_min']))} no"
        " calibration takes away; 0 is perfect, 1 says nothing."
    )


def _differences(results: Mapping[str, Any], metric: str) -> list[str]:
    found = [one for one in sequence(results.get("comparisons")) if one["metric_a"] == metric]
    if not found:
        return []
    rows = [(*_difference(one), text(one["reason"])) for one in found]
    return [
        "## Beside the baselines",
        table_of((*DIFFERENCE, "Note"), rows),
        f"AUC against {found[0]['negatives']} pairs, on the pairs that both metrics scored; Holm over these"
        " comparisons.",
    ]


def _difference(one: Mapping[str, Any]) -> tuple[str, ...]:
    value = estimate(one["difference"])
    ends = f" [{signed(value.low)}, {signed(value.high)}]" if not math.isnan(value.low) else ""
    return (
        text(one["metric_b"]),
        _short(number(one["auc_a"])),
        _short(number(one["auc_b"])),
        f"{signed(value.estimate)}{ends}",
        p_value(number(one["adjusted_p_value"])),
    )


def _short(auc: float) -> str:
    return UNDEFINED if math.isnan(auc) else unit(auc)


def difference_table(comparisons: Sequence[Mapping[str, Any]]) -> Table:
    """Lay out the paired differences for a terminal of 80 columns.

    Parameters
    ----------
    comparisons : sequence of mapping
        Of results.json, those of one metric.
    """
    negatives = text(comparisons[0]["negatives"])
    table = Table(
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        caption=f"{text(comparisons[0]['metric_a'])} less each baseline: AUC against {negatives} pairs that"
        " both scored, with its interval and Holm's p.",
        caption_justify="left",
    )
    for head in DIFFERENCE:
        table.add_column(head, no_wrap=head != DIFFERENCE[0], overflow="fold")
    for one in comparisons:
        table.add_row(*(Text(cell) for cell in _difference(one)))
    return table


def _cost(cost: Mapping[str, Any]) -> str:
    model, pair = number(cost.get("seconds_a_model")), number(cost.get("seconds_a_pair"))
    return (
        f"{_seconds(model)} a model (mean of {cost.get('n_models', 0)}), {_seconds(pair)} a pair"
        f" (mean of {cost.get('n_pairs', 0)}), on one thread of the machine that run.json describes."
    )


def _seconds(value: float) -> str:
    if math.isnan(value):
        return "nothing was measured for"
    return f"{plain(value * 1e3)} ms" if value < 1 else f"{plain(value)} s"


def _making(run: Mapping[str, Any], result: Mapping[str, Any]) -> str:
    catalog = mapping(run.get("catalog"))
    return (
        f"python -m benchmark evaluate, {run.get('ended')}; catalog {catalog.get('path')}"
        f" {text(catalog.get('digest'))[:12]}, tier {run.get('tier')}, {result['n_models']} models, seed"
        f" {run.get('seed')}, lookalike {mapping(run.get('packages')).get('lookalike')}. All figures:"
        " report.html and results.json beside this card."
    )
