"""What units of work share in one process: metrics, open checkpoints and fingerprints, bounded."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, Generic, TypeVar

import fpcore
from benchmark.pipeline.checkpoints import Located
from benchmark.pipeline.chosen_metric import ChosenMetric
from benchmark.pipeline.plugin import Plugin
from benchmark.pipeline.plugin_process import PluginProcess
from benchmark.session.cache import Cache
from benchmark.session.packages import source_digest
from fpcore.checkpoints.base import Told
from fpcore.device import usable_threads

if TYPE_CHECKING:  # models that are named by their paths need no zoo
    from benchmark.zoo.library import Shelf

__all__ = ["Workspace"]

KEPT: Final = 1024
"""Open checkpoints, and fingerprints: each keeps what was computed on it."""
KEPT_BYTES: Final = 1 << 30
"""Of fingerprints, which are those of one metric."""

Key = TypeVar("Key")
Value = TypeVar("Value")


class Recent(Generic[Key, Value]):
    """Values that were used last, within a number and a total size."""

    def __init__(self, size: Callable[[Value], int], limit: int) -> None:
        self._size, self._limit = size, limit
        self._values: OrderedDict[Key, Value] = OrderedDict()
        self._held = 0

    def get(self, key: Key, make: Callable[[], Value]) -> Value:
        """The value of a key, made if it is not held."""
        if key in self._values:
            self._values.move_to_end(key)
            return self._values[key]
        value = self._values[key] = make()
        self._held += self._size(value)
        while len(self._values) > KEPT or (self._held > self._limit and len(self._values) > 1):
            _, oldest = self._values.popitem(last=False)
            self._held -= self._size(oldest)
        return value

    def forget(self, key: Key) -> None:
        """Hold a value no longer."""
        if key in self._values:
            self._held -= self._size(self._values.pop(key))


def _bytes(fingerprint: fpcore.Fingerprint) -> int:
    return sum(array.nbytes for array in fingerprint.arrays.values())


def _load(workspace: Workspace, chosen: ChosenMetric) -> Iterator[object]:
    """In the process of a metric's own: make the metric, and import what no model or pair is to pay for."""
    import torch  # noqa: F401

    workspace.metric(chosen)
    yield True


