"""Whether likelihood ratios that were fitted on some lineages hold on fresh catalogs."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from scipy.stats import norm

from analysis.evidence.likelihood_ratio import calibrate_evidence
from analysis.evidence.quality import cllr, cllr_min
from studies.simulation.coverage import EFFECTS
from studies.simulation.designs import Design
from studies.simulation.experiment import Experiment

__all__ = ["run_evidence"]


def run_evidence(quick: bool, seed: int) -> Experiment:
    """Cllr as reported (out-of-lineage), on a fresh catalog, and of the true likelihood ratio."""
    n_catalogs = 6 if quick else 50
    rows = []
    for lineages in (10, 18, 36, 72):
        for effects, (lineage, model, pair, own) in EFFECTS.items():
            design = Design(
                f"{lineages} lineages of 3 · {effects}",
                (3,) * lineages,
                lineage_sd=lineage,
                model_sd=model,
                lineage_pair_sd=pair,
                pair_sd=own,
            ).at_auc(0.9)
            catalogs = list(design.draws(2 * n_catalogs, seed))
            found = []
            for table, fresh in zip(catalogs[::2], catalogs[1::2], strict=True):
                evidence = calibrate_evidence(table, "independent")
                rows_used = fresh.derived | fresh.independent
                score, positive = fresh.score[rows_used], fresh.derived[rows_used]
                true = (
                    norm.logpdf(score, design.separation, design.derived_sd)
                    - norm.logpdf(score, 0.0, design.independent_sd)
                ) / math.log(10)
                weighed = evidence.log10_lr(score)
                found.append(
                    (
                        evidence.cllr,
                        cllr(weighed, positive),
                        cllr_min(score, positive),
                        cllr(true, positive),
                        evidence.max_abs_log10_lr,
                    )
                )
            reported, fresh_cost, fresh_least, truth, bound = np.mean(found, axis=0).tolist()
            rows.append(
                {
                    "design": design.name,
                    "Cllr reported": reported,
                    "Cllr on fresh catalogs": fresh_cost,
                    "Cllr_min there": fresh_least,
                    "Cllr of the true LR": truth,
                    "largest |log10 LR|": bound,
                }
            )
    details = pd.DataFrame(rows)
    honest = details["Cllr on fresh catalogs"] - details["Cllr reported"]
    excess = details["Cllr on fresh catalogs"] - details["Cllr of the true LR"]
    return Experiment(
        "evidence",
        (
            f"On fresh catalogs the fitted LRs cost {honest.mean():+.3f} bits more than the report says on"
            f" average ({honest.min():+.3f} to {honest.max():+.3f} over designs), and"
            f" {excess.mean():.3f} more than the true LR, which knows the population.",
        ),
        (("Cost of the evidence in bits, at a true AUC of 0.9", details),),
        details,
    )
