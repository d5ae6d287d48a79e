"""What a model states as its base: in its card, adapter settings, config, or catalog entry."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

import fpcore
from benchmark.catalog.catalog import Catalog
from benchmark.catalog.hub_entry import card_of, settings_of
from benchmark.catalog.model import HubSource, Model, PathSource
from benchmark.session.errors import UsageError
from fpcore.foreign_json import Json

__all__ = ["StatedBase", "stated_base"]

REPOSITORY: Final = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
TYPED: Final = re.compile(r"(?P<name>[A-Za-z0-9][\w.-]*/[\w.-]+)(?:@(?P<revision>[\w./-]+))?")
FRONT: Final = re.compile(r"\A\ufeff?---[ \t]*\r?\n(?P<yaml>.*?)^---[ \t]*\r?$", re.DOTALL | re.MULTILINE)
LONGEST_CARD: Final = 1 << 22  # bytes


@dataclass(frozen=True)
class StatedBase:
    """What a model states that it was made from.

    Attributes
    ----------
    bases : tuple of str
        Names to open: catalog ids, ``org/name`` of the hub, or absolute paths; one for most models, several
        for a merge.
    relation : str
        How it was made from them, in the words of the source; empty where it does not say.
    where : str
        Which source: ``README.md``, ``adapter_config.json``, ``config.json``, the hub's card, or the catalog.
    says : str
        The statement itself.
    also : tuple of str
        What other sources of the model say, where they name something else.
    """

    bases: tuple[str, ...]
    relation: str
    where: str
    says: str
    also: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Statement:
    """What one source says."""

    names: tuple[str, ...]
    relation: str
    where: str
    field: str

    @property
    def says(self) -> str:
        stated = f"{self.field} {', '.join(self.names)}"
        return f"{stated}, base_model_relation {self.relation}" if self.relation else stated


def stated_base(catalog: Catalog, model: str) -> StatedBase:
    """Find what a model states as its base.

    The catalog's parents come first for a catalog id; then the model card; then the settings of an adapter;
    last the name in config.json that software left there when it loaded the weights.

    Parameters
    ----------
    catalog : Catalog
    model : str
        A catalog id, a local path, or ``org/name[@revision]``.

    Returns
    -------
    StatedBase

    Raises
    ------
    UsageError
        It states no base, or one that cannot be looked up, or its card cannot be read: one line that says so
        and asks for ``--base``.
    fpcore.BadCheckpoint
        There is no such model, or the hub cannot be reached.

    Examples
    --------
    >>> from benchmark.catalog import load_catalog
    >>> stated_base(load_catalog(), "zoo/qwen-a-ft-short").bases
    ('zoo/qwen-a',)
    >>> stated_base(load_catalog(), "zoo/qwen-a")
    Traceback (most recent call last):
        ...
    benchmark.session.errors.UsageError: check-claim zoo/qwen-a: the catalog states that it was trained from
        scratch, so there is no base to check; to check one anyway: --base X
    """
    path = Path(model)
    entry = catalog.model(model) if model in catalog and not path.exists() else None
    if entry is not None and entry.parents:
        return _of_catalog(entry)
    if entry is not None and entry.from_scratch:
        raise UsageError(
            f"check-claim {model}: the catalog states that it was trained from scratch, so there is no base"
            " to check; to check one anyway: --base X"
        )
    if entry is not None and isinstance(entry.source, PathSource):
        path = Path(catalog.file).parent / entry.source.path
    if path.exists():
        folder = path if path.is_dir() else path.parent
        return _chosen(model, _of_folder(model, folder), folder)
    revision = None
    if entry is not None and isinstance(entry.source, HubSource):
        name, revision = entry.source.repository, entry.source.revision
    else:
        matched = TYPED.fullmatch(model)
        if matched is None:
            raise fpcore.BadCheckpoint(
                f"{model}: no such file or directory, and not of the form org/name[@revision]"
            )
        name, revision = matched["name"], matched["revision"]
    return _chosen(model, _of_hub(name, revision), None)


def _of_catalog(entry: Model) -> StatedBase:
    parents = entry.parents
    grades = sorted({one.grade for parent in parents for one in parent.evidence})
    return StatedBase(
        tuple(parent.id for parent in parents),
        ", ".join(dict.fromkeys(parent.method for parent in parents)),
        "the catalog",
        f"parents {', '.join(parent.id for parent in parents)} (evidence: {', '.join(grades) or 'none'})",
    )


def _of_folder(model: str, folder: Path) -> list[_Statement]:
    found = []
    card = _front_matter(model, folder / "README.md")
    if names := _texts(card.get("base_model")):
        relation = next(iter(_texts(card.get("base_model_relation"))), "")
        found.append(_Statement(names, relation, "README.md", "base_model"))
    for file in SETTINGS:
        content = _settings(model, folder / file)
        found += _of_settings(file, content)
    return found


def _of_hub(name: str, revision: str | None) -> list[_Statement]:
    card = card_of(name, revision)
    found = []
    if card.base_models:
        relation = card.relation or card.inferred
        found.append(_Statement(card.base_models, relation, "the model card on the hub", "base_model"))
    for file in SETTINGS:
        found += _of_settings(file, settings_of(card, file) or {})
    return [_without(one, card.name) for one in found]


SETTINGS: Final = {"adapter_config.json": "base_model_name_or_path", "config.json": "_name_or_path"}
"""File → the field in which it names a base."""


def _of_settings(file: str, content: Mapping[str, Json]) -> list[_Statement]:
    names = _texts(content.get(SETTINGS[file]))
    return [_Statement(names, "", file, SETTINGS[file])] if names else []


def _without(one: _Statement, name: str) -> _Statement:
    """A statement less the model's own name, which a config holds where it was loaded from the hub."""
    return _Statement(tuple(base for base in one.names if base != name), one.relation, one.where, one.field)


