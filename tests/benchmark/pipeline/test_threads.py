"""One thread a unit of work, however many the machine and its environment offer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from counting_metric import calls, write_metric
from small_catalog import write_catalog

ROOT = Path(__file__).parents[3]
# What torch counts (its linear algebra is linked into it, where threadpoolctl does not see it), and the rest.
NOTE = (
    "import json, re, torch, threadpoolctl; note(json.dumps("
    "list(map(int, re.findall(r'get_(?:num|max)_threads\\(\\) : (\\d+)', torch.__config__.parallel_info())))"
    " + [pool['num_threads'] for pool in threadpoolctl.threadpool_info()]))"
)
SCRIPT = """
import sys
import torch
torch.set_num_threads(4)
assert torch.get_num_threads() == 4, torch.get_num_threads()
from benchmark.evaluation.evaluate import evaluate
metric, catalog, out, cache = sys.argv[1:]
evaluate(metric, against="config-match", catalog=catalog, out=out, cache=cache, workers=1)
assert torch.get_num_threads() == 4, "the threads of the process were not given back"
"""


def test_a_unit_has_one_thread_of_torch_and_of_linear_algebra(tmp_path: Path) -> None:
    """In a process of its own, so that it does not matter how the suite was started."""
    metric = write_metric(tmp_path, in_fingerprint=NOTE, in_similarity=NOTE)
    (tmp_path / "models").mkdir()
    catalog = write_catalog(tmp_path / "models", founders=2, children=1)
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "4")
    threads["MKL_DYNAMIC"] = "FALSE"  # four threads, however few cores there are
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, f"{metric}:Counting", catalog, tmp_path / "out", tmp_path / "cache"],
        cwd=ROOT,
        env={**os.environ, **threads},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = calls(tmp_path)
    noted = [json.loads(line) for line in told if line.startswith("[")]
    assert len(noted) == 4 + 2 * 6  # four models; six pairs, each once the other way round too
    assert sorted(line.split()[0] for line in set(told) - set(map(json.dumps, noted))) == (
        ["fingerprint"] * 4 + ["similarity"] * 12
    )
    assert {count for one in noted for count in one} == {1}
    assert all(len(one) > 1 for one in noted), "no thread pool was seen"


STATISTICS = """
import sys
import threadpoolctl
import analysis
from benchmark import analyse
asked = analysis.analyse

def noted(*tables, **options):
    pools = threadpoolctl.threadpool_info()
    assert pools, "no thread pool was seen"
    print("in", {pool["num_threads"] for pool in pools})
    return asked(*tables, **options)

analysis.analyse = noted
table = analysis.example_table(n_lineages=4).frame
analyse(table, out=sys.argv[1], cache=sys.argv[2])
assert "torch" not in sys.modules, "the statistics alone need no torch"
print("after", {pool["num_threads"] for pool in threadpoolctl.threadpool_info()})
"""


@pytest.mark.slow
def test_the_statistics_have_one_thread_of_linear_algebra(tmp_path: Path) -> None:
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "2")
    done = subprocess.run(
        [sys.executable, "-c", STATISTICS, tmp_path / "out", tmp_path / "cache"],
        cwd=ROOT,
        env={**os.environ, **threads},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["in {1}", "after {2}"]


LOADED_LATER = """
import numpy
import threadpoolctl
from benchmark.pipeline.threads import one_blas_thread

def pools():
    return [pool["num_threads"] for pool in threadpoolctl.threadpool_info()]

with one_blas_thread():
    before = pools()
import scipy.linalg
with one_blas_thread():
    after = pools()
assert len(after) > len(before) > 0, "scipy brings a library of its own"
print({*before, *after}, {*pools()})
"""


def test_a_library_that_is_loaded_later_has_one_thread_too() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOADED_LATER],
        cwd=ROOT,
        env={**os.environ, **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "2")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout.strip()) == (0, "{1} {2}"), done.stderr
