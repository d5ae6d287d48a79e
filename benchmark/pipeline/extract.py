"""Fingerprint a model under several metrics: one unit of work, done once for a model's content."""

from __future__ import annotations

import errno
import hashlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Literal

import fpcore
from benchmark.pipeline.checkpoints import Located
from benchmark.pipeline.chosen_metric import ChosenMetric
from benchmark.pipeline.deadline import TookTooLong, deadline
from benchmark.pipeline.plugin_process import PluginEnded
from benchmark.pipeline.raised_at import raised_at
from benchmark.pipeline.threads import one_thread
from benchmark.pipeline.workspace import Workspace, storable
from benchmark.results.codec import from_json
from benchmark.results.kept_values import keep_value, kept_value
from fpcore.errors import abstention, described, first_line
from fpcore.forward import forget_pass

__all__ = ["Extraction", "Outcome", "extract", "failed_extraction", "fingerprinted"]

NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})


@dataclass(frozen=True)
class Outcome:
    """How one fingerprint ended.

    Attributes
    ----------
    status : {"ok", "abstained", "failed"}
    reason : str
        Of the last two.
    seconds : float or None
        What it took when it was made, here or in an earlier run; what another metric had read of the same
        model before costs nothing more. None where it failed.
    stored : bool
        Whether the cache has it; one that needs its checkpoint is made when it is compared.
    where : str
        The line of the metric's code that failed, as `raised_at` gives it.
    """

    status: Literal["ok", "abstained", "failed"]
    reason: str = ""
    seconds: float | None = None
    stored: bool = False
    where: str = ""

    @property
    def needs_model(self) -> bool:
        """Whether the model is read again when pairs are scored."""
        return self.status == "ok" and not self.stored


@dataclass(frozen=True)
class Extraction:
    """What was found of one model.

    Attributes
    ----------
    located : Located
    name, digest, cell : str
        As the model calls itself, its content, and its architecture cell; empty where it is damaged.
    outcomes : dict of str to Outcome
        By metric.
    damage : str
        Why the checkpoint cannot be used: then every outcome is "failed".
    reading : str
        Whether its tensors were read "by table" or "by convention"; empty where they could not be.
    key : str
        What names work on its content in the cache.
    verified : bool or None
        Of a model on the hub, whether all its weights were compared with the hub's digests; else None.
    """

    located: Located
    name: str
    digest: str
    cell: str
    outcomes: dict[str, Outcome]
    damage: str = ""
    reading: str = ""
    key: str = ""
    verified: bool | None = None

    @property
    def model(self) -> str:
        """What the run calls the model."""
        return self.located.model

    def reason(self, metric: str) -> str:
        """Why there is no fingerprint, with what failed: the metric, or the checkpoint."""
        outcome = self.outcomes[metric]
        return (
            f"{metric}: {outcome.reason}"
            if outcome.status == "failed" and not self.damage
            else outcome.reason
        )


def extract(
    workspace: Workspace,
    located: Located,
    metrics: Sequence[ChosenMetric],
    limits: Mapping[str, float],
) -> Extraction:
    """Fingerprint one model; what the cache holds is not computed again.

    Parameters
    ----------
    workspace : Workspace
    located : Located
    metrics : sequence of ChosenMetric
    limits : mapping of str to float
        Metric → seconds that it may take for one model.
    """
    try:
        checkpoint = workspace.open(located)
        digest, key = checkpoint.digest, checkpoint.cache_key
        path = _kept_file(workspace, key, metrics)
        kept = kept_value(workspace.cache, path, Kept)
        if kept is not None:
            located.check(kept.cell)
        else:
            with one_thread():
                kept = _made(workspace, located, checkpoint, key, metrics, limits)
            if all(outcome.status != "failed" for outcome in kept.outcomes.values()):
                keep_value(workspace.cache, path, kept)
        if not any(outcome.needs_model for outcome in kept.outcomes.values()):
            checkpoint.let_go()
    except fpcore.BadCheckpoint as error:
        # Weights that are damaged for one metric are trusted for none.
        return failed_extraction(located, metrics, str(error))
    except OSError as error:
        if error.errno in NO_ROOM:  # of the machine, not of the model
            raise
        return failed_extraction(located, metrics, f"{located.model}: cannot be read ({first_line(error)})")
    except Exception as error:
        # A file of a stranger, read by code that may not have foreseen it: one model fails, and the rest of
        # the run carries on.
        return failed_extraction(located, metrics, f"{located.model}: cannot be read ({first_line(error)})")
    return Extraction(
        located,
        checkpoint.name,
        digest,
        kept.cell,
        kept.outcomes,
        reading=kept.reading,
        key=key,
        verified=kept.verified,
    )


