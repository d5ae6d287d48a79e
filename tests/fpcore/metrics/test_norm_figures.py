"""Norm gains of Solar-Open-100B and GLM-4.5-Air, from measurements that the project does not contain."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

import fpcore
from fpcore import Fingerprint

FILE = Path(__file__).parents[4] / "shared" / "data" / "solar_glm" / "layerwise_similarity.csv"
needs_data = pytest.mark.skipif(
    not FILE.is_file(), reason="the measurements of real models are not on this machine"
)
KINDS = {"attention": "norm_pre", "feed_forward": "norm_post"}
WIDTH = 4096


@pytest.fixture(scope="module")
def published() -> dict[str, dict[str, np.ndarray]]:
    """Kind of norm → cosine and Pearson correlation by layer."""
    rows = [row for row in csv.DictReader(FILE.open()) if row["layer_A"] == row["layer_B"]]
    return {
        kind: {
            figure: np.array([float(row[figure]) for row in rows if row["category"] == category])
            for figure in ("cosine", "pearson")
        }
        for kind, category in KINDS.items()
    }


@needs_data
def test_the_published_averages(published: dict[str, dict[str, np.ndarray]]) -> None:
    cosines, correlations = (
        {kind: float(each[figure].mean()) for kind, each in published.items()}
        for figure in ("cosine", "pearson")
    )
    assert min(cosines.values()) >= 0.94
    assert np.mean(list(cosines.values())) == pytest.approx(0.968, abs=5e-4)
    assert correlations["attention"] == pytest.approx(0.01, abs=0.005)
    assert np.mean(list(correlations.values())) == pytest.approx(0.01, abs=0.005)


@needs_data
def test_independent_gains_of_that_spread_give_both_figures(
    published: dict[str, dict[str, np.ndarray]],
) -> None:
    """The gains themselves were not published; the cosine says how far they spread about their mean.

    Of gains with a mean of 1 and a deviation of s, drawn apart, the cosine is 1 / (1 + s²).
    """
    rng = np.random.default_rng(0)

    def gains() -> dict[str, np.ndarray]:
        found = {}
        for kind, figures in published.items():
            variance = 1.0 / np.clip(figures["cosine"], 0.1, 1.0) - 1.0
            # Positive whatever the spread.
            shape = 1.0 / np.maximum(variance, 1e-6)[:, None]
            found[kind] = rng.gamma(shape, 1.0 / shape, size=(len(shape), WIDTH))
        return found

    def score(name: str, a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> float:
        metric = fpcore.metric(name)
        return metric.similarity(
            *(Fingerprint(name, metric.version, "drawn", str(id(each)), each) for each in (a, b))
        )

    a, b = gains(), gains()
    expected = np.mean([figures["cosine"].mean() for figures in published.values()])
    assert score("norm-cosine", a, b) == pytest.approx(expected, abs=0.005)
    assert score("norm-cosine", a, b) >= 0.94
    assert abs(score("norm-pearson", a, b)) < 0.01
