"""The look-alike AUC by another road: a Bayesian mixed model of the pairs, beside the interval shown.

``python -m studies.bayesian scores.csv […]`` needs numpyro (``pip install -e '.[bayesian]'``); nothing in the
product does. The normal scores y of the ranks of derived pairs and of independent pairs are modelled as

    independent:  y = cells(i, j) + a_g + a_h + b_i + b_j + c_gh + e
    derived:      y = cells(i, j) + δ + d_g + b_i + b_j + f

with normal effects of lineages (a, d), models (b), lineage pairs (c) and pairs (e, f) of unknown deviations.
For fresh lineages a child then beats a look-alike with probability Φ(δ/√(all variances)). This assumes normal
effects, which the intervals do not; and that no lineage fails altogether, which they allow for.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import ndtr, ndtri
from scipy.stats import rankdata

import analysis
from analysis.table import ScoreTable
from studies.simulation.experiment import markdown

if TYPE_CHECKING:
    from numpyro.infer import MCMC

__all__ = ["Posterior", "main", "posterior"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Posterior:
    """What the model says of one metric.

    Attributes
    ----------
    estimate, low, high : float
        Median and 95% credible interval of the AUC over fresh lineages.
    r_hat : float
        Largest potential scale reduction of the parameters that the AUC is made of; 1 is settled.
    divergences : int
        Steps of the sampler that went astray.
    n_pairs : int
        Pairs in the model.
    """

    estimate: float
    low: float
    high: float
    r_hat: float
    divergences: int
    n_pairs: int


def posterior(
    table: ScoreTable, negatives: str = "look-alike", *, draws: int = 500, chains: int = 2, seed: int = 0
) -> Posterior:
    """Fit the model to the derived and the independent pairs of a table.

    Parameters
    ----------
    table : ScoreTable
    negatives : {"look-alike", "independent"}
        Independent pairs that take part: all, or those of the cells of derived pairs.
    draws, chains, seed : int
        Of the sampler.

    Examples
    --------
    >>> from analysis import example_table
    >>> found = posterior(example_table())  # doctest: +SKIP
    """
    rows = np.flatnonzero((table.derived | table.negatives(negatives)) & table.comparable)
    place = rankdata(table.score[rows]) / (len(rows) + 1)
    fit = _sampled(table, rows, ndtri(place), draws, chains, seed)
    found = fit.get_samples()
    sd = {name: np.asarray(found[name], dtype=np.float64) for name in ("a", "b", "c", "d", "e", "f")}
    # A derived pair and an independent one of other lineages: nothing is shared.
    variance = 2 * sd["a"] ** 2 + 4 * sd["b"] ** 2 + sd["c"] ** 2 + sd["d"] ** 2 + sd["e"] ** 2 + sd["f"] ** 2
    share = ndtr(np.asarray(found["delta"], dtype=np.float64) / np.sqrt(variance))
    low, middle, high = (float(value) for value in np.quantile(share, [0.025, 0.5, 0.975]))
    return Posterior(
        middle, low, high, _r_hat(fit), int(fit.get_extra_fields()["diverging"].sum()), len(rows)
    )


def _sampled(
    table: ScoreTable, rows: npt.NDArray[np.int64], y: Floats, draws: int, chains: int, seed: int
) -> MCMC:
    import jax
    import numpyro
    import numpyro.distributions as dist
    from numpyro.infer import MCMC, NUTS

    derived = table.derived[rows]
    g, h = table.lineage_a[rows], table.lineage_b[rows]
    i, j = table.model_a[rows], table.model_b[rows]
    _, cell = np.unique(table.cell_pair[rows], return_inverse=True)
    codes = np.minimum(g, h) * len(table.lineages) + np.maximum(g, h)
    _, both = np.unique(codes, return_inverse=True)
    sizes = (len(table.lineages), len(table.models), int(both.max()) + 1, int(cell.max()) + 1)

    def model() -> None:
        sd = {name: numpyro.sample(name, dist.HalfNormal(1.0)) for name in "abcdef"}
        delta = numpyro.sample("delta", dist.Normal(0.0, 3.0))
        a = sd["a"] * numpyro.sample("a_", dist.Normal().expand([sizes[0]]))
        d = sd["d"] * numpyro.sample("d_", dist.Normal().expand([sizes[0]]))
        b = sd["b"] * numpyro.sample("b_", dist.Normal().expand([sizes[1]]))
        c = sd["c"] * numpyro.sample("c_", dist.Normal().expand([sizes[2]]))
        level = numpyro.sample("level", dist.Normal(0.0, 2.0).expand([sizes[3]]))
        mean = level[cell] + b[i] + b[j]
        mean += jax.numpy.where(derived, delta + d[g], a[g] + a[h] + c[both])
        numpyro.sample("y", dist.Normal(mean, jax.numpy.where(derived, sd["f"], sd["e"])), obs=y)

    fit = MCMC(
        NUTS(model),
        num_warmup=draws,
        num_samples=draws,
        num_chains=chains,
        progress_bar=False,
        chain_method="sequential",
    )
    fit.run(jax.random.PRNGKey(seed), extra_fields=("diverging",))
    return fit


def _r_hat(fit: MCMC) -> float:
    from numpyro.diagnostics import split_gelman_rubin

    found = fit.get_samples(group_by_chain=True)
    return float(max(split_gelman_rubin(np.asarray(found[name])) for name in (*"abcdef", "delta")))


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare, metric by metric, the model's interval with the one shown."""
    parser = argparse.ArgumentParser(prog="python -m studies.bayesian", description=__doc__)
    parser.add_argument("tables", nargs="+", type=Path, help="score tables (CSV or parquet)")
    parser.add_argument("--metrics", nargs="+", help="only these metrics")
    parser.add_argument("--draws", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    rows = []
    for path in options.tables:
        frame = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
        names = frame["metric"] if "metric" in frame else pd.Series(path.stem, index=frame.index)
        for name, part in frame.groupby(names):
            if options.metrics and name not in options.metrics:
                continue
            table = ScoreTable(part)
            known = analysis.look_alike_auc(table)
            negatives = "look-alike" if known.defined else "independent"
            shown = known if known.defined else analysis.auc(table)
            found = posterior(table, negatives, draws=options.draws, seed=options.seed)
            rows.append(
                {
                    "metric": name,
                    "against": negatives,
                    "pairs": found.n_pairs,
                    "lineages": shown.n_lineages,
                    "AUC": shown.estimate,
                    "interval shown": _ends(shown.low, shown.high),
                    "AUC of the model": found.estimate,
                    "its interval": _ends(found.low, found.high),
                    "R-hat": found.r_hat,
                    "divergences": found.divergences,
                }
            )
            print(rows[-1], file=sys.stderr, flush=True)
    print(markdown(pd.DataFrame(rows)))
    return 0


def _ends(low: float, high: float) -> str:
    return f"[{low:.3f}, {high:.3f}]"


if __name__ == "__main__":
    sys.exit(main())
