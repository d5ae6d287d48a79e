"""From a model's entry, or what a user typed, to an open checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import fpcore

if TYPE_CHECKING:  # a model that is named by its path needs no catalog
    from benchmark.catalog import Catalog, HubSource, ZooSource
    from benchmark.zoo.library import Shelf
    from benchmark.zoo.recipes import RawRecipes

__all__ = ["Located", "locate", "locate_path", "locate_typed", "open_model"]


ZOO: Final = "zoo/"
"""How ids of controlled models begin."""


@dataclass(frozen=True)
class Located:
    """Where the weights of one model are: all that it takes to open them, in any process.

    Attributes
    ----------
    model : str
        What the run calls it.
    source : ZooSource, HubSource, Path or str
        A controlled model, a repository, a path, or what a user typed.
    cell : str or None
        The shape that the catalog states; the checkpoint must have it.
    recipes : mapping
        Of a controlled model and its ancestors.
    """

    model: str
    source: ZooSource | HubSource | Path | str
    cell: str | None = None
    recipes: RawRecipes = field(default_factory=dict, repr=False)

    def open(self, device: str = "cpu", fetching: fpcore.Fetching | None = None) -> fpcore.Checkpoint:
        """Open the checkpoint (headers only; tensors are read when asked for).

        Parameters
        ----------
        device : str
            Where metrics that run models run it.
        fetching : Fetching, optional
            What becomes of bytes that come from the hub.

        Raises
        ------
        fpcore.BadCheckpoint
            The weights are missing, damaged, or contradict the shape that the catalog states.
        """
        checkpoint = self.open_unchecked(device, fetching)
        self.check(checkpoint.architecture.cell)
        return checkpoint

    def check(self, cell: str) -> None:
        """Refuse a checkpoint whose shape is not the one that the catalog states (BadCheckpoint)."""
        if self.cell is not None and self.cell != cell:
            raise fpcore.BadCheckpoint(
                f"{self.model}: the catalog states the shape {self.cell!r}, but the checkpoint has {cell!r};"
                " correct it"
            )

    def open_unchecked(
        self,
        device: str = "cpu",
        fetching: fpcore.Fetching | None = None,
        shelf: Callable[[], Shelf] | None = None,
    ) -> fpcore.Checkpoint:
        """Open the checkpoint without a look at its shape, which takes reading what its tensors are.

        Parameters
        ----------
        device, fetching
            As for `open`.
        shelf : callable, optional
            Gives the zoo models that are open already.
        """
        source = self.source
        if isinstance(source, Path | str):
            return fpcore.open_checkpoint(source, device=device, fetching=fetching)
        from benchmark.catalog import HubSource

        if isinstance(source, HubSource):
            return fpcore.open_checkpoint(
                source.repository, revision=source.revision, device=device, fetching=fetching
            )
        if shelf is not None:
            return shelf().open(source.name, self.recipes)
        from benchmark.zoo.library import open_zoo

        return open_zoo(source.name, self.recipes, device=device)


def locate(catalog: Catalog, model: str) -> Located:
    """Say where the weights of a catalog entry are.

    Parameters
    ----------
    catalog : Catalog
    model : str
        The id of one of its entries.
    """
    from benchmark.catalog import PathSource, ZooSource

    entry = catalog.entries[model]
    source = entry.source
    if isinstance(source, ZooSource):
        return Located(model, source, entry.cell, _with_ancestors(source.name, catalog.zoo_recipes))
    if isinstance(source, PathSource):
        return Located(model, Path(catalog.file).parent / source.path, entry.cell)
    return Located(model, source, entry.cell)


def locate_path(text: str) -> Located | None:
    """What a user named, if it is a local path."""
    return Located(text, Path(text)) if Path(text).exists() else None


def locate_typed(catalog: Catalog, text: str) -> Located:
    """Say where what a user named is: a local path, a catalog id, or ``org/name[@revision]`` on the hub.

    Raises
    ------
    CatalogError
        A zoo model that a catalog of zoo models does not hold: nobody is asked for it.
    """
    if (local := locate_path(text)) is not None:
        return local
    if text in catalog or (text.startswith(ZOO) and any(name.startswith(ZOO) for name in catalog.entries)):
        return locate(catalog, catalog.resolve(text))
    return Located(text, text)


def open_model(catalog: Catalog, model: str) -> fpcore.Checkpoint:
    """Open the checkpoint of a catalog entry; errors as `Located.open`."""
    return locate(catalog, model).open()


def _with_ancestors(name: str, recipes: RawRecipes) -> RawRecipes:
    """The recipes that it takes to make one model; those that are missing are left for `open_zoo` to name."""
    from benchmark.zoo.recipe_forms import parse_recipe
    from benchmark.zoo.recipes import needs

    found: dict[str, Mapping[str, object]] = {}
    waiting = [name]
    while waiting:
        current = waiting.pop()
        if current in recipes and current not in found:
            found[current] = recipes[current]
            waiting += needs(parse_recipe(current, recipes[current]))
    return found
