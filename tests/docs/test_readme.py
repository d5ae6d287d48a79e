"""README tells the truth: its examples run, and what it names exists."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from benchmark.evaluation.gates import parse_gates

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def examples(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_the_example_of_a_score_table_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_scores(tmp_path / "scores.csv")
    monkeypatch.chdir(tmp_path)
    table, _ = examples("python")
    exec(compile(table, "README.md", "exec"), {})
    auc, *_ = capsys.readouterr().out.splitlines()
    assert re.match(r"(0\.\d+|1) \[0\.\d+, ", auc), auc


@pytest.mark.slow
def test_the_example_of_every_verb_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (function,) = examples("py")
    (tmp_path / "my_metric.py").write_text(function)
    monkeypatch.setenv("LOOKALIKE_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    _, whole = examples("python")
    exec(compile(whole, "README.md", "exec"), {})
    told = capsys.readouterr().out
    assert "look_alike_auc" in told
    assert "weight-cosine" in told
    assert (tmp_path / "runs" / "ratio" / "card.md").is_file()


def write_scores(path: Path) -> None:
    """Eight lineages of three models, all of one shape; a score that is higher inside a lineage."""
    rng = np.random.default_rng(0)
    models = [(f"m{lineage}{member}", f"L{lineage}") for lineage in range(8) for member in "abc"]
    rows = [
        (a, b, rng.normal(2.0 * (own == other)), "derived" if own == other else "independent", own, other)
        for i, (a, own) in enumerate(models)
        for b, other in models[i + 1 :]
    ]
    frame = pd.DataFrame(rows, columns=["model_a", "model_b", "score", "relation", "lineage_a", "lineage_b"])
    frame.assign(architecture_a="cell", architecture_b="cell").to_csv(path, index=False)


def test_the_steps_of_its_action_name_what_exists() -> None:
    documents = [yaml.safe_load(block) for block in examples("yaml")]
    assert documents
    gates = re.findall(r"--gate (\S+)", README)
    assert gates
    assert parse_gates(gates)


def test_what_make_is_told_to_do_is_in_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    pages = README, (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    asked = {
        target for page in pages for target in re.findall(r"^make (?:\w+=\S+ )*([\w-]+)", page, re.MULTILINE)
    }
    assert asked
    for target in asked:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"make {target}"
