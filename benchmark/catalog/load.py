"""From the file to a Catalog: parse, check the form, resolve cells, check the graph."""

from __future__ import annotations

import difflib
import gc
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final, TypeAlias

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from benchmark.catalog.catalog import Catalog, CatalogPart
from benchmark.catalog.document import Document, Place, read_document, read_text
from benchmark.catalog.families import FamilyProblem, members
from benchmark.catalog.integrity import graph_problems, topological
from benchmark.catalog.merge import Part, merged
from benchmark.catalog.model import (
    FORGERIES,
    SHAPE_KEEPING,
    Dispute,
    Evidence,
    Facts,
    Figure,
    Forgery,
    HubSource,
    Model,
    Parent,
    PathSource,
    Statement,
    Teacher,
    ZooSource,
)
from benchmark.catalog.problems import CatalogError, Problem
from benchmark.catalog.publication_problems import publication_problems
from benchmark.catalog.publications import Publication, PublishedScore
from benchmark.catalog.schema import (
    CatalogFile,
    DisputeForm,
    EvidenceForm,
    FactsForm,
    FamilyForm,
    ForgeryForm,
    ModelForm,
    PublicationForm,
    SourceForm,
    StatementForm,
)
from fpcore.printable import shown

__all__ = ["CatalogLike", "load_catalog", "parse_catalog", "shipped_catalog"]

CatalogLike: TypeAlias = Catalog | str | Path | Sequence[str | Path] | None
"""A catalog that is loaded, a file or several, or the shipped one."""

SHIPPED: Final = "shipped"
"""Names the shipped catalog among several."""

#: A zoo model needs no other evidence: the recipe is how it came about.
RECIPE: Final = Evidence("publisher", "this repository: lineage_catalog.yaml", "made here, by its recipe")

NO_EVIDENCE: Final = "no evidence; add `evidence: {grade: …, source: …, says: …}`"


def shipped_catalog() -> Path:
    """Path of the catalog that comes with the project (repository root, or inside the installed package).

    Examples
    --------
    >>> shipped_catalog().name
    'lineage_catalog.yaml'
    """
    package = Path(__file__).resolve().parents[1]
    for place in (package.parent / "lineage_catalog.yaml", package / "lineage_catalog.yaml"):
        if place.is_file():
            return place
    raise CatalogError("lineage_catalog.yaml is not beside the package; give one with --catalog")


def load_catalog(path: CatalogLike = None) -> Catalog:
    """Read and validate a catalog file, or several as one.

    Parameters
    ----------
    path : Catalog, path or sequence of paths, optional
        Default: the shipped catalog, which ``"shipped"`` names among several; one that is loaded is given
        back. Entries of one catalog may name those of another.

    Returns
    -------
    Catalog

    Raises
    ------
    CatalogError
        With every problem found, each with file, line, field and what to do; or with the first entry of which
        two catalogs say different things.

    Examples
    --------
    >>> catalog = load_catalog()
    >>> catalog.relation("zoo/qwen-a-ft-short", "zoo/qwen-a")
    'derived'
    >>> load_catalog("nowhere.yaml")
    Traceback (most recent call last):
    benchmark.catalog.problems.CatalogError: nowhere.yaml: no such file; give a catalog with --catalog, or ...
    """
    if isinstance(path, Catalog):
        return path
    named = [path] if isinstance(path, str | Path) else list(path or ())
    files = [_file(one) for one in named] or [shipped_catalog()]
    return _catalog([(read_text(file), str(file)) for file in files])


def _file(named: str | Path) -> Path:
    return shipped_catalog() if str(named) == SHIPPED and not Path(named).exists() else Path(named)


