"""JSON of strangers is parsed within bounds, or refused in one line."""

from __future__ import annotations

import pytest

from fpcore.errors import BadCheckpoint
from fpcore.foreign_json import DEEPEST, Json, parse_json


def nested(levels: int, begin: str, end: str) -> bytes:
    return (begin * levels + "1" + end * levels).encode()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b'{"layers": 4, "names": ["a", null]}', {"layers": 4, "names": ["a", None]}),
        (b'\xef\xbb\xbf{"bom": "\xc3\xa9"}', {"bom": "é"}),
        (b'"text"', "text"),
        (rb'{"\ud83d\ude00": ["\uD83D\uDE00"]}', {"😀": ["😀"]}),
        (b'{"twice": [1], "b": 2, "twice": [1]}', {"twice": [1], "b": 2}),
    ],
)
def test_what_is_sound_is_read(content: bytes, expected: Json) -> None:
    assert parse_json(content, "config.json") == expected


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"{'layers': 4}", r"not a config \(Expecting property name.*\); fetch it again"),
        (b'{"a": "\xff"}', "not a config: byte 7 is not UTF-8; fetch it again"),
        (b"[" * 200_000, "not a config: nested too deep; fetch it again"),
        (nested(DEEPEST + 1, "[", "]"), "not a config: nested more than 64 levels deep; fetch it again"),
        (nested(DEEPEST + 1, '{"a":', "}"), "not a config: nested more than 64 levels deep; fetch it again"),
        (b'{"a": 1, "b": 2, "a": 3}', "not a config: 'a' is given twice, with two values; keep one"),
        (b'{"a": 1, "a": 1, "a": 2}', "not a config: 'a' is given twice, with two values; keep one"),
        (rb'"a\ud800"', r"'a\\ud800' contains half a character \(a lone surrogate\); correct it"),
        (rb'[[], {"a": ["\uDFFF"]}]', r"'\\udfff' contains half a character"),
        (rb'{"a": {"\uDB00": 1}}', r"'\\udb00' contains half a character"),
        (rb'{"a": {"b": "\ud900"}}', r"'\\ud900' contains half a character"),
    ],
)
def test_what_is_not_is_refused(content: bytes, why: str) -> None:
    with pytest.raises(BadCheckpoint, match=f"^config.json: {why}"):
        parse_json(content, "config.json", "a config")


@pytest.mark.parametrize(("begin", "end"), [("[", "]"), ('{"a":', "}")])
def test_as_deep_as_is_allowed(begin: str, end: str) -> None:
    assert parse_json(nested(DEEPEST, begin, end), "config.json")


def test_lengths_and_numbers_of_values_are_bounded() -> None:
    assert parse_json(b"1234", "a.json", largest=4) == 1234
    with pytest.raises(BadCheckpoint, match=r"^a\.json: 5 bytes, too large for JSON \(4 at most\)"):
        parse_json(b"12345", "a.json", largest=4)
    for content in (b"[0,1,2]", b"[[[0]]]", b'{"a":{"b":{}}}'):
        assert parse_json(content, "a.json", most=3)
        with pytest.raises(BadCheckpoint, match=r"^a\.json: too many values for JSON \(2 at most\)"):
            parse_json(content, "a.json", most=2)
