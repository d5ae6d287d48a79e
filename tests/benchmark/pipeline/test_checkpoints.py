"""From a catalog's entry, or what a user typed, to an open checkpoint on the right device."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_catalog import write_catalog

from benchmark.catalog import load_catalog
from benchmark.pipeline.checkpoints import locate, locate_typed, open_model


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    return write_catalog(tmp_path, founders=3, children=1)


def test_what_a_user_typed(catalog: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = load_catalog(catalog)
    assert locate_typed(loaded, str(tmp_path / "f1")).source == tmp_path / "f1"
    assert locate_typed(loaded, "f1") == locate(loaded, "f1")
    assert locate_typed(loaded, "org/name@main").source == "org/name@main"
    # What lies here comes first: a folder of the working directory that is named like an entry.
    monkeypatch.chdir(tmp_path)
    assert locate_typed(loaded, "f1").source == Path("f1")


def test_a_zoo_model_takes_the_recipes_of_its_ancestors_along() -> None:
    loaded = load_catalog()
    recipes = locate(loaded, "zoo/qwen-a-ft-short").recipes
    assert {"qwen-a", "qwen-a-ft-short"} <= set(recipes)
    assert len(recipes) < 5
    assert open_model(loaded, "zoo/qwen-a-ft-short").name == "zoo/qwen-a-ft-short"


def test_the_device_reaches_the_checkpoint(catalog: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    assert locate(load_catalog(catalog), "f0").open("cuda").device == "cuda"
    assert locate(load_catalog(), "zoo/qwen-a").open("cuda:0").device == "cuda:0"
