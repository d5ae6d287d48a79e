"""The command `lookalike`: the command line, whatever else is called benchmark, analysis or fpcore here.

A folder of the user's own may come first on the path, through PYTHONPATH or ``python -m``, and hold a module
with the name of one of ours. Such folders go behind the rest; worker processes are handed the same path.
"""

from __future__ import annotations

import sys
from importlib.machinery import PathFinder
from pathlib import Path

__all__ = ["main", "own_packages_first"]

HOME = Path(__file__).resolve().parent


def _hides_ours(folder: str) -> bool:
    """Whether a folder of the path holds a package or module, not ours, under one of our names."""
    for name in ("benchmark", "analysis", "fpcore"):
        found = PathFinder.find_spec(name, [folder])
        if found and found.origin and Path(found.origin).resolve().parent.parent != HOME:
            return True
    return False


def own_packages_first() -> None:
    """Put folders of the path that hold other modules of our names behind the rest."""
    hiding = [folder for folder in sys.path if _hides_ours(folder)]
    sys.path[:] = [folder for folder in sys.path if folder not in hiding] + hiding


def main() -> None:
    """Run the command line."""
    own_packages_first()
    from benchmark.cli.start import main as command_line

    command_line()


if __name__ == "__main__":
    main()
