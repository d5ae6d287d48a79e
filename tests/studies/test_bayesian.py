"""The mixed model finds what was put in; only where numpyro is installed."""

from __future__ import annotations

import pytest

from studies.simulation.designs import Design

pytest.importorskip("numpyro")

from studies.bayesian import posterior


@pytest.mark.slow
def test_the_true_auc_is_in_the_posterior() -> None:
    population = Design("", (4,) * 20, n_cells=2).at_auc(0.9)
    found = posterior(next(population.draws(1, 3)), "independent", draws=150)
    assert found.low < 0.9 < found.high
    assert found.high - found.low < 0.2
    assert found.r_hat < 1.1
