"""Which entries an import adds: each model once, its origin as its card says, and what speaks against it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

import fpcore
from benchmark.catalog.catalog import Catalog
from benchmark.catalog.hub_entry import (
    Derivation,
    OnHub,
    card_evidence,
    card_of,
    hub_entry,
    look_at,
    stated_derivation,
)
from benchmark.catalog.integrity import date_span
from benchmark.catalog.model import GRADES, SHAPE_KEEPING, Facts, HubSource, Model
from benchmark.catalog.written import dispute_entry, model_entry, needed_by

__all__ = ["ImportWork", "Outcome"]

NAME: Final = re.compile(r"(?P<name>[A-Za-z0-9][\w.-]*/[\w.-]+)(?:@(?P<revision>[\w./-]+))?")
Entry = dict[str, object]


@dataclass(frozen=True)
class Outcome:
    """What became of one model.

    Attributes
    ----------
    model : str
        As it was named, or the id of its entry.
    state : {"written", "taken over", "named only", "unchanged", "failed"}
        New from the hub's metadata; from the other catalog, with its evidence; an entry that says no more
        than that another one names it; there already; not to be had.
    says : str
        The rest of the line.
    """

    model: str
    state: Literal["written", "taken over", "named only", "unchanged", "failed"]
    says: str

    def __str__(self) -> str:
        return f"{self.model}: {self.state}; {self.says}" if self.says else f"{self.model}: {self.state}"


@dataclass
class _Fresh:
    """An entry that is new, with what other entries must know of it."""

    entry: Entry
    parents: tuple[str, ...] = ()
    facts: Facts | None = None
    date: str = ""


class ImportWork:
    """The work of one import: what is there, what else is known, and what is new.

    Parameters
    ----------
    own : Catalog
        To which entries are added.
    other : Catalog
        From which models are taken over, with their evidence.
    with_parents : bool
        Whether models that cards name as base are imported, too.

    Attributes
    ----------
    outcomes : list of Outcome
        What became of each model so far.
    """

    def __init__(self, own: Catalog, other: Catalog, with_parents: bool) -> None:
        self.own, self.other, self.with_parents = own, other, with_parents
        self.fresh: dict[str, _Fresh] = {}
        self.outcomes: list[Outcome] = []
        self.open: set[str] = set()
        self.refused: dict[str, str] = {}

    # --- what is known ----------------------------------------------------------------------------------

    def entries(self) -> tuple[list[Entry], list[Entry]]:
        """New models, parents first, and disputes of the other catalog that are about models of this one."""
        models: dict[str, Entry] = {}

        def place(name: str) -> None:
            if name in self.fresh and name not in models:
                for parent in self.fresh[name].parents:
                    place(parent)
                models[name] = self.fresh[name].entry

        for name in self.fresh:
            place(name)
        known = {*self.own.entries, *models}
        there = {dispute.id for dispute in self.own.disputes}
        disputes = [
            dispute_entry(dispute, known)
            for dispute in self.other.disputes
            if dispute.id not in there and len(known.intersection(dispute.models)) > 1
        ]
        return list(models.values()), disputes

    def held(self, name: str, revision: str | None = None) -> str | None:
        """The id under which a repository is in the file, or will be."""
        asked = f"{name}@{revision}" if revision else name
        if asked in self.own:
            return self.own.resolve(asked)
        if asked in self.fresh:
            return asked
        return _by_source(self.own, name, revision)

    def elsewhere(self, name: str, revision: str | None = None) -> str | None:
        """The id under which a repository is in the other catalog, if it can be taken over."""
        asked = f"{name}@{revision}" if revision else name
        known = self.other.resolve(asked) if asked in self.other else _by_source(self.other, name, revision)
        model = self.other.models.get(known) if known else None
        return model.id if model is not None and isinstance(model.source, HubSource) else None

    def model(self, name: str) -> Model | None:
        """An entry that is not new."""
        return self.own.entries.get(name) or self.other.entries.get(name)

    def parents(self, name: str) -> tuple[str, ...]:
        """Ids of the parents of an entry, new or not."""
        if name in self.fresh:
            return self.fresh[name].parents
        model = self.model(name)
        return tuple(parent.id for parent in model.parents) if model else ()

    def ancestors(self, name: str) -> set[str]:
        """All proper ancestors that are known."""
        found: set[str] = set()
        waiting = list(self.parents(name))
        while waiting:
            here = waiting.pop()
            if here not in found:
                found.add(here)
                waiting += self.parents(here)
        return found

    # --- one model --------------------------------------------------------------------------------------

    def named(self, text: str) -> None:
        """Import a model that the user named."""
        matched = NAME.fullmatch(text)
        if matched is None:
            self.tell(text, "failed", "not of the form org/name[@revision]")
            return
        name, revision = matched["name"], matched["revision"]
        if (known := self.held(name, revision)) is not None:
            if known not in self.fresh:
                self.unchanged(text, known, name, revision)
            return
        if (known := self.elsewhere(name, revision)) is not None:
            self.take_over(known, self.contradiction(self.other.entries[known], name, revision))
            return
        self.from_hub(name, revision)

    def unchanged(self, text: str, known: str, name: str, revision: str | None) -> None:
        """Leave an entry as it is, and say what its card says against it."""
        model = self.own.entries[known]
        best = _best_grade(model)
        says = f"in {self.own.file}" + (f" as {known}" if known != text else "")
        says += f" with evidence of grade {best}" if best else " already"
        self.tell(text, "unchanged", says + self.contradiction(model, name, revision))

    def take_over(self, known: str, against: str = "") -> None:
        """Take a model from the other catalog, with all that its entry needs to stand."""
        if known in self.fresh or known in self.own.entries:
            return
        model = self.other.entries[known]
        entry = model_entry(model)
        aliases = [alias for alias in model.aliases if alias not in self.own and alias not in self.fresh]
        if aliases != list(model.aliases):
            entry = {key: value for key, value in entry.items() if key != "aliases"}
            entry |= {"aliases": aliases} if aliases else {}
        parents = tuple(parent.id for parent in model.parents)
        self.fresh[known] = _Fresh(entry, parents, model.architecture, model.date)
        best = _best_grade(model)
        says = f"{self.other.file} holds it" + (f" with evidence of grade {best}" if best else "")
        self.tell(known, "taken over", says + against)
        for needed in needed_by(model):
            self.take_over(needed)

    def contradiction(self, model: Model, name: str, revision: str | None) -> str:
        """What a card says of a model's origin that the catalog does not have; empty where nothing."""
        try:
            card = card_of(name, revision)
        except fpcore.BadCheckpoint as error:
            return f"; its card could not be read ({error})"
        bases = [self.held(base) or self.elsewhere(base) or base for base in card.base_models if base != name]
        if all(base in self.ancestors(model.id) for base in bases):
            return ""
        has = ", ".join(parent.id for parent in model.parents) if model.parents else "none"
        has += " (stated as trained from scratch)" if model.from_scratch else ""
        says = stated_derivation(card).says
        return (
            f"; contradiction: its card says {says}, the catalog has as parents {has};"
            " nothing is changed, see which is right, or write a dispute"
        )

    def from_hub(self, name: str, revision: str | None) -> str | None:
        """Write an entry by what the hub says; its id, or None where that fails."""
        asked = f"{name}@{revision}" if revision else name
        try:
            seen = look_at(name, revision)
        except fpcore.BadCheckpoint as error:
            self.refused[asked] = str(error)
            self.tell(asked, "failed", str(error).removeprefix(f"{asked}: "))
            return None
        card = seen.card
        moved = f"now called {card.name}" if card.name != name else ""
        commit = card.repository.commit
        known = self.held(card.name, revision) or self.held(card.name, commit) or self.twin(card.name, commit)
        if known is not None:
            self.tell(asked, "unchanged", f"the same commit as {known}: one model, one entry")
            return known
        if moved and (known := self.elsewhere(card.name, revision)) is not None:
            self.take_over(known)
            return known
        entry = hub_entry(seen, revision)
        if entry["id"] in self.own:
            # Somebody calls another model by that name.
            entry["id"] = f"{card.name}@{commit[:12]}"
        model = str(entry["id"])
        self.fresh[model] = _Fresh(entry, (), seen.facts, card.created)
        self.open.add(model)
        notes = [*([moved] if moved else []), *seen.notes]
        notes += self.derived(model, seen)
        self.open.discard(model)
        if seen.facts is None and not seen.adapter:
            notes.append("its shape is unknown")
        if not entry.get("date"):
            notes.append("its date is unknown")
        parents = self.fresh[model].parents
        came = f"from {', '.join(parents)} by {self.method(model)}" if parents else "no parent stated"
        self.tell(model, "written", "; ".join([came, *notes]))
        return model

    def twin(self, name: str, commit: str) -> str | None:
        """A new entry of the same commit."""
        source = {"hub": name, "revision": commit}
        return next((model for model, one in self.fresh.items() if one.entry.get("source") == source), None)

    def method(self, model: str) -> str:
        """The methods of a new entry's derivations."""
        parents = self.fresh[model].entry.get("parents")
        assert isinstance(parents, list)
        return ", ".join(dict.fromkeys(str(parent["method"]) for parent in parents))

    # --- where it comes from ----------------------------------------------------------------------------

    def derived(self, model: str, seen: OnHub) -> list[str]:
        """State the parents of a new entry, as far as its card allows; what is to be said about it."""
        stated = stated_derivation(seen.card)
        fresh = self.fresh[model]
        if stated.unclear:
            told = f"its card says {stated.says}; no parent is stated: {stated.unclear}"
            fresh.entry["notes"] = told
            return [told]
        notes, ids = [], [self.base(base) for base in stated.bases]
        why = self.against(model, ids, stated, seen)
        if why:
            told = f"its card says {stated.says}; no parent is stated: {why}"
            fresh.entry["notes"] = told
            return [f"contradiction: {told}"]
        if not ids:
            return []
        for base in ids:
            self.stand(base, model)
        detail = (
            {"detail": seen.detail} if seen.detail and stated.method in {"quantise", "adapter-merge"} else {}
        )
        evidence = card_evidence(seen.card, stated.says)
        parents = [{"of": base, "method": stated.method, **detail, "evidence": evidence} for base in ids]
        # Facts before parents before evidence, as entries are read.
        last = {key: fresh.entry.pop(key) for key in ("evidence",) if key in fresh.entry}
        fresh.entry |= {"parents": parents} | last
        fresh.parents = tuple(ids)
        for base in ids:
            if self.undated(model, base):
                fresh.entry.pop("date", None)
                fresh.date = ""
                notes.append(f"its repository is older than that of {base}: no date is given")
        if len(ids) == 1 and fresh.facts is None:
            fresh.facts = self.facts(ids[0])
        return notes

    def base(self, name: str) -> str:
        """The id of a model that a card names as base."""
        if (known := self.held(name) or self.elsewhere(name)) is not None:
            return known
        if self.with_parents and name not in self.refused and (made := self.from_hub(name, None)) is not None:
            return made
        return name

    def stand(self, base: str, child: str) -> None:
        """See to it that a parent has an entry: a derivation names models of its own catalog."""
        if base in self.fresh or base in self.own.entries:
            return
        if base in self.other.entries:
            self.take_over(base)
            return
        told = f"named as base_model by {child}; its own metadata was not read"
        self.fresh[base] = _Fresh({"id": base, "source": {"hub": base}, "notes": told})
        hint = "" if base in self.refused else "; --with-parents imports it"
        self.tell(base, "named only", f"base_model of {child}{hint}")

    def against(self, model: str, bases: Iterable[str], stated: Derivation, seen: OnHub) -> str:
        """What speaks against a derivation that a card states; empty where nothing does."""
        for base in bases:
            if base == model or model in self.ancestors(base) or base in self.open:
                return f"{base} is itself said to come from it"
            for dispute in (*self.own.disputes, *self.other.disputes):
                if dispute.open and {base, model} <= set(dispute.models):
                    return f"whether it comes from {base} is disputed ({dispute.id})"
            shape, origin = seen.facts, self.facts(base)
            cells = (shape.cell if shape else None, origin.cell if origin else None)
            if stated.method in SHAPE_KEEPING and None not in cells and cells[0] != cells[1]:
                return f"{stated.method} keeps the shape, but it has {cells[0]} and {base} has {cells[1]}"
        return ""

    def facts(self, name: str) -> Facts | None:
        """The shape of an entry, new or not, as far as it is known."""
        if name in self.fresh:
            return self.fresh[name].facts
        model = self.model(name)
        return model.architecture if model else None

    def undated(self, model: str, base: str) -> bool:
        """Whether a repository is older than that of its base: made in private, or the base is a copy."""
        mine = self.fresh[model].date
        known = self.model(base)
        theirs = self.fresh[base].date if base in self.fresh else known.date if known else ""
        return date_span(mine)[1] < date_span(theirs)[0]

    def tell(
        self,
        model: str,
        state: Literal["written", "taken over", "named only", "unchanged", "failed"],
        says: str,
    ) -> None:
        """Note what became of a model."""
        self.outcomes.append(Outcome(model, state, " ".join(says.split())))


def _by_source(catalog: Catalog, name: str, revision: str | None) -> str | None:
    """The entry whose weights are those of a repository, whatever it is called."""
    for model in catalog.entries.values():
        source = model.source
        if isinstance(source, HubSource) and (source.repository, source.revision) == (name, revision):
            return model.id
    return None


def _best_grade(model: Model) -> str:
    """The best grade of evidence for where a model comes from, or else for its other facts; empty without."""
    pieces = [*model.from_scratch, *(piece for parent in model.parents for piece in parent.evidence)]
    grades = [piece.grade for piece in pieces or model.evidence]
    return min(grades, key=GRADES.index, default="")
