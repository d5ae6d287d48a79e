"""Recipes as the catalog gives them, checked: every mistake is one line with the field and the remedy."""

from __future__ import annotations

from collections.abc import Mapping

from benchmark.session.errors import UsageError
from benchmark.zoo.cells import CELLS
from benchmark.zoo.corpora import CORPORA
from benchmark.zoo.recipes import (
    CHILD_RATE,
    FOUNDER_RATE,
    INITIALISATIONS,
    OPTIMISERS,
    SCHEDULES,
    Child,
    Exact,
    Founder,
    Narrowing,
    RawRecipes,
    Recipe,
    Upcycling,
    build_order,
    needs,
    tokenizer_of,
)
from benchmark.zoo.transform_kinds import TRANSFORMS

__all__ = ["parse_recipe", "parse_recipes"]

# Ways to give a child another shape than its parent's; a recipe takes one.
RESHAPING = ("upcycle", "depth_upscale", "drop_layers", "keep_every", "narrow")

# What a founder's training can do otherwise than the first founders' did; absent where it does not.
PRACTICE = (
    *("optimiser", "initialisation", "weight_decay", "warm_up", "batch", "dropout", "rotary_base", "tied"),
)


def parse_recipes(raw: RawRecipes) -> dict[str, Recipe]:
    """Check recipes as the catalog gives them.

    Parameters
    ----------
    raw : mapping
        Recipe name (``qwen-a``) to its plain data: ``{train: {...}}`` or ``{transform: ..., of: ..., ...}``.

    Returns
    -------
    dict of str to Founder, Child or Exact

    Raises
    ------
    UsageError
        One line naming the recipe, the field and the remedy; also for an unknown parent and a cycle.

    Examples
    --------
    >>> text = {"corpus": "code", "tokenizer": "code"}
    >>> recipes = parse_recipes(
    ...     {
    ...         "a": {"train": {"cell": "qwen2-narrow", "seed": 1, **text, "steps": 3}},
    ...         "b": {"transform": "int4", "of": "zoo/a"},
    ...     }
    ... )
    >>> recipes["b"]
    Exact(transform='int4', parents=('a',), parameters=(('group', 32),))
    """
    recipes = {name: parse_recipe(name, data) for name, data in raw.items()}
    for name, recipe in recipes.items():
        for needed in needs(recipe):
            if needed not in recipes:
                raise UsageError(
                    f"zoo recipe {name}: it needs {needed!r}, which has no recipe; add one or correct it"
                )
            if not isinstance(recipe, Exact) and isinstance(recipes[needed], Exact):
                raise UsageError(
                    f"zoo recipe {name}: {needed} is computed when opened; train from a trained model"
                )
    build_order(recipes)
    for name, recipe in recipes.items():
        if not isinstance(recipe, Exact) and recipe.teacher is not None:
            own, other = tokenizer_of(recipes, name), tokenizer_of(recipes, recipe.teacher)
            if own != other:
                raise UsageError(
                    f"zoo recipe {name}: its tokenizer is {own}, its teacher's {other}; they must be the same"
                )
    return recipes


def parse_recipe(name: str, data: object) -> Recipe:
    """Check one recipe, without looking at others (raises UsageError)."""
    if not isinstance(data, Mapping):
        raise UsageError(f"zoo recipe {name}: must be a mapping, with train or transform; found {data!r}")
    if ("train" in data) == ("transform" in data):
        raise UsageError(f"zoo recipe {name}: give one of train and transform")
    if "transform" in data:
        return _exact(name, data)
    if set(data) != {"train"} or not isinstance(data["train"], Mapping):
        raise UsageError(f"zoo recipe {name}: train takes a mapping and stands alone; found {sorted(data)}")
    fields = _Fields(name, data["train"])
    if "from" in data["train"]:
        recipe: Recipe = _child(fields)
        fields.finish(("lora", "tokenizer", "teacher", "balance", *RESHAPING))
    else:
        recipe = _founder(fields)
        fields.finish(("teacher", "balance", *PRACTICE))
    return recipe


