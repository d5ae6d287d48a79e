"""The first thing that a command does: from here on a signal ends it in one way, while it imports, too."""

from __future__ import annotations

import sys

from benchmark.cli.exits import INTERRUPTED
from benchmark.cli.interrupts import interruptible

__all__ = ["main"]


def main() -> None:
    """Run the command line, and exit with its code."""
    with interruptible() as farewell:
        try:
            from benchmark.cli.app import run_command  # takes a moment

            code = run_command()
        except KeyboardInterrupt:
            code = INTERRUPTED
        if code == INTERRUPTED:
            farewell.say()
        sys.exit(code)
