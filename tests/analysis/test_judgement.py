"""Verdicts alone are those of the whole analysis."""

from __future__ import annotations

import pytest

from analysis import analyse, example_table, judgement
from analysis.inference.permutation import PermutationTest, separation_tests
from analysis.judgement import judge
from analysis.table import ScoreTable


def test_verdicts_alone_are_those_of_the_analysis() -> None:
    tables = [
        example_table("good"),
        example_table("noise", separation=0),
        example_table("weak", separation=1),
    ]
    whole = analyse(tables, n_resamples=199, seed=3, alternatives=(), n_bootstrap=1)
    assert judge(tables, n_resamples=199, seed=3) == {one.metric: one.verdict for one in whole.metrics}


def test_permutations_are_those_of_the_analysis_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    def few(tables: list[ScoreTable], n_resamples: int, seed: int) -> dict[str, PermutationTest]:
        asked.append((n_resamples, seed))
        return separation_tests(tables, 9, 0)

    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(judgement, "separation_tests", few)
    judge([example_table()])
    assert asked == [(9_999, 0)]


@pytest.mark.parametrize("not_needed", ["architecture", "auc"])
def test_a_verdict_computes_only_what_it_looks_at(monkeypatch: pytest.MonkeyPatch, not_needed: str) -> None:
    """To find that a report has a value is not to compute it: on a large calibration that takes seconds."""

    def asked(_: object) -> None:
        raise AssertionError(f"{not_needed} was computed")

    monkeypatch.setattr(judgement._OnDemand, not_needed, property(asked))
    (found,) = judge([example_table()], n_resamples=199).values()
    assert found.verdict == "separates within limits"
