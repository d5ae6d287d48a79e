"""Run directories that a test alters on purpose, made to fit their run.json again."""

from __future__ import annotations

import json
from pathlib import Path

from benchmark.results.files import RunDirectory


def signed_again(run: Path, **changes: object) -> Path:
    """Have run.json name the files as they are now, as a forger would; with other changes to it."""
    path = run / "run.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    record |= {"digests": RunDirectory(run).digests(), **changes}
    path.write_text(json.dumps(record), encoding="utf-8")
    return run
