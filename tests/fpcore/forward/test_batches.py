"""Batches of prompts: every prompt once, in bounded batches, within the text that it begins."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from fpcore.forward.batches import TOKENS_AT_A_TIME, Batch, filled_up, of_one_length

PROMPTS = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=6), min_size=1, max_size=30)


def read_back(batches: list[Batch]) -> dict[int, list[int]]:
    """Every prompt as it stands in its text."""
    found: dict[int, list[int]] = {}
    for batch in batches:
        assert len({len(text) for text in batch.ids}) == 1
        for place, text, end in zip(batch.places, batch.texts, batch.ends, strict=True):
            assert place not in found
            found[place] = batch.ids[text][: end + 1]
    return found


@settings(max_examples=50, deadline=None)
@given(PROMPTS)
def test_every_prompt_is_read_once(prompts: list[list[int]]) -> None:
    for batches in (of_one_length(prompts), filled_up(prompts)):
        assert read_back(list(batches)) == dict(enumerate(prompts))


@settings(max_examples=50, deadline=None)
@given(PROMPTS)
def test_texts_begin_with_no_other_text(prompts: list[list[int]]) -> None:
    texts = [
        batch.ids[row][
            : 1 + max(end for text, end in zip(batch.texts, batch.ends, strict=True) if text == row)
        ]
        for batch in filled_up(prompts)
        for row in range(len(batch.ids))
    ]
    for place, text in enumerate(texts):
        assert not any(text == other[: len(text)] for other in texts[:place] + texts[place + 1 :])


def test_nothing_stands_behind_prompts_of_one_length() -> None:
    prompts = [[1] * (3 + i % 40) for i in range(900)]
    for batch in of_one_length(prompts):
        assert set(batch.exposed.values()) == {0}
        assert batch.texts == list(range(len(batch.ids)))


def test_batches_are_bounded_and_few() -> None:
    rng = np.random.default_rng(0)
    prompts = [rng.integers(0, 1000, 3 + i % 70).tolist() for i in range(256)]
    batches = list(filled_up(prompts))
    sizes = [sum(map(len, batch.ids)) for batch in batches]
    assert max(sizes) <= TOKENS_AT_A_TIME
    assert sum(sizes) < 1.25 * sum(map(len, prompts))
    assert len(batches) < 10 < len(list(of_one_length(prompts)))


@pytest.mark.parametrize("batches", [of_one_length, filled_up])
def test_one_text_is_read_however_long(batches: type) -> None:
    (batch,) = batches([[5] * (TOKENS_AT_A_TIME + 1)])
    assert (len(batch.ids), batch.texts, batch.ends) == (1, [0], [TOKENS_AT_A_TIME])


def test_what_a_text_is_filled_up_with_stands_behind_it() -> None:
    (batch,) = filled_up([[1, 2], [3, 4, 5, 6], [1], [3]])
    assert batch == Batch([[1, 2, 2, 2], [3, 4, 5, 6]], [0, 2, 1, 3], [0, 0, 1, 1], [1, 0, 3, 0])
    assert batch.exposed == {0: 2, 2: 1, 1: 0, 3: 1}
