"""Made-up scores, to try the functions of this package on before there are any of one's own."""

from __future__ import annotations

from itertools import combinations

import pandas as pd

from analysis.randomness import generator
from analysis.table import ScoreTable
from analysis.validation import check_count, check_instance, check_number, check_seed

__all__ = ["example_table"]

CELLS = ("dense-small", "dense-large")
METHODS = ("", "fine-tune", "continued-pretrain")
SAME_CELL = 0.5
LINEAGE_SD = 0.4


def example_table(
    metric: str = "example", *, n_lineages: int = 12, separation: float = 3.0, seed: int = 0
) -> ScoreTable:
    """Make a table of random scores with a known signal.

    Parameters
    ----------
    metric : str
        Its name; another name draws other scores.
    n_lineages : int
        Lineages of three models each, a founder and two children, in two architecture cells by turns.
    separation : float
        How much higher derived pairs score on average, in standard deviations of a single pair. Every pair
        of one cell scores 0.5 higher, and the effects of lineages have a standard deviation of 0.4.
    seed : int

    Returns
    -------
    ScoreTable
        All pairs: founder and child derived, two children siblings, the rest independent.

    Raises
    ------
    BadArgument
        An argument is not what it must be.

    Examples
    --------
    >>> from analysis import example_table
    >>> print(example_table())
    ScoreTable(example: 630 pairs of 36 models in 12 lineages; 24 derived, 594 independent, 270 look-alikes)
    """
    check_instance(metric, "metric", str)
    check_count(n_lineages, "n_lineages")
    check_number(separation, "separation")
    check_seed(seed)
    rng = generator(seed, metric, "example table")
    effect = rng.normal(0.0, LINEAGE_SD, n_lineages)
    models = [
        (f"{g:02d}-{member}", g, place) for g in range(n_lineages) for place, member in enumerate("abc")
    ]
    rows = []
    for (a, g, first), (b, h, second) in combinations(models, 2):
        relation = "independent" if g != h else "sibling" if first else "derived"
        mean = (
            separation * (relation == "derived") + SAME_CELL * (g % 2 == h % 2) + (effect[g] + effect[h]) / 2
        )
        rows.append(
            {
                "metric": metric,
                "model_a": a,
                "model_b": b,
                "score": float(mean + rng.normal()),
                "relation": relation,
                "method": METHODS[second] if relation == "derived" else "",
                "lineage_a": f"{g:02d}",
                "lineage_b": f"{h:02d}",
                "architecture_a": CELLS[g % 2],
                "architecture_b": CELLS[h % 2],
            }
        )
    return ScoreTable(pd.DataFrame(rows))
