"""Cosines of norm gains: their range, and gains of any size."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from test_metrics import model

import fpcore
from fpcore import Fingerprint, MemoryCheckpoint
from fpcore.metrics.parameters import cosines_of, directions_of


@pytest.mark.parametrize("centred", [False, True])
def test_rounding_leads_no_cosine_out_of_its_range(centred: bool) -> None:
    gains = np.random.default_rng(0).normal(1.0, 0.3, (500, 7))
    units = directions_of(gains, centred)
    products = (units * units).sum(axis=1)
    assert products.max() > 1.0, "rounding alone would"
    assert cosines_of(units, units).max() <= 1.0
    assert cosines_of(units, -units).min() >= -1.0


@pytest.mark.parametrize("name", ["norm-cosine", "norm-pearson"])
def test_small_gains_are_not_zero(name: str) -> None:
    metric, gains = fpcore.metric(name), np.random.default_rng(1).normal(1.0, 0.3, (2, 4, 8))
    small = gains * np.array([1e-3, 1e-6])[:, None, None]
    expected, found = (
        metric.similarity(*(Fingerprint(name, metric.version, "x", "x", {"attention": x}) for x in pair))
        for pair in (gains, small)
    )
    assert found == pytest.approx(expected, rel=1e-12)


def test_norms_whose_width_differs_between_layers_do_not_count() -> None:
    base = model(seed=1)
    tensors = {name: base.read(name) for name in base.tensors}
    tensors["model.layers.3.input_layernorm.weight"] = torch.ones(8)
    pruned = MemoryCheckpoint("pruned", "pruned", base.config, tensors)
    assert list(fpcore.metric("norm-cosine").fingerprint(pruned).arrays) == ["feed_forward"]
