"""The catalog as the rest of the project sees it."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, cast

import numpy as np
import pandas as pd

from analysis.columns import RELATIONS
from analysis.lineages import connected_components
from analysis.notebook import Shown
from benchmark.catalog.counts import CatalogCounts, count_catalog
from benchmark.catalog.graph import Graph, Kinship
from benchmark.catalog.model import Dispute, Forgery, Model, ZooSource
from benchmark.catalog.pairs import pair_table, shared_facts
from benchmark.catalog.problems import CatalogError
from benchmark.catalog.publications import Publication, PublishedScore

__all__ = ["Catalog", "CatalogPart"]

FORGERY_COLUMNS = (
    "forged",
    "of",
    "target",
    "kind",
    "aimed_at",
    "relation",
    "method",
    "lineage_of",
    "lineage_target",
    "architecture_of",
    "architecture_target",
)


MOST_GRAPHS: Final = 256
"""Kept of those that decide on two models: pairs are asked for lineage by lineage."""


@dataclass(frozen=True)
class CatalogPart(Shown):
    """A file of a catalog.

    Attributes
    ----------
    file : str
        As it was named.
    digest : str
        SHA-256 of its text.
    """

    file: str
    digest: str


class Catalog(Shown):
    """Models, derivations and disputes, validated; everything about pairs is computed from them.

    Made by `load_catalog`.

    Parameters
    ----------
    models : sequence of Model
        In file order, consistent.
    disputes : sequence of Dispute
    published : sequence of Publication
    parts : sequence of CatalogPart
        The files that it came from.

    Attributes
    ----------
    parts : tuple of CatalogPart
    file : str
        Where it came from; of several files all, with a plus between.
    digest : str
        SHA-256 of the file's text; of several, of all their digests.
    models : mapping of str to Model
        The honest ones: what is compared, counted and calibrated on.
    forged : mapping of str to Model
        Forgeries: known by their names, and left out of every pair and count; see `forgeries`.
    disputes : tuple of Dispute
    published : mapping of str to Publication
        Scores of real pairs that somebody published, by the publication's id: shown, never used.

    Examples
    --------
    >>> from benchmark.catalog import load_catalog
    >>> catalog = load_catalog()
    >>> catalog.model("zoo/qwen-a").cell
    'qwen2 6x40 h4/2 f112 bias rmsnorm'
    >>> catalog.lineage("zoo/qwen-a-ft-short-instruct"), catalog.ancestors("zoo/qwen-a-ft-short-instruct")
    ('zoo/qwen-a', ('zoo/qwen-a', 'zoo/qwen-a-ft-short'))
    >>> catalog.relation("zoo/qwen-a", "zoo/qwen-b")
    'independent'
    """

    def __init__(
        self,
        models: Sequence[Model],
        disputes: Sequence[Dispute] = (),
        published: Sequence[Publication] = (),
        *,
        parts: Sequence[CatalogPart] = (),
    ) -> None:
        self.models: Mapping[str, Model] = {model.id: model for model in models if not model.forgery}
        self.forged: Mapping[str, Model] = {model.id: model for model in models if model.forgery}
        self.entries: Mapping[str, Model] = {model.id: model for model in models}
        self.disputes: tuple[Dispute, ...] = tuple(disputes)
        self.published: Mapping[str, Publication] = {one.id: one for one in published}
        self.parts: tuple[CatalogPart, ...] = tuple(parts)
        self.file = " + ".join(part.file for part in parts)
        digests = [part.digest for part in parts]
        joined = hashlib.sha256("".join(digests).encode()).hexdigest()
        self.digest = joined if len(digests) > 1 else "".join(digests)
        self._aliases = {alias: model.id for model in models for alias in model.aliases}
        self._graphs: dict[frozenset[str], Graph] = {}

    def __repr__(self) -> str:
        return f"Catalog({self.file}: {len(self.models)} models, {len(self.disputes)} disputes)"

    def __str__(self) -> str:
        return repr(self)

    def _facts(self) -> dict[str, object]:
        return self.counts().to_json()

    def __contains__(self, name: object) -> bool:
        return name in self.entries or name in self._aliases

    def __len__(self) -> int:
        return len(self.models)

    def resolve(self, name: str) -> str:
        """The id behind an id or alias.

        Raises
        ------
        CatalogError
            The catalog does not hold it.

        Examples
        --------
        >>> from benchmark.catalog import load_catalog
        >>> load_catalog().resolve("NousResearch/Llama-2-7b-hf")
        'meta-llama/Llama-2-7b-hf'
        """
        if name in self.entries:
            return name
        if name in self._aliases:
            return self._aliases[name]
        raise CatalogError(f"no model {name!r} in {self.file or 'the catalog'}{self._close(name)}")

    def model(self, name: str) -> Model:
        """The entry of an id or alias."""
        return self.entries[self.resolve(name)]

    @property
    def zoo_recipes(self) -> dict[str, Mapping[str, object]]:
        """Recipes of the controlled models, by the names that other recipes call them."""
        return {
            model.source.name: model.recipe
            for model in self.entries.values()
            if isinstance(model.source, ZooSource)
        }

    @cached_property
    def graph(self) -> Graph:
        """Relations as matrices, forgeries among them: they descend from the models they were made of."""
        return Graph(list(self.entries.values()), self.disputes)

    @cached_property
    def _apart(self) -> dict[str, str]:
        """Model → a name for all that it is tied to: its lineage, and what open disputes tie to that."""
        lineages = self.graph.lineages
        ties = [(dispute.models[0], side) for dispute in self.graph.disputes for side in dispute.models]
        return connected_components(self.entries, [*lineages.items(), *ties])

    def _of_two(self, first: str, second: str) -> tuple[Graph, int, int]:
        """A graph that decides on two entries, and their numbers in it.

        No model beyond those that the two are tied to has a say, and matrices grow with the square of the
        models: one pair of a large catalog is answered from few.
        """
        near = {self._apart[first], self._apart[second]}
        key = frozenset(near)
        if key not in self._graphs:
            if len(self._graphs) >= MOST_GRAPHS:
                self._graphs.clear()
            models = [model for name, model in self.entries.items() if self._apart[name] in near]
            held = [one for one in self.disputes if self._apart[one.models[0]] in near]
            self._graphs[key] = Graph(models, held)
        graph = self._graphs[key]
        return graph, graph.index[first], graph.index[second]

    @property
    def lineages(self) -> dict[str, str]:
        """Model → lineage for every model; see `lineage`."""
        return self.graph.lineages

    def lineage(self, name: str) -> str:
        """The lineage: connected component over derivations, shared initialisation and distillation.

        Named by its first founder in file order. It is the resampling unit of every statistic.
        """
        return self.graph.lineages[self.resolve(name)]

    def founders(self, name: str) -> tuple[str, ...]:
        """Founders that a model descends from; itself if it has no parents."""
        row = self.graph.claimed_founders[self.graph.index[self.resolve(name)]]
        return tuple(model.id for model, is_founder in zip(self.graph.order, row, strict=True) if is_founder)

    def ancestors(self, name: str) -> tuple[str, ...]:
        """All proper ancestors."""
        row = self.graph.claimed_ancestors[self.graph.index[self.resolve(name)]]
        return tuple(
            model.id for model, is_ancestor in zip(self.graph.order, row, strict=True) if is_ancestor
        )

    def children(self, name: str) -> tuple[str, ...]:
        """Models that state this one as a parent, in file order."""
        name = self.resolve(name)
        return tuple(
            model.id for model in self.models.values() if any(parent.id == name for parent in model.parents)
        )

    def canonical(self, name: str) -> str:
        """The model whose weights these are: a re-upload stands for its origin."""
        model = self.model(name)
        while model.parents and all(parent.method == "re-upload" for parent in model.parents):
            model = self.entries[model.parents[0].id]
        return model.id

    def relation(self, a: str, b: str) -> str:
        """Relation of two models: derived, sibling, independent, shared-init, distilled or disputed.

        Raises
        ------
        CatalogError
            Unknown name, or both names mean one model.
        """
        graph, *pair = self._of_two(*self._two(a, b))
        return RELATIONS[graph.relations[tuple(pair)]]

    def explain(self, a: str, b: str) -> Kinship:
        """Relation, method and reason of two models; as `relation`.

        Examples
        --------
        >>> from benchmark.catalog import load_catalog
        >>> load_catalog().explain("zoo/qwen-a-ft-short-instruct", "zoo/qwen-a")
        Kinship(relation='derived', method='fine-tune:short > instruct-tune',
                reason='zoo/qwen-a-ft-short-instruct descends from zoo/qwen-a')
        """
        graph, *pair = self._of_two(*self._two(a, b))
        return graph.explain(*pair)

    def _two(self, a: str, b: str) -> tuple[str, str]:
        first, second = self.canonical(a), self.canonical(b)
        if first == second:
            raise CatalogError(f"{a} and {b} are the same model ({first}); a pair needs two")
        return first, second

    def pairs(self, ids: Iterable[str] | None = None, *, relation: str | None = None) -> pd.DataFrame:
        """Every pair of models with its labels.

        Parameters
        ----------
        ids : iterable of str, optional
            Ids or aliases; default all models. Re-uploads are left out where their origin, or another
            re-upload of it, is there already: identical weights make no pair.
        relation : str, optional
            Only pairs of this relation.

        Raises
        ------
        CatalogError
            An unknown name or relation, or a forgery.

        Returns
        -------
        pandas.DataFrame
            `model_a, model_b, relation, method, lineage_a, lineage_b, architecture_a, architecture_b, shared,
            dispute, same_depth, same_width, same_tokenizer, same_corpus`; model_a < model_b, sorted.

        Examples
        --------
        >>> from benchmark.catalog import load_catalog
        >>> pairs = load_catalog().pairs(["zoo/qwen-a", "zoo/qwen-b", "zoo/qwen-a-ft-short"])
        >>> print(pairs[["model_a", "model_b", "relation"]].to_string(index=False))
                    model_a             model_b    relation
                 zoo/qwen-a zoo/qwen-a-ft-short     derived
                 zoo/qwen-a          zoo/qwen-b independent
        zoo/qwen-a-ft-short          zoo/qwen-b independent
        """
        if relation is not None and relation not in RELATIONS:
            raise CatalogError(f"unknown relation {relation!r}; known: {', '.join(RELATIONS)}")
        wanted = self.models if ids is None else dict.fromkeys(map(self.resolve, ids))
        for name in wanted:
            if name in self.forged:
                raise CatalogError(f"{name} is a forgery, which no honest pair may contain; leave it out")
        return pair_table(self.graph, self._one_each(wanted), relation)

    def shared_facts(self, ids: Iterable[str]) -> dict[tuple[str, str], frozenset[str]]:
        """What every two of some models have in common beside their shape.

        Parameters
        ----------
        ids : iterable of str
            Ids or aliases.

        Returns
        -------
        dict
            (model_a, model_b), model_a < model_b → those of "corpus", "tokenizer", "order", "schedule" and
            "seed" that are stated for both and equal.

        Examples
        --------
        >>> from benchmark.catalog import load_catalog
        >>> sorted(load_catalog().shared_facts(["zoo/qwen-a", "zoo/qwen-b"])["zoo/qwen-a", "zoo/qwen-b"])
        ['corpus', 'order', 'schedule', 'tokenizer']
        """
        return shared_facts(self.graph, self._one_each(dict.fromkeys(map(self.resolve, ids))))

    def published_scores(self, *names: str) -> tuple[PublishedScore, ...]:
        """What was published of some models, in file order.

        Parameters
        ----------
        *names : str
            Ids, aliases, or models that only a publication names: scores of one with anything, of two with
            each other; all scores without any.

        Raises
        ------
        CatalogError
            Neither the catalog nor a publication holds a name, or there are more than two.

        Examples
        --------
        >>> from benchmark.catalog import load_catalog
        >>> pair = "IntervitensInc/pangu-pro-moe-model", "Qwen/Qwen2.5-14B"
        >>> [one.value for one in load_catalog().published_scores(*pair) if one.metric == "attention-std"]
        [0.927, 0.92]
        """
        if len(names) > 2:
            raise CatalogError(f"{len(names)} models named; published scores are of single models or pairs")
        outside = {name for one in self.published.values() for name in one.outside}
        asked = {name if name in outside else self.resolve(name) for name in names}
        scores = (score for one in self.published.values() for score in one.scores)
        return tuple(score for score in scores if asked <= set(score.pair))

    def published_relation(self, score: PublishedScore) -> str:
        """Relation of a published pair by this catalog; empty where it does not hold two models of it."""
        held = {self.canonical(name) for name in score.pair if name in self}
        return self.relation(*held) if len(held) == 2 else ""

    def published_in(self, dispute: Dispute) -> tuple[PublishedScore, ...]:
        """What was published of the pairs in question: two sides, or kin whose label hangs on the dispute."""
        sides = {self.canonical(name) for name in dispute.models}
        return tuple(
            score for score, held, doubt in self._published_pairs if held <= sides or dispute.id in doubt
        )

    @cached_property
    def _published_pairs(self) -> list[tuple[PublishedScore, frozenset[str], list[str]]]:
        """Published scores of two models of this catalog, the two, and what their label hangs on."""
        found = []
        for score in self.published_scores():
            held = frozenset(self.canonical(name) for name in score.pair if name in self)
            if len(held) == 2:
                found.append((score, held, self._doubt(*held)))
        return found

    def _doubt(self, a: str, b: str) -> list[str]:
        """What a disputed pair hangs on; empty for another."""
        graph, first, second = self._of_two(a, b)
        if RELATIONS[graph.relations[first, second]] != "disputed":
            return []
        return str(graph.doubt(np.array([first]), np.array([second]))[0]).split(", ")

    def counts(self) -> CatalogCounts:
        """What the catalog holds, as counts.

        Examples
        --------
        >>> from benchmark.catalog import load_catalog
        >>> counts = load_catalog().counts()
        >>> counts.models == counts.local_models + counts.hub_models, counts.look_alikes > 1000
        (True, True)
        """
        return count_catalog(
            self.graph,
            list(self.models.values()),
            self._one_each(self.models),
            self.disputes,
            file=self.file,
            digest=self.digest,
        )

    def forgeries(self) -> pd.DataFrame:
        """Every forgery with what it is made of and aimed at.

        Returns
        -------
        pandas.DataFrame
            `forged, of, target, kind, aimed_at`, sorted by `forged`: the model, its honest parent, whom it is
            to look like (`kind` frame) or unlike (evade), and the metric that is to be deceived. Then what
            `pairs` says of the honest pair of `of` and `target`: `relation, method`, `lineage_of,
            lineage_target, architecture_of, architecture_target`.

        Examples
        --------
        >>> from benchmark.catalog import load_catalog
        >>> forgeries = load_catalog().forgeries()
        >>> forgeries.set_index("forged").loc["zoo/llama-a-ft-short-evade-ffn-std", ["of", "target"]].tolist()
        ['zoo/llama-a-ft-short', 'zoo/llama-a']
        """
        rows = []
        for name in sorted(self.forged):
            model = self.forged[name]
            forgery, of = cast(Forgery, model.forgery), model.parents[0].id
            kinship = self.explain(of, forgery.target)
            pair = (of, forgery.target)
            lineages, cells = map(self.lineage, pair), (self.entries[one].cell for one in pair)
            labels = (kinship.relation, kinship.method, *lineages, *cells)
            rows.append((name, *pair, forgery.kind, forgery.aimed_at, *labels))
        return pd.DataFrame(rows, columns=list(FORGERY_COLUMNS))

    def _one_each(self, names: Iterable[str]) -> list[str]:
        """Of names that mean one model, the original's where it is there, else the first."""
        kept: dict[str, str] = {}
        for name in sorted(names, key=lambda name: self.canonical(name) != name):
            kept.setdefault(self.canonical(name), name)
        return list(kept.values())

    def _close(self, name: str) -> str:
        known = [*self.entries, *self._aliases]
        tail = name.rsplit("/", 1)[-1].lower()
        near = [each for each in known if tail and tail in each.lower()][:3]
        near = near or difflib.get_close_matches(name, known, n=1, cutoff=0.75)
        return f"; did you mean {' or '.join(near)}?" if near else "; `catalog check` lists the models"
