"""Published scores of real pairs as text and JSON."""

from __future__ import annotations

from collections.abc import Sequence

from benchmark.catalog.catalog import Catalog
from benchmark.catalog.publications import QUANTITIES, PublishedScore

__all__ = ["published_json", "published_lines"]


def published_lines(catalog: Catalog, scores: Sequence[PublishedScore]) -> list[str]:
    """Scores by publication: where they stand and what they are, then each with the catalog's relation."""
    lines = ["published scores: shown, never used"]
    for name in dict.fromkeys(score.publication for score in scores):
        publication = catalog.published[name]
        lines += [f"  {name}  {publication.citation}", f"    {publication.says}"]
        for score in (one for one in scores if one.publication == name):
            notes = [catalog.published_relation(score) or "not in the catalog", score.where]
            notes += [QUANTITIES[score.quantity]] if score.quantity != "score" else []
            told = ", ".join(note for note in notes if note)
            lines.append(f"      {score.metric} {score.value:g}  {' – '.join(score.pair)}  ({told})")
    return lines


def published_json(catalog: Catalog, scores: Sequence[PublishedScore]) -> list[dict[str, object]]:
    """Each score with its citation and the catalog's relation of the pair, as JSON values."""
    return [
        {
            **vars(score),
            "pair": list(score.pair),
            "citation": catalog.published[score.publication].citation,
            "relation": catalog.published_relation(score) or None,
        }
        for score in scores
    ]
