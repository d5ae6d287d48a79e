"""Everything about metrics at once: from score tables to the values of a calibration report."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from threadpoolctl import threadpool_limits

from analysis.background import in_background
from analysis.breakdown import by_look_alike, by_method
from analysis.claim_verdicts import claim_verdict, n_statements
from analysis.discrimination.auc import auc, auc_with_abstentions_worst, pairs_without_look_alikes
from analysis.discrimination.comparison import Comparison, compare_all
from analysis.discrimination.roc import partial_auc, roc_curve
from analysis.evidence.likelihood_ratio import calibrate_evidence, no_evidence
from analysis.evidence.negatives import ALTERNATIVES, LOOK_ALIKE
from analysis.inference.claims import Claim, audit_p_values
from analysis.inference.confounding import architecture_detector
from analysis.inference.permutation import PermutationTest, separation_tests
from analysis.influence.influence import SeedInfluence
from analysis.influence.sensitivities import Sensitivity, sensitivity
from analysis.metric_report import MetricReport
from analysis.processes import in_processes
from analysis.results import Result
from analysis.summary import CatalogSummary, MetricSummary, Summary
from analysis.table import ScoreTable, check_tables
from analysis.thresholds.calibration import audit_threshold, calibrate_thresholds
from analysis.thresholds.power import intraclass_correlation
from analysis.validation import (
    check_choice,
    check_count,
    check_instances,
    check_mapping,
    check_probability,
    check_seed,
)
from analysis.verdict_bounds import separation_bounds

__all__ = ["Analysis", "analyse"]

CONFIDENCE: Final = 0.95
TEST_LEVEL: Final = 0.05
GOALS: Final = (0.05, 0.01, 0.001)


@dataclass(frozen=True, eq=False)
class Analysis(Result):
    """The reports of several metrics, and what they have in common.

    Attributes
    ----------
    metrics : tuple of MetricReport
        In the order of the tables.
    comparisons : tuple of Comparison
        Every two metrics, paired.
    """

    metrics: tuple[MetricReport, ...]
    comparisons: tuple[Comparison, ...]

    def __str__(self) -> str:
        return "; ".join(f"{report.metric}: {report.verdict.verdict}" for report in self.metrics)

    def summary(self) -> Summary:
        """What a file keeps of it: the same for the same tables and seed."""
        return Summary(
            tuple(MetricSummary.of(report) for report in self.metrics),
            self.comparisons,
            CatalogSummary.of(
                [report.table for report in self.metrics],
                GOALS,
                CONFIDENCE,
                max((item.n_metrics for report in self.metrics for item in report.thresholds), default=1),
            ),
        )


def analyse(
    tables: Sequence[ScoreTable],
    *,
    claims: Mapping[str, Claim] | None = None,
    versions: Mapping[str, int] | None = None,
    seed: int = 0,
    level: float = 0.95,
    max_fpr: tuple[float, ...] = GOALS,
    n_resamples: int = 9_999,
    n_bootstrap: int = 2_000,
    focus: str | None = None,
    alternatives: Sequence[str] = ALTERNATIVES,
    workers: int = 1,
    told: Callable[[int], object] | None = None,
) -> Analysis:
    """Judge metrics by their scores.

    Parameters
    ----------
    tables : sequence of ScoreTable
        One a metric.
    claims : mapping of str to Claim, optional
        metric → what its authors state.
    versions : mapping of str to int, optional
        metric → version.
    seed : int
        The same seed gives the same result, whatever the order of the tables or the number of processes.
    level : float
        Nominal coverage of the intervals, in (0, 1).
    max_fpr : tuple of float
        False-positive rates for which thresholds are calibrated, each in (0, 1). At each, the certificates
        of all metrics hold together where the tables have lineages enough for that; where they have enough
        for one metric only, each certificate holds for its metric alone (`Threshold.n_metrics` is 1).
    n_resamples, n_bootstrap : int
        Permutations, and lineage bootstrap resamples; 1 or more.
    focus : str, optional
        The metric that the question is about (a proposed one beside known ones): its comparisons with the
        others are corrected as a family of their own, see `compare_all`, and its certificates are its own.
    alternatives : sequence of str
        What evidence is calibrated against, see `calibrate_evidence`; none: there is no evidence.
    workers : int
        Processes among which the metrics are divided; no result depends on it. 1 or more.
    told : callable, optional
        Is told after each metric how many are done.

    Returns
    -------
    Analysis
        What cannot be computed is undefined with its reason; nothing in a valid table makes this fail.

    Raises
    ------
    BadArgument
        An argument is not what it must be; the message names it, its value and what is allowed.

    Examples
    --------
    >>> from analysis import analyse, example_table
    >>> found = analyse([example_table("good"), example_table("noise", separation=0)], n_resamples=999)
    >>> for report in found.metrics:
    ...     print(f"{report.metric}: {report.verdict.verdict}")
    good: separates within limits
    noise: does not separate
    """
    metrics = [table.metric for table in check_tables(tables)]
    if focus is not None:
        check_choice(focus, "focus", metrics)
    claims = {} if claims is None else check_mapping(claims, "claims", Claim)
    versions = {} if versions is None else check_mapping(versions, "versions", int)
    check_seed(seed)
    check_probability(level, "level")
    for place, rate in enumerate(check_instances(max_fpr, "max_fpr", float)):
        check_probability(rate, f"max_fpr[{place}]")
    check_count(n_resamples, "n_resamples")
    check_count(n_bootstrap, "n_bootstrap")
    check_count(workers, "workers")
    for place, alternative in enumerate(check_instances(alternatives, "alternatives", str)):
        check_choice(alternative, f"alternatives[{place}]", ALTERNATIVES)
    work = partial(
        _part,
        claims=claims,
        versions=versions,
        seed=seed,
        level=level,
        max_fpr=max_fpr,
        n_bootstrap=n_bootstrap,
        focus=focus,
        alternatives=tuple(alternatives),
        n_metrics=len(tables),
        n_together=sum(n_statements(claims.get(metric)) for metric in metrics),
    )
    test = partial(separation_tests, tables, n_resamples, seed, level=TEST_LEVEL)
    # Where a caller has processes at work already, these are the ones.
    shared = workers > 1 and len(tables) > 1
    begun = in_processes(partial(_in_process, work), tables, workers) if shared else map(work, tables)
    alike = any((table.look_alike & table.comparable).any() for table in tables)
    negatives = "look-alike" if alike else "independent"
    # Sorting and looking up release the interpreter: on large tables a second core takes its share.
    tested = in_background(test)
    compared = in_background(partial(compare_all, tables, negatives, level, focus=focus))
    parts = []
    for part in begun:
        parts.append(part)
        if told is not None:
            told(len(parts))
    tests = tested.result()
    reports = tuple(
        part.report(table, tests[table.metric]) for table, part in zip(tables, parts, strict=True)
    )
    return Analysis(reports, compared.result())


@dataclass(frozen=True)
class _Part:
    """A report but for the table, the permutation test, and what needs that."""

    draft: Callable[..., MetricReport]
    sensitivity: Sensitivity

    def report(self, table: ScoreTable, permutation: PermutationTest) -> MetricReport:
        return self.draft(
            table=table,
            permutation=permutation,
            sensitivity=replace(self.sensitivity, seed=SeedInfluence.of(permutation)),
        )


def _in_process(work: Callable[[ScoreTable], _Part], table: ScoreTable) -> _Part:
    """One thread of linear algebra, as in the process that asks: the same digits on any machine."""
    with threadpool_limits(1):
        return work(table)


def _part(
    table: ScoreTable,
    *,
    claims: Mapping[str, Claim],
    versions: Mapping[str, int],
    seed: int,
    level: float,
    max_fpr: tuple[float, ...],
    n_bootstrap: int,
    focus: str | None,
    alternatives: tuple[str, ...],
    n_metrics: int,
    n_together: int,
) -> _Part:
    """Compute what no other metric's scores are needed for."""
    evidence = {name: calibrate_evidence(table, name) for name in alternatives}
    own = evidence.pop(LOOK_ALIKE, None) or no_evidence(LOOK_ALIKE, "not asked for")
    draft = _draft(
        table,
        claim=claims.get(table.metric),
        version=versions.get(table.metric),
        seed=seed,
        level=level,
        max_fpr=max_fpr,
        n_certified=1 if table.metric == focus else max(1, n_metrics - (focus is not None)),
        n_bootstrap=n_bootstrap,
        n_metrics=n_metrics,
        n_together=n_together,
    )
    return _Part(
        partial(draft, evidence=own, evidence_against=evidence),
        sensitivity(table, evidence=own, n_metrics=n_metrics),
    )


