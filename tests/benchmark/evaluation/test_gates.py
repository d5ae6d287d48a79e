"""Gates: what passes, what fails, and that what is undefined never passes."""

from __future__ import annotations

import pytest

from benchmark.evaluation.gates import parse_gate
from benchmark.session.errors import UsageError

RESULT = {
    "look_alike_auc": {"estimate": 0.97, "low": 0.9, "high": 0.99},
    "claim": {"threshold": 0.9, "fpr": {"estimate": 0.2, "low": 0.1, "high": 0.3}},
    "permutation": {"p_value": None},
}


@pytest.mark.parametrize(
    ("text", "passed"),
    [
        ("look_alike_auc=0.95", True),
        ("look_alike_auc=0.97", True),
        ("look_alike_auc=0.98", False),
        ("look_alike_auc.low=0.95", False),
        ("fpr@claim=0.05", False),
        ("fpr@claim=0.2", True),
        ("fpr@claim.high=0.25", False),
        ("p_value=0.05", False),
        ("cllr=1", False),
    ],
)
def test_judgement(text: str, passed: bool) -> None:
    outcome = parse_gate(text).judge(RESULT)
    assert outcome.passed is passed
    assert ("passed" if passed else "FAILED") in str(outcome)


def test_undefined_is_said() -> None:
    assert "undefined" in str(parse_gate("p_value=0.05").judge(RESULT))


@pytest.mark.parametrize("text", ["look_alike_auc", "look_alike_auc=", "beauty=1", "auc=1e", "auc=1=2"])
def test_bad_gates_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--gate"):
        parse_gate(text)
