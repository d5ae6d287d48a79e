"""The form of an anatomy table: tensor names of one kind of model, and what each is for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from fpcore.anatomy.tensor_layouts import TensorLayout, Whole

__all__ = ["Entry", "Table"]

Entry = str | TensorLayout

PREFIXES = (
    "model",
    "language_model",
    "transformer",
    "gpt_neox",
    "base_model",
    "text_model",
    "thinker",
    "llm",
)
NUMBER = re.compile(r"(?<=\.)\d+(?=\.|$)")


@dataclass(frozen=True)
class Table:
    """Names of one kind of model.

    In names, ``#`` stands for a number between dots and a final ``*`` for ``weight`` or ``bias``; in
    roles they stand for the same number (in order) and the same word.

    Attributes
    ----------
    model_types : tuple of str
        The config's ``model_type`` values that this table serves.
    top : mapping of str to Entry
        Names outside the layers → role or layout.
    layer : mapping of str to Entry
        Names within a layer, after `layer_prefix` → role or layout within ``layers.#.``.
    layer_prefix : str
        What layers are called, such as ``layers.#.``.
    more : mapping of str to (str, mapping)
        Further stacks of layers (an encoder): name prefix → role prefix and entries.
    prefixes : tuple of str
        Words that may stand before any name, in any combination, and mean nothing.
    ignored : tuple of str
        Regular expressions of names (without prefix) that are no weights of the language model.
    """

    model_types: tuple[str, ...]
    top: Mapping[str, Entry]
    layer: Mapping[str, Entry]
    layer_prefix: str = "layers.#."
    more: Mapping[str, tuple[str, Mapping[str, Entry]]] = field(default_factory=dict)
    prefixes: tuple[str, ...] = PREFIXES
    ignored: tuple[str, ...] = ()

    def entries(self) -> dict[str, tuple[str, TensorLayout]]:
        """Every name pattern → prefix of its roles (``layers.#.`` or nothing) and layout."""
        found = {name: ("", as_layout(entry)) for name, entry in self.top.items()}
        stacks = {self.layer_prefix: ("layers.#.", self.layer), **self.more}
        for prefix, (role_prefix, entries) in stacks.items():
            found.update({prefix + name: (role_prefix, as_layout(entry)) for name, entry in entries.items()})
        return found


def as_layout(entry: Entry) -> TensorLayout:
    """A bare role name takes the whole tensor."""
    return Whole(entry) if isinstance(entry, str) else entry


def spellings(name: str) -> list[tuple[str, list[str], str]]:
    """The patterns that could stand for a name: (pattern, the numbers taken out, ``weight``/``bias``).

    All numbers may be open, or only the first (some names count parts of a layer: ``layer.0.SelfAttention``).
    """
    numbers = NUMBER.findall(name)
    found = []
    for pattern, taken in ((NUMBER.sub("#", name), numbers), (NUMBER.sub("#", name, count=1), numbers[:1])):
        found.append((pattern, taken, ""))
        stem, _, kind = pattern.rpartition(".")
        if kind in {"weight", "bias"}:
            found.append((f"{stem}.*", taken, kind))
    return found
