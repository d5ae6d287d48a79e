"""The report as text: the same answer, tables and cases as the page, for a terminal, a diff or an issue."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import pandas as pd

from analysis import Interval, Threshold
from benchmark.catalog.model import Statement
from benchmark.catalog.publications import QUANTITIES
from benchmark.report import answer
from benchmark.report.against_text import against_blocks
from benchmark.report.cross_tables import (
    Class,
    CrossTable,
    by_family,
    most_fooled,
    shared_properties,
    survival,
)
from benchmark.report.family_counts import family_counts
from benchmark.report.forgery_tallies import KINDS, attack
from benchmark.report.glossary import GLOSSARY
from benchmark.report.headline import headline, standfirst
from benchmark.report.markup import bullets, safe, table_of
from benchmark.report.notation import (
    UNDEFINED,
    goal,
    interval,
    p_value,
    percent,
    percent_interval,
    permutation_note,
    plain,
    signed,
)
from benchmark.report.run_facts import INTERVALS, making, methods
from benchmark.report.sections import MetricSection, certificate, metric_sections
from benchmark.report.sensitivity_rows import HEAD, sensitivity_notes, sensitivity_rows
from benchmark.report.training_distance import decay_sentence
from benchmark.report.training_runs import run_rows, runs_sentence
from benchmark.report.verdict_groups import GROUPS, QUESTION
from benchmark.results.published_places import PublishedPlace
from benchmark.results.schema import DisputeRecord, Failure, Results, RunRecord
from benchmark.results.zoo_against_real import ZooAgainstReal

__all__ = ["markdown"]


def markdown(
    record: RunRecord,
    results: Results,
    scores: pd.DataFrame,
    sections: Sequence[MetricSection] | None = None,
    against: ZooAgainstReal | None = None,
) -> str:
    """Write the report as Markdown.

    Parameters
    ----------
    record : RunRecord
    results : Results
    scores : pandas.DataFrame
        The score table of all metrics.
    sections : sequence of MetricSection, optional
        What `metric_sections` makes of the three, where it is there already.
    against : ZooAgainstReal, optional
        The zoo beside real tables, where the run was set against some.
    """
    if sections is None:
        sections = metric_sections(record, results, scores)
    ordered = [section.result for section in sections]
    blocks = [
        f"# {safe(headline(sections))}",
        QUESTION,
        bullets(standfirst(sections, results.catalog)),
        safe(answer.lead(record, results, scores)),
        *(f"**{alarm.title}** {safe(alarm.text)}" for alarm in answer.alarms(record)),
        *_answer(sections),
        "## What this catalog can certify",
        bullets(answer.certify(results.catalog, sections)),
        "## All metrics",
        _metrics(sections),
        "## AUC by derivation method",
        *_crossed(survival(ordered), sections, "These results have no figures by method."),
        "## Confounders",
        *_crossed(
            shared_properties(ordered), sections, "These results do not record what look-alikes share."
        ),
        bullets(most_fooled(ordered)),
        *_families(by_family(ordered), sections),
        "## Forgery and laundering",
        _forgeries(sections),
        "## Score decay under further training",
        bullets(
            f"{section.name}: {decay_sentence(section.decay, section.look_alike_band)}"
            for section in sections
            if section.decay
        )
        or "These results record no training distances.",
        *_runs(sections),
        "## Metric by metric",
        *(block for section in sections for block in _metric(section)),
        *([] if against is None else against_blocks(against)),
        "## Disputed cases",
        *_disputes(record.disputes),
        "## How this report was made",
        bullets(f"{name}: {value}" for name, value in making(record)),
        *_failures(record.failures),
        "### Glossary",
        bullets(f"{word}: {meaning}" for word, meaning in GLOSSARY.items()),
        "### Methods",
        bullets(f"{what}: {how}" for what, how in methods(results)),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _families(table: CrossTable[Class], sections: Sequence[MetricSection]) -> list[str]:
    """Look-alikes by family, with how many are called derived; nothing where the catalog names no family."""
    if not table.rows:
        return []
    head = (table.head, "Pairs", *(safe(section.name) for section in sections))
    rows = (
        (one.families, f"{one.n_pairs:,}", *one.confused)
        for one in family_counts([section.result for section in sections])
    )
    return [
        "## Look-alikes by model family",
        *_crossed(table, sections, ""),
        "Look-alikes called derived at the calibrated threshold:",
        table_of(head, rows),
    ]


def _runs(sections: Sequence[MetricSection]) -> list[str]:
    """How early training runs show; nothing where there are none."""
    shown = [section for section in sections if section.run_points]
    if not shown:
        return []
    head = ("Family", "Runs", "Share of the run", *(safe(section.name) for section in shown))
    rows = (
        (row.family, str(row.n_runs), percent(row.share), *map(plain, row.medians))
        for row in run_rows([section.run_points for section in shown])
    )
    return [
        "## Scores along a training run",
        bullets(
            f"{section.name}: {runs_sentence(section.run_points, section.look_alike_band)}"
            for section in shown
        ),
        "Median score of each checkpoint against the final model of its run:",
        table_of(head, rows),
    ]


def _auc(value: Interval) -> str:
    return interval(value) if value.defined else f"{UNDEFINED} ({value.reason})"


def _answer(sections: Sequence[MetricSection]) -> list[str]:
    blocks = []
    for group in GROUPS:
        members = [section for section in sections if section.group is group]
        named = [
            f"{section.name}: {interval(section.result.look_alike_auc)};"
            f" {section.result.verdict}. {section.result.because}"
            f" Claim: {section.result.claim_verdict}. Forgery and laundering: {section.result.resistance}."
            for section in members
        ]
        blocks += [f"**{group.title}** ({len(members)}). {group.says}", bullets(named)]
    return [*blocks, f"Figures are look-alike AUCs{answer.level_note(sections)}. 0.5 is chance."]


def _metrics(sections: Sequence[MetricSection]) -> str:
    head = (
        "Metric", "Separates?", "Claim holds?", "Forgery and laundering", "Look-alike AUC",
        "Unscored ranked worst", "AUC, all independent pairs", "Gap", "p, adjusted",
        "Claimed threshold", "Its FPR among look-alikes", "Its TPR", "Calibrated threshold", "Abstained",
    )  # fmt: skip
    return table_of(head, map(_metric_row, sections))


def _metric_row(section: MetricSection) -> tuple[str, ...]:
    result, stated = section.result, section.claimed
    return (
        section.name,
        result.verdict,
        result.claim_verdict,
        result.resistance,
        interval(result.look_alike_auc),
        interval(result.look_alike_auc_with_abstentions_worst),
        interval(result.auc),
        signed(result.architecture.gap.estimate),
        p_value(result.permutation.adjusted_p_value),
        plain(stated.threshold) if stated else "none claimed",
        percent_interval(stated.look_alike_fpr) if stated else UNDEFINED,
        percent_interval(stated.tpr) if stated else UNDEFINED,
        _calibrated(section.calibrated),
        str(result.abstained),
    )


def _calibrated(threshold: Threshold | None) -> str:
    if threshold is None or math.isnan(threshold.value):
        return UNDEFINED
    at = f"{goal(threshold.max_fpr)} of {threshold.against}"
    return f"{plain(threshold.value)}, {certificate(threshold)} at {at}"


def _metric(section: MetricSection) -> list[str]:
    result = section.result
    p = p_value(result.permutation.adjusted_p_value)
    numbers = [
        f"Look-alike AUC {_auc(result.look_alike_auc)}",
        f"With unscored pairs ranked worst {_auc(result.look_alike_auc_with_abstentions_worst)}",
        f"Methods: {result.methods}",
        f"Forgery and laundering: {result.resistance}",
        f"AUC against all independent pairs {_auc(result.auc)}",
        f"Permutation p, adjusted {p} ({permutation_note(result.permutation)})",
        *(f"Note: {warning}" for warning in result.warnings),
        *(f"{number} pairs {reason}" for reason, number in section.unscored),
    ]
    if section.description:
        claims = section.description.claims
        numbers += [f"Authors' claim: {claim.text} ({claim.source})" for claim in claims]
    blocks = [
        f"### {safe(section.name)}",
        f"**{result.verdict}** — {safe(result.because)}",
        f"Claim: **{result.claim_verdict}** — {safe(result.claim_because)}",
        bullets(numbers),
    ]
    if result.by_method:
        head = ("Method", "Pairs", "Median", "Look-alike AUC", "Counting misses", "State", "AUC, all", "TPR")
        methods = (
            (name, str(one.n_pairs), plain(one.median), interval(one.look_alike_auc),
             interval(one.look_alike_auc_with_misses), one.state, interval(one.auc),
             percent_interval(one.tpr))
            for name, one in result.by_method.items()
        )  # fmt: skip
        blocks.append(table_of(head, methods))
    if result.by_look_alike:
        classes = (
            (name, str(one.n_pairs), plain(one.median), interval(one.auc), percent_interval(one.fpr))
            for name, one in result.by_look_alike.items()
        )
        blocks.append(table_of(("Class of look-alikes", "Pairs", "Median", "AUC", "FPR"), classes))
    if section.thresholds:
        thresholds = (
            (f"FPR ≤ {goal(item.max_fpr)} of {item.against}", plain(item.value), certificate(item),
             percent_interval(item.fpr), percent_interval(item.tpr), item.reason)
            for item in section.thresholds
        )  # fmt: skip
        blocks.append(table_of(("Threshold", "Value", "Certified", "FPR", "TPR", "Note"), thresholds))
    intervals = (
        (INTERVALS.get(name, name), interval(value), value.method)
        for name, value in result.intervals.auc.items()
    )
    blocks += [
        table_of(HEAD, sensitivity_rows(result.sensitivity)),
        bullets(sensitivity_notes(result.sensitivity)),
    ]
    return [*blocks, table_of(("Interval", "AUC", "Method and assumptions"), intervals)]


def _crossed(table: CrossTable[Class], sections: Sequence[MetricSection], absent: str) -> list[str]:
    """A table of classes × metrics, once for each of its figures."""
    if not table.rows:
        return [absent]
    head = (table.head, *(safe(section.name) for section in sections))
    blocks = []
    for index, figure in enumerate(table.figures):
        blocks.append(f"{figure.label}, with its interval:")
        rows = (
            (row.name, *(f"{cell.text} {cell.ends}".rstrip() for cell in row.cells[index]))
            for row in table.rows
        )
        blocks.append(table_of(head, rows))
    return blocks


def _forgeries(sections: Sequence[MetricSection]) -> str:
    tried = [section for section in sections if section.result.tried]
    if not tried:
        return "No forgery was scored in this run."
    head = ["Metric", "Forgery and laundering"]
    for kind in KINDS:
        head += [f"{kind.title} succeeds?", "Score before → after"]
    rows = []
    for section in tried:
        row = [section.name, section.result.resistance]
        for kind in KINDS:
            one = attack(section.result, kind)
            told = one.main.told + (f" ({one.aside})" if one.aside else "")
            moved = f"{plain(one.main.before)} → {plain(one.main.after)}" if one.main.n else UNDEFINED
            row += [told, moved]
        rows.append((*row, plain(section.decision.value)))
    laundered = [
        (
            section.name,
            one.method,
            str(one.n_pairs),
            str(one.n_hidden),
            plain(one.lowest),
            plain(one.threshold),
        )
        for section in tried
        for one in section.result.laundering
        if one.n_hidden
    ]
    hidden = table_of(
        ("Metric", "Hidden by laundering", "Pairs", "Not called derived", "Lowest score", "Threshold"),
        laundered,
    )
    return table_of((*head, "Threshold"), rows) + (f"\n\n{hidden}" if laundered else "")


def _disputes(disputes: Iterable[DisputeRecord]) -> list[str]:
    blocks = []
    for case in disputes:
        blocks += [f"### {safe(case.title)}", safe(f"{case.status}: {', '.join(case.models)}.")]
        for title, statements in (("Claimed", case.claims), ("Answered", case.replies)):
            blocks += [f"{title}:", bullets(map(_statement, statements)) or "- none recorded"]
        blocks.append(safe(f"Settled by: {case.settled_by}") if case.settled_by else "")
        if case.published_scores:
            told = bullets(map(_published, case.published_scores))
            blocks += ["Published scores (shown, never used):", told]
        scored = ", ".join(f"{item.metric} {plain(item.score)}" for item in case.scored)
        blocks.append(f"In this run: {safe(scored)}." if scored else "Not scored in this run.")
    return blocks or ["This catalog records no dispute."]


def _statement(said: Statement) -> str:
    figures = "; ".join(f"{one.metric} {plain(one.value)} {' – '.join(one.pair)}" for one in said.figures)
    return " — ".join(part for part in (f"{said.by}: {said.says}", figures, said.source) if part)


def _published(one: PublishedPlace) -> str:
    where = f", {one.where}" if one.where else ""
    return (
        f"{one.metric} {plain(one.value)} ({QUANTITIES[one.quantity]}; {one.citation}{where}) of"
        f" {' – '.join(one.pair)} ({one.relation or 'not in the catalog'}). Population: {one.population}."
        f" Result: {one.says} {one.beside}"
    )


def _failures(failures: Sequence[Failure]) -> list[str]:
    if not failures:
        return []
    rows = (
        (item.unit, item.metric, f"{item.count:,}", item.model, item.error, item.where) for item in failures
    )
    return ["### Failures", table_of(("Step", "Metric", "Failed", "First", "Error", "Where"), rows)]
