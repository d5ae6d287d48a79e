"""Entries from the hub's own metadata, added to a catalog; what is there stays as it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmark.catalog.catalog import Catalog, CatalogPart
from benchmark.catalog.import_work import ImportWork, Outcome
from benchmark.catalog.load import load_catalog, parse_catalog
from benchmark.catalog.yaml_text import appended, new_catalog
from benchmark.session.files import atomic_path

__all__ = ["Imported", "import_models"]


@dataclass(frozen=True)
class Imported:
    """What an import added to a catalog.

    Attributes
    ----------
    file : str
    outcomes : tuple of Outcome
        One a model, in the order in which they were come to.
    entries : str
        The new entries as a catalog of their own would hold them; empty where there are none.
    text : str
        The whole file with them.
    """

    file: str
    outcomes: tuple[Outcome, ...]
    entries: str = field(repr=False)
    text: str = field(repr=False)

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """Models that could not be imported."""
        return tuple(one for one in self.outcomes if one.state == "failed")

    def to_json(self) -> dict[str, object]:
        """The outcomes as JSON values."""
        return {"file": self.file, "outcomes": [asdict(one) for one in self.outcomes]}


def import_models(
    names: Sequence[str],
    out: Path | str,
    *,
    beside: Catalog | None = None,
    with_parents: bool = False,
    dry_run: bool = False,
) -> Imported:
    """Write entries of models from the hub's own metadata.

    Parameters
    ----------
    names : sequence of str
        ``org/name`` or ``org/name@revision``.
    out : path
        The catalog to which they are added; it is made where it is not there.
    beside : Catalog, optional
        What else is known: a model that it holds is taken over with its evidence. Default: the shipped
        catalog.
    with_parents : bool
        Import what cards name as base, too, and so on up to models that name none.
    dry_run : bool
        Write nothing.

    Returns
    -------
    Imported

    Raises
    ------
    UsageError
        The catalog is not sound, or cannot be added to. Models that cannot be had raise nothing: see
        `Imported.failed`.

    Examples
    --------
    >>> done = import_models(["Llama 2"], "mine.yaml", dry_run=True)
    >>> print(done.failed[0])
    Llama 2: failed; not of the form org/name[@revision]
    """
    path = Path(out)
    before = path.read_bytes().decode("utf-8") if path.is_file() else ""
    own = load_catalog(path) if before else Catalog([], parts=[CatalogPart(str(path), "")])
    other = load_catalog() if beside is None else beside
    work = ImportWork(own, Catalog([]) if _same(own, other) else other, with_parents)
    for name in names:
        work.named(name)
    entries, disputes = work.entries()
    if not entries:
        return Imported(str(path), tuple(work.outcomes), "", before)
    if before:
        text = appended(before, "models", entries, str(path))
        text = appended(text, "disputes", disputes, str(path))
    else:
        text = new_catalog(entries, disputes)
    parse_catalog(text, file=str(path))
    if not dry_run:
        with atomic_path(path.resolve()) as temporary:
            temporary.write_bytes(text.encode("utf-8"))
    return Imported(str(path), tuple(work.outcomes), new_catalog(entries, disputes), text)


def _same(one: Catalog, other: Catalog) -> bool:
    return bool(one.file and other.file) and Path(one.file).resolve() == Path(other.file).resolve()
