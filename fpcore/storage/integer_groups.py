"""Integers of 2 to 8 bits packed into words, a scale and a zero a group: GPTQ, AWQ, compressed-tensors, MLX.

How many bits an integer has is read from the shapes of the tensors: files mix several.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from fpcore.errors import UnreadableTensor
from fpcore.foreign_json import Json
from fpcore.storage.number_codes import scale_values, unpack_fp4, unpack_integers
from fpcore.storage.stored_weight import Coded, Refused, Rows, StoredWeight
from fpcore.storage.tensor_source import Config, TensorInfo, TensorSource, integer, quantisation

if TYPE_CHECKING:
    import torch

__all__ = ["awq_or_gptq", "mlx_weights", "packed_rows"]

# Column that each of the eight nibbles of an AWQ word holds.
AWQ_ORDER: Final = (0, 2, 4, 6, 1, 3, 5, 7)
BITS: Final = range(2, 9)
# Formats of AutoRound in GPTQ's layout whose zeros are not stored less one.
ZEROS_AS_THEY_ARE: Final = frozenset({"auto_round", "auto_round:gptqmodel"})


@dataclass(frozen=True)
class Gptq(Coded):
    """GPTQ: words run down the inputs; a scale and a zero for a group of inputs and each output."""

    bits: int
    zero_shift: int

    def rows(self, source: TensorSource) -> Rows:
        """Words, zeros and scales, opened."""
        words, zeros, scales, *index = (source.read(part) for part in self.parts)
        outputs, inputs = self.shape
        # The first format stores zeros less one: a zero of 0 is all ones there.
        offset = (unpack_integers(zeros, self.bits, outputs) + self.zero_shift) & ((1 << self.bits) - 1)
        group = group_of(inputs, len(scales), index[0] if index else None, group_size(source))

        def decoded(start: int, stop: int) -> torch.Tensor:
            values = unpack_integers(words[:, start:stop].T, self.bits, inputs)
            shifts, factors = offset[:, start:stop].T[:, group], scales[:, start:stop].float().T[:, group]
            return (values - shifts) * factors

        return decoded


@dataclass(frozen=True)
class Awq(Coded):
    """AWQ in its `gemm` layout: words run along the outputs, eight integers in an order of their own."""

    def rows(self, source: TensorSource) -> Rows:
        """Words, zeros and scales, opened."""
        import torch

        words, zeros, scales = (source.read(part) for part in self.parts)
        _, inputs = self.shape
        group = group_of(inputs, len(scales), None, group_size(source))
        order = torch.tensor([4 * AWQ_ORDER.index(column) for column in range(8)])

        def columns(packed: torch.Tensor) -> torch.Tensor:
            return ((packed[..., None] >> order) & 15).flatten(-2)

        def decoded(start: int, stop: int) -> torch.Tensor:
            first, last = start // 8, -(-stop // 8)
            values = columns(words[:, first:last])[:, start - 8 * first : stop - 8 * first]
            offset = columns(zeros[:, first:last])[:, start - 8 * first : stop - 8 * first]
            factors = scales[:, start:stop].float()
            return ((values - offset[group]) * factors[group]).T.contiguous()

        return decoded


@dataclass(frozen=True)
class AwqRows(Coded):
    """AWQ in its `gemv` layout: words run along the inputs of each output."""

    def rows(self, source: TensorSource) -> Rows:
        """Words, zeros and scales, opened."""
        words, zeros, scales = (source.read(part) for part in self.parts)
        _, inputs = self.shape
        size = group_size(source) or inputs
        groups = -(-inputs // size)
        group = group_of(inputs, groups, None, size)

        def decoded(start: int, stop: int) -> torch.Tensor:
            values = unpack_integers(words[start:stop], 4, inputs)
            offset = unpack_integers(zeros[start:stop], 4, groups)[:, group]
            return (values - offset) * scales[start:stop].float()[:, group]

        return decoded


@dataclass(frozen=True)
class PackedRows(Coded):
    """compressed-tensors: words run along the inputs of each output; plus half a range each."""

    bits: int
    zero: bool
    shuffled: bool

    def rows(self, source: TensorSource) -> Rows:
        """Words and scales, opened; stacks of experts are rows of one matrix here."""
        words, scales, *rest = (source.read(part) for part in self.parts)
        *stack, outputs, inputs = self.shape
        half = 1 << (self.bits - 1)
        index = rest.pop() if self.shuffled else None
        words = words.reshape(-1, words.shape[-1])
        scales = scales.float().reshape(-1, scales.shape[-1]) if scales.ndim else scales.float().reshape(1, 1)
        group = group_of(inputs, scales.shape[-1], index, None)
        offset = self.zeros(rest[0], scales.shape[-1]) if self.zero else None
        each = outputs if stack else 1

        def decoded(start: int, stop: int) -> torch.Tensor:
            first, last = start * each, stop * each
            values = unpack_integers(words[first:last], self.bits, inputs) - half
            if offset is not None:
                values = values - offset[first:last][:, group]
            factors = scales[first:last] if len(scales) > 1 else scales
            return (values * factors[:, group]).reshape(stop - start, *self.shape[1:])

        return decoded

    def zeros(self, stored: torch.Tensor, groups: int) -> torch.Tensor:
        """The zero of every row and group: packed down the rows, or (in older files) as they are."""
        if stored.dtype.itemsize < 4:
            return stored.int().reshape(-1, groups)
        columns = stored.transpose(-1, -2)
        packed = unpack_integers(columns, self.bits, self.shape[-2]).transpose(-1, -2)
        return packed.reshape(-1, groups) - (1 << (self.bits - 1))


@dataclass(frozen=True)
class MlxRows(Coded):
    """MLX: words run along the inputs; a scale and what is added for a group of each output's inputs."""

    bits: int

    def rows(self, source: TensorSource) -> Rows:
        """Words, scales and biases, opened."""
        words, scales, *biases = (source.read(part) for part in self.parts)
        inputs = self.shape[-1]
        size = inputs // scales.shape[-1]

        def decoded(start: int, stop: int) -> torch.Tensor:
            factors = scale_values(scales[start:stop]).repeat_interleave(size, -1)
            if not biases:
                return unpack_fp4(words[start:stop]) * factors
            values = unpack_integers(words[start:stop], self.bits, inputs)
            return values * factors + biases[0][start:stop].float().repeat_interleave(size, -1)

        return decoded


