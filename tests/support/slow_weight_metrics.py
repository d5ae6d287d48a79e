"""Metrics of single weights, curves and spectra, slowly, each from its paper's equation alone.

No code is shared with what is tested: models are those of `plain_models`, statistics are Python's own,
scipy's or loops. A reference returns None where the metric is not defined.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import statistics
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import scipy.stats
from plain_models import Array, PlainLayer, PlainModel

Reference = Callable[[PlainModel, PlainModel], float | None]
WEIGHT_METRICS: dict[str, Reference] = {}


def enters(table: dict[str, Reference]) -> Callable[[str], Callable[[Reference], Reference]]:
    """A decorator that enters a reference in a table under a metric's name."""

    def reference(name: str) -> Callable[[Reference], Reference]:
        def enter(function: Reference) -> Reference:
            table[name] = function
            return function

        return enter

    return reference


reference = enters(WEIGHT_METRICS)


def on_grid(curve: Sequence[float], depth: int) -> list[float]:
    """A curve over relative depth at `depth` places, linear between layers."""
    own = [i / (len(curve) - 1) for i in range(len(curve))]
    return [float(np.interp(i / (depth - 1), own, curve)) for i in range(depth)]


def correlation(x: Sequence[float], y: Sequence[float]) -> float:
    """Pearson's, of two curves on the grid of the shorter one."""
    depth = min(len(x), len(y))
    return statistics.correlation(on_grid(x, depth), on_grid(y, depth))


def mean_correlation(a: dict[str, list[float]], b: dict[str, list[float]]) -> float | None:
    """Mean over the parts that both have."""
    parts = [part for part in a if part in b]
    return statistics.fmean(correlation(a[part], b[part]) for part in parts) if parts else None


def spread(values: Array) -> float:
    """Population standard deviation of all entries."""
    return statistics.pstdev(values.ravel().tolist())


def curves(model: PlainModel, parts: Sequence[str], of: Callable[[Array], float]) -> dict[str, list[float]]:
    """One number a layer of each part that the model has."""
    found = {
        part: [{**layer.matrices, **layer.vectors}.get(part) for layer in model.layers] for part in parts
    }
    return {
        part: [of(value) for value in values if value is not None]
        for part, values in found.items()
        if values[0] is not None
    }


ATTENTION = ("query", "key", "value", "output")
BIASES = ("query.bias", "key.bias", "value.bias")


@reference("attention-std")
def attention_std(a: PlainModel, b: PlainModel) -> float | None:
    return mean_correlation(curves(a, ATTENTION, spread), curves(b, ATTENTION, spread))


@reference("attention-std-detrended")
def attention_std_detrended(a: PlainModel, b: PlainModel) -> float | None:
    found = []
    for part in ATTENTION:
        x, y = (curves(model, (part,), spread)[part] for model in (a, b))
        depth = min(len(x), len(y))
        rest = []
        for curve in (on_grid(x, depth), on_grid(y, depth)):
            place = np.arange(depth)
            rest.append((curve - np.polyval(np.polyfit(place, curve, 3), place)).tolist())
        found.append(statistics.correlation(*rest))
    return statistics.fmean(found)


@reference("ffn-std")
def ffn_std(a: PlainModel, b: PlainModel) -> float | None:
    def of_model(model: PlainModel) -> dict[str, list[float]]:
        found: dict[str, list[float]] = {}
        for layer in model.layers:
            routed = [block for block in layer.blocks if block.startswith("expert")] or [""]
            for part in ("gate", "up", "down"):
                entries = [layer.matrices[block + part] for block in routed if block + part in layer.matrices]
                if entries:  # all experts are one population
                    found.setdefault(part, []).append(spread(np.concatenate([x.ravel() for x in entries])))
        return found

    return mean_correlation(of_model(a), of_model(b))


@reference("qkv-bias-std")
def qkv_bias_std(a: PlainModel, b: PlainModel) -> float | None:
    return mean_correlation(curves(a, BIASES, spread), curves(b, BIASES, spread))


@reference("qkv-bias-max")
def qkv_bias_max(a: PlainModel, b: PlainModel) -> float | None:
    def largest(values: Array) -> float:
        return max(values.tolist())

    return mean_correlation(curves(a, BIASES, largest), curves(b, BIASES, largest))


