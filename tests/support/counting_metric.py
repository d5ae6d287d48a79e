"""A metric in a file of its own that notes its every call, so that tests can count them in any process."""

from __future__ import annotations

import textwrap
from pathlib import Path

SOURCE = """
    from pathlib import Path

    import numpy as np

    import fpcore

    LOG = Path({log!r})


    def note(*words):
        with LOG.open("a") as stream:
            print(*words, file=stream)


    class Counting(fpcore.Metric):
        name = "counting"
        title = "a metric that counts its calls"
        version = {version}

        def fingerprint(self, model):
            note("fingerprint", model.path.name)
            weights = model.read("model.layers.0.mlp.up_proj.weight").double().numpy()
            {in_fingerprint}
            return self.make_fingerprint(model, {{"values": weights.reshape(-1)}})

        def similarity(self, a, b):
            note("similarity", a.model, b.model)
            {in_similarity}
            return float(np.corrcoef(a.arrays["values"], b.arrays["values"])[0, 1])
"""


def write_metric(
    folder: Path, *, version: int = 1, in_fingerprint: str = "pass", in_similarity: str = "pass"
) -> Path:
    """Write the metric, with a line of its own in each method; returns its file."""
    path = folder / "counting.py"
    text = SOURCE.format(
        log=str(folder / "calls.log"),
        version=version,
        in_fingerprint=in_fingerprint,
        in_similarity=in_similarity,
    )
    path.write_text(textwrap.dedent(text))
    return path


def calls(folder: Path) -> list[str]:
    """The calls since the last time, in order."""
    log = folder / "calls.log"
    found = log.read_text().splitlines() if log.exists() else []
    log.unlink(missing_ok=True)
    return found
