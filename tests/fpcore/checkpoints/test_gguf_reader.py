"""GGUF files as they are opened: their parts, what is wrong with them, and values in either byte order."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fpcore.checkpoints import gguf_reader
from fpcore.checkpoints.gguf_reader import decoded, decoded_rows, gguf_in, hub_shape, open_files, scatter
from fpcore.errors import BadCheckpoint, UnreadableTensor

gguf = pytest.importorskip("gguf", reason="the gguf extra is not installed")
from gguf.constants import GGML_QUANT_SIZES  # noqa: E402
from gguf.quants import dequantize, quantize  # noqa: E402


@dataclass
class Stated:
    """An entry of the metadata."""

    value: Any

    def contents(self) -> Any:
        return self.value


@dataclass
class Lying:
    """A tensor of a file."""

    name: str = "t"
    data_offset: int = 0
    n_bytes: int = 0
    data: NDArray[Any] = field(default_factory=lambda: np.zeros(0))
    encoding: str = "F32"
    shape: NDArray[np.int64] = field(default_factory=lambda: np.array([3, 2]))

    @property
    def tensor_type(self) -> Any:
        return gguf.GGMLQuantizationType[self.encoding]


@dataclass
class File:
    """An open file."""

    tensors: Sequence[Lying]
    fields: Mapping[str, Stated] = field(default_factory=dict)
    byte_order: str = "I"


def files(folder: Path, held: Mapping[str, File], monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of 100 bytes, that are opened as these."""
    for name in held:
        (folder / name).write_bytes(b"x" * 100)
    monkeypatch.setattr(gguf_reader, "open_reader", lambda path: held[path.name])


def test_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, empty = Lying("a", 60, 40), Lying("b", 10, 50), Lying("none", 60, 0)
    for order, swapped in (("I", False), ("S", True)):
        held = File([first, second, empty], {"split.count": Stated(1)}, order)
        files(tmp_path, {"m.gguf": held}, monkeypatch)
        found = open_files(tmp_path / "m.gguf")
        assert found.paths == (tmp_path / "m.gguf",)
        assert found.tensors == {"a": first, "b": second, "none": empty}
        assert set(found.files.values()) == set(found.paths)
        assert found.fields is held.fields
        assert found.swapped is swapped


def test_parts_of_one_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"m-0000{number}-of-00002.gguf" for number in (1, 2)]
    held = [File([Lying("a", 0, 9)], {"split.count": Stated(2)}, "S"), File([Lying("b", 0, 9)])]
    files(tmp_path, dict(zip(names, held, strict=True)), monkeypatch)
    for name in names:
        found = open_files(tmp_path / name)
        assert found.paths == tuple(tmp_path / name for name in names)
        assert found.files == {"a": tmp_path / names[0], "b": tmp_path / names[1]}
        assert found.fields is held[0].fields
        assert found.swapped
    held[0].fields = {"split.count": Stated(1)}  # not what the names say, and of no use
    assert len(open_files(tmp_path / names[0]).paths) == 2
    (tmp_path / names[1]).unlink()
    with pytest.raises(BadCheckpoint) as caught:
        open_files(tmp_path / names[0])
    told = f"missing: {names[0]} is one of 2 parts; fetch the others, too"
    assert str(caught.value) == f"{tmp_path / names[1]}: {told}"


