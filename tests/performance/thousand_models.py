"""A run of 1,000 small models and all of their 499,500 pairs, five depth profiles, in one run.

``python -m tests.performance thousand_models [--models 1000] [--lineages 125] [--keep FOLDER]``

The models are made up: founders of four shapes with random weights, and their noisy children. The run is the
command line's, from an empty cache and then from a warm one; memory is that of all of its processes together,
pages that they share counted once. It must stay below 8 GB, and its page below 5 MB: exit status 1 otherwise.
Beside it, what the same command does when it is not told to score all pairs.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import yaml
from safetensors.numpy import save_file

ROOT = Path(__file__).parents[2]
METRICS = ("attention-std", "attention-std-detrended", "ffn-std", "layer-energy", "norm-std")
#: Layers, width and units of the made-up shapes.
SHAPES = ((8, 16, 24), (12, 16, 32), (16, 24, 32), (24, 16, 24))
MOST_MEMORY, MOST_PAGE = 8e9, 5e6
EVIDENCE = {"grade": "publisher", "source": "this repository: tests", "says": "made by the benchmark"}


def founder(shape: tuple[int, int, int], rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Random weights whose spread differs from layer to layer."""
    depth, width, inner = shape
    parts = {f"self_attn.{part}_proj": (width, width) for part in "qkvo"}
    parts |= {"mlp.gate_proj": (inner, width), "mlp.up_proj": (inner, width), "mlp.down_proj": (width, inner)}
    weights = {
        "model.embed_tokens.weight": rng.standard_normal((32, width), dtype=np.float32),
        "model.norm.weight": 1 + 0.1 * rng.standard_normal(width, dtype=np.float32),
    }
    for layer in range(depth):
        at = f"model.layers.{layer}"
        for name, size in parts.items():
            spread = np.float32(rng.uniform(0.05, 0.15))
            weights[f"{at}.{name}.weight"] = spread * rng.standard_normal(size, dtype=np.float32)
        for norm in ("input_layernorm", "post_attention_layernorm"):
            spread = np.float32(rng.uniform(0.05, 0.15))
            weights[f"{at}.{norm}.weight"] = 1 + spread * rng.standard_normal(width, dtype=np.float32)
    return weights


def write_model(folder: Path, shape: tuple[int, int, int], weights: dict[str, np.ndarray]) -> None:
    """A llama in the layout of the hub."""
    depth, width, inner = shape
    folder.mkdir()
    config = {
        "model_type": "llama",
        "num_hidden_layers": depth,
        "hidden_size": width,
        "intermediate_size": inner,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "vocab_size": 32,
        "tie_word_embeddings": True,
    }
    (folder / "config.json").write_text(json.dumps(config))
    save_file(weights, folder / "model.safetensors")


def write_catalog(folder: Path, models: int, lineages: int) -> Path:
    """Founders with nearly as many children each, and the catalog that says so."""
    rng = np.random.default_rng(0)
    entries = []
    for number in range(lineages):
        shape, name = SHAPES[number % len(SHAPES)], f"f{number:03d}"
        weights = founder(shape, rng)
        write_model(folder / name, shape, weights)
        entries.append({"id": name, "source": {"path": name}, "from_scratch": EVIDENCE})
        for child in range(models // lineages - 1 + (number < models % lineages)):
            noise, born = np.float32(rng.uniform(0.1, 0.6)), f"{name}c{child}"
            changed = {
                key: value + noise * value.std() * rng.standard_normal(value.shape, dtype=np.float32)
                for key, value in weights.items()
            }
            write_model(folder / born, shape, changed)
            method = ("fine-tune", "instruct-tune", "continued-pretrain")[child % 3]
            parent = {"of": name, "method": method, "evidence": EVIDENCE}
            entries.append({"id": born, "source": {"path": born}, "parents": [parent]})
    path = folder / "catalog.yaml"
    path.write_text(yaml.dump(json.loads(json.dumps({"schema": 1, "models": entries})), sort_keys=False))
    return path


def memory(group: int) -> int:
    """Bytes of all processes of a group; what several of them map is shared out among them."""
    total = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if os.getpgid(int(process.name)) == group:
                text = (process / "smaps_rollup").read_text()
                total += 1024 * int(text.partition("\nPss:")[2].split()[0])
        except (OSError, IndexError):  # it has just ended
            continue
    return total


def measured(what: str, arguments: Sequence[object], cache: Path) -> int:
    """Run a command line, tell its seconds and its memory, and return the most bytes that it took."""
    environment = {**os.environ, "LOOKALIKE_CACHE": str(cache)}
    begun, most = time.perf_counter(), 0
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmark", *map(str, arguments)],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    while process.poll() is None:
        most = max(most, memory(process.pid))
        time.sleep(0.1)
    spent = time.perf_counter() - begun
    if process.returncode:
        raise SystemExit(f"{what}: it ended with status {process.returncode}")
    print(f"{what}: {spent:.1f} s, {most / 1e9:.2f} GB at most", flush=True)
    return most


def main() -> None:
    """Print the figures; exit status 1 where memory or page are larger than they may be."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=int, default=1000)
    parser.add_argument("--lineages", type=int, default=125)
    parser.add_argument("--keep", type=Path, help="an empty folder in which models and runs stay")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = asked.keep or Path(made)
        (folder / "models").mkdir(parents=True)
        catalog = write_catalog(folder / "models", asked.models, asked.lineages)
        command = ["run", "--catalog", catalog, "--metrics", ",".join(METRICS)]
        everything = [*command, "--all-pairs", "--out", folder / "all"]
        most = measured("all pairs, from an empty cache", everything, folder / "cache")
        print("  ", json.loads((folder / "all" / "run.json").read_text())["seconds"])
        most = max(most, measured("all pairs, from a warm cache", everything, folder / "cache"))
        print("  ", json.loads((folder / "all" / "run.json").read_text())["seconds"])
        measured(
            "as many pairs as it takes by itself", [*command, "--out", folder / "some"], folder / "cache"
        )
        for path in sorted((folder / "all").glob("*.*")):
            print(f"  {path.name}: {path.stat().st_size / 1e6:.2f} MB")
        page = (folder / "all" / "report.html").stat().st_size
    sys.exit(int(most > MOST_MEMORY or page > MOST_PAGE))


if __name__ == "__main__":
    main()
