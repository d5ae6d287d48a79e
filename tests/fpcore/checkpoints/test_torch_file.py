"""Files of ``torch.save``: where each tensor lies, and what damaged ones are told to be."""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fpcore.checkpoints import torch_file
from fpcore.checkpoints.torch_file import (
    LOCAL_HEADER,
    MAGIC,
    Place,
    TorchFile,
    named_tensors,
    read_torch_file,
    read_torch_stream,
)
from fpcore.checkpoints.torch_pickle import Inert, LyingTensor, Storage
from fpcore.errors import BadCheckpoint, UnreadableTensor
from fpcore.storage.tensor_source import TensorInfo

BASE = torch.arange(24.0).reshape(4, 6)
TENSORS = {
    "whole": BASE,
    "rows": BASE[1:3],
    "turned": BASE.T,
    "column": BASE[:, 2:3],
    "one": BASE[2:3, 3:4],
    "scalar": torch.tensor(3.0),
    "none": torch.empty(0, 5, dtype=torch.float16),
    "half": torch.arange(5, dtype=torch.bfloat16),
    "bytes": torch.arange(3, dtype=torch.uint8),
    "long": torch.arange(-2, 2),
    "small": torch.tensor([1.0, -0.5]).to(torch.float8_e4m3fn),
}
IN_ROWS = {"whole", "rows", "one", "scalar", "none", "half", "small"}
"""Those whose numbers lie row by row, in a type that is read in stretches."""


def saved(folder: Path, tensors: object, *, zipped: bool = True) -> TorchFile:
    torch.save(tensors, folder / "x.bin", _use_new_zipfile_serialization=zipped)
    return read_torch_file(folder / "x.bin")


@pytest.mark.parametrize("zipped", [True, False])
def test_tensors_are_read_as_they_were_saved(zipped: bool, tmp_path: Path) -> None:
    found = saved(tmp_path, TENSORS, zipped=zipped)
    content = found.path.read_bytes()
    assert list(found.tensors) == list(TENSORS)
    for name, tensor in TENSORS.items():
        read = found.get_tensor(name)
        assert read.dtype == tensor.dtype
        assert read.tolist() == tensor.tolist() if name != "small" else torch.equal(read, tensor)
        begin = found.plain_begin(name)
        assert (begin is not None) == (name in IN_ROWS), name
        first, end = found.span(name)
        if begin is not None:
            flat = tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
            assert content[begin : begin + len(flat)] == flat
            assert first < begin <= begin + len(flat) <= end


def test_what_is_read_is_mapped_and_a_change_of_it_stays_in_memory(tmp_path: Path) -> None:
    found = raw(tmp_path, lying((8,)))
    content = found.path.read_bytes()
    read = found.get_tensor("t")
    assert read.untyped_storage().nbytes() == len(content)
    read.add_(1)
    assert found.path.read_bytes() == content


def lying(
    shape: tuple[int, ...] = (2,), stride: tuple[int, ...] = (1,), offset: int = 0, **more: Any
) -> LyingTensor:
    storage = Storage("0", more.get("dtype", "float32"), more.get("start", 0))
    return LyingTensor(storage, TensorInfo(shape, storage.dtype), offset, stride, more.get("fault", ""))


def raw(folder: Path, tensor: LyingTensor, *, big: bool = False, before: int = 0, **more: Any) -> TorchFile:
    """A file of eight numbers behind a count."""
    width = more.get("width", 4)
    size = more.get("size", 32)
    order = ">" if big else "<"
    numbers = np.arange(8, dtype=f"{order}f4").tobytes()
    (folder / "x").write_bytes(b"x" * before + struct.pack("<q", 8) + numbers + b"behind")
    places = {"0": Place(before, before + 8 + size, size, "count")}
    return TorchFile(folder / "x", {"t": tensor}, places, {"0": width}, big)


