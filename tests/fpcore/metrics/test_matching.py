"""Metrics that match units and dimensions: definitions, null distributions, what they must find again."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
import torch
from pruned_tensors import pruned_tensors
from scipy.optimize import linear_sum_assignment
from test_metrics import model, score

import fpcore
from fpcore import MemoryCheckpoint, NotComparable
from fpcore.features import assignment, shared_tokens
from fpcore.features.cka import unbiased_cka
from fpcore.features.layer_weights import layers_of
from fpcore.features.p_values import log_p_of_agreements, log_p_of_order
from fpcore.metrics import matching
from fpcore.metrics.homology import homology

UNITS = 24
serial = itertools.count()


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("tokens") / "tokenizer.json"
    file.write_text(json.dumps({"model": {"type": "BPE", "vocab": {f"word{i}": i for i in range(40)}}}))
    return file


def changed(base: MemoryCheckpoint, tensors: dict[str, torch.Tensor], file: Path | None) -> MemoryCheckpoint:
    kept = {name: tensors.get(name, base.read(name)) for name in base.tensors}
    return MemoryCheckpoint("changed", f"changed {next(serial)}", base.config, kept, file)


def noisy(base: MemoryCheckpoint, amount: float, file: Path | None = None) -> MemoryCheckpoint:
    torch.manual_seed(5)
    return changed(
        base,
        {
            n: base.read(n) + amount * base.read(n).std() * torch.randn_like(base.read(n))
            for n in base.tensors
        },
        file,
    )


def shuffled_units(base: MemoryCheckpoint) -> MemoryCheckpoint:
    torch.manual_seed(3)
    tensors = {}
    for layer in range(5):
        order = torch.randperm(UNITS)
        for part in ("gate", "up", "down"):
            name = f"model.layers.{layer}.mlp.{part}_proj.weight"
            tensors[name] = base.read(name)[:, order] if part == "down" else base.read(name)[order]
    return changed(base, tensors, None)


def test_unit_matching_by_definition() -> None:
    a, b = model(seed=1), noisy(model(seed=1), 2.0)
    found = []
    for x, y in zip(layers_of(a), layers_of(b), strict=True):
        up, other = (layer.experts[0].up for layer in (x, y))
        norms = np.linalg.norm(up, axis=1)[:, None] * np.linalg.norm(other, axis=1)
        _, order = linear_sum_assignment(-(up @ other.T) / norms)
        found.append(scipy.stats.spearmanr(order, np.arange(UNITS), alternative="greater").pvalue)
    expected = -np.log10(scipy.stats.combine_pvalues(found).pvalue)
    assert expected > 2
    assert score("unit-matching", a, b) == pytest.approx(expected, rel=1e-6)
    # Five layers in perfect order: each has a p of one over 24 factorial.
    perfect = score("unit-matching", a, a)
    statistic = 2 * 5 * math.lgamma(UNITS + 1)
    assert perfect == pytest.approx(-scipy.stats.chi2.logsf(statistic, 10) / math.log(10), rel=1e-6)


def test_permuted_units_hide_from_one_and_not_from_the_other() -> None:
    a = model(seed=1)
    hidden = shuffled_units(noisy(a, 0.3))
    assert score("unit-matching", a, hidden) < 4
    assert score("aligned-unit-matching", a, hidden) > 60
    assert score("aligned-unit-matching", a, model(seed=2)) < 3


def test_a_sample_of_wide_layers_is_fair(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    ways = [(rng.permutation(30)[:10], rng.permutation(30)[:10]) for _ in range(6000)]
    agreements = np.array([(one == other).sum() for one, other in ways])
    for count in (1, 2):
        expected = math.exp(log_p_of_agreements(count, 10 / 30))
        assert np.mean(agreements >= count) == pytest.approx(expected, abs=0.015)
    a, stranger = model(seed=1), model(seed=2)
    every_unit = score("unit-matching", a, a)
    monkeypatch.setattr(assignment, "MOST_UNITS", 12)
    assert 15 < score("unit-matching", a, a) < every_unit
    close, hidden = noisy(a, 0.3), shuffled_units(noisy(a, 0.3))
    for name, child in (("unit-matching", close), ("aligned-unit-matching", hidden)):
        assert score(name, a, child) > 15
        assert score(name, a, stranger) < 3
    assert score("unit-matching", a, hidden) < 4


@pytest.mark.parametrize(("most", "count"), [(30, 30), (10, 30), (20, 30)])
def test_agreements_of_a_sample_have_a_smaller_chance(
    most: int, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of some units among all of the other model, a share of the mean of one agreement is left."""
    monkeypatch.setattr(assignment, "MOST_UNITS", most)
    up, down = np.random.default_rng(1).normal(size=(2, count, 8))
    other = down[np.random.default_rng(2).permutation(count)]
    k = int((matching.matched(up, up) == matching.matched(down, other)).sum())
    assert matching.of_some((up, down), (up, down)) == pytest.approx(
        log_p_of_agreements(most, most / count), rel=1e-12
    )
    if most == count:
        assert matching.of_some((up, down), (up, other)) == pytest.approx(log_p_of_agreements(k))


