"""A model whose tensors are in memory, such as one made from another."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from fpcore.checkpoints.base import Checkpoint
from fpcore.storage.tensor_source import Config, TensorInfo

if TYPE_CHECKING:
    import torch

__all__ = ["MemoryCheckpoint"]


class MemoryCheckpoint(Checkpoint):
    """A model whose tensors are in memory, such as an exact transform of another one.

    Parameters
    ----------
    name : str
        What people see.
    digest : str
        Identifies the content; the maker vouches for it.
    config : mapping
        As in ``config.json``.
    tensors : mapping of str to torch.Tensor
        The weights under their stored names.
    tokenizer : path, optional
        The ``tokenizer.json`` of the model.
    device : str
        Where it is run: that of the model it was made from.

    Examples
    --------
    A model and a copy of it at half the scale:

    >>> import fpcore
    >>> model = fpcore.open_checkpoint("models/parent")
    >>> halved = {name: model.read(name) / 2 for name in model.tensors}
    >>> copy = fpcore.MemoryCheckpoint("halved", "halved " + model.digest, model.config, halved)
    >>> metric = fpcore.metric("weight-cosine")
    >>> round(metric.similarity(metric.fingerprint(model), metric.fingerprint(copy)), 6)
    1.0
    """

    side_by_side = True

    def __init__(
        self,
        name: str,
        digest: str,
        config: Config,
        tensors: Mapping[str, torch.Tensor],
        tokenizer: str | Path | None = None,
        *,
        device: str = "cpu",
    ) -> None:
        self.name = name
        self.device = device
        self.config = config
        self._digest = digest
        self._weights = dict(tensors)
        self._tokenizer = None if tokenizer is None else Path(tokenizer)
        self._tensors = {key: TensorInfo.of(tensor) for key, tensor in self._weights.items()}

    @property
    def digest(self) -> str:  # noqa: D102
        return self._digest

    @property
    def tensors(self) -> Mapping[str, TensorInfo]:  # noqa: D102
        return self._tensors

    def read(self, name: str) -> torch.Tensor:  # noqa: D102
        return self._weights[name]

    def tokenizer_file(self) -> Path | None:  # noqa: D102
        return self._tokenizer
