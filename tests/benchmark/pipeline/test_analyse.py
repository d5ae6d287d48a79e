"""Score tables as people write them: what is read, what is said, what is refused with file and line."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import command

import analysis
from analysis import BadTable, ScoreTable
from benchmark import analyse
from benchmark.pipeline.analyse import read_scores
from benchmark.session.errors import UsageError

CLEAN = analysis.example_table("m", n_lineages=5).frame.drop(columns=["reason", "method", "status"])
HEADER = list(CLEAN.columns)
MODELS = sorted({*CLEAN["model_a"], *CLEAN["model_b"]})


def text(
    path: Path,
    frame: pd.DataFrame = CLEAN,
    *,
    separator: str = ",",
    end: str = "",
    field: Callable[[str, str], str] = lambda column, value: value,
) -> Path:
    """Write a table by hand, each field through a function of its column and value."""
    rows = [
        [field(column, str(value)) for column, value in zip(frame, row, strict=True)]
        for row in frame.to_numpy()
    ]
    lines = [separator.join(fields) + end for fields in (list(frame), *rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def facts(path: Path) -> tuple[int, int, float, float]:
    """Models, lineages and the two AUCs."""
    table = ScoreTable(read_scores(path)[0])
    return (
        len(table.models),
        len(table.lineages),
        analysis.auc(table).estimate,
        analysis.look_alike_auc(table).estimate,
    )


def renamed(names: list[str]) -> Callable[[str, str], str]:
    new = dict(zip(MODELS, names + MODELS[len(names) :], strict=True))
    return lambda column, value: new[value] if column.startswith("model_") else value


def expected() -> tuple[int, int, float, float]:
    table = ScoreTable(CLEAN)
    return (
        len(table.models),
        len(table.lineages),
        analysis.auc(table).estimate,
        analysis.look_alike_auc(table).estimate,
    )


def test_without_architectures_the_auc_is_shown_with_what_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    kin = [(f"{one}1", f"{one}2", 0.9 - place / 50, "derived") for place, one in enumerate("abcdefgh")]
    strangers = [
        (f"{one}1", f"{other}2", 0.5 + (3 * i + j) % 7 / 14, "independent")
        for i, one in enumerate("abcdefgh")
        for j, other in enumerate("abcdefgh")
        if i < j
    ]
    columns = ["model_a", "model_b", "score", "relation"]
    pd.DataFrame(kin + strangers, columns=columns).to_csv(path, index=False)
    said = command("analyse", path, "--out", tmp_path / "run", "--quiet", cache=tmp_path / "cache")
    assert said.code == 0, said.err
    told = " ".join(said.out.split())
    assert "AUC, independent pairs" in told
    result = json.loads((tmp_path / "run" / "results.json").read_text())["metrics"][0]
    (row,) = [line for line in said.out.splitlines() if line.startswith("score ")]
    assert f"{result['auc']['estimate']:.3f}".removeprefix("0") in row
    assert "[" in row
    assert "columns architecture_a and architecture_b would make look-alikes known" in told
    assert max(len(line) for line in said.out.splitlines() if not line.startswith("Report: ")) <= 80


@pytest.mark.parametrize(
    "names",
    [
        ["3.1", "3.10", "4"],
        ["007", "7", "07"],
        ["1e5", "100000"],
        ["NA", "null", "None", "nan", "N/A"],
        ["модель/Ü😀"],
    ],
    ids=lambda names: names[0],
)
def test_identifiers_are_text(tmp_path: Path, names: list[str]) -> None:
    assert facts(text(tmp_path / "named.csv", field=renamed(names))) == expected()


def test_labels_are_text_too(tmp_path: Path) -> None:
    labels = {"lineage": "NA", "architecture": "None"}
    first = {what: CLEAN[f"{what}_a"][0] for what in labels}

    def field(column: str, value: str) -> str:
        what = column[:-2]
        return labels[what] if what in labels and value == first[what] else value

    path = text(tmp_path / "labels.csv", field=field)
    assert facts(path) == expected()
    table = ScoreTable(read_scores(path)[0])
    assert "NA" in table.lineages
    assert "None" in table.cells


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("ends", [0, 1, 3])
def test_separators_are_recognised_also_at_the_end_of_lines(
    tmp_path: Path, separator: str, ends: int
) -> None:
    path = text(tmp_path / "table.txt", separator=separator, end=separator * ends)
    assert facts(path) == expected()
    first, *rest = path.read_text().splitlines()
    path.write_text("\n".join([first.removesuffix(separator * ends), "", *rest, ""]))
    assert facts(path) == expected()


def test_a_byte_order_mark_and_quotes_are_read(tmp_path: Path) -> None:
    path = text(tmp_path / "excel.csv", field=lambda column, value: f'"{value}"')
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert facts(path) == expected()


def test_blanks_around_names_are_taken_off_and_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = text(
        tmp_path / "blanks.csv",
        field=lambda column, value: f"{value} " if column in ("model_b", "relation") else value,
    )
    assert facts(path) == expected()
    run = analyse(path, out=tmp_path / "run", cache=tmp_path / "cache", quiet=False)
    said = f"whitespace around {len(set(CLEAN['model_b'])) + CLEAN['relation'].nunique()} names was stripped"
    assert f"{path}: {said}" in capsys.readouterr().err
    (metric,) = run.results.metrics
    assert metric.warnings[0].startswith(said)
    assert (metric.n_models, metric.n_lineages) == expected()[:2]
    assert said in run.report.read_text()


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("plain", lambda frame: frame),
        ("categories", lambda frame: frame.astype(dict.fromkeys(HEADER[1:3], "category"))),
        ("nullable", lambda frame: frame.astype({"score": "Float64"})),
        ("text", lambda frame: frame.assign(score=frame["score"].map(repr))),
        ("names in the index", lambda frame: frame.set_index(["model_a", "model_b"])),
        ("names that are integers", lambda frame: frame.replace({m: i for i, m in enumerate(MODELS)})),
    ],
)
def test_parquet_is_known_by_its_first_bytes(
    tmp_path: Path, kind: str, change: Callable[[pd.DataFrame], pd.DataFrame]
) -> None:
    path = tmp_path / "table.data"
    change(CLEAN).to_parquet(path)
    assert facts(path) == expected()


def line(fields: dict[str, str]) -> Callable[[str, str], str]:
    """Other values in one column where they stand."""
    return lambda column, value: fields.get(f"{column}={value}", value)


SCORE = str(CLEAN["score"].iloc[2])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda lines: [lines[0].replace("score", "similarity"), *lines[1:]],
            "no column score; a score table has",
        ),
        (lambda lines: [lines[0].replace(",", " "), *lines[1:]], "columns found: metric model_a model_b"),
        (
            lambda lines: [f"{lines[0]},score", *(f"{one},1" for one in lines[1:])],
            "column score appears twice",
        ),
        (
            lambda lines: [*lines[:3], lines[3].replace(SCORE, "high"), *lines[4:]],
            "line 4 has score 'high', which",
        ),
        (
            lambda lines: [*lines[:3], lines[3].replace(SCORE, "1+1j"), *lines[4:]],
            "line 4 has score '1+1j', which",
        ),
        (
            lambda lines: [*lines[:3], lines[3].replace(SCORE, "2e308"), *lines[4:]],
            "line 4 has score '2e308', too large",
        ),
        (lambda lines: [*lines[:3], lines[3].replace(SCORE, ""), *lines[4:]], "line 4, pair "),
        (
            lambda lines: [*lines[:3], lines[3].replace(SCORE, "nan"), *lines[4:]],
            "has no score though its status",
        ),
        (lambda lines: [*lines[:3], "m,a,b,1", *lines[4:]], "line 4 has 4 fields, the first line names"),
        (
            lambda lines: [*lines[:3], f"{lines[3]},surplus", *lines[4:]],
            "line 4 has 10 fields, the first line",
        ),
        (
            lambda lines: [*lines[:3], lines[3].replace("m,", "m\0,", 1), *lines[4:]],
            "line 4 has metric 'm\\x00'",
        ),
        (
            lambda lines: [*lines[:3], lines[3].replace("m,", ",", 1), *lines[4:]],
            "line 4 has no metric; fill it",
        ),
        (lambda lines: [*lines[:3], 'm,"a', *lines[4:]], "unexpected end of data"),
        (lambda lines: [*lines, "", lines[7]], f"appears twice, in line 8 and line {len(CLEAN) + 3}"),
        (lambda lines: [lines[0]], "no rows"),
        (
            lambda lines: [],
            "score table has model_a, model_b, score; columns found: none",
        ),
        (lambda lines: ['{"model_a": "a"}'], "JSON, not a score table; write it as .csv or .parquet"),
        (lambda lines: [lines[0].replace("relation", "label"), *lines[1:]], "no column relation; add it"),
    ],
)
def test_what_is_wrong_is_told_with_file_and_line(
    tmp_path: Path, change: Callable[[list[str]], list[str]], words: str
) -> None:
    path = text(tmp_path / "bad.csv")
    path.write_text("\n".join(change(path.read_text().splitlines())))
    with pytest.raises((BadTable, UsageError)) as caught:
        analyse(path, out=tmp_path / "run", cache=tmp_path / "cache")
    told = str(caught.value)
    assert told.startswith(f"{path}: ")
    assert words in told
    assert told.isprintable()
    assert not (tmp_path / "run").exists()


def test_rows_without_a_metric_never_vanish(tmp_path: Path) -> None:
    half = CLEAN.assign(metric=["m" if i % 2 else None for i in range(len(CLEAN))])
    with pytest.raises(
        BadTable, match="the score table: row 1 has no metric; fill it or leave the column out"
    ):
        analyse(half, out=tmp_path / "run", cache=tmp_path / "cache")


def test_rows_of_the_second_metric_are_named_where_they_stand(tmp_path: Path) -> None:
    both = pd.concat([CLEAN, CLEAN.assign(metric="n")], ignore_index=True)
    both.loc[len(CLEAN) + 4, "score"] = np.nan
    path = tmp_path / "both.csv"
    both.to_csv(path, index=False)
    with pytest.raises(BadTable, match=rf"both.csv: line {len(CLEAN) + 6}, pair "):
        analyse(path, out=tmp_path / "run", cache=tmp_path / "cache")


def test_encodings_other_than_utf_8_are_named(tmp_path: Path) -> None:
    path = text(tmp_path / "wide.csv")
    path.write_bytes(path.read_text().encode("utf-16"))
    with pytest.raises(UsageError, match=r"wide.csv: not UTF-8 text \(byte 1\); save it as UTF-8"):
        read_scores(path)
    (tmp_path / "no.parquet").write_bytes(b"model_a,model_b\n")
    with pytest.raises(UsageError, match="not a parquet file; it begins with b'mode'"):
        read_scores(tmp_path / "no.parquet")


def test_yes_and_no_of_text_enter_the_regression(tmp_path: Path) -> None:
    table = analysis.example_table("m").frame
    same = table.assign(same_corpus=[("yes", "No")[i % 2] for i in range(len(table))], same_depth="")
    path = text(tmp_path / "same.csv", same)
    found = analysis.architecture_detector(ScoreTable(read_scores(path)[0])).regression
    assert "same corpus" in [one.name for one in found]


@pytest.mark.parametrize("scale", [1e-300, 1e155, 1e307])
def test_a_run_of_scores_of_any_size_has_a_report(tmp_path: Path, scale: float) -> None:
    """Plots and pages too, with infinities among the scores."""
    score = CLEAN["score"] / CLEAN["score"].abs().max() * scale
    score[score.argmax()], score[score.argmin()] = np.inf, -np.inf
    path = text(tmp_path / "far.csv", CLEAN.assign(score=score))
    run = analyse(path, out=tmp_path / "run", cache=tmp_path / "cache")
    assert run.results.metrics[0].auc.estimate == expected()[2]
    page = run.report.read_text()
    assert not re.search(r"\d,\d{3},\d{3},\d{3},\d{3}", page), "a number that nobody can read"
    assert list((tmp_path / "run" / "figures").glob("*.svg"))


@pytest.mark.parametrize("sign", [1, -1])
def test_scores_that_look_like_distances_are_told_in_the_terminal(tmp_path: Path, sign: int) -> None:
    table = tmp_path / "scores.csv"
    CLEAN.assign(score=CLEAN["score"] * sign).to_csv(table, index=False)
    said = command("analyse", table, "--out", tmp_path / "out", "--quiet", cache=tmp_path / "cache")
    assert said.code == 0, said.err
    told = " ".join(said.out.split())
    assert ("m: derived pairs score below independent ones" in told) == (sign < 0)
    assert ("negate a distance." in told) == (sign < 0)
