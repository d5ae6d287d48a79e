"""The files of a run directory: one strict writer and one strict reader for each.

run.json names the sha256 of the others. Readers take files that fit it, and of a run that has ended.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Final, TypeVar

import pandas as pd

import analysis
from analysis.columns import COLUMNS
from benchmark.results.codec import SchemaMismatch, from_json
from benchmark.results.schema import SCHEMA, Results, RunRecord
from benchmark.results.zoo_against_real import ZooAgainstReal
from benchmark.session.errors import UsageError
from benchmark.session.files import write_bytes, write_json
from benchmark.session.json_text import json_value

__all__ = ["RunDirectory", "read_json"]

RECORD: Final = "run.json"
RESULTS: Final = "results.json"
SCORES: Final = "scores.parquet"
FORGERIES: Final = "forgeries.parquet"
AGAINST: Final = "against.json"
CARD: Final = "card.md"
DIGESTED: Final = (SCORES, RESULTS, FORGERIES)
AGAIN: Final = "the file was changed, or written by another version; rerun with this --out"
SHOWN: Final = 40
TABLES: Final = "tables"
T = TypeVar("T")


@dataclass(frozen=True)
class RunDirectory:
    """The files of one run, as the contract names them.

    Attributes
    ----------
    path : Path
    known : RunRecord or None
        What its files are to fit; None: what run.json says, of a run that has ended.
    """

    path: Path
    known: RunRecord | None = None

    @property
    def report(self) -> Path:
        """The page."""
        return self.path / "report.html"

    @property
    def record(self) -> Path:
        """What was run."""
        return self.path / RECORD

    @property
    def card(self) -> Path:
        """The card of a proposed metric."""
        return self.path / CARD

    @property
    def figures(self) -> Path:
        """The folder of figures.

        Raises
        ------
        UsageError
            It is a link: what it leads to is not this run's to change.
        """
        return self._own_folder("figures")

    @property
    def tables(self) -> Path:
        """The folder of tables for papers; errors as for `figures`."""
        return self._own_folder(TABLES)

    @property
    def scores(self) -> Path:
        """The score table."""
        return self.path / SCORES

    @property
    def has_results(self) -> bool:
        """Whether a run ended here."""
        return (self.path / RESULTS).exists()

    @property
    def ended(self) -> bool:
        """Whether it holds a run that has ended."""
        try:
            return bool(self.read_record())
        except UsageError:
            return False

    def begin(self, record: RunRecord) -> None:
        """Say that its files are being replaced: until `conclude`, readers refuse them."""
        write_json(self.path / RECORD, analysis.as_json(replace(record, status="running", digests={})))
        (self.path / FORGERIES).unlink(missing_ok=True)  # of an earlier run; this one may have none

    def conclude(self, record: RunRecord) -> RunRecord:
        """Write run.json, with the digests of the files as they are now; returns what it says."""
        whole = replace(record, digests=self.digests())
        write_json(self.path / RECORD, analysis.as_json(whole))
        return whole

    def digests(self) -> dict[str, str]:
        """The sha256 of its files by name."""
        there = [name for name in DIGESTED if (self.path / name).is_file()]
        return {name: _sha256((self.path / name).read_bytes()) for name in there}

    def write_results(self, results: Results) -> None:
        """Write results.json; card and tables that were made of other results go."""
        path = self.path / RESULTS
        before = path.read_bytes() if path.is_file() else None
        write_json(path, analysis.as_json(results))
        if before is not None and before != path.read_bytes():
            for stale in (self.card, *self.tables.glob("*")):
                stale.unlink(missing_ok=True)

    def write_scores(self, scores: pd.DataFrame) -> None:
        """Write scores.parquet."""
        _write_table(self.path / SCORES, scores)

    def write_forgeries(self, forgeries: pd.DataFrame) -> None:
        """Write forgeries.parquet."""
        _write_table(self.path / FORGERIES, forgeries)

    def write_against(self, against: ZooAgainstReal) -> None:
        """Write against.json."""
        write_json(self.path / AGAINST, analysis.as_json(against))

    def drop_stale_against(self) -> None:
        """Remove against.json if it is of other results than those that are here now."""
        try:
            self.read_against()
        except UsageError:
            (self.path / AGAINST).unlink(missing_ok=True)

    def read_against(self) -> ZooAgainstReal | None:
        """Read against.json; None where the run was set against nothing.

        Raises
        ------
        UsageError
            As for `read_json`, or it is of other results than this run's.
        """
        path = self.path / AGAINST
        if not path.is_file():
            return None
        against = read_json(ZooAgainstReal, path)
        if self.digest not in {against.zoo.digest, *(table.digest for table in against.tables)}:
            raise UsageError(
                f"{path}: it belongs to other results than this run's; rerun report with --against"
            )
        return against

    def read_record(self) -> RunRecord:
        """Read run.json of a run that has ended; errors as for `read_json`."""
        record = read_json(RunRecord, self._present(RECORD))
        if record.status == "running":
            raise UsageError(
                f"{self.path}: {RECORD} says running: the run is unfinished or was killed; rerun its command"
                f" with --out {self.path} to finish it"
            )
        return record

    def read_results(self) -> Results:
        """Read results.json; errors as for `read_json`, or it does not fit run.json."""
        path = self._present(RESULTS)
        content = _bytes(path)
        results = _parsed(Results, content, path)
        twice = {name for name in results.names if results.names.count(name) > 1}
        if twice:
            raise UsageError(f"{path}: {', '.join(sorted(twice))} appears twice; {AGAIN}")
        self._check(path, content)
        return results

    def read_scores(self) -> pd.DataFrame:
        """Read scores.parquet.

        Raises
        ------
        UsageError
            It is absent, not readable, no score table, or does not fit run.json.
        """
        return self._table(self._present(SCORES))

    def read_forgeries(self) -> pd.DataFrame:
        """Read forgeries.parquet; no rows where the run has none. Errors as for `read_scores`."""
        path = self.path / FORGERIES
        if not path.is_file() and FORGERIES not in self._record.digests:
            return pd.DataFrame()
        return self._table(self._present(FORGERIES))

    def digest_parts(self) -> list[bytes]:
        """The bytes of what decides a report beside run.json; errors as for `read_scores`."""
        parts = []
        for path in map(self._present, (SCORES, RESULTS)):
            content = _bytes(path)
            self._check(path, content)
            parts.append(content)
        return parts

    @property
    def digest(self) -> str:
        """The sha256 of scores and results together; errors as for `read_scores`."""
        return _sha256(b"".join(self.digest_parts()))

    @cached_property
    def _record(self) -> RunRecord:
        return self.read_record() if self.known is None else self.known

    def _check(self, path: Path, content: bytes) -> None:
        """Refuse a file that is not the one that run.json was written for."""
        if self._record.digests.get(path.name) != _sha256(content):
            raise UsageError(f"{path}: not the file that {RECORD} belongs to; {AGAIN}")

    def _own_folder(self, name: str) -> Path:
        folder = self.path / name
        if folder.is_symlink():
            raise UsageError(
                f"{folder}: it is a link, and links are not followed for writing or deleting; remove it"
            )
        return folder

    def _table(self, path: Path) -> pd.DataFrame:
        content = _bytes(path)
        self._check(path, content)
        return _read_table(path, content)

    def _present(self, name: str) -> Path:
        path = self.path / name
        if not path.is_file():
            raise UsageError(
                f"{self.path}: no {name}; not a finished run (to finish it: run --out {self.path})"
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
    return _parsed(kind, _bytes(path), path)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: not readable ({error}); rerun with this --out") from error


def _parsed(kind: type[T], content: bytes, path: Path) -> T:
    try:
        value = json_value(content)
    except ValueError as error:
        raise UsageError(f"{path}: not readable ({error}); rerun with this --out") from error
    schema = value.get("schema") if isinstance(value, dict) else None
    if schema != SCHEMA or not isinstance(schema, int) or isinstance(schema, bool):
        age = "newer" if isinstance(schema, int) and schema > SCHEMA else "older or foreign"
        told = repr(schema)
        told = told if len(told) <= SHOWN else f"{told[:SHOWN]}…"
        raise UsageError(f"{path}: schema {told} is {age}; this version reads schema {SCHEMA}")
    try:
        return from_json(kind, value)
    except SchemaMismatch as error:
        raise UsageError(f"{path}: {error} (schema {SCHEMA}); {AGAIN}") from error


def _write_table(path: Path, table: pd.DataFrame) -> None:
    write_bytes(path, table.to_parquet(index=False, compression="zstd"))


def _read_table(path: Path, content: bytes) -> pd.DataFrame:
    from pyarrow import ArrowException

    try:
        table = pd.read_parquet(io.BytesIO(content))
    except (OSError, ValueError, ArrowException) as error:
        told = " ".join(str(error).split())
        raise UsageError(f"{path}: not a readable parquet file ({told}); {AGAIN}") from error
    missing = [name for name in COLUMNS if name not in table.columns]
    if missing or not pd.api.types.is_float_dtype(table["score"]):
        told = f"no column {', '.join(missing)}" if missing else "scores that are not numbers"
        raise UsageError(f"{path}: {told}; {AGAIN}")
    return table


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
