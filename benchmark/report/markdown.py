"""The report as text: the same answer, tables and cases as the page, for a terminal, a diff or an issue."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from benchmark.report import record, story
from benchmark.report.cross import Cross, most_fooled, shared_properties, survival
from benchmark.report.decay_panel import decay_sentence
from benchmark.report.entries import metric_views
from benchmark.report.forgery_panel import KINDS, attack
from benchmark.report.headline import facts
from benchmark.report.markup import bullets, safe, table_of
from benchmark.report.notation import UNDEFINED, goal, interval, p_value, percent_interval, plain, signed
from benchmark.report.reading import Estimate
from benchmark.report.view import MetricView, ThresholdView
from benchmark.report.wording import GLOSSARY, GROUPS, METHOD_NOTES, QUESTION

__all__ = ["markdown"]


def markdown(
    run: Mapping[str, Any],
    results: Mapping[str, Any],
    scores: pd.DataFrame,
    views: Sequence[MetricView] | None = None,
) -> str:
    """Write the report as Markdown.

    Parameters
    ----------
    run, results : mapping
        Contents of run.json and results.json; what is absent is left out with a stated reason.
    scores : pandas.DataFrame
        The score table of all metrics.
    views : sequence of MetricView, optional
        What `metric_views` makes of the three, where it is there already.
    """
    if views is None:
        views = metric_views(run, results, scores)
    power = story.power(results, run)
    blocks = [
        f"# {QUESTION}",
        safe(story.lead(run, results, scores)),
        *(f"**{alarm.title}** {safe(alarm.text)}" for alarm in story.alarms(run)),
        bullets(
            f"{fact.figure} {fact.of} {fact.title}" + (f": {fact.says}" if fact.says else "")
            for fact in facts(views, power)
        ),
        *_answer(views),
        "## What this catalog can certify",
        bullets(story.certify(power, views)),
        "## All metrics",
        _metrics(views),
        "## What each metric survives",
        *_crossed(survival(views), views, "These results hold no figures by method."),
        "## Which shared property fools a metric",
        *_crossed(shared_properties(views), views, "These results do not say what look-alikes share."),
        bullets(most_fooled(views)),
        "## What can be forged at no cost",
        _forgeries(views),
        "## How far a child can travel",
        bullets(f"{view.name}: {decay_sentence(view)}" for view in views if view.decay)
        or "These results hold no distances.",
        "## Metric by metric",
        *(block for view in views for block in _metric(view)),
        "## Disputed cases",
        *_disputes(run),
        "## How it was made",
        bullets(f"{name}: {value}" for name, value in record.making(run)),
        *_failures(run),
        "### Words",
        bullets(f"{word}: {meaning}" for word, meaning in GLOSSARY),
        "### Methods",
        bullets(f"{name}: {note}" for name, note in METHOD_NOTES),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _auc(value: Estimate) -> str:
    return interval(value) if value.defined else f"{UNDEFINED} ({value.reason})"


def _answer(views: Sequence[MetricView]) -> list[str]:
    blocks = []
    for group in GROUPS:
        members = [view for view in views if view.group is group]
        named = [
            f"{view.name}: {interval(view.look_alike_auc)}; {view.verdict}. {view.because}"
            for view in members
        ]
        blocks += [f"**{group.title}** ({len(members)}). {group.says}", bullets(named)]
    return [*blocks, f"Figures are look-alike AUCs{story.level_note(views)}. .5 is a coin."]


def _metrics(views: Sequence[MetricView]) -> str:
    head = (
        "Metric", "Verdict", "Look-alike AUC", "AUC, all independents", "Gap", "p, adjusted",
        "Claimed threshold", "its FPR among look-alikes", "its TPR", "Calibrated threshold", "Abstained",
    )  # fmt: skip
    return table_of(
        head,
        (
            (
                view.name,
                view.verdict,
                interval(view.look_alike_auc),
                interval(view.auc),
                signed(view.gap.estimate),
                p_value(view.adjusted_p_value),
                plain(view.claim.value) if view.claim else "none claimed",
                percent_interval(view.claim.look_alike_fpr) if view.claim else UNDEFINED,
                percent_interval(view.claim.tpr) if view.claim else UNDEFINED,
                _calibrated(view.first),
                UNDEFINED if view.abstained is None else str(view.abstained),
            )
            for view in views
        ),
    )


def _calibrated(threshold: ThresholdView | None) -> str:
    if threshold is None or math.isnan(threshold.value):
        return UNDEFINED
    how = "certified" if threshold.certified else "not certified"
    return f"{plain(threshold.value)}, {how} at {goal(threshold.max_fpr)} %"


def _metric(view: MetricView) -> list[str]:
    numbers = [
        f"Look-alike AUC {_auc(view.look_alike_auc)}",
        f"AUC against all independents {_auc(view.auc)}",
        f"Permutation p, adjusted {p_value(view.adjusted_p_value)} ({view.permutation_note})",
        *(f"Note: {warning}" for warning in view.warnings),
        *(f"{number} pairs {reason}" for reason, number in view.reasons),
        *(f"Its authors claim: {claim.get('text')} ({claim.get('source')})" for claim in view.claims),
    ]
    methods = (
        (
            row.name,
            str(row.n_pairs),
            plain(row.median),
            interval(row.look_alike_auc),
            interval(row.auc),
            percent_interval(row.tpr),
        )
        for row in view.by_method
    )
    classes = (
        (row.name, str(row.n_pairs), plain(row.median), interval(row.auc), percent_interval(row.fpr))
        for row in view.by_look_alike
    )
    thresholds = (
        (f"FPR ≤ {goal(item.max_fpr)} %", plain(item.value), "yes" if item.certified else "no",
         percent_interval(item.fpr), percent_interval(item.tpr), item.reason)
        for item in view.thresholds
    )  # fmt: skip
    blocks = [f"### {safe(view.name)}", f"**{view.verdict}** — {safe(view.because)}", bullets(numbers)]
    if view.by_method:
        blocks.append(table_of(("Method", "Pairs", "Median", "Look-alike AUC", "AUC, all", "TPR"), methods))
    if view.by_look_alike:
        blocks.append(table_of(("Class of look-alikes", "Pairs", "Median", "AUC", "FPR"), classes))
    if view.thresholds:
        blocks.append(table_of(("Threshold", "Value", "Certified", "FPR", "TPR", "Note"), thresholds))
    if view.intervals:
        rows = ((name, interval(value), assumes or value.method) for name, assumes, value in view.intervals)
        blocks.append(table_of(("Interval", "AUC", "What it assumes"), rows))
    return blocks


def _crossed(table: Cross, views: Sequence[MetricView], absent: str) -> list[str]:
    """A table of ways × metrics, once for each of its figures."""
    if not table.rows:
        return [absent]
    head = (table.head, *(safe(view.name) for view in views))
    blocks = []
    for index, figure in enumerate(table.figures):
        blocks.append(f"{figure.label}{', in percent' if figure.unit else ''}, with its interval:")
        rows = (
            (row.name, *(f"{cell.text} {cell.ends}".rstrip() for cell in row.cells[index]))
            for row in table.rows
        )
        blocks.append(table_of(head, rows))
    return blocks


def _forgeries(views: Sequence[MetricView]) -> str:
    tried = [view for view in views if view.forgeries]
    if not tried:
        return "No forgery was scored in this run."
    head = ["Metric"]
    for kind in KINDS:
        head += [f"{kind.title}: can it {kind.verb}?", "Score before → after"]
    rows = []
    for view in tried:
        row = [view.name]
        for kind in KINDS:
            one = attack(view, kind)
            told = one.main.told + (f" ({one.aside})" if one.aside else "")
            moved = f"{plain(one.main.before)} → {plain(one.main.after)}" if one.main.n else UNDEFINED
            row += [told, moved]
        rows.append((*row, plain(view.cut_value)))
    return table_of((*head, "Threshold"), rows)


def _disputes(run: Mapping[str, Any]) -> list[str]:
    blocks = []
    for case in record.disputes(run):
        blocks += [
            f"### {safe(case['title'])}",
            safe(f"{case['status']}: {', '.join(case['models'])}. {case['summary']}"),
        ]
        for side in case["sides"]:
            blocks += [
                f"{side['title']}:",
                bullets(map(_statement, side["statements"])) or "- nothing is recorded",
            ]
        blocks.append(safe(f"Settled by: {case['settled_by']}") if case["settled_by"] else "")
        scored = ", ".join(f"{item['metric']} {plain(item['score'])}" for item in case["scored"])
        blocks.append(f"In this run: {safe(scored)}." if scored else "Not scored in this run.")
    return blocks or ["This catalog records no dispute."]


def _statement(said: Mapping[str, Any]) -> str:
    figures = "; ".join(
        f"{item['metric']} {item['value']} {item['pair']}".rstrip() for item in said["figures"]
    )
    return " — ".join(part for part in (f"{said['by']}: {said['says']}", figures, said["source"]) if part)


def _failures(run: Mapping[str, Any]) -> list[str]:
    failed = record.failures(run)
    if not failed:
        return []
    rows = ((item["unit"], item["model"], item["metric"], item["error"]) for item in failed)
    return ["### Failures", table_of(("Work", "Model or pair", "Metric", "Error"), rows)]
