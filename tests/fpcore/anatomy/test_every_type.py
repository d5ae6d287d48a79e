"""Everything that transformers knows is read, or stands in a file with the reason."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

import pytest
from every_type import UNPROVEN, attempt
from proof import types_of

# Proven when this was written; it may only grow.
AT_LEAST = {"causal": 194, "image-text": 99, "masked": 51}


def unproven() -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = json.loads(UNPROVEN.read_text())
    return found


def test_the_reasons_are_few_and_said() -> None:
    listed = unproven()
    assert set(listed) == set(AT_LEAST)
    for kind, reasons in listed.items():
        types = types_of(kind)
        assert set(reasons) <= set(types)
        assert list(reasons) == sorted(reasons)
        assert all(len(reason.split()) > 3 for reason in reasons.values())
        assert len(types) - len(reasons) >= AT_LEAST[kind], kind


@pytest.mark.slow
@pytest.mark.parametrize("kind", AT_LEAST)
def test_every_type(kind: str) -> None:
    outcomes: dict[bool, dict[str, Any]] = defaultdict(dict)
    for model_type in types_of(kind):
        outcome = attempt(kind, model_type)
        outcomes["error" in outcome][model_type] = outcome.get("error")
    assert outcomes[True].keys() == unproven()[kind].keys(), outcomes[True]
