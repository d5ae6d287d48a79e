"""How often sets of candidate parents hold the parent, and how large they are; what evidence costs.

``python -m studies.candidate_sets RUN_OR_TABLE … [--confidence .9] [--metrics a,b]`` prints a Markdown
table; with ``--cost look-alike`` that of the evidence of each metric and of all together.

Every lineage is left out in turn. Its *head* is the model that it is named by (the founder, in the zoo); each
of its models that descends from the head is asked about against all heads, with its own among them and
without it. Everything is weighed by the other lineages alone. A table in which no shape is stated counts
as one of one shape.

With ``--design "hubs"`` and so on the tables are simulated (`studies.misleading_evidence.DESIGNS`), and with
``--pool 5`` each child is asked about against its head and four others.
"""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from joblib import Parallel, delayed

import analysis
from analysis.discrimination.intervals import TRUE_POSITIVES, lineage_interval
from analysis.evidence.candidates import CandidateSet, Entry, exclude_candidates
from analysis.evidence.combination import combine_evidence
from benchmark.comparison.joint_evidence import choose_for_combination
from benchmark.comparison.ranking_scores import JointScorer
from benchmark.pipeline.analyse import read_scores
from benchmark.pipeline.metric_names import choose_metrics
from benchmark.report.notation import percent, percent_interval, plain
from benchmark.results.files import RunDirectory
from studies.misleading_evidence import DESIGNS, simulated_table

__all__ = [
    "Outcome",
    "PoolStudy",
    "ask_pools",
    "cost_rows",
    "main",
    "simulated_frames",
    "study_pools",
    "summary",
]

HEAD: Final = (
    "By", "Children", "Lineages", "Not judged", "Parent not excluded", "Unrelated models not excluded",
    "Set, of those judged", "Parent absent: none remain",
)  # fmt: skip
COST_HEAD: Final = ("Evidence of", "Cllr", "Cllr_min", "Bounds of log10 LR", "Slope in the joint fit")
PAIR: Final = ["model_a", "model_b"]


@dataclass(frozen=True)
class PoolStudy:
    """What came of asking about every child of every lineage; in all means every lineage counts the same.

    Attributes
    ----------
    by : str
        What ranked the candidates.
    confidence : float
    n_children, n_lineages : int
        Children whose head is scored with them.
    coverage : Interval
        The head is not excluded, of the cases in which it is judged.
    strangers : float
        Share of strangers, of those judged, that remain.
    size, pool : float
        Mean size of the set, and of those judged.
    not_judged : float
        Share of candidates that are not judged.
    emptied : float
        Pool without the head: share of cases in which none remains.
    """

    by: str
    confidence: float
    n_children: int
    n_lineages: int
    coverage: analysis.Interval
    strangers: float
    size: float
    pool: float
    not_judged: float
    emptied: float

    def row(self) -> tuple[str, ...]:
        """Cells under `HEAD`."""
        return (
            self.by,
            str(self.n_children),
            str(self.n_lineages),
            percent(self.not_judged),
            percent_interval(self.coverage),
            percent(self.strangers),
            f"{plain(self.size, 2)} of {plain(self.pool, 2)}",
            percent(self.emptied),
        )


@dataclass(frozen=True)
class Outcome:
    """One child asked about: its head, whether they have one shape, the sets with and without the head."""

    head: str
    same_cell: bool
    found: CandidateSet
    without: CandidateSet


def study_pools(
    frames: Mapping[str, pd.DataFrame], confidence: float, by: str, workers: int = 1
) -> PoolStudy | None:
    """Ask about every child of every lineage, by some metrics together, and sum up.

    Parameters
    ----------
    frames : mapping of str to DataFrame
        Normalised score tables of the metrics.
    confidence : float
    by : str
        What to call them.
    workers : int
        Processes; the result does not depend on it.

    Returns
    -------
    PoolStudy or None
        None without any child of a head.
    """
    return summary(ask_pools(frames, confidence, workers), confidence, by)


