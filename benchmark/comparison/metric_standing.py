"""What a calibration run knows against a metric: that it tells nothing, or that it was deceived."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import analysis
from benchmark.comparison.verbal_scale import DERIVATION, INDEPENDENCE
from benchmark.results.schema import ForgeryOutcome, MetricResult

__all__ = ["TRUSTED", "Forgeability", "MetricStanding"]

TRUSTED: Final = (analysis.VerdictWord.SEPARATES, analysis.VerdictWord.WITHIN_LIMITS)
LAUNDERED: Final = "launder"
"""Step of a derivation that keeps the function and hides the parent."""


@dataclass(frozen=True)
class Forgeability:
    """Forgeries of one kind, and how a metric stood up to them.

    Attributes
    ----------
    n_tried, n_succeeded : int
        Those that have a call before and after, and those that turned it.
    best : float
        The score that they were brought to: the highest of framed models, the lowest of hidden ones; NaN
        where none moved that way.
    """

    n_tried: int
    n_succeeded: int
    best: float

    @classmethod
    def of(cls, outcomes: tuple[ForgeryOutcome, ...], kind: str) -> Forgeability:
        """Count the forgeries of one kind ("frame" or "evade")."""
        tried = [one for one in outcomes if one.kind == kind]
        up = kind == "frame"
        moved = [one.after for one in tried if (one.after > one.before if up else one.after < one.before)]
        return cls(
            sum(one.before_called is not None and one.after_called is not None for one in tried),
            sum(one.succeeded for one in tried),
            (max if up else min)(moved, default=math.nan),
        )


@dataclass(frozen=True)
class MetricStanding:
    """How a calibration run judges a metric.

    Attributes
    ----------
    verdict, because : str
        Without the lineages of the case; empty without a calibration.
    fails_on : tuple of str
        Derivations on which it fails there: a low score says nothing against these.
    framed, hidden : Forgeability
        Unrelated models made to look derived, and descendants made to look unrelated.
    hidden_by : tuple of str
        Launderings that keep what a model computes, and left a descendant below the threshold there.
    typical_child : float
        Median score of derived pairs there; NaN if not known.
    """

    verdict: str
    because: str
    fails_on: tuple[str, ...]
    framed: Forgeability
    hidden: Forgeability
    hidden_by: tuple[str, ...] = ()
    typical_child: float = math.nan

    @classmethod
    def unknown(cls) -> MetricStanding:
        """Of a metric that no run has judged."""
        return cls("", "", (), Forgeability.of((), "frame"), Forgeability.of((), "evade"))

    @classmethod
    def of(cls, result: MetricResult, judged: analysis.Verdict | None) -> MetricStanding:
        """Take the forgeries of a run, and its verdict unless the metric was judged anew."""
        verdict = (
            analysis.Verdict(result.verdict, result.because, result.fails_on) if judged is None else judged
        )
        return cls(
            verdict.verdict,
            verdict.because,
            verdict.fails_on,
            Forgeability.of(result.forgeries, "frame"),
            Forgeability.of(result.forgeries, "evade"),
            tuple(one.method for one in result.laundering if one.n_hidden),
            result.relations["derived"].median if "derived" in result.relations else math.nan,
        )

    @property
    def trusted(self) -> bool:
        """Whether it tells children from look-alikes there."""
        return self.verdict in TRUSTED

    def framed_like_a_child(self, typical_child: float | None = None) -> str:
        """Why a high score may be that of a forged stranger; empty where no forgery came so far.

        One that turned the call did; so did one that scores as high as most children, whatever the call.

        Parameters
        ----------
        typical_child : float, optional
            Median score of derived pairs without the lineages of the case. Default: that of the whole run.
        """
        if self.framed.n_succeeded:
            return (
                f"{self.framed.n_succeeded} of {self.framed.n_tried} unrelated models were forged to pass for"
                " derived"
            )
        if self.framed.best >= (self.typical_child if typical_child is None else typical_child):
            return "an unrelated model was forged to score as high as most children do"
        return ""

    def withheld(self, side: str | None, score: float) -> str:
        """Why a score that weighs on one side supports nothing; empty where it may.

        Parameters
        ----------
        side : str or None
            What its weight alone would support.
        score : float

        Returns
        -------
        str
            A forged model that turned the call, or came as far as this score, shows that such a score can be
            made: framed models speak against support for derivation, hidden ones for independence.
        """
        if not self.trusted:
            return f"in the calibration: {self.verdict or 'not judged'}"
        if side == DERIVATION and (self.framed.n_succeeded or self.framed.best >= score):
            return "in the calibration an unrelated model was forged to score high"
        if side == INDEPENDENCE and (self.laundered or self.hidden.n_succeeded or self.hidden.best <= score):
            return "in the calibration a descendant was altered to score low"
        return ""

    @property
    def laundered(self) -> tuple[str, ...]:
        """Launderings that hid a descendant from it, and those on which it fails."""
        failing = (method for method in self.fails_on if LAUNDERED in method)
        return tuple(dict.fromkeys([*self.hidden_by, *failing]))

    @property
    def forgeability(self) -> str:
        """Whether the forgeries of the run deceived it, in words."""
        said = [
            f"{kind}: {one.n_succeeded} of {one.n_tried}"
            for kind, one in (("framed", self.framed), ("hidden", self.hidden))
            if one.n_tried
        ]
        if self.laundered:
            kinds = "kind" if len(self.laundered) == 1 else "kinds"
            said.append(f"hidden by {len(self.laundered)} {kinds} of laundering")
        return "; ".join(said) or "not tried"