def _founder(fields: _Fields) -> Founder:
    return Founder(
        cell=fields.one_of("cell", tuple(CELLS)),
        seed=fields.integer("seed", least=0),
        corpus=fields.one_of("corpus", CORPORA),
        tokenizer=fields.one_of("tokenizer", CORPORA),
        steps=fields.integer("steps", least=1),
        order=fields.integer("order", least=0, default=0),
        schedule=fields.one_of("schedule", SCHEDULES, default="cosine"),
        rate=fields.number("rate", above=0.0, most=1.0, default=FOUNDER_RATE),
        teacher=fields.model("teacher") if fields.has("teacher") else None,
        balance=_balance(fields),
        optimiser=fields.one_of("optimiser", OPTIMISERS) if fields.has("optimiser") else None,
        initialisation=fields.one_of("initialisation", INITIALISATIONS)
        if fields.has("initialisation")
        else None,
        weight_decay=fields.share("weight_decay"),
        warm_up=fields.share("warm_up"),
        batch=fields.integer("batch", least=1) if fields.has("batch") else None,
        dropout=fields.share("dropout"),
        rotary_base=_rotary_base(fields),
        tied=fields.truth("tied"),
    )


def _rotary_base(fields: _Fields) -> float | None:
    """The base of the rotary frequencies; learned positions have none."""
    if not fields.has("rotary_base"):
        return None
    kind = CELLS[fields.data["cell"]].model_type
    if kind == "gpt2":
        raise UsageError(f"zoo recipe {fields.name}: rotary_base is for rotary positions, which {kind} lacks")
    return fields.number("rotary_base", above=1.0, most=1e9, default=0.0)


def _child(fields: _Fields) -> Child:
    given = [way for way in RESHAPING if fields.has(way)]
    if len(given) > 1:
        raise UsageError(f"zoo recipe {fields.name}: {' and '.join(given)} exclude each other; keep one")
    return Child(
        parent=fields.model("from"),
        corpus=fields.one_of("corpus", CORPORA),
        steps=fields.integer("steps", least=1),
        order=fields.integer("order", least=0, default=0),
        schedule=fields.one_of("schedule", SCHEDULES, default="cosine"),
        rate=fields.number("rate", above=0.0, most=1.0, default=CHILD_RATE),
        lora=fields.integer("lora", least=1) if fields.has("lora") else None,
        tokenizer=fields.one_of("tokenizer", CORPORA) if fields.has("tokenizer") else None,
        upcycle=_upcycling(fields) if fields.has("upcycle") else None,
        teacher=fields.model("teacher") if fields.has("teacher") else None,
        balance=_balance(fields),
        depth_upscale=fields.integer("depth_upscale", least=0) if fields.has("depth_upscale") else None,
        drop_layers=fields.integers("drop_layers") if fields.has("drop_layers") else None,
        keep_every=fields.integer("keep_every", least=2) if fields.has("keep_every") else None,
        narrow=_narrowing(fields) if fields.has("narrow") else None,
    )


def _balance(fields: _Fields) -> float | None:
    """The weight of the balancing loss; only with experts is there something to balance."""
    if not fields.has("balance"):
        return None
    if fields.has("teacher"):
        raise UsageError(f"zoo recipe {fields.name}: balance and teacher exclude each other; keep one")
    if fields.has("cell") and not CELLS[fields.data["cell"]].experts:
        raise UsageError(
            f"zoo recipe {fields.name}: balance is for experts, which {fields.data['cell']} lacks"
        )
    return fields.number("balance", above=0.0, most=1.0, default=0.0)


def _upcycling(fields: _Fields) -> Upcycling:
    inner = _Fields(f"{fields.name}: upcycle", fields.take("upcycle"))
    upcycling = Upcycling(
        experts=inner.integer("experts", least=2),
        top=inner.integer("top", least=1),
        noise=inner.number("noise", above=-1e-9, most=10.0, default=0.0),
        reinitialise=inner.number("reinitialise", above=-1e-9, most=1.0, default=0.0),
        seed=inner.integer("seed", least=0, default=0),
    )
    inner.finish()
    if upcycling.top > upcycling.experts:
        raise UsageError(
            f"zoo recipe {inner.name}: top {upcycling.top} of {upcycling.experts} experts is impossible"
        )
    return upcycling


def _narrowing(fields: _Fields) -> Narrowing:
    inner = _Fields(f"{fields.name}: narrow", fields.take("narrow"))
    narrowing = Narrowing(
        feed_forward=inner.integer("feed_forward", least=1) if inner.has("feed_forward") else None,
        width=inner.integer("width", least=1) if inner.has("width") else None,
    )
    inner.finish(("feed_forward", "width"))
    if narrowing == Narrowing():
        raise UsageError(f"zoo recipe {inner.name}: give feed_forward, width or both")
    return narrowing


