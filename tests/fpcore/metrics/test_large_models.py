"""What is done otherwise for large models gives the scores of small ones, on any number of threads."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from test_matching import changed, noisy, shuffled_units, signed_permutation, turned
from test_metrics import model

import fpcore
from fpcore import Estimate, MemoryCheckpoint, NotComparable, Sample
from fpcore.features import layer_agreement, layer_weights, moment_sketch, shared_tokens
from fpcore.features.by_layer import each_layer
from fpcore.features.canonical_basis import moment_cosine, second_moments, turn
from fpcore.features.layer_weights import layers_of
from fpcore.features.moment_sketch import sketched_moments
from fpcore.metrics import invariants, matching

pytestmark = pytest.mark.thorough

METRICS = (
    "canonical-similarity",
    "aligned-cka",
    "unit-matching",
    "aligned-unit-matching",
    "attention-spectra",
    "attention-spectra-dcor",
    "embedding-homology",
    "invariant-terms",
)
BY_LAYER = ("canonical-similarity", "aligned-cka", "attention-spectra", "attention-spectra-dcor")


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("tokens") / "tokenizer.json"
    file.write_text(json.dumps({"model": {"type": "BPE", "vocab": {f"word{i}": i for i in range(40)}}}))
    return file


def pair(kind: str, file: Path) -> tuple[MemoryCheckpoint, MemoryCheckpoint]:
    base = model(seed=1)
    if kind == "stranger":
        return changed(base, {}, file), changed(model(seed=2), {}, file)
    child = noisy(base, 0.2)
    if kind == "turned":
        child = turned(shuffled_units(child), signed_permutation(4), file)
    return changed(base, {}, file), changed(child, {}, file)


def scored(name: str, a: fpcore.Checkpoint, b: fpcore.Checkpoint) -> float:
    metric = fpcore.metric(name)
    return metric.similarity(metric.fingerprint(a), metric.fingerprint(b))


@pytest.fixture
def as_if_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything is too large to be kept, decomposed, or looked at whole."""
    monkeypatch.setattr(layer_weights, "KEPT", 0)
    monkeypatch.setattr(shared_tokens, "DOUBLE_WIDTH", 0)
    monkeypatch.setattr(moment_sketch, "DIRECTIONS", 48)
    monkeypatch.setattr(layer_agreement, "WIDE", 0)
    monkeypatch.setattr(layer_agreement, "DECIDING", 3)
    monkeypatch.setattr(invariants, "WIDEST_DECOMPOSED", 0)


@pytest.mark.parametrize("kind", ["child", "turned", "stranger"])
@pytest.mark.parametrize("name", METRICS)
def test_scores_are_those_of_small_models(
    name: str, kind: str, tokenizer: Path, request: pytest.FixtureRequest
) -> None:
    expected = scored(name, *pair(kind, tokenizer))
    request.getfixturevalue("as_if_large")
    assert scored(name, *pair(kind, tokenizer)) == pytest.approx(expected, rel=1e-3, abs=2e-4)


@pytest.mark.parametrize("name", METRICS)
def test_no_score_depends_on_the_number_of_threads(name: str, tokenizer: Path, as_if_large: None) -> None:
    found = set()
    for threads in (1, 2, 5):
        models = pair("child", tokenizer)
        before = [{key: one.read(key).clone() for key in one.tensors} for one in models]
        for one in models:
            one.threads = threads
        found.add(scored(name, *models))
        for one, weights in zip(models, before, strict=True):
            assert all(torch.equal(one.read(key), value) for key, value in weights.items())
    assert len(found) == 1


#: Layers of each model, or of each pair, that people are told of.
TOLD: dict[str, tuple[int, ...]] = dict.fromkeys(
    ("canonical-similarity", "aligned-cka", "unit-matching", "aligned-unit-matching"), (5,)
)
TOLD |= dict.fromkeys(("attention-spectra", "attention-spectra-dcor", "attention-values"), (5, 5))
TOLD |= {"invariant-terms": (2, 2)}


@pytest.mark.parametrize("name", TOLD)
def test_layers_of_large_models_are_told_of(name: str, tokenizer: Path, as_if_large: None) -> None:
    models = pair("child", tokenizer)
    told: list[tuple[int, int]] = []

    def tell(done: int, total: int, what: str) -> None:
        if what.startswith("layers "):
            told.append((done, total))

    for one in models:
        one.told = tell
    scored(name, *models)
    assert told == [(done, total) for total in TOLD[name] for done in range(1, total + 1)]


def test_layers_are_worked_on_at_a_time_and_told_of() -> None:
    base = model(seed=1)
    base.threads, told = 3, []
    base.told = lambda done, total, what: told.append((done, total, what))
    meeting = threading.Barrier(3, timeout=20)

    def work(place: int) -> int:
        meeting.wait()  # nobody gets on alone
        return place**2

    assert each_layer(work, range(6), [base], what="layers", size=1) == [0, 1, 4, 9, 16, 25]
    assert told == [(done, 6, "layers") for done in range(1, 7)]
    alone = threading.get_ident()
    assert each_layer(lambda _: threading.get_ident(), range(2), [base], what="small") == [alone, alone]


def test_models_that_one_thread_must_read_are_read_by_one() -> None:
    base, other = model(seed=1), model(seed=2)
    base.threads = other.threads = 4
    other.side_by_side = False
    names = each_layer(
        lambda _: threading.current_thread().name, range(20), [base, other], what="layers", size=1
    )
    assert len(set(names)) == 1


