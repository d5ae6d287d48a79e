"""The tokenised text that models are trained on, prepared once for all worker processes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from benchmark.zoo.corpora import load_corpus
from benchmark.zoo.manifest import CorpusFacts
from benchmark.zoo.recipes import Child, Exact, Founder, Recipe, needs, tokenizer_of
from benchmark.zoo.tokens import encode_windows, train_tokenizer, write_tokenizer
from benchmark.zoo.training import Text

__all__ = ["corpora_facts", "prepare_text", "text_digest"]


def text_digest(recipes: Mapping[str, Recipe], name: str) -> str:
    """Digest of all text that a trained model, its ancestors and teachers learned from, 16 hex characters."""
    used = _learned_from(recipes, name)
    lines = [f"{corpus} {load_corpus(corpus).digest}" for corpus in sorted(used)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def _learned_from(recipes: Mapping[str, Recipe], name: str) -> set[str]:
    recipe = recipes[name]
    if isinstance(recipe, Exact):
        raise TypeError(f"{name} is not trained")
    own = {recipe.corpus, tokenizer_of(recipes, name)}
    return own.union(*(_learned_from(recipes, needed) for needed in needs(recipe)))


def prepare_text(recipes: Mapping[str, Recipe], name: str, folder: Path) -> Text:
    """Tokenise what one model needs into `folder`; what is there already is used."""
    recipe = recipes[name]
    if isinstance(recipe, Exact):
        raise TypeError(f"{name} is not trained")
    tokenizer = tokenizer_of(recipes, name)
    former = tokenizer_of(recipes, recipe.parent) if isinstance(recipe, Child) else tokenizer
    training = folder / f"{recipe.corpus}-{tokenizer}-training.npz"
    held_out = folder / f"{recipe.corpus}-{tokenizer}-held-out.npz"
    for one in {tokenizer, former}:
        if not (folder / one).is_dir():
            (folder / one).mkdir()
            write_tokenizer(train_tokenizer(one), folder / one)
    if not held_out.is_file():
        windows, others = encode_windows(load_corpus(recipe.corpus), train_tokenizer(tokenizer))
        windows.save(training)
        others.save(held_out)
    return Text(training, held_out, folder / tokenizer, folder / former)


def corpora_facts(recipes: Mapping[str, Recipe]) -> dict[str, CorpusFacts]:
    """What the manifest says about each corpus that recipes use."""
    used = {corpus for recipe in recipes.values() for corpus in _corpora(recipe)}
    facts = {}
    for name in sorted(used):
        corpus = load_corpus(name)
        facts[name] = CorpusFacts(
            digest=corpus.digest,
            documents=len(corpus.training),
            held_out_documents=len(corpus.held_out),
            characters=corpus.characters,
        )
    return facts


def _corpora(recipe: Recipe) -> set[str]:
    if isinstance(recipe, Founder):
        return {recipe.corpus, recipe.tokenizer}
    if isinstance(recipe, Child):
        return {recipe.corpus} | ({recipe.tokenizer} if recipe.tokenizer else set())
    return set()
