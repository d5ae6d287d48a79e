"""Weights of few bits with scales beside them: float8, int8 and 4-bit floats, by tensor, row or block.

One tensor of codes and one of scales, whatever made them: DeepSeek's blocks, ModelOpt, compressed-tensors,
fbgemm, quanto, Quark, gpt-oss. The shapes say what a scale belongs to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from fpcore.errors import UnreadableTensor
from fpcore.storage.number_codes import scale_values, unpack_fp4, unpack_fp6
from fpcore.storage.stored_weight import Coded, Rows, StoredWeight
from fpcore.storage.tensor_source import Config, TensorInfo, TensorSource, quantisation

if TYPE_CHECKING:
    import torch

__all__ = [
    "PLAIN",
    "Doubtful",
    "Mxfp4Stack",
    "Scaled",
    "mxfp4_stacks",
    "packed_floats",
    "quanto_weights",
    "scaled_weights",
    "torchao_weights",
]

# Element types that hold weights without a scale.
PLAIN: Final = frozenset({"float64", "float32", "float16", "bfloat16", "complex64"})

# What a tensor of scales is called, behind the name of its weight. Despite its name, the "inverse" scale
# multiplies: it is the inverse of what the quantiser applied.
SCALES: Final = ("_scale_inv", "_scale", "_scales")
# A scale of the scales; the first multiplies (ModelOpt), the second divides (compressed-tensors).
OF_SCALES: Final = {"_scale_2": False, "_global_scale": True}

BLOCK: Final = 128  # rows and columns that share a scale where nothing says how many

BYTES: Final = frozenset({"uint8", "int8"})
POWERS: Final = frozenset({"uint8", "float8_e8m0fnu"})

Form = Literal["plain", "fp4", "fp6"]
UNPACKED: Final[Mapping[Form, Callable[[torch.Tensor], torch.Tensor]]] = {
    "plain": lambda codes: codes.float(),
    "fp4": unpack_fp4,
    "fp6": unpack_fp6,
}


@dataclass(frozen=True)
class Scaled(Coded):
    """Codes times scales: one scale a tensor, a row, a column, or a block of rows and columns.

    Attributes
    ----------
    codes, scale : str
        The stored tensors.
    form : {"plain", "fp4", "fp6"}
        Whether bytes hold two floats of 4 bits, or three bytes four of 6.
    of_scale : str
        A further scale of the scales; empty for none.
    divides : bool
        Whether that one divides.
    zero : str
        Zero points, laid out as the scales; empty for none.
    columns : str
        What each column is multiplied by: the scale of the inputs; empty for none.
    """

    codes: str
    scale: str
    form: Form = "plain"
    of_scale: str = ""
    divides: bool = False
    zero: str = ""
    columns: str = ""

    def rows(self, source: TensorSource) -> Rows:
        """Codes and scales, opened."""
        codes = source.read(self.codes)
        scale = scale_values(source.read(self.scale))
        if self.of_scale:
            # One number, or one for each expert of a stack.
            factor = source.read(self.of_scale).float().reshape(-1, *([1] * (scale.ndim - 1)))
            scale = scale / factor if self.divides else scale * factor
        zero = source.read(self.zero) if self.zero else None
        scale = self.aligned(scale)
        lengths = self.lengths(tuple(scale.shape), stated_blocks(quantisation(source)))
        shift = None if zero is None else self.aligned(zero.float())
        columns = source.read(self.columns).float() if self.columns else None

        def decoded(start: int, stop: int) -> torch.Tensor:
            part = codes[start:stop] if codes.ndim else codes
            values = UNPACKED[self.form](part)
            if shift is not None:
                values = values - spread(shift, lengths, self.shape, start, stop)
            values = values * spread(scale, lengths, self.shape, start, stop)
            return values if columns is None else values * columns

        return decoded

    def aligned(self, scale: torch.Tensor) -> torch.Tensor:
        """A tensor of scales with as many axes as the weight."""
        axes = len(self.shape)
        if scale.numel() == 1:
            return scale.reshape((1,) * axes)
        if scale.ndim == 2 * axes and all(length == 1 for length in scale.shape[1::2]):  # ModelOpt's blocks
            return scale.reshape(scale.shape[::2])
        if scale.ndim < axes and tuple(scale.shape) == self.shape[: scale.ndim]:  # one a row, or an expert
            return scale.reshape(*scale.shape, *([1] * (axes - scale.ndim)))
        return scale

    def lengths(self, scales: tuple[int, ...], blocks: tuple[int, ...]) -> tuple[int, ...]:
        """How many entries along each axis share a scale; `blocks`: what the config says of the last two."""
        if len(scales) == len(self.shape):
            single = [1] * (len(self.shape) - 2)
            stated, usual = (*single, *blocks), (*single, BLOCK, BLOCK)
            for lengths in [stated, usual] if 1 not in scales[-2:] else [stated]:
                if len(lengths) == len(scales) and counts(self.shape, lengths) == scales:
                    return lengths
            if all(count and not size % count for size, count in zip(self.shape, scales, strict=True)):
                return tuple(size // count for size, count in zip(self.shape, scales, strict=True))
        raise UnreadableTensor(
            f"its scale of shape {scales} does not fit {self.shape}; dequantise the model first"
        )


@dataclass(frozen=True)
class Doubtful(StoredWeight):
    """Real numbers with a scale beside them: read if the scale is one, as it may have been applied or not."""

    dtype: str

    @property
    def info(self) -> TensorInfo:
        """Shape and element type as stored."""
        return TensorInfo(self.shape, self.dtype)

    def read(self, source: TensorSource, index: int | None = None) -> torch.Tensor:
        """The tensor as it is."""
        if bool((scale_values(source.read(self.parts[1])) != 1.0).any()):
            raise UnreadableTensor(
                f"it is stored as {self.dtype}, but {self.parts[1]} beside it is not 1: whether that is "
                "applied already cannot be known; apply or remove it"
            )
        tensor = source.read(self.parts[0])
        return tensor if index is None else tensor[index]


@dataclass(frozen=True)
class Fp4(Coded):
    """4-bit floats without a scale."""

    def rows(self, source: TensorSource) -> Rows:
        """The codes, opened."""
        codes = source.read(self.parts[0])
        return lambda start, stop: unpack_fp4(codes[start:stop])


@dataclass(frozen=True)
class Mxfp4Stack(Coded):
    """4-bit floats of a stack of experts, 32 a scale, (experts, columns, groups, 16 bytes): gpt-oss."""

    def rows(self, source: TensorSource) -> Rows:
        """Blocks and scales, opened; experts come out as (rows in, columns out), as the model holds them."""
        blocks, scales = (source.read(part) for part in self.parts)

        def decoded(start: int, stop: int) -> torch.Tensor:
            values = unpack_fp4(blocks[start:stop]) * scale_values(scales[start:stop])[..., None]
            return values.flatten(-2).transpose(-1, -2).contiguous()

        return decoded


def counts(shape: tuple[int, ...], lengths: tuple[int, ...]) -> tuple[int, ...]:
    """How many blocks of these lengths each axis has, the last one perhaps shorter."""
    return tuple(-(-size // length) for size, length in zip(shape, lengths, strict=True))


def spread(
    scale: torch.Tensor, lengths: tuple[int, ...], shape: tuple[int, ...], start: int, stop: int
) -> torch.Tensor:
    """The scale of every entry of the rows `start` to before `stop`; axes that share one stay of length 1."""
    import torch

    if not shape:
        return scale
    found = scale
    if scale.shape[0] > 1:
        found = scale[torch.arange(start, stop) // lengths[0]]
    for axis in range(1, len(shape)):
        if scale.shape[axis] > 1 and lengths[axis] > 1:
            found = found.repeat_interleave(lengths[axis], axis).narrow(axis, 0, shape[axis])
    return found


def stated_blocks(config: Config) -> tuple[int, ...]:
    """Rows and columns that share a scale, as the config says; empty where it does not."""
    stated = config.get("weight_block_size")
    match stated:
        case None | []:
            return ()
        case [int(rows), int(columns)] if rows > 0 and columns > 0:
            return rows, columns
    raise UnreadableTensor(f"weight_block_size in its config is {stated!r}, not two numbers; correct it")


def scaled_weights(tensors: Mapping[str, TensorInfo]) -> Iterator[StoredWeight]:
    """Every weight that has a tensor of scales by its name."""
    for name, info in tensors.items():
        scale = scale_of(name, tensors)
        if scale is None:
            continue
        of_scale = next((name + end for end in OF_SCALES if name + end in tensors), "")
        zero = name + "_zero_point" if name + "_zero_point" in tensors else ""
        parts = tuple(part for part in (name, scale, of_scale, zero) if part)
        if info.dtype in PLAIN:
            yield Doubtful(name, info.shape, parts, info.dtype)
            continue
        if info.dtype not in BYTES and not info.dtype.startswith("float"):
            continue
        form: Form = "fp4" if info.dtype.startswith("float4") else "plain"
        if info.dtype in BYTES:
            form = bytes_hold(info, tensors[scale]) or "plain"
        if (info.dtype == "uint8" and form == "plain" and not zero) or form == "fp6":
            continue  # integers packed in a way that is not known
        shape = info.shape if info.dtype.startswith("float4") else unpacked_shape(info.shape, form)
        divides = OF_SCALES[of_scale.removeprefix(name)] if of_scale else False
        columns = f"{name.removesuffix('weight')}pre_quant_scale" if name.endswith(".weight") else ""
        columns = columns if columns in tensors else ""
        more = (columns,) if columns else ()
        yield Scaled(name, shape, (*parts, *more), name, scale, form, of_scale, divides, zero, columns)


def bytes_hold(codes: TensorInfo, scale: TensorInfo) -> Form | None:
    """The small floats in bytes with a scale for 16 or 32 of them; None where shapes say something else."""
    if not len(codes.shape) == len(scale.shape) > 0 or codes.shape[:-1] != scale.shape[:-1]:
        return None
    wide, groups = codes.shape[-1], scale.shape[-1]
    powers = scale.dtype in POWERS
    if (powers and wide == 16 * groups) or (scale.dtype == "float8_e4m3fn" and wide == 8 * groups):
        return "fp4"
    return "fp6" if powers and wide == 24 * groups else None


def unpacked_shape(stored: tuple[int, ...], form: Form) -> tuple[int, ...]:
    """The shape of the numbers that bytes hold."""
    return (
        stored
        if form == "plain"
        else (*stored[:-1], stored[-1] * 2 if form == "fp4" else stored[-1] * 4 // 3)
    )


def scale_of(name: str, tensors: Mapping[str, TensorInfo]) -> str | None:
    """The tensor of scales of a weight, if there is one."""
    if not name.endswith("weight") and len(tensors[name].shape) < 2:
        return None
    ends = [name + end for end in SCALES]
    if name.endswith(".weight"):  # DeepSeek's own files
        ends.append(name.removesuffix("weight") + "scale")
    return next((end for end in ends if end in tensors), None)


def packed_floats(tensors: Mapping[str, TensorInfo]) -> Iterator[StoredWeight]:
    """Floats of 4 and 6 bits of compressed-tensors."""
    for name, info in tensors.items():
        stem = name.removesuffix("_packed")
        scale, of_scale = f"{stem}_scale", f"{stem}_global_scale"
        if stem == name or scale not in tensors or info.dtype not in BYTES:
            continue
        form = bytes_hold(info, tensors[scale])
        if form is None:
            continue
        of_scale = of_scale if of_scale in tensors else ""
        parts = tuple(part for part in (name, scale, of_scale) if part)
        shape = unpacked_shape(info.shape, form)
        yield Scaled(stem, shape, parts, name, scale, form, of_scale=of_scale, divides=True)


def torchao_weights(tensors: Mapping[str, TensorInfo]) -> Iterator[StoredWeight]:
    """Weights of torchao in 8 bits, as its tensors are taken apart for files."""
    for name, info in tensors.items():
        module, _, last = name.rpartition(".")
        stem = f"{module}.{last.removesuffix('_qdata')}"
        scale, zero = f"{stem}_scale", f"{stem}_zero_point"
        if not (last.startswith("_") and last.endswith("_qdata")) or scale not in tensors:
            continue
        if info.dtype != "int8" and not info.dtype.startswith("float8"):
            continue
        zero = zero if zero in tensors else ""
        parts = tuple(part for part in (name, scale, zero) if part)
        yield Scaled(f"{module}.{last[1:-6]}", info.shape, parts, name, scale, zero=zero)


def quanto_weights(tensors: Mapping[str, TensorInfo]) -> Iterator[StoredWeight]:
    """Weights of quanto that are 8 bits wide."""
    for name, info in tensors.items():
        stem = name.removesuffix("._data")
        scale = stem + "._scale"
        if stem != name and scale in tensors and info.dtype != "uint8":
            yield Scaled(stem, info.shape, (name, scale), name, scale)


def mxfp4_stacks(tensors: Mapping[str, TensorInfo]) -> Iterator[StoredWeight]:
    """Stacks of experts as gpt-oss stores them."""
    for name, info in tensors.items():
        stem = name.removesuffix("_blocks")
        scales = tensors.get(stem + "_scales")
        if stem == name or scales is None or len(info.shape) != 4:
            continue
        experts, columns, groups, width = info.shape
        if scales.shape == (experts, columns, groups):
            yield Mxfp4Stack(stem, (experts, groups * width * 2, columns), (name, stem + "_scales"))
