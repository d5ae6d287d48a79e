"""``torch.save`` files, zip and older: where each tensor lies; nothing that a pickle asks for is run.

Only tensors and the mappings around them come out of the pickle; whatever else it names becomes an inert
placeholder, so that files with training arguments or whole modules beside the weights can be read, too.
"""

from __future__ import annotations

import pickle
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from fpcore.errors import BadCheckpoint
from fpcore.storage.tensor_source import TensorInfo

if TYPE_CHECKING:
    import torch

__all__ = ["LyingTensor", "TorchFile", "named_tensors", "read_torch_file"]

MAGIC: Final = 0x1950A86A20F9469CFC6C

# torch's classes of storages: element type and bytes an element.
STORAGES: Final[dict[str, tuple[str, int]]] = {
    "DoubleStorage": ("float64", 8),
    "FloatStorage": ("float32", 4),
    "HalfStorage": ("float16", 2),
    "BFloat16Storage": ("bfloat16", 2),
    "LongStorage": ("int64", 8),
    "IntStorage": ("int32", 4),
    "ShortStorage": ("int16", 2),
    "CharStorage": ("int8", 1),
    "ByteStorage": ("uint8", 1),
    "BoolStorage": ("bool", 1),
    "ComplexFloatStorage": ("complex64", 8),
    "ComplexDoubleStorage": ("complex128", 16),
    "UntypedStorage": ("uint8", 1),
}
# Names under which training tools keep a model's tensors, in order of preference.
KEYS: Final = ("state_dict", "model_state_dict", "model", "module", "net", "weights", "params", "generator")
DEEPEST: Final = 8  # mappings within mappings


@dataclass(frozen=True)
class Storage:
    """A run of bytes in the file.

    Attributes
    ----------
    key : str
        Its name in the file.
    dtype : str
    start : int
        The first element that counts.
    """

    key: str
    dtype: str
    start: int = 0


@dataclass(frozen=True)
class LyingTensor:
    """A tensor as it lies in a file.

    Attributes
    ----------
    storage : Storage
    info : TensorInfo
    offset : int
        Its first element within the storage.
    stride : tuple of int
    """

    storage: Storage
    info: TensorInfo
    offset: int
    stride: tuple[int, ...]


class Inert:
    """What stands for anything that a pickle names and that is no tensor: it takes all and does nothing."""

    def __new__(cls, *_: object, **__: object) -> Inert:
        """A placeholder, whatever it is made from."""
        return super().__new__(cls)

    def __init__(self, *_: object, **__: object) -> None:
        self.state: object = None

    def __setstate__(self, state: object) -> None:
        self.state = state

    def __setitem__(self, key: object, value: object) -> None:
        """Forget it."""

    def __call__(self, *_: object, **__: object) -> Inert:
        """Another placeholder."""
        return Inert()

    def append(self, _: object) -> None:
        """Forget it."""

    def extend(self, _: object) -> None:
        """Forget them."""

    def add(self, _: object) -> None:
        """Forget it."""


@dataclass(frozen=True)
class TorchFile:
    """An open ``torch.save`` file.

    Attributes
    ----------
    path : pathlib.Path
    tensors : mapping of str to LyingTensor
        By name.
    places : mapping of str to (int, int)
        First and last byte of each storage.
    big_endian : bool
        Byte order of the numbers.
    """

    path: Path
    tensors: Mapping[str, LyingTensor]
    places: Mapping[str, tuple[int, int]]
    big_endian: bool

    def get_tensor(self, name: str) -> torch.Tensor:
        """One tensor, mapped from the file where its bytes allow."""
        import torch

        lying = self.tensors[name]
        if lying.storage.key not in self.places:
            raise ValueError(f"its storage {lying.storage.key} is not in the file")
        begin, end = self.places[lying.storage.key]
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
        if first < 0 or last >= len(values) or min(lying.stride, default=0) < 0:
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
    try:
        with path.open("rb") as stream:
            held, places, big = read_zip(stream) if zipfile.is_zipfile(stream) else read_legacy(stream)
    except BadCheckpoint:
        raise
    except Exception as error:  # unpicklers raise nearly anything on bad bytes
        lines = str(error).strip().splitlines() or [""]
        raise BadCheckpoint(
            f"{path}: not a readable torch weights file ({type(error).__name__}: {lines[0][:120]}); "
            "fetch it again or convert it to safetensors"
        ) from error
    tensors = named_tensors(held)
    if not tensors:
        raise BadCheckpoint(f"{path}: holds something else than named tensors; give the model's state dict")
    return TorchFile(path, tensors, places, big)


