"""What every source of tensors can do, and what a config says of their storage."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch

from fpcore import BadCheckpoint, TensorInfo
from fpcore.storage.tensor_source import TensorSource, integer, quantisation


class OneMatrix(TensorSource):
    """A source that can do no more than it must."""

    name = "one matrix"

    def __init__(self, **config: Any) -> None:
        self.config = config

    @property
    def tensors(self) -> Mapping[str, TensorInfo]:
        return {"m": TensorInfo((4, 3), "float32")}

    def read(self, name: str) -> torch.Tensor:
        return {"m": torch.arange(12.0).reshape(4, 3)}[name]


def test_parts_and_rows_are_those_of_the_whole() -> None:
    source, whole = OneMatrix(), torch.arange(12.0).reshape(4, 3)
    assert torch.equal(source.read_part("m", 2), whole[2])
    assert torch.equal(source.read_rows("m", 1, 3), whole[1:3])
    np.testing.assert_array_equal(source.flat("m").read(2, 5), [2.0, 3.0, 4.0])
    assert source.file_of("m") == "one matrix"
    source.prefetch(["m"])
    source.prefetch_stretches({"m": [(0, 12)]})


def test_what_is_remembered_is_computed_once_and_stays_in_its_process() -> None:
    source, made = OneMatrix(), []

    def compute() -> object:
        made.append(1)
        return lambda: 3  # cannot travel

    assert source.remembered("key", compute) is source.remembered("key", compute)
    assert source.remembered("another", lambda: 2) == 2
    assert made == [1]
    again = pickle.loads(pickle.dumps(source))
    assert again.remembered("key", lambda: "anew") == "anew"


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"bits": 4}, 4),
        ({"bits": 4, "w_bit": 8}, 4),
        ({"bits": None, "w_bit": 8.0}, 8),
        ({"bits": True, "w_bit": 8}, 8),
        ({"bits": "4"}, None),
        ({"bits": -1}, -1),
        ({}, None),
    ],
)
def test_the_first_entry_that_is_a_number(config: dict[str, Any], expected: int | None) -> None:
    assert integer(config, "bits", "w_bit") == expected


def test_a_number_that_is_no_count_is_refused() -> None:
    for value in (-2, 4.5):
        with pytest.raises(BadCheckpoint, match=r"^bits in the config is"):
            integer({"bits": value}, "bits")


@pytest.mark.parametrize("key", ["quantization_config", "quantization", "compression_config"])
def test_the_storage_format_stands_under_one_of_three_keys(key: str) -> None:
    assert quantisation(OneMatrix(**{key: {"bits": 4}})) == {"bits": 4}
    assert quantisation(OneMatrix(**{key: 4})) == {}
