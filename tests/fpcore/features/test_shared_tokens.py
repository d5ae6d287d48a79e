"""Rows of a tensor in parts, and the embedding rows that two vocabularies have in common."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import fpcore
from fpcore import MemoryCheckpoint, NotComparable
from fpcore.features import role_values, shared_tokens as module
from fpcore.features.role_values import finite, rows_in_parts
from fpcore.features.shared_tokens import (
    aligning_rows,
    embedding_rows,
    embedding_view,
    key_of,
    shared_tokens,
    token_keys,
)

WIDTH, TOKENS, INNER = 6, 40, 8
WORDS = [f"word{index}" for index in range(TOKENS)]


def stored(name: str = "m", file: Path | None = None, **changes: torch.Tensor) -> MemoryCheckpoint:
    """A Llama of one layer."""
    rng = torch.Generator().manual_seed(1)
    shapes: dict[str, tuple[int, ...]] = {
        f"model.layers.0.self_attn.{part}_proj.weight": (WIDTH, WIDTH) for part in "qkvo"
    }
    shapes |= {f"model.layers.0.mlp.{part}_proj.weight": (INNER, WIDTH) for part in ("gate", "up")}
    shapes |= {
        "model.layers.0.mlp.down_proj.weight": (WIDTH, INNER),
        "model.embed_tokens.weight": (TOKENS, WIDTH),
        "model.norm.weight": (WIDTH,),
        "model.layers.0.input_layernorm.weight": (WIDTH,),
        "model.layers.0.post_attention_layernorm.weight": (WIDTH,),
    }
    tensors = {key: torch.randn(shape, generator=rng) for key, shape in shapes.items()}
    tensors |= {key.replace("__", "."): tensor for key, tensor in changes.items()}
    config: dict[str, Any] = {
        "model_type": "llama",
        "hidden_size": WIDTH,
        "intermediate_size": INNER,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "vocab_size": TOKENS,
        "tie_word_embeddings": True,
    }
    return MemoryCheckpoint(name, name, config, tensors, file)


@pytest.fixture
def tokenizer(tmp_path: Path) -> Path:
    file = tmp_path / "tokenizer.json"
    # Two more tokens than rows: some models add tokens without training them.
    vocabulary = {word: index for index, word in enumerate([*WORDS, "added", "later"])}
    file.write_text(json.dumps({"model": {"type": "BPE", "vocab": vocabulary}}))
    return file


def lowest_first(words: list[str]) -> list[int]:
    """Places of words in the order of their sha256."""
    return sorted(range(len(words)), key=lambda i: hashlib.sha256(words[i].encode()).hexdigest())


@pytest.mark.parametrize("part", [1, 13, 3 * WIDTH, 1 << 20])
def test_a_matrix_comes_in_parts_of_whole_rows(monkeypatch: pytest.MonkeyPatch, part: int) -> None:
    monkeypatch.setattr(role_values, "PART", part)
    view = stored(model__embed_tokens__weight=torch.randn(TOKENS, WIDTH).bfloat16()).roles["embedding.weight"]
    parts = list(rows_in_parts(view))
    assert {each.dtype for each in parts} == {np.dtype(np.float64)}
    rows = max(1, part // WIDTH)
    assert [len(each) for each in parts] == [min(rows, TOKENS - start) for start in range(0, TOKENS, rows)]
    np.testing.assert_array_equal(np.concatenate(parts), view.read().double().numpy())


def test_a_turned_matrix_comes_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(role_values, "PART", WIDTH)
    config = {"model_type": "gpt2", "n_embd": 4, "n_layer": 1, "n_head": 2, "vocab_size": 5, "n_positions": 3}
    shapes = {"wte": (5, 4), "wpe": (3, 4), "h.0.attn.c_attn": (4, 12), "h.0.attn.c_proj": (4, 4)}
    shapes |= {"h.0.mlp.c_fc": (4, 16), "h.0.mlp.c_proj": (16, 4)}
    tensors = {f"{name}.weight": torch.randn(shape) for name, shape in shapes.items()}
    tensors |= {f"{name}.weight": torch.ones(4) for name in ("ln_f", "h.0.ln_1", "h.0.ln_2")}
    view = MemoryCheckpoint("g", "g", config, tensors).roles["layers.0.feed_forward.up.weight"]
    (whole,) = rows_in_parts(view)
    np.testing.assert_array_equal(whole, tensors["h.0.mlp.c_fc.weight"].T.double().numpy())


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_is_not_finite_is_refused(value: float) -> None:
    spoilt = torch.ones(TOKENS, WIDTH)
    spoilt[30, 2] = value
    view = stored("spoilt", model__embed_tokens__weight=spoilt).roles["embedding.weight"]
    message = "^spoilt: tensor model.embed_tokens.weight holds NaN or infinite values$"
    with pytest.raises(fpcore.BadCheckpoint, match=message):
        finite(view)
    with pytest.raises(fpcore.BadCheckpoint, match=message):
        list(rows_in_parts(view))


def test_values_are_of_the_type_asked_for() -> None:
    view = stored().roles["layers.0.attention.query.weight"]
    assert finite(view).dtype == np.float64
    assert finite(view, np.float32).dtype == np.float32
    np.testing.assert_array_equal(finite(view), view.read().double().numpy())


def test_tokens_are_numbered_by_their_text(tokenizer: Path) -> None:
    assert key_of("word") == int(hashlib.sha256(b"word").hexdigest()[:12], 16)
    assert key_of("\ud800") != key_of("\udfff"), "half characters are tokens too"
    model = stored(file=tokenizer)
    keys, ids = token_keys(model)
    words = [*WORDS, "added", "later"]
    assert ids.tolist() == lowest_first(words)
    assert keys.tolist() == [key_of(words[i]) for i in ids]
    assert (keys.dtype, ids.dtype) == (np.float64, np.int64)
    assert token_keys(model)[0] is keys
    with pytest.raises(NotComparable, match=r"^no tokenizer\.json: tokens cannot be matched by their text$"):
        token_keys(stored())


def test_embeddings_are_matrices() -> None:
    assert embedding_view(stored()).shape == (TOKENS, WIDTH)
    less = stored()
    tensors = {name: less.read(name) for name in less.tensors if "embed" not in name}
    with pytest.raises(NotComparable, match=r"^no embedding$"):
        embedding_view(MemoryCheckpoint("n", "n", less.config, tensors))


@pytest.mark.parametrize("most", [16, 17, 30, 100])
@pytest.mark.parametrize("part", [7, 1 << 20])
def test_rows_of_the_lowest_tokens_are_taken(
    monkeypatch: pytest.MonkeyPatch, tokenizer: Path, most: int, part: int
) -> None:
    monkeypatch.setattr(role_values, "PART", part)
    rows = torch.randn(TOKENS, WIDTH)
    zero = lowest_first(WORDS)[3:8]
    rows[zero] = 0.0
    keys, found = embedding_rows(stored(file=tokenizer, model__embed_tokens__weight=rows), most)
    wanted = [place for place in lowest_first(WORDS) if place not in zero][:most]
    assert keys.tolist() == [key_of(WORDS[place]) for place in wanted]
    np.testing.assert_array_equal(found, rows.double().numpy()[wanted])


def test_twice_as_many_tokens_are_looked_at_for_rows_of_zeros(tokenizer: Path) -> None:
    rows = torch.randn(TOKENS, WIDTH)
    rows[lowest_first(WORDS)[:17]] = 0.0
    model = stored(file=tokenizer, model__embed_tokens__weight=rows)
    assert len(embedding_rows(model, 17).keys) == 17
    with pytest.raises(NotComparable, match=r"^15 tokens with an embedding; at least 16 are needed$"):
        embedding_rows(model, 16)


def test_wide_rows_are_float32(monkeypatch: pytest.MonkeyPatch, tokenizer: Path) -> None:
    for most, kind in ((WIDTH, np.float64), (WIDTH - 1, np.float32)):
        monkeypatch.setattr(module, "DOUBLE_WIDTH", most)
        found = embedding_rows(stored(file=tokenizer), 20)
        assert found.rows.dtype == kind
        assert found.nbytes == 20 * 8 + 20 * WIDTH * found.rows.itemsize


def test_as_many_rows_align_as_a_width_needs(monkeypatch: pytest.MonkeyPatch, tokenizer: Path) -> None:
    for many, each, expected in ((20, 1, 20), (16, 4, 24), (1, 3, 18)):
        monkeypatch.setattr(module, "ALIGNING", many)
        monkeypatch.setattr(module, "ALIGNING_EACH", each)
        model = stored(file=tokenizer)
        found = aligning_rows(model)
        assert len(found.keys) == expected
        assert aligning_rows(model) is found
        other = stored("other", tokenizer, model__embed_tokens__weight=torch.ones(TOKENS, WIDTH))
        other.memo = model.memo
        assert aligning_rows(other) is not found, "a memo may be shared"
    less = stored(file=tokenizer)
    tensors = {name: less.read(name) for name in less.tensors if "embed" not in name}
    with pytest.raises(NotComparable, match=r"^no embedding$"):
        aligning_rows(MemoryCheckpoint("n", "n", less.config, tensors, tokenizer))


def test_tokens_in_both_are_found_in_both() -> None:
    a, b = np.arange(0.0, 60.0, 2.0), np.arange(0.0, 60.0, 3.0)
    with pytest.raises(NotComparable, match=r"^10 tokens in common; at least 16 are needed$"):
        shared_tokens(a, b)
    b = np.arange(-7.0, 33.0)
    left, right = shared_tokens(a, b)
    assert a[left].tolist() == b[right].tolist() == a[:17].tolist()
    assert [each.tolist() for each in shared_tokens(b[7:23], b)] == [list(range(16)), list(range(7, 23))]
    for most in (10, 16, 40):
        assert [each.tolist() for each in shared_tokens(b[:most], b[:most].copy())] == [list(range(most))] * 2
    shifted = [each.tolist() for each in shared_tokens(b[:-1], b[1:])]
    assert shifted == [list(range(1, 39)), list(range(38))]
