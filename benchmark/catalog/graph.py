"""Who descends from whom: the relation of any two models, computed and never written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import permutations

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.columns import RELATIONS
from analysis.lineages import connected_components
from benchmark.catalog.integrity import date_span, topological
from benchmark.catalog.model import CALIBRATING_GRADES, Dispute, Evidence, Model, Parent, ZooSource
from benchmark.catalog.reachability import Matrix, closure, product

__all__ = ["Graph", "Kinship"]

Rows = npt.NDArray[np.intp]
NOT_STATED = "independence not stated"
WEIGHTS_ONLY = "relation inferred from weights only; such a label would be circular"
DERIVED, SIBLING, INDEPENDENT, SHARED_INIT, DISTILLED, DISPUTED = range(len(RELATIONS))


@dataclass(frozen=True)
class Kinship:
    """The relation of two models, with its reason.

    Attributes
    ----------
    relation : str
        One of the six relations.
    method : str
        For derived pairs the methods from ancestor to descendant, joined by " > " without repeats; for
        siblings the two ways down from their nearest common ancestor, joined by " | "; else empty.
    reason : str
        In words.
    """

    relation: str
    method: str
    reason: str


class Graph:
    """Derivations, shared initialisations, distillations and open disputes of a set of models.

    Relations are computed twice: from what calibrates (publisher, paper, card), and from that together with
    what is only claimed (evidence grade `weights`, open disputes). A pair on which the two differ is
    *disputed*. So is a pair that neither relates but whose independence nobody states.

    Parameters
    ----------
    models : sequence of Model
        Whole and free of cycles.
    disputes : sequence of Dispute

    Attributes
    ----------
    order : list of Model
        Founders first, parents before children; the matrices below follow it.
    index : dict of str to int
    """

    def __init__(self, models: Sequence[Model], disputes: Sequence[Dispute]) -> None:
        self.order = topological(models)
        self.index = {model.id: number for number, model in enumerate(self.order)}
        self.disputes = [dispute for dispute in disputes if dispute.open]
        self.size = len(self.order)

    # --- lineages -------------------------------------------------------------------------------------

    @cached_property
    def lineages(self) -> dict[str, str]:
        """Model → lineage: components over derivations (also weak ones), shared initialisation, distillation.

        Named by the first founder in file order.
        """
        ties = [(parent.id, model.id) for model in self.order for parent in model.parents]
        ties += [(teacher.id, model.id) for model in self.order for teacher in model.distilled_from]
        ties += self._starts_tied
        return connected_components(self.index, ties)

    # --- matrices, shape (models, models), True at [descendant or student, origin] --------------------

    @cached_property
    def ancestors(self) -> Matrix:
        """Proper ancestors, by evidence that calibrates."""
        return self._ancestry(lambda parent: parent.calibrates)

    @cached_property
    def claimed_ancestors(self) -> Matrix:
        """Proper ancestors, weak evidence included."""
        return self._ancestry(lambda parent: True)

    @cached_property
    def founders(self) -> Matrix:
        """Founders, by evidence that calibrates; a founder is its own."""
        return self._roots(self.ancestors, lambda parent: parent.calibrates)

    @cached_property
    def claimed_founders(self) -> Matrix:
        """Founders, weak evidence included."""
        return self._roots(self.claimed_ancestors, lambda parent: True)

    @cached_property
    def _starts_tied(self) -> list[tuple[str, str]]:
        """Founders of one start, each with one other of it: what all of them are follows."""
        ties: list[tuple[str, str]] = []
        by_draw: dict[tuple[object, object], str] = {}
        for model in self.order:
            ties += [(model.id, twin) for twin in model.shared_init_with]
            draw = _first_draw(model)
            if draw is not None:
                ties.append((model.id, by_draw.setdefault(draw, model.id)))
        return ties

    @cached_property
    def _same_start(self) -> Matrix:
        """Founders that began from the same random numbers: stated, or same cell and seed in zoo recipes."""
        same = np.eye(self.size, dtype=bool)
        for one, other in self._starts_tied:
            same[self.index[one], self.index[other]] = True
        same |= same.T
        return closure(same)

    @cached_property
    def exposure(self) -> Matrix:
        """Founders whose initialisation, weights or outputs reached a model, by evidence that calibrates."""
        edges = np.zeros((self.size, self.size), dtype=bool)
        for number, model in enumerate(self.order):
            for parent in model.parents:
                edges[number, self.index[parent.id]] |= parent.calibrates
            for teacher in model.distilled_from:
                edges[number, self.index[teacher.id]] |= _calibrates(teacher.evidence)
        return product(closure(edges), self._starts(self.founders))

    @cached_property
    def claimed_exposure(self) -> Matrix:
        """The same with weak evidence and, both ways, open disputes taken as true."""
        return product(self._claimed_reach, self._claimed_starts)

    @cached_property
    def _claimed_reach(self) -> Matrix:
        """Models whose weights or outputs reached a model, if every claim is true."""
        return closure(self._claimed_edges(self.disputes))

    @cached_property
    def _claimed_starts(self) -> Matrix:
        """Founders that share a start with one that a model descends from, weak evidence included."""
        return self._starts(self.founders) | self._starts(self.claimed_founders)

    @cached_property
    def _stated_edges(self) -> Matrix:
        """Parents and teachers, whatever the evidence."""
        edges = np.zeros((self.size, self.size), dtype=bool)
        for number, model in enumerate(self.order):
            for parent in model.parents:
                edges[number, self.index[parent.id]] = True
            for teacher in model.distilled_from:
                edges[number, self.index[teacher.id]] = True
        return edges

    def _claimed_edges(self, disputes: Sequence[Dispute]) -> Matrix:
        """Stated edges, and both ways those of some disputes."""
        edges = self._stated_edges.copy()
        for dispute in disputes:
            sides = [self.index[name] for name in dispute.models]
            edges[np.ix_(sides, sides)] = True
        return edges

    @cached_property
    def stated_apart(self) -> Matrix:
        """Whether somebody states that neither of two models can have come from the other's founders."""
        apart = np.ones((self.size, self.size), dtype=bool)
        for founders in (self.founders, self.claimed_founders):
            apart &= ~product(product(founders, ~self._founders_apart), founders.T)
        return apart

    @cached_property
    def _founders_apart(self) -> Matrix:
        """Pairs of founders whose independence is stated, each direction on its own."""
        scratch = np.array([model.stated_from_scratch for model in self.order], dtype=bool)
        # Numbers in place of names and days: what is compared is the square of the models.
        maker = pd.factorize(np.array([model.publisher or None for model in self.order], dtype=object))[0]
        days = np.array([date_span(model.date) for model in self.order], dtype="U10").reshape(-1, 2)
        first, last = np.unique(days, return_inverse=True)[1].reshape(-1, 2).T
        # The hub's metadata says when a repository was made, perhaps in private, and not who first had it.
        by_card = np.array([model.known_by_card for model in self.order], dtype=bool)
        known = maker >= 0
        other_maker = (maker[:, None] != maker[None, :]) & known[:, None] & known[None, :]
        before_sharing = other_maker & (last[:, None] < first[None, :]) & ~by_card[:, None]
        not_from: Matrix = scratch[:, None] | before_sharing
        return not_from & not_from.T

    @cached_property
    def relations(self) -> npt.NDArray[np.int8]:
        """Code of the relation of every two models (index into `RELATIONS`), -1 on the diagonal."""
        derived = self.ancestors | self.ancestors.T
        claimed = self.claimed_ancestors | self.claimed_ancestors.T
        claimed |= self._directly_disputed(self.disputes)
        sibling = product(self.founders, self.founders.T)
        same_start = product(product(self.founders, self._same_start), self.founders.T)
        distilled = product(self.exposure, self.exposure.T)
        doubtful = product(self.claimed_exposure, self.claimed_exposure.T)
        codes = np.select(
            [derived, claimed, sibling, same_start, distilled, doubtful, self.stated_apart],
            [DERIVED, DISPUTED, SIBLING, SHARED_INIT, DISTILLED, DISPUTED, INDEPENDENT],
            default=DISPUTED,
        ).astype(np.int8)
        np.fill_diagonal(codes, -1)
        return codes

    @cached_property
    def _doubts(self) -> list[tuple[str, Matrix]]:
        """Why pairs are disputed: a word for each reason and the pairs it holds for.

        A pair hangs on a dispute if it would be no kin without that one.
        """
        kin = product(self.claimed_exposure, self.claimed_exposure.T)
        plain = product(closure(self._stated_edges), self._claimed_starts)
        weak = self.claimed_ancestors | self.claimed_ancestors.T | product(plain, plain.T)
        reasons = []
        explained = weak.copy()
        for dispute in self.disputes:
            decided = self._kin_only_by(dispute, kin) | self._directly_disputed([dispute])
            explained |= decided
            reasons.append((dispute.id, decided))
        reasons.append(("several disputes", kin & ~explained))
        reasons.append(("weights only", weak & ~np.logical_or.reduce([pairs for _, pairs in reasons])))
        return reasons

    def _kin_only_by(self, dispute: Dispute, kin: Matrix) -> Matrix:
        """Pairs of kin that would be none without a dispute.

        Only models that a side of it reached can lose kin, and what reached them lies among what did in all.
        """
        sides = [self.index[name] for name in dispute.models]
        touched = np.flatnonzero(self._claimed_reach[:, sides].any(axis=1))
        within = np.flatnonzero(self._claimed_reach[touched].any(axis=0))
        edges = self._claimed_edges([other for other in self.disputes if other is not dispute])
        reach = closure(edges[np.ix_(within, within)])[np.searchsorted(within, touched)]
        exposure = self.claimed_exposure.copy()
        exposure[touched] = product(reach, self._claimed_starts[within])
        to = np.flatnonzero(exposure[touched].any(axis=0))
        lost = kin[touched] & ~product(exposure[np.ix_(touched, to)], exposure[:, to].T)
        found = np.zeros_like(kin)
        found[touched] = lost
        found[:, touched] |= lost.T
        return found

    def _directly_disputed(self, disputes: Sequence[Dispute]) -> Matrix:
        """A side of a dispute against another side and against that one's descendants."""
        found = np.zeros((self.size, self.size), dtype=bool)
        family = self.ancestors | np.eye(self.size, dtype=bool)
        for dispute in disputes:
            for a, b in permutations((self.index[name] for name in dispute.models), 2):
                found[a, family[:, b]] = True
        found |= found.T
        np.fill_diagonal(found, False)
        return found

    def _ancestry(self, counts: Callable[[Parent], bool]) -> Matrix:
        found = np.zeros((self.size, self.size), dtype=bool)
        for number, model in enumerate(self.order):
            for parent in model.parents:
                if counts(parent):
                    origin = self.index[parent.id]
                    found[number] |= found[origin]
                    found[number, origin] = True
        return found

    def _roots(self, ancestors: Matrix, counts: Callable[[Parent], bool]) -> Matrix:
        is_founder = np.array([not any(map(counts, model.parents)) for model in self.order], dtype=bool)
        roots: Matrix = (ancestors | np.eye(self.size, dtype=bool)) & is_founder[None, :]
        return roots

    def _starts(self, founders: Matrix) -> Matrix:
        return product(founders, self._same_start)

    # --- words ----------------------------------------------------------------------------------------

    @cached_property
    def paths(self) -> list[dict[int, tuple[str, ...]]]:
        """For each model, ancestor → method labels on a shortest way down (first parent wins a tie)."""
        ways: list[dict[int, tuple[str, ...]]] = []
        for model in self.order:
            mine: dict[int, tuple[str, ...]] = {}
            for parent in model.parents:
                if not parent.calibrates:
                    continue
                origin = self.index[parent.id]
                for ancestor, way in [(origin, ()), *ways[origin].items()]:
                    longer = (*way, parent.label)
                    if ancestor not in mine or len(longer) < len(mine[ancestor]):
                        mine[ancestor] = longer
            ways.append(mine)
        return ways

    def method(self, a: int, b: int) -> str:
        """Method text of a pair given by numbers; see `Kinship`."""
        code = self.relations[a, b]
        if code == DERIVED:
            child, origin = (a, b) if b in self.paths[a] else (b, a)
            return _joined(self.paths[child][origin])
        if code == SIBLING:
            ways_a, ways_b = {a: (), **self.paths[a]}, {b: (), **self.paths[b]}
            nearest = min(
                ways_a.keys() & ways_b.keys(), key=lambda each: (len(ways_a[each]) + len(ways_b[each]), each)
            )
            return " | ".join(sorted((_joined(ways_a[nearest]), _joined(ways_b[nearest]))))
        return ""

    def doubt(self, a: Rows, b: Rows) -> npt.NDArray[np.object_]:
        """Why disputed pairs are.

        Parameters
        ----------
        a, b : ndarray of int, shape (n,)
            Disputed pairs by number.

        Returns
        -------
        ndarray of str, shape (n,)
            Ids of the open disputes that decide, "several disputes" (each would do), "weights only", or
            "independence not stated".
        """
        if not len(a):  # as among the models of a zoo: nothing need be weighed
            return np.empty(0, dtype=object)
        names = [name for name, _ in self._doubts]
        held = [pairs[a, b] for _, pairs in self._doubts]
        # Millions of pairs are in doubt for a few reasons: each set of them is numbered, and worded once.
        which = np.zeros(len(a), dtype=np.int64)
        for place in range(0, len(held), 32):
            for bit, holds in enumerate(held[place : place + 32]):
                which |= holds.astype(np.int64) << bit
            which = pd.factorize(which)[0].astype(np.int64) << 32
        which >>= 32
        texts = [
            ", ".join(name for name, holds in zip(names, held, strict=True) if holds[pair]) or NOT_STATED
            for pair in np.flatnonzero(~pd.Series(which).duplicated())
        ]
        return np.array(texts, dtype=object)[which]

    def explain(self, a: int, b: int) -> Kinship:
        """Relation, method and reason of a pair given by numbers."""
        code = int(self.relations[a, b])
        return Kinship(RELATIONS[code], self.method(a, b), self._reason(code, a, b))

    def _reason(self, code: int, a: int, b: int) -> str:
        first, second = self.order[a].id, self.order[b].id
        if code == DERIVED:
            child, origin = (a, b) if self.ancestors[a, b] else (b, a)
            return f"{self.order[child].id} descends from {self.order[origin].id}"
        if code == SIBLING:
            return f"common founder: {self._names(self.founders[a] & self.founders[b])}"
        if code == SHARED_INIT:
            return "their founders started from the same random initialisation"
        if code == DISTILLED:
            return f"outputs of one reached the other: {self._names(self.exposure[a] & self.exposure[b])}"
        if code == INDEPENDENT:
            return "no common founder, and the founders are stated to be independent"
        doubt = str(self.doubt(np.array([a]), np.array([b]))[0])
        if doubt != NOT_STATED:
            return WEIGHTS_ONLY if doubt == "weights only" else f"dispute {doubt}"
        untold = [
            f"{self.order[x].id} – {self.order[y].id}"
            for x in np.flatnonzero(self.founders[a] | self.claimed_founders[a])
            for y in np.flatnonzero(self.founders[b] | self.claimed_founders[b])
            if not self._founders_apart[x, y]
        ]
        more = f" and {len(untold) - 1} more" if len(untold) > 1 else ""
        return (
            f"independence of {first} and {second} is not stated: {untold[0]}{more} needs a from-scratch"
            " statement for both, or different makers and dates that rule a link out"
        )

    def _names(self, mask: Matrix) -> str:
        return ", ".join(self.order[number].id for number in np.flatnonzero(mask))


def _calibrates(evidence: Sequence[Evidence]) -> bool:
    return any(item.grade in CALIBRATING_GRADES for item in evidence)


def _first_draw(model: Model) -> tuple[object, object] | None:
    """What decides a founder's random initialisation: cell and seed in the zoo, shape and draw elsewhere."""
    if not model.founder:
        return None
    if isinstance(model.source, ZooSource):
        return (model.training.get("cell"), model.training["seed"]) if "seed" in model.training else None
    draw = model.training.get("initialisation")
    return (model.cell, draw) if draw is not None and model.cell else None


def _joined(way: Sequence[str]) -> str:
    return " > ".join(dict.fromkeys(way))