def parse_catalog(text: str, file: str = "catalog") -> Catalog:
    """Validate catalog text; as `load_catalog`.

    Parameters
    ----------
    text : str
        YAML.
    file : str
        Name for messages.

    Examples
    --------
    >>> catalog = parse_catalog('''
    ... schema: 1
    ... models:
    ...   - {id: base, source: {hub: org/base}}
    ...   - id: chat
    ...     source: {hub: org/chat}
    ...     parents:
    ...       - of: base
    ...         method: fine-tune
    ...         evidence: {grade: card, source: "https://example.org/chat", says: names base as its base}
    ... ''')
    >>> catalog.explain("chat", "base").reason
    'chat descends from base'
    """
    return _catalog([(text, file)])


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without looks for garbage: of millions of small values, all new, each look goes through all."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def _part(text: str, file: str) -> Part:
    """A catalog that has the form of one."""
    document = read_document(text, file)
    if document.problems:
        raise CatalogError(tuple(document.problems))
    try:
        return Part(document, CatalogFile.model_validate(document.value))
    except ValidationError as error:
        raise CatalogError(_form_problems(error, document)) from None


def _catalog(texts: Sequence[tuple[str, str]]) -> Catalog:
    """One catalog of the texts of some files."""
    with _uncollected():
        return _made(texts)


def _made(texts: Sequence[tuple[str, str]]) -> Catalog:
    whole = merged([_part(text, file) for text, file in texts])
    document, form = whole.document, whole.form
    problems: list[Problem] = []
    cells = {name: Facts(**facts.model_dump()) for name, facts in form.cells.items()}
    models = [
        _model(item, ("models", index), cells, document, problems) for index, item in enumerate(form.models)
    ]
    for index, family in enumerate(form.families):
        models += _family(family, ("families", index), cells, document, problems)
    names = [model.id for model in models]
    disputes = [
        _dispute(item, ("disputes", index), names, document, problems)
        for index, item in enumerate(form.disputes)
    ]
    published = [
        _publication(item, document.line(("published", index))) for index, item in enumerate(form.published)
    ]
    problems += graph_problems(models, disputes, document)
    problems += publication_problems(published, models, form, document)
    if problems:
        raise CatalogError(tuple(sorted(problems, key=lambda problem: problem.line)))
    files = tuple(CatalogPart(file, hashlib.sha256(text.encode()).hexdigest()) for text, file in texts)
    disputes = [_with_published(*two, published) for two in zip(disputes, form.disputes, strict=True)]
    return Catalog(_inherited(models), disputes, published, parts=files)


def _form_problems(error: ValidationError, document: Document, within: Place = ()) -> tuple[Problem, ...]:
    """Pydantic's findings as one clear line each, in file order."""
    problems = []
    for found in error.errors():
        place: Place = (*within, *found["loc"])
        problems.append(document.problem(place, _message(found, place)))
    unique = {(problem.line, problem.field, problem.message): problem for problem in problems}
    return tuple(sorted(unique.values(), key=lambda problem: problem.line))


def _message(found: ErrorDetails, place: Place) -> str:
    kind, given, context = found["type"], found.get("input"), found.get("ctx", {})
    if kind == "missing":
        return f"missing; write `{place[-1]}: …`"
    if kind == "extra_forbidden":
        return f"unknown field {place[-1]!r}{_meant(str(place[-1]), sorted(_known_fields()))}"
    if kind == "literal_error":
        expected = str(context["expected"])
        known = [word.strip("'") for word in expected.replace(" or ", ", ").split(", ")]
        meant = _meant(str(given), known)
        return f"unknown {_last_word(place)} {shown(given)}{meant}; known: {', '.join(known)}"
    if kind == "value_error":
        return str(context["error"])
    if kind == "string_pattern_mismatch":
        return f"{shown(given)} is not of the form {context['pattern']}"
    if kind in {"model_type", "model_attributes_type", "dict_type"}:
        return f"must be a mapping (field: value), not {_kind(given)}"
    text = str(found["msg"])
    return f"{text[0].lower()}{text[1:]}, not {_kind(given)}"


def _kind(value: object) -> str:
    if value is None:
        return "empty"
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    return shown(value)


