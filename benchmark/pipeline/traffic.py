"""The end of what a run fetched: parts of models go that nothing needs, and what came is summed up."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

import fpcore
from benchmark.pipeline.extract import Extraction
from benchmark.pipeline.transfer import Transfer
from benchmark.pipeline.workspace import Workspace
from benchmark.results.schema import ModelTraffic, TrafficRecord
from fpcore.remote.traffic import noted

__all__ = ["conclude_traffic"]


def conclude_traffic(
    workspace: Workspace, transfer: Transfer | None, extractions: Iterable[Extraction]
) -> TrafficRecord | None:
    """Let go of models that were kept for their scores, and say what was fetched.

    Parameters
    ----------
    workspace : Workspace
    transfer : Transfer or None
        As it was planned; None where nothing is on the hub.
    extractions : iterable of Extraction

    Returns
    -------
    TrafficRecord or None
        None where nothing is on the hub.
    """
    if transfer is None:
        return None
    for extraction in extractions:
        if any(outcome.needs_model for outcome in extraction.outcomes.values()):
            with suppress(fpcore.BadCheckpoint):  # it stays for the next run, or for the cache to trim
                workspace.open(extraction.located).let_go()
    log = workspace.fetching.log
    found = {} if log is None else noted(log)
    models = {name: ModelTraffic(one.bytes, one.requests) for name, one in sorted(found.items())}
    if log is not None:
        log.unlink(missing_ok=True)
    return TrafficRecord(
        transfer.budget,
        transfer.bytes,
        sum(one.bytes for one in models.values()),
        sum(one.requests for one in models.values()),
        models,
    )
