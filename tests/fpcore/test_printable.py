"""Text of strangers: on one line, of bounded length, and otherwise as it is."""

from __future__ import annotations

import pytest

from fpcore.printable import printable, shortened, shown


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a model é", "a model é"),
        ("a\tb\nc\rd", r"a\tb\nc\rd"),
        ("\x00\x1b[2J\x7f", r"\x00\x1b[2J\x7f"),
        ("soft\u00adhyphen", r"soft\xadhyphen"),
        ("\u202eturned", r"\u202eturned"),
        ("\uffff\U000e0001", r"\uffff\U000e0001"),
        ("wide\u2003blank\u00a0here", "wide\u2003blank\u00a0here"),
        ("line\u2028end", r"line\u2028end"),
    ],
)
def test_what_steers_or_hides_is_written_out(text: str, expected: str) -> None:
    assert printable(text) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (3, "3"),
        (True, "True"),
        (None, "None"),
        ("two\nlines", r"'two\nlines'"),
        ({"a": 1}, "a dict"),
        ([1], "a list"),
        ("x" * 58, f"'{'x' * 58}'"),
        ("x" * 59, f"'{'x' * 59}…"),
        (10**59, "1" + 59 * "0"),
        (10**60, "a number of more than 60 digits"),
        (-(10**60), "a number of more than 60 digits"),
        # Python writes out no number of so many digits.
        pytest.param(10**5000, "a number of more than 60 digits", id="5001 digits"),
    ],
)
def test_a_value_in_a_message_has_its_place(value: object, expected: str) -> None:
    assert shown(value) == expected
    assert len(shown(value, longest=5)) <= len("a number of more than 5 digits")


def test_a_long_sentence_keeps_its_beginning_and_its_end() -> None:
    line = "".join(chr(0x4E00 + place) for place in range(901))
    assert shortened(line[:900]) == line[:900]
    assert shortened(line) == f"{line[:700]} … {line[-200:]}"
    assert shortened("abcdefghij", 9) == "abcdefg … ij"
