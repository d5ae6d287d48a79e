"""Look-alikes by model family, and how early training runs show, on the page and in the text."""

from __future__ import annotations

import re

import pytest
from test_report_fixture import results, run, scores, with_every

from benchmark.report.family_counts import family_counts
from benchmark.report.markdown import markdown
from benchmark.report.page import page
from benchmark.report.sections import metric_sections
from benchmark.report.training_runs import run_lines, run_rows, runs_sentence
from benchmark.results.schema import RunPoint


def points(*shares: float, run: str = "m") -> list[RunPoint]:
    return [RunPoint(run, f"{run}@{share}", "f", run, int(100 * share), share, share) for share in shares]


def test_a_line_joins_the_points_of_one_run_and_no_others() -> None:
    two = [*points(0.5, 0.0, run="a"), *points(0.2, run="b"), *points(0.1, 0.9, run="c")]
    assert run_lines(two) == (((0.0, 0.0), (0.5, 0.5)), ((0.1, 0.1), (0.9, 0.9)))


@pytest.mark.parametrize(
    ("band", "said"),
    [
        ((-1.0, -0.5, -0.1), "2 runs: all 4 checkpoints score above 95% of look-alikes"),
        (
            (0.0, 0.1, 0.3),
            "2 runs: 2 of 4 checkpoints score within the look-alike range, the last at 20% of the run",
        ),
        (None, "2 runs, 4 checkpoints; no look-alike has a score"),
    ],
)
def test_the_sentence_says_until_when_a_run_looks_like_a_stranger(
    band: tuple[float, float, float] | None, said: str
) -> None:
    assert runs_sentence([*points(0.0, 0.5, run="a"), *points(0.2, 0.9, run="b")], band) == said


def test_rows_are_medians_of_a_family_at_one_share() -> None:
    one = [*points(0.0, 0.5, run="a"), *points(0.5, run="b")]
    first, second = run_rows([one, points(0.5, run="a")])
    assert (first.share, first.n_runs, first.medians[0]) == (0.0, 1, 0.0)
    assert first.medians[1] != first.medians[1], "the other metric has no score there"
    assert (second.share, second.n_runs, second.medians) == (0.5, 2, (0.5, 0.5))


def test_counts_name_what_is_confused() -> None:
    rows = family_counts(results().metrics)
    assert [row.families for row in rows] == ["Replicates", "Replicates – others"]
    assert set(rows[0].confused) == {"10 of 40", "—"}


def test_page_and_text_show_both() -> None:
    text = page(run(), results(), scores())
    families = re.search(r'<section id="families".*?</section>', text, re.DOTALL)
    assert families is not None
    assert "Replicates – others" in families[0]
    assert "10 of 40" in families[0]
    runs = re.search(r'<section id="runs".*?</section>', text, re.DOTALL)
    assert runs is not None
    drawn = [section for section in metric_sections(run(), results(), scores()) if section.run_points]
    assert runs[0].count("<figure") == len(drawn) == 6
    assert "2 runs: " in runs[0]
    assert 'href="#families"' in text
    assert 'href="#runs"' in text
    said = markdown(run(), results(), scores())
    assert "## Look-alikes by model family" in said
    assert "## Scores along a training run" in said
    assert "10 of 40" in said


def test_a_run_without_families_and_branches_says_nothing_of_them() -> None:
    without = with_every(results(), by_family=(), run_points=())
    text = page(run(), without, scores())
    for name in ("families", "runs"):
        assert f'<section id="{name}"' not in text
        assert f'href="#{name}"' not in text
    said = markdown(run(), without, scores())
    assert "Scores along a training run" not in said
    assert "Look-alikes by model family" not in said
