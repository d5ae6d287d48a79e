"""A run computed again: an honest one agrees, and what a forger signed anew does not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from altered_run import signed_again
from command_line import Said, command
from small_catalog import write_catalog

METRICS = "weight-cosine,attention-std,qkv-bias-std"


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("honest")
    (folder / "models").mkdir()
    catalog = write_catalog(folder / "models", founders=4, children=1, noise=0.8)
    said = command(
        "run", "--catalog", catalog, "--metrics", METRICS, "--out", folder / "run", "--workers", 1, "--quiet",
        cache=folder / "cache",
    )  # fmt: skip
    assert said.code == 0, said.err
    return folder


@pytest.fixture
def run(honest: Path, tmp_path: Path) -> Path:
    shutil.copytree(honest / "run", tmp_path / "run")
    return tmp_path / "run"


def verified(honest: Path, run: Path, *more: object) -> Said:
    catalog = honest / "models" / "catalog.yaml"
    arguments = ("report", run, "--verify", "--catalog", catalog, "--workers", 1, "--quiet", *more)
    return command(*arguments, cache=honest / "cache")


def test_an_honest_run_agrees(honest: Path, run: Path) -> None:
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    said = verified(honest, run)
    assert said.code == 0, said.out + said.err
    follows, scores = said.out.splitlines()
    assert follows == "results.json follows from scores.parquet"
    assert scores == "24 scores (3 metrics, 8 pairs) recomputed from 8 models: all as in the run"
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before
    told = json.loads(verified(honest, run, "--json", "--pairs", 2, "--seed", 1).out)
    assert told["agrees"]
    assert (told["scores"]["n_scores"], told["scores"]["n_pairs"]) == (6, 2)


def test_forged_results_do_not_follow(honest: Path, run: Path) -> None:
    results = json.loads((run / "results.json").read_text())
    by_name = {one["metric"]: one for one in results["metrics"]}
    by_name["weight-cosine"]["look_alike_auc"]["low"] += 1e-4
    by_name["attention-std"]["verdict"] = "separates"
    (run / "results.json").write_text(json.dumps(results))
    said = verified(honest, signed_again(run), "--pairs", 0)
    assert said.code == 1
    assert said.out.startswith("results.json does not follow from scores.parquet\n")
    assert "differs: results.json: metrics[weight-cosine].look_alike_auc.low: " in said.out
    assert "differs: results.json: metrics[attention-std].verdict: 'separates' in the run, " in said.out
    assert command("report", run, cache=honest / "cache").code == 0, "it reads well"


def test_forged_scores_do_not_come_out_again(honest: Path, run: Path) -> None:
    """Results computed from them are all right; the models say otherwise."""
    scores = pd.read_parquet(run / "scores.parquet")
    scores["score"] = scores["score"].where(scores["metric"] != "weight-cosine", 1 - scores["score"])
    scores.to_parquet(run / "scores.parquet", index=False)
    said = verified(honest, signed_again(run))
    assert said.code == 1
    assert said.out.count("differs: scores.parquet: weight-cosine of ") >= 1
    assert "attention-std of" not in said.out
    assert "8 differences" in said.out


def test_forged_labels_differ_from_the_catalog(honest: Path, run: Path) -> None:
    scores = pd.read_parquet(run / "scores.parquet")
    pair = (scores["model_a"] == "f0") & (scores["model_b"] == "f1")
    scores.loc[pair, "relation"] = "disputed"
    scores.to_parquet(run / "scores.parquet", index=False)
    said = verified(honest, signed_again(run), "--pairs", 0)
    assert said.code == 1
    assert (
        "differs: scores.parquet: relation of f0 – f1: 'disputed' in the run, 'independent' now" in said.out
    )


def test_a_forged_claim_and_another_model_are_named(honest: Path, run: Path) -> None:
    record = json.loads((run / "run.json").read_text())
    record["models"]["f0"]["digest"] = "0" * 64
    record["metrics"]["attention-std"]["claims"] = []
    (run / "run.json").write_text(json.dumps(record))
    said = verified(honest, run)
    assert said.code == 1
    assert "differs: run.json: claims of attention-std: " in said.out
    assert f"differs: run.json: digest of f0: '{'0' * 50}" in said.out


def test_another_catalog_is_refused(honest: Path, run: Path) -> None:
    said = command("report", run, "--verify", cache=honest / "cache")
    assert said.code == 2
    (line,) = said.err.splitlines()
    assert "it was made with the catalog 'catalog.yaml' (SHA-256 " in line
    assert line.endswith("give the right one with --catalog")
    assert command("report", run, "--verify", "--open", cache=honest / "cache").code == 2


def test_a_table_is_verified_without_models(honest: Path, tmp_path: Path) -> None:
    scores = honest / "run" / "scores.parquet"
    assert command("analyse", scores, "--out", tmp_path / "of", "--quiet", cache=honest / "cache").code == 0
    said = command("report", tmp_path / "of", "--verify", "--quiet", cache=honest / "cache")
    assert said.code == 0, said.out + said.err
    assert said.out.splitlines()[1] == "no score was recomputed from the models"
