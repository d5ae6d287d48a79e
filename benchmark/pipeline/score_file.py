"""Score tables in files: CSV with any usual separator, or parquet, read as they stand."""

from __future__ import annotations

import csv
import sys
from array import array
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Final, TextIO

import pandas as pd

from analysis.table_columns import columns_found
from benchmark.session.errors import UsageError

__all__ = ["need_columns", "read_score_file", "read_table_file"]

NEEDED: Final = ("model_a", "model_b", "score")
SCORES: Final = "a score table"
SEPARATORS: Final = (",", ";", "\t", "|")
TRUTHS: Final = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
LINES: Final = 50_000
"""Lines that are taken at a time."""
MOST_ROWS: Final = 20_000_000
MOST_COLUMNS: Final = 1_000


def read_score_file(path: Path) -> pd.DataFrame:
    """Read a score table as it stands: names are text, and nothing is guessed to be missing.

    Parameters
    ----------
    path : Path
        Parquet, which its first bytes tell; or else text in UTF-8 with a line of column names, separated by
        commas, semicolons, tabs or bars, whichever gives the columns that are needed.

    Returns
    -------
    pandas.DataFrame
        Its index says where each row stands: "line" of a text file, "row" of a parquet one. From text, all
        columns are text, but for `same_…` columns of yes and no.

    Raises
    ------
    UsageError
        The file is not there or is no table; the message names the line.
    """
    return read_table_file(path, NEEDED, SCORES)


def read_table_file(path: Path, needed: tuple[str, ...], kind: str) -> pd.DataFrame:
    """Read a table of another kind in the same way.

    Parameters
    ----------
    path : Path
    needed : tuple of str
        Columns that it must have.
    kind : str
        What an error calls such a table.

    Returns
    -------
    pandas.DataFrame
        As `read_score_file`.

    Raises
    ------
    UsageError
        The file is not there or is no such table; the message names the line.
    """
    if not path.is_file():
        raise UsageError(f"{path}: no such file; give {kind} (.csv or .parquet)")
    unread = f"{path}: not readable as {kind}"
    try:
        with path.open("rb") as file:
            start = file.read(4)
        if start == b"PAR1":
            return _parquet(path, needed)
        if path.suffix in (".parquet", ".pq"):
            raise UsageError(f"{unread}: not a parquet file; it begins with {start!r}")
        return _text(path, needed, kind)
    except UsageError:
        raise
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not UTF-8 text (byte {error.start + 1}); save it as UTF-8") from error
    except (OSError, ValueError) as error:
        told = " ".join(str(error).split())
        raise UsageError(f"{unread}: {told}") from error


def need_columns(
    columns: Iterable[object], where: str, needed: tuple[str, ...] = NEEDED, kind: str = SCORES
) -> None:
    """Refuse a table without the columns that every table of its kind has."""
    held = list(columns)
    missing = [name for name in needed if name not in held]
    if missing:
        has = f"{kind} has {', '.join(needed)}"
        raise UsageError(f"{where}: no column {', '.join(missing)}; {has}; {columns_found(held)}")


def _parquet(path: Path, needed: tuple[str, ...]) -> pd.DataFrame:
    n_rows, n_columns = _parquet_size(path)
    if n_rows > MOST_ROWS or n_columns > MOST_COLUMNS:
        raise UsageError(
            f"{path}: unpacks to {n_rows:,} rows of {n_columns:,} columns; "
            f"{MOST_ROWS:,} rows and {MOST_COLUMNS:,} columns are the most"
        )
    frame = pd.read_parquet(path)
    if any(name in needed for name in frame.index.names):
        frame = frame.reset_index()
    return frame.set_axis(pd.RangeIndex(1, len(frame) + 1, name="row"), axis=0)


def _parquet_size(path: Path) -> tuple[int, int]:
    """Rows and columns of a parquet file, by what it says of itself: reading checks them."""
    from pyarrow import parquet

    with parquet.ParquetFile(path) as opened:
        return int(opened.metadata.num_rows), int(opened.metadata.num_columns)


def _text(path: Path, needed: tuple[str, ...], kind: str) -> pd.DataFrame:
    with path.open(encoding="utf-8-sig", newline="") as file:
        first = next((line for line in file if line.strip()), "")
        if first.lstrip()[:1] in ("{", "["):
            raise UsageError(f"{path}: JSON, not {kind}; write it as .csv or .parquet")
        file.seek(0)
        rows = _rows(file, _separator(first, needed), path)
        _, header = next(rows, (0, []))
        while header and not header[-1].strip():
            header.pop()  # separators at the end of the line
        names = [name.strip() for name in header]
        need_columns(names, str(path), needed, kind)
        columns: list[list[str]] = [[] for _ in names]
        lines = array("q")
        if len(names) > MOST_COLUMNS:
            raise UsageError(f"{path}: {len(names):,} columns; {MOST_COLUMNS:,} are the most")
        while block := list(islice(rows, LINES)):
            if len(lines) + len(block) > MOST_ROWS:
                raise UsageError(f"{path}: more than {MOST_ROWS:,} rows; give fewer pairs")
            lines.extend(line for line, _ in block)
            whole = [_fitting(fields, len(names), line, path) for line, fields in block]
            for column, values in zip(columns, zip(*whole, strict=True), strict=True):
                # The same few names stand in every line: one object each.
                column.extend(map(sys.intern, values))
    index = pd.Index(lines, name="line", dtype="int64")
    held = [pd.Series(values, index=index, dtype=object) for values in columns]
    typed = [_typed(name, values) for name, values in zip(names, held, strict=True)]
    return pd.concat(typed, axis=1).set_axis(names, axis=1)


def _separator(header: str, needed: tuple[str, ...]) -> str:
    """The one by which a line of column names has most of those that are needed."""

    def found(separator: str) -> int:
        names = {name.strip().strip('"') for name in header.split(separator)}
        return len(names & set(needed))

    return max(SEPARATORS, key=found)


def _rows(file: TextIO, separator: str, path: Path) -> Iterator[tuple[int, list[str]]]:
    """Lines that are not empty, split, with their numbers."""
    reader = csv.reader(file, delimiter=separator, strict=True)
    try:
        for fields in reader:
            if any(fields):
                yield reader.line_num, fields
    except csv.Error as error:
        raise UsageError(f"{path}: line {reader.line_num}: {error}") from error


def _fitting(fields: list[str], n: int, line: int, path: Path) -> list[str]:
    """Fields of one line, as many as there are columns; empty ones at its end are only separators."""
    if len(fields) == n:
        return fields
    if len(fields) > n and not any(field.strip() for field in fields[n:]):
        return fields[:n]
    raise UsageError(f"{path}: line {line} has {len(fields)} fields, the first line names {n} columns")


def _typed(name: str, values: pd.Series[str]) -> pd.Series[str] | pd.Series[bool]:
    """Yes and no as such in a `same_…` column; nothing where nothing stands."""
    if name in NEEDED:
        return values
    filled = values.where(values != "", None)
    if name.startswith("same_"):
        truth = filled.str.strip().str.lower().map(TRUTHS)
        if not (truth.isna() & filled.notna()).any():
            return truth
    return filled
