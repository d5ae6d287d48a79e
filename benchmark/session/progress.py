"""Progress of long work, on stderr: a live bar on a terminal, plain lines elsewhere, nothing when quiet."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

__all__ = ["Advance", "Reporter"]

PLAIN_EVERY_SECONDS = 5.0


class Advance(Protocol):
    """Tell how far a phase is: units done (and parts of one), units in all, and what was last finished."""

    def __call__(self, done: float, total: int, text: str, /) -> None:
        """Show `done` of `total` and `text`."""


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
    def phase(self, title: str) -> Iterator[Advance]:
        """One phase of the work; yields the function that moves its bar."""
        if self.live:
            with self._bar() as progress:
                task = progress.add_task(title, total=None, what="")

                def advance(done: float, total: int, text: str) -> None:
                    progress.update(task, completed=done, total=total, what=text)

                yield advance
        else:
            yield self._plain(title)

    def _bar(self) -> Progress:
        return Progress(
            TextColumn("{task.description:<12}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("[dim]{task.fields[what]}"),
            console=self.console,
            refresh_per_second=8,
        )

    def _plain(self, title: str) -> Advance:
        begun = last = time.monotonic()

        def advance(done: float, total: int, text: str) -> None:
            nonlocal last
            now = time.monotonic()
            if done >= total or now - last >= PLAIN_EVERY_SECONDS:
                last = now
                self.say(f"{title}: {int(done)}/{total} after {now - begun:.0f} s {text}".rstrip())

        return advance
