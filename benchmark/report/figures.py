"""The files of a run's `figures/`: plots of `benchmark.plots`, of all metrics or one, as SVG or PDF."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol

from matplotlib.figure import Figure

from analysis.processes import in_processes
from benchmark.report import dots
from benchmark.report.figure_names import DECAY, FOREST, ROC, score_figures
from benchmark.report.plots.auc_forest import aucs, forest_height
from benchmark.report.plots.error_rates import roc
from benchmark.report.plots.score_rows import draw_rows, rows_height
from benchmark.report.plots.style import INK, SOFT, as_pdf, as_svg, blank, house_style
from benchmark.report.plots.training_decay import draw_decay
from benchmark.report.sections import MetricSection
from benchmark.report.training_distance import finite
from benchmark.results.schema import MetricResult, Results

__all__ = ["pdf_figures", "run_figures"]

WIDE: Final = 7.0  # inches


class Shown(Protocol):
    """What figures show of a metric, as `MetricSection` has it."""

    @property
    def result(self) -> MetricResult:
        """Its statistics."""

    @property
    def rows(self) -> tuple[dots.Row, ...]:
        """Of its score plot."""

    @property
    def scale(self) -> dots.Scale:
        """Of its score plot."""

    @property
    def look_alike_band(self) -> tuple[float, float, float] | None:
        """Quantiles of the look-alikes' scores."""


@dataclass(frozen=True)
class Drawn:
    """A section without its table: that may hold millions of pairs, and goes to every process that draws."""

    result: MetricResult
    rows: tuple[dots.Row, ...]
    scale: dots.Scale
    look_alike_band: tuple[float, float, float] | None


def run_figures(
    sections: Sequence[MetricSection], results: Results, workers: int = 1
) -> Iterator[tuple[str, str]]:
    """Draw every figure of a run.

    Parameters
    ----------
    sections : sequence of MetricSection
    results : Results
    workers : int
        Processes; with more than one they begin at once, before anything is taken.

    Returns
    -------
    iterator of (str, str)
        File name and SVG; the same for the same run, byte for byte.
    """
    wanted = _wanted(sections, results)
    names = [f"{name}.svg" for name, _ in wanted]
    if workers == 1:
        return ((name, _svg(draw)) for name, (_, draw) in zip(names, wanted, strict=True))
    svgs = in_processes(_svg, [draw for _, draw in wanted], workers)
    return zip(names, svgs, strict=True)


def pdf_figures(sections: Sequence[MetricSection], results: Results) -> Iterator[tuple[str, bytes]]:
    """Draw the same figures as PDF; parameters as for `run_figures`.

    Returns
    -------
    iterator of (str, bytes)
        File name and PDF; the same for the same run, byte for byte.
    """
    return ((f"{name}.pdf", as_pdf(draw())) for name, draw in _wanted(sections, results))


def _wanted(sections: Sequence[MetricSection], results: Results) -> list[tuple[str, Callable[[], Figure]]]:
    """What each figure is called, and what draws it."""
    files = score_figures(results)
    curves = [Drawn(one.result, (), one.scale, one.look_alike_band) for one in sections]
    return [
        (ROC, partial(roc_figure, curves)),
        (DECAY, partial(decay_figure, curves)),
        (FOREST, partial(forest_figure, results)),
        *(
            (files[one.name], partial(score_figure, Drawn(one.result, one.rows, one.scale, None)))
            for one in sections
        ),
    ]


def _svg(draw: Callable[[], Figure]) -> str:
    return as_svg(draw())


def forest_figure(results: Results) -> Figure:
    """Look-alike AUCs of all metrics."""
    with house_style():
        figure = blank(WIDE, forest_height(len(results.metrics)))
        aucs(results, figure.add_subplot())
    return figure


def roc_figure(sections: Sequence[Shown]) -> Figure:
    """ROC curves, one panel a metric, three to a row."""
    with house_style():
        across = min(3, max(len(sections), 1))
        figure = blank(WIDE, 2.55 * max(1, math.ceil(len(sections) / across)))
        down = max(1, math.ceil(len(sections) / across))
        for index, section in enumerate(sections):
            axes = roc(section.result, figure.add_subplot(down, across, index + 1))
            if index % across:
                axes.set_ylabel("")
            if index + across < len(sections):
                axes.set_xlabel("")
    return figure


def decay_figure(sections: Sequence[Shown]) -> Figure:
    """Decay of scores with training, one panel a metric that scores trained children, four to a row."""
    shown = [section for section in sections if finite(section.result.decay)]
    with house_style():
        across = min(4, max(len(shown), 1))
        down = max(1, math.ceil(len(shown) / across))
        figure = blank(WIDE, 1.65 * down + 0.3)
        figure.supxlabel("further training, share of the founder's budget", fontsize=8, color=INK)
        if not shown:
            figure.add_subplot().text(
                0.5, 0.5, "no training distances in these results", ha="center", color=SOFT
            )
        for index, section in enumerate(shown, 1):
            axes = figure.add_subplot(down, across, index)
            draw_decay(axes, section.result, section.look_alike_band, legend="")
            axes.set_title(section.result.metric, fontsize=7)
            axes.tick_params(labelsize=6)
            axes.set(xlabel="", ylabel="")
    return figure


def score_figure(section: Shown) -> Figure:
    """Scores of one metric."""
    with house_style():
        figure = blank(WIDE, rows_height(section.rows))
        axes = figure.add_subplot()
        axes.set_title(section.result.metric)
        draw_rows(axes, section.rows, section.scale, section.result)
    return figure