def test_a_sample_as_large_as_the_stream_is_sought_in_both_directions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(assignment, "MOST_UNITS", 16)
    a, b = model(seed=1), shuffled_units(noisy(model(seed=1), 1.0))
    metric, apart = fpcore.metric("aligned-unit-matching"), 0
    assert isinstance(metric, matching.AlignedUnitMatching)
    for x, y in [
        *zip(layers_of(a), layers_of(b), strict=True),
        *zip(layers_of(b), layers_of(a), strict=True),
    ]:
        blocks = [(layer.experts[0].up, layer.experts[0].down) for layer in (x, y)]
        forth, back = matching.of_some(*blocks), matching.of_some(*blocks[::-1])
        assert metric.log_p(x.experts[0], y.experts[0]) == max(forth, back)
        apart += forth != back
    assert apart


def test_of_many_experts_no_layer_has_a_p_value_beyond_one(monkeypatch: pytest.MonkeyPatch) -> None:
    metric = fpcore.metric("unit-matching")
    assert isinstance(metric, matching.UnitMatching)
    layer = layers_of(model("qwen2_moe", seed=2, shared_expert_intermediate_size=12))[0]
    for log_p, pairs in ((-10.0, 25), (-0.5, 25)):
        monkeypatch.setattr(metric, "log_p", lambda x, y, log_p=log_p: log_p)
        assert len(layer.experts) == 5
        assert metric.of_layers(layer, layer) == min(0.0, log_p + math.log(pairs))


def turned(base: MemoryCheckpoint, matrix: torch.Tensor, file: Path) -> MemoryCheckpoint:
    """The residual stream in another basis; right for norms only if `matrix` is a permutation."""
    tensors = {}
    for name in base.tensors:
        tensor = base.read(name)
        if name.endswith(("o_proj.weight", "down_proj.weight")):
            tensors[name] = matrix.T @ tensor
        elif tensor.ndim == 2:
            tensors[name] = tensor @ matrix
        elif "norm" in name:
            tensors[name] = tensor @ matrix.abs()
    return changed(base, tensors, file)


