"""Verdicts alone are those of the whole analysis."""

from __future__ import annotations

from analysis import analyse, example_table
from analysis.judgement import judge


def test_verdicts_alone_are_those_of_the_analysis() -> None:
    tables = [
        example_table("good"),
        example_table("noise", separation=0),
        example_table("weak", separation=1),
    ]
    whole = analyse(tables, n_resamples=199, seed=3, alternatives=(), n_bootstrap=1)
    assert judge(tables, n_resamples=199, seed=3) == {one.metric: one.verdict for one in whole.metrics}
