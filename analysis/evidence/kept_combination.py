"""A combination as plain arrays and back, to the last digit: fitting takes long, and depends on no pair."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.columns import COLUMNS
from analysis.evidence.combination import Combination
from analysis.evidence.labelled_pairs import LabelledPairs
from analysis.evidence.logistic_fit import LogisticFit
from analysis.evidence.score_map import ScoreMap
from analysis.table import ScoreTable

__all__ = ["combination_arrays", "combination_from_arrays"]

Arrays = dict[str, npt.NDArray[np.generic]]
NUMBERS: Final = ("cllr", "cllr_min", "cllr_cal", "lower", "upper")
COUNTS: Final = ("n_derived", "n_negative", "n_lineages")
OF_PAIRS: Final = ("rows", "scores", "code", "derived", "stratum", "weight")
UNITS: Final = ("n_models", "n_lineages", "negative_units")


def combination_arrays(joint: Combination) -> Arrays:
    """Take a combination apart, with the fits that its intervals need.

    Parameters
    ----------
    joint : Combination

    Returns
    -------
    dict of str to ndarray
        Numbers and text only. Columns of the table beside those of `analysis.columns.COLUMNS` are left out.

    Examples
    --------
    >>> from analysis import combine_evidence, example_table
    >>> joint = combine_evidence([example_table()])
    >>> again = combination_from_arrays(combination_arrays(joint))
    >>> again == joint, again.interval([3.0]) == joint.interval([3.0])
    (True, True)
    """
    arrays: Arrays = {
        "metrics": np.array(joint.metrics, dtype=np.str_),
        "negatives": np.array(joint.negatives),
        "reason": np.array(joint.reason),
        "numbers": np.array([getattr(joint, name) for name in NUMBERS]),
        "counts": np.array([getattr(joint, name) for name in COUNTS]),
    }
    fit, pairs, table = joint._fit, joint._pairs, joint.table
    if fit is None or pairs is None or table is None:
        return arrays
    for name in COLUMNS:
        if name == "score":
            arrays[f"column {name}"] = table.frame[name].to_numpy(dtype=np.float64)
        else:  # pairs that are weighed have every label
            texts = table.frame[name].to_numpy(dtype=object).astype(np.str_)
            arrays[f"names {name}"], arrays[f"column {name}"] = np.unique(texts, return_inverse=True)
    arrays |= {f"pairs {name}": getattr(pairs, name) for name in OF_PAIRS}
    arrays["pairs units"] = np.array([float(getattr(pairs, name)) for name in UNITS])
    fits = [fit, *joint._left_out]
    arrays["fits"] = np.array([[one.intercept, *one.slopes] for one in fits])
    for place, scale in enumerate(fit.scales):
        arrays[f"scale {place}"] = scale.score
        arrays[f"scales {place}"] = np.stack([one.scales[place].value for one in fits])
    return arrays


def combination_from_arrays(arrays: Mapping[str, npt.NDArray[np.generic]]) -> Combination:
    """Put a combination together again.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        As `combination_arrays` gives them.

    Raises
    ------
    KeyError, ValueError
        They are not a combination's.
    """
    metrics = tuple(map(str, arrays["metrics"]))
    cost, least, rest, lower, upper = map(float, arrays["numbers"])
    n_derived, n_negative, n_lineages = map(int, arrays["counts"])
    empty = Combination(
        metrics=metrics,
        slopes={},
        cllr=cost,
        cllr_min=least,
        cllr_cal=rest,
        lower=lower,
        upper=upper,
        n_derived=n_derived,
        n_negative=n_negative,
        n_lineages=n_lineages,
        negatives=str(arrays["negatives"]),
        reason=str(arrays["reason"]),
    )
    if "fits" not in arrays:
        return empty
    scores = [arrays[f"scale {place}"].astype(np.float64) for place in range(len(metrics))]
    values = [arrays[f"scales {place}"].astype(np.float64) for place in range(len(metrics))]
    fits = [
        LogisticFit(
            tuple(ScoreMap(score, value[number]) for score, value in zip(scores, values, strict=True)),
            float(found[0]),
            found[1:],
        )
        for number, found in enumerate(arrays["fits"].astype(np.float64))
    ]
    of_models, of_lineages, negative_units = map(float, arrays["pairs units"])
    pairs = LabelledPairs(
        negatives=empty.negatives,
        rows=arrays["pairs rows"].astype(np.intp),
        scores=arrays["pairs scores"].astype(np.float64),
        code=arrays["pairs code"].astype(np.intp),
        derived=arrays["pairs derived"].astype(np.bool_),
        stratum=arrays["pairs stratum"].astype(np.intp),
        weight=arrays["pairs weight"].astype(np.float64),
        n_models=int(of_models),
        n_lineages=int(of_lineages),
        negative_units=negative_units,
    )
    columns = {name: arrays[f"column {name}"] for name in COLUMNS}
    for name in COLUMNS:
        if name != "score":
            columns[name] = arrays[f"names {name}"][columns[name].astype(np.intp)]
    slopes = dict(zip(metrics, fits[0].slopes.tolist(), strict=True))
    table = ScoreTable(pd.DataFrame(columns))
    joint = replace(empty, slopes=slopes, table=table, _fit=fits[0], _pairs=pairs)
    joint.__dict__["_left_out"] = tuple(fits[1:])
    return joint
