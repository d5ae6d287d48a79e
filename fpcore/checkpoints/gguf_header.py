"""How long the header of a GGUF file is: its metadata and the list of its tensors, read in order."""

from __future__ import annotations

import struct
from typing import BinaryIO, Final

__all__ = ["read_gguf_header"]

MAGIC: Final = b"GGUF"
WIDTHS: Final = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
STRING: Final = 8
ARRAY: Final = 9
MOST: Final = 1 << 24  # entries, tensors and elements of arrays: no file of a model has more
ELEMENTS: Final = 1 << 22  # of all arrays together; a vocabulary with its merges has 1.3 million
DEEPEST: Final = 4
AXES: Final = 8
LONGEST: Final = 1 << 28  # bytes of one string


class Header:
    """Reads numbers and strings of a stream in the byte order of the file."""

    def __init__(self, stream: BinaryIO, order: str) -> None:
        self.stream = stream
        self.order = order
        self.elements = 0

    def take(self, count: int) -> bytes:
        """So many bytes."""
        content = self.stream.read(count)
        if len(content) != count:
            raise ValueError("it ends inside its header")
        return content

    def number(self, form: str) -> int:
        """One number."""
        (value,) = struct.unpack(self.order + form, self.take(struct.calcsize("=" + form)))
        return int(value)

    def count(self, limit: int = MOST) -> int:
        """A number of things."""
        value = self.number("Q")
        if value > limit:
            raise ValueError(f"its header has a count of {value}; the limit is {limit}")
        return value

    def skip(self, kind: int, depth: int = 0) -> None:
        """A value of the metadata."""
        if kind == STRING:
            self.take(self.count(LONGEST))
        elif kind == ARRAY:
            inner, count = self.number("I"), self.count()
            self.elements += count
            if self.elements > ELEMENTS:
                raise ValueError(f"its metadata have {self.elements} elements; the limit is {ELEMENTS}")
            if depth == DEEPEST:
                raise ValueError(f"its metadata have lists nested more than {DEEPEST} levels deep")
            if inner in WIDTHS:
                self.take(WIDTHS[inner] * count)
            else:
                for _ in range(count):
                    self.skip(inner, depth + 1)
        elif kind in WIDTHS:
            self.take(WIDTHS[kind])
        else:
            raise ValueError(f"its metadata have a value of unknown kind {kind}")


def read_gguf_header(stream: BinaryIO) -> int:
    """Read a GGUF header to its end.

    Parameters
    ----------
    stream : binary stream
        At its beginning.

    Returns
    -------
    int
        Bytes of the header.

    Raises
    ------
    ValueError
        It is none.

    Notes
    -----
    The format is that of the GGUF specification of ggml (versions 2 and 3): magic, version, number of tensors
    and of entries; entries of key, kind and value; tensors of name, lengths of axes, encoding and offset.
    """
    if stream.read(4) != MAGIC:
        raise ValueError("not a GGUF file")
    version = int.from_bytes(stream.read(4), "little")
    # Versions are small: the low half is empty only in the other byte order.
    header = Header(stream, "<" if version & 0xFFFF else ">")
    tensors, entries = header.count(), header.count()
    for _ in range(entries):
        header.take(header.count(LONGEST))
        header.skip(header.number("I"))
    for _ in range(tensors):
        header.take(header.count(LONGEST))
        axes = header.number("I")
        if axes > AXES:
            raise ValueError(f"it has a tensor of {axes} axes")
        header.take(8 * axes + 12)
    return header.stream.tell()