def _draft(
    table: ScoreTable,
    *,
    claim: Claim | None,
    version: int | None,
    seed: int,
    level: float,
    max_fpr: tuple[float, ...],
    n_certified: int,
    n_bootstrap: int,
    n_metrics: int,
    n_together: int,
) -> Callable[..., MetricReport]:
    """Compute all of a report but its table, the permutation test, the evidence, and what needs them."""
    calibrated = partial(
        calibrate_thresholds, table, max_fpr, CONFIDENCE, n_metrics=n_certified, or_alone=True, level=level
    )
    independent = calibrated(negatives="independent")
    thresholds = calibrated() if (table.look_alike & table.comparable).any() else independent
    at = thresholds[0].value if thresholds else math.nan
    overall = auc(table, level=level)
    methods = by_method(table, at, level, n_metrics=n_metrics)
    return partial(
        MetricReport,
        metric=table.metric,
        version=version,
        auc=overall,
        look_alike_auc=auc(table, "look-alike", level),
        partial_auc=partial_auc(table, level=level),
        worst_auc=auc_with_abstentions_worst(table, level=level),
        worst_look_alike_auc=auc_with_abstentions_worst(table, "look-alike", level),
        intervals={
            "jackknife": overall,
            "bootstrap": auc(table, level=level, method="bootstrap", seed=seed, n_resamples=n_bootstrap),
            "percentile": auc(table, level=level, method="percentile", seed=seed, n_resamples=n_bootstrap),
            "delong": auc(table, level=level, method="delong"),
        },
        thresholds=thresholds,
        independent_thresholds=independent,
        claim=claim,
        claim_audit=audit_threshold(table, claim.threshold, level)
        if claim is not None and claim.threshold is not None
        else None,
        p_values=audit_p_values(table, level=level) if claim is not None and claim.p_values else None,
        architecture=architecture_detector(table, level),
        by_method=methods,
        by_look_alike=by_look_alike(table, at, level),
        roc=roc_curve(table, level=level),
        look_alike_roc=roc_curve(table, "look-alike", level),
        intraclass_correlation=intraclass_correlation(table),
        unmatched=tuple(pairs_without_look_alikes(table)),
        bounds=separation_bounds(table, methods, n_metrics),
        claim_verdict=claim_verdict(table, claim, n_together=max(n_together, 1)),
    )