@reference("norm-std")
def norm_std(a: PlainModel, b: PlainModel) -> float | None:
    part = ("attention_norm.weight",)
    return mean_correlation(curves(a, part, spread), curves(b, part, spread))


@reference("layer-energy")
def layer_energy(a: PlainModel, b: PlainModel) -> float | None:
    def energies(model: PlainModel) -> list[float]:
        found = [
            math.fsum(
                math.sqrt(math.fsum(x * x for x in values.ravel().tolist()))
                for values in (*layer.matrices.values(), *layer.vectors.values())
            )
            for layer in model.layers
        ]
        return [energy / max(found) for energy in found]

    return (correlation(energies(a), energies(b)) + 1) / 2


def cosine(x: Sequence[float], y: Sequence[float]) -> float:
    """Of two vectors."""
    return math.fsum(u * v for u, v in zip(x, y, strict=True)) / math.hypot(*x) / math.hypot(*y)


def gain_cosines(a: PlainModel, b: PlainModel, centred: bool) -> float:
    """Mean over layers and both norms of the cosine of gains, brought to one grid entry by entry."""
    found = []
    for part in ("attention_norm.weight", "feed_forward_norm.weight"):
        x, y = ([layer.vectors[part].tolist() for layer in model.layers] for model in (a, b))
        depth = min(len(x), len(y))
        columns = [[on_grid(column, depth) for column in zip(*rows, strict=True)] for rows in (x, y)]
        for layer in range(depth):
            u, v = ([column[layer] for column in each] for each in columns)
            if centred:
                found.append(statistics.correlation(u, v))
            else:
                found.append(cosine(u, v))
    return statistics.fmean(found)


@reference("norm-cosine")
def norm_cosine(a: PlainModel, b: PlainModel) -> float | None:
    return gain_cosines(a, b, centred=False)


@reference("norm-pearson")
def norm_pearson(a: PlainModel, b: PlainModel) -> float | None:
    return gain_cosines(a, b, centred=True)


def matched(a: PlainModel, b: PlainModel) -> Iterator[tuple[Array, Array]]:
    """Matrices of one place and shape in both models."""
    for left, right in zip(a.layers, b.layers, strict=False):
        for part, x in left.matrices.items():
            y = right.matrices.get(part)
            if y is not None and x.shape == y.shape:
                yield x, y


@reference("weight-cosine")
def weight_cosine(a: PlainModel, b: PlainModel) -> float | None:
    x, y = (np.concatenate([pair[side].ravel() for pair in matched(a, b)]) for side in (0, 1))
    return math.fsum((x * y).tolist()) / math.sqrt(math.fsum((x * x).tolist()) * math.fsum((y * y).tolist()))


@reference("weight-distance")
def weight_distance(a: PlainModel, b: PlainModel) -> float | None:
    found = [
        np.linalg.norm(x - y) / math.sqrt(np.linalg.norm(x) * np.linalg.norm(y)) for x, y in matched(a, b)
    ]
    return -statistics.fmean(found)


def folded(layer: PlainLayer, part: str) -> Array:
    """A projection with the gain of the norm that it reads in its columns."""
    norm = "attention_norm.weight" if part in ATTENTION else "feed_forward_norm.weight"
    return layer.matrices[part] * layer.vectors[norm]