def _exact(name: str, data: Mapping[str, object]) -> Exact:
    fields = _Fields(name, data)
    transform = fields.one_of("transform", tuple(TRANSFORMS))
    of = fields.take("of")
    parents = tuple(_bare(name, "of", parent) for parent in (of if isinstance(of, list | tuple) else [of]))
    kind = TRANSFORMS[transform]
    if kind.forges is not None:
        parents += (fields.model("target"),)
    fits = len(parents) >= kind.n_parents if kind.more_parents else len(parents) == kind.n_parents
    if not fits:
        count = f"{kind.n_parents} or more" if kind.more_parents else kind.n_parents
        if kind.forges is not None:
            raise UsageError(
                f"zoo recipe {name}: {transform} takes one model in `of`, and the model it is aimed at in"
                " `target`"
            )
        raise UsageError(f"zoo recipe {name}: {transform} takes {count} parents in of, found {len(parents)}")
    given = {key: value for key, value in data.items() if key not in fields.read}
    unknown = sorted(set(given) - set(kind.parameters))
    if unknown:
        known = ", ".join(kind.parameters) or "none"
        raise UsageError(f"zoo recipe {name}: {transform} has no parameter {unknown[0]!r}; it has {known}")
    parameters = dict(kind.parameters)
    for key, value in given.items():
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise UsageError(f"zoo recipe {name}: {key} must be a number, found {value!r}")
        parameters[key] = value
    return Exact(transform, parents, tuple(sorted(parameters.items())))


def _bare(name: str, field: str, model: object) -> str:
    if not isinstance(model, str):
        raise UsageError(f"zoo recipe {name}: {field} must name a model, found {model!r}")
    return model.removeprefix("zoo/")


class _Fields:
    """Reads the fields of one recipe and notices those that nobody asked for."""

    def __init__(self, name: str, data: object) -> None:
        if not isinstance(data, Mapping):
            raise UsageError(f"zoo recipe {name}: must be a mapping, found {data!r}")
        self.name = name
        self.data = data
        self.read: set[str] = set()

    def has(self, field: str) -> bool:
        return field in self.data

    def take(self, field: str, default: object = None) -> object:
        self.read.add(field)
        if field in self.data:
            return self.data[field]
        if default is None:
            raise UsageError(f"zoo recipe {self.name}: {field} is missing")
        return default

    def model(self, field: str) -> str:
        return _bare(self.name, field, self.take(field))

    def one_of(self, field: str, choices: tuple[str, ...], default: str | None = None) -> str:
        value = self.take(field, default)
        if value not in choices:
            raise UsageError(f"zoo recipe {self.name}: {field} {value!r} is not one of {', '.join(choices)}")
        return str(value)

    def integer(self, field: str, *, least: int, default: int | None = None) -> int:
        value = self.take(field, default)
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise UsageError(
                f"zoo recipe {self.name}: {field} must be an integer, {least} or more, found {value!r}"
            )
        return value

    def integers(self, field: str) -> tuple[int, ...]:
        value = self.take(field)
        numbers = value if isinstance(value, list | tuple) else []
        if not numbers or not all(type(one) is int and one >= 0 for one in numbers):
            raise UsageError(
                f"zoo recipe {self.name}: {field} must list integers, 0 or more, found {value!r}"
            )
        return tuple(sorted(set(numbers)))

    def number(self, field: str, *, above: float, most: float, default: float) -> float:
        value = self.take(field, default)
        if not isinstance(value, int | float) or isinstance(value, bool) or not above < value <= most:
            raise UsageError(
                f"zoo recipe {self.name}: {field} must be a number, at most {most:g}, found {value!r}"
            )
        return float(value)

    def share(self, field: str) -> float | None:
        """A share in [0, 1), None where the field is absent."""
        if not self.has(field):
            return None
        value = self.take(field, 0.0)
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0.0 <= value < 1.0:
            raise UsageError(f"zoo recipe {self.name}: {field} must be a number in [0, 1), found {value!r}")
        return float(value)

    def truth(self, field: str) -> bool | None:
        """True or false, None where the field is absent."""
        if not self.has(field):
            return None
        value = self.take(field, False)
        if not isinstance(value, bool):
            raise UsageError(f"zoo recipe {self.name}: {field} must be true or false, found {value!r}")
        return value

    def finish(self, optional: tuple[str, ...] = ()) -> None:
        unknown = sorted(set(self.data) - self.read)
        if unknown:
            known = ", ".join(sorted(self.read.union(optional)))
            raise UsageError(f"zoo recipe {self.name}: unknown field {unknown[0]!r}; known: {known}")
