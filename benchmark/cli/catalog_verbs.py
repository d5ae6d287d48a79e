"""``catalog check|show|tree|pairs|published``: validate and look at the catalog."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchmark.cli.exits import BAD_INPUT
from benchmark.cli.options import CatalogFile, Json, ModelName
from benchmark.cli.printing import print_json, say
from benchmark.cli.published_verb import catalog_published

if TYPE_CHECKING:
    from benchmark.catalog import CatalogError

__all__ = ["app"]

app = typer.Typer(help="Validate and look at the catalog.", no_args_is_help=True)
app.command("published")(catalog_published)


@app.command("check", short_help="Validate catalogs; every problem on a line of its own.")
def catalog_check(
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="[FILE]...", help="Catalogs; default: the shipped one.")
    ] = None,
    catalog: CatalogFile = None,
    json_: Json = False,
) -> None:
    """Validate catalogs, every problem on a line of its own, and count what they hold."""
    from benchmark.catalog import CatalogError, load_catalog
    from benchmark.catalog.show import check_text, problems_text

    named: list[Path | None] = [*([catalog] if catalog else []), *(files or [])]
    told: list[dict[str, object]] = []
    for file in named or [None]:
        try:
            loaded = load_catalog(file)
        except CatalogError as error:
            told.append({"file": str(file), "sound": False, "problems": _problems(error)})
            say(problems_text(error))
        else:
            told.append({"sound": True, **loaded.counts().to_json()} if json_ else {"sound": True})
            if not json_:
                print(check_text(loaded))
    if json_:
        print_json(told if len(told) > 1 else told[0])
    if not all(one["sound"] for one in told):
        raise typer.Exit(BAD_INPUT)


def _problems(error: CatalogError) -> list[dict[str, object]]:
    if not error.problems:
        return [{"message": str(error)}]
    return [
        {"file": one.file, "line": one.line, "field": one.field, "message": one.message}
        for one in error.problems
    ]


@app.command("show")
def catalog_show(model: ModelName, catalog: CatalogFile = None, json_: Json = False) -> None:
    """One model: facts, parents, children, evidence, disputes."""
    from benchmark.catalog import load_catalog
    from benchmark.catalog.show import model_json, show_text

    loaded = load_catalog(catalog)
    if json_:
        print_json(model_json(loaded, model))
    else:
        print(show_text(loaded, model))


@app.command("tree")
def catalog_tree(model: ModelName, catalog: CatalogFile = None, json_: Json = False) -> None:
    """The lineage of a model as a tree."""
    from benchmark.catalog import load_catalog
    from benchmark.catalog.show import tree_json, tree_text

    loaded = load_catalog(catalog)
    if json_:
        print_json(tree_json(loaded, model))
    else:
        print(tree_text(loaded, model))


@app.command("pairs")
def catalog_pairs(
    relation: Annotated[str | None, typer.Option(metavar="r", help="Only pairs of this relation.")] = None,
    csv: Annotated[bool, typer.Option("--csv", help="As CSV, with all labels.")] = False,
    catalog: CatalogFile = None,
    json_: Json = False,
) -> None:
    """All pairs with relation, method, lineages and architecture cells."""
    from benchmark.catalog import load_catalog
    from benchmark.catalog.show import pairs_text

    print(pairs_text(load_catalog(catalog), relation, "json" if json_ else "csv" if csv else "table"))
