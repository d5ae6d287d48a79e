"""Progress of long work, on stderr: a live bar on a terminal, plain lines elsewhere, nothing when quiet."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeElapsedColumn
from rich.table import Column
from rich.text import Text

__all__ = ["Advance", "Reporter"]

PLAIN_EVERY_SECONDS = 5.0
TITLE, BAR, TIME, GAPS = 12, 16, 8, 4
"""Columns of a terminal that a bar takes beside its numbers and words."""


class Advance(Protocol):
    """Tell how far a phase is: units done (and parts of one), units in all, and what was last finished."""

    def __call__(self, done: float, total: int, text: str, /) -> None:
        """Show `done` of `total` and `text`."""


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else f"{text[: max(0, room - 1)]}…"


class CountColumn(ProgressColumn):
    """How many of how many are done, and what they are."""

    def __init__(self, of: str) -> None:
        super().__init__(table_column=Column(no_wrap=True))
        self._of = of

    def render(self, task: Task) -> Text:
        """One task's numbers."""
        total = "?" if task.total is None else f"{int(task.total):,}"
        return Text(f"{int(task.completed):,}/{total} {self._of}".rstrip())


class Reporter:
    """Where a command says how far it is.

    Parameters
    ----------
    quiet : bool
        Say nothing at all (errors are not said here).
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self.quiet = quiet
        self.console = Console(stderr=True, quiet=quiet)
        self.live = not quiet and sys.stderr.isatty()

    def say(self, text: str) -> None:
        """One plain line."""
        if not self.quiet:
            print(text, file=sys.stderr, flush=True)

    @contextmanager
    def phase(self, title: str, of: str = "") -> Iterator[Advance]:
        """One phase of the work; yields the function that moves its bar.

        Parameters
        ----------
        title : str
            What is being done.
        of : str
            What is counted, such as pairs.
        """
        if self.live:
            with self._bar(of) as progress:
                task = progress.add_task(title, total=None, what="")

                def advance(done: float, total: int, text: str) -> None:
                    counted = f"{int(done):,}/{total:,} {of}"
                    room = self.console.width - max(TITLE, len(title)) - BAR - len(counted) - TIME - GAPS
                    progress.update(task, completed=done, total=total, what=_cut(text, room))

                yield advance
        else:
            yield self._plain(title, of)

    def _bar(self, of: str) -> Progress:
        return Progress(
            TextColumn(f"{{task.description:<{TITLE}}}"),
            BarColumn(bar_width=BAR),
            CountColumn(of),
            TimeElapsedColumn(),
            TextColumn("[dim]{task.fields[what]}"),
            console=self.console,
            refresh_per_second=8,
        )

    def _plain(self, title: str, of: str) -> Advance:
        begun = last = time.monotonic()

        def advance(done: float, total: int, text: str) -> None:
            nonlocal last
            now = time.monotonic()
            if done >= total or now - last >= PLAIN_EVERY_SECONDS:
                last = now
                counted = f"{int(done):,}/{total:,} {of}".rstrip()
                self.say(f"{title}: {counted} after {now - begun:.0f} s {text}".rstrip())

        return advance
