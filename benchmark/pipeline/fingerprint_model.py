"""The fingerprint of one model under several metrics, as values to look at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import fpcore
from benchmark.pipeline.checkpoints import Located, locate_path, locate_typed
from benchmark.pipeline.chosen_metric import ChosenMetric, choose
from benchmark.pipeline.deadline import USUAL_SECONDS
from benchmark.pipeline.extract import extract
from benchmark.pipeline.metric_names import choose_metrics
from benchmark.pipeline.plugin_process import PluginEnded
from benchmark.pipeline.workspace import Workspace
from benchmark.session.cache import TRIM_EVERY
from benchmark.session.session import Session

if TYPE_CHECKING:
    from benchmark.catalog import CatalogLike

__all__ = ["ModelFingerprint", "Reading", "fingerprint"]


@dataclass(frozen=True)
class Reading:
    """How the tensors of a model were read.

    Attributes
    ----------
    names : str
        "by table" of its model type, or "by convention": the names that the field uses, confirmed by
        shapes. Empty where the tensors could not be read.
    layers_left_out : mapping of str to tuple of int
        Projection → layers that do not have it: its curves are made of the others.
    """

    names: str
    layers_left_out: Mapping[str, tuple[int, ...]]

    @classmethod
    def of(cls, checkpoint: fpcore.Checkpoint) -> Reading:
        """That of an open checkpoint."""
        if not checkpoint.reading:
            return cls("", {})
        return cls(checkpoint.roles.reading, checkpoint.roles.left_out())


@dataclass(frozen=True)
class ModelFingerprint:
    """What several metrics keep of one model.

    Attributes
    ----------
    model, digest : str
        What it calls itself, and the sha256 of its content.
    architecture : fpcore.Architecture
    metrics : mapping of str to mapping
        Metric → raw values under the names of their roles.
    abstained, failed : mapping of str to str
        Metric → why it has none.
    reading : Reading
        How its tensors were read.
    apart : mapping of str to int
        What of its files is not the language model (towers, projectors, draft heads, adapters that were not
        applied, scales of activations, other weights files) → how many tensors or files.
    sampled : bool
        Whether large weights were measured on slices; the digest is then that of what was read.
    """

    model: str
    digest: str
    architecture: fpcore.Architecture
    metrics: Mapping[str, Mapping[str, object]]
    abstained: Mapping[str, str]
    failed: Mapping[str, str]
    reading: Reading
    apart: Mapping[str, int] = field(default_factory=dict)
    sampled: bool = False

    def to_json(self) -> dict[str, object]:
        """The same as plain values; `apart`, `sampled` and `failed` only where there is something."""
        facts: dict[str, object] = {
            "model": self.model,
            "digest": self.digest,
            "architecture": {**asdict(self.architecture), "cell": self.architecture.cell},
            "reading": asdict(self.reading),
            "metrics": dict(self.metrics),
            "abstained": dict(self.abstained),
        }
        if self.apart:
            facts["apart"] = dict(self.apart)
        if self.sampled:
            facts["sampled"] = True
        if self.failed:
            facts["failed"] = dict(self.failed)
        return facts


def fingerprint(
    model: str | Path,
    *,
    metrics: str | Sequence[str] | None = None,
    catalog: CatalogLike = None,
    sample: bool = False,
    device: str | None = None,
    cache: Path | str | None = None,
    quiet: bool = True,
) -> ModelFingerprint:
    """Extract the fingerprint of one checkpoint.

    Parameters
    ----------
    model : str or path
        A catalog id, a directory or file, or ``org/name[@revision]``.
    metrics : str or sequence of str, optional
        Names and globs, or ``"all"``; default: those marked cheap.
    catalog : Catalog, path or sequence of paths, optional
        Whose ids are known; default: the shipped catalog.
    sample : bool
        Measure slices of large weights in place of all, with standard errors beside the values; metrics that
        need whole weights abstain. The digest is then that of what was read.
    device, cache, quiet
        As for `Session.start`.

    Returns
    -------
    ModelFingerprint

    Raises
    ------
    UsageError
        An unknown metric or device.
    fpcore.BadCheckpoint
        A model that cannot be read.

    Examples
    --------
    >>> found = fingerprint("zoo/qwen-a", metrics="attention-std")
    >>> list(found.metrics["attention-std"]), len(found.metrics["attention-std"]["query"])
    (['query', 'key', 'value', 'output'], 6)
    """
    session = Session.start(cache=cache, device=device, workers=1, quiet=quiet)
    chosen = [choose(name) for name in choose_metrics(metrics)]
    located = _locate(str(model), catalog)
    workspace = Workspace(session.cache, session.device, sample=sample)
    extraction = extract(workspace, located, chosen, {})
    if extraction.damage:
        raise fpcore.BadCheckpoint(extraction.damage)
    silent: dict[str, dict[str, str]] = {"abstained": {}, "failed": {}}
    values: dict[str, Mapping[str, object]] = {}
    for metric in chosen:
        outcome = extraction.outcomes[metric.name]
        if outcome.status == "ok":
            values[metric.name] = _raw(workspace, metric, located, extraction.key)
        else:
            silent[outcome.status][metric.name] = outcome.reason
    session.cache.trim(every=TRIM_EVERY)
    checkpoint = workspace.open(located)
    try:
        apart = checkpoint.apart
    except fpcore.NotComparable:  # nothing of it can be read: every metric says why
        apart = {}
    return ModelFingerprint(
        extraction.name,
        extraction.digest,
        checkpoint.architecture,
        values,
        **silent,
        reading=Reading.of(checkpoint),
        apart=apart,
        sampled=sample,
    )


def _raw(workspace: Workspace, metric: ChosenMetric, located: Located, digest: str) -> Mapping[str, object]:
    """The values of a fingerprint, as its metric shows them."""
    if not workspace.apart(metric):
        found = workspace.fingerprint(metric, located, digest)
        return workspace.metric(metric).raw(found)
    try:
        (answer,) = workspace.plugin(metric).ask(USUAL_SECONDS, _raw_inside, metric, located, digest)
    except PluginEnded as error:
        answer = {"failed": str(error)}
    return answer if isinstance(answer, dict) else {}


def _raw_inside(
    workspace: Workspace, metric: ChosenMetric, located: Located, digest: str
) -> Iterator[object]:
    yield _raw(workspace, metric, located, digest)


def _locate(text: str, catalog: CatalogLike) -> Located:
    """Where a model is; the shipped catalog is not read for one that is named by its path."""
    local = locate_path(text) if catalog is None else None
    if local is not None:
        return local
    from benchmark.catalog import load_catalog

    return locate_typed(load_catalog(catalog), text)
