"""Forgeries: the curves become whose they should, the function does not change."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM
from zoo_models import SPLIT, assert_equal_logits, random_model, shipped

import fpcore
from benchmark.catalog import load_catalog
from benchmark.pipeline.checkpoints import open_model
from benchmark.zoo.forgery import FORGERIES
from benchmark.zoo.scales import Largest, Spread, meet_both, meet_sum
from benchmark.zoo.transformed import transform
from fpcore import BadCheckpoint, Checkpoint, MemoryCheckpoint, open_checkpoint

pytestmark = pytest.mark.thorough

PAIRS = [("qwen-a", "qwen-b"), ("llama-a", "llama-b"), ("neox-a", "neox-b"), ("narrow-c-moe", "narrow-a")]
BIASED = {"qwen-a", "neox-a", "narrow-c-moe"}


def score(metric: str, first: Checkpoint, second: Checkpoint) -> float:
    """In [-1, 1], by the metric that a forgery is aimed at, not by the forger's own sums."""
    measured = fpcore.metric(metric)
    found = measured.similarity(measured.fingerprint(first), measured.fingerprint(second))
    return 2.0 * found - 1.0 if metric == "layer-energy" else found  # its range is [0, 1]


@pytest.mark.parametrize("metric", FORGERIES)
@pytest.mark.parametrize(
    ("name", "other"),
    [PAIRS[0], PAIRS[3], *(pytest.param(*pair, marks=pytest.mark.slow) for pair in PAIRS[1:3])],
)
def test_the_score_goes_where_the_forger_wants_and_logits_stay(name, other, metric):
    model, victim = shipped(name), shipped(other)
    if metric.startswith("qkv-bias") and name not in BIASED:
        with pytest.raises(BadCheckpoint, match="no query, key or value biases"):
            _ = transform(f"frame-{metric}", model, victim).tensors
        return
    framed, cleared = (transform(f"{aim}-{metric}", model, victim) for aim in ("frame", "evade"))
    # Without a gate, only one of two curves of the feed-forward block is free.
    partly = metric == "ffn-std" and name == "neox-a"
    assert score(metric, framed, victim) > (0.99 if partly else 0.999_99)
    assert score(metric, cleared, victim) < (0.01 if partly else -0.999_99)
    assert abs(score(metric, model, victim)) < 0.99
    assert_equal_logits(model, framed)
    assert_equal_logits(model, cleared)


CATALOG = load_catalog()
SHIPPED = [
    pytest.param(*row, marks=[pytest.mark.slow] if number % 3 else [])
    for number, row in enumerate(
        CATALOG.forgeries()[["forged", "of", "target", "kind", "aimed_at"]].to_numpy().tolist()
    )
]


@pytest.mark.parametrize(("forged", "of", "target", "kind", "aimed_at"), SHIPPED)
def test_every_forgery_of_the_catalog_does_what_it_is_for(forged, of, target, kind, aimed_at):
    made, honest, whom = (open_model(CATALOG, name) for name in (forged, of, target))
    before, after = score(aimed_at, honest, whom), score(aimed_at, made, whom)
    if kind == "frame":
        assert after > max(before, 0.9)
    else:
        assert after < min(before - 0.5, 0.1)
    assert_equal_logits(honest, made)


@pytest.mark.parametrize("kind", ["mistral", "mixtral", "qwen2_moe", "gpt2"])
@pytest.mark.parametrize("metric", ["attention-std", "ffn-std", "norm-pearson", "layer-energy"])
def test_logits_stay_where_every_parameter_is_random(kind, metric):
    model, victim = random_model(kind), random_model(kind, seed=6)
    assert_equal_logits(model, transform(f"frame-{metric}", model, victim))


def test_a_deeper_victim_is_met_on_the_models_own_grid():
    model, victim = random_model("llama"), shipped("llama-b")
    forged = transform("frame-attention-std", model, victim)
    curves = [fpcore.metric("attention-std").fingerprint(one).arrays for one in (forged, victim)]
    for part in ("query", "key", "value", "output"):
        own, whole = (np.asarray(each[part]) for each in curves)
        assert own[0] / own[1] == pytest.approx(whole[0] / whole[-1], rel=1e-5)


def test_norms_over_queries_leave_nothing_free():
    model = random_model("qwen3")
    with pytest.raises(BadCheckpoint, match="norms after query and key"):
        _ = transform("frame-attention-std", model, random_model("qwen3", seed=6)).tensors


def test_one_key_value_head_is_not_enough_for_two_curves(tmp_path):
    def single(seed: int) -> Checkpoint:
        torch.manual_seed(seed)
        config = AutoConfig.for_model("llama", **{**SPLIT, "num_key_value_heads": 1})
        AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path / str(seed))
        return open_checkpoint(tmp_path / str(seed))

    with pytest.raises(BadCheckpoint, match="both curves cannot be matched") as caught:
        _ = transform("frame-attention-std", single(1), single(2)).tensors
    assert "\n" not in str(caught.value)


def test_a_forgery_of_gains_needs_equal_widths_and_gains_that_are_not_zero():
    with pytest.raises(BadCheckpoint, match="do not fit"):
        _ = transform("frame-norm-pearson", random_model("llama"), shipped("llama-b")).tensors
    parent = shipped("llama-a")
    tensors = {name: parent.read(name) for name in parent.tensors}
    name = "model.layers.0.input_layernorm.weight"
    tensors[name] = torch.cat([torch.zeros(1, dtype=tensors[name].dtype), tensors[name][1:]])
    zeroed = MemoryCheckpoint("zeroed", "0", parent.config, tensors)
    with pytest.raises(BadCheckpoint, match="zero"):
        _ = transform("frame-norm-pearson", zeroed, shipped("llama-b")).tensors


@pytest.mark.parametrize("size", [Spread, Largest])
def test_scales_meet_two_sizes_whose_product_is_larger(size):
    rng = np.random.default_rng(0)
    first, second = rng.normal(0.3, 1.0, (5, 40)), rng.normal(-0.2, 2.0, (5, 30))
    a, b = size.of(first), size.of(second)
    ones = np.ones(5)
    for more in (1.0, 1.3, 20.0):
        wanted = (0.7, more * a(ones) * b(ones) / 0.7)
        scales = meet_both(a, b, wanted)
        plain = np.std if size is Spread else np.max
        assert plain(first * scales[:, None]) == pytest.approx(wanted[0])
        assert plain(second / scales[:, None]) == pytest.approx(wanted[1])


def test_what_scales_cannot_reach_is_refused():
    rng = np.random.default_rng(1)
    a, b = (Spread.of(rng.normal(size=(3, 10))) for _ in range(2))
    with pytest.raises(BadCheckpoint, match="too far"):
        meet_both(a, b, (1.0, 1e30))
    with pytest.raises(BadCheckpoint, match="not positive"):
        meet_both(a, b, (1.0, -1.0))


def test_a_sum_is_met_from_its_least_upwards():
    for wanted in (2.0 * 6.0**0.5, 8.0, 100.0):
        scale = meet_sum(2.0, 3.0, wanted)
        assert 2.0 * scale + 3.0 / scale == pytest.approx(wanted)
