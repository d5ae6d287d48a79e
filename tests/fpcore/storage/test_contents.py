"""What a checkpoint's files hold: which tensors make which weights, and how those are read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from asked_source import AskedSource

import fpcore
from fpcore import BadCheckpoint, NotComparable, TensorInfo, UnreadableTensor
from fpcore.storage.dequantised import (
    FOREIGN,
    contents,
    open_dequantised,
    read_dequantised,
    real_values,
    set_apart,
    stored_parts,
    view_of,
    weight_size,
)
from fpcore.storage.flat_tensor import HeldTensor
from fpcore.storage.stored_weight import Refused

Shapes = dict[str, tuple[tuple[int, ...], str]]


class Listed(AskedSource):
    """A source that says what it holds, and notes what is asked of it."""

    name = "m"

    def __init__(self, shapes: Shapes, **config: Any) -> None:
        self.config = {"quantization_config": config}
        self.infos = {name: TensorInfo(*facts) for name, facts in shapes.items()}
        self.asked: list[Any] = []

    @property
    def tensors(self) -> Mapping[str, TensorInfo]:
        return self.infos

    def read(self, name: str) -> torch.Tensor:
        self.asked.append(("whole", name))
        return torch.arange(float(self.infos[name].size)).reshape(self.infos[name].shape)

    def prefetch(self, names: Iterable[str]) -> None:
        self.asked.append(("prefetch", *names))

    def prefetch_stretches(self, wanted: Mapping[str, Sequence[tuple[int, int]]]) -> None:
        self.asked.append(("stretches", wanted))

    def file_of(self, name: str) -> str:
        return f"file of {name}"


def kinds(shapes: Shapes, **config: Any) -> dict[str, Any]:
    """Class and shape of each weight in their order, and why it is refused."""
    return {
        name: (type(one).__name__, one.shape, *([one.reason] if isinstance(one, Refused) else ()))
        for name, one in contents(Listed(shapes, **config)).weights.items()
    }


def unknown(said: str) -> str:
    return f"it is packed in an unknown way ({said}); dequantise the model first"


def test_tensors_are_weights_or_apart_by_their_types() -> None:
    shapes: Shapes = {
        "b.weight": ((4, 4), "bfloat16"),
        "positions": ((4,), "int64"),
        "a.weight": ((4, 4), "float8_e4m3fn"),
        "c.weight_scale": ((), "float32"),  # before its weight
        "d.weight": ((4, 4), "float6_e2m3fn"),
        "e.weight": ((4, 4), "float6_e3m2fn"),
        "f.weight": ((4, 8), "float4_e2m1fn_x2"),
        "vision_tower.weight": ((4, 4), "float32"),
        "c.weight": ((4, 4), "int8"),
    }
    assert list(kinds(shapes).items()) == [
        ("b.weight", ("AsStored", (4, 4))),
        ("a.weight", ("AsStored", (4, 4))),
        ("c.weight", ("Scaled", (4, 4))),
        (
            "d.weight",
            ("Refused", (4, 4), "its element type float6_e2m3fn is not supported; convert it first"),
        ),
        (
            "e.weight",
            ("Refused", (4, 4), "its element type float6_e3m2fn is not supported; convert it first"),
        ),
        ("f.weight", ("Fp4", (4, 8))),
    ]
    assert set_apart(Listed(shapes)) == {"buffers of integers": 1, "towers of other modalities": 1}


def test_the_type_of_a_model_says_what_is_its_own() -> None:
    shapes: Shapes = {"model.local_encoder.patch_embedding_projection.weight": ((4, 4), "float32")}
    assert kinds(shapes) == {}
    model = Listed(shapes)
    model.config = {"model_type": "blt"}
    assert list(contents(model).weights) == list(shapes)


@pytest.mark.parametrize("last", FOREIGN)
def test_packings_are_known_by_the_last_word_of_a_name(last: str) -> None:
    """Outside the layers a weight that nobody can read is left out, with all beside it but its bias."""
    stem = "head" if last in {"_data", "_packed"} else "m.head"
    shapes: Shapes = {f"{stem}.{last}": ((4, 2), "int32"), f"{stem}.meta": ((4,), "float32")}
    shapes |= {f"{stem}.bias": ((4,), "float32"), "m.header.weight": ((4, 4), "float32")}
    assert list(kinds(shapes)) == [f"{stem}.bias", "m.header.weight"]
    assert set_apart(Listed(shapes)) == {f"packed in an unknown way ({FOREIGN[last]})": 1}
    method = {"packed in an unknown way (new)": 1}
    assert set_apart(Listed(shapes, quant_method="New")) == method
    within = {f"layers.3.{name}": facts for name, facts in shapes.items()}
    with pytest.raises(NotComparable, match=r"^its weights are packed integers \(new: layers\.3\."):
        contents(Listed(within, quant_method="New"))


@pytest.mark.parametrize(
    ("packed", "weight"),
    [
        ("layers.1.up.W_q", "layers.1.up.weight"),
        ("layers.1.up.weight_packed", "layers.1.up.weight"),
        ("layers.1.up.weight._data", "layers.1.up.weight"),
        ("layers.1.up._weight_qdata", "layers.1.up.weight"),
    ],
)
def test_a_layer_that_is_not_packed_shows_the_shape_of_one_that_is(packed: str, weight: str) -> None:
    beside = f"{packed.rpartition('.')[0]}.meta"
    shapes: Shapes = {packed: ((4, 2), "int32"), beside: ((4,), "float32")}
    shapes |= {"layers.10.up.weight": ((4, 4), "float32"), "layers.1.up.bias": ((4,), "float32")}
    model = Listed(shapes, quant_method="new")
    assert kinds(shapes, quant_method="new") == {
        weight: ("Refused", (4, 4), unknown(f"new: {weight}")),
        "layers.10.up.weight": ("AsStored", (4, 4)),
        "layers.1.up.bias": ("AsStored", (4,)),
    }
    assert {packed, beside} <= set(stored_parts(model, [weight]))


def test_one_integer_a_weight_has_the_shape_of_the_weight() -> None:
    shapes: Shapes = {"layers.0.up.weight": ((4, 4), "int8"), "layers.0.down.weight": ((4, 4), "float32")}
    refused = ("Refused", (4, 4), unknown("int8: layers.0.up.weight"))
    assert kinds(shapes) == {"layers.0.up.weight": refused, "layers.0.down.weight": ("AsStored", (4, 4))}
    for changed, method in (((4, 4), "eetq"), ((4, 2), "")):
        dtype = "int8" if method else "uint8"
        with pytest.raises(
            NotComparable, match=rf"packed integers \({method or 'uint8'}: layers\.0\.up\.weight\)"
        ):
            contents(Listed(shapes | {"layers.0.up.weight": (changed, dtype)}, quant_method=method))


def test_a_format_takes_what_no_later_one_does() -> None:
    """The scales of bitsandbytes' rows are taken before anything takes its weight for one without."""
    shapes: Shapes = {"a.weight": ((4, 4), "int8"), "a.SCB": ((4,), "float32")}
    shapes |= {"b.weight": ((4, 4), "int8"), "b.weight_scale": ((4, 1), "float32")}
    shapes |= {"a.weight_scale": ((4, 1), "float32")}
    assert kinds(shapes) == {
        "a.weight": ("Int8Rows", (4, 4)),
        "a.weight_scale": ("AsStored", (4, 1)),
        "b.weight": ("Scaled", (4, 4)),
    }


