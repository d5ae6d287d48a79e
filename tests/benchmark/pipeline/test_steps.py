"""A bar moves within a unit of work, forward only, and says what is being done."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmark.catalog import load_catalog
from benchmark.pipeline.checkpoints import locate
from benchmark.pipeline.chosen_metric import choose
from benchmark.pipeline.extract import extract
from benchmark.pipeline.steps import watched
from benchmark.pipeline.workspace import Workspace
from benchmark.session.cache import Cache
from fpcore.features import layer_weights


def test_layers_of_a_large_model_move_the_bar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layer_weights, "KEPT", 0)
    workspace = Workspace(Cache(tmp_path), "cpu")
    told: list[tuple[float, int, str]] = []
    with watched(workspace, lambda *said: told.append(said), 3) as advance:
        extract(workspace, locate(load_catalog(None), "zoo/qwen-a"), [choose("attention-spectra")], {})
        advance(1, 3, "zoo/qwen-a")
    assert [text for _, _, text in told[:2]] == ["layers decomposed: 1 of 6", "layers decomposed: 2 of 6"]
    places = [done for done, _, _ in told]
    assert places == sorted(places)
    assert 0.0 < places[0] < places[-2] < 1.0 == places[-1]
    assert {total for _, total, _ in told} == {3}
    assert workspace.told is None
