"""Other people's tools as metrics: run as they would run themselves, and missed with one clear line."""

from __future__ import annotations

import importlib.util
import json
import math
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import command
from small_catalog import CONFIG, child_of, tensors, write_catalog, write_checkpoint

import fpcore
from benchmark.pipeline.user_metrics import UserMetric
from studies.peers.awm import DEVIATION, MEAN, AwmZ
from studies.peers.installed import version_number
from studies.peers.on_disk import as_array, directory_of, from_array

PEERS = Path(__file__).parents[2] / "studies" / "peers"
MODELDNA = f"{PEERS / 'modeldna.py'}:ModelDNA"
KIT = PEERS / "provenance_kit.py"
INSTALLED = importlib.util.find_spec("modeldna") is not None
KIT_INSTALLED = importlib.util.find_spec("provenancekit") is not None

# The part of modelDNA's interface that the adapter uses. It reads the directory it is given, keeps the spread
# of the first query projection, and says how alike two spreads are.
STUB = {
    "__init__.py": "",
    "arch/__init__.py": "",
    "io/__init__.py": "",
    "fingerprint/__init__.py": "",
    "io/source.py": """
        from pathlib import Path
        class SourceError(RuntimeError): pass
        class LocalSource:
            def __init__(self, path):
                self.root = Path(path)
    """,
    "io/weights.py": "class WeightIndexError(RuntimeError): pass",
    "io/safetensors.py": "class SafetensorsError(ValueError): pass",
    "arch/signature.py": """
        from dataclasses import asdict, dataclass
        @dataclass
        class ArchSignature:
            hidden_size: int
            def to_dict(self): return asdict(self)
            @classmethod
            def from_dict(cls, values): return cls(**values)
    """,
    "fingerprint/extract.py": """
        import json
        from dataclasses import dataclass, field
        from safetensors.numpy import load_file
        from modeldna.arch.signature import ArchSignature
        from modeldna.io.weights import WeightIndexError
        @dataclass
        class Fingerprint:
            model_id: str
            arch: ArchSignature
            sigma_curves: dict = field(default_factory=dict)
            vector_norms: dict = field(default_factory=dict)
            vector_samples: dict = field(default_factory=dict)
            pcs_samples: dict = field(default_factory=dict)
            spectra_sketch: dict = field(default_factory=dict)
            spectra_exact: dict = field(default_factory=dict)
        def extract_fingerprint(source, model_id):
            config = json.loads((source.root / "config.json").read_text())
            if config.get("unreadable"):
                raise WeightIndexError("no weights found")
            weights = load_file(source.root / "model.safetensors")
            query = weights["model.layers.0.self_attn.q_proj.weight"]
            found = Fingerprint(model_id, ArchSignature(config["hidden_size"]))
            found.sigma_curves["attn.q"] = [float(query.std())]
            found.vector_norms["norm.in"] = [1.0]
            found.pcs_samples["attn.q"] = [float(x) for x in query.ravel()[:8]]
            found.spectra_sketch["attn.q"] = {"0": [3.0, 2.0], "4": [1.0]}
            return found
    """,
    "compare.py": """
        def compare_fingerprints(suspect, candidate):
            assert list(suspect.spectra_sketch["attn.q"]) == ["0", "4"]
            assert len(suspect.pcs_samples["attn.q"]) == 8 and not suspect.spectra_exact
            return suspect, candidate
    """,
    "verdict.py": """
        from types import SimpleNamespace
        def judge(evidences):
            (((a, b), family),) = evidences
            assert b.model_id == family
            if a.arch != b.arch:
                outcome = SimpleNamespace(probability=None, ruled_out="incompatible tensor shapes")
            else:
                apart = abs(a.sigma_curves["attn.q"][0] - b.sigma_curves["attn.q"][0])
                outcome = SimpleNamespace(probability=1 / (1 + 50 * apart), ruled_out=None)
            return SimpleNamespace(candidates=[outcome])
    """,
}


def forget(*names: str) -> None:
    """Drop what was imported of a tool and of its adapter, so that the next test finds its own."""
    for module in list(sys.modules):
        if module.split(".")[0] in names or module.startswith("lookalike_user_"):
            del sys.modules[module]


@pytest.fixture
def fresh() -> Iterator[None]:
    forget("modeldna", "provenancekit")
    yield
    forget("modeldna", "provenancekit")


@pytest.fixture
def stub(fresh: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in STUB.items():
        file = tmp_path / "stub" / "modeldna" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text), encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path / "stub")


def checkpoint(name: str, seed: int, **config: object) -> fpcore.MemoryCheckpoint:
    return fpcore.MemoryCheckpoint(name, f"{name}{seed}", {**CONFIG, **config}, tensors(seed))


