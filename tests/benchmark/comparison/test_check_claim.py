"""A stated base: consistent where it is true, not consistent where it is false, and often not to be said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import small_catalog
from conftest import Calibrated, Said, command
from safetensors.torch import save_file

import benchmark
from benchmark.comparison.check_claim import check_claim
from benchmark.session.errors import UsageError

# Fourteen lineages, less those of the model and of the base, are twelve: good for 12 in 13.
SURE = 0.9
METRIC = ("--metrics", "weight-cosine")


def said(calibrated: Calibrated, model: object, *more: object) -> Said:
    return command(
        "check-claim", model, "--catalog", calibrated.catalog, "--calibration", calibrated.run,
        "--confidence", SURE, *METRIC, "--quiet", *more, cache=calibrated.cache,
    )  # fmt: skip


def asked(calibrated: Calibrated, model: object, *more: object) -> dict[str, Any]:
    answer = said(calibrated, model, "--json", *more)
    assert answer.code == 0, answer.err
    value: dict[str, Any] = json.loads(answer.out)
    return value


@pytest.fixture
def model(tmp_path: Path, calibrated: Calibrated) -> Path:
    """A copy of f0c0 outside the catalog, which states nothing yet."""
    place = tmp_path / "tuned"
    place.mkdir()
    for name in ("config.json", "model.safetensors"):
        place.joinpath(name).write_bytes((calibrated.catalog.parent / "f0c0" / name).read_bytes())
    return place


def card(model: Path, text: str) -> Path:
    (model / "README.md").write_text(f"---\n{text}\n---\n# A model\n")
    return model


def test_a_true_statement_of_the_catalog(calibrated: Calibrated) -> None:
    found = asked(calibrated, "f0c0")
    assert found["answer"] == "consistent"
    assert found["claim"]["bases"] == ["f0"]
    assert found["claim"]["where"] == "the catalog"
    (base,) = found["bases"]
    assert base["left_out"] == ["f0"]
    assert base["evidence"]["derivation"]["supports"] == "derivation"
    low = base["evidence"]["derivation"]["weight"]["interval"]["low"]
    assert low > 0
    assert {one["standing"] for one in base["as_a_candidate"].values()} == {"remains"}
    assert "does not show that it is this very base" in found["sentence"]
    assert any(item.startswith("Whether anyone made a false statement") for item in found["cannot_say"])
    assert "includes no forgery" in " ".join(found["cannot_say"])


def test_a_false_statement(calibrated: Calibrated, model: Path) -> None:
    # By its weights the copy is known to be of the lineage of f0: neither lineage takes part.
    found = asked(calibrated, card(model, "base_model: me/other"), "--base", calibrated.catalog.parent / "f3")
    assert found["answer"] == "not consistent"
    (base,) = found["bases"]
    assert base["left_out"] == ["f0", "f3"]
    assert base["evidence"]["independence"]["supports"] == "independence"
    assert {one["derivation_p"] for one in base["as_a_candidate"].values()} == {1 / 13}
    assert "p = 0.077" in found["sentence"]
    assert "does not say why" in found["sentence"]
    text = json.dumps(found).lower()
    assert not [word for word in ("copied", "false claim", "fraud", "lied", "wrongly") if word in text]


def test_nothing_is_called_inconsistent_beyond_what_the_lineages_back(
    calibrated: Calibrated,
) -> None:
    found = asked(calibrated, "f0c0", "--base", "f3", "--confidence", 0.95)
    assert found["answer"] == "cannot say"
    assert "not excluded" in found["bases"][0]["because"]
    assert "needs at least 19" in found["bases"][0]["because"]


def test_several_bases_share_the_confidence_and_the_worst_answer_counts(calibrated: Calibrated) -> None:
    found = asked(calibrated, "f0c0", "--base", "f0", "--base", "f3")
    assert [one["answer"] for one in found["bases"]] == ["consistent", "cannot say"]
    assert found["answer"] == "cannot say"
    assert [one["answer"] for one in asked(calibrated, "f0c0", "--base", "f3")["bases"]] == ["not consistent"]


def test_shapes_without_calibration(calibrated: Calibrated, tmp_path: Path) -> None:
    depth = small_catalog.DEPTH
    short = tmp_path / "short"
    short.mkdir()
    config = {**small_catalog.CONFIG, "num_hidden_layers": depth - 1}
    (short / "config.json").write_text(json.dumps(config))
    kept = {name: t for name, t in small_catalog.tensors(50).items() if f"layers.{depth - 1}." not in name}
    save_file(kept, short / "model.safetensors")
    found = asked(calibrated, "f0c0", "--base", short)
    assert found["answer"] == "cannot say"
    assert found["bases"][0]["because"].startswith("no calibration for these shapes")


def test_no_calibration(calibrated: Calibrated) -> None:
    found = check_claim(
        "f0c0",
        calibration=None,
        metrics="weight-cosine",
        catalog=calibrated.catalog,
        cache=calibrated.cache,
    )
    assert (found.answer, found.calibration) == ("cannot say", None)
    assert "no calibration" in found.sentence


def test_no_metric_that_may_speak(calibrated: Calibrated) -> None:
    found = asked(calibrated, "f0c0", "--metrics", "config-match")
    assert found["answer"] == "cannot say"
    assert "no metric of this calibration may speak" in found["bases"][0]["because"]
    assert set(found["bases"][0]["evidence"]["derivation"]["left_aside"]) == {"config-match"}
    shown = said(calibrated, "f0c0", "--metrics", "config-match").out
    assert shown.count("config-match, for or against it: in the calibration:") == 1


def test_identical_weights_need_no_calibration(calibrated: Calibrated, model: Path) -> None:
    found = asked(calibrated, model, "--base", calibrated.catalog.parent / "f0c0")
    assert found["answer"] == "consistent"
    assert "identical weights" in found["sentence"]


def test_an_adapter_agrees_with_its_base_by_construction(calibrated: Calibrated, tmp_path: Path) -> None:
    import torch

    place = tmp_path / "adapter"
    place.mkdir()
    stem = "base_model.model.model.layers.0.self_attn.q_proj"
    width = small_catalog.WIDTH
    save_file(
        {f"{stem}.lora_A.weight": torch.ones(2, width), f"{stem}.lora_B.weight": torch.ones(width, 2)},
        place / "adapter_model.safetensors",
    )
    base = str((calibrated.catalog.parent / "f0").resolve())
    settings = {"peft_type": "LORA", "base_model_name_or_path": base, "r": 2, "lora_alpha": 2}
    (place / "adapter_config.json").write_text(json.dumps(settings))
    found = asked(calibrated, place)
    assert found["claim"]["where"] == "adapter_config.json"
    assert found["answer"] == "cannot say"
    assert "is an adapter" in found["sentence"]


def test_terminal_pages_and_the_gate(calibrated: Calibrated, tmp_path: Path) -> None:
    shown = said(calibrated, "f0c0", "--base", "f3", "--gate", "--out", tmp_path / "x.html")
    assert shown.code == 3
    assert "not consistent" in shown.err
    assert max(map(len, shown.out.splitlines())) <= 80
    for words in ("Not consistent.", "What cannot be said", "--base: f3", "May speak", "weight-cosine"):
        assert words in shown.out
    page = (tmp_path / "x.html").read_text()
    assert "Not consistent" in page
    assert "http" not in page
    assert said(calibrated, "f0c0", "--gate", "--out", tmp_path / "x.md").code == 0
    assert "**Consistent.**" in (tmp_path / "x.md").read_text()
    check = benchmark.check_claim(
        "f0c0", calibration=calibrated.run, catalog=calibrated.catalog, metrics="weight-cosine",
        confidence=SURE, cache=calibrated.cache,
    )  # fmt: skip
    assert check.answer == "consistent"
    assert check._repr_html_().startswith("<div")


def test_bad_use(calibrated: Calibrated, model: Path) -> None:
    for more, words in (
        ((), "no base is stated"),
        (("--base", str(model)), "the base is the model itself"),
        (("--base", "nowhere"), "nowhere: no such file"),
        (("--base", "f0", "--confidence", 2), "--confidence"),
    ):
        answer = said(calibrated, model, *more)
        assert answer.code == 2, answer
        assert words in answer.err
        assert answer.err.count("\n") == 1
    with pytest.raises(UsageError, match="give at least one"):
        check_claim(model, base=[], catalog=calibrated.catalog, cache=calibrated.cache)
