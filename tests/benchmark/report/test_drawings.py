"""The drawings of the page: decay, shape, power, curves, axes."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from test_report_fixture import (
    METRICS,
    made_page,
    made_sections,
    part,
    results,
    run,
    scores,
)

from analysis import Interval
from analysis.discrimination.roc import RocCurve
from analysis.summary_parts import QuantileCurve
from benchmark.report import page
from benchmark.report.drawings.axes import Axis
from benchmark.report.drawings.charts import Curve, simplified
from benchmark.report.drawings.decay_panel import decay_panel
from benchmark.report.drawings.metric_panels import det, drawings
from benchmark.report.drawings.shape_map import shape_or_descent
from benchmark.report.drawings.strips import forest_axis, track
from benchmark.report.sections import MetricSection, metric_sections
from benchmark.report.training_distance import decay_sentence
from benchmark.results.schema import MetricResult


@pytest.fixture(scope="module")
def sections() -> dict[str, MetricSection]:
    return {section.name: section for section in made_sections()}


@pytest.fixture(scope="module")
def told() -> dict[str, MetricResult]:
    return {section.name: section.result for section in made_sections()}


@pytest.fixture(scope="module")
def html() -> str:
    return made_page()


def test_decay_is_drawn_for_metrics_with_distances(html: str, sections: dict[str, MetricSection]) -> None:
    shown = part(html, "decay")
    assert set(re.findall(r'<figure id="metric-([a-z-]+)-decay"', shown)) == set(METRICS) - {"silent"}
    data = json.loads(re.search(r'<script id="data"[^>]*>(.*?)</script>', html)[1])  # type: ignore[index]
    assert "zoo/l-b-fine-tune|zoo/l-b|" not in data["texts"]  # the ancestor may come first in a pair
    assert any(text.endswith("continued-pretrain:long, 800 steps, 100% of the founder's budget")
               for text in data["texts"])  # fmt: skip
    assert len(data["texts"]) == 24
    one = sections["weight-cosine"]
    panel = decay_panel(one, 1.0)
    assert panel is not None
    assert len(panel.dots[0].points) == 24
    assert len(panel.dots[0].threads) == 12
    assert [level.slug for level in panel.levels] == ["look-alike", "cut"]
    assert panel.says == "all 24 trained children score above 95% of look-alikes"
    assert "score within the look-alike range, the first after" in decay_sentence(
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
    shown = part(html, "answer")
    assert "this catalog, 12 lineages that share their shapes, 56%" in shown
    assert "Smallest AUC difference around 0.9" in shown


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


def test_a_row_of_the_forest_draws_the_interval_and_the_bounds_that_decide() -> None:
    auc, bounds = (Interval(0.9, low, high, 0.95, "m") for low, high in ((0.8, 0.96), (0.7, 0.98)))
    lines = dict(re.findall(r'<line class="(\w+)" x1="([\d.]+%" x2="[\d.]+%)"', track(auc, bounds, 0.5)))
    assert lines["chance"] == '0%" x2="0%'
    assert lines["fair"] == '50%" x2="50%'
    assert lines["good"] == '80%" x2="80%'
    assert lines["range"] == '60%" x2="92%'
    assert lines["bounds"] == '40%" x2="96%'
    assert lines["inner"] == '80%" x2="80%'
    unknown = Interval.undefined("no score", level=0.95, method="m")
    assert set(re.findall(r'class="(\w+)" x1', track(unknown, unknown, 0.5))) == {"chance", "fair", "good"}
    assert forest_axis([auc, bounds])[0] == 0.4
    assert forest_axis([Interval(0.2, 0.05, 0.3, 0.95, "m")])[0] == 0.0
    assert forest_axis([unknown])[-1] == 1.0
