"""Scores of pairs with their labels: the one input of every statistic."""

from __future__ import annotations

import copy
import math
import unicodedata
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.columns import RELATIONS, STATUSES
from analysis.lineages import connected_components
from analysis.look_alikes import cell_pairs, look_alike_pairs
from analysis.notebook import Shown
from analysis.table_columns import (
    BadTable,
    columns_found,
    is_text,
    labelled,
    names_as_text,
    no_column_twice,
    place,
    real_numbers,
)
from analysis.validation import BadArgument, check_choice, check_instance, check_instances

__all__ = ["NEGATIVES", "BadTable", "ScoreTable", "check_table", "check_tables"]

NEGATIVES: Final = ("independent", "look-alike")
"""What derived pairs can be told from."""
REQUIRED: Final = ("model_a", "model_b", "score", "relation")
TEXTS: Final = ("metric", "relation", "status")
ENDS: Final = (("model_a", "model_b"), ("lineage_a", "lineage_b"), ("architecture_a", "architecture_b"))

ONE_LINEAGE: Final = {
    "derived": "a derivation joins them into one",
    "sibling": "siblings share a founder, which joins them into one",
}
"""Relations of two models of one lineage, and why."""

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int32]
Names = npt.NDArray[np.object_]
Mask = npt.NDArray[np.bool_]


HINT: Final = "analysis.ScoreTable(frame) makes one"


