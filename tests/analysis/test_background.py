"""Work in the background gives what it gives, and holds up nobody who is interrupted."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from analysis.background import in_background

ENDLESS = """
import threading
from unittest.mock import patch
import analysis
tables = [analysis.example_table(name, n_lineages=4) for name in ("a", "b")]

def interrupted(done):
    raise KeyboardInterrupt

endless = lambda *_, **__: threading.Event().wait()
with patch("analysis.full_analysis.separation_tests", endless):
    analysis.analyse(tables, n_resamples=99, n_bootstrap=20, told=interrupted)
"""


def test_it_gives_what_the_work_gives() -> None:
    assert in_background(lambda: [1, 2]).result() == [1, 2]
    with pytest.raises(ZeroDivisionError):
        in_background(lambda: 1 // 0).result()


def test_the_end_of_the_process_does_not_wait_for_it() -> None:
    enough = threading.Event()
    found = in_background(enough.wait)
    (thread,) = (one for one in threading.enumerate() if one.name == "background")
    assert thread.daemon
    assert not found.done()
    enough.set()
    assert found.result()


def test_an_interrupted_analysis_ends_though_its_tests_have_not() -> None:
    """In a process of its own: it is the end of the interpreter that would wait."""
    ended = subprocess.run(
        [sys.executable, "-c", ENDLESS],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.stderr.rstrip().endswith("KeyboardInterrupt")
