"""Pickles of ``torch.save``: what becomes of all they can name, with nothing run."""

from __future__ import annotations

import io
import pickle
import struct
from collections import OrderedDict
from typing import Any

import pytest
import torch

from fpcore.checkpoints import torch_pickle
from fpcore.checkpoints.torch_pickle import (
    LARGEST_REPEATED,
    REPEATED,
    STORAGES,
    Inert,
    LyingTensor,
    Storage,
    TensorsOnly,
    load_bounded,
)
from fpcore.counts import MOST
from fpcore.storage.tensor_source import TensorInfo


def reader(content: bytes = b"N.") -> TensorsOnly:
    return TensorsOnly(io.BytesIO(content))


def named(module: str, name: str) -> Any:
    return reader().find_class(module, name)


STORAGE = Storage("0", "float32")
V2 = named("torch._utils", "_rebuild_tensor_v2")
V3 = named("torch._utils", "_rebuild_tensor_v3")
OF_TYPE = named("torch._tensor", "_rebuild_from_type_v2")
BFLOAT = named("torch", "bfloat16")


def test_a_tensor_is_what_describes_it() -> None:
    lying = LyingTensor(STORAGE, TensorInfo((2, 3), "float32"), 5, (1, 2))
    assert V2(STORAGE, 5, (2, 3), (1, 2), False, OrderedDict()) == lying
    assert named("torch._utils", "_rebuild_tensor")(STORAGE, 5, (2, 3), (1, 2)) == lying
    typed = LyingTensor(STORAGE, TensorInfo((2, 3), "bfloat16"), 5, (1, 2))
    assert V3(STORAGE, 5, (2, 3), (1, 2), False, None, BFLOAT, "more") == typed
    assert V3(STORAGE, 5, (2, 3), (1, 2), False, None, "bfloat16") == lying
    for module, name in (
        ("torch._utils", "_rebuild_parameter"),
        ("torch._utils", "_rebuild_parameter_with_state"),
        ("torch.nn.parameter", "Parameter"),
    ):
        assert named(module, name)(lying, True, "state") is lying
    assert OF_TYPE(V2, object, (STORAGE, 5, (2, 3), (1, 2)), None) == lying
    assert isinstance(OF_TYPE(print, object, ("ran",), None), Inert)


@pytest.mark.parametrize(
    "described",
    [(None, 0, (1,), (1,)), (STORAGE, 0.0, (1,), (1,)), (STORAGE, 0, [1], (1,)), (STORAGE, 0, (1,), [1])],
)
def test_what_does_not_describe_a_tensor_is_inert(described: tuple[object, ...]) -> None:
    assert isinstance(V2(*described), Inert)


@pytest.mark.parametrize("part", [-1, MOST + 1, 1.0, True, "1"])
def test_lengths_and_strides_are_counts(part: object) -> None:
    for described in (((part,), (1,)), ((1,), (part,))):
        with pytest.raises(ValueError, match=r"^a tensor has an invalid length or stride$"):
            V2(STORAGE, 0, *described)


def test_the_longest_axis_and_the_shortest() -> None:
    assert V2(STORAGE, 0, (MOST, 0), (MOST, 0)).info.shape == (MOST, 0)
    with pytest.raises(ValueError, match=r"^a tensor of 1 axes has 2 strides$"):
        V2(STORAGE, 0, (2,), (1, 1))


def test_a_large_tensor_that_repeats_itself_is_not_made() -> None:
    half = LARGEST_REPEATED // 2
    for shape, stride, fault in (
        ((2, half), (0, 1), ""),
        ((2, half + 1), (0, 1), REPEATED),
        ((half + 1, 2), (1, 0), REPEATED),
        ((1, 2 * half + 1), (0, 1), ""),
        ((2, half + 1), (half + 1, 1), ""),
    ):
        assert V2(STORAGE, 0, shape, stride).fault == fault, shape


def test_tensors_without_numbers_say_why() -> None:
    sparse = named("torch._utils", "_rebuild_sparse_tensor")
    meta = named("torch._utils", "_rebuild_meta_tensor_no_storage")
    quantised = named("torch._utils", "_rebuild_qtensor")
    for lying, shape, dtype, fault in (
        (sparse("coo", ((9,), (8,), "values", (2, 3), True)), (2, 3), "float32", "it is sparse; save "),
        (meta(BFLOAT, (4,), (1,), False), (4,), "bfloat16", "it is on the meta device and has no numbers; "),
        (quantised(STORAGE, 0, (5, 1), (1, 1)), (5, 1), "float32", "it is of a quantised torch type; save "),
    ):
        assert lying == LyingTensor(Storage("", dtype), TensorInfo(shape, dtype), 0, (), lying.fault)
        assert lying.fault.startswith(fault)
    for inert in (sparse("coo", ("indices", "values")), sparse("coo", None), meta(BFLOAT, [4])):
        assert isinstance(inert, Inert)


