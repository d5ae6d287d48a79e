"""Several catalogs as one: what two of them say of the same thing must be the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from benchmark.catalog.document import Document, Place
from benchmark.catalog.problems import CatalogError, Problem
from benchmark.catalog.schema import CatalogFile, FamilyForm, Form, ModelForm

__all__ = ["Part", "merged"]

#: Lists of a catalog → the field that names an entry.
LISTS: Final = {"families": "name", "models": "id", "published": "id", "disputes": "id"}
Entry = TypeVar("Entry", bound=Form)


@dataclass(frozen=True)
class Part:
    """One catalog that was read and has the form of one."""

    document: Document
    form: CatalogFile


def merged(parts: Sequence[Part]) -> Part:
    """Put catalogs one after the other; an entry that stands in several, word for word, stands once.

    Paths of models stay relative to their own file.

    Parameters
    ----------
    parts : sequence of Part
        At least one.

    Raises
    ------
    CatalogError
        Two entries, or two shapes, of one name that differ: both places, and in which fields.
    """
    if len(parts) == 1:
        return parts[0]
    whole = Document(" + ".join(part.document.file for part in parts))
    cells = _cells(parts, whole)
    lists: dict[str, list[Form]] = {kind: [] for kind in LISTS}
    values: dict[str, list[object]] = {kind: [] for kind in LISTS}
    for kind, name in LISTS.items():
        first: dict[str, tuple[Form, Document, Place]] = {}
        for part in parts:
            for index, entry in enumerate(_entries(part, kind)):
                place: Place = (kind, index)
                called = str(getattr(entry, name))
                # What appears twice in one file is for the checks of every catalog to say.
                if called in first and first[called][1] is not part.document:
                    _same(called, entry, part.document, place, *first[called])
                    continue
                first.setdefault(called, (entry, part.document, place))
                whole.take(part.document, place, (kind, len(lists[kind])))
                lists[kind].append(entry)
                values[kind].append(part.document.value_at(place))
    whole.value = values
    form = CatalogFile.model_construct(
        schema_version=1,
        cells=cells,
        families=lists["families"],
        models=lists["models"],
        published=lists["published"],
        disputes=lists["disputes"],
    )
    return Part(whole, form)


def _entries(part: Part, kind: str) -> Iterable[Form]:
    """The entries of a kind, with paths that mean the same from anywhere."""
    folder = Path(part.document.file).resolve().parent
    entries: Sequence[Form] = getattr(part.form, kind)
    return (_rooted(entry, folder) for entry in entries)


def _rooted(entry: Form, folder: Path) -> Form:
    if isinstance(entry, ModelForm) and entry.source.path is not None:
        rooted = entry.source.model_copy(update={"path": str(folder / entry.source.path)})
        return entry.model_copy(update={"source": rooted})
    if isinstance(entry, FamilyForm) and isinstance(source := entry.model.get("source"), dict):
        path = source.get("path")
        if isinstance(path, str):
            model = entry.model | {"source": source | {"path": str(folder / path)}}
            return entry.model_copy(update={"model": model})
    return entry


def _cells(parts: Sequence[Part], whole: Document) -> dict[str, Form]:
    found: dict[str, tuple[Form, Document, Place]] = {}
    for part in parts:
        for name, form in part.form.cells.items():
            place: Place = ("cells", name)
            if name in found:
                _same(name, form, part.document, place, *found[name])
            else:
                found[name] = form, part.document, place
                whole.take(part.document, place, place)
    return {name: form for name, (form, _, _) in found.items()}


def _same(
    name: str, entry: Form, document: Document, place: Place, other: Form, elsewhere: Document, there: Place
) -> None:
    """Refuse two entries of one name that differ."""
    fields = list(_differing(entry, other))
    if fields:
        first = f"{elsewhere.file}:{elsewhere.line(there)}"
        differs = f"and differs in {', '.join(fields)}"
        message = f"{name!r} also appears at {first}, {differs}; keep one, or rename one"
        raise CatalogError((Problem(document.file, document.line(place), str(place[0]), message),))


def _differing(one: Form, other: Form) -> Iterator[str]:
    for name, field in type(one).model_fields.items():
        if getattr(one, name) != getattr(other, name):
            yield field.alias or name
