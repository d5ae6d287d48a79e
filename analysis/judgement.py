"""The verdicts on metrics without the rest of their reports: some of the work of `analyse`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from analysis.breakdown import MethodClass, method_bounds
from analysis.discrimination.auc import auc
from analysis.inference.confounding import ArchitectureAudit, architecture_detector
from analysis.inference.permutation import PermutationTest, separation_tests
from analysis.results import Interval
from analysis.table import ScoreTable, check_tables
from analysis.verdict_bounds import SeparationBounds, separation_bounds
from analysis.verdicts import Verdict, verdict

__all__ = ["judge"]


@dataclass(frozen=True)
class _OnDemand:
    """What the rule looks at, computed when it does: it seldom looks at everything."""

    table: ScoreTable
    permutation: PermutationTest
    n_metrics: int

    @cached_property
    def auc(self) -> Interval:
        return auc(self.table)

    @cached_property
    def look_alike_auc(self) -> Interval:
        return auc(self.table, "look-alike")

    @cached_property
    def by_method(self) -> Mapping[str, MethodClass]:
        return method_bounds(self.table, self.n_metrics)

    @cached_property
    def bounds(self) -> SeparationBounds:
        return separation_bounds(self.table, self.by_method, self.n_metrics)

    @cached_property
    def architecture(self) -> ArchitectureAudit:
        return architecture_detector(self.table)

    @property
    def derived_coverage(self) -> float:
        return self.table.coverage(self.table.derived)


def judge(tables: Sequence[ScoreTable], *, n_resamples: int = 9_999, seed: int = 0) -> dict[str, Verdict]:
    """Judge metrics by their scores: the verdicts that `analyse` gives them.

    Parameters
    ----------
    tables : sequence of ScoreTable
        One a metric; they are judged together.
    n_resamples : int
        Permutations; 1 or more.
    seed : int
        Of the permutations.

    Returns
    -------
    dict of str to Verdict
        By metric.

    Raises
    ------
    BadArgument
        An argument is not what it must be; the message names it, its value and what is allowed.

    Examples
    --------
    >>> from analysis import example_table
    >>> from analysis.judgement import judge
    >>> found = judge([example_table("good"), example_table("noise", separation=0)], n_resamples=999)
    >>> {metric: str(one.verdict) for metric, one in found.items()}
    {'good': 'separates within limits', 'noise': 'does not separate'}
    """
    tests = separation_tests(check_tables(tables), n_resamples, seed)
    return {table.metric: verdict(_OnDemand(table, tests[table.metric], len(tables))) for table in tables}
