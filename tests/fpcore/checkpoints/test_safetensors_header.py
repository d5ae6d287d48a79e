"""The header of a safetensors file: what each tensor is and where it lies, or one line on what is wrong."""

from __future__ import annotations

import json
import struct
import tracemalloc
from pathlib import Path

import pytest

from fpcore.checkpoints import safetensors_header
from fpcore.checkpoints.safetensors_header import DTYPES, parse_header, read_header, read_places
from fpcore.errors import BadCheckpoint
from fpcore.storage.tensor_source import TensorInfo

AGAIN = "; fetch the file again"


def entry(dtype: object = "F32", shape: object = (2, 3), offsets: object = (0, 24)) -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


def written(header: object) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text


def test_places_are_counted_from_the_beginning_of_the_file(tmp_path: Path) -> None:
    header = {
        "__metadata__": {"format": "pt"},
        "b": entry("BF16", [4], [24, 32]),
        "none": entry("I8", [0, 5], [24, 24]),
        "a": entry(),
        "scalar": entry("F64", [], [32, 40]),
    }
    start = written(header)
    (tmp_path / "x").write_bytes(start + b"\0" * 40)
    begin = len(start)
    assert read_places(tmp_path / "x") == {
        "b": (TensorInfo((4,), "bfloat16"), begin + 24, begin + 32),
        "none": (TensorInfo((0, 5), "int8"), begin + 24, begin + 24),
        "a": (TensorInfo((2, 3), "float32"), begin, begin + 24),
        "scalar": (TensorInfo((), "float64"), begin + 32, begin + 40),
    }
    assert list(read_header(tmp_path / "x")) == ["b", "none", "a", "scalar"]
    assert read_header(tmp_path / "x")["a"] == TensorInfo((2, 3), "float32")


def text(one: object, name: str = "t") -> bytes:
    return json.dumps({name: one}).encode()


def of(one: object, data: int) -> TensorInfo:
    """The one tensor of a file with so many bytes behind its header."""
    ((info, _, _),) = parse_header(text(one), 8 + len(text(one)) + data, "x").values()
    return info


@pytest.mark.parametrize(("code", "dtype", "bits"), [(code, *known) for code, known in DTYPES.items()])
def test_each_type_takes_its_bits(code: str, dtype: str, bits: int) -> None:
    assert of(entry(code, [8], [0, bits]), bits) == TensorInfo((8,), dtype)
    with pytest.raises(BadCheckpoint, match=f"has {bits + 1} bytes, not those of its shape"):
        of(entry(code, [8], [0, bits + 1]), bits + 1)


def test_the_width_of_a_type_that_is_not_known_is_not_checked() -> None:
    odd = entry("F17\n" + "Q" * 300, [5], [0, 3])
    assert of(odd, 3) == TensorInfo((5,), r"f17\n" + "q" * 196)


AXES = [1] * 64
DESCRIPTIONS = {
    "no mapping": ([1], f"x: tensor 't' is not described{AGAIN}"),
    "no type": (entry(None), f"x: tensor 't' has no type, shape or offsets{AGAIN}"),
    "no shape": (entry(shape="23"), f"x: tensor 't' has no type, shape or offsets{AGAIN}"),
    "no offsets": (entry(offsets="01"), f"x: tensor 't' has no type, shape or offsets{AGAIN}"),
    "65 axes": (entry(shape=[*AXES, 1], offsets=[0, 4]), f"x: tensor 't' has 65 axes and 2 offsets{AGAIN}"),
    "one offset": (entry(offsets=[0]), f"x: tensor 't' has 2 axes and 1 offsets{AGAIN}"),
    "three offsets": (entry(offsets=[0, 24, 24]), f"x: tensor 't' has 2 axes and 3 offsets{AGAIN}"),
    "a length that is a float": (
        entry(shape=[2.0, 3]),
        "x: tensor 't': a length of its shape is 2.0; it must be a whole number from 0 to 1,099,511,627,776: "
        "correct it",
    ),
    "an offset that is a float": (
        entry(offsets=[0, 24.0]),
        "x: tensor 't': an offset is 24.0; it must be a whole number from 0 to 4,611,686,018,427,387,904: "
        "correct it",
    ),
    "offsets turned": (
        entry("F17", offsets=[24, 0]),
        f"x: tensor 't' has -24 bytes, not those of its shape{AGAIN}",
    ),
    "too few bytes": (entry(offsets=[0, 20]), f"x: tensor 't' has 20 bytes, not those of its shape{AGAIN}"),
}


@pytest.mark.parametrize("what", DESCRIPTIONS)
def test_a_tensor_that_is_not_described(what: str) -> None:
    one, told = DESCRIPTIONS[what]
    with pytest.raises(BadCheckpoint) as caught:
        of(one, 24)
    assert str(caught.value) == told


