"""Low-rank adapters that were saved beside the weights that they change: applied on reading."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

from fpcore.errors import BadCheckpoint, UnreadableTensor
from fpcore.foreign_json import Json
from fpcore.printable import shown
from fpcore.storage.stored_weight import Refused, StoredWeight
from fpcore.storage.tensor_source import Config, TensorInfo, TensorSource

if TYPE_CHECKING:
    import torch

__all__ = ["ADAPTER_CONFIG", "adapted"]

ADAPTER_CONFIG: Final = "adapter_config"
"""Config attribute: the settings of the adapter whose tensors are among the model's."""

# `lora_A.weight`, `lora_A.default.weight`, and the same for embeddings (without `weight`).
LORA: Final = re.compile(
    r"^(?P<stem>.+)\.lora_(?P<part>A|B|embedding_A|embedding_B)(?:\.(?P<adapter>(?!weight$)\w+))?(?:\.weight)?$"
)
OTHER: Final = re.compile(
    r"\.(?:lora_magnitude_vector|lora_\w+|ia3_\w+|hada_\w+|lokr_\w+|oft_\w+|vera_\w+|boft_\w+)(?:\.|$)"
)
LARGEST_ALPHA: Final = 1e6
MOST_QUANTIFIERS: Final = 4  # of one pattern: each multiplies the time that it may take
UNSCALED: Final = "adapters that were not applied: no adapter_config.json gives their scale"


@dataclass(frozen=True)
class Adapted(StoredWeight):
    """A weight plus the product of two narrow matrices.

    Attributes
    ----------
    base : StoredWeight
    down, up : str
        The stored matrices, (rank, columns) and (rows, rank).
    module : str
        What the adapter's settings call it.
    """

    base: StoredWeight
    down: str
    up: str
    module: str

    def read(self, source: TensorSource, index: int | None = None) -> torch.Tensor:
        """The sum in float32."""
        down, up = source.read(self.down).float(), source.read(self.up).float()
        settings = source.config[ADAPTER_CONFIG]
        if not isinstance(settings, Mapping):
            raise UnreadableTensor("its adapter_config.json is not a JSON object; fetch it again")
        change = (up @ down) * scaling(settings, len(down), self.module)
        # An embedding, and GPT-2's convolutions: the weight is stored (in, out).
        if settings.get("fan_in_fan_out") or ".lora_embedding_" in self.down:
            change = change.T
        if tuple(change.shape) != self.shape:
            raise UnreadableTensor(
                f"its adapter of shape {tuple(change.shape)} does not fit {self.shape}; "
                "is it the adapter of another model?"
            )
        whole = self.base.read(source).float() + change
        return whole if index is None else whole[index]


def scaling(settings: Config, rank: int, module: str) -> float:
    """What the product is multiplied by: `lora_alpha` over the rank, or over its root."""
    alpha = settings.get("lora_alpha", 8)
    patterns = settings.get("alpha_pattern")
    for pattern, stated in (patterns if isinstance(patterns, Mapping) else {}).items():
        if matches(pattern, module):
            alpha = stated
    number = isinstance(alpha, int | float) and not isinstance(alpha, bool)
    if not number or not abs(cast(float, alpha)) <= LARGEST_ALPHA or not rank:
        raise UnreadableTensor(f"lora_alpha of its adapter is {shown(alpha)}; correct adapter_config.json")
    return float(cast(float, alpha)) / (rank**0.5 if settings.get("use_rslora") else rank)


def matches(pattern: str, module: str) -> bool:
    """Whether a pattern of an adapter's settings is of a module.

    Raises
    ------
    UnreadableTensor
        It is no regular expression, or one that can take for ever.
    """
    quantifiers = re.findall(r"(?<!\\)[*+{]", pattern)
    if len(quantifiers) > MOST_QUANTIFIERS or re.search(r"\)[*+{]", pattern):
        raise UnreadableTensor(
            f"the pattern {shown(pattern)} of its adapter is too complex; list the modules instead"
        )
    try:
        return re.match(rf"(?:.*\.)?(?:{pattern})$", module) is not None
    except (re.error, OverflowError, RecursionError) as error:
        raise UnreadableTensor(f"the pattern {shown(pattern)} of its adapter is invalid: {error}") from error


def adapted(
    weights: Mapping[str, StoredWeight], tensors: Mapping[str, TensorInfo], settings: Json
) -> tuple[dict[str, StoredWeight], dict[str, str]]:
    """The weights that adapters among the tensors change, and what became of each adapter tensor.

    Parameters
    ----------
    weights : mapping of str to StoredWeight
    tensors : mapping of str to TensorInfo
        All of them, adapters among them.
    settings : object
        The adapter's settings; None where they are not known: then no adapter is applied.

    Returns
    -------
    dict of str to StoredWeight
        The changed weights.
    dict of str to str
        Tensors of adapters that were not applied → why; those that were applied → an empty string.

    Raises
    ------
    BadCheckpoint
        An adapter changes a weight that is not there.
    """
    pairs: dict[str, dict[str, list[str]]] = {}
    fate: dict[str, str] = {}
    for name in tensors:
        match = LORA.match(name)
        if match is not None:
            pairs.setdefault(match["stem"], {}).setdefault(match["part"][-1], []).append(name)
            fate[name] = "" if settings is not None else UNSCALED
        elif OTHER.search(name):
            fate[name] = "adapters of a kind that is not supported"
    changed: dict[str, StoredWeight] = {}
    if settings is None:
        return changed, fate
    for stem, parts in pairs.items():
        base = weights.get(f"{stem}.weight")
        all_parts = [name for names in parts.values() for name in names]
        if base is None:
            raise BadCheckpoint(
                f"the adapter changes {stem}, which its model does not have; is it that of another model?"
            )
        kept = (*base.parts, *all_parts)
        # A further vector beside the two (DoRA), or two adapters: what is run is not what is read here.
        if any(name.startswith(f"{stem}.") for name, why in fate.items() if why and OTHER.search(name)):
            reason = "its adapter has further parts (DoRA or the like); merge it into the model"
            changed[base.name] = Refused(base.name, base.shape, kept, reason)
        elif len(parts.get("A", ())) == len(parts.get("B", ())) == 1:
            changed[base.name] = Adapted(
                base.name, base.shape, kept, base, parts["A"][0], parts["B"][0], stem
            )
        else:
            reason = (
                f"it has {len(all_parts)} adapter matrices, but one adapter has two; merge the one you mean"
            )
            changed[base.name] = Refused(base.name, base.shape, kept, reason)
    return changed, fate
