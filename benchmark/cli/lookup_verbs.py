"""``report``, ``metrics`` and ``power``: verbs that look at what there is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli.options import CatalogFile, Json, print_json
from benchmark.session.errors import UsageError

__all__ = ["metrics", "power", "report"]


def report(
    run_directory: Annotated[Path, typer.Argument(metavar="RUN", help="A run directory.")],
    open_: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
    json_: Json = False,
) -> None:
    """Render a run again."""
    import webbrowser

    from benchmark.report import render

    written = [str(path) for path in render(run_directory)]
    if json_:
        print_json({"report": written[0], "files": written})
    else:
        print("\n".join(written))
    if open_:
        webbrowser.open((run_directory / "report.html").resolve().as_uri())


def metrics(json_: Json = False) -> None:
    """The metrics, with formula source, evidence used, invariances and claims."""
    import fpcore
    from analysis import as_json
    from benchmark.cli.fingerprint_text import metrics_text
    from benchmark.pipeline.provenance import describe_metric

    if json_:
        print_json({metric.name: as_json(describe_metric(metric)) for metric in fpcore.metrics()})
    else:
        print(metrics_text(fpcore.metrics()))


def power(
    lineages: Annotated[int | None, typer.Option(min=1, metavar="G", help="Lineages of a catalog.")] = None,
    max_fpr: Annotated[
        float | None, typer.Option("--max-fpr", metavar="a", help="A false-positive rate to certify.")
    ] = None,
    confidence: Annotated[float, typer.Option(min=0.5, max=0.9999, help="Of the certificate.")] = 0.95,
    catalog: CatalogFile = None,
    json_: Json = False,
) -> None:
    """What a catalog of a size can certify, and how many lineages a goal needs."""
    from benchmark.cli.power_text import power_answer, power_text

    if max_fpr is not None and not 0 < max_fpr < 1:
        raise UsageError(f"--max-fpr: {max_fpr} is not between 0 and 1")
    if lineages is None:
        from benchmark.catalog import load_catalog

        loaded = load_catalog(catalog)
        local = [model.id for model in loaded.models.values() if not model.remote]
        lineages = len({loaded.lineage(model) for model in local})
    answer = power_answer(lineages, max_fpr, confidence)
    if json_:
        print_json(answer)
    else:
        print(power_text(answer))
