"""What a metric says that it reads of a model, it reads, and nothing else: the rest is never fetched."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
import torch

import fpcore
from fpcore.storage.dequantised import stored_parts

WEIGHTS = Path(__file__).parents[3] / "benchmark" / "zoo" / "weights"
PAIRS = (("gpt2-a", "gpt2-b"), ("llama-a", "llama-b"), ("llama-a-mixtral", "mix-a"), ("neox-a", "neox-b"))
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
}


class Recorded:
    """An open model that writes down which stored tensors are read."""

    def __init__(self, name: str) -> None:
        self.model = fpcore.open_checkpoint(WEIGHTS / name)
        self.read: set[str] = set()
        plain = self.model.read

        def read(name: str) -> torch.Tensor:
            self.read.add(name)
            return plain(name)

        self.model.read = read  # type: ignore[method-assign]


@pytest.mark.parametrize("metric", [one for one in fpcore.metrics() if one.reads is not None], ids=str)
def test_nothing_else_is_read(metric: fpcore.Metric) -> None:
    for names in PAIRS:
        both = [Recorded(name) for name in names]
        with contextlib.suppress(fpcore.NotComparable):
            metric.similarity(*(metric.fingerprint(one.model) for one in both))
        for one in both:
            allowed = {one.model.roles[role].source for role in metric.roles_read(one.model)}
            assert one.read <= set(stored_parts(one.model, allowed)), one.model.name


@pytest.mark.parametrize("name", EXPECTED)
def test_what_is_said_to_be_read(name: str) -> None:
    model = fpcore.open_checkpoint(WEIGHTS / "llama-a")
    assert set(fpcore.metric(name).roles_read(model)) == EXPECTED[name]


def test_each_tensor_is_read_once_for_all_depth_profiles() -> None:
    model = fpcore.open_checkpoint(WEIGHTS / "llama-a")
    reads: list[str] = []
    plain = model.read

    def read(name: str) -> torch.Tensor:
        reads.append(name)
        return plain(name)

    model.read = read  # type: ignore[method-assign]
    for name in ("norm-std", "attention-std", "attention-std-detrended", "ffn-std", "layer-energy"):
        fpcore.metric(name).fingerprint(model)
    assert len(reads) == len(set(reads))
    outside = {view.source for role, view in model.roles.items() if not role.startswith("layers.")}
    assert not outside & set(reads)


def test_a_metric_that_says_nothing_may_read_all() -> None:
    class Any(fpcore.Metric):
        name = "any"
        title = "any"

        def fingerprint(self, model: fpcore.Checkpoint) -> fpcore.Fingerprint:
            return self.make_fingerprint(model, {})

        def similarity(self, a: fpcore.Fingerprint, b: fpcore.Fingerprint) -> float:
            return 0.0

    model = fpcore.open_checkpoint(WEIGHTS / "llama-a")
    assert Any().roles_read(model) == tuple(model.roles)
