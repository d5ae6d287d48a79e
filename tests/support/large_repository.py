"""Repositories of the shape of large models, whose bytes are made when they are asked for."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from loopback_hub import Content

BYTES = 2  # bfloat16
TRUE_DIGESTS = 10**9
STEP = 1 << 24


def large_repository(
    *,
    layers: int = 80,
    width: int = 8192,
    heads: int = 64,
    kv_heads: int = 8,
    feed_forward: int = 29568,
    vocabulary: int = 152064,
    shards: int = 37,
) -> dict[str, Content | bytes]:
    """The files of a model of the shape of Qwen2.5-72B, or another of its kind: config, index and shards."""
    config = {
        "architectures": ["Qwen2ForCausalLM"],
        "model_type": "qwen2",
        "num_hidden_layers": layers,
        "hidden_size": width,
        "intermediate_size": feed_forward,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "vocab_size": vocabulary,
        "rms_norm_eps": 1e-6,
        "tie_word_embeddings": False,
        "hidden_act": "silu",
        "torch_dtype": "bfloat16",
    }
    tensors = list(shapes(layers, width, kv_heads * width // heads, feed_forward, vocabulary))
    whole = sum(BYTES * int(np.prod(shape)) for _, shape in tensors)
    files: dict[str, Content | bytes] = {"config.json": json.dumps(config).encode()}
    weight_map: dict[str, str] = {}
    held: list[tuple[str, tuple[int, ...]]] = []
    number = 1
    for place, (name, shape) in enumerate(tensors):
        held.append((name, shape))
        full = sum(BYTES * int(np.prod(one)) for _, one in held) >= whole / shards
        if full or place == len(tensors) - 1:
            file = f"model-{number:05d}-of-{shards:05d}.safetensors"
            weight_map |= {key: file for key, _ in held}
            files[file] = shard(held, number)
            held, number = [], number + 1
    for file in [f"model-{n:05d}-of-{shards:05d}.safetensors" for n in range(number, shards + 1)]:
        files[file] = shard([("lm_head.bias", (1,))], shards)
    index = {"metadata": {"total_size": whole}, "weight_map": weight_map}
    files["model.safetensors.index.json"] = json.dumps(index).encode()
    return files


def shapes(
    layers: int, width: int, kv_width: int, feed_forward: int, vocabulary: int
) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Tensors in the order that files have them: by layer, then by name."""
    yield "model.embed_tokens.weight", (vocabulary, width)
    for layer in range(layers):
        here = f"model.layers.{layer}"
        yield f"{here}.input_layernorm.weight", (width,)
        yield f"{here}.mlp.down_proj.weight", (width, feed_forward)
        yield f"{here}.mlp.gate_proj.weight", (feed_forward, width)
        yield f"{here}.mlp.up_proj.weight", (feed_forward, width)
        yield f"{here}.post_attention_layernorm.weight", (width,)
        for part, rows in (("k", kv_width), ("o", 0), ("q", width), ("v", kv_width)):
            if rows:
                yield f"{here}.self_attn.{part}_proj.bias", (rows,)
            yield f"{here}.self_attn.{part}_proj.weight", (rows or width, width)
    yield "model.norm.weight", (width,)
    yield "lm_head.weight", (vocabulary, width)


def shard(tensors: list[tuple[str, tuple[int, ...]]], seed: int) -> Content:
    """A safetensors file whose numbers lie between 1 and 2 and differ from place to place."""
    header, at = {}, 0
    for name, shape in tensors:
        size = BYTES * int(np.prod(shape))
        header[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    start = struct.pack("<Q", len(text)) + text
    take: Callable[[int, int], bytes] = partial(numbers, start, seed)
    size = len(start) + at
    digest = hashlib.sha256(start + bytes([seed % 256]))
    if size < TRUE_DIGESTS:  # nobody reads all of a larger one
        digest = hashlib.sha256()
        for begin in range(0, size, STEP):
            digest.update(take(begin, min(begin + STEP, size)))
    return Content(size, take, digest.hexdigest())


def numbers(start: bytes, seed: int, begin: int, end: int) -> bytes:
    """Bytes of such a file."""
    found = start[begin:end]
    first, last = max(begin - len(start), 0), max(end - len(start), 0)
    if last > first:
        places = np.arange(first // BYTES, (last + BYTES - 1) // BYTES, dtype=np.uint64)
        mixed = (places + np.uint64(seed << 40)) * np.uint64(0x9E3779B97F4A7C15)
        bits = (np.uint64(0x3F80) | ((mixed >> np.uint64(40)) & np.uint64(0x7F))).astype("<u2").tobytes()
        offset = first - first // BYTES * BYTES
        found += bits[offset : offset + last - first]
    return found
