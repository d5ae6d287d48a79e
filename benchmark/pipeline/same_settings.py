"""Whether a run directory may be written over: results of other settings are not replaced unasked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

import analysis
from benchmark.pipeline.provenance import Request
from benchmark.results.files import RunDirectory
from benchmark.session.errors import UsageError

__all__ = ["check_settings"]

#: Arguments that change no result: where files come from or go to, and what is done with results.
WITHOUT_EFFECT: Final = ("catalog", "keep", "gates")
SHOWN: Final = 60
NAMED: Final = 4


def check_settings(directory: RunDirectory, request: Request, *, force: bool) -> None:
    """See that a directory holds no results, or results of the very settings that are asked for.

    Parameters
    ----------
    directory : RunDirectory
    request : Request
        What is about to be done there.
    force : bool
        Whether results of other settings may be replaced.

    Raises
    ------
    UsageError
        They may not: one line that names what differs.
    """
    if force or not directory.has_results:
        return
    try:
        found = json.loads(directory.record.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        found = None
    if not isinstance(found, dict):
        differs = "its run.json cannot be read"
    else:
        before, now = _settings(found), _settings(_plain(request))
        names = [name for name in {**now, **before} if _given(before.get(name)) != _given(now.get(name))]
        if not names:
            return
        said = [f"{name} is {_shown(before.get(name))}, not {_shown(now.get(name))}" for name in names]
        more = f" and {len(said) - NAMED} more" if len(said) > NAMED else ""
        differs = f"{'; '.join(said[:NAMED])}{more}"
    raise UsageError(
        f"--out {directory.path}: the folder has results of other settings ({differs});"
        " choose another folder, or overwrite them with --force"
    )


def _plain(request: Request) -> dict[str, object]:
    """A request as run.json holds it."""
    facts = {"command": request.command, "arguments": request.arguments, "seed": request.seed}
    facts |= {"tier": request.tier, "device": request.device, "catalog": analysis.as_json(request.catalog)}
    plain: dict[str, object] = json.loads(json.dumps(facts))
    return plain


def _settings(record: Mapping[str, object]) -> dict[str, object]:
    """What decides the results of a run, by the names that users know; of any schema."""
    arguments, catalog = record.get("arguments"), record.get("catalog")
    settings = {name: record.get(name) for name in ("command", "tier", "seed", "device")}
    settings["catalog"] = catalog.get("digest") if isinstance(catalog, dict) else None
    if isinstance(arguments, dict):
        settings |= {name: value for name, value in arguments.items() if name not in WITHOUT_EFFECT}
    return settings


def _given(value: object) -> object:
    """A setting that is not given is as good as one that an older version did not have."""
    return None if value is False else value


def _shown(value: object) -> str:
    if value is None or value is False:
        return "not set"
    told = ",".join(map(str, value)) if isinstance(value, list) else str(value)
    return told if len(told) <= SHOWN else f"{told[: SHOWN - 1]}…"
