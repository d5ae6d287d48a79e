"""The documentation tells the truth: what its pages say to type runs as it stands."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import matplotlib as mpl
import pytest
import typer
import yaml
from command_line import command
from matplotlib import pyplot

from benchmark.cli.app import app
from benchmark.evaluation.gates import QUANTITIES, parse_gates

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
RUN = ("sh", "python")  # languages of examples that run; `text` and `py` are read only

# In this order, as a reader would: later pages use what earlier ones made.
FOLLOWED = (
    "tutorial/ten-minutes.md",
    "how-to/python.md",
    "how-to/compare-models.md",
    "how-to/check-a-claim.md",
    "how-to/guard-a-build.md",
    "how-to/extend-the-catalog.md",
    "reference/score-tables.md",
    "reference/results-json.md",
    "reference/run-json.md",
    "reference/run-directory.md",
)
NOT_FOLLOWED = {
    "how-to/judge-other-tools.md": "installs other people's packages",
    "explanation/case-real-scores.md": "needs a table that is not part of this project",
    "cases/pangu-qwen.md": "typed by test_cases.py",
    "cases/pythia-twin.md": "typed by test_cases.py",
    "cases/solar-glm.md": "typed by test_cases.py",
}
PAGES = sorted(str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md"))

mpl.use("Agg")


def blocks(page: Path, *languages: str) -> list[tuple[str, str]]:
    """The code of a page, in order; all of it where no language is named."""
    found = BLOCK.findall(page.read_text(encoding="utf-8"))
    return [(language, text) for language, text in found if language in languages or not languages]


def lines(text: str) -> list[list[str]]:
    """The words of each command, comments and continued lines put right."""
    joined = text.replace("\\\n", " ").splitlines()
    return [words for line in joined if (words := shlex.split(line, comments=True))]


def arguments(words: list[str]) -> list[str] | None:
    """What is typed after the name of the program; None if it is another program."""
    if words[:3] == ["python", "-m", "benchmark"]:
        return words[3:]
    return words[1:] if words[0] == "lookalike" else None


class Reader:
    """Types what a page says, from top to bottom, in one folder and one Python."""

    def __init__(self, cache: Path) -> None:
        self.cache = cache
        self.names: dict[str, object] = {}

    def follow(self, page: Path) -> None:
        """Run every shell and Python example; the page is named where one fails."""
        for language, text in blocks(page, *RUN):
            if language == "python":
                exec(compile(text, str(page), "exec"), self.names)
            else:
                for words in lines(text):
                    self.type(words, page)

    def type(self, words: list[str], page: Path) -> None:
        """One shell line, which must be a command of ours."""
        typed = arguments(words)
        assert typed is not None, f"{page.name}: {words}"
        said = command(*typed, cache=self.cache)
        assert said.code == 0, f"{page.name}: {' '.join(words)}\n{said.err}"


@pytest.mark.slow
def test_pages_run_as_they_stand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOOKALIKE_CACHE", str(tmp_path / "cache"))  # for what is called from Python
    (tmp_path / "lineage_catalog.yaml").symlink_to(ROOT / "lineage_catalog.yaml")
    reader = Reader(tmp_path / "cache")
    tutorial, *others = FOLLOWED
    reader.follow(DOCS / tutorial)
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
    for page in others:
        reader.follow(DOCS / page)
    for path in ("attention-std.svg", "case.html"):
        assert (tmp_path / path).is_file(), path
    pyplot.close("all")


@pytest.mark.parametrize("page", PAGES)
def test_a_page_with_examples_is_followed(page: str) -> None:
    if blocks(DOCS / page, *RUN):
        assert page in FOLLOWED or page in NOT_FOLLOWED, f"{page}: add it to FOLLOWED, or write `text`"


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", *(f"docs/{page}" for page in PAGES)])
def test_verbs_and_options_exist_wherever_they_are_named(page: str) -> None:
    for language, text in blocks(ROOT / page):
        if language in {"sh", "text"}:
            for words in lines(text):
                if (typed := arguments(words)) is not None:
                    parse(typed)


def parse(typed: list[str]) -> None:
    """Read a command line as the program would, and do nothing."""
    here = typer.main.get_command(app)
    while typed and typed[0] in getattr(here, "commands", {}):
        here, typed = here.commands[typed[0]], typed[1:]  # type: ignore[attr-defined]
    assert not hasattr(here, "commands"), f"{typed} is no verb"
    here.make_context("lookalike", list(typed))


def test_snippets_of_the_build_page_are_sound() -> None:
    page = DOCS / "how-to" / "guard-a-build.md"
    documents = [yaml.safe_load(text) for _, text in blocks(page, "yaml")]
    action, *hooks = documents
    typed = next(step["run"] for step in action["jobs"]["gate"]["steps"] if "evaluate" in step.get("run", ""))
    gates = re.findall(r"--gate (\S+)", typed)
    assert len(parse_gates(gates)) == 3
    parse(arguments(shlex.split(typed.split(" > ")[0])) or [])
    named = re.findall(r"`([a-z_@.]+)=X`", page.read_text(encoding="utf-8"))
    assert set(named) == set(QUANTITIES)
    (ours,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    assert all(hook["id"] == ours["id"] for file in hooks for repo in file["repos"] for hook in repo["hooks"])
    for pattern in (ours["files"], hooks[0]["repos"][0]["hooks"][0]["files"]):
        assert re.search(pattern, "lineage_catalog.yaml")
        assert re.search(pattern, "data/lineage_catalog.yml")
        assert not re.search(pattern, "lineage_catalog.schema.json")
