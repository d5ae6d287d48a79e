"""``catalog check|import|show|tree|pairs|published``: validate the catalog, look at it, add models to it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchmark.cli.exits import BAD_INPUT
from benchmark.cli.options import CatalogFile, CatalogFiles, Json, ModelName
from benchmark.cli.printing import print_json, print_text, say
from benchmark.cli.published_verb import catalog_published
from benchmark.cli.verb_help import Verb

if TYPE_CHECKING:
    from benchmark.catalog import CatalogError

__all__ = ["app"]

app = typer.Typer(help="Validate, inspect and extend the catalog.", no_args_is_help=True)
app.command("published", cls=Verb, short_help="List published scores of real pairs.")(catalog_published)


@app.command("check", cls=Verb, short_help="Validate catalogs, one line per problem.")
def catalog_check(
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FILE", help="Catalog files; default: the shipped one."),
    ] = None,
    catalog: CatalogFiles = None,
    json_: Json = False,
) -> None:
    """Validate catalogs, with one line per problem, and count their entries.

    For local models, and for hub models whose entry pins a commit (as import does), the config and tensor
    headers are read and must match the shape in the entry. FILE arguments are checked one by one;
    --catalog files are merged first, as in a run.
    """
    from benchmark.catalog import CatalogError, load_catalog
    from benchmark.catalog.seen_shapes import with_seen_shapes
    from benchmark.catalog.show import check_text, problems_text

    named: list[list[str] | Path | None] = [*([catalog] if catalog else []), *(files or [])]
    told: list[dict[str, object]] = []
    for file in named or [None]:
        try:
            loaded, notes = with_seen_shapes(load_catalog(file))
        except CatalogError as error:
            told.append({"file": _called(file), "sound": False, "problems": _problems(error)})
            say(problems_text(error))
        else:
            counts = {**loaded.counts().to_json(), "notes": list(notes)} if json_ else {}
            told.append({"sound": True, **counts})
            if not json_:
                print_text(check_text(loaded))
                for note in notes:
                    print_text(f"  note       {note}")
    if json_:
        print_json(told if len(told) > 1 else told[0])
    if not all(one["sound"] for one in told):
        raise typer.Exit(BAD_INPUT)


def _called(file: list[str] | Path | None) -> str:
    return " + ".join(file) if isinstance(file, list) else str(file)


def _problems(error: CatalogError) -> list[dict[str, object]]:
    if not error.problems:
        return [{"message": str(error)}]
    return [
        {"file": one.file, "line": one.line, "field": one.field, "message": one.message}
        for one in error.problems
    ]


@app.command("import", cls=Verb, short_help="Write catalog entries from hub metadata.")
def catalog_import(
    names: Annotated[list[str], typer.Argument(metavar="ORG/NAME[@REVISION]", help="Models on the hub.")],
    catalog: CatalogFile = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Catalog to write to; default: the one of --catalog."),
    ] = None,
    with_parents: Annotated[
        bool, typer.Option("--with-parents", help="Also import the base models named in their cards.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the entries without writing them.")
    ] = False,
    json_: Json = False,
) -> None:
    """Write catalog entries from hub metadata, with evidence grade "card".

    Existing entries are left unchanged. Models already in the shipped catalog (or in --catalog, if --out is
    another file) are copied with their evidence; contradictions with a model card are reported.
    """
    from benchmark.catalog import load_catalog, shipped_catalog
    from benchmark.catalog.hub_import import import_models
    from benchmark.session.errors import UsageError

    target = out or catalog or (shipped_catalog() if dry_run else None)
    if target is None:
        raise UsageError("catalog import: say which catalog to write to: --out FILE or --catalog FILE")
    beside = load_catalog(catalog) if out is not None else None
    done = import_models(names, target, beside=beside, with_parents=with_parents, dry_run=dry_run)
    if json_:
        print_json({**done.to_json(), "written": bool(done.entries) and not dry_run, "entries": done.entries})
    elif dry_run:
        print(done.entries, end="")
    for outcome in done.outcomes:
        if outcome.state == "failed":
            say(f"error: {outcome.model}: {outcome.says}")
        elif dry_run or json_:
            say(str(outcome))
        else:
            print(outcome)
    if done.failed:
        raise typer.Exit(BAD_INPUT)


@app.command("show", cls=Verb)
def catalog_show(model: ModelName, catalog: CatalogFiles = None, json_: Json = False) -> None:
    """Show one model: facts, parents, children, evidence, disputes."""
    from benchmark.catalog import load_catalog
    from benchmark.catalog.show import model_json, show_text

    loaded = load_catalog(catalog)
    if json_:
        print_json(model_json(loaded, model))
    else:
        print_text(show_text(loaded, model))


@app.command("tree", cls=Verb)
def catalog_tree(model: ModelName, catalog: CatalogFiles = None, json_: Json = False) -> None:
    """Show the lineage of a model as a tree."""
    from benchmark.catalog import load_catalog
    from benchmark.catalog.show import tree_json, tree_text

    loaded = load_catalog(catalog)
    if json_:
        print_json(tree_json(loaded, model))
    else:
        print_text(tree_text(loaded, model))


@app.command("pairs", cls=Verb, short_help="List all pairs, with relation, method and lineages.")
def catalog_pairs(
    relation: Annotated[
        str | None, typer.Option(metavar="RELATION", help="Only pairs of this relation.")
    ] = None,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV with all labels.")] = False,
    catalog: CatalogFiles = None,
    json_: Json = False,
) -> None:
    """List all pairs with relation, method, lineages and architecture cells."""
    from benchmark.catalog import load_catalog
    from benchmark.catalog.show import pairs_text

    print(pairs_text(load_catalog(catalog), relation, "json" if json_ else "csv" if csv else "table"))
