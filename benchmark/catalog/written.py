"""Models and disputes of a catalog in the form of the file, to be written into another one."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import asdict

from benchmark.catalog.model import Dispute, Evidence, HubSource, Model, Statement, ZooSource

__all__ = ["dispute_entry", "model_entry", "needed_by"]

Entry = dict[str, object]


def model_entry(model: Model) -> Entry:
    """One model as an entry; what it inherits is written out."""
    source = model.source
    if isinstance(source, HubSource):
        place: Entry = {
            "hub": source.repository,
            "revision": source.revision,
            "unavailable": source.unavailable,
        }
    elif isinstance(source, ZooSource):
        place = {"zoo": source.name}
    else:
        place = {"path": source.path}
    entry: Entry = {
        "id": model.id,
        "source": _filled(place),
        "aliases": list(model.aliases),
        "publisher": model.publisher,
        "date": model.date,
        "corpus": list(model.corpus),
        "tokenizer": model.tokenizer,
        "architecture": model.architecture.known() if model.architecture else None,
        "parameters": model.parameters,
        "parents": [
            _filled(
                {
                    "of": one.id,
                    "method": one.method,
                    "detail": one.detail,
                    "evidence": _evidence(one.evidence),
                }
            )
            for one in model.parents
        ],
        "from_scratch": _evidence(model.from_scratch),
        "shared_init_with": list(model.shared_init_with),
        "distilled_from": [
            {"of": teacher.id, "evidence": _evidence(teacher.evidence)} for teacher in model.distilled_from
        ],
        "evidence": _evidence(model.evidence),
        "recipe": dict(model.recipe),
        "training": dict(model.stated_training),
        "family": model.family,
        "notes": model.notes,
    }
    return _filled(entry)


def needed_by(model: Model) -> Iterable[str]:
    """Models without which an entry cannot stand in a catalog."""
    yield from (parent.id for parent in model.parents)
    yield from model.shared_init_with
    yield from (teacher.id for teacher in model.distilled_from)


def dispute_entry(dispute: Dispute, known: Collection[str]) -> Entry:
    """A dispute for a catalog that knows some of its models; what is said of others is left out."""
    return _filled(
        {
            "id": dispute.id,
            "title": dispute.title,
            "models": [name for name in dispute.models if name in known],
            "status": dispute.status,
            "claims": [_statement(one, known) for one in dispute.claims],
            "replies": [_statement(one, known) for one in dispute.replies],
            "controls": [name for name in dispute.controls if name in known],
            "settled_by": dispute.settled_by,
        }
    )


def _statement(said: Statement, known: Collection[str]) -> Entry:
    figures = [
        {"metric": one.metric, "pair": list(one.pair), "value": one.value}
        for one in said.figures
        if set(one.pair) <= set(known)
    ]
    return _filled({"by": said.by, "says": said.says, "source": said.source, "figures": figures})


def _evidence(evidence: Iterable[Evidence]) -> object:
    """A piece of evidence, or a list of several."""
    pieces = [asdict(one) for one in evidence]
    return pieces[0] if len(pieces) == 1 else pieces


def _filled(entry: Entry) -> Entry:
    """An entry without the fields that say nothing; false and 0 say something."""
    return {key: value for key, value in entry.items() if value not in (None, "", [], {}, ())}
