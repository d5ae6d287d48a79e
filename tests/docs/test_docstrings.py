"""Interactive examples give what they say, in docstrings and on pages; every public function has one."""

from __future__ import annotations

import doctest
import inspect
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.thorough

ROOT = Path(__file__).parents[2]
PACKAGES = ("analysis", "fpcore", "benchmark")
HERE = ("analysis", "benchmark")  # those of fpcore open models: tests/fpcore/test_examples.py has them
SLOW = {
    "benchmark.catalog.catalog",
    "benchmark.comparison.find_parents",
    "benchmark.evaluation.evaluate",
    "benchmark.leaderboards.runs_diff",
    "benchmark.pipeline.analyse",
    "benchmark.pipeline.plan",
    "benchmark.pipeline.run",
    "benchmark.pipeline.verify",
}
OPTIONS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def modules() -> list[Any]:
    """The modules whose text holds an example."""
    files = [file for package in HERE for file in (ROOT / package).rglob("*.py")]
    names = sorted(
        ".".join(file.relative_to(ROOT).with_suffix("").parts)
        for file in files
        if ">>> " in file.read_text(encoding="utf-8")
    )
    return [pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else []) for name in names]


@pytest.mark.parametrize("name", modules())
def test_examples_give_what_they_say(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOOKALIKE_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    failed, tried = doctest.testmod(import_module(name), optionflags=OPTIONS)
    assert tried
    assert not failed


@pytest.mark.parametrize("page", sorted((ROOT / "docs").rglob("*.md")), ids=lambda page: page.stem)
def test_interactive_examples_of_a_page_give_what_they_say(page: Path) -> None:
    text = "\n".join(re.findall(r"```pycon\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL))
    example = doctest.DocTestParser().get_doctest(text, {}, page.name, str(page), 0)
    failed, _ = doctest.DocTestRunner(optionflags=OPTIONS).run(example)
    assert not failed


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_function_has_an_example(package: str) -> None:
    shown = "\n".join(
        block
        for page in (ROOT / "docs").rglob("*.md")
        for block in re.findall(r"```(?:python|pycon)\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    )
    without = [
        name
        for name, function in functions(package).items()
        if ">>> " not in (inspect.getdoc(function) or "") and f"{package}.{name}(" not in shown
    ]
    assert not without


def functions(package: str) -> dict[str, object]:
    """What a package offers that can be called by name, classes apart."""
    module = import_module(package)
    public = getattr(module, "__all__", None) or [name for name in vars(module) if not name.startswith("_")]
    return {name: value for name in public if inspect.isfunction(value := getattr(module, name))}
