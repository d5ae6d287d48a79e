"""Names with hyphens stay whole where lines are filled: what is torn apart cannot be copied."""

from __future__ import annotations

import pytest

from benchmark.comparison.text_layout import bullets, wrapped

NAMES = ["zoo/llama-a-ft-short-launder-permute", "aligned-unit-matching", "activation-matching"]


@pytest.mark.parametrize("before", range(0, 60, 7))
def test_no_line_breaks_at_a_hyphen(before: int) -> None:
    text = " ".join(["x" * before, *NAMES, "separates-within-limits", *NAMES])
    for filled in (wrapped(text), wrapped(text, "  "), bullets([text])):
        assert filled.removeprefix("  - ").split() == text.split()
        assert max(map(len, filled.splitlines())) <= 80


def test_a_name_that_is_longer_than_a_line_stays_whole() -> None:
    name = "org/" + "-".join(["part"] * 20)
    assert wrapped(f"of {name} nothing").splitlines() == ["of", f"  {name}", "  nothing"]
    assert name in bullets([name])
