"""Figures for papers: functions from what the report knows of metrics to matplotlib figures."""

from __future__ import annotations

from benchmark.report.figures.decay import decay_panels as decay_panels
from benchmark.report.figures.forest import forest as forest
from benchmark.report.figures.roc import roc_panels as roc_panels
from benchmark.report.figures.scores import score_plot as score_plot
from benchmark.report.figures.style import as_svg as as_svg

__all__ = ["as_svg", "decay_panels", "forest", "roc_panels", "score_plot"]
