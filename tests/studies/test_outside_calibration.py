"""The study of what a calibration does not carry: nothing is said outside; it fails where something is."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pytest
from altered_run import signed_again
from conftest import Evaluated

import studies.outside_calibration as study
from studies.misleading_evidence import FACTORS, Misled, misled

ODD = "another shape"
"""Of five of the nine lineages: without those of a pair of them three are left."""


@pytest.fixture
def run(evaluated: Evaluated, tmp_path: Path) -> Path:
    path = tmp_path / "run"
    shutil.copytree(evaluated.run, path)
    scores = pd.read_parquet(path / "scores.parquet")
    for end in "ab":
        odd = scores[f"lineage_{end}"].isin(["f4", "f5", "f6", "f7", "f8"])
        scores.loc[odd, f"architecture_{end}"] = ODD
    scores[scores["metric"].isin(["weight-cosine", "attention-std"])].to_parquet(
        path / "scores.parquet", index=False
    )
    return signed_again(path)


def uncut(run: Path, cells: Sequence[str], into: Path) -> Path:
    """What the study does, without taking anything out."""
    return Path(shutil.copytree(run, into))


@pytest.mark.slow
def test_nothing_is_said_outside(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = {one.kind: one for one in study.outside_pairs(run, [ODD], 24)}
    same, _, half = found.values()
    assert same.n_pairs == half.n_pairs == 8
    assert not any(one.n_weighed or one.n_supporting or one.broken for one in found.values())
    # The same pairs by a run that has their shape: the study sees that something is said.
    monkeypatch.setattr(study, "less_cells", uncut)
    (same, *_) = study.outside_pairs(run, [ODD], 9)
    assert same.n_weighed == same.n_pairs == 3
    assert same.broken


@pytest.mark.slow
def test_random_models_of_other_depths_get_nothing(run: Path, tmp_path: Path) -> None:
    found = study.random_pairs(run, 2, (3, 4), tmp_path / "cache")
    assert (found.n_pairs, found.n_weighed, found.n_supporting) == (6, 0, 0)


@pytest.mark.slow
def test_the_command_prints_its_tables_and_fails_where_one_is_broken(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LOOKALIKE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(study, "DESIGNS", ["hubs"])
    monkeypatch.setattr(study, "held_out_of_run", lambda *_: [])
    monkeypatch.setattr(study, "misled", lambda design, n: misled(design, 1, cells=1, per_cell=6))
    for cut, code in ((study.less_cells, 0), (uncut, 1)):
        monkeypatch.setattr(study, "less_cells", cut)
        monkeypatch.setattr(sys, "argv", ["study", str(run), "--quick", "--cells", ODD])
        with pytest.raises(SystemExit) as left:
            study.main()
        assert left.value.code == code
        printed = capsys.readouterr().out
        assert "both of one shape that it lacks | 3 |" in printed
        assert "| hubs | independent | 2 | 1 |" in printed


def test_evidence_is_broken_only_beyond_chance() -> None:
    assert not Misled("d", "independent", 2.0, 100, 100, 55, 0).broken
    assert Misled("d", "independent", 2.0, 100, 100, 70, 0).broken
    assert not Misled("d", "independent", 5.0, 100, 100, 24, 0).broken


def test_held_out_pairs_are_weighed_within_their_bounds() -> None:
    found = list(misled("levels of cells", 3, cells=2, per_cell=6))
    assert [(one.side, one.factor) for one in found] == [
        (side, factor) for side in ("independent", "derived") for factor in FACTORS
    ]
    for one in found:
        assert one.n_pairs == 3
        assert one.n_misled <= one.n_reaching <= one.n_pairs
        assert one.n_supported <= found[0 if one.side == "independent" else 3].n_misled
    # Four lineages of look-alikes remain: no ratio beyond three.
    assert found[2].n_reaching == 0