def read_zip(stream: BinaryIO) -> tuple[object, dict[str, tuple[int, int]], bool]:
    """The object in a zip file, where its storages lie, and their byte order."""
    with zipfile.ZipFile(stream) as archive:
        pickles = [name for name in archive.namelist() if name.endswith("data.pkl")]
        if len(pickles) != 1:
            raise ValueError(f"{len(pickles)} members called data.pkl")
        root = pickles[0].removesuffix("data.pkl")
        with archive.open(pickles[0]) as content:
            held = TensorsOnly(content).load()
        order = archive.read(f"{root}byteorder") if f"{root}byteorder" in archive.namelist() else b"little"
        places: dict[str, tuple[int, int]] = {}
        for member in archive.infolist():
            if member.filename.startswith(f"{root}data/"):
                if member.compress_type != zipfile.ZIP_STORED:
                    raise ValueError("its members are compressed")
                # Name and extra field are written again before the bytes, with lengths of their own.
                stream.seek(member.header_offset + 26)
                name, extra = struct.unpack("<HH", stream.read(4))
                begin = member.header_offset + 30 + name + extra
                places[member.filename.removeprefix(f"{root}data/")] = (begin, begin + member.file_size)
    return held, places, order.strip() == b"big"


def read_legacy(stream: BinaryIO) -> tuple[object, dict[str, tuple[int, int]], bool]:
    """The same of a file of torch before 1.6: pickles one after the other, then the storages."""
    stream.seek(0)
    if TensorsOnly(stream).load() != MAGIC:
        raise ValueError("no file of torch.save")
    TensorsOnly(stream).load()  # version of the protocol
    system = TensorsOnly(stream).load()
    main = TensorsOnly(stream)
    held = main.load()
    keys = TensorsOnly(stream).load()
    places: dict[str, tuple[int, int]] = {}
    size = stream.seek(0, 2) if not isinstance(keys, list) else _size(stream)
    for key in keys if isinstance(keys, list) else ():
        count = struct.unpack("<q", stream.read(8))[0]
        begin = stream.tell()
        end = begin + count * main.widths[str(key)]
        if not begin <= end <= size:
            raise ValueError("cut short")
        places[str(key)] = (begin, end)
        stream.seek(end)
    little = not isinstance(system, dict) or bool(system.get("little_endian", True))
    return held, places, not little


def _size(stream: BinaryIO) -> int:
    """Length of a file; the position stays."""
    here = stream.tell()
    size = stream.seek(0, 2)
    stream.seek(here)
    return size


class TensorsOnly(pickle.Unpickler):
    """An unpickler that makes tensors and plain containers, and runs nothing."""

    def __init__(self, stream: BinaryIO | object) -> None:
        super().__init__(stream)  # type: ignore[arg-type]  # a member of a zip file is a stream, too
        self.widths: dict[str, int] = {}

    def persistent_load(self, pid: object) -> Storage | Inert:
        """A storage: ("storage", class, key, device, elements[, view])."""
        if not isinstance(pid, tuple) or len(pid) < 5 or pid[0] != "storage":
            return Inert()
        dtype, width = STORAGES["UntypedStorage"] if not isinstance(pid[1], StorageClass) else pid[1].element
        key = str(pid[2])
        self.widths[key] = width
        view = pid[5] if len(pid) > 5 else None
        return Storage(key, dtype, int(view[1]) if isinstance(view, tuple) else 0)

    def find_class(self, module: str, name: str) -> object:
        """What a global of the pickle stands for."""
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module in {"torch", "torch.storage"} and name in STORAGES:
            return StorageClass(STORAGES[name])
        if (module, name) in REBUILDERS:
            return REBUILDERS[module, name]
        if (module, name) == ("torch", "Size"):
            return tuple
        if module == "torch" and name.startswith(("float", "bfloat", "int", "uint", "bool", "complex")):
            return ElementType(name)
        return Inert


