"""Streams of random numbers: named by what is computed, and the same on every machine for ever."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.randomness import generator


@pytest.mark.parametrize(
    ("seed", "metric", "procedure", "words"),
    [
        # The first half of `printf 'METRIC\0PROCEDURE' | sha256sum`, in words of four bytes, low byte first.
        (0, "auc", "bootstrap", (0xF8DE8CC5, 0x72B767DE, 0x65BDF42B, 0x268DB268)),
        (7, "score", "permutation", (0x538BEC65, 0xCD63057A, 0xF8902936, 0xF025FF8F)),
    ],
)
def test_a_stream_is_seeded_by_the_seed_and_half_the_digest_of_the_names(
    seed: int, metric: str, procedure: str, words: tuple[int, ...]
) -> None:
    expected = np.random.default_rng(np.random.SeedSequence((seed, *words)))
    drawn = generator(seed, metric, procedure).integers(2**62, size=5)
    np.testing.assert_array_equal(drawn, expected.integers(2**62, size=5))


def test_seed_metric_and_procedure_each_make_another_stream() -> None:
    streams = [(0, "ab", "c"), (1, "ab", "c"), (0, "a", "bc"), (0, "ab", "d"), (0, "c", "ab"), (0, "", "abc")]
    assert len({generator(*stream).integers(2**62) for stream in streams}) == len(streams)
