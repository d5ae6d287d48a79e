"""Exact children: what keeps the function keeps the logits, what rounds stays within its rounding."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from zoo_models import RANDOM, assert_equal_logits, distance, random_model, shipped

from benchmark.zoo.forgery import FORGERIES
from benchmark.zoo.transform_kinds import TRANSFORMS
from benchmark.zoo.transformed import transform
from benchmark.zoo.transforms import ARITHMETIC
from fpcore import BadCheckpoint, Checkpoint, MemoryCheckpoint

pytestmark = pytest.mark.thorough

SHIPPED = ["qwen-a", "llama-a", "neox-a", "narrow-c-moe"]
PRESERVING = [name for name, kind in TRANSFORMS.items() if kind.keeps_function and kind.n_parents == 1]

# What cannot be exact, and the words that say why.
REFUSED = {
    ("unit-gauge", "gpt_neox"): "no gate",
    ("unit-gauge", "gpt2"): "no gate",
    ("residual-rotation", "gpt_neox"): "subtracts the mean",
    ("residual-rotation", "gpt2"): "subtracts the mean",
}


def test_every_kind_has_its_arithmetic() -> None:
    assert ARITHMETIC.keys() == TRANSFORMS.keys()
    assert set(FORGERIES) == {kind.forges for kind in TRANSFORMS.values() if kind.forges}


def differs(parent: Checkpoint, child: Checkpoint) -> bool:
    return any(not torch.equal(parent.read(name), child.read(name)) for name in parent.tensors)


def assert_kept(kind: str, parent: Checkpoint) -> None:
    child = transform(kind, parent)
    reason = REFUSED.get((kind, parent.architecture.model_type))
    if reason is not None:
        with pytest.raises(BadCheckpoint, match=reason) as caught:
            _ = child.tensors
        assert "\n" not in str(caught.value)
        return
    assert kind == "re-upload" or differs(parent, child)
    assert child.architecture == type(child.architecture).from_config(child.config, child.tensors)
    assert_equal_logits(parent, child)


@pytest.mark.parametrize("kind", PRESERVING)
@pytest.mark.parametrize("name", SHIPPED)
def test_logits_stay_equal_on_trained_models(name, kind):
    assert_kept(kind, shipped(name))


@pytest.mark.parametrize("kind", PRESERVING)
@pytest.mark.parametrize("architecture", RANDOM)
def test_logits_stay_equal_where_every_parameter_is_random(architecture, kind):
    assert_kept(kind, random_model(architecture))


@pytest.mark.parametrize(
    ("kind", "options"), [("int8", {}), ("fp16", {}), ("noise", {"share": 1e-5}), ("reinitialise-layer", {})]
)
def test_the_equality_test_can_fail(kind, options):
    parent = transform("everything", shipped("qwen-a"))
    with pytest.raises(AssertionError):
        assert_equal_logits(parent, transform(kind, parent, **options))


@pytest.mark.parametrize(
    "kind", ["re-upload", "unit-permutation", "head-permutation", "embedding-permutation"]
)
@pytest.mark.parametrize("name", SHIPPED)
def test_what_stores_the_same_numbers_is_equal_to_the_rounding_of_float64(name, kind):
    assert distance(shipped(name), transform(kind, shipped(name))) < 1e-6


@pytest.mark.parametrize("name", SHIPPED)
def test_folding_leaves_gains_of_one(name):
    child = transform("norm-folding", shipped(name))
    gains = [tensor for tensor in child.tensors if "layers." in tensor and "norm.weight" in tensor]
    assert len(gains) == 12
    for gain in gains:
        assert torch.equal(child.read(gain).float(), torch.ones(child.tensors[gain].shape))


def test_folding_leaves_the_final_norm_before_a_tied_embedding():
    for name, tensor, folded in [
        ("qwen-a", "model.norm.weight", False),
        ("llama-a", "model.norm.weight", True),
        ("neox-a", "gpt_neox.final_layer_norm.weight", True),
    ]:
        gain = transform("norm-folding", shipped(name)).read(tensor).float()
        assert torch.equal(gain, torch.ones_like(gain)) is folded


def linear(model: Checkpoint) -> Iterator[str]:
    for name, info in model.tensors.items():
        if "layers." in name and len(info.shape) == 2:
            yield name


# Largest error in units of the scale: half a step, and half of bfloat16's own step on the largest number.
@pytest.mark.parametrize(("kind", "largest", "rows"), [("int8", 127, 40), ("int4", 7, 40)])
def test_integer_round_trips_stay_within_half_a_step(kind, largest, rows):
    parent = shipped("llama-a")
    child = transform(kind, parent, **({"group": 1000} if kind == "int4" else {}))
    for name in linear(parent):
        before, after = parent.read(name).float(), child.read(name).float()
        scale = before.abs().amax(dim=1, keepdim=True) / largest
        assert bool(((before - after).abs() <= 0.5 * scale + after.abs() / 256 + 1e-9).all()), name
        assert len(set((after / scale).round().unique().tolist())) <= 2 * largest + 1


def test_int4_groups_have_their_own_scale():
    parent = shipped("llama-a")
    fine, coarse = transform("int4", parent, group=8), transform("int4", parent, group=40)

    def error(child: Checkpoint) -> float:
        return sum(
            float((parent.read(n).float() - child.read(n).float()).square().sum()) for n in linear(parent)
        )

    assert error(fine) < 0.8 * error(coarse)


def test_float8_keeps_three_bits_and_the_largest_number():
    parent = shipped("neox-a")
    child = transform("fp8", parent)
    for name in linear(parent):
        before, after = parent.read(name).float(), child.read(name).float()
        amax = before.abs().max()
        bound = before.abs() / 16 + amax / 448 * 2**-10 + after.abs() / 256
        assert bool(((before - after).abs() <= bound).all()), name
        assert torch.isclose(after.abs().max(), amax, rtol=0.01)
    for name in parent.tensors.keys() - set(linear(parent)):
        assert torch.equal(parent.read(name), child.read(name))


def test_half_precision_changes_only_tiny_numbers():
    parent = shipped("qwen-a")
    child = transform("fp16", parent)
    for name in parent.tensors:
        before, after = parent.read(name).float(), child.read(name)
        assert after.dtype == torch.float16
        assert torch.equal(before[before.abs() > 6.2e-5], after.float()[before.abs() > 6.2e-5])


def test_noise_is_of_the_size_asked_for():
    parent = shipped("qwen-a")
    child = transform("noise", parent, share=0.1, seed=4)
    for name in linear(parent):
        before, after = parent.read(name).float(), child.read(name).float()
        assert float((after - before).std() / before.std()) == pytest.approx(0.1, rel=0.1), name
    assert torch.equal(
        parent.read("model.embed_tokens.weight").float(), child.read("model.embed_tokens.weight").float()
    )
    assert torch.equal(child.read(name), transform("noise", parent, share=0.1, seed=4).read(name))


@pytest.mark.parametrize("name", SHIPPED)
def test_one_layer_is_drawn_anew(name):
    parent = shipped(name)
    child = transform("reinitialise-layer", parent, layer=-2, seed=1)
    for tensor in parent.tensors:
        before, after = parent.read(tensor).float(), child.read(tensor).float()
        assert torch.equal(before, after) is (".layers.4." not in tensor), tensor
        if ".layers.4." in tensor and before.ndim > 1 and before.numel() > 500:
            assert float(after.std()) == pytest.approx(0.08, rel=0.1)
            assert abs(float(np.corrcoef(before.flatten(), after.flatten())[0, 1])) < 0.15


def test_a_layer_that_is_not_there_is_refused():
    with pytest.raises(BadCheckpoint, match="no layer 6"):
        _ = transform("reinitialise-layer", shipped("qwen-a"), layer=6).tensors


def test_laundering_leaves_no_matrix_where_it_was():
    for name in SHIPPED:
        parent = shipped(name)
        child = transform("everything", parent)
        for tensor in parent.tensors:
            before, after = parent.read(tensor).float(), child.read(tensor).float()
            if before.numel() > 500:
                assert abs(float(np.corrcoef(before.flatten(), after.flatten())[0, 1])) < 0.25, tensor


def test_a_centred_rotation_leaves_the_mean_of_the_stream():
    parent = shipped("neox-a")
    child = transform("centred-rotation", parent)
    before, after = (one.read("gpt_neox.embed_in.weight").double() for one in (parent, child))
    torch.testing.assert_close(before.mean(dim=1), after.mean(dim=1), atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(before.norm(dim=1), after.norm(dim=1), atol=1e-6, rtol=1e-5)


def test_a_spread_below_one_is_refused():
    with pytest.raises(BadCheckpoint, match="spread"):
        _ = transform("vo-gauge", shipped("qwen-a"), spread=0.5).tensors


def test_merges():
    first, second = shipped("qwen-a-ft-short"), shipped("qwen-a-cpt-long")
    for kind in ("merge-linear", "merge-slerp"):
        for weight, parent in ((0.0, first), (1.0, second)):
            merged = transform(kind, first, second, weight=weight)
            for name in parent.tensors:
                np.testing.assert_allclose(
                    merged.read(name).float(), parent.read(name).float(), rtol=0.01, atol=1e-6
                )
    mean, circle = transform("merge-linear", first, second), transform("merge-slerp", first, second)
    for name in linear(first):
        a, b = first.read(name).float(), second.read(name).float()
        torch.testing.assert_close(mean.read(name).float(), (a + b) / 2, rtol=0.01, atol=1e-6)
        # Halfway on the circle both have the same share: the direction of the mean, a longer vector.
        c = circle.read(name).float()
        cosine = torch.nn.functional.cosine_similarity(c.ravel(), (a + b).ravel(), dim=0)
        assert float(cosine) > 0.9999
        assert float(c.norm()) >= 0.999 * float(mean.read(name).float().norm())


def test_a_merge_of_different_shapes_is_refused():
    with pytest.raises(BadCheckpoint, match="only equal shapes") as caught:
        _ = transform("merge-linear", shipped("qwen-a"), shipped("llama-a")).tensors
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", sorted(set(PRESERVING) - {"re-upload"}))
def test_an_architecture_without_layout_is_refused(kind):
    config = {"model_type": "bloom", "n_layer": 1, "n_embd": 4, "n_head": 1, "vocab_size": 8}
    model = MemoryCheckpoint("g", "0", config, {"h.0.input_layernorm.weight": torch.ones(4)})
    with pytest.raises(BadCheckpoint, match="bloom") as caught:
        _ = transform(kind, model).tensors
    assert "\n" not in str(caught.value)


def test_a_layer_norm_bias_without_a_place_is_refused():
    parent = shipped("neox-a")
    tensors = {name: parent.read(name) for name in parent.tensors}
    tensors["gpt_neox.final_layer_norm.weight"] = torch.zeros_like(
        tensors["gpt_neox.final_layer_norm.weight"]
    )
    model = MemoryCheckpoint("zeroed", "0", parent.config, tensors)
    with pytest.raises(BadCheckpoint, match="zero"):
        _ = transform("norm-folding", model).tensors


class Unreadable(MemoryCheckpoint):
    def read(self, name: str) -> torch.Tensor:
        raise AssertionError(f"{name} was read")


def test_the_digest_needs_no_tensor_and_tells_parents_and_parameters_apart():
    config = {"model_type": "llama"}
    one, other = (Unreadable("m", digest, config, {"a": torch.ones(2)}) for digest in ("1", "2"))
    digests = {
        transform("unit-permutation", one, seed=1).digest,
        transform("unit-permutation", one, seed=2).digest,
        transform("head-permutation", one, seed=1).digest,
        transform("unit-permutation", other, seed=1).digest,
        transform("merge-linear", one, other).digest,
        transform("merge-linear", other, one).digest,
    }
    assert len(digests) == 6
    assert transform("unit-permutation", one, seed=1, name="x").digest in digests
