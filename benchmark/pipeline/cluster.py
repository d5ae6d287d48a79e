"""Units of work on a Dask cluster, whose workers share no disk with this machine, nor with each other."""

from __future__ import annotations

import hashlib
import pickle
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from benchmark.pipeline.parcels import Files, Parcels, pack, unpack
from benchmark.pipeline.process_state import in_process
from benchmark.pipeline.workspace import Workspace
from benchmark.session.cache import Cache
from benchmark.session.errors import UsageError
from benchmark.session.packages import package_version
from fpcore import Fetching
from fpcore.errors import first_line

if TYPE_CHECKING:
    from distributed import Client, Future, as_completed

__all__ = ["Cluster"]

SECONDS: Final = 10
"""To wait for a scheduler, and for a worker where there is none."""
LOOK_SECONDS: Final = 0.02
"""Between two looks at what is on its way."""
AHEAD: Final = 2
"""Units that wait at a worker's thread: more would only hold their files."""

Unit = TypeVar("Unit")
Result = TypeVar("Result")


class Cluster:
    """A Dask cluster whose workers run this very code.

    A unit goes there with the files of the cache that it needs, by value, and comes back as bytes: its result
    and the files that it made, which are stored here. What a worker leaves undone because it dies is given to
    another, and done here if nobody is left.

    Parameters
    ----------
    address : str
        Of its scheduler, such as ``tcp://10.0.0.1:8786``.
    device : str
        Where metrics that run models run them, on the workers.
    fetching : Fetching, optional
        What becomes of bytes that come from the hub: there as here, in folders of the workers' own.
    sample : bool
        As for `Workspace`.

    Raises
    ------
    UsageError
        No scheduler answers there, it has no worker, or a worker runs other code than this process.
    """

    def __init__(
        self, address: str, device: str, fetching: Fetching | None = None, sample: bool = False
    ) -> None:
        if find_spec("distributed") is None:
            raise UsageError(
                "--dask: the package distributed is not installed; pip install 'lookalike[dask]'"
            )
        from distributed import Client

        try:
            self._client: Client = Client(address, timeout=SECONDS, set_as_default=False)
        except (OSError, ValueError, TimeoutError) as error:
            raise UsageError(
                f"--dask {address}: no scheduler answers at this address; start one with `dask scheduler`"
            ) from error
        self._start = partial(_workspace, device, fetching is not None and fetching.keep, sample)
        self._token = uuid.uuid4().hex
        try:
            self._client.wait_for_workers(1, timeout=SECONDS)
        except TimeoutError as error:
            self.close()
            raise UsageError(
                f"--dask {address}: the cluster has no workers; start some with `dask worker {address}`"
            ) from error
        self._check(address)

    def _check(self, address: str) -> None:
        here = code_and_versions()
        try:
            # The scheduler looks into what it passes on.
            there = {"scheduler": self._client.run_on_scheduler(code_and_versions)}
            there |= self._client.run(code_and_versions)
        except Exception as error:  # whatever keeps them from importing this module
            self.close()
            raise UsageError(
                f"--dask {address}: scheduler and workers need lookalike installed, too ({first_line(error)})"
            ) from error
        for worker, versions in there.items():
            for what in here:
                if versions[what] != here[what]:
                    self.close()
                    raise UsageError(
                        f"--dask: {worker} has {what} {versions[what]}, this machine {here[what]};"
                        " scores could differ: install the same version there"
                    )

    def close(self) -> None:
        """Leave the cluster."""
        self._client.close()

    def run(
        self,
        here: Workspace,
        work: Callable[[Workspace, Unit], Result],
        units: Sequence[Unit],
        parcels: Parcels[Workspace, Unit, Result],
    ) -> Iterator[tuple[int, Result]]:
        """Do every unit, here those that cannot travel.

        Parameters
        ----------
        here : Workspace
            Of this process.
        work : callable
            Of a workspace and a unit; a function of a module.
        units : sequence
        parcels : Parcels

        Yields
        ------
        tuple of int and result
            As they are finished.
        """
        from distributed import as_completed

        away = [place for place, unit in enumerate(units) if parcels.travels(here, unit)]
        local = sorted(set(range(len(units))) - set(away), reverse=True)
        away.reverse()
        sent: dict[Future, int] = {}
        finished = as_completed(loop=self._client.loop)
        try:
            while away or sent or local:
                while away and len(sent) < self._room():
                    place = away.pop()
                    future = self._send(here, work, units[place], parcels)
                    sent[future] = place
                    finished.add(future)
                if local and not finished.has_ready():
                    place = local.pop()
                    yield place, work(here, units[place])
                elif not self._wait(finished):
                    # Nobody is left to do them: units that are on their way are done here, too.
                    self._client.cancel(list(sent))
                    local, away, sent = [*local, *away, *sent.values()], [], {}
                    finished = as_completed(loop=self._client.loop)
                else:
                    future = next(finished)
                    place = sent.pop(future)
                    if future.status == "finished":
                        content = self._fetched(future)
                        if content is None:
                            local.append(place)
                            continue
                        result, files, traffic = pickle.loads(content)
                        unpack(here.cache, files, replace=True)
                        if here.fetching.log is not None and traffic:
                            with here.fetching.log.open("ab") as log:
                                log.write(traffic)
                        yield place, result
                    elif _lost(future):
                        local.append(place)
                    else:
                        future.result()  # raises what the work raised
        finally:
            self._client.cancel(list(sent))

    def _fetched(self, future: Future) -> bytes | None:
        """A result that lies at its worker; None if that is gone, and nobody left to do the unit again."""
        while True:
            try:
                content: bytes = future.result(timeout=SECONDS)
            except TimeoutError:
                if self._threads():
                    continue
                return None
            return content

    def _wait(self, finished: as_completed) -> bool:
        """Wait for a unit that is on its way; whether there is one, which without workers there is not."""
        alone = time.monotonic()
        while not finished.has_ready():
            time.sleep(LOOK_SECONDS)
            if self._threads():
                alone = time.monotonic()
            elif time.monotonic() - alone > SECONDS:
                return False
        return True

    def _room(self) -> int:
        """Units that may be on their way: some for each thread that there is now."""
        return AHEAD * max(1, self._threads())

    def _threads(self) -> int:
        """Of all workers; none where the scheduler does not answer."""
        try:
            threads: Mapping[str, int] = self._client.nthreads()
        except (OSError, TimeoutError):
            return 0
        return sum(threads.values())

    def _send(
        self,
        here: Workspace,
        work: Callable[[Workspace, Unit], Result],
        unit: Unit,
        parcels: Parcels[Workspace, Unit, Result],
    ) -> Future:
        files = pack(here.cache, parcels.needs(here, unit))
        return self._client.submit(
            _on_worker, self._token, self._start, work, parcels, unit, files, pure=False
        )


