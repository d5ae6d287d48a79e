"""Families written once: a template, the axes along which its members differ, and the points of each run."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from typing import Final

from benchmark.catalog.model import OWN_RUN
from benchmark.catalog.schema import FamilyForm, RunForm

__all__ = ["FamilyProblem", "members"]

Entry = dict[str, object]
Point = Mapping[str, object]
PLACEHOLDER: Final = re.compile(r"\{(\w+)\}")
#: What a point of a run has in common with the model at its end.
KEPT: Final = (
    "publisher", "date", "corpus", "tokenizer", "cell", "architecture", "parameters", "evidence", "notes",
)  # fmt: skip


class FamilyProblem(ValueError):
    """A family that does not say what its members are; the message names the field."""


def members(family: FamilyForm) -> list[Entry]:
    """Write out a family.

    Parameters
    ----------
    family : FamilyForm

    Returns
    -------
    list of dict
        Models in the form of the file, parents before children, in the order of the axes.

    Raises
    ------
    FamilyProblem
        A placeholder that no axis has, a field that is given twice, a member that is left out but not there.
    """
    found: list[Entry] = []
    left_out: list[Point] = list(family.leave_out)
    for point, fields in _points(family):
        if point in left_out:
            left_out.remove(point)
            continue
        twice = sorted(set(fields) & set(family.model))
        if twice:
            raise FamilyProblem(f"{twice[0]!r} is given both by an axis and by the model; keep one")
        model = _filled({"family": family.name, **family.model, **fields}, point)
        assert isinstance(model, dict)
        found += [model] if family.run is None else _run(model, family.run, point)
    if left_out:
        raise FamilyProblem(f"leave_out names {left_out[0]}, which is not a member")
    return found


def _points(family: FamilyForm) -> Iterator[tuple[dict[str, object], Entry]]:
    """Every combination of the axes, with the fields that its values bring."""
    axes: list[list[tuple[object, Entry]]] = [
        [(value, {}) for value in values] if isinstance(values, list) else list(values.items())
        for values in family.axes.values()
    ]
    for chosen in itertools.product(*axes):
        point: Entry = {axis: value for axis, (value, _) in zip(family.axes, chosen, strict=True)}
        fields: Entry = {}
        for axis, (_, brought) in zip(family.axes, chosen, strict=True):
            twice = sorted(set(fields) & set(brought))
            if twice:
                raise FamilyProblem(
                    f"axis {axis!r} sets {twice[0]!r}, which another axis also sets; keep one"
                )
            fields |= brought
        yield point, fields


def _filled(value: object, point: Point) -> object:
    """A value with its placeholders filled; one that is nothing but a placeholder keeps the type."""
    if isinstance(value, dict):
        return {key: _filled(each, point) for key, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, point) for each in value]
    if not isinstance(value, str):
        return value
    unknown = sorted({name for name in PLACEHOLDER.findall(value) if name not in point})
    if unknown:
        raise FamilyProblem(f"{{{unknown[0]}}} in {value!r} is not an axis; axes: {', '.join(point)}")
    whole = PLACEHOLDER.fullmatch(value)
    return point[whole[1]] if whole else PLACEHOLDER.sub(lambda found: str(point[found[1]]), value)


def _run(model: Entry, run: RunForm, point: Point) -> list[Entry]:
    """The points of a model's own training, each from the one before, and the model at its end."""
    stated = model.get("training", {})
    training = dict(stated) if isinstance(stated, dict) else {}
    training |= {"budget": run.budget}
    steps = run.steps if isinstance(run.steps, dict) else {str(step): step for step in run.steps}
    chain: list[Entry] = []
    before: tuple[object, int] | None = None
    for name, step in steps.items():
        here = {**point, "step": name}
        entry = {key: model[key] for key in KEPT if key in model} | {"family": model["family"]}
        if run.branch is not None:
            branch = _filled(run.branch, here)
            source = {**_source(model), "revision": branch}
            # The end may itself be a branch, so the repository names the point, not the end.
            entry |= {"id": f"{source.get('hub', model['id'])}@{branch}", "source": source}
        else:
            repository = _filled(run.repository, here)
            entry |= {"id": repository, "source": {"hub": repository}}
        chain.append(entry | _origin(model, run, before, training, step))
        before = entry["id"], step
    ends = {key: value for key, value in model.items() if key not in {"from_scratch", "parents", "training"}}
    assert before is not None
    return [*chain, ends | _origin(model, run, before, training, run.budget)]


def _source(model: Entry) -> dict[str, object]:
    source = model.get("source")
    if isinstance(source, dict):
        return dict(source)
    raise FamilyProblem("a run made of branches needs the model's source: `source: {hub: org/name}`")


def _origin(
    model: Entry, run: RunForm, before: tuple[object, int] | None, training: dict[str, object], step: int
) -> Entry:
    """Where a point of a run comes from: the first from where the model does, others from the one before."""
    if before is None:
        kept: Entry = {key: model[key] for key in ("from_scratch", "parents") if key in model}
        return {**kept, "training": {**training, "steps": step}}
    evidence = [each.model_dump() for each in run.evidence]
    from_start, later = OWN_RUN
    parent = {
        "of": before[0],
        "method": "continued-pretrain",
        "detail": later if before[1] else from_start,
        "evidence": evidence,
    }
    return {"parents": [parent], "training": {**training, "steps": step - before[1]}}
