"""What a process holds in memory while it makes and scores fingerprints."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmark.catalog import load_catalog
from benchmark.pipeline.checkpoints import locate
from benchmark.pipeline.chosen_metric import choose
from benchmark.pipeline.extract import extract
from benchmark.pipeline.workspace import Workspace
from benchmark.session.cache import Cache
from fpcore.forward import forward_pass, one_pass


def test_fingerprints_of_one_metric_are_held_at_a_time(tmp_path: Path) -> None:
    workspace, located = Workspace(Cache(tmp_path), "cpu"), locate(load_catalog(None), "zoo/qwen-a")
    metrics = one, other = choose("attention-std"), choose("norm-std")
    key = extract(workspace, located, metrics, {}).key
    held = workspace.fingerprint(one, located, key)
    assert workspace.fingerprint(one, located, key) is held
    workspace.fingerprint(other, located, key)
    again = workspace.fingerprint(one, located, key)
    assert again is not held
    np.testing.assert_equal(again.arrays, held.arrays)


def test_a_forward_pass_is_let_go_when_its_model_has_all_fingerprints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, located = Workspace(Cache(tmp_path), "cpu"), locate(load_catalog(None), "zoo/narrow-a")
    made, run = [], one_pass.run
    monkeypatch.setattr(one_pass, "run", lambda model: (made.append(model.name), run(model))[1])
    extract(workspace, located, [choose("next-token-agreement"), choose("seed-bias")], {})
    assert len(made) == 1  # which both metrics had
    forward_pass(workspace.open(located))
    assert len(made) == 2
