"""Put what an experiment found into the documentation, with its figure."""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("svg")

import matplotlib.pyplot as plt
import pandas as pd

from studies.simulation.experiment import Experiment

__all__ = ["write"]


def write(experiment: Experiment, docs: Path) -> None:
    """Replace the experiment's section of `statistics.md`, and draw its figure where it has one.

    The section stands between ``<!-- study:NAME -->`` and ``<!-- /study:NAME -->``.

    Raises
    ------
    ValueError
        The page has no such section.
    """
    page = docs / "statistics.md"
    text = page.read_text(encoding="utf-8")
    opening, closing = f"<!-- study:{experiment.name} -->", f"<!-- /study:{experiment.name} -->"
    if opening not in text or closing not in text:
        raise ValueError(f"{page.name}: no section {opening} … {closing} to write into")
    before, rest = text.split(opening, 1)
    _, after = rest.split(closing, 1)
    page.write_text(f"{before}{opening}\n\n{experiment.text()}\n\n{closing}{after}", encoding="utf-8")
    if experiment.name == "coverage":
        figures = docs / "figures"
        figures.mkdir(exist_ok=True)
        draw_coverage(experiment.details, figures / "coverage.svg")


def draw_coverage(details: pd.DataFrame, path: Path) -> None:
    """Coverage of each method on each design, against the number of lineages."""
    methods = ("jackknife", "bootstrap", "percentile", "DeLong", "pair bootstrap")
    with plt.rc_context({"svg.hashsalt": "coverage", "font.size": 9}):
        figure, axes = plt.subplots(1, 2, figsize=(9, 3.9), sharey=True, layout="constrained")
        for axis, (kind, part) in zip(axes, details.groupby("statistic"), strict=True):
            places = sorted(part["lineages"].unique())
            for i, method in enumerate(methods):
                x = part["lineages"].map(places.index) + (i - 2) * 0.14
                axis.plot(x, part[method], "o", ms=3, alpha=0.6, label=method, color=f"C{i}")
            axis.axhspan(0.93, 0.97, color="0.9", zorder=0)
            axis.axhline(0.95, color="0.5", lw=0.8)
            axis.set_xticks(range(len(places)), [str(p) for p in places])
            axis.set_xlabel("lineages")
            axis.set_title(f"AUC against {kind} pairs")
        axes[0].set_ylabel("coverage of nominal 95% intervals")
        handles, labels = axes[0].get_legend_handles_labels()
        # Below the axes: dots may fall anywhere inside them.
        figure.legend(handles, labels, loc="outside lower center", ncols=len(methods), frameon=False)
        figure.savefig(path, metadata={"Date": None})
        plt.close(figure)
