"""What the report answers at once: counts, forgeries, calls by the one rule, what is absent."""

from __future__ import annotations

import re
from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console
from test_report_fixture import (
    FORGED,
    METRICS,
    made_page,
    made_sections,
    part,
    results,
    run,
    scores,
    unlinked,
    with_every,
)

from analysis import CatalogSummary, Interval
from benchmark.report import markdown, page, verdict_table
from benchmark.report.answer import certify
from benchmark.report.forgery_tallies import KINDS, attack
from benchmark.report.headline import headline, standfirst
from benchmark.report.sections import MetricSection, certificate
from benchmark.report.verdict_groups import best_first
from benchmark.results.decision import deciding_threshold
from benchmark.results.schema import MetricResult

FRAME, EVADE = KINDS
NO_SHAPE = Interval.undefined("one cell", level=0.95, method="")


@pytest.fixture(scope="module")
def sections() -> dict[str, MetricSection]:
    return {section.name: section for section in made_sections()}


@pytest.fixture(scope="module")
def told() -> dict[str, MetricResult]:
    return {section.name: section.result for section in made_sections()}


@pytest.fixture(scope="module")
def html() -> str:
    return made_page()


def test_the_headline_counts_what_separates_resists_and_is_certified(
    sections: dict[str, MetricSection],
) -> None:
    assert headline(list(sections.values())) == (
        f"2 of {len(METRICS)} metrics separate children from look-alikes within limits; 2 of these resist"
        " forgery and laundering; none is certified at 5% false positives."
    )
    told = standfirst(list(sections.values()), results().catalog)
    assert told == [
        "Certifying 5% among look-alikes takes 194 lineages that share their shapes; this catalog has 12,"
        " enough for 56% at best.",
        "Separates, and resists every forgery and laundering tried: norm-pearson, weight-cosine.",
    ]


def test_the_headline_of_nothing_says_so(sections: dict[str, MetricSection]) -> None:
    assert headline([]) == "No metric was evaluated."
    assert standfirst([], CatalogSummary.of([], (0.05,), 0.95)) == []
    assert headline([sections["config-match"]]) == (
        "None of 1 metric is shown to separate children from look-alikes."
    )


def certified(section: MetricSection, found: float, value: float = 0.5, together: int = 1) -> MetricSection:
    """A section whose first threshold is certified and finds a share of the derived pairs."""
    first, *others = section.result.thresholds
    held = replace(
        first,
        negatives="look-alike",
        certified=True,
        n_metrics=together,
        value=value,
        tpr=replace(first.tpr, estimate=found),
        reason="",
    )
    return replace(section, result=replace(section.result, thresholds=(held, *others)))


def test_the_answer_names_what_is_certified_and_what_is_of_use(sections: dict[str, MetricSection]) -> None:
    some = [sections[name] for name in ("norm-pearson", "weight-cosine", "norm-cosine")]
    useful, blind, other = certified(some[0], 0.5, 0.25), certified(some[1], 0.49), some[2]
    assert headline([useful, blind, other]).endswith("; 1 is certified at 5% false positives.")
    assert standfirst([useful, blind, other], results().catalog)[:2] == [
        "Certified at 5% false positives among look-alikes, each metric by itself (choose yours before"
        " seeing any scores): norm-pearson (≥ 0.250, finds 50%).",
        "Certified, but finding fewer than half of the derived pairs: weight-cosine.",
    ]
    # A threshold above every score has no false positives. Nobody calls that a certificate.
    useless = certified(some[2], 0.0)
    assert headline([useful, blind, useless]).endswith("; 1 is certified at 5% false positives.")
    assert "norm-cosine" not in " ".join(standfirst([useful, blind, useless], results().catalog)[:2])
    assert not any("norm-cosine" in line for line in certify(results().catalog, [useful, blind, useless]))
    assert certificate(useless.result.thresholds[0]) == "out of reach of every derived pair"
    assert headline([certified(some[0], 0.0)]).endswith("; none is certified at 5% false positives.")
    each = [certified(section, 0.9) for section in some]
    assert headline(each).endswith("; 3 are certified at 5% false positives, each by itself.")
    together = [certified(section, 0.9, 0.5, together=3) for section in some]
    assert headline(together).endswith("; 3 are certified at 5% false positives.")
    assert standfirst(together, results().catalog)[0].startswith(
        "Certified at 5% false positives among look-alikes, 3 metrics together: norm-pearson (≥"
    )
    alone = standfirst([certified(some[0], 0.9)], results().catalog)[0]
    assert "by itself" not in alone
    assert "together" not in alone


