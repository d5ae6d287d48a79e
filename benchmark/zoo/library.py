"""Opening a zoo model: shipped weights, or an exact transform of others, computed when asked for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import fpcore
from benchmark.zoo.manifest import SHIPPED, WEIGHTS, Manifest, file_digests, read_manifest
from benchmark.zoo.recipe_forms import parse_recipe
from benchmark.zoo.recipes import Exact, RawRecipes, Recipe, build_order, needs, recipe_digest

__all__ = ["open_zoo"]


def open_zoo(
    name: str, recipes: RawRecipes, *, folder: Path = SHIPPED, device: str = "cpu"
) -> fpcore.Checkpoint:
    """Open a zoo model by recipe name.

    Parameters
    ----------
    name : str
        Such as ``qwen-a``.
    recipes : mapping
        Recipe name to recipe, as the catalog gives them.
    folder : pathlib.Path
        Holds ``manifest.json`` and ``weights/``; the shipped zoo otherwise.
    device : str
        Where metrics that run models run it.

    Raises
    ------
    fpcore.BadCheckpoint
        The weights are missing, are not those of the manifest, or were trained by another recipe.
    UsageError
        The recipe, or one of an ancestor, is wrong.

    Examples
    --------
    >>> from benchmark.catalog import load_catalog
    >>> model = open_zoo("qwen-a-ft-short", load_catalog().zoo_recipes)
    >>> model.name, model.architecture.depth
    ('zoo/qwen-a-ft-short', 6)
    """
    return _open(name, _lineage(name, recipes), folder, read_manifest(folder), device)


def _open(
    name: str, lineage: Mapping[str, Recipe], folder: Path, manifest: Manifest, device: str
) -> fpcore.Checkpoint:
    recipe = lineage[name]
    if isinstance(recipe, Exact):
        from benchmark.zoo.transforms import transform

        parents = [_open(parent, lineage, folder, manifest, device) for parent in recipe.parents]
        return transform(recipe.transform, *parents, name=f"zoo/{name}", **dict(recipe.parameters))
    weights = folder / WEIGHTS / name
    entry = manifest.models.get(name)
    remedy = "restore it from the repository, or train it with `python -m benchmark zoo build`"
    if entry is None or not weights.is_dir():
        raise fpcore.BadCheckpoint(f"zoo/{name}: no weights in {weights}; {remedy}")
    if entry.recipe != recipe_digest(lineage, name):
        raise fpcore.BadCheckpoint(
            f"zoo/{name}: {weights} was trained by another recipe than the catalog's; {remedy}"
        )
    found = file_digests(weights)
    for file, expected in entry.files.items():
        if file not in found:
            raise fpcore.BadCheckpoint(f"zoo/{name}: {weights / file} is missing; {remedy}")
        if found[file] != expected:
            raise fpcore.BadCheckpoint(
                f"zoo/{name}: {weights / file} is not the file of the manifest; {remedy}"
            )
    return fpcore.open_checkpoint(weights, name=f"zoo/{name}", device=device)


def _lineage(name: str, recipes: RawRecipes) -> dict[str, Recipe]:
    """The recipes of a model and its ancestors."""
    found: dict[str, Recipe] = {}
    waiting = [name]
    while waiting:
        current = waiting.pop()
        if current not in recipes:
            raise fpcore.BadCheckpoint(
                f"zoo/{current}: the catalog has no such recipe; add it or correct the name"
            )
        if current not in found:
            found[current] = parse_recipe(current, recipes[current])
            waiting += needs(found[current])
    build_order(found)
    return found
