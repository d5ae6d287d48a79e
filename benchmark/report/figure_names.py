"""What the files in a run's `figures/` are called: nothing that a file says becomes a path."""

from __future__ import annotations

from typing import Final

from benchmark.report.sections import anchors
from benchmark.results.schema import Results

__all__ = ["DECAY", "FOREST", "ROC", "figure_names", "score_figures"]

ROC, DECAY, FOREST = "roc", "decay", "look-alike-auc"
PREFIX: Final = "scores"


def score_figures(results: Results) -> dict[str, str]:
    """What the figure of each metric's scores is called, by metric: of its name, letters and digits."""
    return anchors(results.names, PREFIX)


def figure_names(results: Results) -> tuple[str, ...]:
    """All files of a run's figures, as SVG."""
    return tuple(f"{name}.svg" for name in (ROC, DECAY, FOREST, *score_figures(results).values()))
