"""The config alone: a negative control that must fail on look-alikes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fpcore.checkpoints.base import Checkpoint
from fpcore.features.curve_pairs import Pairs
from fpcore.fingerprint import Fingerprint
from fpcore.protocol import INVARIANCES, Cost, Metric
from fpcore.registry import register

__all__ = ["ConfigMatch"]

FIELDS = (
    "model_type",
    "depth",
    "width",
    "heads",
    "kv_heads",
    "feed_forward",
    "experts",
    "vocabulary",
    "qkv_bias",
    "norm",
)


@register
class ConfigMatch(Metric):
    """Share of equal shape fields.

    The fields are model type, depth, width, heads, key-value heads, feed-forward width, experts, vocabulary
    size, q/k/v bias and kind of norm; the score is the number that agree over ten, in [0, 1].

    Uses no weights: two models of one shape score 1 whatever they learned. It is here to show what a
    metric that only sees the architecture looks like in every table.
    """

    name = "config-match"
    reads = ()
    title = "share of equal shape fields in the configs"
    evidence = frozenset({"config"})
    invariances = frozenset(INVARIANCES)
    measured = Cost(0.34, 0.008)

    def fingerprint(self, model: Checkpoint) -> Fingerprint:  # noqa: D102
        values = [getattr(model.architecture, field) for field in FIELDS]
        return self.make_fingerprint(model, {"fields": np.array([as_number(value) for value in values])})

    def similarity(self, a: Fingerprint, b: Fingerprint) -> float:  # noqa: D102
        return float(np.mean(a.arrays["fields"] == b.arrays["fields"]))

    def pair_similarities(self, fingerprints: Sequence[Fingerprint], pairs: Pairs) -> NDArray[np.float64]:  # noqa: D102
        fields = np.array([each.arrays["fields"] for each in fingerprints]).reshape(-1, len(FIELDS))
        scores: NDArray[np.float64] = np.mean(fields[pairs[:, 0]] == fields[pairs[:, 1]], axis=1)
        return scores


def as_number(value: str | int | bool | None) -> float:
    """A field as a number: words by a stable hash (48 bits, exact in float64), None as -1."""
    if value is None:
        return -1.0
    if isinstance(value, str):
        return float(int.from_bytes(hashlib.sha256(value.encode()).digest()[:6], "big"))
    return float(value)