def failed_extraction(located: Located, metrics: Sequence[ChosenMetric], why: str) -> Extraction:
    """What stands for a model of which nothing can be used."""
    failed = Outcome("failed", why)
    return Extraction(located, "", "", "", {metric.name: failed for metric in metrics}, why)


@dataclass(frozen=True)
class Kept:
    """What the cache holds of a model whose fingerprints are all known: nothing of it is read again.

    Attributes
    ----------
    cell, reading, outcomes, verified
        As of `Extraction`.
    """

    cell: str
    reading: str
    outcomes: dict[str, Outcome]
    verified: bool | None = None


def _made(
    workspace: Workspace,
    located: Located,
    checkpoint: fpcore.Checkpoint,
    content: str,
    metrics: Sequence[ChosenMetric],
    limits: Mapping[str, float],
) -> Kept:
    """Fingerprint a model under each metric; what is kept of single ones is not computed again."""
    cell = checkpoint.architecture.cell
    located.check(cell)
    _fetch(workspace, checkpoint, content, metrics)
    outcomes = {
        metric.name: _outcome(workspace, checkpoint, located, content, metric, limits.get(metric.name))
        for metric in metrics
    }
    forget_pass(checkpoint)  # of hundreds of models, they would have joblib replace this process
    return Kept(cell, checkpoint.reading, outcomes, checkpoint.verified)


def _kept_file(workspace: Workspace, content: str, metrics: Sequence[ChosenMetric]) -> Path:
    """Where the cache keeps all outcomes of a model: by the metrics, and by the code that reads models."""
    keys = json.dumps([*sorted(metric.key(workspace.device) for metric in metrics), workspace.reader])
    named = f"all-{hashlib.sha256(keys.encode()).hexdigest()[:16]}"
    return workspace.fingerprint_file(named, content, ".outcome")


def fingerprinted(workspace: Workspace, located: Located, metrics: Sequence[ChosenMetric]) -> bool:
    """Whether the cache knows how every fingerprint of a model came out."""
    folders = [workspace.cache.fingerprints / metric.key(workspace.device) for metric in metrics]
    if not all(folder.is_dir() for folder in folders):
        return False  # without opening the model
    try:
        key = workspace.open(located).cache_key
    except fpcore.BadCheckpoint:
        return False
    return all(_known(workspace, key, metric) is not None for metric in metrics)


def _fetch(
    workspace: Workspace, checkpoint: fpcore.Checkpoint, content: str, metrics: Sequence[ChosenMetric]
) -> None:
    """Of a model on the hub, bring here what metrics without a fingerprint will read: every byte once."""
    if not checkpoint.on_hub:
        return
    from benchmark.pipeline.survey import tensors_read  # brings the catalog, which local models do not need

    new = [metric for metric in metrics if _known(workspace, content, metric) is None]
    if checkpoint.sample is not None:  # what is compared at costly price is then read in part, by itself
        new = [metric for metric in new if metric.cost == "cheap"]
    checkpoint.prefetch(tensors_read(checkpoint, map(workspace.metric, new)))


