"""The words of a tensor's name."""

from __future__ import annotations

from typing import Final

__all__ = ["KINDS", "projection", "split"]


KINDS: Final = {"weight": "weight", "bias": "bias", "gamma": "weight", "beta": "bias", "scale": "weight"}


def split(rest: str) -> tuple[list[str], str]:
    """The modules of a name, and ``weight``, ``bias`` or what a bare parameter is called."""
    words = rest.split(".")
    if words[-1] in KINDS and len(words) > 1:
        return words[:-1], KINDS[words[-1]]
    last = words[-1]
    for ending, kind in (("_proj_bias", "bias"), ("_bias", "bias"), ("_weight", "weight")):
        if last.endswith(ending) and last not in KINDS:
            return [*words[:-1], last.removesuffix("_bias").removesuffix("_weight")], kind
    return words, "weight"


def projection(words: list[str]) -> str:
    """The word that names a projection: the last that says something."""
    for word in reversed(words):
        if word not in {"linear", "dense"}:
            return word if words[-1] != "dense" or word in {"output", "intermediate"} else words[-1]
    return words[-1]
