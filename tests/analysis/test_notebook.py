"""Results show themselves in a notebook: whole, escaped, and with the reason where a number is missing."""

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


def test_every_public_result_shows_itself(table: analysis.ScoreTable) -> None:
    whole = analysis.analyse([table], n_resamples=199, n_bootstrap=100)
    report = whole.metrics[0]
    results: list[Shown] = [
        table,
        whole,
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
        analysis.compare_metrics(table, table),
        analysis.Claim(threshold=1.0, text="a claim"),
    ]
    for result in results:
        assert isinstance(result, Shown)
        assert type(result).__name__ in seen(result)
    public = {value for value in vars(analysis).values() if isinstance(value, type)}
    results_there = {value for value in public if dataclasses.is_dataclass(value)}
    assert results_there
    assert all(issubclass(value, Shown) for value in results_there)


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