def _last_word(place: Place) -> str:
    return next((str(part) for part in reversed(place) if isinstance(part, str)), "value")


def _known_fields() -> set[str]:
    """All field names of the form, for the suggestion."""
    schema = CatalogFile.model_json_schema(by_alias=True)
    return {name for part in (schema, *schema["$defs"].values()) for name in part.get("properties", {})}


def _meant(word: str, known: list[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _model(
    form: ModelForm, place: Place, cells: Mapping[str, Facts], document: Document, problems: list[Problem]
) -> Model:
    source = form.source
    zoo = source.zoo is not None
    recipe = form.recipe or {}
    built = (RECIPE,) if zoo and recipe else ()

    def because(forms: list[EvidenceForm] | None, *where: str | int) -> tuple[Evidence, ...]:
        evidence = _evidence(forms) or built
        if not evidence:
            problems.append(document.problem((*place, *where), NO_EVIDENCE))
        return evidence

    parents = tuple(
        Parent(parent.of, parent.method, parent.detail or "", because(parent.evidence, "parents", number))
        for number, parent in enumerate(form.parents)
    )
    teachers = tuple(
        Teacher(teacher.of, because(teacher.evidence, "distilled_from", number))
        for number, teacher in enumerate(form.distilled_from)
    )
    return Model(
        id=form.id,
        source=_source(source, form.id),
        aliases=tuple(form.aliases),
        publisher=form.publisher or ("this project" if zoo else ""),
        date=form.date or "",
        corpus=tuple(form.corpus),
        tokenizer=form.tokenizer or "",
        architecture=_architecture(form, recipe, cells, place, document, problems),
        parameters=form.parameters,
        parents=parents,
        from_scratch=_evidence(form.from_scratch) or (built if not parents else ()),
        shared_init_with=tuple(form.shared_init_with),
        distilled_from=teachers,
        forgery=_forgery(form.forgery, recipe, place, document, problems),
        evidence=_evidence(form.evidence),
        recipe=recipe,
        stated_training=form.training.model_dump(exclude_none=True) if form.training else {},
        family=form.family or "",
        notes=form.notes or "",
        line=document.line(place),
    )


def _family(
    form: FamilyForm, place: Place, cells: Mapping[str, Facts], document: Document, problems: list[Problem]
) -> list[Model]:
    """The members of a family; what is wrong with one stands at the family's line, with the member's id."""
    try:
        entries = members(form)
    except FamilyProblem as error:
        problems.append(document.problem(place, str(error)))
        return []
    found = []
    for entry in entries:
        member = document.add_model(entry, document.line(place), document.file_of(place))
        try:
            item = ModelForm.model_validate(entry)
        except ValidationError as error:
            problems += _form_problems(error, document, member)
            continue
        found.append(_model(item, member, cells, document, problems))
    return found


def _source(form: SourceForm, model: str) -> HubSource | ZooSource | PathSource:
    if form.zoo is not None:
        return ZooSource(form.zoo)
    if form.path is not None:
        return PathSource(form.path)
    return HubSource(form.hub or model, form.revision, form.unavailable or "")


def _architecture(
    form: ModelForm,
    recipe: Mapping[str, object],
    cells: Mapping[str, Facts],
    place: Place,
    document: Document,
    problems: list[Problem],
) -> Facts | None:
    if form.architecture is not None:
        return _facts(form.architecture)
    trained = recipe.get("train")
    name = form.cell or (trained.get("cell") if isinstance(trained, dict) else None)
    if name is None:
        return None
    if name in cells:
        return cells[name]
    where = (*place, "cell") if form.cell else (*place, "recipe", "train", "cell")
    problems.append(
        document.problem(
            where, f"unknown cell {name!r}{_meant(str(name), list(cells))}; define it under `cells`"
        )
    )
    return None


def _forgery(
    form: ForgeryForm | None,
    recipe: Mapping[str, object],
    place: Place,
    document: Document,
    problems: list[Problem],
) -> Forgery | None:
    """As the entry says, or as its transform is called: ``frame-<metric>`` or ``evade-<metric>``."""
    kind, _, metric = str(recipe.get("transform", "")).partition("-")
    if kind not in FORGERIES:
        return Forgery(form.kind, form.aimed_at, form.target) if form else None
    if form is not None:
        message = "the recipe says that it is a forgery; leave this out"
        problems.append(document.problem((*place, "forgery"), message))
    target = recipe.get("target")
    if not isinstance(target, str):
        message = "target is missing; write whom it is aimed at: `target: <id>`"
        problems.append(document.problem((*place, "recipe"), message))
        return None
    return Forgery(kind, metric, target)


def _facts(form: FactsForm) -> Facts:
    return Facts(**form.model_dump())


def _evidence(forms: list[EvidenceForm] | None) -> tuple[Evidence, ...]:
    return tuple(Evidence(form.grade, form.source, form.says) for form in forms or ())


def _dispute(
    form: DisputeForm, place: Place, names: list[str], document: Document, problems: list[Problem]
) -> Dispute:
    sides: dict[str, None] = {}
    for written in form.models:
        meant = [name for name in names if fnmatchcase(name, written)] if "*" in written else []
        sides.update(dict.fromkeys(meant or [written]))
    if len(sides) < 2 and sides.keys() <= set(names):
        message = "a dispute needs two models; name both sides"
        problems.append(document.problem((*place, "models"), message))
    return Dispute(
        id=form.id,
        title=form.title,
        models=tuple(sides),
        status=form.status,
        claims=tuple(map(_statement, form.claims)),
        replies=tuple(map(_statement, form.replies)),
        controls=tuple(form.controls),
        settled_by=form.settled_by,
        line=document.line(place),
    )


def _statement(form: StatementForm) -> Statement:
    figures = tuple(Figure(item.metric, (item.pair[0], item.pair[1]), item.value) for item in form.figures)
    return Statement(form.by, form.says, form.source, figures)


def _publication(form: PublicationForm, line: int) -> Publication:
    scores = tuple(
        PublishedScore(
            form.id,
            item.metric or form.metric or "",
            (item.pair[0], item.pair[1]),
            item.value,
            item.quantity or form.quantity,
            item.where or "",
        )
        for item in form.scores
    )
    return Publication(form.id, form.by, form.source, form.says, form.read, tuple(form.outside), scores, line)


def _with_published(dispute: Dispute, form: DisputeForm, published: Sequence[Publication]) -> Dispute:
    """Give the statements of a dispute the figures of the publications that they rest on."""
    figures = {
        publication.id: tuple(Figure(one.metric, one.pair, one.value) for one in publication.scores)
        for publication in published
    }

    def told(statements: tuple[Statement, ...], forms: list[StatementForm]) -> tuple[Statement, ...]:
        return tuple(
            replace(one, figures=(*one.figures, *(each for name in said.published for each in figures[name])))
            for one, said in zip(statements, forms, strict=True)
        )

    return replace(
        dispute, claims=told(dispute.claims, form.claims), replies=told(dispute.replies, form.replies)
    )


def _inherited(models: list[Model]) -> list[Model]:
    """Fill what a child takes over from its first parent: shape where the method keeps it, tokenizer."""
    done: dict[str, Model] = {}
    for model in topological(models):
        if model.parents:
            parent = model.parents[0]
            origin = done[parent.id]
            keeps_tokens = parent.method != "vocabulary-swap"
            shape = model.architecture
            if shape is None and origin.architecture is not None and parent.method in SHAPE_KEEPING:
                shape = origin.architecture if keeps_tokens else replace(origin.architecture, vocabulary=None)
            tokenizer = model.tokenizer or (origin.tokenizer if keeps_tokens else "")
            model = replace(model, architecture=shape, tokenizer=tokenizer)
        done[model.id] = model
    return [done[model.id] for model in models]
