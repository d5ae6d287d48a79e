"""What the hub says of a model, as an entry of grade `card`: its place, its shape, what it was made from."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import fpcore
from benchmark.catalog.model import Facts
from fpcore.checkpoints.remote_files import explained
from fpcore.foreign_json import Json
from fpcore.remote.card import HubCard, read_card, read_settings
from fpcore.remote.requests import Unreachable
from fpcore.remote.traffic import Traffic

__all__ = [
    "Derivation",
    "OnHub",
    "card_evidence",
    "card_of",
    "hub_entry",
    "look_at",
    "settings_of",
    "stated_derivation",
]

METHODS: Final = {
    "finetune": "fine-tune",
    "adapter": "adapter-merge",
    "merge": "merge",
    "quantized": "quantise",
}
"""The hub's four relations → the catalog's methods."""
REPOSITORY: Final = re.compile(r"[\w.-]+/[\w.-]+")
DETAIL: Final = re.compile(r"\S+")


@dataclass(frozen=True)
class OnHub:
    """A model as the hub shows it.

    Attributes
    ----------
    card : HubCard
    facts : Facts or None
        Its shape, as its tensors show it, or its config where they cannot be read.
    parameters : int or None
    detail : str
        How it was quantised, or which kind of adapter it is; empty for others.
    adapter : bool
        Whether it is an adapter: it then has no shape of its own.
    notes : tuple of str
        What could not be found out.
    """

    card: HubCard
    facts: Facts | None
    parameters: int | None
    detail: str
    adapter: bool
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Derivation:
    """What a card says a model was made from.

    Attributes
    ----------
    bases : tuple of str
        Repositories that it names; none where what it says is no derivation that a catalog can state.
    method : str
        Of the catalog; empty where there is none.
    says : str
        The tags themselves, for evidence and messages; empty where the card names no base.
    unclear : str
        Why nothing is stated although the card names something; empty otherwise.
    """

    bases: tuple[str, ...] = ()
    method: str = ""
    says: str = ""
    unclear: str = ""


def card_of(name: str, revision: str | None) -> HubCard:
    """What the hub says of a model, its files unread; parameters and errors as `look_at`."""
    shown = f"{name}@{revision}" if revision else name
    with _reached(shown), explained(shown):
        return read_card(name, revision, Traffic(shown))


def settings_of(card: HubCard, file: str) -> Mapping[str, Json] | None:
    """One of the small JSON files of a model; None where it has none; errors as `look_at`."""
    with _reached(card.name), explained(card.name):
        return read_settings(card.repository, file, Traffic(card.name))


def look_at(name: str, revision: str | None) -> OnHub:
    """Ask the hub about a model: card, settings, and the headers of its weights.

    Parameters
    ----------
    name : str
        ``org/name``.
    revision : str or None

    Raises
    ------
    fpcore.BadCheckpoint
        One line: there is no such model or revision, it is gated or private, or the hub cannot be reached.
    """
    shown = f"{name}@{revision}" if revision else name
    card = card_of(name, revision)
    traffic = Traffic(shown)
    with _reached(shown), explained(shown):
        adapter = read_settings(card.repository, "adapter_config.json", traffic)
        config = read_settings(card.repository, "config.json", traffic)
    if adapter is not None and config is None:
        return OnHub(card, None, None, _word(adapter.get("peft_type")).lower(), True, ())
    quantised = _quantised(card, config)
    notes: tuple[str, ...] = ()
    facts, parameters = None, card.parameters
    try:
        checkpoint = fpcore.open_checkpoint(card.name, revision=card.repository.commit)
        facts = Facts.of(checkpoint.architecture)
        parameters = parameters or sum(math.prod(info.shape) for info in checkpoint.tensors.values())
    except (fpcore.BadCheckpoint, fpcore.NotComparable) as error:
        notes = (f"its weights cannot be read as a model ({error})",)
        facts = None if config is None else _facts_by_config(config)
        if facts is not None:
            notes = (f"{notes[0]}; its shape is taken from config.json",)
    # Packed elements are no weights: their number says nothing of the model.
    return OnHub(card, facts, None if quantised else parameters, quantised, False, notes)


def stated_derivation(card: HubCard) -> Derivation:
    """What a card says of a model's origin, in the words of the catalog.

    Several bases are stated for a merge alone: for other relations a card does not say which of them the
    weights come from.
    """
    if not card.base_models:
        return Derivation()
    relation = card.relation or card.inferred
    named = ", ".join(card.base_models)
    says = f"base_model {named}"
    if card.relation:
        says += f", base_model_relation {card.relation}"
    elif card.inferred:
        says += f"; the card states no relation, the hub infers {card.inferred}"
    else:
        says += "; neither the card nor the hub states a relation"
    bases = tuple(base for base in card.base_models if REPOSITORY.fullmatch(base) and base != card.name)
    method = METHODS.get(relation.lower(), "")
    unclear = ""
    if bases != card.base_models:
        odd = next(base for base in card.base_models if base not in bases)
        unclear = "it names itself" if odd == card.name else f"{odd!r} is not of the form org/name"
    elif not relation:
        unclear = "the relation is not stated"
    elif not method:
        unclear = f"{relation!r} is a relation for which the catalog has no method"
    elif method == "merge" and len(bases) < 2:
        unclear = "a merge has two or more parents, and the card names one"
    elif method != "merge" and len(bases) > 1:
        unclear = f"it names {len(bases)} bases, but not which one the weights come from"
    return Derivation((), "", says, unclear) if unclear else Derivation(bases, method, says)


def hub_entry(seen: OnHub, revision: str | None) -> dict[str, object]:
    """The entry of a model without its parents.

    Parameters
    ----------
    seen : OnHub
    revision : str or None
        As it was asked for; the entry names the commit that this was.
    """
    card = seen.card
    commit = card.repository.commit
    entry: dict[str, object] = {
        "id": f"{card.name}@{revision}" if revision else card.name,
        "source": {"hub": card.name, "revision": commit},
        "publisher": card.name.partition("/")[0],
    }
    if card.created:
        entry["date"] = card.created
    if seen.facts is not None:
        entry["architecture"] = seen.facts.known()
    if seen.parameters:
        entry["parameters"] = seen.parameters
    entry["evidence"] = card_evidence(card, "owner, creation date of the repository, files and config")
    return entry


def card_evidence(card: HubCard, says: str) -> dict[str, object]:
    """A statement of the hub's own metadata."""
    from huggingface_hub import constants

    where = f"{constants.ENDPOINT}/{card.name}"
    return {"grade": "card", "source": where, "says": f"{says} (commit {card.repository.commit[:12]})"}


@contextmanager
def _reached(shown: str) -> Iterator[None]:
    """A hub that nobody reaches, in one line that names the model."""
    try:
        yield
    except Unreachable as error:
        raise fpcore.BadCheckpoint(f"{shown}: the hub cannot be reached ({error})") from error


def _facts_by_config(config: Mapping[str, Json]) -> Facts | None:
    try:
        return Facts.of(fpcore.Architecture.from_config(config))
    except fpcore.BadCheckpoint:
        return None


def _quantised(card: HubCard, config: Mapping[str, Json] | None) -> str:
    """How a model was quantised: as its config says, or by its files; empty where it was not."""
    stated = (config or {}).get("quantization_config")
    if isinstance(stated, Mapping):
        return _word(stated.get("quant_method")).lower() or "unknown"
    names = list(card.repository.files)
    if any(name.endswith(".gguf") for name in names) and not any(
        name.endswith((".safetensors", ".bin")) for name in names
    ):
        return "gguf"
    return ""


def _word(value: Json) -> str:
    return value if isinstance(value, str) and DETAIL.fullmatch(value) else ""
