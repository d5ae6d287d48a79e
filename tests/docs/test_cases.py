"""The case files: every number of the text stands in a block, every block matches what its command prints."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import command

from benchmark.catalog import load_catalog
from studies.case_files import blocks, differences, prose_numbers, written

FOLDER = Path(__file__).parents[2] / "docs" / "cases"
CASES = sorted(path.name for path in FOLDER.glob("*.md") if path.name != "index.md")
VERDICTS = ("stole", "theft", "plagiar", "copied from", "guilty", "cheat", "innocent", "obviously", "clearly")


def numbers(text: str) -> set[float]:
    """Every decimal number of an output, and whole ones that stand where scores do."""
    found = set()
    for word in text.replace("(", " ").replace(")", " ").replace(",", " ").split():
        try:
            found.add(float(word.rstrip(".;:")))
        except ValueError:
            continue
    return found


@pytest.mark.parametrize("name", CASES)
def test_every_number_of_the_text_stands_in_a_block(name: str) -> None:
    page = (FOLDER / name).read_text(encoding="utf-8")
    shown = list(blocks(page))
    assert shown
    printed = numbers("\n".join(output for _, output in shown))
    # 0.9 is the line of the authors, quoted with their claim in the catalog.
    missing = {number for number in prose_numbers(page) if float(number) not in printed | {0.9}}
    assert not missing


@pytest.mark.parametrize("name", CASES)
def test_a_case_has_both_sides_and_an_end_and_calls_nobody_names(name: str) -> None:
    page = (FOLDER / name).read_text(encoding="utf-8")
    for heading in ("## What both sides say", "## What each metric can show, and what not", "settle"):
        assert heading in page
    assert not [word for word in VERDICTS if word in page.lower()]


def test_a_changed_number_is_found_and_written_anew() -> None:
    page = "It is 0.5.\n\n```sh\npython -m benchmark power\n```\n\n```none\nscore 0.5\n```\n"

    def run(words: list[str]) -> str:
        assert words == ["power"]
        return "score 0.6"

    assert differences(page, run) == ["power"]
    assert differences(written(page, run), run) == []
    assert "score 0.6" in written(page, run)
    part = page.replace("score 0.5", "…\nscore 0.6\n…")
    assert differences(part, lambda words: "a\nscore 0.6\nb") == []
    assert differences(part, lambda words: "a\nb") == ["power"]
    assert prose_numbers(page) == {"0.5"}
    assert prose_numbers("of [0.7](https://a.b/1.2) and arXiv:2507.03014, `0.3`, v1.2.3, -0.25.") == {
        "0.7",
        "-0.25",
    }


def test_every_block_is_what_its_command_prints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = load_catalog()  # once for all commands: it takes seconds
    monkeypatch.setattr("benchmark.catalog.load_catalog", lambda path=None: loaded)

    def run(words: list[str]) -> str:
        said = command(*words, cache=tmp_path)
        assert said.code == 0, said.err
        return said.out.rstrip("\n")

    for name in CASES:
        assert differences((FOLDER / name).read_text(encoding="utf-8"), run) == [], name