class ScoreTable(Shown):
    """Scores of one metric on pairs of models, validated and coded for fast statistics.

    Parameters
    ----------
    frame : pandas.DataFrame
        One row a pair. Required: `model_a, model_b, score, relation`. Optional: `metric` (one value;
        default "score"), `status` (ok, abstained, failed; default ok), `reason`, `method`,
        `lineage_a, lineage_b` (default: connected components of the table's derived, sibling,
        shared-init and distilled pairs), `architecture_a, architecture_b` (default: unknown, then nothing
        that needs look-alikes is defined), and `shared`, free words on what the two models of an independent
        pair have in common beyond their shape. Other columns are kept and ignored.

    Attributes
    ----------
    metric : str
    frame : pandas.DataFrame
        The normalised table, model_a < model_b, sorted by (model_a, model_b).
    notes : tuple of str
        What was changed or looks like a slip: whitespace around names, names that differ only in case.
    models, lineages, cells : numpy.ndarray of str
        Names, sorted; the code arrays index them.
    score : ndarray of float64, shape (n_pairs,)
        NaN exactly where `comparable` is false. Infinities are allowed: they rank.
    model_a, model_b, lineage_a, lineage_b, cell_a, cell_b : ndarray of int32, shape (n_pairs,)
        Codes; a cell of -1 is unknown.
    comparable, derived, independent, look_alike : ndarray of bool, shape (n_pairs,)
        `comparable`: status ok. The other three do not depend on the status.

    Raises
    ------
    BadTable
        Columns missing or twice, a name that is no text, a pair twice, a model paired with itself, a score
        that is no real number where status is ok, an unknown relation or status, a model with two lineages or
        two architectures, a derived or sibling pair across two lineages. The message names the row, counted
        from 1, or by the index of the frame where that is called "row" or "line".
    BadArgument
        `frame` is no DataFrame.

    Examples
    --------
    >>> import pandas as pd
    >>> from analysis import ScoreTable
    >>> rows = [("llama", "llama-chat", 0.98, "derived"), ("llama", "qwen", 0.61, "independent")]
    >>> frame = pd.DataFrame(rows, columns=["model_a", "model_b", "score", "relation"])
    >>> table = ScoreTable(frame.assign(architecture_a="8B", architecture_b="8B"))
    >>> print(table)
    ScoreTable(score: 2 pairs of 3 models in 2 lineages; 1 derived, 1 independent, 1 look-alikes)
    >>> table.lineages.tolist()
    ['llama', 'qwen']
    """

    def __init__(self, frame: pd.DataFrame) -> None:
        check_instance(frame, "frame", pd.DataFrame)
        no_column_twice(frame)
        missing = [name for name in REQUIRED if name not in frame.columns]
        if missing:
            raise BadTable(
                f"no column {', '.join(missing)}; it needs {', '.join(REQUIRED)} (labels can come from a"
                f" catalog); {columns_found(frame.columns)}"
            )
        places = labelled(frame)
        frame = frame.reset_index(drop=True)
        frame, self._blanks = names_as_text(frame, [*TEXTS, *(end for ends in ENDS for end in ends)], places)
        self.metric = self._one_metric(frame, places)
        if "status" not in frame:
            frame["status"] = "ok"
        for name in ("reason", "method"):
            if name not in frame:
                frame[name] = ""
            if is_text(frame[name]):
                frame[name] = frame[name].fillna("")
            else:
                frame[name] = frame[name].astype(object).where(frame[name].notna(), "").astype(str)
        self._check_rows(frame, places)
        frame, places = _ordered(frame, places)
        self.frame = frame

        a, b = frame["model_a"], frame["model_b"]
        codes, names = pd.factorize(pd.concat([a, b]), sort=True)
        n = len(frame)
        self.models: Names = np.asarray(names, dtype=object)
        self.model_a: Codes = codes[:n].astype(np.int32)
        self.model_b: Codes = codes[n:].astype(np.int32)
        twice = pd.Series(self.model_a.astype(np.int64) * len(names) + self.model_b).duplicated()
        if twice.any():
            row = int(np.flatnonzero(twice)[0])
            raise BadTable(
                f"pair {a[row]} – {b[row]} appears twice, in {place(places, row - 1)} and"
                f" {place(places, row)}; each pair may appear once per metric"
            )

        self.comparable: Mask = (frame["status"] == "ok").to_numpy()
        score = frame["score"].to_numpy(dtype=np.float64)
        bad = np.isnan(score) & self.comparable
        if bad.any():
            row = int(np.flatnonzero(bad)[0])
            raise BadTable(
                f"{place(places, row)}, pair {a[row]} – {b[row]}, has no score though its status is ok;"
                " mark it abstained or failed, with a reason"
            )
        self.score: Floats = np.where(self.comparable, score, np.nan)
        self.relation: Names = frame["relation"].to_numpy(dtype=object)
        self.derived: Mask = (frame["relation"] == "derived").to_numpy()
        self.independent: Mask = (frame["relation"] == "independent").to_numpy()

        if "lineage_a" not in frame or "lineage_b" not in frame:
            tied = frame["relation"].isin(["derived", "sibling", "shared-init", "distilled"])
            lineage = connected_components(self.models, zip(a[tied], b[tied], strict=True))
            frame["lineage_a"], frame["lineage_b"] = a.map(lineage), b.map(lineage)
        self.lineages, self.lineage_of = self._attribute("lineage", frame, places)
        self.lineage_a: Codes = self.lineage_of[self.model_a]
        self.lineage_b: Codes = self.lineage_of[self.model_b]
        across = self.lineage_a != self.lineage_b
        for relation, why in ONE_LINEAGE.items():
            odd = across & (self.relation == relation)
            if odd.any():
                row = int(np.flatnonzero(odd)[0])
                raise BadTable(
                    f"{relation} pair {a[row]} – {b[row]} spans two lineages"
                    f" ({frame['lineage_a'][row]}, {frame['lineage_b'][row]}); {why}"
                )
        if "architecture_a" not in frame or "architecture_b" not in frame:
            frame["architecture_a"] = frame["architecture_b"] = None
        self.cells, self.cell_of = self._attribute("architecture", frame, places, optional=True)
        self.cell_a: Codes = self.cell_of[self.model_a]
        self.cell_b: Codes = self.cell_of[self.model_b]

    @staticmethod
    def _one_metric(frame: pd.DataFrame, places: pd.Index[int]) -> str:
        if "metric" not in frame:
            frame["metric"] = "score"
        _filled(frame, "metric", places, "; fill it or leave the column out")
        names = sorted(pd.unique(frame["metric"]))
        if len(names) > 1:
            some = ", ".join(names[:5])
            raise BadTable(f"{len(names)} metrics ({some}); pass one table per metric")
        return names[0] if names else "score"

    @staticmethod
    def _check_rows(frame: pd.DataFrame, places: pd.Index[int]) -> None:
        for name in ("model_a", "model_b"):
            _filled(frame, name, places)
        for name, known in (("relation", RELATIONS), ("status", STATUSES)):
            strange = ~frame[name].isin(known)
            if strange.any():
                row = int(np.flatnonzero(strange)[0])
                raise BadTable(
                    f"{place(places, row)} has {name} {frame[name][row]!r}; known: {', '.join(known)}"
                )
        selves = frame["model_a"] == frame["model_b"]
        if selves.any():
            row = int(np.flatnonzero(selves)[0])
            model = frame["model_a"][row]
            raise BadTable(f"{place(places, row)}: {model} is paired with itself; drop such rows")
        frame["score"] = real_numbers(frame["score"], places)

    def _attribute(
        self, what: str, frame: pd.DataFrame, places: pd.Index[int], *, optional: bool = False
    ) -> tuple[Names, Codes]:
        """Code a per-model attribute that the table states per pair, refusing contradictions."""
        n = len(frame)
        codes, names = pd.factorize(pd.concat([frame[f"{what}_a"], frame[f"{what}_b"]]), sort=True)
        if not optional and (codes < 0).any():
            row = int(np.flatnonzero(codes < 0)[0]) % n
            raise BadTable(f"{place(places, row)} has no {what}; fill it or leave the column out")
        models = np.concatenate([self.model_a, self.model_b])
        of_model = np.empty(len(self.models), dtype=np.int32)
        of_model[models] = codes
        contradiction = of_model[models] != codes
        if contradiction.any():
            model = self.models[models[int(np.flatnonzero(contradiction)[0])]]
            raise BadTable(f"model {model} has two different values of {what}; a model has one")
        return np.asarray(names, dtype=object), of_model

    def __len__(self) -> int:
        return len(self.frame)

    def __repr__(self) -> str:
        return (
            f"ScoreTable({self.metric}: {len(self)} pairs of {len(self.models)} models in "
            f"{len(self.lineages)} lineages; {int(self.derived.sum())} derived, "
            f"{int(self.independent.sum())} independent, {int(self.look_alike.sum())} look-alikes)"
        )

    __str__ = __repr__

    def _facts(self) -> dict[str, object]:
        scored = self.comparable
        return {
            "metric": self.metric,
            "pairs": f"{int(scored.sum()):,} of {len(self):,} have a score",
            "models": f"{len(self.models):,} in {len(self.lineages):,} lineages",
            "derived": int((self.derived & scored).sum()),
            "look_alikes": int((self.look_alike & scored).sum()),
            "other_independent": int((self.independent & ~self.look_alike & scored).sum()),
        }

    def with_scores(self, score: npt.ArrayLike) -> ScoreTable:
        """Give the same pairs and labels other scores: a permuted or simulated table, cheaply.

        Parameters
        ----------
        score : array_like of float, shape (n_pairs,)
            In the row order of `frame`. Pairs that are not comparable stay so; their score is ignored.

        Raises
        ------
        BadTable
            The shape differs, or a comparable pair gets NaN.

        Examples
        --------
        >>> import numpy as np
        >>> from analysis import auc, example_table
        >>> table = example_table()
        >>> auc(table.with_scores(np.exp(table.score))).estimate == auc(table).estimate
        True
        """
        score = np.asarray(score, dtype=np.float64)
        if score.shape != self.score.shape:
            raise BadTable(f"{score.shape} scores for {len(self)} pairs")
        if np.isnan(score[self.comparable]).any():
            raise BadTable("a comparable pair was given the score NaN")
        other = copy.copy(self)
        other.score = np.where(self.comparable, score, np.nan)
        other.frame = self.frame.assign(score=other.score)
        return other

    def coverage(self, pairs: Mask) -> float:
        """Share of some pairs that have a score; NaN where there are none."""
        n = int(pairs.sum())
        return int((pairs & self.comparable).sum()) / n if n else math.nan

    def count_models(self, rows: npt.NDArray[np.int64]) -> int:
        """Count the models that stand in some rows."""
        seen = np.zeros(len(self.models), dtype=bool)
        seen[self.model_a[rows]] = True
        seen[self.model_b[rows]] = True
        return int(seen.sum())

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """What was changed or looks like a slip."""
        alike: dict[str, list[str]] = {}
        for name in self.models.tolist():
            alike.setdefault(unicodedata.normalize("NFKC", name).casefold(), []).append(name)
        several = [names for names in alike.values() if len(names) > 1]
        if not several:
            return self._blanks
        some = "; ".join(" and ".join(names) for names in several[:3])
        return (*self._blanks, f"models whose names differ only in case or form are counted apart: {some}")

    @cached_property
    def cell_pair(self) -> npt.NDArray[np.int64]:
        """Code of the unordered pair of architecture cells of each pair; -1 where a cell is unknown."""
        return cell_pairs(self.cell_a, self.cell_b)

    @cached_property
    def look_alike(self) -> Mask:
        """Independent pairs that stand in the same pair of cells as some derived pair of the table."""
        return look_alike_pairs(self.relation, self.cell_a, self.cell_b)

    def negatives(self, which: str) -> Mask:
        """Mask of the negatives asked for: ``"independent"`` or ``"look-alike"``."""
        check_choice(which, "negatives", NEGATIVES)
        return self.independent if which == "independent" else self.look_alike


