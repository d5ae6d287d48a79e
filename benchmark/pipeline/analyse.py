"""The statistics alone, on a score table that a user brings: read, label, analyse."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pandas as pd

import analysis
import fpcore
from analysis.columns import LABELS
from benchmark.catalog import Catalog, load_catalog
from benchmark.pipeline.chosen_metric import choose
from benchmark.pipeline.finish import Scored, default_out, finish
from benchmark.pipeline.provenance import Clock, Request, catalog_facts
from benchmark.results.files import RunDirectory
from benchmark.results.run import Run
from benchmark.session.errors import UsageError
from benchmark.session.session import Session

__all__ = ["analyse", "read_scores"]

NEEDED: Final = ("model_a", "model_b", "score")


def analyse(
    scores: pd.DataFrame | Path | str,
    *,
    catalog: Catalog | Path | str | None = None,
    out: Path | str | None = None,
    seed: int = 0,
    cache: Path | str | None = None,
    quiet: bool = True,
) -> Run:
    """Analyse a score table and write a run directory; metrics that are registered bring their claims.

    Parameters
    ----------
    scores : DataFrame or path
        A table, or a file ``.csv`` or ``.parquet``, with at least model_a, model_b and score.
    catalog : Catalog or path, optional
        Its labels replace all label columns of the table; without it the table must have them.
    out : path, optional
        The run directory; default: ``runs/<utc time>``.
    seed : int
        Of everything that draws random numbers.
    cache, quiet
        As for `Session.start`.

    Returns
    -------
    Run

    Raises
    ------
    UsageError
        The file cannot be read, lacks a column, or names models that the catalog does not know.
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
    table = read_scores(scores, labels)
    registered = {metric.name for metric in fpcore.metrics()}
    whole = [analysis.ScoreTable(frame).frame for _, frame in table.groupby("metric", sort=False)]
    scored = Scored(
        pd.concat(whole, ignore_index=True),
        [choose(name) for name in pd.unique(table["metric"]) if name in registered],
        labels,
    )
    source = None if isinstance(scores, pd.DataFrame) else str(scores)
    facts = None if labels is None else catalog_facts(labels)
    request = Request("analyse", {"scores": source}, seed, catalog=facts)
    return finish(session, RunDirectory(Path(out) if out else default_out()), scored, request, Clock())


def read_scores(scores: pd.DataFrame | Path | str, catalog: Catalog | None = None) -> pd.DataFrame:
    """Take a score table and put the catalog's labels where it has none; parameters as for `analyse`.

    Returns
    -------
    pandas.DataFrame
        With `metric` and `relation`; several metrics may stand in one table.

    Raises
    ------
    UsageError
        The file cannot be read, lacks a column, or names models that the catalog does not know.
    """
    where = "the score table" if isinstance(scores, pd.DataFrame) else str(scores)
    frame = scores.copy() if isinstance(scores, pd.DataFrame) else _read(Path(scores))
    missing = [name for name in NEEDED if name not in frame]
    if missing:
        raise UsageError(f"{where}: no column {', '.join(missing)}; a score table has {', '.join(NEEDED)}")
    if frame.empty:
        raise UsageError(f"{where}: no rows")
    if "metric" not in frame:
        frame.insert(0, "metric", "score")
    if catalog is not None:
        return _label(frame, catalog, where)
    if "relation" not in frame:
        raise UsageError(
            f"{where}: no column relation; add it, or name a catalog that knows the models (--catalog)"
        )
    return frame


def _read(path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise UsageError(f"{path}: no such file; give a score table (.csv or .parquet)")
    try:
        return pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    except (OSError, ValueError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: not a readable score table: {error}") from error


def _label(frame: pd.DataFrame, catalog: Catalog, where: str) -> pd.DataFrame:
    named = pd.unique(pd.concat([frame["model_a"], frame["model_b"]]).astype(str))
    unknown = [name for name in named if name not in catalog]
    if unknown:
        more = f" and {len(unknown) - 3} more" if len(unknown) > 3 else ""
        raise UsageError(f"{where}: the catalog does not know {', '.join(unknown[:3])}{more}; add them to it")
    ids = {name: catalog.canonical(name) for name in named}
    a, b = frame["model_a"].astype(str).map(ids), frame["model_b"].astype(str).map(ids)
    if (a == b).any():
        raise UsageError(
            f"{where}: {a[a == b].iloc[0]} is paired with itself (an alias is the same model); drop the row"
        )
    frame = frame.drop(columns=[name for name in LABELS if name in frame]).assign(
        model_a=a.where(a < b, b), model_b=b.where(a < b, a)
    )
    pairs = catalog.pairs(sorted(set(ids.values())))
    return frame.merge(pairs, on=["model_a", "model_b"], how="left", validate="many_to_one")
