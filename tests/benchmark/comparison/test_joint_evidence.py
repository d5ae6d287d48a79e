"""The metrics of a case together, its intervals, its layers and its page."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import small_catalog
from conftest import Evaluated, command
from matplotlib.figure import Figure
from safetensors.torch import save_file
from small_catalog import CONFIG, child_of, tensors

import analysis
import fpcore
from benchmark.comparison.case_page import case_page
from benchmark.comparison.compare import compare
from benchmark.comparison.evidence_weight import EvidenceWeight
from benchmark.comparison.layer_picture import agreement_axes, curve_axes
from benchmark.comparison.layers import picture_layers
from benchmark.comparison.reference_pairs import Place, ReferencePairs
from benchmark.comparison.score_strips import place_strip, weight_axis, weight_strip


@pytest.fixture(scope="module")
def pages(evaluated: Evaluated, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Any]]:
    """The page of a derived pair, and the JSON beside it."""
    out = tmp_path_factory.mktemp("case") / "case.html"
    said = command(
        "compare", "f0", "f0c0", "--catalog", evaluated.catalog, "--calibration", evaluated.run, "--json",
        "--out", out, cache=evaluated.cache,
    )  # fmt: skip
    assert said.code == 0, said.err
    return out.read_text(), json.loads(said.out)


def test_together_is_the_fit_on_other_lineages(
    evaluated: Evaluated, pages: tuple[str, dict[str, Any]]
) -> None:
    case = pages[1]
    joint = case["combined"]
    scores = pd.read_parquet(evaluated.run / "scores.parquet")
    left = scores[(scores["lineage_a"] != "f0") & (scores["lineage_b"] != "f0")]
    tables = [analysis.ScoreTable(left[left["metric"] == name]) for name in joint["metrics"]]
    expected = analysis.combine_evidence(tables, negatives="look-alike")
    point = [one["score"] for name in joint["metrics"] for one in case["metrics"] if one["metric"] == name]
    weight = joint["weight"]
    held = weight["interval"]
    value = float(expected.log10_lr([point])[0])
    assert weight["log10_lr"] == pytest.approx(np.clip(value, weight["lower"], weight["upper"]))
    assert weight["cllr"] == pytest.approx(expected.cllr)
    assert weight["lower"] <= held["low"] <= held["estimate"] == weight["log10_lr"]
    # Look-alikes of eight lineages have the shape.
    assert held["estimate"] <= held["high"] <= weight["upper"] <= np.log10(10 / 2) + 1e-9
    assert weight["n_lineages"] == weight["n_lineages_of_these_shapes"] == 8
    # A metric that abstains on this pair takes no part, and is no evidence.
    assert "qkv-bias-std" not in joint["metrics"]
    assert set(joint["slopes"]) == set(joint["metrics"])
    assert min(joint["slopes"].values()) >= 0
    assert weight["cllr"] <= joint["best_alone"]["cllr"] + 0.05
    useless = {
        one["metric"] for one in case["metrics"]
        if one["weight"]["log10_lr"] is not None
        and not one["in_the_calibration"]["verdict"].startswith("separates")
    }  # fmt: skip
    assert useless
    assert useless <= set(joint["left_aside"])


def test_each_ratio_has_an_interval_within_its_bounds(pages: tuple[str, dict[str, Any]]) -> None:
    for one in pages[1]["metrics"]:
        weight = one["weight"]
        held = weight["interval"]
        if weight["log10_lr"] is None:
            assert held is None
            continue
        assert weight["lower"] <= held["low"] <= weight["log10_lr"] + 1e-6
        assert weight["log10_lr"] - 1e-6 <= held["high"] <= weight["upper"]
        assert "jackknife" in held["method"]


def test_without_calibration_nothing_is_combined(evaluated: Evaluated) -> None:
    said = command(
        "compare", "f0", "f1", "--catalog", evaluated.catalog, "--metrics", "weight-cosine",
        "--no-calibration", "--json", cache=evaluated.cache,
    )  # fmt: skip
    case = json.loads(said.out)
    assert case["combined"] is None
    assert case["layers"]["stored"]["query"]


def test_layers_show_where_two_models_agree(tmp_path: Path) -> None:
    """Two of five layers replaced: the picture says which."""
    kept, other = child_of(tensors(1), 5), tensors(2)
    mixed = {
        name: other[name] if re.search(r"layers\.[34]\.", name) else tensor for name, tensor in kept.items()
    }
    for name, weights in (("a", tensors(1)), ("b", mixed)):
        small_catalog.write_checkpoint(tmp_path / name, weights)
    picture = picture_layers(*(fpcore.open_checkpoint(tmp_path / name) for name in "ab"))
    assert set(picture.stored) >= {"query", "key", "value", "output", "gate", "up", "down"}
    for part in ("query", "up", "down"):
        row = np.array(picture.stored[part])
        assert (row[:3] > 0.99).all()
        assert (np.abs(row[3:]) < 0.35).all()
    units = np.array(picture.aligned["units"])
    assert units[:3].min() > 0.9 > 0.5 > units[3:].max()
    assert picture.pairs == tuple((layer, layer) for layer in range(5))
    first, second = picture.curves["query"]
    assert first[:3] == pytest.approx(second[:3], rel=0.02)
    assert first[3] != pytest.approx(second[3], rel=0.02)
    weights = tensors(1)["model.layers.1.mlp.up_proj.weight"].double().numpy()
    assert picture.curves["up"][0][1] == pytest.approx(weights.std())


def test_other_depth_is_said_and_not_drawn(tmp_path: Path) -> None:
    small_catalog.write_checkpoint(tmp_path / "a", tensors(1))
    (tmp_path / "b").mkdir()
    depth = small_catalog.DEPTH
    (tmp_path / "b" / "config.json").write_text(json.dumps({**CONFIG, "num_hidden_layers": depth - 1}))
    short = {name: one for name, one in tensors(1).items() if f"layers.{depth - 1}." not in name}
    save_file(short, tmp_path / "b" / "model.safetensors")
    picture = picture_layers(*(fpcore.open_checkpoint(tmp_path / name) for name in "ab"))
    assert picture.depths == (depth, depth - 1)
    assert picture.stored == {}
    assert any("5 and 4 layers" in reason for reason in picture.missing)
    assert len(picture.curves["query"][1]) == depth - 1


def test_plots_return_their_axes(evaluated: Evaluated) -> None:
    picture = picture_layers(
        *(fpcore.open_checkpoint(evaluated.catalog.parent / name) for name in ("f0", "f0c0"))
    )
    axes = Figure().subplots()
    assert agreement_axes(picture, axes) is axes
    assert [label.get_text() for label in axes.get_yticklabels()][:2] == ["query", "key"]
    assert len(axes.texts) == sum(map(len, [*picture.stored.values(), *picture.aligned.values()]))
    other = Figure().subplots()
    assert curve_axes(picture, "up", other) is other
    assert len(other.lines) == 2


def test_page_stands_alone(pages: tuple[str, dict[str, Any]]) -> None:
    page, case = pages
    assert not re.search(r"(src|href)=\"(?!#)", page.replace("xlink:href", ""))
    assert "http" not in re.sub(r"http://www\.w3\.org/[\w/]*|http://purl[\w./]*", "", page)
    assert not re.search(r"@import|url\(\s*['\"]?(?!#)", page)
    assert case["sentence"].split(" (")[0] in page
    for words in ("Odds and costs", "Other explanations", "Verdict in the calibration"):
        assert words in page
    for one in case["metrics"]:
        assert one["metric"] in page
    for words in ("ENFSI", "What cannot be said", "Layer by layer", "All metrics together"):
        assert words in page
    assert "copied" not in page.lower()
    assert "light-dark(" in page
    # Colours of the drawings come from the page: they must follow its light and dark.
    assert "var(--derived)" in page
    assert not re.search(r"#0[1-6]0[1-6]0[1-6]", page)
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert len(page) < 600_000


def test_case_shows_itself_in_a_notebook(evaluated: Evaluated) -> None:
    case = compare(
        "f0", "f1", calibration=evaluated.run, metrics="weight-cosine,attention-std",
        catalog=evaluated.catalog, cache=evaluated.cache,
    )  # fmt: skip
    fragment = case._repr_html_()
    assert fragment.startswith("<div")
    assert "<html" not in fragment
    assert case.sentence.split(" (")[0] in fragment
    assert case_page(case) == case_page(case)


def test_names_cannot_break_the_page(evaluated: Evaluated, tmp_path: Path) -> None:
    name = "<script>alert(1)<" + "&"
    shutil.copytree(evaluated.catalog.parent / "f1", tmp_path / name)
    case = compare(
        "f0", tmp_path / name, calibration=evaluated.run, catalog=evaluated.catalog, cache=evaluated.cache
    )
    assert "<script>" not in case_page(case)


def test_strips_hold_extreme_scores() -> None:
    none = ReferencePairs(0, 0, 0)
    assert place_strip(Place(none, none), 0.5) == ""
    crowd = ReferencePairs(3, 2, 1, (0.0, 0.5, float("inf")))
    drawn = place_strip(Place(crowd, none), float("inf"))
    assert "nan" not in drawn
    assert drawn.count("<line") == 4
    many = ReferencePairs(500, 9, 0, tuple(np.linspace(0, 1, 500).tolist()))
    assert place_strip(Place(many, none), 0.5).count("<line") < 90
    held = analysis.Interval(0.0, -0.5, 0.5, 0.95, "")
    weight = EvidenceWeight(0.0, -1.0, 1.0, False, 0.5, 9, 9, 9, 9, 9, False, "", held)
    drawn = weight_strip("a < b", weight, None, 1.02)
    assert 'circle class="neither"' in drawn
    assert 'circle class="child"' in weight_strip("a", weight, "derivation", 1.02)
    assert 'circle class="alike"' in weight_strip("a", weight, "independence", 1.02)
    assert "nan" not in drawn + weight_axis(1.02)
    assert "a &lt; b" in drawn
