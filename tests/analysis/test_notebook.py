"""Results show themselves: as one line, and in a notebook whole, escaped, with reasons for gaps."""

from __future__ import annotations

import dataclasses
import math
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

import analysis
from analysis.notebook import Shown, number, rows_html, table_html

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
        report.bounds,
        report.claim_verdict,
        report.sensitivity,
        report.sensitivity.lineage_auc,
        report.sensitivity.seed,
        analysis.MethodTally.of(row.state for row in report.by_method.values()),
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
        p_values: np.ndarray = 1 / (1 + np.exp(score))
        return p_values

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
        (math.inf, "∞"),
        (-12345, "-12,345"),
        (0.99994, "0.9999"),
        (0.99995, "0.99995"),
        (1.00001, "1.00001"),
        (0.99999996, "1"),
        (-0.25, "-0.25"),
        (0.0, "0"),
    ],
)
def test_numbers_are_never_rounded_into_certainty(value: float, text: str) -> None:
    assert number(value) == text


@dataclasses.dataclass
class Small(Shown):
    """A result of two numbers."""

    best_auc: float
    count: int
    hidden: str = dataclasses.field(default="secret", repr=False)
    reason: str = ""
    warnings: tuple[str, ...] = ()


@dataclasses.dataclass
class Chosen(Shown):
    """A result that says what is shown, and what stands for it in one cell."""

    _shown = ("twice", "reason")
    _headline = "twice"

    once: float
    reason: str = ""

    @property
    def twice(self) -> float:
        """Shown, though it is no field."""
        return 2 * self.once


CELL = '<td style="text-align:left">'


def row(*cells: str) -> str:
    return "<tr>" + "".join(f"{CELL}{cell}</td>" for cell in cells) + "</tr>"


def head(*names: str) -> str:
    cells = "".join(f'<th scope="col" style="text-align:left">{name}</th>' for name in names)
    return f"<thead><tr>{cells}</tr></thead>"


def body(*rows: str) -> str:
    return f"<tbody>{''.join(rows)}</tbody>"


def test_a_result_is_one_line_of_its_facts() -> None:
    assert str(Small(0.98765, 1234)) == "Small: best AUC 0.9877; count 1,234"
    assert str(Small(math.nan, 1, reason="none", warnings=("few", "odd"))) == (
        "Small: best AUC —; count 1; reason none; warnings few, odd"
    )
    assert str(Chosen(1.5)) == "Chosen: twice 3"
    assert str(Chosen(1.5, "guessed")) == "Chosen: twice 3; reason guessed"


def test_a_result_is_a_table_of_its_facts() -> None:
    caption = '<caption style="text-align:left">Small</caption>'
    rows = body(row("<b>best AUC</b>", "0.5"), row("<b>count</b>", "7"))
    assert Small(0.5, 7)._repr_html_() == f"<table>{caption}{rows}</table>"


def test_labels_are_words_and_abbreviations_are_capitals() -> None:
    row_of = dict.fromkeys(("look_alike_auc", "fpr", "max_tpr", "log10_lr", "roc", "auction"), 1)
    assert rows_html([row_of]) == (
        "<table>"
        + head("look alike AUC", "FPR", "max TPR", "log10 LR", "ROC", "auction")
        + body(row(*"111111"))
        + "</table>"
    )


def test_rows_are_set_under_the_keys_of_all_of_them_and_gaps_stay_empty() -> None:
    rows: list[dict[str, object]] = [{"a": 1, "b": "<x>"}, {"b": None, "c": True}]
    assert rows_html(rows) == (
        "<table>" + head("a", "b", "c") + body(row("1", "&lt;x&gt;", ""), row("", "—", "yes")) + "</table>"
    )
    assert rows_html(rows, ["one", "<two>"]) == (
        "<table>"
        + head("", "a", "b", "c")
        + body(row("<b>one</b>", "1", "&lt;x&gt;", ""), row("<b>&lt;two&gt;</b>", "", "—", "yes"))
        + "</table>"
    )
    with pytest.raises(ValueError, match="argument 2 is"):
        rows_html(rows, ["one"])


def test_captions_and_heads_are_escaped_and_cells_are_html_already() -> None:
    assert table_html("a < b", ["<c>"], [["<i>d</i>"]]) == (
        '<table><caption style="text-align:left">a &lt; b</caption>'
        + head("&lt;c&gt;")
        + body(row("<i>d</i>"))
        + "</table>"
    )
    assert table_html("", (), []) == "<table><tbody></tbody></table>"


def facts(value: object) -> str:
    """The HTML of a single fact."""
    whole = dataclasses.make_dataclass("Whole", [("fact", object)], bases=(Shown,))(value)._repr_html_()
    before, after = f"{CELL}<b>fact</b></td>{CELL}", "</td></tr></tbody></table>"
    assert before in whole
    assert whole.endswith(after)
    found: str = whole.partition(before)[2].removesuffix(after)
    return found


def test_several_results_are_a_table_inside() -> None:
    small = [Small(0.5, 1), Small(0.25, 2, reason="few")]
    inside = head("best AUC", "count", "reason") + body(row("0.5", "1", ""), row("0.25", "2", "few"))
    assert facts(small) == facts(tuple(small)) == f"<table>{inside}</table>"
    assert facts([Small(0.5, 1), "text"]) == "Small, text"
    assert facts([]) == ""


def test_a_mapping_of_results_or_of_mappings_is_a_table_inside_by_its_keys() -> None:
    assert facts({"x": Small(0.5, 1), 2: {"count": 3}}) == (
        "<table>"
        + head("", "best AUC", "count")
        + body(row("<b>x</b>", "0.5", "1"), row("<b>2</b>", "", "3"))
        + "</table>"
    )
    assert facts({"x": Small(0.5, 1), "<y>": 2}) == "x: Small, &lt;y&gt;: 2"
    assert facts({}) == ""


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "—"),
        (True, "yes"),
        (False, "no"),
        (0.123456, "0.1235"),
        (1234, "1,234"),
        ("a & b", "a &amp; b"),
        (Small(0.5, 1), "Small"),
        (Chosen(0.25), "0.5"),
        ({"a": 1, "b": None}, "a: 1, b: —"),
        ([1, [2.0, True]], "1, 2, yes"),
        ({0.5}, "0.5"),
        (frozenset({"one"}), "one"),
        (list(range(12)), "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11"),
        (list(range(14)), "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 2 more"),
        (np.zeros((2, 3)), "ndarray of shape (2, 3)"),
        (np.float64(0.5), "0.5"),
        (np.int64(5), "5"),
        (1 + 2j, "(1+2j)"),
    ],
)
def test_values_in_one_cell(value: object, text: str) -> None:
    assert facts(value) == text
