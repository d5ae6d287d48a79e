"""What metrics cost on the hub: bytes, requests and seconds, beside a request a tensor and all tensors.

``python -m tests.performance hub_bytes``

A loopback hub serves a model of the shape of Qwen2.5-72B (145 GB, 37 shards) and one of 0.3 GB; every request
takes 30 ms longer than it must, as on a network. The baseline reads every tensor of the smaller model by a
request of its own, one after the other. Bounds: norm gains and biases of the large model come to less than
20 MB, headers included; of the smaller one all depth profiles together fetch each byte once.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from large_repository import large_repository
from loopback_hub import LoopbackHub, loopback_hub

import fpcore
from fpcore.storage.dequantised import stored_parts

DELAY = 0.03
SMALL = {"layers": 12, "width": 1024, "heads": 16, "kv_heads": 4, "feed_forward": 2816, "vocabulary": 8192}
ON_LARGE = ("config-match", "norm-std", "norm-cosine", "qkv-bias-std", "qkv-bias-max")
PROFILES = ("norm-std", "qkv-bias-std", "attention-std", "ffn-std", "layer-energy")
MOST_OF_LARGE = 20 * 10**6


def measured(hub: LoopbackHub, model: str, metrics: Sequence[str], *, plain: bool = False) -> tuple[int, int]:
    """Open a model, fingerprint it, and say what came; `plain`: first a request for each of its tensors."""
    hub.forget()
    begun, cpu = time.perf_counter(), time.process_time()
    opened = fpcore.open_checkpoint(model)
    if plain:
        for name in opened.tensors:
            opened.read(name)
    chosen = [fpcore.metric(name) for name in metrics]
    roles = {role for metric in chosen for role in metric.roles_read(opened)}
    if roles:
        opened.prefetch(stored_parts(opened, {opened.roles[role].source for role in roles}))
    arrived = time.perf_counter() - begun
    for metric in chosen:
        metric.fingerprint(opened)
    title = "a request a tensor" if plain else ", ".join(metrics)
    print(
        f"  {model.partition('/')[2]:6} {title:45.45} {hub.sent / 1e6:9.2f} MB {len(hub.seen):5d} requests "
        f"{arrived:6.1f} s to fetch, {time.process_time() - cpu:5.1f} s of CPU with the server's",
        flush=True,
    )
    return hub.sent, len(hub.seen)


def main() -> int:
    """Measure, print, and judge the bounds."""
    missed = []
    with tempfile.TemporaryDirectory() as folder, loopback_hub(Path(folder)) as hub:
        for name, files in (("large", large_repository()), ("small", large_repository(**SMALL, shards=2))):
            hub.repository(f"org/{name}").add(files)
            size = sum(file.size if not isinstance(file, bytes) else len(file) for file in files.values())
            print(f"org/{name}: {size / 1e9:.2f} GB in {len(files)} files", flush=True)
        hub.delay = DELAY
        for metric in (*ON_LARGE, ",".join(ON_LARGE)):
            sent, _ = measured(hub, "org/large", metric.split(","))
            if sent > MOST_OF_LARGE:
                missed.append(f"{metric}: {sent} bytes of the large model, {MOST_OF_LARGE} at most")
        whole, one_by_one = measured(hub, "org/small", (), plain=True)
        for metric in PROFILES:
            measured(hub, "org/small", [metric])
        together, requests = measured(hub, "org/small", PROFILES)
        if together > whole or requests * 2 > one_by_one:
            missed.append(f"all profiles: {together} bytes in {requests} requests")
    print("\n".join(missed))
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