class Workspace:
    """Metrics, checkpoints and fingerprints of one run, opened once in a process.

    Parameters
    ----------
    cache : Cache
        Where fingerprints are kept.
    device : str
        Where metrics that run models run them.
    fetching : Fetching, optional
        What becomes of bytes that come from the hub.
    sample : bool
        Whether slices of large weights are measured in place of all.
    inside : bool
        Whether this is the process in which somebody else's metric runs.

    Attributes
    ----------
    told : callable or None
        Told of steps of the work on the models that are open: steps done, steps in all, and what they are.
    """

    def __init__(
        self,
        cache: Cache,
        device: str,
        fetching: fpcore.Fetching | None = None,
        *,
        sample: bool = False,
        inside: bool = False,
    ) -> None:
        self.cache = cache
        self.device = device
        self.told: Told | None = None
        self.fetching = fetching or fpcore.Fetching(cache.pieces)
        self.threads = usable_threads()
        self.sample = sample
        self.inside = inside
        self._plugins: dict[ChosenMetric, Plugin] = {}
        self._metrics: dict[ChosenMetric, fpcore.Metric] = {}
        # What is large and was computed on checkpoints, bounded for all together.
        self._memo = fpcore.Memo()
        self._opened: Recent[str, fpcore.Checkpoint] = Recent(lambda _: 0, 0)
        self._scored = ""
        self._fingerprints: Recent[str, fpcore.Fingerprint] = Recent(_bytes, KEPT_BYTES)

    def metric(self, chosen: ChosenMetric) -> fpcore.Metric:
        """A metric of the run."""
        if chosen not in self._metrics:
            self._metrics[chosen] = chosen.code() if self.inside else chosen.load()
        return self._metrics[chosen]

    def apart(self, chosen: ChosenMetric) -> bool:
        """Whether a metric runs in a process of its own, and not in this one."""
        return chosen.isolated and not self.inside

    def plugin(self, chosen: ChosenMetric) -> Plugin:
        """The process in which a metric runs."""
        if chosen not in self._plugins:
            self.lend(chosen, PluginProcess(self.device))
        return self._plugins[chosen]

    def lend(self, chosen: ChosenMetric, process: PluginProcess) -> None:
        """Have a metric run in a process that is there."""
        start = partial(Workspace, self.cache, self.device, self.fetching, sample=self.sample, inside=True)
        self._plugins[chosen] = Plugin(process, start, partial(_load, chosen=chosen))

    def close(self) -> None:
        """End the processes in which metrics ran."""
        for plugin in self._plugins.values():
            plugin.close()

    def take(self, error: BaseException) -> None:
        """Take an error for a metric's own; here, what is not an `Exception` is raised again."""
        if not self.inside and not isinstance(error, Exception):
            raise error

    def open(self, located: Located) -> fpcore.Checkpoint:
        """The checkpoint of a model of the run; what the catalog states of its shape is not checked here.

        Raises
        ------
        fpcore.BadCheckpoint
            The weights are missing or damaged.
        """

        def opened() -> fpcore.Checkpoint:
            checkpoint = located.open_unchecked(self.device, self.fetching, lambda: self._shelf)
            checkpoint.memo, checkpoint.threads = self._memo, self.threads
            checkpoint.told = self._tell
            if self.sample:
                checkpoint = fpcore.SampledCheckpoint(checkpoint)
                checkpoint.memo = self._memo
            return checkpoint

        return self._opened.get(located.model, opened)

    def forget(self, located: Located) -> None:
        """Open a model anew when it is wanted again."""
        self._opened.forget(located.model)

    @cached_property
    def reader(self) -> str:
        """Digest of the code that reads models."""
        return source_digest(fpcore)

    @cached_property
    def _shelf(self) -> Shelf:
        from benchmark.zoo.library import Shelf

        return Shelf(device=self.device)

    def _tell(self, done: int, total: int, what: str) -> None:
        if self.told is not None:
            self.told(done, total, what)

    def fingerprint(self, chosen: ChosenMetric, located: Located, digest: str) -> fpcore.Fingerprint:
        """The fingerprint of a model that has one: from memory, from the cache, or of the model itself.

        Parameters
        ----------
        chosen : ChosenMetric
        located : Located
        digest : str
            Of the model.
        """
        key = chosen.key(self.device)

        def find() -> fpcore.Fingerprint:
            path = self.fingerprint_file(key, digest)
            kept = load_stored(self.cache, path)
            if kept is not None:
                return kept
            made = self.metric(chosen).fingerprint(self.open(located))
            if (content := storable(made)) is not None:
                # A full disk is met again when scores are kept, outside of somebody's code.
                with suppress(OSError):
                    self.cache.write(path, content)
            return made

        if key != self._scored:
            # Metrics are scored one after the other. Those of all of them would have joblib replace this
            # process, and its successor reads every model again.
            self._scored, self._fingerprints = key, Recent(_bytes, KEPT_BYTES)
        return self._fingerprints.get(digest, find)

    def fingerprint_file(self, key: str, digest: str, suffix: str = ".fingerprint") -> Path:
        """Where the cache keeps a fingerprint, or (``.outcome``) how it came out."""
        return self.cache.fingerprints / key / f"{digest}{suffix}"


def storable(fingerprint: fpcore.Fingerprint) -> bytes | None:
    """What the cache keeps of a fingerprint; None of one that needs its checkpoint: it is made again."""
    if not fingerprint.arrays or fingerprint.checkpoint is not None:
        return None
    return fingerprint.to_bytes()


def load_stored(cache: Cache, path: Path) -> fpcore.Fingerprint | None:
    """Read a fingerprint from the cache; None where none can be believed: it is made again."""
    kept = cache.read(path)
    if kept is None:
        return None
    try:
        return fpcore.Fingerprint.from_bytes(kept)
    except fpcore.BadCheckpoint as error:
        cache.distrust(path, error)
        return None
