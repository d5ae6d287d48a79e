"""``compare``: two models as a case."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmark.catalog import CatalogLike, load_catalog
from benchmark.comparison.case import Case
from benchmark.comparison.comparer import Comparer, check_typed
from benchmark.comparison.shipped_calibration import SHIPPED, open_calibration
from benchmark.session.cache import TRIM_EVERY
from benchmark.session.session import Session

__all__ = ["compare"]


def compare(
    model_a: str | Path,
    model_b: str | Path,
    *,
    calibration: Path | str | None = SHIPPED,
    metrics: str | Sequence[str] | None = None,
    catalog: CatalogLike = None,
    time_limit: float | None = None,
    sample: bool = False,
    device: str | None = None,
    cache: Path | str | None = None,
    quiet: bool = True,
) -> Case:
    """Compare two models.

    Parameters
    ----------
    model_a, model_b : str or path
        Catalog ids, local paths, or ``org/name[@revision]``.
    calibration : path, "shipped", or None
        A finished run: its look-alikes and children weigh the scores. Default: the shipped one, of the zoo's
        small models. None: scores alone.
    metrics : str or sequence of str, optional
        Names and globs, or ``"all"``; default: those of the calibration, else the cheap ones. Costly ones of
        the calibration are then computed only for models of shapes that it has.
    catalog : Catalog, path or sequence of paths, optional
        Whose ids and kinships are known; default: the shipped catalog.
    time_limit : float, optional
        Seconds that a metric of another package may take for a model, and for the pair; 0: no limit. Default:
        60 where the system has interval timers (POSIX), else no limit.
    sample : bool
        Measure slices of large weights in place of all: scores have standard errors, and metrics that need
        whole weights abstain.
    device, cache, quiet
        As for `Session.start`.

    Returns
    -------
    Case
        What failed stands in ``failures``.

    Raises
    ------
    UsageError
        One model twice, no such run, no such metric.
    fpcore.BadCheckpoint
        A model that cannot be read.

    Examples
    --------
    >>> case = compare("zoo/qwen-a", "zoo/qwen-b", calibration=None, metrics="norm-pearson")
    >>> [one.metric for one in case.metrics], case.background.relation, case.sentence
    (['norm-pearson'], 'independent', '')
    >>> case.cannot_say
    ('How strong the evidence is: no calibration was used.',)
    """
    session = Session.start(cache=cache, device=device, workers=1, quiet=quiet)
    loaded = load_catalog(catalog)
    run = None if calibration is None else open_calibration(calibration, session.cache)
    typed = (str(model_a), str(model_b))
    check_typed(loaded, typed)
    comparer = Comparer(
        session, loaded, typed, run, metrics=metrics, time_limit=time_limit, sample=sample, layers=True
    )
    comparer.check(typed)
    (scores,) = comparer.scorer.scores([typed])
    case = comparer.case(typed, scores)
    session.cache.trim(every=TRIM_EVERY)
    return case
