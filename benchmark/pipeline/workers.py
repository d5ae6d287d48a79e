"""Units of work: plain functions of plain values, run here or in other processes with the same answer."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import joblib
import pandas as pd
import torch
from threadpoolctl import threadpool_limits

import fpcore
from benchmark.catalog import Catalog
from benchmark.pipeline.checkpoints import open_model
from benchmark.pipeline.deadline import TookTooLong, deadline
from benchmark.pipeline.metric_choice import load_metric, metric_key
from benchmark.session.files import atomic_path, write_json
from benchmark.session.progress import Advance

__all__ = ["Comparison", "Extraction", "Outcome", "compare", "extract", "run_units"]

# Work in this process is watched for so long; others are started for at least so much work that is left.
LOOK_SECONDS = 1.0
START_SECONDS = 4.0

Unit = TypeVar("Unit")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Outcome:
    """How one fingerprint ended: ``ok``, ``abstained`` or ``failed``, with the reason of the last two.

    `seconds` is what it took when it was made, here or in an earlier run; what another metric had read of the
    same model before costs nothing more. None where it failed.
    """

    status: str
    reason: str = ""
    seconds: float | None = None


@dataclass(frozen=True)
class Extraction:
    """What extraction found of one model."""

    model: str
    digest: str
    cell: str
    outcomes: dict[str, Outcome]


@dataclass(frozen=True)
class Comparison:
    """Scores of some pairs under one metric: one piece of a score table.

    Attributes
    ----------
    key : str
        Content address: metric, version, the digests of both models of every pair, and the time limit.
    time_limit : float or None
        Seconds that a pair may take.
    """

    metric: str
    pairs: tuple[tuple[str, str], ...]
    digests: dict[str, str]
    key: str
    time_limit: float | None = None

    @classmethod
    def of(
        cls,
        metric: str,
        pairs: Sequence[tuple[str, str]],
        digests: dict[str, str],
        time_limit: float | None = None,
    ) -> Comparison:
        """Make the unit and its content address."""
        named = {model: digests[model] for pair in pairs for model in pair}
        text = json.dumps([metric_key(metric), [[named[a], named[b]] for a, b in pairs], time_limit])
        key = hashlib.sha256(text.encode()).hexdigest()[:32]
        return cls(metric, tuple(pairs), named, key, time_limit)


@contextmanager
def one_thread() -> Iterator[None]:
    """Sums in a fixed order: the same bytes whatever the number of workers."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(before)


def extract(
    catalog: Catalog,
    model: str,
    metrics: Sequence[str],
    cache: Path,
    time_limits: Mapping[str, float] | None = None,
) -> Extraction:
    """Fingerprint one model under several metrics; what the cache holds is not computed again.

    `time_limits`: metric → seconds that it may take for one model.
    """
    limits = time_limits or {}
    with one_thread():
        try:
            checkpoint = open_model(catalog, model)
            cell = checkpoint.architecture.cell
            outcomes = {spec: _fingerprint(checkpoint, spec, cache, limits.get(spec)) for spec in metrics}
        except fpcore.BadCheckpoint as error:
            # Weights that are damaged for one metric are trusted for none.
            return Extraction(model, "", "", dict.fromkeys(metrics, Outcome("failed", str(error))))
        return Extraction(model, checkpoint.digest, cell, outcomes)


def _fingerprint(checkpoint: fpcore.Checkpoint, spec: str, cache: Path, limit: float | None) -> Outcome:
    base = _cache_path(cache, spec, checkpoint.digest)
    known = base.with_suffix(".json")
    if known.is_file():
        return Outcome(**json.loads(known.read_text(encoding="utf-8")))
    metric = load_metric(spec)
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
        if fingerprint.arrays:
            fingerprint.save(base.with_suffix(".safetensors"))
        outcome = Outcome("ok", seconds=seconds)
    except fpcore.NotComparable as error:
        outcome = Outcome("abstained", error.reason, round(time.perf_counter() - begun, 6))
    except fpcore.BadCheckpoint:
        raise
    except TookTooLong as late:
        return Outcome("failed", f"{metric.name}: {late}")
    except Exception as error:
        # A metric is somebody's code: its exception is a result to show beside the others, not ours to raise.
        # It is not kept: the cause may lie outside metric and model, such as full memory.
        return Outcome("failed", f"{metric.name}: {type(error).__name__}: {error}")
    write_json(known, asdict(outcome))
    return outcome


