"""The main job on checkpoints made here: complete, resumable, equal for any workers, clear on bad input."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml
from conftest import Said, command
from killed import run_until_killed
from small_catalog import as_yaml, child_of, tensors, write_catalog, write_checkpoint

from benchmark.results.schema import SCHEMA
from benchmark.session.cache import Cache

ROOT = Path(__file__).parents[3]
METRICS = "weight-cosine,attention-std,qkv-bias-std,norm-pearson,config-match"  # one of a kind
COLUMNS = ["metric", "model_a", "model_b", "score", "status", "reason", "relation", "method"] + [
    f"{what}_{end}" for what in ("lineage", "architecture") for end in "ab"
]


def benchmark(*arguments: object, cache: Path, check: int = 0) -> Said:
    said = command(*arguments, cache=cache)
    assert said.code == check, said.err + said.out
    return said


def calibration(catalog: Path, out: Path, *, workers: int = 1) -> tuple[object, ...]:
    return ("run", "--catalog", catalog, "--out", out, "--workers", workers, "--metrics", METRICS)


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_catalog(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def whole(catalog: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "whole"
    done = benchmark(*calibration(catalog, out), cache=cache)
    assert "weight-cosine" in done.out
    return out


def test_run_directory_is_complete(whole: Path) -> None:
    assert {"run.json", "scores.parquet", "results.json", "report.html", "report.md", "figures"} <= {
        path.name for path in whole.iterdir()
    }
    run = json.loads((whole / "run.json").read_text())
    assert run["status"] == "complete"
    assert run["schema"] == SCHEMA
    assert len(run["models"]) == 18
    assert all(re.fullmatch(r"[0-9a-f]{64}", model["digest"]) for model in run["models"].values())
    scores = pd.read_parquet(whole / "scores.parquet")
    assert list(scores.columns)[: len(COLUMNS)] == COLUMNS
    assert (scores["model_a"] < scores["model_b"]).all()
    assert not scores.duplicated(["metric", "model_a", "model_b"]).any()
    assert set(scores.groupby("metric").size()) == {18 * 17 // 2}


def test_results_tell_children_from_look_alikes(whole: Path) -> None:
    results = json.loads((whole / "results.json").read_text())
    assert results["schema"] == SCHEMA
    by_name = {metric["metric"]: metric for metric in results["metrics"]}
    assert by_name["weight-cosine"]["look_alike_auc"]["estimate"] == 1.0
    assert by_name["weight-cosine"]["look_alike_auc"]["low"] < 1.0
    # Every model has one shape: a metric that looks at the shape alone is a coin.
    assert by_name["config-match"]["look_alike_auc"]["estimate"] == 0.5
    assert by_name["config-match"]["verdict"] not in {"separates", "separates within limits"}
    # Nothing here has a bias on its projections: abstention, with the reason, is not a score.
    scores = pd.read_parquet(whole / "scores.parquet")
    biased = scores[scores["metric"] == "qkv-bias-std"]
    assert set(biased["status"]) == {"abstained"}
    assert biased["score"].isna().all()
    assert by_name["qkv-bias-std"]["auc"]["estimate"] is None


def test_two_workers_same_bytes(whole: Path, catalog: Path, tmp_path: Path) -> None:
    benchmark(*calibration(catalog, tmp_path / "two", workers=2), cache=tmp_path / "cache")
    for name in ("results.json", "scores.parquet"):
        assert (tmp_path / "two" / name).read_bytes() == (whole / name).read_bytes(), name


def test_seed_is_used(whole: Path, catalog: Path, cache: Path, tmp_path: Path) -> None:
    benchmark(*calibration(catalog, tmp_path / "other"), "--seed", 5, cache=cache)
    assert (tmp_path / "other" / "results.json").read_bytes() != (whole / "results.json").read_bytes()


@pytest.mark.parametrize("stop_when", [pytest.param("fingerprints", marks=pytest.mark.slow), "scores"])
def test_killed_run_resumes_to_the_same_files(
    whole: Path, catalog: Path, tmp_path: Path, stop_when: str
) -> None:
    out, cache = tmp_path / "out", tmp_path / "cache"
    # The outcome is written after the fingerprint itself, and a piece of scores after all its pairs.
    suffix = ".outcome" if stop_when == "fingerprints" else ".scores"
    arguments = calibration(catalog, out)
    run_until_killed(arguments, cache / stop_when, suffix, kept=1, cache=cache, scratch=tmp_path)
    assert not (out / "results.json").exists()
    kept = set(cache.rglob("*.outcome"))
    assert kept
    times = {path: path.stat().st_mtime_ns for path in kept}
    benchmark(*arguments, cache=cache)
    assert {path: path.stat().st_mtime_ns for path in kept} == times, "work already done was done again"
    for name in ("results.json", "scores.parquet"):
        assert (out / name).read_bytes() == (whole / name).read_bytes(), name


def test_a_cache_without_room_keeps_nothing_and_changes_nothing(
    whole: Path, catalog: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOOKALIKE_CACHE_LIMIT", "0")
    benchmark(*calibration(catalog, tmp_path / "out"), cache=tmp_path / "cache")
    for name in ("results.json", "scores.parquet"):
        assert (tmp_path / "out" / name).read_bytes() == (whole / name).read_bytes(), name
    assert Cache(tmp_path / "cache").info().files == 0


def test_dry_run_prints_the_plan_only(catalog: Path, cache: Path, tmp_path: Path) -> None:
    done = benchmark("run", "--catalog", catalog, "--dry-run", "--out", tmp_path / "none", cache=cache)
    assert "18 models in 6 lineages, 153 pairs" in done.out
    assert not (tmp_path / "none").exists()


def test_analyse_gives_the_same_numbers(whole: Path, cache: Path, tmp_path: Path) -> None:
    done = benchmark("analyse", whole / "scores.parquet", "--out", tmp_path / "again", "--json", cache=cache)
    again = {metric["metric"]: metric for metric in json.loads(done.out)["metrics"]}
    for metric in json.loads((whole / "results.json").read_text())["metrics"]:
        assert again[metric["metric"]]["look_alike_auc"] == metric["look_alike_auc"]


def test_analyse_takes_labels_from_a_catalog(whole: Path, catalog: Path, cache: Path, tmp_path: Path) -> None:
    scores = pd.read_parquet(whole / "scores.parquet").query("metric == 'attention-std'")
    bare = scores[["model_b", "model_a", "score"]].set_axis(["model_a", "model_b", "score"], axis=1)
    bare.to_csv(tmp_path / "bare.csv", index=False)
    refused = benchmark("analyse", tmp_path / "bare.csv", cache=cache, check=2)
    assert "relation" in refused.err
    done = benchmark(
        "analyse",
        tmp_path / "bare.csv",
        "--catalog",
        catalog,
        "--out",
        tmp_path / "out",
        "--json",
        cache=cache,
    )
    (metric,) = json.loads(done.out)["metrics"]
    assert (metric["n_derived"], metric["n_lineages"]) == (12, 6)


def test_fingerprint_shows_raw_values(catalog: Path, cache: Path) -> None:
    done = benchmark("fingerprint", catalog.parent / "f0", "--json", cache=cache)
    value = json.loads(done.out)
    weights = tensors(0)
    stated = [
        weights[f"model.layers.{layer}.self_attn.k_proj.weight"].double().numpy().std() for layer in range(5)
    ]
    assert value["metrics"]["attention-std"]["key"] == pytest.approx(stated, rel=1e-6)
    assert set(value["metrics"]["ffn-std"]) == {"gate", "up", "down"}
    assert re.fullmatch(r"[0-9a-f]{64}", value["digest"])


def broken(folder: Path, what: str) -> Path:
    """A catalog in which one checkpoint of the second lineage is damaged."""
    catalog = write_catalog(folder, founders=3, children=1)
    victim = folder / "f1c0"
    if what == "missing":
        for path in victim.iterdir():
            path.unlink()
        victim.rmdir()
    elif what == "truncated":
        content = (victim / "model.safetensors").read_bytes()
        (victim / "model.safetensors").write_bytes(content[: len(content) // 2])
    else:
        weights = child_of(tensors(1), 100)
        weights["model.layers.2.mlp.up_proj.weight"][3, 4] = torch.nan
        for path in victim.iterdir():
            path.unlink()
        victim.rmdir()
        write_checkpoint(victim, weights)
    return catalog


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("missing", r"f1c0"),
        ("truncated", r"model\.safetensors.*(truncated|short|bytes)"),
        ("nan", r"model\.layers\.2\.mlp\.up_proj\.weight.*NaN|NaN.*model\.layers\.2\.mlp\.up_proj\.weight"),
    ],
)
def test_broken_checkpoint_fails_one_unit(tmp_path: Path, what: str, said: str) -> None:
    catalog = broken(tmp_path / "models", what)
    out = tmp_path / "out"
    done = benchmark(*calibration(catalog, out), "--quiet", cache=tmp_path / "cache", check=1)
    lines = [line for line in done.err.splitlines() if line.startswith("failed:")]
    assert any(re.search(said, line) for line in lines), done.err
    run = json.loads((out / "run.json").read_text())
    assert run["status"] == "partial"
    assert run["failures"]
    scores = pd.read_parquet(out / "scores.parquet").query("metric == 'weight-cosine'")
    involved = (scores["model_a"] == "f1c0") | (scores["model_b"] == "f1c0")
    assert set(scores[involved]["status"]) == {"failed"}
    assert scores[involved]["reason"].str.contains("f1c0").all()
    assert set(scores[~involved]["status"]) == {"ok"}
    assert (out / "report.html").is_file()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text.replace("of: f1", "of: nobody"), "nobody"),
        (lambda text: text + text[text.index("- id: f1\n") : text.index("- id: f1c0")], "duplicate"),
        (lambda text: text.replace("schema: 1\n", "schema: 1\nschema: 1\n"), "duplicate"),
        (lambda text: text.replace("  from_scratch:", "  from_nothing:", 1), "from_nothing"),
    ],
)
def test_bad_catalog_is_one_line(catalog: Path, cache: Path, tmp_path: Path, change, said: str) -> None:
    bad = tmp_path / "bad.yaml"
    text = change(catalog.read_text())
    assert text != catalog.read_text()
    bad.write_text(text)
    done = benchmark("run", "--catalog", bad, "--out", tmp_path / "out", cache=cache, check=2)
    (line,) = done.err.splitlines()
    assert said in line
    assert "bad.yaml" in line
    assert not (tmp_path / "out").exists()


def test_cycle_is_one_line(catalog: Path, cache: Path, tmp_path: Path) -> None:
    document = yaml.safe_load(catalog.read_text())
    entry = {model["id"]: model for model in document["models"]}
    evidence = entry["f0c0"]["parents"][0]["evidence"]
    del entry["f0"]["from_scratch"]
    entry["f0"]["parents"] = [{"of": "f0c0", "method": "fine-tune", "evidence": evidence}]
    (tmp_path / "cycle.yaml").write_text(as_yaml(document))
    done = benchmark("run", "--catalog", tmp_path / "cycle.yaml", cache=cache, check=2)
    (line,) = done.err.splitlines()
    assert "cycle" in line
    assert "f0c0" in line


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run", "--metrics", "no-such-metric"), "no-such-metric"),
        (("run", "--tier", "moon"), "moon"),
        (("run", "--models", "nothing/*"), "nothing/*"),
        (("run", "--catalog", "nowhere.yaml"), "nowhere.yaml"),
        (("fingerprint", "no/where/at/all"), "no/where/at/all"),
        (("analyse", "nothing.csv"), "nothing.csv"),
        (("report", "nothing"), "nothing"),
        (("catalog", "show", "nobody"), "nobody"),
        (("power", "--max-fpr", "2"), "2"),
    ],
)
def test_bad_usage_is_one_line(cache: Path, arguments: tuple[str, ...], said: str) -> None:
    done = benchmark(*arguments, cache=cache, check=2)
    (line,) = done.err.splitlines()
    assert line.startswith("error: ")
    assert said in line
