"""The pairs of a run that weigh a case, read without the rest of its score table."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

import analysis
from analysis.columns import COLUMNS

__all__ = ["NearPairs"]

TEXTS: Final = tuple(name for name in COLUMNS if name != "score")
Mask = npt.NDArray[np.bool_]


class NearPairs:
    """Score table of a run, of which only the pairs that matter are taken.

    Those that are not independent; independent ones of the same shapes as a derived pair (look-alikes); and
    all of the shapes in question. Every other pair weighs nothing against look-alikes of these shapes, and
    there are about eight times as many of them.

    Parameters
    ----------
    path : Path
        Of a score table that a run wrote: every column of `analysis.columns.COLUMNS`.
    """

    def __init__(self, path: Path) -> None:
        self._table = pq.read_table(path, columns=list(COLUMNS), read_dictionary=list(TEXTS))
        self._codes: dict[str, npt.NDArray[np.int64]] = {}
        self._names: dict[str, list[str]] = {}

    def tables(
        self, cells: tuple[str, str], left_out: Collection[str]
    ) -> dict[str, analysis.ScoreTable | None]:
        """The pairs that matter for two cells, a table a metric; None where every pair of it is left out.

        Parameters
        ----------
        cells : tuple of two str
            Of the pair in question.
        left_out : collection of str
            Lineages whose pairs take no part.
        """
        a, b = (self._coded(f"architecture_{end}") for end in "ab")
        # Both columns must speak of one list of names.
        names = sorted({*self._names["architecture_a"], *self._names["architecture_b"]})
        place = {name: number for number, name in enumerate(names)}
        a, b = (
            np.array([*(place[name] for name in self._names[f"architecture_{end}"]), -1])[codes]
            for end, codes in (("a", a), ("b", b))
        )
        two = np.minimum(a, b) * len(names) + np.maximum(a, b)
        two[(a < 0) | (b < 0)] = -1
        metric = self._coded("metric")
        derived = self._is("relation", ["derived"])
        strata = metric * len(names) ** 2 + two
        wanted = sorted(place.get(cell, -2) for cell in cells)
        here = (np.minimum(a, b) == wanted[0]) & (np.maximum(a, b) == wanted[1])
        alike = np.isin(strata, strata[derived & (two >= 0)]) & (two >= 0)
        stays = ~(self._is("lineage_a", left_out) | self._is("lineage_b", left_out))
        frame = self._take(stays & (~self._is("relation", ["independent"]) | alike | here))
        left = np.bincount(metric[stays], minlength=len(self._names["metric"])) > 0
        found: dict[str, analysis.ScoreTable | None] = {
            name: None for name, any_left in zip(self._names["metric"], left, strict=True) if not any_left
        }
        for name, part in frame.groupby("metric", sort=False):
            found[str(name)] = analysis.ScoreTable(part)
        return found

    def _coded(self, column: str) -> npt.NDArray[np.int64]:
        """Number of each row's name; the one after the last for none."""
        if column not in self._codes:
            # One list of names for all chunks; a column without any text is of another type.
            names = pa.dictionary(pa.int32(), pa.string())
            held = pa.concat_arrays(
                self._table[column].cast(names).unify_dictionaries().chunks or [pa.array([], type=names)]
            )
            self._names[column] = list(held.dictionary.to_pylist())
            codes = held.indices.fill_null(len(self._names[column]))
            self._codes[column] = codes.to_numpy(zero_copy_only=False).astype(np.int64)
        return self._codes[column]

    def _is(self, column: str, names: Collection[str]) -> Mask:
        codes = self._coded(column)
        asked = np.array([*(name in names for name in self._names[column]), False])
        found: Mask = asked[codes]
        return found

    def _take(self, rows: Mask) -> pd.DataFrame:
        taken = self._table.take(pa.array(np.flatnonzero(rows)))
        plain = {name: taken[name].cast(pa.string()) if name in TEXTS else taken[name] for name in COLUMNS}
        frame: pd.DataFrame = pa.table(plain).to_pandas()
        return frame
