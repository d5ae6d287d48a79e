"""Tables that other tools export → score tables, by naming which column is what."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from analysis.columns import LABELS
from benchmark.session.errors import UsageError

__all__ = ["BothWays", "Layout", "ScoreColumn", "read_exported"]

ENDS: Final = ("model", "lineage", "architecture")


class BothWays(StrEnum):
    """What stands where a pair was exported in both directions with two scores."""

    refuse = "refuse"
    mean = "mean"
    larger = "larger"
    smaller = "smaller"


@dataclass(frozen=True)
class ScoreColumn:
    """One column of scores.

    Attributes
    ----------
    column : str
        Its name; ``verdict.probability`` names a field inside another of a JSON export.
    metric : str
        What the score table calls it.
    distance : bool
        Smaller means more alike: the sign is turned.
    """

    column: str
    metric: str
    distance: bool = False

    @classmethod
    def of(cls, text: str) -> ScoreColumn:
        """Read ``column``, ``metric=column``, or either with a minus before the column for a distance."""
        metric, named, column = text.partition("=")
        column = column if named else metric
        distance = column.startswith("-")
        column = column.removeprefix("-")
        if not column or not metric.removeprefix("-"):
            raise UsageError(f"--score {text}: write it as COLUMN, METRIC=COLUMN or METRIC=-COLUMN")
        return cls(column, metric if named else column, distance)


@dataclass(frozen=True)
class Layout:
    """Where an exported table holds what.

    Attributes
    ----------
    scores : tuple of ScoreColumn
        Each makes one metric. Of a square table the first alone counts, for the metric's name and sign.
    models : tuple of str
        The columns that name the two models.
    pair : str or None
        One column that names both, instead.
    separator : str
        Between the two names of `pair`.
    square : bool
        The table is a matrix: its first column and its header name the models.
    both_ways : BothWays
    """

    scores: tuple[ScoreColumn, ...]
    models: tuple[str, str] = ("model_a", "model_b")
    pair: str | None = None
    separator: str = " vs "
    square: bool = False
    both_ways: BothWays = BothWays.refuse


def read_exported(paths: Sequence[Path], layout: Layout) -> pd.DataFrame:
    """Read exported tables into one score table.

    Parameters
    ----------
    paths : sequence of Path
        .csv, .tsv, .parquet, .json (a list of objects, or one) or .jsonl; their rows are put together.
    layout : Layout

    Returns
    -------
    pandas.DataFrame
        ``metric, model_a, model_b, score, status, reason`` and those of the label columns that the file has.
        Empty scores stand as abstained; rows of a model with itself are left out; a pair stands once.

    Raises
    ------
    UsageError
        A file that cannot be read, a column that is not there, a score that is not a number, a pair twice.
    """
    tables = [_named(path, layout) for path in paths]
    frame = pd.concat(tables, ignore_index=True)
    frame = frame[frame["model_a"] != frame["model_b"]]
    if frame.empty:
        raise UsageError(f"{paths[0]}: no pair of two models")
    swap = frame["model_a"] > frame["model_b"]
    for left, right in ((f"{end}_a", f"{end}_b") for end in ENDS):
        if left in frame and right in frame:
            a, b = frame[left], frame[right]
            frame = frame.assign(**{left: b.where(swap, a), right: a.where(swap, b)})
    frame = _once(frame, layout.both_ways, paths[0])
    absent = frame["score"].isna()
    return frame.assign(
        status=np.where(absent, "abstained", "ok"), reason=np.where(absent, "no score in the export", "")
    )


def _named(path: Path, layout: Layout) -> pd.DataFrame:
    """One file with its columns named as in a score table, one row a pair and metric."""
    table = _read(path)
    if layout.square:
        return _unfolded(table, layout.scores[0], path)
    pairs = _pairs(table, layout, path)
    kept = table[[name for name in (*LABELS, "shared") if name in table]]
    metrics = []
    for wanted in layout.scores:
        values = _numbers(_column(table, wanted.column, path), path)
        part = pairs.assign(metric=wanted.metric, score=-values if wanted.distance else values)
        metrics.append(pd.concat([part, kept], axis=1))
    frame = pd.concat(metrics, ignore_index=True)
    return frame[["metric", "model_a", "model_b", "score", *kept]]


def _read(path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise UsageError(f"{path}: no such file")
    try:
        if path.suffix == ".parquet":
            return pd.read_parquet(path)
        if path.suffix == ".json":
            content = json.loads(path.read_text(encoding="utf-8"))
            return _flat(content if isinstance(content, list) else [content])
        if path.suffix == ".jsonl":
            lines = path.read_text(encoding="utf-8").splitlines()
            return _flat([json.loads(line) for line in lines if line.strip()])
        with warnings.catch_warnings():
            # Rows longer than the header, such as one with all permuted statistics at its end: what no name
            # stands over cannot be asked for. Without index_col pandas would move every name instead.
            warnings.simplefilter("ignore", pd.errors.ParserWarning)
            separator = "\t" if path.suffix == ".tsv" else ","
            return pd.read_csv(path, sep=separator, skipinitialspace=True, index_col=False)
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: not a readable table ({error})") from error


def _flat(rows: list[Any]) -> pd.DataFrame:
    """One row an object; what is nested gets names with dots, such as ``scores.pipeline_score``."""
    return pd.DataFrame([dict(_leaves(row, "")) for row in rows])


def _leaves(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _leaves(inner, f"{name}.{index}" if name else str(index))
    else:
        yield name, value


def _column(table: pd.DataFrame, name: str, path: Path) -> pd.Series:
    if name not in table:
        known = ", ".join(map(str, table.columns[:12])) + (", …" if len(table.columns) > 12 else "")
        raise UsageError(f"{path}: no column {name!r}; it has {known}")
    return table[name]


def _pairs(table: pd.DataFrame, layout: Layout, path: Path) -> pd.DataFrame:
    if layout.pair is None:
        a, b = (_column(table, name, path) for name in layout.models)
    else:
        both = _column(table, layout.pair, path).astype(str).str.split(layout.separator, regex=False)
        wrong = both.map(len) != 2
        if wrong.any():
            text = table.loc[wrong, layout.pair].iloc[0]
            raise UsageError(f"{path}: {text!r} does not name two models around {layout.separator!r}")
        a, b = both.str[0], both.str[1]
    if a.isna().any() or b.isna().any():
        raise UsageError(f"{path}: a row names no model")
    return pd.DataFrame({"model_a": a.astype(str).str.strip(), "model_b": b.astype(str).str.strip()})


def _unfolded(table: pd.DataFrame, wanted: ScoreColumn, path: Path) -> pd.DataFrame:
    """The cells of a matrix, one row each; cells of pairs that appear twice are told apart later."""
    square = table.set_index(table.columns[0])
    long = square.stack(future_stack=True).reset_index()
    long.columns = pd.Index(["model_a", "model_b", "score"])
    values = _numbers(long["score"], path)
    # An empty cell is the half of a triangle that was left out, not an abstention.
    long = long.assign(metric=wanted.metric, score=-values if wanted.distance else values)[values.notna()]
    return long.astype({"model_a": str, "model_b": str})[["metric", "model_a", "model_b", "score"]]


def _numbers(values: pd.Series, path: Path) -> pd.Series:
    numbers = pd.to_numeric(values, errors="coerce")
    wrong = numbers.isna() & values.notna()
    if wrong.any():
        raise UsageError(f"{path}: {values[wrong].iloc[0]!r} in column {values.name!r} is not a number")
    return numbers.astype(float)


def _once(frame: pd.DataFrame, both_ways: BothWays, path: Path) -> pd.DataFrame:
    """Each pair once a metric."""
    key = ["metric", "model_a", "model_b"]
    groups = frame.groupby(key, sort=False)["score"]
    if both_ways is BothWays.refuse:
        spread = groups.agg(lambda scores: scores.nunique(dropna=False))
        if (spread > 1).any():
            metric, a, b = spread.index[spread > 1][0]
            raise UsageError(
                f"{path}: {a} – {b} appears twice under {metric} with different scores;"
                " choose what stands with --both-ways mean, larger or smaller"
            )
        return frame.drop_duplicates(key)
    if both_ways is BothWays.mean:
        return frame.assign(score=groups.transform("mean")).drop_duplicates(key)
    score = groups.transform("max") if both_ways is BothWays.larger else groups.transform("min")
    return frame.assign(score=score).drop_duplicates(key)
