"""What a catalog holds, as counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.columns import RELATIONS
from analysis.look_alikes import look_alike_pairs
from benchmark.catalog.graph import Graph
from benchmark.catalog.model import GRADES, Dispute, Evidence, Model
from benchmark.catalog.pairs import related_pairs

__all__ = ["MOST_PAIRED", "CatalogCounts", "count_catalog"]

MOST_PAIRED: Final = 5_000
"""Models of which every two are looked at to count pairs: time and memory grow with the square."""

Codes: TypeAlias = npt.NDArray[np.int8] | npt.NDArray[np.intp]


@dataclass(frozen=True)
class CatalogCounts:
    """Counts of a catalog's entries, derivations, pairs and disputes.

    Attributes
    ----------
    file, digest : str
        The catalog's file, and the SHA-256 of its text.
    models, local_models, hub_models : int
        Honest models; those on this machine, and those on the hub.
    founders, lineages, cells : int
        Models without parents; lineages; architecture cells.
    derivations : mapping of str to int
        Method → derivations, most frequent first.
    evidence : mapping of str to int
        Grade → derivations whose best evidence has it.
    pairs : mapping of str to int
        Relation → pairs; empty for more than `MOST_PAIRED` models.
    look_alikes : int or None
        Independent pairs that have the shapes of a derived pair; None where pairs are not counted.
    forgeries : mapping of str to int
        Kind → forged models, which count nowhere else.
    disputes : mapping of str to int
        Status → disputes.
    without_cell, origin_not_stated : tuple of str
        Models whose architecture cell is unknown; founders that nobody states to be from scratch.
    """

    file: str
    digest: str
    models: int
    local_models: int
    hub_models: int
    founders: int
    lineages: int
    cells: int
    derivations: Mapping[str, int]
    evidence: Mapping[str, int]
    pairs: Mapping[str, int]
    look_alikes: int | None
    forgeries: Mapping[str, int]
    disputes: Mapping[str, int]
    without_cell: tuple[str, ...]
    origin_not_stated: tuple[str, ...]

    def to_json(self) -> dict[str, object]:
        """The same as JSON values, by the names of the attributes."""
        return asdict(self)


def count_catalog(
    graph: Graph,
    models: Sequence[Model],
    chosen: Sequence[str],
    disputes: Sequence[Dispute],
    *,
    file: str,
    digest: str,
) -> CatalogCounts:
    """Count what a catalog holds.

    Parameters
    ----------
    graph : Graph
        Of all entries, forgeries among them.
    models : sequence of Model
        The honest ones.
    chosen : sequence of str
        Those that stand in pairs: of each model one entry.
    disputes : sequence of Dispute
    file, digest : str
    """
    by_id = {model.id: model for model in models}
    derivations = [parent for model in models for parent in model.parents]
    best = Counter(_best_grade(parent.evidence) for parent in derivations)
    relations: dict[str, int] = {}
    look_alikes = None
    if len(chosen) <= MOST_PAIRED:
        pairs = related_pairs(graph, chosen)
        n_of = np.bincount(pairs.codes, minlength=len(RELATIONS)).tolist()
        relations = dict(zip(RELATIONS, n_of, strict=True))
        cells = pd.factorize(np.array([by_id[name].cell for name in pairs.ids], dtype=object))[0]
        look_alikes = _look_alikes(pairs.codes, cells[pairs.a], cells[pairs.b])
    return CatalogCounts(
        file=file,
        digest=digest,
        models=len(models),
        local_models=sum(not model.remote for model in models),
        hub_models=sum(model.remote for model in models),
        founders=sum(model.founder for model in models),
        lineages=len({graph.lineages[model.id] for model in models}),
        cells=len({model.cell for model in models if model.cell}),
        derivations=most_frequent(Counter(parent.method for parent in derivations)),
        evidence={grade: best[grade] for grade in GRADES},
        pairs=relations,
        look_alikes=look_alikes,
        forgeries=most_frequent(Counter(model.forgery.kind for model in graph.order if model.forgery)),
        disputes=most_frequent(Counter(dispute.status for dispute in disputes)),
        without_cell=tuple(model.id for model in models if model.cell is None),
        origin_not_stated=tuple(
            model.id for model in models if model.founder and not model.stated_from_scratch
        ),
    )


def _look_alikes(relation: Codes, cell_a: Codes, cell_b: Codes) -> int:
    """How many pairs are look-alikes; millions of pairs are few kinds of them, by relation and two cells."""
    n_cells = int(max(cell_a.max(initial=-1), cell_b.max(initial=-1))) + 2  # -1 is an unknown cell
    form = (n_cells, n_cells, len(RELATIONS))
    kind = np.ravel_multi_index((cell_a + 1, cell_b + 1, relation), form)
    n_pairs = np.bincount(kind)
    kinds = np.flatnonzero(n_pairs)
    a, b, of = np.unravel_index(kinds, form)
    alike = look_alike_pairs(np.array(RELATIONS)[of], a - 1, b - 1)
    return int(n_pairs[kinds][alike].sum())


def most_frequent(counter: Counter[str]) -> dict[str, int]:
    """Counts, highest first, by name where they are equal."""
    return dict(sorted(counter.items(), key=lambda item: (-item[1], item[0])))


def _best_grade(evidence: Sequence[Evidence]) -> str:
    return min((item.grade for item in evidence), key=GRADES.index)
