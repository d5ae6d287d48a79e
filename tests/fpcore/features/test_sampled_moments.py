"""Slices in place of all: where they lie, how far off they are, and what that is said to be."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_models import TINY

import fpcore
from fpcore.checkpoints import sampled
from fpcore.checkpoints.sampled import SampledCheckpoint, slices
from fpcore.features import moments as module
from fpcore.features.block_moments import Moments, exact_moments
from fpcore.features.moments import measure
from fpcore.features.sampled_moments import moments_from_slices, pooled_error
from fpcore.features.sampling_error import DRAWS, sampling_errors
from fpcore.metrics.depth_profiles import DepthProfile

pytestmark = pytest.mark.thorough

CURVES = ("attention-std", "ffn-std", "layer-energy")


@pytest.fixture
def small_weights_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Slices of two rows or so, of every matrix of a tiny model."""
    for place in (sampled, module):
        monkeypatch.setattr(place, "SMALL", 100)
    monkeypatch.setattr(sampled, "SLICE", 40)
    monkeypatch.setattr(sampled, "SLICES", 4)


@pytest.fixture(
    params=[
        "llama",
        "mixtral",
        "gpt_neox",
        pytest.param("phi3", marks=pytest.mark.slow),
        pytest.param("gpt2", marks=pytest.mark.slow),
    ]
)
def folder(request: pytest.FixtureRequest, tmp_path: Path, small_weights_are_large: None) -> Path:
    known = [tiny for tiny in TINY if tiny.model_type == request.param]
    if not known:
        pytest.skip(f"no tiny {request.param}")
    known[0].save(tmp_path)
    return tmp_path


def opened(folder: Path, seed: int = 0, name: str | None = None) -> SampledCheckpoint:
    return SampledCheckpoint(fpcore.open_checkpoint(folder, name=name), seed)


def test_slices_are_what_is_measured(folder: Path) -> None:
    model = opened(folder)
    whole = measure(model.whole)
    for role, moments in measure(model).items():
        view = model.roles[role]
        stored = model.whole.tensors[view.source].shape
        assert moments.count == view.size
        if np.prod(stored) <= 100:
            assert moments == whole[role]
            continue
        flat = model.whole.read(view.source).double().numpy().reshape(-1, stored[-1])
        found = []
        for slice_ in slices(view, stored, 0):
            pieces = [flat[slice(*part.rows), slice(*part.columns)].ravel() for part in slice_]
            found.append(np.concatenate(pieces))
        values = np.concatenate(found)
        assert len(values) <= view.size
        assert len(np.unique(values)) > 0.9 * len(values), "no place twice"
        assert (moments.mean, moments.std) == pytest.approx((values.mean(), values.std()), rel=1e-9)
        assert np.isin(values + view.view.shift, model.whole.roles[role].values().astype(float)).all()


def test_places_depend_on_shape_and_seed_alone(folder: Path) -> None:
    one, same, other = opened(folder), opened(folder, name="another"), opened(folder, seed=1)
    assert dict(measure(one)) == dict(measure(same))
    assert one.digest == same.digest
    assert dict(measure(one)) != dict(measure(other))
    assert len({one.digest, other.digest, one.whole.digest}) == 3


def test_the_digest_is_of_all_that_is_read_and_of_nothing_else(folder: Path) -> None:
    file = folder / "model.safetensors"
    before, plain = opened(folder), file.read_bytes()
    measured, digest = dict(measure(before)), before.digest
    seen = []
    for place in range(len(plain) - 4, len(plain) - 4000, -52):
        file.write_bytes(plain[:place] + bytes([plain[place] ^ 1]) + plain[place + 1 :])
        after = opened(folder)
        seen.append(after.digest != digest)
        if dict(measure(after)) != measured:
            assert after.digest != digest
    assert len(set(seen)) == 2, "some numbers are read, and some are not"


