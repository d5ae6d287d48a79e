"""Metrics of what models compute, slowly: `transformers` in float64, then each paper's equation."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import scipy.special
import scipy.stats
import torch
from double_precision import InDouble
from kernel_cka import kernel_cka, kernel_debiased_cka
from plain_models import Array, PlainLayer, PlainModel
from scipy.spatial.distance import jensenshannon
from slow_matching_metrics import assigned, cosines, joint_score, log_p_of_order
from slow_weight_metrics import Reference, correlation, enters

PROMPTS = Path(__file__).parents[2] / "fpcore" / "forward" / "prompts.txt"

FORWARD_METRICS: dict[str, Reference] = {}


reference = enters(FORWARD_METRICS)


@dataclass
class Passed:
    """What a model makes of the prompts at their last tokens, layer by layer, and of random tokens.

    `hidden`, `read` (by the feed-forward block), `keys` and `values` are (prompts, ·); `norms` one number a
    layer, over all tokens; `logits` and `random` are (inputs, vocabulary).
    """

    hidden: list[Array]
    read: list[Array]
    keys: list[Array]
    values: list[Array]
    norms: list[float]
    logits: Array
    random: Array


def texts() -> list[str]:
    """Of every line the first half, up to its last space, and the whole."""
    found = []
    for line in PROMPTS.read_text(encoding="utf-8").splitlines():
        half = line[: len(line) // 2]
        found += [half[: half.rindex(" ")].rstrip() if " " in half else half, line]
    return found


@cache
def passed(model: PlainModel) -> Passed:
    """One run a model; prompts are padded behind their end, which no causal model looks at."""
    known = model.tokens
    longest = min(96, model.config.max_position_embeddings)
    rows = [[known.get(letter, known["?"]) for letter in text][:longest] for text in texts()]
    lengths = [len(row) for row in rows]
    padded = torch.tensor([row + [0] * (max(lengths) - len(row)) for row in rows])
    last = np.array(lengths) - 1
    every = np.arange(len(rows))
    drawn = np.random.default_rng(20_250_930).integers(0, len(model.embedding), (128, 16))
    with torch.no_grad(), InDouble():
        with listening(model) as (streams, read):
            output = model.running(input_ids=padded, use_cache=True)
        random = model.running(input_ids=torch.from_numpy(drawn)).logits[:, -1].numpy()
    mask = np.arange(max(lengths)) < np.array(lengths)[:, None]
    cached = [(layer.keys.numpy(), layer.values.numpy()) for layer in output.past_key_values.layers]
    return Passed(
        [stream[every, last] for stream in streams],
        [states.reshape(len(rows), max(lengths), -1)[every, last] for states in read],
        [keys[every, :, last].reshape(len(rows), -1) for keys, _ in cached],
        [values[every, :, last].reshape(len(rows), -1) for _, values in cached],
        [float(np.linalg.norm(stream, axis=-1)[mask].mean()) for stream in streams],
        output.logits.numpy()[every, last],
        random,
    )


@contextmanager
def listening(model: PlainModel) -> Iterator[tuple[list[Array], list[Array]]]:
    """What each layer gives, and what its feed-forward block reads, in the order of the layers."""
    streams: list[Array] = []
    read: list[Array] = []

    def given(_: object, __: object, made: Any) -> None:
        streams.append((made[0] if isinstance(made, tuple) else made).numpy())

    def taken(_: object, states: Any) -> None:
        read.append(states[0].numpy())

    path = {"gpt2": "transformer.h", "gpt_neox": "gpt_neox.layers"}.get(model.kind, "model.layers")
    hooks = []
    for layer in model.running.get_submodule(path):
        hooks += [layer.register_forward_hook(given), layer.mlp.register_forward_pre_hook(taken)]
    yield streams, read
    for hook in hooks:
        hook.remove()


def nearest(a: list[Array], b: list[Array]) -> list[tuple[Array, Array]]:
    """Each layer of the shallower model with the one at the nearest relative depth."""
    if len(a) > len(b):
        return [(x, y) for y, x in nearest(b, a)]
    found = []
    for i, x in enumerate(a):
        apart = [abs(j / (len(b) - 1) - i / (len(a) - 1)) for j in range(len(b))]
        found.append((x, b[apart.index(min(apart))]))
    return found


@reference("representation-cka")
def representation_cka(a: PlainModel, b: PlainModel) -> float | None:
    return statistics.fmean(kernel_cka(x, y) for x, y in nearest(passed(a).hidden, passed(b).hidden))


@reference("representation-cka-debiased")
def representation_cka_debiased(a: PlainModel, b: PlainModel) -> float | None:
    return statistics.fmean(kernel_debiased_cka(x, y) for x, y in nearest(passed(a).hidden, passed(b).hidden))


@reference("activation-norm")
def activation_norm(a: PlainModel, b: PlainModel) -> float | None:
    return correlation(passed(a).norms, passed(b).norms)


def kept_pairs(a: PlainModel, b: PlainModel) -> list[tuple[Array, Array]]:
    """Keys and values of layers that belong together."""
    x, y = passed(a), passed(b)
    return nearest(x.keys, y.keys) + nearest(x.values, y.values)


@reference("kv-cache")
def kv_cache(a: PlainModel, b: PlainModel) -> float | None:
    return statistics.fmean(kernel_cka(x, y) for x, y in kept_pairs(a, b))


@reference("kv-cache-cosine")
def kv_cache_cosine(a: PlainModel, b: PlainModel) -> float | None:
    return statistics.fmean(
        float(u @ v / np.linalg.norm(u) / np.linalg.norm(v))
        for x, y in kept_pairs(a, b)
        for u, v in zip(x, y, strict=True)
    )


@reference("activation-matching")
def activation_matching(a: PlainModel, b: PlainModel) -> float | None:
    if "gate" not in {part.rpartition(".")[2] for part in a.layers[0].matrices}:
        return None
    if len(a.layers) > len(b.layers):
        return activation_matching(b, a)

    def units(model: PlainModel, layer: PlainLayer, number: int) -> list[tuple[Array, Array]]:
        """Gate and up activations of each block, (units, prompts)."""
        states = passed(model).read[number]
        return [
            tuple(layer.matrices[block + part] @ states.T for part in ("gate", "up"))
            for block in layer.blocks
        ]

    def log_p(x: tuple[Array, Array], y: tuple[Array, Array]) -> float:
        if len(x[0]) > len(y[0]):
            x, y = y, x
        gate, up = ([j for _, j in assigned(cosines(u, v))] for u, v in zip(x, y, strict=True))
        forth = log_p_of_ranks(gate, up)
        if len(x[0]) < len(y[0]):
            return forth
        # From the other model to this one, units are numbered otherwise.
        back = ([numbers.index(j) for j in range(len(numbers))] for numbers in (gate, up))
        return max(forth, log_p_of_ranks(*back))

    def closest(x: list[tuple[Array, Array]], y: list[tuple[Array, Array]]) -> float:
        found = [log_p(u, v) for u in x for v in y]
        return min(0.0, min(found) + math.log(len(found)))

    left, right = ([units(model, layer, i) for i, layer in enumerate(model.layers)] for model in (a, b))
    if len(left) == len(right):
        return joint_score([closest(x, y) for x, y in zip(left, right, strict=True)])
    return joint_score([min(0.0, min(closest(x, y) for y in right) + math.log(len(right))) for x in left])


def log_p_of_ranks(x: list[int], y: list[int]) -> float:
    """Spearman's correlation of two numberings, against positive ones."""
    return log_p_of_order([y[place] for place in sorted(range(len(x)), key=x.__getitem__)])


