"""Opening zoo models: all of them, and what is said when weights are not what they should be."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from benchmark.catalog import load_catalog
from benchmark.session.errors import UsageError
from benchmark.zoo.library import open_zoo
from benchmark.zoo.manifest import SHIPPED, WEIGHTS, read_manifest
from fpcore import BadCheckpoint

RECIPES = load_catalog().zoo_recipes


@pytest.mark.slow
def test_every_model_opens_with_the_shape_the_catalog_states():
    catalog = load_catalog()
    names = set()
    for name in RECIPES:
        model = open_zoo(name, RECIPES)
        names.add(model.name)
        entry = catalog.entries[f"zoo/{name}"]
        assert model.architecture.cell == entry.cell
        assert model.tokenizer_vocabulary() is not None
        first = next(iter(model.tensors))
        assert torch.isfinite(model.read(first).float()).all()
    assert len(names) == len(RECIPES) >= 80


def test_digests_tell_models_apart():
    digests = {open_zoo(name, RECIPES).digest for name in RECIPES}
    assert len(digests) == len(RECIPES)


def test_the_weights_are_small_enough_for_the_repository():
    size = sum(file.stat().st_size for file in (SHIPPED / WEIGHTS).rglob("*") if file.is_file())
    assert size <= 52e6


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A zoo folder of one model."""
    shutil.copytree(SHIPPED / WEIGHTS / "narrow-a", tmp_path / WEIGHTS / "narrow-a")
    shutil.copy(SHIPPED / "manifest.json", tmp_path)
    return tmp_path


def refusal(folder: Path, name: str = "narrow-a", recipes=RECIPES) -> str:
    with pytest.raises(BadCheckpoint) as caught:
        open_zoo(name, recipes, folder=folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_copied_zoo_opens(copied):
    assert open_zoo("narrow-a", RECIPES, folder=copied).digest == open_zoo("narrow-a", RECIPES).digest


def test_one_changed_bit_is_refused(copied):
    file = copied / WEIGHTS / "narrow-a" / "model.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    assert "does not match the manifest" in refusal(copied)


def test_missing_weights_are_refused_for_the_model_and_its_transforms(copied):
    (copied / WEIGHTS / "narrow-a" / "model.safetensors").unlink()
    assert "model.safetensors is missing" in refusal(copied)
    shutil.rmtree(copied / WEIGHTS / "narrow-a")
    assert "zoo build" in refusal(copied)
    assert "zoo/narrow-a: no weights" in refusal(copied, "narrow-a-fp16")


def test_weights_of_another_recipe_are_refused(copied):
    train = {**RECIPES["narrow-a"]["train"], "steps": 7}
    assert "a recipe other" in refusal(copied, recipes={"narrow-a": {"train": train}})


def test_an_unknown_name_is_refused():
    assert "no such recipe" in refusal(SHIPPED, "nobody")


def test_a_circle_is_refused():
    circle = {name: {"transform": "fp8", "of": f"zoo/{other}"} for name, other in (("x", "y"), ("y", "x"))}
    with pytest.raises(UsageError, match="form a cycle"):
        open_zoo("x", circle)


@pytest.mark.parametrize("content", ["{", "[]", '{"schema": 1}', '{"schema": 9, "models": {}}'])
def test_a_broken_manifest_is_one_line(tmp_path, content):
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(UsageError) as caught:
        read_manifest(tmp_path)
    assert "\n" not in str(caught.value)
    assert "manifest.json" in str(caught.value)


def test_the_manifest_holds_what_the_catalog_trains_and_nothing_else():
    manifest = read_manifest(SHIPPED)
    trained = {name for name, recipe in RECIPES.items() if "train" in recipe}
    assert set(manifest.models) == trained
    assert {folder.name for folder in (SHIPPED / WEIGHTS).iterdir()} == trained
    assert json.loads((SHIPPED / "manifest.json").read_text())["schema"] == 1
