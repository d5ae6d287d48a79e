"""A checkpoint's tensors as the language model's weights: unwrapped, dequantised, what is foreign set apart.

Measured as they lie in the file, packed weights would say something about the packing, not the model.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from fpcore.errors import BadCheckpoint, NotComparable, UnreadableTensor, first_line
from fpcore.storage.adapters import ADAPTER_CONFIG, adapted
from fpcore.storage.beside import apart
from fpcore.storage.bitsandbytes_weights import bitsandbytes_weights
from fpcore.storage.element_types import Raw, Real, real_numbers
from fpcore.storage.flat_tensor import FlatTensor
from fpcore.storage.integer_groups import awq_or_gptq, mlx_weights, packed_rows
from fpcore.storage.scaled_numbers import (
    Fp4,
    mxfp4_stacks,
    packed_floats,
    quanto_weights,
    scaled_weights,
    torchao_weights,
)
from fpcore.storage.stored_weight import AsStored, Refused, StoredWeight
from fpcore.storage.tensor_source import TensorInfo, TensorSource, quantisation
from fpcore.storage.wrapped_names import unwrapped

if TYPE_CHECKING:
    import torch

__all__ = [
    "OpenWeight",
    "contents",
    "dequantised_tensors",
    "open_dequantised",
    "read_dequantised",
    "real_values",
    "set_apart",
    "stored_parts",
    "weight_size",
]

REAL: Final = ("float", "bfloat")
UNREAD: Final = ("float6_e2m3fn", "float6_e3m2fn")  # torch has no such numbers

# Last words of names that belong to packings which are not read here.
FOREIGN: Final = {
    "qweight": "packed integers",
    "qzeros": "packed integers",
    "weight_packed": "compressed-tensors",
    "bitmask": "compressed-tensors",
    "SCB": "bitsandbytes",
    "absmax": "bitsandbytes",
    "q_weight": "EXL2",
    "trellis": "EXL3",
    "codebooks": "AQLM",
    "W_q": "HQQ",
    "Qidxs": "QuIP#",
    "centroids": "VPTQ",
    "dense_weights": "SpQR",
    "_data": "quanto",
    "_packed": "quanto",
}


# Methods whose integers lie in an order of their own, under names that others use for plain ones.
NOT_READ: Final = frozenset({"eetq", "bitnet", "higgs", "fp_quant", "sinq"})


@dataclass(frozen=True)
class Contents:
    """What a checkpoint's files hold.

    Attributes
    ----------
    weights : mapping of str to StoredWeight
        The language model's, by name.
    apart : mapping of str to str
        Other tensors → what they are.
    """

    weights: Mapping[str, StoredWeight]
    apart: Mapping[str, str]


class Unwrapped(TensorSource):
    """A source under the names that the model itself gives its tensors."""

    def __init__(self, source: TensorSource) -> None:
        self.source = source
        self.name = source.name
        self.config = source.config
        self.stored = unwrapped(source.tensors)
        self.infos = {name: source.tensors[stored] for name, stored in self.stored.items()}

    @property
    def tensors(self) -> Mapping[str, TensorInfo]:
        """Shape and element type of every tensor."""
        return self.infos

    def read(self, name: str) -> torch.Tensor:
        """One tensor as stored."""
        return self.source.read(self.stored[name])

    def read_part(self, name: str, index: int) -> torch.Tensor:
        """One part of a tensor along its first axis."""
        return self.source.read_part(self.stored[name], index)

    def flat(self, name: str) -> FlatTensor:
        """One tensor, opened."""
        return self.source.flat(self.stored[name])

    def read_rows(self, name: str, start: int, stop: int) -> torch.Tensor:
        """Some rows of a tensor."""
        return self.source.read_rows(self.stored[name], start, stop)

    def prefetch(self, names: Iterable[str]) -> None:
        """Say which tensors will be read."""
        self.source.prefetch([self.stored[name] for name in names])

    def prefetch_stretches(self, wanted: Mapping[str, Sequence[tuple[int, int]]]) -> None:
        """Say which stretches of them will be."""
        self.source.prefetch_stretches({self.stored[name]: found for name, found in wanted.items()})

    def file_of(self, name: str) -> str:
        """The file that holds a tensor."""
        return self.source.file_of(self.stored.get(name, name))


def view_of(source: TensorSource) -> Unwrapped:
    """The source under unwrapped names."""
    return source.remembered("unwrapped", lambda: Unwrapped(source))


def dequantised_tensors(source: TensorSource) -> dict[str, TensorInfo]:
    """The language model's own tensors with their real shapes, without those that belong to a storage format.

    Raises
    ------
    NotComparable
        All weights are packed in a way that is not known here: measuring that would measure the packing.
    """
    return {name: weight.info for name, weight in contents(source).weights.items()}


def set_apart(source: TensorSource) -> dict[str, int]:
    """What of the checkpoint is not the language model → how many tensors."""
    return dict(Counter(contents(source).apart.values()))


def contents(source: TensorSource) -> Contents:
    """What the files hold."""
    return source.remembered("contents", lambda: find_contents(view_of(source)))


def find_contents(view: TensorSource) -> Contents:
    """Sort the tensors of a source."""
    foreign = apart(view.tensors, str(view.config.get("model_type") or ""))
    own = {name: info for name, info in view.tensors.items() if name not in foreign}
    weights = packed_weights(view, own)
    taken = {part for weight in weights.values() for part in weight.parts}
    rest = {name: info for name, info in own.items() if name not in taken}
    _, adapters = adapted({}, rest, None)
    unknown: dict[str, str] = {}
    for name, info in rest.items():
        stem, _, last = name.rpartition(".")
        if last.startswith("_") and last.endswith("_qdata"):
            unknown.setdefault(f"{stem}.{last[1:-6]}", "torchao")
        elif last in FOREIGN or (last == "weight" and not info.dtype.startswith(REAL)):
            named = last in {"weight", "weight_packed", "_data", "_packed"}
            weight = name.removesuffix("_packed").removesuffix("._data") if named else f"{stem}.weight"
            unknown.setdefault(weight, FOREIGN.get(last, info.dtype))
    packed = {name.removesuffix("weight") for name in unknown}
    for name, info in rest.items():
        # What lies beside a weight that is packed in an unknown way says nothing by itself; its bias does.
        beside = f"{name.rpartition('.')[0]}." in packed or any(name.startswith(f"{one}.") for one in unknown)
        if name in adapters or name in unknown or (beside and not name.endswith(".bias")):
            continue
        if info.dtype.startswith("float4"):
            weights[name] = Fp4(name, info.shape, (name,))
        elif info.dtype in UNREAD:
            reason = f"its element type {info.dtype} is not supported; convert it first"
            weights[name] = Refused(name, info.shape, (name,), reason)
        elif info.dtype.startswith(REAL):
            weights[name] = AsStored(name, info.shape, (name,), info.dtype)
        else:
            foreign[name] = "buffers of integers"
    refused, left = refusals(view, unknown, rest, weights)
    weights.update(refused)
    foreign.update(left)
    changed, fate = adapted(weights, rest, view.config.get(ADAPTER_CONFIG))
    weights.update(changed)
    foreign.update({name: why for name, why in fate.items() if why})
    order = {name: place for place, name in enumerate(view.tensors)}
    place = {name: min(order[part] for part in weight.parts) for name, weight in weights.items()}
    return Contents(dict(sorted(weights.items(), key=lambda entry: place[entry[0]])), foreign)


def packed_weights(view: TensorSource, tensors: Mapping[str, TensorInfo]) -> dict[str, StoredWeight]:
    """The weights of storage formats, by name; what one format took is no other's."""
    config = quantisation(view)
    found: dict[str, StoredWeight] = {}
    if method_of(view) in NOT_READ:
        return found
    rest = dict(tensors)
    for recognise in (
        lambda rest: bitsandbytes_weights(view, rest),
        lambda rest: awq_or_gptq(rest, config),
        lambda rest: packed_rows(view, rest),
        packed_floats,
        mxfp4_stacks,
        torchao_weights,
        quanto_weights,
        lambda rest: mlx_weights(rest, config),
        scaled_weights,
    ):
        more = {weight.name: weight for weight in recognise(rest)}
        if more:  # most models have nothing of most formats
            found.update(more)
            taken = {part for weight in more.values() for part in weight.parts}
            rest = {name: info for name, info in rest.items() if name not in taken}
    return found


