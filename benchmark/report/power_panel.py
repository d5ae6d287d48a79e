"""What more lineages would give: the certifiable false-positive rate and the detectable difference of AUC."""

from __future__ import annotations

import math
from typing import Final

import analysis
from benchmark.report.axes import Axis
from benchmark.report.charts import Line, Mark, Panel
from benchmark.report.notation import goal, percent, plain
from benchmark.report.reading import Curve
from benchmark.report.story import Power

__all__ = ["certificate_panel", "difference_panel"]

SIZES: Final = tuple(round(10 ** (step / 20)) for step in range(12, 81))  # lineages, from 4 to 10,000
LARGEST: Final = 1_000  # lineages up to which differences are drawn
ALIKE: Final = (
    ("independent", 0.0, "pairs of a lineage unrelated"),
    ("derived", 0.5, "half alike (ICC .5)"),
    ("look-alike", 1.0, "all alike (ICC 1)"),
)


def certificate_panel(power: Power) -> Panel:
    """The lowest false-positive rate that lineages can certify without an error, over their number."""
    confidence = 0.95 if math.isnan(power.confidence) else power.confidence
    rates = tuple(analysis.certifiable_fpr(n, confidence) for n in SIZES)
    here = analysis.certifiable_fpr(power.n_lineages, confidence)
    label = f"Triangle: this catalog, {power.n_lineages} lineages, {percent(here)} %"
    return Panel(
        title=f"Lowest false-positive rate that can be certified, {goal(confidence)} % confidence",
        x=Axis("lineages in the catalog", SIZES[0], SIZES[-1], "log"),
        y=Axis("certifiable false-positive rate", 5e-4, 1.0, "log", as_percent=True),
        lines=(Line("derived", "certifiable", Curve(tuple(map(float, SIZES)), rates)),),
        marks=(Mark("claimed", label, power.n_lineages, here),),
    )


def difference_panel(power: Power) -> Panel:
    """The smallest difference of two metrics' AUC that a paired test will likely find, over lineages."""
    models = max(2, power.models_per_lineage)
    sizes = [n for n in SIZES if n <= LARGEST]
    lines = []
    for slug, alike, label in ALIKE:
        found = tuple(analysis.minimal_detectable_auc_difference(n, models, alike) for n in sizes)
        lines.append(Line(slug, label, Curve(tuple(map(float, sizes)), found)))
    here = analysis.minimal_detectable_auc_difference(power.n_lineages, models, 0.5)
    title = f"Smallest difference of AUC around .9 that a paired test finds with power .8, {models} models"
    return Panel(
        title=f"{title} a lineage",
        x=Axis("lineages in the catalog", sizes[0], sizes[-1], "log"),
        y=Axis("detectable difference of AUC", 0.0, max(max(line.curve.y) for line in lines) * 1.05),
        lines=tuple(lines),
        marks=(Mark("claimed", f"Triangle: this catalog, {plain(here)}", power.n_lineages, here),),
    )
