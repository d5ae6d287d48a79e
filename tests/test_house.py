"""The shape of the house: three packages, one direction of flow, and a README that tells the truth."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

ROOT = Path(__file__).parent.parent
FORBIDDEN = {
    "fpcore": {"analysis", "benchmark"},
    "analysis": {"fpcore", "benchmark", "torch", "transformers", "safetensors"},
}


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("package", FORBIDDEN)
def test_packages_know_only_what_they_may(package: str) -> None:
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    for path in files:
        assert not imported(path) & FORBIDDEN[package], path


def test_analysis_runs_without_torch() -> None:
    code = "import sys; import analysis; sys.exit('torch' in sys.modules or 'fpcore' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_readme_example_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    rows = []
    models = [(f"m{lineage}{member}", f"L{lineage}") for lineage in range(8) for member in "abc"]
    for i, (a, lineage_a) in enumerate(models):
        for b, lineage_b in models[i + 1 :]:
            derived = lineage_a == lineage_b
            rows.append(
                (
                    a,
                    b,
                    rng.normal(2.0 * derived),
                    "derived" if derived else "independent",
                    lineage_a,
                    lineage_b,
                )
            )
    frame = pd.DataFrame(rows, columns=["model_a", "model_b", "score", "relation", "lineage_a", "lineage_b"])
    frame.assign(architecture_a="cell", architecture_b="cell").to_csv(tmp_path / "scores.csv", index=False)
    (example,) = re.findall(
        r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL
    )
    monkeypatch.chdir(tmp_path)
    exec(compile(example, "README.md", "exec"), {})
    interval, test, threshold = capsys.readouterr().out.splitlines()
    assert re.match(r"[\d.]+ \[[\d.]+, [\d.]+\] \(95%, lineage jackknife .* 8 lineages, \d+ pairs", interval)
    assert test.startswith("p ")
    assert "59 independent negatives" in threshold


def test_readme_verbs_exist() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    verbs = set(re.findall(r"python -m benchmark ([a-z]+)", text))
    shown = subprocess.run(
        [sys.executable, "-m", "benchmark", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert verbs
    assert all(re.search(rf"^\s+{verb}\s", shown, re.MULTILINE) for verb in verbs)
