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
from altered_run import signed_again
from conftest import Evaluated, command
from safetensors.torch import save_file
from small_catalog import CONFIG, as_yaml, tensors

import analysis
import fpcore
from benchmark.comparison.compare import compare
from benchmark.comparison.find_parents import find_parents
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
        table = analysis.ScoreTable(left)
        evidence = analysis.combine_evidence([table], negatives="look-alike")
        # All models have one shape here. Of that shape: seven lineages of look-alikes, and of derived pairs.
        low = np.log10(analysis.derivation_p_value(table, score)[0])
        high = -np.log10(analysis.stranger_p_value(table, score)[0])
        weight = one["weight"]
        assert weight["lower"] == pytest.approx(max(evidence.lower, low))
        assert weight["upper"] == pytest.approx(min(evidence.upper, high))
        value = float(evidence.log10_lr([[score]])[0])
        assert weight["log10_lr"] == pytest.approx(np.clip(value, weight["lower"], weight["upper"]))
        assert 10 ** weight["upper"] <= 9 / 2 + 1e-9
        assert weight["n_lineages_of_these_shapes"] == 7


def test_child_weighs_more_than_look_alike(independent: dict[str, Any], derived: dict[str, Any]) -> None:
    child, alike = (by_metric(case)["weight-cosine"] for case in (derived, independent))
    assert child["weight"]["log10_lr"] > 0 > alike["weight"]["log10_lr"]
    assert child["look_alikes"]["n_at_or_above"] == 0
    assert alike["derived"]["share"] == 1
    assert derived["calibration"]["left_out"] == ["f0"]
    assert "weight-cosine" in derived["agreement"]["derivation"]
    assert derived["agreement"]["abstained"] == ["qkv-bias-std"]
    assert by_metric(derived)["qkv-bias-std"]["reason"]
    # The shape alone decides nothing between look-alikes.
    assert by_metric(derived)["config-match"]["words"].startswith("no support either way")


def test_sentence_quotes_the_metric_that_the_calibration_trusts(derived: dict[str, Any]) -> None:
    lead = by_metric(derived)[derived["lead"]]
    trusted = [
        one for one in derived["metrics"] if one["in_the_calibration"]["verdict"].startswith("separates")
    ]
    assert lead in trusted
    costs = [one["weight"]["cllr"] for one in trusted if one["weight"]["log10_lr"] is not None]
    assert lead["weight"]["cllr"] == min(costs)
    joint = derived["combined"]
    together = joint["weight"]["cllr"] <= lead["weight"]["cllr"] and len(joint["metrics"]) > 1
    said = f"{len(joint['metrics'])} metrics weighed together" if together else f"{derived['lead']} gives"
    assert said in derived["sentence"]
    spoken = joint if together else lead
    assert spoken["words"] in derived["sentence"]
    assert derived["supports"] == spoken["supports"] == "derivation"
    assert derived["answer"] == spoken["words"]
    assert "ENFSI" in derived["scale"]
    told = " ".join(derived["cannot_say"])
    for words in (
        "not multiplied",
        "cannot support more",
        "my-metric: calibrated",
        "common ancestor",
    ):
        assert words in told


def test_metrics_are_judged_without_the_lineages_of_the_case(
    evaluated: Evaluated, derived: dict[str, Any]
) -> None:
    scores = pd.read_parquet(evaluated.run / "scores.parquet")
    left = scores[(scores["lineage_a"] != "f0") & (scores["lineage_b"] != "f0")]
    weighing = [one for one in derived["metrics"] if one["weight"]["log10_lr"] is not None]
    tables = [analysis.ScoreTable(left[left["metric"] == one["metric"]]) for one in weighing]
    claims = {
        name: [analysis.Claim(**claim) for claim in told["claims"]]
        for name, told in json.loads((evaluated.run / "run.json").read_text())["metrics"].items()
    }
    first = {name: told[0] for name, told in claims.items() if told and name in {t.metric for t in tables}}
    expected = analysis.analyse(tables, claims=first, n_resamples=999, n_bootstrap=1, max_fpr=(0.05,))
    assert [one["in_the_calibration"]["verdict"] for one in weighing] == [
        report.verdict.verdict for report in expected.metrics
    ]
    whole = json.loads((evaluated.run / "results.json").read_text())["metrics"]
    because = {one["metric"]: one["because"] for one in whole}
    lead = by_metric(derived)[derived["lead"]]
    assert lead["in_the_calibration"]["because"] != because[derived["lead"]]


