"""Which conclusions of the zoo hold on real tables, by a rule.

A conclusion is what an interval shows. Of an AUC: on which side of the two lines of the verdicts (0.75 and
0.9) it lies. Of the threshold by which the zoo calls: that it *works* (a false positive rate of at most 0.1
and a true positive rate of at least 0.5, the lines by which claims are judged) or *fails* (one of the two
is shown to be on the other side). A conclusion has carried over where the real table's interval shows all
that the zoo's shows; it is contradicted where it shows the opposite of some of it; where either interval
holds a line, nothing is said of that line. All intervals of a comparison hold together with 95%
(Bonferroni).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import analysis
from analysis.claim_verdicts import MAX_FPR, MIN_TPR
from analysis.thresholds.rates import rate
from analysis.verdict_words import FAIR, GOOD, family_level
from benchmark.results.decision import deciding_threshold
from benchmark.results.files import RunDirectory
from benchmark.results.run import Run, read_run
from benchmark.results.schema import SCHEMA, MetricResult
from benchmark.results.zoo_against_real import (
    CARRIED_OVER,
    CONTRADICTED,
    IN_PART,
    NOT_ASKED,
    OPEN,
    Conclusion,
    MetricAgainstReal,
    RealFigures,
    ScoreSource,
    ZooAgainstReal,
)
from benchmark.session.errors import UsageError
from benchmark.session.locks import locked

__all__ = ["set_against", "zoo_against_real"]

EACH: Final = 4  # intervals of a metric on one table: two AUCs, two rates


def set_against(run: Path, others: Sequence[Path]) -> ZooAgainstReal:
    """Compare a run with others and keep the result in its directory, for its report.

    Parameters
    ----------
    run : Path
    others : sequence of Path
        One of all is a run of the zoo; each other one is a real table: `analyse` with a citation, or
        ``run --tier hub``.

    Raises
    ------
    UsageError
        Not one zoo, a table without citation, or no metric in common.
    """
    found = zoo_against_real([read_run(path) for path in (run, *others)])
    with locked(run, ""):
        RunDirectory(run).write_against(found)
    return found


def zoo_against_real(runs: Sequence[Run]) -> ZooAgainstReal:
    """Compare the run of the zoo with the real tables; parameters and errors as for `set_against`."""
    zoos = [run for run in runs if run.record.tier == "zoo"]
    if len(zoos) != 1:
        named = ", ".join(str(run.path) for run in zoos) or "none"
        raise UsageError(f"--against: exactly one of the runs must be on the zoo; on the zoo: {named}")
    (zoo,) = zoos
    real = {_source(run).name: run for run in runs if run is not zoo}
    if len(real) < len(runs) - 1:
        raise UsageError("--against: two runs are in folders of the same name; rename one")
    shared = {name: [one for one in real.values() if name in one.names] for name in zoo.names}
    common = [name for name, tables in shared.items() if tables]
    if not common:
        raise UsageError(
            f"--against: no metric of {zoo.path} is in another run; it has {', '.join(zoo.names)}"
        )
    n = EACH * sum(1 + len(shared[name]) for name in common)
    level = family_level(n)
    return ZooAgainstReal(
        schema=SCHEMA,
        zoo=_source(zoo),
        tables=tuple(map(_source, real.values())),
        metrics=tuple(_metric(name, zoo, shared[name], level) for name in common),
        without_table=tuple(name for name in zoo.names if name not in common),
        n_intervals=n,
        level=level,
    )


def _source(run: Run) -> ScoreSource:
    held = run.results.catalog
    digest = RunDirectory(run.path, run.record).digest
    return ScoreSource(
        run.path.resolve().name, _citation(run), digest, held.n_models, held.n_lineages, held.n_cells
    )


def _citation(run: Run) -> str:
    record = run.record
    if record.tier is not None and record.catalog is not None:
        made = f"{record.catalog.path} ({record.catalog.digest[:12]}), {record.ended[:10]}"
        return f"run --tier {record.tier} of {made}"
    citation = record.arguments.get("citation")
    if not isinstance(citation, str) or not citation:
        raise UsageError(f"--against {run.path}: no citation; analyse the table again with --citation TEXT")
    return citation


def _metric(name: str, zoo: Run, real: Sequence[Run], level: float) -> MetricAgainstReal:
    own, table = zoo.result(name), zoo.table(name)
    decision = deciding_threshold(own)
    return MetricAgainstReal(
        metric=name,
        auc=own.auc,
        look_alike_auc=own.look_alike_auc,
        threshold=decision.value,
        claimed=decision.claimed,
        fpr=rate(table, decision.value, negatives="look-alike"),
        tpr=rate(table, decision.value, "tpr"),
        tables=tuple(_figures(name, own, table, run, decision.value, level) for run in real),
    )


def _figures(
    name: str, own: MetricResult, zoo: analysis.ScoreTable, run: Run, threshold: float, level: float
) -> RealFigures:
    there, table = run.result(name), run.table(name)
    own_units = run.record.arguments.get("own_units") is True
    at = math.nan if own_units else threshold
    negatives = "look-alike" if (table.look_alike & table.comparable).any() else "independent"
    calibrated = there.thresholds or there.independent_thresholds
    if None not in (own.version, there.version) and own.version != there.version:
        versions = f"version {own.version} on the zoo, {there.version} there"
        conclusions: tuple[Conclusion, ...] = (Conclusion("all", "", "", NOT_ASKED, versions),)
    else:
        conclusions = (
            _auc("AUC", "independent", zoo, table, level),
            _auc("look-alike AUC", "look-alike", zoo, table, level),
            Conclusion("threshold", "", "", NOT_ASKED, "its scores are on a scale of their own")
            if own_units
            else _threshold(threshold, negatives, zoo, table, level),
        )
    return RealFigures(
        table=run.path.resolve().name,
        auc=there.auc,
        look_alike_auc=there.look_alike_auc,
        threshold=calibrated[0].value if calibrated else float("nan"),
        fpr=rate(table, at, negatives=negatives),
        tpr=rate(table, at, "tpr"),
        negatives=negatives,
        conclusions=conclusions,
    )


def _auc(
    about: str, negatives: str, zoo: analysis.ScoreTable, real: analysis.ScoreTable, level: float
) -> Conclusion:
    here, there = (analysis.auc(table, negatives=negatives, level=level) for table in (zoo, real))
    return _conclusion(about, _sides(here), _sides(there), (here, there))


def _sides(interval: analysis.Interval) -> dict[str, str]:
    """Line → the side on which an interval lies; lines that it holds are left out."""
    found = {}
    for line in (FAIR, GOOD):
        told = f"{line:g}"
        if interval.low > line:
            found[told] = "above"
        elif interval.high < line:
            found[told] = "below"
    return found


def _threshold(
    threshold: float, negatives: str, zoo: analysis.ScoreTable, real: analysis.ScoreTable, level: float
) -> Conclusion:
    sides, intervals = [], []
    for table in (zoo, real):
        fpr = rate(table, threshold, negatives=negatives, level=level)
        tpr = rate(table, threshold, "tpr", level=level)
        intervals += [fpr, tpr]
        if fpr.low > MAX_FPR or tpr.high < MIN_TPR:
            sides.append({"the threshold": "fails"})
        elif fpr.high <= MAX_FPR and tpr.low >= MIN_TPR:
            sides.append({"the threshold": "works"})
        else:
            sides.append({})
    return _conclusion("threshold", sides[0], sides[1], intervals)


def _conclusion(
    about: str, zoo: dict[str, str], real: dict[str, str], intervals: Sequence[analysis.Interval]
) -> Conclusion:
    """Set what two tables show side by side; the rule of this module."""
    missing = [interval.reason for interval in intervals if not interval.defined]
    shown = " against ".join(_ends(each) for each in _halves(intervals))
    if missing:
        return Conclusion(about, _words(zoo), _words(real), NOT_ASKED, missing[0])
    same = {line for line, side in zoo.items() if real.get(line) == side}
    opposite = {line for line, side in zoo.items() if line in real and real[line] != side}
    outcome = OPEN
    if opposite:
        outcome = CONTRADICTED
    elif same:
        outcome = CARRIED_OVER if same == zoo.keys() else IN_PART
    return Conclusion(about, _words(zoo), _words(real), outcome, shown)


def _halves(intervals: Sequence[analysis.Interval]) -> tuple[Sequence[analysis.Interval], ...]:
    half = len(intervals) // 2
    return intervals[:half], intervals[half:]


def _ends(intervals: Sequence[analysis.Interval]) -> str:
    return " and ".join(f"[{one.low:.3f}, {one.high:.3f}]" for one in intervals)


def _words(sides: dict[str, str]) -> str:
    """The sharpest of what is shown: above 0.9 says above 0.75 as well."""
    if not sides:
        return OPEN
    above = [line for line, side in sides.items() if side == "above"]
    below = [line for line, side in sides.items() if side == "below"]
    if above or below:
        ends = ([f"above {above[-1]}"] if above else []) + ([f"below {below[0]}"] if below else [])
        return " and ".join(ends)
    return next(iter(sides.values()))
