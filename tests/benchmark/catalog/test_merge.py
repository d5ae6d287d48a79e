"""Several catalogs as one: entries of one name say the same, or nobody is believed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import command
from small_catalog import write_catalog

from benchmark.catalog import CatalogError, load_catalog

HEAD = "schema: 1\n"
EVIDENCE = "{grade: card, source: 'https://example.org', says: names it as its base}"
MINE = f"""\
cells:
  small: {{model_type: llama, depth: 2}}
models:
  - {{id: org/base, source: {{hub: org/base}}}}
  - id: mine/child
    source: {{path: child}}
    parents:
      - of: org/base
        method: fine-tune
        evidence: {EVIDENCE}
"""
OTHER = f"""\
models:
  - {{id: org/base, source: {{hub: org/base}}}}
  - id: other/child
    source: {{path: child}}
    parents:
      - of: mine/child
        method: quantise
        evidence: {EVIDENCE}
"""


def written(folder: Path, **texts: str) -> list[Path]:
    files = []
    for name, text in texts.items():
        path = folder / name / f"{name}.yaml"
        path.parent.mkdir()
        path.write_text(HEAD + text)
        files.append(path)
    return files


def test_entries_may_name_those_of_another_catalog(tmp_path: Path) -> None:
    mine, other = written(tmp_path, mine=MINE, other=OTHER)
    catalog = load_catalog([mine, other])
    assert list(catalog.models) == ["org/base", "mine/child", "other/child"]
    assert catalog.relation("other/child", "org/base") == "derived"
    assert [Path(part.file).name for part in catalog.parts] == ["mine.yaml", "other.yaml"]
    assert catalog.parts[0].digest == load_catalog(mine).digest
    assert catalog.digest not in {part.digest for part in catalog.parts}
    with pytest.raises(CatalogError, match="mine/child"):
        load_catalog(other)


def test_paths_stay_relative_to_their_own_file(tmp_path: Path) -> None:
    catalog = load_catalog(written(tmp_path, mine=MINE, other=OTHER))
    places = {name: str(catalog.models[name].source) for name in ("mine/child", "other/child")}
    assert str(tmp_path / "mine" / "child") in places["mine/child"]
    assert str(tmp_path / "other" / "child") in places["other/child"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("source: {hub: org/base}}", "source: {hub: org/base}, publisher: X}", "differs in publisher"),
        ("source: {hub: org/base}}", "source: {hub: org/other}}", "differs in source"),
    ],
)
def test_two_entries_of_one_id_that_differ_are_refused_in_one_line(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    files = written(tmp_path, mine=MINE, other=OTHER.replace(old, new))
    with pytest.raises(CatalogError) as raised:
        load_catalog(files)
    told = str(raised.value)
    assert told.startswith(f"{files[1]}:3: models: 'org/base' also appears at {files[0]}:5, and {said}")
    assert "\n" not in told


def test_shapes_of_one_name_must_be_the_same(tmp_path: Path) -> None:
    same = OTHER.replace("models:", "cells:\n  small: {model_type: llama, depth: 2}\nmodels:", 1)
    files = written(tmp_path, mine=MINE, same=same, other=same.replace("depth: 2", "depth: 3"))
    assert len(load_catalog(files[:2])) == 3
    with pytest.raises(CatalogError, match=r"cells: 'small' also appears at .*differs in depth"):
        load_catalog([files[0], files[2]])


def test_a_fault_is_named_with_its_own_file_and_line(tmp_path: Path) -> None:
    files = written(tmp_path, mine=MINE, other=OTHER.replace("of: mine/child", "of: nobody"))
    with pytest.raises(CatalogError) as raised:
        load_catalog(files)
    assert str(raised.value).startswith(f"{files[1]}:7: models[other/child].parents[0].of: ")


def test_what_stands_twice_in_one_file_is_a_duplicate(tmp_path: Path) -> None:
    line = "  - {id: org/twice, source: {hub: org/twice}}\n"
    doubled = OTHER.replace("models:\n", "models:\n" + 2 * line, 1)
    with pytest.raises(CatalogError, match="duplicate id 'org/twice'"):
        load_catalog(written(tmp_path, mine=MINE, doubled=doubled))


def test_the_shipped_catalog_has_a_name(tmp_path: Path) -> None:
    child = MINE.replace("  - {id: org/base, source: {hub: org/base}}\n", "").replace(
        "org/base", "zoo/qwen-a"
    )
    catalog = load_catalog(["shipped", *written(tmp_path, mine=child)])
    assert catalog.lineage("mine/child") == catalog.lineage("zoo/qwen-a")
    assert len(catalog.parts) == 2


def test_a_run_of_two_catalogs_names_both(tmp_path: Path) -> None:
    first = write_catalog(tmp_path, founders=2, children=1)
    (tmp_path / "more").mkdir()
    second = write_catalog(tmp_path / "more", founders=2, children=1).rename(tmp_path / "more" / "mine.yaml")
    second.write_text(second.read_text().replace("id: f", "id: g").replace("of: f", "of: g"))
    options = ("--catalog", first, "--catalog", second)
    said = command(
        *("run", *options, "--metrics", "config-match", "--workers", 1, "--out", tmp_path / "out"),
        cache=tmp_path / "cache",
    )
    assert said.code == 0, said.err
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert set(record["models"]) == {"f0", "f0c0", "f1", "f1c0", "g0", "g0c0", "g1", "g1c0"}
    assert record["catalog"]["path"] == "catalog.yaml + mine.yaml"
    assert [one["file"] for one in record["catalog"]["files"]] == ["catalog.yaml", "mine.yaml"]
    assert record["catalog"]["files"][0]["digest"] == load_catalog(first).digest
    shown = command("catalog", "show", "g0c0", *options, cache=tmp_path / "cache")
    assert shown.code == 0, shown.err
    case = command(
        *("compare", "f0", "g1", *options, "--no-calibration", "--metrics", "config-match", "--quiet"),
        cache=tmp_path / "cache",
    )
    assert case.code == 0, case.err
    refused = command("catalog", "check", "--catalog", first, "--catalog", first, cache=tmp_path)
    assert refused.code == 0, refused.err
    second.write_text(first.read_text().replace("says: made by the test", "says: something else"))
    refused = command("catalog", "check", *options, cache=tmp_path)
    assert refused.code == 2
    assert "also appears at" in refused.err
