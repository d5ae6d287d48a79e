"""Plain-text and JSON views of a catalog: check, show, tree, pairs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping

import pandas as pd

from analysis.columns import RELATIONS
from benchmark.catalog.catalog import Catalog
from benchmark.catalog.counts import MOST_PAIRED, most_frequent
from benchmark.catalog.model import (
    Dispute,
    Evidence,
    Model,
    Statement,
)
from benchmark.catalog.problems import CatalogError
from benchmark.catalog.published_text import published_json, published_lines
from benchmark.session.untrusted_text import csv_text

__all__ = [
    "check_text",
    "model_json",
    "pairs_text",
    "problems_text",
    "show_text",
    "tree_json",
    "tree_text",
]


def problems_text(error: CatalogError) -> str:
    """Every problem of a refused catalog, a line each."""
    return "\n".join(map(str, error.problems)) if error.problems else str(error)


def check_text(catalog: Catalog) -> str:
    """The verdict of `catalog check`: that the file is sound, what it holds, and what it leaves open."""
    held = catalog.counts()
    lines = [
        f"{held.file}: sound",
        f"  models     {held.models} ({held.local_models} on this machine, {held.hub_models} hub),"
        f" {held.founders} founders, {held.lineages} lineages, {held.cells} architecture cells",
        f"  derived by {_listed(held.derivations)}",
        f"  evidence   {_listed(held.evidence)} (best grade of each derivation)",
        f"  pairs      {_listed(held.pairs)}; {held.look_alikes} look-alikes"
        if held.pairs
        else f"  pairs      not counted: more than {MOST_PAIRED:,} models",
        f"  disputes   {_listed(held.disputes) or 'none'}",
        *([f"  forgeries  {_listed(held.forgeries)}; not counted above"] if held.forgeries else []),
    ]
    if catalog.published:
        printed = _plural(len(catalog.published), "publication")
        n = len(catalog.published_scores())
        lines.append(f"  published  {_plural(n, 'score')} in {printed}; shown, never used")
    for names, text in (
        (held.without_cell, "without an architecture cell (no look-alikes): "),
        (held.origin_not_stated, "founders without a from-scratch statement: "),
    ):
        if names:
            more = f" and {len(names) - 8} more" if len(names) > 8 else ""
            lines.append(f"  note       {len(names)} {text}{', '.join(names[:8])}{more}")
    return "\n".join(lines)


def model_json(catalog: Catalog, name: str) -> dict[str, object]:
    """Everything known about one model, as JSON values."""
    model = catalog.model(name)
    relations = _relations_of(catalog, model.id)
    return {
        "id": model.id,
        "source": str(model.source),
        "aliases": list(model.aliases),
        "publisher": model.publisher or None,
        "date": model.date or None,
        "tokenizer": model.tokenizer or None,
        "corpus": list(model.corpus),
        "parameters": model.parameters,
        "architecture": model.architecture.known() if model.architecture else None,
        "cell": model.cell,
        "lineage": catalog.lineage(model.id),
        "founders": list(catalog.founders(model.id)),
        "parents": [
            {"of": parent.id, "method": parent.label, "evidence": [vars(item) for item in parent.evidence]}
            for parent in model.parents
        ],
        "from_scratch": [vars(item) for item in model.from_scratch],
        "shared_init_with": list(model.shared_init_with),
        "distilled_from": [teacher.id for teacher in model.distilled_from],
        "children": list(catalog.children(model.id)),
        "forgery": vars(model.forgery) if model.forgery else None,
        "forgeries": [forged.id for forged in _forgeries_about(catalog, model.id)],
        "evidence": [vars(item) for item in model.evidence],
        "relations": {relation: count for relation, count in relations.items() if count},
        "disputes": [dispute.id for dispute in _disputes_of(catalog, model.id)],
        "published": published_json(catalog, catalog.published_scores(model.id)),
        "recipe": dict(model.recipe) or None,
        "notes": model.notes or None,
    }


def show_text(catalog: Catalog, name: str) -> str:
    """One model as a page: facts, where it comes from, what came of it, evidence, disputes."""
    model = catalog.model(name)
    lines = [model.id]
    facts = {
        "source": str(model.source),
        "also at": ", ".join(model.aliases),
        "publisher": model.publisher,
        "released": model.date,
        "parameters": f"{model.parameters:,}" if model.parameters else "",
        "cell": model.cell or "",
        "shape": "" if model.cell or not model.architecture else _listed(model.architecture.known(), "="),
        "tokenizer": model.tokenizer,
        "corpus": ", ".join(model.corpus),
        "lineage": catalog.lineage(model.id),
        "recipe": json.dumps(dict(model.recipe)) if model.recipe else "",
        "notes": model.notes,
    }
    lines += [f"  {key:<11}{value}" for key, value in facts.items() if value]
    for parent in model.parents:
        lines.append(f"  parent     {parent.id}  by {parent.label}")
        lines += _evidence_lines(parent.evidence)
    if model.founder:
        lines.append("  founder    " + ("from scratch" if model.from_scratch else "origin not stated"))
        lines += _evidence_lines(model.from_scratch)
    lines += [f"  same start {twin}" for twin in model.shared_init_with]
    for teacher in model.distilled_from:
        lines.append(f"  teacher    {teacher.id}  (outputs only)")
        lines += _evidence_lines(teacher.evidence)
    for child in catalog.children(model.id):
        labels = [parent.label for parent in catalog.models[child].parents if parent.id == model.id]
        lines.append(f"  child      {child}  by {', '.join(labels)}")
    if model.forgery:
        lines.append(f"  forgery    {model.forgery}; excluded from all pairs")
    for forged in _forgeries_about(catalog, model.id):
        lines.append(f"  forgery    {forged.id}  {forged.forgery}")
    if model.evidence:
        lines.append("  facts from")
        lines += _evidence_lines(model.evidence)
    lines.append(f"  relations  {_listed(_relations_of(catalog, model.id))}")
    for dispute in _disputes_of(catalog, model.id):
        lines += ["", *_dispute_lines(dispute)]
    if published := catalog.published_scores(model.id):
        lines += ["", *published_lines(catalog, published)]
    return "\n".join(lines)


def tree_json(catalog: Catalog, name: str) -> dict[str, object]:
    """The lineage of a model as nested JSON; a model with several parents hangs under the first."""
    lineage = catalog.lineage(name)
    hanging = _hanging(catalog, lineage)

    def node(model: Model) -> dict[str, object]:
        children = [node(child) for child in hanging.get(model.id, ())]
        return {
            "id": model.id,
            "method": model.parents[0].label if model.parents else None,
            "forgery": vars(model.forgery) if model.forgery else None,
            "children": children,
        }

    return {"lineage": lineage, "founders": [node(model) for model in hanging.get("", ())]}


def tree_text(catalog: Catalog, name: str) -> str:
    """The lineage of a model as a tree of lines.

    A model with several parents hangs under the first and names the others; ``~`` marks ties that are no
    derivation (shared initialisation, distillation), ``?`` a derivation known from weights only. Forgeries
    are marked as such and not counted.
    """
    asked = catalog.resolve(name)
    lineage = catalog.lineage(asked)
    hanging = _hanging(catalog, lineage)
    count, forged = (
        sum(catalog.lineages[model] == lineage for model in part) for part in (catalog.models, catalog.forged)
    )
    lines = [
        f"lineage {lineage}: {_plural(count, 'model')}" + (f", {_forged_count(forged)}" if forged else "")
    ]

    def grow(model: Model, stem: str, branch: str, below: str) -> None:
        mark = "  ◀" if model.id == asked else ""
        lines.append(f"{stem}{branch}{model.id}{_node_note(model)}{mark}")
        children = hanging.get(model.id, ())
        for number, child in enumerate(children):
            last = number == len(children) - 1
            grow(child, stem + below, "└─ " if last else "├─ ", "   " if last else "│  ")

    for root in hanging.get("", ()):
        grow(root, "", "", "")
    return "\n".join(lines)


def pairs_text(catalog: Catalog, relation: str | None = None, form: str = "table") -> str:
    """The pairs of the catalog.

    Parameters
    ----------
    catalog : Catalog
    relation : str, optional
        Only this relation.
    form : {"table", "csv", "json"}

    Raises
    ------
    CatalogError
        Unknown relation.
    """
    pairs = catalog.pairs(relation=relation)
    writers: dict[str, Callable[[pd.DataFrame], str]] = {
        "table": _pairs_table,
        "csv": csv_text,
        "json": lambda frame: json.dumps(json.loads(frame.to_json(orient="records")), indent=1),
    }
    if form not in writers:
        raise CatalogError(f"unknown format {form!r}; known: {', '.join(writers)}")
    text = writers[form](pairs)
    if form == "table" and relation is None and catalog.forged:
        text += f"; {_forged_count(len(catalog.forged))} in none of them"
    return text


def _pairs_table(pairs: pd.DataFrame) -> str:
    rank = pairs["relation"].map({name: number for number, name in enumerate(RELATIONS)})
    shown = pairs.loc[rank.sort_values(kind="stable").index]
    ends = shown[["relation", "model_a", "model_b"]].to_numpy(dtype=str).tolist()
    words = (shown["method"] + shown["shared"] + shown["dispute"]).to_list()  # at most one is filled
    rows = [[*three, str(word)] for three, word in zip(ends, words, strict=True)]
    widths = [max((len(row[place]) for row in rows), default=0) for place in range(3)]
    lines = ["  ".join(map(str.ljust, row, [*widths, 0])).rstrip() for row in rows]
    return "\n".join([*lines, f"{len(pairs)} pairs: {_listed(most_frequent(Counter(pairs['relation'])))}"])


def _hanging(catalog: Catalog, lineage: str) -> dict[str, list[Model]]:
    hanging: dict[str, list[Model]] = {}
    for model in catalog.entries.values():
        if catalog.lineages[model.id] == lineage:
            hanging.setdefault(model.parents[0].id if model.parents else "", []).append(model)
    return hanging


def _node_note(model: Model) -> str:
    notes = []
    if model.parents:
        first, *others = model.parents
        notes.append(first.label + ("" if first.calibrates else " ?"))
        notes += [f"+ {parent.id}" for parent in others]
    notes += [f"~ same start as {twin}" for twin in model.shared_init_with]
    notes += [f"~ outputs of {teacher.id}" for teacher in model.distilled_from]
    notes += [f"forgery: {model.forgery}"] if model.forgery else []
    return f"  ({'; '.join(notes)})" if notes else ""


def _forgeries_about(catalog: Catalog, name: str) -> list[Model]:
    """Forgeries made of a model or aimed at it."""
    return [
        model
        for model in catalog.forged.values()
        if model.forgery and name in (model.parents[0].id, model.forgery.target)
    ]


def _plural(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"


def _forged_count(count: int) -> str:
    return "1 forgery" if count == 1 else f"{count} forgeries"


def _relations_of(catalog: Catalog, name: str) -> dict[str, int]:
    own = catalog.canonical(name)
    row = catalog.graph.relations[catalog.graph.index[own]]
    others = [other for other in catalog.models if other != own and catalog.canonical(other) == other]
    return most_frequent(Counter(RELATIONS[row[catalog.graph.index[other]]] for other in others))


def _disputes_of(catalog: Catalog, name: str) -> list[Dispute]:
    return [dispute for dispute in catalog.disputes if name in (*dispute.models, *dispute.controls)]


def _dispute_lines(dispute: Dispute) -> list[str]:
    lines = [f"dispute {dispute.id} ({dispute.status}): {dispute.title}"]
    for side, statements in (("claim", dispute.claims), ("reply", dispute.replies)):
        for statement in statements:
            lines += [
                f"  {side}  {statement.by}: {statement.says} [{statement.source}]",
                *_figure_lines(statement),
            ]
    return [*lines, f"  settled by: {dispute.settled_by}"]


def _figure_lines(statement: Statement) -> list[str]:
    return [
        f"         {figure.metric} {figure.value:g}  {' – '.join(figure.pair)}"
        for figure in statement.figures
    ]


def _evidence_lines(evidence: tuple[Evidence, ...]) -> list[str]:
    return [f"             [{item.grade}] {item.says} ({item.source})" for item in evidence]


def _listed(values: Mapping[str, object], between: str = " ") -> str:
    if between != " ":
        return ", ".join(f"{key}{between}{value}" for key, value in values.items())
    return ", ".join(f"{value} {key}" for key, value in values.items() if value)
