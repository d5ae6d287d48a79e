"""Steps within a unit of work: what a metric says of its layers moves the bar of the phase."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from benchmark.pipeline.workspace import Workspace
from benchmark.session.progress import Advance

__all__ = ["watched"]

HALF: Final = 20
"""Steps after which a unit counts as half done: how many there will be, nobody says."""


@contextmanager
def watched(workspace: Workspace, advance: Advance, total: int) -> Iterator[Advance]:
    """Have the models that a workspace opens tell how far a metric is with them.

    Parameters
    ----------
    workspace : Workspace
        Of this process; it is told of steps that other processes of this machine make, too.
    advance : Advance
        Moves the bar of the phase.
    total : int
        Units.

    Yields
    ------
    Advance
        To be told of whole units.
    """
    units, steps = 0.0, 0

    def step(done: int, of: int, what: str) -> None:
        nonlocal steps
        steps += 1
        advance(units + steps / (steps + HALF), total, f"{what}: {done} of {of}")

    def whole(done: float, of: int, text: str) -> None:
        nonlocal units, steps
        units, steps = done, 0
        advance(done, of, text)

    workspace.told = step
    try:
        yield whole
    finally:
        workspace.told = None
