"""Moments in one pass, against numpy."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from tiny_models import TINY

import fpcore
from fpcore.features import moments as module
from fpcore.features.moments import measure, moments_of, pooled

SMALL = st.floats(-1e3, 1e3, width=32)


@pytest.mark.parametrize(
    "dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16, torch.float8_e4m3fn]
)
@pytest.mark.parametrize("size", [1, 2, 999, 5000])
def test_moments_are_numpys(monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype, size: int) -> None:
    monkeypatch.setattr(module, "CHUNK", 1000)  # several chunks
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


@pytest.mark.parametrize(
    ("value", "word"), [(float("nan"), "NaN"), (float("inf"), "infinite"), (-float("inf"), "infinite")]
)
def test_what_is_not_finite_is_refused_by_name(value: float, word: str) -> None:
    model = TINY[0].build()
    tensors = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    tensors["model.layers.1.mlp.up_proj.weight"][3, 4] = value
    checkpoint = fpcore.MemoryCheckpoint("spoilt", "0" * 64, model.config.to_dict(), tensors)
    with pytest.raises(
        fpcore.BadCheckpoint, match=rf"spoilt: tensor model\.layers\.1\.mlp\.up_proj\.weight holds {word}"
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
