"""Opening a zoo model: shipped weights, or an exact transform of others, computed when asked for."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Final

import fpcore
from benchmark.zoo.manifest import SHIPPED, WEIGHTS, Manifest, file_digests, read_manifest
from benchmark.zoo.recipe_forms import parse_recipe
from benchmark.zoo.recipes import Exact, RawRecipes, Recipe, build_order, needs, recipe_digest
from benchmark.zoo.transformed import transform

__all__ = ["Shelf", "open_zoo"]

REMEDY: Final = "restore it from the repository, or train it with `python -m benchmark zoo build`"


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
    return Shelf(folder, device).open(name, recipes)


class Shelf:
    """The zoo models that are open together: each is opened, and its files are checked, once.

    Parameters
    ----------
    folder, device
        As for `open_zoo`.
    """

    def __init__(self, folder: Path = SHIPPED, device: str = "cpu") -> None:
        self._folder, self._device = folder, device
        # By recipe digest, too: another catalog may make another model under the same name.
        self._opened: dict[tuple[str, str], fpcore.Checkpoint] = {}

    @cached_property
    def _manifest(self) -> Manifest:
        return read_manifest(self._folder)

    def open(self, name: str, recipes: RawRecipes) -> fpcore.Checkpoint:
        """Open a model; parameters and errors as for `open_zoo`."""
        return self._open(name, _lineage(name, recipes))

    def _open(self, name: str, lineage: Mapping[str, Recipe]) -> fpcore.Checkpoint:
        key = name, recipe_digest(lineage, name)
        if key not in self._opened:
            self._opened[key] = self._made(name, lineage, key[1])
        return self._opened[key]

    def _made(self, name: str, lineage: Mapping[str, Recipe], digest: str) -> fpcore.Checkpoint:
        recipe = lineage[name]
        if isinstance(recipe, Exact):
            parents = [self._open(parent, lineage) for parent in recipe.parents]
            return transform(recipe.transform, *parents, name=f"zoo/{name}", **dict(recipe.parameters))
        weights = self._folder / WEIGHTS / name
        entry = self._manifest.models.get(name)
        if entry is None or not weights.is_dir():
            raise fpcore.BadCheckpoint(f"zoo/{name}: no weights in {weights}; {REMEDY}")
        if entry.recipe != digest:
            raise fpcore.BadCheckpoint(
                f"zoo/{name}: {weights} was trained with a recipe other than the catalog's; {REMEDY}"
            )
        found = file_digests(weights)
        for file, expected in entry.files.items():
            if file not in found:
                raise fpcore.BadCheckpoint(f"zoo/{name}: {weights / file} is missing; {REMEDY}")
            if found[file] != expected:
                raise fpcore.BadCheckpoint(
                    f"zoo/{name}: {weights / file} does not match the manifest; {REMEDY}"
                )
        return fpcore.open_checkpoint(weights, name=f"zoo/{name}", device=self._device)


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