def refusals(
    view: TensorSource,
    unknown: Mapping[str, str],
    stored: Mapping[str, TensorInfo],
    weights: Mapping[str, StoredWeight],
) -> tuple[dict[str, StoredWeight], dict[str, str]]:
    """Weights that are packed in unknown ways, where their shapes are known; and those left out.

    Raises
    ------
    NotComparable
        Nothing shows the shape of a weight within layers.
    """
    method = method_of(view)
    shapes = {pattern(name): weight.shape for name, weight in weights.items()}
    refused: dict[str, StoredWeight] = {}
    left: dict[str, str] = {}
    for name, form in unknown.items():
        said = f"{method or form}: {name}"
        reason = f"it is packed in an unknown way ({said}); dequantise the model first"
        info = stored.get(name)
        # One integer a weight, and no scale.
        whole = info is not None and info.dtype == "int8" and method not in NOT_READ
        shape = info.shape if info is not None and whole else shapes.get(pattern(name))
        if shape is not None:
            stem = name.removesuffix("weight")
            parts = tuple(part for part in stored if part == name or part.startswith(stem))
            refused[name] = Refused(name, shape, parts, reason)
        elif pattern(name) != name:
            raise NotComparable(
                f"its weights are packed integers ({said}), which cannot be measured as they are: "
                "dequantise the model first"
            )
        else:
            left[name] = f"packed in an unknown way ({method or form})"
    return refused, left


def method_of(view: TensorSource) -> str:
    """The name of the quantisation method, as the config says; empty where it does not."""
    return str(quantisation(view).get("quant_method") or "").lower()


