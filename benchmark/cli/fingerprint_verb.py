"""``fingerprint``: what the metrics keep of one checkpoint, as numbers or as small curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, TypeGuard

import typer

from benchmark.cli.exits import UNIT_FAILED
from benchmark.cli.options import CatalogFiles, Device, Json, Metrics, Sample
from benchmark.cli.printing import print_json, print_text, say

if TYPE_CHECKING:
    from benchmark.pipeline.fingerprint_model import ModelFingerprint, Reading

__all__ = ["fingerprint", "fingerprint_text"]

BARS: Final = "▁▂▃▄▅▆▇█"


def fingerprint(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Catalog id, directory, file, or org/name.")],
    metrics: Metrics = None,
    catalog: CatalogFiles = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write JSON to this file.")
    ] = None,
    sample: Sample = False,
    device: Device = None,
    json_: Json = False,
) -> None:
    """Extract and show the fingerprint of one checkpoint."""
    from benchmark.pipeline.fingerprint_model import fingerprint as fingerprint_of
    from benchmark.session.files import write_json

    found = fingerprint_of(model, metrics=metrics, catalog=catalog, sample=sample, device=device)
    if out is not None:
        write_json(out, found.to_json())
    if json_:
        print_json(found.to_json())
    elif out is None:
        print_text(fingerprint_text(found))
    for name, error in found.failed.items():
        say(f"failed: {name}: {error}")
    if found.failed:
        raise typer.Exit(UNIT_FAILED)


def fingerprint_text(found: ModelFingerprint) -> str:
    """A fingerprint for the eye: one small curve a role, with its range."""
    lines = [
        found.model,
        f"  digest        {found.digest}{' (of the slices read)' if found.sampled else ''}",
        f"  architecture  {found.architecture.cell}",
        *_reading(found.reading),
    ]
    if found.apart:
        counted = (f"{kind} ({count})" if count > 1 else kind for kind, count in found.apart.items())
        lines.append(f"  ignored       {', '.join(counted)}")
    for metric, roles in found.metrics.items():
        lines.append(f"\n{metric}")
        wide = max(14, *(len(role) + 2 for role in roles)) if roles else 0
        lines += [f"  {role:<{wide}}{_curve(value)}" for role, value in roles.items()]
    lines += [f"\n{metric}\n  abstains: {reason}" for metric, reason in found.abstained.items()]
    return "\n".join(lines)


def _reading(reading: Reading) -> list[str]:
    """How the tensors were read, where there is more to say than that its type has a table."""
    lines = []
    if reading.names == "by convention":
        lines.append("  read          by naming convention (its type has no table of tensor names)")
    lines += [
        f"  skipped       {part}: layers {_listed(layers)}"
        for part, layers in reading.layers_left_out.items()
    ]
    return lines


def _listed(layers: Sequence[int]) -> str:
    """Numbers of layers, runs shortened: 0-2, 4."""
    runs: list[list[int]] = []
    for layer in layers:
        if runs and layer == runs[-1][-1] + 1:
            runs[-1].append(layer)
        else:
            runs.append([layer])
    return ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


def _curve(value: object) -> str:
    """One bar a number, and the range; what is no list of numbers is counted."""
    if not _numbers(value):
        return _counted(value)
    low, high = min(value), max(value)
    span = (high - low) or 1.0
    bars = (BARS[min(len(BARS) - 1, int((number - low) / span * len(BARS)))] for number in value)
    return f"{''.join(bars)}  {low:.4g} … {high:.4g}"


def _numbers(value: object) -> TypeGuard[Sequence[float]]:
    return isinstance(value, list) and bool(value) and all(isinstance(number, float) for number in value)


def _counted(value: object) -> str:
    if isinstance(value, list):
        rows = f"{len(value)} × {len(value[0])}" if value and isinstance(value[0], list) else str(len(value))
        return f"{rows} numbers"
    if isinstance(value, Mapping):
        return ", ".join(map(str, value))
    return str(value)
