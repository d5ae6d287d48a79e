"""The files of a run directory: one strict writer and one strict reader for each."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

import pandas as pd

import analysis
from benchmark.results.codec import SchemaMismatch, from_json
from benchmark.results.schema import SCHEMA, Results, RunRecord
from benchmark.results.zoo_against_real import ZooAgainstReal
from benchmark.session.errors import UsageError
from benchmark.session.files import atomic_path, write_json

__all__ = ["RunDirectory", "read_json"]

RECORD: Final = "run.json"
RESULTS: Final = "results.json"
SCORES: Final = "scores.parquet"
FORGERIES: Final = "forgeries.parquet"
AGAINST: Final = "against.json"
CARD: Final = "card.md"
TABLES: Final = "tables"
T = TypeVar("T")


@dataclass(frozen=True)
class RunDirectory:
    """The files of one run, as the contract names them.

    Attributes
    ----------
    path : Path
    """

    path: Path

    @property
    def report(self) -> Path:
        """The page."""
        return self.path / "report.html"

    @property
    def record(self) -> Path:
        """What was run."""
        return self.path / RECORD

    @property
    def scores(self) -> Path:
        """The score table."""
        return self.path / SCORES

    @property
    def card(self) -> Path:
        """The card of a proposed metric."""
        return self.path / CARD

    @property
    def tables(self) -> Path:
        """Folder of tables for papers."""
        return self.path / TABLES

    @property
    def has_results(self) -> bool:
        """Whether a run ended here."""
        return (self.path / RESULTS).exists()

    def write_record(self, record: RunRecord) -> None:
        """Write run.json."""
        write_json(self.path / RECORD, analysis.as_json(record))

    def write_results(self, results: Results) -> None:
        """Write results.json; what was made of other results, and is not made again by itself, goes."""
        path = self.path / RESULTS
        before = path.read_bytes() if path.is_file() else None
        write_json(path, analysis.as_json(results))
        if before is not None and before != path.read_bytes():
            for stale in (self.path / AGAINST, self.path / CARD, *(self.path / TABLES).glob("*")):
                stale.unlink(missing_ok=True)

    def write_scores(self, scores: pd.DataFrame) -> None:
        """Write scores.parquet."""
        _write_table(self.path / SCORES, scores)

    def write_forgeries(self, forgeries: pd.DataFrame | None) -> None:
        """Write forgeries.parquet; without any, see that there is none of an earlier run."""
        path = self.path / FORGERIES
        if forgeries is None:
            path.unlink(missing_ok=True)
        else:
            _write_table(path, forgeries)

    def write_against(self, against: ZooAgainstReal) -> None:
        """Write against.json."""
        write_json(self.path / AGAINST, analysis.as_json(against))

    def read_against(self) -> ZooAgainstReal | None:
        """Read against.json; None where the run was set against nothing. Errors as for `read_json`."""
        path = self.path / AGAINST
        return read_json(ZooAgainstReal, path) if path.is_file() else None

    def read_record(self) -> RunRecord:
        """Read run.json; errors as for `read_json`."""
        return self._read(RunRecord, RECORD)

    def read_results(self) -> Results:
        """Read results.json; errors as for `read_json`."""
        return self._read(Results, RESULTS)

    def read_scores(self) -> pd.DataFrame:
        """Read scores.parquet.

        Raises
        ------
        UsageError
            It is absent or not readable.
        """
        return _read_table(self._present(SCORES))

    def read_forgeries(self) -> pd.DataFrame:
        """Read forgeries.parquet; no rows where the run has none."""
        path = self.path / FORGERIES
        return _read_table(path) if path.is_file() else pd.DataFrame()

    def digest_parts(self) -> list[bytes]:
        """The bytes of what decides a report beside run.json."""
        return [self._present(name).read_bytes() for name in (SCORES, RESULTS)]

    def _read(self, kind: type[T], name: str) -> T:
        return read_json(kind, self._present(name))

    def _present(self, name: str) -> Path:
        path = self.path / name
        if not path.is_file():
            raise UsageError(
                f"{self.path}: no {name}; this is not a finished run (finish it: run --out {self.path})"
            )
        return path


def read_json(kind: type[T], path: Path) -> T:
    """Read a file of this schema.

    Parameters
    ----------
    kind : type
        The dataclass that it holds, with a key `schema`.
    path : Path

    Raises
    ------
    UsageError
        Not readable, of another schema, or not as the schema says; one line with path, place and schema.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: not readable ({error}); run again with this --out") from error
    schema = value.get("schema") if isinstance(value, dict) else None
    if schema != SCHEMA or isinstance(schema, bool):
        age = "newer" if isinstance(schema, int) and schema > SCHEMA else "older or foreign"
        raise UsageError(f"{path}: schema {schema!r} is {age}; this version reads schema {SCHEMA}")
    try:
        return from_json(kind, value)
    except SchemaMismatch as error:
        raise UsageError(
            f"{path}: {error} (schema {SCHEMA}); the file was changed or written by another version:"
            " run again with this --out"
        ) from error


def _write_table(path: Path, table: pd.DataFrame) -> None:
    with atomic_path(path) as temporary:
        table.to_parquet(temporary, index=False, compression="zstd")


def _read_table(path: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{path}: not a readable parquet file ({error}); run again with this --out"
        ) from error
