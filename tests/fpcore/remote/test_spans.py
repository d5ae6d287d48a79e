"""Arithmetic of spans, against sets of bytes."""

from __future__ import annotations

import itertools

from hypothesis import given, strategies as st

from fpcore.remote.spans import Span, coalesced, merged, missing, total

Spans = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=8)


def covered(spans: list[Span]) -> set[int]:
    return {byte for begin, end in spans for byte in range(begin, end)}


@given(Spans, Spans)
def test_missing_is_the_difference(wanted: list[Span], present: list[Span]) -> None:
    found = missing(wanted, present)
    assert covered(found) == covered(wanted) - covered(present)
    assert total(found) == len(covered(found))
    assert found == sorted(found)


@given(Spans)
def test_merged_is_the_union_in_as_few_spans_as_can_be(spans: list[Span]) -> None:
    found = merged(spans)
    assert covered(found) == covered(spans)
    assert all(one[1] < other[0] for one, other in itertools.pairwise(found))


@given(Spans, st.integers(0, 10), st.integers(1, 20))
def test_coalesced_requests_cover_all_once_and_pass_over_no_more_than_gaps(
    spans: list[Span], gap: int, longest: int
) -> None:
    found = coalesced(spans, gap, longest)
    assert covered(spans) <= covered(found)
    assert total(found) == sum(end - begin for begin, end in found), "no byte twice"
    assert all(end - begin <= longest for begin, end in found)
    extra = covered(found) - covered(spans)
    holes = merged((byte, byte + 1) for byte in extra)
    assert all(end - begin <= gap for begin, end in holes)


def test_no_span_is_empty_and_no_request_more_than_one_is_worth() -> None:
    assert merged([(5, 5), (3, 4), (9, 8), (0, 2), (2, 3)]) == [(0, 4)]
    assert missing([(0, 4), (6, 10)], [(0, 2), (3, 4), (6, 7), (9, 10)]) == [(2, 3), (7, 9)]
    assert missing([(2, 8)], [(0, 3), (8, 9)]) == [(3, 8)]
    spans = [(20, 22), (25, 30), (35, 40), (46, 50)]
    assert coalesced(spans, gap=5, longest=8) == [(20, 28), (28, 36), (36, 40), (46, 50)]
