"""What every metric can do, whatever it measures."""

from __future__ import annotations

import hashlib
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
from numpy.typing import NDArray

from fpcore import Checkpoint, Cost, Fingerprint, MemoryCheckpoint, Metric, Sample


class Least(Metric):
    """A metric that says no more than it must."""

    name = "least"
    title = "nothing"

    def fingerprint(self, model: Checkpoint) -> Fingerprint:
        return self.make_fingerprint(model, {"of": np.asfortranarray(np.arange(6.0).reshape(2, 3))})

    def similarity(self, a: Fingerprint, b: Fingerprint) -> float:
        return 1.0


class Together(Least):
    version = 3

    def pair_similarities(self, fingerprints: object, pairs: NDArray[np.intp]) -> NDArray[np.float64]:
        return np.ones(len(pairs))

    def similarity(self, a: Fingerprint, b: Fingerprint) -> float:
        return 1.0


class Further(Together):
    def similarity(self, a: Fingerprint, b: Fingerprint) -> float:
        return 2.0


class FurtherTogether(Further):
    def pair_similarities(self, fingerprints: object, pairs: NDArray[np.intp]) -> NDArray[np.float64]:
        return np.full(len(pairs), 2.0)


MODEL = MemoryCheckpoint("m", "d" * 64, {}, {})


def test_many_pairs_are_left_to_similarity_unless_a_metric_does_more() -> None:
    scores = Least().pair_similarities([], np.array([(0, 1), (1, 1), (2, 0)]))
    np.testing.assert_array_equal(scores, np.full(3, np.nan))
    kinds = (Least, Together, Further, FurtherTogether, type("Renamed", (Together,), {"name": "renamed"}))
    assert [kind().scores_together for kind in kinds] == [False, True, False, True, True]


def test_a_fingerprint_says_where_it_is_from() -> None:
    taken = Together().fingerprint(MODEL)
    assert (taken.metric, taken.version, taken.model, taken.digest) == ("least", 3, "m", "d" * 64)
    assert taken.checkpoint is None
    assert taken.arrays["of"].flags.c_contiguous
    assert Together().raw(taken) == {"of": [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]}
    assert Least().make_fingerprint(MODEL, {}, keep_checkpoint=True).checkpoint is MODEL
    assert repr(Together()) == "<metric least v3>"


def test_of_a_sampled_model_nothing_is_taken_for_the_whole() -> None:
    sampled = MemoryCheckpoint("m", "d" * 64, {}, {})
    sampled.sample = Sample(0.5, seed=7)
    digest = hashlib.sha256(f"{'d' * 64} sample-0.5-7".encode()).hexdigest()
    assert Least().fingerprint(sampled).digest == digest


def test_the_former_name_warns() -> None:
    with pytest.warns(DeprecationWarning, match=r"^Metric\.take has been renamed make_fingerprint$"):
        taken = Least().take(MODEL, {"a": np.ones(2)})
    assert (taken.checkpoint, list(taken.arrays)) == (None, ["a"])
    with pytest.warns(DeprecationWarning, match="renamed"):
        assert Least().take(MODEL, {}, keep_checkpoint=True).checkpoint is MODEL


def test_the_warning_is_of_whoever_uses_it() -> None:
    with pytest.warns(DeprecationWarning, match="renamed") as caught:
        Least().take(MODEL, {})
    assert caught[0].filename == __file__


def test_a_cost_in_words() -> None:
    assert str(Cost(3.0, 0.256)) == "3 ms per model, 0.26 ms per pair of zoo models"
    assert str(Cost(3.0, 0.25, "more")) == "3 ms per model, 0.25 ms per pair of zoo models; more"


@pytest.mark.parametrize("evidence", ["config", "weights", "activations", "gradients", "outputs"])
def test_what_is_seen_of_a_running_model_only(evidence: str) -> None:
    class Of(Least):
        pass

    Of.evidence = frozenset({"weights", evidence})
    assert Of().needs_forward_pass is (evidence not in {"config", "weights"})


@pytest.mark.parametrize(
    ("reads", "expected"),
    [
        (None, ["embedding.weight", "layers.0.norm.weight", "layers.10.norm.weight", "norm.weight"]),
        (
            ("layers.*.norm.weight", "embedding.*"),
            ["embedding.weight", "layers.0.norm.weight", "layers.10.norm.weight"],
        ),
        (("norm.weight",), ["norm.weight"]),
        (("Norm.weight",), []),
    ],
)
def test_roles_that_may_be_read(reads: tuple[str, ...] | None, expected: list[str]) -> None:
    class Reading(Least):
        pass

    Reading.reads = reads
    names = ("embedding.weight", "layers.0.norm.weight", "layers.10.norm.weight", "norm.weight")
    model = cast(Checkpoint, SimpleNamespace(roles=dict.fromkeys(names)))
    assert Reading().roles_read(model) == tuple(expected)


def test_who_reads_nothing_needs_no_roles() -> None:
    class Reading(Least):
        reads = ()

    assert Reading().roles_read(cast(Checkpoint, None)) == ()
