"""A model's files behind one small interface: names and shapes at once, tensors one at a time."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Literal, TypeAlias

from fpcore.anatomy import Anatomy, Architecture, Roles, read_anatomy
from fpcore.anatomy.roles import Reading
from fpcore.anatomy.shape_check import ShapeContradiction
from fpcore.checkpoints.vocabulary import read_vocabulary
from fpcore.errors import BadCheckpoint, NotComparable, first_line
from fpcore.memo import Memo
from fpcore.remote.traffic import Fetched
from fpcore.sampling import Sample
from fpcore.storage.dequantised import set_apart
from fpcore.storage.tensor_source import TensorSource

__all__ = ["Checkpoint", "Told"]

Told: TypeAlias = Callable[[int, int, str], None]


class Checkpoint(TensorSource):
    """Weights of one model with their configuration.

    Attributes
    ----------
    name : str
        What people see.
    digest : str
        sha256 (hex) of the content: configuration, tensors, and tokenizer where there is one.
    config : mapping
        The parsed ``config.json``.
    tensors : mapping of str to TensorInfo
        Every stored tensor, known from headers alone.
    path : pathlib.Path or None
        Where it lies, None for a model that exists in memory or on the hub.
    device : str
        Where metrics that run models run it, such as ``cpu`` or ``cuda:1``.
    threads : int
        Tensors that are read and measured, or layers that metrics of whole matrices work on, at a time. No
        result depends on it.
    sample : Sample or None
        The part of its layers that such metrics read; None for all.
    told : callable or None
        Called with steps done, steps in all and what they are, as such a metric proceeds.
    memo : Memo
        Holds what is large and was computed on it, such as a forward pass.
    unread_files : tuple of str
        Weights files beside its own.
    on_hub : bool
        Whether its tensors come over the network when they are read.

    Examples
    --------
    >>> import fpcore
    >>> model = fpcore.open_checkpoint("models/child")
    >>> model.architecture.cell
    'llama 4x16 h4/2 f24 rmsnorm'
    >>> query = model.roles["layers.1.attention.query.weight"]
    >>> query.source, query.shape
    ('model.layers.1.self_attn.q_proj.weight', (16, 16))
    >>> tuple(query.read().shape)
    (16, 16)
    """

    path: Path | None = None
    device: str = "cpu"
    sample: Sample | None = None
    told: Told | None = None
    unread_files: tuple[str, ...] = ()
    on_hub: bool = False

    @property
    @abstractmethod
    def digest(self) -> str:
        """The sha256 (hex) of configuration, tensors and tokenizer."""

    @property
    def cache_key(self) -> str:
        """What names work on this content (hex): its digest, if every byte that this covers was read here.

        A model on the hub has a digest by the word of the hub, before its bytes have come; what is computed
        of such a model is never taken for what was computed of the same files on disk.
        """
        return self.digest

    @property
    def verified(self) -> bool | None:
        """Of a model on the hub, whether all its weights came and fit the hub's digests; else None."""
        return None

    def known_as(self, digest: str) -> None:
        """Take over the digest that another process has computed of the same content."""
        vars(self)["digest"] = digest  # where it is computed once, it is not computed again

    def tokenizer_file(self) -> Path | None:
        """The ``tokenizer.json`` that belongs to the model, or None."""
        return None

    def bytes_on_hub(self, names: Iterable[str]) -> int:
        """Bytes that some stored tensors take on the hub; 0 for a model that is here."""
        return 0

    def stretches_on_hub(self, wanted: Mapping[str, Sequence[tuple[int, int]]]) -> tuple[int, int]:
        """Bytes that stretches of stored tensors take on the hub, and those of them that are not here."""
        return 0, 0

    def fetch_size(self, names: Iterable[str]) -> int:
        """Those of them that reading would bring over the network now."""
        return 0

    @property
    def fetched(self) -> Fetched:
        """What has come over the network for this model."""
        return Fetched()

    def measure_rate(self, names: Iterable[str]) -> float:
        """Bytes a second at which tensors come over the network; NaN for a model that is here."""
        return math.nan

    def let_go(self) -> None:
        """Nothing more will be read of it soon: what was fetched goes, or goes where it is to be kept."""

    @cached_property
    def roles(self) -> Roles:
        """What each tensor is for, whatever it is called.

        Raises
        ------
        UnknownTensor
            A tensor whose name the model type's table does not know, or a model type without a table.
        BadCheckpoint
            Layers or parts of layers are missing, or two tensors claim one role.
        """
        return self.anatomy.roles

    @cached_property
    def architecture(self) -> Architecture:
        """The model's shape, as the tensors show it; by the config alone where they cannot be read.

        Raises
        ------
        BadCheckpoint
            The config says something else than the tensors, or too little.
        """
        try:
            return self.anatomy.architecture
        except ShapeContradiction:
            raise
        except (BadCheckpoint, NotComparable):
            with one_line(self.name):
                return Architecture.from_config(self.config, self.tensors, where=f"{self.name}: config.json")

    @property
    def reading(self) -> Reading | Literal[""]:
        """Whether tensors got their roles "by table" or "by convention"; empty where they could not."""
        try:
            return self.roles.reading
        except (BadCheckpoint, NotComparable):
            return ""

    @cached_property
    def anatomy(self) -> Anatomy:
        """Roles and shape together: each is read with the help of the other."""
        with one_line(self.name):
            return read_anatomy(self)

    @property
    def apart(self) -> dict[str, int]:
        """What the files hold beside the language model's weights → how many tensors, or files."""
        try:
            found = dict(Counter(self.roles.aside.values()))
        except (BadCheckpoint, NotComparable):
            found = set_apart(self)
        unread = {f"the file {file}": 1 for file in self.unread_files}
        return found | unread

    @cached_property
    def memo(self) -> Memo:
        """What is large and was computed on it."""
        return Memo()

    def tokenizer_vocabulary(self) -> dict[str, int] | None:
        """Token to id, from ``tokenizer.json``; None where the model brings no such file."""
        file = self.tokenizer_file()
        return None if file is None else read_vocabulary(file)

    def __getstate__(self) -> dict[str, object]:
        return {**super().__getstate__(), "told": None}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"


@contextmanager
def one_line(name: str) -> Iterator[None]:
    """Whatever keeps a config and names from making a model is one line, not a traceback."""
    try:
        yield
    except (BadCheckpoint, NotComparable):
        raise
    except Exception as error:  # a config may hold anything
        raise BadCheckpoint(
            f"{name}: its config.json and tensors do not form a model ({first_line(error)}); is it the"
            " right config?"
        ) from error
