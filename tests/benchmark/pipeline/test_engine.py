"""Units of work: the same answers in the same order from one process and from several."""

from __future__ import annotations

import os
import pickle
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from benchmark.catalog import load_catalog
from benchmark.pipeline import engine as engine_module
from benchmark.pipeline.checkpoints import locate
from benchmark.pipeline.chosen_metric import choose
from benchmark.pipeline.engine import Engine
from benchmark.pipeline.run import _nothing_done
from benchmark.session.session import Session


class Shared:
    """What units share: how many of them it has served."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.served = 0


def serve(shared: Shared, unit: int) -> tuple[int, int, int, str]:
    shared.served += 1
    return unit, shared.served, os.getpid(), shared.name


def run(
    engine: Engine[Shared], count: int
) -> tuple[dict[int, tuple[int, int, int, str]], list[tuple[int, int, str]]]:
    told: list[tuple[int, int, str]] = []

    def advance(done: int, total: int, text: str) -> None:
        told.append((done, total, text))

    return dict(engine.run(serve, range(count), advance=advance, name=lambda unit: f"unit {unit}")), told


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start other processes at once."""
    monkeypatch.setattr(engine_module, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(engine_module, "START_SECONDS", 0.0)


def test_in_this_process_all_units_share_one_state() -> None:
    engine = Engine(partial(Shared, "one"), workers=1)
    found, told = run(engine, 5)
    assert [found[place][:2] for place in range(5)] == [(unit, unit + 1) for unit in range(5)]
    assert told[-1] == (5, 5, "unit 4")
    # The next phase of the same run finds it as it was.
    found, _ = run(engine, 2)
    assert [found[place][1] for place in range(2)] == [6, 7]


def test_other_processes_give_the_same_and_share_within_themselves(eager: None) -> None:
    engine = Engine(partial(Shared, "first"), workers=2)
    found, told = run(engine, 40)
    assert [found[place][0] for place in range(40)] == list(range(40))
    assert [done for done, _, _ in told] == list(range(1, 41))
    processes = {one[2] for one in found.values()} - {os.getpid()}
    assert processes
    for process in processes:
        served = [one[1] for one in found.values() if one[2] == process]
        assert sorted(served) == list(range(1, len(served) + 1))
    # Another engine's units do not see it, though joblib keeps the processes.
    other, _ = run(Engine(partial(Shared, "second"), workers=2), 40)
    assert {one[3] for one in other.values()} == {"second"}
    assert min(one[1] for one in other.values() if one[2] != os.getpid()) == 1


def test_where_other_processes_are_there_already_this_one_leaves_them_all_the_work() -> None:
    found, _ = run(Engine(partial(Shared, "third"), workers=2, started=True), 4)
    assert [found[place][0] for place in range(4)] == list(range(4))
    assert os.getpid() not in {one[2] for one in found.values()}


def test_processes_are_started_early_for_many_models_of_which_nothing_is_known(tmp_path: Path) -> None:
    catalog, metrics = load_catalog(), [choose("config-match"), choose("norm-std")]
    session = Session.start(cache=tmp_path, workers=2)
    assert _nothing_done(session, catalog, metrics, "zoo")
    assert not _nothing_done(session, catalog, metrics, "hub")
    assert not _nothing_done(replace(session, workers=1), catalog, metrics, "zoo")
    assert not _nothing_done(replace(session, dask="tcp://one:1"), catalog, metrics, "zoo")
    (session.cache.fingerprints / metrics[1].key(session.device)).mkdir(parents=True)
    assert not _nothing_done(session, catalog, metrics, "zoo")
    assert _nothing_done(session, catalog, metrics[:1], "zoo")


def test_a_unit_travels_light() -> None:
    """A model is sent to another process with the recipes that it takes, not with the catalog."""
    catalog = load_catalog()
    assert catalog.graph.relations is not None
    sizes = [len(pickle.dumps(locate(catalog, model))) for model in catalog.models]
    assert max(sizes) < 4_000
    assert len(pickle.dumps(catalog)) > 100_000
