"""``check-claim``: whether the base that a model states is consistent with its weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import analysis
import fpcore
from benchmark.catalog import Catalog, CatalogLike, load_catalog
from benchmark.catalog.stated_base import StatedBase, stated_base
from benchmark.comparison.calibration_run import NOTHING_LEFT, CalibrationRun, metrics_to_use
from benchmark.comparison.claim_answer import answer_claim
from benchmark.comparison.claim_check import BaseCheck, ClaimCheck, SideEvidence
from benchmark.comparison.claim_metrics import SIDES, choose_claim_metrics
from benchmark.comparison.compared_model import ComparedModel
from benchmark.comparison.known_forgery import known_forgery
from benchmark.comparison.pair_scores import MetricScore, PairScorer
from benchmark.comparison.ranking_scores import JointScorer
from benchmark.comparison.sentences import of_samples, sentence
from benchmark.comparison.shipped_calibration import SHIPPED, open_calibration
from benchmark.comparison.verbal_scale import INDEPENDENCE
from benchmark.comparison.weighing import Weighed, weigh_pair
from benchmark.pipeline.checkpoints import locate_typed
from benchmark.pipeline.threads import one_blas_thread
from benchmark.session.cache import TRIM_EVERY
from benchmark.session.errors import UsageError
from benchmark.session.packages import package_version
from benchmark.session.session import Session
from fpcore.checkpoints.adapter import AdapterCheckpoint

__all__ = ["check_claim"]

NO_RUN: Final = "no calibration was used"
BY_CONSTRUCTION: Final = (
    "the model is an adapter, read on top of its base: its weights agree with that base whatever the adapter"
    " was trained on"
)


def check_claim(
    model: str | Path,
    *,
    base: str | Path | Sequence[str | Path] | None = None,
    calibration: Path | str | None = SHIPPED,
    metrics: str | Sequence[str] | None = None,
    confidence: float = 0.95,
    catalog: CatalogLike = None,
    time_limit: float | None = None,
    device: str | None = None,
    cache: Path | str | None = None,
    quiet: bool = True,
) -> ClaimCheck:
    """Ask whether the base that a model states is consistent with its weights.

    Parameters
    ----------
    model : str or path
        A catalog id, a local path, or ``org/name[@revision]``.
    base : str, path, or sequence of these, optional
        The base to check in place of what the model states; as `model`.
    calibration : path, "shipped", or None
        A finished run; default: the shipped one, of the zoo's small models. Without any nothing can be said.
    metrics : str or sequence of str, optional
        Names and globs, or ``"all"``; default: those of the calibration. Of these, those speak for or against
        the statement that the calibration trusts on that side.
    confidence : float
        A true statement is called "not consistent" with a probability of at most one less this; in (0, 1).
        Several bases share it.
    catalog : Catalog, path or sequence of paths, optional
        Whose ids and kinships are known; default: the shipped catalog.
    time_limit : float, optional
        Seconds that a metric of another package may take for a model, and for a pair; 0: no limit. Default:
        60 where the system has interval timers (POSIX), else no limit.
    device, cache, quiet
        As for `Session.start`.

    Returns
    -------
    ClaimCheck
        What failed stands in ``failures``.

    Raises
    ------
    UsageError
        The model states no base, or one that cannot be looked up; no such run or metric; a confidence out of
        range.
    fpcore.BadCheckpoint
        The model or its base cannot be read.

    Examples
    --------
    >>> asked = check_claim("zoo/qwen-a-ft-short", calibration=None, metrics="norm-pearson")
    >>> asked.claim.bases, asked.answer, asked.bases[0].because
    (('zoo/qwen-a',), 'cannot say', 'no calibration was used')
    """
    if not 0 < confidence < 1:
        raise UsageError(f"--confidence: {confidence} is not between 0 and 1")
    session = Session.start(cache=cache, device=device, workers=1, quiet=quiet)
    loaded = load_catalog(catalog)
    typed = str(model)
    claim = stated_base(loaded, typed) if base is None else _given(base)
    if typed in claim.bases:
        raise UsageError(f"check-claim {typed}: the base is the model itself; name a different one: --base X")
    run = None if calibration is None else open_calibration(calibration, session.cache)
    chosen, unknown = metrics_to_use(metrics, run)
    adapter = isinstance(locate_typed(loaded, typed).open_unchecked(), AdapterCheckpoint)
    scorer = PairScorer(
        session,
        loaded,
        [typed, *claim.bases],
        () if adapter else chosen,
        time_limit=time_limit,
        spared=run.why_spared if run is not None and metrics is None else None,
    )
    work = _Work(loaded, run, scorer, scorer.models[typed], 1 - (1 - confidence) / len(claim.bases), _stamp())
    bases, failures = [], []
    for name in claim.bases:
        other = scorer.models[name]
        if adapter:
            bases.append(BaseCheck(other, "cannot say", BY_CONSTRUCTION))
        elif other.digest == work.model.digest:
            same = f"both hold identical weights (digest {other.digest[:12]})"
            bases.append(BaseCheck(other, "consistent", same))
        else:
            (scores,) = scorer.scores([(typed, name)])
            failures += [
                f"{metric} on {typed} – {name}: {one.reason}"
                for metric, one in scores.items()
                if one.status == "failed"
            ]
            with one_blas_thread():
                bases.append(work.check(other, scores))
    session.cache.trim(every=TRIM_EVERY)
    left_out = sorted({lineage for one in bases for lineage in one.left_out})
    return ClaimCheck(
        model=work.model,
        claim=claim,
        confidence=confidence,
        bases=tuple(bases),
        calibration=None if run is None else run.facts(left_out),
        version=work.stamp.version,
        date=work.stamp.date,
        cannot_say=(
            *_cannot_say(claim, bases, run, unknown),
            *of_samples(False, run, "the models asked about"),
        ),
        failures=tuple(failures),
    )


def _given(base: str | Path | Sequence[str | Path]) -> StatedBase:
    names = [base] if isinstance(base, str | Path) else base
    bases = tuple(dict.fromkeys(str(name) for name in names))
    if not bases:
        raise UsageError("--base: give at least one model")
    return StatedBase(bases, "", "--base", ", ".join(bases))


@dataclass(frozen=True)
class _Stamp:
    """Which program gives an answer, and on which day."""

    version: str
    date: str


def _stamp() -> _Stamp:
    return _Stamp(package_version("lookalike"), datetime.now(UTC).date().isoformat())


@dataclass(frozen=True)
class _Work:
    """What every base is checked with."""

    catalog: Catalog
    run: CalibrationRun | None
    scorer: PairScorer
    model: ComparedModel
    confidence: float
    stamp: _Stamp

    def check(self, base: ComparedModel, scores: Mapping[str, MetricScore]) -> BaseCheck:
        """Check one base by the scores of the pair."""
        known = [note for one in (self.model, base) if (note := known_forgery(self.catalog, self.run, one))]
        if self.run is None or known:
            return BaseCheck(base, "cannot say", known[0] if known else NO_RUN)
        run, pair = self.run, (self.model, base)
        of_model, of_base = (run.lineages_of(self.catalog, one.catalog_id, one.digest) for one in pair)
        left_out = of_model | of_base
        lacking = {
            one.name: why for one in self.scorer.metrics if (why := run.lacks(fpcore.metric(one.name)))
        }
        tables = {
            name: table
            for name in scores
            if name not in lacking and (table := run.without(name, left_out)) is not None
        }
        if not tables:
            return BaseCheck(base, "cannot say", next(iter(lacking.values()), NOTHING_LEFT))
        standings = run.standings(list(tables), ())
        choices = {side: choose_claim_metrics(standings, tables, side) for side in SIDES}
        weighed: dict[tuple[str, ...], Weighed | None] = {(): None}
        for choice in choices.values():
            if choice.chosen not in weighed:
                weighed[choice.chosen] = self._weigh(run, base, choice.chosen, scores, left_out)
        facts = run.facts(sorted(left_out))
        sides = tuple(
            SideEvidence(
                side,
                found := weighed[choice.chosen],
                choice.left_aside,
                ""
                if found is None
                else sentence(pair, found.lead, found.joint, facts, self.stamp.version, self.stamp.date),
            )
            for side, choice in choices.items()
        )
        judged = tuple(
            self._candidate(run, base, names, scores, of_model, of_base)
            for names in (tuple(tables), choices[INDEPENDENCE].chosen)
        )
        answer, because = answer_claim(sides, judged, self.confidence)
        return BaseCheck(base, answer, because, sides, judged, tuple(sorted(left_out)))

    def _weigh(
        self,
        run: CalibrationRun,
        base: ComparedModel,
        metrics: Sequence[str],
        scores: Mapping[str, MetricScore],
        left_out: set[str],
    ) -> Weighed:
        loaded = [metric.load() for metric in self.scorer.metrics if metric.name in metrics]
        return weigh_pair(loaded, scores, (self.model.cell, base.cell), run, left_out)

    def _candidate(
        self,
        run: CalibrationRun,
        base: ComparedModel,
        metrics: Sequence[str],
        scores: Mapping[str, MetricScore],
        of_model: set[str],
        of_base: set[str],
    ) -> analysis.Candidate:
        """Judge the base as a pool of one is judged."""
        tables = {name: table for name in metrics if (table := run.without(name, of_model)) is not None}
        speaking = {name: scores[name].score for name in metrics if scores[name].status == "ok"}
        ranked = JointScorer(tables).score(speaking, (self.model.cell, base.cell))
        same = base.cell == self.model.cell
        entry = analysis.Entry(base.label, ranked.value, ranked.table, same, of_base, ranked.reason)
        return analysis.exclude_candidates([entry], self.confidence).candidates[0]


def _cannot_say(
    claim: StatedBase, bases: Sequence[BaseCheck], run: CalibrationRun | None, unknown: Sequence[str]
) -> list[str]:
    """What a reader must not take from the answer, most important first."""
    said = [
        "Whether anyone made a false statement: names, uploads and model cards are wrong for many reasons,"
        " and"
        " only weights were examined.",
        "Which of the two came first, or whether a common ancestor, another checkpoint of the same family, a"
        " shared initialisation or distillation explains the scores.",
    ]
    if run is not None:
        said.append(
            "How derivations harder than those in the calibration score: the probability refers to lineages"
            " and derivations like its own."
        )
        if not run.record.forgeries:
            said.append("Whether such scores can be forged: the calibration includes no forgery.")
    if claim.where == "config.json":
        said.append(
            "That the maker states this base: config.json records where software loaded the weights from,"
            " which may have been any copy."
        )
    if any(one.sides and one.answer != "cannot say" for one in bases) and claim.relation:
        said.append(f"Whether the stated relation ({claim.relation}) is right: that is not checked.")
    said += [f"{name}: calibrated in this run, but not registered here." for name in unknown]
    return said if run is None else said + run.doubts()
