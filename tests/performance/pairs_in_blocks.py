"""Many pairs of models together, against one pair after the other, in one run.

``python -m tests.performance pairs_in_blocks [--models 1000] [--large 12] [--width 1024]``

Depth profiles: so many models with so many others, by way of the engine and its cache, which must take less
than 10 s. Weights: all pairs of models on disk in 16 bits; the plain way reads both models of every pair,
unless they are still in memory. Scores must be equal to the bit.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar
from unittest import mock

import numpy as np
import pandas as pd
import torch
from safetensors.torch import save_file

import fpcore
from benchmark.pipeline.checkpoints import Located
from benchmark.pipeline.chosen_metric import choose
from benchmark.pipeline.engine import Engine
from benchmark.pipeline.extract import Extraction, Outcome
from benchmark.pipeline.score import Job, score_pairs
from benchmark.pipeline.workspace import Workspace
from benchmark.session.cache import Cache

FEW = 5_000
LAYERS = 32
MOST_SECONDS = 10.0

T = TypeVar("T")


def timed(work: Callable[[], T]) -> tuple[float, float, T]:
    """Wall seconds, CPU seconds with those of other processes that ended, and the result of some work."""
    begun, before = time.perf_counter(), os.times()
    result = work()
    after = os.times()
    return time.perf_counter() - begun, sum(after[:4]) - sum(before[:4]), result


class Memory:
    """The most memory that a process has for itself meanwhile; pages of mapped files are not its own."""

    def __enter__(self) -> Memory:
        self.before = self.most = self.now()
        self.done = threading.Event()
        self.watch = threading.Thread(target=self.look)
        self.watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.done.set()
        self.watch.join()

    def look(self) -> None:
        """Look every few milliseconds."""
        while not self.done.wait(0.005):
            self.most = max(self.most, self.now())

    @staticmethod
    def now() -> float:
        """MiB."""
        return int(Path("/proc/self/status").read_text().partition("RssAnon:")[2].split()[0]) / 2**10

    @property
    def more(self) -> float:
        """MiB."""
        return self.most - self.before


def quiet(_done: int, _total: int, _text: str) -> None:
    """No progress."""


def profiles(name: str, models: int, cache: Cache) -> dict[str, Extraction]:
    """Fingerprints of made-up models, as a run leaves them in its cache."""
    chosen, metric = choose(name), fpcore.metric(name)
    rng, workspace = np.random.default_rng(0), Workspace(cache, "cpu")
    trend = np.linspace(1.0, 2.0, LAYERS)
    found = {}
    for number in range(2 * models):
        model, digest = f"{'ab'[number // models]}{number:05d}", f"{number:064x}"
        arrays = {
            part: trend + 0.1 * rng.standard_normal(LAYERS) for part in ("query", "key", "value", "output")
        }
        made = fpcore.Fingerprint(name, metric.version, model, digest, arrays)
        cache.write(workspace.fingerprint_file(chosen.key("cpu"), digest), made.to_bytes())
        done = {name: Outcome("ok", seconds=0.0, stored=True)}
        found[model] = Extraction(Located(model, "nowhere"), model, digest, "one cell", done)
    return found


def scored(cache: Cache, found: dict[str, Extraction], name: str, pairs: pd.DataFrame) -> pd.DataFrame:
    """Score pairs in this process."""
    engine = Engine(partial(Workspace, cache, "cpu"), workers=1)
    (frame,) = score_pairs(engine, [Job(choose(name), pairs)], found, advance=quiet, limits={})
    return frame


def depth_profiles(models: int) -> bool:
    """So many models with so many others; whether that took longer than it may."""
    name = "attention-std"
    with tempfile.TemporaryDirectory() as folder:
        found = profiles(name, models, Cache(Path(folder)))
        left, right = ([model for model in found if model[0] == side] for side in "ab")
        rows = list(itertools.product(left, right))
        pairs = pd.DataFrame(rows, columns=["model_a", "model_b"])
        wall, cpu, together = timed(lambda: scored(Cache(Path(folder)), found, name, pairs))
        some = pairs.iloc[:: max(1, len(pairs) // FEW)]
        with mock.patch.object(fpcore.Metric, "scores_together", False):
            _, plain, alone = timed(lambda: scored(Cache(Path(folder)), found, name, some))
        np.testing.assert_array_equal(together["score"].to_numpy()[some.index], alone["score"])
        metric, taken = fpcore.metric(name), {}
        for model, extraction in found.items():
            cache = Cache(Path(folder))
            path = Workspace(cache, "cpu").fingerprint_file(choose(name).key("cpu"), extraction.key)
            taken[model] = fpcore.Fingerprint.from_bytes(cache.read(path) or b"")
        few = list(some.itertuples(index=False, name=None))
        _, bare, _ = timed(lambda: [metric.similarity(taken[a], taken[b]) for a, b in few])
    share = len(pairs) / len(some)
    print(f"{name}, {models:,} models with {models:,} others of {LAYERS} layers: {len(pairs):,} pairs")
    print(f"  together: {cpu:.1f} s of one core ({wall:.1f} s of time), cache and table included")
    print(f"  pair by pair, the same way: {plain * share:.0f} s ({plain * share / cpu:.0f} times as long)")
    print(f"  a bare loop over similarity(): {bare * share:.0f} s ({bare * share / cpu:.0f} times as long)")
    return cpu > MOST_SECONDS


def write_model(folder: Path, seed: int, width: int, depth: int) -> None:
    """A llama of random weights in 16 bits."""
    folder.mkdir()
    inner, rng = 3 * width, torch.Generator().manual_seed(seed)
    shapes = {f"self_attn.{part}_proj": (width, width) for part in "qkvo"}
    shapes |= {f"mlp.{part}_proj": (inner, width) for part in ("gate", "up")}
    shapes |= {"mlp.down_proj": (width, inner)}
    config = {
        "model_type": "llama",
        "num_hidden_layers": depth,
        "hidden_size": width,
        "intermediate_size": inner,
        "num_attention_heads": 8,
        "num_key_value_heads": 8,
        "vocab_size": 64,
        "tie_word_embeddings": True,
    }
    (folder / "config.json").write_text(json.dumps(config))
    tensors = {"model.embed_tokens.weight": torch.randn(64, width, generator=rng)}
    tensors["model.norm.weight"] = torch.ones(width)
    for layer in range(depth):
        for norm in ("input_layernorm", "post_attention_layernorm"):
            tensors[f"model.layers.{layer}.{norm}.weight"] = torch.ones(width)
        for name, shape in shapes.items():
            tensors[f"model.layers.{layer}.{name}.weight"] = torch.randn(*shape, generator=rng)
    save_file(
        {name: tensor.to(torch.bfloat16) for name, tensor in tensors.items()}, folder / "model.safetensors"
    )


def weights(models: int, width: int, depth: int) -> None:
    """All pairs of models on disk, together and one by one."""
    with tempfile.TemporaryDirectory() as text:
        folders = [Path(text) / f"m{seed:02d}" for seed in range(models)]
        for seed, folder in enumerate(folders):
            write_model(folder, seed, width, depth)
        size = folders[0].joinpath("model.safetensors").stat().st_size
        pairs = np.array(list(itertools.combinations(range(models), 2)))
        print(f"{models} models of {size / 1e6:.0f} MB: {len(pairs)} pairs")
        for name in ("weight-cosine", "weight-distance"):
            metric, memo = fpcore.metric(name), fpcore.Memo()

            def taken(metric: fpcore.Metric = metric, memo: fpcore.Memo = memo) -> list[fpcore.Fingerprint]:
                opened = [fpcore.open_checkpoint(folder, memo=memo) for folder in folders]
                return [metric.fingerprint(model) for model in opened]

            begun = taken()
            with Memory() as memory:
                _, cpu, found = timed(lambda m=metric, f=begun: m.pair_similarities(f, pairs))
            begun = taken()
            _, plain, expected = timed(
                lambda m=metric, f=begun: [m.similarity(f[a], f[b]) for a, b in pairs.tolist()]
            )
            np.testing.assert_array_equal(found, expected)
            rate = len(pairs) * size / 2 / cpu / 1e9
            print(
                f"  {name}: together {cpu:.1f} s, {rate:.2f} G entries a second,"
                f" {memory.more:.0f} MiB more memory"
            )
            print(f"    pair by pair: {plain:.1f} s ({plain / cpu:.0f} times as long)")


def main() -> None:
    """Print the figures; exit status 1 where the profiles take longer than they may."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=int, default=1000)
    parser.add_argument("--large", type=int, default=12, help="models on disk")
    parser.add_argument("--width", type=int, default=1024, help="of their hidden layers")
    parser.add_argument("--depth", type=int, default=6, help="their layers")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    weights(asked.large, asked.width, asked.depth)
    sys.exit(int(depth_profiles(asked.models)))


if __name__ == "__main__":
    main()
