"""How often the permutation test and the verdict find a lineage signal that is there."""

from __future__ import annotations

from typing import Final

import pandas as pd

from analysis.inference.permutation import separation_test
from studies.simulation.coverage import EFFECTS
from studies.simulation.designs import Design
from studies.simulation.experiment import Experiment

__all__ = ["run_power"]

N_RESAMPLES: Final = 199
LEVEL: Final = 0.05


def run_power(quick: bool, seed: int) -> Experiment:
    """Rejection rates over the true look-alike AUC and the size of the catalog."""
    n_catalogs = 15 if quick else 100
    rows = []
    for lineages, size, cells in ((8, 4, 1), (15, 4, 3), (30, 4, 1), (30, 4, 5), (30, 2, 5), (60, 4, 8)):
        for effects, (lineage, model, pair, own) in EFFECTS.items():
            row: dict[str, object] = {
                "lineages": lineages,
                "models a lineage": size,
                "cells": cells,
                "effects": effects,
            }
            for auc in (0.6, 0.75, 0.9):
                design = Design(
                    f"{lineages} of {size}",
                    (size,) * lineages,
                    n_cells=cells,
                    shape="hub",
                    lineage_sd=lineage,
                    model_sd=model,
                    lineage_pair_sd=pair,
                    pair_sd=own,
                ).at_auc(auc)
                tests = [
                    separation_test(table, N_RESAMPLES, seed=i)
                    for i, table in enumerate(design.draws(n_catalogs, seed))
                ]
                row[f"AUC {auc:g}"] = sum(test.p_value <= LEVEL for test in tests) / n_catalogs
            rows.append(row)
    details = pd.DataFrame(rows)
    asked = details[(details["lineages"] == 30) & (details["models a lineage"] == 4)]
    return Experiment(
        "power",
        (
            f"Against a true look-alike AUC of 0.75, 30 lineages of 4 models give a power of"
            f" {asked['AUC 0.75'].min():.2f} or more at 0.05, whatever the effects; eight lineages of 4"
            f" {details.loc[details['lineages'] == 8, 'AUC 0.75'].min():.2f}"
            f" to {details.loc[details['lineages'] == 8, 'AUC 0.75'].max():.2f}.",
        ),
        (("Power of the permutation test at 0.05 by true look-alike AUC", details),),
        details,
    )