def test_a_storage_lies_behind_its_count(tmp_path: Path) -> None:
    for big in (False, True):
        for before in (0, 1, 2, 4):
            found = raw(tmp_path, lying((2, 3), (3, 1), 1, start=1), big=big, before=before)
            assert found.get_tensor("t").tolist() == [[2, 3, 4], [5, 6, 7]]
            assert found.span("t") == (before, before + 40)
            assert found.plain_begin("t") == (None if big else before + 8 + 2 * 4)


@pytest.mark.parametrize("big", [False, True])
def test_a_storage_of_an_odd_size_is_read_as_far_as_it_goes(big: bool, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(member() + struct.pack(">2d" if big else "<2d", 1, 2) + b"odd")
    places = {"0": Place(0, len(member()) + 19, 19, "zip")}
    found = TorchFile(tmp_path / "x", {"t": lying(dtype="float64")}, places, {"0": 8}, big)
    assert found.get_tensor("t").tolist() == [1, 2]


BEYOND = "^it reaches beyond the 8 elements of its storage$"


@pytest.mark.parametrize(
    "tensor",
    [
        lying((9,)),
        lying((2,), (8,)),
        lying((2, 5), (4, 1)),
        lying((8,), offset=1),
        lying((8,), start=1),
        lying((2,), offset=-1),
    ],
)
def test_a_tensor_beyond_its_storage(tensor: LyingTensor, tmp_path: Path) -> None:
    found = raw(tmp_path, tensor)
    with pytest.raises(ValueError, match=BEYOND):
        found.get_tensor("t")
    assert found.plain_begin("t") is None


def test_tensors_that_reach_to_the_end_of_their_storage(tmp_path: Path) -> None:
    for tensor, values in (
        (lying((8,)), list(range(8))),
        (lying((2,), (7,)), [0, 7]),
        (lying((2, 4), (4, 1)), [[0, 1, 2, 3], [4, 5, 6, 7]]),
        (lying((1,), offset=7), [7]),
        (lying((), (), start=7), 7),
        (lying((0, 9), (9, 1), offset=50), []),
    ):
        assert raw(tmp_path, tensor).get_tensor("t").tolist() == values


def test_where_numbers_lie_row_by_row(tmp_path: Path) -> None:
    for tensor, begin in (
        (lying((8,)), 8),
        (lying((4, 2), (2, 1)), 8),
        (lying((1, 4, 2), (77, 2, 1)), 8),
        (lying((2,), offset=6), 32),
        (lying((4,), (2,)), None),
        (lying((2, 4), (1, 2)), None),
        (lying((2, 2, 2), (2, 4, 1)), None),
        (lying((2,), offset=-1), None),
        (lying((9,)), None),
        (lying((8,), offset=1), None),
        (lying((8,), fault="it is sparse"), None),
        (lying((8,), dtype="float64"), None),
        (lying((8,), dtype="complex64"), None),
    ):
        assert raw(tmp_path, tensor).plain_begin("t") == begin, tensor
    assert raw(tmp_path, lying((2,)), width=2, size=16).plain_begin("t") is None


def test_a_storage_that_is_not_there(tmp_path: Path) -> None:
    found = TorchFile(tmp_path / "x", {"t": lying()}, {}, {"0": 4}, False)
    assert found.span("t") == (0, 0)
    assert found.plain_begin("t") is None
    with pytest.raises(ValueError, match=r"^its storage 0 is not in the file$"):
        found.get_tensor("t")
    silent = TorchFile(tmp_path / "x", {"t": lying(fault="it is sparse")}, {}, {}, False)
    with pytest.raises(UnreadableTensor, match=r"^it is sparse$"):
        silent.get_tensor("t")


def member(name: bytes = b"ab", extra: bytes = b"cde") -> bytes:
    return LOCAL_HEADER + b"\1" * 22 + struct.pack("<HH", len(name), len(extra)) + name + extra


class Sparing(io.BytesIO):
    """A stream of which only what introduces a storage is read, however large it is."""

    def read(self, size: int | None = -1) -> bytes:
        assert size in {8, 30}
        return super().read(size)


def test_a_storage_behind_a_members_header() -> None:
    stream = Sparing(b"x" * 7 + member() + b"1234" + b"next")
    assert Place(7, 46, 4, "zip").bounds(stream, 4) == (42, 46)
    with pytest.raises(ValueError, match=r"^its storage reaches into the next one$"):
        Place(7, 45, 4, "zip").bounds(stream, 4)
    with pytest.raises(ValueError, match=r"^its storage does not begin with a member's header$"):
        Place(8, 46, 4, "zip").bounds(stream, 4)


def test_the_longest_name_of_a_member() -> None:
    head = member(b"n" * 65535, b"e" * 65535)
    assert Place(0, 1 << 20, 4, "zip").bounds(io.BytesIO(head), 4) == (len(head), len(head) + 4)


def test_a_count_that_is_not_that_of_the_pickle() -> None:
    stream = Sparing(b"x" + struct.pack("<q", 3) + b"\0" * 12)
    assert Place(1, 21, 12, "count").bounds(stream, 4) == (9, 21)
    with pytest.raises(ValueError, match=r"^its storage has 3 elements, expected 6$"):
        Place(1, 21, 12, "count").bounds(stream, 2)
    with pytest.raises(ValueError, match=r"^its storage has -1 elements, expected 3$"):
        Place(0, 20, 12, "count").bounds(io.BytesIO(b"\xff" * 8), 4)


# --- what a zip file describes ----------------------------------------------------------------------------


def tensor_pickle(key: str = "0", count: int = 2) -> bytes:
    """A state dict of one tensor `t` of two floats."""

    class Kept(pickle._Pickler):
        def persistent_id(self, obj: object) -> object:
            return ("storage", torch.FloatStorage, key, "cpu", count) if obj is STORAGE else None

    class Tensor:
        def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
            return torch._utils._rebuild_tensor_v2, (STORAGE, 0, (2,), (1,), False, None)

    out = io.BytesIO()
    Kept(out, 2).dump({"t": Tensor()})
    return out.getvalue()


STORAGE = object()
DATA = {"archive/data.pkl": tensor_pickle(), "archive/data/0": struct.pack("<2f", 1, 2)}


def zipped(members: Mapping[str, bytes], compressed: str = "") -> io.BytesIO:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in members.items():
            kind = zipfile.ZIP_DEFLATED if name == compressed else zipfile.ZIP_STORED
            archive.writestr(name, content, kind)
    return stream


def test_members_of_a_zip_file(tmp_path: Path) -> None:
    found = read_torch_stream(zipped(DATA | {"archive/version": b"3", "other/data/1": b""}), tmp_path / "x")
    assert set(found.places) == {"0"}
    assert found.widths == {"0": 4}
    assert not found.big_endian
    place = found.places["0"]
    content = zipped(DATA).getvalue()
    assert content[place.begin :].startswith(LOCAL_HEADER)
    assert content[place.begin : place.end].endswith(DATA["archive/data/0"])
    assert (place.size, place.head) == (8, "zip")


@pytest.mark.parametrize(
    ("order", "big"), [(b"big\n", True), (b"big", True), (b"little", False), (b"", False)]
)
def test_the_order_of_bytes_in_a_zip_file(order: bytes, big: bool, tmp_path: Path) -> None:
    files = DATA | {"archive/byteorder": order, "byteorder": b"big"}
    assert read_torch_stream(zipped(files), tmp_path).big_endian == big


FAULTS: dict[str, tuple[Callable[[], io.BytesIO], str]] = {
    "no pickle": (lambda: zipped({"archive/data/0": b""}), "ValueError: 0 members called data.pkl"),
    "two pickles": (lambda: zipped(DATA | {"b/data.pkl": b""}), "ValueError: 2 members called data.pkl"),
    "a compressed pickle": (
        lambda: zipped(DATA, "archive/data.pkl"),
        "ValueError: its data.pkl is compressed or too large",
    ),
    "compressed numbers": (
        lambda: zipped(DATA, "archive/data/0"),
        "ValueError: its members are compressed",
    ),
    "nothing of torch": (lambda: io.BytesIO(pickle.dumps(1)), "ValueError: not a file of torch.save"),
    "a long text": (
        lambda: zipped({"data.pkl": b"c" + b"y" * 200 + b"\n."}),
        "ValueError: no newline found when trying to read stringnl",
    ),
}


@pytest.mark.parametrize("what", FAULTS)
def test_what_is_no_file_of_torch(what: str, tmp_path: Path) -> None:
    make, told = FAULTS[what]
    with pytest.raises(BadCheckpoint) as caught:
        read_torch_stream(make(), tmp_path / "x")
    again = "fetch it again or convert it to safetensors"
    assert str(caught.value) == f"{tmp_path / 'x'}: not a readable torch weights file ({told}); {again}"


def test_a_pickle_has_a_length(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_file, "LARGEST_PICKLE", len(DATA["archive/data.pkl"]))
    assert read_torch_stream(zipped(DATA), tmp_path).tensors
    monkeypatch.setattr(torch_file, "LARGEST_PICKLE", len(DATA["archive/data.pkl"]) - 1)
    with pytest.raises(BadCheckpoint, match=r"its data\.pkl is compressed or too large"):
        read_torch_stream(zipped(DATA), tmp_path)


# --- what an older file describes -------------------------------------------------------------------------


def legacy(system: object, keys: object = ("0",), data: bytes = struct.pack("<q2f", 2, 1, 2)) -> io.BytesIO:
    parts = [pickle.dumps(one, 2) for one in (MAGIC, 1001, system)]
    listed = list(keys) if isinstance(keys, tuple) else keys
    return io.BytesIO(b"".join(parts) + tensor_pickle() + pickle.dumps(listed, 2) + data)


def test_storages_of_an_older_file(tmp_path: Path) -> None:
    stream = legacy({})
    found = read_torch_stream(stream, tmp_path)
    end = len(stream.getvalue())
    assert found.places == {"0": Place(end - 16, end, 8, "count")}
    assert found.widths == {"0": 4}
    after = read_torch_stream(legacy({}, ("0", "0"), b"\0" * 32), tmp_path)
    assert after.places["0"].begin == len(legacy({}, ("0", "0"), b"\0" * 16).getvalue()), "the second of two"
    assert read_torch_stream(legacy({}, "0"), tmp_path).places == {}
    for keys, data, told in (
        (("0",), b"\0" * 15, "ValueError: cut short"),
        (("1",), b"\0" * 16, "KeyError: '1'"),
    ):
        with pytest.raises(BadCheckpoint, match=rf"\({told}\)"):
            read_torch_stream(legacy({}, keys, data), tmp_path)


def test_an_error_without_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def empty(stream: io.BytesIO) -> None:
        raise MemoryError

    monkeypatch.setattr(torch_file, "read_legacy", empty)
    with pytest.raises(BadCheckpoint, match=r"not a readable torch weights file \(MemoryError: \); fetch"):
        read_torch_stream(io.BytesIO(), tmp_path)


@pytest.mark.parametrize(
    ("system", "big"),
    [({"little_endian": True}, False), ({"little_endian": False}, True), ({}, False), ([], False)],
)
def test_the_order_of_bytes_in_an_older_file(system: object, big: bool, tmp_path: Path) -> None:
    assert read_torch_stream(legacy(system), tmp_path).big_endian == big


# --- which of the tensors are the model's -----------------------------------------------------------------

A, B, C = (lying(offset=offset) for offset in range(3))


def module(**parts: object) -> Inert:
    made = Inert()
    made.state = {f"_{name}": value for name, value in parts.items()}
    return made


NAMED: dict[str, tuple[object, dict[str, LyingTensor]]] = {
    "a state dict": ({"a": A, "b": B, "more": 1}, {"a": A, "b": B}),
    "whole numbers for names": ({0: A, 7: B}, {"0": A, "7": B}),
    "a training state": ({"state_dict": {"a": A, "b": B}, "step": C}, {"a": A, "b": B}),
    "the first name that has more": ({"weights": {"a": A}, "model": {"b": B}}, {"b": B}),
    "a name within a name": ({"model": {"module": {"a": A, "b": B}, "c": C}}, {"a": A, "b": B}),
    "a name that has less": ({"model": {"a": A}, "b": B, "c": C}, {"b": B, "c": C}),
    "a name that has as many": ({"model": {"a": A}, "b": B}, {"b": B}),
    "mappings within a known name": ({"params": {"x": {"a": A}, "y": {"b": B}}}, {"x.a": A, "y.b": B}),
    "a known name beside others": (
        {"params": {"x": {"a": A}, "y": {"b": B}}, "old": {"c": C}},
        {"x.a": A, "y.b": B},
    ),
    "an unknown name": ({"ema": {"a": A, "x": {"b": B}}, "step": 1}, {"a": A, "x.b": B}),
    "two unknown names": ({"ema": {"a": A}, "old": {"b": B}}, {}),
    "a module": (
        module(parameters={"a": A}, buffers={"b": B}, modules={"c": module(parameters={"d": C})}),
        {"a": A, "b": B, "c.d": C},
    ),
    "a module under a known name": ({"model": module(parameters={"a": A})}, {"a": A}),
    "a module under an unknown name": ({"ema": module(modules={"m": module(buffers={"a": A})})}, {"m.a": A}),
    "a module without a state": (Inert(), {}),
    "a list": ([A], {}),
    "a tensor": (A, {}),
}


@pytest.mark.parametrize("what", NAMED)
def test_the_tensors_of_the_model(what: str) -> None:
    held, expected = NAMED[what]
    found = named_tensors(held)
    assert found == expected
    assert list(found) == list(expected)


@pytest.mark.parametrize(
    "key", ["state_dict", "model_state_dict", "model", "module", "net", "weights", "params", "generator"]
)
def test_names_that_tools_use(key: str) -> None:
    assert named_tensors({key: {"a": A}, "other": {"b": B, "c": C}}) == {"a": A}


def test_mappings_and_modules_have_a_depth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_file, "DEEPEST", 2)
    for whole in (module(parameters={"a": A}), {"a": A}):
        twice = module(modules={"m": module(modules={"n": whole})})
        assert named_tensors(twice) == {"m.n.a": A}
        assert named_tensors({"x": {"m": {"n": whole}}}) == {"m.n.a": A}
        assert named_tensors(module(modules={"l": twice})) == {}
        assert named_tensors({"x": {"l": {"m": {"n": whole}}}}) == {}


