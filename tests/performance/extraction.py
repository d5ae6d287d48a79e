"""Depth profiles of a large checkpoint beside the plain way, the bandwidth of the file, and their bounds.

``python -m tests.performance.extraction [--layers 22] [--large 20] [--tries 3]``

A Llama-shaped bf16 checkpoint (1.1 billion weights with 22 layers) is written to a temporary folder and read
from the page cache, each figure the best of some tries that take turns. Beside the moments of every role:
``float(tensor.float().std())`` per tensor of the same file with torch's threads, and reading the file into
buffers with as many threads. Then other element types and packings, each as numbers a second against bf16;
the whole process of ``fingerprint``, in full and with ``--sample``; and the memory that it takes for a
checkpoint of --large GB (most of it a hole in the file). Exit status 1 where a bound is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

import fpcore
from fpcore.device import usable_threads
from fpcore.features.block_moments import BlockMoments
from fpcore.features.moments import measure
from fpcore.storage.element_types import CARRIERS, MINIFLOATS

ROOT = Path(__file__).parents[2]
LEAST_RATIO = 5.0  # to the plain way
LEAST_SHARE = 1 / 6  # of the bandwidth
MOST_SECONDS, MOST_SAMPLED = 4.0, 1.4
MOST_MEMORY = 1.0  # GB above the interpreter
CHUNK = 4 << 20
WIDTH, KEYS, INNER, VOCABULARY = 2048, 256, 5632, 32_000


def shapes(layers: int, width: int, inner: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Names and shapes of a Llama."""
    yield "model.embed_tokens.weight", (VOCABULARY, width)
    for layer in range(layers):
        for name, shape in (
            ("self_attn.q_proj", (width, width)),
            ("self_attn.k_proj", (KEYS, width)),
            ("self_attn.v_proj", (KEYS, width)),
            ("self_attn.o_proj", (width, width)),
            ("mlp.gate_proj", (inner, width)),
            ("mlp.up_proj", (inner, width)),
            ("mlp.down_proj", (width, inner)),
            ("input_layernorm", (width,)),
            ("post_attention_layernorm", (width,)),
        ):
            yield f"model.layers.{layer}.{name}.weight", shape
    yield "model.norm.weight", (width,)
    yield "lm_head.weight", (VOCABULARY, width)


def write(folder: Path, layers: int, width: int = WIDTH, inner: int = INNER, filled: int = 1 << 62) -> Path:
    """A bf16 checkpoint; of each tensor, what lies beyond `filled` bytes is a hole."""
    folder.mkdir()
    config = {
        "model_type": "llama",
        "hidden_size": width,
        "num_hidden_layers": layers,
        "num_attention_heads": width // 64,
        "num_key_value_heads": KEYS // 64,
        "intermediate_size": inner,
        "vocab_size": VOCABULARY,
        "tie_word_embeddings": False,
    }
    (folder / "config.json").write_text(json.dumps(config))
    header, end = {}, 0
    for name, shape in shapes(layers, width, inner):
        begin, end = end, end + 2 * int(np.prod(shape))
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    rng = np.random.default_rng(0)
    values = 0.02 * rng.standard_normal(1 << 22, dtype=np.float32)
    bits = (values.view(np.uint32) >> 16).astype(np.uint16).tobytes()
    with (folder / "model.safetensors").open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        base = file.tell()
        for entry in header.values():
            begin, stop = entry["data_offsets"]
            for place in range(begin, min(stop, begin + filled), len(bits)):
                file.seek(base + place)
                file.write(bits[: min(stop, begin + filled) - place])
        file.truncate(base + end)
    return folder


def read_through(file: Path, threads: int) -> None:
    """The file into buffers, by several threads."""

    def part(number: int) -> None:
        buffer = bytearray(CHUNK)
        with file.open("rb", buffering=0) as stream:
            for place in range(number * CHUNK, file.stat().st_size, threads * CHUNK):
                stream.seek(place)
                stream.readinto(buffer)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(part, range(threads)))


def plainly(file: Path) -> None:
    """The deviation of each tensor as one would write it."""
    from safetensors import safe_open

    with safe_open(file, framework="pt") as opened:
        for name in opened.keys():  # noqa: SIM118  # no mapping
            float(opened.get_tensor(name).float().std())


