"""Score tables that users bring: read, label, analyse."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

import analysis
import fpcore
from benchmark.catalog import Catalog
from benchmark.pipeline.execute import Clock, Finished, Told, finish
from benchmark.results.files import RunDirectory
from benchmark.results.schema import CatalogFacts
from benchmark.session.errors import UsageError
from benchmark.session.files import cache_directory
from benchmark.session.progress import Reporter

__all__ = ["analyse_table", "read_scores"]

NEEDED = ("model_a", "model_b", "score")
LABELS = ("relation", "method", "lineage_a", "lineage_b", "architecture_a", "architecture_b")


def read_scores(path: Path, catalog: Catalog | None = None) -> pd.DataFrame:
    """Read a score table and put the catalog's labels where it has none.

    Parameters
    ----------
    path : Path
        ``.csv`` or ``.parquet`` with at least model_a, model_b and score.
    catalog : Catalog, optional
        Its labels replace all label columns of the file.

    Returns
    -------
    pandas.DataFrame
        With `metric` and `relation`; several metrics may stand in one file.

    Raises
    ------
    UsageError
        The file cannot be read, lacks a column, or names models that the catalog does not know.
    """
    if not path.is_file():
        raise UsageError(f"{path}: no such file; give a score table (.csv or .parquet)")
    try:
        frame = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    except (OSError, ValueError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: not a readable score table: {error}") from error
    missing = [name for name in NEEDED if name not in frame]
    if missing:
        raise UsageError(f"{path}: no column {', '.join(missing)}; a score table has {', '.join(NEEDED)}")
    if frame.empty:
        raise UsageError(f"{path}: no rows")
    if "metric" not in frame:
        frame.insert(0, "metric", "score")
    if catalog is not None:
        return _label(frame, catalog, path)
    if "relation" not in frame:
        raise UsageError(
            f"{path}: no column relation; add it, or name a catalog that knows the models (--catalog)"
        )
    return frame


def _label(frame: pd.DataFrame, catalog: Catalog, path: Path) -> pd.DataFrame:
    named = pd.unique(pd.concat([frame["model_a"], frame["model_b"]]).astype(str))
    unknown = [name for name in named if name not in catalog]
    if unknown:
        more = f" and {len(unknown) - 3} more" if len(unknown) > 3 else ""
        raise UsageError(f"{path}: the catalog does not know {', '.join(unknown[:3])}{more}; add them to it")
    ids = {name: catalog.canonical(name) for name in named}
    a, b = frame["model_a"].astype(str).map(ids), frame["model_b"].astype(str).map(ids)
    if (a == b).any():
        raise UsageError(
            f"{path}: {a[a == b].iloc[0]} is paired with itself (an alias is the same model); drop the row"
        )
    frame = frame.drop(columns=[name for name in LABELS if name in frame]).assign(
        model_a=a.where(a < b, b), model_b=b.where(a < b, a)
    )
    pairs = catalog.pairs(sorted(set(ids.values())))
    return frame.merge(pairs, on=["model_a", "model_b"], how="left", validate="many_to_one")


def analyse_table(
    scores: pd.DataFrame,
    out: Path,
    *,
    catalog: Catalog | None,
    seed: int,
    reporter: Reporter,
    source: Path,
    facts: CatalogFacts | None,
) -> Finished:
    """Analyse a score table and write a run directory; metrics that are registered bring their claims."""
    registered = {metric.name for metric in fpcore.metrics()}
    whole = [analysis.ScoreTable(frame).frame for _, frame in scores.groupby("metric", sort=False)]
    return finish(
        pd.concat(whole, ignore_index=True),
        RunDirectory(out),
        catalog=catalog,
        metrics=[name for name in pd.unique(scores["metric"]) if name in registered],
        cache=cache_directory(),
        seed=seed,
        reporter=reporter,
        clock=Clock(),
        told=Told("analyse", {"scores": str(source)}, catalog=facts),
        costs={},
        extractions={},
    )