def ask_pools(
    frames: Mapping[str, pd.DataFrame],
    confidence: float,
    workers: int = 1,
    pool: int | None = None,
    seed: int = 0,
) -> list[Outcome]:
    """Ask about every child of every lineage, by some metrics together.

    Parameters
    ----------
    frames : mapping of str to DataFrame
    confidence : float
    workers : int
    pool : int, optional
        How many candidates: the head, and others of its shape drawn for each lineage; default: all heads.
    seed : int
        Of that draw.
    """
    frames = _of_one_shape(frames)
    pairs = pd.concat(frames.values())
    ends = [pairs[["model_" + end, "lineage_" + end]].set_axis(PAIR, axis=1) for end in "ab"]
    lineage_of: dict[str, str] = dict(pd.concat(ends).drop_duplicates().itertuples(index=False))
    heads = sorted(model for model, lineage in lineage_of.items() if model == lineage)
    cells = _cells(pairs)
    asked = Parallel(workers)(
        delayed(_ask_lineage)(
            frames,
            head,
            _children(pairs, head),
            _drawn(heads, head, cells, pool, seed),
            cells,
            confidence,
        )
        for head in heads
    )
    return [outcome for outcomes in asked for outcome in outcomes]


def _drawn(
    heads: Sequence[str], head: str, cells: Mapping[str, str], pool: int | None, seed: int
) -> list[str]:
    """The head and others of its shape, so many in all."""
    if pool is None:
        return list(heads)
    others = [name for name in heads if name != head and cells.get(name) == cells.get(head)]
    rng = np.random.default_rng([seed, *head.encode()])
    return sorted([head, *rng.choice(others, min(pool - 1, len(others)), replace=False).tolist()])


def _ask_lineage(
    frames: Mapping[str, pd.DataFrame],
    head: str,
    children: Sequence[str],
    heads: Sequence[str],
    cells: Mapping[str, str],
    confidence: float,
) -> list[Outcome]:
    """Ask about the children of one head, weighed by the lineages that are not theirs."""
    scores = {
        name: _by_pair(frame[frame["model_a"].isin(children) | frame["model_b"].isin(children)])
        for name, frame in frames.items()
    }
    scorer = JointScorer(
        {
            name: analysis.ScoreTable(frame[(frame["lineage_a"] != head) & (frame["lineage_b"] != head)])
            for name, frame in frames.items()
        }
    )
    outcomes: list[Outcome] = []
    for child in children:
        entries = []
        for other in heads:
            pair = frozenset((child, other))
            if not any(pair in known for known in scores.values()):
                continue  # not scored: neither an abstention nor a candidate
            spoken = {name: known[pair] for name, known in scores.items() if pair in known}
            pair_of_cells = (cells.get(child, ""), cells.get(other, ""))
            same = pair_of_cells[0] == pair_of_cells[1]
            ranked = scorer.score(
                {name: value for name, value in spoken.items() if not math.isnan(value)}, pair_of_cells
            )
            entries.append(Entry(other, ranked.value, ranked.table, same, {other}, ranked.reason))
        if head in {entry.name for entry in entries} and len(entries) > 1:
            others = [entry for entry in entries if entry.name != head]
            outcomes.append(
                Outcome(
                    head,
                    cells.get(child) == cells.get(head),
                    exclude_candidates(entries, confidence),
                    exclude_candidates(others, confidence),
                )
            )
    return outcomes


def _by_pair(frame: pd.DataFrame) -> dict[frozenset[str], float]:
    keys = map(frozenset, zip(frame["model_a"], frame["model_b"], strict=True))
    return dict(zip(keys, frame["score"].where(frame["status"] == "ok"), strict=True))


def _of_one_shape(frames: Mapping[str, pd.DataFrame]) -> Mapping[str, pd.DataFrame]:
    """Tables as they are; where no shape is stated, all models get the same one."""
    if any(frame["architecture_a"].notna().any() for frame in frames.values()):
        return frames
    return {name: frame.assign(architecture_a="any", architecture_b="any") for name, frame in frames.items()}


