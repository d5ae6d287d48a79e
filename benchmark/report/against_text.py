"""The zoo against real tables as Markdown: for the report, and for a page of the documentation."""

from __future__ import annotations

from collections.abc import Iterator

from benchmark.report.markup import bullets, table_of
from benchmark.report.notation import interval, percent_interval, plain
from benchmark.results.zoo_against_real import MetricAgainstReal, RealFigures, ZooAgainstReal

__all__ = ["RULE", "against_blocks"]

HEAD = (
    "Metric", "Where", "AUC", "Look-alike AUC", "Threshold", "FPR at zoo threshold", "TPR at zoo threshold",
    "Zoo conclusions",
)  # fmt: skip
RULE = (
    "A conclusion is what an interval shows: on which side of 0.75 and of 0.9 an AUC lies, and whether the"
    " zoo's threshold works (calls at most 10% of look-alikes, or of all independent pairs where there are"
    " none, and at least half of the children) or fails. It carries over where the real table's interval"
    " shows all of it, and is contradicted where it shows the opposite. Where an interval includes one of"
    " these limits, the conclusion is open."
)


def against_blocks(against: ZooAgainstReal) -> list[str]:
    """Head, sources, rule, table and sentences."""
    sources = [f"the zoo: {against.zoo.citation}"]
    sources += [
        f"{one.name}: {one.citation}. {one.n_models} models in {one.n_lineages} lineages,"
        f" {one.n_cells or 'no'} architecture cells"
        for one in against.tables
    ]
    joint = (
        f"Conclusions rest on {against.n_intervals} intervals with 95% joint coverage; the table shows"
        " individual 95% intervals."
    )
    blocks = ["## Zoo vs. real models", bullets(sources), f"{RULE} {joint}"]
    blocks += [table_of(HEAD, _rows(against)), bullets(against.sentences)]
    if against.without_table:
        blocks.append(f"No real table covers {', '.join(against.without_table)}.")
    return blocks


def _rows(against: ZooAgainstReal) -> Iterator[tuple[str, ...]]:
    for one in against.metrics:
        yield _zoo_row(one)
        for figures in one.tables:
            yield _real_row(one.metric, figures)


def _zoo_row(one: MetricAgainstReal) -> tuple[str, ...]:
    rates = (percent_interval(one.fpr), percent_interval(one.tpr))
    threshold = f"{plain(one.threshold)} {'claimed' if one.claimed else 'calibrated'}"
    return one.metric, "zoo", interval(one.auc), interval(one.look_alike_auc), threshold, *rates, ""


def _real_row(metric: str, figures: RealFigures) -> tuple[str, ...]:
    whom = "" if figures.negatives == "look-alike" else ", of all independent pairs"
    told = "; ".join(f"{one.about}: {one.outcome}" for one in figures.conclusions)
    return (
        metric,
        figures.table,
        interval(figures.auc),
        interval(figures.look_alike_auc),
        f"{plain(figures.threshold)} calibrated",
        f"{percent_interval(figures.fpr)}{whom}",
        percent_interval(figures.tpr),
        told,
    )
