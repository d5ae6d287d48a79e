"""What a run recorded beside its figures: disputed cases, how it was made, what failed, its models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmark.report.notation import plain, seconds
from benchmark.report.reading import mapping, number, sequence, text

__all__ = ["disputes", "failures", "making", "models"]


def disputes(run: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The disputed cases as the page and the text print them, each with both sides."""
    told = []
    for item in map(mapping, sequence(run.get("disputes"))):
        names = [text(model) for model in sequence(item.get("models"))]
        sides = (("Claimed", "claims"), ("Answered", "replies"))
        scored = [
            {"metric": text(score.get("metric")), "score": number(score.get("score"))}
            for score in map(mapping, sequence(item.get("scored")))
        ]
        told.append(
            {
                "id": text(item.get("id")),
                "title": text(item.get("title")) or text(item.get("id")) or " – ".join(names),
                "models": names,
                "status": text(item.get("status")),
                "summary": text(item.get("summary")),
                "sides": [{"title": title, "statements": _statements(item.get(key))} for title, key in sides],
                "controls": [text(model) for model in sequence(item.get("controls"))],
                "settled_by": text(item.get("settled_by")),
                "scored": scored,
            }
        )
    return told


def _statements(stored: object) -> list[dict[str, Any]]:
    return [
        {
            "by": text(statement.get("by")) or "someone",
            "says": text(statement.get("says")),
            "source": text(statement.get("source")),
            "figures": [_figure(mapping(figure)) for figure in sequence(statement.get("figures"))],
        }
        for statement in map(mapping, sequence(stored))
    ]


def _figure(stored: Mapping[str, Any]) -> dict[str, str]:
    pair, value = stored.get("pair"), stored.get("value")
    shown = text(value) if isinstance(value, str) else plain(number(value))
    joined = " – ".join(map(text, pair)) if isinstance(pair, list | tuple) else text(pair)
    return {"metric": text(stored.get("metric")), "value": shown, "pair": joined}


def making(run: Mapping[str, Any]) -> list[tuple[str, str]]:
    """How the run was made, as names and values; what run.json does not hold is left out."""
    catalog, times = mapping(run.get("catalog")), mapping(run.get("seconds"))
    phases = [f"{name} {seconds(number(value))}" for name, value in times.items()]
    facts = [
        ("Command", text(run.get("command"))),
        ("Arguments", _listed(mapping(run.get("arguments")))),
        ("Seed", text(run.get("seed"))),
        ("Status", text(run.get("status"))),
        ("Started", text(run.get("started"))),
        ("Ended", text(run.get("ended"))),
        ("Time taken", ", ".join(phases)),
        ("Catalog", text(catalog.get("path"))),
        ("Catalog digest", text(catalog.get("digest"))),
        ("Packages", _listed(mapping(run.get("packages")))),
        ("Machine", _listed(mapping(run.get("machine")))),
    ]
    return [(name, value) for name, value in facts if value]


def _listed(values: Mapping[str, Any]) -> str:
    plain_values = (
        (name, " ".join(map(str, value)) if isinstance(value, list | tuple) else value)
        for name, value in values.items()
    )
    return ", ".join(f"{name} {value}" for name, value in plain_values if value not in (None, ""))


def failures(run: Mapping[str, Any]) -> list[dict[str, str]]:
    """What failed, as text."""
    keys = ("unit", "model", "metric", "error")
    return [
        {key: text(item.get(key)) for key in keys} for item in map(mapping, sequence(run.get("failures")))
    ]


def models(run: Mapping[str, Any]) -> list[dict[str, str]]:
    """The models that were run, by name."""
    keys = ("digest", "architecture", "lineage")
    stored = mapping(run.get("models"))
    return [
        {"name": name, **{key: text(mapping(stored[name]).get(key)) for key in keys}}
        for name in sorted(stored)
    ]
