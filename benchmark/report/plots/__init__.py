"""Plots for notebooks and papers: what the statistics found, drawn on matplotlib axes.

Every function takes a typed result (a metric's as `Run.result` gives it, or a `MetricReport` of
`analysis.analyse`), draws on `ax` or on a new figure, and returns the axes. What is undefined is said on the
plot, never drawn as 0. The files of a run's `figures/` are drawn by the same functions.
"""

from __future__ import annotations

from benchmark.report.plots.auc_forest import aucs as aucs
from benchmark.report.plots.claimed_p_values import qq as qq
from benchmark.report.plots.error_rates import det as det, roc as roc
from benchmark.report.plots.evidence_curves import ece as ece, tippett as tippett
from benchmark.report.plots.score_rows import scores as scores
from benchmark.report.plots.training_decay import decay as decay

__all__ = ["aucs", "decay", "det", "ece", "qq", "roc", "scores", "tippett"]
