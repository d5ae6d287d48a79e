"""The site builds, every link leads somewhere, and every file and name that a page mentions is there."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from html.parser import HTMLParser
from importlib import import_module
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from benchmark.report.glossary import GLOSSARY, anchor

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
TEXTS = [
    *(name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")),
    *sorted(str(path.relative_to(ROOT)) for path in DOCS.rglob("*.md")),
]
FOLDERS = ("analysis", "fpcore", "benchmark", "studies", "tests", "docs")
FILE = re.compile(rf"(?:{'|'.join(FOLDERS)})/[\w./-]*")
NAME = re.compile(r"(?:analysis|fpcore|benchmark)(?:\.\w+)+")


def prose(page: str) -> str:
    return re.sub(r"```.*?```", "", (ROOT / page).read_text(encoding="utf-8"), flags=re.DOTALL)


@pytest.mark.parametrize("page", TEXTS)
def test_links_lead_to_files_that_are_there(page: str) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if not urlsplit(target).scheme and not target.startswith("#"):
            assert ((ROOT / page).parent / unquote(urlsplit(target).path)).exists(), f"{page}: {target}"


@pytest.mark.parametrize("page", TEXTS)
def test_files_and_names_in_backticks_are_there(page: str) -> None:
    for quoted in re.findall(r"`([^`\n]+)`", prose(page)):
        file = FILE.fullmatch(quoted.rstrip("/"))
        if file is not None and not any(word.isupper() for word in re.split(r"[/._]", quoted)):
            assert (ROOT / file[0]).exists(), f"{page}: {quoted}"
        name = NAME.match(quoted)
        if name is not None and "/" not in quoted and not quoted.endswith(".py"):
            assert exists(name[0]), f"{page}: {quoted}"


def exists(dotted: str) -> bool:
    """Whether a module, or something in one, has that name."""
    words = dotted.split(".")
    for cut in range(len(words), 0, -1):
        try:
            found: object = import_module(".".join(words[:cut]))
        except ImportError:
            continue
        for word in words[cut:]:
            if not hasattr(found, word):
                return False
            found = getattr(found, word)
        return True
    return False


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


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, Page]:
    """The pages of the site, built as strictly as `make docs` builds it."""
    if importlib.util.find_spec("furo") is None:
        pytest.skip("the docs extra is not installed")
    folder = tmp_path_factory.mktemp("site")
    sphinx = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html"]
    done = subprocess.run(
        [*sphinx, "-d", folder / "kept", DOCS, folder / "html"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    pages = {}
    for path in (folder / "html").rglob("*.html"):
        pages[path] = Page()
        pages[path].feed(path.read_text(encoding="utf-8"))
    return pages


@pytest.mark.slow
def test_every_page_is_in_the_site_and_every_link_in_it_leads_somewhere(site: dict[Path, Page]) -> None:
    assert len(site) > len(list(DOCS.rglob("*.md")))
    for path, page in site.items():
        for target in page.loads:
            assert not urlsplit(target).netloc, f"{path.name} loads {target} over the network"
        for target in [*page.links, *page.loads]:
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                continue
            file = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            assert file.exists(), f"{path.name}: {target}"
            if parts.fragment and file in site:
                assert unquote(parts.fragment) in site[file].anchors, f"{path.name}: {target}"


@pytest.mark.slow
def test_every_term_has_the_address_that_a_report_gives_it(site: dict[Path, Page]) -> None:
    (glossary,) = [page for path, page in site.items() if path.name == "glossary.html"]
    assert {anchor(term) for term in GLOSSARY} <= glossary.anchors


@pytest.mark.slow
def test_the_reference_has_every_verb_and_every_public_name(site: dict[Path, Page]) -> None:
    by_name = {path.parent.name + "/" + path.stem: page for path, page in site.items()}
    assert {"run", "evaluate", "compare", "catalog-check", "zoo-verify"} <= by_name[
        "reference/commands"
    ].anchors
    for package in ("analysis", "fpcore", "benchmark"):
        names = {f"{package}.{name}" for name in offered(package)}
        assert names
        assert names <= by_name[f"reference/{package}"].anchors


def offered(package: str) -> list[str]:
    """Functions and classes that a package itself offers, as its importers see them."""
    module = import_module(package)
    public = getattr(module, "__all__", None) or [name for name in vars(module) if not name.startswith("_")]
    values = {name: getattr(module, name) for name in public}
    return [
        name
        for name, value in values.items()
        if callable(value) and getattr(value, "__module__", "").startswith(package)
    ]
