"""Which square drawings a metric has: each is made from curves of the results, and left out without them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from analysis import RocCurve
from benchmark.report.drawings.axes import Axis
from benchmark.report.drawings.charts import Curve, Line, Mark, Panel, panel
from benchmark.report.notation import plain, unit
from benchmark.report.sections import claimed
from benchmark.results.schema import MetricResult

__all__ = ["Drawing", "det", "drawings", "ece", "qq", "roc", "tippett"]

Point = tuple[float, float]
RAREST: Final = 0.001  # both axes of a DET plot begin here; rarer errors, and none, are drawn at this end
MOST: Final = 0.8  # and end here


@dataclass(frozen=True)
class Drawing:
    """A drawing with its caption and the meaning of its lines."""

    svg: Markup
    caption: str
    keys: tuple[tuple[str, str], ...]


def drawings(result: MetricResult, anchor: str, *names: str) -> list[Drawing]:
    """The named drawings of a metric, as far as its results allow them."""
    makers: dict[str, Callable[[MetricResult], Panel | None]] = {
        "roc": roc,
        "det": det,
        "tippett": tippett,
        "ece": ece,
        "qq": qq,
    }
    drawn = []
    for name in names:
        made = makers[name](result)
        if made is not None:
            keys = tuple((line.slug, line.label) for line in made.lines) if len(made.lines) > 1 else ()
            drawn.append(Drawing(panel(made, f"{anchor}-{name}"), _caption(made), keys))
    return drawn


def _caption(drawing: Panel) -> str:
    marks = "; ".join(mark.label for mark in drawing.marks)
    return drawing.title + (f". {marks}" if marks else "") + "."


def _lines(*named: tuple[Curve | None, str, str]) -> tuple[Line, ...]:
    """Lines (curve, style, label) of the curves that there are."""
    return tuple(Line(slug, label, curve) for curve, slug, label in named if curve is not None)


def _rates(result: MetricResult) -> tuple[Line, ...]:
    curves = result.curves
    everybody = f"all independent pairs, AUC {unit(result.auc.estimate)}"
    alike = f"look-alikes, AUC {unit(result.look_alike_auc.estimate)}"
    return _lines(
        (_curve(curves.roc), "independent", everybody), (_curve(curves.look_alike_roc), "look-alike", alike)
    )


def _curve(roc: RocCurve) -> Curve | None:
    return Curve.of(roc.fpr, roc.tpr, band=(roc.low, roc.high), at=roc.threshold)


def _claim(result: MetricResult) -> tuple[float, Point] | None:
    """The claimed threshold, its FPR among look-alikes (else among all) and its TPR."""
    stated = claimed(result)
    if stated is None or not stated.tpr.defined:
        return None
    fpr = stated.look_alike_fpr if stated.look_alike_fpr.defined else stated.fpr
    return (stated.threshold, (fpr.estimate, stated.tpr.estimate)) if fpr.defined else None


def _triangle(threshold: float, x: float, y: float) -> Mark:
    return Mark("claimed", f"Triangle: the claimed threshold, {plain(threshold)}", x, y)


def roc(result: MetricResult) -> Panel | None:
    """The ROC curve against look-alikes and against all independent pairs, with its band."""
    lines, claim = _rates(result), _claim(result)
    if not lines:
        return None
    return Panel(
        title="ROC curve with band",
        x=Axis("false-positive rate"),
        y=Axis("true-positive rate"),
        lines=lines,
        marks=(_triangle(claim[0], *claim[1]),) if claim else (),
        diagonal=True,
    )


def det(result: MetricResult) -> Panel | None:
    """Misses over false alarms on normal-deviate axes, which open up the corner where good metrics differ."""
    lines, claim = _rates(result), _claim(result)
    turned = tuple(Line(line.slug, line.label, _missed(line.curve)) for line in lines if _seen(line.curve))
    if not turned:
        return None
    return Panel(
        title="DET curve with band: closer to the lower left is better",
        x=Axis("false-positive rate", RAREST, MOST, "probit", as_percent=True),
        y=Axis("miss rate", RAREST, MOST, "probit", as_percent=True),
        lines=turned,
        marks=(_triangle(claim[0], claim[1][0], 1 - claim[1][1]),) if claim else (),
    )


def _seen(curve: Curve) -> list[int]:
    """Points of a ROC curve within the axes of a DET plot; of those with rarer alarms only the best one."""
    rare = [index for index, x in enumerate(curve.x) if x <= RAREST]
    return rare[-1:] + [index for index, x in enumerate(curve.x) if RAREST < x <= MOST]


def _missed(curve: Curve) -> Curve:
    seen = _seen(curve)
    low, high = (tuple(1 - side[i] for i in seen) if side else () for side in (curve.high, curve.low))
    return Curve(
        tuple(curve.x[i] for i in seen),
        tuple(1 - curve.y[i] for i in seen),
        low,
        high,
        tuple(curve.at[i] for i in seen) if curve.at else (),
    )


def tippett(result: MetricResult) -> Panel | None:
    """Shares of derived pairs and of their look-alikes with at least a given likelihood ratio."""
    curves = result.curves.tippett
    if curves is None:
        return None
    lines = _lines(
        (Curve.of(curves.log10_lr, curves.negative), "look-alike", "look-alikes"),
        (Curve.of(curves.log10_lr, curves.derived), "derived", "derived pairs"),
    )
    if not lines:
        return None
    return Panel(
        title="Tippett plot: right of 0 the evidence supports derivation",
        x=Axis("log10 likelihood ratio, at least", *_range([x for line in lines for x in line.curve.x])),
        y=Axis("share of pairs"),
        lines=lines,
    )


def ece(result: MetricResult) -> Panel | None:
    """Empirical cross-entropy over prior odds: how much the likelihood ratios are worth, in bits."""
    curves = result.curves.ece
    if curves is None:
        return None
    lines = _lines(
        (Curve.of(curves.log10_odds, curves.neutral), "independent", "without the metric (LR = 1)"),
        (Curve.of(curves.log10_odds, curves.pav), "look-alike", "best possible calibration"),
        (Curve.of(curves.log10_odds, curves.logistic), "derived", "as calibrated"),
    )
    if not lines:
        return None
    top = max(value for line in lines for value in line.curve.y)
    return Panel(
        title="Empirical cross-entropy: lower is better; above the dashed line is misleading",
        x=Axis("prior log10 odds of descent", *_range([x for line in lines for x in line.curve.x])),
        y=Axis("empirical cross-entropy, bits", 0.0, max(top * 1.05, 0.1)),
        lines=lines,
    )


def qq(result: MetricResult) -> Panel | None:
    """Claimed p-values of independent pairs against what p-values must be."""
    curve = result.curves.qq
    if curve is None:
        return None
    lines = _lines((Curve.of(curve.expected, curve.observed), "look-alike", "independent pairs"))
    if not lines:
        return None
    end = max(*lines[0].curve.x, *lines[0].curve.y, 1.0)
    return Panel(
        title="Claimed p-values: valid on the dashed line, too small above it",
        x=Axis("\N{MINUS SIGN}log10 p, expected", 0.0, end),
        y=Axis("\N{MINUS SIGN}log10 p, observed", 0.0, end),
        lines=lines,
        diagonal=True,
    )


def _range(values: list[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    if high - low < 1e-9:
        return (low - 1.0, high + 1.0)
    return (low, high) if math.isfinite(high - low) else (-1.0, 1.0)
