"""Moments in one pass, against numpy in float64."""

from __future__ import annotations

from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from flat_reading import check_flat
from hypothesis import given, settings
from tiny_models import TINY

import fpcore
from fpcore.anatomy.tensor_layouts import View
from fpcore.features import block_moments, moments as module
from fpcore.features.block_moments import BlockMoments, Moments, exact_moments
from fpcore.features.moments import measure, moments_of, pooled
from fpcore.storage.element_types import CARRIERS, MINIFLOATS, raw_of

SMALL = st.floats(-1e3, 1e3, width=32)
STORED = {name: getattr(torch, name) for name in CARRIERS}


@pytest.mark.parametrize(
    "dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16, torch.float8_e4m3fn]
)
@pytest.mark.parametrize("size", [1, 2, 999, 5000])
def test_moments_are_numpys(monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype, size: int) -> None:
    monkeypatch.setattr(block_moments, "EXACT", 1000)  # several blocks
    torch.manual_seed(size)
    tensor = (torch.randn(size, dtype=torch.float64) + 3.0).to(dtype)
    values = tensor.double().numpy()
    found = moments_of(tensor)
    assert found.count == size
    expected = (values.mean(), values.std(), values.min(), values.max(), np.abs(values).max())
    assert (found.mean, found.std, found.low, found.high, found.max_abs) == pytest.approx(
        expected, rel=1e-12, abs=1e-15
    )
    assert found.norm == pytest.approx(np.linalg.norm(values), rel=1e-12)


def adversarial() -> dict[str, np.ndarray]:
    """What float32 sums get wrong, 600,000 numbers each: more than two blocks and a rest."""
    rng = np.random.default_rng(0)
    normal = rng.standard_normal(600_000)
    outlier = normal * 0.02
    outlier[12_345] = 1e6
    many = np.where(rng.random(600_000) < 1e-3, 1e4, 1.0)
    steps = np.repeat([0.0, 5.0, -3.0], 200_000) + 1e-3 * normal
    return {
        "weights": 0.02 * normal,
        "far from zero": 1e4 + 1e-3 * normal,
        "one outlier": outlier,
        "outliers among ones": many,
        "a mean of its own in every part": steps,
        "negative": -1.0 - np.abs(normal),
        "positive": 1.0 + np.abs(normal),
        "huge": 1e25 * normal,
        "tiny": 1e-25 * normal,
        "zero": np.zeros(600_000),
        "one value": np.full(600_000, 0.1),
        "gains": 1.0 + 1e-4 * normal,
        "the largest of either sign": np.where(normal > 0.0, 3e38, -3e38),
    }


@pytest.mark.thorough
@pytest.mark.parametrize("case", adversarial())
@pytest.mark.parametrize("dtype", STORED)
def test_blocks_agree_with_float64_within_a_millionth(dtype: str, case: str) -> None:
    tensor = torch.from_numpy(adversarial()[case]).to(STORED[dtype])
    values = tensor.double().numpy()
    if not np.isfinite(values).all():
        largest = float(torch.finfo(STORED[dtype]).max)
        tensor = torch.from_numpy(adversarial()[case]).clamp(-largest, largest).to(STORED[dtype])
        values = tensor.double().numpy()
    raw, name = raw_of(tensor)
    assert name == dtype
    found = BlockMoments().of(raw, dtype)
    assert (found.count, found.low, found.high) == (values.size, values.min(), values.max())
    assert found.std == pytest.approx(values.std(), rel=1e-6, abs=4e-15 * found.max_abs)
    assert found.norm == pytest.approx(np.linalg.norm(values), rel=1e-6, abs=1e-300)
    error_of_a_mean = values.std() / np.sqrt(values.size)
    assert found.mean == pytest.approx(values.mean(), rel=1e-6, abs=1e-6 * error_of_a_mean + 1e-300)


