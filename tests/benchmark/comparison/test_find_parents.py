"""One model against a pool: the parent remains, strangers go, and the answer says how sure it is."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import small_catalog
from conftest import Evaluated, command
from safetensors.torch import save_file

from benchmark.catalog import load_catalog
from benchmark.comparison.find_parents import find_parents, name_candidates
from benchmark.session.errors import UsageError

# Nine lineages, less that of the child and that of the candidate, are seven: good for 7 in 8.
SURE = 0.87


def asked(evaluated: Evaluated, model: object, pool: object, *more: object) -> dict[str, Any]:
    said = command(
        "compare", model, "--against", pool, "--catalog", evaluated.catalog, "--calibration", evaluated.run,
        "--confidence", SURE, "--json", *more, cache=evaluated.cache,
    )  # fmt: skip
    assert said.code == 0, said.err
    value: dict[str, Any] = json.loads(said.out)
    return value


@pytest.fixture(scope="module")
def parents(evaluated: Evaluated) -> dict[str, Any]:
    return asked(evaluated, "f0c0", "f?", "--metrics", "weight-cosine")


def test_the_parent_remains_and_strangers_go(parents: dict[str, Any]) -> None:
    assert parents["answer"] == "these remain"
    assert parents["remaining"] == ["f0"]
    assert len(parents["candidates"]) == 9
    assert parents["calibration"]["left_out"] == ["f0"]
    first = parents["candidates"][0]
    assert first["model"] == "f0"
    assert first["standing"] == "remains"
    assert first["look_alikes"]["n_at_or_above"] == 0
    strangers = parents["candidates"][1:]
    assert {one["n_lineages"] for one in strangers} == {7}
    assert {one["derivation_p"] for one in strangers} == {1 / 8}
    assert {one["standing"] for one in strangers} == {"excluded"}
    assert parents["excluded"] == [one["model"] for one in strangers]
    assert "not evidence of derivation" in parents["sentence"]
    assert "standing out" not in json.dumps(parents).lower()
    assert "87%" in parents["sentence"]
    assert "copied" not in json.dumps(parents)


def test_without_the_parent_none_remains(evaluated: Evaluated) -> None:
    answer = asked(evaluated, "f0c0", "f1,f2,f3", "--metrics", "weight-cosine")
    assert answer["answer"] == "none of them"
    assert answer["remaining"] == answer["not_judged"] == []
    assert answer["sentence"].startswith("None of the 3 candidates that could be judged remains")


def test_all_metrics_together_rank_too(evaluated: Evaluated) -> None:
    answer = asked(evaluated, "f0c0", "f?")
    assert "f0" in answer["remaining"]
    metrics = answer["candidates"][0]["metrics"]
    assert {"weight-cosine", "attention-std"} <= set(metrics)
    assert "qkv-bias-std" not in metrics


def test_too_sure_for_so_few_lineages(evaluated: Evaluated) -> None:
    said = command(
        "compare", "f0c0", "--against", "f?", "--catalog", evaluated.catalog, "--calibration", evaluated.run,
        "--metrics", "weight-cosine", "--confidence", 0.99, cache=evaluated.cache,
    )  # fmt: skip
    assert said.code == 0, said.err
    flat = " ".join(said.out.split())
    assert "None of the 9 candidates could be judged" in flat
    assert "at least 99" in flat
    assert max(map(len, said.out.splitlines())) <= 80


def test_shapes_without_calibration_are_not_judged(evaluated: Evaluated, tmp_path: Any) -> None:
    depth = small_catalog.DEPTH
    (tmp_path / "short").mkdir()
    config = {**small_catalog.CONFIG, "num_hidden_layers": depth - 1}
    (tmp_path / "short" / "config.json").write_text(json.dumps(config))
    kept = {name: t for name, t in small_catalog.tensors(50).items() if f"layers.{depth - 1}." not in name}
    save_file(kept, tmp_path / "short" / "model.safetensors")
    pool = f"f0,f1,{tmp_path / 'short'}"
    answer = asked(evaluated, "f0c0", pool, "--metrics", "weight-cosine,attention-std")
    assert answer["not_judged"] == ["short"]
    (other,) = [one for one in answer["candidates"] if one["standing"] == "not judged"]
    assert other["reason"].startswith("no calibration for these shapes")
    assert other["derivation_p"] is None
    assert "1 more could not be judged" in answer["sentence"]
    said = command(
        "compare", "f0c0", "--against", pool, "--catalog", evaluated.catalog, "--calibration", evaluated.run,
        "--confidence", SURE, cache=evaluated.cache,
    )  # fmt: skip
    assert "candidates without a calibration for these shapes" in " ".join(said.out.split())


def test_a_folder_is_a_pool_and_paths_are_known_by_their_weights(
    evaluated: Evaluated,
) -> None:
    models = evaluated.catalog.parent
    answer = asked(evaluated, models / "f0c0", models, "--metrics", "weight-cosine")
    assert answer["calibration"]["left_out"] == ["f0"]
    assert len(answer["candidates"]) == 26
    assert set(answer["remaining"]) - {"f0c1"} == {"f0"}


def test_pages(evaluated: Evaluated, tmp_path: Any) -> None:
    for suffix in ("html", "md", "json"):
        asked(evaluated, "f0c0", "f0,f1", "--metrics", "weight-cosine", "--out", tmp_path / f"pool.{suffix}")
    page, text = (tmp_path / "pool.html").read_text(), (tmp_path / "pool.md").read_text()
    for words in ("What cannot be said", "remain", "f0c0"):
        assert words in page
        assert words in text
    assert "http" not in page
    assert json.loads((tmp_path / "pool.json").read_text())["remaining"] == ["f0"]
    case = find_parents(
        "f0c0", ["f0", "f1"], calibration=evaluated.run, metrics="weight-cosine", confidence=SURE,
        catalog=evaluated.catalog, cache=evaluated.cache,
    )  # fmt: skip
    assert case._repr_html_().startswith("<div")


@pytest.mark.parametrize(
    ("pool", "said"),
    [("nothing*", "matches 'nothing*'"), (",", "give at least one model")],
)
def test_bad_pools(evaluated: Evaluated, pool: str, said: str) -> None:
    with pytest.raises(UsageError, match=said.replace("*", r"\*")):
        name_candidates(load_catalog(evaluated.catalog), pool)


def test_bad_use(evaluated: Evaluated, tmp_path: Any) -> None:
    catalog = load_catalog(evaluated.catalog)
    with pytest.raises(UsageError, match="no model in this folder"):
        name_candidates(catalog, str(tmp_path))
    with pytest.raises(UsageError, match="only f0 itself"):
        find_parents("f0", "f0", calibration=evaluated.run, catalog=catalog, cache=tmp_path)
    with pytest.raises(UsageError, match="--confidence"):
        find_parents("f0", "f1", calibration=evaluated.run, catalog=catalog, confidence=2)


def test_a_candidate_that_cannot_be_read_ends_nothing(evaluated: Evaluated, tmp_path: Path) -> None:
    """It is named, the others are judged all the same, and the command says that a unit failed."""
    pool = tmp_path / "pool"
    for name in ("f0", "f1", "f2"):
        shutil.copytree(evaluated.catalog.parent / name, pool / name)
    weights = pool / "f1" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    arguments = (
        "compare", "f0c0", "--against", pool, "--catalog", evaluated.catalog, "--calibration", evaluated.run,
        "--confidence", SURE, "--metrics", "weight-cosine", "--json",
    )  # fmt: skip
    said = command(*arguments, cache=evaluated.cache)
    assert said.code == 1, said.err
    (line,) = [line for line in said.err.splitlines() if line.startswith("failed: ")]
    assert str(weights) in line
    answer = json.loads(said.out)
    assert sorted(one["model"] for one in answer["candidates"]) == ["f0", "f2"]
    assert any(str(pool / "f1") in sentence for sentence in answer["cannot_say"])
    shutil.rmtree(pool / "f0")
    shutil.rmtree(pool / "f2")
    none = command(*arguments, cache=evaluated.cache)
    assert none.code == 2
    assert none.err.splitlines()[-1].startswith("error: ")
