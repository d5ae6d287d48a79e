"""The study of pools counts what it says it counts, on tables whose answer is known."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import analysis
from studies import candidate_sets as study
from studies.candidate_sets import cost_rows, frames_of, study_pools

pytestmark = pytest.mark.slow
REAL = Path(__file__).parents[3] / "shared" / "data" / "real_scores"


def frame(name: str, shift: float, lineages: int = 13, per: int = 3, seed: int = 0) -> pd.DataFrame:
    """Lineages named by their first model, from which the others derive."""
    rng = np.random.default_rng(seed)
    lineage = np.repeat(np.arange(lineages), per)
    models = np.array(
        [f"h{g:02d}" + ("" if k == 0 else f"-c{k}") for g in range(lineages) for k in range(per)]
    )
    a, b = np.triu_indices(len(models), 1)
    inside = lineage[a] == lineage[b]
    first = np.array([min(p, q) for p, q in zip(models[a], models[b], strict=True)])
    relation = np.where(inside, np.where(np.char.find(first, "-") < 0, "derived", "sibling"), "independent")
    table = pd.DataFrame(
        {
            "metric": name,
            "model_a": models[a],
            "model_b": models[b],
            "score": rng.normal(size=len(a)) + shift * inside,
            "relation": relation,
            "lineage_a": [f"h{g:02d}" for g in lineage[a]],
            "lineage_b": [f"h{g:02d}" for g in lineage[b]],
        }
    )
    return analysis.ScoreTable(table).frame


def test_a_metric_that_knows_leaves_the_parent_alone() -> None:
    found = study_pools({"m": frame("m", 20.0)}, 0.9, "m")
    assert found is not None
    assert (found.n_children, found.n_lineages, found.pool) == (26, 13, 13)
    # Lowest of eleven lineages each, p = 1/12: strangers go, and so does a parent now and then.
    assert found.strangers == 0
    assert 0.8 <= found.coverage.estimate <= 1
    assert found.size == pytest.approx(found.coverage.estimate)
    assert found.emptied == 1
    assert found.row()[0] == "m"


def test_a_metric_that_knows_nothing_excludes_at_random() -> None:
    found = study_pools({"m": frame("m", 0.0, seed=3)}, 0.9, "m")
    assert found is not None
    assert found.coverage.estimate >= 0.85
    assert found.strangers >= 0.9


def test_few_lineages_judge_none() -> None:
    found = study_pools({"m": frame("m", 20.0, lineages=8)}, 0.9, "m")
    assert found is None  # nothing can be judged at 0.9


def test_two_metrics_together_and_one_that_is_silent() -> None:
    first, other = (frame(name, 4.0, lineages=9, per=2, seed=k) for k, name in enumerate(("m", "other")))
    silent = other["model_a"].str.startswith("h00") | other["model_b"].str.startswith("h00")
    other.loc[silent, ["score", "status"]] = [np.nan, "abstained"]
    found = study_pools({"m": first, "other": other}, 0.8, "both")
    alone = study_pools({"m": first}, 0.8, "m")
    assert found is not None
    assert alone is not None
    assert found.n_children == alone.n_children == 9
    assert found.strangers <= alone.strangers


def test_heads_of_a_simulated_catalog_are_asked_about() -> None:
    outcomes = study.ask_pools(study.simulated_frames("hubs", 0, cells=1), 0.9)
    assert len({one.head for one in outcomes}) == 12
    assert {len(one.found.candidates) for one in outcomes} == {12}
    found = study.summary(outcomes, 0.9, "hubs")
    assert found is not None
    # Three models of a lineage, nine of the last: all but the head descend from it.
    assert found.n_children == len(outcomes) == 11 * 2 + 8
    assert found.coverage.high >= 0.9
    assert found.not_judged == 0


def test_a_pool_is_the_head_and_others_of_its_shape() -> None:
    frames = study.simulated_frames("heavy tails", 1, cells=2, per_cell=7)
    outcomes = study.ask_pools(frames, 0.9, pool=5, seed=3)
    cells = study._cells(frames["score"])
    drawn = {}
    for one in outcomes:
        names = {candidate.name for candidate in one.found.candidates}
        assert len(names) == 5
        assert one.head in names
        assert {cells[name] for name in names} == {cells[one.head]}
        assert {candidate.name for candidate in one.without.candidates} == names - {one.head}
        drawn[one.head] = names
    other = study.ask_pools(frames, 0.9, pool=5, seed=4)
    assert any({c.name for c in one.found.candidates} != drawn[one.head] for one in other)


def test_shapes_without_look_alikes_are_not_judged() -> None:
    table = frame("m", 20.0)
    odd = "h00"
    for end in "ab":
        table[f"architecture_{end}"] = np.where(table[f"lineage_{end}"] == odd, "odd", "common")
    found = study_pools({"m": table}, 0.9, "m")
    assert found is not None
    # The twelve other lineages have one shape: their children are judged against their twelve heads.
    assert (found.n_lineages, found.pool) == (12, 12)
    assert found.not_judged == pytest.approx((12 * 2 + 2 * 13) / (13 * 2 * 13))


def test_table_of_costs_ranks_the_combination_with_the_metrics() -> None:
    frames = {name: frame(name, 2.0, per=2, seed=k) for k, name in enumerate(("m", "other"))}
    rows = cost_rows(frames, "look-alike")
    assert rows == []  # no shape is known, so there is no look-alike
    (together, *alone) = cost_rows(frames, "independent")
    assert together[0] == "**all together**"
    assert {row[0] for row in alone} == {"m", "other"}
    assert float(together[1]) < min(float(row[1]) for row in alone)


def test_command_prints_a_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    frame("m", 20.0).to_csv(tmp_path / "scores.csv", index=False)
    monkeypatch.setattr(sys, "argv", ["study", str(tmp_path / "scores.csv")])
    study.main()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert {line.count("|") for line in lines} == {9}
    assert lines[2].startswith("| m | 26 | 13 |")


@pytest.mark.skipif(not REAL.is_dir(), reason="the public score tables are not here")
def test_sets_cover_on_a_real_table() -> None:
    frames = frames_of(REAL / "invariant-terms.csv")
    found = study_pools(frames, 0.9, "invariant-terms")
    assert found is not None
    assert found.n_lineages == 17
    assert found.coverage.high >= 0.9
    assert found.size < found.pool
