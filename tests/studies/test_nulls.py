"""The populations without a lineage signal have none, and their experiments measure what they say."""

from __future__ import annotations

import numpy as np
import pytest

from studies.simulation import nulls
from studies.simulation.nulls import DISTRIBUTIONS, NULLS, NullDesign


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_effects_have_mean_zero_and_standard_deviation_one(name: str) -> None:
    drawn = DISTRIBUTIONS[name](np.random.default_rng(0), (400_000,))
    assert drawn.mean() == pytest.approx(0, abs=0.02)
    # The fourth moment of t3 is infinite: its standard deviation settles slowly.
    assert drawn.std() == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("shape", ["chain", "hub", "merge"])
def test_who_descends_from_whom(shape: str) -> None:
    design = NullDesign("d", (5, 5), (0.5,) * 4, shape=shape)  # type: ignore[arg-type]
    table = design.labels
    inside = {
        (int(a), int(b)): str(relation)
        for a, b, relation in zip(table.model_a, table.model_b, table.relation, strict=True)
        if b < 5
    }
    expected = {
        "chain": dict.fromkeys(inside, "derived"),
        "hub": {pair: "derived" if pair[0] == 0 else "sibling" for pair in inside},
        # 0 and 1 are founders, 2 and 3 their children, 4 merges those.
        "merge": {
            pair: "independent" if pair in {(0, 1), (0, 3), (1, 2), (2, 3)} else "derived" for pair in inside
        },
    }
    assert inside == expected[shape]
    assert (table.relation[(table.model_a < 5) & (table.model_b >= 5)] == "independent").all()


def test_a_derived_pair_is_drawn_like_any_other_but_for_the_shift() -> None:
    design = NullDesign("d", (3,) * 6, (0.3, 0.3, 0.5, 0.5), "laplace")
    rng = np.random.default_rng(0)
    tables = [design.draw(rng) for _ in range(600)]
    derived = np.array([table.score[table.derived].mean() for table in tables])
    others = np.array([table.score[table.independent].mean() for table in tables])
    difference = derived - others
    assert difference.mean() == pytest.approx(0, abs=3.5 * difference.std() / np.sqrt(600))
    one, two = (design.draw(np.random.default_rng(1), shift) for shift in (0.0, 2.0))
    moved = two.score - one.score
    assert np.unique(moved[~one.derived]).tolist() == [0.0]
    assert (moved[one.derived] > 1).all()


def test_few_values_and_missing_scores() -> None:
    design = NullDesign("d", (4,) * 8, (0.5,) * 4, "gamma", n_values=5, missing=0.3)
    table = design.draw(np.random.default_rng(0))
    assert np.unique(table.score[table.comparable]).tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert 0.55 < table.comparable.mean() < 0.85


@pytest.mark.parametrize("levels", ["beta", "exp"])
def test_levels_that_multiply(levels: str) -> None:
    """Without noise the scores of two lineages against the others are proportional."""
    design = NullDesign("d", (1,) * 5, (0.5, 0.0, 0.0, 0.0), levels=levels)  # type: ignore[arg-type]
    table = design.draw(np.random.default_rng(0))
    score = np.zeros((5, 5))
    score[table.model_a, table.model_b] = table.score
    assert score[0, 2] / score[1, 2] == pytest.approx(score[0, 3] / score[1, 3])


def test_the_lower_of_two_levels() -> None:
    """Without noise a pair scores as the worse of its two lineages does at best."""
    table = NullDesign("d", (1,) * 6, (0.5, 0.0, 0.0, 0.0), levels="lower").draw(np.random.default_rng(0))
    score = np.zeros((6, 6))
    score[table.model_a, table.model_b] = score[table.model_b, table.model_a] = table.score
    best = score.max(axis=1)
    expected = np.minimum(best[table.model_a], best[table.model_b])
    assert table.score.tolist() == expected.tolist()


def test_the_experiments_count_rejections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nulls, "NULLS", NULLS[:1])
    monkeypatch.setattr(nulls, "REGRESSED", nulls.REGRESSED[-1:])
    size = nulls.run_nulls(True, 0).details.iloc[0]
    assert size["size"] <= min(size["permutation alone"], size["lineages alone"])
    assert size["power"] > size["size"]
    regression = nulls.run_regression(True, 0).details
    assert set(regression["property"]) == {"derived", "same tokenizer", "same corpus"}
    assert (regression["rejected"] <= 0.2).all()
