"""What models on the hub would cost: their headers are read, and of their tensors only the sizes."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

import fpcore
from benchmark.catalog import Model
from benchmark.session.errors import UsageError
from fpcore.storage.dequantised import stored_parts

__all__ = ["Survey", "Surveyed", "estimated_bytes", "tensors_read"]

AT_ONCE: Final = 4  # models whose headers are fetched at one time; each asks for several things at once
UNREACHABLE: Final = "the hub cannot be reached"
SMALL_ROLES: Final = ("norm", "bias")  # words of roles that hold one number a unit


@dataclass(frozen=True)
class Surveyed:
    """What one model would cost.

    Attributes
    ----------
    cell : str
        Its architecture cell.
    bytes : int
        For all metrics together: what several read comes once.
    missing : int
        Those of them that are not on this machine yet.
    by_metric : mapping of str to int
        For each metric alone.
    """

    cell: str
    bytes: int
    missing: int
    by_metric: Mapping[str, int] = field(default_factory=dict)


class Survey:
    """Sizes of models, found out when they are asked for.

    Parameters
    ----------
    open_model : callable
        Opens a model by its id.
    metrics : sequence of Metric

    Attributes
    ----------
    found : dict of str to Surveyed
    failed : dict of str to str
        Models that could not be opened → why.
    rate : float
        Bytes a second; NaN before it was measured.
    """

    def __init__(
        self, open_model: Callable[[str], fpcore.Checkpoint], metrics: Sequence[fpcore.Metric]
    ) -> None:
        self._open, self._metrics = open_model, tuple(metrics)
        self.found: dict[str, Surveyed] = {}
        self.failed: dict[str, str] = {}
        self.rate = math.nan

    def ask(self, models: Iterable[str], advance: Callable[[int, int, str], None]) -> None:
        """Read the headers of models; whoever fails is named in `failed`.

        Raises
        ------
        UsageError
            The hub itself cannot be reached: all others would wait in vain.
        """
        new = [model for model in models if model not in self.found and model not in self.failed]
        self._several(new[:AT_ONCE], advance)
        unreachable = [why for why in self.failed.values() if UNREACHABLE in why]
        if new and not self.found and len(unreachable) == len(self.failed) and not offline():
            raise UsageError(f"{unreachable[0]}; check the network and $HF_ENDPOINT, or use --tier zoo")
        self._several(new[AT_ONCE:], advance)

    def _several(self, new: list[str], advance: Callable[[int, int, str], None]) -> None:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for done, (model, outcome) in enumerate(zip(new, pool.map(self._one, new), strict=True), 1):
                if isinstance(outcome, Surveyed):
                    self.found[model] = outcome
                else:
                    self.failed[model] = outcome
                advance(done, len(new), model)

    def _one(self, model: str) -> Surveyed | str:
        try:
            checkpoint = self._open(model)
            cell = checkpoint.architecture.cell
            wanted = {metric.name: tensors_read(checkpoint, [metric]) for metric in self._metrics}
            together = set().union(*wanted.values())
            return Surveyed(
                cell,
                checkpoint.bytes_on_hub(together),
                checkpoint.fetch_size(together),
                {name: checkpoint.bytes_on_hub(tensors) for name, tensors in wanted.items()},
            )
        except (fpcore.BadCheckpoint, fpcore.NotComparable) as error:
            return str(error)

    def measure_rate(self, models: Collection[str]) -> None:
        """Fetch a few megabytes that are needed anyway, of the model that needs most, and time it."""
        largest = max(models, key=lambda model: self.found[model].missing, default=None)
        if largest is None or not self.found[largest].missing:
            return
        with suppress(fpcore.BadCheckpoint):  # the run will meet the same, and name it
            checkpoint = self._open(largest)
            self.rate = checkpoint.measure_rate(tensors_read(checkpoint, self._metrics))


def offline() -> bool:
    """Whether the hub's client was told to use its cache alone: then nobody waits for anything."""
    from huggingface_hub import constants

    return bool(constants.HF_HUB_OFFLINE)


def tensors_read(checkpoint: fpcore.Checkpoint, metrics: Iterable[fpcore.Metric]) -> set[str]:
    """Stored tensors that metrics may read of a model; none where they abstain or fail on it."""
    sources: set[str] = set()
    for metric in metrics:
        if metric.reads == ():
            continue
        try:
            sources |= {checkpoint.roles[role].source for role in metric.roles_read(checkpoint)}
        except (fpcore.BadCheckpoint, fpcore.NotComparable):
            continue
    return set(stored_parts(checkpoint, sources)) if sources else set()


def estimated_bytes(model: Model, metrics: Iterable[fpcore.Metric], *, sample: bool = False) -> int:
    """What a model would cost by the catalog alone, before its headers are read: two bytes a weight.

    Of a sampled model it is a mebibyte a matrix: sixteen slices of 32 Ki weights.
    """
    facts = model.architecture
    depth, width = (facts.depth or 0, facts.width or 0) if facts else (0, 0)
    # Nothing for a model of which nothing is known: its headers then tell.
    weights = model.parameters or 12 * depth * width**2
    whole = 0
    for metric in metrics:
        if metric.reads is None or any(glob == "layers.*" or not is_small(glob) for glob in metric.reads):
            whole = 2 * weights
        elif metric.reads:
            whole = max(whole, 16 * depth * width)
    return min(whole, (7 * depth + 2) << 20) if sample else whole


def is_small(glob: str) -> bool:
    """Whether a glob stands for gains or biases alone."""
    return any(word in glob for word in SMALL_ROLES)