def _chosen(model: str, found: Sequence[_Statement], folder: Path | None) -> StatedBase:
    """The statement that counts: the first whose names can be looked up."""
    named = [one for one in found if one.names]
    if not named:
        raise UsageError(
            f"check-claim {model}: no base is stated (README.md or the hub's card: base_model;"
            " adapter_config.json: base_model_name_or_path; config.json: _name_or_path); name one: --base X"
        )
    for one in named:
        opened = [_openable(base, folder, one.where) for base in one.names]
        if all(opened):
            also = tuple(
                f"{other.where}: {other.says}"
                for other in named
                if other is not one and other.names != one.names
            )
            return StatedBase(tuple(dict.fromkeys(opened)), one.relation, one.where, one.says, also)
        if one.where not in SETTINGS:
            break  # what a card says is not passed over for what software left in a config
    said = "; ".join(f"{one.where}: {one.says}" for one in named)
    raise UsageError(
        f"check-claim {model}: the stated base cannot be looked up ({said}): it is neither org/name nor an"
        " existing path; name the base: --base X"
    )


def _openable(base: str, folder: Path | None, where: str) -> str:
    """The name by which a stated base is opened; empty where it cannot be.

    What a stranger's file names is never taken for a path on this machine, except an absolute path that a
    local model names.
    """
    if REPOSITORY.fullmatch(base):
        if Path(base).exists():
            raise UsageError(
                f"check-claim: {where} states {base}, and a folder of that name exists here; say which one"
                " you mean:"
                f" --base ./{base} or --base {base}@main"
            )
        return base
    return base if folder is not None and Path(base).is_absolute() and Path(base).exists() else ""


def _front_matter(model: str, file: Path) -> Mapping[str, Json]:
    if not file.is_file():
        return {}
    text = file.read_bytes()[:LONGEST_CARD].decode("utf-8", errors="replace")
    matched = FRONT.match(text)
    if matched is None:
        return {}
    try:
        value = yaml.load(matched["yaml"], Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        told = " ".join(str(error).split())
        raise UsageError(
            f"check-claim {model}: the metadata at the head of {file} cannot be read ({told}); correct it, or"
            " name the base: --base X"
        ) from error
    return value if isinstance(value, dict) else {}


def _settings(model: str, file: Path) -> Mapping[str, Json]:
    if not file.is_file():
        return {}
    try:
        value = json.loads(file.read_bytes())
    except (ValueError, RecursionError) as error:
        raise UsageError(f"check-claim {model}: {file} is not JSON ({error}); fetch it again") from error
    return value if isinstance(value, dict) else {}


def _texts(value: Json) -> tuple[str, ...]:
    """A text, or the texts of a list, each once."""
    given = value if isinstance(value, list) else [value]
    return tuple(dict.fromkeys(text for each in given if isinstance(each, str) and (text := each.strip())))