def signed_permutation(seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    signs = torch.randint(0, 2, (16,), generator=generator) * 2.0 - 1.0
    return torch.eye(16)[torch.randperm(16, generator=generator)] * signs


def test_dimensions_and_their_signs_are_found_again(tokenizer: Path) -> None:
    a = changed(model(seed=1), {}, tokenizer)
    b = turned(noisy(model(seed=1), 0.2), signed_permutation(3), tokenizer)
    stranger = changed(model(seed=2), {}, tokenizer)
    assert score("aligned-cka", a, b) > 0.85
    assert abs(score("aligned-cka", a, stranger)) < 0.4
    assert score("embedding-homology", a, b) > 15
    assert score("embedding-homology", a, stranger) == 0.0
    rotation, _ = torch.linalg.qr(torch.randn(16, 16, generator=torch.Generator().manual_seed(1)))
    assert score("embedding-homology", a, turned(model(seed=1), rotation, tokenizer)) < 2


def test_the_bound_on_random_maps_holds() -> None:
    scores = np.array([homology(q) for q in scipy.stats.ortho_group(12, seed=4).rvs(3000)])
    for level in (0.05, 0.01):
        assert np.mean(scores > -math.log10(level)) <= level
    assert homology(np.eye(12)) > 20


@pytest.mark.parametrize("n", [3, 12, 40])
def test_a_signed_permutation_pays_for_the_search_among_all(n: int) -> None:
    """The bound by hand: the moments of a standard normal number, times 2^n n! permutations, times two."""
    turned = np.roll(np.diag(np.where(np.arange(n) % 2, -1.0, 1.0)), 1, axis=0)
    assert np.trace(turned) == 0.0
    log_p = -(n**2) / 2 + math.log(2**n * math.factorial(n)) + math.log(2)
    assert homology(turned) == pytest.approx(max(0.0, -log_p / math.log(10)), rel=1e-12)
    assert homology(np.eye(n)) == pytest.approx(max(0.0, (n**2 / 2 - math.log(2)) / math.log(10)), rel=1e-12)


def test_depths_that_differ(tokenizer: Path) -> None:
    whole, short = model(seed=1, num_hidden_layers=6), model(seed=1, num_hidden_layers=4)
    kept = (0, 2, 3, 5)
    tensors = pruned_tensors(whole, short, kept)
    a, b = changed(whole, {}, tokenizer), changed(short, tensors, tokenizer)
    assert score("aligned-cka", a, b) == pytest.approx(1.0)
    with pytest.raises(NotComparable, match="different depths"):
        score("unit-matching", a, b)


def test_a_dense_model_and_its_mixture_are_matched_expert_by_expert() -> None:
    dense = model(seed=1, intermediate_size=12)
    mixture = model("qwen2_moe", seed=2)
    tensors = {}
    for layer in range(5):
        for part in ("gate", "up", "down"):
            stored = dense.read(f"model.layers.{layer}.mlp.{part}_proj.weight")
            view = mixture.roles[f"layers.{layer}.feed_forward.experts.2.{part}.weight"]
            packed = tensors.setdefault(view.source, mixture.read(view.source).clone())
            target = packed[2][:12] if part == "gate" else packed[2][12:] if part == "up" else packed[2]
            target.copy_(stored)
    child = changed(mixture, tensors, None)
    for name in ("unit-matching", "aligned-unit-matching"):
        assert score(name, dense, mixture) < 3
    # Norm gains are each model's own, which the columns that units write do not know of.
    assert score("unit-matching", dense, child) > 15


ABSTAINS = {
    "few tokens": ("embedding-homology", {"hidden_size": 48}, "40 tokens in common for 48 dimensions"),
    "width": ("embedding-homology", {"hidden_size": 32}, r"different width \(16 and 32\)"),
    "units": ("unit-matching", {"intermediate_size": 32}, r"different shape \(\(24, 16\) and \(32, 16\)\)"),
    "depth": ("aligned-unit-matching", {"num_hidden_layers": 4}, r"different depths \(5 and 4 layers\)"),
}


@pytest.mark.parametrize("case", ABSTAINS)
def test_abstentions_have_reasons(case: str, tokenizer: Path) -> None:
    name, changes, reason = ABSTAINS[case]
    with pytest.raises(NotComparable, match=reason):
        score(name, changed(model(), {}, tokenizer), changed(model(**changes), {}, tokenizer))


def test_it_takes_more_tokens_than_dimensions(tmp_path: Path) -> None:
    for count in (16, 17):
        file = tmp_path / f"{count}.json"
        file.write_text(
            json.dumps({"model": {"type": "BPE", "vocab": {f"word{i}": i for i in range(count)}}})
        )
        a, b = (changed(model(seed=seed), {}, file) for seed in (1, 2))
        if count == 17:
            assert score("embedding-homology", a, b) >= 0.0
        else:
            with pytest.raises(NotComparable, match="16 tokens in common for 16 dimensions"):
                score("embedding-homology", a, b)


def test_zeros_and_few_units_abstain() -> None:
    with pytest.raises(NotComparable, match="its CKA is undefined"):
        unbiased_cka(np.zeros((4, 8)), np.ones((4, 8)))
    with pytest.raises(NotComparable, match="at least 4"):
        unbiased_cka(np.ones((4, 3)), np.ones((4, 3)))
    with pytest.raises(NotComparable, match="at least 3"):
        log_p_of_order(np.arange(2))


def test_wide_vocabularies_align_on_a_sample(tokenizer: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = changed(model(seed=1), {}, tokenizer), noisy(model(seed=1), 0.2, tokenizer)
    whole = score("aligned-cka", a, b)
    monkeypatch.setattr(shared_tokens, "ALIGNING", 24)
    monkeypatch.setattr(shared_tokens, "ALIGNING_EACH", 1)
    a, b = changed(model(seed=1), {}, tokenizer), noisy(model(seed=1), 0.2, tokenizer)
    assert score("aligned-cka", a, b) == pytest.approx(whole, abs=0.1)
    assert fpcore.metric("aligned-cka").fingerprint(a).checkpoint is a
