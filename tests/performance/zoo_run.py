"""The zoo's run, cold and warm, and what a comparison against it costs, the first and the second time.

``python -m tests.performance.zoo_run [--run RUN] [--cheap]``

Each in a process of its own, imports included: seconds by the clock, and CPU seconds of the process with
those it started. Beside the run: its statistics in one process instead of all. Beside the comparisons:
importing what they stand on (pandas, scipy.special, and torch where weights are read), which nothing here
can beat. With --run a run that is there is compared against, and none is made. On two idle cores a run may
take 45 s from an empty cache and 10 s from a warm one, one of all metrics 3 minutes, and a second comparison
3 s: exit status 1 otherwise.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

ROOT = Path(__file__).parents[2]
ZOO = ROOT / "benchmark" / "zoo" / "weights"
ALL = "cold run of all metrics"
MOST = {"cold run": 45.0, "warm run": 10.0, ALL: 180.0, "second comparison": 3.0}
STATISTICS = """
import sys
import time
import analysis
from benchmark.results.run import read_run
if __name__ == "__main__":
    run = read_run(sys.argv[1])
    tables = [run.table(name) for name in run.names]
    begun = time.perf_counter()
    analysis.analyse(tables, workers=int(sys.argv[2]))
    print(f"statistics with {sys.argv[2]} processes: {time.perf_counter() - begun:.1f} s")
"""


def measured(what: str, command: Sequence[str | Path], cache: Path) -> float:
    """Seconds by the clock of a command; told with its CPU seconds and memory."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.perf_counter()
    environment = {**os.environ, "LOOKALIKE_CACHE": str(cache)}
    subprocess.run(
        [sys.executable, *map(str, command)], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, check=True
    )
    spent = time.perf_counter() - begun
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    limit = f", at most {MOST[what]:g} s" if what in MOST else ""
    print(f"{what}: {spent:.1f} s{limit}; {cpu:.1f} s of CPU", flush=True)
    return spent


def stranger(name: str, folder: Path) -> Path:
    """A model that no run knows: one of the zoo, every weight changed by about a hundredth."""
    path = folder / f"stranger-{name}"
    shutil.copytree(ZOO / name, path)
    generator = torch.Generator().manual_seed(1)
    weights = {
        key: (value.float() * (1 + 0.01 * torch.randn(value.shape, generator=generator))).to(value.dtype)
        for key, value in load_file(path / "model.safetensors").items()
    }
    save_file(weights, path / "model.safetensors", metadata={"format": "pt"})
    return path


def main() -> None:
    """Print the figures; exit status 1 where one takes longer than it may."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, help="a finished run of the zoo")
    parser.add_argument("--cheap", action="store_true", help="leave out the run of all metrics")
    asked = parser.parse_args()
    slow = False
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        run, cache = asked.run or folder / "run", folder / "cache"
        if asked.run is None:
            for what in ("cold run", "warm run"):
                slow |= measured(what, ["-m", "benchmark", "run", "-q", "--out", run], cache) > MOST[what]
                print("  ", json.loads((run / "run.json").read_text())["seconds"])
            if not asked.cheap:
                command = ["-m", "benchmark", "run", "-q", "--metrics", "all", "--out", folder / "all"]
                slow |= measured(ALL, command, folder / "cache-of-all") > MOST[ALL]
                print("  ", json.loads((folder / "all" / "run.json").read_text())["seconds"])
            for workers in (1, len(os.sched_getaffinity(0))):
                subprocess.run([sys.executable, "-c", STATISTICS, run, str(workers)], cwd=ROOT, check=True)
        a, b, c = (stranger(name, folder) for name in ("qwen-a", "qwen-b", "qwen-c"))
        compare = ["-m", "benchmark", "compare", "--calibration", run]
        measured("first comparison", [*compare, a, b], cache)
        slow |= measured("second comparison", [*compare, a, b], cache) > MOST["second comparison"]
        measured("second comparison, of models not seen before", [*compare, c, b], cache)
        measured("importing pandas and scipy.special", ["-c", "import pandas, scipy.special"], cache)
        measured("importing torch", ["-c", "import torch"], cache)
    sys.exit(int(slow))


if __name__ == "__main__":
    main()
