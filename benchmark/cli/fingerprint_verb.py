"""``fingerprint``: what the metrics keep of one checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from benchmark.cli.options import CatalogFile, Device, Json, Metrics
from benchmark.cli.printing import print_json

__all__ = ["fingerprint"]

BARS: Final = "▁▂▃▄▅▆▇█"


def fingerprint(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A catalog id, a directory or file, or org/name.")
    ],
    metrics: Metrics = None,
    catalog: CatalogFile = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write the JSON here.")] = None,
    device: Device = None,
    json_: Json = False,
) -> None:
    """Extract and show the fingerprint of one checkpoint."""
    from benchmark.catalog import load_catalog
    from benchmark.cli.fingerprint_text import fingerprint_of, fingerprint_text
    from benchmark.pipeline.checkpoints import open_typed
    from benchmark.pipeline.metric_choice import choose_metrics
    from benchmark.session.files import write_json

    value = fingerprint_of(open_typed(load_catalog(catalog), model), choose_metrics(metrics))
    if out is not None:
        write_json(out, value)
    if json_:
        print_json(value)
    elif out is None:
        print(fingerprint_text(value))


def fingerprint_of(checkpoint: fpcore.Checkpoint, metrics: Sequence[str]) -> dict[str, Any]:
    """Extract a checkpoint's fingerprint under several metrics.

    Returns
    -------
    dict
        ``{"model", "digest", "architecture", "metrics": {name: raw values}}``; a metric that abstains
        stands in ``"abstained"`` with its reason instead.
    """
    values: dict[str, Any] = {}
    abstained: dict[str, str] = {}
    for name in metrics:
        metric = fpcore.metric(name)
        try:
            values[name] = metric.raw(metric.fingerprint(checkpoint))
        except fpcore.NotComparable as error:
            abstained[name] = error.reason
    return {
        "model": checkpoint.name,
        "digest": checkpoint.digest,
        "architecture": {**asdict(checkpoint.architecture), "cell": checkpoint.architecture.cell},
        "metrics": values,
        "abstained": abstained,
    }


def fingerprint_text(value: dict[str, Any]) -> str:
    """A fingerprint for the eye: one small curve a role, with its range."""
    lines = [
        f"{value['model']}",
        f"  digest        {value['digest']}",
        f"  architecture  {value['architecture']['cell']}",
    ]
    for metric, roles in value["metrics"].items():
        lines.append(f"\n{metric}")
        for role, numbers in roles.items():
            if isinstance(numbers, list) and numbers and all(isinstance(number, float) for number in numbers):
                lines.append(f"  {role:<14}{_curve(numbers)}  {min(numbers):.4g} … {max(numbers):.4g}")
            else:
                lines.append(f"  {role:<14}{_summary(numbers)}")
    lines += [f"\n{metric}\n  abstains: {reason}" for metric, reason in value["abstained"].items()]
    return "\n".join(lines)


def _curve(numbers: list[float]) -> str:
    low, high = min(numbers), max(numbers)
    span = (high - low) or 1.0
    return "".join(BARS[min(len(BARS) - 1, int((number - low) / span * len(BARS)))] for number in numbers)


def _summary(value: Any) -> str:
    if isinstance(value, list):
        return (
            f"{len(value)} × {len(value[0])} numbers"
            if value and isinstance(value[0], list)
            else f"{len(value)} numbers"
        )
    if isinstance(value, dict):
        return ", ".join(value)
    return str(value)