def simulated_frames(design: str, seed: int, cells: int = 3, per_cell: int = 12) -> dict[str, pd.DataFrame]:
    """One simulated catalog of some lineages in each of some shapes; each is named by its first model."""
    rng = np.random.default_rng([seed, list(DESIGNS).index(design), 36])
    frame = simulated_table(DESIGNS[design], rng, cells, per_cell, 3).frame
    models = pd.concat([frame[["model_" + end, "lineage_" + end]].set_axis(PAIR, axis=1) for end in "ab"])
    head = dict(models.groupby("model_b")["model_a"].min().items())
    names = {model: lineage for lineage, model in head.items()}
    for end in "ab":
        frame[f"model_{end}"] = frame[f"model_{end}"].replace(names)
    apart = ~frame["model_a"].isin(head) & ~frame["model_b"].isin(head)
    frame.loc[apart & (frame["relation"] == "derived"), "relation"] = "sibling"
    return {"score": analysis.ScoreTable(frame).frame}


def _cells(pairs: pd.DataFrame) -> dict[str, str]:
    """Cell of each model."""
    found: dict[str, str] = {}
    if "architecture_a" in pairs:
        for end in "ab":
            cell = pairs[f"architecture_{end}"]
            found |= dict(
                zip(pairs[f"model_{end}"], cell.astype(object).where(cell.notna(), ""), strict=True)
            )
    return found


def _children(pairs: pd.DataFrame, head: str) -> list[str]:
    derived = pairs[pairs["relation"] == "derived"]
    found = set(derived.loc[derived["model_a"] == head, "model_b"])
    return sorted(found | set(derived.loc[derived["model_b"] == head, "model_a"]))


def summary(outcomes: Sequence[Outcome], confidence: float, by: str) -> PoolStudy | None:
    """Sum up; None without any outcome in which the head is judged."""
    every = sum(len(one.found.candidates) for one in outcomes)
    not_judged = sum(len(one.found.not_judged) for one in outcomes) / max(every, 1)
    outcomes = [one for one in outcomes if one.head not in one.found.not_judged]
    if not outcomes:
        return None
    heads = np.array([one.head for one in outcomes])

    def mean(values: Sequence[float]) -> float:
        return float(_lineage_means(heads, np.array(values, dtype=np.float64)).mean())

    return PoolStudy(
        by=by,
        confidence=confidence,
        n_children=len(outcomes),
        n_lineages=len(set(heads)),
        coverage=_over_lineages(heads, np.array([one.head in one.found.remaining for one in outcomes])),
        strangers=mean([_strangers(one.found, one.head) for one in outcomes]),
        size=mean([len(one.found.remaining) for one in outcomes]),
        pool=mean([len(one.found.candidates) - len(one.found.not_judged) for one in outcomes]),
        not_judged=not_judged,
        emptied=mean([not one.without.remaining for one in outcomes]),
    )


def _strangers(found: CandidateSet, head: str) -> float:
    """Share of the strangers that are judged and remain; 0 without any."""
    judged = {one.name for one in found.candidates} - set(found.not_judged) - {head}
    return len(judged & set(found.remaining)) / max(len(judged), 1)


