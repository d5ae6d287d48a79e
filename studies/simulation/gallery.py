"""A gallery of evidence, good and broken: what the plots and the costs look like when something is wrong.

``python -m studies.simulation.gallery docs/explanation`` draws it again.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import matplotlib

matplotlib.use("svg")

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt

from analysis.evidence.quality import cllr, cllr_min, entropy_curves, tippett_curves

__all__ = ["GALLERY", "Case", "draw", "page", "sample"]

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
SEPARATION: Final = 2.0
"""Difference of the two classes' means, in standard deviations."""


@dataclass(frozen=True)
class Case:
    """One way evidence can be.

    Attributes
    ----------
    name, says : str
        What it is, and how to tell.
    factor, shift : float
        What is done to the true log10 LR: multiplied, then moved.
    """

    name: str
    says: str
    factor: float
    shift: float

    @property
    def slug(self) -> str:
        """For file names."""
        return self.name.replace(" ", "-")


GALLERY: Final = (
    Case(
        "well calibrated",
        "The cross-entropy lies on the PAV curve at every prior: recalibrating the numbers gains nothing."
        " Few derived pairs have an LR far below 1, few independent ones far above.",
        1.0,
        0.0,
    ),
    Case(
        "neutral",
        "Always LR = 1: never misleading and of no use. Cllr is exactly 1, and the Tippett curves step at 0.",
        0.0,
        0.0,
    ),
    Case(
        "biased towards descent",
        "Every LR is ten times too large. Both Tippett curves are shifted to the right, so many"
        " independent pairs have LRs above 1; the cross-entropy rises above neutral where descent is"
        " improbable to begin with.",
        1.0,
        1.0,
    ),
    Case(
        "biased towards independence",
        "Every LR is ten times too small: the mirror image. The cross-entropy is above neutral where"
        " descent is probable.",
        1.0,
        -1.0,
    ),
    Case(
        "overstated",
        "The right direction, three times too confident on the log scale. The curves reach far out on"
        " both sides, and the few misleading LRs are severe: the cross-entropy exceeds neutral at both"
        " ends.",
        3.0,
        0.0,
    ),
    Case(
        "understated",
        "Three times too cautious on the log scale. Never worse than neutral, but the distance to the PAV"
        " curve is information thrown away.",
        1 / 3,
        0.0,
    ),
)


def sample(case: Case, n: int = 2_000, seed: int = 0) -> tuple[Floats, Mask]:
    """Draw log10 LRs of a case.

    Two normal classes, `SEPARATION` standard deviations apart, whose true log LR is known.

    Parameters
    ----------
    case : Case
    n : int
        Pairs of each class.
    seed : int

    Returns
    -------
    log10_lr : ndarray of float, shape (2n,)
    derived : ndarray of bool, shape (2n,)
    """
    derived = np.arange(2 * n) < n
    score = np.random.default_rng(seed).normal(np.where(derived, SEPARATION, 0.0), 1.0)
    true = (SEPARATION * score - SEPARATION**2 / 2) / math.log(10)
    return case.factor * true + case.shift, derived


def draw(case: Case, path: Path) -> None:
    """Draw the Tippett and the cross-entropy plot of a case."""
    log10_lr, derived = sample(case)
    weight = np.ones(len(derived))
    tippett = tippett_curves(log10_lr, derived, weight)
    ece = entropy_curves(log10_lr, log10_lr, derived, weight)
    style = {"svg.hashsalt": case.slug, "svg.fonttype": "none", "font.size": 8}
    with plt.rc_context(style):
        figure, (left, right) = plt.subplots(1, 2, figsize=(6.2, 2.3))
        left.plot(tippett["log10_lr"], tippett["derived"], color="C0", label="derived")
        left.plot(tippett["log10_lr"], tippett["negative"], color="C3", label="independent")
        left.axvline(0, color="0.6", lw=0.8)
        left.set(xlim=(-5, 5), xlabel="log10 LR", ylabel="share at or above", title="Tippett")
        left.legend(frameon=False)
        right.plot(ece["log10_odds"], ece["logistic"], color="C0", label="as it is")
        right.plot(ece["log10_odds"], ece["pav"], color="C2", ls="--", label="best (PAV)")
        right.plot(ece["log10_odds"], ece["neutral"], color="0.4", ls=":", label="neutral")
        right.set(ylim=(0, 1.3), xlabel="prior log10 odds", ylabel="cross-entropy in bits", title="ECE")
        right.legend(frameon=False)
        figure.tight_layout()
        figure.savefig(path, metadata={"Date": None})
        plt.close(figure)


def page(docs: Path) -> None:
    """Write `evidence-gallery.md` and its figures into a documentation folder."""
    figures = docs / "figures"
    figures.mkdir(parents=True, exist_ok=True)
    parts = [INTRODUCTION]
    for case in GALLERY:
        log10_lr, derived = sample(case)
        cost, least = cllr(log10_lr, derived), cllr_min(log10_lr, derived)
        draw(case, figures / f"evidence-{case.slug}.svg")
        parts.append(
            f"## {case.name.capitalize()}\n\n{case.says}\n\n"
            f"Cllr {cost:.3f} = Cllr_min {least:.3f} + Cllr_cal {cost - least:.3f}\n\n"
            f"![Tippett and cross-entropy plot, {case.name}](figures/evidence-{case.slug}.svg)"
        )
    (docs / "evidence-gallery.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")


INTRODUCTION: Final = """# Evidence, good and broken

A report contains two plots about the evidence that a metric gives. This page shows what they look like when
all is well and when it is not. The data are simulated: two normal classes two standard deviations apart,
whose true likelihood ratio is known and is then distorted in one way at a time. The tests use the same
cases. `python -m studies.simulation.gallery docs/explanation` regenerates this page.

**Tippett plot**: the share of pairs with at least this log10 LR. The blue curve (derived pairs) should stay
high to the right of 0, the red one (independent pairs) should fall before it. **ECE plot**: the cost, in
bits, of using the LRs at a given prior; *neutral* is the cost of not using them, *PAV* that of the best
monotone map of the same numbers. At even odds (0) the cost is **Cllr**, and that of PAV **Cllr_min**; the
difference, **Cllr_cal**, is what calibration loses. Cllr_min is the same in all cases below except
*neutral*: distorting the calibration does not change what a metric can tell apart."""


if __name__ == "__main__":
    page(Path(sys.argv[1]))
