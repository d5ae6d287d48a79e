"""What the page says across metrics: the answer, tables of ways, forgeries, decay, shape, power."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from io import StringIO

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from test_report_fixture import FORGED, METHODS, METRICS, results, run, scores, with_every

from analysis import CatalogSummary, Interval, ScoreTable
from analysis.discrimination.roc import RocCurve
from analysis.summary import QuantileCurve
from benchmark.catalog.model import METHODS as CATALOG_METHODS
from benchmark.report import markdown, page, verdict_table
from benchmark.report.answer import facts
from benchmark.report.cross_tables import most_fooled, shared_properties, survival
from benchmark.report.dots import rows, scale
from benchmark.report.drawings.axes import Axis
from benchmark.report.drawings.charts import Curve, simplified
from benchmark.report.drawings.decay_panel import decay_panel
from benchmark.report.drawings.metric_panels import det, drawings
from benchmark.report.drawings.shape_map import shape_or_descent
from benchmark.report.families import family_of, tally
from benchmark.report.forgery_tallies import KINDS, attack
from benchmark.report.sections import MetricSection, metric_sections
from benchmark.report.training_distance import decay_sentence
from benchmark.results.decision import deciding_threshold
from benchmark.results.schema import MetricResult

FRAME, EVADE = KINDS


@pytest.fixture(scope="module")
def sections() -> dict[str, MetricSection]:
    return {section.name: section for section in metric_sections(run(), results(), scores())}


@pytest.fixture(scope="module")
def told(sections: dict[str, MetricSection]) -> dict[str, MetricResult]:
    return {name: section.result for name, section in sections.items()}


@pytest.fixture(scope="module")
def html() -> str:
    return page(run(), results(), scores())


def section(html: str, name: str) -> str:
    start = html.index(f'<section id="{name}"')
    return html[start : html.index("<section id=" if name != "decay" else '<div id="each"', start + 10)]


def test_the_answer_counts_every_metric_once(sections: dict[str, MetricSection]) -> None:
    told = facts(list(sections.values()), results().catalog)
    counted = {fact.title: (fact.figure, fact.of) for fact in told}
    n = f"of {len(METRICS)}"
    assert counted == {
        "separate": ("3", n),
        "see only the architecture": ("1", n),
        "do not separate": ("2", n),
        "cannot be judged here": ("1", n),
        "can be forged at no cost": (str(len(FORGED)), n),
        "certified at 5 % false positives": ("0", n),
    }
    certified = told[-1]
    assert certified.says == "12 lineages allow 39 % at best; 118 would do"
    assert "attention-std" in told[-2].says


def test_the_answer_of_nothing_is_a_count_of_nothing() -> None:
    assert [fact.figure for fact in facts([], CatalogSummary.of([], (0.05,), 0.95))] == ["0"] * 3


def test_a_forgery_counts_where_the_call_changes(told: dict[str, MetricResult]) -> None:
    assert told["attention-std"].forgeable
    for kind in KINDS:
        assert attack(told["attention-std"], kind).aimed.told == "2 of 2 succeed"
        assert attack(told["attention-std"], kind).aside == ""
        assert not attack(told["config-match"], kind).succeeds
    assert attack(told["silent"], FRAME).main.told == "no threshold to call by"
    assert not told["silent"].forgeable
    assert attack(told["attention-std"], FRAME).main.after == pytest.approx(0.999)
    # norm-cosine claims .9: a framed model at .1 stays below it, a child at .98 above it.
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
    assert attack(fooled, FRAME).main.told == "all 2 are called so before any forgery"
    assert not fooled.forgeable


def test_forgeries_are_marked_in_the_answer_the_table_and_the_metric(html: str) -> None:
    answer = section(html, "answer")
    marked = [item for item in answer.split("<li>") if "#mark-forgeable" in item.split('class="figure"')[0]]
    assert [re.search(r'class="name">([^<]+)<', item)[1] for item in marked] == list(FORGED)  # type: ignore[index]
    table = section(html, "forgeries")
    assert table.count("<tbody>") == 1 + len(METRICS)
    assert "yes: 2 of 2 succeed" in table
    assert ".100 → .999" in table
    metric = html[html.index('id="metric-attention-std"') :]
    assert 'href="#forgeries"' in metric[: metric.index("</header>")]


NO_SHAPE = Interval.undefined("one cell", level=0.95, method="")


@pytest.mark.parametrize(
    ("change", "name", "says"),
    [
        ({"forgeries": ()}, "forgeries", "No forgery was scored in this run."),
        ({"decay": ()}, "decay", "These results hold no distances"),
        ({"by_method": {}}, "methods", "These results hold no figures by method."),
        (
            {"architecture": replace(results().metrics[0].architecture, auc=NO_SHAPE)},
            "map",
            "These results do not hold both figures for any metric.",
        ),
    ],
)
def test_what_is_absent_is_said(change: dict[str, object], name: str, says: str) -> None:
    assert says in section(page(run(), with_every(results(), **change), scores()), name)


def test_without_shared_properties_the_classes_of_look_alikes_stand_in() -> None:
    bare = with_every(results(), shared_properties=())
    table = shared_properties(bare.metrics)
    assert {row.name for row in table.rows} > {"qwen2 6x64 h4/2 f128 bias rmsnorm"}
    bare = with_every(bare, by_look_alike={})
    assert "do not say what look-alikes share" in section(page(run(), bare, scores()), "shared")


def test_ways_stand_by_family_with_a_figure_and_an_interval_for_every_metric(
    told: dict[str, MetricResult],
) -> None:
    shown = list(told)
    table = survival(list(told.values()))
    assert [name for name, _ in table.groups] == [
        "Training", "Change of shape", "Casts", "Laundering", "Several steps",
    ]  # fmt: skip
    assert {row.name for row in table.rows} == set(METHODS)
    assert [figure.slug for figure in table.figures] == ["tpr", "auc"]
    row = next(row for row in table.rows if row.name == "launder:unit-permutation")
    column = shown.index("weight-cosine")
    cell = row.cells[1][column]
    auc = told["weight-cosine"].by_method["launder:unit-permutation"].look_alike_auc
    assert cell.text == f"{auc.estimate:.2f}".removeprefix("0")
    assert re.fullmatch(r"\[\.\d+, (\.\d+|1\.00)\]", cell.ends)
    silent = shown.index("silent")
    assert all(row.cells[0][silent].text == "—" for row in table.rows)
    (others,) = table.data["figures"]  # type: ignore[misc, union-attr]
    assert len(others) == len(table.data["notes"]) == len(METHODS)  # type: ignore[arg-type]
    assert row.notes[column] == "12|12"


def test_the_property_that_fools_a_metric_most_is_named(told: dict[str, MetricResult]) -> None:
    fooled = most_fooled(list(told.values()))
    assert [item.split(":")[0] for item in fooled] == ["norm-cosine", "config-match", "attention-std"]
    assert re.fullmatch(r"config-match: corpus, tokenizer, \.5\d\d \[.*\]", fooled[1])
    assert most_fooled([replace(told["attention-std"], shared_properties=())]) == []


def test_families_cover_the_catalogs_methods() -> None:
    assert {family_of(method).word for method in CATALOG_METHODS} == {
        "training", "merging", "reshaping", "casting", "laundering",
    }  # fmt: skip
    assert family_of("launder:noise").word == "laundering"
    assert family_of("merge:ties").word == "merging"
    assert family_of("fine-tune:long > cast:fp8").word == "several steps"
    assert family_of("telepathy").word == "others"
    assert tally(["a", "b"]) == "a, b"
    assert tally(["rl", "fine-tune", "cast:fp8"]) == "training 2, casting 1"


def test_decay_is_drawn_for_metrics_with_distances(html: str, sections: dict[str, MetricSection]) -> None:
    shown = section(html, "decay")
    assert set(re.findall(r'<figure id="metric-([a-z-]+)-decay"', shown)) == set(METRICS) - {"silent"}
    data = json.loads(re.search(r'<script id="data"[^>]*>(.*?)</script>', html)[1])  # type: ignore[index]
    assert "zoo/l-b-fine-tune|zoo/l-b|" not in data["texts"]  # the ancestor may come first in a pair
    assert any(text.endswith("continued-pretrain:long, 800 steps, 100 % of the founder's budget")
               for text in data["texts"])  # fmt: skip
    assert len(data["texts"]) == 24
    one = sections["weight-cosine"]
    panel = decay_panel(one, 1.0)
    assert panel is not None
    assert len(panel.dots[0].points) == 24
    assert len(panel.dots[0].threads) == 12
    assert [level.slug for level in panel.levels] == ["look-alike", "cut"]
    assert panel.says == "all of 24 trained children lie above 95 % of look-alikes"
    assert "lie among the look-alikes, the first after" in decay_sentence(
        sections["attention-std"].decay, sections["attention-std"].look_alike_band
    )
    assert decay_panel(sections["silent"], 1.0) is None


def test_every_metric_with_both_figures_is_a_link_in_the_drawing_of_shape(
    sections: dict[str, MetricSection],
) -> None:
    drawn = str(shape_or_descent(list(sections.values())))
    linked = set(re.findall(r'href="#metric-([a-z-]+)"', drawn))
    both = {name for name, one in sections.items() if one.result.architecture.auc.defined}
    assert linked == both > {"config-match", "weight-cosine"}
    x = {name: float(found) for name, found in re.findall(r'href="#metric-([a-z-]+)".*?cx="([\d.]+)"', drawn)}
    assert x["config-match"] == max(x.values())


def test_names_in_the_drawing_of_shape_do_not_overlap(sections: dict[str, MetricSection]) -> None:
    one = sections["norm-pearson"]
    crowd = [replace(one, result=replace(one.result, metric=f"metric-{index}")) for index in range(40)]
    drawn = str(shape_or_descent(crowd))
    assert drawn.count("<circle") == 40
    assert 1 <= drawn.count(">metric-") < 12


def test_the_power_panels_mark_this_catalog(html: str) -> None:
    shown = section(html, "answer")
    assert "this catalog, 12 lineages, 39 %" in shown
    assert "Smallest difference of AUC around .9" in shown


def test_det_stands_beside_roc_and_turns_its_band(html: str) -> None:
    metric = html[html.index('<section class="metric" id="metric-weight-cosine"') :]
    metric = metric[: metric.index("</section>")]
    for name in ("roc", "det", "tippett", "ece"):
        assert f'id="metric-weight-cosine-{name}"' in metric
    assert 'data-x="probit 0.001 0.8' in metric


def roc_of(fpr: list[float], tpr: list[float], low: list[float], high: list[float]) -> RocCurve:
    return RocCurve(*map(np.array, (fpr, tpr, low, high, np.arange(len(fpr), 0, -1.0))), level=0.95)


def test_det_leaves_out_what_its_axes_cannot_show(told: dict[str, MetricResult]) -> None:
    curve = roc_of([0, 0, 0.5, 0.9, 1], [0, 0.4, 0.7, 0.9, 1], [0, 0.3, 0.6, 0.8, 1], [0, 0.5, 0.8, 1, 1])
    one = told["weight-cosine"]
    drawn = det(replace(one, curves=replace(one.curves, roc=curve)))
    assert drawn is not None
    missed = drawn.lines[0].curve
    assert missed.x == (0, 0.5)
    assert missed.y == pytest.approx((0.6, 0.3))
    assert missed.low == pytest.approx((0.5, 0.2))
    assert missed.high == pytest.approx((0.7, 0.4))


def test_curves_leave_out_points_without_a_place_and_bands_with_gaps() -> None:
    nan = np.nan
    gap = Curve.of(np.array([0, nan, 1]), np.array([0, 0.5, 1]), band=(np.zeros(3), np.ones(3)))
    assert gap == Curve((0, 1), (0, 1), (0, 0), (1, 1))
    torn = Curve.of(np.array([0.0, 1]), np.array([0.0, 1]), band=(np.array([nan, 0]), np.ones(2)))
    assert torn == Curve((0, 1), (0, 1))
    assert Curve.of(np.array([0.0, nan]), np.array([0.0, 1.0])) is None
    assert Curve.of(np.zeros(0), np.zeros(0)) is None


def test_thinning_keeps_all_derived_pairs_and_the_extremes() -> None:
    frame = scores()[lambda table: table["metric"] == "norm-pearson"]
    table = ScoreTable(frame)
    laid = rows(table, scale(table.score), most=1_400)
    derived = sum(len(row.pairs) for row in laid if row.kind.slug == "derived")
    assert derived == table.derived.sum() == 72
    for row in laid:
        if row.kind.slug in ("look-alike", "independent"):
            own = table.score[
                table.look_alike if row.kind.slug == "look-alike" else table.independent & ~table.look_alike
            ]
            assert len(row.pairs) < row.n == len(own)
            assert row.outline
            np.testing.assert_array_equal(np.sort(own)[:60], row.scores[:60])
            np.testing.assert_array_equal(np.sort(own)[-60:], row.scores[-60:])
    assert sum(len(row.pairs) for row in laid) <= 1_410


def test_thinning_into_little_room_still_samples_the_middle() -> None:
    frame = scores()[lambda table: table["metric"] == "norm-pearson"]
    table = ScoreTable(frame)
    laid = rows(table, scale(table.score), most=400)
    for row in laid:
        if row.kind.slug in ("look-alike", "independent"):
            assert 60 < len(row.pairs) < 200
            middle = np.median(np.sort(row.scores)[20:-20])
            assert abs(middle - row.median) < 0.05
    assert all(not row.outline for row in laid if row.kind.slug == "derived")


def test_chains_share_a_row_in_which_each_dot_keeps_its_own_method() -> None:
    frame = scores()[lambda table: table["metric"] == "norm-pearson"].copy()
    other = (frame["method"] == "cast:fp8") & (frame["lineage_a"] == "zoo/q-a")
    frame.loc[other, "method"] = "fine-tune > cast:int8"
    laid = rows(ScoreTable(frame), scale(np.array([0.0, 1.0])))
    row = next(row for row in laid if row.label == "… > cast")
    assert row.methods == ("continued-pretrain:long > cast:fp8", "fine-tune > cast:int8")
    assert sorted(row.method_of.tolist()) == [0] * 12 + [1]


def test_axes_place_values_in_order_and_never_outside() -> None:
    for axis in (Axis("", -1, 3), Axis("", 1, 1e4, "log"), Axis("", 0.001, 0.8, "probit")):
        shares = [axis.share(value) for value in np.linspace(axis.low, axis.high, 50)]
        assert shares == sorted(shares)
        assert (shares[0], shares[-1]) == (0.0, 1.0)
        assert (axis.share(-1e9), axis.share(math.inf)) == (0.0, 1.0)
        assert len(axis.ticks) >= 4
        assert all(axis.low <= tick <= axis.high for tick in axis.ticks)
    assert Axis("", 0.01, 0.99, "probit").share(0.5) == pytest.approx(0.5)


def test_simplified_curves_stay_within_half_a_pixel() -> None:
    x = np.linspace(0, 340, 400)
    y = 170 + 20 * np.sin(x / 40)
    kept = np.array(simplified(list(zip(x.tolist(), y.tolist(), strict=True))))
    assert len(kept) < 100
    assert np.abs(np.interp(x, kept[:, 0], kept[:, 1]) - y).max() < 0.5
    stairs = [(0.0, 0.0), (0.0, 10.0), (5.0, 10.0), (5.0, 20.0)]
    assert simplified(stairs) == stairs


def test_text_and_terminal_say_what_can_be_forged() -> None:
    text = markdown(run(), results(), scores())
    assert "- 1 of 7 can be forged at no cost: attention-std" in text
    row = next(line for line in text.splitlines() if line.startswith("| attention-std | 2 of 2 succeed"))
    assert "| .100 → .999 |" in row
    assert "- weight-cosine: all of 24 trained children lie above 95 % of look-alikes" in text
    stream = StringIO()
    Console(file=stream, width=80, color_system=None).print(verdict_table(results()))
    assert "Forged at no cost: attention-std." in stream.getvalue()
    bare = with_every(results(), forgeries=())
    stream = StringIO()
    Console(file=stream, width=80, color_system=None).print(verdict_table(bare))
    assert "Forged" not in stream.getvalue()


def test_infinite_scores_in_decay_and_band_leave_a_drawing() -> None:
    frame = scores().copy()
    alike = frame.index[(frame["metric"] == "weight-cosine") & (frame["relation"] == "independent")]
    frame.loc[alike, "score"] = np.inf
    found = next(one for one in metric_sections(run(), results(), frame) if one.name == "weight-cosine")
    assert found.look_alike_band == (math.inf, math.inf, math.inf)
    panel = decay_panel(found, 1.0)
    assert panel is not None
    assert math.isfinite(panel.y.high)
    assert isinstance(page(run(), results(), frame), str)


def test_pairs_of_the_page_survive_pandas_frames_without_extras() -> None:
    frame = pd.DataFrame(scores()[["metric", "model_a", "model_b", "score", "relation", "status"]])
    assert "weight-cosine" in page(run(), results(), frame)


def test_claimed_p_values_are_drawn_against_what_p_values_must_be(told: dict[str, MetricResult]) -> None:
    one = told["norm-pearson"]
    claimed = QuantileCurve(np.array([0.0, 1, 2]), np.array([0, 1.5, 4]))
    (drawn,) = drawings(replace(one, curves=replace(one.curves, qq=claimed)), "metric-norm-pearson", "qq")
    assert 'id="metric-norm-pearson-qq"' in drawn.svg
    assert 'class="chance"' in drawn.svg
    assert 'data-y="linear 0 4 ' in drawn.svg
    assert drawings(one, "metric-norm-pearson", "qq") == []


def test_calls_are_made_by_the_one_rule(html: str, sections: dict[str, MetricSection]) -> None:
    one = sections["weight-cosine"]
    strict, *others = one.result.thresholds
    first = replace(strict, max_fpr=0.2, value=-1.0)
    other = replace(one, result=replace(one.result, thresholds=(first, strict, *others)))
    assert other.decision == deciding_threshold(other.result)
    assert other.decision.value == strict.value != first.value
    assert other.calibrated == first