def test_the_most_that_a_description_may_have() -> None:
    assert len(of(entry(shape=AXES, offsets=[0, 4]), 4).shape) == 64
    assert of(entry("F17", offsets=[0, 1 << 62]), 1 << 62).dtype == "f17"


def test_a_long_name_is_cut_in_messages() -> None:
    name = "n" * 300
    shown = f"x: tensor '{'n' * 199}…"
    with pytest.raises(BadCheckpoint) as caught:
        parse_header(text([], name), 0, "x")
    assert str(caught.value) == f"{shown} is not described{AGAIN}"
    late = text(entry(offsets=[1, 25]), name)
    with pytest.raises(BadCheckpoint) as caught:
        parse_header(late, len(late) + 8 + 25, "x")
    assert str(caught.value) == f"{shown} leaves bytes before it unused{AGAIN}"


PLACES = {
    "cut short": ({"a": entry()}, 23, "x: cut short: {size} bytes where {needed} are needed; fetch it again"),
    "too long": (
        {"a": entry()},
        25,
        "x: longer than its header says: {size} bytes where {needed} are needed; fetch it again",
    ),
    "a file of no tensors": (
        {},
        1,
        "x: longer than its header says: {size} bytes where {needed} are needed; fetch it again",
    ),
    "a gap at the beginning": (
        {"a": entry(offsets=[4, 28])},
        28,
        f"x: tensor 'a' leaves bytes before it unused{AGAIN}",
    ),
    "a gap": (
        {"b": entry(offsets=[25, 49]), "a": entry()},
        49,
        f"x: tensor 'b' leaves bytes before it unused{AGAIN}",
    ),
    "one inside another": (
        {"a": entry(), "b": entry(offsets=[20, 44])},
        44,
        f"x: tensor 'b' starts inside another tensor{AGAIN}",
    ),
    "two in one place": (
        {"a": entry(), "b": entry()},
        24,
        f"x: tensor 'b' starts inside another tensor{AGAIN}",
    ),
}


@pytest.mark.parametrize("what", PLACES)
def test_tensors_lie_one_behind_the_other(what: str) -> None:
    header, data, told = PLACES[what]
    content = json.dumps(header).encode()
    size = 8 + len(content) + data
    offsets = [one["data_offsets"] for one in header.values()]
    needed = 8 + len(content) + max((end for _, end in offsets), default=0)  # type: ignore[misc]
    with pytest.raises(BadCheckpoint) as caught:
        parse_header(content, size, "x")
    assert str(caught.value) == told.format(size=size, needed=needed)


NO_FILE = "not a safetensors file, or cut short"
FILES = {
    "empty": (b"", f"{NO_FILE} (0 bytes); fetch it again"),
    "seven bytes": (b"\2" + b"\0" * 6, f"{NO_FILE} (7 bytes); fetch it again"),
    "a header of one byte": (struct.pack("<Q", 1) + b"1", f"{NO_FILE} (9 bytes); fetch it again"),
    "longer than the file": (struct.pack("<Q", 3) + b"{}", f"{NO_FILE} (10 bytes); fetch it again"),
    "a number": (struct.pack("<Q", 2) + b"17", "not a safetensors header; fetch it again"),
    "a pointer": (
        b"version https://git-lfs.github.com/spec/v1\n",
        "a Git LFS pointer, not the weights (43 bytes); run git lfs pull there",
    ),
}


@pytest.mark.parametrize("what", FILES)
def test_no_safetensors_file(what: str, tmp_path: Path) -> None:
    content, told = FILES[what]
    file = tmp_path / "x"
    file.write_bytes(content)
    with pytest.raises(BadCheckpoint) as caught:
        read_places(file)
    assert str(caught.value) == f"{file}: {told}"


def test_of_another_large_file_only_the_beginning_is_read(tmp_path: Path) -> None:
    file = tmp_path / "x"
    with file.open("wb") as stream:
        stream.truncate(1 << 26)
    tracemalloc.start()
    with pytest.raises(BadCheckpoint, match=NO_FILE):
        read_places(file)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 1 << 20


def test_a_header_has_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "x"
    file.write_bytes(written({}))
    assert read_places(file) == {}
    monkeypatch.setattr(safetensors_header, "MAX_HEADER", 2)
    assert read_places(file) == {}
    with pytest.raises(
        BadCheckpoint, match=r"^x: 3 bytes, too large for a safetensors header \(2 at most\)$"
    ):
        parse_header(b"{ }", 11, "x")
    file.write_bytes(struct.pack("<Q", 3) + b"{ }")
    with pytest.raises(BadCheckpoint, match=NO_FILE):
        read_places(file)


def test_the_values_of_a_header_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(safetensors_header, "MOST_VALUES", 1)
    with pytest.raises(BadCheckpoint, match=r"^x: too many values for a safetensors header \(1 at most\)$"):
        parse_header(text(entry()), 0, "x")
