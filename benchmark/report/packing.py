"""What the page's script needs to name a dot, packed: numbers as base64 of little-endian arrays."""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from analysis.results import JSON
from benchmark.report import dots
from benchmark.report.notation import percent
from benchmark.report.sections import MetricSection
from benchmark.results.schema import DecayPoint

__all__ = ["pair_data", "unpacked"]


def pair_data(sections: Sequence[MetricSection]) -> dict[str, JSON]:
    """Pack the dots of all plots.

    Returns
    -------
    dict
        ``models``: names. ``plots``: for each score plot its rows, each with ``says`` (the row in words),
        ``p`` (uint16: both models of each dot, as indices), ``s`` (float32: scores; in their place ``w``,
        float64, where a score is too large or too small for that) and, where a row holds several methods,
        their names ``m`` and each dot's ``k`` (uint16). ``decays``: for each metric ``d`` (the number of each
        dot's text in ``texts``) and ``s`` or ``w``. ``calls``: for each metric its name, the threshold that
        makes the calls (None without one) and where that is from.
    """
    models: dict[str, int] = {}
    texts: dict[str, int] = {}
    plots: dict[str, JSON] = {}
    decays: dict[str, JSON] = {}
    for section in sections:
        names = section.table.models.tolist()
        of_table = np.array([models.setdefault(str(name), len(models)) for name in names], dtype=np.int64)
        a, b = of_table[section.table.model_a], of_table[section.table.model_b]
        plots[section.anchor] = [_row(row, a, b) for row in section.rows]
        if section.decay:
            numbers = [texts.setdefault(_says(point), len(texts)) for point in section.decay]
            decays[section.anchor] = {
                "d": _packed(np.array(numbers), "<u2"),
                **_scores(np.array([point.score for point in section.decay])),
            }
    return {
        "width": dots.WIDTH,
        "models": list(models),
        "plots": plots,
        "texts": list(texts),
        "decays": decays,
        "calls": {section.anchor: _call(section) for section in sections},
    }


def _call(section: MetricSection) -> list[JSON]:
    decision = section.decision
    origin = "claimed" if decision.claimed else "calibrated"
    return [section.name, decision.value if math.isfinite(decision.value) else None, origin]


def _row(row: dots.Row, a: npt.NDArray[np.int64], b: npt.NDArray[np.int64]) -> dict[str, JSON]:
    packed: dict[str, JSON] = {
        "says": row.says,
        "p": _packed(np.stack([a[row.pairs], b[row.pairs]], axis=1).ravel(), "<u2"),
        **_scores(row.scores),
    }
    if row.kind.slug == "derived" and len(row.methods) > 1:
        packed |= {"m": list(row.methods), "k": _packed(row.method_of, "<u2")}
    return packed


def _scores(scores: npt.NDArray[np.float64]) -> dict[str, JSON]:
    """Scores in four bytes, more digits than a tooltip shows; in eight where one is too large or small."""
    size = np.abs(scores[np.isfinite(scores) & (scores != 0)])
    single = np.finfo(np.float32)
    fits = not len(size) or (size.min() >= single.tiny and size.max() <= single.max)
    return {"s": _packed(scores, "<f4")} if fits else {"w": _packed(scores, "<f8")}


def _says(point: DecayPoint) -> str:
    """The lines of a tooltip: the pair, how it came about, how far it went."""
    how = f"{point.method}, {point.steps:,} steps, {percent(point.share)} of the founder's budget"
    return f"{point.model}|{point.ancestor}|{how}"


def _packed(values: npt.NDArray[np.generic], kind: str) -> str:
    return base64.b64encode(values.astype(kind).tobytes()).decode()


def unpacked(text: str, kind: str) -> npt.NDArray[np.generic]:
    """Read back an array that the page holds.

    >>> unpacked("AAAAPw==", "<f4").tolist()
    [0.5]
    """
    return np.frombuffer(base64.b64decode(text), dtype=kind)