def refusal(what: str) -> str:
    """Why a weight is refused."""
    return f"it is packed in an unknown way ({what}); dequantise the model first"


def group_of(inputs: int, groups: int, index: torch.Tensor | None, size: int | None) -> torch.Tensor:
    """The group of each input: as the file says, in steps of the config's size, or in equal shares."""
    import torch

    if index is not None and len(index) == inputs and not bool((index == -1).all()):  # -1: not used
        found = index.long()
        if len(found) and (int(found.min()) < 0 or int(found.max()) >= groups):
            raise UnreadableTensor(
                f"its inputs refer to groups beyond the {groups} that have scales; fetch it again"
            )
        return found
    if size is not None and -(-inputs // size) == groups:
        return torch.arange(inputs) // size
    if not groups or inputs % groups:
        raise UnreadableTensor(
            f"its {groups} groups do not divide its {inputs} inputs; dequantise the model first"
        )
    return torch.arange(inputs) // (inputs // groups)


def group_size(source: TensorSource) -> int | None:
    """Inputs that share a scale, as the config says; None where it does not, or all do."""
    stated = integer(quantisation(source), "group_size", "q_group_size")
    return stated if stated is not None and stated > 0 else None


def awq_or_gptq(tensors: Mapping[str, TensorInfo], config: Config) -> Iterator[StoredWeight]:
    """Weights that consist of `qweight`, `qzeros` and `scales`."""
    method = str(config.get("quant_method") or "").lower()
    form = " ".join(
        str(config.get(key) or "").lower() for key in ("version", "checkpoint_format", "packing_format")
    )
    for name, info in tensors.items():
        stem, _, last = name.rpartition(".")
        if last != "qweight":
            continue
        parts = tuple(f"{stem}.{part}" for part in ("qweight", "qzeros", "scales"))
        if any(part not in tensors for part in parts):
            continue
        zeros, scales = tensors[parts[1]], tensors[parts[2]]
        weight = f"{stem}.weight"
        words = info.dtype in {"int32", "uint32"} and len(info.shape) == len(scales.shape) == 2
        if not words or "marlin" in form or "fast" in form or "bitblas" in form:
            continue
        if method == "awq" or "awq" in form:
            yield from awq(weight, parts, info, zeros, scales, form)
        elif method in {"gptq", "auto-round", "intel/auto-round", "auto_round"} or not method:
            index = f"{stem}.g_idx"
            bits = zeros.shape[1] * 32 // scales.shape[1] if scales.shape[1] else 0
            inputs, over = divmod(info.shape[0] * 32, bits) if bits in BITS else (0, 1)
            if over or zeros.shape[0] != scales.shape[0] or info.shape[1] != scales.shape[1]:
                shapes = f"GPTQ of {info.shape}, {zeros.shape} and {scales.shape}"
                yield Refused(weight, (info.shape[1], inputs), parts, refusal(shapes))
                continue
            plain = str(config.get("packing_format") or "").lower() in ZEROS_AS_THEY_ARE
            shift = 0 if plain or "gptq_v2" in form else 1
            parts = (*parts, index) if index in tensors else parts
            yield Gptq(weight, (info.shape[1], inputs), parts, bits, shift)


def awq(
    weight: str, parts: tuple[str, ...], words: TensorInfo, zeros: TensorInfo, scales: TensorInfo, form: str
) -> Iterator[StoredWeight]:
    """A weight of AWQ, in either of its layouts."""
    if words.shape[1] * 8 == scales.shape[1] == zeros.shape[1] * 8 and len(scales.shape) == 2:
        yield Awq(weight, (scales.shape[1], words.shape[0]), parts)
    elif "gemv" in form and words.shape[0] == scales.shape[0] == zeros.shape[0]:
        yield AwqRows(weight, (words.shape[0], words.shape[1] * 8), parts)


def packed_rows(source: TensorSource, tensors: Mapping[str, TensorInfo]) -> Iterator[StoredWeight]:
    """Weights of compressed-tensors that are packed into words or 4-bit floats."""
    for name, info in tensors.items():
        if not name.endswith("weight_packed"):
            continue
        stem = name.removesuffix("_packed")
        scale = f"{stem}_scale"
        if scale not in tensors or info.dtype not in {"int32", "uint32"} or f"{stem}_shape" not in tensors:
            continue
        shape = tuple(int(length) for length in source.read(f"{stem}_shape").tolist())
        fitting = [b for b in BITS if -(-shape[-1] * b // 32) == info.shape[-1]] if shape else []
        stated = stated_bits(quantisation(source))
        # In a narrow weight several numbers of bits take as many words.
        possible = fitting if len(fitting) == 1 else [b for b in fitting if b in stated]
        bits = possible[0] if len(possible) == 1 else 0
        zero, index = f"{stem}_zero_point", f"{stem}_g_idx"
        more = [part for part in (zero, index) if part in tensors]
        if not bits or len(shape) < 2 or info.shape[:-1] != shape[:-1]:
            yield Refused(stem, shape, (name, scale, *more), refusal(f"words of shape {info.shape}"))
            continue
        parts = (name, scale, *more)
        yield PackedRows(stem, shape, parts, bits, zero in tensors, index in tensors)


def stated_bits(config: Json) -> set[int]:
    """Every number of bits of weights that a config of compressed-tensors states."""
    if not isinstance(config, Mapping):
        return set()
    found: set[int] = set()
    for key, value in config.items():
        if key == "weights" and isinstance(value, Mapping):
            bits = integer(value, "num_bits")
            found |= {bits} if bits is not None else set()
        elif key not in {"input_activations", "output_activations"}:
            found |= stated_bits(value)
    return found


def mlx_weights(tensors: Mapping[str, TensorInfo], config: Config) -> Iterator[StoredWeight]:
    """Weights of MLX: words named as the weight, with `scales` and `biases` beside them."""
    for name, info in tensors.items():
        stem = name.removesuffix("weight")
        scales = tensors.get(f"{stem}scales")
        if stem == name or info.dtype != "uint32" or scales is None or not scales.shape:
            continue
        biases = f"{stem}biases"
        parts = (name, f"{stem}scales", *([biases] if biases in tensors else []))
        size = integer(config, "group_size") or 64
        stated = config.get(stem.removesuffix("."))  # a layer with its own settings
        if isinstance(stated, Mapping):
            size = integer(stated, "group_size") or size
        inputs = scales.shape[-1] * size
        bits = info.shape[-1] * 32 // inputs if inputs else 0
        whole = bits in BITS and bits * inputs == info.shape[-1] * 32
        if whole and (biases in tensors or bits == 4):
            yield MlxRows(name, (*info.shape[:-1], inputs), parts, bits)
        else:
            yield Refused(name, (*info.shape[:-1], inputs), parts, refusal(f"MLX integers of {bits} bits"))
