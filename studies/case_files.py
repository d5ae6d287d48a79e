"""The numbers of the case files: every block of output beside the command that prints it.

``python -m studies.case_files`` types each command of docs/cases and compares what it prints with the block
behind it; exit code 1 where one differs. With ``--write`` the blocks are written anew. A block with a line
``…`` shows a part: its lines must stand in the output, in order.
"""

from __future__ import annotations

import argparse
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

__all__ = ["blocks", "differences", "prose_numbers", "run_in_shell", "written"]

PAGES: Final = Path(__file__).parents[1] / "docs" / "cases"
BLOCK: Final = re.compile(r"```sh\n(?P<command>[^`]*?)\n```\n\n```none\n(?P<output>.*?)\n```", re.DOTALL)
NUMBER: Final = re.compile(r"(?<![\w.:/-])-?\d*\.\d+(?![\w.]*\d)")
Run = Callable[[list[str]], str]


def blocks(page: str) -> Iterator[tuple[list[str], str]]:
    """The commands of a page, as typed after the program's name, and the output that the page shows."""
    for found in BLOCK.finditer(page):
        words = shlex.split(found["command"].replace("\\\n", " "))
        yield words[3:], found["output"]


def differences(page: str, run: Run) -> list[str]:
    """Commands whose output is not what the page shows."""
    return [" ".join(words) for words, shown in blocks(page) if not _holds(run(words), shown)]


def written(page: str, run: Run) -> str:
    """The page with every whole block as its command prints it today; parts are left to a person."""

    def again(found: re.Match[str]) -> str:
        words = shlex.split(found["command"].replace("\\\n", " "))[3:]
        if "…" in found["output"].splitlines():
            return found[0]
        return f"```sh\n{found['command']}\n```\n\n```none\n{run(words).rstrip()}\n```"

    return BLOCK.sub(again, page)


def prose_numbers(page: str) -> set[str]:
    """Decimal numbers that a page says outside its blocks, links and code."""
    prose = re.sub(r"```.*?```", "", page, flags=re.DOTALL)
    prose = re.sub(r"\]\([^)]*\)|`[^`]*`|arXiv:[\d.]+|doi:\S+|https?://\S+", "", prose)
    return set(NUMBER.findall(prose))


def _holds(printed: str, shown: str) -> bool:
    lines, at = [line.rstrip() for line in printed.splitlines()], 0
    if "…" not in shown.splitlines():
        return lines == [line.rstrip() for line in shown.splitlines()]
    for line in (line.rstrip() for line in shown.splitlines() if line != "…"):
        if line not in lines[at:]:
            return False
        at = lines.index(line, at) + 1
    return True


def run_in_shell(words: list[str]) -> str:
    """What a command prints."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmark", *words], capture_output=True, text=True, check=True
    )
    return done.stdout.rstrip("\n")


def main() -> None:
    """Compare, or write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--write", action="store_true", help="rewrite the blocks")
    write = parser.parse_args().write
    differ = []
    for path in sorted(PAGES.glob("*.md")):
        page = path.read_text(encoding="utf-8")
        if write:
            path.write_text(written(page, run_in_shell), encoding="utf-8")
        else:
            differ += [f"{path.name}: {command}" for command in differences(page, run_in_shell)]
    print("\n".join(differ) or "every block matches what its command prints")
    sys.exit(bool(differ))


if __name__ == "__main__":
    main()
