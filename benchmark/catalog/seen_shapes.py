"""What models that can be looked at show of their shape, held against what their entries state."""

from __future__ import annotations

import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

import fpcore
from benchmark.catalog.catalog import Catalog
from benchmark.catalog.model import Facts, HubSource, Model, PathSource
from benchmark.catalog.problems import CatalogError, Problem

__all__ = ["with_seen_shapes"]

COMMIT: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
AT_ONCE: Final = 4  # models on the hub whose headers are fetched at one time
NAMED: Final = 5


def with_seen_shapes(catalog: Catalog) -> tuple[Catalog, tuple[str, ...]]:
    """Read config and headers of models on this machine, and of those on the hub whose entry names a commit.

    Other models on the hub are not asked for: a branch may hold something else tomorrow.

    Parameters
    ----------
    catalog : Catalog

    Returns
    -------
    catalog : Catalog
        With the shapes that no entry states.
    notes : tuple of str
        Models on the hub that cannot be looked at now.

    Raises
    ------
    CatalogError
        A model on this machine cannot be opened, or one has another shape than its entry states.
    """
    looked_at = [model for model in catalog.entries.values() if _to_look_at(model)]
    if not looked_at:
        return catalog, ()
    look = partial(_seen, Path(catalog.file).parent)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        seen = dict(zip((model.id for model in looked_at), pool.map(look, looked_at), strict=True))
    problems, unseen = [], {}
    filled: dict[str, Model] = {}
    for model in looked_at:
        found = seen[model.id]
        if isinstance(found, str):
            if isinstance(model.source, PathSource):
                problems.append(_problem(catalog, model, "source.path", found))
            else:
                unseen[model.id] = found
            continue
        stated = model.architecture
        against = list(_against(stated, found)) if stated else []
        if against:
            problems.append(_problem(catalog, model, "architecture", f"{'; '.join(against)}; correct it"))
        filled[model.id] = replace(model, architecture=found)
    if problems:
        raise CatalogError(tuple(sorted(problems, key=lambda problem: problem.line)))
    models = [filled.get(model.id, model) for model in catalog.entries.values()]
    published = list(catalog.published.values())
    return Catalog(models, catalog.disputes, published, parts=catalog.parts), tuple(_notes(unseen))


def _to_look_at(model: Model) -> bool:
    source = model.source
    if isinstance(source, HubSource):
        return not source.unavailable and COMMIT.fullmatch(source.revision or "") is not None
    return isinstance(source, PathSource)


def _seen(folder: Path, model: Model) -> Facts | str:
    """The shape of a model of a catalog in a folder, or why it has none."""
    source = model.source
    try:
        if isinstance(source, HubSource):
            checkpoint = fpcore.open_checkpoint(source.repository, revision=source.revision)
        else:
            assert isinstance(source, PathSource)
            checkpoint = fpcore.open_checkpoint(folder / source.path)
        return Facts.of(checkpoint.architecture)
    except (fpcore.BadCheckpoint, fpcore.NotComparable) as error:
        return str(error)


def _against(stated: Facts, found: Facts) -> Iterable[str]:
    """Facts that decide the cell and that entry and checkpoint give differently."""
    if stated.cell is not None and found.cell is not None:
        if stated.cell != found.cell:
            yield f"the entry states the shape {stated.cell!r}, but the checkpoint has {found.cell!r}"
        return
    shown = found.known()
    for name, value in stated.known().items():
        if name in shown and name not in {"vocabulary", "tied", "head_dim"} and shown[name] != value:
            yield f"the entry states {name} {value}, but the checkpoint has {shown[name]}"


def _problem(catalog: Catalog, model: Model, field: str, message: str) -> Problem:
    return Problem(catalog.file, model.line, f"models[{model.id}].{field}", message)


def _notes(unseen: dict[str, str]) -> Iterable[str]:
    for why in list(unseen.values())[:NAMED]:
        yield f"shape not checked: {why}"
    if len(unseen) > NAMED:
        yield f"shape not checked: {len(unseen) - NAMED} more models on the hub"
