"""Steps of units that other processes do: noted in files, and told here."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Protocol, TypeAlias, runtime_checkable

__all__ = ["StepNote", "Telling", "listening"]

NOTE_SECONDS: Final = 1.0
"""Between two notes of a unit, and between two looks at all of them."""

Told: TypeAlias = Callable[[int, int, str], None]


@runtime_checkable
class Telling(Protocol):
    """What units share, where it can tell of steps of the work on one."""

    told: Told | None


class StepNote:
    """The note of one unit: there from its beginning to its end, with the last step that was told.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self._path, self._noted = path, 0.0
        path.touch()

    def __call__(self, done: int, of: int, what: str) -> None:
        """Note a step; of many in one second the first."""
        if time.monotonic() - self._noted >= NOTE_SECONDS:
            with suppress(OSError):  # it moves a bar; a full disk is nothing for the metric to fail of
                self._path.write_text(f"{done} {of} {what}", encoding="utf-8")
            self._noted = time.monotonic()

    def end(self) -> None:
        """The unit is done."""
        self._path.unlink(missing_ok=True)


@contextmanager
def listening(folder: Path, here: object) -> Iterator[None]:
    """Tell of the steps that other processes note in a folder, as if they were made here.

    Parameters
    ----------
    folder : Path
    here : object
        What units share in this process; nothing is told unless it is `Telling`.
    """
    ended = threading.Event()

    def listen(state: Telling) -> None:
        last: dict[Path, str] = {}
        while not ended.wait(NOTE_SECONDS):
            for path in sorted(folder.iterdir()):
                with suppress(OSError, ValueError):  # it may be gone, or half written
                    text = path.read_text(encoding="utf-8")
                    done, of, what = text.split(" ", 2)
                    if last.get(path) != text and state.told is not None:
                        last[path] = text
                        state.told(int(done), int(of), what)

    if not isinstance(here, Telling):
        yield
        return
    listener = threading.Thread(target=listen, args=(here,), daemon=True)
    listener.start()
    try:
        yield
    finally:
        ended.set()
        listener.join()
