"""Tables of other tools: every layout comes out as the same score table, and a bad one is named."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import analysis
from benchmark.session.errors import UsageError
from studies.peers import __main__ as command_line
from studies.peers.exported import BothWays, Layout, ScoreColumn, read_exported

REAL = Path(__file__).parents[3] / "shared" / "data" / "model_tracing"
EXPECTED = {("a", "b"): 0.9, ("a", "c"): 0.1, ("b", "c"): 0.2}

ROWS = [
    {"suspect": "b", "candidate": "a", "verdict": {"p": 0.9, "list": [{"q": 9}]}},
    {"suspect": "c", "candidate": "a", "verdict": {"p": 0.1, "list": [{"q": 1}]}},
    {"suspect": "b", "candidate": "c", "verdict": {"p": 0.2, "list": [{"q": 2}]}},
]


def scores_of(frame: pd.DataFrame) -> dict[tuple[str, str], float]:
    return {(row.model_a, row.model_b): row.score for row in frame.itertuples()}


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


LAYOUTS = {
    "other names": ("t.csv", "suspect,candidate,p\nb,a,.9\nc,a,.1\nb,c,.2\n", "p", {}),
    "tabs and spaces": ("t.tsv", "suspect\t candidate\tp\nb\ta\t .9\nc\ta\t.1\nb\tc\t.2\n", "p", {}),
    "a list of objects": ("t.json", json.dumps(ROWS), "verdict.p", {}),
    "an object a line": ("t.jsonl", "\n".join(map(json.dumps, ROWS)) + "\n\n", "verdict.p", {}),
    "distances": ("t.csv", "suspect,candidate,d\nb,a,-.9\nc,a,-.1\nb,c,-.2\n", "-d", {}),
    "one column names both": ("t.csv", "Pair,p\nb vs a,.9\nc vs a,.1\nb vs c,.2\n", "p", {"pair": "Pair"}),
    "another separator": (
        "t.csv",
        "Pair,p\nb/a,.9\nc/a,.1\nb/c,.2\n",
        "p",
        {"pair": "Pair", "separator": "/"},
    ),
    "a matrix": ("t.csv", ",a,b,c\na,1,.9,.1\nb,.9,1,.2\nc,.1,.2,1\n", "p", {"square": True}),
    "half a matrix": ("t.csv", ",a,b,c\na,,,\nb,.9,,\nc,.1,.2,\n", "p", {"square": True}),
    "rows longer than the header": (
        "t.csv",
        "suspect,candidate,p,rest\nb,a,.9,1,2,3\nc,a,.1,1,2,3\nb,c,.2,1,2,3\n",
        "p",
        {},
    ),
    "a model with itself": ("t.csv", "suspect,candidate,p\na,a,1\nb,a,.9\nc,a,.1\nb,c,.2\n", "p", {}),
    "both ways, equal": ("t.csv", "suspect,candidate,p\nb,a,.9\na,b,.9\nc,a,.1\nb,c,.2\n", "p", {}),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_same_scores(layout: str, tmp_path: Path) -> None:
    name, text, score, options = LAYOUTS[layout]
    columns = Layout((ScoreColumn.of(score),), models=("suspect", "candidate"), **options)
    frame = read_exported([write(tmp_path, name, text)], columns)
    assert scores_of(frame) == pytest.approx(EXPECTED)
    assert set(frame["status"]) == {"ok"}


def test_a_field_inside_a_list_can_be_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path, "t.json", json.dumps(ROWS[0]))
    layout = Layout((ScoreColumn.of("q=verdict.list.0.q"),), models=("suspect", "candidate"))
    frame = read_exported([path], layout)
    assert scores_of(frame) == {("a", "b"): 9.0}
    assert list(frame["metric"]) == ["q"]


def test_several_files_and_metrics_and_empty_scores(tmp_path: Path) -> None:
    first = write(tmp_path, "1.csv", "model_a,model_b,p,d\nb,a,.9,3\n")
    second = write(tmp_path, "2.csv", "model_a,model_b,p,d\nc,a,,7\n")
    frame = read_exported([first, second], Layout((ScoreColumn.of("p"), ScoreColumn.of("near=-d"))))
    p, near = (frame[frame["metric"] == name] for name in ("p", "near"))
    assert list(p["status"]) == ["ok", "abstained"]
    assert p["reason"].iloc[1]
    assert scores_of(near) == {("a", "b"): -3.0, ("a", "c"): -7.0}


def test_labels_of_the_file_are_kept_and_turned_with_the_pair(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "t.csv",
        "model_a,model_b,score,relation,lineage_a,lineage_b\nb,a,.9,derived,L,L\nc,a,.1,independent,M,L\n",
    )
    frame = read_exported([path], Layout((ScoreColumn.of("score"),)))
    table = analysis.ScoreTable(frame)
    assert dict(zip(table.models, table.lineages[table.lineage_of], strict=True)) == {
        "a": "L",
        "b": "L",
        "c": "M",
    }


@pytest.mark.parametrize(
    ("both_ways", "score"), [(BothWays.mean, 0.7), (BothWays.larger, 0.9), (BothWays.smaller, 0.5)]
)
def test_a_pair_scored_both_ways(both_ways: BothWays, score: float, tmp_path: Path) -> None:
    path = write(tmp_path, "t.csv", "model_a,model_b,score\na,b,.9\nb,a,.5\n")
    columns = (ScoreColumn.of("score"),)
    assert scores_of(read_exported([path], Layout(columns, both_ways=both_ways))) == {
        ("a", "b"): pytest.approx(score)
    }
    with pytest.raises(UsageError, match="--both-ways"):
        read_exported([path], Layout(columns))


@pytest.mark.parametrize(
    ("name", "text", "options", "says"),
    [
        ("t.csv", "x,y,score\na,b,1\n", {}, "no column 'model_a'; it has x, y, score"),
        ("t.csv", "model_a,model_b,score\na,b,high\n", {}, "'high' in column 'score' is not a number"),
        ("t.csv", "Pair,score\na b,1\n", {"pair": "Pair"}, "does not name two models"),
        ("t.csv", "model_a,model_b,score\na,,1\n", {}, "names no model"),
        ("t.csv", "model_a,model_b,score\na,a,1\n", {}, "no pair"),
        ("t.json", "{", {}, "not a readable table"),
    ],
)
def test_a_bad_table_is_named(
    name: str, text: str, options: dict[str, str], says: str, tmp_path: Path
) -> None:
    path = write(tmp_path, name, text)
    with pytest.raises(UsageError, match=says) as error:
        read_exported([path], Layout((ScoreColumn.of("score"),), **options))  # type: ignore[arg-type]
    assert str(path) in str(error.value)


@pytest.mark.parametrize("text", ["", "=", "p=", "=p", "-"])
def test_a_bad_score_option_is_named(text: str) -> None:
    with pytest.raises(UsageError, match="write it as"):
        ScoreColumn.of(text)


def test_the_command_writes_what_analyse_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(1)
    models = [f"{family}{member}" for family in "abcdef" for member in "12"]
    lines = ["one,other,distance"]
    lines += [f"{a},{b},{rng.random() + (a[0] != b[0])}" for a in models for b in models if a < b]
    table = write(tmp_path, "t.csv", "\n".join(lines))
    out = tmp_path / "scores.csv"
    arguments = ["convert", table, "--models", "one,other", "--score", "near=-distance", "--out", out]
    monkeypatch.setattr("sys.argv", ["peers", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        command_line.main()
    assert end.value.code == 0
    assert "66 pairs, 1 metrics" in capsys.readouterr().out
    frame = pd.read_csv(out)
    frame["relation"] = np.where(frame["model_a"].str[0] == frame["model_b"].str[0], "derived", "independent")
    assert analysis.auc(analysis.ScoreTable(frame)).estimate > 0.9


def test_a_bad_command_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["convert", tmp_path / "none.csv", "--score", "p", "--out", tmp_path / "s.csv"]
    monkeypatch.setattr("sys.argv", ["peers", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        command_line.main()
    said = capsys.readouterr().err
    assert end.value.code == 2
    assert said.count("\n") == 1
    assert "no such file" in said


@pytest.mark.skipif(not REAL.is_dir(), reason="../shared/data/model_tracing is not there")
def test_published_tables_of_model_tracing() -> None:
    l2 = read_exported(
        [REAL / "l2" / "model_pairs_l2.csv"], Layout((ScoreColumn.of("l2=-l2"),), pair="Model Pair")
    )
    assert len(l2) == 36
    permuted = read_exported(
        [REAL / "perm" / "permutation_loss_midpoint_wikitext_single.csv"],
        Layout((ScoreColumn.of("p=-loss p-value"),), pair="Model Pair"),
    )
    assert len(permuted) == 20
    assert scores_of(permuted)["codellama/CodeLlama-7b-hf", "meta-llama/Llama-2-7b-hf"] == -0.01
