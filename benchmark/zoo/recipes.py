"""How each zoo model is made: recipes as frozen data, what they need, and what identifies them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TypeAlias

from benchmark.session.errors import UsageError
from benchmark.zoo.cells import CELLS

__all__ = [
    "INITIALISATIONS",
    "OPTIMISERS",
    "SCHEDULES",
    "Child",
    "Exact",
    "Founder",
    "Narrowing",
    "RawRecipes",
    "Recipe",
    "Trained",
    "Upcycling",
    "build_order",
    "founder_of",
    "needs",
    "parents_of",
    "recipe_digest",
    "tokenizer_of",
]

SCHEDULES = ("cosine", "linear", "trapezoid")
OPTIMISERS = ("adamw", "lion", "sgd")
INITIALISATIONS = ("small", "scaled-residual", "orthogonal")
FOUNDER_RATE = 0.008
CHILD_RATE = 0.001

# Fields that came after the first models were trained: they count in a digest only where they are given.
LATER = frozenset(
    {"teacher", "depth_upscale", "drop_layers", "keep_every", "narrow", "balance"}
    | {"optimiser", "initialisation", "weight_decay", "warm_up", "batch", "dropout", "rotary_base", "tied"}
)

# Raised when the same recipe would give other weights: a build then trains again, a test then fails.
TRAINING_VERSION = 1


@dataclass(frozen=True)
class Founder:
    """Trained from its own random initialisation.

    Attributes
    ----------
    cell : str
        Shape, a name in `benchmark.zoo.cells`.
    seed : int
        Of the initialisation, and of nothing else.
    corpus, tokenizer : str
        Text it is trained on; corpus its tokenizer was trained on.
    order : int
        Seed of the order in which it sees the text.
    schedule : str
        Course of the learning rate: cosine, linear or trapezoid.
    steps : int
        Batches, usually of 16 windows of 64 tokens.
    rate : float
        Highest learning rate.
    teacher : str or None
        Recipe name of a model whose predictions it learns instead of the text's next tokens.
    balance : float or None
        Weight of the loss that spreads tokens over the experts (Switch Transformer, arXiv:2101.03961, eq. 4);
        None for none.
    optimiser : str or None
        One of `OPTIMISERS`; None for adamw.
    initialisation : str or None
        One of `INITIALISATIONS`, see `benchmark.zoo.fresh`; None for the cell's own.
    weight_decay : float or None
        Of matrices; None for the usual.
    warm_up : float or None
        Share of the steps in which the learning rate rises, in [0, 1); None for the usual.
    batch : int or None
        Windows a step; None for the usual.
    dropout : float or None
        Share of attention weights (and, where the architecture has it, of activations) that is zeroed in
        training; None for none.
    rotary_base : float or None
        Base of the rotary frequencies; None for the architecture's own.
    tied : bool or None
        Whether the unembedding is the embedding; None for the cell's own.
    """

    cell: str
    seed: int
    corpus: str
    tokenizer: str
    steps: int
    order: int = 0
    schedule: str = "cosine"
    rate: float = FOUNDER_RATE
    teacher: str | None = None
    balance: float | None = None
    optimiser: str | None = None
    initialisation: str | None = None
    weight_decay: float | None = None
    warm_up: float | None = None
    batch: int | None = None
    dropout: float | None = None
    rotary_base: float | None = None
    tied: bool | None = None


@dataclass(frozen=True)
class Upcycling:
    """How a dense feed-forward block becomes a mixture of experts.

    Attributes
    ----------
    experts, top : int
        Routed experts a layer, and how many a token uses.
    noise : float
        Added to each expert's weights, in units of the tensor's standard deviation.
    reinitialise : float
        Share of each expert's units that are drawn anew, in [0, 1].
    seed : int
        Of the router, the noise and the new units.
    """

    experts: int
    top: int
    noise: float = 0.0
    reinitialise: float = 0.0
    seed: int = 0


@dataclass(frozen=True)
class Narrowing:
    """Pruning of width, by the size of weights alone.

    Attributes
    ----------
    feed_forward, width : int or None
        Inner units a feed-forward block, and units of the residual stream, that are kept; None for all.
    """

    feed_forward: int | None = None
    width: int | None = None


@dataclass(frozen=True)
class Child:
    """Trained from the saved weights of its parent.

    Attributes
    ----------
    parent : str
        Recipe name.
    corpus : str
        Text it is trained on.
    steps, order, schedule, rate
        As for a founder.
    lora : int or None
        Rank of low-rank updates (merged in the end) that are trained instead of the weights.
    tokenizer : str or None
        A new tokenizer: rows of shared tokens move, the rest start as their mean.
    upcycle : Upcycling or None
        The mixture of experts that the parent is turned into first.
    teacher, balance
        As for a founder.
    depth_upscale : int or None
        Two copies one after the other, the first without its last so many layers, the second without its
        first (SOLAR, arXiv:2312.15166).
    drop_layers : tuple of int or None
        Layers left out, counted from 0.
    keep_every : int or None
        Of so many layers the first is kept.
    narrow : Narrowing or None
        Width pruned.
    """

    parent: str
    corpus: str
    steps: int
    order: int = 0
    schedule: str = "cosine"
    rate: float = CHILD_RATE
    lora: int | None = None
    tokenizer: str | None = None
    upcycle: Upcycling | None = None
    teacher: str | None = None
    depth_upscale: int | None = None
    drop_layers: tuple[int, ...] | None = None
    keep_every: int | None = None
    narrow: Narrowing | None = None
    balance: float | None = None


@dataclass(frozen=True)
class Exact:
    """Computed from its parents' weights when it is opened.

    Attributes
    ----------
    transform : str
        A name in `benchmark.zoo.transform_kinds.TRANSFORMS`.
    parents : tuple of str
        Recipe names; of a forgery, the second is whom it is aimed at.
    parameters : tuple of (str, number)
        What the transform is given, sorted by name.
    """

    transform: str
    parents: tuple[str, ...]
    parameters: tuple[tuple[str, float], ...] = ()


#: As the catalog gives them: name (``qwen-a``) to ``{train: {...}}`` or ``{transform: ..., of: ...}``.
RawRecipes: TypeAlias = Mapping[str, Mapping[str, object]]

Trained: TypeAlias = Founder | Child
Recipe: TypeAlias = Founder | Child | Exact


def parents_of(recipe: Recipe) -> tuple[str, ...]:
    """Recipe names whose weights this one starts from."""
    if isinstance(recipe, Founder):
        return ()
    return (recipe.parent,) if isinstance(recipe, Child) else recipe.parents


def needs(recipe: Recipe) -> tuple[str, ...]:
    """Recipe names that must exist before this one can be made: its parents, and its teacher."""
    if isinstance(recipe, Exact) or recipe.teacher is None:
        return parents_of(recipe)
    return (*parents_of(recipe), recipe.teacher)


def tokenizer_of(recipes: Mapping[str, Recipe], name: str) -> str:
    """The corpus that a model's tokenizer was trained on."""
    recipe = recipes[name]
    if isinstance(recipe, Founder):
        return recipe.tokenizer
    if isinstance(recipe, Child) and recipe.tokenizer is not None:
        return recipe.tokenizer
    return tokenizer_of(recipes, parents_of(recipe)[0])


