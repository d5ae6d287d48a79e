"""``python -m studies.peers``: which tools run here, what their claims come to, and their tables."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Final

import typer

import analysis
from benchmark.cli.exits import BAD_INPUT
from benchmark.cli.options import Json
from benchmark.cli.printing import print_json, say
from benchmark.session.errors import UsageError
from benchmark.session.files import atomic_path
from studies.peers.audit import audit_run, audit_text
from studies.peers.exported import BothWays, Layout, ScoreColumn, read_exported
from studies.peers.installed import REMEDY, installed_version

__all__ = ["PEERS", "main"]

# What each class asks to be installed; None: nothing.
PEERS: Final = (
    ("modeldna.py:ModelDNA", "modeldna"),
    ("provenance_kit.py:ProvenanceKit", "cisco-ai-provenance-kit"),
    ("provenance_kit.py:ProvenanceKitWeights", "cisco-ai-provenance-kit"),
    ("awm.py:AwmZ", None),
)

app = typer.Typer(
    name="lookalike-peers",
    help="Other people's tools on the same pairs.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """Run the command line; bad input is one clear line and exit code 2."""
    try:
        app()
    except (UsageError, analysis.BadTable) as error:
        say(f"error: {error}")
        sys.exit(BAD_INPUT)


@app.command("list")
def list_peers() -> None:
    """The metrics here, and whether what they run is installed."""
    folder = Path(__file__).parent
    for spec, package in PEERS:
        version = None if package is None else installed_version(package)
        missing = package is not None and version is None
        says = (
            f"not installed: {REMEDY}" if missing else f"{package} {version}" if package else "nothing needed"
        )
        print(f"python -m benchmark evaluate {_short(folder)}/{spec}   ({says})")


def _short(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


@app.command()
def audit(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run directory of run, evaluate or analyse.")],
    json_: Json = False,
) -> None:
    """What the metrics of a run claim, and what it says of each claim."""
    audits = audit_run(run)
    if json_:
        print_json(analysis.as_json(audits))
    else:
        print(audit_text(audits))


@app.command()
def convert(
    tables: Annotated[
        list[Path], typer.Argument(metavar="FILE…", help=".csv, .tsv, .parquet, .json, .jsonl.")
    ],
    out: Annotated[Path, typer.Option("--out", metavar="SCORES", help="The score table: .csv or .parquet.")],
    score: Annotated[
        list[str], typer.Option(metavar="METRIC=COLUMN", help="Repeatable; METRIC=-COLUMN for a distance.")
    ],
    models: Annotated[
        str, typer.Option(metavar="A,B", help="The columns that name them.")
    ] = "model_a,model_b",
    pair: Annotated[str | None, typer.Option(metavar="COLUMN", help="One column that names both.")] = None,
    separator: Annotated[str, typer.Option(help="Between the two names of --pair.")] = " vs ",
    square: Annotated[
        bool, typer.Option("--square", help="A matrix: first column and header name models.")
    ] = False,
    both_ways: Annotated[BothWays, typer.Option(help="A pair with one score each way.")] = BothWays.refuse,
) -> None:
    """Turn tables of another tool into a score table for `python -m benchmark analyse`."""
    if out.suffix not in {".csv", ".parquet"}:
        raise UsageError(f"--out {out}: name a .csv or .parquet file")
    left, _, right = models.partition(",")
    if not left or not right:
        raise UsageError(f"--models {models}: name two columns, such as suspect,candidate")
    frame = read_exported(
        tables,
        Layout(
            tuple(ScoreColumn.of(each) for each in score),
            models=(left, right),
            pair=pair,
            separator=separator,
            square=square,
            both_ways=both_ways,
        ),
    )
    with atomic_path(out) as temporary:
        if out.suffix == ".csv":
            frame.to_csv(temporary, index=False)
        else:
            frame.to_parquet(temporary, index=False)
    pairs = len(frame[["model_a", "model_b"]].drop_duplicates())
    print(f"{out}: {pairs} pairs, {frame['metric'].nunique()} metrics")
    if "relation" not in frame:
        print(f"next: python -m benchmark analyse {out} --catalog lineage_catalog.yaml")


if __name__ == "__main__":
    main()
