"""One model against a pool of candidate parents: which of them remain, as a set with stated coverage."""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import analysis
import fpcore
from analysis.evidence.candidates import CandidateSet, Entry, exclude_candidates
from analysis.evidence.combination import Combination, combine_evidence
from benchmark.catalog import Catalog
from benchmark.comparison.calibration_run import NOTHING_LEFT, CalibrationRun
from benchmark.comparison.case import about, catalog_id, choose
from benchmark.comparison.joint import choose_for_combination
from benchmark.comparison.metric_evidence import Party, score_pair, uncalibrated
from benchmark.pipeline.checkpoints import locate_typed
from benchmark.pipeline.threads import one_thread
from benchmark.session.errors import UsageError

__all__ = ["Measure", "Member", "PoolCase", "Yardsticks", "find_pool", "open_pool"]

SCHEMA: Final = 1
WEIGHTS: Final = (".safetensors", ".bin", ".gguf")


@dataclass(frozen=True)
class Member:
    """One candidate of the pool.

    Attributes
    ----------
    party : Party
    same_cell : bool
        Whether it has the shape of the model in question.
    metrics : tuple of str
        What is weighed together on this pair.
    log10_lr : float
        Bounded; NaN where there is none.
    silent : dict of str to str
        Metrics that say nothing on this pair, and why.
    """

    party: Party
    same_cell: bool
    metrics: tuple[str, ...]
    log10_lr: float
    silent: dict[str, str]


@dataclass(frozen=True)
class PoolCase:
    """A model, its candidate parents, and those that remain.

    Attributes
    ----------
    party : Party
    members : dict of str to Member
        By label.
    found : CandidateSet
        By the same labels.
    calibration : dict
    cannot_say : tuple of str
    failed : tuple of str
        Metrics that raised an exception, with the pair.
    """

    party: Party
    members: dict[str, Member]
    found: CandidateSet
    calibration: dict[str, Any]
    cannot_say: tuple[str, ...]
    failed: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """The answer, as it may be quoted."""
        found, n = self.found, len(self.found.candidates)
        sure = f"{found.confidence:.0%}"
        label = self.party.label
        if found.answer == "none of them":
            said = (
                f"None of the {n} candidates remains as kin by derivation of {label}: each scores lower than"
                f" such pairs of other lineages do. A true one would have been excluded with probability"
                f" {1 - found.confidence:.0%} at most."
            )
        elif found.answer == "cannot exclude any":
            said = f"None of the {n} candidates can be excluded as an ancestor of {label} at {sure}."
        else:
            said = (
                f"{len(found.remaining)} of {n} candidates remain. If an ancestor of {label} is in the pool,"
                f" it is among these with a probability of at least {sure}: {', '.join(found.remaining)}."
            )
        if found.shown:
            return f"{said} Standing out from strangers: {', '.join(found.shown)}."
        if found.remaining:
            return f"{said} None of them stands out from strangers: the pool may hold no kin of it."
        return said

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        rows = []
        for one in self.found.candidates:
            member = self.members[one.name]
            rows.append(
                {
                    "model": one.name,
                    "digest": member.party.digest,
                    "cell": member.party.cell,
                    "same_cell": member.same_cell,
                    "log10_lr": analysis.as_json(member.log10_lr),
                    "metrics": list(member.metrics),
                    **{key: value for key, value in analysis.as_json(one).items() if key != "name"},
                }
            )
        return {
            "schema": SCHEMA,
            "model": analysis.as_json(self.party),
            "calibration": self.calibration,
            "confidence": self.found.confidence,
            "answer": self.found.answer,
            "remaining": list(self.found.remaining),
            "shown": list(self.found.shown),
            "candidates": rows,
            "sentence": self.sentence,
            "cannot_say": list(self.cannot_say),
        }

    def _repr_html_(self) -> str:
        from benchmark.comparison.candidates_page import pool_fragment

        return pool_fragment(self)


@dataclass(frozen=True)
class Measure:
    """What ranks a pair: the table of the same measure on other lineages, and the pair's own value."""

    table: analysis.ScoreTable | None
    value: float
    log10_lr: float
    metrics: tuple[str, ...]
    reason: str


