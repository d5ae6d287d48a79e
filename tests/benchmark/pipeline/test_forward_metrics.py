"""Metrics that run models, on trained zoo models: exact transforms, workers, devices, a provenance test."""

from __future__ import annotations

import itertools
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import command
from small_catalog import write_catalog
from transformers import AutoConfig, AutoModelForCausalLM
from zoo_models import shipped

import fpcore
from benchmark.results.files import RunDirectory
from benchmark.zoo.cells import CELLS
from benchmark.zoo.transformed import transform
from fpcore.metrics.outputs import provenance_test

pytestmark = pytest.mark.thorough

METRICS = {
    metric.name: metric
    for metric in fpcore.metrics()
    if metric.evidence & {"activations", "gradients", "outputs"}
}
# Transform of the zoo → what metrics call it.
SAME = {
    "unit-permutation": "unit permutation",
    "head-permutation": "head permutation",
    "embedding-permutation": "embedding permutation",
    "norm-folding": "norm-gain folding",
    "residual-rotation": "residual rotation",
}
MODELS = ("qwen-a", "llama-b")


@cache
def model(name: str, how: str) -> fpcore.Checkpoint:
    return transform(how, shipped(name)) if how else shipped(name)


@pytest.fixture(scope="module")
def fingerprints() -> dict[tuple[str, str, str], fpcore.Fingerprint]:
    """Model by model, as a run takes them: each is read once."""
    wanted = [(name, how) for name in MODELS for how in ("", *SAME, "everything")]
    return {
        (metric, name, how): METRICS[metric].fingerprint(model(name, how))
        for name, how in wanted
        for metric in METRICS
    }


@pytest.mark.parametrize(
    ("name", "how"),
    [(name, how) for name in METRICS for how in SAME if SAME[how] in METRICS[name].invariances],
)
def test_exact_transforms_of_trained_models(
    name: str, how: str, fingerprints: dict[tuple[str, str, str], fpcore.Fingerprint]
) -> None:
    """A laundered model scores against both originals as the original does."""
    metric = METRICS[name]
    for original in MODELS:
        for other in MODELS:
            try:
                before = metric.similarity(fingerprints[name, original, ""], fingerprints[name, other, ""])
            except fpcore.NotComparable:
                continue
            after = metric.similarity(fingerprints[name, original, how], fingerprints[name, other, ""])
            assert after == pytest.approx(before, rel=2e-3, abs=2e-3)


def test_nothing_hides_a_copy_from_its_activations(
    fingerprints: dict[tuple[str, str, str], fpcore.Fingerprint],
) -> None:
    """The whole chain of transforms leaves related units related, and unrelated ones unrelated.

    Half of the units are lost: the chain changes the sign of what their linear half computes.
    """
    metric = METRICS["activation-matching"]
    for name in MODELS:
        laundered = fingerprints["activation-matching", name, "everything"]
        assert 20 < metric.similarity(fingerprints["activation-matching", name, ""], laundered) < 200
        permuted = fingerprints["activation-matching", name, "unit-permutation"]
        assert metric.similarity(fingerprints["activation-matching", name, ""], permuted) > 900
    a, b = (fingerprints["activation-matching", name, ""] for name in MODELS)
    assert metric.similarity(a, b) < 5


def test_the_parent_is_nearer_than_other_candidates() -> None:
    metric = METRICS["next-token-agreement"]
    child, parent, *others = (
        metric.fingerprint(shipped(name))
        for name in ("qwen-a-ft-short-instruct", "qwen-a-ft-short", "qwen-b", "qwen-d")
    )
    found = provenance_test(child, parent, others)
    assert found.agreement > max(found.others)
    assert found.p_value < 0.05
    assert provenance_test(child, others[0], [parent, others[1]]).p_value > 0.5


def untrained(seed: int, noise: float = 0.0) -> fpcore.MemoryCheckpoint:
    """A zoo shape before training, its weights disturbed by a share of their deviation."""
    cell = CELLS["llama-small"]
    torch.manual_seed(seed)
    config = AutoConfig.for_model(cell.model_type, **cell.config())
    tensors = AutoModelForCausalLM.from_config(config).state_dict()
    tensors = {
        name: tensor + noise * tensor.std() * torch.randn_like(tensor) if tensor.ndim == 2 else tensor
        for name, tensor in tensors.items()
    }
    label = f"untrained {seed} {noise}"
    return fpcore.MemoryCheckpoint(
        label, label, config.to_dict(), tensors, shipped("llama-a").tokenizer_file()
    )


@pytest.mark.slow
def test_seed_bias_holds_its_level_before_training_and_not_after() -> None:
    """What its authors claim is so at initialisation; what strangers learn alike then breaks it."""
    metric = METRICS["seed-bias"]
    fresh = [metric.fingerprint(untrained(seed)) for seed in range(6)]
    strangers = [metric.similarity(a, b) for a, b in itertools.combinations(fresh, 2)]
    assert np.mean(np.array(strangers) > 2) <= 0.1
    assert metric.similarity(fresh[0], metric.fingerprint(untrained(0, noise=0.5))) > 20
    a, b = (metric.fingerprint(shipped(name)) for name in ("qwen-a", "qwen-b"))
    assert metric.similarity(a, b) > 20


@pytest.mark.slow
def test_the_number_of_workers_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Same scores to the byte from one process and from two, without a shared cache."""
    from benchmark.pipeline import engine

    monkeypatch.setattr(engine, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(engine, "START_SECONDS", 0.0)
    content = []
    for count in (1, 2):
        out = tmp_path / f"run{count}"
        said = command(
            "run",
            "--models",
            "zoo/qwen-[ab]*",
            "--limit",
            4,
            "--metrics",
            "representation-cka,activation-matching,output-divergence,seed-bias",
            "--out",
            out,
            "--workers",
            count,
            "--quiet",
            cache=tmp_path / f"cache{count}",
        )
        assert said.code == 0, said.err
        content.append((out / "scores.parquet").read_bytes())
        assert RunDirectory(out).read_record().device == "cpu"
    assert content[0] == content[1]


def test_a_device_that_is_not_there_is_one_line_and_exit_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    catalog = write_catalog(tmp_path, founders=2)
    for verb in (["run", "--catalog", catalog, "--dry-run"], ["compare", "zoo/qwen-a", "zoo/qwen-b"]):
        said = command(*verb, "--device", "cuda", cache=tmp_path)
        assert said.code == 2
        assert said.err.splitlines() == [
            "error: --device cuda: PyTorch finds no CUDA device here; leave it out to run on the CPU"
        ]
