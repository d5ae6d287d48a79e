"""GGUF files as the `gguf` package opens them: all parts of a model, values as numbers, either byte order."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from fpcore.checkpoints.gguf_header import read_gguf_header
from fpcore.errors import BadCheckpoint, UnreadableTensor, first_line
from fpcore.foreign_json import Json
from fpcore.plain_files import open_file

__all__ = [
    "Field",
    "FileTensor",
    "GgufFiles",
    "decoded",
    "decoded_rows",
    "gguf_in",
    "hub_shape",
    "open_files",
]

SPLIT: Final = re.compile(r"-(\d{5})-of-(\d{5})\.gguf$")
FLOATS: Final = {"F64": "float64", "F32": "float32", "F16": "float16"}
# Where the 16-bit numbers lie in a block of these encodings; written in the other byte order they are turned.
HALVES: Final = {"Q4_0": (0,), "Q8_0": (0,), "Q4_K": (0, 2), "Q6_K": (208,), "BF16": (0,)}
BYTES_ONLY: Final = frozenset({"MXFP4", "NVFP4"})
ROWS: Final = 1 << 20  # values that are decoded at a time
SAMPLE: Final = 4096  # blocks that show the byte order


class Field(Protocol):
    """An entry of the metadata, as `gguf` gives it."""

    def contents(self) -> Json:
        """Its value."""


class Encoding(Protocol):
    """How a tensor is quantised."""

    @property
    def name(self) -> str:
        """Such as ``Q4_K``."""


class FileTensor(Protocol):
    """A tensor of a file; `shape` counts from the innermost axis."""

    @property
    def name(self) -> str:
        """In llama.cpp's words."""

    @property
    def shape(self) -> NDArray[np.integer]:
        """Lengths of its axes."""

    @property
    def tensor_type(self) -> Encoding:
        """How it is quantised."""

    @property
    def data_offset(self) -> int:
        """Where it begins in the file."""

    @property
    def n_bytes(self) -> int:
        """How long it is there."""

    @property
    def data(self) -> NDArray[np.generic]:
        """What is stored, memory-mapped."""


class Reader(Protocol):
    """An open GGUF file."""

    @property
    def byte_order(self) -> str:
        """``I`` for this machine's, ``S`` for the other one."""

    @property
    def fields(self) -> Mapping[str, Field]:
        """The metadata."""

    @property
    def tensors(self) -> Sequence[FileTensor]:
        """All tensors."""


@dataclass(frozen=True)
class GgufFiles:
    """The files of one model.

    Attributes
    ----------
    paths : tuple of pathlib.Path
    fields : mapping of str to Field
        The metadata of the first.
    tensors : mapping of str to FileTensor
        Of all.
    files : mapping of str to pathlib.Path
        Tensor → its file.
    swapped : bool
        Whether the numbers are in the other byte order than this machine's.
    """

    paths: tuple[Path, ...]
    fields: Mapping[str, Field]
    tensors: Mapping[str, FileTensor]
    files: Mapping[str, Path]
    swapped: bool


def open_files(path: Path) -> GgufFiles:
    """Open a GGUF file, with the other parts where it is one of several.

    Raises
    ------
    BadCheckpoint
        A part is missing or damaged, or the `gguf` package is.
    """
    paths = parts_of(path)
    readers = [open_reader(each) for each in paths]
    stated = readers[0].fields.get("split.count")
    count = stated.contents() if stated is not None else 1
    if isinstance(count, int) and count > 1 and count != len(paths):
        raise BadCheckpoint(
            f"{path}: one of {count} parts of a split GGUF file, but the others were not found; "
            "restore their original names (…-00001-of-…)"
        )
    tensors: dict[str, FileTensor] = {}
    files: dict[str, Path] = {}
    for file, reader in zip(paths, readers, strict=True):
        size, reached = file.stat().st_size, 0
        for tensor in sorted(reader.tensors, key=lambda one: (int(one.data_offset), int(one.n_bytes))):
            if int(tensor.data_offset) < reached:
                raise BadCheckpoint(f"{file}: tensor {tensor.name} starts inside another; fetch it again")
            reached = int(tensor.data_offset) + int(tensor.n_bytes)
            if int(tensor.data_offset) + int(tensor.n_bytes) > size:
                raise BadCheckpoint(f"{file}: cut short: {tensor.name} lies beyond its end; fetch it again")
            if tensor.name in tensors:
                raise BadCheckpoint(f"{file}: tensor {tensor.name} is also in {files[tensor.name].name}")
            tensors[tensor.name], files[tensor.name] = tensor, file
    return GgufFiles(tuple(paths), readers[0].fields, tensors, files, readers[0].byte_order == "S")


def parts_of(path: Path) -> list[Path]:
    """All parts of the model that a file is a part of, in order."""
    match = SPLIT.search(path.name)
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        return [path]
    stem, total = path.name[: match.start()], int(match[2])
    parts = [path.with_name(f"{stem}-{number:05d}-of-{total:05d}.gguf") for number in range(1, total + 1)]
    for part in parts:
        if not part.is_file():
            raise BadCheckpoint(
                f"{part}: missing: {path.name} is one of {total} parts; fetch the others, too"
            )
    return parts


