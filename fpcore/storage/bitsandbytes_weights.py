"""Weights of bitsandbytes: 8 bits with a scale a row, and 4 bits that are places in a table of values."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

from fpcore.counts import count
from fpcore.errors import BadCheckpoint, UnreadableTensor
from fpcore.foreign_json import Json, parse_json
from fpcore.storage.number_codes import as_bytes, nibbles
from fpcore.storage.stored_weight import Coded, Rows, StoredWeight
from fpcore.storage.tensor_source import TensorInfo, TensorSource

if TYPE_CHECKING:
    import torch

__all__ = ["bitsandbytes_weights"]

ROWS: Final = 0  # of the formats of 8-bit weights: col32, col_turing and col_ampere are 1 to 3


@dataclass(frozen=True)
class Int8Rows(Coded):
    """8 bits: the largest absolute value of each row stands for 127."""

    def rows(self, source: TensorSource) -> Rows:
        """Integers and scales, opened."""
        codes = source.read(self.parts[0])
        if len(self.parts) > 2 and int(source.read(self.parts[2]).reshape(-1)[0]) != ROWS:
            raise UnreadableTensor(
                "its 8-bit integers lie in the order of a GPU's tensor cores (weight_format is not 0); "
                "dequantise the model first"
            )
        scale = source.read(self.parts[1]).float().reshape(-1, 1) / 127.0

        def decoded(start: int, stop: int) -> torch.Tensor:
            return codes[start:stop].float() * scale[start:stop]

        return decoded


@dataclass(frozen=True)
class CodeBook(Coded):
    """4 bits: places in a table, one scale a block of the flattened weight; scales may be coded, too."""

    blocks: int
    nested_blocks: int
    nested_offset: float

    def rows(self, source: TensorSource) -> Rows:
        """Places, table and scales, opened."""
        import torch

        # For training in shards the bytes may be carried as numbers of another type.
        packed = as_bytes(source.read(self.parts[0]).reshape(-1))
        stored = {part.rpartition(".")[2]: part for part in self.parts}
        scales = source.read(stored["absmax"])
        if self.nested_blocks:
            codes = source.read(stored["nested_quant_map"]).float()[scales.long()]
            widest = source.read(stored["nested_absmax"]).float().reshape(-1)
            scales = codes * widest.repeat_interleave(self.nested_blocks)[: len(codes)] + self.nested_offset
        scales = scales.float().reshape(-1)
        table = source.read(stored["quant_map"]).float()
        width = math.prod(self.shape[1:])

        def decoded(start: int, stop: int) -> torch.Tensor:
            first, last = start * width, stop * width
            places = nibbles(packed[first // 2 : -(-last // 2)], high_first=True)
            places = places[first % 2 : first % 2 + last - first]
            scale = scales[torch.arange(first, last) // self.blocks]
            return (table[places.int()] * scale).reshape(stop - start, *self.shape[1:])

        return decoded


def bitsandbytes_weights(source: TensorSource, tensors: Mapping[str, TensorInfo]) -> Iterator[StoredWeight]:
    """Every weight of bitsandbytes."""
    for name in tensors:
        stem, _, last = name.rpartition(".")
        weight = tensors.get(f"{stem}.weight")
        if last == "SCB" and weight is not None and weight.dtype == "int8":
            more = [part for part in (f"{stem}.weight_format",) if part in tensors]
            yield Int8Rows(f"{stem}.weight", weight.shape, (f"{stem}.weight", name, *more))
        elif ".quant_state.bitsandbytes__" in name:
            yield code_book(source, tensors, name)


def code_book(source: TensorSource, tensors: Mapping[str, TensorInfo], state_name: str) -> StoredWeight:
    """A 4-bit weight; its state is JSON in a tensor of bytes."""
    weight = state_name.partition(".quant_state.")[0]
    try:
        where = f"{source.file_of(state_name)}: {state_name}"
        state = cast(dict[str, Json], parse_json(bytes(source.read(state_name).tolist()), where))
        blocks = count(state["blocksize"], f"{where}: blocksize", least=1)
        shape = tuple(count(n, f"{where}: a length") for n in cast(list[Json], state["shape"]))
        nested = count(state.get("nested_blocksize") or 0, f"{where}: nested_blocksize")
        offset = float(cast(float, state.get("nested_offset") or 0.0))
    except (ValueError, KeyError, TypeError) as error:
        raise BadCheckpoint(
            f"{source.file_of(state_name)}: unreadable {state_name} ({error!r}); fetch it again"
        ) from error
    extra = ("absmax", "quant_map", "nested_absmax", "nested_quant_map")
    parts = [weight, *(f"{weight}.{part}" for part in extra), state_name]
    return CodeBook(weight, shape, tuple(part for part in parts if part in tensors), blocks, nested, offset)
