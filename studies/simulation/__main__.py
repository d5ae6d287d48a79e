"""Run the simulation study: ``python -m studies.simulation [--quick] [--only coverage] [--write DOCS]``."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from studies.simulation.caution import run_caution
from studies.simulation.certificates import run_certificates, run_held_out
from studies.simulation.coverage import run_auc, run_rates
from studies.simulation.detection import run_power
from studies.simulation.evidence_cost import run_evidence
from studies.simulation.experiment import Experiment
from studies.simulation.honesty import run_differences, run_scenarios
from studies.simulation.joint_certificates import run_joint_certificates
from studies.simulation.nulls import run_nulls, run_regression, run_smallest
from studies.simulation.pages import write
from studies.simulation.size import run_family, run_size
from studies.simulation.verdict_errors import run_verdicts

EXPERIMENTS: dict[str, Callable[[bool, int], Experiment]] = {
    "coverage": run_auc,
    "rates": run_rates,
    "scenarios": run_scenarios,
    "caution": run_caution,
    "differences": run_differences,
    "certificates": run_certificates,
    "held-out": run_held_out,
    "joint-certificates": run_joint_certificates,
    "size": run_size,
    "family": run_family,
    "nulls": run_nulls,
    "smallest": run_smallest,
    "regression": run_regression,
    "power": run_power,
    "evidence": run_evidence,
    "verdicts": run_verdicts,
}
"""An experiment takes (quick, seed); adding one is a line here."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the experiments asked for and tell what they found."""
    parser = argparse.ArgumentParser(prog="python -m studies.simulation", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="few designs and catalogs; takes a minute or two"
    )
    parser.add_argument("--only", choices=EXPERIMENTS, nargs="+", help="run only these experiments")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--write",
        type=Path,
        metavar="DOCS",
        help="put tables and figures into this folder's statistics.md and figures/: docs/explanation",
    )
    options = parser.parse_args(arguments)
    for name in options.only or EXPERIMENTS:
        began = time.perf_counter()
        experiment = EXPERIMENTS[name](options.quick, options.seed)
        print(f"# {name} ({time.perf_counter() - began:.0f} s)\n\n{experiment.text()}\n", flush=True)
        if options.write:
            write(experiment, options.write)
    return 0


if __name__ == "__main__":
    sys.exit(main())
