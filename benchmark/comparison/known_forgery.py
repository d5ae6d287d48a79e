"""Whether a model is known to be forged: by the catalog, or by its content to the calibration."""

from __future__ import annotations

from benchmark.catalog import Catalog
from benchmark.comparison.calibration_run import CalibrationRun
from benchmark.comparison.compared_model import ComparedModel

__all__ = ["known_forgery"]


def known_forgery(catalog: Catalog, run: CalibrationRun | None, model: ComparedModel) -> str:
    """What is known of a forged model; empty of an honest one.

    Parameters
    ----------
    catalog : Catalog
    run : CalibrationRun or None
    model : ComparedModel
    """
    named = None if model.catalog_id is None else catalog.model(model.catalog_id)
    if named is not None and named.forgery is not None:
        return f"{model.label} is a known forgery: it {named.forgery}"
    same = (
        []
        if run is None
        else [name for name, one in run.record.forgeries.items() if one.digest == model.digest]
    )
    return f"{model.label} is a known forgery: {same[0]} of the calibration" if same else ""
