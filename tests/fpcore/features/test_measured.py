"""What measuring a model reads, on how many threads, and what it tells and leaves out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch
from small_catalog import CONFIG, DEPTH, INNER, VOCABULARY, WIDTH, tensors
from test_metrics import model as of_type

import fpcore
from fpcore import MemoryCheckpoint
from fpcore.checkpoints import sampled
from fpcore.checkpoints.sampled import SampledCheckpoint
from fpcore.errors import UnreadableTensor
from fpcore.features import moments as module
from fpcore.features.block_moments import BlockMoments, exact_moments
from fpcore.features.moments import measure, moments_of
from fpcore.storage.dequantised import OpenWeight

EVERY = 9 * DEPTH + 2
NORM = "layers.1.attention.norm.weight"
QUERY = "layers.1.attention.query.weight"


class Noted(MemoryCheckpoint):
    """Notes what is asked for in advance, and refuses to open some tensors."""

    def __init__(self, name: str = "m", **changes: torch.Tensor) -> None:
        stored = tensors(1)
        for key in stored:
            part = key.split(".")[-2]
            if part in changes:
                stored[key] = changes[part]
        super().__init__(name, name, CONFIG, stored)
        self.advance: list[list[str]] = []
        self.unreadable = ""

    def prefetch(self, names: Iterable[str]) -> None:
        self.advance.append(sorted(names))

    def flat(self, name: str) -> Any:
        if self.unreadable and self.unreadable in name:
            raise UnreadableTensor(f"{name} cannot be read")
        return super().flat(name)


@pytest.fixture
def everything_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SMALL", 20)


@pytest.fixture
def pools(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, list[str]]]:
    """Threads of each pool, and the tensors that they were given, in that order."""
    found: list[tuple[int, list[str]]] = []

    class Pool(ThreadPoolExecutor):
        def __init__(self, workers: int) -> None:
            found.append((workers, []))
            super().__init__(workers)

        def submit(self, work: Callable[..., Any], /, *given: Any, **named: Any) -> Future[Any]:
            found[-1][1].append(given[1][0].source)
            return super().submit(work, *given, **named)

    monkeypatch.setattr(module, "ThreadPoolExecutor", Pool)
    return found


def test_only_what_is_asked_for_is_read_and_in_the_order_of_roles() -> None:
    model = Noted()
    assert list(measure(model, iter([QUERY, NORM]))) == [NORM, QUERY]
    sources = ["model.layers.1.input_layernorm.weight", "model.layers.1.self_attn.q_proj.weight"]
    assert model.advance == [sources]
    assert dict(measure(model, [QUERY])) == {QUERY: moments_of(model.roles[QUERY].read())}
    assert len(model.advance) == 1, "known already"
    assert len(measure(model, [])) == 0
    assert list(measure(model)) == list(model.roles)
    assert not set(model.advance[1]) & set(sources)
    assert len(model.advance[1]) == EVERY - 2


def test_slices_are_not_asked_for_in_advance() -> None:
    """They are read where they lie: their tensors are fetched by no one."""
    model = Noted()
    measure(SampledCheckpoint(model), [QUERY])
    assert model.advance == []


@pytest.mark.parametrize("threads", [1, 3])
def test_large_models_are_told_how_far_they_are(monkeypatch: pytest.MonkeyPatch, threads: int) -> None:
    size = sum(view.size for view in Noted().roles.values())
    for least, count in ((size, 0), (size - 1, EVERY)):
        monkeypatch.setattr(module, "TOLD", least)
        model, told = Noted("far"), []
        model.threads = threads
        measure(model)
        assert told == []
        model = Noted("far")
        model.threads, model.told = threads, lambda *said: told.append(said)  # noqa: B023
        measure(model)
        assert told == [(done, EVERY, "tensors of far") for done in range(1, count + 1)]


def test_tensors_are_shared_out_the_largest_first(pools: list[tuple[int, list[str]]]) -> None:
    model = Noted()
    model.threads = 2
    measure(model, [NORM, QUERY, "layers.0.feed_forward.up.weight"])
    order = ["layers.0.mlp.up_proj", "layers.1.self_attn.q_proj", "layers.1.input_layernorm"]
    assert pools == [(2, [f"model.{name}.weight" for name in order])]
    model.threads = 3
    measure(model)
    assert pools[-1][0] == 3
    two = Noted()
    two.threads = 2
    measure(two, [NORM, QUERY])
    assert pools[-1] == (2, [f"model.{name}.weight" for name in order[1:]])


@pytest.mark.parametrize("way", ["one thread", "one reader", "one tensor"])
def test_alone_there_is_no_pool(pools: list[tuple[int, list[str]]], way: str) -> None:
    model = Noted()
    model.threads = 1 if way == "one thread" else 4
    model.side_by_side = way != "one reader"
    measure(model, [QUERY] if way == "one tensor" else None)
    assert pools == []


@pytest.mark.parametrize("threads", [1, 2])
def test_each_thread_has_buffers_of_its_own_and_once(
    monkeypatch: pytest.MonkeyPatch, everything_is_large: None, threads: int
) -> None:
    made: list[int] = []

    class Counted(BlockMoments):
        def __init__(self) -> None:
            made.append(threading.get_ident())
            super().__init__()

    monkeypatch.setattr(module, "BlockMoments", Counted)
    model = Noted()
    model.threads = threads
    measure(model)
    assert len(made) == len(set(made)) <= threads


def test_a_tensor_that_fails_ends_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """The largest is the first; whoever waits behind it is let go."""
    ending, begun = threading.Event(), []

    class Waiting(ThreadPoolExecutor):
        def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
            super().shutdown(wait=False, cancel_futures=cancel_futures)
            ending.set()
            super().shutdown(wait=wait)

        def submit(self, work: Callable[..., Any], /, *given: Any, **named: Any) -> Future[Any]:
            return super().submit(working, *given)

    whole = module._of_source

    def working(model: MemoryCheckpoint, views: list[fpcore.RoleView], own: threading.local) -> Any:
        source = views[0].source
        begun.append(source)
        if "embed" not in source and not ending.wait(5):
            ending.set()  # nobody was let go: all others go on at once
        return whole(model, views, own)

    monkeypatch.setattr(module, "ThreadPoolExecutor", Waiting)
    model = Noted("torn", embed_tokens=torch.full((VOCABULARY, WIDTH), float("nan")))
    model.threads = 2
    with pytest.raises(fpcore.BadCheckpoint, match=r"^torn: tensor model\.embed_tokens\.weight holds NaN"):
        measure(model)
    assert len(begun) < EVERY


@pytest.mark.parametrize("large", [False, True])
def test_a_tensor_that_cannot_be_read_abstains_when_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, large: bool
) -> None:
    monkeypatch.setattr(module, "SMALL", 20 if large else 1 << 20)
    model = Noted()
    model.unreadable = "q_proj"
    found = measure(model)
    assert found[NORM] == moments_of(model.roles[NORM].read())
    for _ in range(2):
        with pytest.raises(
            UnreadableTensor, match=r"^m: tensor .*layers\.1\.self_attn\.q_proj.* cannot be read$"
        ):
            found[QUERY]
    assert len(found) == EVERY


@pytest.mark.parametrize(
    ("stretch", "rows"),
    [
        (1, [1] * INNER),
        (3 * WIDTH, [3] * 8),
        (3 * WIDTH + 5, [3] * 8),
        (7 * WIDTH, [7, 7, 7, 3]),
        (1 << 20, [INNER]),
    ],
)
def test_large_tensors_are_read_in_whole_rows(
    monkeypatch: pytest.MonkeyPatch, stretch: int, rows: list[int]
) -> None:
    monkeypatch.setattr(module, "STRETCH", stretch)
    read: list[tuple[int, int]] = []
    plain = OpenWeight.rows

    def noted(self: OpenWeight, first: int, last: int) -> Any:
        read.append((first, last))
        return plain(self, first, last)

    monkeypatch.setattr(OpenWeight, "rows", noted)
    role, model = "layers.1.feed_forward.up.weight", Noted()
    values = model.roles[role].read().double().numpy()
    monkeypatch.setattr(module, "SMALL", values.size)
    assert measure(model, [role])[role] == exact_moments(values)
    assert read == [], "small enough to be looked at whole"
    monkeypatch.setattr(module, "SMALL", values.size - 1)
    found = measure(Noted(), [role])[role]
    assert (found.count, found.mean, found.std) == (
        values.size,
        pytest.approx(values.mean()),
        pytest.approx(values.std()),
    )
    ends = np.cumsum(rows).tolist()
    assert read == list(zip([0, *ends[:-1]], ends, strict=True))


@pytest.mark.parametrize("size", [3, 300])
def test_a_vector_is_a_column_of_rows(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(module, "STRETCH", size)
    monkeypatch.setattr(module, "SMALL", WIDTH - 1)
    model = Noted()
    values = model.roles[NORM].read().double().numpy()
    found = measure(model, [NORM])[NORM]
    assert (found.count, found.low, found.high) == (WIDTH, values.min(), values.max())
    assert (found.mean, found.std) == pytest.approx((values.mean(), values.std()))


@pytest.mark.parametrize("stretch", [1, 100, 1 << 20])
def test_experts_that_lie_in_one_tensor_are_told_apart(
    monkeypatch: pytest.MonkeyPatch, everything_is_large: None, stretch: int
) -> None:
    monkeypatch.setattr(module, "STRETCH", stretch)
    model = of_type("mixtral", num_hidden_layers=1)
    (view, *_) = model.roles.experts(0, "down")
    experts, rows, columns = model.tensors[view.source].shape
    assert len({experts, rows, columns}) == 3
    for role, found in measure(model).items():
        expected = moments_of(model.roles[role].read().contiguous())
        assert (found.count, found.low, found.high) == (expected.count, expected.low, expected.high)
        assert (found.mean, found.std) == pytest.approx((expected.mean, expected.std)), role


def test_slices_that_are_not_finite_are_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    for place in (sampled, module):
        monkeypatch.setattr(place, "SMALL", 100)
    monkeypatch.setattr(sampled, "SLICE", 40)
    torn = SampledCheckpoint(Noted("torn", up_proj=torch.full((INNER, WIDTH), float("nan"))))
    message = (
        r"^torn: tensor model\.layers\.1\.mlp\.up_proj\.weight holds NaN; such weights cannot be measured"
    )
    with pytest.raises(fpcore.BadCheckpoint, match=message):
        measure(torn, ["layers.1.feed_forward.up.weight"])


def test_slices_of_a_seed_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    for place in (sampled, module):
        monkeypatch.setattr(place, "SMALL", 100)
    monkeypatch.setattr(sampled, "SLICE", 40)
    monkeypatch.setattr(sampled, "SLICES", 4)
    model = tensors(1)
    for dtype in (torch.float32, torch.bfloat16):
        for seed in (0, 3):
            stored = {name: tensor.to(dtype) for name, tensor in model.items()}
            one = SampledCheckpoint(MemoryCheckpoint("m", "m", CONFIG, stored), seed)
            view = one.roles[QUERY]
            rows = one.whole.read(view.source).double().numpy()
            pieces = [
                np.concatenate([rows[slice(*part.rows), slice(*part.columns)].ravel() for part in some])
                for some in sampled.slices(view, rows.shape, seed)
            ]
            found = measure(one, [QUERY])[QUERY]
            values = np.concatenate(pieces)
            assert found.count == view.size > values.size
            assert (found.mean, found.std) == pytest.approx((values.mean(), values.std()))
            assert found.std_error > 0.0
