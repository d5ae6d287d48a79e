"""Tables and figures of a run for papers: complete, LaTeX that compiles, PDFs without a date."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pandas as pd
import pytest
from conftest import command
from test_render import written
from test_report_fixture import METRICS

import benchmark
from benchmark.report.tables import kinds, run_tables
from benchmark.session.errors import UsageError


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> benchmark.Run:
    return benchmark.read_run(written(tmp_path_factory.mktemp("run")))


def test_csv_holds_what_the_frames_hold(run: benchmark.Run) -> None:
    found = run_tables(run, ["csv"])
    assert {"metrics.csv", "methods.csv", "comparisons.csv"} <= found.keys()
    metrics = pd.read_csv(io.StringIO(found["metrics.csv"])).set_index("metric")
    assert list(metrics.index) == list(METRICS)
    for column in ("look_alike_auc", "look_alike_auc_low", "auc_high", "threshold"):
        pd.testing.assert_series_equal(
            metrics[column], run.metrics[column].astype(float), check_exact=False, rtol=1e-12
        )


def test_latex_has_a_row_a_metric_and_no_character_that_breaks_it(run: benchmark.Run) -> None:
    found = run_tables(run, ["latex"])
    assert set(found) == {"metrics.tex", "methods.tex", "comparisons.tex"}
    lines = found["metrics.tex"].splitlines()
    assert lines[0] == r"\begin{tabular}{lrrrlrl}"
    assert lines[-1] == r"\end{tabular}"
    rows = lines[lines.index(r"\midrule") + 1 : lines.index(r"\bottomrule")]
    assert [row.split(" & ")[0] for row in rows] == list(METRICS)
    for name, text in found.items():
        assert text.isascii(), name
        for row in text.splitlines()[1:-1]:
            if " & " in row:
                assert len(re.findall(r"(?<!\\)&", row)) == len(re.findall(r"[lr]", columns(text))) - 1
                assert not re.search(r"(?<!\\)[%#_]", row), row
                assert row.count("$") % 2 == 0


def columns(text: str) -> str:
    (found,) = re.findall(r"\\begin\{tabular\}\{(\w+)\}", text)
    return found


def test_names_are_escaped(run: benchmark.Run) -> None:
    from benchmark.report.tables import _line

    assert _line(["a_b & 5%", "x\\y{z}"]) == r"a\_b \& 5\% & x\textbackslash{}y\{z\} \\"


@pytest.mark.parametrize("asked", ["word", "csv,", ""])
def test_what_there_is_not_is_one_line(asked: str) -> None:
    with pytest.raises(UsageError, match=r"^--tables: '.*'; known: csv, latex$"):
        kinds(asked, ("csv", "latex"), "--tables")


@pytest.mark.slow
def test_report_writes_both_and_says_what(tmp_path: Path) -> None:
    path = written(tmp_path / "run")
    said = command("report", path, "--tables", "csv,latex", "--figures", "svg,pdf", cache=tmp_path / "cache")
    assert said.code == 0, said.err
    for name in ("tables/metrics.csv", "tables/metrics.tex", "figures/roc.pdf", "figures/roc.svg"):
        assert str(path / name) in said.out.splitlines()
    pdfs = {file.name: file.read_bytes() for file in (path / "figures").glob("*.pdf")}
    assert len(pdfs) == 3 + len(METRICS)
    for name, content in pdfs.items():
        assert content.startswith(b"%PDF"), name
        assert b"CreationDate" not in content, name
    command("report", path, "--figures", "pdf", cache=tmp_path / "cache")
    assert {file.name: file.read_bytes() for file in (path / "figures").glob("*.pdf")} == pdfs
    command("report", path, cache=tmp_path / "cache")
    assert not list((path / "figures").glob("*.pdf")), "of an earlier rendering"
    refused = command("report", path, "--figures", "png", cache=tmp_path / "cache")
    assert refused.code == 2
    assert refused.err.strip() == "error: --figures: 'png'; known: svg, pdf"
