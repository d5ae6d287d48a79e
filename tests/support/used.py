"""All that is done with a checkpoint: opened, read, digested, and put under every cheap metric."""

from __future__ import annotations

from pathlib import Path

import fpcore

__all__ = ["use"]


def use(path: Path) -> str:
    """Use a checkpoint as `run` does; the metrics that gave it a number, with the number."""
    model = fpcore.open_checkpoint(path, threads=1)
    assert model.architecture.cell.isprintable()
    assert len(model.digest) == 64
    scores: dict[str, float] = {}
    for metric in fpcore.metrics():
        if metric.cost == "costly":
            continue
        try:
            fingerprint = metric.fingerprint(model)
            scores[metric.name] = float(metric.similarity(fingerprint, fingerprint))
        except fpcore.NotComparable:
            continue
    return str(scores)
