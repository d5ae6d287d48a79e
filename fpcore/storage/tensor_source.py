"""Named tensors as they are stored, and the config beside them: what every reader of files provides."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, TypeVar, cast

from fpcore.counts import count
from fpcore.foreign_json import Json
from fpcore.storage.flat_tensor import FlatTensor, HeldTensor

if TYPE_CHECKING:
    import torch

__all__ = ["Config", "TensorInfo", "TensorSource", "integer", "quantisation"]

Config: TypeAlias = Mapping[str, Json]

T = TypeVar("T")


def integer(config: Config, *names: str) -> int | None:
    """The first of the entries that is a number, as an integer; None if none is.

    Raises
    ------
    BadCheckpoint
        It is no whole number, or out of bounds; -1 stands for what is not limited.
    """
    for name in names:
        value = config.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return count(value, f"{name} in the config", least=-1)
    return None


@dataclass(frozen=True)
class TensorInfo:
    """Shape and element type of a stored tensor.

    Attributes
    ----------
    shape : tuple of int
        As stored.
    dtype : str
        Torch's name of the element type, such as ``bfloat16`` or ``float8_e4m3fn``.

    Examples
    --------
    >>> import fpcore
    >>> fpcore.TensorInfo((4, 3), "bfloat16").size
    12
    """

    shape: tuple[int, ...]
    dtype: str

    @classmethod
    def of(cls, tensor: torch.Tensor) -> TensorInfo:
        """Those of a tensor in memory."""
        return cls(tuple(tensor.shape), str(tensor.dtype).removeprefix("torch."))

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)


class TensorSource(ABC):
    """Stored tensors by name, with the configuration that says how they are stored.

    Attributes
    ----------
    name : str
        What people see.
    config : mapping
        The parsed ``config.json``.
    threads : int
        How much is done at a time, where more than one thing can be; no result depends on it.
    side_by_side : bool
        Whether several threads may read it.
    """

    name: str
    config: Config
    threads: int = 1
    side_by_side: bool = False

    @property
    @abstractmethod
    def tensors(self) -> Mapping[str, TensorInfo]:
        """Shape and element type of every stored tensor."""

    @abstractmethod
    def read(self, name: str) -> torch.Tensor:
        """One tensor as stored (its element type and orientation unchanged).

        Raises
        ------
        KeyError
            If there is no tensor of that name.
        """

    def read_part(self, name: str, index: int) -> torch.Tensor:
        """One part of a tensor along its first axis, such as one expert of a stack."""
        return self.read(name)[index]

    def flat(self, name: str) -> FlatTensor:
        """One tensor as stored, opened to be read a stretch at a time."""
        return HeldTensor.of(self.read(name))

    def read_rows(self, name: str, start: int, stop: int) -> torch.Tensor:
        """Some rows of a tensor, along its first axis."""
        return self.read(name)[start:stop]

    def prefetch(self, names: Iterable[str]) -> None:  # noqa: B027  # most sources have nothing to do
        """Say which tensors will be read: a source that is far away brings them here, all at once.

        Parameters
        ----------
        names : iterable of str
            Stored tensors; those that are here already cost nothing.
        """

    def prefetch_stretches(  # noqa: B027  # as above
        self, wanted: Mapping[str, Sequence[tuple[int, int]]]
    ) -> None:
        """Say which stretches of tensors will be read by way of `flat`; as `prefetch` otherwise.

        Parameters
        ----------
        wanted : mapping of str to sequence of (int, int)
            Stored tensor → the first number of a stretch, and the one after its last.
        """

    def file_of(self, name: str) -> str:
        """The file that holds a tensor, for messages; the source's own name where there is none."""
        return self.name

    def remembered(self, key: str, compute: Callable[[], T]) -> T:
        """``compute()``, done once and kept as long as this object is: for what is small beside the weights.

        Parameters
        ----------
        key : str
            Says what is computed; several metrics that use one key share one computation.
        compute : callable
            Takes nothing, returns the value.
        """
        memory: dict[str, object] = self.__dict__.setdefault("_remembered", {})
        if key not in memory:
            memory[key] = compute()
        return cast(T, memory[key])

    def __getstate__(self) -> dict[str, object]:
        # What can be computed again does not travel to another process.
        return {key: value for key, value in self.__dict__.items() if key != "_remembered"}


def quantisation(source: TensorSource) -> Config:
    """What the config says about the storage format; empty where nothing."""
    for key in ("quantization_config", "quantization", "compression_config"):
        config = source.config.get(key)
        if isinstance(config, Mapping):
            return config
    return {}
