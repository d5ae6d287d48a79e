"""One case: every number is that of the calibration less both lineages, and nothing is said beyond it."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import small_catalog
import yaml
from conftest import Evaluated, command
from safetensors.torch import save_file
from small_catalog import CONFIG, as_yaml, tensors

import analysis
import fpcore
from benchmark.comparison.verbal_scale import in_words

METRICS = "config-match,attention-std,qkv-bias-std,weight-cosine"


def opened(evaluated: Evaluated, a: object, b: object, *more: object) -> dict[str, Any]:
    said = command("compare", a, b, "--catalog", evaluated.catalog, "--json", *more, cache=evaluated.cache)
    assert said.code == 0, said.err
    value: dict[str, Any] = json.loads(said.out)
    return value


@pytest.fixture(scope="module")
def independent(evaluated: Evaluated) -> dict[str, Any]:
    return opened(evaluated, "f0c1", "f1", "--calibration", evaluated.run)


@pytest.fixture(scope="module")
def derived(evaluated: Evaluated) -> dict[str, Any]:
    return opened(evaluated, "f0", "f0c0", "--calibration", evaluated.run)


def by_metric(case: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["metric"]: one for one in case["metrics"]}


def test_score_and_place_are_those_of_the_run(evaluated: Evaluated, independent: dict[str, Any]) -> None:
    scores = pd.read_parquet(evaluated.run / "scores.parquet")
    assert independent["calibration"]["left_out"] == ["f0", "f1"]
    for name in ("weight-cosine", "attention-std"):
        frame = scores[scores["metric"] == name]
        one = by_metric(independent)[name]
        (score,) = frame.loc[(frame["model_a"] == "f0c1") & (frame["model_b"] == "f1"), "score"]
        assert one["score"] == score
        left = frame[~frame["lineage_a"].isin(["f0", "f1"]) & ~frame["lineage_b"].isin(["f0", "f1"])]
        for relation, crowd in (("independent", one["look_alikes"]), ("derived", one["derived"])):
            those = left.loc[left["relation"] == relation, "score"]
            assert crowd["n_pairs"] == len(those)
            assert crowd["n_at_or_above"] == (those >= score).sum()
            assert crowd["share"] == pytest.approx((those >= score).mean())
            assert crowd["n_lineages"] == 7
        for kind in ("look-alike", "independent"):
            evidence = analysis.calibrate_evidence(analysis.ScoreTable(left))
            weight = one["evidence"][kind]
            # All models have one shape here: every independent pair is a look-alike.
            assert weight["log10_lr"] == pytest.approx(float(evidence.log10_lr([score])[0]))
            assert (weight["lower"], weight["upper"]) == (evidence.lower, evidence.upper)
            assert weight["lower"] <= weight["log10_lr"] <= weight["upper"] <= np.log10(7)
        assert one["log10_lr"] == one["evidence"]["look-alike"]["log10_lr"]


def test_child_weighs_more_than_look_alike(independent: dict[str, Any], derived: dict[str, Any]) -> None:
    child, alike = (by_metric(case)["weight-cosine"] for case in (derived, independent))
    assert child["log10_lr"] > 0 > alike["log10_lr"]
    assert child["look_alikes"]["n_at_or_above"] == 0
    assert alike["derived"]["share"] == 1
    assert derived["calibration"]["left_out"] == ["f0"]
    assert "weight-cosine" in derived["agreement"]["derivation"]
    assert derived["agreement"]["abstained"] == ["qkv-bias-std"]
    assert by_metric(derived)["qkv-bias-std"]["reason"]
    # The shape alone decides nothing between look-alikes.
    assert by_metric(derived)["config-match"]["words"] == "no support for either"


def test_sentence_quotes_the_metric_that_the_calibration_trusts(derived: dict[str, Any]) -> None:
    lead = by_metric(derived)[derived["lead"]]
    assert lead["verdict"] in {"separates", "separates within limits"}
    trusted = [one for one in derived["metrics"] if one["verdict"].startswith("separates")]
    costs = [one["evidence"]["look-alike"]["cllr"] for one in trusted if one["log10_lr"] is not None]
    assert lead["evidence"]["look-alike"]["cllr"] == min(costs)
    joint = derived["combined"]
    together = joint["cllr"] <= lead["evidence"]["look-alike"]["cllr"]
    said = f"{len(joint['metrics'])} metrics weighed together" if together else f"{derived['lead']} gives"
    assert said in derived["sentence"]
    assert (joint["words"] if together else lead["words"]) in derived["sentence"]
    assert "ENFSI" in derived["scale"]
    told = " ".join(derived["cannot_say"])
    for words in (
        "not multiplied",
        "back no more",
        "my-metric: calibrated",
        "common ancestor",
    ):
        assert words in told


def test_background_is_told_and_not_used(
    evaluated: Evaluated, independent: dict[str, Any], derived: dict[str, Any]
) -> None:
    assert derived["background"] == {"relation": "derived", "method": "fine-tune", "disputes": []}
    document = yaml.safe_load(evaluated.catalog.read_text())
    statement = {"by": "somebody", "says": "they look alike", "source": "this repository: tests"}
    document["disputes"] = [
        {
            "id": "case",
            "title": "Is f1 from f0?",
            "models": ["f1", "f0c1"],
            "status": "open",
            "claims": [statement],
            "replies": [statement],
            "settled_by": "training logs",
        }
    ]
    disputed = evaluated.catalog.with_name("disputed.yaml")
    disputed.write_text(as_yaml(document))
    said = command(
        "compare", "f0c1", "f1", "--catalog", disputed, "--calibration", evaluated.run, "--json",
        cache=evaluated.cache,
    )  # fmt: skip
    case = json.loads(said.out)
    assert case["background"]["relation"] == "disputed"
    assert [dispute["title"] for dispute in case["background"]["disputes"]] == ["Is f1 from f0?"]
    assert case["metrics"] == independent["metrics"]


def test_path_is_recognised_by_its_weights(evaluated: Evaluated, independent: dict[str, Any]) -> None:
    models = evaluated.catalog.parent
    case = opened(evaluated, models / "f0c1", models / "f1", "--calibration", evaluated.run)
    assert case["calibration"]["left_out"] == ["f0", "f1"]
    assert case["background"] is None
    assert case["metrics"] == independent["metrics"]


def test_shape_without_look_alikes_is_extrapolated(evaluated: Evaluated, tmp_path: Path) -> None:
    (tmp_path / "short").mkdir()
    (tmp_path / "short" / "config.json").write_text(
        json.dumps({**CONFIG, "num_hidden_layers": small_catalog.DEPTH - 1})
    )
    kept = {name: t for name, t in tensors(50).items() if f"layers.{small_catalog.DEPTH - 1}." not in name}
    save_file(kept, tmp_path / "short" / "model.safetensors")
    case = opened(evaluated, tmp_path / "short", "f1", "--calibration", evaluated.run)
    one = by_metric(case)["attention-std"]
    assert one["extrapolating"]
    assert one["look_alikes"]["n_pairs"] == 0
    assert one["look_alikes"]["share"] is None
    assert "no look-alikes of this shape: extrapolating" in " ".join(case["cannot_say"])
    assert case["calibration"]["left_out"] == ["f1"]
    if case["sentence"]:
        assert "extrapolated" in case["sentence"]


def test_without_a_calibration_nothing_is_weighed(evaluated: Evaluated) -> None:
    case = opened(evaluated, "f0", "f1", "--metrics", METRICS)
    assert case["calibration"] is case["lead"] is case["sentence"] is None
    assert by_metric(case)["weight-cosine"]["score"] is not None
    assert by_metric(case)["weight-cosine"]["log10_lr"] is None
    assert "no calibration" in " ".join(case["cannot_say"])


def test_calibration_of_another_version_weighs_nothing(evaluated: Evaluated, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(evaluated.run, run)
    results = json.loads((run / "results.json").read_text())
    for one in results["metrics"]:
        one["version"] = 99 if one["metric"] == "weight-cosine" else one["version"]
    (run / "results.json").write_text(json.dumps(results))
    case = opened(evaluated, "f0", "f1", "--calibration", run)
    one = by_metric(case)["weight-cosine"]
    assert one["log10_lr"] is None
    assert "version 99" in one["evidence"]["look-alike"]["reason"]
    assert by_metric(case)["attention-std"]["log10_lr"] is not None


def test_text_fits_a_terminal_and_accuses_nobody(evaluated: Evaluated, tmp_path: Path) -> None:
    arguments = ("compare", "f0", "f0c0", "--catalog", evaluated.catalog, "--calibration", evaluated.run)
    said = command(*arguments, "--out", tmp_path / "case.md", cache=evaluated.cache)
    assert said.code == 0
    page = (tmp_path / "case.md").read_text()
    for text in (said.out, page):
        for words in (
            "A sentence an expert could sign",
            "What cannot be said",
            "Background, not used",
            "ENFSI",
        ):
            assert words in text
        assert "copied" not in text.lower()
    assert max(map(len, said.out.splitlines())) <= 80
    case = json.loads(command(*arguments, "--json", cache=evaluated.cache).out)
    command(*arguments, "--out", tmp_path / "case.json", cache=evaluated.cache)
    assert json.loads((tmp_path / "case.json").read_text()) == case
    assert case["sentence"] in page


def test_failing_metric_leaves_the_rest(evaluated: Evaluated, monkeypatch: pytest.MonkeyPatch) -> None:
    class Raises(fpcore.Metric):
        name = "raises"
        title = "raises"

        def fingerprint(self, model: fpcore.Checkpoint) -> fpcore.Fingerprint:
            raise RuntimeError("out of order")

        def similarity(self, a: fpcore.Fingerprint, b: fpcore.Fingerprint) -> float:
            return 0.0

    monkeypatch.setitem(sys.modules["fpcore.registry"].__dict__["registered"], "raises", Raises())
    said = command(
        "compare", "f0", "f1", "--catalog", evaluated.catalog, "--metrics", "raises,weight-cosine", "--json",
        cache=evaluated.cache,
    )  # fmt: skip
    assert said.code == 1
    assert "failed: raises on f0 – f1: RuntimeError: out of order" in said.err
    status = {one["metric"]: one["status"] for one in json.loads(said.out)["metrics"]}
    assert status == {"weight-cosine": "ok", "raises": "failed"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("f0", "f0"), "are one model"),
        (("f0", "nobody/at@all/x"), "nobody"),
        (("f0", "f1", "--calibration", "nowhere"), "nowhere: no run.json"),
        (("f0", "f1", "--metrics", "no-such-metric"), "no-such-metric"),
        (("f0",), "give MODEL_B, or --against POOL"),
        (("f0", "f1", "--against", "f2"), "give MODEL_B, or --against POOL"),
        (("f0", "--against", "f*"), "give --calibration RUN"),
        (("f0", "f1", "--out", "case.txt"), "name a .html, .json or .md file"),
    ],
)
def test_bad_usage_is_one_line(evaluated: Evaluated, arguments: tuple[str, ...], said: str) -> None:
    done = command("compare", *arguments, "--catalog", evaluated.catalog, cache=evaluated.cache)
    assert done.code == 2
    (line,) = done.err.splitlines()
    assert line.startswith("error: ")
    assert said in line


def test_identical_weights_are_no_pair(evaluated: Evaluated, tmp_path: Path) -> None:
    shutil.copytree(evaluated.catalog.parent / "f0", tmp_path / "again")
    done = command("compare", "f0", tmp_path / "again", "--catalog", evaluated.catalog, cache=evaluated.cache)
    assert done.code == 2
    assert "identical weights" in done.err


@pytest.mark.parametrize(
    ("ratio", "words"),
    [
        (1, "no support for either"),
        (1.9, "no support for either"),
        (5, "weak support for derivation"),
        (50, "moderate support for derivation"),
        (500, "moderately strong support for derivation"),
        (5_000, "strong support for derivation"),
        (50_000, "very strong support for derivation"),
        (5e6, "extremely strong support for derivation"),
        (1 / 50, "moderate support for independence"),
    ],
)
def test_verbal_scale(ratio: float, words: str) -> None:
    assert in_words(float(np.log10(ratio))) == words


def test_no_ratio_has_no_words() -> None:
    assert in_words(float("nan")) == "no evidence"