def test_mappings_have_a_number_of_entries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_file, "MOST_ENTRIES", 4)
    parts = {"a": A, "b": B}
    assert len(named_tensors({"x": {"m": parts, "n": 1}})) == 2
    with pytest.raises(ValueError, match=r"^its mappings contain one another many times over$"):
        named_tensors({"x": {"m": parts, "n": parts}})
    made = module(parameters=parts, buffers=parts)
    assert len(named_tensors(made)) == 2
    with pytest.raises(ValueError, match=r"^its mappings contain one another many times over$"):
        named_tensors(module(parameters=parts, buffers=parts, modules={"c": 1}))


def test_names_are_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_file, "LONGEST_NAME", 3)
    assert named_tensors({"abc": A}) == {"abc": A}
    for key, told in (("abcd", "'abcd'"), (b"a", "b'a'"), (1.5, "1.5"), (("a", 1), r"\('a', 1\)")):
        with pytest.raises(ValueError, match=f"^a tensor is called {told}, which is not a valid name$"):
            named_tensors({key: A})
    with pytest.raises(UnicodeEncodeError):
        named_tensors({"\ud800": A})


def test_what_holds_no_tensors(tmp_path: Path) -> None:
    with pytest.raises(BadCheckpoint) as caught:
        saved(tmp_path, {"a": 1})
    told = "contains something other than named tensors; give the model's state dict"
    assert str(caught.value) == f"{tmp_path / 'x.bin'}: {told}"
