"""Weights stored as packed integers, back to real numbers: bitsandbytes, GPTQ and AWQ.

Measured as they lie in the file, packed weights would say something about the packing, not the model.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fpcore.errors import BadCheckpoint
from fpcore.storage.tensor_source import Config, TensorSource, integer

if TYPE_CHECKING:
    import torch

__all__ = ["Packed", "find_packed"]

# Column that each of the eight nibbles of an AWQ word holds.
AWQ_ORDER = (0, 2, 4, 6, 1, 3, 5, 7)


@dataclass(frozen=True)
class Packed:
    """One packed weight.

    Attributes
    ----------
    stem : str
        Its name without ``.weight``.
    shape : tuple of int
        Of the real weight, (rows out, columns in).
    parts : tuple of str
        The stored tensors that it consists of.
    """

    stem: str
    shape: tuple[int, ...]
    parts: tuple[str, ...]

    def read(self, source: TensorSource) -> torch.Tensor:
        """The real weight in float32."""
        raise NotImplementedError


@dataclass(frozen=True)
class Int8Rows(Packed):
    """bitsandbytes, 8 bits: one scale a row."""

    def read(self, source: TensorSource) -> torch.Tensor:
        scale = source.read(f"{self.stem}.SCB").float() / 127.0
        return source.read(f"{self.stem}.weight").float() * scale[:, None]


@dataclass(frozen=True)
class CodeBook(Packed):
    """bitsandbytes, 4 bits: places in a table of sixteen values, one scale a block."""

    blocks: int
    nested_blocks: int
    nested_offset: float

    def read(self, source: TensorSource) -> torch.Tensor:
        import torch

        def part(name: str) -> torch.Tensor:
            return source.read(f"{self.stem}.weight.{name}")

        packed = source.read(f"{self.stem}.weight").reshape(-1)
        places = torch.stack([packed >> 4, packed & 15], dim=1).reshape(-1).long()
        scales = part("absmax")
        if self.nested_blocks:  # the scales are quantised too
            codes = part("nested_quant_map").float()[scales.long()]
            scales = (
                codes * spread(part("nested_absmax"), self.nested_blocks, len(codes)) + self.nested_offset
            )
        values = part("quant_map").float()[places]
        return (values * spread(scales, self.blocks, len(values))).reshape(self.shape)


@dataclass(frozen=True)
class Words(Packed):
    """GPTQ and AWQ: several integers in a 32-bit word, a scale and a zero a group of inputs."""

    bits: int
    awq: bool
    zero_shift: int

    def read(self, source: TensorSource) -> torch.Tensor:
        import torch

        words = source.read(f"{self.stem}.qweight")
        zeros = self.columns(source.read(f"{self.stem}.qzeros")) + self.zero_shift
        zeros = zeros & ((1 << self.bits) - 1)  # a zero of 0, stored less one, is all ones
        scales = source.read(f"{self.stem}.scales").float()
        values = self.columns(words) if self.awq else self.columns(words.T).T
        group = torch.arange(len(values)) // -(-len(values) // len(scales))
        if f"{self.stem}.g_idx" in source.tensors:
            group = source.read(f"{self.stem}.g_idx").long()
        return ((values - zeros[group]) * scales[group]).T.contiguous()

    def columns(self, words: torch.Tensor) -> torch.Tensor:
        """The integers of words that hold neighbouring columns."""
        import torch

        each = 32 // self.bits
        nibbles = [(words >> (self.bits * place)) & ((1 << self.bits) - 1) for place in range(each)]
        if self.awq:
            nibbles = [nibbles[AWQ_ORDER.index(column)] for column in range(each)]
        return torch.stack(nibbles, dim=2).reshape(len(words), -1)


def spread(scales: torch.Tensor, block: int, count: int) -> torch.Tensor:
    """One scale a block → one an element."""
    return scales.float().reshape(-1).repeat_interleave(block)[:count]


def find_packed(source: TensorSource) -> dict[str, Packed]:
    """Every packed weight that can be read, under the name ``….weight``."""
    config = quantisation(source)
    found: dict[str, Packed] = {}
    for name in source.tensors:
        stem, _, last = name.rpartition(".")
        if last == "SCB":
            found.update(named(int8_rows(source, stem)))
        elif ".weight.quant_state.bitsandbytes__" in name:
            found.update(named(code_book(source, name)))
        elif last == "qweight" and config.get("quant_method") in {"gptq", "awq"}:
            found.update(named(words(source, stem, config)))
    return found


def quantisation(source: TensorSource) -> Config:
    """What the config says about the storage format; empty where nothing."""
    config = source.config.get("quantization_config")
    return config if isinstance(config, Mapping) else {}


def named(weights: Iterator[Packed]) -> dict[str, Packed]:
    """Weights by their real names."""
    return {f"{weight.stem}.weight": weight for weight in weights}


def present(source: TensorSource, names: list[str]) -> tuple[str, ...]:
    """Those of the names that are stored."""
    return tuple(name for name in names if name in source.tensors)


def int8_rows(source: TensorSource, stem: str) -> Iterator[Packed]:
    """An 8-bit weight of bitsandbytes."""
    weight = source.tensors.get(f"{stem}.weight")
    if weight is not None and weight.dtype == "int8":
        parts = present(source, [f"{stem}.{part}" for part in ("weight", "SCB", "weight_format")])
        yield Int8Rows(stem, weight.shape, parts)


def code_book(source: TensorSource, state_name: str) -> Iterator[Packed]:
    """A 4-bit weight of bitsandbytes; its state is JSON in a tensor of bytes."""
    stem = state_name.partition(".weight.quant_state.")[0]
    try:
        state = json.loads(bytes(source.read(state_name).tolist()))
        blocks, shape = int(state["blocksize"]), tuple(int(length) for length in state["shape"])
        nested = int(state.get("nested_blocksize") or 0)
    except (ValueError, KeyError, TypeError) as error:
        raise BadCheckpoint(f"{source.name}: unreadable {state_name} ({error!r}); fetch it again") from error
    extra = ("absmax", "quant_map", "nested_absmax", "nested_quant_map")
    parts = present(source, [f"{stem}.weight", state_name, *(f"{stem}.weight.{part}" for part in extra)])
    yield CodeBook(stem, shape, parts, blocks, nested, float(state.get("nested_offset") or 0.0))


def words(source: TensorSource, stem: str, config: Config) -> Iterator[Packed]:
    """A weight of GPTQ or AWQ, where whole integers fit a word."""
    bits = integer(config, "bits", "w_bit") or 0
    awq = config.get("quant_method") == "awq"
    needed = [f"{stem}.{part}" for part in ("qweight", "qzeros", "scales")]
    plain = bits == 4 and str(config.get("version", "gemm")).lower() == "gemm" if awq else bits in {2, 4, 8}
    if not plain or len(present(source, needed)) < len(needed):
        return
    rows, columns = source.tensors[needed[0]].shape
    shape = (columns * 8, rows) if awq else (columns, rows * (32 // bits))
    # The first GPTQ format stores zeros less one.
    shift = 0 if awq or config.get("checkpoint_format") == "gptq_v2" else 1
    yield Words(stem, shape, present(source, [*needed, f"{stem}.g_idx"]), bits, awq, shift)