def test_a_forgery_counts_where_the_call_changes(told: dict[str, MetricResult]) -> None:
    assert told["attention-std"].forgeable
    for kind in KINDS:
        assert attack(told["attention-std"], kind).aimed.told == "2 of 2 succeed"
        assert attack(told["attention-std"], kind).aside == ""
        assert not attack(told["config-match"], kind).succeeds
    assert attack(told["silent"], FRAME).main.told == "no threshold to call by"
    assert not told["silent"].forgeable
    assert attack(told["attention-std"], FRAME).main.after == pytest.approx(0.999)
    # norm-cosine claims 0.9: a framed model at 0.1 stays below it, a child at 0.98 above it.
    assert attack(told["norm-cosine"], FRAME).main.told == "none of 2 succeeds"
    assert attack(told["norm-cosine"], FRAME).aside == "made against other metrics"
    bare = replace(told["attention-std"], forgeries=())
    assert (attack(bare, EVADE).main.told, attack(bare, EVADE).main.n) == ("not tried", 0)


def test_forgeries_aimed_at_a_metric_are_told_apart_from_others(told: dict[str, MetricResult]) -> None:
    first, *others = told["attention-std"].forgeries
    stray = [replace(row, aimed_at="ffn-std", after=row.before, after_called=False) for row in others]
    one = attack(replace(told["attention-std"], forgeries=(first, *stray)), FRAME)
    assert (one.aimed.n, one.stray.n, one.main.after) == (1, 1, first.after)
    assert one.aside == "made against other metrics: none of 1 succeeds"


def test_what_was_called_before_is_no_success_of_the_forger(told: dict[str, MetricResult]) -> None:
    rows_ = tuple(replace(row, before_called=row.kind == "frame") for row in told["attention-std"].forgeries)
    fooled = replace(told["attention-std"], forgeries=rows_)
    assert attack(fooled, FRAME).main.told == "all 2 are called that before any forgery"
    assert not fooled.forgeable


def test_forgeries_are_marked_in_the_answer_the_table_and_the_metric(html: str) -> None:
    answer = part(html, "answer")
    rows = answer[answer.index("<tbody") :].split("<tr")
    marked = [item for item in rows if "#mark-forgeable" in item.split('class="figure"')[0]]
    assert [re.search(r'class="name">([^<]+)<', item)[1] for item in marked] == list(FORGED)  # type: ignore[index]
    table = part(html, "forgeries")
    assert table.count("<tbody>") == 2 + len(METRICS)
    assert "yes: 2 of 2 succeed" in table
    assert "0.100 → 0.999" in table
    metric = html[html.index('id="metric-attention-std"') :]
    assert 'href="#forgeries"' in metric[: metric.index("</header>")]


@pytest.mark.parametrize(
    ("change", "name", "says"),
    [
        ({"forgeries": ()}, "forgeries", "No forgery was scored in this run."),
        ({"decay": ()}, "decay", "These results record no training distances"),
        ({"by_method": {}}, "methods", "These results have no figures by method."),
    ],
)
def test_what_is_absent_is_said(change: dict[str, object], name: str, says: str) -> None:
    assert says in unlinked(part(page(run(), with_every(results(), **change), scores()), name))


def test_a_map_without_figures_is_said() -> None:
    bare = with_every(results(), architecture=replace(results().metrics[0].architecture, auc=NO_SHAPE))
    assert "No metric has both figures." in unlinked(part(page(run(), bare, scores()), "map"))


def test_text_and_terminal_say_what_can_be_forged() -> None:
    text = markdown(run(), results(), scores())
    assert "- Separates, and resists every forgery and laundering tried: norm-pearson, weight-cosine." in text
    row = next(
        line for line in text.splitlines() if line.startswith("| attention-std | framed and evaded | 2 of")
    )
    assert "| 0.100 → 0.999 |" in row
    assert "- weight-cosine: all 24 trained children score above 95% of look-alikes" in text
    stream = StringIO()
    Console(file=stream, width=80, color_system=None).print(verdict_table(results()))
    assert "Can be forged or laundered: attention-std." in stream.getvalue()
    bare = with_every(results(), forgeries=())
    stream = StringIO()
    Console(file=stream, width=80, color_system=None).print(verdict_table(bare))
    assert "forged" not in stream.getvalue()


def test_metrics_stand_by_verdict_then_by_look_alike_auc(sections: dict[str, MetricSection]) -> None:
    order = ("separates", "separates within limits", "architecture detector", "does not separate")
    places = [
        (order.index(one.result.verdict), -one.result.look_alike_auc.estimate)
        for one in sections.values()
        if one.result.verdict in order
    ]
    assert places == sorted(places)
    assert list(sections)[-1] == "silent"
    low, high = (replace(results().metrics[0], metric=name) for name in ("a", "b"))
    low = replace(low, look_alike_auc=replace(low.look_alike_auc, estimate=0.6))
    undefined = replace(low, metric="0", look_alike_auc=NO_SHAPE)
    assert [one.metric for one in best_first((undefined, low, high))] == ["b", "a", "0"]


def test_calls_are_made_by_the_one_rule(html: str, sections: dict[str, MetricSection]) -> None:
    one = sections["weight-cosine"]
    strict, *others = one.result.thresholds
    first = replace(strict, max_fpr=0.2, value=-1.0)
    other = replace(one, result=replace(one.result, thresholds=(first, strict, *others)))
    assert other.decision == deciding_threshold(other.result)
    assert other.decision.value == strict.value != first.value
    assert other.calibrated == first
