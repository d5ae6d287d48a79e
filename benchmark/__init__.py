"""Catalog → plan → scores → report: the order of work; no mathematics of its own.

For Python and notebooks: `read_run` gives a finished run as tables, `plots` draws it, `load_catalog` reads a
catalog. They are imported when they are asked for, so that the command line starts fast.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from benchmark.catalog import load_catalog
    from benchmark.report import plots
    from benchmark.results.run import Run, read_run

__all__ = ["Run", "load_catalog", "plots", "read_run"]

HOMES: Final = {
    "Run": "benchmark.results.run",
    "read_run": "benchmark.results.run",
    "load_catalog": "benchmark.catalog",
}


def __getattr__(name: str) -> Any:
    if name in HOMES:
        return getattr(importlib.import_module(HOMES[name]), name)
    if name == "plots":
        return importlib.import_module("benchmark.report.plots")
    raise AttributeError(f"module 'benchmark' has no attribute {name!r}")
