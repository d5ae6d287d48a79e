"""``compare --against``: which of several candidate parents remain as ancestors of one model."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import analysis
import fpcore
from benchmark.catalog import Catalog, CatalogLike, load_catalog
from benchmark.comparison.calibration_run import NOTHING_LEFT, CalibrationRun, metrics_to_use
from benchmark.comparison.candidate_case import CandidateCase, CandidateEvidence
from benchmark.comparison.known_forgery import known_forgery
from benchmark.comparison.pair_scores import MetricScore, PairScorer
from benchmark.comparison.ranking_scores import JointScorer
from benchmark.comparison.reference_pairs import NO_CALIBRATION, place_of
from benchmark.comparison.sentences import of_samples
from benchmark.comparison.shipped_calibration import SHIPPED, open_calibration
from benchmark.session.cache import TRIM_EVERY
from benchmark.session.errors import UsageError
from benchmark.session.session import Session

__all__ = ["find_parents", "name_candidates"]

WEIGHTS: Final = (".safetensors", ".bin", ".gguf")


def find_parents(
    model: str | Path,
    against: str | Path | Sequence[str | Path],
    *,
    calibration: Path | str = SHIPPED,
    metrics: str | Sequence[str] | None = None,
    confidence: float = 0.9,
    catalog: CatalogLike = None,
    time_limit: float | None = None,
    sample: bool = False,
    workers: int | None = None,
    device: str | None = None,
    cache: Path | str | None = None,
    quiet: bool = True,
) -> CandidateCase:
    """Ask which of several models remain as ancestors of one model.

    Parameters
    ----------
    model : str or path
        A catalog id, a local path, or ``org/name[@revision]``.
    against : str, path, or sequence of these
        As for `name_candidates`; the model itself is left out of it.
    calibration : path or "shipped"
        A finished run; default: the shipped one, of the zoo's small models.
    metrics : str or sequence of str, optional
        Names and globs, or ``"all"``; default: those of the calibration.
    confidence : float
        A true ancestor remains so surely; in (0, 1).
    catalog : Catalog, path or sequence of paths, optional
        Whose ids and kinships are known; default: the shipped catalog.
    time_limit : float, optional
        Seconds that a metric of another package may take for a model, and for a pair; 0: no limit. Default:
        60 where the system has interval timers (POSIX), else no limit.
    sample : bool
        Measure slices of large weights in place of all, of the model and of every candidate.
    workers, device, cache, quiet
        As for `Session.start`.

    Returns
    -------
    CandidateCase
        What failed stands in ``failures``.

    Raises
    ------
    UsageError
        No such run or metric, no candidate, a confidence out of range.
    fpcore.BadCheckpoint
        A model that cannot be read.

    Examples
    --------
    >>> from benchmark import run
    >>> calibration = run(models="zoo/qwen-[a-d]*", metrics="norm-pearson", limit=24, out="runs/small")
    >>> asked = find_parents("zoo/qwen-a-ft-short", "zoo/qwen-[ab]", calibration=calibration.path)
    >>> print(asked.sentence)
    None of the 2 candidates could be judged, so nothing can be said about them.
    """
    if not 0 < confidence < 1:
        raise UsageError(f"--confidence: {confidence} is not between 0 and 1")
    session = Session.start(cache=cache, device=device, workers=workers, quiet=quiet)
    loaded = load_catalog(catalog)
    run = open_calibration(calibration, session.cache)
    chosen, _ = metrics_to_use(metrics, run)
    typed = str(model)
    others = [name for name in name_candidates(loaded, against) if name != typed]
    uncalibrated = {name: why for name in chosen if (why := run.lacks(fpcore.metric(name)))}
    calibrated = [name for name in chosen if name not in uncalibrated]
    # The model and every candidate is read and fingerprinted once; then all pairs are scored together.
    scorer = PairScorer(
        session,
        loaded,
        [typed, *others],
        calibrated,
        time_limit=time_limit,
        sample=sample,
        tolerant=True,
        spared=run.why_spared if metrics is None else None,
    )
    if typed in scorer.damage:
        raise fpcore.BadCheckpoint(scorer.damage[typed])
    suspect = scorer.models[typed]
    candidates: dict[str, str] = {}
    for name in others:
        if name not in scorer.damage and scorer.models[name].digest != suspect.digest:
            candidates.setdefault(scorer.models[name].label, name)
    if not candidates and scorer.damage:
        raise fpcore.BadCheckpoint(next(iter(scorer.damage.values())))
    if not candidates:
        raise UsageError(f"--against {_said(against)}: only {typed} itself")
    left_out = run.lineages_of(loaded, suspect.catalog_id, suspect.digest)
    tables = {name: run.without(name, left_out) for name in calibrated}
    silent = uncalibrated | {name: NOTHING_LEFT for name, table in tables.items() if table is None}
    joint = JointScorer({name: table for name, table in tables.items() if table is not None})
    found = scorer.scores([(typed, name) for name in candidates.values()])
    evidence: dict[str, CandidateEvidence] = {}
    entries: list[analysis.Entry] = []
    failures = list(scorer.damage.values())
    for (label, name), scored in zip(candidates.items(), found, strict=True):
        other = scorer.models[name]
        same = other.cell == suspect.cell
        speaking = {metric: one.score for metric, one in scored.items() if one.status == "ok"}
        cells = (suspect.cell, other.cell)
        ranked = joint.score(speaking, cells)
        abstaining = {metric: one.reason for metric, one in scored.items() if one.status != "ok"}
        place = None if ranked.table is None else place_of(ranked.table, cells, ranked.value)
        evidence[label] = CandidateEvidence(other, same, ranked.metrics, place, abstaining | silent)
        lineages = run.lineages_of(loaded, other.catalog_id, other.digest)
        entries.append(analysis.Entry(label, ranked.value, ranked.table, same, lineages, ranked.reason))
        failures += _failures(scored, f"{suspect.label} – {label}")
    session.cache.trim(every=TRIM_EVERY)
    asked = [suspect, *(scorer.models[name] for name in candidates.values())]
    answer = analysis.exclude_candidates(entries, confidence)
    return CandidateCase(
        model=suspect,
        evidence=evidence,
        found=answer,
        forged=tuple(note for one in asked if (note := known_forgery(loaded, run, one))),
        calibration=run.facts(left_out),
        cannot_say=(
            *_cannot_say(answer, run, scorer.damage),
            *of_samples(sample, run, "the models asked about"),
        ),
        failures=tuple(failures),
    )


def name_candidates(catalog: Catalog, against: str | Path | Sequence[str | Path]) -> list[str]:
    """Name the candidates that a user means.

    Parameters
    ----------
    catalog : Catalog
    against : str, path, or sequence of these
        A folder of models; or catalog ids, globs of them, paths, ``org/name``: one text with commas between,
        or several. Globs find entries whose weights are here.

    Raises
    ------
    UsageError
        A folder without models, a glob that fits none, or no candidate at all.
    """
    if isinstance(against, str | Path):
        folder = Path(against)
        if folder.is_dir() and not (folder / "config.json").exists():
            return _models_in(folder)
        parts = str(against).split(",")
    else:
        parts = [str(one) for one in against]
    here = [model.id for model in catalog.models.values() if not model.remote]
    found: dict[str, None] = {}
    for part in map(str.strip, parts):
        if any(mark in part for mark in "*?["):
            fits = fnmatch.filter(here, part)
            if not fits:
                raise UsageError(f"--against: no catalog model with local weights matches {part!r}")
            found.update(dict.fromkeys(fits))
        elif part:
            found[part] = None
    if not found:
        raise UsageError("--against: give at least one model")
    return list(found)


def _models_in(folder: Path) -> list[str]:
    inside = [
        path
        for path in sorted(folder.iterdir())
        if (path / "config.json").is_file() or (path.is_file() and path.suffix in WEIGHTS)
    ]
    if not inside:
        raise UsageError(
            f"--against {folder}: no model in this folder (expected: one subfolder per model, with a"
            " config.json)"
        )
    return [str(path) for path in inside]


def _said(against: str | Path | Sequence[str | Path]) -> str:
    return str(against) if isinstance(against, str | Path) else ",".join(map(str, against))


def _failures(scored: Mapping[str, MetricScore], pair: str) -> list[str]:
    return [f"{metric} on {pair}: {one.reason}" for metric, one in scored.items() if one.status == "failed"]


def _cannot_say(found: analysis.CandidateSet, run: CalibrationRun, damaged: Mapping[str, str]) -> list[str]:
    """What a reader must not take from the answer, most important first."""
    said = [
        "That a candidate that is not excluded is a parent: unrelated models can score high too, and the"
        " best of many scores highest. To weigh one pair: compare MODEL CANDIDATE.",
        "Which model came first: ancestors and descendants score alike, and siblings often remain, too.",
        "That derivations harder than those in the calibration would be kept: the probability refers to"
        " lineages and derivations like its own.",
        "That all ancestors remain at once: each does with the stated probability.",
    ]
    said += [f"Anything about {name}: it cannot be read ({why})." for name, why in damaged.items()]
    unlike = [one.name for one in found.candidates if not one.same_cell_only and one.standing != "not judged"]
    if unlike:
        said.append(
            f"How derived pairs of these two shapes score: too few lineages have any, so"
            f" {len(unlike)} candidates were judged by derived pairs of all shapes."
        )
    unjudged = [one.reason for one in found.candidates if one.reason]
    if any(reason.startswith(NO_CALIBRATION) for reason in unjudged):
        said.append(
            "Anything about candidates without a calibration for these shapes, which takes a run with derived"
            " pairs of these shapes and independent models of them."
        )
    others = {reason for reason in unjudged if not reason.startswith(NO_CALIBRATION)}
    said += [f"Anything about candidates for this reason: {reason}." for reason in sorted(others)]
    return said + run.doubts()