class Yardsticks:
    """Score tables of several metrics, and joint evidence for every set of them that speaks on a pair.

    Parameters
    ----------
    tables : mapping of str to ScoreTable
        Without the lineages of the model in question.
    """

    def __init__(self, tables: Mapping[str, analysis.ScoreTable]) -> None:
        self.tables = tables
        self.known: dict[tuple[tuple[str, ...], bool], tuple[tuple[str, ...], Combination]] = {}

    def measure(self, scores: Mapping[str, float], *, same_cell: bool) -> Measure:
        """Weigh the metrics that speak on a pair together.

        Parameters
        ----------
        scores : mapping of str to float
            Those that speak.
        same_cell : bool
            Whether the pair is of one shape: it is then weighed against look-alikes, else against all
            independent pairs.
        """
        speaking = tuple(name for name in self.tables if name in scores)
        if not speaking:
            return Measure(None, math.nan, math.nan, (), "no metric that the calibration has speaks on it")
        key = (speaking, same_cell)
        if key not in self.known:
            self.known[key] = self._combined(*key)
        chosen, joint = self.known[key]
        if not joint.defined:
            return Measure(None, math.nan, math.nan, chosen, joint.reason)
        point = [[scores[name] for name in chosen]]
        log10_lr = float(joint.log10_lr(point)[0])
        if len(chosen) == 1:
            # One metric ranks by itself, and then by nothing that was fitted.
            return Measure(self.tables[chosen[0]], scores[chosen[0]], log10_lr, chosen, "")
        return Measure(joint.table, float(joint.log10_lr(point, bounded=False)[0]), log10_lr, chosen, "")

    def _combined(self, speaking: tuple[str, ...], same_cell: bool) -> tuple[tuple[str, ...], Combination]:
        chosen, _ = choose_for_combination({name: self.tables[name] for name in speaking})
        tables = [self.tables[name] for name in chosen]
        if same_cell:
            joint = combine_evidence(tables, negatives="look-alike")
            if joint.defined:
                return chosen, joint
        return chosen, combine_evidence(tables, negatives="independent")


def find_pool(catalog: Catalog, text: str) -> list[str]:
    """Name the models of a pool.

    Parameters
    ----------
    catalog : Catalog
    text : str
        A folder of models; or, with commas between, catalog ids, globs of them, paths, ``org/name``. Globs
        find entries whose weights are here.

    Raises
    ------
    UsageError
        A folder without models, or a glob that fits none.
    """
    folder = Path(text)
    if folder.is_dir() and not (folder / "config.json").exists():
        inside = [
            path
            for path in sorted(folder.iterdir())
            if (path / "config.json").is_file() or (path.is_file() and path.suffix in WEIGHTS)
        ]
        if not inside:
            raise UsageError(f"--against {text}: no model in this folder (a folder each, with a config.json)")
        return [str(path) for path in inside]
    here = [model.id for model in catalog.models.values() if not model.remote]
    found: dict[str, None] = {}
    for part in (piece.strip() for piece in text.split(",")):
        if any(mark in part for mark in "*?["):
            fits = fnmatch.filter(here, part)
            if not fits:
                raise UsageError(f"--against: no model of the catalog with weights here fits {part!r}")
            found.update(dict.fromkeys(fits))
        elif part:
            found[part] = None
    if not found:
        raise UsageError("--against: name at least one model")
    return list(found)


