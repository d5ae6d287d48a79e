"""Which square drawings a metric has: each is made from curves of the results, and left out without them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from markupsafe import Markup

from benchmark.report.axes import Axis
from benchmark.report.charts import Line, Mark, Panel, panel
from benchmark.report.notation import plain, unit
from benchmark.report.reading import Curve
from benchmark.report.view import MetricView

__all__ = ["Drawing", "det", "drawings", "ece", "qq", "roc", "tippett"]

RAREST = 0.001  # both axes of a DET plot begin here; rarer errors, and none, are drawn at this end
MOST = 0.8  # and end here


@dataclass(frozen=True)
class Drawing:
    """A drawing with its caption and the meaning of its lines."""

    svg: Markup
    caption: str
    keys: tuple[tuple[str, str], ...]


def drawings(view: MetricView, *names: str) -> list[Drawing]:
    """The named drawings of a metric, as far as its results allow them."""
    makers: dict[str, Callable[[MetricView], Panel | None]] = {
        "roc": roc,
        "det": det,
        "tippett": tippett,
        "ece": ece,
        "qq": qq,
    }
    drawn = []
    for name in names:
        made = makers[name](view)
        if made is not None:
            keys = tuple((line.slug, line.label) for line in made.lines) if len(made.lines) > 1 else ()
            drawn.append(Drawing(panel(made, f"{view.anchor}-{name}"), _caption(made), keys))
    return drawn


def _caption(drawing: Panel) -> str:
    marks = "; ".join(mark.label for mark in drawing.marks)
    return drawing.title + (f". {marks}" if marks else "") + "."


def _lines(view: MetricView, *named: tuple[str, str, str]) -> tuple[Line, ...]:
    """Lines (curve, style, label) of those curves that the results hold."""
    return tuple(Line(slug, label, view.curves[name]) for name, slug, label in named if name in view.curves)


def _rates(view: MetricView) -> tuple[Line, ...]:
    return _lines(
        view,
        ("roc", "independent", f"all independents, AUC {unit(view.auc.estimate)}"),
        ("look_alike_roc", "look-alike", f"look-alikes, AUC {unit(view.look_alike_auc.estimate)}"),
    )


def _claimed(view: MetricView) -> tuple[float, float] | None:
    """Where the claimed threshold stands: its FPR among look-alikes (else among all) and its TPR."""
    if view.claim is None or not view.claim.tpr.defined:
        return None
    fpr = view.claim.look_alike_fpr if view.claim.look_alike_fpr.defined else view.claim.fpr
    return (fpr.estimate, view.claim.tpr.estimate) if fpr.defined else None


def roc(view: MetricView) -> Panel | None:
    """The ROC curve against look-alikes and against all independents, with its band."""
    lines, claimed = _rates(view), _claimed(view)
    if not lines:
        return None
    label = f"Triangle: the claimed threshold, {plain(view.cut_value)}"
    return Panel(
        title="ROC with band",
        x=Axis("false-positive rate"),
        y=Axis("true-positive rate"),
        lines=lines,
        marks=(Mark("claimed", label, *claimed),) if claimed else (),
        diagonal=True,
    )


def det(view: MetricView) -> Panel | None:
    """Misses over false alarms on normal-deviate axes, which open up the corner where good metrics differ."""
    lines, claimed = _rates(view), _claimed(view)
    if not lines:
        return None
    label = f"Triangle: the claimed threshold, {plain(view.cut_value)}"
    turned = tuple(Line(line.slug, line.label, _missed(line.curve)) for line in lines if _seen(line.curve))
    if not turned:
        return None
    return Panel(
        title="DET with band: nearer to the lower left corner is better",
        x=Axis("false-positive rate", RAREST, MOST, "probit", as_percent=True),
        y=Axis("miss rate", RAREST, MOST, "probit", as_percent=True),
        lines=turned,
        marks=(Mark("claimed", label, claimed[0], 1 - claimed[1]),) if claimed else (),
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


def tippett(view: MetricView) -> Panel | None:
    """Shares of derived and of independent pairs with at least a given likelihood ratio."""
    lines = _lines(
        view,
        ("tippett_independent", "independent", "independent pairs"),
        ("tippett_derived", "derived", "derived pairs"),
    )
    if not lines:
        return None
    return Panel(
        title="Tippett plot: right of 0 the evidence speaks for descent",
        x=Axis("log10 likelihood ratio, at least", *_range([x for line in lines for x in line.curve.x])),
        y=Axis("share of pairs"),
        lines=lines,
    )


def ece(view: MetricView) -> Panel | None:
    """Empirical cross-entropy over prior odds: how much the likelihood ratios are worth, in bits."""
    lines = _lines(
        view,
        ("ece_neutral", "independent", "without the metric (LR = 1)"),
        ("ece_pav", "look-alike", "best possible calibration"),
        ("ece_logistic", "derived", "as calibrated"),
    )
    if not lines:
        return None
    top = max(value for line in lines for value in line.curve.y)
    return Panel(
        title="Cross-entropy: lower is better, above the dashed line is misleading",
        x=Axis("prior log10 odds of descent", *_range([x for line in lines for x in line.curve.x])),
        y=Axis("empirical cross-entropy, bits", 0.0, max(top * 1.05, 0.1)),
        lines=lines,
    )


def qq(view: MetricView) -> Panel | None:
    """Claimed p-values of independent pairs against what p-values must be."""
    lines = _lines(view, ("qq", "look-alike", "independent pairs"))
    if not lines:
        return None
    end = max(*lines[0].curve.x, *lines[0].curve.y, 1.0)
    return Panel(
        title="Claimed p-values: on the dashed line they are p-values, above it too small",
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