def test_curves_say_what_slices_add_and_whole_weights_abstain(folder: Path) -> None:
    model = opened(folder)
    for name in CURVES:
        metric = fpcore.metric(name)
        about, exact = metric.fingerprint(model).arrays, metric.fingerprint(model.whole).arrays
        assert not any("standard_error" in part for part in exact)
        assert any(part.endswith(".standard_error") for part in about)
        for part, errors in about.items():
            if part.endswith(".standard_error"):
                curve = part.removesuffix(".standard_error")
                assert errors.shape == exact[curve].shape
                assert (errors >= 0.0).all()
        assert isinstance(metric, DepthProfile)
        taken = metric.fingerprint(model)
        assert not any("standard_error" in part for part in metric.common_parts(taken, taken))
    with pytest.raises(fpcore.UnreadableTensor, match=r"needs all of it; leave out --sample"):
        fpcore.metric("embedding-norms").fingerprint(model)
    view = next(view for view in model.roles.values() if view.size > 100)
    for read in (view.read, view.values):
        with pytest.raises(fpcore.UnreadableTensor, match="only slices of it were read"):
            read()


def test_errors_of_the_norms_of_a_layer_add_up_in_squares(folder: Path) -> None:
    model = opened(folder)
    found = fpcore.metric("layer-energy").fingerprint(model).arrays
    layers = [
        [moments for role, moments in measure(model).items() if role.startswith(f"layers.{layer}.")]
        for layer in range(model.roles.depth)
    ]
    highest = max(sum(moments.norm for moments in layer) for layer in layers)
    expected = [np.linalg.norm([moments.norm_error for moments in layer]) / highest for layer in layers]
    assert found["energy.standard_error"] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("kind", ["even", "rows differ", "a few rows stand out"])
def test_standard_errors_are_as_large_as_the_errors(kind: str) -> None:
    """Over many draws: the root of the mean square error beside what is said of it."""
    rng = np.random.default_rng(1)
    matrix = rng.standard_normal((512, 64))
    if kind == "rows differ":
        matrix *= rng.uniform(0.5, 2.0, (512, 1))
    if kind == "a few rows stand out":
        matrix[::37] *= 3.0
    truth = exact_moments(matrix)
    errors, said = [], []
    for _ in range(400):
        starts = 8 * (4 * np.arange(16) + rng.integers(0, 4, 16))
        about = moments_from_slices([exact_moments(matrix[s : s + 8]) for s in starts], matrix.size)
        errors.append((about.std - truth.std, about.norm - truth.norm))
        said.append((about.std_error, about.norm_error))
    actual = np.sqrt(np.square(errors).mean(axis=0))
    ratio = np.sqrt(np.square(said).mean(axis=0)) / actual
    assert (ratio > 0.85).all(), ratio
    assert (ratio < 1.35).all(), ratio


def test_all_slices_are_the_whole() -> None:
    parts = [exact_moments(torch.randn(50).numpy()) for _ in range(4)]
    about = moments_from_slices(parts, 200)
    assert (about.std_error, about.norm_error, about.count) == (0.0, 0.0, 200)
    assert np.isnan(moments_from_slices(parts[:1], 200).std_error)
    same = [Moments(50, 1.0, 0.0, 1.0, 1.0)] * 2
    assert moments_from_slices(same, 200).std_error == 0.0


@pytest.mark.parametrize("centre", [0.0, -3.0])
@pytest.mark.parametrize("count", [2, 5])
def test_moments_of_slices_by_their_definition(centre: float, count: int) -> None:
    """The spread of what slices have around the common mean and around zero, by the delta method."""
    rng = np.random.default_rng(count)
    parts = [
        rng.normal(rng.normal(centre, 0.2), rng.uniform(0.5, 2.0), rng.integers(30, 40)) for _ in range(count)
    ]
    values, size = np.concatenate(parts), 1000
    about = moments_from_slices([exact_moments(part) for part in parts], size)
    assert (about.count, about.low, about.high) == (size, values.min(), values.max())
    assert (about.mean, about.std) == pytest.approx((values.mean(), values.std()))
    unread = np.sqrt((1 - len(values) / size) / count)
    variances = [np.mean((part - values.mean()) ** 2) for part in parts]
    assert about.std_error == pytest.approx(np.std(variances, ddof=1) * unread / (2 * values.std()))
    squares = size * np.array([np.mean(part**2) for part in parts])
    assert about.norm_error == pytest.approx(np.std(squares, ddof=1) * unread / (2 * about.norm))
    scaled = moments_from_slices([exact_moments(1e-3 * part) for part in parts], size)
    assert (scaled.std_error, scaled.norm_error) == pytest.approx(
        (1e-3 * about.std_error, 1e-3 * about.norm_error)
    )