def test_odds_and_other_explanations_stand_beside_the_ratio(derived: dict[str, Any]) -> None:
    odds = derived["odds"]
    assert "not the probability" in odds["note"]
    quoted = by_metric(derived)[derived["lead"]]["weight"]
    if len(derived["combined"]["metrics"]) > 1 and derived["combined"]["weight"]["cllr"] <= quoted["cllr"]:
        quoted = derived["combined"]["weight"]
    assert [one["prior"] for one in odds["posteriors"]] == [0.1, 0.01, 0.001, 0.0001]
    for one in odds["posteriors"]:
        assert one["estimate"] == pytest.approx(one["prior"] * 10 ** quoted["log10_lr"])
        assert one["low"] == pytest.approx(one["prior"] * 10 ** quoted["interval"]["low"])
    for one in odds["decisions"]:
        assert one["prior_needed"] == pytest.approx(one["cost"] / 10 ** quoted["interval"]["low"])
        assert one["acts_at"] == [p for p in (0.1, 0.01, 0.001, 0.0001) if p >= one["prior_needed"]]
    kinds = {one["relation"]: one for one in derived["alternatives"]}
    assert list(kinds) == ["sibling", "shared-init", "distilled"]
    assert kinds["sibling"]["n_lineages"] == 8
    assert kinds["sibling"]["weight"]["upper"] <= np.log10(9) + 1e-9
    for relation in ("shared-init", "distilled"):
        assert kinds[relation]["weight"]["log10_lr"] is None
        assert "pair of these shapes; at least 3 lineages" in kinds[relation]["weight"]["reason"]
        assert "at least 3 lineages are needed" in kinds[relation]["weight"]["reason"]


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


def shortened(folder: Path) -> Path:
    """A model of the same shapes with a layer less."""
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({**CONFIG, "num_hidden_layers": small_catalog.DEPTH - 1}))
    kept = {name: t for name, t in tensors(50).items() if f"layers.{small_catalog.DEPTH - 1}." not in name}
    save_file(kept, folder / "model.safetensors")
    return folder


def test_shapes_without_calibration_get_no_ratio_and_no_sentence(
    evaluated: Evaluated, tmp_path: Path
) -> None:
    arguments = (
        "compare", shortened(tmp_path / "short"), "f1", "--catalog", evaluated.catalog, "--calibration",
        evaluated.run,
    )  # fmt: skip
    for suffix in ("html", "md"):
        said = command(*arguments, "--out", tmp_path / f"case.{suffix}", cache=evaluated.cache)
        assert said.code == 0, said.err
    case = json.loads(command(*arguments, "--json", cache=evaluated.cache).out)
    assert case["calibration"]["left_out"] == ["f1"]
    for one in case["metrics"]:
        assert one["weight"]["log10_lr"] is one["weight"]["interval"] is one["supports"] is None
        assert one["words"] == "no evidence"
    one = by_metric(case)["attention-std"]
    assert one["score"] is not None
    assert one["look_alikes"]["n_pairs"] == 0
    assert one["look_alikes"]["share"] is None
    assert one["weight"]["reason"].startswith("no calibration for these shapes: the run has no look-alike")
    assert case["lead"] is case["combined"] is case["sentence"] is case["odds"] is case["supports"] is None
    assert case["alternatives"] == []
    assert case["agreement"]["derivation"] == case["agreement"]["independence"] == []
    for text in (said.out, *((tmp_path / f"case.{suffix}").read_text() for suffix in ("html", "md"))):
        flat = " ".join(text.split())
        assert "no calibration for these shapes" in flat
        assert "Needed: a run with" in flat
        assert "support for" not in flat
        assert "more probable" not in flat