def compare(catalog: Catalog, unit: Comparison, cache: Path) -> Path:
    """Score the pairs of one unit into the cache; what is there already is not computed again.

    Scores with a failure are kept beside the others under a name of their own, so that the next run tries
    them again.
    """
    path = cache / "scores" / metric_key_cached(unit.metric) / f"{unit.key}.parquet"
    if path.is_file():
        return path
    metric = load_metric(unit.metric)
    rows = []
    with one_thread():
        for a, b in unit.pairs:
            begun = time.perf_counter()
            rows.append((*_score(catalog, metric, unit, a, b, cache), time.perf_counter() - begun))
    frame = pd.DataFrame(rows, columns=["score", "status", "reason", "seconds"])
    if (frame["status"] == "failed").any():
        path = path.with_suffix(".failed.parquet")
    with atomic_path(path) as temporary:
        frame.to_parquet(temporary, index=False)
    return path


def _score(
    catalog: Catalog, metric: fpcore.Metric, unit: Comparison, a: str, b: str, cache: Path
) -> tuple[float, str, str]:
    try:
        with deadline(unit.time_limit):
            score = float(
                metric.similarity(
                    _load(catalog, a, unit.digests[a], unit.metric, cache),
                    _load(catalog, b, unit.digests[b], unit.metric, cache),
                )
            )
    except fpcore.NotComparable as error:
        return float("nan"), "abstained", error.reason
    except fpcore.BadCheckpoint as error:
        return float("nan"), "failed", str(error)
    except TookTooLong as late:
        return float("nan"), "failed", f"{metric.name} on {a} – {b}: {late}"
    except Exception as error:
        # As above: reported with the pair, and the rest carries on.
        return float("nan"), "failed", f"{metric.name} on {a} – {b}: {type(error).__name__}: {error}"
    if score != score:
        return (
            score,
            "failed",
            f"{metric.name} on {a} – {b}: the score is NaN; abstain with NotComparable instead",
        )
    return score, "ok", ""


_fingerprints: dict[tuple[str, str, str], fpcore.Fingerprint] = {}
_FINGERPRINTS_KEPT = 1024


def _load(catalog: Catalog, model: str, digest: str, spec: str, cache: Path) -> fpcore.Fingerprint:
    """A fingerprint from this process's memory, the cache on disk, or the checkpoint itself."""
    key = (spec, digest, str(cache))
    found = _fingerprints.pop(key, None)
    if found is None:
        path = _cache_path(cache, spec, digest).with_suffix(".safetensors")
        if path.is_file():
            found = fpcore.Fingerprint.load(path)
        else:
            found = load_metric(spec).fingerprint(open_model(catalog, model))
    _fingerprints[key] = found
    if len(_fingerprints) > _FINGERPRINTS_KEPT:
        del _fingerprints[next(iter(_fingerprints))]
    return found


def _cache_path(cache: Path, spec: str, digest: str) -> Path:
    return cache / "fingerprints" / metric_key_cached(spec) / digest[:2] / digest


@lru_cache(maxsize=256)
def metric_key_cached(spec: str) -> str:
    """`metric_key`, computed once a process."""
    return metric_key(spec)


def run_units(
    work: Callable[[Unit], Result],
    units: Sequence[Unit],
    *,
    workers: int,
    advance: Advance,
    name: Callable[[Unit], str],
) -> list[Result]:
    """Do every unit, in this process or in several; results in the order of the units.

    Other processes take seconds to start, so they are started only once the work done here shows that they
    pay. The results are the same either way.
    """
    results: list[Any] = []
    begun = time.perf_counter()
    while len(results) < len(units):
        unit = units[len(results)]
        results.append(work(unit))
        advance(len(results), len(units), name(unit))
        spent = time.perf_counter() - begun
        left = spent / len(results) * (len(units) - len(results))
        if workers > 1 and spent > LOOK_SECONDS and left > START_SECONDS:
            break
    rest = units[len(results) :]
    if rest:
        results += _in_processes(work, rest, min(workers, len(rest)), len(units), advance, name)
    return results


def _in_processes(
    work: Callable[[Unit], Result],
    units: Sequence[Unit],
    workers: int,
    total: int,
    advance: Advance,
    name: Callable[[Unit], str],
) -> list[Any]:
    results: list[Any] = [None] * len(units)

    def indexed(index: int, unit: Unit) -> tuple[int, Result]:
        return index, work(unit)

    jobs = joblib.Parallel(n_jobs=workers, return_as="generator_unordered")
    finished = jobs(joblib.delayed(indexed)(i, unit) for i, unit in enumerate(units))
    for done, (index, result) in enumerate(finished, start=total - len(units) + 1):
        results[index] = result
        advance(done, total, name(units[index]))
    return results


def default_workers() -> int:
    """As many processes as this one may use cores."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