def test_what_one_slice_does_not_tell_is_unknown() -> None:
    spread, none = Moments(50, 1.0, 2.0, -1.0, 3.0), Moments(50, 1.0, 0.0, 1.0, 1.0)
    assert np.isnan(
        [moments_from_slices([spread], 200).std_error, moments_from_slices([spread], 51).norm_error]
    ).all()
    assert moments_from_slices([spread], 200).count == 200
    assert moments_from_slices([spread], 50) == spread
    for slices_ in ([none], [none, none]):
        about = moments_from_slices(slices_, 200)
        assert (about.std, about.std_error, about.norm_error) == (0.0, 0.0, 0.0)


def test_the_error_of_different_populations() -> None:
    """By the delta method, with what their means differ by as it is."""
    parts = [
        Moments(100, 0.0, 2.0, -1.0, 1.0, std_error=0.1),
        Moments(300, 1.0, 1.0, -1.0, 1.0, std_error=0.2),
    ]
    variance = (100 * (4 + 0.75**2) + 300 * (1 + 0.25**2)) / 400
    of_variance = np.hypot(0.25 * 2 * 2.0 * 0.1, 0.75 * 2 * 1.0 * 0.2)
    assert pooled_error(parts) == pytest.approx(of_variance / (2 * np.sqrt(variance)))


def test_the_error_of_populations_together() -> None:
    one = Moments(100, 0.0, 2.0, -1.0, 1.0, std_error=0.1)
    assert pooled_error([one]) == pytest.approx(0.1)
    assert pooled_error([one, one]) == pytest.approx(0.1 / np.sqrt(2))
    assert pooled_error([Moments(9, 0.0, 0.0, 0.0, 0.0)]) == 0.0


