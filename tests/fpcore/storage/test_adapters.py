"""Adapters beside the weights that they change: what their settings say is what is added."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from flat_reading import read_in_parts

import fpcore
from fpcore.storage.adapters import ADAPTER_CONFIG, matches
from fpcore.storage.dequantised import dequantised_tensors, set_apart, stored_parts

QUERY = "layers.1.query"
WEIGHT = f"{QUERY}.weight"


def random(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


BASE, DOWN, UP = random(5, 4, seed=0), random(3, 4, seed=1), random(5, 3, seed=2)
PARTS = {WEIGHT: BASE, f"{QUERY}.lora_A.weight": DOWN, f"{QUERY}.lora_B.weight": UP}


def model(parts: dict[str, torch.Tensor], settings: Any) -> fpcore.MemoryCheckpoint:
    return fpcore.MemoryCheckpoint("m", "0" * 64, {ADAPTER_CONFIG: settings}, parts)


@pytest.mark.parametrize(
    ("settings", "factor"),
    [
        ({}, 8 / 3),
        ({"lora_alpha": 6}, 2.0),
        ({"lora_alpha": 6.0, "use_rslora": True}, 6 / math.sqrt(3)),
        ({"lora_alpha": -3}, -1.0),
        ({"lora_alpha": 1e6}, 1e6 / 3),
        ({"lora_alpha": 6, "alpha_pattern": {"query": 3, "key": 9}}, 1.0),
        ({"lora_alpha": 6, "alpha_pattern": [3]}, 2.0),
    ],
)
def test_the_scale_of_an_adapter(settings: dict[str, Any], factor: float) -> None:
    found = read_in_parts(model(PARTS, settings), WEIGHT)
    torch.testing.assert_close(found, BASE + factor * (UP @ DOWN))


@pytest.mark.parametrize("settings", [{"fan_in_fan_out": True}, {"fan_in_fan_out": False}])
def test_weights_that_are_stored_in_by_out(settings: dict[str, Any]) -> None:
    parts = PARTS | ({WEIGHT: BASE.T.contiguous()} if settings["fan_in_fan_out"] else {})
    change = (8 / 3) * (UP @ DOWN)
    expected = (BASE + change).T if settings["fan_in_fan_out"] else BASE + change
    torch.testing.assert_close(read_in_parts(model(parts, settings), WEIGHT), expected)


def test_an_embedding_is_stored_tokens_by_width() -> None:
    tokens, down, up = random(7, 4, seed=3), random(2, 7, seed=4), random(4, 2, seed=5)
    parts = {"embed.weight": tokens, "embed.lora_embedding_A": down, "embed.lora_embedding_B.default": up}
    found = read_in_parts(model(parts, {"lora_alpha": 2}), "embed.weight")
    torch.testing.assert_close(found, tokens + (up @ down).T)


def test_an_adapter_of_packed_numbers() -> None:
    codes = torch.arange(20, dtype=torch.int8).reshape(5, 4)
    parts = PARTS | {WEIGHT: codes, f"{WEIGHT}_scale": torch.tensor(0.5)}
    found = read_in_parts(model(parts, {"lora_alpha": 3}), WEIGHT)
    torch.testing.assert_close(found, codes / 2 + UP @ DOWN)


@pytest.mark.parametrize(
    ("settings", "changes", "why"),
    [
        ({"lora_alpha": True}, {}, "lora_alpha of its adapter is True; correct adapter_config.json"),
        ({"lora_alpha": "8"}, {}, "lora_alpha of its adapter is '8'"),
        ({"lora_alpha": math.nan}, {}, "lora_alpha of its adapter is nan"),
        ({"lora_alpha": -1.1e6}, {}, "lora_alpha of its adapter is -1100000.0"),
        (
            {},
            {f"{QUERY}.lora_A.weight": torch.ones(0, 4), f"{QUERY}.lora_B.weight": torch.ones(5, 0)},
            "lora_alpha of its adapter is 8",
        ),
        ([], {}, "its adapter_config.json is not a JSON object"),
        ({}, {WEIGHT: torch.ones(5, 5)}, r"its adapter of shape \(5, 4\) does not fit \(5, 5\)"),
        (
            {},
            {f"{QUERY}.lora_magnitude_vector": torch.ones(5)},
            r"its adapter has further parts \(DoRA or the like\); merge it into the model",
        ),
        (
            {},
            {f"{QUERY}.lora_A.other.weight": DOWN, f"{QUERY}.lora_B.other.weight": UP},
            "it has 4 adapter matrices, but one adapter has two; merge the one you mean",
        ),
    ],
)
def test_an_adapter_that_cannot_be_applied_silences_its_weight(
    settings: Any, changes: dict[str, torch.Tensor], why: str
) -> None:
    parts = PARTS | changes
    found = model(parts, settings)
    assert dequantised_tensors(found)[WEIGHT].shape == parts[WEIGHT].shape
    applied = {name for name in parts if "magnitude" not in name}
    assert set(stored_parts(found, [WEIGHT])) == applied
    with pytest.raises(fpcore.UnreadableTensor, match=rf"^m: tensor layers\.1\.query\.weight: {why}"):
        read_in_parts(found, WEIGHT)


def test_what_is_not_applied_is_said() -> None:
    parts = PARTS | {f"{QUERY}.hada_w1_a": torch.ones(2, 2)}
    of_a_kind = {"adapters of a kind that is not supported": 1}
    unscaled = {"adapters that were not applied: no adapter_config.json gives their scale": 2}
    assert set_apart(model(parts | {"layers.1.key.weight": BASE}, None)) == of_a_kind | unscaled


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("query", True),
        ("layers.1.query", True),
        (r"1\.key|1\.query", True),
        ("l*a*y*e*rs.1.query", True),
        ("uery", False),
        ("quer", False),
        (r"a\*b\+c\{d\*e\*", False),
    ],
)
def test_patterns_are_those_of_whole_words(pattern: str, expected: bool) -> None:
    assert matches(pattern, QUERY) is expected


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("l*a*y*e*r*s", "too complex"),
        ("(a|b)*", "too complex"),
        ("(", "invalid"),
        ("a{9999999999}", "invalid"),
    ],
)
def test_patterns_that_could_take_for_ever_are_refused(pattern: str, why: str) -> None:
    with pytest.raises(fpcore.UnreadableTensor, match=rf"^the pattern .* of its adapter is.*{why}"):
        matches(pattern, QUERY)