@pytest.fixture
def in_float64(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many numbers float64 has measured, time after time; blocks are of 1,024."""
    seen: list[int] = []

    def noted(values: np.ndarray) -> Moments:
        seen.append(values.size)
        return exact_moments(values)

    monkeypatch.setattr(block_moments, "exact_moments", noted)
    monkeypatch.setattr(block_moments, "BLOCK", 1024)
    return seen


@pytest.mark.parametrize("dtype", STORED)
@pytest.mark.parametrize("size", [511, 512, 1024, 2560, 2561])
def test_weights_as_they_are_need_no_float64(dtype: str, size: int, in_float64: list[int]) -> None:
    tensor = torch.randn(size, generator=torch.Generator().manual_seed(size)).to(STORED[dtype])
    raw, name = raw_of(tensor)
    values = tensor.double().numpy()
    found = BlockMoments().of(raw, name)
    assert in_float64 == ([size] if dtype == "float64" else [size % 512] if size % 512 else [])
    assert (found.count, found.low, found.high) == (size, values.min(), values.max())
    assert (found.mean, found.std) == pytest.approx((values.mean(), values.std()), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize(
    ("offset", "scale", "again"),
    [
        (0.0, 1.0, False),
        (1.7, 1.0, False),  # a variance of 0.257 mean squares, and one of 0.246
        (1.75, 1.0, True),
        (-1.75, 1.0, True),
        (0.0, 1.1e-12, False),
        (0.0, 0.9e-12, True),
        (0.0, 0.9e15, False),
        (0.0, 1.1e15, True),
    ],
)
def test_blocks_that_float32_cannot_tell_are_measured_again(
    offset: float, scale: float, again: bool, in_float64: list[int]
) -> None:
    signs = np.resize([1.0, -1.0], 1024)
    blocks = [0.5 * signs, scale * (signs + offset), 2.0 * signs, signs[:100]]
    values = np.concatenate(blocks).astype(np.float32)
    found = BlockMoments().of(values, "float32")
    assert in_float64 == [1024] * again + [100]
    exact = values.astype(np.float64)
    assert (found.mean, found.std) == pytest.approx((exact.mean(), exact.std()), rel=1e-6, abs=1e-12)


def test_one_value_has_no_spread_and_is_itself(in_float64: list[int]) -> None:
    value = float(np.float32(0.1))
    found = BlockMoments().of(np.full((3, 1000), value, np.float32), "float32")
    assert (found, in_float64) == (Moments(3000, value, 0.0, value, value), [])


@pytest.mark.parametrize("dtype", MINIFLOATS)
def test_extremes_of_short_floats_are_those_of_their_numbers(dtype: str) -> None:
    """A few codes of all there are, zeros of both signs among them as often as all others."""
    kind, rng = MINIFLOATS[dtype], np.random.default_rng(0)
    for _ in range(1000):
        codes = rng.integers(0, 1 << kind.bits, rng.integers(1, 4))
        zeros = np.array([0, kind.sign])[rng.integers(0, 2, len(codes))]
        raw = np.where(rng.random(len(codes)) < 0.5, codes, zeros).astype(kind.carrier)
        values = kind.table[raw]
        if np.isfinite(values).all():
            found = block_moments.extremes(raw, kind)
            assert found == (values.min(), values.max())
            assert not any(np.signbit(end) and end == 0.0 for end in found)
            continue
        word = "NaN" if np.isnan(values).any() else "infinite values"
        with pytest.raises(fpcore.BadCheckpoint, match=f"^holds {word}$"):
            block_moments.extremes(raw, kind)


def test_sums_of_runs_are_added_in_float64() -> None:
    """Of whole numbers those of a run are exact in float32, and those of all runs are not."""
    rng = np.random.default_rng(1)
    size = (1 << 18) - 512  # one block and nearly another
    small, large = rng.integers(-100, 101, size), np.where(rng.random(size) < 0.5, -300, 901)
    spread = BlockMoments().of(small.astype(np.float32), "float32").std
    assert spread == pytest.approx(small.std(), rel=1e-14)
    mean = BlockMoments().of(large.astype(np.float32), "float32").mean
    assert mean == pytest.approx(large.mean(), rel=1e-14)


def test_the_shape_of_what_is_measured_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(block_moments, "EXACT", 1000)
    values = np.random.default_rng(0).normal(size=(8, 700)).astype(np.float32)
    assert BlockMoments().of(values, "float32") == BlockMoments().of(values.reshape(-1), "float32")
    assert exact_moments(values) == exact_moments(values.reshape(-1))


def test_no_population_has_no_moments() -> None:
    with pytest.raises(ValueError, match=r"^there is nothing to pool$"):
        pooled([])
    for empty in (np.empty(0), np.empty((0, 4), np.float32)):
        with pytest.raises(fpcore.BadCheckpoint, match=r"^is empty$"):
            exact_moments(empty)


@pytest.mark.parametrize("dtype", MINIFLOATS)
def test_every_code_of_short_floats_is_measured_as_its_number(dtype: str) -> None:
    kind = MINIFLOATS[dtype]
    codes = np.arange(1 << kind.bits).astype(kind.carrier)
    finite = np.resize(codes[np.isfinite(kind.table)], 4096)
    spread = BlockMoments()._spread(finite, kind)
    np.testing.assert_array_equal(np.sort(spread), np.sort(kind.table[finite]))


@pytest.mark.parametrize("dtype", STORED)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("sign", [-1.0, 1.0])
@pytest.mark.parametrize("size", [100, 1024, 1025])
def test_what_is_not_finite_is_refused(dtype: str, value: float, sign: float, size: int) -> None:
    values = sign * torch.rand(size) + 0.5
    values[99] = value
    stored = values.to(STORED[dtype])
    if torch.isfinite(stored.float()).all():
        pytest.skip(f"{dtype} has no such value")
    word = "NaN" if torch.isnan(stored.float()).any() else "infinite"
    with pytest.raises(fpcore.BadCheckpoint, match=f"holds {word}"):
        BlockMoments().of(*raw_of(stored))


def test_a_small_spread_around_one_is_exact() -> None:
    """Norm gains are close to one: a sum of squares less the squared mean would lose the digits."""
    values = 1.0 + 1e-7 * np.random.default_rng(0).standard_normal(4096)
    assert moments_of(torch.from_numpy(values)).std == pytest.approx(values.std(), rel=1e-9)
    assert moments_of(torch.ones(3000)).std == 0.0


@settings(deadline=None, max_examples=60)
@given(st.lists(st.lists(SMALL, min_size=1, max_size=20), min_size=1, max_size=6))
def test_pooled_moments_are_those_of_the_union(parts: list[list[float]]) -> None:
    together = moments_of(torch.tensor([value for part in parts for value in part], dtype=torch.float64))
    pool = pooled(moments_of(torch.tensor(part, dtype=torch.float64)) for part in parts)
    assert (pool.count, pool.low, pool.high) == (together.count, together.low, together.high)
    assert pool.mean == pytest.approx(together.mean, rel=1e-9, abs=1e-9)
    assert pool.std == pytest.approx(together.std, rel=1e-7, abs=1e-9)


VIEWS = [
    ((12, 5), View()),
    ((12, 5), View(transpose=True)),
    ((12,), View(start=4, stop=8)),
    ((12, 5), View(start=4, stop=8)),
    ((12, 5), View(groups=3, start=1, stop=3)),
    ((5, 12), View(transpose=True, groups=3, start=1, stop=3)),
    ((3, 12, 5), View(expert=1)),
    ((3, 12, 5), View(expert=2, start=6, stop=12)),
    ((3, 5, 12), View(expert=2, transpose=True, groups=2, start=1, stop=6)),
    ((3, 12), View(expert=1)),
    ((3, 12), View(expert=1, groups=2, start=3, stop=6)),
    ((4, 3, 5), View(groups=2, start=1, stop=2)),
]


@pytest.mark.parametrize(("shape", "view"), VIEWS)
def test_rectangles_hold_what_a_view_shows(shape: tuple[int, ...], view: View) -> None:
    stored = np.arange(np.prod(shape), dtype=np.float64).reshape(shape)
    expected = view.apply(torch.from_numpy(stored))
    np.testing.assert_array_equal(view.apply_real(stored), expected)
    assert tuple(expected.shape) == view.shape(shape)
    rows = stored.reshape(-1, shape[-1] if len(shape) > 1 else 1)
    found = [rows[slice(*part.rows), slice(*part.columns)] for part in view.rectangles(shape)]
    assert sum(part.size for part in view.rectangles(shape)) == expected.numel()
    np.testing.assert_array_equal(
        np.sort(np.concatenate([part.ravel() for part in found])), np.sort(expected.numpy().ravel())
    )


def every_moment(checkpoint: fpcore.Checkpoint) -> dict[str, Moments]:
    return dict(measure(checkpoint))


@pytest.mark.parametrize("model_type", ["llama", "phi3", "gpt2", "gpt_neox", "gemma", "mixtral"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_stretches_give_what_whole_tensors_give(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, model_type: str, dtype: torch.dtype
) -> None:
    """Fused, turned, grouped, stacked: large tensors in pieces, on any number of threads."""
    tiny = next(tiny for tiny in TINY if tiny.model_type == model_type)
    built = tiny.build().to(dtype)
    built.save_pretrained(tmp_path)
    check_flat(fpcore.open_checkpoint(tmp_path))
    whole = every_moment(fpcore.open_checkpoint(tmp_path))
    for role, view in fpcore.open_checkpoint(tmp_path).roles.items():
        assert whole[role] == moments_of(view.read().contiguous()), role
    monkeypatch.setattr(module, "SMALL", 20)
    monkeypatch.setattr(module, "STRETCH", 100)
    found = []
    for threads in (1, 2, 5):
        checkpoint = fpcore.open_checkpoint(tmp_path)
        checkpoint.threads = threads
        found.append(every_moment(checkpoint))
    assert found[0] == found[1] == found[2]
    assert list(found[0]) == list(whole)
    for role, moments in found[0].items():
        expected = whole[role]
        assert (moments.count, moments.low, moments.high) == (expected.count, expected.low, expected.high)
        assert (moments.mean, moments.std) == pytest.approx((expected.mean, expected.std), rel=1e-9), role


@pytest.mark.parametrize(
    ("value", "word"), [(float("nan"), "NaN"), (float("inf"), "infinite"), (-float("inf"), "infinite")]
)
@pytest.mark.parametrize("small", [1 << 20, 20])
def test_what_is_not_finite_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, value: float, word: str, small: int
) -> None:
    monkeypatch.setattr(module, "SMALL", small)
    model = TINY[0].build()
    tensors = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    tensors["model.layers.1.mlp.up_proj.weight"][3, 4] = value
    checkpoint = fpcore.MemoryCheckpoint("spoilt", "0" * 64, model.config.to_dict(), tensors)
    for threads in (1, 2):
        checkpoint.threads = threads
        with pytest.raises(
            fpcore.BadCheckpoint,
            match=rf"spoilt: tensor model\.layers\.1\.mlp\.up_proj\.weight holds {word}",
        ):
            measure(checkpoint)


def test_each_tensor_is_read_once_for_all_metrics() -> None:
    tiny = next(tiny for tiny in TINY if tiny.model_type == "phi3")  # fused: three roles a tensor
    model = tiny.build()

    class Counting(fpcore.MemoryCheckpoint):
        reads: dict[str, int]

        def read(self, name: str) -> torch.Tensor:
            self.reads[name] = self.reads.get(name, 0) + 1
            return super().read(name)

    checkpoint = Counting("m", "0" * 64, model.config.to_dict(), model.state_dict())
    checkpoint.reads = {}
    fpcore.metric("attention-std").fingerprint(checkpoint)
    fpcore.metric("ffn-std").fingerprint(checkpoint)
    fpcore.metric("layer-energy").fingerprint(checkpoint)
    assert set(checkpoint.reads) == {name for name in checkpoint.tensors if ".layers." in name}
    assert set(checkpoint.reads.values()) == {1}
    assert list(measure(checkpoint)) == list(checkpoint.roles)


def test_a_file_cut_short_while_it_is_read_is_one_line(tmp_path: Path) -> None:
    TINY[0].save(tmp_path)
    checkpoint = fpcore.open_checkpoint(tmp_path)
    file = tmp_path / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1000])
    with pytest.raises(fpcore.BadCheckpoint, match=r"model\.safetensors: tensor .* cannot be read .* ends"):
        measure(checkpoint)