def measured(folder: Path, threads: int) -> None:
    """The moments of every role, from opening the model on."""
    measure(fpcore.open_checkpoint(folder, threads=threads))


def taking_turns(works: dict[str, Callable[[], object]], tries: int) -> dict[str, tuple[float, float]]:
    """Least wall and least CPU seconds of each."""
    best: dict[str, tuple[float, float]] = {}
    for _ in range(tries):
        for name, work in works.items():
            wall, cpu = time.perf_counter(), time.process_time()
            work()
            spent = time.perf_counter() - wall, time.process_time() - cpu
            known = best.get(name, spent)
            best[name] = min(known[0], spent[0]), min(known[1], spent[1])
    return best


def speed(folder: Path, threads: int, tries: int) -> list[str]:
    """The first comparison; what it misses."""
    file = folder / "model.safetensors"
    size = file.stat().st_size / 1e9
    best = taking_turns(
        {
            f"reading alone, {threads} threads": lambda: read_through(file, threads),
            "float().std() per tensor, torch's threads": lambda: plainly(file),
            f"moments of every role, {threads} threads": lambda: measured(folder, threads),
            "moments of every role, 1 thread": lambda: measured(folder, 1),
        },
        tries,
    )
    print(f"{size:.2f} GB of bf16, best of {tries}")
    for name, (wall, cpu) in best.items():
        print(f"  {name:<44}{size / wall:6.2f} GB/s{size / cpu:8.2f} GB a CPU second")
    read, plain, ours = list(best.values())[:3]
    ratio, share = plain[0] / ours[0], read[0] / ours[0]
    print(f"  {ratio:.1f} times the plain way, {share:.2f} of the bandwidth;", end=" ")
    print(f"by CPU seconds {plain[1] / ours[1]:.1f} times and {read[1] / ours[1]:.2f}")
    missed = []
    if ratio < LEAST_RATIO:
        missed.append(f"{ratio:.1f} times the plain way, not {LEAST_RATIO:.0f}")
    if share < LEAST_SHARE:
        missed.append(f"{share:.2f} of the bandwidth, not {LEAST_SHARE:.2f}")
    return missed


def element_types(tries: int) -> None:
    """Numbers a second of each element type and packing, as a share of bf16."""
    values = 0.02 * np.random.default_rng(0).standard_normal(1 << 22)
    blocks = BlockMoments()
    works: dict[str, Callable[[], object]] = {}
    for dtype in ("bfloat16", *(name for name in CARRIERS if name != "bfloat16")):
        kind = MINIFLOATS.get(dtype)
        raw = values.astype(CARRIERS[dtype]) if kind is None else coded(values, dtype)
        works[dtype] = lambda raw=raw, dtype=dtype: blocks.of(raw, dtype)
    works |= packings(values)
    best = taking_turns(works, tries + 5)
    bf16 = best["bfloat16"][1]
    print("numbers a CPU second, in memory, one thread")
    for name, (_, cpu) in best.items():
        print(f"  {name:<44}{len(values) / cpu / 1e9:6.2f} · 10⁹{bf16 / cpu:8.2f} of bf16")


def coded(values: np.ndarray, dtype: str) -> np.ndarray:
    """Numbers as codes of a short float, each some finite one near zero."""
    kind = MINIFLOATS[dtype]
    table = np.where(np.isfinite(kind.table), kind.table, np.inf)
    order = np.argsort(table)[: int(np.isfinite(table).sum())]
    places = np.searchsorted(table[order], values).clip(0, len(order) - 1)
    codes: np.ndarray = order[places].astype(kind.carrier)
    return codes


