"""What the hub says of a model beside its files: what its card names as base, when it was made, its size."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from fpcore.errors import BadCheckpoint
from fpcore.foreign_json import Json
from fpcore.remote.repository import Repository, described_repository, listing
from fpcore.remote.requests import read_all
from fpcore.remote.traffic import Traffic

__all__ = ["HubCard", "read_card", "read_settings"]

DATE: Final = re.compile(r"(\d{4}-\d{2}-\d{2})T")
FIRST_DATE: Final = "2022-03-02"
"""The hub gives this day to every repository that was made up to it: it says nothing of an older one."""
TAG: Final = "base_model:"
LONGEST_SETTINGS: Final = 1 << 24  # bytes


@dataclass(frozen=True)
class HubCard:
    """What the hub says of one revision of a model.

    Attributes
    ----------
    name : str
        ``org/name`` as the hub calls it now; it answers for names that a model had before, too.
    repository : Repository
        Its commit and files.
    created : str
        Day on which the repository was made, YYYY-MM-DD; empty where the hub does not know. It may have been
        made in private, long before anybody saw it.
    base_models : tuple of str
        As the card names them, each once.
    relation : str
        The card's `base_model_relation`; empty where it has none.
    inferred : str
        What the hub itself takes the relation for, by its tags; empty where it says nothing.
    parameters : int or None
        Elements of the safetensors files together.
    """

    name: str
    repository: Repository
    created: str
    base_models: tuple[str, ...]
    relation: str
    inferred: str
    parameters: int | None


def read_card(name: str, revision: str | None, traffic: Traffic) -> HubCard:
    """Ask the hub about a model; parameters and errors as `fpcore.remote.repository.look_up`."""
    content, url = listing(name, revision, traffic)
    stated = content.get("cardData")
    card: Mapping[str, Json] = stated if isinstance(stated, dict) else {}
    called = content.get("id")
    tags = [tag for tag in _texts(content.get("tags")) if tag.startswith(TAG)]
    relations = [rest for tag in tags if ":" in (rest := tag.removeprefix(TAG))]
    inferred = {rest.partition(":")[0] for rest in relations}
    weights = content.get("safetensors")
    total = weights.get("total") if isinstance(weights, dict) else None
    return HubCard(
        name=called if isinstance(called, str) and called.count("/") == 1 else name,
        repository=described_repository(name, revision, content, url, traffic),
        created=_day(content.get("createdAt")),
        base_models=tuple(dict.fromkeys(_texts(card.get("base_model")))),
        relation=next(iter(_texts(card.get("base_model_relation"))), ""),
        inferred=inferred.pop() if len(inferred) == 1 else "",
        parameters=total if isinstance(total, int) and not isinstance(total, bool) and total > 0 else None,
    )


def read_settings(repository: Repository, name: str, traffic: Traffic) -> Mapping[str, Json] | None:
    """One of the small JSON files of a repository; None where it has no such file.

    Raises
    ------
    BadCheckpoint
        It may not be seen, or is no JSON object.
    """
    if name not in repository.files:
        return None
    url = repository.address(name)
    try:
        value = json.loads(read_all(url, LONGEST_SETTINGS, traffic=traffic))
    except (ValueError, RecursionError) as error:
        raise BadCheckpoint(f"{url}: not JSON ({error})") from error
    if not isinstance(value, dict):
        raise BadCheckpoint(f"{url}: not a JSON object")
    return value


def _texts(value: Json) -> list[str]:
    """A text, or the texts of a list."""
    given = value if isinstance(value, list) else [value]
    return [text for each in given if isinstance(each, str) and (text := each.strip())]


def _day(value: Json) -> str:
    found = DATE.match(value) if isinstance(value, str) else None
    return found[1] if found and found[1] > FIRST_DATE else ""