def founder_of(recipes: Mapping[str, Recipe], name: str) -> Founder:
    """The founder at the root of a recipe's first line of descent."""
    recipe = recipes[name]
    while not isinstance(recipe, Founder):
        recipe = recipes[parents_of(recipe)[0]]
    return recipe


def build_order(recipes: Mapping[str, Recipe]) -> list[str]:
    """Names with everything a recipe needs before it, otherwise in the given order.

    Raises
    ------
    UsageError
        If recipes descend from themselves.
    """
    ordered: list[str] = []
    placed: set[str] = set()
    waiting = list(recipes)
    while waiting:
        ready = [name for name in waiting if placed.issuperset(needs(recipes[name]))]
        if not ready:
            raise UsageError(f"zoo recipes form a cycle: {', '.join(sorted(waiting))}; break it")
        ordered += ready
        placed.update(ready)
        waiting = [name for name in waiting if name not in placed]
    return ordered


def recipe_digest(recipes: Mapping[str, Recipe], name: str) -> str:
    """What decides a trained model's weights besides the text: its recipe and those of its ancestors.

    Returns
    -------
    str
        16 hex characters of a sha256.
    """
    recipe = recipes[name]
    shape = CELLS[recipe.cell].facts() if isinstance(recipe, Founder) else {}
    content = {
        "version": TRAINING_VERSION,
        "recipe": {
            field: value for field, value in asdict(recipe).items() if field not in LATER or value is not None
        },
        "shape": shape,
        "parents": [recipe_digest(recipes, needed) for needed in needs(recipe)],
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
