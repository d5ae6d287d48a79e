"""Catalog and checkpoints: a model whose two sides disagree fails, one that nobody can fetch stays out."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from small_catalog import CONFIG, EVIDENCE, as_yaml, write_catalog

import fpcore
from benchmark.catalog import Catalog, load_catalog, parse_catalog
from benchmark.pipeline.checkpoints import open_model
from benchmark.pipeline.chosen_metric import choose
from benchmark.pipeline.plan import make_plan
from benchmark.pipeline.run import run
from benchmark.session.errors import UsageError

SHAPE = {
    "model_type": "llama",
    "depth": CONFIG["num_hidden_layers"],
    "width": CONFIG["hidden_size"],
    "heads": CONFIG["num_attention_heads"],
    "kv_heads": CONFIG["num_key_value_heads"],
    "feed_forward": CONFIG["intermediate_size"],
    "qkv_bias": False,
    "norm": "rmsnorm",
}


def stating(folder: Path, **changes: object) -> Catalog:
    """Three lineages, of which the first founder's shape is stated; its child takes it over."""
    file = write_catalog(folder, founders=3, children=1)
    document = yaml.safe_load(file.read_text())
    document["models"][0]["architecture"] = {**SHAPE, **changes}
    file.write_text(as_yaml(document))
    return load_catalog(file)


def test_a_shape_that_the_checkpoint_has_is_believed(tmp_path: Path) -> None:
    catalog = stating(tmp_path)
    for name in ("f0", "f0c0"):
        assert open_model(catalog, name).architecture.cell == catalog.model(name).cell


@pytest.mark.parametrize("wrong", [{"depth": 6}, {"kv_heads": 1}, {"qkv_bias": True}, {"norm": "layernorm"}])
@pytest.mark.parametrize("name", ["f0", "f0c0"])
def test_a_shape_that_the_checkpoint_contradicts_is_refused(
    name: str, wrong: dict[str, object], tmp_path: Path
) -> None:
    catalog = stating(tmp_path, **wrong)
    with pytest.raises(fpcore.BadCheckpoint, match=rf"^{name}: the catalog states the shape ") as caught:
        open_model(catalog, name)
    message = str(caught.value)
    assert "\n" not in message
    assert "llama 5x16 h2/2 f24 rmsnorm" in message
    assert str(catalog.model(name).cell) in message
    open_model(catalog, "f1")  # the others are none the worse


def test_in_a_run_the_contradicted_model_fails_and_no_other(tmp_path: Path) -> None:
    catalog = stating(tmp_path / "models", depth=6)
    finished = run(
        catalog=catalog, metrics="weight-cosine", out=tmp_path / "run", cache=tmp_path / "cache", workers=1
    )
    scores = finished.scores
    contradicted = scores["model_a"].isin(["f0", "f0c0"]) | scores["model_b"].isin(["f0", "f0c0"])
    assert set(scores[contradicted]["status"]) == {"failed"}
    assert set(scores[~contradicted]["status"]) == {"ok"}
    assert scores[contradicted]["reason"].str.contains("the catalog states the shape").all()


WITHDRAWN = {"source": {"unavailable": "withdrawn by its maker"}, "from_scratch": EVIDENCE}
NEVER_RELEASED = {"source": {"hub": "org/never", "unavailable": "never released"}, "from_scratch": EVIDENCE}


def hub_catalog(*more: dict[str, object]) -> Catalog:
    """Two models on the hub, and others."""
    listed = [
        {
            "id": f"org/{name}",
            "source": {"hub": f"org/{name}"},
            "from_scratch": EVIDENCE,
            "architecture": SHAPE,
        }
        for name in ("one", "two")
    ]
    others = [{"id": f"gone-{place}", **model} for place, model in enumerate(more)]
    return parse_catalog(as_yaml({"schema": 1, "models": [*others, *listed]}))


@pytest.mark.parametrize("tier", ["hub", "all"])
def test_models_that_nobody_can_fetch_are_not_planned(tier: str) -> None:
    decided = make_plan(hub_catalog(WITHDRAWN, NEVER_RELEASED), [choose("norm-std")], tier=tier)
    assert decided.models == ("org/one", "org/two")
    assert decided.pairs[["model_a", "model_b"]].to_numpy().tolist() == [["org/one", "org/two"]]
    # The limit counts what is planned.
    again = make_plan(hub_catalog(WITHDRAWN), [choose("norm-std")], tier=tier, limit=2)
    assert again.models == decided.models


def test_a_forgery_that_nobody_can_fetch_is_not_planned() -> None:
    forged: dict[str, object] = {
        "parents": [{"of": "org/one", "method": "launder", "evidence": EVIDENCE}],
        "forgery": {"kind": "frame", "aimed_at": "norm-std", "target": "org/two"},
    }
    for source, planned in (({"unavailable": "withdrawn"}, ()), ({"hub": "org/forged"}, ("gone-0",))):
        catalog = hub_catalog({**forged, "source": source})
        assert make_plan(catalog, [choose("norm-std")], tier="hub").forged_models == planned


def test_where_only_withdrawn_models_fit_there_is_nothing_to_plan() -> None:
    with pytest.raises(UsageError, match="0 models match"):
        make_plan(hub_catalog(WITHDRAWN, NEVER_RELEASED), [choose("norm-std")], tier="all", models="gone-*")
