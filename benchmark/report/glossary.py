"""The terms that the product shows, one sentence each: the one source of the glossary in report and docs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

__all__ = ["GLOSSARY", "anchor"]

_TERMS: Final = {
    # models and how they came about
    "model": "One entry of the catalog; its weights are a checkpoint.",
    "checkpoint": "The stored weights of one model, with their configuration and tokenizer.",
    "catalog": "The file that says which models exist, what they are and where they come from, with"
    " evidence.",
    "evidence grade": "Who says where a model comes from: publisher, paper, card or weights; what was"
    " inferred from weights never calibrates.",
    "tier": "Part of a catalog: zoo (weights that come with it), hub (weights to fetch), or all.",
    "zoo": "The small models that were trained for this project, so that their lineage is known for certain.",
    "hub": "A site that publishes models under org/name, such as the Hugging Face hub.",
    "founder": "A model trained from its own random initialisation; it has no parent.",
    "parent": "A model that another one was made from.",
    "ancestor": "A parent, a parent's parent, and so on.",
    "child": "A model that was made from another one's weights.",
    "derivation": "The step from a parent to a child, with the method by which it was done.",
    "way": "A method of derivation with its detail, such as quantise:int8; several steps are joined by >.",
    "lineage": "All models that derivation, shared initialisation or distillation ties together; the unit"
    " that every interval, test and split resamples.",
    "lineage pair": "Two lineages; pairs of models from the same two say little more together than one.",
    "architecture cell": "Models of equal shape: type, depth, width, heads, feed-forward width, experts,"
    " biases and kind of norm.",
    "family": "Models that a lab published as replicates: they differ in known things only, such as"
    " the seed.",
    "shape": "What an architecture cell has in common.",
    # relations of a pair
    "pair": "Two different models; a pair has one score under each metric.",
    "relation": "How the two models of a pair belong together: derived, sibling, independent, shared-init,"
    " distilled or disputed.",
    "derived": "One model of the pair is an ancestor of the other; these are the positives of every"
    " statistic.",
    "sibling": "The two models share a founder and neither is an ancestor of the other; shown, never used"
    " to calibrate.",
    "independent": "The two models have no founder in common; these are the negatives of every statistic.",
    "shared-init": "The two models began from the same random initialisation and were trained separately;"
    " shown, never used to calibrate.",
    "distilled": "One model learned from the other's outputs, not from its weights; shown, never used to"
    " calibrate.",
    "disputed": "Kinship is claimed and unproven; the pair is scored and reported, never used to calibrate.",
    "dispute": "A public claim that one model comes from another, with both sides and what would settle it.",
    "look-alike": "An independent pair whose two models stand in the same two architecture cells as those"
    " of some derived pair.",
    # methods of derivation
    "fine-tune": "Training a model further on a task or domain.",
    "instruct-tune": "Fine-tuning on instructions and answers.",
    "rl": "Fine-tuning by reinforcement learning.",
    "adapter-merge": "Training low-rank updates and adding them to the weights.",
    "continued-pretrain": "Training a model further on text, as in pre-training.",
    "vocabulary-swap": "Replacing the tokenizer and its embeddings, then training on.",
    "multimodal-extend": "Training a language model further together with an encoder of images or sound.",
    "merge": "Computing one model's weights from those of several.",
    "depth-upscale": "Stacking copies of a model's layers, then training on.",
    "depth-prune": "Leaving out layers, then training on.",
    "width-prune": "Leaving out units, then training on.",
    "moe-upcycle": "Copying a dense feed-forward block into several experts, then training on.",
    "distil-init": "Starting from some of a model's layers and training on its outputs.",
    "quantise": "Storing weights as integers of a few bits.",
    "cast": "Storing weights in another floating-point type.",
    "re-upload": "Publishing the same weights again.",
    "launder": "Changing the weights so that the model looks different; most such changes leave what it"
    " computes as it is.",
    "laundering": "Derivation by launder: renumbered units, turned bases, scales that cancel, noise.",
    "training": "Derivation by training the parent's network further: fine-tune, instruct-tune, rl,"
    " adapter-merge, continued-pretrain, vocabulary-swap or multimodal-extend.",
    "merging": "Derivation by merge.",
    "reshaping": "Derivation that changes depth, width or experts.",
    "casting": "Derivation that stores the same weights in another form.",
    "several steps": "A child that was reached by more than one derivation in turn.",
    # metrics
    "metric": "A similarity of two models, higher for more alike, which may abstain with a reason.",
    "fingerprint": "What a metric keeps of one model.",
    "score": "What a metric says of one pair.",
    "role": "What a tensor is for, such as attention.query.weight, whatever it is called in the file.",
    "abstention": "A metric is not defined for a pair and says why; this is never counted as a score of 0.",
    "failed": "A metric raised an error or took too long on a pair; the pair has no score.",
    "coverage": "Share of pairs of a kind to which a metric gave a score.",
    "invariance": "A change of a model that leaves a metric's scores as they are.",
    "gauge": "A change of scale or basis inside a layer that cancels and leaves the model's function as it"
    " is.",
    "cheap": "A metric that takes part in a run unless others are named; the rest are costly.",
    "baseline": "A metric that a proposed one is compared with.",
    # claims and thresholds
    "claim": 'What a metric\'s authors state: a threshold, an AUC, or "these are p-values".',
    "threshold": "A score at or above it is read as derived.",
    "claimed threshold": "The threshold that a metric's authors state; it is audited on the run's pairs.",
    "calibrated threshold": "The lowest threshold that at most the asked share of the run's look-alikes (a"
    " mean over pairs) reach; the same against all independent pairs stands beside it.",
    "certificate": "A statement that a threshold's false-positive rate among look-alikes of fresh lineages (a"
    " mean over lineages) is at most a goal, with stated confidence, for all metrics of the run together;"
    " with too few independent negatives for that, for one metric by itself; with too few for either,"
    " refused.",
    "certified": "Said of a threshold that has a certificate; against all independent pairs only where that"
    " is said.",
    "independent negatives": "Negatives that share no lineage, two lineages to each, which a certificate"
    " rests on: all pairs are used, weighted so that no lineage counts for more than one.",
    "pair-weighted": "A mean in which every pair counts alike, so that a lineage with many models counts"
    " more.",
    "lineage-weighted": "A mean in which every lineage counts alike, however many models it has.",
    "held-out rate": "A rate at a threshold that was calibrated without the lineages it is judged on.",
    "FPR": "False-positive rate: the share of independent pairs, or of look-alikes, at or above a threshold,"
    " every pair counting alike.",
    "TPR": "True-positive rate: the share of derived pairs at or above a threshold, every pair counting"
    " alike.",
    # discrimination
    "AUC": "How often a derived pair scores above an independent pair, ties counting half, every pair"
    " counting alike: 1 is perfect, 0.5 is chance.",
    "look-alike AUC": "How often a derived pair scores above an independent pair of its own two shapes,"
    " ties counting half: a mean over derived pairs; this decides the verdict.",
    "partial AUC": "The mean true-positive rate over false-positive rates from 0 to 0.05.",
    "unseen kind": "What the look-alike AUC becomes if there is a kind of lineage that this catalog happens"
    " not to hold, as frequent as can stay unseen among so many, on which the metric loses every comparison.",
    "gap": "The AUC against all independent pairs minus the look-alike AUC: what shape alone contributed.",
    "ROC curve": "The true-positive rate against the false-positive rate, over all thresholds.",
    "DET curve": "The rate of missed children against the false-positive rate, on normal scales.",
    "interval": "The range of values that the data do not exclude, at a stated level, over lineages.",
    "level": "How often intervals made in this way hold the true value.",
    "jackknife": "Leaving out one lineage at a time to see how much a value depends on each; the interval"
    " that is quoted.",
    "bootstrap": "Drawing whole lineages with replacement to see how a value varies.",
    "percentile bootstrap": "The quantiles of the bootstrap as interval; too narrow with few lineages.",
    "DeLong": "An interval of the AUC that takes all pairs for independent, which they are not; shown for"
    " comparison.",
    "effective number": "The number of equal lineages that would be worth as much as the unequal ones at"
    " hand.",
    "intraclass correlation": "How alike the scores of derived pairs of one lineage are: 0 unrelated, 1 all"
    " the same.",
    # tests
    "permutation p": "The larger of two p-values: how often scores at least as extreme arise when models are"
    " permuted inside their architecture cells, and whether derived pairs exceed the levels of their models"
    " by more than lineages vary; refused where too few arrangements exist; a small one does not speak"
    " against models of a lineage being alike for another reason than descent.",
    "adjusted p": "A p-value that holds for all metrics or comparisons of a run together.",
    "max-T": "How the permutation test is adjusted: each metric's p-value against the best rank of all"
    " metrics in every arrangement, the observed one among them.",
    "Holm": "How the p-values of paired comparisons are adjusted.",
    "paired difference": "The difference of two metrics' AUCs on the pairs that both scored, from the same"
    " lineages left out.",
    # verdicts
    "verdict": "Whether a metric separates children from look-alikes, by a rule that is written once and"
    " rests on bounds; the reason beside it names the numbers that decided.",
    "separates": "Verdict: shown to have a look-alike AUC above 0.9, with no method of derivation shown to"
    " fail and at most a tenth of the children without a score.",
    "separates within limits": "Verdict: shown to have a look-alike AUC above 0.75, with what is open or"
    " fails.",
    "architecture detector": "Verdict: shown to have a look-alike AUC below 0.75, and to recognise shapes.",
    "does not separate": "Verdict: shown to have a look-alike AUC below 0.75.",
    "cannot say": "Verdict: the run lacks what an answer would need; what is missing is named, and how many"
    " lineages would do.",
    "verdict on the claim": "Whether what a metric's authors state holds here: holds, fails, cannot say, or"
    " none stated; a metric may separate and its claim fail, and the other way round.",
    "simultaneous bounds": "Ends of intervals that hold together for all metrics of a run, or for all"
    " methods of all metrics; verdicts rest on them.",
    "state": "What is shown of a metric on one method of derivation: held, failed, undecided, or no score.",
    "sensitivity": "What a number becomes when one lineage, one label or one architecture is left out or"
    " changed.",
    "shared property": "What two independent models have in common beside their shape: text, tokenizer,"
    " order of text, schedule.",
    # evidence
    "likelihood ratio": "How many times more probable a score is between a model and its descendant than"
    " under an alternative: independent models of the same shapes, unless another is named.",
    "log10 LR": "The likelihood ratio as a power of ten: +1 is ten to one for derivation, -1 ten to one"
    " against, 0 even.",
    "even odds": "A likelihood ratio of 1: the score speaks for neither side.",
    "Cllr": "The cost of likelihood ratios in bits, on lineages that took no part in the fit: 0 is perfect,"
    " 1 is worth nothing, more misleads.",
    "Cllr_min": "The part of Cllr that no calibration can take away: what the metric cannot tell apart.",
    "Cllr_cal": "The rest of Cllr: what calibration loses.",
    "ELUB": "Empirical lower and upper bound: likelihood ratios beyond it are not supported by so few pairs.",
    "bound": "The largest log10 LR, to either side, that a calibration of so many lineages can back.",
    "Tippett plot": "The shares of derived pairs and of their look-alikes with at least a given log10 LR.",
    "ECE plot": "Empirical cross-entropy: the cost of using the likelihood ratios, over prior odds.",
    "PAV": "Pool adjacent violators: the best rising map of scores to likelihood ratios, seen afterwards.",
    "verbal scale": "The words that the ENFSI guideline of 2015 gives to sizes of likelihood ratios.",
    "no support either way": "Words for a likelihood ratio between one half and two, and for one whose"
    " interval holds even odds.",
    "joint evidence": "What several metrics weigh in one fit; their likelihood ratios are never multiplied.",
    "no calibration for these shapes": "The calibration run has no look-alikes of the two models' shapes, or"
    " of fewer than three lineages: nothing is weighed.",
    "calibration run": "The finished run by which the scores of a case are weighed, less the lineages of"
    " the case.",
    "case": "Two models, or one and a pool, and what can be said of them.",
    "candidate set": "The candidate parents that a model's scores do not exclude, at a stated confidence.",
    "pool": "The candidate parents that are asked about.",
    # forgeries and decay
    "forgery": "A model altered, at no cost to what it computes, so that a metric is deceived.",
    "frame": "A forgery that makes a stranger look like kin of a target.",
    "evade": "A forgery that makes a descendant look like a stranger to its ancestor.",
    "forged": "Said of a metric's call that a forgery turned the way its maker wants.",
    "decay": "How a score falls with the training between an ancestor and a child.",
    "share of the budget": "Training steps since the ancestor, over those that the founder was trained for.",
    # runs
    "run": "A folder with scores, results and report of one piece of work.",
    "digest": "The sha256 of content, by which models, catalogs and cached work are recognised.",
    "gate": "A condition on the results that a proposed metric must meet for a build to pass.",
    "undefined": "A value that the data do not determine, given as a dash or null with the reason, never as"
    " 0.",
    "power": "What a catalog of so many lineages can find or certify.",
}

GLOSSARY: Final[Mapping[str, str]] = MappingProxyType(
    {term: _TERMS[term] for term in sorted(_TERMS, key=str.casefold)}
)
"""Term → what it means, in one sentence; by alphabet."""


def anchor(term: str) -> str:
    """Where a term stands in a glossary: the id of its entry, in the report and in the documentation alike.

    Parameters
    ----------
    term : str
        As it is written in `GLOSSARY`.

    Returns
    -------
    str
        ``term-`` and the term; whatever is no letter, digit, point or underscore becomes one hyphen.

    Examples
    --------
    >>> anchor("look-alike"), anchor("log10 LR")
    ('term-look-alike', 'term-log10-LR')
    """
    return "term-" + re.sub(r"[^\w.]+", "-", term).strip("-")