@pytest.mark.slow
def test_modeldna_is_evaluated_like_any_metric(stub: None, tmp_path: Path) -> None:
    catalog = write_catalog(tmp_path / "models", founders=4, children=1)
    run = tmp_path / "run"
    said = command(
        *("evaluate", MODELDNA, "--catalog", catalog, "--against", "config-match", "--out", run),
        *("--workers", 1, "--json", "--quiet"),
        cache=tmp_path / "cache",
    )
    assert said.code == 0, said.err
    result = json.loads(said.out)["metric"]
    assert result["claim"]["threshold"] == 0.9
    assert result["look_alike_auc"]["estimate"] > 0.9
    scores = pd.read_parquet(run / "scores.parquet").query("metric == 'modeldna-probability'")
    assert (scores["status"] == "ok").all()
    assert scores.query("relation == 'derived'")["score"].min() > 0.9


def test_what_modeldna_rules_out_or_cannot_read_abstains(stub: None, tmp_path: Path) -> None:
    metric = UserMetric.named(MODELDNA).load()
    a, wide = (metric.fingerprint(checkpoint("a", 1, hidden_size=width)) for width in (16, 32))
    a.save(tmp_path / "a.safetensors")
    again = fpcore.Fingerprint.load(tmp_path / "a.safetensors")
    assert metric.similarity(a, again) == 1.0
    with pytest.raises(fpcore.NotComparable, match="incompatible tensor shapes"):
        metric.similarity(a, wide)
    with pytest.raises(fpcore.NotComparable, match="no weights found"):
        metric.fingerprint(checkpoint("b", 2, unreadable=True))


