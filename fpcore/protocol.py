"""What a metric is, and what it says of itself: evidence, invariances, claims and cost."""

from __future__ import annotations

import hashlib
import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import ClassVar, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fpcore.checkpoints.base import Checkpoint
from fpcore.fingerprint import Fingerprint
from fpcore.foreign_json import Json

__all__ = ["FUNCTION_PRESERVING", "INVARIANCES", "Claim", "Cost", "Metric"]

Scores: TypeAlias = NDArray[np.float64]

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


FUNCTION_PRESERVING: Final = frozenset(INVARIANCES) - {"global scale", "dtype cast"}
"""Those that leave what a model computes as it is, up to one permutation or rotation of the residual stream
that is the same for every input."""


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

    Examples
    --------
    >>> import fpcore
    >>> claim = fpcore.metric("attention-std").claims[0]
    >>> claim.threshold, claim.source
    (0.9, 'arXiv:2507.03014')
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

    Examples
    --------
    >>> import fpcore
    >>> print(fpcore.Cost(model=3.0, pair=0.25, growth="per pair: cubic in width"))
    3 ms per model, 0.25 ms per pair of zoo models; per pair: cubic in width
    """

    model: float
    pair: float
    growth: str = ""

    def __str__(self) -> str:
        text = f"{self.model:.2g} ms per model, {self.pair:.2g} ms per pair of zoo models"
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
        Evidence it uses: config, tokenizer, weights, activations, gradients, outputs.
    invariances : frozenset of str
        Those of `INVARIANCES` that leave its scores as they are.
    claims : tuple of Claim
        What its authors say; the one to audit first.
    cost : {"cheap", "costly"}
        Costly metrics are not part of a default run.
    measured : Cost or None
        What it was measured to cost; None if nobody has measured it.
    reads : tuple of str or None
        Roles whose tensors `fingerprint` and `similarity` may read, as globs in which ``*`` stands for
        anything (``layers.*.attention.norm.weight``): nothing else of a model on the hub is fetched in
        advance. None: any.

    Examples
    --------
    A metric of one number a model:

    >>> import numpy as np
    >>> import fpcore
    >>> class EmbeddingLength(fpcore.Metric):
    ...     name = "embedding-length"
    ...     title = "difference of the mean lengths of embedding rows, negated"
    ...
    ...     def fingerprint(self, model):
    ...         view = model.roles.get("embedding.weight")
    ...         if view is None:
    ...             raise fpcore.NotComparable("no embedding")
    ...         lengths = np.linalg.norm(view.read().double().numpy(), axis=1)
    ...         return self.make_fingerprint(model, {"length": lengths.mean(keepdims=True)})
    ...
    ...     def similarity(self, a, b):
    ...         return -abs(float(a.arrays["length"][0] - b.arrays["length"][0]))
    >>> metric = EmbeddingLength()
    >>> parent, child = (fpcore.open_checkpoint(f"models/{name}") for name in ("parent", "child"))
    >>> metric.similarity(metric.fingerprint(parent), metric.fingerprint(parent)) == 0.0
    True
    >>> metric.similarity(metric.fingerprint(parent), metric.fingerprint(child)) < 0.0
    True
    """

    name: ClassVar[str]
    title: ClassVar[str]
    version: ClassVar[int] = 1
    evidence: ClassVar[frozenset[str]] = frozenset({"weights"})
    invariances: ClassVar[frozenset[str]] = frozenset()
    claims: ClassVar[tuple[Claim, ...]] = ()
    cost: ClassVar[Literal["cheap", "costly"]] = "cheap"
    measured: ClassVar[Cost | None] = None
    reads: ClassVar[tuple[str, ...] | None] = None

    @abstractmethod
    def fingerprint(self, model: Checkpoint) -> Fingerprint:
        """What the metric keeps of a model.

        Parameters
        ----------
        model : Checkpoint

        Returns
        -------
        Fingerprint
            Made by `make_fingerprint`.

        Raises
        ------
        NotComparable
            The metric is not defined for this model; it abstains on all its pairs.
        """

    @abstractmethod
    def similarity(self, a: Fingerprint, b: Fingerprint) -> float:
        """How alike two models are; never NaN.

        Parameters
        ----------
        a, b : Fingerprint
            Of this metric and version; their order does not count.

        Returns
        -------
        float
            Higher is more alike; range and units are the metric's.

        Raises
        ------
        NotComparable
            The metric is not defined for this pair.
        """

    def pair_similarities(self, fingerprints: Sequence[Fingerprint], pairs: NDArray[np.intp]) -> Scores:
        """The similarities of many pairs at once, for metrics that can do that faster than one by one.

        `similarity` stays the definition: this may differ from it by rounding only, and what a pair gets must
        not depend on the pairs beside it. A metric need not have it.

        Parameters
        ----------
        fingerprints : sequence of Fingerprint
            Of this metric and version.
        pairs : ndarray of int, (n, 2)
            Places in `fingerprints`.

        Returns
        -------
        ndarray of float64, (n,)
            NaN where a pair is left to `similarity`, such as one that does not compare: it says why.

        Examples
        --------
        >>> import numpy as np
        >>> import fpcore
        >>> metric = fpcore.metric("attention-std")
        >>> models = [fpcore.open_checkpoint(f"models/{name}") for name in ("parent", "child")]
        >>> taken = [metric.fingerprint(model) for model in models]
        >>> scores = metric.pair_similarities(taken, np.array([(0, 1), (1, 1)]))
        >>> scores.tolist() == [metric.similarity(*taken), metric.similarity(taken[1], taken[1])]
        True
        """
        return np.full(len(pairs), np.nan)

    @property
    def scores_together(self) -> bool:
        """Whether it has a `pair_similarities` that speaks for its `similarity`.

        One that is inherited does not where a class further down defines another `similarity`.
        """
        many, one = (
            next(cls for cls in type(self).__mro__ if name in vars(cls))
            for name in ("pair_similarities", "similarity")
        )
        return many is not Metric and issubclass(many, one)

    def raw(self, fingerprint: Fingerprint) -> dict[str, Json]:
        """The fingerprint as nested plain values for people and scripts."""
        return {name: array.tolist() for name, array in fingerprint.arrays.items()}

    @property
    def needs_forward_pass(self) -> bool:
        """Whether its evidence comes from running a model: the last digits then depend on the device."""
        return bool(self.evidence & FROM_RUNNING)

    def roles_read(self, model: Checkpoint) -> tuple[str, ...]:
        """The roles of a model whose tensors the metric may read.

        Raises
        ------
        BadCheckpoint, NotComparable
            The model's tensors cannot be given roles.
        """
        if self.reads is not None and not self.reads:
            return ()
        if self.reads is None:
            return tuple(model.roles)
        return tuple(role for role in model.roles if any(fnmatchcase(role, glob) for glob in self.reads))

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
        # In memory as they come back from a file: products round by the order of what they multiply.
        laid_out = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
        digest = model.digest
        if model.sample is not None:  # some layers are not all: nothing of them may be found in their place
            digest = hashlib.sha256(f"{digest} {model.sample.key}".encode()).hexdigest()
        return Fingerprint(self.name, self.version, model.name, digest, laid_out, kept)

    def take(
        self,
        model: Checkpoint,
        arrays: Mapping[str, NDArray[np.floating]],
        *,
        keep_checkpoint: bool = False,
    ) -> Fingerprint:
        """The former name of `make_fingerprint`; deprecated."""
        warnings.warn("Metric.take has been renamed make_fingerprint", DeprecationWarning, stacklevel=2)
        return self.make_fingerprint(model, arrays, keep_checkpoint=keep_checkpoint)

    def __repr__(self) -> str:
        return f"<metric {self.name} v{self.version}>"