def _known(workspace: Workspace, content: str, chosen: ChosenMetric) -> Outcome | None:
    """How a fingerprint came out before, if what was kept of it is still there."""
    key = chosen.key(workspace.device)
    note, arrays = (workspace.fingerprint_file(key, content, end) for end in (".outcome", ".fingerprint"))
    known = kept_value(workspace.cache, note, Outcome)
    return known if known is not None and (arrays.is_file() or not known.stored) else None


def _outcome(
    workspace: Workspace,
    checkpoint: fpcore.Checkpoint,
    located: Located,
    content: str,
    chosen: ChosenMetric,
    limit: float | None,
) -> Outcome:
    key = chosen.key(workspace.device)
    note, arrays = (workspace.fingerprint_file(key, content, end) for end in (".outcome", ".fingerprint"))
    known = _known(workspace, content, chosen)
    if known is not None:
        return known
    if workspace.apart(chosen):
        return _outcome_apart(workspace, located, checkpoint.digest, chosen, limit)
    metric = workspace.metric(chosen)
    kept: bytes | None = None
    begun = time.perf_counter()
    try:
        with deadline(limit):
            fingerprint = metric.fingerprint(checkpoint)
        seconds = round(time.perf_counter() - begun, 6)
        if not isinstance(fingerprint, fpcore.Fingerprint):
            got = type(fingerprint).__name__
            raise TypeError(
                f"fingerprint() returned {got}; end it with: return self.make_fingerprint(model, arrays)"
            )
        kept = storable(fingerprint)
        outcome = Outcome("ok", seconds=seconds, stored=kept is not None)
    except fpcore.NotComparable as error:
        outcome = Outcome("abstained", abstention(error), round(time.perf_counter() - begun, 6))
    except fpcore.BadCheckpoint as error:
        if workspace.inside:  # the word of somebody's code: no other metric goes by it
            return Outcome("failed", described(error))
        raise
    except TookTooLong as late:
        return Outcome("failed", str(late))
    except BaseException as error:
        # A metric is somebody's code: its exception is a result to show beside the others, not ours to raise.
        # It is not kept: the cause may lie outside metric and model, such as full memory.
        workspace.take(error)
        return Outcome("failed", described(error), where=raised_at(error, metric))
    if kept is not None:
        workspace.cache.write(arrays, kept)
    keep_value(workspace.cache, note, outcome)
    return outcome


def _outcome_apart(
    workspace: Workspace, located: Located, digest: str, chosen: ChosenMetric, limit: float | None
) -> Outcome:
    """How the fingerprint came out in the process in which the metric runs."""
    plugin = workspace.plugin(chosen)
    if why := plugin.given_up("models"):
        return Outcome("failed", why)
    lost = ""
    try:
        (answer,) = plugin.ask(limit, _outcome_inside, located, digest, chosen, limit)
        outcome = from_json(Outcome, answer)
        if limit is not None and outcome.reason == str(TookTooLong(limit)):
            lost = outcome.reason
    except PluginEnded as error:
        lost = str(error)
        outcome = Outcome("failed", lost)
    except ValueError as error:
        lost = f"its process sent an unreadable answer ({error})"
        outcome = Outcome("failed", lost)
    plugin.note("models", lost)
    return outcome


def _outcome_inside(
    workspace: Workspace, located: Located, digest: str, chosen: ChosenMetric, limit: float | None
) -> Iterator[object]:
    """In that process: fingerprint the model, and keep it."""
    checkpoint = workspace.open(located)
    if not checkpoint.on_hub:
        checkpoint.known_as(digest)
    if checkpoint.digest != digest:
        outcome = Outcome("failed", "the model changed on the hub between reads; rerun")
    else:
        with one_thread():
            outcome = _outcome(workspace, checkpoint, located, checkpoint.cache_key, chosen, limit)
    if checkpoint.on_hub:  # its files may go before it is read again
        workspace.forget(located)
    yield asdict(outcome)
