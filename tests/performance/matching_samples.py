"""What a sample of layers costs the matching metrics: actual errors beside those that are stated.

``python -m tests.performance.matching_samples [--seeds 40] [--zoo FOLDER]``

On trained models of the zoo with 12 layers (children and look-alikes), and on synthetic models of 32 layers
of which every layer of the child differs by another amount: the root mean square over seeds of sampled less
whole score, the largest such error, and the root mean square of the standard errors that the scores state.
Exit status 1 where actual errors are more than twice the stated ones.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from threadpoolctl import threadpool_limits

import fpcore

ZOO = Path(__file__).parents[2] / "benchmark" / "zoo" / "weights"
METRICS = ("canonical-similarity", "aligned-cka", "attention-spectra", "attention-spectra-dcor")
DEPTH, WIDTH, HEADS, UNITS, TOKENS = 32, 64, 4, 160, 512
CONFIG = {
    "model_type": "llama",
    "hidden_size": WIDTH,
    "num_hidden_layers": DEPTH,
    "num_attention_heads": HEADS,
    "num_key_value_heads": HEADS,
    "intermediate_size": UNITS,
    "vocab_size": TOKENS,
    "rms_norm_eps": 1e-6,
    "tie_word_embeddings": True,
}


def synthetic(seed: int, noise: float, tokenizer: Path) -> fpcore.MemoryCheckpoint:
    """A random model, to each layer of which noise of another size was added."""
    base, other = (torch.Generator().manual_seed(one) for one in (seed, 1000))
    amounts = noise * np.linspace(0.3, 1.7, DEPTH)[np.random.default_rng(4).permutation(DEPTH)]
    square, rows = (WIDTH, WIDTH), (UNITS, WIDTH)
    tensors = {"model.embed_tokens.weight": torch.randn(TOKENS, WIDTH, generator=base)}
    tensors["model.norm.weight"] = torch.ones(WIDTH)
    for layer in range(DEPTH):
        here = f"model.layers.{layer}."
        shapes = {f"self_attn.{part}_proj": square for part in "qkvo"}
        shapes |= {"mlp.gate_proj": rows, "mlp.up_proj": rows, "mlp.down_proj": rows[::-1]}
        for part, shape in shapes.items():
            drawn = torch.randn(shape, generator=base)
            tensors[f"{here}{part}.weight"] = drawn + amounts[layer] * torch.randn(shape, generator=other)
        for norm in ("input_layernorm", "post_attention_layernorm"):
            tensors[f"{here}{norm}.weight"] = torch.ones(WIDTH)
    name = f"{seed} with noise {noise}"
    return fpcore.MemoryCheckpoint(name, name, CONFIG, tensors, tokenizer)


Pair = tuple[fpcore.Checkpoint, fpcore.Checkpoint]


def pairs(zoo: Path, tokenizer: Path) -> Iterator[tuple[str, list[Pair]]]:
    """Kinds of pairs, with the pairs."""
    deep = [
        fpcore.open_checkpoint(path) for path in sorted(zoo.iterdir()) if (path / "config.json").is_file()
    ]
    deep = [one for one in deep if one.roles.depth == 12]
    family = {one.name: "-".join(one.name.split("-")[:2]) for one in deep}
    related = [(a, b) for i, a in enumerate(deep) for b in deep[i + 1 :] if family[a.name] == family[b.name]]
    strangers = [
        (a, b)
        for i, a in enumerate(deep)
        for b in deep[i + 1 :]
        if family[a.name] != family[b.name] and a.architecture.cell == b.architecture.cell
    ]
    yield "zoo, 12 layers, related", related[:8]
    yield "zoo, 12 layers, look-alikes", strangers[:8]
    base = synthetic(1, 0.0, tokenizer)
    yield "planted, 32 layers", [(base, synthetic(1, noise, tokenizer)) for noise in (0.2, 0.5, 1.0)]
    yield "strangers, 32 layers", [(base, synthetic(seed, 0.0, tokenizer)) for seed in (2, 3)]


def scores(metric: fpcore.Metric, pair: Pair, sample: fpcore.Sample | None) -> float:
    """The score of a pair of which a sample is read."""
    for one in pair:
        one.sample = sample
    a, b = (metric.fingerprint(one) for one in pair)
    return metric.similarity(a, b)


def main() -> None:
    """Print a line for each metric, kind of pair and share."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=40)
    parser.add_argument("--zoo", type=Path, default=ZOO)
    asked = parser.parse_args()
    missed = 0
    print(f"{'metric':<24}{'pairs':<30}{'share':>6}{'layers':>8}{'error':>9}{'largest':>9}{'stated':>9}")
    with threadpool_limits(1), tempfile.TemporaryDirectory() as folder:
        torch.set_num_threads(1)
        tokenizer = Path(folder) / "tokenizer.json"
        vocabulary = {f"word{place}": place for place in range(TOKENS)}
        tokenizer.write_text(json.dumps({"model": {"type": "BPE", "vocab": vocabulary}}), encoding="utf-8")
        for kind, models in pairs(asked.zoo, tokenizer):
            for name in METRICS:
                metric = fpcore.metric(name)
                whole = [scores(metric, pair, None) for pair in models]
                for share in (0.25, 0.5, 0.75):
                    errors, stated = [], []
                    for pair, right in zip(models, whole, strict=True):
                        for seed in range(asked.seeds):
                            found = scores(metric, pair, fpcore.Sample(share, seed))
                            assert isinstance(found, fpcore.Estimate)
                            errors.append(found - right)
                            stated.append(found.standard_error)
                    error, claimed = (float(np.sqrt(np.square(each).mean())) for each in (errors, stated))
                    layers = len(fpcore.Sample(share).places(models[0][0].roles.depth, "layers", fewest=6))
                    missed += error > 2.0 * claimed + 1e-12
                    print(
                        f"{name:<24}{kind:<30}{share:>6}{layers:>8}{error:>9.4f}"
                        f"{np.abs(errors).max():>9.4f}{claimed:>9.4f}",
                        flush=True,
                    )
    sys.exit(int(missed > 0))


if __name__ == "__main__":
    main()
