"""What the command line does, for Python: each verb is a function with keyword arguments and a typed result.

>>> import benchmark
>>> catalog = benchmark.load_catalog()
>>> print(benchmark.plan(catalog=catalog, models="zoo/qwen-[ab]", metrics="norm-pearson"))
2 models in 2 lineages, 1 pairs: 1 independent
1 metrics:
  norm-pearson: 1 pairs

`run` turns a catalog into a calibration report and `analyse` a score table, `evaluate` judges a metric of
your own beside the others, `compare`, `compare_pairs`, `find_parents` and `check_claim` weigh cases by a
finished run, `read_run` reads one back, `verify` computes one again, `diff_runs` says what changed between
two, and `plots` draws them; `import_models` adds models of the hub to a catalog. Each is imported when it is
first asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from benchmark.catalog import Catalog, load_catalog
    from benchmark.catalog.hub_import import Imported, import_models
    from benchmark.comparison.candidate_case import CandidateCase
    from benchmark.comparison.case import Case
    from benchmark.comparison.check_claim import check_claim
    from benchmark.comparison.claim_check import ClaimCheck
    from benchmark.comparison.compare import compare
    from benchmark.comparison.compare_pairs import ComparedPairs, compare_pairs
    from benchmark.comparison.find_parents import find_parents
    from benchmark.evaluation.evaluate import Evaluation, evaluate
    from benchmark.leaderboards.board import Board, leaderboard
    from benchmark.leaderboards.runs_diff import RunsDiff, diff_runs
    from benchmark.pipeline.analyse import analyse
    from benchmark.pipeline.fingerprint_model import ModelFingerprint, fingerprint
    from benchmark.pipeline.plan import Plan, plan
    from benchmark.pipeline.run import run
    from benchmark.pipeline.verify import Verification, verify
    from benchmark.report import plots
    from benchmark.results.run import Run, read_run

__all__ = [
    "Board",
    "CandidateCase",
    "Case",
    "Catalog",
    "ClaimCheck",
    "ComparedPairs",
    "Evaluation",
    "Imported",
    "ModelFingerprint",
    "Plan",
    "Run",
    "RunsDiff",
    "Verification",
    "analyse",
    "check_claim",
    "compare",
    "compare_pairs",
    "diff_runs",
    "evaluate",
    "find_parents",
    "fingerprint",
    "import_models",
    "leaderboard",
    "load_catalog",
    "plan",
    "plots",
    "read_run",
    "run",
    "verify",
]

#: Module → what it is the home of.
HOMES: Final = {
    "benchmark.catalog": ("Catalog", "load_catalog"),
    "benchmark.catalog.hub_import": ("Imported", "import_models"),
    "benchmark.comparison.candidate_case": ("CandidateCase",),
    "benchmark.comparison.case": ("Case",),
    "benchmark.comparison.check_claim": ("check_claim",),
    "benchmark.comparison.claim_check": ("ClaimCheck",),
    "benchmark.comparison.compare": ("compare",),
    "benchmark.comparison.compare_pairs": ("ComparedPairs", "compare_pairs"),
    "benchmark.comparison.find_parents": ("find_parents",),
    "benchmark.evaluation.evaluate": ("Evaluation", "evaluate"),
    "benchmark.leaderboards.board": ("Board", "leaderboard"),
    "benchmark.leaderboards.runs_diff": ("RunsDiff", "diff_runs"),
    "benchmark.pipeline.analyse": ("analyse",),
    "benchmark.pipeline.fingerprint_model": ("ModelFingerprint", "fingerprint"),
    "benchmark.pipeline.plan": ("Plan", "plan"),
    "benchmark.pipeline.run": ("run",),
    "benchmark.pipeline.verify": ("Verification", "verify"),
    "benchmark.report.plots": ("plots",),
    "benchmark.results.run": ("Run", "read_run"),
}


def __getattr__(name: str) -> object:
    """Import what is asked for (PEP 562).

    Raises
    ------
    ImportError
        A module of the user's own hides a package of ours.
    """
    from benchmark.session.shadowing import hidden_packages

    home = next((home for home, names in HOMES.items() if name in names), None)
    if home is None:
        raise AttributeError(f"module 'benchmark' has no attribute {name!r}")
    if hidden := hidden_packages():
        raise ImportError(f"{hidden}; rename it, or start Python in another folder")
    module = importlib.import_module(home)
    return module if name == "plots" else getattr(module, name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
