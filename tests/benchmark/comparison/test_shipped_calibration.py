"""The shipped calibration: in step with what it is of, the default, and silent on shapes that it lacks."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import small_catalog
from altered_run import signed_again
from conftest import Evaluated
from safetensors.torch import save_file

import fpcore
from benchmark.catalog import Catalog, load_catalog
from benchmark.comparison.calibration_run import NOT_WORTH_IT
from benchmark.comparison.case_page import case_page
from benchmark.comparison.case_text import notes_of
from benchmark.comparison.check_claim import check_claim
from benchmark.comparison.compare import compare
from benchmark.comparison.metric_standing import Forgeability, MetricStanding
from benchmark.comparison.sentences import ONLY_SMALL
from benchmark.comparison.shipped_calibration import SHIPPED, open_calibration, shipped_calibration
from benchmark.results.run import read_run
from benchmark.session.errors import UsageError
from studies import shipped_calibration as study

pytestmark = pytest.mark.thorough

MOST_BYTES = 3_000_000
CANONICAL = "canonical-similarity"


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_catalog()


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shipped")


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    return Path(shutil.copytree(shipped_calibration(), tmp_path / "copy"))


def test_it_is_in_step_with_metrics_zoo_and_catalog(catalog: Catalog) -> None:
    """Where this fails: ``python -m studies.shipped_calibration`` makes it again."""
    assert study.out_of_step(shipped_calibration(), catalog) == []
    assert sum(path.stat().st_size for path in shipped_calibration().iterdir()) <= MOST_BYTES


def test_a_metric_of_another_version_is_noticed(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    metric = type(fpcore.metric("norm-std"))
    held = metric.version
    monkeypatch.setattr(metric, "version", 99)
    assert study.out_of_step(shipped_calibration(), catalog) == [f"norm-std: version {held}, now 99"]


def test_another_zoo_is_noticed(catalog: Catalog, copied: Path) -> None:
    record = json.loads((copied / "run.json").read_text())
    gone = record["models"].pop("zoo/qwen-a-fp8")
    record["models"]["zoo/never"] = gone
    forged = sorted(record["forgeries"])[0]
    del record["forgeries"][forged]
    code = {**record["code"], "zoo manifest": "0" * 64}
    signed_again(copied, models=record["models"], forgeries=record["forgeries"], code=code)
    assert study.out_of_step(copied, catalog) == [
        "zoo: its manifest is another",
        "zoo/never: in one of catalog and calibration",
        "zoo/qwen-a-fp8: in one of catalog and calibration",
        f"{forged}: a forgery in one of them",
    ]


def test_another_kinship_is_noticed(catalog: Catalog, copied: Path) -> None:
    scores = pd.read_parquet(copied / "scores.parquet")
    wrong = (scores["model_a"] == "zoo/qwen-a") & (scores["model_b"] == "zoo/qwen-a-ft-short")
    scores.loc[wrong, "relation"] = "independent"
    scores.to_parquet(copied / "scores.parquet")
    signed_again(copied)
    (told,) = study.out_of_step(copied, catalog)
    assert "relation of zoo/qwen-a – zoo/qwen-a-ft-short" in told


@pytest.mark.parametrize("name", ["scores.parquet", "results.json"])
def test_what_was_edited_is_refused(copied: Path, name: str) -> None:
    whole = (copied / name).read_bytes()
    middle = len(whole) // 2
    edited = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
    if name == "results.json":
        edited = whole.replace(b"0.9", b"0.8", 1)  # another number, that reads as well
    assert edited != whole
    (copied / name).write_bytes(edited)
    with pytest.raises(UsageError, match="the file was changed, or written by another version"):
        open_calibration(copied)


def test_it_is_what_its_run_says(tmp_path: Path, evaluated: Evaluated) -> None:
    """Made of a run, it has every score of it, and weighs the same; another day alone changes nothing."""
    run = read_run(evaluated.run)
    study.write_calibration(run, tmp_path)
    assert study.differs(run, tmp_path) == []
    assert study.differs(replace(run, record=replace(run.record, ended="2030-01-01")), tmp_path) == []
    again = study.differs(replace(run, record=replace(run.record, seed=7)), tmp_path)
    assert again == ["run.json"]
    columns = ["metric", "model_a", "model_b", "score", "relation"]
    pd.testing.assert_frame_equal(read_run(tmp_path).scores[columns], run.scores[columns])
    asked = {"metrics": "weight-cosine", "catalog": evaluated.catalog, "cache": evaluated.cache}
    whole, small = (
        compare("f0", "f0c0", calibration=one, **asked).to_json()  # type: ignore[arg-type]
        for one in (evaluated.run, tmp_path)
    )
    assert whole["metrics"] == small["metrics"]


def test_a_child_is_supported_and_a_look_alike_is_not(cache: Path) -> None:
    child = compare("zoo/narrow-b", "zoo/narrow-b-ft-short", metrics=CANONICAL, cache=cache)
    assert child.supports == "derivation"
    assert child.quoted is not None
    low, high = child.quoted.weight.ends
    assert 0.5 < low < high
    facts = child.calibration
    assert facts is not None
    assert (facts.run, facts.shipped, facts.left_out) == (SHIPPED, True, ("zoo/narrow-b",))
    about = child.to_json()["calibration"]["about"]  # type: ignore[index]
    assert about.startswith(
        f"Shipped calibration (digest {facts.digest[:12]}, {facts.ended[:10]}, lookalike "
    )
    assert about.endswith("models of other shapes are outside it")
    assert f"{facts.n_models} small models of {facts.n_lineages} lineages" in about
    assert about in case_page(child)
    stranger = compare("zoo/narrow-a", "zoo/narrow-b", metrics=CANONICAL, cache=cache)
    assert stranger.supports != "derivation"


def test_a_stated_base_is_checked_by_it(cache: Path) -> None:
    checked = check_claim("zoo/narrow-b-ft-short", metrics=CANONICAL, cache=cache)
    assert checked.answer == "consistent"
    assert checked.calibration is not None
    assert checked.calibration.shipped


def model_of_another_shape(path: Path, seed: int) -> Path:
    path.mkdir()
    (path / "config.json").write_text(json.dumps(small_catalog.CONFIG))
    save_file(small_catalog.tensors(seed), path / "model.safetensors")
    return path


def test_models_of_other_shapes_get_scores_and_no_support(tmp_path: Path, cache: Path) -> None:
    a, b = (model_of_another_shape(tmp_path / name, seed) for seed, name in enumerate("ab"))
    found = compare(a, b, cache=cache)
    case: dict[str, Any] = found.to_json()
    assert case["supports"] is case["sentence"] is case["combined"] is None
    scored = {one["metric"]: one for one in case["metrics"]}
    assert scored["weight-cosine"]["score"] is not None
    assert "no calibration for these shapes" in case["cannot_say"][0]
    assert ONLY_SMALL in case["cannot_say"][0]
    # What is costly is not computed where it could not be weighed, unless it is named.
    assert scored[CANONICAL]["status"] == "abstained"
    assert scored[CANONICAL]["reason"].startswith(NOT_WORTH_IT)
    # Metrics that fared alike share a line.
    lines = [line.split(": ", 1) for line in notes_of(found).forgeable]
    assert sorted(name for names, _ in lines for name in names.split(", ")) == sorted(scored)
    assert len({how for _, how in lines}) == len(lines) < len(scored)
    named = compare(a, b, metrics=CANONICAL, cache=cache)
    assert [(one.status, one.weight.defined) for one in named.metrics] == [("ok", False)]


def test_a_metric_that_does_not_fit_is_not_weighed(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    metric = type(fpcore.metric("norm-std"))
    held = metric.version
    monkeypatch.setattr(metric, "version", 99)
    case = compare("zoo/narrow-a", "zoo/narrow-b", metrics="norm-std,weight-distance", cache=cache)
    reasons = {one.metric: one.weight.reason for one in case.metrics}
    assert reasons == {
        "norm-std": f"calibrated at version {held}, this is version 99; calibrate with your own run",
        "weight-distance": "the calibration does not have weight-distance; calibrate with your own run",
    }
    assert case.sentence == ""


def test_a_folder_of_that_name_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert open_calibration(SHIPPED).shipped
    Path(SHIPPED).mkdir()
    with pytest.raises(UsageError, match=r"no run\.json"):
        open_calibration(SHIPPED)


def test_a_forgery_that_scores_as_children_do_is_told() -> None:
    known = replace(MetricStanding.unknown(), typical_child=0.9)
    assert known.framed_like_a_child() == ""
    assert replace(known, framed=Forgeability(9, 0, 0.89)).framed_like_a_child() == ""
    assert "as high as most children" in replace(known, framed=Forgeability(9, 0, 0.9)).framed_like_a_child()
    assert replace(known, framed=Forgeability(9, 0, 0.9)).framed_like_a_child(0.91) == ""
    assert "as high as most children" in replace(known, framed=Forgeability(9, 0, 0.5)).framed_like_a_child(
        0.5
    )
    turned = replace(known, framed=Forgeability(9, 2, 0.1))
    assert turned.framed_like_a_child() == "2 of 9 unrelated models were forged to pass for derived"
