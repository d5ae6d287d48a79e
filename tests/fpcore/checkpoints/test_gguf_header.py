"""The header of a GGUF file, written here byte by byte: where it ends, and what is no header."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable

import pytest

from fpcore.checkpoints import gguf_header
from fpcore.checkpoints.gguf_header import AXES, DEEPEST, ELEMENTS, LONGEST, MOST, WIDTHS, read_gguf_header

Value = tuple[int, bytes]


class File:
    """Writes headers in one byte order."""

    def __init__(self, order: str = "<") -> None:
        self.order = order

    def pack(self, form: str, *numbers: int) -> bytes:
        return struct.pack(self.order + form, *numbers)

    def text(self, content: bytes) -> bytes:
        return self.pack("Q", len(content)) + content

    def array(self, kind: int, count: int, content: bytes) -> Value:
        return 9, self.pack("IQ", kind, count) + content

    def nested(self, levels: int) -> Value:
        """Lists of one list each, so many below the first."""
        value = self.array(0, 1, b"\7")
        for _ in range(levels):
            value = self.array(9, 1, value[1])
        return value

    def header(self, values: list[Value], axes: tuple[int, ...] = (2,), version: int = 3) -> bytes:
        start = b"GGUF" + self.pack("IQQ", version, len(axes), len(values))
        entries = [self.text(b"a.key") + self.pack("I", kind) + content for kind, content in values]
        tensors = [
            self.text(b"a.name") + self.pack("I", n) + self.pack("Q", 5) * n + self.pack("IQ", 0, 64)
            for n in axes
        ]
        return b"".join([start, *entries, *tensors])


def end(content: bytes) -> int:
    """Where the header ends; less of it is none."""
    for length in range(4, len(content)):
        with pytest.raises(ValueError, match=r"^it ends inside its header$"):
            read_gguf_header(io.BytesIO(content[:length]))
    return read_gguf_header(io.BytesIO(content + b"numbers"))


@pytest.mark.parametrize("order", ["<", ">"])
def test_where_a_header_ends(order: str) -> None:
    file = File(order)
    values = [(kind, b"\7" * width) for kind, width in WIDTHS.items()]
    values += [(8, file.text(b"a value")), (8, file.text(b"")), file.array(0, 0, b"")]
    values += [file.array(kind, 3, b"\7" * 3 * width) for kind, width in WIDTHS.items()]
    values += [file.array(8, 2, file.text(b"one") + file.text(b"another")), file.nested(DEEPEST - 1)]
    for content in (file.header(values), file.header(values, ()), file.header([], (0, 1, AXES))):
        assert end(content) == len(content)
    assert end(file.header([], (), 2)) == 24


def test_the_widths_of_numbers() -> None:
    # The specification: bytes and booleans; 16, 32 and 64 bits, with a sign and without, and floats.
    by_width = {1: {0, 1, 7}, 2: {2, 3}, 4: {4, 5, 6}, 8: {10, 11, 12}}
    assert {width: {kind for kind in WIDTHS if WIDTHS[kind] == width} for width in by_width} == by_width
    assert len(WIDTHS) == 11


def start(tensors: int = 0, entries: int = 0) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", 3, tensors, entries)


def entry(value: Value) -> bytes:
    return File().header([value], ())


def count_of(content: int, limit: int) -> str:
    return f"its header has a count of {content}; the limit is {limit}"


TENSOR = struct.pack("<Q", 1) + b"t"
BAD: dict[str, tuple[Callable[[], bytes], str]] = {
    "another file": (lambda: b"GGML" + start()[4:], "not a GGUF file"),
    "three bytes": (lambda: b"GGU", "not a GGUF file"),
    "as many tensors as can be": (lambda: start(1 << 63), count_of(1 << 63, MOST)),
    "too many tensors": (lambda: start(MOST + 1), count_of(MOST + 1, MOST)),
    "too many entries": (lambda: start(0, MOST + 1), count_of(MOST + 1, MOST)),
    "a long key": (lambda: start(0, 1) + struct.pack("<Q", LONGEST + 1), count_of(LONGEST + 1, LONGEST)),
    "a long name": (lambda: start(1) + struct.pack("<Q", LONGEST + 1), count_of(LONGEST + 1, LONGEST)),
    "a long text": (
        lambda: entry((8, struct.pack("<Q", LONGEST + 1))),
        count_of(LONGEST + 1, LONGEST),
    ),
    "a long list": (lambda: entry(File().array(0, MOST + 1, b"")), count_of(MOST + 1, MOST)),
    "too many elements": (
        lambda: entry(File().array(0, ELEMENTS + 1, b"")),
        f"its metadata have {ELEMENTS + 1} elements; the limit is {ELEMENTS}",
    ),
    "lists within lists": (
        lambda: entry(File().nested(DEEPEST)),
        f"its metadata have lists nested more than {DEEPEST} levels deep",
    ),
    "the last kind": (
        lambda: entry(((1 << 32) - 1, b"")),
        f"its metadata have a value of unknown kind {(1 << 32) - 1}",
    ),
    "a list of the last kind": (
        lambda: entry(File().array((1 << 32) - 1, 1, b"")),
        f"its metadata have a value of unknown kind {(1 << 32) - 1}",
    ),
    "an unknown kind": (lambda: entry((13, b"")), "its metadata have a value of unknown kind 13"),
    "a list of an unknown kind": (
        lambda: entry(File().array(13, 1, b"")),
        "its metadata have a value of unknown kind 13",
    ),
    "axes without end": (
        lambda: start(1) + TENSOR + b"\xff" * 4,
        f"it has a tensor of {(1 << 32) - 1} axes",
    ),
    "many axes": (
        lambda: start(1) + TENSOR + struct.pack("<I", AXES + 1),
        f"it has a tensor of {AXES + 1} axes",
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_what_is_no_header(what: str) -> None:
    make, told = BAD[what]
    with pytest.raises(ValueError, match=f"^{told}$"):
        read_gguf_header(io.BytesIO(make()))


def test_as_much_as_a_header_may_have(monkeypatch: pytest.MonkeyPatch) -> None:
    file = File()
    monkeypatch.setattr(gguf_header, "ELEMENTS", 5)
    allowed = file.header([file.array(0, 3, b"\7" * 3), file.array(8, 2, file.text(b"") * 2)], ())
    assert end(allowed) == len(allowed)
    more = file.header([file.array(0, 3, b"\7" * 3), file.array(0, 3, b"\7" * 3)], ())
    with pytest.raises(ValueError, match=r"^its metadata have 6 elements; the limit is 5$"):
        read_gguf_header(io.BytesIO(more))
    nothing = read_gguf_header(io.BytesIO(start(0, 0)))
    assert nothing == 24
    for head in (start(MOST), start(0, MOST), start(0, 1) + struct.pack("<Q", LONGEST)):
        with pytest.raises(ValueError, match=r"^it ends inside its header$"):
            read_gguf_header(io.BytesIO(head))
