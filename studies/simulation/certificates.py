"""What certified and merely calibrated thresholds do on fresh draws from the same population."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.thresholds.calibration import certified_value
from analysis.thresholds.certificate import WeighedNegatives
from analysis.thresholds.heldout import held_out_rates
from studies.simulation.coverage import EFFECTS, design
from studies.simulation.designs import Design
from studies.simulation.experiment import Experiment

__all__ = ["run_certificates", "run_held_out"]


def run_certificates(quick: bool, seed: int) -> Experiment:
    """Share of catalogs in which a certified threshold exceeds its false positive rate: at most 5%."""
    n_catalogs = 60 if quick else 300
    rows = []
    for lineages, max_fpr in ((118, 0.05), (160, 0.05), (60, 0.1)):
        for effects, (lineage, model, pair, own) in EFFECTS.items():
            population = Design(
                f"{lineages} lineages · {effects}",
                (2,) * lineages,
                n_cells=6,
                same_cell=0.5,
                lineage_sd=lineage,
                model_sd=model,
                lineage_pair_sd=pair,
                pair_sd=own,
            )
            rows.append(_measure(population, max_fpr, n_catalogs, seed))
    details = pd.DataFrame(rows)
    certified = details[details["certified"] > 0]
    return Experiment(
        "certificates",
        (
            f"With {n_catalogs} fresh catalogs per design, a certified threshold exceeded its rate in"
            f" {certified['exceeded'].mean():.3f} on average, at most {certified['exceeded'].max():.3f}"
            f" (allowed: 0.05; each design is measured to ±{1.96 * np.sqrt(0.05 * 0.95 / n_catalogs):.3f}).",
        ),
        (("Certified thresholds at confidence 0.95", details),),
        details,
    )


def _measure(population: Design, max_fpr: float, n_catalogs: int, seed: int) -> dict[str, object]:
    exceeded, certified, true = 0, 0, []
    for table in population.draws(n_catalogs, seed):
        value, reason = certified_value(WeighedNegatives.of(table, "independent"), max_fpr, 0.95)
        if not reason:
            certified += 1
            true.append(population.rate(value, "fpr"))
            exceeded += true[-1] > max_fpr
    return {
        "design": population.name,
        "max_fpr": max_fpr,
        "certified": certified / n_catalogs,
        "exceeded": exceeded / certified if certified else float("nan"),
        "mean true FPR": float(np.mean(true)) if true else float("nan"),
    }


def run_held_out(quick: bool, seed: int) -> Experiment:
    """Rates of uncertified thresholds: as calibrated, as estimated on held-out lineages, and true."""
    n_catalogs = 30 if quick else 150
    max_fpr = 0.05
    rows = []
    for lineages in (10, 18, 36):
        for effects in ("mixed", "lineage", "independent pairs"):
            population = design(lineages, "3–5", effects, "chain").at_auc(0.9)
            seen, held, true = [], [], []
            for table in population.draws(n_catalogs, seed):
                value, _ = certified_value(WeighedNegatives.of(table, "independent"), max_fpr, 0.95)
                negative = table.score[table.independent]
                seen.append(float(np.mean(negative >= value)))
                held.append(held_out_rates(table, max_fpr, by="lineage")[0].estimate)
                true.append(population.rate(value, "fpr"))
            rows.append(
                {
                    "design": population.name,
                    "as calibrated": float(np.mean(seen)),
                    "held out": float(np.mean(held)),
                    "true": float(np.mean(true)),
                }
            )
    details = pd.DataFrame(rows)
    return Experiment(
        "held-out",
        (
            f"Thresholds calibrated to {max_fpr:g} without a certificate let {details['true'].mean():.3f} of"
            f" fresh independent pairs pass on average; held-out lineages estimate"
            f" {details['held out'].mean():.3f}.",
        ),
        (("False-positive rate of calibrated thresholds", details),),
        details,
    )