def deep(seed: int) -> fpcore.Checkpoint:
    """A Llama of eight layers, each matrix of a spread of its own."""
    generator = torch.Generator().manual_seed(seed)
    width, inner, layers, vocabulary = 32, 48, 8, 40
    shapes = {
        "self_attn.q_proj": (width, width),
        "self_attn.k_proj": (width // 2, width),
        "self_attn.v_proj": (width // 2, width),
        "self_attn.o_proj": (width, width),
        "mlp.gate_proj": (inner, width),
        "mlp.up_proj": (inner, width),
        "mlp.down_proj": (width, inner),
        "input_layernorm": (width,),
        "post_attention_layernorm": (width,),
    }
    wanted = {
        f"model.layers.{n}.{name}.weight": shape for n in range(layers) for name, shape in shapes.items()
    }
    wanted |= {"model.embed_tokens.weight": (vocabulary, width), "lm_head.weight": (vocabulary, width)}
    wanted["model.norm.weight"] = (width,)
    tensors = {
        name: torch.randn(shape, generator=generator) * (0.5 + torch.rand(1, generator=generator))
        for name, shape in wanted.items()
    }
    config = {
        "model_type": "llama",
        "hidden_size": width,
        "intermediate_size": inner,
        "num_hidden_layers": layers,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "vocab_size": vocabulary,
        "tie_word_embeddings": False,
    }
    return fpcore.MemoryCheckpoint(f"deep {seed}", f"deep {seed}", config, tensors)


@pytest.mark.slow
def test_errors_of_scores_are_of_the_size_of_the_errors(small_weights_are_large: None) -> None:
    """Strangers, slices drawn by 40 seeds: how far sampled scores are off, beside what is said of it."""
    models, metric, pair = [deep(0), deep(1)], fpcore.metric("attention-std"), np.array([(0, 1)])
    exact = metric.similarity(*map(metric.fingerprint, models))
    off, said = [], []
    for seed in range(40):
        taken = [metric.fingerprint(SampledCheckpoint(model, seed)) for model in models]
        off.append(metric.similarity(*taken) - exact)
        said.append(sampling_errors(metric, taken, pair)[0])
    ratio = np.sqrt(np.square(said).mean() / np.square(off).mean())
    assert 0.5 < ratio < 2.0


def test_errors_of_scores_depend_on_their_pair_alone(small_weights_are_large: None) -> None:
    metric, one = fpcore.metric("attention-std"), np.array([(0, 1)])
    taken = [metric.fingerprint(SampledCheckpoint(deep(seed))) for seed in range(3)]
    together = sampling_errors(metric, taken, np.array([(0, 1), (1, 2), (0, 2)]))
    alone = [sampling_errors(metric, [taken[a], taken[b]], one)[0] for a, b in ((0, 1), (1, 2))]
    assert together[:2].tolist() == alone
    assert (together > 0.0).all()
    whole = [metric.fingerprint(deep(seed)) for seed in range(2)]
    assert sampling_errors(metric, whole, one).tolist() == [0.0]
    for some in (whole, []):
        assert sampling_errors(metric, some, np.empty((0, 2), dtype=int)).tolist() == []


def difference(x: np.ndarray, y: np.ndarray) -> float:
    return float(x[0] ** 2 + x[1] - y[0])


class Apart(fpcore.Metric):
    """A number of two models in which no value counts as another does; those called "no" do not compare."""

    name = "apart"
    title = "difference of two values"

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    def fingerprint(self, model: fpcore.Checkpoint) -> fpcore.Fingerprint:
        raise NotImplementedError

    def similarity(self, a: fpcore.Fingerprint, b: fpcore.Fingerprint) -> float:
        self.asked.append((a.model, b.model))
        if "no" in (a.model, b.model):
            raise fpcore.NotComparable("no")
        return difference(a.arrays["x"], b.arrays.get("y", b.arrays["x"]))


class Together(Apart):
    """The same for many pairs, but not for a model and itself, nor for one that does not compare."""

    scores_together = True

    def pair_similarities(self, fingerprints: Sequence[fpcore.Fingerprint], pairs: np.ndarray) -> np.ndarray:
        left = [(fingerprints[a], fingerprints[b]) for a, b in pairs]
        return np.array(
            [np.nan if a is b or "no" in (a.model, b.model) else self.similarity(a, b) for a, b in left]
        )


def uncertain(name: str, error: float | None = None, **more: float) -> fpcore.Fingerprint:
    arrays = {"x": np.array([2.0, 5.0])} | {key: np.array([value, 0.0]) for key, value in more.items()}
    arrays |= {} if error is None else {"x.standard_error": np.array([error, 2.0 * error])}
    return fpcore.Fingerprint("apart", 1, name, f"digest of {name}", arrays)


def redrawn(name: str, array: str = "x", metric: str = "apart") -> np.ndarray:
    """Standard normal numbers that model, metric, array and draw decide, and nothing else."""
    found = []
    for draw in range(DRAWS):
        digest = hashlib.sha256(f"digest of {name}/{metric}/{array}/{draw}".encode()).hexdigest()
        found.append(np.random.default_rng(int(digest[:16], 16)).standard_normal(2))
    return np.array(found)


def spread(x: np.ndarray, y: np.ndarray) -> float:
    """Standard deviation of the scores of redrawn values, (draws, 2) or (2,) each."""
    drawn = zip(np.broadcast_to(x, (DRAWS, 2)), np.broadcast_to(y, (DRAWS, 2)), strict=True)
    return float(np.std([difference(*each) for each in drawn], ddof=1))


@pytest.mark.parametrize("kind", [Apart, Together])
def test_errors_are_the_spread_over_redrawn_values(kind: type[Apart]) -> None:
    metric = kind()
    models = [
        uncertain("a", 0.5),
        uncertain("b", 0.1),
        uncertain("c"),
        uncertain("no", 0.1),
        uncertain("d", np.nan),
    ]
    pairs = np.array([(0, 1), (1, 0), (2, 0), (2, 2), (0, 3), (4, 2), (0, 0)])
    plain, steps = np.array([2.0, 5.0]), np.array([1.0, 2.0])
    a, b = plain + 0.5 * steps * redrawn("a"), plain + 0.1 * steps * redrawn("b")
    expected = [spread(a, b), spread(b, a), spread(plain, a), 0.0, np.nan, np.nan, spread(a, a)]
    found = sampling_errors(metric, models, pairs)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
    assert ("c", "c") not in metric.asked, "what was measured whole is not scored again"
    assert models[0].arrays["x"].tolist() == [2.0, 5.0]


def test_each_array_is_redrawn_on_its_own() -> None:
    metric = Apart()
    more = {"y": 1.0, "y.standard_error": 0.5}
    both = sampling_errors(metric, [uncertain("a", 0.5, **more)], np.array([(0, 0)]))
    x = np.array([2.0, 5.0]) + np.array([0.5, 1.0]) * redrawn("a")
    y = np.array([1.0, 0.0]) + np.array([0.5, 0.0]) * redrawn("a", "y")
    expected = spread(x, y)
    assert both == pytest.approx([expected], rel=1e-9)