def _lineage_means(heads: npt.NDArray[np.str_], values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.array([values[heads == head].mean() for head in np.unique(heads)])


def _over_lineages(heads: npt.NDArray[np.str_], hit: npt.NDArray[np.bool_]) -> analysis.Interval:
    """Share of hits with every lineage counting the same."""
    shares = _lineage_means(heads, hit.astype(np.float64))
    n = len(shares)
    folds = (shares.sum() - shares) / (n - 1) if n > 1 else np.full(1, np.nan)
    return lineage_interval(
        float(shares.mean()),
        folds,
        kind=TRUE_POSITIVES,
        units=n,
        level=0.95,
        method="mean over lineages",
        n_lineages=n,
    )


def cost_rows(frames: Mapping[str, pd.DataFrame], negatives: str) -> list[tuple[str, ...]]:
    """Cllr of all metrics together and of each alone, cheapest first, on the pairs on which all speak.

    Parameters
    ----------
    frames : mapping of str to DataFrame
    negatives : {"look-alike", "independent"}

    Returns
    -------
    list of tuple of str
        Name, Cllr, the part that no calibration takes away, bounds, slope in the combination; nothing where
        there is no evidence.
    """
    tables = {name: analysis.ScoreTable(frame) for name, frame in frames.items()}
    chosen, _ = choose_for_combination(tables)
    joint = combine_evidence([tables[name] for name in chosen], negatives=negatives)
    if joint.table is None:
        return []
    pairs = joint.table.frame[PAIR]
    alone = [
        combine_evidence([analysis.ScoreTable(tables[name].frame.merge(pairs, on=PAIR))], negatives=negatives)
        for name in chosen
    ]
    alone.sort(key=lambda one: one.cllr)
    return [
        (
            "**all together**" if one is joint else one.metrics[0],
            f"{one.cllr:.3f}",
            f"{one.cllr_min:.3f}",
            f"{one.lower:+.2f} to {one.upper:+.2f}",
            "" if one is joint else plain(joint.slopes[one.metrics[0]], 2),
        )
        for one in (joint, *alone)
    ]


def frames_of(path: Path) -> dict[str, pd.DataFrame]:
    """Normalised tables of the metrics of a run or a score table."""
    table = RunDirectory(path).read_scores() if path.is_dir() else read_scores(path, None)[0]
    return {str(name): analysis.ScoreTable(part).frame for name, part in table.groupby("metric")}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m studies.candidate_sets", description=__doc__)
    parser.add_argument("source", nargs="*", type=Path, help="a run directory, or score tables")
    parser.add_argument("--confidence", type=float, default=0.9)
    parser.add_argument("--metrics", help="names and globs; default: those marked cheap")
    parser.add_argument(
        "--cost",
        choices=("look-alike", "independent"),
        help="report the cost of the evidence instead of candidate sets",
    )
    parser.add_argument("--design", choices=list(DESIGNS), help="simulated tables instead of a source")
    parser.add_argument("--tables", type=int, default=5, help="number of simulated tables")
    parser.add_argument("--pool", type=int, help="candidates of a simulated table; default: all of a shape")
    parser.add_argument("--seed", type=int, default=0, help="seed of the first simulated table")
    parser.add_argument(
        "--together-only", action="store_true", help="only all metrics together, not each by itself"
    )
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes")
    asked = parser.parse_args()
    if asked.design:
        found: list[Outcome] = []
        shape = {} if asked.pool is None else {"cells": 2, "per_cell": max(12, asked.pool + 4)}
        for seed in range(asked.seed, asked.seed + asked.tables):
            frames = simulated_frames(asked.design, seed, **shape)
            found += ask_pools(frames, asked.confidence, asked.workers, asked.pool, seed)
        _print_studies([summary(found, asked.confidence, asked.design)])
        return
    if not asked.source:
        parser.error("give a run, a table, or --design")
    frames = {name: frame for path in asked.source for name, frame in frames_of(path).items()}
    wanted = set(choose_metrics(asked.metrics)) if asked.source[0].is_dir() else set(frames)
    frames = {name: frame for name, frame in frames.items() if name in wanted}
    if asked.cost:
        _print([COST_HEAD, ("---",) * len(COST_HEAD), *cost_rows(frames, asked.cost)])
        return
    studies: list[PoolStudy | None] = []
    if len(frames) > 1:
        asked_of = ask_pools(frames, asked.confidence, asked.workers)
        studies.append(summary(asked_of, asked.confidence, "**all together**"))
        if any(frame["architecture_a"].notna().any() for frame in frames.values()):
            for same, words in ((True, "of the parent's shape"), (False, "of another shape")):
                some = [one for one in asked_of if one.same_cell is same]
                studies.append(summary(some, asked.confidence, f"… children {words}"))
    if not asked.together_only:
        studies += [
            study_pools({name: frame}, asked.confidence, name, asked.workers)
            for name, frame in frames.items()
        ]
    _print_studies(studies)


def _print_studies(studies: Sequence[PoolStudy | None]) -> None:
    _print([HEAD, ("---",) * len(HEAD), *(study.row() for study in studies if study is not None)])


def _print(rows: Sequence[Sequence[str]]) -> None:
    for row in rows:
        print("| " + " | ".join(row) + " |")


if __name__ == "__main__":
    main()