def open_pool(
    catalog: Catalog,
    model: str,
    against: str,
    *,
    calibration: Path,
    metrics: str | None = None,
    confidence: float = 0.9,
) -> PoolCase:
    """Ask which models of a pool remain as ancestors of one model.

    Parameters
    ----------
    catalog : Catalog
    model : str
        As for `open_case`.
    against : str
        As for `find_pool`; the model itself is left out of it.
    calibration : Path
        A finished run.
    metrics : str, optional
    confidence : float
        In (0, 1).

    Raises
    ------
    UsageError
        No such run or metric, an empty pool, a confidence out of range.
    fpcore.BadCheckpoint
        A model that cannot be read.
    """
    if not 0 < confidence < 1:
        raise UsageError(f"--confidence: {confidence} is not between 0 and 1")
    yardstick = CalibrationRun(calibration)
    chosen, _ = choose(metrics, yardstick)
    names = find_pool(catalog, against)
    suspect = locate_typed(catalog, model).open()
    party = _party(catalog, model, suspect)
    left_out = yardstick.lineages_of(catalog, party.catalog_id, party.digest)
    tables, reasons = _tables(chosen, yardstick, left_out)
    measures = Yardsticks(tables)
    members: dict[str, Member] = {}
    entries: list[Entry] = []
    failed: list[str] = []
    for name in names:
        other = locate_typed(catalog, name).open()
        rival = _party(catalog, name, other)
        if rival.digest == party.digest or rival.label in members:
            continue
        scores, silent = _scores(tables, (suspect, other), (party, rival), failed)
        same = rival.cell == party.cell
        measured = measures.measure(scores, same_cell=same)
        members[rival.label] = Member(rival, same, measured.metrics, measured.log10_lr, reasons | silent)
        lineages = yardstick.lineages_of(catalog, rival.catalog_id, rival.digest)
        entries.append(Entry(rival.label, measured.value, measured.table, same, lineages, measured.reason))
    if not entries:
        raise UsageError(f"--against {against}: nothing but {model} itself")
    found = exclude_candidates(entries, confidence)
    return PoolCase(
        party=party,
        members=members,
        found=found,
        calibration=about(yardstick, left_out),
        cannot_say=tuple(_cannot_say(found, members, yardstick)),
        failed=tuple(failed),
    )


def _party(catalog: Catalog, text: str, checkpoint: fpcore.Checkpoint) -> Party:
    return Party(
        text, checkpoint.name, checkpoint.digest, checkpoint.architecture.cell, catalog_id(catalog, text)
    )


def _tables(
    chosen: Sequence[str], yardstick: CalibrationRun, left_out: Collection[str]
) -> tuple[dict[str, analysis.ScoreTable], dict[str, str]]:
    """Tables of the metrics that are calibrated here, and why others are not."""
    tables: dict[str, analysis.ScoreTable] = {}
    reasons: dict[str, str] = {}
    for name in chosen:
        missing = uncalibrated(fpcore.metric(name), yardstick)
        table = None if missing else yardstick.without(name, left_out)
        if table is None:
            reasons[name] = missing or NOTHING_LEFT
        else:
            tables[name] = table
    return tables, reasons


def _scores(
    names: Collection[str],
    checkpoints: tuple[fpcore.Checkpoint, fpcore.Checkpoint],
    parties: tuple[Party, Party],
    failed: list[str],
) -> tuple[dict[str, float], dict[str, str]]:
    """Scores of the metrics that speak on a pair, and why others do not."""
    scores: dict[str, float] = {}
    silent: dict[str, str] = {}
    with one_thread():
        for name in names:
            status, reason, value = score_pair(fpcore.metric(name), checkpoints, parties)
            if status == "ok":
                scores[name] = value
                continue
            silent[name] = reason
            if status == "failed":
                failed.append(f"{name} on {parties[0].label} – {parties[1].label}: {reason}")
    return scores, silent


def _cannot_say(found: CandidateSet, members: Mapping[str, Member], yardstick: CalibrationRun) -> list[str]:
    """What a reader must not take from the answer, most important first."""
    said = [
        "That the ancestor is in the pool: a set that remains may be made of strangers that could not be told"
        " apart.",
        "Which model came first: ancestors and descendants score alike. Siblings often remain too.",
        "That derivations harder than those of the calibration would have been kept: the probability is over"
        " lineages and derivations like its own.",
        "That all ancestors remain at once: each does with the stated probability.",
    ]
    unlike = [one.name for one in found.candidates if not one.same_cell_only and one.n_lineages]
    if unlike:
        said.append(
            f"How derived pairs of two shapes such as these score: too few lineages have any, so that"
            f" {len(unlike)} candidates were judged by derived pairs of all shapes."
        )
    unjudged = {one.reason for one in found.candidates if one.reason}
    said += [f"Anything of candidates for this reason: {reason}." for reason in sorted(unjudged)]
    if yardstick.record.status != "complete":
        said.append(f"Whether the calibration is whole: its status is {yardstick.record.status}.")
    return said
