"""What a metric is, and the registry that finds them by name."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from pkgutil import iter_modules
from typing import Any, ClassVar, Final, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from fpcore.checkpoints.checkpoint import Checkpoint
from fpcore.errors import NotComparable
from fpcore.fingerprint import Fingerprint

__all__ = ["INVARIANCES", "Claim", "Cost", "Metric", "metric", "metrics", "register"]

ENTRY_POINTS: Final = "lookalike.metrics"

# What is seen only of a model that runs.
FROM_RUNNING: Final = frozenset({"activations", "gradients", "outputs"})

# Changes that keep a model's function (the last two: almost, and up to scale) and that a metric may or may
# not notice. What a metric does not list it must notice: the property tests hold it to both.
INVARIANCES: Final = (
    "unit permutation",  # feed-forward units renumbered
    "head permutation",  # attention heads (with their key-value heads) renumbered
    "embedding permutation",  # dimensions of the residual stream renumbered
    "residual rotation",  # gains folded, then the hidden basis turned (RMSNorm models)
    "q/k gauge",  # query times c, key times 1/c
    "v/o gauge",  # value times c, output times 1/c
    "norm-gain folding",  # gains moved into the projections that read the normed stream
    "global scale",  # every weight times one constant
    "dtype cast",  # weights rounded to 16 bits
)


@dataclass(frozen=True)
class Claim:
    """What a metric's authors say of it.

    Attributes
    ----------
    threshold : float or None
        Scores at or above it are said to show derivation.
    auc : float or None
        Area under the ROC curve that they report.
    p_values : bool
        Whether the score is said to be (minus log10 of) a p-value.
    text, source : str
        The claim in one sentence, and where it is made.
    """

    threshold: float | None = None
    auc: float | None = None
    p_values: bool = False
    text: str = ""
    source: str = ""


@dataclass(frozen=True)
class Cost:
    """What a metric costs, as `tests/performance/metric_cost.py` measured it.

    Attributes
    ----------
    model, pair : float
        CPU milliseconds for a zoo model (some 100,000 weights) and for a pair of them, each alone.
    growth : str
        What either grows with where that is faster than the number of weights.
    """

    model: float
    pair: float
    growth: str = ""

    def __str__(self) -> str:
        text = f"{self.model:.2g} ms a model, {self.pair:.2g} ms a pair of zoo models"
        return f"{text}; {self.growth}" if self.growth else text


class Metric(ABC):
    """A similarity of two models: higher means more alike.

    Attributes
    ----------
    name, title : str
        The name in tables, and a phrase that explains it.
    version : int
        Changes whenever a score could change; fingerprints of versions never mix.
    evidence : frozenset of str
        What it looks at: config, tokenizer, weights, activations, gradients, outputs.
    invariances : frozenset of str
        Those of `INVARIANCES` that leave its scores as they are.
    claims : tuple of Claim
        What its authors say; the one to audit first.
    cost : {"cheap", "costly"}
        Costly metrics are not part of a default run.
    measured : Cost or None
        What it was measured to cost; None if nobody has measured it.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    version: ClassVar[int] = 1
    evidence: ClassVar[frozenset[str]] = frozenset({"weights"})
    invariances: ClassVar[frozenset[str]] = frozenset()
    claims: ClassVar[tuple[Claim, ...]] = ()
    cost: ClassVar[Literal["cheap", "costly"]] = "cheap"
    measured: ClassVar[Cost | None] = None

    @abstractmethod
    def fingerprint(self, model: Checkpoint) -> Fingerprint:
        """What the metric keeps of a model.

        Raises
        ------
        NotComparable
            The metric is not defined for this model; it abstains on all its pairs.
        """

    @abstractmethod
    def similarity(self, a: Fingerprint, b: Fingerprint) -> float:
        """How alike two models are; never NaN.

        Raises
        ------
        NotComparable
            The metric is not defined for this pair.
        """

    def raw(self, fingerprint: Fingerprint) -> dict[str, Any]:
        """The fingerprint as nested plain values for people and scripts."""
        return {name: array.tolist() for name, array in fingerprint.arrays.items()}

    @property
    def needs_forward_pass(self) -> bool:
        """Whether its evidence comes from running a model: the last digits then depend on the device."""
        return bool(self.evidence & FROM_RUNNING)

    def make_fingerprint(
        self,
        model: Checkpoint,
        arrays: Mapping[str, NDArray[np.floating]],
        *,
        keep_checkpoint: bool = False,
    ) -> Fingerprint:
        """A fingerprint of `model` that holds `arrays`, under this metric's name and version.

        Parameters
        ----------
        model : Checkpoint
        arrays : mapping of str to ndarray
            What `similarity` needs; it may be empty with `keep_checkpoint`.
        keep_checkpoint : bool
            Keep the model itself, for metrics that compare whole tensors; never saved.
        """
        kept = model if keep_checkpoint else None
        return Fingerprint(self.name, self.version, model.name, model.digest, arrays, kept)

    def take(
        self,
        model: Checkpoint,
        arrays: Mapping[str, NDArray[np.floating]],
        *,
        keep_checkpoint: bool = False,
    ) -> Fingerprint:
        """The former name of `make_fingerprint`; deprecated."""
        warnings.warn("Metric.take is now called make_fingerprint", DeprecationWarning, stacklevel=2)
        return self.make_fingerprint(model, arrays, keep_checkpoint=keep_checkpoint)

    def __repr__(self) -> str:
        return f"<metric {self.name} v{self.version}>"