@pytest.mark.parametrize(("kept", "refused"), [(3, ""), (2, "look-alikes of 2 lineages of these shapes")])
def test_look_alikes_of_three_lineages_are_enough(
    evaluated: Evaluated, tmp_path: Path, kept: int, refused: str
) -> None:
    """Beside those of the case; the others of the run get another shape."""
    run = tmp_path / "run"
    shutil.copytree(evaluated.run, run)
    scores = pd.read_parquet(run / "scores.parquet")
    held = ["f0", "f1", *(f"f{k}" for k in range(2, 2 + kept))]
    for end in "ab":
        other = ~scores[f"lineage_{end}"].isin(held)
        scores.loc[other, f"architecture_{end}"] = "another shape"
    scores.to_parquet(run / "scores.parquet", index=False)
    signed_again(run)
    case = opened(evaluated, "f0", "f1", "--calibration", run, "--metrics", "weight-cosine")
    weight = by_metric(case)["weight-cosine"]["weight"]
    assert refused in weight["reason"]
    assert (weight["log10_lr"] is None) is bool(refused)
    if not refused:
        assert weight["reason"] == ""
        assert weight["n_lineages_of_these_shapes"] == 3
        assert weight["upper"] <= np.log10(2.5) + 1e-9


def test_a_known_forgery_is_said_first_and_supports_nothing(evaluated: Evaluated, tmp_path: Path) -> None:
    document = yaml.safe_load(evaluated.catalog.read_text())
    shutil.copytree(evaluated.catalog.parent, tmp_path / "models")
    small_catalog.write_checkpoint(tmp_path / "models" / "x", small_catalog.child_of(tensors(1), 77))
    document["models"].append(
        {
            "id": "x",
            "source": {"path": "x"},
            "parents": [{"of": "f1", "method": "launder", "evidence": small_catalog.EVIDENCE}],
            "forgery": {"kind": "frame", "aimed_at": "attention-std", "target": "f0"},
        }
    )
    catalog = tmp_path / "models" / evaluated.catalog.name
    catalog.write_text(as_yaml(document))
    said = command(
        "compare", "f0", "x", "--catalog", catalog, "--calibration", evaluated.run, "--out",
        tmp_path / "case.html", cache=evaluated.cache,
    )  # fmt: skip
    assert said.code == 0, said.err
    words = "x is a known forgery: it frames f0 in attention-std"
    assert words in said.out
    assert words in (tmp_path / "case.html").read_text().split("<section")[0]
    case = compare("f0", "x", calibration=evaluated.run, catalog=catalog, cache=evaluated.cache)
    assert case.forged == (words,)
    assert (case.sentence, case.supports, case.odds) == ("", None, None)
    assert case.answer == words
    pool = find_parents(
        "f0", ["x", "f0c0"], calibration=evaluated.run, catalog=catalog, cache=evaluated.cache,
        metrics="weight-cosine",
    )  # fmt: skip
    assert pool.forged == (words,)
    assert pool.sentence.startswith(f"{words}. ")
    assert pool.to_json()["known_forgeries"] == [words]


def test_what_is_quoted_and_withheld_gets_no_odds(evaluated: Evaluated, tmp_path: Path) -> None:
    """Every metric of the run was deceived: ratios are shown, and nobody reads odds off them."""
    run = tmp_path / "run"
    shutil.copytree(evaluated.run, run)
    results = json.loads((run / "results.json").read_text())
    outcome = {
        "forged": "x", "of": "f1", "target": "f0", "kind": "frame", "aimed_at": "all", "before": 0.0,
        "after": 1.0, "threshold": 0.5, "before_called": False, "after_called": True, "reason": "",
    }  # fmt: skip
    for one in results["metrics"]:
        one["forgeries"] = [outcome]
    (run / "results.json").write_text(json.dumps(results))
    signed_again(run)
    case = opened(evaluated, "f0", "f0c0", "--calibration", run)
    lead = by_metric(case)[case["lead"]]
    assert lead["weight"]["log10_lr"] > 0
    assert lead["words"].startswith("no support either way: in the calibration an unrelated model")
    assert case["supports"] is case["odds"] is None
    assert case["combined"] is None
    assert "no support either way" in case["sentence"]