def test_what_is_read_is_asked_for_by_its_stored_name() -> None:
    source = Listed({"module.a.weight": ((4, 3), "float32")})
    view = view_of(source)
    assert (view.name, view.config, list(view.tensors)) == ("m", source.config, ["a.weight"])
    assert torch.equal(view.read_rows("a.weight", 1, 3), torch.arange(3.0, 9.0).reshape(2, 3))
    view.prefetch(["a.weight"])
    view.prefetch_stretches({"a.weight": [(0, 3)]})
    assert (view.file_of("a.weight"), view.file_of("gone")) == ("file of module.a.weight", "file of gone")
    assert torch.equal(read_dequantised(source, "a.weight", 2), torch.arange(6.0, 9.0))
    opened = open_dequantised(source, "a.weight")
    np.testing.assert_array_equal(opened.rows(1, 3), np.arange(3.0, 9.0).reshape(2, 3))
    assert source.asked[:5] == [
        ("rows", "module.a.weight", 1, 3),
        ("whole", "module.a.weight"),
        ("prefetch", "module.a.weight"),
        ("stretches", {"module.a.weight": [(0, 3)]}),
        ("part", "module.a.weight", 2),
    ]
    assert ("flat", "module.a.weight") in source.asked
    assert (opened.shape, opened.size, opened.dtype) == ((4, 3), 12, "float32")
    assert weight_size(source, "a.weight") == 12
    assert stored_parts(source, ["a.weight", "a.weight"]) == 2 * ["module.a.weight"]