def open_reader(path: Path) -> Reader:
    """The `gguf` package's reader of a file."""
    try:
        from gguf import GGUFReader
    except ModuleNotFoundError as error:
        raise BadCheckpoint(
            f"{path}: reading GGUF files needs the gguf package; pip install 'lookalike[gguf]'"
        ) from error
    try:
        with open_file(path) as stream:
            read_gguf_header(stream)  # bounds what the package, which trusts the file, would make of it
        opened: Reader = GGUFReader(path)
    except BadCheckpoint:
        raise
    except Exception as error:  # it trusts the lengths in the file: damaged ones end in any way
        raise BadCheckpoint(
            f"{path}: not a readable GGUF file, or cut short ({first_line(error)}); fetch it again"
        ) from error
    return opened


def gguf_in(path: Path) -> Path | None:
    """The GGUF file that `path` is or, where a directory holds no other weights, the one model in it.

    Of a split file the first part is given; the file of a vision tower beside a model is not counted.
    """
    if path.is_file():
        return path if path.suffix == ".gguf" else None
    if any(path.glob("*.safetensors")) or any(path.glob("pytorch_model*.bin")):
        return None
    found = sorted(file for file in path.glob("*.gguf") if not file.name.lower().startswith("mmproj"))
    heads = [file for file in found if (match := SPLIT.search(file.name)) is None or int(match[1]) == 1]
    if len(heads) > 1:
        raise BadCheckpoint(f"{path}: {len(heads)} GGUF files; give the one you mean")
    return next(iter(heads or found), None)


def hub_shape(tensor: FileTensor) -> tuple[int, ...]:
    """Shape with rows first; GGUF counts from the innermost axis."""
    return tuple(int(length) for length in reversed(tensor.shape.tolist()))


def decoded(tensor: FileTensor, index: int | None, *, swapped: bool) -> NDArray[np.generic]:
    """The values of a tensor, or of its part `index` along the first axis: floats as stored, others float32.

    Raises
    ------
    UnreadableTensor
        The `gguf` package cannot turn its encoding back.
    """
    from gguf.quants import dequantize

    name = tensor.tensor_type.name
    data = tensor.data if index is None else tensor.data[index]
    if name in FLOATS:
        return np.array(data, FLOATS[name])
    if swapped and name not in HALVES and name not in BYTES_ONLY:
        raise UnreadableTensor(
            f"its encoding {name} is not supported in the other byte order; convert the file"
        )
    turn = turner(data, name) if swapped and name in HALVES else None
    flat = data.reshape(-1, data.shape[-1])
    step = max(1, ROWS // max(1, flat.shape[-1]))
    try:
        pieces = []
        for start in range(0, len(flat), step):
            rows = flat[start : start + step]
            pieces.append(dequantize(rows if turn is None else turn(rows), tensor.tensor_type))
    except NotImplementedError as error:
        raise UnreadableTensor(not_turned_back(name)) from error
    whole = pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
    return np.asarray(whole, dtype=np.float32).reshape(*data.shape[:-1], -1)


def decoded_rows(tensor: FileTensor, expert: int | None, start: int, stop: int) -> NDArray[np.generic]:
    """Some rows of a quantised tensor in this machine's byte order, or of one part of a stack, as float32."""
    from gguf.quants import dequantize

    data = tensor.data if expert is None else tensor.data[expert]
    rows = data[start:stop]
    try:
        return np.asarray(dequantize(rows.reshape(-1, rows.shape[-1]), tensor.tensor_type), np.float32)
    except NotImplementedError as error:
        raise UnreadableTensor(not_turned_back(tensor.tensor_type.name)) from error


def not_turned_back(encoding: str) -> str:
    """What to do about an encoding that the gguf package does not know."""
    return f"its encoding {encoding} cannot be dequantised by the gguf package; use another quantisation"


def turner(
    data: NDArray[np.generic], name: str
) -> Callable[[NDArray[np.generic]], NDArray[np.generic]] | None:
    """What turns the 16-bit numbers in rows of blocks; None where a writer left them in this byte order.

    Tools disagree on whether a big-endian file turns the numbers within blocks. Scales of one tensor are of
    one magnitude: in the wrong order their exponents are scattered.
    """
    from gguf import GGMLQuantizationType
    from gguf.constants import GGML_QUANT_SIZES

    size = GGML_QUANT_SIZES[GGMLQuantizationType[name]][1]
    blocks = np.array(data).view(np.uint8).reshape(-1, size)[:SAMPLE]
    place = HALVES[name][0]
    half = np.ascontiguousarray(blocks[:, place : place + 2]).view(np.uint16)
    fraction = 7 if name == "BF16" else 10
    if scatter(half, fraction) <= scatter(half.byteswap(), fraction):
        return None

    def turned(rows: NDArray[np.generic]) -> NDArray[np.generic]:
        copy = np.array(rows).view(np.uint8).reshape(-1, size)
        for first in HALVES[name]:
            copy[:, [first, first + 1]] = copy[:, [first + 1, first]]
        return copy

    return turned


def scatter(numbers: NDArray[np.uint16], fraction: int) -> float:
    """Standard deviation of the exponents of floats other than 0, of so many bits of fraction."""
    exponents = (numbers[numbers != 0] & 0x7FFF) >> fraction
    return float(exponents.std()) if len(exponents) else 0.0
