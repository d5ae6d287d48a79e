"""``compare --pairs``: many pairs, each a case of its own; calibration and models are read once."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pandas as pd

from benchmark.catalog import Catalog, CatalogLike, load_catalog
from benchmark.comparison.calibration_run import CalibrationFacts
from benchmark.comparison.case import Case
from benchmark.comparison.comparer import Comparer, check_typed
from benchmark.comparison.shipped_calibration import SHIPPED, open_calibration
from benchmark.pipeline.checkpoints import locate_typed
from benchmark.pipeline.score_file import read_table_file
from benchmark.session.cache import TRIM_EVERY
from benchmark.session.errors import UsageError
from benchmark.session.session import Session

__all__ = ["ComparedPair", "ComparedPairs", "compare_pairs"]

SCHEMA: Final = 1
ENDS: Final = ("model_a", "model_b")


@dataclass(frozen=True)
class ComparedPair:
    """One row of a table of pairs, and what came of it.

    Attributes
    ----------
    place : str
        Where it stands, such as "line 2".
    model_a, model_b : str
        As the row names them.
    case : Case or None
        None where the row could not be compared.
    error : str
        Why not; empty otherwise.
    """

    place: str
    model_a: str
    model_b: str
    case: Case | None
    error: str

    @property
    def failures(self) -> tuple[str, ...]:
        """What failed of it, a line each."""
        if self.case is None:
            return (f"{self.place}: {self.error}",)
        return tuple(f"{self.place}: {failure}" for failure in self.case.failures)

    def row(self) -> dict[str, object]:
        """The answer as one flat row; numbers that there are not are None."""
        start = {"model_a": self.model_a, "model_b": self.model_b}
        case = self.case
        if case is None:
            return {"row": self.place, **start, "status": "failed", "answer": self.error}
        quoted = case.quoted
        weight = quoted.weight if quoted is not None and not case.forged else None
        low, high = (math.nan, math.nan) if weight is None else weight.ends
        return {
            "row": self.place,
            **start,
            "status": "failed" if case.failures else "ok",
            "answer": case.answer,
            "supports": case.supports,
            "log10_lr": None if weight is None else _number(weight.log10_lr),
            "log10_lr_low": _number(low),
            "log10_lr_high": _number(high),
            "sentence": case.sentence or None,
            "cannot_say": None if case.sentence else case.cannot_say[0],
            **{f"{one.metric}": _number(one.score) for one in case.metrics},
        }


@dataclass(frozen=True)
class ComparedPairs:
    """A table of pairs, compared.

    Attributes
    ----------
    calibration : CalibrationFacts or None
        Which run weighs them. Of each pair the lineages of both models are left out.
    pairs : tuple of ComparedPair
        In the order of the table.
    """

    calibration: CalibrationFacts | None
    pairs: tuple[ComparedPair, ...]

    @property
    def failures(self) -> tuple[str, ...]:
        """What failed, a line each."""
        return tuple(failure for pair in self.pairs for failure in pair.failures)

    def table(self) -> pd.DataFrame:
        """One row per pair: the answer, what it weighs, the sentence, and every metric's score."""
        return pd.DataFrame([pair.row() for pair in self.pairs])

    def to_json(self) -> dict[str, object]:
        """All cases as plain values."""
        return {
            "schema": SCHEMA,
            "calibration": self.calibration.to_json() if self.calibration else None,
            "pairs": [
                {
                    "row": pair.place,
                    "model_a": pair.model_a,
                    "model_b": pair.model_b,
                    "error": pair.error or None,
                    "case": None if pair.case is None else pair.case.to_json(),
                }
                for pair in self.pairs
            ],
        }


