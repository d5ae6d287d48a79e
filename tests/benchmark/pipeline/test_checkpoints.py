"""From a catalog's entry, or what a user typed, to an open checkpoint that is what the catalog says."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import yaml
from small_catalog import as_yaml, write_catalog

import fpcore
from benchmark.catalog import load_catalog
from benchmark.pipeline.checkpoints import locate, locate_typed, open_model
from benchmark.pipeline.run import run

SHAPE = {
    "model_type": "llama",
    "depth": 5,
    "width": 16,
    "heads": 2,
    "kv_heads": 2,
    "feed_forward": 24,
    "qkv_bias": False,
    "norm": "rmsnorm",
}


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    return write_catalog(tmp_path, founders=3, children=1)


def stating(path: Path, **facts: object) -> Path:
    """The same catalog, with the shape of the first founder and its child stated."""
    document = yaml.safe_load(path.read_text())
    document["models"][0]["architecture"] = {**SHAPE, **facts}
    path.write_text(as_yaml(document))
    return path


def test_a_stated_shape_that_is_true_opens(catalog: Path) -> None:
    assert open_model(load_catalog(stating(catalog)), "f0").architecture.depth == 5


def test_a_stated_shape_that_the_checkpoint_contradicts_is_refused(catalog: Path, tmp_path: Path) -> None:
    loaded = load_catalog(stating(catalog, depth=6))
    with pytest.raises(fpcore.BadCheckpoint) as raised:
        open_model(loaded, "f0")
    assert str(raised.value) == (
        "f0: the catalog states the shape 'llama 6x16 h2/2 f24 rmsnorm', its checkpoint has"
        " 'llama 5x16 h2/2 f24 rmsnorm'; correct it"
    )
    found = run(catalog=loaded, metrics="config-match", out=tmp_path / "out", cache=tmp_path / "cache")
    assert [failure.model for failure in found.record.failures] == ["f0", "f0c0"]
    table = found.scores[found.scores["status"] == "failed"]
    wrong = found.scores[["model_a", "model_b"]].isin(["f0", "f0c0"]).any(axis=1)
    pd.testing.assert_frame_equal(table, found.scores[wrong])
    assert table["reason"].str.contains("the catalog states the shape").all()


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
