"""What the form cannot see: names that do not fit together, cycles, contradictions."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Final

from benchmark.catalog.document import Document, Place
from benchmark.catalog.model import Dispute, Forgery, Model, ZooSource
from benchmark.catalog.problems import MOST_PROBLEMS, Problem

__all__ = ["date_span", "graph_problems", "topological"]


HINTS: Final = 5
"""Unknown names for which one that is meant is looked for."""
LONGEST_NAME: Final = 200
STEPS_NAMED: Final = 10


def topological(models: Sequence[Model]) -> list[Model]:
    """Parents before children, founders first, otherwise in file order; the graph has no cycle.

    Founders come first so that a lineage is named by its first founder.
    """
    by_id = {model.id: model for model in models}
    done: dict[str, Model] = {model.id: model for model in models if model.founder}

    for model in models:
        waiting = [(model, iter(model.parents))]  # a chain may be longer than what a stack of calls holds
        while waiting:
            current, parents = waiting[-1]
            above = next((by_id[parent.id] for parent in parents if parent.id not in done), None)
            if above is not None:
                waiting.append((above, iter(above.parents)))
            else:
                done.setdefault(current.id, current)
                waiting.pop()
    return list(done.values())


def date_span(date: str) -> tuple[str, str]:
    """Earliest and latest day that a date of any precision can mean, comparable as text.

    An empty date spans all time.
    """
    if not date:
        return "0000-01-01", "9999-12-31"
    return (date + "-01-01"[len(date) - 4 :], date + "-12-31"[len(date) - 4 :])


def graph_problems(models: Sequence[Model], disputes: Sequence[Dispute], document: Document) -> list[Problem]:
    """Every problem between entries.

    Parameters
    ----------
    models : sequence of Model
    disputes : sequence of Dispute
    document : Document
        For lines and names.
    """
    ids = {model.id: ("models", index) for index, model in reversed(list(enumerate(models)))}
    check = _Check(models, disputes, document, ids)
    kinds = (check.names(), check.references(), check.disputes_hold(), check.forgeries())
    problems = [problem for kind in kinds for problem in islice(kind, MOST_PROBLEMS)]
    cycles = list(islice(check.cycles(), MOST_PROBLEMS))
    if not cycles and not problems:
        problems += islice(check.contradictions(), MOST_PROBLEMS)
    return problems + cycles


class _Check:
    def __init__(
        self,
        models: Sequence[Model],
        disputes: Sequence[Dispute],
        document: Document,
        places: Mapping[str, Place],
    ) -> None:
        self.models = models
        self.disputes = disputes
        self.document = document
        self.places = places
        self.alias_of = {alias: model.id for model in models for alias in model.aliases}
        self.by_id = {model.id: model for model in reversed(models)}
        self.unknown = 0

    def names(self) -> Iterator[Problem]:
        """Ids, aliases and sources stand once."""
        first: dict[str, int] = {}
        for index, model in enumerate(self.models):
            if model.id in first:
                yield self._problem(
                    ("models", index, "id"),
                    f"duplicate id {model.id!r} (first at line {first[model.id]}); keep one",
                )
            first.setdefault(model.id, model.line)
        taken: dict[str, str] = {}
        sources: dict[str, str] = {}
        for index, model in enumerate(self.models):
            for alias in model.aliases:
                place: Place = ("models", index, "aliases")
                if alias in self.by_id:
                    yield self._problem(place, f"alias {alias!r} is also the id of a model; rename one")
                elif alias in taken:
                    yield self._problem(place, f"duplicate alias {alias!r}, also of {taken[alias]}; keep one")
                taken.setdefault(alias, model.id)
            source = str(model.source)
            if source in sources and sources[source] != model.id:
                yield self._problem(
                    ("models", index, "source"), f"same source as {sources[source]}; keep one entry per model"
                )
            sources.setdefault(source, model.id)
            if isinstance(model.source, ZooSource) and not model.recipe:
                yield self._problem(
                    ("models", index, "source"), "a zoo model needs its recipe; add `recipe:`"
                )

    def references(self) -> Iterator[Problem]:
        """Parents, teachers and twins exist, and are not the model itself."""
        for index, model in enumerate(self.models):
            place: Place = ("models", index)
            for number, parent in enumerate(model.parents):
                yield from self._refers(model, parent.id, (*place, "parents", number, "of"), "parent")
            for name, count in Counter(parent.id for parent in model.parents).items():
                if count > 1:
                    yield self._problem(
                        (*place, "parents"), f"parent {name!r} is listed {count} times; keep one"
                    )
            merged = [parent for parent in model.parents if parent.method == "merge"]
            if merged and len(model.parents) < 2:
                yield self._problem((*place, "parents"), "a merge has two or more parents; list all of them")
            for number, teacher in enumerate(model.distilled_from):
                yield from self._refers(
                    model, teacher.id, (*place, "distilled_from", number, "of"), "teacher"
                )
            for twin in model.shared_init_with:
                where = (*place, "shared_init_with")
                yield from self._refers(model, twin, where, "model")
                if twin in self.by_id and not self.by_id[twin].founder:
                    yield self._problem(where, f"{twin} has parents; only founders share an initialisation")
            tied = {model.id, *model.shared_init_with}
            tied |= {parent.id for parent in model.parents} | {teacher.id for teacher in model.distilled_from}
            tied |= {model.forgery.target} if model.forgery else set()
            used = set(_strings(model.recipe)) - tied
            for name in sorted(name for name in used if name in self.by_id):
                yield self._problem(
                    (*place, "recipe"),
                    f"the recipe uses {name}, which is neither a parent nor a teacher; list it as one",
                )

    def cycles(self) -> Iterator[Problem]:
        """Each cycle of derivations once, spelled out."""
        finished: set[str] = set()
        for model in self.models:
            trail = {model.id: iter(model.parents)} if model.id not in finished else {}
            while trail:
                name = next(reversed(trail))
                parent = next(trail[name], None)
                if parent is None:
                    trail.pop(name)
                    finished.add(name)
                elif parent.id == name or parent.id not in self.by_id or parent.id in finished:
                    continue
                elif parent.id in trail:
                    way = list(trail)
                    loop = [*way[way.index(parent.id) :], parent.id]
                    yield self._problem(
                        (*self.places[name], "parents"),
                        f"cycle of derivations: {_path(loop[::-1])}; remove one of them",
                    )
                else:
                    trail[parent.id] = iter(self.by_id[parent.id].parents)

    def disputes_hold(self) -> Iterator[Problem]:
        """Disputes name catalog models, and stand once."""
        seen: set[str] = set()
        for index, dispute in enumerate(self.disputes):
            place: Place = ("disputes", index)
            if dispute.id in seen:
                yield self._problem((*place, "id"), f"duplicate id {dispute.id!r}; keep one")
            seen.add(dispute.id)
            for name in dispute.models:
                yield from self._known(name, (*place, "models"), "model")
            for name in dispute.controls:
                yield from self._known(name, (*place, "controls"), "model")
            for side, statements in (("claims", dispute.claims), ("replies", dispute.replies)):
                for number, statement in enumerate(statements):
                    for place_in, figure in enumerate(statement.figures):
                        for name in figure.pair:
                            where = (*place, side, number, "figures", place_in, "pair")
                            yield from self._known(name, where, "model")

    def forgeries(self) -> Iterator[Problem]:
        """A forgery has one parent and a target; nothing comes from it."""
        forged = {model.id for model in self.models if model.forgery}
        for index, model in enumerate(self.models):
            uses: list[tuple[Place, str]] = []
            uses += [(("parents", number, "of"), each.id) for number, each in enumerate(model.parents)]
            uses += [(("distilled_from", n, "of"), each.id) for n, each in enumerate(model.distilled_from)]
            if model.forgery is not None:
                stated = "recipe" if "transform" in model.recipe else "forgery"
                uses.append(((stated, "target"), model.forgery.target))
                where = ("models", index, stated, "target")
                yield from self._refers(model, model.forgery.target, where, "target")
                if [parent.method for parent in model.parents] != ["launder"]:
                    message = "a forgery has one parent, by launder: the model whose weights it changes"
                    yield self._problem(("models", index, "parents"), message)
            for within, name in uses:
                if name in forged - {model.id}:
                    message = (
                        f"{name} is a forgery, which can be neither a parent nor a target; name another model"
                    )
                    yield self._problem(("models", index, *within), message)
        for index, dispute in enumerate(self.disputes):
            for name in sorted(forged.intersection(dispute.models)):
                message = f"{name} is a forgery, which cannot be disputed; name another model"
                yield self._problem(("disputes", index, "models"), message)

    def contradictions(self) -> Iterator[Problem]:
        """A child older than its parent; an open dispute about what the catalog itself states."""
        for index, model in enumerate(self.models):
            for number, parent in enumerate(model.parents):
                other = self.by_id[parent.id]
                if date_span(model.date)[1] < date_span(other.date)[0]:
                    yield self._problem(
                        ("models", index, "parents", number),
                        f"dated {model.date}, but its parent {other.id} {other.date}; correct one",
                    )
            if model.forgery is not None:
                yield from self._aimed_right(model, ("models", index), model.forgery)
        for index, dispute in enumerate(self.disputes):
            child, *alleged = dispute.models
            for origin in alleged if dispute.open else ():
                if origin in self._ancestors(child):
                    yield self._problem(
                        ("disputes", index, "models"),
                        f"{child} is listed as derived from {origin} on better evidence than weights;"
                        " drop the parent, or change the status of the dispute",
                    )

    def _aimed_right(self, model: Model, place: Place, forgery: Forgery) -> Iterator[Problem]:
        """One frames strangers, and evades ancestors."""
        origin, target = model.parents[0].id, forgery.target
        above = self._ancestors(origin)
        common = (above | {origin}) & (self._ancestors(target) | {target})
        if forgery.kind == "frame" and common:
            message = f"{origin} and {target} share {min(common)}; frame an unrelated model"
            yield self._problem(place, message)
        if forgery.kind == "evade" and target not in above:
            message = f"{origin} does not descend from {target}; evade an ancestor"
            yield self._problem(place, message)

    def _ancestors(self, name: str) -> set[str]:
        found: set[str] = set()
        waiting = [name]
        while waiting:
            above = {parent.id for parent in self.by_id[waiting.pop()].parents if parent.calibrates}
            waiting += above - found
            found |= above
        return found

    def _refers(self, model: Model, name: str, place: Place, what: str) -> Iterator[Problem]:
        if name == model.id:
            yield self._problem(place, f"{name} is listed as its own {what}; name another model or remove it")
        else:
            yield from self._known(name, place, what)

    def _known(self, name: str, place: Place, what: str) -> Iterator[Problem]:
        if name in self.by_id:
            return
        if name in self.alias_of:
            yield self._problem(place, f"{name!r} is an alias; write {self.alias_of[name]}")
            return
        self.unknown += 1
        close: list[str] = []
        if self.unknown <= HINTS and len(name) <= LONGEST_NAME:  # each is a look at all names
            close = difflib.get_close_matches(name, self.by_id, n=1)
            close = close or [known for known in self.by_id if known.endswith(f"/{name}")]
        hint = f"; did you mean {close[0]!r}?" if close else "; add it under `models`"
        yield self._problem(place, f"unknown {what} {name!r}{hint}")

    def _problem(self, place: Place, message: str) -> Problem:
        return self.document.problem(place, message)


def _path(names: Sequence[str]) -> str:
    if len(names) <= STEPS_NAMED:
        return " → ".join(names)
    half = STEPS_NAMED // 2
    return f"{' → '.join(names[:half])} → … ({len(names) - 1} steps) → {' → '.join(names[-half:])}"


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
