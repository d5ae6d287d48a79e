"""What a metric says that it reads of a model, it reads, and nothing else: the rest is never fetched."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import fpcore
from fpcore.storage.dequantised import stored_parts

WEIGHTS = Path(__file__).parents[3] / "benchmark" / "zoo" / "weights"
PAIRS = (("gpt2-a", "gpt2-b"), ("llama-a", "llama-b"), ("llama-a-mixtral", "mix-a"), ("neox-a", "neox-b"))
BLOCKS = ("attention.norm", "feed_forward.norm")
BLOCKS += tuple(f"attention.{part}" for part in ("query", "key", "value", "output"))
BLOCKS += tuple(f"feed_forward.{part}" for part in ("gate", "up", "down"))
#: Role by role, so that a table of names is written twice.
EXPECTED = {
    "config-match": set(),
    "tokenizer-overlap": set(),
    "embedding-norms": {"embedding.weight"},
    "norm-std": {f"layers.{layer}.attention.norm.weight" for layer in range(6)},
    "qkv-bias-std": set(),
    "norm-cosine": {
        f"layers.{layer}.{part}.norm.weight" for layer in range(6) for part in ("attention", "feed_forward")
    },
    "attention-values": {
        f"layers.{layer}.{block}.weight" for layer in range(6) for block in BLOCKS if "attention" in block
    },
    "invariant-terms": {"embedding.weight"}
    | {f"layers.{layer}.{block}.weight" for layer in (4, 5) for block in BLOCKS},
}
#: Those that say what they read.
SAY = [
    metric
    for metric in fpcore.metrics()
    if metric.reads is not None or type(metric).roles_read is not fpcore.Metric.roles_read
]


class Recorded:
    """An open model that writes down which stored tensors are read, in whatever way."""

    def __init__(self, name: str) -> None:
        self.model = fpcore.open_checkpoint(WEIGHTS / name)
        self.read: list[str] = []
        for way in ("read", "read_part", "read_rows", "flat"):
            setattr(self.model, way, self.noting(getattr(self.model, way)))

    def noting(self, plain: Callable[..., Any]) -> Callable[..., Any]:
        def noted(name: str, *rest: int) -> Any:
            self.read.append(name)
            return plain(name, *rest)

        return noted


@pytest.mark.parametrize("metric", SAY, ids=str)
def test_nothing_else_is_read(metric: fpcore.Metric) -> None:
    seen = False
    for names in PAIRS:
        both = [Recorded(name) for name in names]
        with contextlib.suppress(fpcore.NotComparable):
            metric.similarity(*(metric.fingerprint(one.model) for one in both))
        for one in both:
            allowed = {one.model.roles[role].source for role in metric.roles_read(one.model)}
            assert set(one.read) <= set(stored_parts(one.model, allowed)), one.model.name
            seen |= bool(one.read)
    assert seen == (metric.reads != ())


@pytest.mark.parametrize("name", EXPECTED)
def test_what_is_said_to_be_read(name: str) -> None:
    model = fpcore.open_checkpoint(WEIGHTS / "llama-a")
    assert set(fpcore.metric(name).roles_read(model)) == EXPECTED[name]


def test_each_tensor_is_read_once_for_all_depth_profiles() -> None:
    one = Recorded("llama-a")
    for name in ("norm-std", "attention-std", "attention-std-detrended", "ffn-std", "layer-energy"):
        fpcore.metric(name).fingerprint(one.model)
    within = {view.source for role, view in one.model.roles.items() if role.startswith("layers.")}
    assert sorted(one.read) == sorted(within)


def test_a_metric_that_says_nothing_may_read_all() -> None:
    class ReadsAnything(fpcore.Metric):
        name = "any"
        title = "any"

        def fingerprint(self, model: fpcore.Checkpoint) -> fpcore.Fingerprint:
            return self.make_fingerprint(model, {})

        def similarity(self, a: fpcore.Fingerprint, b: fpcore.Fingerprint) -> float:
            return 0.0

    model = fpcore.open_checkpoint(WEIGHTS / "llama-a")
    assert ReadsAnything().roles_read(model) == tuple(model.roles)
