"""A model of which slices are read: where they lie, what is asked for in advance, and what is passed on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import pytest
import torch

from fpcore.anatomy import Roles, RoleView
from fpcore.anatomy.tensor_layouts import Rectangle, View
from fpcore.checkpoints import sampled
from fpcore.checkpoints.content import config_digest
from fpcore.checkpoints.in_memory import MemoryCheckpoint
from fpcore.checkpoints.sampled import SMALL, SampledCheckpoint, slices
from fpcore.errors import UnreadableTensor
from fpcore.remote.traffic import Fetched

QUERY = "layers.0.attention.query.weight"


def role(name: str, stored: tuple[int, ...], view: View | None = None) -> RoleView:
    view = view or View()
    return RoleView(name, name, view.shape(stored), view, cast(Any, None))


def rows(found: list[list[Rectangle]]) -> list[tuple[int, int]]:
    """First and last row of slices that are in one piece."""
    assert all(len(one) == 1 for one in found)
    return [one[0].rows for one in found]


def test_one_slice_in_each_part_of_the_rows() -> None:
    stored = (1600, 1 << 11)  # slices of 16 rows at 100 places
    view = role(QUERY, stored)
    edges = [round(part * 100 / 16) for part in range(17)]
    chosen: list[set[int]] = [set() for _ in range(16)]
    for seed in range(100):
        found = slices(view, stored, seed)
        assert {one[0].columns for one in found} == {(0, 1 << 11)}
        for part, (first, last) in enumerate(rows(found)):
            assert last == first + 16
            place, rest = divmod(first, 16)
            assert rest == 0
            chosen[part].add(place)
    assert chosen == [set(range(edges[part], edges[part + 1])) for part in range(16)]


def test_places_are_those_of_earlier_versions() -> None:
    # Kept digests and fingerprints are of them.
    found = rows(slices(role(QUERY, (1600, 1 << 11)), (1600, 1 << 11), 3))
    assert [first // 16 for first, _ in found[:8]] == EARLIER


EARLIER = [5, 11, 13, 19, 29, 33, 43, 48]


def test_how_many_slices_there_are_and_how_long() -> None:
    wide = (40, SMALL)
    assert [last - first for first, last in rows(slices(role(QUERY, wide), wide, 0))] == [1] * 16
    few = (70, 1 << 11)  # five places, the last of six rows
    assert rows(slices(role(QUERY, few), few, 0)) == [(0, 16), (16, 32), (32, 48), (48, 64), (64, 70)]
    expert = "layers.0.feed_forward.experts.3.up.weight"
    assert len(slices(role(expert, (1600, 1 << 11)), (1600, 1 << 11), 0)) == 2


def test_slices_of_parts_of_a_stored_weight() -> None:
    turned = role(QUERY, (1 << 15, 8), View(transpose=True, start=2, stop=4))
    found = slices(turned, (1 << 15, 8), 0)
    assert {one[0].columns for one in found} == {(2, 4)}
    assert [last - first for first, last in rows(found)] == [1 << 14] * 2
    # A slice of 16 rows over groups of 6 rows each, which lie 10 apart: in pieces.
    grouped = role(QUERY, (1000, 1 << 11), View(groups=100, start=4, stop=10))
    found = slices(grouped, (1000, 1 << 11), 0)
    assert all(part.size for one in found for part in one)
    numbers = [number for one in found for part in one for number in range(*part.rows)]
    assert all(number % 10 >= 4 for number in numbers)
    assert len(numbers) == len(set(numbers)) == 16 * 16
    own = [number // 10 * 6 + number % 10 - 4 for number in numbers]
    assert all(
        own[start] % 16 == 0 and own[start : start + 16] == [*range(own[start], own[start] + 16)]
        for start in range(0, 256, 16)
    )


# --- the checkpoint ---------------------------------------------------------------------------------------


class Whole(MemoryCheckpoint):
    """A model that notes what is asked of it."""

    on_hub = True
    side_by_side = False
    verified = cast(Any, True)
    fetched = cast(Any, Fetched(1, 2, 3.0))
    unread_files = ("more.bin",)

    def __init__(self, tensors: Mapping[str, torch.Tensor], tokenizer: Path | None = None) -> None:
        super().__init__("m", "0" * 64, {"model_type": "any"}, tensors, tokenizer, device="cuda:1")
        self.threads = 3
        self.path = Path("somewhere")
        self.asked: list[object] = []

    def file_of(self, name: str) -> str:
        return f"file of {name}"

    def prefetch_stretches(self, wanted: Mapping[str, Sequence[tuple[int, int]]]) -> None:
        self.asked.append(wanted)

    def stretches_on_hub(self, wanted: Mapping[str, Sequence[tuple[int, int]]]) -> tuple[int, int]:
        self.asked.append(wanted)
        return 11, 7

    def measure_rate(self, names: Iterable[str]) -> float:
        self.asked.append(list(names))
        return 5.0

    def let_go(self) -> None:
        self.asked.append("let go")


@pytest.fixture
def whole(monkeypatch: pytest.MonkeyPatch) -> Whole:
    """Weights of up to 12 numbers are small, and slices are one row of one half."""
    for name, value in (("SMALL", 12), ("SLICE", 4), ("SLICES", 2)):
        monkeypatch.setattr(sampled, name, value)
    model = Whole(
        {
            "small": torch.arange(12.0).reshape(3, 4),
            "large": torch.arange(80.0).reshape(20, 4),
            "stack": torch.arange(48.0).reshape(2, 6, 4),
            "both": torch.arange(64.0).reshape(16, 4) - 9,
        }
    )
    views = {
        "final_norm.weight": ("small", View()),
        "embedding.weight": ("large", View()),
        "layers.0.feed_forward.experts.1.down.weight": ("stack", View(expert=1)),
        "layers.0.feed_forward.gate.weight": ("both", View(start=0, stop=8)),
        "layers.0.feed_forward.up.weight": ("both", View(start=8, stop=16)),
    }
    vars(model)["roles"] = Roles(
        {
            role: RoleView(role, name, view.shape(model.tensors[name].shape), view, model)
            for role, (name, view) in views.items()
        },
        1,
        "by convention",
        {"tower": "a tower"},
    )
    return model


def expected(model: Whole, seed: int) -> dict[str, list[tuple[int, int]]]:
    found = {"small": [(0, 12)]}
    for view in model.roles.values():
        if view.source != "small":
            pieces = slices(view, model.tensors[view.source].shape, seed)
            assert len(pieces) == 2
            found.setdefault(view.source, []).extend((4 * a, 4 * b) for a, b in rows(pieces))
    return found


def test_what_is_read_is_asked_for_in_advance(whole: Whole) -> None:
    assert SampledCheckpoint(whole).seed == 0
    for seed in (0, 5):
        model = SampledCheckpoint(whole, seed)
        stretches = expected(whole, seed)
        assert model.stretches() == stretches
        assert (model.bytes_on_hub(()), model.fetch_size(())) == (11, 7)
        assert model.digest
        assert whole.asked == [stretches] * 3
        whole.asked.clear()


def test_a_weight_that_is_stored_as_codes_is_asked_for_whole(whole: Whole) -> None:
    name = "layers.0.q.weight"
    stored = {name: torch.zeros(8, 4, dtype=torch.float8_e4m3fn), f"{name}_scale_inv": torch.ones(2, 1)}
    model = Whole(stored)
    model.config = {"quantization_config": {"quant_method": "fp8", "weight_block_size": [4, 4]}}
    vars(model)["roles"] = Roles({QUERY: RoleView(QUERY, name, (8, 4), View(), model)}, 1)
    assert SampledCheckpoint(model).stretches() == {name: [(0, 32)], f"{name}_scale_inv": [(0, 2)]}


def test_the_digest_is_of_what_is_read(whole: Whole, tmp_path: Path) -> None:
    total = hashlib.sha256(b"sampled 5 " + config_digest(whole.config))
    total.update(repr(sorted(whole.tensors.items())).encode())
    for source in ("both", "large", "small", "stack"):
        flat = whole.read(source).reshape(-1)
        for first, last in expected(whole, 5)[source]:
            total.update(flat[first:last].numpy().tobytes())
    assert SampledCheckpoint(whole, 5).digest == total.hexdigest()
    assert SampledCheckpoint(whole, 4).digest != total.hexdigest()
    with_tokens = hashlib.sha256(b"sampled 5 " + config_digest(whole.config))
    (tmp_path / "tokenizer.json").write_text("{}")
    with_tokens.update(hashlib.sha256(b"{}").digest())
    whole._tokenizer = tmp_path / "tokenizer.json"
    without = SampledCheckpoint(whole, 5).digest
    assert without != total.hexdigest()
    (tmp_path / "tokenizer.json").write_text("{ }")
    assert SampledCheckpoint(whole, 5).digest != without


def test_large_weights_are_not_read_whole(whole: Whole) -> None:
    model = SampledCheckpoint(whole)
    assert torch.equal(model.read("small"), whole.read("small"))
    assert model.flat("small").read(0, 12).tolist() == list(range(12))
    for read in (model.read, model.flat, lambda name: model.roles["embedding.weight"].read()):
        with pytest.raises(
            UnreadableTensor, match=r"only slices of it were read, but this needs all of it; "
        ):
            read("large")


def test_all_else_is_that_of_the_model(whole: Whole) -> None:
    model = SampledCheckpoint(whole)
    for fact in (
        *("name", "config", "path", "device", "threads", "side_by_side", "unread_files", "on_hub"),
        *("tensors", "fetched", "verified"),
    ):
        assert getattr(model, fact) == getattr(whole, fact), fact
    assert model.file_of("small") == "file of small"
    assert model.tokenizer_file() is None
    assert model.measure_rate(["small", "large"]) == 5
    model.let_go()
    assert whole.asked == [["small"], "let go"]
    roles = model.roles
    assert (roles.depth, roles.reading, roles.aside) == (1, "by convention", {"tower": "a tower"})
    assert {view.checkpoint for view in roles.values()} == {model}
    assert set(roles) == set(whole.roles)
    shape = object()
    vars(whole)["architecture"] = shape
    assert model.architecture is shape
