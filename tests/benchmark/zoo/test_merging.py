"""Merges, by hand: each published definition on numbers small enough to follow."""

from __future__ import annotations

import pytest
import torch

from benchmark.zoo.transformed import transform
from fpcore import BadCheckpoint, MemoryCheckpoint

BASE = {"a": [1.0, 1.0, 1.0, 1.0, 1.0], "b": [0.0, 0.0, 0.0]}
FIRST = {"a": [1.5, 0.0, 1.1, 1.0, 1.0], "b": [2.0, -0.2, 0.0]}  # changes .5 -1 .1 0 0, 2 -.2 0
SECOND = {"a": [2.0, 1.25, 0.9, 1.0, 1.0], "b": [-1.0, 0.0, 0.4]}  # changes 1 .25 -.1 0 0, -1 0 .4
THIRD = {"a": [1.0, 1.75, 1.0, 1.2, 1.0], "b": [-0.5, 0.0, 0.6]}  # changes 0 .75 0 .2 0, -.5 0 .6


def model(values: dict[str, list[float]], name: str = "m") -> MemoryCheckpoint:
    tensors = {key: torch.tensor(row) for key, row in values.items()}
    return MemoryCheckpoint(name, name, {"model_type": "llama"}, tensors)


def merged(kind: str, *models: dict[str, list[float]], **parameters: float) -> dict[str, list[float]]:
    child = transform(kind, *(model(one, str(place)) for place, one in enumerate(models)), **parameters)
    return {name: child.read(name).tolist() for name in child.tensors}


def test_task_arithmetic_adds_what_was_learned():
    found = merged("merge-task-arithmetic", BASE, FIRST, SECOND, scale=0.5)
    assert found["a"] == pytest.approx([1.75, 0.625, 1.0, 1.0, 1.0])
    assert found["b"] == pytest.approx([0.5, -0.1, 0.2])
    one = merged("merge-task-arithmetic", BASE, FIRST, scale=1.0)
    assert one["a"] == pytest.approx(FIRST["a"])
    forgotten = merged("merge-task-arithmetic", BASE, FIRST, scale=-1.0)  # negation, as in the paper
    assert forgotten["b"] == pytest.approx([-2.0, 0.2, 0.0])


def test_ties_trims_over_all_tensors_elects_by_magnitude_and_averages_who_agrees():
    # Half of eight kept: of the first .5 -1 2 -.2; of the second 1 .25 -1 .4; of the third .75 .2 -.5 .6.
    found = merged("merge-ties", BASE, FIRST, SECOND, THIRD, density=0.5, scale=1.0)
    # a0: .5 and 1 agree. a1: -1 against .25 + .75: no sign is larger, nothing is added. a3: .2 alone.
    assert found["a"] == pytest.approx([1.75, 1.0, 1.0, 1.2, 1.0])
    # b0: 2 against -1 - .5: plus wins, its only voice counts. b1: -.2 alone. b2: .4 and .6.
    assert found["b"] == pytest.approx([2.0, -0.2, 0.5])
    halved = merged("merge-ties", BASE, FIRST, SECOND, THIRD, density=0.5, scale=0.5)
    assert halved["b"] == pytest.approx([1.0, -0.1, 0.25])


def test_ties_keeps_the_largest_entries_only():
    found = merged("merge-ties", BASE, FIRST, density=0.25, scale=1.0)
    assert found["a"] == pytest.approx([1.0, 0.0, 1.0, 1.0, 1.0])
    assert found["b"] == pytest.approx([2.0, 0.0, 0.0])


def test_dare_drops_entries_and_rescales_the_rest():
    generator = torch.Generator().manual_seed(1)
    base = torch.zeros(200, 50)
    tuned = torch.randn(200, 50, generator=generator)
    models = [
        MemoryCheckpoint(n, n, {"model_type": "llama"}, {"w": w}) for n, w in (("0", base), ("1", tuned))
    ]
    child = transform("merge-dare", *models, drop=0.75, scale=1.0).read("w")
    kept = child != 0
    assert float(kept.float().mean()) == pytest.approx(0.25, abs=0.02)
    torch.testing.assert_close(child[kept], 4.0 * tuned[kept])
    assert torch.equal(child, transform("merge-dare", *models, drop=0.75, scale=1.0).read("w"))
    assert not torch.equal(child, transform("merge-dare", *models, drop=0.75, scale=1.0, seed=1).read("w"))


def test_dare_without_dropping_is_task_arithmetic():
    assert merged("merge-dare", BASE, FIRST, SECOND, drop=0.0, scale=0.3) == merged(
        "merge-task-arithmetic", BASE, FIRST, SECOND, scale=0.3
    )


def test_dare_draws_for_each_model_apart():
    models = [BASE, *({"a": [2.0] * 5, "b": [1.0] * 3} for _ in range(2))]
    found = merged("merge-dare", *models, drop=0.5, scale=1.0, seed=3)
    assert len(set(found["a"] + found["b"])) > 2  # none, one or both were kept


@pytest.mark.parametrize("kind", ["merge-task-arithmetic", "merge-ties", "merge-dare"])
def test_other_shapes_are_refused(kind):
    with pytest.raises(BadCheckpoint, match="only equal shapes") as caught:
        merged(kind, BASE, FIRST, {"a": [1.0], "b": [1.0]})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("kind", "options"), [("merge-ties", {"density": 0}), ("merge-dare", {"drop": 1})])
def test_a_share_of_nothing_is_refused(kind, options):
    with pytest.raises(BadCheckpoint, match="at most 1"):
        merged(kind, BASE, FIRST, **options)
