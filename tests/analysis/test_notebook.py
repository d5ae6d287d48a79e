"""Results show themselves: as one line, and in a notebook whole, escaped, with reasons for gaps."""

from __future__ import annotations

import dataclasses
import math
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

import analysis
from analysis.notebook import Shown, number

VOID = {"br", "hr", "img"}


class Balanced(HTMLParser):
    """Raises where a tag is not closed in its turn; collects what a reader sees."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.seen.append(data)


def seen(result: Shown) -> str:
    """The text of a result's HTML, which must be well formed."""
    parser = Balanced()
    parser.feed(result._repr_html_())
    parser.close()
    assert not parser.open
    return " | ".join(parser.seen)


@pytest.fixture(scope="module")
def table() -> analysis.ScoreTable:
    rng = np.random.default_rng(3)
    models = [(f"m{lineage}{member}", f"L{lineage}") for lineage in range(8) for member in "abc"]
    rows = [
        (a, b, rng.normal(2.0 * (la == lb)), "derived" if la == lb else "independent", la, lb, "cell", "cell")
        for i, (a, la) in enumerate(models)
        for b, lb in models[i + 1 :]
    ]
    ends = [f"{what}_{end}" for what in ("lineage", "architecture") for end in "ab"]
    frame = pd.DataFrame(rows, columns=["model_a", "model_b", "score", "relation", *ends])
    return analysis.ScoreTable(frame.assign(metric="<b>odd & name</b>"))


@pytest.fixture(scope="module")
def results(table: analysis.ScoreTable) -> list[Shown]:
    """One of every public result."""
    whole = analysis.analyse([table], n_resamples=199, n_bootstrap=100)
    report = whole.metrics[0]
    entry = analysis.Entry("parent", 2.0, table, True)
    pool = analysis.exclude_candidates([entry])
    comparison = analysis.compare_metrics(table, table)
    summary = whole.summary()
    return [
        table,
        whole,
        summary,
        summary.metrics[0],
        summary.catalog,
        report,
        report.auc,
        report.permutation,
        report.verdict,
        report.architecture,
        report.evidence,
        report.roc,
        *report.thresholds,
        analysis.audit_threshold(table, 1.0),
        analysis.audit_p_values(table, lambda score: np.full_like(score, 0.5)),
        comparison,
        analysis.Claim(threshold=1.0, text="a claim"),
        analysis.combine_evidence([table]),
        entry,
        pool,
        *pool.candidates,
        *analysis.ranks([table.metric], []),
    ]


def test_every_public_result_is_here(results: list[Shown]) -> None:
    public = {
        value
        for value in (getattr(analysis, name) for name in analysis.__all__)
        if isinstance(value, type) and (dataclasses.is_dataclass(value) or issubclass(value, Shown))
    }
    assert public == {type(result) for result in results}


def test_every_public_result_shows_itself(results: list[Shown]) -> None:
    for result in results:
        assert isinstance(result, Shown)
        assert type(result).__name__ in seen(result)


def test_every_public_result_prints_as_one_line_and_none_dumps_an_array(results: list[Shown]) -> None:
    for result in results:
        assert "\n" not in str(result)
        assert "nan" not in str(result)
        assert str(result) != object.__repr__(result)
        assert "array(" not in str(result)
        assert "array(" not in repr(result)


def test_results_that_are_computed_twice_are_equal(table: analysis.ScoreTable) -> None:
    """Arrays and dictionaries of arrays among them; `==` gives a bool, and another result is another."""
    other = table.with_scores(table.score + np.where(table.derived, 0.5, 0.0))
    alone = analysis.ScoreTable(table.frame.query("relation == 'independent'"))

    def uniform(score: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(score))

    for procedure in (
        analysis.auc,
        analysis.roc_curve,
        analysis.calibrate_evidence,
        analysis.separation_test,
        analysis.calibrate_threshold,
        analysis.architecture_detector,
        lambda of: analysis.audit_p_values(of, uniform),
        lambda of: analysis.combine_evidence([of]),
    ):
        once = procedure(table)
        assert (once == procedure(table)) is True
        assert (once == "something else") is False
        if procedure is not analysis.architecture_detector:
            assert (once == procedure(other)) is False or isinstance(once, analysis.PValueAudit)
        assert (procedure(alone) == procedure(alone)) is True
    with pytest.raises(TypeError, match="unhashable"):
        hash(analysis.roc_curve(table))


