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
    "catalog": "The file that lists models, what they are and where they come from, with evidence.",
    "evidence grade": "Who states where a model comes from: publisher, paper, card or weights; labels"
    " inferred from weights are never used for calibration.",
    "tier": "Part of a catalog: zoo (weights that come with it), hub (weights to fetch), or all.",
    "zoo": "The small models trained for this project, so that their lineage is known for certain.",
    "hub": "A site that publishes models under org/name, such as the Hugging Face hub.",
    "founder": "A model trained from its own random initialisation; it has no parent.",
    "parent": "A model whose weights another one was made from.",
    "ancestor": "A parent, a parent's parent, and so on.",
    "child": "A model made from another one's weights.",
    "derivation": "The step from a parent to a child, by a stated method.",
    "method": "A derivation method, with its detail, such as quantise:int8; the steps of a multi-step"
    " derivation are joined by >.",
    "lineage": "All models connected by derivation, shared initialisation or distillation; the unit that"
    " every interval, test and split resamples.",
    "lineage pair": "Two lineages; several pairs of models from the same two add little information.",
    "architecture cell": "Models of equal shape: type, depth, width, heads, feed-forward width, experts,"
    " biases and norm type.",
    "family": "Models published by a lab as replicates: they differ in known respects only, such as seed.",
    "shape": "What the models of an architecture cell have in common.",
    # relations of a pair
    "pair": "Two different models; each metric gives a pair one score.",
    "relation": "How the two models of a pair are related: derived, sibling, independent, shared-init,"
    " distilled or disputed.",
    "derived": "One model of the pair is an ancestor of the other; these are the positives of every"
    " statistic.",
    "sibling": "The two models share a founder and neither is an ancestor of the other; reported, never used"
    " for calibration.",
    "independent": "The two models have no founder in common; these are the negatives of every statistic.",
    "shared-init": "The two models started from the same random initialisation and were trained separately;"
    " reported, never used for calibration.",
    "distilled": "One model learned from the other's outputs, not from its weights; reported, never used for"
    " calibration.",
    "disputed": "A derivation is claimed but not proven; the pair is scored and reported, never used for"
    " calibration.",
    "dispute": "A public claim that one model was derived from another, with both sides and what would settle"
    " it.",
    "look-alike": "An independent pair whose two models are in the same two architecture cells as those of"
    " some derived pair.",
    # derivation methods
    "fine-tune": "Training a model further on a task or domain.",
    "instruct-tune": "Fine-tuning on instructions and answers.",
    "rl": "Fine-tuning by reinforcement learning.",
    "adapter-merge": "Training low-rank updates and adding them to the weights.",
    "continued-pretrain": "Training a model further on text, as in pre-training.",
    "vocabulary-swap": "Replacing the tokenizer and its embeddings, then training further.",
    "multimodal-extend": "Training a language model further together with an image or audio encoder.",
    "merge": "Combining the weights of several models into one.",
    "depth-upscale": "Stacking copies of a model's layers, then training further.",
    "depth-prune": "Removing layers, then training further.",
    "width-prune": "Removing units, then training further.",
    "moe-upcycle": "Copying a dense feed-forward block into several experts, then training further.",
    "distil-init": "Starting from some of a model's layers and training on its outputs.",
    "quantise": "Storing weights as low-bit integers.",
    "cast": "Storing weights in another floating-point type.",
    "re-upload": "Publishing the same weights again.",
    "launder": "Changing the weights so that the model looks different; most such changes leave the function"
    " it computes unchanged.",
    "laundering": "Derivation by launder: permuted units, rotated bases, cancelling scales, noise.",
    "training": "Derivation by training the parent's network further: fine-tune, instruct-tune, rl,"
    " adapter-merge, continued-pretrain, vocabulary-swap or multimodal-extend.",
    "merging": "Derivation by merge.",
    "reshaping": "Derivation that changes depth, width or number of experts.",
    "casting": "Derivation that stores the same weights in another format.",
    "multi-step": "Derivation by more than one method in turn.",
    # metrics
    "metric": "A similarity of two models, higher for more similar models; it may abstain with a reason.",
    "fingerprint": "What a metric extracts and keeps from one model.",
    "score": "A metric's value for one pair.",
    "role": "What a tensor is for, such as attention.query.weight, whatever its name in the file.",
    "abstention": "A metric is not defined for a pair and says why; never counted as a score of 0.",
    "failed": "A metric raised an error or took too long on a pair; the pair has no score.",
    "coverage": "Share of pairs of a given kind that a metric scored.",
    "invariance": "A change of a model that leaves a metric's scores unchanged.",
    "gauge": "A change of scale or basis inside a layer that cancels out and leaves the model's function"
    " unchanged.",
    "cheap": "A metric that is part of a run by default; the others are costly.",
    "baseline": "A metric that a proposed one is compared with.",
    # claims and thresholds
    "claim": 'What a metric\'s authors state: a threshold, an AUC, or "these are p-values".',
    "threshold": "Scores at or above it are read as derived.",
    "claimed threshold": "The threshold that a metric's authors state; it is audited on the run's pairs.",
    "calibrated threshold": "The lowest threshold that at most the requested share of the run's look-alikes"
    " reach (a mean over pairs); the same against all independent pairs is reported beside it.",
    "certificate": "A statement, at a stated confidence, that a threshold's false-positive rate among"
    " look-alikes"
    " of new lineages (a mean over lineages) is at most a goal: jointly for all metrics of the run, for one"
    " metric by itself if there are too few independent negatives for that, or refused.",
    "certified": "A threshold that has a certificate; against look-alikes unless all independent pairs are"
    " named.",
    "independent negatives": "Negatives that share no lineage, two lineages each, on which a certificate"
    " rests; all pairs are used, weighted so that no lineage counts more than once.",
    "pair-weighted": "A mean in which every pair counts equally, so that a lineage with many models counts"
    " more.",
    "lineage-weighted": "A mean in which every lineage counts equally, however many models it has.",
    "held-out rate": "A rate at a threshold that was calibrated without the lineages it is evaluated on.",
    "FPR": "False-positive rate: the share of independent pairs, or of look-alikes, at or above a threshold,"
    " each pair counted equally.",
    "TPR": "True-positive rate: the share of derived pairs at or above a threshold, each pair counted"
    " equally.",
    # discrimination
    "AUC": "How often a derived pair scores above an independent pair, ties counting half, each pair counted"
    " equally: 1 is perfect, 0.5 is chance.",
    "look-alike AUC": "How often a derived pair scores above an independent pair of its own two shapes, ties"
    " counting half, as a mean over derived pairs; it decides the verdict.",
    "partial AUC": "The mean true-positive rate over false-positive rates from 0 to 0.05.",
    "unseen kind": "The look-alike AUC if the catalog happened to miss a kind of lineage on which the"
    " metric loses"
    " every comparison, as frequent as can go unseen among this many lineages.",
    "gap": "The AUC against all independent pairs minus the look-alike AUC: what shape alone contributes.",
    "ROC curve": "The true-positive rate against the false-positive rate over all thresholds.",
    "DET curve": "The rate of missed children against the false-positive rate, on normal-deviate scales.",
    "interval": "The range of values compatible with the data at a stated level, computed over lineages.",
    "level": "How often intervals constructed this way contain the true value.",
    "jackknife": "Leaving out one lineage at a time to see how much a value depends on each; the quoted"
    " intervals come from it.",
    "bootstrap": "Drawing whole lineages with replacement to see how a value varies.",
    "percentile bootstrap": "The quantiles of the bootstrap as an interval; too narrow with few lineages.",
    "DeLong": "An interval of the AUC that treats all pairs as independent, which they are not; shown for"
    " comparison.",
    "effective number": "The number of equally sized lineages that would be equivalent to the unequal ones at"
    " hand.",
    "intraclass correlation": "How similar the scores of derived pairs of one lineage are: 0 uncorrelated, 1"
    " all the same.",
    # tests
    "permutation p": "The larger of two p-values: how often permuting models within their architecture"
    " cells gives"
    " scores at least as extreme, and whether derived pairs exceed the score levels of their models by more"
    " than lineages vary; refused if too few arrangements exist; a small value does not rule"
    " out that models of a lineage are alike for a reason other than descent.",
    "adjusted p": "A p-value adjusted for all metrics or comparisons of a run together.",
    "max-T": "How the permutation test is adjusted: each metric's p-value against the best rank of all"
    " metrics in every arrangement, including the observed one.",
    "Holm": "How the p-values of paired comparisons are adjusted.",
    "paired difference": "The difference of two metrics' AUCs on the pairs that both scored, leaving out the"
    " same lineages.",
    # verdicts
    "verdict": "Whether a metric separates children from look-alikes, by one fixed rule based on joint"
    " bounds; the reason beside it names the numbers that decided.",
    "separates": "Verdict: shown to have a look-alike AUC above 0.9, with no derivation method shown to"
    " fail and at most a tenth of the children without a score.",
    "separates within limits": "Verdict: shown to have a look-alike AUC above 0.75, with something open or"
    " failing.",
    "architecture detector": "Verdict: shown to have a look-alike AUC below 0.75 while recognising shapes.",
    "does not separate": "Verdict: shown to have a look-alike AUC below 0.75.",
    "cannot say": "Verdict: the run has too little data to decide; what is needed is named, with the number"
    " of lineages that would suffice.",
    "verdict on the claim": "Whether what a metric's authors state holds here: holds, fails, cannot say, or"
    " none stated; a metric may separate while its claim fails, and vice versa.",
    "simultaneous bounds": "Ends of intervals that hold jointly for all metrics of a run, or for all methods"
    " of all metrics; verdicts rest on them.",
    "state": "What is shown about a metric on one derivation method: held, failed, undecided, or no score.",
    "sensitivity": "How a number changes when one lineage, label or architecture is left out or changed.",
    "shared property": "What two independent models have in common beyond their shape: text, tokenizer, order"
    " of text, schedule.",
    # evidence
    "likelihood ratio": "How many times more probable a score is between a model and its descendant than"
    " under an alternative: independent models of the same shapes, unless another is named.",
    "log10 LR": "The likelihood ratio as a power of ten: +1 is ten to one for derivation, -1 ten to one"
    " against, 0 even.",
    "even odds": "A likelihood ratio of 1: the score favours neither side.",
    "Cllr": "The cost of likelihood ratios in bits, on lineages not used for the fit: 0 is perfect, 1 is"
    " worthless, more is misleading.",
    "Cllr_min": "The part of Cllr that no calibration can remove: what the metric cannot discriminate.",
    "Cllr_cal": "The rest of Cllr: what is lost by calibration.",
    "ELUB": "Empirical lower and upper bound: likelihood ratios beyond it are not supported by so few pairs.",
    "bound": "The largest log10 LR, in either direction, that a calibration with so many lineages can"
    " support.",
    "Tippett plot": "The shares of derived pairs and of their look-alikes with at least a given log10 LR.",
    "ECE plot": "Empirical cross-entropy: the cost of using the likelihood ratios, over prior odds.",
    "PAV": "Pool adjacent violators: the best monotone map from scores to likelihood ratios in hindsight.",
    "verbal scale": "The wording that the 2015 ENFSI guideline assigns to ranges of likelihood ratios.",
    "no support either way": "Wording for a likelihood ratio between one half and two, or one whose interval"
    " includes even odds.",
    "joint evidence": "What several metrics weigh together in one fit; their likelihood ratios are never"
    " multiplied.",
    "no calibration for these shapes": "The calibration run has no look-alikes of the two models' shapes, or"
    " from fewer than three lineages: nothing is weighed.",
    "calibration run": "The finished run against which the scores of a case are weighed, excluding the"
    " lineages of the case.",
    "case": "Two models, or one model and a pool, and what can be said about them.",
    "candidate set": "The candidate parents that a model's scores do not exclude, at a stated confidence.",
    "pool": "The candidate parents under consideration.",
    # forgeries and decay
    "forgery": "A model altered, without changing what it computes, so that a metric is deceived.",
    "frame": "A forgery that makes an unrelated model look related to a target.",
    "evade": "A forgery that makes a descendant look unrelated to its ancestor.",
    "forged": "A metric's call that a forgery flipped as its maker intended.",
    "decay": "How a score falls with the amount of training between an ancestor and a child.",
    "share of the budget": "Training steps since the ancestor, divided by those the founder was trained for.",
    # runs
    "run": "A folder with the scores, results and report of one benchmark run.",
    "digest": "The SHA-256 of content, by which models, catalogs and cached work are identified.",
    "gate": "A condition on the results that a proposed metric must meet for a build to pass.",
    "undefined": "A value that the data do not determine, shown as a dash or null with the reason, never as"
    " 0.",
    "power": "What a catalog of a given size can find or certify.",
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