def pattern(name: str) -> str:
    """A name with its numbers left open."""
    return re.sub(r"(?<=\.)\d+(?=\.)", "#", name)


def read_dequantised(source: TensorSource, name: str, index: int | None = None) -> torch.Tensor:
    """A weight as real numbers (float32 where it was scaled or packed, else as stored).

    Parameters
    ----------
    source : TensorSource
    name : str
        As `dequantised_tensors` gives it.
    index : int, optional
        Only this part along the first axis, such as one expert of a stack.

    Raises
    ------
    UnreadableTensor
        Its bytes do not make the weight that its shape says; one line with file, tensor and what to do.
    BadCheckpoint
        Its bytes cannot be had.
    """
    weight = contents(source).weights[name]
    view = view_of(source)
    with readable(view, weight):
        tensor = weight.read(view, index)
    expected = weight.shape if index is None else weight.shape[1:]
    if tuple(tensor.shape) != expected:
        raise UnreadableTensor(
            f"{place(view, weight)}: its stored parts make a tensor of shape {tuple(tensor.shape)} where "
            f"{expected} is needed; dequantise the model first"
        )
    return tensor.detach()


class OpenWeight(FlatTensor):
    """A weight as real numbers that is read a stretch at a time; errors as `read_dequantised`."""

    def __init__(self, source: TensorSource, name: str) -> None:
        self._view, self._weight = view_of(source), contents(source).weights[name]
        with readable(self._view, self._weight):
            self._opened = self._weight.flat(self._view)
        self.shape = self._weight.shape
        self.dtype = self._opened.dtype
        self.size = self._opened.size
        if self.size != self._weight.info.size:
            raise UnreadableTensor(
                f"{place(self._view, self._weight)}: its stored parts make {self.size} numbers where "
                f"{self.shape} is needed; dequantise the model first"
            )

    def read(self, start: int, stop: int) -> Raw:
        """The numbers from `start` to before `stop`."""
        with readable(self._view, self._weight):
            raw = self._opened.read(start, stop)
            if raw.size != stop - start:
                raise ValueError(f"{raw.size} numbers, expected {stop - start}")
            return raw

    def rows(self, first: int, last: int) -> Raw:
        """Some rows, (rows, columns); the axes but the last are taken as one."""
        width = self.shape[-1] if len(self.shape) > 1 else 1
        raw: Raw = self.read(first * width, last * width).reshape(-1, width)
        return raw


def open_dequantised(source: TensorSource, name: str) -> OpenWeight:
    """Open a weight to read it a stretch at a time; parameters and errors as `read_dequantised`."""
    return OpenWeight(source, name)


def weight_size(source: TensorSource, name: str) -> int:
    """Numbers of a weight."""
    return contents(source).weights[name].info.size


def real_values(source: TensorSource, name: str, index: int | None = None) -> Real:
    """A weight in an array of its own, float64 where it is stored so, else float32; as `read_dequantised`.

    What is stored as plain numbers needs no torch.
    """
    weight = contents(source).weights[name]
    if isinstance(weight, AsStored):
        opened = open_dequantised(source, name)
        size = opened.size // max(1, weight.shape[0]) if index is not None else opened.size
        raw = opened.read((index or 0) * size, ((index or 0) + 1) * size)
        shape = weight.shape if index is None else weight.shape[1:]
        own: Real = real_numbers(raw, opened.dtype).copy().reshape(shape)
        return own
    tensor = read_dequantised(source, name, index)
    values = tensor if str(tensor.dtype) == "torch.float64" else tensor.float()
    found: Real = (values.clone() if values.data_ptr() == tensor.data_ptr() else values).numpy()
    return found


@contextmanager
def readable(view: TensorSource, weight: StoredWeight) -> Iterator[None]:
    """Whatever fails when a weight is read is one line: its file, its name, what to do."""
    try:
        yield
    except UnreadableTensor as error:
        raise UnreadableTensor(f"{place(view, weight)}: {error.reason}") from error
    except (BadCheckpoint, NotComparable):
        raise
    except (OSError, MemoryError) as error:
        raise BadCheckpoint(
            f"{place(view, weight)} cannot be read ({first_line(error)}); try again"
        ) from error
    except Exception as error:  # readers of damaged or foreign bytes raise nearly anything
        raise UnreadableTensor(
            f"{place(view, weight)} cannot be read ({first_line(error)}); fetch the file again or dequantise "
            "the model first"
        ) from error


def stored_parts(source: TensorSource, names: Iterable[str]) -> list[str]:
    """The stored tensors that weights are made of.

    Parameters
    ----------
    source : TensorSource
    names : iterable of str
        As `dequantised_tensors` gives them.
    """
    weights, stored = contents(source).weights, view_of(source).stored
    return [stored[part] for name in names for part in weights[name].parts]


def place(view: TensorSource, weight: StoredWeight) -> str:
    """File and tensor, as messages begin."""
    return f"{view.file_of(weight.parts[0])}: tensor {weight.name}"
