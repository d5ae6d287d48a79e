"""What the files in a run's `figures/` are called: nothing that a file says becomes a path."""

from __future__ import annotations

from typing import Final

from benchmark.report.sections import anchors
from benchmark.results.schema import Results

__all__ = ["DECAY", "FOREST", "ROC", "figure_names", "score_figures"]

ROC, DECAY, FOREST = "roc.svg", "decay.svg", "look-alike-auc.svg"
PREFIX: Final = "scores"


def score_figures(results: Results) -> dict[str, str]:
    """The file of each metric's scores, by metric: of its name, letters and digits."""
    return {metric: f"{name}.svg" for metric, name in anchors(results.names, PREFIX).items()}


def figure_names(results: Results) -> tuple[str, ...]:
    """All files of a run's figures."""
    return (ROC, DECAY, FOREST, *score_figures(results).values())
