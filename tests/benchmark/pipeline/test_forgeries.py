"""Forgeries in a run: scored in a table of their own, whole after a kill, and nowhere else."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml
from conftest import command
from killed import run_until_killed
from small_catalog import EVIDENCE, as_yaml, write_catalog, write_checkpoint
from typed_results import run_record

import fpcore
from benchmark.results.decision import Decision
from benchmark.results.files import RunDirectory
from benchmark.results.forgery_outcomes import forgery_outcomes
from benchmark.zoo.transformed import transform

ROOT = Path(__file__).parents[3]
METRICS = "attention-std,norm-pearson,weight-cosine"
FILES = ("scores.parquet", "forgeries.parquet", "results.json")
FORGED = [
    # forged, of, target, kind, aimed_at
    ("f0c0-cleared", "f0c0", "f0", "evade", "norm-pearson"),
    ("f1-framed", "f1", "f0", "frame", "attention-std"),
]


@dataclass(frozen=True)
class Forged:
    """Two forgeries in a catalog, the same catalog without them, and a run of each."""

    catalog: Path
    honest: Path
    cache: Path
    run: Path
    honest_run: Path


def arguments(catalog: Path, out: Path, workers: int = 1) -> list[object]:
    return ["run", "--catalog", catalog, "--out", out, "--metrics", METRICS, "--workers", workers, "--quiet"]


@pytest.fixture(scope="module")
def forged(tmp_path_factory: pytest.TempPathFactory) -> Forged:
    folder = tmp_path_factory.mktemp("forged")
    (folder / "models").mkdir()
    honest = write_catalog(folder / "models", founders=4, children=1)
    document = yaml.safe_load(honest.read_text())
    for name, of, target, kind, metric in FORGED:
        pair = [fpcore.open_checkpoint(folder / "models" / model) for model in (of, target)]
        made = transform(f"{kind}-{metric}", *pair)
        write_checkpoint(folder / "models" / name, {tensor: made.read(tensor) for tensor in made.tensors})
        document["models"].append(
            {
                "id": name,
                "source": {"path": name},
                "parents": [{"of": of, "method": "launder", "evidence": EVIDENCE}],
                "forgery": {"kind": kind, "aimed_at": metric, "target": target},
            }
        )
    catalog = honest.with_name("forged.yaml")
    catalog.write_text(as_yaml(document))
    made_of = Forged(catalog, honest, folder / "cache", folder / "run", folder / "honest")
    for source, out in ((catalog, made_of.run), (honest, made_of.honest_run)):
        said = command(*arguments(source, out), cache=made_of.cache)
        assert said.code == 0, said.err
    return made_of


def test_the_table_holds_every_forgery_under_every_metric(forged: Forged) -> None:
    table = pd.read_parquet(forged.run / "forgeries.parquet")
    scores = pd.read_parquet(forged.run / "scores.parquet")
    assert list(table.columns[:12]) == list(scores.columns[:12])
    assert list(table.columns[12:]) == ["stage", "forged", "of", "target", "kind", "aimed_at"]
    assert list(pd.unique(table["metric"])) == METRICS.split(",")
    own = table[table["metric"] == "attention-std"]
    assert own[["forged", "of", "target", "kind", "aimed_at"]].drop_duplicates().to_numpy().tolist() == [
        list(row) for row in FORGED
    ]
    assert own["stage"].tolist() == ["before", "after"] * 2
    assert own[["model_a", "model_b"]].to_numpy().tolist() == [
        ["f0", "f0c0"], ["f0", "f0c0-cleared"], ["f0", "f1"], ["f0", "f1-framed"],
    ]  # fmt: skip
    assert own["relation"].tolist() == ["derived", "derived", "independent", "independent"]
    assert own["method"].tolist() == ["fine-tune", "fine-tune > launder", "", ""]
    assert set(table["status"]) == {"ok"}
    # What the honest pair scores is what it scores among the honest pairs.
    both = own.merge(scores[scores["metric"] == "attention-std"], on=["model_a", "model_b"])
    assert len(both) == 2
    assert (both["score_x"] == both["score_y"]).all()


def test_scores_and_statistics_are_those_of_a_catalog_without_forgeries(forged: Forged) -> None:
    assert (forged.run / FILES[0]).read_bytes() == (forged.honest_run / FILES[0]).read_bytes()
    assert not (forged.honest_run / FILES[1]).exists()
    with_them, without = (
        json.loads((run / "results.json").read_text()) for run in (forged.run, forged.honest_run)
    )
    for result in without["metrics"]:
        assert result["forgeries"] == []
    for result in with_them["metrics"]:
        assert len(result["forgeries"]) == 2
        result["forgeries"] = []
    assert with_them == without
    run, honest = (json.loads((run / "run.json").read_text()) for run in (forged.run, forged.honest_run))
    assert run["models"] == honest["models"]
    assert sorted(run["forgeries"]) == ["f0c0-cleared", "f1-framed"]
    assert honest["forgeries"] == {}


def test_who_is_framed_is_accused_and_who_evades_is_cleared(forged: Forged) -> None:
    results = json.loads((forged.run / "results.json").read_text())["metrics"]
    told = {(result["metric"], row["kind"]): row for result in results for row in result["forgeries"]}
    framed, cleared = told["attention-std", "frame"], told["norm-pearson", "evade"]
    assert framed["threshold"] == 0.9  # claimed
    assert (framed["before_called"], framed["after_called"]) == (False, True)
    assert framed["before"] < 0.9 <= framed["after"]
    assert (cleared["before_called"], cleared["after_called"]) == (True, False)
    assert cleared["after"] < -0.99 < 0.9 < cleared["before"]
    # A metric that looks at what scales leave alone is not moved by the frame.
    bystander = told["weight-cosine", "frame"]
    assert abs(bystander["after"] - bystander["before"]) < 0.05


def test_two_workers_write_the_same_bytes(forged: Forged, tmp_path: Path) -> None:
    said = command(*arguments(forged.catalog, tmp_path / "two", 2), cache=tmp_path / "cache")
    assert said.code == 0, said.err
    for name in FILES:
        assert (tmp_path / "two" / name).read_bytes() == (forged.run / name).read_bytes(), name


@pytest.mark.slow
def test_a_killed_run_goes_on_with_its_forgeries(forged: Forged, tmp_path: Path) -> None:
    out, cache = tmp_path / "out", tmp_path / "cache"
    # Honest pairs come first: one unit more is the first of the forgeries.
    whole = len(METRICS.split(",")) + 1
    run_until_killed(
        arguments(forged.catalog, out),
        cache / "scores",
        ".scores",
        kept=whole,
        cache=cache,
        scratch=tmp_path,
    )
    assert not (out / "results.json").exists()
    kept = {path: path.stat().st_mtime_ns for path in (cache / "scores").rglob("*.scores")}
    assert command(*arguments(forged.catalog, out), cache=cache).code == 0
    assert all(path.stat().st_mtime_ns == when for path, when in kept.items() if path.name[0] != ".")
    for name in FILES:
        assert (out / name).read_bytes() == (forged.run / name).read_bytes(), name


def test_a_forgery_that_cannot_be_read_fails_alone(forged: Forged, tmp_path: Path) -> None:
    catalog = forged.catalog
    document = yaml.safe_load(catalog.read_text())
    broken = catalog.with_name("broken.yaml")
    document["models"][-1]["source"]["path"] = "nowhere"
    broken.write_text(as_yaml(document))
    said = command(*arguments(broken, tmp_path / "out"), cache=forged.cache)
    assert said.code == 1
    assert "f1-framed" in said.err or "nowhere" in said.err
    assert (tmp_path / "out" / FILES[0]).read_bytes() == (forged.run / FILES[0]).read_bytes()
    table = pd.read_parquet(tmp_path / "out" / "forgeries.parquet")
    failed = table[table["status"] == "failed"]
    assert set(failed["forged"]) == {"f1-framed"}
    assert set(failed["stage"]) == {"after"}


def test_models_that_are_not_asked_for_take_their_forgeries_along(forged: Forged) -> None:
    said = command(
        "run", "--catalog", forged.catalog, "--models", "f0*", "--metrics", METRICS, "--dry-run",
        cache=forged.cache,
    )  # fmt: skip
    assert "forgeries, each scored against its target before and after: 1 evade" in said.out
    assert "2 models" in said.out


def test_a_run_directory_loses_the_forgeries_of_an_earlier_run(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path)
    directory.write_forgeries(pd.DataFrame({"forged": ["x"]}))
    assert (tmp_path / "forgeries.parquet").is_file()
    directory.begin(run_record())
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


def test_what_cannot_be_told_is_undefined_with_its_reason() -> None:
    aim = {"metric": "m", "forged": "x", "of": "y", "target": "z", "kind": "frame", "aimed_at": "m"}
    rows = [
        {**aim, "stage": "before", "score": 0.3, "status": "ok", "reason": ""},
        {**aim, "stage": "after", "score": float("nan"), "status": "abstained", "reason": "x: no biases"},
    ]
    (row,) = forgery_outcomes(pd.DataFrame(rows), "m", Decision(0.5, claimed=False))
    assert row.before == 0.3
    assert math.isnan(row.after)
    assert (row.before_called, row.after_called) == (False, None)
    assert row.reason == "x: no biases"
    assert not row.succeeded
    none = Decision(math.nan, claimed=False, reason="no threshold: too few lineages")
    (row,) = forgery_outcomes(pd.DataFrame(rows), "m", none)
    assert math.isnan(row.threshold)
    assert row.before_called is None
    assert row.reason == "no threshold: too few lineages; x: no biases"


def test_forged_tensors_are_not_those_of_the_parent(forged: Forged) -> None:
    models = forged.catalog.parent
    for name, of, *_ in FORGED:
        own, other = (fpcore.open_checkpoint(models / each) for each in (name, of))
        assert any(not torch.equal(own.read(tensor), other.read(tensor)) for tensor in own.tensors)