def _lost(future: Future) -> bool:
    """Whether a unit was not done for reasons of the cluster's: its workers died, or it is gone."""
    from distributed import KilledWorker
    from distributed.comm.core import CommClosedError

    return future.status in ("cancelled", "lost") or isinstance(
        future.exception(), KilledWorker | CommClosedError | ConnectionError
    )


@cache
def code_and_versions() -> dict[str, str]:
    """What the last digits of a score depend on beside the processor."""
    root = Path(__file__).parents[2]
    total = hashlib.sha256()
    for package in ("fpcore", "benchmark"):
        for file in sorted((root / package).rglob("*.py")):
            total.update(file.relative_to(root).as_posix().encode() + b"\0" + file.read_bytes())
    python = ".".join(map(str, sys.version_info[:2]))
    packages = {name: package_version(name) for name in ("numpy", "torch", "scipy")}
    return {"code": total.hexdigest()[:16], "Python": python, **packages}


# A worker may have several threads. A unit takes one core, and what it limits, the whole process.
_one_at_a_time = threading.Lock()


def _on_worker(
    token: str,
    start: Callable[[], Workspace],
    work: Callable[[Workspace, Unit], Result],
    parcels: Parcels[Workspace, Unit, Result],
    unit: Unit,
    files: Files,
) -> bytes:
    """Do a unit on a worker: its result, and the files that hold it."""
    with _one_at_a_time:
        there = in_process(token, start)
        unpack(there.cache, files, replace=False)
        before = len(_logged(there))
        result = work(there, unit)
        made = pack(there.cache, parcels.makes(there, unit, result))
        traffic = _logged(there)[before:]
        there.cache.trim()
        return pickle.dumps((result, made, traffic))


def _logged(workspace: Workspace) -> bytes:
    """What a worker has noted of the bytes that it fetched."""
    log = workspace.fetching.log
    return log.read_bytes() if log is not None and log.is_file() else b""


def _workspace(device: str, keep: bool, sample: bool) -> Workspace:
    """That of a worker: its cache goes with the worker's own folder."""
    from distributed import get_worker

    cache = Cache(Path(get_worker().local_directory) / "lookalike")
    fetching = Fetching(cache.pieces, keep, cache.path / "traffic.log")
    return Workspace(cache, device, fetching, sample=sample)