def test_what_names_stand_for() -> None:
    assert named("collections", "OrderedDict") is OrderedDict
    assert named("torch", "Size") is tuple
    for name in ("float16", "bfloat16", "int8", "uint4", "bool", "complex64"):
        assert named("torch", name).name == name
    for module in ("torch", "torch.storage"):
        assert named(module, "HalfStorage").element == ("float16", 2)
    for module, name in (
        ("collections", "Counter"),
        ("builtins", "OrderedDict"),
        ("builtins", "Size"),
        ("torch", "quint8"),
        ("numpy", "float16"),
        ("os", "system"),
        ("torch", "load"),
        ("other", "HalfStorage"),
        ("other", "_rebuild_tensor_v2"),
    ):
        assert named(module, name) is Inert, (module, name)


@pytest.mark.filterwarnings("ignore:TypedStorage is deprecated")
@pytest.mark.parametrize("name", STORAGES)
def test_storages_and_their_widths(name: str) -> None:
    one = reader()
    dtype, width = STORAGES[name]
    pid = ("storage", one.find_class("torch", name), 7, "cpu", 24)
    assert one.persistent_load(pid) == Storage("7", dtype)
    assert one.persistent_load((*pid, ("view", 3, 4))) == Storage("7", dtype, 3)
    assert one.persistent_load((*pid, None)) == Storage("7", dtype)
    assert (one.widths, one.counts) == ({"7": width}, {"7": 24})
    assert width == getattr(torch, dtype).itemsize
    assert dtype == "uint8" or getattr(torch, dtype) == getattr(torch, name).dtype


def test_a_storage_of_an_unknown_class_is_bytes() -> None:
    one = reader()
    for count, expected in ((6, 6), (-6, 0), ("6", 0), (6.0, 0)):
        assert one.persistent_load(("storage", Inert, "k", "cpu", count)) == Storage("k", "uint8")
        assert (one.widths, one.counts) == ({"k": 1}, {"k": expected})


def test_other_persistent_objects() -> None:
    one = reader()
    kept = object()
    assert one.persistent_load(("module", kept)) is kept
    assert one.persistent_load(("module", kept, "source", "text")) is kept
    of_floats = one.find_class("torch", "FloatStorage")
    for pid in (
        ("module",),
        ("storage", of_floats, "0", "cpu"),
        ("other", of_floats, "0", "cpu", 1),
        "0",
        None,
    ):
        assert isinstance(one.persistent_load(pid), Inert), pid
    assert not one.widths
    assert not one.counts


def test_what_is_inert_takes_all_and_does_nothing() -> None:
    inert = Inert(1, two=2)
    inert["key"] = 1
    inert.append(1)
    inert.extend([1])
    inert.add(1)
    assert isinstance(inert(1, two=2), Inert)
    assert inert.state is None
    inert.__setstate__({"a": 1})
    assert inert.state == {"a": 1}


def loaded(program: bytes, before: bytes = b"") -> object:
    """An object of a pickle that begins somewhere within a stream."""
    stream = io.BytesIO(before + program)
    stream.seek(len(before))
    return load_bounded(TensorsOnly(stream), stream)


def test_pickles_are_read_where_they_begin() -> None:
    for protocol in range(6):
        value = {"a": [1, 2.5, None], "b": ("text", True)}
        assert loaded(pickle.dumps(value, protocol), b"before") == value


PUTS = {
    "text": lambda place: b"p%d\n" % place,
    "a byte": lambda place: b"q" + bytes([place]),
    "four bytes": lambda place: b"r" + struct.pack("<I", place),
}


@pytest.mark.parametrize("kind", PUTS)
def test_a_memo_has_few_spare_places(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_pickle, "MOST_SPARE", 10)
    put = PUTS[kind]
    assert loaded(b"N" + put(12) + b".") is None
    assert loaded(b"N" + put(0) + put(14) + b".") is None
    for program in (put(13), put(0) + put(15)):
        with pytest.raises(ValueError, match=r"^its memo has entries that are never filled$"):
            loaded(b"N" + program + b".")


def test_a_piece_has_a_length(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_pickle, "LONGEST", 1000)
    assert loaded(pickle.dumps("x" * 1000, 2)) == "x" * 1000
    for program in (pickle.dumps("x" * 1001, 2), b"\x80\4\x8e" + struct.pack("<Q", 1001) + b"."):
        with pytest.raises(ValueError, match=r"^it has a piece of 1,001 bytes; the limit is 1,000$"):
            loaded(program)
