"""What a model states as its base: each source, which goes first, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from loopback_hub import LoopbackHub, loopback_hub
from small_catalog import CONFIG, write_catalog

import fpcore
from benchmark.catalog import Catalog, load_catalog
from benchmark.catalog.stated_base import stated_base
from benchmark.session.errors import UsageError
from fpcore.remote import patience


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "model"
    place.mkdir()
    (place / "config.json").write_text(json.dumps(CONFIG))
    return place


def put(folder: Path, *, card: str = "", config: object = None, adapter: object = None) -> str:
    if card:
        (folder / "README.md").write_text(card)
    if config is not None:
        (folder / "config.json").write_text(json.dumps({**CONFIG, "_name_or_path": config}))
    if adapter is not None:
        (folder / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": adapter}))
    return str(folder)


def stated(model: str) -> Any:
    return stated_base(Catalog([]), model)


def test_the_card_goes_first_and_the_rest_is_told(folder: Path) -> None:
    text = "---\nlicense: mit\nbase_model:\n- lab/base\nbase_model_relation: finetune\n---\n# Card\n---\n"
    found = stated(put(folder, card=text, config="lab/other", adapter="lab/third"))
    assert found.bases == ("lab/base",)
    assert found.relation == "finetune"
    assert found.where == "README.md"
    assert found.says == "base_model lab/base, base_model_relation finetune"
    assert found.also == (
        "adapter_config.json: base_model_name_or_path lab/third",
        "config.json: _name_or_path lab/other",
    )


def test_a_merge_states_several(folder: Path) -> None:
    assert stated(put(folder, card="---\r\nbase_model: [a/b, c/d, a/b]\r\n---\r\n")).bases == ("a/b", "c/d")


def test_settings_of_an_adapter_and_config(folder: Path, tmp_path: Path) -> None:
    found = stated(put(folder, config="lab/base"))
    assert (found.bases, found.where, found.also) == (("lab/base",), "config.json", ())
    assert stated(put(folder, adapter="lab/adapted")).where == "adapter_config.json"
    assert stated(put(folder, adapter=str(tmp_path))).bases == (str(tmp_path),)


def test_a_path_of_another_machine_is_passed_over_for_the_next(folder: Path) -> None:
    found = stated(put(folder, adapter="/gone/base", config="lab/base"))
    assert found.bases == ("lab/base",)
    assert found.also == ("adapter_config.json: base_model_name_or_path /gone/base",)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "no base is stated"),
        ({"card": "no front matter"}, "no base is stated"),
        ({"card": "---\nbase_model:\n---\n"}, "no base is stated"),
        ({"card": "---\n- a list\n---\n"}, "no base is stated"),
        ({"card": "---\nbase_model: [a\n---\n"}, "cannot be read"),
        ({"card": "---\nbase_model: my own base\n---\n", "config": "lab/base"}, "cannot be looked up"),
        ({"config": "/data/checkpoint-400"}, "cannot be looked up"),
        ({"config": "./base"}, "cannot be looked up"),
        ({"config": 3}, "no base is stated"),
    ],
)
def test_what_states_nothing_that_can_be_opened(folder: Path, files: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said) as error:
        stated(put(folder, **files))
    assert "--base X" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_stated_name_is_never_taken_for_a_folder_here(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lab" / "base").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"--base \./lab/base or --base lab/base@main"):
        stated(put(folder, card="---\nbase_model: lab/base\n---\n"))


def test_broken_settings(folder: Path) -> None:
    (folder / "adapter_config.json").write_text("{")
    with pytest.raises(UsageError, match="not JSON"):
        stated(str(folder))


def test_the_catalog(tmp_path: Path) -> None:
    catalog = load_catalog(write_catalog(tmp_path / "models", founders=1, children=1))
    found = stated_base(catalog, "f0c0")
    assert (found.bases, found.relation, found.where) == (("f0",), "fine-tune", "the catalog")
    assert "evidence: publisher" in found.says
    with pytest.raises(UsageError, match="trained from scratch"):
        stated_base(catalog, "f0")
    with pytest.raises(fpcore.BadCheckpoint, match="no such file"):
        stated_base(catalog, "nothing")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackHub]:
    monkeypatch.setattr(patience, "pause", lambda seconds: None)
    with loopback_hub(tmp_path / "hub-cache") as served:
        yield served


def test_the_hub(hub: LoopbackHub, folder: Path) -> None:
    put(folder, config="lab/third")
    hub.add_folder("u/m", folder)
    assert stated("u/m").where == "config.json"
    hub.repository("u/m").card = {"base_model": "lab/base"}
    hub.repository("u/m").tags = ["base_model:lab/base", "base_model:quantized:lab/base"]
    found = stated("u/m")
    assert (found.bases, found.relation) == (("lab/base",), "quantized")
    assert found.where == "the model card on the hub"
    assert found.also == ("config.json: _name_or_path lab/third",)
    put(folder, config="v/own")
    hub.add_folder("v/own", folder)
    with pytest.raises(UsageError, match="no base is stated"):
        stated("v/own")
    with pytest.raises(fpcore.BadCheckpoint):
        stated("u/nothing")