def test_a_metric_by_which_a_forgery_scores_as_children_do_is_weighed_with_no_other(
    evaluated: Evaluated, derived: dict[str, Any], tmp_path: Path
) -> None:
    """Though the forgery turned no call."""
    assert "weight-cosine" in derived["combined"]["metrics"]
    run = tmp_path / "run"
    shutil.copytree(evaluated.run, run)
    results = json.loads((run / "results.json").read_text())
    for one in results["metrics"]:
        if one["metric"] == "weight-cosine":
            one["forgeries"] = [
                {
                    "forged": "x", "of": "f1", "target": "f0", "kind": "frame", "aimed_at": "all",
                    "before": 0.0, "after": one["relations"]["derived"]["median"], "threshold": 2.0,
                    "before_called": False, "after_called": False, "reason": "",
                }
            ]  # fmt: skip
    (run / "results.json").write_text(json.dumps(results))
    signed_again(run)
    case = opened(evaluated, "f0", "f0c0", "--calibration", run)
    assert "weight-cosine" not in (case["combined"] or {"metrics": ()})["metrics"]
    assert case["supports"] != "derivation" or case["lead"] != "weight-cosine"


def test_without_a_calibration_nothing_is_weighed(evaluated: Evaluated) -> None:
    case = opened(evaluated, "f0", "f1", "--no-calibration", "--metrics", METRICS)
    assert case["calibration"] is case["lead"] is case["sentence"] is None
    assert by_metric(case)["weight-cosine"]["score"] is not None
    assert by_metric(case)["weight-cosine"]["weight"]["log10_lr"] is None
    assert "no calibration" in " ".join(case["cannot_say"])


def test_calibration_of_another_version_weighs_nothing(evaluated: Evaluated, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(evaluated.run, run)
    results = json.loads((run / "results.json").read_text())
    for one in results["metrics"]:
        one["version"] = 99 if one["metric"] == "weight-cosine" else one["version"]
    (run / "results.json").write_text(json.dumps(results))
    signed_again(run)
    case = opened(evaluated, "f0", "f1", "--calibration", run)
    one = by_metric(case)["weight-cosine"]
    assert one["weight"]["log10_lr"] is None
    assert "version 99" in one["weight"]["reason"]
    assert by_metric(case)["attention-std"]["weight"]["log10_lr"] is not None


def test_text_fits_a_terminal_and_accuses_nobody(evaluated: Evaluated, tmp_path: Path) -> None:
    arguments = ("compare", "f0", "f0c0", "--catalog", evaluated.catalog, "--calibration", evaluated.run)
    said = command(*arguments, "--out", tmp_path / "case.md", cache=evaluated.cache)
    assert said.code == 0
    page = (tmp_path / "case.md").read_text()
    for text in (said.out, page):
        for words in (
            "A statement an expert could sign",
            "What cannot be said",
            "Background (not used)",
            "ENFSI",
        ):
            assert words in text
        assert "copied" not in text.lower()
    assert max(map(len, said.out.splitlines())) <= 80
    case = json.loads(command(*arguments, "--json", cache=evaluated.cache).out)
    command(*arguments, "--out", tmp_path / "case.json", cache=evaluated.cache)
    again = json.loads((tmp_path / "case.json").read_text())
    dated = ("date", "sentence")  # of the day
    assert {**again, **dict.fromkeys(dated)} == {**case, **dict.fromkeys(dated)}
    assert case["sentence"].split(" (Made on")[0] in page


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
        "--no-calibration", cache=evaluated.cache,
    )  # fmt: skip
    assert said.code == 1
    assert "failed: raises on f0 – f1: RuntimeError: out of order" in said.err
    status = {one["metric"]: one["status"] for one in json.loads(said.out)["metrics"]}
    assert status == {"weight-cosine": "ok", "raises": "failed"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("f0", "f0"), "are the same model"),
        (("f0", "nobody/at@all/x"), "nobody"),
        (("f0", "f1", "--calibration", "nowhere"), "nowhere: no run.json"),
        (("f0", "f1", "--metrics", "no-such-metric"), "no-such-metric"),
        (("f0",), "give MODEL_B, or --against POOL"),
        (("f0", "f1", "--against", "f2"), "give MODEL_B, or --against POOL"),
        (("f0", "--against", "f*", "--no-calibration"), "leave out --no-calibration"),
        (("f0", "f1", "--calibration", "x", "--no-calibration"), "contradicts --calibration"),
        (("f0", "f1", "--out", "case.txt"), "give a .html, .json or .md file"),
    ],
)
def test_bad_usage_is_one_line(evaluated: Evaluated, arguments: tuple[str, ...], said: str) -> None:
    done = command("compare", *arguments, "--quiet", "--catalog", evaluated.catalog, cache=evaluated.cache)
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
        (1, "no support either way"),
        (1.9, "no support either way"),
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
    value = float(np.log10(ratio))
    assert in_words(value, value, value) == words
    assert in_words(value, min(value, -0.01), max(value, 0.01)) == "no support either way"