@pytest.mark.parametrize(
    ("spec", "package"), [(MODELDNA, "modeldna"), (f"{KIT}:ProvenanceKit", "provenancekit")]
)
def test_a_tool_that_is_not_installed_is_one_clear_line(
    spec: str, package: str, fresh: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    said = command("evaluate", spec, cache=tmp_path)
    assert said.code == 2
    assert said.err.count("\n") == 1
    assert package in said.err
    assert "pip install" in said.err


@pytest.mark.skipif(not INSTALLED, reason="modeldna is not installed: pip install 'lookalike[peers]'")
def test_the_real_modeldna_agrees_with_its_own_comparison(fresh: None, tmp_path: Path) -> None:
    from modeldna.scan import compare_pair

    weights = tensors(0)
    models = {"founder": weights, "child": child_of(weights, 1, noise=0.2), "stranger": tensors(1)}
    for name, content in models.items():
        write_checkpoint(tmp_path / name, content)
    metric = UserMetric.named(MODELDNA).load()
    kept = {name: metric.fingerprint(fpcore.open_checkpoint(tmp_path / name)) for name in models}
    for name in ("child", "stranger"):
        kept[name].save(tmp_path / "kept.safetensors")
        *_, verdict = compare_pair(str(tmp_path / "founder"), str(tmp_path / name))
        loaded = fpcore.Fingerprint.load(tmp_path / "kept.safetensors")
        ours = metric.similarity(kept["founder"], loaded)
        assert ours == pytest.approx(verdict.probability, abs=1e-12)
        assert metric.similarity(loaded, kept["founder"]) == pytest.approx(ours, abs=1e-12)
    assert metric.similarity(kept["founder"], kept["child"]) > metric.similarity(
        kept["founder"], kept["stranger"]
    )


class StubKit:
    """The part of the kit's interface that decides: tiers, weight score, forms."""

    def __init__(self, tier: int, weight: float) -> None:
        self.metadata = SimpleNamespace(
            similarity=lambda a, b: SimpleNamespace(tier=tier, score={1: 1.0, 2: 0.9, 3: 0.4}[tier])
        )
        self.scoring = SimpleNamespace(compute_identity_score=lambda *found: weight)
        signals = ("eas", "nlf", "lep", "end", "wvc")
        self.signals = SimpleNamespace(**{f"{name}_similarity": lambda a, b: 0.5 for name in signals})
        form = SimpleNamespace(MFIFingerprint=dict, WeightSignalFeatures=dict)
        self.modules = {
            "structlog": SimpleNamespace(
                configure=lambda **_: None, make_filtering_bound_logger=lambda _: None
            ),
            "provenancekit.core.signals.metadata": self.metadata,
            "provenancekit.core.signals.weight_signals": self.signals,
            "provenancekit.core.scoring": self.scoring,
            "provenancekit.services.model_loader": SimpleNamespace(),
            "provenancekit.models.signals": form,
            "provenancekit.models.results": SimpleNamespace(),
        }


@pytest.mark.parametrize(
    ("tier", "weight", "pipeline", "weights_alone"),
    [(1, 0.2, 1.0, 0.2), (2, 0.2, 0.9, 0.2), (3, 0.7, 0.7, 0.7), (3, math.nan, 0.4, None)],
)
def test_the_kit_looks_at_weights_only_where_metadata_differ(
    tier: int,
    weight: float,
    pipeline: float,
    weights_alone: float | None,
    fresh: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, module in StubKit(tier, weight).modules.items():
        for parent in (name.rsplit(".", depth)[0] for depth in range(name.count("."), 0, -1)):
            package = ModuleType(parent)
            package.__path__ = []
            monkeypatch.setitem(sys.modules, parent, package)
        monkeypatch.setitem(sys.modules, name, module)
    arrays = {"metadata": as_array({}), "counts": as_array({}), "layer/0": np.zeros(3)}
    a, b = (fpcore.Fingerprint("provenance-kit", 1, name, name, arrays) for name in "ab")
    assert UserMetric.named(f"{KIT}:ProvenanceKit").load().similarity(a, b) == pipeline
    alone = UserMetric.named(f"{KIT}:ProvenanceKitWeights").load()
    if weights_alone is None:
        with pytest.raises(fpcore.NotComparable):
            alone.similarity(a, b)
    else:
        assert alone.similarity(a, b) == weights_alone


@pytest.mark.skipif(
    not KIT_INSTALLED, reason="cisco-ai-provenance-kit is not installed: pip install 'lookalike[peers]'"
)
def test_the_real_kit_agrees_with_its_own_comparison(fresh: None, tmp_path: Path) -> None:
    from provenancekit import ModelProvenanceScanner
    from provenancekit.services.cache import NullCache

    from benchmark.catalog import load_catalog
    from benchmark.pipeline.checkpoints import open_model

    catalog = load_catalog(None)
    cells: dict[str, list[str]] = {}
    for model in catalog.models.values():
        if not model.remote and not model.parents and model.cell is not None:
            cells.setdefault(model.cell, []).append(model.id)
    (founder, look_alike, *_), (other, *_) = list(cells.values())[:2]
    metric = UserMetric.named(f"{KIT}:ProvenanceKit").load()
    scanner = ModelProvenanceScanner(cache=NullCache())
    models = {name: open_model(catalog, name) for name in (founder, look_alike, other)}
    kept = {name: metric.fingerprint(model) for name, model in models.items()}
    for name in (look_alike, other):
        theirs = scanner.compare(str(models[founder].path), str(models[name].path))
        assert metric.similarity(kept[founder], kept[name]) == pytest.approx(theirs.scores.pipeline_score)


@pytest.mark.parametrize(("z", "p"), [(0.0, 1.0), (1.959964, 0.05), (-3.290527, 0.001), (60.0, None)])
def test_awm_z_is_minus_log_of_a_two_sided_p(
    z: float, p: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AwmZ.__base__, "similarity", lambda self, a, b: MEAN + z * DEVIATION)
    nothing = fpcore.Fingerprint("awm-z", 1, "m", "m", {})
    score = AwmZ().similarity(nothing, nothing)
    if p is None:
        assert 700 < score < 800  # far below what a float could hold as p
    else:
        assert score == pytest.approx(-math.log10(p), abs=1e-5)


def test_a_model_in_memory_becomes_a_directory_and_goes_again(tmp_path: Path) -> None:
    tokenizer = tmp_path / "tokenizer.json"
    tokenizer.write_text("{}")
    (tmp_path / "tokenizer_config.json").write_text("{}")
    weights = tensors(3)
    weights["lm_head.weight"] = weights["model.embed_tokens.weight"]
    model = fpcore.MemoryCheckpoint("m", "d", CONFIG, weights, tokenizer)
    with directory_of(model) as folder:
        read = fpcore.open_checkpoint(folder)
        assert read.config == CONFIG
        assert all(torch.equal(read.read(name), tensor) for name, tensor in weights.items())
        assert {file.name for file in folder.iterdir()} >= {"tokenizer.json", "tokenizer_config.json"}
    assert not folder.exists()
    write_checkpoint(tmp_path / "own", tensors(3))
    with directory_of(fpcore.open_checkpoint(tmp_path / "own")) as folder:
        assert folder == tmp_path / "own"
    assert folder.is_dir()


def test_plain_values_survive_a_fingerprint() -> None:
    value = {"name": "größer", "n": 3, "x": None, "list": [1.5, "a"]}
    assert from_array(as_array(value)) == value


def test_a_version_is_a_number_that_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    assert version_number("no-such-package-at-all") == 0
    for version, number in (("0.1.0", 100), ("1.2", 10_200), ("2.0.13.post1", 20_013), ("3.1rc2", 30_102)):
        monkeypatch.setattr("studies.peers.installed.installed_version", lambda _, v=version: v)
        assert version_number("any") == number
