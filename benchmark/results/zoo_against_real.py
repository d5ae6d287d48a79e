"""The zoo's figures beside those of real tables, metric by metric, and which conclusions carried over."""

from __future__ import annotations

from dataclasses import dataclass

import analysis
from analysis.results import Result

__all__ = [
    "CARRIED_OVER",
    "CONTRADICTED",
    "IN_PART",
    "NOT_ASKED",
    "OPEN",
    "Conclusion",
    "MetricAgainstReal",
    "RealFigures",
    "ScoreSource",
    "ZooAgainstReal",
]

CARRIED_OVER = "carried over"
IN_PART = "in part"
CONTRADICTED = "contradicted"
OPEN = "open"
NOT_ASKED = "not asked"


@dataclass(frozen=True, eq=False)
class ScoreSource(Result):
    """Where scores come from.

    Attributes
    ----------
    name, citation : str
        Folder of the run; whose scores they are.
    digest : str
        sha256 of its scores and results.
    n_models, n_lineages, n_cells : int
    """

    name: str
    citation: str
    digest: str
    n_models: int
    n_lineages: int
    n_cells: int


@dataclass(frozen=True, eq=False)
class Conclusion(Result):
    """One thing that is said of a metric on the zoo, asked of a real table.

    Attributes
    ----------
    about : str
        "AUC", "look-alike AUC" or "threshold".
    zoo, real : str
        What intervals show there, e.g. "above 0.75"; "open" where they show neither side.
    outcome : str
        "carried over" (the real table shows all that the zoo shows), "in part", "contradicted" (it shows the
        opposite of something), "open" (one of the two shows nothing), or "not asked".
    reason : str
        The intervals that decided, or what is missing.
    """

    about: str
    zoo: str
    real: str
    outcome: str
    reason: str


@dataclass(frozen=True, eq=False)
class RealFigures(Result):
    """A metric on one real table.

    Attributes
    ----------
    table : str
        Name of the table.
    auc, look_alike_auc : Interval
        95%.
    threshold : float
        Calibrated there for the largest allowed false positive rate; NaN without one.
    fpr, tpr : Interval
        At the zoo's threshold, 95%; the rate is among look-alikes where the table has some.
    negatives : str
        "look-alike" or "independent": whom `fpr` is about.
    conclusions : tuple of Conclusion
    """

    table: str
    auc: analysis.Interval
    look_alike_auc: analysis.Interval
    threshold: float
    fpr: analysis.Interval
    tpr: analysis.Interval
    negatives: str
    conclusions: tuple[Conclusion, ...]

    def of(self, *outcomes: str) -> tuple[Conclusion, ...]:
        """The conclusions with one of these outcomes."""
        return tuple(one for one in self.conclusions if one.outcome in outcomes)

    @property
    def outcome(self) -> str:
        """Of all conclusions together: one that is contradicted decides, then one that carried over."""
        for word in (CONTRADICTED, CARRIED_OVER, IN_PART, OPEN):
            if self.of(word):
                return word
        return NOT_ASKED


@dataclass(frozen=True, eq=False)
class MetricAgainstReal(Result):
    """A metric on the zoo and on every real table that has it.

    Attributes
    ----------
    metric : str
    auc, look_alike_auc : Interval
        On the zoo, 95%.
    threshold : float
        By which the zoo's pairs are called; NaN without one.
    claimed : bool
        Whether it is what the metric's authors claim, not calibrated on the zoo.
    fpr, tpr : Interval
        At it, on the zoo, 95%; the rate is among look-alikes.
    tables : tuple of RealFigures
    """

    metric: str
    auc: analysis.Interval
    look_alike_auc: analysis.Interval
    threshold: float
    claimed: bool
    fpr: analysis.Interval
    tpr: analysis.Interval
    tables: tuple[RealFigures, ...]


@dataclass(frozen=True, eq=False)
class ZooAgainstReal(Result):
    """The content of against.json.

    Attributes
    ----------
    schema : int
        That of all files of a run.
    zoo : ScoreSource
    tables : tuple of ScoreSource
        The real tables.
    metrics : tuple of MetricAgainstReal
        Those that some real table has.
    without_table : tuple of str
        Metrics of the zoo that no real table has.
    n_intervals : int
        Intervals that the conclusions rest on.
    level : float
        Of each, so that all hold together with 95%.
    """

    schema: int
    zoo: ScoreSource
    tables: tuple[ScoreSource, ...]
    metrics: tuple[MetricAgainstReal, ...]
    without_table: tuple[str, ...]
    n_intervals: int
    level: float

    @property
    def sentences(self) -> tuple[str, ...]:
        """What carried over, what was contradicted, what stays open: a sentence each."""
        titles = {
            "Carried over": (CARRIED_OVER, IN_PART),
            "Contradicted": (CONTRADICTED,),
            "Open": (OPEN,),
            "Not asked": (NOT_ASKED,),
        }
        told = []
        for title, outcomes in titles.items():
            found = [
                _told(one.metric, figures.table, conclusion)
                for one in self.metrics
                for figures in one.tables
                for conclusion in figures.of(*outcomes)
            ]
            told.append(f"{title}: {'; '.join(found) or 'nothing'}.")
        return tuple(told)


def _told(metric: str, table: str, one: Conclusion) -> str:
    shown = one.real if one.outcome in (CARRIED_OVER, IN_PART) else f"{one.zoo} on the zoo, {one.real} there"
    if one.outcome in (OPEN, NOT_ASKED):
        return f"{metric} on {table}, {one.about}"
    return f"{metric} on {table}, {one.about} {shown}"