def packings(values: np.ndarray) -> dict[str, Callable[[], object]]:
    """GGUF encodings and 4-bit integers, decoded and measured."""
    import torch

    works: dict[str, Callable[[], object]] = {}
    square = values.reshape(2048, 2048).astype(np.float32)
    blocks = BlockMoments()
    try:
        from gguf import GGMLQuantizationType
        from gguf.quants import dequantize, quantize
    except ModuleNotFoundError:
        print("without the gguf package: no GGUF figures")
    else:
        for name in ("Q8_0", "Q4_0"):
            kind = GGMLQuantizationType[name]
            packed = quantize(square, kind)

            def gguf(packed: np.ndarray = packed, kind: GGMLQuantizationType = kind) -> None:
                for start in range(0, 2048, 256):
                    blocks.of(dequantize(packed[start : start + 256], kind), "float32")

            works[f"GGUF {name}"] = gguf
    group = torch.full((2048, 32), 0.01).half()
    name = "model.layers.0.self_attn.q_proj"
    tensors = {
        "model.embed_tokens.weight": torch.randn(64, 2048),
        f"{name}.weight": torch.randint(0, 2**31 - 1, (2048, 256), dtype=torch.int32).view(torch.uint32),
        f"{name}.scales": group,
        f"{name}.biases": -8 * group,
    }
    config = {"model_type": "llama", "quantization": {"group_size": 64, "bits": 4}}
    model = fpcore.MemoryCheckpoint("packed", "packed", config, tensors)

    def packed_integers() -> None:
        from fpcore.storage.dequantised import open_dequantised

        opened = open_dequantised(model, f"{name}.weight")
        for start in range(0, opened.size, 1 << 19):
            blocks.of(opened.read(start, start + (1 << 19)), opened.dtype)

    works["4-bit integers in groups (MLX)"] = packed_integers
    return works


def processes(folder: Path, tries: int) -> list[str]:
    """Seconds of the whole command, with nothing in the cache; what they miss."""
    missed = []
    for options, most in (([], MOST_SECONDS), (["--sample"], MOST_SAMPLED)):
        spent, used = [], []
        for _ in range(tries):
            with tempfile.TemporaryDirectory() as cache:
                environment = os.environ | {"LOOKALIKE_CACHE": cache}
                before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
                command = [sys.executable, "-m", "benchmark", "fingerprint", str(folder), "--json", *options]
                subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, check=True)
                spent.append(time.perf_counter() - begun)
                after = resource.getrusage(resource.RUSAGE_CHILDREN)
                used.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        said = " ".join(["fingerprint", *options])
        print(f"{said}: {min(spent):.2f} s, {min(used):.2f} s of CPU (bound: {most} s)")
        if min(spent) > most:
            missed.append(f"{said}: {min(spent):.2f} s, not {most} s")
    return missed


PEAK = """
import resource, sys
import fpcore
from fpcore.features.moments import measure
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
before = peak()
model = fpcore.open_checkpoint(sys.argv[1])
measure(model)
print(peak() - before)
"""


def memory(folder: Path) -> list[str]:
    """What the moments of a very large checkpoint take; what they miss."""
    size = (folder / "model.safetensors").stat().st_size / 1e9
    begun = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", PEAK, str(folder)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    spent, taken = time.perf_counter() - begun, float(done.stdout)
    print(
        f"{size:.1f} GB: {taken:.3f} GB of memory beyond the imports, {spent:.0f} s (bound: {MOST_MEMORY} GB)"
    )
    return [] if taken < MOST_MEMORY else [f"{taken:.2f} GB of memory, not {MOST_MEMORY}"]


def main() -> None:
    """Print the figures; exit status 1 where a bound is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--layers", type=int, default=22, help="of the checkpoint that is timed")
    parser.add_argument("--large", type=float, default=20.0, help="GB of the one whose memory is measured")
    parser.add_argument("--tries", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where the checkpoints are written, and deleted")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=asked.folder) as place:
        folder = write(Path(place) / "model", asked.layers)
        missed = speed(folder, usable_threads(), asked.tries)
        element_types(asked.tries)
        missed += processes(folder, asked.tries)
        each = 2 * (2 * 8192 * 8192 + 2 * KEYS * 8192 + 3 * 22_016 * 8192) / 1e9
        layers = max(1, round((asked.large - 4 * VOCABULARY * 8192 / 1e9) / each))
        missed += memory(write(Path(place) / "large", layers, 8192, 22_016, filled=1 << 20))
    for bound in missed:
        print(f"MISSED: {bound}")
    sys.exit(int(bool(missed)))


if __name__ == "__main__":
    main()
