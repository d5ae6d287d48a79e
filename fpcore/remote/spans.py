"""Byte spans of a file: which are there, which are missing, and which are worth one request."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, TypeAlias

__all__ = ["GAP", "LONGEST", "Span", "coalesced", "merged", "missing", "total"]

Span: TypeAlias = tuple[int, int]
"""First byte, and the byte after the last."""

GAP: Final = 1 << 17  # bytes that are cheaper to fetch than to ask again
LONGEST: Final = 1 << 26  # bytes of one request: several run at once, and one that fails is not much lost


def merged(spans: Iterable[Span]) -> list[Span]:
    """Spans in order, those that overlap or touch made one; empty ones are left out.

    Examples
    --------
    >>> merged([(5, 9), (0, 2), (2, 3), (7, 7)])
    [(0, 3), (5, 9)]
    """
    found: list[Span] = []
    for begin, end in sorted(spans):
        if begin >= end:
            continue
        if found and begin <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((begin, end))
    return found


def missing(wanted: Iterable[Span], present: Iterable[Span]) -> list[Span]:
    """What is wanted and not present.

    Examples
    --------
    >>> missing([(0, 10)], [(2, 3), (8, 20)])
    [(0, 2), (3, 8)]
    """
    there = merged(present)
    found: list[Span] = []
    place = 0
    for begin, end in merged(wanted):
        while place < len(there) and there[place][1] <= begin:
            place += 1
        at = place
        while at < len(there) and there[at][0] < end:
            if there[at][0] > begin:
                found.append((begin, there[at][0]))
            begin = max(begin, there[at][1])
            at += 1
        if begin < end:
            found.append((begin, end))
    return found


def coalesced(spans: Iterable[Span], gap: int = GAP, longest: int = LONGEST) -> list[Span]:
    """Requests that fetch all spans: neighbours within `gap` bytes together, none longer than `longest`.

    Examples
    --------
    >>> coalesced([(0, 10), (12, 20), (90, 95)], gap=5, longest=15)
    [(0, 15), (15, 20), (90, 95)]
    """
    joined: list[Span] = []
    for begin, end in merged(spans):
        if joined and begin - joined[-1][1] <= gap:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((begin, end))
    return [piece for span in joined for piece in cut(span, longest)]


def cut(span: Span, longest: int) -> Iterator[Span]:
    """A span in pieces of at most `longest` bytes."""
    for begin in range(span[0], span[1], longest):
        yield begin, min(begin + longest, span[1])


def total(spans: Iterable[Span]) -> int:
    """Bytes that spans cover together."""
    return sum(end - begin for begin, end in merged(spans))
