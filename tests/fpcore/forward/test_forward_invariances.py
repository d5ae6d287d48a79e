"""Metrics of what a model does × transforms: unchanged by what they say, and by nothing else."""

from __future__ import annotations

from functools import cache

import pytest
from forward_models import characters
from test_invariances import TRANSFORMS, VOCABULARY, base, built

import fpcore
from fpcore.protocol import INVARIANCES

pytestmark = pytest.mark.thorough

METRICS = {
    metric.name: metric
    for metric in fpcore.metrics()
    if metric.evidence & {"activations", "gradients", "outputs"}
}
# Norms work in float32 inside transformers, and fingerprints are float32.
TOLERANCE = dict.fromkeys(TRANSFORMS, 1e-4) | {"dtype cast": 0.02}
MOVED = 1e-3


@cache
def checkpoint(seed: int, transform: str = "") -> fpcore.MemoryCheckpoint:
    import torch

    model, _ = built(seed)
    tensors = base(seed)
    if transform:
        TRANSFORMS[transform](tensors, torch.Generator().manual_seed(7))
    label = f"forward {seed} {transform}"
    return fpcore.MemoryCheckpoint(label, label, model.config.to_dict(), tensors, characters(VOCABULARY))


@cache
def fingerprint(name: str, seed: int, transform: str) -> fpcore.Fingerprint:
    return METRICS[name].fingerprint(checkpoint(seed, transform))


@pytest.fixture(scope="module")
def fingerprints() -> dict[tuple[str, int, str], fpcore.Fingerprint]:
    """Model by model, as a run takes them: each is read once."""
    models = [(1, ""), (2, ""), *((1, transform) for transform in TRANSFORMS)]
    return {(name, *model): fingerprint(name, *model) for model in models for name in METRICS}


def test_all_known_invariances_are_tried() -> None:
    assert set(TRANSFORMS) == set(INVARIANCES)


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("name", METRICS)
def test_claimed_invariances_and_no_others(
    name: str, transform: str, fingerprints: dict[tuple[str, int, str], fpcore.Fingerprint]
) -> None:
    """A transformed model scores against itself and against a stranger as the original does, or not."""
    metric = METRICS[name]
    moved = 0.0
    for other in (1, 2):
        before, after = (
            metric.similarity(fingerprints[name, 1, how], fingerprints[name, other, ""])
            for how in ("", transform)
        )
        moved = max(moved, abs(after - before) / max(1.0, abs(before)))
    if transform in metric.invariances:
        assert moved <= TOLERANCE[transform]
    else:
        assert moved > MOVED, f"{name} does not notice {transform}: it should say so"
