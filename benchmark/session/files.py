"""Files that are whole or absent."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pandas as pd

from benchmark.session.errors import UsageError

__all__ = ["SCHEMA", "RunDirectory", "atomic_path", "write_json", "write_text"]

SCHEMA: Final = 1


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path` that takes its place only if the block ends well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp makes private files; results are for others to read, as the umask says.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, value: object) -> None:
    """Write strict JSON (no NaN), keys in the order given, whole or not at all."""
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False)
    write_text(path, text + "\n")


def write_text(path: Path, text: str) -> None:
    """Write text as UTF-8, whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


@dataclass(frozen=True)
class RunDirectory:
    """The files of one run, as the contract names them."""

    path: Path

    def write_run(self, record: Mapping[str, Any]) -> None:
        """Write run.json."""
        write_json(self.path / "run.json", record)

    def write_results(self, results: Mapping[str, Any]) -> None:
        """Write results.json."""
        write_json(self.path / "results.json", results)

    def write_scores(self, scores: pd.DataFrame) -> None:
        """Write scores.parquet."""
        with atomic_path(self.path / "scores.parquet") as temporary:
            scores.to_parquet(temporary, index=False, compression="zstd")

    def write_forgeries(self, forgeries: pd.DataFrame | None) -> None:
        """Write forgeries.parquet; without any, see that there is none of an earlier run."""
        path = self.path / "forgeries.parquet"
        if forgeries is None:
            path.unlink(missing_ok=True)
            return
        with atomic_path(path) as temporary:
            forgeries.to_parquet(temporary, index=False, compression="zstd")

    def read_run(self) -> dict[str, Any]:
        """Read run.json."""
        return self._read_json("run.json")

    def read_results(self) -> dict[str, Any]:
        """Read results.json."""
        return self._read_json("results.json")

    def read_scores(self) -> pd.DataFrame:
        """Read scores.parquet."""
        path = self._present("scores.parquet")
        try:
            return pd.read_parquet(path)
        except (OSError, ValueError) as error:
            raise UsageError(
                f"{path}: not a readable parquet file ({error}); run again with this --out"
            ) from error

    def _present(self, name: str) -> Path:
        path = self.path / name
        if not path.is_file():
            raise UsageError(
                f"{self.path}: no {name}; this is not a finished run (finish it: run --out {self.path})"
            )
        return path

    def _read_json(self, name: str) -> dict[str, Any]:
        path = self._present(name)
        try:
            value = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UsageError(f"{path}: not readable ({error}); run again with this --out") from error
        schema = value.get("schema") if isinstance(value, dict) else None
        if schema != SCHEMA:
            age = "newer" if isinstance(schema, int) and schema > SCHEMA else "older or foreign"
            raise UsageError(f"{path}: schema {schema!r} is {age}; this version reads schema {SCHEMA}")
        return dict(value)
