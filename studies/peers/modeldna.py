"""modelDNA: a package that gives a "calibrated probability" of derivation, with 0.9 as its threshold.

It keeps four signals of a model (spread of the projections by layer, norm gains and biases, sampled elements
of the weights, leading singular values) and puts four mean similarities into a logistic function fitted on
synthetic pairs. It runs here as its own ``compare`` does: its fast extraction, its comparison, its verdict
with its default calibrator. Source: https://github.com/AwaisAdilKhokhar/modelDNA (Apache-2.0),
arXiv:2607.10617.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

import fpcore
from studies.peers.installed import peer_module, version_number
from studies.peers.on_disk import as_array, directory_of, from_array

__all__ = ["PACKAGE", "ModelDNA"]

PACKAGE: Final = "modeldna"

extraction = peer_module("modeldna.fingerprint.extract")
files = peer_module("modeldna.io.source")
weights = peer_module("modeldna.io.weights")
comparison = peer_module("modeldna.compare")
judgement = peer_module("modeldna.verdict")
signature = peer_module("modeldna.arch.signature")

# The parts of its fingerprint: name by role, and by role and layer. Values are float32 in its own files too,
# but for curves and norms.
BY_ROLE: Final = {
    "sigma_curves": np.float64,
    "vector_norms": np.float64,
    "vector_samples": np.float32,
    "pcs_samples": np.float32,
}
BY_LAYER: Final = ("spectra_sketch", "spectra_exact")
ABOUT: Final = "about"

# What its own command line takes for a model that it cannot read.
UNREADABLE: Final = (
    files.SourceError,
    weights.WeightIndexError,
    peer_module("modeldna.io.safetensors").SafetensorsError,
)


class ModelDNA(fpcore.Metric):
    """The probability that modelDNA gives a pair.

    It abstains where modelDNA rules a candidate out: another depth, other shapes, no signal in common,
    weights in a format it does not read. The probability is the same both ways.
    """

    name = "modeldna-probability"
    title = "modelDNA's probability that one model derives from the other"
    version = version_number(PACKAGE)
    invariances = frozenset({"global scale", "dtype cast"})
    claims = (
        fpcore.Claim(
            threshold=0.9,
            auc=1.0,
            text="a calibrated probability; 0.9 and above means derived; AUROC 1.0 and no false positive at"
            " 0.9 on 13 derived and 107 other pairs",
            source="README of modeldna 0.1.0; arXiv:2607.10617",
        ),
    )

    def fingerprint(self, model: fpcore.Checkpoint) -> fpcore.Fingerprint:
        """What modelDNA keeps of a model, in its fast mode."""
        with directory_of(model) as folder:
            try:
                found = extraction.extract_fingerprint(files.LocalSource(folder), model_id=model.name)
            except UNREADABLE as error:
                raise fpcore.NotComparable(f"modelDNA cannot read it: {error}") from error
        arrays: dict[str, NDArray[np.floating]] = {ABOUT: as_array(found.arch.to_dict())}
        for part, kind in BY_ROLE.items():
            for role, values in getattr(found, part).items():
                arrays[f"{part}/{role}"] = np.asarray(values, dtype=kind)
        for part in BY_LAYER:
            for role, layers in getattr(found, part).items():
                for layer, values in layers.items():
                    arrays[f"{part}/{role}/{layer}"] = np.asarray(values, dtype=np.float32)
        return self.make_fingerprint(model, arrays)

    def similarity(self, a: fpcore.Fingerprint, b: fpcore.Fingerprint) -> float:
        """Its probability for the pair."""
        evidence = comparison.compare_fingerprints(theirs(a), theirs(b))
        (candidate,) = judgement.judge([(evidence, b.model)]).candidates
        if candidate.probability is None:
            raise fpcore.NotComparable(f"modelDNA rules it out: {candidate.ruled_out}")
        return float(candidate.probability)


def theirs(fingerprint: fpcore.Fingerprint) -> Any:
    """The fingerprint in modelDNA's own form; arrays stand where it has lists."""
    parts: dict[str, dict[str, Any]] = {part: {} for part in (*BY_ROLE, *BY_LAYER)}
    for name, kept in fingerprint.arrays.items():
        values = kept.astype(np.float64)  # as its lists are: logarithms of float32 would be rounded
        part, _, rest = name.partition("/")
        if part in BY_ROLE:
            parts[part][rest] = values
        elif part in BY_LAYER:
            role, _, layer = rest.rpartition("/")
            parts[part].setdefault(role, {})[layer] = values
    about = signature.ArchSignature.from_dict(from_array(fingerprint.arrays[ABOUT]))
    return extraction.Fingerprint(fingerprint.model, about, **parts)
