"""The shipped models really learned: better than a bigram model, and children better than their start."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from benchmark.catalog import load_catalog
from benchmark.zoo.bigram import bigram_loss
from benchmark.zoo.cells import VOCABULARY
from benchmark.zoo.corpora import load_corpus
from benchmark.zoo.manifest import SHIPPED, WEIGHTS, read_manifest
from benchmark.zoo.recipe_forms import parse_recipes
from benchmark.zoo.recipes import Child, Founder, founder_of
from benchmark.zoo.tokens import Windows, encode_windows, train_tokenizer
from benchmark.zoo.training import held_out_loss, load_model, rate_share

RECIPES = parse_recipes(load_catalog().zoo_recipes)
FOUNDERS = [name for name, recipe in RECIPES.items() if isinstance(recipe, Founder)]
CHILDREN = [name for name, recipe in RECIPES.items() if isinstance(recipe, Child)]
MODELS = read_manifest(SHIPPED).models

# Nats a token by which a founder must beat the baseline, whose discount is chosen on the held-out text.
LEAD = 0.02


@pytest.mark.parametrize("name", FOUNDERS)
def test_a_founder_beats_the_bigram_baseline(name):
    entry = MODELS[name]
    assert entry.bigram_loss is not None
    assert entry.loss < entry.bigram_loss - LEAD
    assert entry.start_loss == pytest.approx(np.log(VOCABULARY), abs=0.4)  # a fresh model knows nothing
    assert entry.share_of_founder_budget == 1.0


@pytest.mark.parametrize("name", CHILDREN)
def test_a_child_learned_what_it_was_trained_on(name):
    entry = MODELS[name]
    assert entry.loss < entry.start_loss - 0.02
    budget = entry.steps / founder_of(RECIPES, name).steps
    assert entry.share_of_founder_budget == pytest.approx(budget, abs=1e-4)


@cache
def held_out_and_baseline(corpus: str, tokenizer: str) -> tuple[Windows, float]:
    """Many founders share their text."""
    training, held_out = encode_windows(load_corpus(corpus), Tokenizer.from_str(tokenizer))
    return held_out, bigram_loss(training.tokens, held_out.tokens, VOCABULARY)


def recomputed(name: str) -> tuple[float, float]:
    """Held-out loss of the shipped weights, and of the baseline, with this Python's text."""
    recipe = RECIPES[name]
    assert isinstance(recipe, Founder)
    folder = SHIPPED / WEIGHTS / name
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    held_out, baseline = held_out_and_baseline(recipe.corpus, tokenizer.to_str())
    return held_out_loss(load_model(folder), held_out), baseline


def check(name: str) -> None:
    loss, baseline = recomputed(name)
    manifest = read_manifest(SHIPPED)
    corpus = RECIPES[name].corpus
    same = load_corpus(corpus).digest == manifest.corpora[corpus].digest
    # Another Python carries a little other text, and so another held-out part of it.
    tolerance = 0.002 if same else 0.25
    assert loss == pytest.approx(manifest.models[name].loss, abs=tolerance)
    assert baseline == pytest.approx(manifest.models[name].bigram_loss, abs=tolerance)
    assert loss < baseline - LEAD / 2


def test_the_manifest_says_what_the_weights_do():
    check("narrow-c")  # trained on the language reference, which is read at once


@pytest.mark.slow
@pytest.mark.parametrize("name", FOUNDERS)
def test_the_manifest_says_what_every_founders_weights_do(name):
    check(name)


def test_the_baseline_is_exact_on_a_known_language():
    # Tokens 0 and 1 in turn: nothing is left to say, but for the discount.
    turns = np.tile(np.arange(65, dtype=np.uint16) % 2, (50, 1))
    assert bigram_loss(turns, turns, 2) < 0.001
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 16, size=(400, 65)).astype(np.uint16)
    assert bigram_loss(noise[:200], noise[200:], 16) == pytest.approx(np.log(16), abs=0.02)
    # A token never seen in training has a probability too.
    assert np.isfinite(bigram_loss(turns, np.full((1, 65), 2, dtype=np.uint16), 3))


def test_the_baseline_beats_a_unigram_model_on_text():
    training, held_out = encode_windows(load_corpus("reference"), train_tokenizer("reference"))
    counts = np.bincount(training.tokens[:, 1:].ravel(), minlength=VOCABULARY) + 1.0
    unigram = -np.log(counts / counts.sum())[held_out.tokens[:, 1:]].mean()
    assert bigram_loss(training.tokens, held_out.tokens, VOCABULARY) < unigram - 0.5


@pytest.mark.parametrize("schedule", ["cosine", "linear", "trapezoid"])
def test_schedules_warm_up_and_come_down(schedule):
    shares = np.array([rate_share(schedule, (step + 0.5) / 200) for step in range(200)])
    assert shares.max() <= 1.0
    assert shares[0] < 0.06
    assert shares[9:11].max() > 0.94
    assert shares[-1] < 0.06
    assert (np.diff(shares[11:]) <= 1e-12).all()
    assert (shares[60:150] == 1.0).all() == (schedule == "trapezoid")


@pytest.mark.slow
def test_trained_weights_are_finite_and_no_two_alike():
    seen = {}
    for name in MODELS:
        model = load_model(SHIPPED / WEIGHTS / name)
        flat = torch.cat([parameter.detach().flatten() for parameter in model.parameters()])
        assert torch.isfinite(flat).all(), name
        seen[name] = hash(flat.numpy().tobytes())
    assert len(set(seen.values())) == len(seen)
