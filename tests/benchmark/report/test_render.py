"""What the report writes into a run directory, its text, its figures, and the table for the terminal."""

from __future__ import annotations

import json
import re
from dataclasses import fields, replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from test_report_fixture import METHODS, METRICS, results, run, scores
from typed_results import metric_result, results as small_results, run_record

from benchmark.report import markdown, render, verdict_table
from benchmark.results.files import RunDirectory
from benchmark.results.schema import SCHEMA, Failure, MetricResult
from benchmark.session.cache import Cache
from benchmark.session.errors import UsageError


def written(path: Path) -> Path:
    directory = RunDirectory(path)
    directory.write_results(results())
    directory.write_scores(scores())
    directory.conclude(run())
    return path


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Path]]:
    path = written(tmp_path_factory.mktemp("run"))
    (path / "figures").mkdir()
    (path / "figures" / "scores-gone.svg").write_text("of an earlier rendering")
    return path, render(path)


def test_render_writes_page_text_and_figures(rendered: tuple[Path, list[Path]]) -> None:
    path, files = rendered
    assert files[0].name == "report.html"
    plots = {f"scores-{metric}.svg" for metric in METRICS}
    assert {file.name for file in files} == {
        "report.html",
        "report.md",
        "look-alike-auc.svg",
        "roc.svg",
        "decay.svg",
    } | plots
    assert sorted(path.rglob("*.svg")) == sorted(file for file in files if file.suffix == ".svg")
    assert not list(path.rglob(".*"))


@pytest.mark.thorough
def test_rendering_again_gives_the_same_bytes(rendered: tuple[Path, list[Path]], tmp_path: Path) -> None:
    for one, two in zip(rendered[1], render(written(tmp_path)), strict=True):
        assert one.read_bytes() == two.read_bytes(), one.name


def test_figures_are_drawings_without_a_date(rendered: tuple[Path, list[Path]]) -> None:
    for file in rendered[1]:
        if file.suffix == ".svg":
            text = file.read_text(encoding="utf-8")
            assert text.rstrip().endswith("</svg>")
            assert "<dc:date>" not in text
            assert text.count("<path") > 5
            assert len(text) < 400_000


@pytest.mark.slow
@pytest.mark.parametrize(
    "damage",
    ["", pytest.param("[1]", marks=pytest.mark.slow), pytest.param('{"roc.svg": 1}', marks=pytest.mark.slow)],
)
def test_a_damaged_cache_of_figures_is_drawn_again(tmp_path: Path, damage: str) -> None:
    cache, path = Cache(tmp_path / "cache"), written(tmp_path / "run")
    first = {file.name: file.read_bytes() for file in render(path, cache=cache)}
    (kept,) = cache.figures.glob("*.figures")
    kept.write_text(damage)
    assert {file.name: file.read_bytes() for file in render(path, cache=cache)} == first
    assert json.loads(cache.read(kept) or "").keys() <= first.keys()


@pytest.mark.parametrize("name", ["run.json", "results.json", "scores.parquet"])
def test_an_unfinished_run_is_one_clear_error(tmp_path: Path, name: str) -> None:
    (written(tmp_path) / name).unlink()
    with pytest.raises(UsageError, match=name):
        render(tmp_path)
    assert not (tmp_path / "report.html").exists()


def test_text_holds_what_the_page_holds() -> None:
    text = markdown(run(), results(), scores())
    for metric in METRICS:
        assert f"### {metric}" in text
    for heading in (
        "What this catalog can certify",
        "All metrics",
        "AUC by derivation method",
        "Disputed cases",
        "How this report was made",
    ):
        assert f"\n## {heading}\n" in text
    for method in METHODS:
        assert method.replace(">", r"\>") in text
    assert "194 lineages" in text  # seven metrics together
    assert "Not scored in this run." in text
    assert "In this run: attention-std 0.710" in text
    assert markdown(run(), results(), scores()) == text


def test_tables_of_the_text_are_rectangular() -> None:
    table: list[int] = []
    for line in markdown(run(), results(), scores()).splitlines():
        cells = len(re.findall(r"(?<!\\)\|", line)) if line.startswith("|") else 0
        if cells and table:
            assert cells == table[-1], line
        table = [*table, cells] if cells else []


def test_names_cannot_break_the_text() -> None:
    record = replace(run(), failures=(Failure("score", "`x`\n# y", "*m*", "<i>|", "`w`.py:1", 2),))
    text = markdown(record, results(), scores())
    assert r"| score | \*m\* | 2 | \`x\` \# y | \<i\>\| | \`w\`.py:1 |" in text


def test_the_terminal_table_fits_80_columns() -> None:
    stream = StringIO()
    Console(file=stream, width=80, color_system=None).print(verdict_table(results()))
    lines = stream.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    text = "\n".join(lines)
    for metric in METRICS:
        row = next(line for line in lines if line.strip().startswith(metric))
        assert re.search(
            r"separates|separates within limits|architecture detector|does not separate|cannot say", row
        )
    assert re.search(
        r"norm-pearson\s+1\.000 \[0\.\d\d, 1\.00\]\s+separates within limits\s+none stated", text
    )
    assert "…" not in text
    silent = next(line for line in lines if line.strip().startswith("silent"))
    assert re.search(r"—\s+cannot say\s+none stated", silent)


def test_the_terminal_table_of_nothing_is_empty() -> None:
    assert verdict_table(replace(results(), metrics=())).row_count == 0
    odd = replace(results().metric("silent"), metric="[bold]x")
    assert verdict_table(replace(results(), metrics=(odd,))).row_count == 1


@pytest.fixture
def small(tmp_path: Path) -> RunDirectory:
    """A run of one metric, cheap to write again and again."""
    directory = RunDirectory(tmp_path)
    directory.write_results(small_results())
    frame = scores()[lambda rows: rows["metric"] == "weight-cosine"]
    directory.write_scores(frame.assign(metric=metric_result().metric))
    directory.conclude(run_record())
    return directory


@pytest.mark.parametrize("name", [field.name for field in fields(MetricResult)])
def test_a_key_that_is_missing_is_an_error_and_never_a_vanished_row(small: RunDirectory, name: str) -> None:
    path = small.path / "results.json"
    value = json.loads(path.read_text(encoding="utf-8"))
    del value["metrics"][0][name]
    path.write_text(json.dumps(value), encoding="utf-8")
    with pytest.raises(UsageError) as error:
        render(small.path)
    said = str(error.value)
    assert said.startswith(f"{path}: metrics[0]: no key {name} (schema {SCHEMA})")
    assert "\n" not in said
    assert not small.report.exists()


def test_files_that_do_not_belong_together_are_refused(small: RunDirectory) -> None:
    small.write_scores(scores())
    small.conclude(run_record())
    with pytest.raises(UsageError, match=r"scores\.parquet has no row of \S+, which results\.json has"):
        render(small.path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"verdict": "is a copy"}, r"metrics\[0\]\.verdict: 'is a copy', expected 'separates' or "),
        ({"claim_verdict": "perhaps"}, r"metrics\[0\]\.claim_verdict: 'perhaps', expected 'holds' or "),
        ({"claim": replace(metric_result().claim, tpr=None)}, "the threshold claimed for .* has no rates"),
    ],
)
def test_results_that_no_analysis_gives_are_refused(
    small: RunDirectory, change: dict[str, object], said: str
) -> None:
    odd = replace(metric_result(), **change)  # type: ignore[arg-type]
    small.write_results(replace(small_results(), metrics=(odd,)))
    small.conclude(run_record())
    with pytest.raises(UsageError, match=rf"results\.json: .*{said}"):
        render(small.path)
