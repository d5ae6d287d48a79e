"""How a run was made, as names and values."""

from __future__ import annotations

from collections.abc import Mapping

from benchmark.report.notation import seconds
from benchmark.results.schema import RunRecord

__all__ = ["making"]


def making(record: RunRecord) -> list[tuple[str, str]]:
    """How the run was made; what does not apply is left out."""
    catalog, machine = record.catalog, record.machine
    facts = [
        ("Command", record.command),
        ("Arguments", _listed(record.arguments)),
        ("Seed", str(record.seed)),
        ("Status", record.status),
        ("Started", record.started),
        ("Ended", record.ended),
        ("Time taken", ", ".join(f"{phase} {seconds(spent)}" for phase, spent in record.seconds.items())),
        ("Catalog", catalog.path if catalog else ""),
        ("Catalog digest", catalog.digest if catalog else ""),
        ("Packages", _listed(record.packages)),
        ("Machine", _listed(vars(machine))),
    ]
    return [(name, value) for name, value in facts if value]


def _listed(values: Mapping[str, object]) -> str:
    told = (
        (name, " ".join(map(str, value)) if isinstance(value, list | tuple) else value)
        for name, value in values.items()
    )
    return ", ".join(f"{name} {value}" for name, value in told if value not in (None, ""))
