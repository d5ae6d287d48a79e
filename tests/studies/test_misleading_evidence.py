"""The study of misleading evidence weighs as `compare` does, counts right, and fails where a bound breaks."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import analysis
from benchmark.comparison.evidence_weight import weigh_scores
from benchmark.comparison.verbal_scale import DERIVATION, INDEPENDENCE
from studies import misleading_evidence as study
from studies.misleading_evidence import DESIGNS, TOGETHER, Weighed, misled, simulated_table

pytestmark = pytest.mark.thorough


def test_designs_that_nothing_was_tuned_on_are_there() -> None:
    wanted = {"multiplicative", "few levels", "no signal, an architecture detector", "a fifth abstains"}
    assert wanted <= set(DESIGNS)
    assert all(set(parts) <= set(DESIGNS) and len(parts) == 3 for parts in TOGETHER.values())


@pytest.mark.parametrize(
    ("side", "told"),
    [
        ("independent", {2.0: (3, 2), 3.0: (2, 1), 5.0: (1, 0)}),
        ("derived", {2.0: (2, 1), 3.0: (1, 0), 5.0: (0, 0)}),
    ],
)
def test_factors_are_counted_towards_the_wrong_side(side: str, told: dict[float, tuple[int, int]]) -> None:
    log = np.log10
    cases = [
        Weighed(log(4), -log(2), log(6), DERIVATION),
        Weighed(log(2), -log(1.5), log(4), None),
        Weighed(-log(2), -log(3), log(2), INDEPENDENCE),
        Weighed(0.0, 0.0, log(1.9), None),
    ]
    found = list(study._counted("d", side, cases))
    assert {one.factor: (one.n_reaching, one.n_misled) for one in found} == told
    assert [(one.n_pairs, one.n_supported) for one in found] == [(4, 1)] * 3


def test_held_out_pairs_are_weighed_as_compare_weighs_them() -> None:
    tables = [
        simulated_table(DESIGNS["a fifth abstains"], np.random.default_rng(k), 2, 8, 2, f"m{k}")
        for k in (1, 2)
    ]
    for seed in range(6):
        (found,) = study._held_out(tables, "derived", np.random.default_rng(seed)) or [None]
        assert found is not None
        # The same draw by hand.
        rng = np.random.default_rng(seed)
        frame = tables[0].frame[tables[0].derived & tables[0].comparable]
        names = frame["lineage_a"].drop_duplicates()
        lineage = names.iloc[int(rng.integers(len(names)))]
        inside = frame[frame["lineage_a"] == lineage]
        pair = inside.iloc[int(rng.integers(len(inside)))]
        rest, scores = [], []
        for table in tables:
            own = table.frame[
                (table.frame["model_a"] == pair["model_a"]) & (table.frame["model_b"] == pair["model_b"])
            ]
            if own["status"].item() == "ok":
                far = (table.frame["lineage_a"] != lineage) & (table.frame["lineage_b"] != lineage)
                rest.append(analysis.ScoreTable(table.frame[far]))
                scores.append(float(own["score"].item()))
        cells = (pair["architecture_a"], pair["architecture_b"])
        weight, _ = weigh_scores(rest, scores, cells)
        assert (found.log10_lr, found.lower, found.upper) == (weight.log10_lr, weight.lower, weight.upper)
        assert found.supports == weight.supports


def test_several_together_are_weighed_in_one_fit() -> None:
    for design in TOGETHER:
        found = list(misled(design, 2, cells=1, per_cell=7))
        assert [one.n_pairs for one in found] == [2] * 6
        assert {one.design for one in found} == {design}


def test_the_command_fails_where_a_bound_is_broken(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(study, "DESIGNS", {"hubs": DESIGNS["hubs"]})
    monkeypatch.setattr(study, "TOGETHER", {})
    monkeypatch.setattr(study, "simulated_table", lambda *_: simulated_table(
        DESIGNS["hubs"], np.random.default_rng(0), 1, 6, 2))  # fmt: skip
    for value, code in ((0.0, 0), (1.0, 1)):
        monkeypatch.setattr(study, "_weight", lambda *_, of=value: Weighed(of, -1.0, 1.0, None))
        monkeypatch.setattr(sys, "argv", ["study", "--catalogs", "8"])
        with pytest.raises(SystemExit) as left:
            study.main()
        assert left.value.code == code
        printed = capsys.readouterr().out
        assert printed.count("| hubs |") == 6
        assert ("broken" in printed) is bool(code)
