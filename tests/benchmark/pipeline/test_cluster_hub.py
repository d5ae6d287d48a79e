"""Models on the hub, on a cluster whose workers share no disk: the same files as from one process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest
import yaml
from dask_cluster import Worker, dask_cluster
from large_repository import large_repository
from loopback_hub import LoopbackHub, loopback_hub
from small_catalog import as_yaml, write_catalog

from benchmark.pipeline.run import run
from benchmark.results.run import Run

pytestmark = pytest.mark.slow

SAME = ("results.json", "scores.parquet")


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[LoopbackHub]:
    with loopback_hub(tmp_path / "hub-cache") as served:
        yield served


@pytest.fixture
def catalog(hub: LoopbackHub, tmp_path: Path) -> Path:
    """Four founders and a child of each, as repositories."""
    path = write_catalog(tmp_path / "models", founders=4, children=1)
    document = yaml.safe_load(path.read_text())
    for model in document["models"]:
        hub.add_folder(f"org/{model['id']}", path.parent / model["source"]["path"])
        model["source"] = {"hub": f"org/{model['id']}"}
    path = tmp_path / "catalog.yaml"
    path.write_text(as_yaml(document))
    return path


@contextmanager
def two_workers(tmp_path: Path) -> Iterator[tuple[str, list[Worker]]]:
    (tmp_path / "cluster").mkdir()
    with dask_cluster(tmp_path / "cluster", forbidden=tmp_path / "far", deaths=[None, None]) as found:
        yield found


def made(catalog: Path, folder: Path, metrics: str, **options: object) -> Run:
    return run(
        catalog=catalog,
        tier="hub",
        metrics=metrics,
        out=folder / "out",
        cache=folder / "cache",
        **options,  # type: ignore[arg-type]
    )


def test_workers_fetch_for_themselves(hub: LoopbackHub, catalog: Path, tmp_path: Path) -> None:
    metrics = "attention-std,norm-std,weight-cosine"
    near = made(catalog, tmp_path / "near", metrics, workers=1)
    hub.forget()
    with two_workers(tmp_path) as (address, workers):
        far = made(catalog, tmp_path / "far", metrics, dask=address)
        assert all(worker.units for worker in workers)
        assert [worker.opened for worker in workers] == [[], []]
    for name in SAME:
        assert (far.path / name).read_bytes() == (near.path / name).read_bytes(), name
    # What came to workers is counted here, model by model.
    assert far.record.traffic is not None
    assert near.record.traffic is not None
    assert far.record.traffic.models.keys() == near.record.traffic.models.keys()
    stored = sum(one.sent for one in hub.seen if one.server == "store")
    assert stored < far.record.traffic.bytes < 1.1 * stored, "with what the hub itself said"


def test_samples(hub: LoopbackHub, tmp_path: Path) -> None:
    shape = {"layers": 4, "width": 1024, "heads": 8, "kv_heads": 8, "vocabulary": 4096}
    evidence = {"grade": "publisher", "source": "https://example.org/a", "says": "made by the test"}
    models = []
    for name, inner in (("a", 2048), ("b", 2304), ("c", 2560)):
        hub.repository(f"org/{name}").add(large_repository(**shape, feed_forward=inner, shards=2))
        models.append({"id": name, "source": {"hub": f"org/{name}"}, "from_scratch": evidence})
    path = tmp_path / "catalog.yaml"
    path.write_text(as_yaml({"schema": 1, "models": models}))
    near = made(path, tmp_path / "near", "layer-energy", sample=True, workers=1)
    with two_workers(tmp_path) as (address, workers):
        far = made(path, tmp_path / "far", "layer-energy", sample=True, dask=address)
        assert sum(worker.units for worker in workers) >= len(models)
    for name in SAME:
        assert (far.path / name).read_bytes() == (near.path / name).read_bytes(), name
    scores = pd.read_parquet(far.path / "scores.parquet")
    assert (scores["standard_error"] > 0.0).all()


def test_what_is_kept_stays_with_whom_fetched_it(hub: LoopbackHub, catalog: Path, tmp_path: Path) -> None:
    metrics = "layer-energy,embedding-norms"
    with two_workers(tmp_path) as (address, workers):
        far = made(catalog, tmp_path / "far", metrics, dask=address, keep=True)
        assert all(worker.units for worker in workers)
    assert far.record.status == "complete"
    kept = {
        place: sorted(
            path.parents[2].name
            for path in (tmp_path / "cluster" / f"worker-{place}" / "hub-cache").rglob(
                "snapshots/*/config.json"
            )
        )
        for place in range(2)
    }
    assert sorted({*kept[0], *kept[1]}) == [
        f"models--org--f{n}{child}" for n in range(4) for child in ("", "c0")
    ]