def test_what_is_printed() -> None:
    found = analysis.Interval(0.92308, 0.8101, 0.96882, 0.95, "lineage jackknife", 1234, 71, 36)
    assert str(found) == "0.9231 [0.8101, 0.9688] (95%, lineage jackknife; 36 lineages, 1,234 pairs)"
    warned = dataclasses.replace(found, warnings=("few lineages",), n_lineages=1)
    assert str(warned).endswith("; 1 lineage, 1,234 pairs, 1 warning)")
    assert str(analysis.Interval.undefined("no pair", level=0.9, method="m")) == "undefined (no pair)"
    open_ended = analysis.Interval(0.5, math.nan, math.nan, 0.9, "m", reason="one lineage")
    assert str(open_ended) == "0.5 (90%, m; no ends: one lineage)"
    test = analysis.PermutationTest("m", 3.0, 0.01, 0.02, 10**15, 999, False, "", 24, 36, 12)
    assert str(test) == (
        "p 0.01 (adjusted 0.02, statistic 3; 999 permutations of 36 models, 24 derived pairs in 12 lineages)"
    )
    assert "all 105 arrangements" in str(dataclasses.replace(test, exact=True, n_arrangements=105))
    assert str(dataclasses.replace(test, reason="no derived pair")) == "refused (no derived pair)"


def test_what_is_shown_adds_nothing_to_the_values(table: analysis.ScoreTable) -> None:
    for result in (analysis.calibrate_threshold(table), analysis.auc(table)):
        assert set(analysis.as_json(result)) == {item.name for item in dataclasses.fields(result)}
        assert not any(name.startswith("_") for name in analysis.as_json(result))


def test_numbers_of_a_result_are_on_the_page(table: analysis.ScoreTable) -> None:
    found = analysis.auc(table)
    text = seen(found)
    for value in (found.estimate, found.low, found.high):
        assert number(value) in text
    threshold = analysis.calibrate_threshold(table)
    assert threshold.reason in seen(threshold)
    assert f"{number(threshold.fpr.estimate)} [{number(threshold.fpr.low)}," in seen(threshold)


def test_names_are_text_and_never_markup(table: analysis.ScoreTable) -> None:
    html = table._repr_html_()
    assert "<b>odd" not in html
    assert "&lt;b&gt;odd &amp; name&lt;/b&gt;" in html
    whole = analysis.analyse([table], n_resamples=99, n_bootstrap=50)
    assert "<b>odd" not in whole._repr_html_()


def test_undefined_is_a_dash_with_its_reason(table: analysis.ScoreTable) -> None:
    nothing = analysis.Interval.undefined("no <pair> has a score", level=0.95, method="none")
    text = seen(nothing)
    assert "—" in text
    assert "no <pair> has a score" in text
    assert "nan" not in text
    alone = analysis.ScoreTable(table.frame.query("relation == 'independent'"))
    assert "nan" not in seen(analysis.analyse([alone], n_resamples=99, n_bootstrap=50).metrics[0])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.98765, "0.9877"),
        (1.0, "1"),
        (0.999996, "0.999996"),
        (1e-9, "1e-09"),
        (12345, "12,345"),
        (math.nan, "—"),
        (-math.inf, "−∞"),
        (0.0, "0"),
    ],
)
def test_numbers_are_never_rounded_into_certainty(value: float, text: str) -> None:
    assert number(value) == text