def test_room_for_layers_limits_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    base = model(seed=1)
    base.threads = 8
    names = each_layer(
        lambda _: threading.current_thread().name, range(20), [base], what="large", size=6 << 30
    )
    assert len(set(names)) == 1


def test_models_of_other_depth_in_blocks(
    tokenizer: Path, monkeypatch: pytest.MonkeyPatch, as_if_large: None
) -> None:
    a = changed(model(seed=1, num_hidden_layers=6), {}, tokenizer)
    b = changed(model(seed=1, num_hidden_layers=4), {}, tokenizer)
    whole = scored("aligned-cka", a, b)
    assert whole == pytest.approx(scored("aligned-cka", b, a), abs=1e-5)
    told: list[tuple[int, int, str]] = []
    a.told = lambda done, total, what: told.append((done, total, what.split()[0]))
    kernels = 2 * 16**2 * 4  # of queries and keys, in float32
    for held, times in ((1, 4), (2 * kernels, 2), (3 * kernels - 1, 2), (4 * kernels, 1)):
        monkeypatch.setattr(matching, "HELD", held)
        told.clear()
        assert scored("aligned-cka", a, b) == whole
        assert told == [(done, 6, "layers") for done in range(1, 7)] * times


def test_sketches_see_what_second_moments_are() -> None:
    rng = np.random.default_rng(2)
    a, b = layers_of(model(seed=1)), layers_of(noisy(model(seed=1), 0.7))
    basis = np.linalg.qr(rng.normal(size=(16, 16)))[0]
    for way in (None, basis):
        exact = [
            moment_cosine(turn(second_moments(x), way), second_moments(y)) for x, y in zip(a, b, strict=True)
        ]
        seen = [
            moment_cosine(sketched_moments(x, [None, way], 16)[1], sketched_moments(y, [None], 16)[0])
            for x, y in zip(a, b, strict=True)
        ]
        assert np.mean(seen) == pytest.approx(np.mean(exact), abs=0.05)
    same = sketched_moments(a[0], [None], 16)[0]
    assert moment_cosine(same, same) == pytest.approx(1.0)


@pytest.mark.parametrize("name", BY_LAYER)
def test_a_sample_of_layers_estimates_the_whole(name: str, tokenizer: Path) -> None:
    def built(seed: int, amount: float) -> MemoryCheckpoint:
        base = model(seed=seed, num_hidden_layers=12)
        torch.manual_seed(5)
        tensors = {}
        for place, key in enumerate(base.tensors):
            value = base.read(key)
            tensors[key] = value + amount * (1 + place % 7) / 4 * value.std() * torch.randn_like(value)
        return changed(base, tensors, tokenizer)

    a, b = built(1, 0.0), built(1, 0.3)
    whole = scored(name, a, b)
    assert not isinstance(whole, Estimate)
    far = []
    for seed in range(12):
        for one in (a, b):
            one.sample = Sample(0.5, seed)
        found = scored(name, a, b)
        assert isinstance(found, Estimate)
        far.append((found - whole) / found.standard_error)
    assert 0.2 < np.sqrt(np.mean(np.square(far))) < 1.8
    assert len(set(far)) > 6


@pytest.mark.parametrize("name", ["attention-spectra", "attention-spectra-dcor"])
def test_the_error_of_sampled_spectra_is_that_of_a_mean_of_some_layers(name: str) -> None:
    metric, models = fpcore.metric(name), [model(seed=seed, num_hidden_layers=12) for seed in (1, 2)]
    a, b = (metric.fingerprint(one) for one in models)
    for one in models:
        one.sample = Sample(0.5)
    found = metric.similarity(*(metric.fingerprint(one) for one in models))
    assert isinstance(found, Estimate)
    assert isinstance(metric, invariants.Spectra)
    some = [metric.of_layers(a, i, b, i) for i in Sample(0.5).places(12, "layers", fewest=6)]
    assert len(some) == 6
    assert found == pytest.approx(np.mean(some), rel=1e-12)
    assert found.standard_error == pytest.approx(np.std(some, ddof=1) * np.sqrt((1 - 6 / 12) / 6), rel=1e-9)


def test_a_sampled_p_value_is_that_of_fewer_layers(tokenizer: Path) -> None:
    a, b = model(seed=1, num_hidden_layers=12), model(seed=1, num_hidden_layers=12)
    whole = scored("unit-matching", a, b)
    a.sample = b.sample = Sample(0.5)
    assert scored("unit-matching", a, b) == pytest.approx(whole / 2, rel=0.05)
    b.sample = None
    with pytest.raises(ValueError, match="different samples"):
        scored("unit-matching", a, b)


def test_sampled_spectra_of_other_depths_abstain() -> None:
    metric, prints = fpcore.metric("attention-spectra"), []
    for depth, sample in ((12, Sample(0.5)), (10, Sample(0.5)), (12, None)):
        one = model(seed=1, num_hidden_layers=depth)
        one.sample = sample
        prints.append(metric.fingerprint(one))
    for other in prints[1:]:
        with pytest.raises(NotComparable, match="sampled at different places"):
            metric.similarity(prints[0], other)


def test_what_was_taken_of_some_layers_has_a_digest_of_its_own() -> None:
    one, metric = model(seed=1, num_hidden_layers=12), fpcore.metric("attention-spectra")
    digests = []
    for sample in (None, Sample(0.5), Sample(0.5, seed=1), Sample(0.75)):
        one.sample = sample
        digests.append(metric.fingerprint(one).digest)
    assert digests[0] == one.digest
    assert len(set(digests)) == 4
