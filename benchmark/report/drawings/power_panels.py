"""What more lineages would give: the certifiable false-positive rate and the detectable difference of AUC."""

from __future__ import annotations

from typing import Final

import analysis
from benchmark.report.drawings.axes import Axis, tick_label
from benchmark.report.drawings.charts import Curve, Line, Mark, Panel
from benchmark.report.notation import goal, percent, plain

__all__ = ["certificate_panel", "difference_panel"]

SIZES: Final = tuple(round(10 ** (step / 20)) for step in range(12, 81))  # lineages, from 4 to 10,000
LARGEST: Final = 1_000  # lineages up to which differences are drawn
AROUND: Final = 0.9  # AUC of the two metrics that are compared
POWER: Final = 0.8  # with which their difference is to be found
ALIKE: Final = (
    ("independent", 0.0, "pairs of a lineage uncorrelated (ICC 0)"),
    ("derived", 0.5, "half correlated (ICC 0.5)"),
    ("look-alike", 1.0, "fully correlated (ICC 1)"),
)


def certificate_panel(catalog: analysis.CatalogSummary) -> Panel:
    """The lowest false-positive rate among look-alikes that lineages can certify, over their number."""
    rates = tuple(analysis.certifiable_fpr(n, catalog.confidence, catalog.n_metrics) for n in SIZES)
    here = round(2 * catalog.n_look_alike_negatives)
    at = catalog.certifiable_fpr
    label = f"Triangle: this catalog, {here} lineages that share their shapes, {percent(at)}"
    jointly = f", {catalog.n_metrics} metrics together" if catalog.n_metrics > 1 else ""
    return Panel(
        title="Lowest false-positive rate among look-alikes that can be certified,"
        f" {goal(catalog.confidence)} confidence{jointly}",
        x=Axis("lineages that share their shapes", SIZES[0], SIZES[-1], "log"),
        y=Axis("certifiable false-positive rate", 5e-4, 1.0, "log", as_percent=True),
        lines=(Line("derived", "certifiable", Curve(tuple(map(float, SIZES)), rates)),),
        marks=(Mark("claimed", label, here, at),),
    )


def difference_panel(catalog: analysis.CatalogSummary) -> Panel:
    """The smallest difference of two metrics' AUC that a paired test will likely find, over lineages."""
    models = max(2, round(catalog.n_models / max(catalog.n_lineages, 1)))

    def detectable(n_lineages: int, alike: float) -> float:
        return analysis.minimal_detectable_auc_difference(n_lineages, models, alike, auc=AROUND, power=POWER)

    sizes = [n for n in SIZES if n <= LARGEST]
    lines = tuple(
        Line(slug, label, Curve(tuple(map(float, sizes)), tuple(detectable(n, alike) for n in sizes)))
        for slug, alike, label in ALIKE
    )
    here = detectable(catalog.n_lineages, 0.5)
    return Panel(
        title=f"Smallest AUC difference around {tick_label(AROUND)} detected by a paired test with power"
        f" {tick_label(POWER)}, {models} models per lineage",
        x=Axis("lineages in the catalog", sizes[0], sizes[-1], "log"),
        y=Axis("detectable AUC difference", 0.0, max(max(line.curve.y) for line in lines) * 1.05),
        lines=lines,
        marks=(Mark("claimed", f"Triangle: this catalog, {plain(here)}", catalog.n_lineages, here),),
    )
