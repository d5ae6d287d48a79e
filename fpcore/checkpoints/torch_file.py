"""``torch.save`` files, zip and older: where each tensor lies; nothing that a pickle asks for is run."""

from __future__ import annotations

import io
import math
import struct
import zipfile
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, Literal

from fpcore.checkpoints.torch_pickle import Inert, LyingTensor, TensorsOnly, load_bounded
from fpcore.errors import BadCheckpoint, UnreadableTensor
from fpcore.plain_files import open_file
from fpcore.printable import shown
from fpcore.storage.element_types import CARRIERS

if TYPE_CHECKING:
    import torch

__all__ = ["LyingTensor", "TorchFile", "named_tensors", "read_torch_file", "read_torch_stream"]

MAGIC: Final = 0x1950A86A20F9469CFC6C
LOCAL_HEADER: Final = b"PK\x03\x04"

# Names under which training tools keep a model's tensors, in order of preference.
KEYS: Final = ("state_dict", "model_state_dict", "model", "module", "net", "weights", "params", "generator")
DEEPEST: Final = 16  # mappings, or modules, within one another
LONGEST_NAME: Final = 10_000  # characters
LARGEST_PICKLE: Final = 1 << 28  # bytes
MOST_ENTRIES: Final = 1_000_000  # of all mappings, each counted as often as it is held


@dataclass(frozen=True)
class Place:
    """Where a storage lies in the file.

    Attributes
    ----------
    begin, end : int
        First byte of it or of what introduces it, and an end beyond which nothing of it lies.
    size : int
        Bytes of the storage.
    head : {"zip", "count"}
        What introduces it: a member's header, of a length that only the header itself tells, or the number of
        its elements.
    """

    begin: int
    end: int
    size: int
    head: Literal["zip", "count"]

    def bounds(self, stream: BinaryIO, width: int) -> tuple[int, int]:
        """First and last byte of the storage itself.

        Raises
        ------
        ValueError
            What introduces it says something else.
        """
        stream.seek(self.begin)
        if self.head == "count":
            (count,) = struct.unpack("<q", stream.read(8))
            if count * width != self.size:
                raise ValueError(f"its storage has {count} elements, expected {self.size // width}")
            return self.begin + 8, self.begin + 8 + self.size
        head = stream.read(30)
        if head[:4] != LOCAL_HEADER:
            raise ValueError("its storage does not begin with a member's header")
        # Name and extra field are written again before the bytes, with lengths of their own.
        name, extra = struct.unpack("<HH", head[26:30])
        first = self.begin + 30 + int(name) + int(extra)
        if first + self.size > self.end:
            raise ValueError("its storage reaches into the next one")
        return first, first + self.size