M = TypeVar("M", bound=type[Metric])

registered: dict[str, Metric] = {}


def register(cls: M) -> M:
    """Class decorator: make a metric known by its name.

    Raises
    ------
    ValueError
        The name is taken by another class, or an invariance is none of `INVARIANCES`.
    """
    unknown = cls.invariances - set(INVARIANCES)
    if unknown:
        raise ValueError(f"metric {cls.name}: unknown invariances {sorted(unknown)}; known: {INVARIANCES}")
    known = registered.get(cls.name)
    if known is not None and (type(known).__module__, type(known).__qualname__) != (
        cls.__module__,
        cls.__qualname__,
    ):
        raise ValueError(f"metric {cls.name}: {cls.__module__} and {type(known).__module__} both define it")
    registered[cls.name] = cls()
    return cls


@cache
def load_metrics() -> None:
    """Import the modules of `fpcore.metrics` and the entry points of other packages."""
    package = import_module("fpcore.metrics")
    for module in iter_modules(package.__path__):
        import_module(f"{package.__name__}.{module.name}")
    for point in entry_points(group=ENTRY_POINTS):
        try:
            loaded = point.load()
        except Exception as error:
            raise ImportError(
                f"the metric {point.name!r} of entry point {point.value!r} cannot be imported ({error}); "
                "repair or uninstall the package that brings it"
            ) from error
        if isinstance(loaded, type) and issubclass(loaded, Metric):
            register(loaded)


def metrics() -> tuple[Metric, ...]:
    """All metrics: the built-in ones by module and place in it, then those of other packages by name."""
    load_metrics()
    order = list(registered)

    def key(name: str) -> tuple[bool, str, int | str]:
        module = type(registered[name]).__module__
        built_in = module.startswith("fpcore.metrics.")
        return (not built_in, module if built_in else "", order.index(name) if built_in else name)

    return tuple(registered[name] for name in sorted(order, key=key))


def metric(name: str) -> Metric:
    """The metric of that name.

    Raises
    ------
    KeyError
        There is none; the message lists those there are.
    """
    load_metrics()
    if name not in registered:
        raise KeyError(f"no metric {name!r}; known: {', '.join(sorted(registered))}")
    return registered[name]


def require(condition: bool, reason: str) -> None:
    """Abstain with `reason` unless `condition` holds."""
    if not condition:
        raise NotComparable(reason)
