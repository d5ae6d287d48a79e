"""A second comparison fits nothing, says the same, and believes no file that was changed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import Evaluated

import analysis
from benchmark.comparison.calibration_run import CalibrationRun
from benchmark.comparison.compare import compare
from benchmark.comparison.kept_fits import KeptFits
from benchmark.comparison.near_pairs import NearPairs
from benchmark.session.cache import Cache

PAIRS = (("f0", "f0c0"), ("f0c1", "f1"))


def told(evaluated: Evaluated, pair: tuple[str, str], cache: Path) -> str:
    case = compare(*pair, calibration=evaluated.run, catalog=evaluated.catalog, cache=cache)
    return json.dumps(case.to_json())


def kept(cache: Path) -> list[Path]:
    return sorted((cache / "calibrations").iterdir())


@pytest.mark.parametrize("pair", PAIRS)
def test_a_second_comparison_fits_nothing_and_says_the_same(
    evaluated: Evaluated, pair: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = told(evaluated, pair, tmp_path)
    before = {path: path.read_bytes() for path in kept(tmp_path)}
    assert before

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("computed again")

    monkeypatch.setattr(analysis, "combine_evidence", refuse)
    monkeypatch.setattr("benchmark.comparison.calibration_run.judge", refuse)
    monkeypatch.setattr("benchmark.comparison.comparer.picture_layers", refuse)
    monkeypatch.setattr("benchmark.results.files.RunDirectory.read_scores", refuse)
    assert told(evaluated, pair, tmp_path) == first
    assert {path: path.read_bytes() for path in kept(tmp_path)} == before


def test_damaged_files_are_not_believed(evaluated: Evaluated, tmp_path: Path) -> None:
    first = told(evaluated, PAIRS[0], tmp_path)
    before = {path: path.read_bytes() for path in kept(tmp_path)}
    for number, (path, held) in enumerate(before.items()):
        middle = len(held) // 2
        flipped = held[:middle] + bytes([held[middle] ^ 1]) + held[middle + 1 :]
        path.write_bytes((flipped, held[:middle], b"")[number % 3])
    assert told(evaluated, PAIRS[0], tmp_path) == first
    assert {path: path.read_bytes() for path in kept(tmp_path)} == before


def test_a_whole_file_of_something_else_is_not_believed(tmp_path: Path) -> None:
    fits = KeptFits(Cache(tmp_path), "a run")
    table = analysis.example_table()
    joint = fits.combination([table], "look-alike", ())
    (path,) = kept(tmp_path)
    honest = path.read_bytes()
    fits.value(float, "another", lambda: 1.5)
    (other,) = set(kept(tmp_path)) - {path}
    path.write_bytes(other.read_bytes())
    assert fits.combination([table], "look-alike", ()) == joint
    assert path.read_bytes() == honest
    other.write_bytes(honest)
    assert fits.value(float, "another", lambda: 2.5) == 2.5


def test_what_decides_a_fit_decides_its_place(tmp_path: Path) -> None:
    table = analysis.example_table()
    for run, negatives, left_out in (
        ("a", "look-alike", ()),
        ("b", "look-alike", ()),
        ("a", "independent", ()),
        ("a", "look-alike", ("07",)),
    ):
        KeptFits(Cache(tmp_path), run).combination([table], negatives, left_out)
    assert len(kept(tmp_path)) == 4


def test_near_pairs_are_those_that_weigh(evaluated: Evaluated) -> None:
    """Of a table without some lineages: what is not independent, look-alikes, and pairs of the cells."""
    run = CalibrationRun(evaluated.run)
    pairs = NearPairs(evaluated.run / "scores.parquet")
    for left_out in ((), ("f0",), ("f0", "f1")):
        whole = run.without("weight-cosine", left_out)
        assert whole is not None
        cells = (str(whole.cells[0]), str(whole.cells[-1]))
        found = pairs.tables(cells, left_out)["weight-cosine"]
        assert found is not None
        here = whole.frame["architecture_a"].isin(cells) & whole.frame["architecture_b"].isin(cells)
        weighs = ~whole.independent | whole.look_alike | here.to_numpy()
        columns = ["model_a", "model_b", "score", "relation", "lineage_a", "lineage_b"]
        expected = whole.frame.loc[weighs, columns].reset_index(drop=True)
        assert found.frame[columns].equals(expected)
    everyone = set(run.lineage_of.values())
    assert pairs.tables(cells, everyone)["weight-cosine"] is None


def test_a_table_without_architectures_is_read(tmp_path: Path) -> None:
    frame = analysis.example_table().frame.assign(architecture_a=None, architecture_b=None)
    frame.to_parquet(tmp_path / "scores.parquet", index=False)
    (table,) = NearPairs(tmp_path / "scores.parquet").tables(("", ""), ()).values()
    assert table is not None
    assert set(table.relation) == {"derived", "sibling"}
