"""Files that are almost sound: bytes changed anywhere, parts of JSON exchanged for what does not belong."""

from __future__ import annotations

import copy
import csv
import io
import json
import struct
from collections.abc import Callable, Sequence

from hypothesis import strategies as st

__all__ = ["bytes_of", "cells_of", "json_of", "parts_of"]

Make = Callable[[bytes], bytes]

NUMBERS = (0, 1, -1, 2**31, 2**32 - 1, 2**63, 2**64 - 1, 10**18, 10**400)
ODD = st.one_of(
    st.sampled_from(
        [*NUMBERS, 1e308, float("inf"), float("-inf"), float("nan"), 0.5, True, None, "", [], {}, [[]], "\0"]
    ),
    st.sampled_from(["\ud800", "=1+1", "<b>", "\x1b[2J", "\u202e", "../..", "/dev/zero", "x" * 5_000]),
    st.integers(-10, 10),
    st.text(max_size=8),
    st.recursive(
        st.none() | st.integers(0, 9) | st.text(max_size=3),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
        max_leaves=6,
    ),
)
WORDS = st.sampled_from([struct.pack("<Q", n) for n in (0, 1, 2**31, 2**32, 2**40, 2**62, 2**63, 2**64 - 1)])


@st.composite
def bytes_of(draw: st.DrawFn, seeds: Sequence[bytes]) -> bytes:
    """One of the seeds with some bytes changed, put in, taken out, or repeated."""
    content = draw(st.sampled_from(seeds))
    for _ in range(draw(st.integers(1, 5))):
        at = draw(st.integers(0, max(0, len(content) - 1)))
        how = draw(st.sampled_from(["flip", "word", "insert", "remove", "repeat", "cut", "random"]))
        length = draw(st.integers(1, 16))
        if how == "flip" and content:
            bit = 1 << draw(st.integers(0, 7))
            content = content[:at] + bytes([content[at] ^ bit]) + content[at + 1 :]
        elif how == "word":
            content = content[:at] + draw(WORDS) + content[at + 8 :]
        elif how == "insert":
            content = content[:at] + draw(st.binary(min_size=1, max_size=16)) + content[at:]
        elif how == "remove":
            content = content[:at] + content[at + length :]
        elif how == "repeat":
            content = content[:at] + content[at : at + length] * draw(st.integers(2, 50)) + content[at:]
        elif how == "cut":
            content = content[:at]
        elif how == "random":
            new = draw(st.binary(min_size=length, max_size=length))
            content = content[:at] + new + content[at + length :]
    return content


@st.composite
def json_of(draw: st.DrawFn, seeds: Sequence[bytes]) -> bytes:
    """One of the seeds with some of its values exchanged, left out or added; still JSON."""
    value = json.loads(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(1, 4))):
        value = changed(draw, value)
    return json.dumps(value).encode("utf-8", "surrogatepass")


def odd(draw: st.DrawFn) -> object:
    """A value that nothing else holds: hypothesis gives the same lists again, and these change in place."""
    return copy.deepcopy(draw(ODD))


def changed(draw: st.DrawFn, value: object) -> object:
    """Go down a random way and change what is there."""
    if not isinstance(value, dict | list) or not value or draw(st.integers(0, 5)) == 0:
        return odd(draw)
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    key = draw(st.sampled_from(keys))
    how = draw(st.sampled_from(["down", "down", "down", "leave out", "add"]))
    if how == "leave out":
        del value[key]
    elif how == "add":
        if isinstance(value, dict):
            value[draw(st.text(max_size=5))] = odd(draw)
        else:
            value.append(odd(draw))
    else:
        value[key] = changed(draw, value[key])
    return value


@st.composite
def cells_of(draw: st.DrawFn, seeds: Sequence[bytes]) -> bytes:
    """One of the seeds, a table, with cells exchanged and rows repeated or left out; still a table."""
    content = draw(st.sampled_from(seeds)).decode("utf-8-sig")
    between = "\t" if "\t" in content else ","
    rows = list(csv.reader(content.splitlines(), delimiter=between))
    for _ in range(draw(st.integers(1, 4))):
        row = draw(st.integers(0, len(rows) - 1))
        how = draw(st.sampled_from(["cell", "cell", "cell", "other cell", "repeat", "leave out"]))
        if how == "repeat":
            rows.append(list(rows[row]))
        elif how == "leave out" and len(rows) > 1:
            del rows[row]
        elif rows[row]:
            column = draw(st.integers(0, len(rows[row]) - 1))
            there = draw(st.sampled_from(rows))  # a word of the vocabulary in the wrong place
            rows[row][column] = (
                there[column % len(there)] if how == "other cell" and there else str(odd(draw))
            )
    written = io.StringIO()
    csv.writer(written, delimiter=between, lineterminator="\n").writerows(rows)
    return written.getvalue().encode("utf-8", "surrogatepass")


@st.composite
def parts_of(
    draw: st.DrawFn,
    seeds: Sequence[bytes],
    inner: Callable[[Sequence[bytes]], st.SearchStrategy[bytes]],
    take: Make,
    put: Callable[[bytes, bytes], bytes],
) -> bytes:
    """One of the seeds of which only a part is changed, so that what stands around it fits."""
    whole = draw(st.sampled_from(seeds))
    return put(whole, draw(inner([take(whole)])))
