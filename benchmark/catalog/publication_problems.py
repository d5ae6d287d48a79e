"""What the form cannot see of published scores: models and publications that are not there, numbers twice."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence

from benchmark.catalog.document import Document, Place
from benchmark.catalog.model import Model
from benchmark.catalog.problems import Problem
from benchmark.catalog.publications import Publication
from benchmark.catalog.schema import CatalogFile

__all__ = ["publication_problems"]


def publication_problems(
    published: Sequence[Publication], models: Sequence[Model], form: CatalogFile, document: Document
) -> list[Problem]:
    """Every problem of the section `published`, and of what disputes say of it.

    Parameters
    ----------
    published : sequence of Publication
    models : sequence of Model
    form : CatalogFile
        For the statements of disputes.
    document : Document
        For lines and names.
    """
    return [
        document.problem(place, message)
        for place, message in (*_ids(published), *_pairs(published, models), *_statements(published, form))
    ]


def _ids(published: Sequence[Publication]) -> Iterator[tuple[Place, str]]:
    seen: set[str] = set()
    for index, publication in enumerate(published):
        if publication.id in seen:
            yield ("published", index, "id"), f"duplicate id {publication.id!r}; keep one"
        seen.add(publication.id)


def _pairs(published: Sequence[Publication], models: Sequence[Model]) -> Iterator[tuple[Place, str]]:
    """A model of a pair is in the catalog, or said not to be; a number stands once."""
    known = {model.id: model for model in models}
    alias_of = {alias: model.id for model in models for alias in model.aliases}
    for index, publication in enumerate(published):
        place: Place = ("published", index)
        named = {name for score in publication.scores for name in score.pair}
        for name in publication.outside:
            if name in known or name in alias_of:
                yield (
                    (*place, "outside"),
                    f"{name} is in the catalog, so it must not be listed under `outside`; remove it",
                )
            elif name not in named:
                yield (*place, "outside"), f"{name} appears in no pair; remove it from `outside`"
        seen: set[tuple[object, ...]] = set()
        for number, score in enumerate(publication.scores):
            where: Place = (*place, "scores", number, "pair")
            for name in score.pair:
                if name in alias_of:
                    yield where, f"{name!r} is an alias; write {alias_of[name]}"
                elif name in known and known[name].forgery:
                    yield where, f"{name} is a forgery; published scores are about real models"
                elif name not in known and name not in publication.outside:
                    close = difflib.get_close_matches(name, known, n=1)
                    hint = (
                        f"did you mean {close[0]!r}? Otherwise"
                        if close
                        else "if the catalog does not have it,"
                    )
                    yield where, f"unknown model {name!r}; {hint} name it under `outside`"
            key = (score.metric, score.quantity, score.where, frozenset(score.pair))
            if key in seen:
                pair = " – ".join(score.pair)
                yield (
                    where,
                    f"{score.metric} of {pair} appears twice; keep one, or say in `where` where each is"
                    " published",
                )
            seen.add(key)


def _statements(published: Sequence[Publication], form: CatalogFile) -> Iterator[tuple[Place, str]]:
    ids = [publication.id for publication in published]
    stated = {
        (publication.source, score.metric, frozenset(score.pair)): score.value
        for publication in published
        for score in publication.scores
        if score.quantity == "score"
    }
    for index, dispute in enumerate(form.disputes):
        for side, statements in (("claims", dispute.claims), ("replies", dispute.replies)):
            for number, statement in enumerate(statements):
                for at, figure in enumerate(statement.figures):
                    value = stated.get(
                        (statement.source, figure.metric, frozenset(figure.pair)), figure.value
                    )
                    if value != figure.value:
                        where: Place = ("disputes", index, side, number, "figures", at, "value")
                        yield where, f"is {figure.value:g} here and {value:g} under `published`; correct one"
                for name in statement.published:
                    if name not in ids:
                        close = difflib.get_close_matches(name, ids, n=1)
                        hint = f"did you mean {close[0]!r}?" if close else "add it under `published`"
                        place: Place = ("disputes", index, side, number, "published")
                        yield place, f"unknown publication {name!r}; {hint}"
