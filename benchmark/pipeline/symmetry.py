"""Whether a metric gives a pair one score: a sample of its pairs, scored the other way round."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import pandas as pd

from benchmark.pipeline.chosen_metric import ChosenMetric
from benchmark.pipeline.engine import Engine
from benchmark.pipeline.extract import Extraction
from benchmark.pipeline.score import Job, score_pairs
from benchmark.pipeline.workspace import Workspace
from benchmark.results.schema import Failure
from benchmark.session.progress import Advance

__all__ = ["SAMPLE", "asymmetry"]

SAMPLE: Final = 50
"""Pairs that are scored once more: all of them would take as long as the run."""
RELATIVE, ABSOLUTE = 1e-6, 1e-9
"""How far two scores may lie apart: sums in another order differ in their last digits."""


def asymmetry(
    engine: Engine[Workspace],
    metric: ChosenMetric,
    scores: pd.DataFrame,
    extractions: Mapping[str, Extraction],
    *,
    seed: int,
    advance: Advance,
    limits: Mapping[str, float],
) -> tuple[Failure, ...]:
    """Score a seeded sample of a metric's pairs with their models exchanged.

    Parameters
    ----------
    engine : Engine
    metric : ChosenMetric
    scores : pandas.DataFrame
        Its pairs, as `score_pairs` gives them.
    extractions : mapping of str to Extraction
    seed : int
        Of the sample.
    advance, limits
        As for `score_pairs`.

    Returns
    -------
    tuple of Failure
        One where pairs have another score, or none, the other way round; it counts them. Empty otherwise.
    """
    scored = scores[scores["status"] == "ok"]
    if scored.empty:
        return ()
    rng = np.random.default_rng(np.random.SeedSequence((seed, 0x73796D6D)))
    sample = scored.iloc[np.sort(rng.permutation(len(scored))[:SAMPLE])].reset_index(drop=True)
    exchanged = pd.DataFrame({"model_a": sample["model_b"], "model_b": sample["model_a"]})
    (found,) = score_pairs(engine, [Job(metric, exchanged)], extractions, advance=advance, limits=limits)
    there, back = sample["score"].to_numpy(float), found["score"].to_numpy(float)
    unlike = np.flatnonzero(~np.isclose(there, back, rtol=RELATIVE, atol=ABSOLUTE))
    if not len(unlike):
        return ()
    first = sample.iloc[unlike[0]]
    answer = f"{back[unlike[0]]:.6g}" if np.isfinite(back[unlike[0]]) else found["bare_reason"][unlike[0]]
    error = (
        f"the score depends on which model comes first: {there[unlike[0]]:.6g} one way, {answer} the other"
        f" ({len(sample)} pairs of {len(scored):,} were tried)"
    )
    pair = f"{first['model_a']} – {first['model_b']}"
    return (Failure("symmetry", pair, metric.name, error, "", len(unlike)),)
