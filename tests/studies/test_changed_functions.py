"""What counts as changed, so that the mutants of a function run again."""

import subprocess
from pathlib import Path

import pytest

from studies.changed_functions import changed_functions, text_at

BEFORE = '''"""A module."""
import math
from os import path, sep

HALF = 0.5
"""A constant."""
QUARTER = HALF / 2


def area(r):
    """Say it."""
    return math.pi * r


def share():
    return QUARTER


def joined(a):
    return path.join(a)


class Point:
    x: float = HALF

    def double(self):
        return 2 * self.x

    @property
    def same(self):
        return self.x


def made():
    return Point()
'''
ALL = {"area", "share", "joined", "Point.double", "Point.same", "made"}


@pytest.mark.parametrize(
    ("before", "now", "changed"),
    [
        ("A module.", "Another text.", set()),
        ("Say it.", "Say something else.", set()),
        ("A constant.", "Half.", set()),
        ("r):", "r):  # why", set()),
        ("math.pi * r", "math.pi*r", set()),
        ("math.pi * r", "math.pi + r", {"area"}),
        ("def area(r)", "def area(r=1)", {"area"}),
        ("def area(r)", "def area(r: HALF) -> path", set()),
        ("    return math.pi", "    q: path = 1\\n    return math.pi", {"area"}),
        ("def area", "def field", {"field"}),
        # A constant reaches those that name it, those that name what is made from it, and a class with it.
        ("HALF = 0.5", "HALF = 0.6", {"share", "Point.double", "Point.same", "made"}),
        ("HALF / 2", "HALF / 3", {"share"}),
        ("x: float = HALF", "x: float = 0.5", {"Point.double", "Point.same", "made"}),
        ("class Point:", "class Point(tuple):", {"Point.double", "Point.same", "made"}),
        ("2 * self.x", "self.x * 2", {"Point.double"}),
        ("    @property\\n", "", {"Point.same"}),
        ("import math", "import numpy as math", {"area"}),
        ("path, sep", "path", set()),
        ("path, sep", "sep as path", {"joined"}),
        ("from os import", "from posix import", {"joined"}),
        # What is done on import, under no name, could change anything.
        ("HALF = 0.5", "HALF = 0.5\\nprint()", ALL),
    ],
)
def test_functions_that_a_change_reaches(before: str, now: str, changed: set[str]) -> None:
    before, now = before.replace("\\n", "\n"), now.replace("\\n", "\n")
    assert before in BEFORE
    assert changed_functions(BEFORE, BEFORE.replace(before, now)) == changed


def test_reads_a_file_as_it_was_at_a_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    git = ["git", "-c", "user.name=N", "-c", "user.email=n@example.org"]
    subprocess.run(["git", "init", "-q"], check=True)
    file = Path("module.py")
    file.write_text("A = 1\n")
    subprocess.run(["git", "add", "module.py"], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "first"], check=True)
    file.write_text("A = 2\n")
    assert text_at("HEAD", file) == "A = 1\n"
    with pytest.raises(subprocess.CalledProcessError):
        text_at("HEAD", Path("other.py"))
