"""Matching metrics on two models of 7B shapes: seconds, memory, and what 32 layers would take.

``python -m tests.performance.matching_large [--layers 2] [--threads 2] [--metrics a,b] [--width 4096]``

Writes two bfloat16 models of LLaMA-7B shapes (width 4096, 32 heads, 11,008 units, 32,000 tokens) and so many
layers to a temporary folder, 1.2 GB each with two layers: one random, and a child of it with noise of half
its deviation. Each metric scores the pair in a process of its own. What 32 layers take is the time before
the first layer and 32 times that of a layer, by the times at which layers were done. Baseline: one product
of two float32 matrices of (width, width) in the same process, by one thread. Exit status 1 where 32 layers
would take more than ten minutes or any metric more than 16 GiB.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from threadpoolctl import threadpool_limits

import fpcore
from fpcore.features.layer_agreement import DECIDING

METRICS = (
    "canonical-similarity",
    "aligned-cka",
    "unit-matching",
    "attention-spectra",
    "embedding-homology",
    "invariant-terms",
)
DEPTH = 32
MOST_SECONDS = 600.0
MOST_MEMORY = 16.0


def shapes(layer: int, width: int, units: int) -> dict[str, tuple[int, ...]]:
    """Tensors of one layer."""
    here = f"model.layers.{layer}."
    found: dict[str, tuple[int, ...]] = {
        f"{here}self_attn.{part}_proj.weight": (width, width) for part in "qkvo"
    }
    found |= {f"{here}mlp.{part}_proj.weight": (units, width) for part in ("gate", "up")}
    found[f"{here}mlp.down_proj.weight"] = (width, units)
    return found | {
        f"{here}{norm}.weight": (width,) for norm in ("input_layernorm", "post_attention_layernorm")
    }


def write(folder: Path, layers: int, width: int, *, noise: float) -> None:
    """A model; with noise, the child of the one without."""
    units, tokens = 11008 * width // 4096, 32000
    files: dict[str, dict[str, tuple[int, ...]]] = {
        "model-embedding.safetensors": {
            "model.embed_tokens.weight": (tokens, width),
            "model.norm.weight": (width,),
        }
    }
    files |= {f"model-{layer}.safetensors": shapes(layer, width, units) for layer in range(layers)}
    folder.mkdir()
    place = 0
    for file, tensors in files.items():
        made = {}
        for name, shape in tensors.items():
            place += 1
            drawn = torch.randn(shape, generator=torch.Generator().manual_seed(place))
            if len(shape) > 1:
                other = torch.Generator().manual_seed(10_000 + place)
                drawn = 0.02 * (
                    drawn.add_(torch.randn(shape, generator=other), alpha=noise) if noise else drawn
                )
            made[name] = (drawn if len(shape) > 1 else 1.0 + 0.2 * drawn).bfloat16()
        save_file(made, folder / file)
    where = {name: file for file, tensors in files.items() for name in tensors}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": where}))
    config = {
        "model_type": "llama",
        "hidden_size": width,
        "num_hidden_layers": layers,
        "num_attention_heads": width // 128,
        "num_key_value_heads": width // 128,
        "intermediate_size": units,
        "vocab_size": tokens,
        "rms_norm_eps": 1e-5,
        "tie_word_embeddings": True,
    }
    (folder / "config.json").write_text(json.dumps(config))
    vocabulary = {f"word{place}": place for place in range(tokens)}
    (folder / "tokenizer.json").write_text(json.dumps({"model": {"type": "BPE", "vocab": vocabulary}}))


def score(folder: Path, name: str, threads: int, width: int) -> None:
    """Score the pair under one metric, in this process, and print what it took as JSON."""
    with threadpool_limits(1):
        torch.set_num_threads(1)
        square = np.random.default_rng(0).standard_normal((width, width)).astype(np.float32)
        begun = time.process_time()
        _ = square @ square
        product = time.process_time() - begun
        del square
        models = [fpcore.open_checkpoint(folder / kind, threads=threads) for kind in ("parent", "child")]
        cpu, clock = time.process_time(), time.perf_counter()
        steps: list[tuple[str, int, float, float]] = []

        def told(done: int, total: int, what: str) -> None:
            steps.append((what, done, time.process_time() - cpu, time.perf_counter() - clock))

        for model in models:
            model.told = told
        metric = fpcore.metric(name)
        found = metric.similarity(*(metric.fingerprint(model) for model in models))
        spent = time.process_time() - cpu, time.perf_counter() - clock
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    layers = models[0].roles.depth
    print(
        json.dumps(
            {
                "score": float(found),
                "cpu": spent[0],
                "clock": spent[1],
                "peak": peak,
                "product": product,
                "whole": at_depth(name, steps, spent[0], layers),
            }
        )
    )


def at_depth(name: str, steps: list[tuple[str, int, float, float]], spent: float, layers: int) -> float:
    """CPU seconds of so many layers carried on to `DEPTH`; what is done for some layers only is not."""
    if name in {"embedding-homology", "invariant-terms"}:
        return spent
    more: dict[str, float] = {}
    before = 0.0
    for what, done, cpu, _ in steps:
        # Work before the first layer of all is done once; after it, all is work on layers.
        if before or done > 1:
            more[what] = more.get(what, 0.0) + (cpu - before)
        before = cpu
    counted = {what: sum(1 for step in steps if step[0] == what) for what in more}
    total = spent
    for what, seconds in more.items():
        first = steps[0][0] == what
        each = seconds / (counted[what] - first)
        wanted = min(DEPTH, DECIDING) if what == "second moments of layers" else DEPTH
        total += each * counted[what] / layers * (wanted - layers)
    return total


def main() -> None:
    """Print one line a metric."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--width", type=int, default=4096)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--metrics", default=",".join(METRICS))
    parser.add_argument("--folder", type=Path, help="where both models are already")
    parser.add_argument("--score", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.score:
        score(asked.folder, asked.score, asked.threads, asked.width)
        return
    missed = False
    with tempfile.TemporaryDirectory() as temporary:
        folder = asked.folder or Path(temporary)
        if asked.folder is None:
            for kind, noise in (("parent", 0.0), ("child", 0.5)):
                write(folder / kind, asked.layers, asked.width, noise=noise)
        print(f"{asked.layers} layers of width {asked.width}, {asked.threads} threads")
        columns = f"{'score':>10}{'CPU s':>8}{'clock s':>9}{'GiB':>7}{'32 layers, CPU s':>18}"
        print(f"{'metric':<24}{columns}{'products':>10}")
        for name in asked.metrics.split(","):
            options = ["--score", name, "--folder", str(folder), "--width", str(asked.width)]
            command = [sys.executable, "-m", "tests.performance.matching_large", *options]
            done = subprocess.run(
                [*command, "--threads", str(asked.threads)], stdout=subprocess.PIPE, text=True, check=True
            )
            took = json.loads(done.stdout)
            missed |= took["whole"] / asked.threads > MOST_SECONDS or took["peak"] > MOST_MEMORY
            print(
                f"{name:<24}{took['score']:>10.4g}{took['cpu']:>8.1f}{took['clock']:>9.1f}{took['peak']:>7.2f}"
                f"{took['whole']:>18.0f}{math.ceil(took['whole'] / took['product']):>10,}",
                flush=True,
            )
    sys.exit(int(missed))


if __name__ == "__main__":
    main()