@dataclass(frozen=True)
class TorchFile:
    """An open ``torch.save`` file.

    Attributes
    ----------
    path : pathlib.Path
    tensors : mapping of str to LyingTensor
        By name.
    places : mapping of str to Place
        Where each storage lies.
    widths : mapping of str to int
        Bytes of an element of each storage.
    big_endian : bool
        Byte order of the numbers.
    """

    path: Path
    tensors: Mapping[str, LyingTensor]
    places: Mapping[str, Place]
    widths: Mapping[str, int]
    big_endian: bool

    def span(self, name: str) -> tuple[int, int]:
        """The bytes of the file that one tensor needs; none where its storage is not in the file."""
        place = self.places.get(self.tensors[name].storage.key)
        return (0, 0) if place is None else (place.begin, place.end)

    def plain_begin(self, name: str) -> int | None:
        """The first byte of a tensor whose numbers lie row by row as they are; None for any other."""
        lying = self.tensors[name]
        if lying.fault:
            return None
        key, info = lying.storage.key, lying.info
        width, place = self.widths[key], self.places.get(key)
        steps = [math.prod(info.shape[axis + 1 :]) for axis in range(len(info.shape))]
        in_rows = all(
            n == 1 or step == own for n, step, own in zip(info.shape, lying.stride, steps, strict=True)
        )
        kind = CARRIERS.get(info.dtype)
        if place is None or kind is None or kind.itemsize != width or not in_rows or self.big_endian:
            return None
        with self.path.open("rb") as stream:
            begin, end = place.bounds(stream, width)
        first = begin + (lying.storage.start + lying.offset) * width
        return first if begin <= first <= end - info.size * width else None

    def get_tensor(self, name: str) -> torch.Tensor:
        """One tensor, mapped from the file where its bytes allow."""
        import torch

        lying = self.tensors[name]
        if lying.fault:
            raise UnreadableTensor(lying.fault)
        if lying.storage.key not in self.places:
            raise ValueError(f"its storage {lying.storage.key} is not in the file")
        key = lying.storage.key
        with self.path.open("rb") as stream:
            begin, end = self.places[key].bounds(stream, self.widths[key])
        dtype: torch.dtype = getattr(torch, lying.info.dtype)
        if not lying.info.size:
            return torch.empty(lying.info.shape, dtype=dtype)
        whole = torch.from_file(str(self.path), False, self.path.stat().st_size, dtype=torch.uint8)
        flat = whole[begin:end]
        flat = flat[: (end - begin) // dtype.itemsize * dtype.itemsize]
        if self.big_endian:
            flat = flat.reshape(-1, dtype.itemsize).flip(1).reshape(-1)
        elif begin % dtype.itemsize:
            flat = flat.clone()
        values = flat.view(dtype)
        first = lying.storage.start + lying.offset
        last = first + sum(step * (n - 1) for step, n in zip(lying.stride, lying.info.shape, strict=True))
        if first < 0 or last >= len(values):
            raise ValueError(f"it reaches beyond the {len(values)} elements of its storage")
        # as_strided counts from the beginning of the mapped file.
        return values.as_strided(lying.info.shape, lying.stride, values.storage_offset() + first)


def read_torch_file(path: Path) -> TorchFile:
    """What a ``torch.save`` file holds; no tensor is read.

    Raises
    ------
    BadCheckpoint
        It is damaged, or no such file, or holds no named tensors.
    """
    with open_file(path) as stream:
        return read_torch_stream(stream, path)


def read_torch_stream(stream: BinaryIO, path: Path) -> TorchFile:
    """The same of a stream of the file's bytes, of which only those that describe are read."""
    try:
        found = read_zip(stream) if zipfile.is_zipfile(stream) else read_legacy(stream)
        tensors = named_tensors(found.held)
    except BadCheckpoint:
        raise
    except Exception as error:  # unpicklers raise nearly anything on bad bytes
        lines = str(error).strip().splitlines() or [""]
        raise BadCheckpoint(
            f"{path}: not a readable torch weights file ({type(error).__name__}: {lines[0][:120]}); "
            "fetch it again or convert it to safetensors"
        ) from error
    if not tensors:
        raise BadCheckpoint(
            f"{path}: contains something other than named tensors; give the model's state dict"
        )
    return TorchFile(path, tensors, found.places, found.widths, found.big_endian)


@dataclass(frozen=True)
class Described:
    """What a file says of itself: the object in it, where its storages lie, and how."""

    held: object
    places: dict[str, Place]
    widths: dict[str, int]
    big_endian: bool


def read_zip(stream: BinaryIO) -> Described:
    """What a zip file describes."""
    with zipfile.ZipFile(stream) as archive:
        pickles = [member for member in archive.infolist() if member.filename.endswith("data.pkl")]
        if len(pickles) != 1:
            raise ValueError(f"{len(pickles)} members called data.pkl")
        if pickles[0].compress_type != zipfile.ZIP_STORED or pickles[0].file_size > LARGEST_PICKLE:
            raise ValueError("its data.pkl is compressed or too large")
        root = pickles[0].filename.removesuffix("data.pkl")
        content = io.BytesIO(archive.read(pickles[0]))
        main = TensorsOnly(content)
        held = load_bounded(main, content)
        order = f"{root}byteorder"
        big_endian = order in archive.namelist() and archive.read(order).strip() == b"big"
        starts = sorted([*(member.header_offset for member in archive.infolist()), archive.start_dir])
        places: dict[str, Place] = {}
        for member in archive.infolist():
            if member.filename.startswith(f"{root}data/"):
                if member.compress_type != zipfile.ZIP_STORED:
                    raise ValueError("its members are compressed")
                begin = member.header_offset
                end = starts[bisect_right(starts, begin)]
                key = member.filename.removeprefix(f"{root}data/")
                places[key] = Place(begin, end, member.file_size, "zip")
    return Described(held, places, main.widths, big_endian)


def read_legacy(stream: BinaryIO) -> Described:
    """The same of a file of torch before 1.6: pickles one after the other, then the storages."""
    stream.seek(0)
    if load_bounded(TensorsOnly(stream), stream) != MAGIC:
        raise ValueError("not a file of torch.save")
    load_bounded(TensorsOnly(stream), stream)  # version of the protocol
    system = load_bounded(TensorsOnly(stream), stream)
    main = TensorsOnly(stream)
    held = load_bounded(main, stream)
    keys = load_bounded(TensorsOnly(stream), stream)
    places: dict[str, Place] = {}
    begin = stream.tell()
    size = stream.seek(0, 2)
    for key in map(str, keys) if isinstance(keys, list) else ():
        # A number of elements and the elements; the pickle has told that number, too.
        length = main.counts[key] * main.widths[key]
        places[key] = Place(begin, begin + 8 + length, length, "count")
        begin += 8 + length
        if begin > size:
            raise ValueError("cut short")
    little = not isinstance(system, dict) or bool(system.get("little_endian", True))
    return Described(held, places, main.widths, not little)


def named_tensors(held: object) -> dict[str, LyingTensor]:
    """The model's tensors among what a file holds: its own, or those under a name that tools use."""
    own = dict(flat(held, deep=False))
    if not isinstance(held, Mapping):
        return own
    for key in KEYS:
        # A training state holds loose tensors, too: the state of a random generator, a step.
        found = named_tensors(held[key]) or dict(flat(held[key])) if key in held else {}
        if len(found) > len(own):
            return found
    if own:
        return own
    filled = [found for value in held.values() if (found := dict(flat(value)))]
    return filled[0] if len(filled) == 1 else {}


def flat(
    held: object, prefix: str = "", depth: int = 0, *, deep: bool = True, walked: list[int] | None = None
) -> Iterator[tuple[str, LyingTensor]]:
    """Tensors of a mapping, of mappings within it, and of modules, by dotted name."""
    walked = [0] if walked is None else walked
    if isinstance(held, Inert) and isinstance(held.state, Mapping):
        for part in ("_parameters", "_buffers", "_modules"):
            yield from flat(held.state.get(part), prefix, depth, walked=walked)
    if not isinstance(held, Mapping) or depth > DEEPEST:
        return
    for key, value in held.items():
        walked[0] += 1
        if walked[0] > MOST_ENTRIES:
            raise ValueError("its mappings contain one another many times over")
        if isinstance(value, LyingTensor):
            yield f"{prefix}{name_of(key)}", value
        elif deep and isinstance(value, Mapping | Inert):
            yield from flat(value, f"{prefix}{key}.", depth + 1, walked=walked)


def name_of(key: object) -> str:
    """The name of a tensor, which is text and whole."""
    if isinstance(key, str) and len(key) <= LONGEST_NAME:
        key.encode()
        return key
    if isinstance(key, int):
        return str(key)
    raise ValueError(f"a tensor is called {shown(key)}, which is not a valid name")
