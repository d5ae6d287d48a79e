"""Names of tensors as tools that wrap a model save them: without the wrapping."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

__all__ = ["bare", "unwrapped"]


# Modules that training tools put around others, anywhere in a name.
WRAPPERS: Final = frozenset(
    {"_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module", "_forward_module"}
)
OUTERMOST: Final = ("module.", "_forward_module.", "base_model.model.")


def unwrapped(names: Iterable[str]) -> dict[str, str]:
    """Names without what tools wrapped around them → the stored names.

    Where two stored names become one (a model and its wrapped copy), the plain one counts.
    """
    stored = list(names)
    found: dict[str, str] = {}
    for name in sorted(stored, key=lambda one: (bare(one) != one, one)):
        found.setdefault(bare(name), name)
    order = {name: place for place, name in enumerate(stored)}
    return dict(sorted(found.items(), key=lambda entry: order[entry[1]]))


def bare(name: str) -> str:
    """One name without wrappers."""
    parts = [part for part in name.split(".") if part not in WRAPPERS]
    short = ".".join(parts)
    while prefix := next((prefix for prefix in OUTERMOST if short.startswith(prefix)), ""):
        short = short.removeprefix(prefix)
    return (
        short.replace(".base_layer.", ".")
        .replace(".modules_to_save.default.", ".")
        .replace(".original_module.", ".__original_module__.")
    )
