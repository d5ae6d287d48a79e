"""Cisco's Model Provenance Kit: architecture metadata first, weights where metadata do not match.

Its pipeline score is the metadata score where the configs agree (tier 1: equal shape fields; tier 2: equal
family, tokenizer and size), which it calls a confirmed match; only elsewhere it is the weighted mean of five
weight signals. It runs here as its own ``compare`` does, from its public functions. Source:
cisco-ai-provenance-kit on PyPI (Apache-2.0; Python 3.12 or newer),
https://github.com/cisco-ai-defense/model-provenance-kit.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

import fpcore
from studies.peers.installed import peer_module, version_number
from studies.peers.on_disk import as_array, directory_of, from_array

__all__ = ["PACKAGE", "ProvenanceKit", "ProvenanceKitWeights"]

PACKAGE: Final = "cisco-ai-provenance-kit"

metadata = peer_module("provenancekit.core.signals.metadata")
signals = peer_module("provenancekit.core.signals.weight_signals")
scoring = peer_module("provenancekit.core.scoring")
loading = peer_module("provenancekit.services.model_loader")
forms = peer_module("provenancekit.models.signals")
results = peer_module("provenancekit.models.results")
logs = peer_module("structlog")

# It logs every step to stdout unless told otherwise, as its command line does.
logs.configure(wrapper_class=logs.make_filtering_bound_logger(40))

PARTS: Final = ("eas_self_sim", "nlf_vector", "lep_profile", "end_histogram", "wsp_signature")
COUNTS: Final = ("hidden_size", "num_layers", "eas_anchor_count", "nlf_mode", "nlf_num_layers")
SIGNALS: Final = ("eas", "nlf", "lep", "end", "wvc")
GATE: Final = 2  # tiers up to here are decided by metadata alone


class ProvenanceKit(fpcore.Metric):
    """The kit's pipeline score: metadata where the configs match, weight signals elsewhere."""

    name = "provenance-kit"
    title = "pipeline score of Cisco's Model Provenance Kit"
    version = version_number(PACKAGE)
    evidence = frozenset({"config", "tokenizer", "weights"})
    claims = (
        fpcore.Claim(
            threshold=0.75,
            text="above 0.75 is a high-confidence match; equal metadata are a confirmed match",
            source="README of cisco-ai-provenance-kit 1.0.0, calibrated on its 111 pairs",
        ),
    )

    def fingerprint(self, model: fpcore.Checkpoint) -> fpcore.Fingerprint:
        """Its metadata fingerprint and its weight signals."""
        with directory_of(model) as folder:
            place = str(folder)
            config, tokenizer = metadata.extract_fingerprint(place)
            options = {"tokenizer": tokenizer, "vocab": list(tokenizer.get_vocab())}
            loaded = loading.load_state_dict(place)
            if loaded.strategy == results.LoadStrategy.streaming:
                found = signals.extract_signals_streaming(place, **options)
            else:
                found = signals.extract_signals(loaded.state_dict, loaded.config, **options)
        arrays: dict[str, NDArray[np.floating]] = {"metadata": as_array(config.model_dump())}
        arrays["counts"] = as_array({name: getattr(found, name) for name in COUNTS})
        for part in PARTS:
            values = getattr(found, part)
            if values is not None:
                arrays[part] = np.asarray(values)
        for layer, values in (found.wvc_layer_sigs or {}).items():
            arrays[f"layer/{layer}"] = np.asarray(values)
        return self.make_fingerprint(model, arrays)

    def similarity(self, a: fpcore.Fingerprint, b: fpcore.Fingerprint) -> float:
        """Its pipeline score; where no weight signal compares, it too falls back on metadata."""
        gate = metadata.similarity(*(described(each) for each in (a, b)))
        if gate.tier <= GATE:
            return float(gate.score)
        score = weight_score(a, b)
        return float(gate.score) if math.isnan(score) else score


class ProvenanceKitWeights(ProvenanceKit):
    """The kit's identity score: its five weight signals without the metadata gate."""

    name = "provenance-kit-weights"
    title = "weight signals alone of Cisco's Model Provenance Kit (its identity score)"
    evidence = frozenset({"tokenizer", "weights"})

    def similarity(self, a: fpcore.Fingerprint, b: fpcore.Fingerprint) -> float:
        """Its identity score."""
        score = weight_score(a, b)
        if math.isnan(score):
            raise fpcore.NotComparable("no weight signal of the kit compares these two")
        return score


def described(fingerprint: fpcore.Fingerprint) -> Any:
    """The metadata fingerprint in the kit's own form."""
    return forms.MFIFingerprint(**from_array(fingerprint.arrays["metadata"]))


def weight_score(a: fpcore.Fingerprint, b: fpcore.Fingerprint) -> float:
    """The kit's weighted mean of the signals that compare; NaN where none does."""
    ours, other = weighed(a), weighed(b)
    found = (
        getattr(signals, f"{signal}_similarity")(ours, other)
        for signal in ("eas", "nlf", "lep", "end", "wvc")
    )
    return float(scoring.compute_identity_score(*found))


def weighed(fingerprint: fpcore.Fingerprint) -> Any:
    """The weight signals in the kit's own form."""
    arrays = fingerprint.arrays
    layers = {int(name[6:]): values for name, values in arrays.items() if name.startswith("layer/")}
    return forms.WeightSignalFeatures(
        **from_array(arrays["counts"]),
        **{part: arrays.get(part) for part in PARTS},
        wvc_layer_sigs=layers or None,
    )
