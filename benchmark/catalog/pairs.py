"""The pair table: every two models with their labels and what they have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.columns import LABELS, RELATIONS
from benchmark.catalog.graph import DERIVED, DISPUTED, INDEPENDENT, SIBLING, Graph
from benchmark.catalog.model import Model
from benchmark.catalog.reachability import Matrix, product

__all__ = ["COLUMNS", "RelatedPairs", "pair_table", "related_pairs", "shared_facts"]

COLUMNS = (
    "model_a",
    "model_b",
    *LABELS,
    "shared",
    "dispute",
    "same_depth",
    "same_width",
    "same_tokenizer",
    "same_corpus",
)

#: What two independent models can have in common beside their shape, in the order it is named.
COMMON_GROUND = ("corpus", "tokenizer", "order", "schedule", "seed")

Rows = npt.NDArray[np.intp]


@dataclass(frozen=True)
class RelatedPairs:
    """Unordered pairs of some models, by number, with their relations.

    Attributes
    ----------
    ids : tuple of str
        The models, sorted.
    rows : ndarray of int, shape (n_models,)
        Their numbers in the graph.
    a, b : ndarray of int, shape (n_pairs,)
        Places in `ids`; a < b.
    codes : ndarray of int, shape (n_pairs,)
        Index of the relation in `RELATIONS`.
    """

    ids: tuple[str, ...]
    rows: Rows
    a: Rows
    b: Rows
    codes: npt.NDArray[np.int8]


def related_pairs(graph: Graph, chosen: Iterable[str], relation: str | None = None) -> RelatedPairs:
    """Every two of the chosen models, no two of them one model, with the code of their relation."""
    ids = tuple(sorted(chosen))
    rows = np.array([graph.index[name] for name in ids], dtype=np.intp)
    a, b = np.triu_indices(len(ids), k=1)
    codes = graph.relations[rows[a], rows[b]]
    if relation is not None:
        asked = codes == RELATIONS.index(relation)
        a, b, codes = a[asked], b[asked], codes[asked]
    return RelatedPairs(ids, rows, a, b, codes)


def pair_table(graph: Graph, chosen: Sequence[str], relation: str | None = None) -> pd.DataFrame:
    """All unordered pairs of the chosen models.

    Parameters
    ----------
    graph : Graph
    chosen : sequence of str
        Model ids, no two of them one model.
    relation : str, optional
        Only pairs of this relation.

    Returns
    -------
    pandas.DataFrame
        `COLUMNS`, one row a pair, model_a < model_b, sorted. `shared` is filled for independent pairs: the
        facts both have in common, "nothing" if none of those stated, "nothing stated" if none is stated for
        both. `dispute` is filled for disputed pairs: ids of the open disputes that decide, "weights only", or
        "independence not stated". `architecture_*` is None where the cell is unknown; `same_*` is nullable.
    """
    pairs = related_pairs(graph, chosen, relation)
    rows, a, b, codes = pairs.rows, pairs.a, pairs.b, pairs.codes
    models = [graph.order[row] for row in rows]

    # Texts are told apart once a model and then taken by place: there are millions of pairs.
    names = pd.Series(pairs.ids).array
    lineage = pd.Series([graph.lineages[name] for name in pairs.ids]).array
    cell = pd.Series([model.cell for model in models]).array
    method = np.full(len(a), "", dtype=object)
    for pair in np.flatnonzero((codes == DERIVED) | (codes == SIBLING)):
        method[pair] = graph.method(int(rows[a[pair]]), int(rows[b[pair]]))

    dispute = np.full(len(a), "", dtype=object)
    disputed = np.flatnonzero(codes == DISPUTED)
    dispute[disputed] = graph.doubt(rows[a[disputed]], rows[b[disputed]])

    both, same = _common_ground(graph, models)
    independent = codes == INDEPENDENT
    table = {
        "model_a": names.take(a),
        "model_b": names.take(b),
        "relation": pd.Series(RELATIONS).array.take(codes),
        "method": method,
        "lineage_a": lineage.take(a),
        "lineage_b": lineage.take(b),
        "architecture_a": cell.take(a),
        "architecture_b": cell.take(b),
        "shared": np.where(independent, _words(both, same, a, b), ""),
        "dispute": dispute,
        "same_depth": _equal([model.architecture and model.architecture.depth for model in models], a, b),
        "same_width": _equal([model.architecture and model.architecture.width for model in models], a, b),
        "same_tokenizer": _nullable(both["tokenizer"][a, b], same["tokenizer"][a, b]),
        "same_corpus": _nullable(both["corpus"][a, b], same["corpus"][a, b]),
    }
    return pd.DataFrame(table, columns=list(COLUMNS))


def shared_facts(graph: Graph, chosen: Sequence[str]) -> dict[tuple[str, str], frozenset[str]]:
    """What every two of the chosen models have in common, of `COMMON_GROUND`.

    Returns
    -------
    dict
        (model_a, model_b), model_a < model_b → the facts; empty where nothing is shared, or stated.
    """
    pairs = related_pairs(graph, chosen)
    _, same = _common_ground(graph, [graph.order[row] for row in pairs.rows])
    return {
        (pairs.ids[a], pairs.ids[b]): frozenset(fact for fact in COMMON_GROUND if same[fact][a, b])
        for a, b in zip(pairs.a.tolist(), pairs.b.tolist(), strict=True)
    }


def _common_ground(graph: Graph, models: Sequence[Model]) -> tuple[dict[str, Matrix], dict[str, Matrix]]:
    """For each fact, whether it is stated for both models and whether they have a value in common.

    A corpus counts wherever a model or an ancestor was trained on it; order, schedule and seed are those of
    the founders; the tokenizer is the model's own. The same order means something only on the same corpus.
    """
    by_id = {model.id: model for model in graph.order}
    founders: list[list[Model]] = []
    line: list[list[Model]] = []
    for model in models:
        row = graph.index[model.id]
        founders.append([graph.order[each] for each in np.flatnonzero(graph.founders[row])])
        line.append([model, *(graph.order[each] for each in np.flatnonzero(graph.ancestors[row]))])
    values: dict[str, list[set[str]]] = {
        "corpus": [_gather(each, _corpora) for each in line],
        "tokenizer": [_gather([by_id[model.id]], _tokenizer) for model in models],
    }
    for fact in COMMON_GROUND[2:]:
        values[fact] = [_gather(each, lambda model, fact=fact: _trained(model, fact)) for each in founders]  # type: ignore[misc]
    both, same = {}, {}
    for fact, of_model in values.items():
        known = np.array([bool(each) for each in of_model], dtype=bool)
        both[fact] = known[:, None] & known[None, :]
        same[fact] = _overlap(of_model)
    same["order"] &= same["corpus"]
    return both, same


def _gather(models: Iterable[Model], values: Callable[[Model], Iterable[str]]) -> set[str]:
    return {value for model in models for value in values(model)}


def _corpora(model: Model) -> Iterable[str]:
    return model.corpus or _trained(model, "corpus")


def _tokenizer(model: Model) -> Iterable[str]:
    return (model.tokenizer,) if model.tokenizer else ()


def _trained(model: Model, fact: str) -> Iterable[str]:
    value = model.training.get(fact)
    if value is None:
        return ()
    return map(str, value) if isinstance(value, list) else (str(value),)


def _overlap(values: Sequence[set[str]]) -> Matrix:
    vocabulary = {value: number for number, value in enumerate(sorted(set().union(*values)))}
    held = np.zeros((len(values), len(vocabulary)), dtype=bool)
    for row, each in enumerate(values):
        held[row, [vocabulary[value] for value in each]] = True
    return product(held, held.T)


def _words(both: dict[str, Matrix], same: dict[str, Matrix], a: Rows, b: Rows) -> npt.NDArray[np.object_]:
    code = np.zeros(len(a), dtype=np.int64)
    stated = np.zeros(len(a), dtype=bool)
    for bit, fact in enumerate(COMMON_GROUND):
        code |= same[fact][a, b].astype(np.int64) << bit
        stated |= both[fact][a, b]
    texts = [
        ", ".join(fact for bit, fact in enumerate(COMMON_GROUND) if number >> bit & 1) or "nothing"
        for number in range(1 << len(COMMON_GROUND))
    ]
    return np.where(stated, np.array(texts, dtype=object)[code], "nothing stated")


def _equal(values: Sequence[int | None], a: Rows, b: Rows) -> pd.arrays.BooleanArray:
    held = np.array([-1 if value is None else value for value in values], dtype=np.int64)
    return _nullable((held[a] >= 0) & (held[b] >= 0), held[a] == held[b])


def _nullable(known: Matrix, value: Matrix) -> pd.arrays.BooleanArray:
    return pd.arrays.BooleanArray(value.copy(), ~known)
