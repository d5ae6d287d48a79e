"""What the rules for tiny configs do not suit, type by type, and inputs of types that need other ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["CHANGES", "INPUTS"]

# Model type → entries of the tiny config, by dotted path; `default` holds what the default config is made with.
CHANGES: dict[str, dict[str, Any]] = {}

INPUTS: dict[str, Callable[[str, Any, dict[str, Any]], dict[str, Any]]] = {}
