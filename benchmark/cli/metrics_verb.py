"""``metrics``: what each metric measures, what leaves it unchanged, what is claimed for it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from benchmark.cli.options import Json
from benchmark.cli.printing import print_json, print_text

if TYPE_CHECKING:
    from fpcore import Metric

__all__ = ["metrics"]


def metrics(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME", help="Metric names and globs; default: all.")
    ] = None,
    json_: Json = False,
) -> None:
    """List metrics with the evidence they use, their invariances and their authors' claims."""
    import fpcore
    from benchmark.pipeline.metric_names import choose_metrics

    chosen = [fpcore.metric(name) for name in choose_metrics(names or "all", option="metrics")]
    if json_:
        from analysis import as_json
        from benchmark.pipeline.provenance import describe_metric

        print_json({metric.name: as_json(describe_metric(metric)) for metric in chosen})
    else:
        print_text(metrics_text(chosen))


def metrics_text(metrics: Iterable[Metric]) -> str:
    """All metrics with their evidence, invariances and claims."""
    lines = []
    for metric in metrics:
        lines.append(f"{metric.name}  (version {metric.version}, {metric.cost})")
        lines.append(f"  {metric.title}")
        lines.append(f"  evidence     {', '.join(sorted(metric.evidence))}")
        lines.append(f"  invariant to {', '.join(sorted(metric.invariances)) or '(declares no invariances)'}")
        lines.append(f"  measured     {metric.measured or 'not yet'}")
        lines += [f"  claim        {claim.text} ({claim.source})" for claim in metric.claims]
        lines.append("")
    return "\n".join(lines).rstrip()