def test_rows_of_more_and_of_fewer_axes() -> None:
    source = Listed({"stack": ((2, 3, 4), "float32"), "norm.weight": ((5,), "float32")})
    stack, norm = (open_dequantised(source, name) for name in ("stack", "norm.weight"))
    np.testing.assert_array_equal(stack.rows(2, 5), np.arange(8.0, 20.0).reshape(3, 4))
    np.testing.assert_array_equal(norm.rows(1, 3), np.array([[1.0], [2.0]]))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_real_values_are_an_array_of_their_own(dtype: torch.dtype) -> None:
    numbers = torch.arange(24.0).reshape(4, 3, 2)
    model = fpcore.MemoryCheckpoint("m", "0" * 64, {}, {"a.weight": numbers.to(dtype)})
    expected = np.float64 if dtype == torch.float64 else np.float32
    for index, part in ((None, numbers), (0, numbers[0]), (3, numbers[3])):
        found = real_values(model, "a.weight", index)
        assert found.dtype == expected
        np.testing.assert_array_equal(found, part.numpy())
        found[:] = -1
    assert torch.equal(model.read("a.weight").float(), numbers)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_real_values_beside_a_scale_of_one(dtype: torch.dtype) -> None:
    """The tensor itself is handed on by torch; what is changed afterwards must not be it."""
    numbers = torch.arange(6.0).reshape(3, 2).to(dtype)
    parts = {"a.weight": numbers, "a.weight_scale": torch.ones(())}
    model = fpcore.MemoryCheckpoint("m", "0" * 64, {}, parts)
    for index in (None, 1):
        found = real_values(model, "a.weight", index)
        assert found.dtype == (np.float64 if dtype == torch.float64 else np.float32)
        found[:] = -1
    assert torch.equal(model.read("a.weight").float(), torch.arange(6.0).reshape(3, 2))


@pytest.mark.parametrize(
    ("error", "kind", "told"),
    [
        (
            OSError("cut\nshort"),
            BadCheckpoint,
            r"^file of a: tensor a cannot be read \(OSError: cut\); try again$",
        ),
        (MemoryError(), BadCheckpoint, r"^file of a: tensor a cannot be read \(MemoryError\); try again$"),
        (BadCheckpoint("said already"), BadCheckpoint, "^said already$"),
        (NotComparable("said already"), NotComparable, "^said already$"),
        (UnreadableTensor("no scale"), UnreadableTensor, "^file of a: tensor a: no scale$"),
        (
            KeyError("deep"),
            UnreadableTensor,
            r"^file of a: tensor a cannot be read \(KeyError: 'deep'\); fetch the file again or dequantise",
        ),
    ],
)
def test_what_fails_is_told_with_file_and_tensor(
    error: Exception, kind: type[Exception], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Listed({"a": ((4, 3), "float32")})

    def fail(*_: object) -> Iterator[None]:
        raise error

    monkeypatch.setattr(source, "read", fail)
    for read in (read_dequantised, open_dequantised):
        with pytest.raises(kind, match=told):
            read(source, "a")
    monkeypatch.undo()
    opened = open_dequantised(source, "a")
    monkeypatch.setattr(HeldTensor, "read", fail)
    with pytest.raises(kind, match=told):
        opened.read(0, 3)


def test_what_is_not_as_long_as_its_shape_says(monkeypatch: pytest.MonkeyPatch) -> None:
    source = Listed({"a": ((4, 3), "float32")})
    opened = open_dequantised(source, "a")
    monkeypatch.setattr(HeldTensor, "read", lambda *_: np.zeros(2, np.float32))
    with pytest.raises(UnreadableTensor, match=r"^file of a: tensor a .*ValueError: 2 numbers, expected 3"):
        opened.read(0, 3)
    monkeypatch.setattr(source, "read", lambda name: torch.ones(4, 2))
    with pytest.raises(
        UnreadableTensor, match=r"^file of a: tensor a: its stored parts make 8 numbers where"
    ):
        open_dequantised(source, "a")
    monkeypatch.setattr(source, "read", lambda name: torch.ones(4, 3, 1))
    for index, shape in ((None, r"\(4, 3, 1\) where \(4, 3\)"), (1, r"\(3, 1\) where \(3,\)")):
        with pytest.raises(UnreadableTensor, match=rf"make a tensor of shape {shape} is needed"):
            read_dequantised(source, "a", index)
