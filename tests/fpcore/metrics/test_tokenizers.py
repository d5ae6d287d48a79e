"""Metrics of vocabularies and embedding rows: tokens are matched by text, never by id."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from test_metrics import model, score

import fpcore
from fpcore import Fingerprint, MemoryCheckpoint, NotComparable
from fpcore.features.shared_tokens import embedding_rows
from fpcore.metrics import tokenizers

BASE = model(seed=1, vocab_size=300)
WORDS = [f"word{index}" for index in range(300)]


def with_tokens(folder: Path, words: list[str], rows: torch.Tensor, name: str) -> MemoryCheckpoint:
    """The base model with an embedding of its own and the words as its tokenizer."""
    file = folder / f"{name}.json"
    vocabulary = {word: index for index, word in enumerate(words)}
    file.write_text(json.dumps({"model": {"type": "BPE", "vocab": vocabulary}}), encoding="utf-8")
    tensors = {key: BASE.read(key) for key in BASE.tensors} | {"model.embed_tokens.weight": rows}
    return MemoryCheckpoint(name, name, BASE.config, tensors, file)


def rows_of(seed: int) -> torch.Tensor:
    return torch.randn(300, 16, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_ids_do_not_matter(tmp_path: Path) -> None:
    rows = rows_of(1)
    order = torch.randperm(300, generator=torch.Generator().manual_seed(5))
    plain = with_tokens(tmp_path, WORDS, rows, "plain")
    renumbered = with_tokens(tmp_path, [WORDS[i] for i in order], rows[order], "renumbered")
    wrong = with_tokens(tmp_path, WORDS, rows[order], "wrong")
    for name in ("embedding-anchors", "tokenizer-overlap", "embedding-norms"):
        assert score(name, plain, renumbered) == pytest.approx(1.0)
    assert abs(score("embedding-anchors", plain, wrong)) < 0.1


def test_anchors_by_definition(tmp_path: Path) -> None:
    x, y = rows_of(1), rows_of(1) + 0.5 * rows_of(2)
    own = [word if index % 3 else f"own{index}" for index, word in enumerate(WORDS)]
    a = with_tokens(tmp_path, WORDS, x, "a")
    b = with_tokens(tmp_path, own, y, "b")
    first = dict(zip(*embedding_rows(a, 128), strict=True))
    second = dict(zip(*embedding_rows(b, 128), strict=True))
    shared = [key for key in first if key in second]
    assert 30 < len(shared) < 128
    cosines = []
    for table in (first, second):
        rows = np.stack([table[key] for key in shared])
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        cosines.append((rows @ rows.T)[np.triu_indices(len(shared), 1)])
    assert score("embedding-anchors", a, b) == pytest.approx(np.corrcoef(*cosines)[0, 1], abs=1e-12)


def test_rows_of_zeros_are_no_anchors(tmp_path: Path) -> None:
    rows = rows_of(1)
    rows[::2] = 0.0
    _, found = embedding_rows(with_tokens(tmp_path, WORDS, rows, "padded"), 64)
    assert len(found) == 64
    assert found.any(axis=1).all()


def test_rounding_leads_no_correlation_of_anchors_out_of_its_range() -> None:
    metric, taken = fpcore.metric("embedding-anchors"), []
    for cosines in np.random.default_rng(0).uniform(-1, 1, (100, 20, 20)):
        taken += [
            Fingerprint(metric.name, 1, "", "", {"keys": np.arange(20.0), "cosines": way * cosines})
            for way in (1, -1)
        ]
    pairs = np.array([(place, place + other) for place in range(0, 200, 2) for other in (0, 1)])
    alone = np.array([metric.similarity(taken[a], taken[b]) for a, b in pairs])
    for scores in (alone, metric.pair_similarities(taken, pairs)):
        assert (scores.min(), scores.max()) == (-1.0, 1.0)
        assert np.abs(scores).min() > 1.0 - 1e-12


def norms_of(model: MemoryCheckpoint) -> np.ndarray:
    return np.linalg.norm(model.read("model.embed_tokens.weight").numpy(), axis=1)


@pytest.mark.parametrize("factor", [1.0, 1.3, 3.0])
def test_norm_histograms_share_their_edges(factor: float, tmp_path: Path) -> None:
    a = with_tokens(tmp_path, WORDS, rows_of(1), "a")
    b = with_tokens(tmp_path, WORDS, factor * rows_of(2), f"times{factor}")
    x, y = norms_of(a), norms_of(b)
    edges = np.linspace(min(x.min(), y.min()), max(x.max(), y.max()), 65)
    p, q = (np.histogram(norms, edges)[0] / 300 for norms in (x, y))
    expected = np.minimum(p, q).sum()
    assert score("embedding-norms", a, b) == pytest.approx(expected, abs=1e-12)
    assert (expected < 0.1) == (factor > 2), "edges of each model's own would call them equal"
    assert score("embedding-norms", a, a) == 1.0


def test_bins_beside_each_other_do_not_overlap() -> None:
    metric = fpcore.metric("embedding-norms")
    for place in range(63):  # of bins of width one, both models in the first and the last
        a, b = (
            Fingerprint(metric.name, 1, "", "", {"norms": np.sort([0.0, inside, 64.0])})
            for inside in (place + 0.5, place + 1.5)
        )
        assert metric.similarity(a, b) == pytest.approx(2 / 3)


def test_of_a_large_vocabulary_evenly_spaced_norms_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = (with_tokens(tmp_path, WORDS, rows_of(seed), str(seed)) for seed in (1, 2))
    whole = score("embedding-norms", a, b)
    monkeypatch.setattr(tokenizers, "MOST_NORMS", 24)
    kept = fpcore.metric("embedding-norms").fingerprint(a).arrays["norms"]
    assert kept == pytest.approx(np.sort(norms_of(a))[[13 * place for place in range(24)]])
    monkeypatch.setattr(tokenizers, "MOST_NORMS", 200)
    assert score("embedding-norms", a, b) == pytest.approx(whole, abs=0.05)


def test_overlap_is_jaccard(tmp_path: Path) -> None:
    a = with_tokens(tmp_path, WORDS, rows_of(1), "a")
    b = with_tokens(tmp_path, [*WORDS[:200], *(f"own{i}" for i in range(100))], rows_of(1), "b")
    assert score("tokenizer-overlap", a, b) == pytest.approx(200 / 400)


@pytest.mark.parametrize("name", ["tokenizer-overlap", "embedding-anchors"])
def test_no_tokenizer_abstains(name: str) -> None:
    with pytest.raises(NotComparable, match=r"no tokenizer\.json"):
        fpcore.metric(name).fingerprint(BASE)


def test_too_few_tokens_in_common_abstain(tmp_path: Path) -> None:
    a = with_tokens(tmp_path, WORDS, rows_of(1), "a")
    b = with_tokens(tmp_path, [*WORDS[:10], *(f"own{i}" for i in range(290))], rows_of(1), "b")
    with pytest.raises(NotComparable, match="tokens in common; at least 16 are needed"):
        score("embedding-anchors", a, b)


def test_an_embedding_of_nan_is_refused(tmp_path: Path) -> None:
    spoilt = with_tokens(tmp_path, WORDS, rows_of(1) * float("nan"), "spoilt")
    for name in ("embedding-anchors", "embedding-norms"):
        with pytest.raises(fpcore.BadCheckpoint, match=r"embed_tokens\.weight holds NaN"):
            fpcore.metric(name).fingerprint(spoilt)


def test_equal_norms_overlap_fully(tmp_path: Path) -> None:
    a = with_tokens(tmp_path, WORDS, torch.ones(300, 16, dtype=torch.float64), "a")
    assert score("embedding-norms", a, a) == 1.0
    with pytest.raises(NotComparable, match="same angles"):
        score("embedding-anchors", a, a)
