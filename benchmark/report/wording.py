"""The words of the report: each term said once, in one plain line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = [
    "ASSUMES",
    "GLOSSARY",
    "GROUPS",
    "METHOD_NOTES",
    "QUESTION",
    "ROW_KINDS",
    "Group",
    "RowKind",
    "group_of",
    "verdict_rank",
    "verdict_slug",
]

QUESTION: Final = "Does a lineage metric tell children from look-alikes?"


@dataclass(frozen=True)
class Group:
    """One column of the ten-second answer."""

    slug: str
    title: str
    says: str
    verdicts: tuple[str, ...]


GROUPS: Final = (
    Group(
        "yes",
        "Separates",
        "Scores children above independent models of the same shape.",
        ("separates", "separates within limits"),
    ),
    Group(
        "no",
        "Does not separate",
        "Look-alikes pass as children, by their scores or by the authors' own threshold.",
        ("architecture detector", "does not separate"),
    ),
    Group("unknown", "Cannot say", "This catalog does not hold what an answer would need.", ("cannot say",)),
)


def group_of(verdict: str) -> Group:
    """Which column a verdict stands in; a verdict this version does not know is one that cannot be read."""
    return next((group for group in GROUPS if verdict in group.verdicts), GROUPS[-1])


def verdict_rank(verdict: str) -> int:
    """Order of verdicts, best first."""
    order = [name for group in GROUPS for name in group.verdicts]
    return order.index(verdict) if verdict in order else len(order)


def verdict_slug(verdict: str) -> str:
    """Name of a verdict's mark in the page."""
    slugs = ("separates", "limits", "architecture", "fails", "unknown", "unknown")
    return slugs[verdict_rank(verdict)]


@dataclass(frozen=True)
class RowKind:
    """A kind of pair as the score plots show it: a colour class, a mark, and what a dot of it says."""

    slug: str
    label: str
    says: str
    square: bool = False


ROW_KINDS: Final = {
    kind.slug: kind
    for kind in (
        RowKind("derived", "derived", "derived"),
        RowKind("look-alike", "look-alikes", "look-alikes: independent, same shape", square=True),
        RowKind("independent", "other independents", "independent, other shapes", square=True),
        RowKind("sibling", "siblings", "siblings: one founder, neither is an ancestor"),
        RowKind("shared-init", "shared initialisation", "same initialisation, separate training"),
        RowKind("distilled", "distilled", "distilled: outputs seen, not weights"),
        RowKind("disputed", "disputed", "disputed", square=True),
    )
}

ASSUMES: Final = {
    "jackknife": (
        "lineage jackknife",
        "Leaves out one lineage at a time; logit scale, t with lineages − 1 degrees of freedom."
        " Assumes that lineages are exchangeable. The interval this report quotes.",
    ),
    "bootstrap": (
        "lineage bootstrap",
        "Draws whole lineages with replacement, studentised on the logit scale. Assumes the same.",
    ),
    "percentile": (
        "percentile bootstrap",
        "Draws whole lineages, reads the quantiles. Too narrow with few lineages and near an AUC of 1.",
    ),
    "delong": (
        "DeLong",
        "Assumes that pairs are independent. They share models and lineages, so it is often far too narrow.",
    ),
}

GLOSSARY: Final = (
    ("model", "One entry of the catalog; its weights are a checkpoint."),
    ("founder", "A model trained from its own random initialisation; it has no parent."),
    ("derived", "One model of the pair is an ancestor of the other. The positives of every statistic."),
    ("sibling", "The two share a founder, neither is an ancestor. Shown, never used to calibrate."),
    ("independent", "No founder in common. The negatives of every statistic."),
    ("shared-init", "Same random initialisation, separate training. Shown, never used to calibrate."),
    ("distilled", "The student saw the teacher's outputs, not its weights. Shown, never used to calibrate."),
    ("disputed", "Claimed and unproven. Scored and reported as a case, never used to calibrate."),
    ("lineage", "All models tied by derivation. The unit that intervals, tests and splits resample."),
    ("architecture cell", "Models of equal shape: type, depth, width, heads, feed-forward, biases, norm."),
    ("look-alike", "An independent pair that stands in the same pair of cells as some derived pair."),
    (
        "look-alike AUC",
        "Take a derived pair and one of its own look-alikes at random: how often the derived pair scores"
        " higher (ties count half). .5 is a coin.",
    ),
    ("AUC, all independents", "The same against every independent pair, whatever its shape."),
    ("gap", "AUC against all independents minus look-alike AUC: what shape alone contributed."),
    ("claimed threshold", "A threshold that the metric's authors state; audited here on this catalog."),
    (
        "calibrated threshold",
        "Chosen on lineages other than those it is judged on. Certified: with the stated confidence its"
        " false-positive rate is at most the goal.",
    ),
    ("false-positive rate (FPR)", "Share of independent pairs at or above the threshold."),
    ("true-positive rate (TPR)", "Share of derived pairs at or above the threshold."),
    ("abstained", "The metric is not defined for the pair and says why. Never counted as 0."),
    ("verdict", "A sentence from a rule written once; the reason beside it names the numbers it rests on."),
)

METHOD_NOTES: Final = (
    (
        "Intervals",
        "lineage jackknife on the logit scale; a pair's weight is the product of its lineages' weights.",
    ),
    (
        "Permutation test",
        "models permuted within architecture cells, scores fixed;"
        " refused where every cell holds one lineage.",
    ),
    ("Several metrics", "max-T over the same permutations: the adjusted p holds for the whole family."),
    ("Rates", "Wilson on an effective number of pairs, never more than half as many as there are lineages."),
    (
        "Thresholds",
        "score ≥ threshold means derived; calibrated leave-one-lineage-out, certified or refused.",
    ),
    ("Look-alike AUC", "each derived pair against independent pairs of its own pair of cells only."),
    ("Evidence", "log10 likelihood ratios fitted out of lineage, bounded by the number of lineages."),
    ("Undefined", "written as a dash with the reason, never as 0."),
)
