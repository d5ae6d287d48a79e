"""CycloneDX documents: valid by the official schema, and an ancestor only where somebody may name one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import Calibrated, command

OPTIONS = ("--metrics", "weight-cosine")
SURE = ("--confidence", 0.9)


def written(calibrated: Calibrated, tmp_path: Path, verb: str, *more: object) -> dict[str, Any]:
    file = tmp_path / "pedigree.cdx.json"
    said = command(
        verb, *more, "--catalog", calibrated.catalog, "--calibration", calibrated.run, *OPTIONS,
        "--cyclonedx", file, cache=calibrated.cache,
    )  # fmt: skip
    assert said.code == 0, said.err
    value: dict[str, Any] = json.loads(file.read_text())
    check_form(value)
    check_schema(file.read_text())
    return value


def check_schema(text: str) -> None:
    """Validate by the official schema where the package that brings it is installed (extra `dev`)."""
    try:
        from cyclonedx.schema import SchemaVersion
        from cyclonedx.validation.json import JsonStrictValidator
    except ImportError:
        return
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None


def check_form(value: dict[str, Any]) -> None:
    """What the schema asks of the parts that are written here."""
    assert value["$schema"] == "http://cyclonedx.org/schema/bom-1.6.schema.json"
    assert (value["bomFormat"], value["specVersion"], value["version"]) == ("CycloneDX", "1.6", 1)
    assert value["serialNumber"].startswith("urn:uuid:")
    subject = value["metadata"]["component"]
    components = [subject, *value["components"], *subject["pedigree"].get("ancestors", [])]
    assert {one["type"] for one in components} == {"machine-learning-model"}
    references = [one["bom-ref"] for one in components]
    assert len(set(references)) == len(references)
    for one in components:
        assert all(set(fact) == {"name", "value"} for fact in one["properties"])
        assert all(isinstance(fact["value"], str) for fact in one["properties"])
    assert set(subject["pedigree"]) <= {"ancestors", "notes"}


def facts(value: dict[str, Any]) -> dict[str, str]:
    return {
        fact["name"].removeprefix("lookalike:"): fact["value"]
        for fact in value["metadata"]["component"]["properties"]
    }


def ancestors(value: dict[str, Any]) -> list[str]:
    return [one["name"] for one in value["metadata"]["component"]["pedigree"].get("ancestors", [])]


@pytest.mark.slow
def test_a_pair_that_the_catalog_knows(calibrated: Calibrated, tmp_path: Path) -> None:
    value = written(calibrated, tmp_path, "compare", "f0", "f0c0")
    assert value["metadata"]["component"]["name"] == "f0c0"
    assert ancestors(value) == ["f0"]
    found = facts(value)
    assert float(found["with:f0:log10-lr:low"]) > 0
    run = json.loads((calibrated.run / "run.json").read_text())
    assert found["calibration:catalog-digest"] == run["catalog"]["digest"]
    assert len(found["calibration:digest"]) == 64
    assert value == written(calibrated, tmp_path, "compare", "f0", "f0c0")


def test_scores_alone_name_no_ancestor(calibrated: Calibrated, tmp_path: Path) -> None:
    assert ancestors(written(calibrated, tmp_path, "compare", "f0c0", "f1c0")) == []
    models = calibrated.catalog.parent
    value = written(calibrated, tmp_path, "compare", models / "f0c0", models / "f0")
    assert ancestors(value) == []
    assert facts(value)["supports"] == "derivation"
    assert [one["name"] for one in value["components"]] == ["f0"]
    value = written(calibrated, tmp_path, "check-claim", models / "f0c0", "--base", models / "f0", *SURE)
    assert (facts(value)["answer"], ancestors(value)) == ("consistent", [])


def test_a_statement_that_holds_names_an_ancestor(calibrated: Calibrated, tmp_path: Path) -> None:
    model = tmp_path / "tuned"
    model.mkdir()
    for name in ("config.json", "model.safetensors"):
        model.joinpath(name).write_bytes((calibrated.catalog.parent / "f0c0" / name).read_bytes())
    base = (calibrated.catalog.parent / "f0").resolve()
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps({**config, "_name_or_path": str(base)}))
    value = written(calibrated, tmp_path, "check-claim", model, *SURE)
    (ancestor,) = value["metadata"]["component"]["pedigree"]["ancestors"]
    assert ancestor["name"] == "f0"
    assert "own statement" in ancestor["properties"][-1]["value"]
    base = (calibrated.catalog.parent / "f3").resolve()
    (model / "config.json").write_text(json.dumps({**config, "_name_or_path": str(base)}))
    value = written(calibrated, tmp_path, "check-claim", model, *SURE)
    assert facts(value)["answer"] == "not consistent"
    assert ancestors(value) == []


def test_nothing_is_known_without_a_calibration(calibrated: Calibrated, tmp_path: Path) -> None:
    file = tmp_path / "x.json"
    said = command(
        "compare", "f0", "f1", "--catalog", calibrated.catalog, *OPTIONS, "--cyclonedx", file,
        "--no-calibration", cache=calibrated.cache,
    )  # fmt: skip
    assert said.code == 0
    value = json.loads(file.read_text())
    check_form(value)
    assert facts(value)["calibration"] == "none"
    assert ancestors(value) == []


def test_a_pool_has_no_pedigree(calibrated: Calibrated, tmp_path: Path) -> None:
    said = command(
        "compare", "f0", "--against", "f1", "--catalog", calibrated.catalog, "--calibration", calibrated.run,
        "--cyclonedx", tmp_path / "x.json", cache=calibrated.cache,
    )  # fmt: skip
    assert said.code == 2
    assert "--cyclonedx describes a single pair" in said.err


def test_the_form_check_can_fail() -> None:
    with pytest.raises((AssertionError, KeyError)):
        check_form({"$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json", "bomFormat": "SPDX"})
