"""The values every procedure of this package answers with."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from analysis.notebook import Shown, number

__all__ = ["Interval", "as_json"]


@dataclass(frozen=True)
class Interval(Shown):
    """An estimate with its confidence interval.

    Attributes
    ----------
    estimate, low, high : float
        The estimate and the two ends. NaN where undefined; `reason` then says why.
    level : float
        Nominal coverage, in (0, 1).
    method : str
        The procedure in one phrase, with what it assumes.
    n_pairs, n_models, n_lineages : int
        What the interval rests on.
    reason : str
        Why a value is undefined; empty when it is defined.
    warnings : tuple of str
        What a reader must know before quoting the interval.
    """

    estimate: float
    low: float
    high: float
    level: float
    method: str
    n_pairs: int = 0
    n_models: int = 0
    n_lineages: int = 0
    reason: str = ""
    warnings: tuple[str, ...] = ()

    @classmethod
    def undefined(
        cls,
        reason: str,
        *,
        level: float,
        method: str,
        n_pairs: int = 0,
        n_models: int = 0,
        n_lineages: int = 0,
    ) -> Interval:
        """An interval that cannot be given, with the reason."""
        return cls(math.nan, math.nan, math.nan, level, method, n_pairs, n_models, n_lineages, reason=reason)

    @property
    def defined(self) -> bool:
        """Whether the estimate is a number."""
        return not math.isnan(self.estimate)

    def _cell(self) -> str:
        if not self.defined:
            return f"— ({self.reason})" if self.reason else "—"
        ends = f" [{number(self.low)}, {number(self.high)}]" if not math.isnan(self.low) else ""
        return number(self.estimate) + ends


def as_json(value: Any) -> Any:
    """Turn results into plain JSON values: dataclasses to objects, NaN to null, infinities to text.

    Parameters
    ----------
    value : object
        A result dataclass, or mappings, sequences and scalars of them.

    Returns
    -------
    object
        Only dict, list, str, int, float, bool and None.
    """
    if hasattr(value, "__dataclass_fields__"):
        return {key: as_json(item) for key, item in vars_of(value).items()}
    if isinstance(value, dict):
        return {str(key): as_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(item) for item in value]
    if hasattr(value, "tolist"):
        return as_json(value.tolist())
    if isinstance(value, float):
        if math.isnan(value):
            return None
        if math.isinf(value):
            return "inf" if value > 0 else "-inf"
    return value


def vars_of(value: Any) -> dict[str, Any]:
    """Fields of a dataclass, not recursing (``asdict`` would turn nested results into bare dicts)."""
    return {name: getattr(value, name) for name in value.__dataclass_fields__}