@dataclass(frozen=True)
class StorageClass:
    """A class of storages: element type and bytes an element."""

    element: tuple[str, int]


@dataclass(frozen=True)
class ElementType:
    """A torch.dtype."""

    name: str


def rebuild(storage: object, offset: object, size: object, stride: object, *_: object) -> LyingTensor | Inert:
    """A strided tensor."""
    return lying(storage, offset, size, stride, None)


def rebuild_typed(
    storage: object,
    offset: object,
    size: object,
    stride: object,
    grad: object,
    hooks: object,
    dtype: object,
    *_: object,
) -> LyingTensor | Inert:
    """A strided tensor of an element type that has no storage class."""
    return lying(storage, offset, size, stride, dtype)


def lying(
    storage: object, offset: object, size: object, stride: object, dtype: object
) -> LyingTensor | Inert:
    """A tensor where all that describes it is there."""
    if not isinstance(storage, Storage) or not isinstance(offset, int):
        return Inert()
    if not isinstance(size, tuple) or not isinstance(stride, tuple):
        return Inert()
    named = dtype.name if isinstance(dtype, ElementType) else storage.dtype
    return LyingTensor(storage, TensorInfo(tuple(map(int, size)), named), offset, tuple(map(int, stride)))


def parameter(data: object, *_: object) -> object:
    """A parameter is its tensor."""
    return data


def of_type(
    function: Callable[..., object], kind: object, arguments: tuple[object, ...], *_: object
) -> object:
    """A tensor of a class of its own is its tensor, if it is made as tensors are."""
    return function(*arguments) if function in REBUILDERS.values() else Inert()


REBUILDERS: Final[dict[tuple[str, str], Callable[..., object]]] = {
    ("torch._utils", "_rebuild_tensor"): rebuild,
    ("torch._utils", "_rebuild_tensor_v2"): rebuild,
    ("torch._utils", "_rebuild_tensor_v3"): rebuild_typed,
    ("torch._utils", "_rebuild_parameter"): parameter,
    ("torch._utils", "_rebuild_parameter_with_state"): parameter,
    ("torch.nn.parameter", "Parameter"): parameter,
    ("torch._tensor", "_rebuild_from_type_v2"): of_type,
}


def named_tensors(held: object) -> dict[str, LyingTensor]:
    """The model's tensors among what a file holds: its own, or those under a name that tools use."""
    own = dict(flat(held, deep=isinstance(held, Inert)))
    if own or not isinstance(held, Mapping):
        return own
    for key in KEYS:
        if key in held and (found := named_tensors(held[key]) or dict(flat(held[key]))):
            return found
    filled = [found for value in held.values() if (found := dict(flat(value)))]
    return filled[0] if len(filled) == 1 else {}


def flat(
    held: object, prefix: str = "", depth: int = 0, *, deep: bool = True
) -> Iterator[tuple[str, LyingTensor]]:
    """Tensors of a mapping, of mappings within it, and of modules, by dotted name."""
    if isinstance(held, Inert) and isinstance(held.state, Mapping):
        for part in ("_parameters", "_buffers", "_modules"):
            yield from flat(held.state.get(part), prefix, depth + 1)
    if not isinstance(held, Mapping) or depth > DEEPEST:
        return
    for key, value in held.items():
        if isinstance(value, LyingTensor):
            yield f"{prefix}{key}", value
        elif deep and isinstance(value, Mapping | Inert):
            yield from flat(value, f"{prefix}{key}.", depth + 1)
