"""``cache info|clear``: what is kept of work done, and how to be rid of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from benchmark.cli.options import Json
from benchmark.cli.printing import print_json
from benchmark.cli.verb_help import Verb

if TYPE_CHECKING:
    from benchmark.session.cache import CacheInfo

__all__ = ["app"]

app = typer.Typer(
    help="Show or clear the cache of fingerprints, scores, results, figures and calibrations.",
    no_args_is_help=True,
)


@app.command("info", cls=Verb)
def cache_info(json_: Json = False) -> None:
    """Show where the cache is and what it holds."""
    from benchmark.session.session import Session

    info = Session.start().cache.info()
    if json_:
        print_json(_plain(info))
    else:
        print(f"{info.path}\n{_table(info)}\nKept between runs: at most {_size(info.limit)}.")


@app.command("clear", cls=Verb, short_help="Delete the contents of the cache.")
def cache_clear(json_: Json = False) -> None:
    """Delete the contents of the cache; the next run recomputes them, with the same results."""
    from benchmark.session.session import Session

    deleted = Session.start().cache.clear()
    if json_:
        print_json(_plain(deleted))
    else:
        print(f"Deleted from {deleted.path}\n{_table(deleted)}")


def _plain(info: CacheInfo) -> dict[str, object]:
    return {
        "path": str(info.path),
        "limit": info.limit,
        "files": info.files,
        "bytes": info.bytes,
        "kinds": {kind: {"files": held.files, "bytes": held.bytes} for kind, held in info.kinds.items()},
    }


def _table(info: CacheInfo) -> str:
    rows = [*((kind, held.files, held.bytes) for kind, held in info.kinds.items())]
    rows.append(("total", info.files, info.bytes))
    return "\n".join(f"  {kind:<13}{files:>9,} files  {_size(size):>9}" for kind, files, size in rows)


def _size(number: int) -> str:
    """Bytes in the unit that fits, as disks are sold.

    >>> _size(999), _size(1_234_567), _size(10**10)
    ('999 B', '1.2 MB', '10.0 GB')
    """
    size = float(number)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{number} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