def check_table(value: object, name: str = "table") -> ScoreTable:
    """Check that an argument is a score table."""
    return check_instance(value, name, ScoreTable, HINT)


def check_tables(value: object, name: str = "tables") -> tuple[ScoreTable, ...]:
    """Check that an argument is a sequence of score tables, one a metric."""
    tables = check_instances(value, name, ScoreTable, HINT)
    metrics = [table.metric for table in tables]
    twice = next((metric for metric in metrics if metrics.count(metric) > 1), None)
    if twice is not None:
        raise BadArgument(f"{name} must hold one table per metric; {twice!r} appears twice")
    return tables


def _filled(frame: pd.DataFrame, column: str, places: pd.Index[int], what_to_do: str = "") -> None:
    """Refuse a column with a gap."""
    gaps = np.flatnonzero(frame[column].isna())
    if len(gaps):
        raise BadTable(f"{place(places, int(gaps[0]))} has no {column}{what_to_do}")


def _ordered(frame: pd.DataFrame, places: pd.Index[int]) -> tuple[pd.DataFrame, pd.Index[int]]:
    """Put each pair in name order (labels with it) and rows in pair order."""
    swap = (frame["model_a"] > frame["model_b"]).to_numpy()
    if swap.any():
        for first, second in ENDS:
            if first in frame and second in frame:
                a, b = frame[first].to_numpy(dtype=object), frame[second].to_numpy(dtype=object)
                frame[first], frame[second] = np.where(swap, b, a), np.where(swap, a, b)
    frame = frame.sort_values(["model_a", "model_b"])  # stable: by two columns pandas sorts no other way
    return frame.reset_index(drop=True), places[frame.index]
