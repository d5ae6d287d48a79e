"""`run --tier hub` on the loopback hub: what it costs is said first, each byte comes once, and is counted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import yaml
from command_line import command
from large_repository import large_repository
from loopback_hub import Content, Fault, LoopbackHub, loopback_hub
from small_catalog import as_yaml, write_catalog

from benchmark.pipeline.plan import plan
from benchmark.pipeline.run import run
from benchmark.results.run import read_run
from benchmark.session.errors import UsageError
from fpcore.remote import patience

WEIGHTS_OF_ALL = "norm-std,attention-std,ffn-std,layer-energy"


@pytest.fixture(scope="module")
def on_disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_catalog(tmp_path_factory.mktemp("models"), founders=4, children=1)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackHub]:
    monkeypatch.setattr(patience, "pause", lambda seconds: None)
    monkeypatch.setattr("fpcore.checkpoints.remote_files.FIRST", 1 << 14)
    with loopback_hub(tmp_path / "hub-cache") as served:
        yield served


@pytest.fixture
def catalog(hub: LoopbackHub, on_disk: Path, tmp_path: Path) -> Path:
    """The models of the small catalog, as repositories; one is a branch of its parent's."""
    document = yaml.safe_load(on_disk.read_text())
    for model in document["models"]:
        folder = on_disk.parent / model["source"]["path"]
        if model["id"] == "f3c0":
            hub.add_folder("org/f3", folder, "step-1000")
            model["source"] = {"hub": "org/f3", "revision": "step-1000"}
        else:
            hub.add_folder(f"org/{model['id']}", folder)
            model["source"] = {"hub": f"org/{model['id']}"}
    path = tmp_path / "catalog.yaml"
    path.write_text(as_yaml(document))
    return path


def local_scores(on_disk: Path, tmp_path: Path, metrics: str) -> pd.DataFrame:
    return run(catalog=on_disk, metrics=metrics, out=tmp_path / "local", cache=tmp_path / "other").scores