@reference("next-token-agreement")
def next_token_agreement(a: PlainModel, b: PlainModel) -> float | None:
    named = [{number: text for text, number in model.tokens.items()} for model in (a, b)]
    tops = [
        [names[int(row.argmax())] for row in passed(model).logits]
        for model, names in zip((a, b), named, strict=True)
    ]
    return statistics.fmean(x == y for x, y in zip(*tops, strict=True))


@reference("output-divergence")
def output_divergence(a: PlainModel, b: PlainModel) -> float | None:
    common = sorted(a.tokens.keys() & b.tokens.keys())
    found = []
    for model in (a, b):
        shares = scipy.special.softmax(passed(model).logits, axis=1)
        chosen = shares[:, [model.tokens[text] for text in common]]
        found.append(np.column_stack([chosen, (1 - chosen.sum(axis=1)).clip(0)]))
    return -statistics.fmean(jensenshannon(p, q, base=2) ** 2 for p, q in zip(*found, strict=True))


@reference("seed-bias")
def seed_bias(a: PlainModel, b: PlainModel) -> float | None:
    if a.tokens != b.tokens:
        return None
    logits = [passed(model).random for model in (a, b)]
    count = min(400, logits[0].shape[1] // 2)
    least = [set(values.mean(axis=0).argsort()[:count].tolist()) for values in logits]
    both = sorted(least[0] & least[1])
    soft = [scipy.special.softmax(values[:, both] / 10, axis=1) for values in logits]
    taus = [scipy.stats.kendalltau(x, y).statistic for x, y in zip(soft[0].T, soft[1].T, strict=True)]
    n, k = len(logits[0]), len(both)
    z = statistics.fmean(taus) / math.sqrt(2 * (2 * n + 5) / (9 * n * (n - 1) * k))
    return max(0.0, -(math.log(2) + float(scipy.stats.norm.logsf(z))) / math.log(10))
