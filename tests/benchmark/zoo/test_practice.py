"""What founders vary as labs do: optimisers by their formulas, initialisations by what they are called."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from benchmark.session.errors import UsageError
from benchmark.zoo import training
from benchmark.zoo.corpora import CORPORA, DOMAINS, load_corpus
from benchmark.zoo.fresh import fresh_model
from benchmark.zoo.manifest import SHIPPED, WEIGHTS, read_manifest
from benchmark.zoo.optimisers import make_optimiser
from benchmark.zoo.recipe_forms import parse_recipes
from benchmark.zoo.recipes import OPTIMISERS, Founder, recipe_digest
from benchmark.zoo.texts import prepare_text
from benchmark.zoo.training import Outcome, load_model, rate_share, train

pytestmark = pytest.mark.thorough

# The language reference alone: other corpora parse the standard library first.
TEXT = {"corpus": "reference", "tokenizer": "reference"}


def founder(cell: str = "qwen2-narrow", steps: int = 2, **fields: object) -> Founder:
    recipe = parse_recipes({"x": {"train": {"cell": cell, "seed": 3, **TEXT, "steps": steps, **fields}}})["x"]
    assert isinstance(recipe, Founder)
    return recipe


def trained(folder: Path, **fields: object) -> tuple[Outcome, torch.Tensor]:
    recipe = founder(**fields)
    made = folder / "model"
    made.mkdir(parents=True)
    text = prepare_text({"x": recipe}, "x", folder)
    outcome = train(recipe, text, None, made)
    return outcome, torch.cat([weight.flatten() for weight in load_model(made).parameters()])


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> torch.Tensor:
    """The weights of the recipe that no field changes."""
    return trained(tmp_path_factory.mktemp("usual"))[1]


def stepped(name: str, gradients: list[float], decay: float) -> float:
    """Where a weight of 1 ends after a few steps at a rate of 0.1."""
    weight = torch.nn.Parameter(torch.ones(1))
    optimiser = make_optimiser(name, [{"params": [weight], "weight_decay": decay}], 0.1)
    for gradient in gradients:
        weight.grad = torch.tensor([gradient])
        optimiser.step()
    return float(weight.detach())


def test_lion_takes_the_sign_of_its_interpolated_momentum():
    # By hand: momentum 0.02 after the first step; 0.9 · 0.02 - 0.1 · 1 < 0 in the second.
    assert stepped("lion", [2.0], 0.0) == pytest.approx(0.9)
    assert stepped("lion", [2.0, -1.0], 0.0) == pytest.approx(1.0)
    # 0.9 · 0.02 - 0.1 · 0.1 > 0: a small gradient against the momentum does not turn it.
    assert stepped("lion", [2.0, -0.1], 0.0) == pytest.approx(0.8)
    assert stepped("lion", [2.0], 0.5) == pytest.approx(0.85)


def test_sgd_has_momentum_and_adamw_is_the_usual_one():
    assert stepped("sgd", [1.0, 0.0], 0.0) == pytest.approx(1 - 0.1 - 0.09)
    assert stepped("adamw", [5.0], 0.0) == pytest.approx(0.9, abs=1e-6)
    with pytest.raises(UsageError, match="unknown optimiser 'adam'"):
        make_optimiser("adam", [], 0.1)


def test_initialisations():
    usual = fresh_model(founder()).state_dict()
    weight = "model.layers.2.self_attn.o_proj.weight"
    small = fresh_model(founder(initialisation="small")).state_dict()
    assert float(small[weight].std()) == pytest.approx(0.02, rel=0.1)
    assert float(usual[weight].std()) == pytest.approx(0.08, rel=0.1)
    scaled = fresh_model(founder(initialisation="scaled-residual")).state_dict()
    for name, tensor in usual.items():
        writes = name.endswith(("o_proj.weight", "down_proj.weight"))
        assert torch.allclose(scaled[name], tensor / 12**0.5 if writes else tensor), name
    orthogonal = fresh_model(founder(initialisation="orthogonal")).state_dict()
    assert torch.allclose(orthogonal[weight] @ orthogonal[weight].T, torch.eye(32), atol=1e-5)
    embedding = "model.embed_tokens.weight"
    assert torch.equal(orthogonal[embedding], usual[embedding])
    neox = fresh_model(founder("neox-small", initialisation="scaled-residual")).state_dict()
    assert float(neox["gpt_neox.layers.1.mlp.dense_4h_to_h.weight"].std()) < 0.03
    with pytest.raises(UsageError, match="gpt2 already has this scaling"):
        fresh_model(founder("gpt2-small", initialisation="scaled-residual"))


def test_what_a_configuration_can_say_it_says():
    untied = fresh_model(founder(tied=False))
    assert not untied.config.tie_word_embeddings
    assert untied.lm_head.weight is not untied.model.embed_tokens.weight
    assert fresh_model(founder(rotary_base=5e5)).config.rope_parameters["rope_theta"] == 5e5
    assert fresh_model(founder(dropout=0.1)).config.attention_dropout == 0.1
    gpt2 = fresh_model(founder("gpt2-small", dropout=0.2)).config
    assert (gpt2.embd_pdrop, gpt2.attn_pdrop, gpt2.resid_pdrop) == (0.2, 0.2, 0.2)
    neox = fresh_model(founder("neox-small", dropout=0.2)).config
    assert (neox.attention_dropout, neox.hidden_dropout) == (0.2, 0.2)


def test_warm_up():
    assert rate_share("cosine", 0.1, 0.2) == pytest.approx(0.5)
    assert rate_share("cosine", 0.2, 0.2) == pytest.approx(1.0)
    assert rate_share("linear", 0.0, 0.0) == pytest.approx(1.0)


@pytest.mark.parametrize(
    "fields",
    [
        {"optimiser": "lion", "rate": 0.002},
        pytest.param({"optimiser": "sgd", "rate": 0.1}, marks=pytest.mark.slow),
        pytest.param({"weight_decay": 0.0}, marks=pytest.mark.slow),
        pytest.param({"warm_up": 0.0}, marks=pytest.mark.slow),
        pytest.param({"batch": 4}, marks=pytest.mark.slow),
        {"dropout": 0.1},
        pytest.param({"rotary_base": 5e5}, marks=pytest.mark.slow),
        pytest.param({"initialisation": "small"}, marks=pytest.mark.slow),
        {"tied": False},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_each_variation_reaches_the_weights_and_is_the_same_again(tmp_path, usual, fields):
    outcome, once = trained(tmp_path / "once", **fields)
    _, again = trained(tmp_path / "again", **fields)
    assert torch.equal(once, again)
    assert once.shape != usual.shape or not torch.equal(once, usual)
    assert outcome.tokens == 2 * fields.get("batch", training.BATCH) * 64


def test_a_field_that_is_not_given_changes_no_digest():
    plain = recipe_digest({"x": founder()}, "x")
    for fields in ({"optimiser": "adamw"}, {"weight_decay": 0.1}, {"batch": 16}, {"tied": True}):
        assert recipe_digest({"x": founder(**fields)}, "x") != plain


def test_the_second_domain_is_the_headers_of_the_installed_torch():
    corpus = load_corpus("headers")
    assert set(DOMAINS) <= set(CORPORA)
    assert corpus.characters > 1_000_000
    assert corpus.held_out
    assert len(corpus.training) > 5 * len(corpus.held_out)
    assert "namespace c10 {" in "".join(document.text for document in corpus.training)
    names = [document.name for document in corpus.training + corpus.held_out]
    assert all(name.startswith(("c10/", "torch/csrc/api/")) for name in names)
    assert not any("/cuda/" in name for name in names)


def test_every_optimiser_and_initialisation_has_founders_that_are_shipped():
    from benchmark.catalog import load_catalog

    recipes = parse_recipes(load_catalog().zoo_recipes)
    founders = [recipe for recipe in recipes.values() if isinstance(recipe, Founder)]
    for name in set(OPTIMISERS) - {"adamw"}:
        assert sum(recipe.optimiser == name for recipe in founders) >= 3
    for name in ("small", "scaled-residual", "orthogonal"):
        assert sum(recipe.initialisation == name for recipe in founders) >= 2
    for field in ("weight_decay", "warm_up", "batch", "dropout", "rotary_base", "tied"):
        assert sum(getattr(recipe, field) is not None for recipe in founders) >= 2
    assert sum(recipe.corpus in DOMAINS for recipe in founders) >= 3
    assert sum(recipe.steps == 3200 for recipe in founders) >= 6


@pytest.mark.slow
def test_a_shipped_founder_trained_again_agrees(tmp_path):
    from benchmark.catalog import load_catalog

    name = "neox-lion-3110"
    recipes = parse_recipes(load_catalog().zoo_recipes)
    text = prepare_text(recipes, name, tmp_path)
    made = tmp_path / name
    made.mkdir()
    recipe = recipes[name]
    assert isinstance(recipe, Founder)
    outcome = train(recipe, text, None, made)
    same = load_corpus(recipe.corpus).digest == read_manifest(SHIPPED).corpora[recipe.corpus].digest
    assert outcome.loss == pytest.approx(read_manifest(SHIPPED).models[name].loss, abs=0.02 if same else 0.25)
    if same:
        again, shipped = (
            np.concatenate([weight.detach().numpy().ravel() for weight in load_model(folder).parameters()])
            for folder in (made, SHIPPED / WEIGHTS / name)
        )
        assert again @ shipped / np.sqrt((again @ again) * (shipped @ shipped)) > 0.98