def compare_pairs(
    pairs: pd.DataFrame | Path | str | Sequence[tuple[str, str]],
    *,
    calibration: Path | str | None = SHIPPED,
    metrics: str | Sequence[str] | None = None,
    catalog: CatalogLike = None,
    time_limit: float | None = None,
    sample: bool = False,
    workers: int | None = None,
    device: str | None = None,
    cache: Path | str | None = None,
    quiet: bool = True,
) -> ComparedPairs:
    """Compare many pairs of models: each model is read once, and the calibration once.

    Parameters
    ----------
    pairs : DataFrame, path, or sequence of (str, str)
        A table with columns model_a and model_b (others are left alone), a .csv or .parquet file with one, or
        the pairs themselves.
    calibration, metrics, catalog, time_limit, sample
        As for `benchmark.compare`.
    workers, device, cache, quiet
        As for `Session.start`.

    Returns
    -------
    ComparedPairs
        A pair that cannot be compared has an error, and the others their cases.

    Raises
    ------
    UsageError
        No table of pairs, no such run, no such metric.

    Examples
    --------
    >>> pairs = [("zoo/qwen-a", "zoo/qwen-b"), ("zoo/qwen-a", "nowhere")]
    >>> found = compare_pairs(pairs, calibration=None, metrics="norm-std")
    >>> found.table()[["row", "model_b", "status"]].to_numpy().tolist()
    [['row 1', 'zoo/qwen-b', 'ok'], ['row 2', 'nowhere', 'failed']]
    """
    rows = _rows(pairs)
    session = Session.start(cache=cache, device=device, workers=workers, quiet=quiet)
    loaded = load_catalog(catalog)
    run = None if calibration is None else open_calibration(calibration, session.cache)
    errors = {place: why for place, typed in rows.items() if (why := _refused(loaded, typed))}
    named = dict.fromkeys(text for place, typed in rows.items() if place not in errors for text in typed)
    comparer = Comparer(
        session,
        loaded,
        list(named),
        run,
        metrics=metrics,
        time_limit=time_limit,
        sample=sample,
        tolerant=True,
    )
    for place, typed in rows.items():
        if place not in errors and (why := _unreadable(comparer, typed)):
            errors[place] = why
    sound = {place: typed for place, typed in rows.items() if place not in errors}
    cases: dict[str, Case] = {}
    scores = comparer.scorer.scores(list(sound.values())) if sound else []
    with session.progress.phase("evidence", "pairs") as advance:
        for done, ((place, typed), scored) in enumerate(zip(sound.items(), scores, strict=True)):

            def moved(steps: float, of: int, what: str, done: int = done) -> None:
                advance(done + steps / of, len(sound), what)

            cases[place] = comparer.case(typed, scored, advance=moved)
    session.cache.trim(every=TRIM_EVERY)
    facts = None if run is None else run.facts(())
    found = (
        ComparedPair(place, *typed, cases.get(place), errors.get(place, "")) for place, typed in rows.items()
    )
    return ComparedPairs(facts, tuple(found))


def _rows(pairs: pd.DataFrame | Path | str | Sequence[tuple[str, str]]) -> Mapping[str, tuple[str, str]]:
    """Pairs by where they stand."""
    if isinstance(pairs, Path | str):
        where, table = str(pairs), read_table_file(Path(pairs), ENDS, "a table of pairs")
        places = [f"{table.index.name} {place}" for place in table.index]
    else:
        where = "the table of pairs"
        table = pairs if isinstance(pairs, pd.DataFrame) else pd.DataFrame(list(pairs), columns=list(ENDS))
        places = [f"row {place}" for place in range(1, len(table) + 1)]
    missing = [name for name in ENDS if name not in table]
    if missing:
        raise UsageError(f"{where}: no column {', '.join(missing)}; a table of pairs has model_a, model_b")
    if table.empty:
        raise UsageError(f"{where}: no rows")
    ends = [table[name].fillna("").astype(str).str.strip() for name in ENDS]
    return {place: (a, b) for place, a, b in zip(places, *ends, strict=True)}


def _refused(catalog: Catalog, typed: tuple[str, str]) -> str:
    """Why two names are no pair; empty where they are one."""
    if not all(typed):
        return f"no model in {' and '.join(name for name, text in zip(ENDS, typed, strict=True) if not text)}"
    try:
        check_typed(catalog, typed)
        for text in typed:
            locate_typed(catalog, text)
    except UsageError as error:
        return str(error)
    return ""


def _unreadable(comparer: Comparer, typed: tuple[str, str]) -> str:
    """Why two models cannot be compared; empty where they can."""
    for text in typed:
        if text in comparer.scorer.damage:
            return comparer.scorer.damage[text]
    try:
        comparer.check(typed)
    except UsageError as error:
        return str(error)
    return ""


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value
