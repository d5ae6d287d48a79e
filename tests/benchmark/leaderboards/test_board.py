"""Several runs side by side: ranked on the same pairs, beside each other with the reason elsewhere."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from altered_run import signed_again
from conftest import Evaluated, command
from small_catalog import write_catalog
from test_browser import CHROMIUM, Browser

import analysis
from benchmark.leaderboards.board import Board, leaderboard
from benchmark.leaderboards.board_text import board_html

BASELINES = {"config-match", "attention-std", "qkv-bias-std", "weight-cosine"}


@pytest.fixture(scope="module")
def second(evaluated: Evaluated, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on the same catalog: one metric again, one that the first run does not have."""
    out = tmp_path_factory.mktemp("second") / "later"
    said = command(
        "run", "--catalog", evaluated.catalog, "--metrics", "weight-cosine,ffn-std", "--out", out, "--quiet",
        "--workers", 1, cache=evaluated.cache,
    )  # fmt: skip
    assert said.code == 0, said.err
    return out


@pytest.fixture(scope="module")
def stranger(evaluated: Evaluated, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on another catalog."""
    folder = tmp_path_factory.mktemp("stranger")
    (folder / "models").mkdir()
    catalog = write_catalog(folder / "models", founders=4, children=1)
    said = command(
        "run", "--catalog", catalog, "--metrics", "weight-cosine", "--out", folder / "run", "--quiet",
        "--workers", 1, cache=evaluated.cache,
    )  # fmt: skip
    assert said.code == 0, said.err
    return folder / "run"


@pytest.fixture(scope="module")
def board(evaluated: Evaluated, second: Path, stranger: Path) -> Board:
    return leaderboard([str(evaluated.run), second, stranger])


def test_one_entry_a_metric_where_runs_agree(board: Board) -> None:
    entries = {entry.name: entry for entry in board.entries}
    assert {entry.metric for entry in board.entries} == {*BASELINES, "my-metric", "ffn-std"}
    assert len(entries) == 7
    shared = [entry for entry in board.entries if entry.metric == "weight-cosine" and entry.rank]
    assert len(shared) == 1
    assert len(shared[0].runs) == 2


def test_ranks_are_those_of_the_paired_tests(board: Board) -> None:
    ranked = [entry for entry in board.entries if entry.rank is not None]
    names = [entry.name for entry in ranked]
    assert len(board.comparisons) == len(names) * (len(names) - 1) // 2
    expected = {rank.metric: rank for rank in analysis.ranks(names, board.comparisons, board.level)}
    for entry in ranked:
        assert (entry.rank.best, entry.rank.worst) == (expected[entry.name].best, expected[entry.name].worst)
        assert set(entry.rank.beaten_by) == set(expected[entry.name].beaten_by)
    # Shape alone is a coin here: it is beaten, and by a separated difference.
    coin = next(entry for entry in ranked if entry.metric == "config-match")
    assert coin.rank is not None
    assert coin.rank.beaten_by
    assert coin.rank.best > 1


def test_a_comparison_across_runs_is_the_paired_one(board: Board, evaluated: Evaluated, second: Path) -> None:
    tables = [
        analysis.ScoreTable(frame[frame["metric"] == metric])
        for path, metric in ((evaluated.run, "attention-std"), (second, "ffn-std"))
        for frame in [pd.read_parquet(path / "scores.parquet")]
    ]
    expected = analysis.compare_metrics(*tables)
    found = next(
        one for one in board.comparisons if {one.metric_a, one.metric_b} == {"attention-std", "ffn-std"}
    )
    assert found.difference == expected.difference
    assert found.p_value == expected.p_value
    assert found.adjusted_p_value >= found.p_value


def test_comparisons_of_one_run_are_taken_from_it(evaluated: Evaluated) -> None:
    results = json.loads((evaluated.run / "results.json").read_text())
    known = {(one["metric_a"], one["metric_b"]): one for one in results["comparisons"]}
    alone = leaderboard([evaluated.run])
    assert alone.comparisons
    for one in alone.comparisons:
        assert known[one.metric_a, one.metric_b]["difference"]["estimate"] == one.difference.estimate


def test_what_cannot_be_ranked_stands_beside_with_its_reason(board: Board, stranger: Path) -> None:
    beside = {entry.name: entry for entry in board.entries if entry.rank is None}
    assert beside["qkv-bias-std"].reason
    (other,) = (entry for entry in beside.values() if "models differ" in entry.reason)
    assert other.metric == "weight-cosine"
    assert other.runs == (str(stranger),) or other.runs == (stranger.name,)
    assert [entry.rank is None for entry in board.entries] == sorted(
        entry.rank is None for entry in board.entries
    )


def reweigh(run: dict[str, Any], scores: pd.DataFrame) -> pd.DataFrame:
    run["models"]["f0c0"]["digest"] = "0" * 64
    return scores


def relabel(run: dict[str, Any], scores: pd.DataFrame) -> pd.DataFrame:
    pair = scores["model_a"].eq("f0") & scores["model_b"].eq("f1")
    return scores.assign(relation=scores["relation"].mask(pair, "disputed"))


def join(run: dict[str, Any], scores: pd.DataFrame) -> pd.DataFrame:
    ends = {end: scores[end].replace({"f1": "f0"}) for end in ("lineage_a", "lineage_b")}
    return scores.assign(**ends)


def drop(run: dict[str, Any], scores: pd.DataFrame) -> pd.DataFrame:
    return scores[~(scores["model_a"].eq("f0") & scores["model_b"].eq("f0c0"))]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (reweigh, "weights differ .*: f0c0"),
        (relabel, "labels differ .*: f0 – f1 is disputed here, independent there"),
        (join, "labels differ .*: f0 – f1 is of one lineage here, of two there"),
        (drop, "derived pairs differ .*: only one of them has f0 – f0c0"),
    ],
)
def test_other_weights_or_labels_are_not_ranked(
    evaluated: Evaluated, second: Path, tmp_path: Path, change: Callable[..., pd.DataFrame], said: str
) -> None:
    other = tmp_path / "changed"
    shutil.copytree(second, other)
    run = json.loads((other / "run.json").read_text())
    change(run, pd.read_parquet(other / "scores.parquet")).to_parquet(other / "scores.parquet")
    (other / "run.json").write_text(json.dumps(run))
    signed_again(other)
    entry = next(one for one in leaderboard([evaluated.run, other]).entries if one.metric == "ffn-std")
    assert entry.rank is None
    assert re.search(said, entry.reason), entry.reason


class Text(HTMLParser):
    """The text of a page and what it would load."""

    def __init__(self) -> None:
        super().__init__()
        self.text: list[str] = []
        self.loads: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.loads += [value or "" for name, value in attrs if name in {"src", "href"}]

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_terminal_json_page_and_markdown_say_the_same(
    evaluated: Evaluated, second: Path, stranger: Path, tmp_path: Path
) -> None:
    runs = (evaluated.run, second, stranger)
    said = command("leaderboard", *runs, "--out", tmp_path / "b.html", cache=evaluated.cache)
    assert said.code == 0, said.err
    assert "Reason: models differ from the first run" in " ".join(said.out.split())
    told = command("leaderboard", *runs, "--json", "--quiet", cache=evaluated.cache)
    value = json.loads(told.out)
    assert told.err == ""
    assert value["schema"] == 1
    names = [entry["name"] for entry in value["entries"]]
    page = Text()
    page.feed((tmp_path / "b.html").read_text())
    assert not page.loads
    assert command("leaderboard", *runs, "--out", tmp_path / "b.md", cache=evaluated.cache).code == 0
    assert command("leaderboard", *runs, "--out", tmp_path / "b.json", cache=evaluated.cache).code == 0
    markdown = (tmp_path / "b.md").read_text()
    for name in names:
        assert name in " ".join(page.text)
        assert f"| {name} |" in markdown
    for words in ("Forgery and laundering", "Certified FPR", "Rank", "Pairwise differences"):
        assert words in markdown
        assert words in " ".join(page.text)
    assert json.loads((tmp_path / "b.json").read_text()) == value


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")
def test_the_page_shows_every_figure_at_every_width(board: Board, tmp_path: Path) -> None:
    page = tmp_path / "board.html"
    page.write_text(board_html(board), encoding="utf-8")
    browser = Browser(tmp_path / "profile")
    try:
        for width in (400, 700, 1000, 1280, 1600):
            browser.open(page, width, dark=width == 700)
            assert not browser.complaints
            browser.js("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
            assert browser.js("document.documentElement.scrollWidth") <= width
            # No cell is wider than its box, or lies beyond the edge of the window.
            cut = f"""[...document.querySelectorAll('td, tbody th, p, li, summary')].filter((one) => {{
                const box = one.getBoundingClientRect();
                return one.scrollWidth > one.clientWidth + 1 && one.clientWidth || box.right > {width} + 0.5;
            }}).map((one) => one.textContent)"""
            assert browser.js(cut) == []
            heads = "[...document.querySelectorAll('.board td')].filter((one) => !one.dataset.label).length"
            assert browser.js(heads) == 0
    finally:
        browser.close()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nowhere",), "nowhere: no run.json"),
        (("RUN", "RUN"), "is given twice"),
        (("RUN", "--out", "board.pdf"), "board.pdf"),
    ],
)
def test_bad_use_is_one_line(evaluated: Evaluated, arguments: tuple[str, ...], said: str) -> None:
    typed = [str(evaluated.run) if word == "RUN" else word for word in arguments]
    ended = command("leaderboard", *typed, "--quiet", cache=evaluated.cache)
    assert ended.code == 2
    (line,) = ended.err.splitlines()
    assert line.startswith("error: ")
    assert said in line
