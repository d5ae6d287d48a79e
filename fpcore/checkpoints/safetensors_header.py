"""The header of a safetensors file: what each tensor is and where it lies, checked against its size."""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from fpcore.counts import count
from fpcore.errors import BadCheckpoint
from fpcore.foreign_json import parse_json
from fpcore.plain_files import open_file
from fpcore.printable import printable, shown
from fpcore.storage.tensor_source import TensorInfo

__all__ = ["MAX_HEADER", "parse_header", "read_header", "read_places"]

# safetensors' element types: torch's name and bits an element.
DTYPES: Final[dict[str, tuple[str, int]]] = {
    "F64": ("float64", 64),
    "F32": ("float32", 32),
    "F16": ("float16", 16),
    "BF16": ("bfloat16", 16),
    "F8_E4M3": ("float8_e4m3fn", 8),
    "F8_E5M2": ("float8_e5m2", 8),
    "F8_E8M0": ("float8_e8m0fnu", 8),
    "F8_E4M3FNUZ": ("float8_e4m3fnuz", 8),
    "F8_E5M2FNUZ": ("float8_e5m2fnuz", 8),
    "F4": ("float4_e2m1fn_x2", 4),
    "F6_E2M3": ("float6_e2m3fn", 6),
    "F6_E3M2": ("float6_e3m2fn", 6),
    "I64": ("int64", 64),
    "I32": ("int32", 32),
    "I16": ("int16", 16),
    "I8": ("int8", 8),
    "U64": ("uint64", 64),
    "U32": ("uint32", 32),
    "U16": ("uint16", 16),
    "U8": ("uint8", 8),
    "BOOL": ("bool", 8),
    "C64": ("complex64", 64),
}

MAX_HEADER: Final = 100_000_000  # bytes; the limit of the safetensors format
MOST_VALUES: Final = 4_000_000  # the largest models have 100,000 tensors of seven values each
MOST_AXES: Final = 64
LONGEST_NAME: Final = 200  # characters of a tensor's name in messages


def read_header(file: Path) -> dict[str, TensorInfo]:
    """Names, shapes and types in a safetensors file; errors as `read_places`."""
    return {key: info for key, (info, _, _) in read_places(file).items()}


def read_places(file: Path) -> dict[str, tuple[TensorInfo, int, int]]:
    """Tensors of a safetensors file, with first and last byte, checked against the file's length.

    Raises
    ------
    BadCheckpoint
        If the file is truncated, or its header does not describe its content.
    """
    with open_file(file) as stream:
        size = os.fstat(stream.fileno()).st_size
        start = stream.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
        if not 2 <= length <= min(size - 8, MAX_HEADER):
            pointer = (start + stream.read(32)).startswith(b"version https://git-lfs")
            what = "a Git LFS pointer, not the weights" if pointer else "not a safetensors file, or cut short"
            raise BadCheckpoint(
                f"{file}: {what} ({size} bytes); {'run git lfs pull there' if pointer else 'fetch it again'}"
            )
        return parse_header(stream.read(length), size, str(file))


def parse_header(text: bytes, size: int, where: str) -> dict[str, tuple[TensorInfo, int, int]]:
    """Tensors of a safetensors header: what each is, and its first and last byte within the file.

    Parameters
    ----------
    text : bytes
        The JSON header, without its eight length bytes.
    size : int
        Length of the whole file in bytes.
    where : str
        Named in errors.
    """
    header = parse_json(text, where, "a safetensors header", largest=MAX_HEADER, most=MOST_VALUES)
    if not isinstance(header, dict):
        raise BadCheckpoint(f"{where}: not a safetensors header; fetch it again")
    base = 8 + len(text)
    found: dict[str, tuple[TensorInfo, int, int]] = {}
    for key, entry in header.items():
        if key == "__metadata__":
            continue
        info, begin, end = parse_entry(entry, f"{where}: tensor {shown(key, LONGEST_NAME)}")
        found[key] = (info, base + begin, base + end)
    check_places(found, base, size, where)
    return found


def parse_entry(entry: object, where: str) -> tuple[TensorInfo, int, int]:
    """One tensor of a header, with its first and last byte behind the header."""
    if not isinstance(entry, dict):
        raise BadCheckpoint(f"{where} is not described; fetch the file again")
    dtype, shape, offsets = (entry.get(name) for name in ("dtype", "shape", "data_offsets"))
    if not isinstance(dtype, str) or not isinstance(shape, list) or not isinstance(offsets, list):
        raise BadCheckpoint(f"{where} has no type, shape or offsets; fetch the file again")
    if len(shape) > MOST_AXES or len(offsets) != 2:
        raise BadCheckpoint(f"{where} has {len(shape)} axes and {len(offsets)} offsets; fetch the file again")
    name, bits = DTYPES.get(dtype, (printable(dtype[:LONGEST_NAME]).lower(), 0))
    lengths = tuple(count(length, f"{where}: a length of its shape", exact=True) for length in shape)
    info = TensorInfo(lengths, name)
    begin, end = (count(offset, f"{where}: an offset", most=1 << 62, exact=True) for offset in offsets)
    # The width of an element type that is not known here is not checked; reading it is refused.
    if begin > end or (bits and (end - begin) * 8 != info.size * bits):
        raise BadCheckpoint(f"{where} has {end - begin} bytes, not those of its shape; fetch the file again")
    return info, begin, end


def check_places(found: Mapping[str, tuple[TensorInfo, int, int]], base: int, size: int, where: str) -> None:
    """Refuse a file whose tensors do not lie one behind the other from its header to its end."""
    needed = max((end for _, _, end in found.values()), default=base)
    if needed != size:
        state = "cut short" if needed > size else "longer than its header says"
        raise BadCheckpoint(f"{where}: {state}: {size} bytes where {needed} are needed; fetch it again")
    reached = base
    for key, (_, begin, end) in sorted(found.items(), key=lambda item: item[1][1:]):
        if begin != reached:
            state = "starts inside another tensor" if begin < reached else "leaves bytes before it unused"
            raise BadCheckpoint(f"{where}: tensor {shown(key, LONGEST_NAME)} {state}; fetch the file again")
        reached = end