def test_no_ratio_has_no_words() -> None:
    nan = float("nan")
    assert in_words(nan, nan, nan) == "no evidence"


def test_published_scores_stand_beside_the_calibration_and_change_nothing(
    evaluated: Evaluated, independent: dict[str, Any]
) -> None:
    document = yaml.safe_load(evaluated.catalog.read_text())
    scores = [
        {"pair": ["f0c1", "f1"], "value": 0.5},
        {"pair": ["f0c1", "f1"], "value": 3.5, "quantity": "z"},
    ]
    publication = {"id": "paper", "by": "its authors", "source": "arXiv:2507.03014", "says": "a cosine"}
    document["published"] = [{**publication, "metric": "weight-cosine", "scores": scores}]
    catalog = evaluated.catalog.with_name("published.yaml")
    catalog.write_text(as_yaml(document))
    arguments = ("f0c1", "f1", "--catalog", catalog, "--calibration", evaluated.run)
    said = command("compare", *arguments, "--json", cache=evaluated.cache)
    assert said.code == 0, said.err
    case = json.loads(said.out)
    score, other = case["published_scores"]
    assert (score["value"], score["relation"], score["citation"]) == (
        0.5,
        "independent",
        "its authors, arXiv:2507.03014",
    )
    frame = pd.read_parquet(evaluated.run / "scores.parquet")
    frame = frame[frame["metric"] == "weight-cosine"]
    left = frame[~frame["lineage_a"].isin(["f0", "f1"]) & ~frame["lineage_b"].isin(["f0", "f1"])]
    strangers = left.loc[left["relation"] == "independent", "score"]
    assert score["in_run"]["n_look_alikes"] == len(strangers)
    assert score["in_run"]["n_look_alikes_as_high"] == (strangers >= 0.5).sum()
    assert other["in_run"] is None
    assert "a z-score" in other["population"]
    assert case["metrics"] == independent["metrics"]
    assert case["sentence"] == independent["sentence"]
    text = command("compare", *arguments, cache=evaluated.cache).out
    assert "Published scores (not used):" in text
    page = evaluated.run.parent / "published.html"
    assert command("compare", *arguments, "--out", page, cache=evaluated.cache).code == 0
    assert "Published scores (not used)" in page.read_text(encoding="utf-8")
