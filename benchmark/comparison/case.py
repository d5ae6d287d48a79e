"""One case: two models, what every metric says of them, what that weighs, and what cannot be said.

The two propositions are that one of the models descends from the other, and that they are independent models
of the same shapes (look-alikes). Evidence is fitted on a calibration run from which the lineages of both
models are left out. Metrics look at the same weights and depend on one another: their likelihood ratios are
never multiplied; their scores are weighed jointly, on the same terms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import analysis
import fpcore
from benchmark.catalog import Catalog
from benchmark.comparison.calibration_run import CalibrationRun
from benchmark.comparison.joint import Joint, weigh_together
from benchmark.comparison.layers import LayerPicture, picture_layers
from benchmark.comparison.metric_evidence import DERIVATION, INDEPENDENCE, Party, Reading, read
from benchmark.comparison.sentences import cannot_say, leading, sentence
from benchmark.comparison.verbal_scale import SOURCE
from benchmark.pipeline.checkpoints import locate_typed
from benchmark.pipeline.metric_names import choose_metrics
from benchmark.pipeline.threads import one_thread
from benchmark.session.errors import UsageError

__all__ = ["Case", "about", "catalog_id", "choose", "open_case"]

SCHEMA: Final = 1


@dataclass(frozen=True)
class Case:
    """Two models and what can be said of them.

    Attributes
    ----------
    parties : tuple of two Party
    readings : tuple of Reading
    calibration : dict or None
        Which run, and which of its lineages were left out.
    lead : Reading or None
        The metric whose evidence the sentence quotes: the one that costs least (Cllr) on pairs of other
        lineages, of those that separate; chosen by the calibration, never by what it says of this case.
    joint : Joint or None
        What the metrics that speak weigh together.
    sentence : str
        What an expert could sign; empty if nothing. It quotes the metrics together where that costs no more
        on other lineages than the lead alone.
    cannot_say : tuple of str
    background : dict or None
        What the catalog has of the pair; not used.
    layers : LayerPicture
        Where the two agree, layer by layer.
    """

    parties: tuple[Party, Party]
    readings: tuple[Reading, ...]
    calibration: dict[str, Any] | None
    lead: Reading | None
    joint: Joint | None
    sentence: str
    cannot_say: tuple[str, ...]
    background: dict[str, Any] | None
    layers: LayerPicture

    @property
    def failed(self) -> tuple[Reading, ...]:
        """Readings of metrics that raised an exception."""
        return tuple(reading for reading in self.readings if reading.status == "failed")

    @property
    def agreement(self) -> dict[str, list[str]]:
        """Metrics by what they support."""
        groups: dict[str, list[str]] = {
            name: [] for name in (DERIVATION, INDEPENDENCE, "neither", "no evidence", "abstained", "failed")
        }
        for one in self.readings:
            if one.status != "ok":
                groups[one.status].append(one.metric)
            elif not one.weight.defined:
                groups["no evidence"].append(one.metric)
            else:
                side = one.words.rpartition(" for ")[2]
                groups[side if side in groups else "neither"].append(one.metric)
        return groups

    def to_json(self) -> dict[str, Any]:
        """The case as plain values."""
        return {
            "schema": SCHEMA,
            "models": [analysis.as_json(party) for party in self.parties],
            "calibration": self.calibration,
            "metrics": [reading.to_json() for reading in self.readings],
            "agreement": self.agreement,
            "lead": self.lead.metric if self.lead else None,
            "combined": self.joint.to_json() if self.joint else None,
            "sentence": self.sentence or None,
            "scale": SOURCE,
            "cannot_say": list(self.cannot_say),
            "background": self.background,
            "layers": self.layers.to_json(),
        }

    def _repr_html_(self) -> str:
        from benchmark.comparison.case_page import case_fragment

        return case_fragment(self)


def open_case(
    catalog: Catalog,
    model_a: str,
    model_b: str,
    *,
    calibration: Path | None = None,
    metrics: str | None = None,
) -> Case:
    """Compare two models.

    Parameters
    ----------
    catalog : Catalog
    model_a, model_b : str
        Catalog ids, local paths, or ``org/name[@revision]``.
    calibration : Path, optional
        A finished run.
    metrics : str, optional
        As for `choose_metrics`; default: those of the calibration, else the cheap ones.

    Raises
    ------
    UsageError
        One model twice, no such run, no such metric.
    fpcore.BadCheckpoint
        A model that cannot be read.
    """
    yardstick = CalibrationRun(calibration) if calibration else None
    chosen, strangers = choose(metrics, yardstick)
    names = [catalog_id(catalog, text) for text in (model_a, model_b)]
    if model_a == model_b or (names[0] is not None and names[0] == names[1]):
        raise UsageError(f"compare: {model_a} and {model_b} are one model; a case needs two")
    checkpoints = [locate_typed(catalog, text).open() for text in (model_a, model_b)]
    parties = [
        Party(text, checkpoint.name, checkpoint.digest, checkpoint.architecture.cell, name)
        for text, checkpoint, name in zip((model_a, model_b), checkpoints, names, strict=True)
    ]
    if parties[0].digest == parties[1].digest:
        raise UsageError(
            f"compare: {model_a} and {model_b} hold identical weights (digest {parties[0].digest[:12]});"
            " a case needs two models"
        )
    left_out: set[str] = set()
    if yardstick is not None:
        for party in parties:
            left_out |= yardstick.lineages_of(catalog, party.catalog_id, party.digest)
    with one_thread():
        readings = tuple(read(name, checkpoints, parties, yardstick, left_out) for name in chosen)
        joint = weigh_together(readings, yardstick, left_out) if yardstick is not None else None
        layers = picture_layers(*checkpoints)
    lead = leading(readings)
    return Case(
        parties=(parties[0], parties[1]),
        readings=readings,
        calibration=None if yardstick is None else about(yardstick, left_out),
        lead=lead,
        joint=joint,
        sentence=sentence(parties, lead, joint),
        cannot_say=tuple(cannot_say(readings, lead, joint, yardstick, strangers)),
        background=_background(catalog, names),
        layers=layers,
    )


def choose(metrics: str | None, yardstick: CalibrationRun | None) -> tuple[tuple[str, ...], list[str]]:
    """The metrics to use, and those of the calibration that are not known here."""
    if metrics is not None or yardstick is None:
        return choose_metrics(metrics), []
    known = {metric.name for metric in fpcore.metrics()}
    chosen = tuple(name for name in yardstick.metrics if name in known)
    if not chosen:
        raise UsageError(
            f"--calibration {yardstick.path}: none of its metrics ({', '.join(yardstick.metrics)}) is"
            " registered here"
        )
    return chosen, [name for name in yardstick.metrics if name not in known]


def catalog_id(catalog: Catalog, text: str) -> str | None:
    """The catalog id that a user named, if it is one."""
    return catalog.canonical(text) if text in catalog and not Path(text).exists() else None


def about(yardstick: CalibrationRun, left_out: set[str]) -> dict[str, Any]:
    """Which run a case is weighed by, and which of its lineages take no part."""
    catalog = yardstick.record.catalog
    return {
        "run": str(yardstick.path),
        "catalog": catalog.digest if catalog else None,
        "seed": yardstick.record.seed,
        "ended": yardstick.record.ended,
        "n_lineages": len(set(yardstick.lineage_of.values())),
        "left_out": sorted(left_out),
    }


def _background(catalog: Catalog, names: Sequence[str | None]) -> dict[str, Any] | None:
    """What the catalog holds of the pair: said, not used."""
    known = [name for name in names if name is not None]
    if len(known) < 2:
        return None
    kinship = catalog.explain(*known)
    pair = {catalog.canonical(name) for name in known}
    return {
        "relation": kinship.relation,
        "method": kinship.method,
        "disputes": [
            {"id": dispute.id, "title": dispute.title, "status": dispute.status}
            for dispute in catalog.disputes
            if dispute.open and pair <= {catalog.canonical(model) for model in dispute.models}
        ],
    }
