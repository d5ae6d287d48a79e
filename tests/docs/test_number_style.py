"""One number style wherever people read: 0.975, 5%, 5,990."""

from __future__ import annotations

import re
from html import unescape
from io import StringIO
from pathlib import Path

import pytest
from command_line import command
from rich.console import Console
from test_report_fixture import made_page, results, run, scores

import fpcore
from benchmark.report import markdown, verdict_table
from benchmark.report.glossary import GLOSSARY

ROOT = Path(__file__).parents[2]
ANOTHER_STYLE = re.compile(
    r"(?<![\w.\\])\.\d"  # .975
    r"|\d[ \N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}\N{THIN SPACE}]%"  # 5 %
    r"|\d[\N{NARROW NO-BREAK SPACE}\N{THIN SPACE}]\d"  # 5 990
)
NOT_PROSE = re.compile(r"^```.*?^```|`[^`\n]*`|\]\([^)]*\)|https?://\S+", re.DOTALL | re.MULTILINE)
PAGES = sorted(
    str(path.relative_to(ROOT))
    for path in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"))
    if path.name != "CHANGELOG.md"
)


def otherwise(text: str) -> list[str]:
    """Numbers in another style, each with what stands around it."""
    return [text[max(found.start() - 30, 0) : found.end() + 10] for found in ANOTHER_STYLE.finditer(text)]


def seen(html: str) -> str:
    """The words of a page: its elements without scripts, styles and drawings' coordinates."""
    bare = re.sub(r"<(script|style)\b.*?</\1>", " ", html, flags=re.DOTALL)
    tips = " ".join(re.findall(r'(?:title|aria-label|data-tip|content)="([^"]*)"', bare))
    return unescape(re.sub(r"<[^>]*>", " ", bare) + tips)


def test_what_is_refused() -> None:
    assert len(otherwise("AUC .975 and -.2, 5 % and 5\N{NARROW NO-BREAK SPACE}990")) == 4
    assert otherwise("AUC 0.975, 5%, 5,990, v1.2.3, x.2, report.html, [0.9, 1.0]") == []


@pytest.mark.parametrize("name", PAGES)
def test_pages(name: str) -> None:
    assert otherwise(NOT_PROSE.sub(" ", (ROOT / name).read_text(encoding="utf-8"))) == []


def test_the_report() -> None:
    assert otherwise(seen(made_page())) == []
    assert otherwise(markdown(run(), results(), scores())) == []


def test_what_a_run_prints() -> None:
    stream = StringIO()
    Console(file=stream, width=80, color_system=None).print(verdict_table(results()))
    assert otherwise(stream.getvalue()) == []


@pytest.mark.parametrize("arguments", [("power",), ("metrics",), ("run", "--help"), ("compare", "--help")])
def test_what_commands_print(arguments: tuple[str, ...], tmp_path: Path) -> None:
    said = command(*arguments, cache=tmp_path)
    assert said.code == 0
    assert otherwise(said.out) == []


def test_what_the_project_says_of_terms_and_metrics() -> None:
    texts = [*GLOSSARY.values()]
    for metric in fpcore.metrics():
        texts += [metric.title, *(claim.text for claim in metric.claims)]
    assert otherwise("\n".join(texts)) == []


def test_the_catalog() -> None:
    text = (ROOT / "lineage_catalog.yaml").read_text(encoding="utf-8")
    assert otherwise(re.sub(r"https?://\S+", " ", text)) == []