def test_the_scores_are_those_of_the_files_and_each_byte_comes_once(
    hub: LoopbackHub, catalog: Path, on_disk: Path, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    found = run(catalog=catalog, tier="hub", metrics=WEIGHTS_OF_ALL, out=tmp_path / "run", cache=cache)
    assert found.record.status == "complete"
    columns = ["metric", "model_a", "model_b", "score", "relation", "lineage_a", "architecture_a"]
    expected = local_scores(on_disk, tmp_path, WEIGHTS_OF_ALL)
    pd.testing.assert_frame_equal(found.scores[columns], expected[columns])
    weights = {path: path.stat().st_size for path in on_disk.parent.glob("*/model.safetensors")}
    sent = sum(one.sent for one in hub.seen if one.server == "store")
    assert 0.8 * sum(weights.values()) < sent <= sum(weights.values())
    traffic = found.record.traffic
    assert traffic is not None
    assert traffic.bytes == hub.sent
    assert traffic.requests >= len(hub.seen)
    assert set(traffic.models) == {f"org/f{n}" for n in range(4)} | {
        *(f"org/f{n}c0" for n in range(3)),
        "org/f3@step-1000",
    }
    assert not list((cache / "pieces").iterdir()), "only fingerprints stay"
    assert read_run(tmp_path / "run").record.traffic == traffic
    hub.forget()
    again = run(catalog=catalog, tier="hub", metrics=WEIGHTS_OF_ALL, out=tmp_path / "run", cache=cache)
    assert again.record.traffic is not None
    assert again.scores.equals(found.scores)


def test_metrics_that_compare_whole_weights_fetch_them_once(
    hub: LoopbackHub, catalog: Path, on_disk: Path, tmp_path: Path
) -> None:
    metrics = "weight-cosine,weight-distance,norm-cosine"
    cache = tmp_path / "cache"
    found = run(catalog=catalog, tier="hub", metrics=metrics, out=tmp_path / "run", cache=cache, keep=True)
    assert found.record.status == "complete"
    expected = local_scores(on_disk, tmp_path, metrics)
    pd.testing.assert_series_equal(found.scores["score"], expected["score"])
    whole = sum(path.stat().st_size for path in on_disk.parent.glob("*/model.safetensors"))
    assert sum(one.sent for one in hub.seen if one.server == "store") <= whole
    assert found.record.traffic is not None
    assert found.record.traffic.bytes == hub.sent


def test_gains_cost_their_own_bytes(hub: LoopbackHub, catalog: Path, tmp_path: Path) -> None:
    made = plan(
        catalog=catalog, tier="hub", metrics="norm-cosine,norm-std,attention-std", cache=tmp_path / "c"
    )
    assert made.transfer is not None
    facts = made.to_json()["transfer"]
    assert facts is not None
    alone = facts["by_metric"]
    # 8 models of 5 layers of 2 gains of 16 numbers of 4 bytes.
    assert alone["norm-std"] == 8 * 5 * 16 * 4
    assert alone["norm-cosine"] == 2 * alone["norm-std"] < alone["attention-std"] / 10
    assert facts["bytes"] == alone["norm-cosine"] + alone["attention-std"], "what two metrics read comes once"


def test_a_dry_run_says_what_it_would_cost_and_stops(hub: LoopbackHub, catalog: Path, tmp_path: Path) -> None:
    hub.gated.add("org/f2c0")
    arguments = ("run", "--catalog", catalog, "--tier", "hub", "--metrics", "attention-std", "--dry-run")
    said = command(*arguments, cache=tmp_path / "cache")
    assert said.code == 0, said.err
    assert "to download: " in said.out
    assert "from 7 models (budget 10 GB, 8 considered)" in said.out
    assert "attention-std: " in said.out
    assert "against look-alikes" in said.out
    assert "1 models cannot be opened now" in said.out
    assert "org/f2c0: gated on the hub" in said.out
    assert not list((tmp_path / "cache").glob("fingerprints/*"))
    hub.forget()
    again = command(*arguments, "--json", cache=tmp_path / "cache")
    facts = json.loads(again.out)["transfer"]
    assert facts["bytes"] == sum(facts["by_model"].values())
    assert len(facts["by_model"]) == 7
    assert list(facts["failed"]) == ["f2c0"]
    assert len([one for one in hub.seen if one.server == "store"]) <= 1, "headers are there already"


def test_a_budget_chooses_and_is_kept_to(hub: LoopbackHub, catalog: Path, tmp_path: Path) -> None:
    def chosen(budget: str, seed: int = 0) -> tuple[str, ...]:
        made = plan(
            catalog=catalog,
            tier="hub",
            metrics="attention-std",
            budget=budget,
            seed=seed,
            cache=tmp_path / f"cache-{budget}-{seed}",
        )
        assert made.transfer is not None
        assert made.transfer.bytes <= made.transfer.budget
        return made.models

    whole = chosen("10GB")
    assert len(whole) == 8
    some = chosen("80KB")
    assert 2 <= len(some) < 8
    assert some == chosen("80KB")
    assert len({name[:2] for name in some}) == len(some) - 1, "a derived pair, and else strangers to it"
    with pytest.raises(UsageError, match=r"--budget: 100 B is enough for 0 of 8 models; at least two"):
        chosen("100")
    said = command("run", "--catalog", catalog, "--tier", "hub", "--budget", "much", cache=tmp_path / "c")
    assert said.code == 2
    assert "--budget: 'much' is not a size" in said.err


def test_models_that_fail_are_named_and_tried_again(
    hub: LoopbackHub, catalog: Path, on_disk: Path, tmp_path: Path
) -> None:
    hub.gated.add("org/f1")
    hub.withdrawn.add("org/f2c0")
    del hub.repositories["org/f0c0"]
    arguments = (
        "run",
        "--catalog",
        catalog,
        "--tier",
        "hub",
        "--metrics",
        "norm-std",
        "--out",
        tmp_path / "run",
    )
    said = command(*arguments, cache=tmp_path / "cache")
    assert said.code == 1
    record = read_run(tmp_path / "run").record
    assert record.status == "partial"
    assert {failure.model for failure in record.failures} == {"f1", "f2c0", "f0c0"}
    assert "gated on the hub" in said.err
    assert "3 units of work failed; the rest is complete" in said.err
    hub.gated.clear()
    hub.withdrawn.clear()
    hub.add_folder("org/f0c0", on_disk.parent / "f0c0")
    said = command(*arguments, cache=tmp_path / "cache")
    assert said.code == 0, said.err
    assert "Fetched: " in said.out
    assert read_run(tmp_path / "run").record.status == "complete"


def test_a_run_that_broke_off_fetches_only_the_rest(
    hub: LoopbackHub, catalog: Path, on_disk: Path, tmp_path: Path
) -> None:
    options = {"catalog": catalog, "tier": "hub", "metrics": "attention-std", "cache": tmp_path / "cache"}
    plan(**options)  # type: ignore[arg-type]
    hub.faults = [Fault(500, times=10**6, server="store")]
    first = run(**options, out=tmp_path / "run")  # type: ignore[arg-type]
    assert first.record.status == "partial"
    hub.faults = []
    second = run(**options, out=tmp_path / "run")  # type: ignore[arg-type]
    assert second.record.status == "complete"
    weights = sum(path.stat().st_size for path in on_disk.parent.glob("*/model.safetensors"))
    # The plan timed the network on all of one model, which was done then: its header came again.
    assert sum(one.sent for one in hub.seen if one.server == "store") <= weights + (1 << 14)


def test_what_is_kept_is_read_by_the_hubs_own_client(
    hub: LoopbackHub, catalog: Path, on_disk: Path, tmp_path: Path
) -> None:
    from huggingface_hub import try_to_load_from_cache

    run(
        catalog=catalog,
        tier="hub",
        metrics="layer-energy,embedding-norms,weight-cosine",
        out=tmp_path / "run",
        cache=tmp_path / "cache",
        keep=True,
    )
    kept = try_to_load_from_cache("org/f0", "config.json")
    assert isinstance(kept, str)
    assert Path(kept).read_bytes() == (on_disk.parent / "f0" / "config.json").read_bytes()


def test_a_hub_that_nobody_reaches_is_one_line(
    hub: LoopbackHub, catalog: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.faults = [Fault("close", times=10**6, server="hub")]
    said = command("run", "--catalog", catalog, "--tier", "hub", "--dry-run", cache=tmp_path / "cache")
    assert said.code == 2
    assert "the hub cannot be reached" in said.err
    assert "or use --tier zoo" in said.err
    assert "Traceback" not in said.err
    assert len({one.path for one in hub.seen}) <= 4, "the others are not waited for"


@pytest.mark.slow
def test_of_sampled_models_slices_are_planned_and_fetched(hub: LoopbackHub, tmp_path: Path) -> None:
    shape = {"layers": 4, "width": 1024, "heads": 8, "kv_heads": 8, "feed_forward": 2048, "vocabulary": 4096}
    files = large_repository(**shape, shards=2)
    evidence = {"grade": "publisher", "source": "https://example.org/a", "says": "made by the test"}
    models = []
    for name in ("a", "b", "c"):
        hub.repository(f"org/{name}").add(files)
        models.append({"id": name, "source": {"hub": f"org/{name}"}, "from_scratch": evidence})
    path = tmp_path / "catalog.yaml"
    path.write_text(as_yaml({"schema": 1, "models": models}))
    made = {
        sample: plan(
            catalog=path, tier="hub", metrics="layer-energy", sample=sample, cache=tmp_path / f"cache{sample}"
        ).transfer
        for sample in (False, True)
    }
    assert made[True] is not None
    assert made[False] is not None
    assert made[True].bytes < 0.7 * made[False].bytes
    whole = sum(one.size for one in files.values() if isinstance(one, Content))
    hub.forget()
    found = run(
        catalog=path,
        tier="hub",
        metrics="layer-energy",
        sample=True,
        out=tmp_path / "run",
        cache=tmp_path / "new",
    )
    assert found.record.status == "complete"
    assert found.record.arguments["sample"] is True
    assert sum(one.sent for one in hub.seen if one.server == "store") < 0.9 * 3 * whole
    assert set(found.scores["status"]) == {"ok"}, found.scores["reason"].tolist()