def head_rows(layer: PlainLayer, part: str) -> list[Array]:
    """(head width, width) of each query head; heads that share a key and value have the same ones."""
    rows = layer.matrices["output"].T if part == "output" else folded(layer, part)
    heads = layer.shared if part in ("key", "value") else layer.heads
    size = len(rows) // heads
    return [rows[size * (head * heads // layer.heads) :][:size] for head in range(layer.heads)]


def attention_products(layer: PlainLayer) -> tuple[Array, Array]:
    """``W_q' W_k`` and ``W_v' W_o'``, (width, width), head after head."""
    rows = {part: head_rows(layer, part) for part in ATTENTION}
    return (
        sum(q.T @ k for q, k in zip(rows["query"], rows["key"], strict=True)),
        sum(v.T @ o for v, o in zip(rows["value"], rows["output"], strict=True)),
    )


def tokens_of(model: PlainModel, most: int) -> dict[str, Array]:
    """Embedding rows of the tokens whose text has the lowest sha256."""
    order = sorted(model.tokens, key=lambda text: hashlib.sha256(text.encode()).digest())
    return {text: model.embedding[model.tokens[text]] for text in order[:most]}


def common_rows(a: PlainModel, b: PlainModel, most: int) -> tuple[Array, Array]:
    """Rows of the tokens that both have among theirs."""
    x, y = tokens_of(a, most), tokens_of(b, most)
    texts = [text for text in x if text in y]
    return np.stack([x[text] for text in texts]), np.stack([y[text] for text in texts])


@reference("invariant-terms")
def invariant_terms(a: PlainModel, b: PlainModel) -> float | None:
    cosines = []
    for place in (-2, -1):
        terms = []
        for model, rows in zip((a, b), common_rows(a, b, 192), strict=True):
            layer = model.layers[place]
            query_key, value_output = attention_products(layer)
            up_down = sum(
                (layer.matrices[block + "up"] * layer.vectors["feed_forward_norm.weight"]).T
                @ layer.matrices[block + "down"].T
                for block in layer.blocks
            )
            terms.append([rows @ product @ rows.T for product in (query_key, value_output, up_down)])
        for x, y in zip(*terms, strict=True):
            x, y = (scipy.stats.zscore(term, axis=1) for term in (x, y))
            cosines.append((x * y).sum() / math.sqrt((x * x).sum() * (y * y).sum()))
    return statistics.fmean(cosines)


def spectrum(product: Array) -> list[float]:
    """Singular values by the eigenvalues of ``[[0, P], [P', 0]]``, descending."""
    n = len(product)
    both = np.block([[np.zeros((n, n)), product], [product.T, np.zeros((n, n))]])
    return np.sort(np.linalg.eigvalsh(both))[::-1][:n].clip(0).tolist()


def effective_rank(values: list[float]) -> int:
    """The exponential of the entropy of the values' shares, rounded up."""
    return math.ceil(math.exp(scipy.stats.entropy(values)))


def mean_squared_likeness(x: list[float], y: list[float]) -> float:
    """1 less the mean squared error of two spectra, each between its own minimum and maximum."""
    x, y = ([(s - values[-1]) / (values[0] - values[-1]) for s in values] for values in (x, y))
    return 1 - statistics.fmean((s - t) ** 2 for s, t in zip(x, y, strict=True))


def distance_correlation(x: list[float], y: list[float]) -> float:
    """Székely's, entry by entry."""
    n = len(x)

    def centred(values: list[float]) -> list[list[float]]:
        apart = [[abs(s - t) for t in values] for s in values]
        means = [statistics.fmean(row) for row in apart]
        every = statistics.fmean(means)
        return [[apart[i][j] - means[i] - means[j] + every for j in range(n)] for i in range(n)]

    def covariance(one: list[list[float]], other: list[list[float]]) -> float:
        return math.fsum(one[i][j] * other[i][j] for i in range(n) for j in range(n)) / n**2

    left, right = centred(x), centred(y)
    squared = covariance(left, right) / math.sqrt(covariance(left, left) * covariance(right, right))
    return math.sqrt(max(0.0, squared))


def in_order(table: Array) -> float:
    """The largest mean over pairings of rows and columns that keep the order of both."""
    if len(table) > table.shape[1]:
        table = table.T
    return max(
        statistics.fmean(float(table[i, j]) for i, j in enumerate(columns))
        for columns in itertools.combinations(range(table.shape[1]), len(table))
    )


def spectra_alike(a: PlainModel, b: PlainModel, alike: Callable[[list[float], list[float]], float]) -> float:
    """Mean over both products and over layers, which are paired in order."""
    spectra = [[[spectrum(p) for p in attention_products(layer)] for layer in m.layers] for m in (a, b)]
    table = np.empty((len(spectra[0]), len(spectra[1])))
    for (i, left), (j, right) in itertools.product(enumerate(spectra[0]), enumerate(spectra[1])):
        found = []
        for x, y in zip(left, right, strict=True):
            n = min(effective_rank(x), effective_rank(y))
            found.append(alike(x[:n], y[:n]))
        table[i, j] = statistics.fmean(found)
    return in_order(table)


@reference("attention-spectra")
def attention_spectra(a: PlainModel, b: PlainModel) -> float | None:
    return spectra_alike(a, b, mean_squared_likeness)


@reference("attention-spectra-dcor")
def attention_spectra_dcor(a: PlainModel, b: PlainModel) -> float | None:
    return spectra_alike(a, b, distance_correlation)


@reference("attention-values")
def attention_values(a: PlainModel, b: PlainModel) -> float | None:
    cosines = []
    # Of shared keys and values products have a lower rank than width: zeros beyond it do not count.
    count = min(256, *(len(model.layers[0].matrices["key"]) for model in (a, b)))
    for left, right in zip(a.layers[:8], b.layers[:8], strict=False):
        for x, y in zip(attention_products(left), attention_products(right), strict=True):
            sizes = [np.sort(np.abs(np.linalg.eigvals(product)))[::-1] for product in (x, y)]
            for u, v in ((spectrum(x), spectrum(y)), sizes):
                u, v = (np.asarray(each[:count]) for each in (u, v))
                cosines.append(u @ v / np.linalg.norm(u) / np.linalg.norm(v))
    return statistics.fmean(cosines)


@reference("gradient-moments")
def gradient_moments(a: PlainModel, b: PlainModel) -> float | None:
    def moments(weight: Array) -> Array:
        """Of the gradient of ``||W (x + d)||`` by W, written out, averaged over 16 noises d."""
        width = weight.shape[1]
        seed = hashlib.sha256(f"gradient-moments {width}".encode()).digest()[:8]
        rng = np.random.default_rng(int.from_bytes(seed, "big"))
        x = rng.standard_normal(width)
        found = []
        for noise in rng.standard_normal((16, width)):
            given = x + 0.1 * noise
            made = weight @ given
            entries = np.outer(made / np.linalg.norm(made), given)
            apart = entries - entries.mean()
            size = math.sqrt((apart**2).mean())
            skewness, kurtosis = ((apart**k).mean() / size**k for k in (3, 4))
            found.append([entries.mean(), size, np.linalg.norm(entries), skewness, kurtosis - 3])
        return np.mean(found, axis=0)

    def matrices(model: PlainModel) -> dict[str, Array]:
        found = {
            f"{i}.{part}": x for i, layer in enumerate(model.layers) for part, x in layer.matrices.items()
        }
        return found | {"embedding": model.embedding, "unembedding": model.unembedding}

    x, y = matrices(a), matrices(b)
    both = [name for name in x if name in y]
    numbers = [np.concatenate([moments(each[name]) for name in both]).tolist() for each in (x, y)]
    return statistics.correlation(*numbers)


@reference("config-match")
def config_match(a: PlainModel, b: PlainModel) -> float | None:
    def fields(model: PlainModel) -> tuple[object, ...]:
        layer = model.layers[0]
        norm = type(next(m for name, m in model.running.named_modules() if "norm" in name or ".ln_" in name))
        units = next(len(x) for part, x in layer.matrices.items() if part.endswith("up"))
        return (
            model.config.model_type,
            len(model.layers),
            model.embedding.shape[1],
            layer.heads,
            layer.shared,
            units,
            sum(block.startswith("expert") for block in layer.blocks),
            len(model.embedding),
            "query.bias" in layer.vectors,
            "RMS" in norm.__name__,
        )

    return statistics.fmean(x == y for x, y in zip(fields(a), fields(b), strict=True))


@reference("embedding-anchors")
def embedding_anchors(a: PlainModel, b: PlainModel) -> float | None:
    cosines = []
    for rows in common_rows(a, b, 128):
        pairs = itertools.combinations([row.tolist() for row in rows], 2)
        cosines.append([cosine(x, y) for x, y in pairs])
    return statistics.correlation(*cosines)


@reference("embedding-norms")
def embedding_norms(a: PlainModel, b: PlainModel) -> float | None:
    norms = [[math.hypot(*row) for row in model.embedding.tolist()] for model in (a, b)]
    edges = np.linspace(min(map(min, norms)), max(map(max, norms)), 65)
    shares = [np.histogram(each, edges)[0] / len(each) for each in norms]
    return math.fsum(min(p, q) for p, q in zip(*shares, strict=True))


@reference("tokenizer-overlap")
def tokenizer_overlap(a: PlainModel, b: PlainModel) -> float | None:
    return len(a.tokens.keys() & b.tokens.keys()) / len(a.tokens.keys() | b.tokens.keys())
