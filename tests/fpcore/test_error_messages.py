"""Errors are one line of bounded length, whatever their authors made of them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fpcore.errors import (
    BadCheckpoint,
    NotComparable,
    abstention,
    described,
    first_line,
    require,
)
from fpcore.printable import shortened


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no message")


class WithoutReason(NotComparable):
    def __init__(self) -> None:
        pass


@pytest.mark.parametrize("of", [lambda text: str(BadCheckpoint(text)), lambda text: str(NotComparable(text))])
def test_messages_are_one_line(of: Callable[[str], str]) -> None:
    assert of("two\nlines") == r"two\nlines"
    assert of("x" * 1000) == shortened("x" * 1000)


def test_abstentions_have_a_reason() -> None:
    require(True, "unused")
    with pytest.raises(NotComparable) as caught:
        require(False, "no\tbiases")
    assert caught.value.reason == str(caught.value) == abstention(caught.value) == r"no\tbiases"
    assert abstention(WithoutReason()) == "(its reason cannot be read)"
    caught.value.reason = "y" * 1000
    assert abstention(caught.value) == shortened("y" * 1000)
    caught.value.reason = 3  # type: ignore[assignment]
    assert abstention(caught.value) == "(its reason cannot be read)"


@pytest.mark.parametrize(
    ("error", "whole", "first"),
    [
        (ValueError("two\n  lines"), "ValueError: two lines", "ValueError: two"),
        (ValueError("\n\x1b first\nsecond"), r"ValueError: \x1b first second", r"ValueError: \x1b first"),
        (ValueError(), "ValueError", "ValueError"),
        (Mute(), "Mute: (its message cannot be read)", "Mute: (its message cannot be read)"),
        (ValueError("z" * 161), f"ValueError: {'z' * 161}", f"ValueError: {'z' * 160}"),
        (KeyError("k" * 1000), shortened(f"KeyError: '{'k' * 1000}'"), f"KeyError: '{'k' * 159}"),
        (type("N" * 101, (Exception,), {})("m"), f"{'N' * 100}: m", f"{'N' * 101}: m"),
    ],
)
def test_errors_of_others_are_told_in_a_line(error: Exception, whole: str, first: str) -> None:
    assert described(error) == whole
    assert first_line(error) == first