@pytest.mark.parametrize("name", ["m-00003-of-00002.gguf", "m-00000-of-00001.gguf", "m-1-of-2.gguf"])
def test_a_name_that_counts_no_parts(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files(tmp_path, {name: File([Lying("a")])}, monkeypatch)
    assert open_files(tmp_path / name).paths == (tmp_path / name,)


WRONG: dict[str, tuple[File, str]] = {
    "a part that lost its name": (
        File([], {"split.count": Stated(2)}),
        "one of 2 parts of a split GGUF file, but the others were not found; restore their original names "
        "(…-00001-of-…)",
    ),
    "one inside another": (
        File([Lying("b", 49, 10), Lying("a", 10, 40)]),
        "tensor b starts inside another; fetch it again",
    ),
    "cut short": (File([Lying("a", 61, 40)]), "cut short: a lies beyond its end; fetch it again"),
    "a name given twice": (File([Lying("a", 0, 9), Lying("a", 9, 9)]), "tensor a is also in m.gguf"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_file_that_is_damaged(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held, told = WRONG[what]
    files(tmp_path, {"m.gguf": held}, monkeypatch)
    with pytest.raises(BadCheckpoint) as caught:
        open_files(tmp_path / "m.gguf")
    assert str(caught.value) == f"{tmp_path / 'm.gguf'}: {told}"


def test_a_number_of_parts_that_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for stated in ("2", None, 0, -1):
        files(tmp_path, {"m.gguf": File([], {"split.count": Stated(stated)})}, monkeypatch)
        assert open_files(tmp_path / "m.gguf").tensors == {}


def test_a_file_is_opened(tmp_path: Path) -> None:
    writer = gguf.GGUFWriter(tmp_path / "m.gguf", "llama")
    for name, values in (("a", VALUES), ("b", VALUES[0])):
        writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    found = open_files(tmp_path / "m.gguf")
    assert found.fields["general.architecture"].contents() == "llama"
    assert {name: hub_shape(tensor) for name, tensor in found.tensors.items()} == {
        "a": (3, 4, 64),
        "b": (4, 64),
    }
    np.testing.assert_array_equal(decoded(found.tensors["a"], 1, swapped=found.swapped), VALUES[1])


def test_a_file_that_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "m.gguf"
    with pytest.raises(BadCheckpoint, match=r"m\.gguf: cannot be read: No such file"):
        open_files(file)
    file.write_bytes(b"GGML")
    told = "not a readable GGUF file, or cut short (ValueError: not a GGUF file); fetch it again"
    with pytest.raises(BadCheckpoint) as caught:
        open_files(file)
    assert str(caught.value) == f"{file}: {told}"
    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(BadCheckpoint) as caught:
        open_files(file)
    told = "reading GGUF files needs the gguf package; pip install 'lookalike[gguf]'"
    assert str(caught.value) == f"{file}: {told}"


FOUND: dict[str, tuple[str, str | None]] = {
    "one": ("m.gguf config.json", "m.gguf"),
    "none": ("config.json", None),
    "weights of the hub's format": ("m.gguf model.safetensors", None),
    "the same, of torch": ("m.gguf pytorch_model-1.bin", None),
    "another tool's weights": ("m.gguf training_args.bin", "m.gguf"),
    "the first part": ("m-00002-of-00002.gguf m-00001-of-00002.gguf", "m-00001-of-00002.gguf"),
    "only a later part": ("m-00003-of-00003.gguf m-00002-of-00003.gguf", "m-00002-of-00003.gguf"),
    "a vision tower beside it": ("a-model.gguf MMPROJ-model.gguf mmproj.gguf", "a-model.gguf"),
    "only a vision tower": ("mmproj.gguf", None),
}


@pytest.mark.parametrize("what", FOUND)
def test_the_file_of_a_folder(what: str, tmp_path: Path) -> None:
    names, found = FOUND[what]
    for name in names.split():
        (tmp_path / name).touch()
    assert gguf_in(tmp_path) == (None if found is None else tmp_path / found)


def test_a_file_or_one_of_several(tmp_path: Path) -> None:
    for name in ("a.gguf", "b-00001-of-00002.gguf", "c.bin"):
        (tmp_path / name).touch()
    assert gguf_in(tmp_path / "a.gguf") == tmp_path / "a.gguf"
    assert gguf_in(tmp_path / "c.bin") is None
    with pytest.raises(BadCheckpoint) as caught:
        gguf_in(tmp_path)
    assert str(caught.value) == f"{tmp_path}: 2 GGUF files; give the one you mean"


# --- values -----------------------------------------------------------------------------------------------


def test_shapes_have_rows_first() -> None:
    assert hub_shape(Lying(shape=np.array([3, 2, 5]))) == (5, 2, 3)


RNG = np.random.default_rng(5)
VALUES = RNG.normal(size=(3, 4, 64)).astype(np.float32)


@pytest.mark.parametrize("encoding", ["F64", "F32", "F16"])
@pytest.mark.parametrize("swapped", [False, True])
def test_floats_are_as_stored(encoding: str, swapped: bool) -> None:
    own = VALUES.astype({"F64": "f8", "F32": "f4", "F16": "f2"}[encoding])
    stored = own.astype(own.dtype.newbyteorder()) if swapped else own
    for index, expected in ((None, own), (1, own[1])):
        found = decoded(Lying(data=stored, encoding=encoding), index, swapped=swapped)
        assert found.dtype == own.dtype
        assert found.dtype.isnative
        np.testing.assert_array_equal(found, expected)


def blocks(encoding: str, scale: float = 0.03) -> NDArray[np.uint8]:
    """Bytes of a tensor of 3 parts of 4 rows; scales are of one magnitude, as those of a tensor are."""
    kind = gguf.GGMLQuantizationType[encoding]
    if encoding in {"Q8_0", "Q4_0", "Q5_1", "BF16"}:
        return np.asarray(quantize(VALUES, kind)).view(np.uint8)
    _, size = GGML_QUANT_SIZES[kind]
    made = RNG.integers(0, 256, (3, 4, 2, size), dtype=np.uint8)
    for place in {"Q4_K": (0, 2), "Q6_K": (208,)}.get(encoding, ()):
        halves = (scale * RNG.uniform(0.7, 1.4, (3, 4, 2, 1))).astype(np.float16)
        made[..., place : place + 2] = halves.view(np.uint8)
    return made.reshape(3, 4, -1)


# Places of 16-bit numbers in a block, by the structs of ggml.
PLACES = {"Q4_0": [0], "Q8_0": [0], "Q4_K": [0, 2], "Q6_K": [208], "BF16": [0]}


def turned(data: NDArray[np.uint8], encoding: str) -> NDArray[np.uint8]:
    _, size = GGML_QUANT_SIZES[gguf.GGMLQuantizationType[encoding]]
    copy = data.copy().reshape(-1, size)
    for place in PLACES[encoding]:
        copy[:, [place, place + 1]] = copy[:, [place + 1, place]]
    return copy.reshape(data.shape)


@pytest.mark.parametrize("encoding", ["Q8_0", "Q4_0", "Q5_1", "BF16", "Q4_K", "Q6_K"])
def test_encodings_are_turned_back(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = blocks(encoding)
    tensor = Lying(data=data, encoding=encoding)
    expected = dequantize(data.reshape(12, -1), tensor.tensor_type).reshape(3, 4, -1)
    for rows_at_a_time in (1 << 20, 1, 6 * data.shape[-1], 5 * data.shape[-1]):
        monkeypatch.setattr(gguf_reader, "ROWS", rows_at_a_time)
        found = decoded(tensor, None, swapped=False)
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, expected)
        np.testing.assert_array_equal(decoded(tensor, 2, swapped=False), expected[2])
    np.testing.assert_array_equal(decoded_rows(tensor, 1, 1, 3), expected[1, 1:3])
    np.testing.assert_array_equal(decoded_rows(tensor, None, 1, 3).reshape(2, 4, -1), expected[1:3])
    flat = Lying(data=data[0], encoding=encoding)
    np.testing.assert_array_equal(decoded_rows(flat, None, 2, 4), expected[0, 2:4])


@pytest.mark.parametrize("encoding", PLACES)
@pytest.mark.parametrize("scale", [3e-5, 0.03, 30.0])
def test_the_other_byte_order_with_numbers_of_blocks_turned_or_not(
    encoding: str, scale: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    if encoding == "BF16":
        monkeypatch.setattr(sys.modules[__name__], "VALUES", np.abs(VALUES + 9) * np.float32(scale))
    data = blocks(encoding, scale)
    kind = gguf.GGMLQuantizationType[encoding]
    expected = dequantize(data.reshape(12, -1), kind).reshape(3, 4, -1)
    for stored in (data, turned(data, encoding)):
        kept = stored.copy()
        for rows_at_a_time in (1 << 20, 1):
            monkeypatch.setattr(gguf_reader, "ROWS", rows_at_a_time)
            tensor = Lying(data=stored, encoding=encoding)
            np.testing.assert_array_equal(decoded(tensor, None, swapped=True), expected)
            np.testing.assert_array_equal(decoded(tensor, 1, swapped=True), expected[1])
        np.testing.assert_array_equal(stored, kept, err_msg="what is mapped from the file is not changed")


def test_the_scatter_of_exponents() -> None:
    numbers = np.array([0, 0x3C00, 0xC3FF, 0], np.uint16)
    assert scatter(numbers, 10) == 0.5
    assert scatter(np.array([1, 0x3C00], np.uint16), 10) == 7.5
    assert scatter(np.array([0x3F80, 0xC07F], np.uint16), 7) == 0.5
    assert scatter(np.zeros(3, np.uint16), 7) == 0.0


def of_halves(halves: list[int], encoding: str) -> NDArray[np.uint8]:
    """Blocks that begin with such numbers; numbers alone in bfloat16."""
    numbers = np.array(halves, "<u2")[:, None].view(np.uint8)
    if encoding == "BF16":
        return numbers
    _, size = GGML_QUANT_SIZES[gguf.GGMLQuantizationType[encoding]]
    rest = RNG.integers(0, 256, (len(halves), size - 2), dtype=np.uint8)
    return np.concatenate([numbers, rest], axis=1)


@pytest.mark.parametrize(
    ("encoding", "halves"),
    [
        # Exponents tell the order, and bits beside them would tell another one.
        ("BF16", [0x3F00, 0x3F02, 0x4000, 0x4002]),
        ("BF16", [*[0x3F80] * 5, *[0x4000] * 4, 0x4001]),
        ("Q8_0", [0x3C00, 0x3C04, 0x4300, 0x4304]),
    ],
)
def test_only_exponents_show_the_order(encoding: str, halves: list[int]) -> None:
    data = of_halves(halves, encoding)
    found = decoded(Lying(data=data, encoding=encoding), None, swapped=True)
    np.testing.assert_array_equal(found, decoded(Lying(data=data, encoding=encoding), None, swapped=False))


def test_blocks_of_nothing_do_not_show_the_order() -> None:
    data = blocks("Q8_0")
    data[:, 1:] = 0
    for stored in (data, turned(data, "Q8_0")):
        found = decoded(Lying(data=stored, encoding="Q8_0"), None, swapped=True)
        np.testing.assert_array_equal(found, decoded(Lying(data=data, encoding="Q8_0"), None, swapped=False))
    nothing = np.zeros_like(data)
    assert not np.asarray(decoded(Lying(data=nothing, encoding="Q8_0"), None, swapped=True)).any()


def test_encodings_that_are_not_turned_back() -> None:
    other = Lying(data=blocks("Q5_1"), encoding="Q5_1")
    with pytest.raises(UnreadableTensor) as caught:
        decoded(other, None, swapped=True)
    told = "its encoding Q5_1 is not supported in the other byte order; convert the file"
    assert str(caught.value).endswith(told)
    told = "its encoding I8 cannot be dequantised by the gguf package; use another quantisation"
    integers = Lying(data=np.zeros((2, 4), np.int8), encoding="I8")
    with pytest.raises(UnreadableTensor) as caught:
        decoded(integers, None, swapped=False)
    assert str(caught.value).endswith(told)
    with pytest.raises(UnreadableTensor) as caught:
        decoded_rows(integers, None, 0, 1)
    assert str(caught.value).endswith(told)


@pytest.mark.parametrize("encoding", ["MXFP4", "NVFP4"])
def test_encodings_of_bytes_are_the_same_in_either_order(encoding: str) -> None:
    kind = getattr(gguf.GGMLQuantizationType, encoding, None)
    if kind is None:
        pytest.skip(f"this gguf package has no {encoding}")
    tensor = Lying(data=np.full((2, GGML_QUANT_SIZES[kind][1]), 60, np.uint8), encoding=encoding)
    found = [np.asarray(decoded(tensor, None, swapped=swapped)) for swapped in (False, True)]
    np.testing.assert_array_equal(*found)
