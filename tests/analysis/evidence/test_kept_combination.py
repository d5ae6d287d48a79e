"""A combination that was put away answers as the one that was fitted, digit for digit."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest

from analysis import ScoreTable, combine_evidence, example_table
from analysis.evidence.kept_combination import OF_PAIRS, UNITS, combination_arrays, combination_from_arrays
from analysis.evidence.labelled_pairs import LabelledPairs

TABLES = (
    [example_table("one")],
    [example_table("one"), example_table("two", separation=0.5)],
)


@pytest.mark.parametrize("tables", TABLES)
def test_nothing_is_fitted_again_and_every_digit_stays(
    tables: list[ScoreTable], monkeypatch: pytest.MonkeyPatch
) -> None:
    joint = combine_evidence(tables)
    points = [[value] * len(tables) for value in (-1.0, 0.4, 3.0, np.inf, np.nan)]
    intervals = [joint.interval(point) for point in points]
    stream = io.BytesIO()
    np.savez(stream, allow_pickle=False, **combination_arrays(joint))

    def refuse(*_: object) -> None:
        raise AssertionError("fitted again")

    monkeypatch.setattr(LabelledPairs, "_fit", refuse)
    stream.seek(0)
    again = combination_from_arrays(np.load(stream, allow_pickle=False))
    assert again == joint
    assert again.slopes == joint.slopes
    np.testing.assert_array_equal(again.log10_lr(points), joint.log10_lr(points))
    assert repr([again.interval(point) for point in points]) == repr(intervals)
    assert again.table is not None
    assert joint.table is not None
    columns = list(again.table.frame.columns)
    pd.testing.assert_frame_equal(again.table.frame, joint.table.frame[columns])


def test_evidence_that_is_undefined_stays_so() -> None:
    joint = combine_evidence([example_table()], negatives="shared-init")
    again = combination_from_arrays(combination_arrays(joint))
    assert again.reason == joint.reason != ""
    assert again.table is None
    assert again == joint


def test_what_is_no_combination_is_refused() -> None:
    arrays = combination_arrays(combine_evidence([example_table()]))
    del arrays["pairs weight"]
    with pytest.raises(KeyError):
        combination_from_arrays(arrays)


@pytest.mark.parametrize("tables", TABLES)
def test_every_part_is_what_it_was(tables: list[ScoreTable]) -> None:
    """Types too: what counts pairs or places is whole, as in the combination that was fitted."""
    joint = combine_evidence(tables)
    arrays = combination_arrays(joint)
    assert {array.dtype.kind for array in arrays.values()} <= set("biufU")
    wide = {
        name: array.astype("f8") if array.dtype.kind in "biu" else array for name, array in arrays.items()
    }
    for again in (combination_from_arrays(arrays), combination_from_arrays(wide)):
        assert again._fit is not None
        assert joint._fit is not None
        fits = [(joint._fit, again._fit), *zip(joint._left_out, again._left_out, strict=True)]
        assert len(fits) > 1
        for one, other in fits:
            assert (other.intercept, type(other.intercept)) == (one.intercept, float)
            np.testing.assert_array_equal(other.slopes, one.slopes)
            for scale, kept in zip(one.scales, other.scales, strict=True):
                np.testing.assert_array_equal(kept.score, scale.score)
                np.testing.assert_array_equal(kept.value, scale.value)
        for name in (*OF_PAIRS, *UNITS):
            part, same = getattr(joint._pairs, name), getattr(again._pairs, name)
            np.testing.assert_array_equal(same, part)
            assert np.asarray(same).dtype == np.asarray(part).dtype
        assert again._pairs is not None
        assert again._pairs.negatives == joint.negatives == again.negatives
