"""The documentation tells the truth: its examples run, its links lead somewhere, its site builds."""

from __future__ import annotations

import importlib.util
import re
import shlex
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import matplotlib as mpl
import pytest
import yaml
from conftest import command
from matplotlib import pyplot

from benchmark.evaluation.gates import QUANTITIES, parse_gates

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)

mpl.use("Agg")


def blocks(page: str, *languages: str) -> list[tuple[str, str]]:
    """The examples of a page, in order."""
    return [
        (language, text)
        for language, text in BLOCK.findall((DOCS / page).read_text(encoding="utf-8"))
        if language in languages
    ]


class Reader:
    """Types what a page says, from top to bottom, in one folder and one Python."""

    def __init__(self, cache: Path) -> None:
        self.cache = cache
        self.names: dict[str, object] = {}
        self.said: list[str] = []

    def follow(self, page: str) -> None:
        """Run every shell and Python example; the page is named where one fails."""
        for language, text in blocks(page, "sh", "python"):
            if language == "python":
                exec(compile(text, f"docs/{page}", "exec"), self.names)
            else:
                for line in text.replace("\\\n", " ").splitlines():
                    self.type(line, page)

    def type(self, line: str, page: str) -> None:
        """One shell line, which must be a command of ours."""
        python, m, package, *arguments = shlex.split(line)
        assert (python, m, package) == ("python", "-m", "benchmark"), line
        said = command(*arguments, cache=self.cache)
        assert said.code == 0, f"docs/{page}: {line}\n{said.err}"
        self.said.append(said.out)


def test_tutorial_and_python_page_run_as_they_stand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lineage_catalog.yaml").symlink_to(ROOT / "lineage_catalog.yaml")
    reader = Reader(tmp_path / "cache")
    reader.follow("tutorial.md")
    told = capsys.readouterr().out
    # What the text around the examples says of their results.
    row = reader.names["run"].metrics.loc["config-match"]  # type: ignore[attr-defined]
    assert row["look_alike_auc"] == 0.5
    over, naive = map(float, re.findall(r"over lineages ([\d.]+) wide.* independent ([\d.]+)", told)[0])
    assert over > naive
    assert "False - " in told
    assert "lineages" in told.split("False - ")[1]
    for path in ("runs/first/report.html", "runs/mine/card.md", "runs/table/results.json"):
        assert (tmp_path / path).is_file(), path
    reader.follow("python.md")
    assert (tmp_path / "attention-std.svg").is_file()
    reader.follow("builds.md")
    pyplot.close("all")


def test_snippets_of_the_build_page_are_sound() -> None:
    documents = [yaml.safe_load(text) for _, text in blocks("builds.md", "yaml")]
    action, *hooks = documents
    typed = next(step["run"] for step in action["jobs"]["gate"]["steps"] if "evaluate" in step.get("run", ""))
    gates = re.findall(r"--gate (\S+)", typed)
    assert len(parse_gates(gates)) == 3
    named = re.findall(r"`([a-z_@.]+)=X`", (DOCS / "builds.md").read_text(encoding="utf-8"))
    assert set(named) == set(QUANTITIES)
    (ours,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    assert all(hook["id"] == ours["id"] for file in hooks for repo in file["repos"] for hook in repo["hooks"])
    for pattern in (ours["files"], hooks[0]["repos"][0]["hooks"][0]["files"]):
        assert re.search(pattern, "lineage_catalog.yaml")
        assert re.search(pattern, "data/lineage_catalog.yml")
        assert not re.search(pattern, "lineage_catalog.schema.json")


def test_a_readme_action_names_what_exists() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    documents = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)]
    assert documents
    gates = re.findall(r"--gate (\S+)", text)
    assert gates
    assert parse_gates(gates)


@pytest.mark.parametrize("page", ["README.md", *(str(path.relative_to(ROOT)) for path in DOCS.rglob("*.md"))])
def test_links_lead_to_files_that_are_there(page: str) -> None:
    text = re.sub(r"```.*?```", "", (ROOT / page).read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not urlsplit(target).scheme and not target.startswith("#"):
            assert ((ROOT / page).parent / unquote(urlsplit(target).path)).exists(), f"{page}: {target}"


class Page(HTMLParser):
    """What a page links to, what it loads, and the anchors it has."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.anchors: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        elif tag in {"script", "img", "link", "iframe"} and (given.get("src") or given.get("href")):
            self.loads.append(given.get("src") or given["href"])


@pytest.mark.skipif(importlib.util.find_spec("furo") is None, reason="the docs extra is not installed")
def test_site_builds_strictly_and_every_link_in_it_leads_somewhere(tmp_path: Path) -> None:
    site = tmp_path / "site"
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "sphinx",
            "-W",
            "--keep-going",
            "-q",
            "-b",
            "html",
            "-d",
            tmp_path / "kept",
            DOCS,
            site,
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    pages = {}
    for path in site.rglob("*.html"):
        pages[path] = Page()
        pages[path].feed(path.read_text(encoding="utf-8"))
    assert len(pages) > len(list(DOCS.glob("*.md")))
    for path, page in pages.items():
        for target in page.loads:
            assert not urlsplit(target).netloc, f"{path.name} loads {target} over the network"
        for target in [*page.links, *page.loads]:
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                continue
            file = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            assert file.exists(), f"{path.name}: {target}"
            if parts.fragment and file in pages:
                assert unquote(parts.fragment) in pages[file].anchors, f"{path.name}: {target}"
