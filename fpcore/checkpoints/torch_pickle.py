"""The pickles of ``torch.save``: an unpickler that makes tensors and plain containers, and runs nothing.

Whatever else a pickle names becomes an inert placeholder, so that files with training arguments or whole
modules beside the weights can be read, too.
"""

from __future__ import annotations

import math
import pickle
import pickletools
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, Final, cast

from fpcore.counts import MOST
from fpcore.storage.tensor_source import TensorInfo

__all__ = ["Inert", "LyingTensor", "Storage", "TensorsOnly", "load_bounded"]

LONGEST: Final = 1 << 28  # bytes of one piece of a pickle
LARGEST_REPEATED: Final = 1 << 20  # elements of a tensor that repeats itself
REPEATED: Final = "it repeats itself along an axis; save it with tensor.contiguous()"
MOST_SPARE: Final = 1 << 16  # places in a memo beyond those that are filled

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
    fault : str
        Why its numbers cannot be had from the file; empty for most.
    """

    storage: Storage
    info: TensorInfo
    offset: int
    stride: tuple[int, ...]
    fault: str = ""


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


def load_bounded(unpickler: TensorsOnly, stream: BinaryIO) -> object:
    """Unpickle after a look at what it would take.

    The memory that an unpickler sets aside is what the pickle says: a place in the memo by its number, a text
    by its length. Both are looked at before, without setting anything aside.

    Raises
    ------
    ValueError
        The pickle names a place or a length that it cannot need.
    """
    begin, places = stream.tell(), 0
    for operation, argument, _ in pickletools.genops(cast(BinaryIO, Bounded(stream))):
        if operation.name in {"PUT", "BINPUT", "LONG_BINPUT"}:
            places += 1
            if not isinstance(argument, int) or argument > MOST_SPARE + 2 * places:
                raise ValueError("its memo has entries that are never filled")
    stream.seek(begin)
    return unpickler.load()


class Bounded:
    """A stream of which no more is asked for than it can have."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.readline = stream.readline

    def read(self, count: int) -> bytes:
        """So many bytes.

        Raises
        ------
        ValueError
            More than any pickle of a model has in one piece.
        """
        if count > LONGEST:
            raise ValueError(f"it has a piece of {count:,} bytes; the limit is {LONGEST:,}")
        return self._stream.read(count)


class TensorsOnly(pickle.Unpickler):
    """An unpickler that makes tensors and plain containers, and runs nothing."""

    def __init__(self, stream: BinaryIO | object) -> None:
        super().__init__(stream)  # type: ignore[arg-type]  # a member of a zip file is a stream, too
        self.widths: dict[str, int] = {}
        self.counts: dict[str, int] = {}

    def persistent_load(self, pid: object) -> object:
        """A storage: ("storage", class, key, device, elements[, view]); or a class of modules."""
        if isinstance(pid, tuple) and len(pid) > 1 and pid[0] == "module":
            return pid[1]
        if not isinstance(pid, tuple) or len(pid) < 5 or pid[0] != "storage":
            return Inert()
        dtype, width = STORAGES["UntypedStorage"] if not isinstance(pid[1], StorageClass) else pid[1].element
        key = str(pid[2])
        self.widths[key] = width
        self.counts[key] = max(0, int(pid[4])) if isinstance(pid[4], int) else 0
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
    lengths, steps = whole_numbers(size), whole_numbers(stride)
    if len(steps) != len(lengths):
        raise ValueError(f"a tensor of {len(lengths)} axes has {len(steps)} strides")
    # An axis along which nothing moves stands in the file once, and could be said to be of any length.
    turns = [n for n, step in zip(lengths, steps, strict=True) if step == 0 and n > 1]
    fault = REPEATED if turns and math.prod(lengths) > LARGEST_REPEATED else ""
    return LyingTensor(storage, TensorInfo(lengths, named), offset, steps, fault)


def whole_numbers(parts: tuple[object, ...]) -> tuple[int, ...]:
    """Lengths or strides; a ValueError where they are none."""
    if not all(type(part) is int and 0 <= part <= MOST for part in parts):
        raise ValueError("a tensor has an invalid length or stride")
    return cast(tuple[int, ...], parts)


def without_numbers(shape: object, dtype: object, fault: str) -> LyingTensor | Inert:
    """A tensor that stands in the file by its name, and whose numbers are not there as a strided tensor's."""
    if not isinstance(shape, tuple):
        return Inert()
    named = dtype.name if isinstance(dtype, ElementType) else "float32"
    return LyingTensor(Storage("", named), TensorInfo(whole_numbers(shape), named), 0, (), fault)


def sparse(_: object, data: object, *__: object) -> LyingTensor | Inert:
    """A tensor of which the entries other than zero are listed: its shape is the last but one in the list."""
    shapes = [part for part in data if isinstance(part, tuple)] if isinstance(data, tuple) else []
    return without_numbers(
        shapes[-1] if shapes else None, None, "it is sparse; save the model with tensor.to_dense()"
    )


def meta(dtype: object, size: object, *_: object) -> LyingTensor | Inert:
    """A tensor that was never filled."""
    return without_numbers(size, dtype, "it is on the meta device and has no numbers; save it after loading")


def quantised(_: object, __: object, size: object, *___: object) -> LyingTensor | Inert:
    """A tensor of torch's own quantised types."""
    return without_numbers(size, None, "it is of a quantised torch type; save it with tensor.dequantize()")


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
    ("torch._utils", "_rebuild_sparse_tensor"): sparse,
    ("torch._utils", "_rebuild_meta_tensor_no_storage"): meta,
    ("torch._utils", "_rebuild_qtensor"): quantised,
    ("torch._utils", "_rebuild_parameter"): parameter,
    ("torch._utils", "_rebuild_parameter_with_state"): parameter,
    ("torch.nn.parameter", "Parameter"): parameter,
    ("torch._tensor", "_rebuild_from_type_v2"): of_type,
}
