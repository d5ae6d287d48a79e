"""Every metric against a slow reference written from its paper, on models of several architectures."""

from __future__ import annotations

import pytest
from plain_models import CONFIGS, Opened, opened
from slow_forward_metrics import FORWARD_METRICS
from slow_matching_metrics import MATCHING_METRICS
from slow_weight_metrics import WEIGHT_METRICS, Reference

import fpcore

pytestmark = pytest.mark.thorough

REFERENCES = WEIGHT_METRICS | MATCHING_METRICS | FORWARD_METRICS
RUN = [("llama", "kin"), ("llama", "deeper"), ("qwen2_moe", "kin"), ("gpt2", "kin")]

# The references are of float64 throughout. These metrics sum in float32, or keep float32 in fingerprints.
SINGLE = {"weight-cosine", "weight-distance", "invariant-terms"}


def agrees(name: str, reference: Reference, a: Opened, b: Opened, error: float) -> None:
    """The metric gives what the reference does, and abstains where that is not defined."""
    metric = fpcore.metric(name)
    expected = reference(a.plain, b.plain)

    def found() -> float:
        return metric.similarity(metric.fingerprint(a.checkpoint), metric.fingerprint(b.checkpoint))

    if expected is None:
        with pytest.raises(fpcore.NotComparable):
            found()
    else:
        assert found() == pytest.approx(expected, rel=error, abs=error)


@pytest.mark.parametrize("variant", ["kin", "deeper"])
@pytest.mark.parametrize("kind", CONFIGS)
@pytest.mark.parametrize("name", WEIGHT_METRICS | MATCHING_METRICS)
def test_metrics_of_weights(name: str, kind: str, variant: str) -> None:
    error = 1e-6 if name in SINGLE else 1e-9
    agrees(name, REFERENCES[name], opened(kind), opened(kind, variant), error)


@pytest.mark.parametrize(("kind", "variant"), RUN)
@pytest.mark.parametrize("name", FORWARD_METRICS)
def test_metrics_of_what_models_compute(name: str, kind: str, variant: str) -> None:
    """What is tested runs models in float32, batch by batch."""
    # Two inputs that rounding puts in the other order move this score by 3e-4.
    error = 2e-3 if name == "seed-bias" else 1e-5
    agrees(name, REFERENCES[name], opened(kind), opened(kind, variant), error)


@pytest.mark.parametrize("kinds", [("llama", "qwen2_moe"), ("qwen2", "gpt_neox")], ids=" and ".join)
@pytest.mark.parametrize("name", WEIGHT_METRICS | MATCHING_METRICS)
def test_models_of_two_architectures(name: str, kinds: tuple[str, str]) -> None:
    error = 1e-6 if name in SINGLE else 1e-9
    agrees(name, REFERENCES[name], opened(kinds[0]), opened(kinds[1]), error)


def test_every_metric_has_a_reference() -> None:
    assert REFERENCES.keys() == {metric.name for metric in fpcore.metrics()}
