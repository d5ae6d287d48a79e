"""What depends on a calibration alone, computed once: kept by content in the cache."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Collection, Sequence
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import TypeVar

import numpy as np

import analysis
from analysis.evidence.kept_combination import combination_arrays, combination_from_arrays
from benchmark import comparison
from benchmark.pipeline.statistics import code_digest
from benchmark.results.kept_values import keep_value, kept_value
from benchmark.session.cache import Cache

__all__ = ["KeptFits"]

T = TypeVar("T")


class KeptFits:
    """Fits and other facts of one calibration.

    Parameters
    ----------
    cache : Cache
    digest : str
        Of the calibration's scores and results.
    code : sequence of module
        Packages that compute, beside this one.
    """

    def __init__(self, cache: Cache, digest: str, code: Sequence[ModuleType] = (analysis,)) -> None:
        self._cache = cache
        self._digest = digest
        self._packages = code

    def combination(
        self, tables: Sequence[analysis.ScoreTable], negatives: str, left_out: Collection[str]
    ) -> analysis.Combination:
        """The evidence of some metrics together, as `analysis.combine_evidence` gives it.

        Parameters
        ----------
        tables : sequence of ScoreTable
            Of this calibration without some lineages; at least the pairs that `CalibrationRun.near` takes.
        negatives : str
        left_out : collection of str
            Those lineages.
        """
        metrics = [table.metric for table in tables]
        path = self._path(["combination", metrics, negatives, sorted(left_out)])
        kept = self._cache.read(path)
        if kept is not None:
            try:
                with np.load(io.BytesIO(kept), allow_pickle=False) as arrays:
                    return combination_from_arrays(arrays)
            except (KeyError, ValueError, zipfile.BadZipFile) as error:
                self._cache.distrust(path, error)
        joint = analysis.combine_evidence(tables, negatives=negatives)
        stream = io.BytesIO()
        np.savez(stream, allow_pickle=False, **combination_arrays(joint))
        self._cache.write(path, stream.getvalue())
        return joint

    def value(self, kind: type[T], stated: object, compute: Callable[[], T]) -> T:
        """A value that has a JSON form.

        Parameters
        ----------
        kind : type
            As for `from_json`.
        stated : object
            What decides it beside the calibration, as JSON.
        compute : callable
        """
        path = self._path(stated)
        kept = kept_value(self._cache, path, kind)
        if kept is not None:
            return kept
        made = compute()
        keep_value(self._cache, path, made)
        return made

    def _path(self, stated: object) -> Path:
        text = json.dumps([self._digest, self._code, stated])
        return self._cache.calibrations / f"{hashlib.sha256(text.encode()).hexdigest()}.kept"

    @cached_property
    def _code(self) -> str:
        """Of what computes and what asks."""
        return code_digest(*self._packages, comparison)
