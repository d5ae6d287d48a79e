"""From the scores of a pair to what they weigh: each metric, the one to quote, and all together."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import fpcore
from benchmark.comparison.alternatives import Alternative, weigh_alternatives
from benchmark.comparison.calibration_run import CalibrationRun
from benchmark.comparison.joint_evidence import JointEvidence, weigh_together
from benchmark.comparison.metric_evidence import MetricEvidence, weigh_metric
from benchmark.comparison.pair_scores import MetricScore
from benchmark.comparison.sentences import leading, quoted
from benchmark.session.progress import Advance

__all__ = ["Weighed", "weigh_pair"]


STEPS: Final = ("verdicts without both lineages", "all metrics together", "other explanations")
"""What follows once each metric is weighed."""


def _untold(_done: float, _total: int, _text: str, /) -> None:
    """Nobody asks how far it is."""


@dataclass(frozen=True)
class Weighed:
    """What the scores of a pair weigh.

    Attributes
    ----------
    metrics : tuple of MetricEvidence
    lead : MetricEvidence or None
        The metric to quote.
    joint : JointEvidence or None
    alternatives : tuple of Alternative
        What is quoted, against other explanations than independence.
    """

    metrics: tuple[MetricEvidence, ...]
    lead: MetricEvidence | None
    joint: JointEvidence | None
    alternatives: tuple[Alternative, ...]

    @property
    def quoted(self) -> MetricEvidence | JointEvidence | None:
        """What a sentence quotes."""
        return quoted(self.lead, self.joint) or self.lead


def weigh_pair(
    metrics: Sequence[fpcore.Metric],
    scores: Mapping[str, MetricScore],
    cells: tuple[str, str],
    calibration: CalibrationRun | None,
    left_out: Collection[str],
    *,
    advance: Advance = _untold,
) -> Weighed:
    """Weigh the scores of two models.

    Parameters
    ----------
    metrics : sequence of Metric
    scores : mapping of str to MetricScore
        What each of them says of the two.
    cells : tuple of two str
        Their architecture cells.
    calibration : CalibrationRun or None
    left_out : collection of str
        Lineages of the calibration that take no part, not even in the choice of the metric to quote: those of
        the two models.
    advance : Advance
        Told steps done, steps in all, and what was done last.
    """
    steps = len(metrics) + len(STEPS)
    each = []
    for metric in metrics:
        each.append(weigh_metric(metric, scores[metric.name], cells, calibration, left_out))
        advance(len(each), steps, metric.name)
    if calibration is None:
        advance(steps, steps, "")
        return Weighed(tuple(each), None, None, ())
    found = _judged(tuple(each), calibration, left_out)
    advance(len(each) + 1, steps, STEPS[0])
    joint = weigh_together(found, cells, calibration, left_out)
    advance(len(each) + 2, steps, STEPS[1])
    lead = leading(found)
    together = quoted(lead, joint)
    names = together.combination.metrics if together else (lead.metric,) if lead else ()
    values = [scores[name].score for name in names]
    against = weigh_alternatives(names, values, cells, calibration, left_out) if names else ()
    advance(steps, steps, STEPS[2])
    return Weighed(found, lead, joint, against)


def _judged(
    found: tuple[MetricEvidence, ...], run: CalibrationRun, left_out: Collection[str]
) -> tuple[MetricEvidence, ...]:
    """Metrics with their standing in the run; judged anew where they weigh anything."""
    weighing = [one.metric for one in found if one.weight.defined]
    known = [one.metric for one in found if one.metric in run.metrics]
    standings = run.standings(known, ()) | run.standings(weighing, left_out)
    return tuple(
        replace(one, standing=standings[one.metric]) if one.metric in standings else one for one in found
    )
