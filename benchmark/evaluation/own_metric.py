"""A metric of your own: this file runs as it is, and every line of it is yours to change.

A metric says how alike two models are; higher is more alike. It has two methods: what to keep of one model,
and how alike two such fingerprints are. Where it is not defined it abstains, with the reason.

A plain function of two checkpoints will do as well: ``def mine(a, b): ... return score``, evaluated as
FILE.py:mine. It is simpler, and slower: it reads both models again for every pair, and is scored on a part of
the independent ones.

The content of this file is part of the key under which fingerprints are cached; what it imports is not:
raise `version` when that changes.
"""

from __future__ import annotations

import numpy as np

import fpcore


class MyMetric(fpcore.Metric):
    """Correlation over layers of how heavy the tails of the feed-forward output weights are."""

    name = "my-metric"
    title = "correlation over layers of the kurtosis of the feed-forward output weights"
    evidence = frozenset({"weights"})
    claims = (fpcore.Claim(threshold=0.9, text="above 0.9 is suspect", source="made up for this example"),)

    def fingerprint(self, model: fpcore.Checkpoint) -> fpcore.Fingerprint:
        """Keep one number a layer.

        Tensors are asked for by role, never by name: `model.roles` knows them for every architecture.
        """
        layers = model.roles.by_layer("feed_forward.down.weight")
        if layers is None:
            raise fpcore.NotComparable("no feed-forward output projection in every layer")
        weights = [layer.read().double().numpy() for layer in layers]
        fourth = [((w - w.mean()) ** 4).mean() / w.var() ** 2 for w in weights]
        return self.make_fingerprint(model, {"kurtosis": np.array(fourth)})

    def similarity(self, a: fpcore.Fingerprint, b: fpcore.Fingerprint) -> float:
        """Compare two fingerprints; which of the two comes first means nothing."""
        left, right = a.arrays["kurtosis"], b.arrays["kurtosis"]
        if left.shape != right.shape:
            raise fpcore.NotComparable(f"{len(left)} and {len(right)} layers")
        if left.std() == 0 or right.std() == 0:
            raise fpcore.NotComparable("the same value in every layer")
        return float(np.corrcoef(left, right)[0, 1])
