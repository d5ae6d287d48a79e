"""``catalog published``: scores of real pairs that somebody published, beside a calibration."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchmark.cli.options import CatalogFiles, Json
from benchmark.cli.printing import print_json, print_text

if TYPE_CHECKING:
    import pandas as pd

    from benchmark.results.published_places import PublishedPlace

__all__ = ["catalog_published"]


def catalog_published(
    models: Annotated[
        list[str] | None,
        typer.Argument(metavar="MODEL", help="One model or a pair; default: all."),
    ] = None,
    metric: Annotated[str | None, typer.Option(metavar="METRIC", help="Only scores of this metric.")] = None,
    calibration: Annotated[
        Path | None,
        typer.Option(metavar="RUN", help="Run directory with look-alikes of the same shapes."),
    ] = None,
    catalog: CatalogFiles = None,
    json_: Json = False,
) -> None:
    """List published scores of real pairs, with the population each can be compared with."""
    from analysis import as_json
    from benchmark.catalog import load_catalog
    from benchmark.results.published_places import place_published

    loaded = load_catalog(catalog)
    scores = [one for one in loaded.published_scores(*(models or ())) if metric in (None, one.metric)]
    placed = place_published(scores, loaded, None if calibration is None else _scores_of(calibration))
    if json_:
        print_json([as_json(one) for one in placed])
    else:
        print_text("\n\n".join(map(_told, placed)) or "no published scores")


def _scores_of(run: Path) -> pd.DataFrame:
    from benchmark.results.files import RunDirectory

    return RunDirectory(run).read_scores()


def _told(one: PublishedPlace) -> str:
    where = f", {one.where}" if one.where else ""
    return "\n".join(
        (
            f"{one.metric} {one.value:g}  {' – '.join(one.pair)}  ({one.relation or 'not in the catalog'})",
            f"  {one.citation}{where}",
            f"  Population: {one.population}.",
            f"  Result: {one.says}",
            f"  {one.beside}",
        )
    )
