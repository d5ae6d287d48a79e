"""Many pairs: each the case that it is by itself, every model read once, and a bad row alone to blame."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from conftest import Evaluated, Said, command

from benchmark.comparison.compare import compare
from benchmark.comparison.compare_pairs import ComparedPairs, compare_pairs
from benchmark.pipeline.workspace import Workspace

PAIRS = [("f0", "f0c0"), ("f0c1", "f1"), ("f2", "f0")]
TABLE = """model_a;model_b;note
f0;f0c0;a child
f0;nowhere;no such model
f1;f1;itself

f0c1;f1;strangers
;f2;nothing
"""


@pytest.fixture(scope="module")
def many(evaluated: Evaluated) -> ComparedPairs:
    return compare_pairs(
        PAIRS, calibration=evaluated.run, catalog=evaluated.catalog, cache=evaluated.cache, workers=1
    )


def test_each_pair_is_the_case_that_it_is_alone(evaluated: Evaluated, many: ComparedPairs) -> None:
    for pair, found in zip(PAIRS, many.pairs, strict=True):
        alone = compare(
            *pair, calibration=evaluated.run, catalog=evaluated.catalog, cache=evaluated.cache
        ).to_json()
        assert found.case is not None
        together = found.case.to_json()
        for key in alone.keys() - {"layers"}:
            assert together[key] == alone[key], key


def test_every_model_is_opened_once(
    evaluated: Evaluated, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    opened: list[str] = []
    open_one = Workspace.open

    def counted(self: Workspace, located: object) -> object:
        before = located.model in self._opened._values  # type: ignore[attr-defined]
        opened.extend([] if before else [located.model])  # type: ignore[attr-defined]
        return open_one(self, located)  # type: ignore[arg-type]

    monkeypatch.setattr(Workspace, "open", counted)
    compare_pairs(
        PAIRS,
        calibration=None,
        metrics="weight-cosine",
        catalog=evaluated.catalog,
        cache=tmp_path,
        workers=1,
    )
    assert sorted(opened) == ["f0", "f0c0", "f0c1", "f1", "f2"]


def test_the_table_has_a_row_a_pair(many: ComparedPairs) -> None:
    table = many.table()
    assert table["row"].tolist() == ["row 1", "row 2", "row 3"]
    assert table["supports"].tolist()[0] == "derivation"
    first = many.pairs[0].case
    assert first is not None
    assert first.quoted is not None
    assert table["log10_lr"][0] == first.quoted.weight.log10_lr
    assert table["weight-cosine"][0] == next(
        one.score for one in first.metrics if one.metric == "weight-cosine"
    )


def typed(evaluated: Evaluated, pairs: Path, *more: object) -> Said:
    return command(
        *("compare", "--pairs", pairs, "--catalog", evaluated.catalog, "--calibration", evaluated.run, *more),
        cache=evaluated.cache,
    )


def test_a_bad_row_fails_alone(evaluated: Evaluated, tmp_path: Path) -> None:
    pairs = tmp_path / "pairs.csv"
    pairs.write_text(TABLE)
    said = typed(evaluated, pairs, "--json", "--quiet", "--out", tmp_path / "cases.csv")
    assert said.code == 1
    lines = said.err.splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("failed: line 3: nowhere: no such file or directory")
    assert lines[1] == "failed: line 4: compare: f1 and f1 are the same model; a case needs two"
    assert lines[2] == "failed: line 7: no model in model_a"
    value = json.loads(said.out)
    assert [one["case"] is not None for one in value["pairs"]] == [True, False, False, True, False]
    assert value["pairs"][1]["error"]
    table = pd.read_csv(tmp_path / "cases.csv")
    assert table["status"].tolist() == ["ok", "failed", "failed", "ok", "failed"]
    assert table["supports"].tolist()[0] == "derivation"


def test_names_are_no_formulas_in_the_table_of_cases(evaluated: Evaluated, tmp_path: Path) -> None:
    pairs = tmp_path / "pairs.csv"
    pairs.write_text("model_a,model_b\n=1+1,f1\n")
    assert typed(evaluated, pairs, "--quiet", "--out", tmp_path / "cases.csv").code == 1
    assert "'=1+1" in pd.read_csv(tmp_path / "cases.csv")["model_a"].tolist()


def test_the_terminal_and_the_other_files(evaluated: Evaluated, tmp_path: Path) -> None:
    pairs = tmp_path / "pairs.parquet"
    pd.DataFrame(PAIRS, columns=["model_a", "model_b"]).to_parquet(pairs)
    said = typed(evaluated, pairs, "--out", tmp_path / "cases.parquet")
    assert said.code == 0, said.err
    assert max(map(len, said.out.splitlines())) <= 80
    for pair in PAIRS:
        assert all(name in said.out for name in pair)
    assert "evidence: 3/3 pairs after" in said.err
    assert len(pd.read_parquet(tmp_path / "cases.parquet")) == 3
    assert typed(evaluated, pairs, "--out", tmp_path / "cases.json", "--quiet").err == ""
    assert len(json.loads((tmp_path / "cases.json").read_text())["pairs"]) == 3


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--pairs", "PAIRS", "f0"), "leave out MODEL_A"),
        (("--pairs", "PAIRS", "--out", "cases.html"), "give a .csv, .parquet or .json file"),
        (("--pairs", "nowhere.csv"), "no such file; give a table of pairs"),
        (("--pairs", "SCORES"), "no column model_a, model_b; a table of pairs has model_a, model_b"),
        ((), "or --pairs TABLE"),
    ],
)
def test_bad_usage_is_one_line(
    evaluated: Evaluated, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    (tmp_path / "pairs.csv").write_text(TABLE)
    (tmp_path / "scores.csv").write_text("one,two\n1,2\n")
    files = {"PAIRS": tmp_path / "pairs.csv", "SCORES": tmp_path / "scores.csv"}
    done = command("compare", *(files.get(word, word) for word in arguments), cache=evaluated.cache)
    assert done.code == 2
    (line,) = done.err.splitlines()
    assert said in line


def test_a_case_fits_80_columns_and_says_what_is_being_done(evaluated: Evaluated) -> None:
    arguments = ("compare", "f0", "f0c0", "--catalog", evaluated.catalog, "--calibration", evaluated.run)
    said = command(*arguments, cache=evaluated.cache)
    assert said.code == 0, said.err
    # What a user named, such as the run's path, is not cut.
    assert [line for line in said.out.splitlines() if len(line) > 80 and str(evaluated.run) not in line] == []
    told = [line.split(" after")[0] for line in said.err.splitlines()]
    # One of the four metrics abstains on both models.
    assert told[:2] == ["fingerprints: 2/2 models", "scores: 3/3 pairs"]
    assert told[2].startswith("evidence: ")
    assert command(*arguments, "--quiet", cache=evaluated.cache).err == ""
