"""The statistics alone, on a score table that a user brings: read, label, analyse."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pandas as pd

import analysis
import fpcore
from analysis.columns import LABELS
from analysis.table_columns import BadTable, columns_found, labelled, names_as_text, no_column_twice, place
from benchmark.catalog import Catalog, CatalogLike, load_catalog
from benchmark.pipeline.chosen_metric import choose
from benchmark.pipeline.failures import failures_of_table
from benchmark.pipeline.finish import Scored, default_out, finish
from benchmark.pipeline.provenance import Clock, Request, catalog_facts
from benchmark.pipeline.same_settings import check_settings
from benchmark.pipeline.score_file import need_columns, read_score_file
from benchmark.results.files import RunDirectory
from benchmark.results.run import Run
from benchmark.session.errors import UsageError
from benchmark.session.locks import locked
from benchmark.session.session import Session

__all__ = ["analyse", "read_scores"]

NAMES: Final = (
    "metric",
    "relation",
    "status",
    *(f"{what}_{end}" for what in ("model", "lineage", "architecture") for end in "ab"),
)


def analyse(
    scores: pd.DataFrame | Path | str,
    *,
    catalog: CatalogLike = None,
    out: Path | str | None = None,
    citation: str | None = None,
    own_units: bool = False,
    seed: int = 0,
    force: bool = False,
    cache: Path | str | None = None,
    quiet: bool = True,
) -> Run:
    """Analyse a score table and write a run directory; metrics that are registered bring their claims.

    Parameters
    ----------
    scores : DataFrame or path
        A table, or a file (CSV with any usual separator, or parquet), with at least model_a, model_b and
        score.
    catalog : Catalog, path or sequence of paths, optional
        Its labels replace all label columns of the table; without it the table must have them.
    out : path, optional
        The run directory; default: ``runs/<utc time>``.
    citation : str, optional
        Whose scores they are; a report that sets the zoo against them says it.
    own_units : bool
        Its scores are on a scale of their own: beside other runs only their order is compared.
    seed : int
        Random seed of everything that draws.
    force : bool
        Replace results of other settings that `out` holds.
    cache, quiet
        As for `Session.start`.

    Returns
    -------
    Run

    Raises
    ------
    UsageError
        The file cannot be read, lacks a column, or names models that the catalog does not know; `out` holds
        results of other settings, or another process writes there.
    analysis.BadTable
        Labels that contradict each other, or a pair twice.

    Examples
    --------
    >>> pairs = [("zoo/qwen-a", "zoo/qwen-a-ft-short", 0.99), ("zoo/qwen-a", "zoo/qwen-b", 0.01)]
    >>> table = pd.DataFrame(pairs, columns=["model_a", "model_b", "score"])
    >>> found = analyse(table, catalog=load_catalog(), out="runs/of-a-table")
    >>> found.results.metric("score").n_derived, found.results.metric("score").look_alike_auc.estimate
    (1, 1.0)
    """
    session = Session.start(cache=cache, quiet=quiet)
    labels = None if catalog is None else load_catalog(catalog)
    where = _where(scores)
    source = None if isinstance(scores, pd.DataFrame) else str(scores)
    facts = None if labels is None else catalog_facts(labels)
    arguments = {"scores": source, "citation": citation, "own_units": own_units}
    request = Request("analyse", arguments, seed, catalog=facts)
    directory = RunDirectory(Path(out) if out else default_out())
    check_settings(directory, request, force=force)
    table, notes = read_scores(scores, labels)
    registered = {metric.name for metric in fpcore.metrics()}
    try:
        tables = [analysis.ScoreTable(frame) for _, frame in table.groupby("metric", sort=False)]
    except BadTable as fault:
        raise BadTable(fault.told, where) from fault
    for note in dict.fromkeys((*notes, *(note for one in tables for note in one.notes))):
        session.progress.say(f"{where}: {note}")
    frame = pd.concat([one.frame for one in tables], ignore_index=True)
    scored = Scored(
        frame,
        [choose(one.metric) for one in tables if one.metric in registered],
        labels,
        notes=notes,
        failures=failures_of_table(frame),
    )
    with locked(directory.path, "--out"):
        return finish(session, directory, scored, request, Clock())


def read_scores(
    scores: pd.DataFrame | Path | str, catalog: Catalog | None = None
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Take a score table and put the catalog's labels where it has none; parameters as for `analyse`.

    Returns
    -------
    frame : pandas.DataFrame
        With `metric` and `relation`; several metrics may stand in one table. Names are text.
    notes : tuple of str
        What was changed to read it.

    Raises
    ------
    UsageError
        The file cannot be read, lacks a column, or names models that the catalog does not know.
    analysis.BadTable
        A column twice, a name that is no text, a row without metric or model.
    """
    where = _where(scores)
    frame = scores if isinstance(scores, pd.DataFrame) else read_score_file(Path(scores))
    need_columns(frame.columns, where)
    try:
        frame, notes = _named(frame)
    except BadTable as fault:
        raise BadTable(fault.told, where) from fault
    if frame.empty:
        raise UsageError(f"{where}: no rows")
    if catalog is not None:
        return _label(frame, catalog, where), notes
    if "relation" not in frame:
        raise UsageError(
            f"{where}: no column relation; add it, or give a catalog with these models (--catalog);"
            f" {columns_found(frame.columns)}"
        )
    return frame, notes


def _where(scores: pd.DataFrame | Path | str) -> str:
    return "the score table" if isinstance(scores, pd.DataFrame) else str(scores)


def _named(frame: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Names as text, none of them missing: a row without one must not vanish from a metric's table."""
    no_column_twice(frame)
    places = labelled(frame)
    frame, notes = names_as_text(frame.set_axis(places, axis=0), NAMES, places)
    if "metric" not in frame:
        frame.insert(0, "metric", "score")
    for column, what_to_do in (
        ("metric", "; fill it or leave the column out"),
        ("model_a", ""),
        ("model_b", ""),
    ):
        if frame[column].isna().any():
            row = int(frame[column].isna().to_numpy().argmax())
            raise BadTable(f"{place(places, row)} has no {column}{what_to_do}")
    return frame, notes


def _label(frame: pd.DataFrame, catalog: Catalog, where: str) -> pd.DataFrame:
    named = pd.unique(pd.concat([frame["model_a"], frame["model_b"]]))
    unknown = [name for name in named if name not in catalog]
    if unknown:
        more = f" and {len(unknown) - 3} more" if len(unknown) > 3 else ""
        raise UsageError(f"{where}: not in the catalog: {', '.join(unknown[:3])}{more}; add them to it")
    ids = {name: catalog.canonical(name) for name in named}
    a, b = frame["model_a"].map(ids), frame["model_b"].map(ids)
    if (a == b).any():
        row = int((a == b).to_numpy().argmax())
        raise UsageError(
            f"{where}: {place(frame.index, row)}: {a.iloc[row]} is paired with itself (an alias is the same"
            " model); drop the row"
        )
    frame = frame.drop(columns=[name for name in LABELS if name in frame]).assign(
        model_a=a.where(a < b, b), model_b=b.where(a < b, a)
    )
    pairs = catalog.pairs(sorted(set(ids.values())))
    found = frame.merge(pairs, on=["model_a", "model_b"], how="left", validate="many_to_one")
    return found.set_axis(frame.index, axis=0)
