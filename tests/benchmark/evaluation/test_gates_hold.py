"""Whatever a proposed metric does to its process: the run is complete, and the gate decides."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pandas as pd
import pytest
from small_catalog import write_catalog

pytestmark = pytest.mark.skipif(os.name != "posix", reason="metrics run in the process itself")

ROOT = Path(__file__).parents[3]
METRIC = """
    import os, sys
    import fpcore
    {before}

    class Mine(fpcore.Metric):
        name = "mine"
        title = "what is under test"

        def fingerprint(self, model):
            weights = model.read("model.layers.0.mlp.up_proj.weight").double().numpy()
            return self.make_fingerprint(model, {{"mean": weights.mean(axis=1)}})

        def similarity(self, a, b):
            {similarity}
            return -float(abs(a.arrays["mean"] - b.arrays["mean"]).mean())
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("gates")
    write_catalog(found, founders=2, children=1)
    return found


def evaluated(
    folder: Path, out: Path, *, gates: tuple[str, ...] = (), before: str = "", similarity: str = "pass"
) -> subprocess.CompletedProcess[str]:
    path = out.with_suffix(".py")
    path.write_text(textwrap.dedent(METRIC.format(before=before, similarity=similarity)))
    arguments = [f"{path}:Mine", "--catalog", str(folder / "catalog.yaml"), "--against", "config-match"]
    options = ["--out", str(out), "--workers", "1", "--quiet", "--json"]
    return subprocess.run(
        [sys.executable, "-m", "benchmark", "evaluate", *arguments, *options, *gates],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "LOOKALIKE_CACHE": str(out.with_suffix(".cache"))},
        timeout=600,
        check=False,
    )


@pytest.mark.parametrize(
    ("before", "similarity", "said"),
    [
        pytest.param("", "sys.exit(0)", "SystemExit: 0", marks=pytest.mark.slow),
        ("", "os._exit(0)", "its process ended by itself (exit code 0)"),
        pytest.param(
            "import atexit, time; atexit.register(os._exit, 0)",
            "os.kill(os.getppid(), 9); time.sleep(99)",
            "its process was killed",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "import analysis; analysis.auc = None",
            "return float('inf')",
            "the score is inf,",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_gate_is_not_gone_round(
    folder: Path, tmp_path: Path, before: str, similarity: str, said: str
) -> None:
    out = tmp_path / "out"
    gates = ("--gate", "look_alike_auc=0")
    done = evaluated(folder, out, gates=gates, before=before, similarity=similarity)
    assert done.returncode == 3, done.stderr
    assert "gate look_alike_auc >= 0: undefined, FAILED" in done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    scores = pd.read_parquet(out / "scores.parquet")
    assert set(scores.loc[scores["metric"] == "mine", "status"]) == {"failed"}
    assert set(scores.loc[scores["metric"] == "config-match", "status"]) == {"ok"}
    assert json.loads((out / "run.json").read_text())["status"] == "partial"
    assert (out / "report.html").is_file()


@pytest.mark.slow
def test_one_bad_pair_is_a_failed_unit(folder: Path, tmp_path: Path) -> None:
    crash = "if {a.model, b.model} == {'f0', 'f1'}: os._exit(0)"
    done = evaluated(folder, tmp_path / "out", similarity=crash)
    assert done.returncode == 1, done.stderr
    assert "failed: mine on f0 – f1: its process ended by itself (exit code 0)" in done.stderr


@pytest.mark.slow
def test_the_result_on_stdout_is_whole(folder: Path, tmp_path: Path) -> None:
    noise = "print('{', flush=True); os.write(1, b'more'); os.close(1); sys.stdout.close(); sys.stdout = None"
    done = evaluated(folder, tmp_path / "out", before=noise)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["metric"]["metric"] == "mine"


@pytest.mark.slow
def test_an_import_that_ends_the_process_is_bad_input(folder: Path, tmp_path: Path) -> None:
    for before in ("sys.exit(0)", "os._exit(0)"):
        done = evaluated(folder, tmp_path / "out", before=before)
        assert done.returncode == 2
        (line,) = done.stderr.splitlines()
        assert line.startswith("error: ")
        assert "could not be imported" in line
        assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_metric_of_another_package_runs_apart_too(folder: Path, tmp_path: Path) -> None:
    package = tmp_path / "installed"
    about = package / "crashing-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: crashing\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[lookalike.metrics]\nmine = crashing:Mine\n")
    crash = "if {a.model, b.model} == {'f0', 'f1'}: os.abort()"
    (package / "crashing.py").write_text(textwrap.dedent(METRIC.format(before="", similarity=crash)))
    out = tmp_path / "out"
    arguments = ["--catalog", str(folder / "catalog.yaml"), "--metrics", "mine,config-match", "--quiet"]
    done = subprocess.run(
        [sys.executable, "-m", "benchmark", "run", *arguments, "--out", str(out), "--workers", "1"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={
            **os.environ,
            "LOOKALIKE_CACHE": str(tmp_path / "cache"),
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(package)]),
        },
        timeout=600,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert "mine on f0 – f1: its process was ended by SIGABRT" in done.stderr
    scores = pd.read_parquet(out / "scores.parquet")
    assert scores.loc[scores["metric"] == "mine", "status"].value_counts().to_dict() == {"ok": 5, "failed": 1}
