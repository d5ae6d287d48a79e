"""The columns of a score table, and what may stand in those with few values."""

from __future__ import annotations

from typing import Final

__all__ = ["COLUMNS", "LABELS", "RELATIONS", "STATUSES"]

RELATIONS: Final = ("derived", "sibling", "independent", "shared-init", "distilled", "disputed")
"""What two models can be to each other."""
STATUSES: Final = ("ok", "abstained", "failed")
"""How a pair can have come out."""
LABELS: Final = ("relation", "method", "lineage_a", "lineage_b", "architecture_a", "architecture_b")
"""What is known of a pair without scoring it."""
COLUMNS: Final = ("metric", "model_a", "model_b", "score", "status", "reason", *LABELS)
"""A score table as a run writes it."""
