"""An answer as a CycloneDX 1.6 document: the pedigree of a machine-learning model, with its numbers.

An ancestor is named only where the catalog holds one, or where the model states a base and the calibration
finds its weights consistent with it. Everything else stands as notes and properties: the format's
``evidence.identity`` is about which product a file is, its ``confidence`` would be read as a probability, and
a likelihood ratio is none.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from benchmark.catalog import Catalog
from benchmark.comparison.calibration_run import CalibrationFacts
from benchmark.comparison.compared_model import ComparedModel
from benchmark.comparison.evidence_weight import EvidenceWeight

if TYPE_CHECKING:
    from benchmark.comparison.case import Case
    from benchmark.comparison.claim_check import ClaimCheck

__all__ = ["case_document", "claim_document"]

SCHEMA: Final = "http://cyclonedx.org/schema/bom-1.6.schema.json"
NAMESPACE: Final = uuid.UUID("5a1f0f5e-6d5c-5b62-9f0c-0c5d0e3f7a61")
"""Of serial numbers: one document has one number, whenever and wherever it is written."""
BY_CATALOG: Final = "the catalog"
BY_CLAIM: Final = "the model's own statement, with which its weights are consistent"

Properties = list[tuple[str, str]]


@dataclass(frozen=True)
class _Ancestor:
    """A model that another descends from, and who says so."""

    model: ComparedModel
    by: str


def claim_document(check: ClaimCheck, catalog: Catalog) -> dict[str, object]:
    """Write the answer about a stated base as a CycloneDX document.

    Parameters
    ----------
    check : ClaimCheck
    catalog : Catalog
        Ancestors that it holds are named, unless the weights are not consistent with them.

    Returns
    -------
    dict
        JSON values, valid by the schema of CycloneDX 1.6.
    """
    ancestors = []
    facts: Properties = [
        ("claim:where", check.claim.where),
        ("claim:says", check.claim.says),
        ("answer", check.answer),
        ("confidence", f"{check.confidence:g}"),
    ]
    for one in check.bases:
        known = _known_ancestor(catalog, check.model, one.base)
        if one.answer == "consistent" and check.claim.where not in ("--base", BY_CATALOG):
            ancestors.append(_Ancestor(one.base, BY_CLAIM))
        elif known and one.answer != "not consistent":
            ancestors.append(_Ancestor(one.base, BY_CATALOG))
        about = f"base:{one.base.label}"
        facts += [(f"{about}:answer", one.answer), (f"{about}:because", one.because)]
        for side in one.sides:
            if side.quoted is not None:
                facts += _weight(f"{about}:{side.side}", side.quoted.weight, side.quoted.words)
        for by, candidate in zip(("all", "missing-no-children"), one.judged, strict=False):
            facts.append((f"{about}:as-candidate:{by}", candidate.standing))
            if candidate.standing != "not judged":
                facts.append((f"{about}:as-candidate:{by}:p", f"{candidate.derivation_p:.4g}"))
    return _document(
        check.model,
        ancestors,
        [one.base for one in check.bases],
        [check.sentence, *check.cannot_say],
        facts + _calibration(check.calibration),
        check.version,
        check.date,
    )


def case_document(case: Case, catalog: Catalog) -> dict[str, object]:
    """Write a case as a CycloneDX document.

    The subject is the model that the catalog holds to descend from the other; otherwise the first of the two,
    without an ancestor: scores do not say which came first.

    Parameters
    ----------
    case : Case
    catalog : Catalog
        Whose ancestors are named.

    Returns
    -------
    dict
        JSON values, valid by the schema of CycloneDX 1.6.
    """
    model, other = case.models
    if _known_ancestor(catalog, other, model):
        model, other = other, model
    quoted = case.quoted
    facts: Properties = [("answer", case.answer), ("supports", case.supports or "neither")]
    if quoted is not None and not case.forged:
        facts += _weight(f"with:{other.label}", quoted.weight, quoted.words)
    facts += [("known-forgery", note) for note in case.forged]
    ancestors = [_Ancestor(other, BY_CATALOG)] if _known_ancestor(catalog, model, other) else []
    return _document(
        model,
        ancestors,
        [other],
        [case.sentence or f"{case.answer}.", *case.cannot_say],
        facts + _calibration(case.calibration),
        case.version,
        case.date,
    )


def _known_ancestor(catalog: Catalog, child: ComparedModel, parent: ComparedModel) -> bool:
    """Whether the catalog holds one to descend from the other, undisputed."""
    if child.catalog_id is None or parent.catalog_id is None:
        return False
    ids = child.catalog_id, parent.catalog_id
    if ids[0] == ids[1] or catalog.model(ids[0]).forgery or catalog.model(ids[1]).forgery:
        return False
    return ids[1] in catalog.ancestors(ids[0]) and catalog.relation(*ids) == "derived"


def _weight(about: str, weight: EvidenceWeight, words: str) -> Properties:
    """A bounded likelihood ratio with its range, and what it rests on."""
    if not weight.defined:
        return [(f"{about}:log10-lr", "none"), (f"{about}:reason", weight.reason)]
    low, high = weight.ends
    return [
        (f"{about}:log10-lr", f"{weight.log10_lr:.3f}"),
        (f"{about}:log10-lr:low", f"{low:.3f}"),
        (f"{about}:log10-lr:high", f"{high:.3f}"),
        (f"{about}:log10-lr:level", f"{weight.level:g}"),
        (f"{about}:words", words),
        (f"{about}:look-alikes-of-these-shapes", str(weight.n_of_these_shapes)),
        (f"{about}:lineages-of-these-shapes", str(weight.n_lineages_of_these_shapes)),
    ]


def _calibration(run: CalibrationFacts | None) -> Properties:
    if run is None:
        return [("calibration", "none")]
    return [
        ("calibration:digest", run.digest),
        ("calibration:catalog-digest", run.catalog_digest or "none"),
        ("calibration:ended", run.ended),
        ("calibration:seed", str(run.seed)),
        ("calibration:population", run.population),
        ("calibration:lineages-left-out", ", ".join(run.left_out) or "none"),
    ]


def _document(
    model: ComparedModel,
    ancestors: Sequence[_Ancestor],
    others: Iterable[ComparedModel],
    notes: Sequence[str],
    facts: Properties,
    version: str,
    date: str,
) -> dict[str, object]:
    subject = _component(model)
    pedigree: dict[str, object] = {"notes": "\n".join(notes)}
    if ancestors:
        pedigree["ancestors"] = [_component(one.model, [("named-by", one.by)]) for one in ancestors]
    subject["pedigree"] = pedigree
    subject["properties"] = [*_properties([("digest", model.digest)]), *_properties(facts)]
    named = {one.model.digest for one in ancestors}
    beside = {one.digest: _component(one) for one in others if one.digest not in named | {model.digest}}
    document: dict[str, object] = {
        "$schema": SCHEMA,
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": f"{date}T00:00:00Z",
            "tools": {"components": [{"type": "application", "name": "lookalike", "version": version}]},
            "component": subject,
        },
        "components": list(beside.values()),
    }
    return {**document, "serialNumber": f"urn:uuid:{_serial(document)}"}


def _serial(document: Mapping[str, object]) -> uuid.UUID:
    return uuid.uuid5(NAMESPACE, json.dumps(document, sort_keys=True))


def _component(model: ComparedModel, facts: Sequence[tuple[str, str]] = ()) -> dict[str, object]:
    component: dict[str, object] = {
        "type": "machine-learning-model",
        "bom-ref": model.digest,
        "name": model.label,
        "version": model.digest[:12],
        "properties": _properties([("digest", model.digest), *facts]),
    }
    if model.cell:
        component["modelCard"] = {"modelParameters": {"modelArchitecture": model.cell}}
    return component


def _properties(facts: Iterable[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"name": f"lookalike:{name}", "value": value} for name, value in facts]
